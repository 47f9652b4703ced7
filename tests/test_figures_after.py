"""The figures on auditing and monitoring show what the pages say of them."""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"
SPECIFICATION = importlib.util.spec_from_file_location("figures_after", DOCS / "figures_after.py")
figures = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(figures)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_main_writes_every_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    monkeypatch.setattr(figures, "FIGURES", {name: plt.figure for name in figures.FIGURES})
    figures.main()
    assert {path.stem for path in tmp_path.glob("*.png")} == set(figures.FIGURES)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_figure_is_on_a_page(name):
    assert (DOCS / "_static" / f"{name}.png").stat().st_size > 10_000
    pages = "".join(page.read_text() for page in DOCS.glob("*.md"))
    assert pages.count(f"](_static/{name}.png)") == 1


def test_the_monitor_proves_the_gap_after_the_change_and_nothing_else():
    gap, rate = figures.changing_stream().axes
    (mark,) = [line for line in gap.lines if line.get_marker() == "v"]
    assert figures.CHANGE < mark.get_xdata()[0] <= figures.ROWS
    assert rate.get_title(loc="right") == "holds: proved"


def test_only_the_repeated_test_raises_too_many_false_alarms():
    by_test, by_monitor = (line.get_ydata() for line in figures.false_alarms().axes[0].lines[:2])
    assert by_test[-1] > 0.35
    assert by_test[0] <= 0.08  # one look
    assert by_monitor[-1] < figures.DELTA


def test_smallest_alarm_is_the_first_count_that_refutes_the_limit():
    (count,) = figures.smallest_alarm(np.array([100]))
    capitals = [
        float(figures.RateStream(int(k), 100).log_capital(np.array([figures.LIMIT]))[0])
        for k in (count - 1, count)
    ]
    assert capitals[0] < np.log(1 / figures.DELTA) <= capitals[1]


def test_no_model_that_violates_the_constraint_passes_more_often_than_delta():
    for line in figures.passing_by_truth().axes[0].lines[:3]:
        truths, passing = (np.asarray(values) for values in line.get_data())
        assert passing[truths <= 0.8 + 1e-9].max() <= figures.DELTA
        assert passing[-1] > 0.9

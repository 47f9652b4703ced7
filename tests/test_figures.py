"""The manual's figures are those that docs/figures makes, and each of them is shown."""

from __future__ import annotations

import re
from pathlib import Path

import figures
import matplotlib.pyplot as plt
import numpy as np
import pytest
from figures import background, diagrams
from figures.__main__ import main
from matplotlib.figure import Figure

from sklearn_seldonian import bounds
from tests._figures import assert_readable
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "RESULTS.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.rst")),
]
STYLES = {"custom.css"}
# These take some seconds: fits, an example, many bounds.
LONG = {
    *("bounds_by_rows.svg", "cost_of_a_limit.svg", "predicted_bound.svg", "random_forest.png"),
    *("search_settings.svg", "two_rates.svg"),
}


def shown():
    """The names of the images in docs/_static that pages show."""
    texts = (page.read_text() for page in PAGES)
    return {name for text in texts for name in re.findall(r"_static/([\w.]+)", text)}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in figures.FIGURES]
)
def test_figure_is_drawn(name):
    plt.switch_backend("Agg")
    with plt.rc_context({"font.size": 9}):
        figure = figures.FIGURES[name]()
    try:
        assert isinstance(figure, Figure)
        drawn = [part for ax in figure.axes for part in (*ax.lines, *ax.patches, *ax.texts)]
        assert len(drawn) >= 3
        assert_readable(figure)
    finally:
        plt.close(figure)


def test_files_are_those_that_the_scripts_make():
    names = {path.name for path in (ROOT / "docs" / "_static").iterdir()}
    assert names - STYLES == {*figures.FIGURES}


def test_every_figure_is_shown():
    assert shown() == {*figures.FIGURES}


def test_files_are_small():
    assert all(path.stat().st_size < 150_000 for path in (ROOT / "docs" / "_static").iterdir())


def test_main_writes_the_figures_that_are_named(tmp_path):
    main(["split_and_test.svg"], tmp_path)
    (written,) = tmp_path.iterdir()
    assert written.name == "split_and_test.svg"
    assert "<dc:date>" not in written.read_text()


def test_layers_are_drawn_in_the_order_that_imports_have():
    drawn = [name for names, _ in diagrams.LAYERS for name in names.split(", ")]
    public = {name for name in LAYERS if name and not name.startswith("_")}
    assert set(drawn) == public | {"_command_line"}
    for height, (names, _) in enumerate(reversed(diagrams.LAYERS)):
        assert {LAYERS[name] for name in names.split(", ")} == {height}


def test_capital_path_ends_as_the_package_certifies():
    """The drawn capital reaches 1 / delta exactly if the test against the limit passes."""
    rng = np.random.default_rng(0)
    outcomes = set()
    for mean in np.repeat([0.2, 0.27, 0.3], 4):
        values = rng.beta(4 * mean, 4 * (1 - mean), 300)
        _, capital = background.capital_path(values, 0.3)
        reached = bool(capital.max() >= 1 / background.DELTA)
        p_value = bounds.betting_p_value([values], [1.0], [(0, 1)], 0.3, background.DELTA)
        # The package bets against a mesh of limits, which loses a little.
        assert reached or p_value > background.DELTA
        outcomes.add(reached)
    assert outcomes == {True, False}

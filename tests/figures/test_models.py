"""The figures of the user guide show the stated numbers, and its tables agree with them."""

import re
from pathlib import Path

import pytest
from figures import models as figures
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[2] / "docs"


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def test_training_starts_where_a_constraint_is_infeasible():
    figure = figures.training()
    assert isinstance(figure, Figure)
    bounds = figure.axes[2].lines[1].get_ydata()
    assert bounds[0] > 0 > bounds[-1]


def test_search_marks_each_test():
    ax = figures.search().axes[0]
    assert len(texts_of(ax)) == 3
    assert sum(text.endswith("passed, kept") for text in texts_of(ax)) == 1


def test_thresholds_after_the_first_failure_are_not_tested():
    ax = figures.thresholds().axes[0]
    verdicts = [text for text in texts_of(ax) if text != "limit"]
    assert verdicts == ["passed", "passed", "failed", *["not tested"] * 3]


def test_families_show_every_entry():
    ax = figures.families().axes[0]
    assert len(ax.get_yticklabels()) == 6
    assert len(texts_of(ax)) == 6 * len(figures.FAMILIES)
    assert all(re.fullmatch(r"\d+%", text) for text in texts_of(ax))


def test_the_table_of_families_has_the_measured_numbers():
    page = (DOCS / "models.md").read_text()
    for row in figures.rows_of_rivals(figures.RESULTS.read_text()):
        assert " | ".join(row[2:5]).replace(" s)", ")") in page


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("Adult, DP .1, m 4,000", "Adult, parity gap ≤ 0.1\n4,000 rows"),
        ("Adult, PPV >= .75, m 1,000", "Adult, PPV ≥ 0.75\n1,000 rows"),
        ("German, DI .8, m 1,000", "German, parity ratio ≥ 0.8\n1,000 rows"),
    ],
)
def test_entries_in_words(entry, words):
    assert figures.entry_in_words(entry) == words

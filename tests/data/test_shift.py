"""Populations in which the levels of a column have other shares."""

import re

import numpy as np
import pytest

from sklearn_seldonian.data._shift import check_has_column, missing_levels, shift_of

RANGES = {"race": {"A": (0.2, 0.5), "B": (0.3, 0.4), "C": (0.1, 0.4)}}


def test_corners_are_populations_within_the_ranges():
    corners = shift_of(RANGES).corners
    assert np.allclose(corners.sum(axis=1), 1.0)
    low, high = np.array(list(RANGES["race"].values())).T
    assert (corners >= low - 1e-9).all()
    assert (corners <= high + 1e-9).all()
    expected = [[0.2, 0.4, 0.4], [0.3, 0.3, 0.4], [0.5, 0.3, 0.2], [0.5, 0.4, 0.1]]
    assert np.allclose(sorted(corners.tolist()), expected)


@pytest.mark.parametrize("seed", range(5))
def test_every_population_is_a_mixture_of_corners(seed):
    """Of all populations within the ranges, a linear function is largest at a corner."""
    rng = np.random.default_rng(seed)
    low = rng.dirichlet([1] * 4) / 2
    high = low + rng.random(4) / 2
    shift = shift_of({"g": {i: (a, b) for i, (a, b) in enumerate(zip(low, high, strict=True))}})
    drawn = rng.dirichlet([1] * 4, 200_000)
    inside = drawn[((drawn >= low) & (drawn <= high)).all(axis=1)]
    for slope in rng.normal(size=(20, 4)):
        assert (inside @ slope).max(initial=-np.inf) <= (shift.corners @ slope).max() + 1e-9


@pytest.mark.parametrize(
    ("shares", "corners"),
    [
        ({"A": 0.3, "B": 0.7}, [[0.3, 0.7]]),
        ({"A": (0.2, 0.4), "B": (0.6, 0.8)}, [[0.2, 0.8], [0.4, 0.6]]),
        ({"A": (0.0, 1.0), "B": (0.0, 1.0)}, [[0.0, 1.0], [1.0, 0.0]]),
        ({"A": 1.0}, [[1.0]]),
        ({"A": 0.0, "B": (0.4, 0.6), "C": (0.4, 0.6)}, [[0.0, 0.4, 0.6], [0.0, 0.6, 0.4]]),
        ({level: 0.05 for level in range(20)}, [[0.05] * 20]),
    ],
)
def test_shares_and_ranges(shares, corners):
    found = np.array(sorted(shift_of({"race": shares}).corners.tolist()))
    assert found == pytest.approx(np.array(corners))


REFUSED = [
    ("race", TypeError, "shift must map a column to the shares of its levels"),
    ({"race": [0.5, 0.5]}, TypeError, "shift must map a column"),
    ({}, ValueError, "shift must name one column"),
    ({"race": {"A": 1}, "sex": {"M": 1}}, ValueError, "make one column of their combinations"),
    ({"race": {}}, ValueError, "in shift cannot sum to 1"),
    ({"race": {"A": 0.5, "B": 0.4}}, ValueError, "the highest to 0.9"),
    ({"race": {"A": (0.6, 1), "B": (0.6, 1)}}, ValueError, "the lowest sum to 1.2"),
    (
        {"race": {"A": (0.4, 0.2), "B": 0.7}},
        ValueError,
        "race == 'A' in shift must be a number from 0 to 1",
    ),
    ({"race": {"A": (0.1, 0.2, 0.3), "B": 0.7}}, ValueError, "race == 'A' in shift must be"),
    ({"race": {"A": -0.1, "B": 1.1}}, ValueError, "race == 'A' in shift must be"),
    ({"race": {"A": np.nan, "B": 1.0}}, ValueError, "race == 'A' in shift must be"),
    ({"race": {"A": "half", "B": 0.5}}, TypeError, "race == 'A' in shift must be a number or a"),
    ({"race": {"A": None, "B": 0.5}}, TypeError, "race == 'A' in shift must be a number or a"),
    ({"race": {i: (0, 1) for i in range(13)}}, ValueError, "Merge levels"),
    ({"race": {i: (0.05, 0.2) for i in range(9)}}, ValueError, "more than 64 corners"),
]


@pytest.mark.parametrize(("given", "error", "message"), REFUSED)
def test_what_is_refused(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        shift_of(given)


def test_levels_of_rows():
    shift = shift_of(RANGES)
    levels = shift.positions(["B", "A", "B"])
    assert levels.tolist() == [1, 0, 1]
    assert missing_levels(shift, levels) == "race == 'C'"
    assert missing_levels(None, levels) == ""
    with pytest.raises(ValueError, match="gives no share to race == 'D'"):
        shift.positions(np.array(["A", "D"]))
    with pytest.raises(ValueError, match="names the column 'race', which is neither"):
        check_has_column(shift, {"sex": np.zeros(3)})


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_row_without_a_level_is_refused_unless_that_is_a_level(missing):
    values = np.array(["A", missing, "B"], dtype=object)
    with pytest.raises(ValueError, match="Column 'race' of shift has 1 missing values"):
        shift_of({"race": {"A": 0.5, "B": 0.5}}).positions(values)


def test_no_shift():
    assert shift_of(None) is None
    check_has_column(None, {})

"""Units of dependent rows, and the weights of rows."""

import re

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.data._units import units_of

GROUPS = ["b", "a", "b", "c", "b", "c"]
WEIGHTS = [1.0, 0.0, 2.0, 4.0, 0.5, 0.5]


def test_rows_of_a_group_are_one_unit():
    units = units_of(GROUPS, None, 6)
    assert units.positions.tolist() == [0, 1, 0, 2, 0, 2]
    assert units.largest == 3
    assert units.n_units == 3
    assert units.weights.tolist() == [1.0] * 6
    assert "No group of the population has more than 3 rows" in units.assumptions[1]


@pytest.mark.parametrize("groups", [[1, "1", 1, 2, 2, "2"], (1, "1", 1, 2, 2, "2")])
def test_numbers_and_texts_are_different_groups(groups):
    assert units_of(groups, None, 6).positions.tolist() == [0, 1, 0, 2, 2, 3]


def test_weights_alone():
    units = units_of(None, pd.Series(WEIGHTS), 6)
    assert units.positions.tolist() == [0, 1, 2, 3, 4, 5]
    assert units.largest == 4.0
    assert "rows are independent draws" in units.assumptions[0]
    assert "above 4, the largest given" in units.assumptions[2]


def test_what_is_known_is_no_assumption_of_the_rows():
    units = units_of(GROUPS, WEIGHTS, 6, max_group_size=10, max_weight=5)
    assert units.largest == 50.0
    assert units.assumptions[1] == "No group can have more than 10 rows."
    assert units.assumptions[3] == "No sample_weight can exceed 5."


@pytest.mark.parametrize(
    ("groups", "weights", "most"),
    [
        (range(6), None, {}),
        (None, [2.0] * 6, {}),
        (range(6), [0.3] * 6, {"max_weight": 0.3, "max_group_size": 1}),
    ],
)
def test_rows_that_are_units_and_count_the_same_need_no_other_test(groups, weights, most):
    units = units_of(groups, weights, 6, **most)
    assert units.are_rows
    assert units.weights.tolist() == [1.0] * 6
    assert len(units.assumptions) == 2 * ((groups is not None) + (weights is not None)) + (
        groups is None
    )


def test_nothing_is_assumed_of_what_was_not_said():
    assert units_of(None, None, 6) is None


@pytest.mark.parametrize(
    ("groups", "weights", "most"),
    [(range(6), None, {"max_group_size": 2}), (None, [2.0] * 6, {"max_weight": 3.0})],
)
def test_a_population_may_have_what_no_row_here_shows(groups, weights, most):
    assert units_of(groups, weights, 6, **most).largest == next(iter(most.values()))


REFUSED = [
    ((["a"] * 5, None), {}, "groups has 5 values for 6 rows."),
    (([["a", "b"]] * 6, None), {}, "groups must have one value per row"),
    (([1.0, np.nan, 1.0, 2.0, 2.0, 3.0], None), {}, "groups must not contain missing values"),
    ((["a", None, "a", "b", "b", "c"], None), {}, "groups must not contain missing values"),
    ((["a", np.nan, "a", "b", "b", "c"], None), {}, "groups must not contain missing values"),
    ((GROUPS, None), {"max_group_size": 2}, "a whole number, and at least 3, the number of rows"),
    ((GROUPS, None), {"max_group_size": 3.5}, "max_group_size=3.5 must be a whole number"),
    ((GROUPS, None), {"max_group_size": np.inf}, "max_group_size=inf must be a whole number"),
    ((GROUPS, None), {"max_weight": 2}, "max_weight has no effect without sample_weight="),
    ((None, None), {"max_group_size": 2}, "max_group_size has no effect without groups="),
    ((None, [1.0] * 5), {}, "sample_weight has 5 values for 6 rows."),
    ((None, [1.0, -1.0, 1.0, 1.0, 1.0, 1.0]), {}, "at least 0"),
    ((None, [1.0, np.inf, 1.0, 1.0, 1.0, 1.0]), {}, "finite numbers"),
    ((None, [1.0, np.nan, 1.0, 1.0, 1.0, 1.0]), {}, "finite numbers"),
    ((None, [1e308] * 6), {}, "with a finite sum"),
    ((None, ["heavy"] * 6), {}, "sample_weight must contain numbers"),
    ((None, [0.0] * 6), {}, "is zero for all rows"),
    ((None, WEIGHTS), {"max_weight": 3.9}, "max_weight=3.9 must be finite, and at least"),
    ((None, WEIGHTS), {"max_weight": np.inf}, "max_weight=inf must be finite"),
    ((None, WEIGHTS), {"max_weight": np.nan}, "max_weight=nan must be finite"),
]


@pytest.mark.parametrize(("given", "most", "message"), REFUSED)
def test_what_is_refused(given, most, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        units_of(*given, 6, **most)


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="max_weight must be a number"):
        units_of(None, WEIGHTS, 6, max_weight="heavy")
    with pytest.raises(TypeError, match="groups must contain numbers or texts"):
        units_of(pd.Series([["a"], ["b"]] * 3), None, 6)


# -- copies by weight, for training ------------------------------------------------------------


def test_rows_are_copied_as_often_as_their_weights_have_it():
    weights = np.array([0.5, 1.0, 2.5, 0.0] * 25)
    units = units_of(None, weights, 100)
    n_copies = []
    for seed in range(200):
        index = units.copies(np.random.RandomState(seed))
        assert len(index) == 100
        assert (np.diff(index) >= 0).all()
        n_copies.append(np.bincount(index, minlength=100))
    assert np.abs(np.mean(n_copies, axis=0) - weights).max() < 0.15
    assert np.abs(n_copies - weights).max() < 1


def test_no_copies_where_all_rows_count_the_same():
    assert units_of(GROUPS, None, 6).copies(np.random.RandomState(0)) is None


def test_copies_of_a_row_are_one_unit():
    units = units_of(GROUPS, WEIGHTS, 6)
    index = units.copies(np.random.RandomState(0))
    copied = units.copied(index)
    assert copied.positions.tolist() == units.positions[index].tolist()
    assert set(copied.weights) == {1.0}
    assert np.bincount(copied.positions).max() <= copied.largest


def test_units_are_drawn_whole():
    units = units_of(GROUPS, None, 6)
    index, drawn = units.drawn(600, np.random.default_rng(0))
    assert len(index) == pytest.approx(600, rel=0.2)
    sizes = dict(zip(*np.unique(GROUPS, return_counts=True), strict=True))
    for unit in range(drawn.n_units):
        names = {GROUPS[row] for row in index[drawn.positions == unit]}
        assert len(names) == 1
        assert (drawn.positions == unit).sum() == sizes[names.pop()]

"""Offsets of groups: their groups, their decisions, and the search for the best ones."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.certification import tabulate
from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    assign_cells,
    bind,
    parse,
)
from sklearn_seldonian.selection import GroupOffsets, group_shifts, selection_key
from sklearn_seldonian.selection._group_thresholds import GroupShifts
from tests.selection._shifts import cells, rows


def people(n, n_groups, seed=0):
    """Scores of two classes that favour later groups, labels, and groups."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_groups, n)
    margin = rng.normal(size=n) + codes / n_groups
    labels = (rng.random(n) < 1 / (1 + np.exp(-2 * margin))).astype(np.int64)
    return np.c_[np.zeros(n), margin], labels, codes.astype(np.int32), cells(n_groups)


def within(gap):
    """The choice with the fewest errors, among decisions with rates at most `gap` apart."""

    def choose(decisions):
        counts = decisions.tables
        n = counts.sum(axis=(1, 2, 3))
        errors = (counts[..., 0, 1] + counts[..., 1, 0]).sum(axis=1) / n
        rates = counts[..., 1].sum(axis=2) / counts.sum(axis=(2, 3))
        apart = rates.max(axis=1) - rates.min(axis=1)
        scores = np.where(apart <= gap + 1e-9, 1.0, -apart)
        best = np.lexsort((-decisions.moved, -errors, np.minimum(scores, 0.9)))[-1]
        return int(best), selection_key(scores[best], errors[best], 0.0, 0.9)

    return choose


def selected(arguments, gap, start=0.0):
    (shifts,) = group_shifts(*arguments, n_offsets=16)
    return shifts.best(start, within(gap))


def error_of(decisions):
    counts = decisions.tables
    return (counts[..., 0, 1] + counts[..., 1, 0]).sum() / counts.sum()


def least_error(scores, labels, codes, gap):
    """The smallest error over all offsets of groups, by enumeration of the lowest rate and of each
    group's best offset.
    """
    n_groups = codes.max() + 1
    curves = []
    for g in range(n_groups):
        margin, y = scores[codes == g, 1], labels[codes == g]
        order = np.argsort(-margin)
        wrong = y.sum() + np.append(0, np.cumsum(1 - 2 * y[order]))
        curves.append((np.arange(len(y) + 1) / len(y), wrong))
    lowest = np.unique(np.concatenate([rates for rates, _ in curves]))
    best = len(labels)
    for low in lowest:
        inside = [(r >= low - 1e-9) & (r <= low + gap + 1e-9) for r, _ in curves]
        if all(one.any() for one in inside):
            wrong = sum(w[one].min() for (_, w), one in zip(curves, inside, strict=True))
            best = min(best, wrong)
    return best / len(labels)


# -- what is decided -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_tables_are_those_of_the_decisions(n_classes):
    scores, labels, codes, stratification = rows(n_classes)
    cell_of_code = np.array([[code % 2, 2 + code // 2] for code in range(4)])
    families = Stratification(
        (), (frozenset("a"), frozenset("b")), np.zeros((4, 0), bool), cell_of_code
    )
    for strata, k in itertools.product((stratification, families), range(1, n_classes)):
        shifts = GroupShifts(scores, labels, codes, strata, k, 16)
        at = np.array([0.1, 0.4, 0.5, 0.9])
        found = shifts._decisions(2, np.array([0.0, 0.3, 1.0]), np.array([-0.05, 0.1]), at)
        assert found.class_position == k
        assert (found.weight > 0) == (n_classes == 2)
        for offsets, table, smoothed in zip(
            found.offsets, found.tables, found.smoothed, strict=True
        ):
            moved = scores + offsets[codes, None] * np.eye(n_classes)[k]
            expected = tabulate(codes, labels, moved.argmax(axis=1), strata, n_classes)
            np.testing.assert_array_equal(table, expected)
            np.testing.assert_allclose(smoothed.sum(axis=-1), expected.sum(axis=-1))


def test_of_two_classes_one_is_moved_and_of_more_all():
    moved = [
        [shifts.class_position for shifts in group_shifts(*rows(k), n_offsets=8)] for k in (2, 3)
    ]
    assert moved == [[1], [0, 1, 2]]


# -- which are found -----------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.0, 0.03, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_of_two_groups_the_best_pair_is_found(gap, seed):
    arguments = people(300, 2, seed)
    found = selected(arguments, max(gap, 0.01))
    assert error_of(found) <= least_error(*arguments[:3], max(gap, 0.01)) + 1.5 / 300


@pytest.mark.parametrize("n_groups", [3, 5, 8])
@pytest.mark.parametrize("gap", [0.05, 0.2])
@pytest.mark.thinned(2)
def test_of_more_groups_nearly_the_best_are_found(n_groups, gap):
    arguments = people(3000, n_groups)
    found = selected(arguments, gap)
    assert error_of(found) <= least_error(*arguments[:3], gap) + 0.01


def test_one_offset_for_all_is_left_where_it_is_best():
    """Groups are equal, and the start is the best.

    Of equal errors, the smallest offset is chosen.
    """
    scores, labels, *_ = people(400, 1)
    scores, labels = np.tile(scores, (2, 1)), np.tile(labels, 2)
    codes = np.repeat([0, 1], 400).astype(np.int32)
    found = selected((scores, labels, codes, cells(2)), 0.5)
    assert error_of(found) == pytest.approx(least_error(scores, labels, codes, 0.5), abs=2 / 800)


def test_the_order_of_rows_does_not_matter():
    scores, labels, codes, strata = people(500, 3)
    order = np.random.default_rng(1).permutation(500)
    one = selected((scores, labels, codes, strata), 0.1)
    other = selected((scores[order], labels[order], codes[order], strata), 0.1)
    np.testing.assert_array_equal(one.offsets, other.offsets)


def test_a_group_without_rows_has_the_common_offset():
    scores, labels, codes, _ = people(300, 2)

    def choose(decisions):
        assert not decisions.tables[:, 2].any()
        errors = -decisions.tables[..., [0, 1], [0, 1]].sum(axis=(1, 2))
        best = int(errors.argmin())
        return best, (1.0, -float(errors[best]), 0.0)

    (shifts,) = group_shifts(scores, labels, codes, cells(3), n_offsets=16)
    assert shifts.best(0.25, choose).offsets[2] == 0.25


def test_one_group_alone_has_the_best_of_all_offsets():
    arguments = people(300, 1)
    found = selected(arguments, 0.5)
    assert error_of(found) <= least_error(*arguments[:3], 0.5) + 1 / 300


# -- whom they are for ---------------------------------------------------------------------------


TEXT = "abs(PR | [race == 'A', age >= 40] - PR | [race in ('B', 'C'), not M]) <= 0.5"
COLUMNS = {
    "race": np.array(["A", "A", "B", "C", "A", "D"]),
    "age": np.array([50, 20, 50, 20, 60, 30]),
    "M": np.array([1, 0, 0, 0, 1, 1]),
}


def groups_of(columns, text=TEXT):
    constraint = bind(parse(text), Schema.from_columns(columns, [parse(text)], (0, 1), 1))
    n_rows = len(next(iter(columns.values())))
    found = assign_cells(columns, [constraint.conditions], n_rows)
    n_groups = len(found.stratification.cell_of_code)
    offsets = np.arange(2.0 * n_groups).reshape(-1, 2)
    return GroupOffsets.of(found.stratification, offsets), found


def test_groups_are_identified_by_the_conditions_they_meet():
    groups, found = groups_of(COLUMNS)
    assert groups.columns == ["age", "race", "M"]
    np.testing.assert_array_equal(groups.positions(found), found.codes)
    names = [groups.names[i] for i in groups.positions(found)]
    assert names[0] == names[4] == 'age >= 40, race == "A"'
    assert names[5] == f"none of {', '.join(map(str, groups.conditions))}"
    other = {name: values[[3, 0, 0]] for name, values in COLUMNS.items()}
    positions = groups.positions(groups.cells_of(other, 3))
    np.testing.assert_array_equal(positions, found.codes[[3, 0, 0]])


def test_rows_of_no_group_are_recognised():
    groups, _ = groups_of(COLUMNS)
    other = {"race": np.array(["D", "A"]), "age": np.array([80, 50]), "M": np.array([0, 1])}
    unknown = groups.cells_of(other, 2)
    assert groups.positions(unknown).tolist()[0] == -1
    assert groups.positions(unknown)[1] >= 0
    assert groups.unknown(unknown) == ["age >= 40, not M"]
    assert groups.unknown(groups.cells_of(COLUMNS, 6)) == []


def test_as_text_and_back():
    groups, found = groups_of(COLUMNS)
    same = GroupOffsets.from_json(groups.to_json())
    assert same == groups
    np.testing.assert_array_equal(same.positions(found), groups.positions(found))


def test_the_order_of_categories_comes_back():
    sizes = pd.Categorical(["small", "large", "mid"], ["small", "mid", "large"], ordered=True)
    groups, _ = groups_of({"size": sizes}, "PR | [size >= 'mid'] <= 0.9")
    same = GroupOffsets.from_json(groups.to_json())
    assert same.conditions[0].order == ("small", "mid", "large")
    assert same.positions(same.cells_of({"size": sizes}, 3)).tolist() == (
        groups.positions(groups.cells_of({"size": sizes}, 3)).tolist()
    )

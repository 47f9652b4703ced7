"""The division of rows into cells, and the lookup of several families at once."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_seldonian.constraints import Stratification, assign_cells
from sklearn_seldonian.constraints._cells import MAX_JOINT_CELLS
from sklearn_seldonian.constraints._conditions import holds
from sklearn_seldonian.constraints._parse import parse


def condition(text):
    return parse(f"PR | [{text}] <= 0").left.conditions[0]


def test_conditions_of_cells_are_those_of_their_rows():
    rng = np.random.default_rng(0)
    columns = {
        "M": rng.integers(0, 2, 500),
        "race": rng.choice(["A", "B", "C"], 500),
        "age": rng.integers(18, 80, 500),
    }
    conditions = [
        condition(text)
        for text in ("M", "race == 'A'", "not M", "age >= 40", "race in ('A', 'B')", "age < 30")
    ]
    codes, stratification = assign_cells(columns, [conditions], 500)
    for position, one in enumerate(conditions):
        by_row = stratification.membership[stratification.cell_of_code[codes, 0], position]
        np.testing.assert_array_equal(by_row, holds(one, columns[one.column]))
    assert len(np.unique(stratification.membership, axis=0)) == stratification.n_cells
    assert set(codes) == set(range(stratification.n_cells))


@pytest.mark.parametrize("together", [[], [()], [(), ()]])
def test_no_conditions_make_one_cell(together):
    codes, stratification = assign_cells({}, together, 3)
    assert codes.tolist() == [0, 0, 0]
    assert stratification.membership.shape == (1, 0)
    assert stratification.cell_of_code.tolist() == [[0]]


@pytest.mark.parametrize("apart", [False, True], ids=["following", "mixed"])
def test_many_conditions_are_each_inside_their_cells(apart):
    """More conditions than fit into one block; conditions of one column need not be adjacent."""
    rng = np.random.default_rng(0)
    columns = {"n": rng.integers(0, 150, 5000), "M": rng.integers(0, 2, 5000)}
    wanted = [condition(f"n == {level}") for level in range(150)]
    wanted.insert(70 if apart else 0, condition("M"))
    codes, stratification = assign_cells(columns, [wanted], 5000)
    for one in wanted:
        inside = stratification.inside([one], 0)[stratification.cell_of_code[codes, 0]]
        np.testing.assert_array_equal(inside, holds(one, columns[one.column]))
    both = stratification.inside([condition("n == 3"), condition("M")], 0)
    assert both[stratification.cell_of_code[codes, 0]].sum() == sum(
        (columns["n"] == 3) & (columns["M"] == 1)
    )
    assert stratification.inside([], 0).all()


# -- families ------------------------------------------------------------------------------


def conditions(*texts):
    return tuple(condition(text) for text in texts)


@pytest.mark.parametrize(
    ("together", "expected", "n_cells"),
    [
        ([("a",), ("b",)], ["a", "b"], 4),
        ([("a", "not a"), ("a",)], ["a"], 2),
        ([("a",), ("a", "b"), ("b",)], ["ab"], 4),
        ([("a", "b"), ("b", "c"), ("c", "a")], ["ab", "bc", "ac"], 12),
        ([(), ("c",)], ["c"], 2),
        ([("n < 3", "n >= 6"), ("a",)], ["n", "a"], 5),
        ([("n < 3",), ("n >= 6", "a")], ["na"], 6),
    ],
)
def test_families_are_the_sets_of_columns_of_constraints(together, expected, n_cells):
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 2, 200) for name in "abc"} | {"n": rng.integers(0, 9, 200)}
    stratification = assign_cells(
        columns, [conditions(*texts) for texts in together], 200
    ).stratification
    assert stratification.columns == tuple(map(frozenset, expected))
    assert stratification.n_cells == n_cells


def test_every_row_is_in_the_right_cell_of_every_family():
    rng = np.random.default_rng(1)
    columns = {name: rng.integers(0, 4, 300) for name in "abcde"}
    together = [
        conditions("a == 1", "b >= 2"),
        conditions("b == 0", "c != 3"),
        conditions("d in (0, 1)", "d in (1, 2)", "e == 3", "a == 1"),
        conditions("c == 1"),
    ]
    codes, stratification = assign_cells(columns, together, 300)
    cells = stratification.cell_of_code[codes]
    assert set(codes) == set(range(len(stratification.cell_of_code)))
    for family, (own, span) in enumerate(
        zip(stratification.columns, stratification.spans, strict=True)
    ):
        assert set(cells[:, family]) == set(range(span.start, span.stop))
        for position, one in enumerate(stratification.conditions):
            expected = holds(one, columns[one.column]) & (one.column in own)
            found = stratification.membership[cells[:, family], position]
            np.testing.assert_array_equal(found, expected)
    for group in together:
        family = stratification.family_of(group)
        inside = stratification.inside(group, family)[
            cells[:, family] - stratification.spans[family].start
        ]
        every = np.logical_and.reduce([holds(one, columns[one.column]) for one in group])
        np.testing.assert_array_equal(inside, every)


@pytest.mark.parametrize(("n_columns", "kind"), [(20, np.uint8), (200, np.int16)])
def test_cells_are_few_with_any_number_of_columns(n_columns, kind):
    rng = np.random.default_rng(2)
    columns = {f"g{i}": rng.integers(0, 2, 5000) for i in range(n_columns)}
    together = [conditions(f"g{i}", f"not g{i}") for i in range(n_columns)]
    codes, stratification = assign_cells(columns, together, 5000)
    assert stratification.membership.shape == (2 * n_columns, 2 * n_columns)
    assert stratification.cell_of_code.dtype == kind
    assert codes.dtype == np.int32
    assert len(stratification.cell_of_code) <= 5000


def test_more_combinations_than_can_be_listed():
    rng = np.random.default_rng(3)
    columns = {name: rng.integers(0, 10, 1000) for name in "abcdefghijkl"}
    together = [conditions(*(f"{name} == {i}" for name in columns for i in range(10)))]
    codes, stratification = assign_cells(columns, together, 1000)
    assert stratification.n_cells == len(set(zip(*columns.values(), strict=True)))
    assert (stratification.cell_of_code[codes, 0] == codes).all()


def test_a_single_family_numbers_its_cells_as_rows_do():
    stratification = Stratification.single(conditions("a"), np.array([[True], [False]]))
    assert stratification.cell_of_code.tolist() == [[0], [1]]
    assert stratification.inside(conditions("a"), 0).tolist() == [True, False]
    assert Stratification.single().n_cells == 1


# -- joint cells ---------------------------------------------------------------------------


def sorted_rows(levels, n_rows=400, seed=4):
    """Codes and families of rows with one column, and one family, for each number of levels."""
    rng = np.random.default_rng(seed)
    columns = {f"c{i}": rng.integers(0, n, n_rows) for i, n in enumerate(levels)}
    together = [
        conditions(*(f"c{i} == {level}" for level in range(n))) for i, n in enumerate(levels)
    ]
    return assign_cells(columns, together, n_rows)


@pytest.mark.parametrize(
    ("levels", "sizes"),
    [
        ((2,), [2]),
        ((40,), [40]),
        ((2, 3), [6]),
        ((2, 2, 2, 2, 2), [32]),
        ((2, 2, 2, 2, 2, 2), [32, 2]),
        ((40, 2, 3), [40, 6]),
        ((3, 40, 2, 16, 2), [3, 40, 32, 2]),
    ],
)
def test_joint_cells_determine_the_cells_of_all_families(levels, sizes):
    codes, stratification = sorted_rows(levels)
    joint = stratification.joint
    assert joint.n_cells == sum(sizes)
    assert all(size <= max(MAX_JOINT_CELLS, *levels, 0) for size in sizes)
    ends = np.cumsum([0, *sizes])
    rows = joint.cell_of_code[codes]
    assert rows.shape == (len(codes), len(sizes))
    assert ((rows >= ends[:-1]) & (rows < ends[1:])).all()
    inside = joint.from_cells(np.eye(stratification.n_cells))
    np.testing.assert_array_equal(joint.over_cells(np.eye(joint.n_cells)), inside.T)
    for row, cells in zip(rows, stratification.cell_of_code[codes], strict=True):
        expected = np.zeros(stratification.n_cells)
        expected[cells] = 1.0
        np.testing.assert_array_equal(inside[row].sum(axis=0), expected)


def test_sums_over_joint_cells_are_sums_over_cells():
    codes, stratification = sorted_rows((3, 2, 4, 5, 2))
    values = np.random.default_rng(5).normal(size=(len(codes), 2, 3))
    of_joint = np.zeros((stratification.joint.n_cells, 2, 3))
    of_cells = np.zeros((stratification.n_cells, 2, 3))
    for own in stratification.joint.cell_of_code[codes].T:
        np.add.at(of_joint, own, values)
    for own in stratification.cell_of_code[codes].T:
        np.add.at(of_cells, own, values)
    np.testing.assert_allclose(stratification.joint.over_cells(of_joint), of_cells, atol=1e-12)
    assert stratification.joint.over_cells(of_joint[..., :0]).shape == (
        stratification.n_cells,
        2,
        0,
    )


def test_rows_weigh_in_joint_cells_what_they_weigh_in_cells():
    codes, stratification = sorted_rows((3, 2, 4, 5, 2))
    weights = np.random.default_rng(6).normal(size=(stratification.n_cells, 2))
    expected = weights[stratification.cell_of_code[codes]].sum(axis=1)
    found = stratification.joint.from_cells(weights)[stratification.joint.cell_of_code[codes]].sum(
        axis=1
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_one_cell_is_its_own_joint_cell():
    joint = Stratification.single().joint
    assert joint.cell_of_code.tolist() == [[0]]
    assert joint.from_cells(np.ones((1, 1))).tolist() == [[1.0]]

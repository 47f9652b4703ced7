"""Which rows a condition takes in, and how rows are sorted into cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.constraints import Families, assign_cells
from sklearn_seldonian.constraints._conditions import combinations_in, holds, levels_of
from sklearn_seldonian.constraints._parse import parse

SEX = np.array(["F", "M", "F", "X"], dtype=object)
AGE = np.array([20, 40, 60, 40])
MALE = np.array([False, True, False, False])
ONE_HOT = np.array([0, 1, 0, 0])


def condition(text):
    return parse(f"PR | [{text}] <= 0").left.conditions[0]


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("M", MALE, [0, 1, 0, 0]),
        ("M", ONE_HOT, [0, 1, 0, 0]),
        ("M", ONE_HOT.astype(float), [0, 1, 0, 0]),
        ("not M", MALE, [1, 0, 1, 1]),
        ("not M", ONE_HOT, [1, 0, 1, 1]),
        ("M == True", ONE_HOT, [0, 1, 0, 0]),
        ("M == 1", MALE, [0, 1, 0, 0]),
        ("M != 1", MALE, [1, 0, 1, 1]),
        ("age < 40", AGE, [1, 0, 0, 0]),
        ("age <= 40", AGE, [1, 1, 0, 1]),
        ("age > 40", AGE, [0, 0, 1, 0]),
        ("age >= 40.0", AGE, [0, 1, 1, 1]),
        ("age == 4e1", AGE, [0, 1, 0, 1]),
        ("age in (20, 60)", AGE, [1, 0, 1, 0]),
        ("age > -1", AGE, [1, 1, 1, 1]),
        ("sex == 'F'", SEX, [1, 0, 1, 0]),
        ("sex != 'F'", SEX, [0, 1, 0, 1]),
        ("sex >= 'M'", SEX, [0, 1, 0, 1]),
        ("sex in ('M', 'X')", SEX, [0, 1, 0, 1]),
        ("sex in ('M', 3)", SEX, [0, 1, 0, 0]),
        ("sex == 3", SEX, [0, 0, 0, 0]),
        ("sex == 3", SEX.astype(str), [0, 0, 0, 0]),
    ],
)
def test_holds(text, values, expected):
    result = holds(condition(text), values)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, np.array(expected, dtype=bool))


@pytest.mark.parametrize(
    "kind", [list, np.array, lambda v: np.array(v, dtype=object), pd.Series, pd.Categorical]
)
def test_levels(kind):
    assert levels_of(np.asarray(kind(["b", "a", "b"]))) == ("a", "b")


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([3, 1, 2, 1], (1, 2, 3)),
        ([True, False], (False, True)),
        ([1.5, -2.0], (-2.0, 1.5)),
        (np.array([2, "a", 1], dtype=object), (1, 2, "a")),
        ([], ()),
    ],
)
def test_levels_in_order(values, levels):
    assert levels_of(np.asarray(values)) == levels


def test_combinations():
    columns = [np.array(["a", "b", "a"]), np.array([1, 1, 1])]
    assert combinations_in(columns) == {("a", 1), ("b", 1)}


def test_cells_say_which_conditions_hold():
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
    codes, families = assign_cells(columns, [conditions], 500)
    for position, one in enumerate(conditions):
        by_row = families.membership[families.patterns[codes, 0], position]
        np.testing.assert_array_equal(by_row, holds(one, columns[one.column]))
    assert len(np.unique(families.membership, axis=0)) == families.n_cells
    assert set(codes) == set(range(families.n_cells))


@pytest.mark.parametrize("together", [[], [()], [(), ()]])
def test_no_conditions_make_one_cell(together):
    codes, families = assign_cells({}, together, 3)
    assert codes.tolist() == [0, 0, 0]
    assert families.membership.shape == (1, 0)
    assert families.patterns.tolist() == [[0]]


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
def test_families_are_the_columns_looked_at_together(together, expected, n_cells):
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 2, 200) for name in "abc"} | {"n": rng.integers(0, 9, 200)}
    families = assign_cells(columns, [conditions(*texts) for texts in together], 200).families
    assert families.columns == tuple(map(frozenset, expected))
    assert families.n_cells == n_cells


def test_every_row_is_in_the_right_cell_of_every_family():
    rng = np.random.default_rng(1)
    columns = {name: rng.integers(0, 4, 300) for name in "abcde"}
    together = [
        conditions("a == 1", "b >= 2"),
        conditions("b == 0", "c != 3"),
        conditions("d in (0, 1)", "d in (1, 2)", "e == 3", "a == 1"),
        conditions("c == 1"),
    ]
    codes, families = assign_cells(columns, together, 300)
    cells = families.patterns[codes]
    assert set(codes) == set(range(len(families.patterns)))
    for family, (own, span) in enumerate(zip(families.columns, families.spans, strict=True)):
        assert set(cells[:, family]) == set(range(span.start, span.stop))
        for position, one in enumerate(families.conditions):
            expected = holds(one, columns[one.column]) & (one.column in own)
            found = families.membership[cells[:, family], position]
            np.testing.assert_array_equal(found, expected)
    for group in together:
        family = families.family_of(group)
        inside = families.inside(group, family)[cells[:, family] - families.spans[family].start]
        every = np.logical_and.reduce([holds(one, columns[one.column]) for one in group])
        np.testing.assert_array_equal(inside, every)


@pytest.mark.parametrize(("n_columns", "kind"), [(20, np.uint8), (200, np.int16)])
def test_cells_are_few_whatever_the_number_of_columns(n_columns, kind):
    rng = np.random.default_rng(2)
    columns = {f"g{i}": rng.integers(0, 2, 5000) for i in range(n_columns)}
    together = [conditions(f"g{i}", f"not g{i}") for i in range(n_columns)]
    codes, families = assign_cells(columns, together, 5000)
    assert families.membership.shape == (2 * n_columns, 2 * n_columns)
    assert families.patterns.dtype == kind
    assert codes.dtype == np.int32
    assert len(families.patterns) <= 5000


def test_more_combinations_than_can_be_listed():
    rng = np.random.default_rng(3)
    columns = {name: rng.integers(0, 10, 1000) for name in "abcdefghijkl"}
    together = [conditions(*(f"{name} == {i}" for name in columns for i in range(10)))]
    codes, families = assign_cells(columns, together, 1000)
    assert families.n_cells == len(set(zip(*columns.values(), strict=True)))
    assert (families.patterns[codes, 0] == codes).all()


def test_a_single_family_numbers_its_cells_as_rows_do():
    families = Families.single(conditions("a"), np.array([[True], [False]]))
    assert families.patterns.tolist() == [[0], [1]]
    assert families.inside(conditions("a"), 0).tolist() == [True, False]
    assert Families.single().n_cells == 1

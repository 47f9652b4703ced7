"""The rows for which a condition is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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


def test_combinations_of_texts_that_are_not_unicode():
    columns = [np.array(["\ud800", "a"], dtype=object), np.array([1, 2])]
    assert combinations_in(columns) == {("\ud800", 1), ("a", 2)}


def test_combinations_are_those_of_the_rows():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 40, 500), rng.choice(["a", "b c"], 500), rng.random(500) < 0.1]
    assert combinations_in(columns) == set(zip(*(c.tolist() for c in columns), strict=True))
    assert combinations_in(columns[1:2]) == {("a",), ("b c",)}
    assert combinations_in([column[:0] for column in columns]) == set()

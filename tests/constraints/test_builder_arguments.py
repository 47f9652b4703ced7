"""Groups, levels and limits that builders refuse, with what is accepted."""

import inspect

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.constraints._builder_arguments import groupings, pair_of_groups, share
from tests.constraints._builders import GAPS, PAIR, RATES


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan"), float("inf"), "0.1", None, True])
@pytest.mark.parametrize("function", RATES + GAPS)
def test_limits_are_between_0_and_1(function, limit) -> None:
    arguments = (limit,) if function in RATES else ("sex", limit)
    name = list(inspect.signature(function).parameters)[len(arguments) - 1]
    with pytest.raises(ValueError, match="must be a number between 0 and 1") as error:
        function(*arguments)
    assert str(error.value) == f"{name} must be a number between 0 and 1; got {limit!r}."


@pytest.mark.parametrize("groups", [("M",), ("M", "M"), ("M", "F", "N"), (), ("M", 1), None, 3])
@pytest.mark.parametrize("function", GAPS)
def test_groups_are_one_column_or_two(function, groups) -> None:
    with pytest.raises(ValueError, match="groups must be") as error:
        function(groups, 0.1)
    assert str(error.value) == (
        "groups must be one column, a list of columns, or a tuple of two different columns; got "
        f"{groups!r}."
    )


@pytest.mark.parametrize("groups", [[], ["M", "M"], ["M", 1], ["M", None], [["M"]], "", [""]])
@pytest.mark.parametrize("function", GAPS)
def test_groups_of_several_columns_have_names(function, groups) -> None:
    with pytest.raises(
        ValueError, match=r"groups must be (names of|one or more different) columns"
    ):
        function(groups, 0.1)


NO_LEVELS = [3, None, {"A", "B"}, ["A", "A"], [None, "A"], [float("nan"), 1], [float("inf"), 1]]
NO_LEVELS += [[["A"], ["B"]], ["A"], "AB", [pd.Timestamp("2020"), 1], [1j, 2]]


@pytest.mark.parametrize("levels", NO_LEVELS)
@pytest.mark.parametrize("function", GAPS)
def test_levels_are_values_of_a_condition(function, levels) -> None:
    with pytest.raises(ValueError, match=r"^levels must list two or more levels of 'sex'"):
        function("sex", 0.1, levels=levels)
    with pytest.raises(ValueError, match=r"^levels "):
        function(PAIR, 0.1, levels=levels)


@pytest.mark.parametrize("function", GAPS)
def test_levels_of_several_columns_are_all_of_them(function) -> None:
    with pytest.raises(
        ValueError, match="levels needs one column of groups, but groups are 2 columns"
    ):
        function(["sex", "race"], 0.1, levels=["A", "B"])


@pytest.mark.parametrize("function", GAPS)
def test_levels_are_two_or_more_of_one_column(function) -> None:
    with pytest.raises(ValueError, match=r"^levels must list two or more levels of 'sex'; got"):
        function("sex", 0.1, levels=["F"])
    with pytest.raises(ValueError, match=r"^levels must list two or more levels of 'sex'; got"):
        function("sex", 0.1, levels="FM")
    with pytest.raises(
        ValueError, match=r"^levels needs one column of groups, but groups are two 0/1 columns: "
    ):
        function(PAIR, 0.1, levels=["A", "B"])


@pytest.mark.parametrize("value", [0, 1, 0.0, 0.25, 1.0, np.float32(0.5), np.int64(1)])
def test_a_share_is_a_number_of_the_text(value):
    found = share("max_difference", value)
    assert (found.value, type(found.value)) == (float(value), float)


@pytest.mark.parametrize(
    ("groups", "levels", "expected"),
    [
        ("sex", (), [("sex", ())]),
        (["sex"], [], [("sex", ())]),
        (["sex", "native country"], (), [("sex", ()), ("native country", ())]),
        ("race", ["B", "A"], [("race", ("B", "A"))]),
        ("year", np.array([2001, 2002]), [("year", (2001, 2002))]),
        ("mixed", (1.5, "a", True), [("mixed", (1.5, "a", True))]),
    ],
)
def test_groups_are_columns_with_their_levels(groups, levels, expected):
    found = groupings(groups, levels)
    assert [(grouping.column, grouping.levels) for grouping in found] == expected


def test_a_pair_is_the_measure_in_each_group():
    assert [str(node) for node in pair_of_groups("PR", PAIR, ())] == ["PR | [M]", "PR | [F]"]

"""Levels that constraints may name, and levels of quantifiers, found from a few rows."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.certification._levels import (
    levels_elsewhere,
    levels_in_words,
    quantified_levels,
    unseen_levels,
)
from sklearn_seldonian.constraints import Grouping, SeenLevels, parse, parse_all

COLUMNS = {
    "race": np.array(["B", "A", "A", "C"]),
    "sex": np.array([1, 0, 1, 1]),
    "grade": pd.Categorical(["low", "high", "low", "low"], ["low", "middle", "high"], ordered=True),
    "color": pd.Categorical(["red", "blue", "red", "red"]),
}


def seen(texts, columns):
    return SeenLevels.of(columns, parse_all(texts))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("ACC >= 0.5", {}),
        ("PR | [race == 'Z'] <= 0.5", {"race": {"A", "B", "C"}}),  # a condition adds no level
        ("max(PR, by=sex) <= 0.5", {"sex": {0, 1}}),
        ("max(PR, by=sex in (1, 7)) <= 0.5", {"sex": {0, 1, 7}}),
        ("max(PR, by=race in ('A', 'Z')) <= 0.5", {"race": {"A", "B", "C", "Z"}}),
        ("max(PR, by=race in (1, 2)) <= 0.5", {"race": {"A", "B", "C"}}),  # not texts
        ("max(PR, by=sex in ('1',)) <= 0.5", {"sex": {0, 1}}),  # the level is not a number
        ("max(PR, by=grade in ('middle', 'top')) <= 0.5", {"grade": {"low", "high", "middle"}}),
        ("max(PR, by=color in ('green',)) <= 0.5", {"color": {"blue", "red", "green"}}),
        ("max(PR, by=(sex, race)) <= 0.5", {"sex": {0, 1}, "race": {"A", "B", "C"}}),
        ("PR | [unknown] <= 0.5", {}),
        (
            ["PR | [sex == 1] <= 0.5", "max(PR, by=race in ('Z',)) <= 0.5"],
            {"sex": {0, 1}, "race": {"A", "B", "C", "Z"}},
        ),
        (
            ["PR | [race == 'A'] <= 0.5", "max(PR, by=race in ('Z',)) <= 0.5"],
            {"race": {"A", "B", "C", "Z"}},
        ),
    ],
)
def test_levels_that_may_be_named_are_those_of_rows_and_of_quantifiers(texts, expected):
    found = levels_elsewhere(parse_all(texts), seen(texts, COLUMNS))
    assert {name: set(levels) for name, levels in found.items()} == expected


RACE, SEX = Grouping("race"), Grouping("sex")
A_OR_B = Grouping("race", ("A", "B"))
RACES = frozenset({("A",), ("B",), ("C",)})
PAIRS = frozenset({("B", 1), ("A", 0), ("A", 1), ("C", 1)})


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("PR | [race == 'A'] <= 0.5", {}),
        ("max(PR, by=race) <= 0.5", {(RACE,): RACES}),
        ("max(PR, by=race) - min(PR, by=sex) <= 0.5", {(RACE,): RACES, (SEX,): {(0,), (1,)}}),
        ("max(PR, by=race in ('A', 'B')) <= 0.5", {}),  # rows are not needed
        ("max(PR, by=(race, sex)) <= 0.5", {(RACE, SEX): PAIRS}),
        ("max(PR, by=(race in ('A', 'B'), sex)) <= 0.5", {(A_OR_B, SEX): PAIRS - {("C", 1)}}),
        ("max(PR, by=(race in ('A', 'B'), sex in (0, 1))) <= 0.5", {}),
        ("max(PR, by=unknown) <= 0.5", {}),
        ("max(PR, by=(race, unknown)) <= 0.5", {}),
        (["max(PR, by=race) <= 0.5", "min(TPR, by=race) >= 0.5"], {(RACE,): RACES}),
    ],
)
def test_quantifiers_range_over_the_combinations_that_rows_have(texts, expected):
    assert quantified_levels(parse_all(texts), seen(texts, COLUMNS)) == expected


NEW_ROWS = {"race": np.array(["D", "A", "B", "C"]), "sex": np.array([1, 0, 0, 1])}


@pytest.mark.parametrize(
    ("texts", "unseen"),
    [
        ("PR | [race == 'D'] <= 0.5", ""),
        ("max(PR, by=sex) <= 0.5", ""),
        ("max(PR, by=race in ('A', 'D')) <= 0.5", ""),
        ("max(PR, by=race) <= 0.5", "race == 'D'"),
        ("max(PR, by=(race in ('A', 'C'), sex)) <= 0.5", ""),
        ("max(PR, by=(race in ('A', 'B'), sex)) <= 0.5", "race == 'B' and sex == 0"),
        (
            "max(PR, by=(sex, race)) <= 0.5",
            "sex == 0 and race == 'B', sex == 1 and race == 'D'",
        ),
        (
            ["max(PR, by=race) <= 0.5", "mean(PR, by=(race, sex)) <= 0.5"],
            "race == 'D', race == 'B' and sex == 0, race == 'D' and sex == 1",
        ),
    ],
)
def test_levels_that_only_later_rows_have_are_named(texts, unseen):
    constraints = parse_all(texts)
    levels = quantified_levels(constraints, seen(texts, COLUMNS))
    assert unseen_levels(constraints, levels, seen(texts, NEW_ROWS)) == unseen
    assert unseen_levels(constraints, levels, seen(texts, COLUMNS)) == ""


def test_levels_that_later_rows_lack_are_not_unseen():
    text = "max(PR, by=race) <= 0.5"
    levels = quantified_levels([parse(text)], seen(text, COLUMNS))
    fewer = seen(text, {"race": np.array(["A"])})
    assert unseen_levels([parse(text)], levels, fewer) == ""


@pytest.mark.parametrize(
    ("levels", "sentences"),
    [
        ({}, ()),
        (
            {(RACE,): RACES},
            ("Column race has no levels but 'A', 'B', 'C', those of the new rows.",),
        ),
        (
            {(Grouping("age"),): {(100,), (20,), (3,)}},
            ("Column age has no levels but 3, 20, 100, those of the new rows.",),
        ),
        (
            {(Grouping("mixed"),): {("a",), (20,), ("B",), (3,)}},
            ("Column mixed has no levels but 3, 20, 'B', 'a', those of the new rows.",),
        ),
        (
            {(SEX,): {(1,), (0,)}, (A_OR_B, SEX): {("B", 1), ("A", 1), ("A", 0)}},
            (
                'Columns race in ("A", "B") and sex have no combinations of levels but (\'A\', 0), '
                "('A', 1), ('B', 1), those of the new rows.",
                "Column sex has no levels but 0, 1, those of the new rows.",
            ),
        ),
    ],
)
def test_what_is_assumed_of_levels_is_said_in_order(levels, sentences):
    assert sorted(levels_in_words(levels, "new")) == sorted(sentences)
    backwards = dict(reversed(levels.items()))
    assert levels_in_words(backwards, "new") == levels_in_words(levels, "new")

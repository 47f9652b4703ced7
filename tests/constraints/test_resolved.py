"""Constraints whose names have a meaning, and properties of their means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.constraints import (
    distinct_conditions,
    distinct_estimands,
    distinct_values,
    parse,
    parse_all,
)
from tests.constraints._trees import COST, drawn, resolved


def test_whether_bounds_are_in_units_of_the_constraint():
    assert resolved("max(-PR, PR - 0.5) <= 0").in_units
    assert not resolved("PR|[M] / PR|[F] >= 0.8").in_units
    assert not resolved("max(exp(ERR) - 3, PR - 0.5) <= 0").in_units


def test_what_no_model_can_satisfy():
    assert resolved("PR >= 1.1").is_impossible
    assert resolved("Cost >= 5.1").is_impossible
    assert resolved("max(PR, PR + 1.5) <= 1").is_impossible
    assert not resolved("min(PR, PR + 1.5) <= 1").is_impossible
    assert not resolved("Cost >= 5").is_impossible


def test_a_margin_moves_the_limit():
    assert drawn(resolved("PR <= 0.5").with_margin(0.25)) == "PR - 0.75"
    assert drawn(resolved("PR >= 0.5").with_margin(0.25)) == "-PR + 0.25"
    assert drawn(resolved("PR|[M] / PR|[F] <= 1.25").with_margin(0.25)) == (
        "PR | [M] - 1.5 * PR | [F] *"
    )
    constraint = resolved("max(PR, FPR) <= 0.5")
    assert constraint.with_margin(0.0) == constraint.tree


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        ("PR <= 0.5", "-PR + 0.5"),
        ("PR >= 0.5", "PR - 0.5"),
        ("max(PR, FPR) <= 0.5", "OR(-PR + 0.5, -FPR + 0.5)"),
        ("min(PR, FPR) <= 0.5", "AND(-PR + 0.5, -FPR + 0.5)"),
        ("abs(PR - FPR) <= 0.5", "OR(-PR + FPR + 0.5, PR - FPR + 0.5)"),
    ],
)
def test_the_opposite_holds_where_the_constraint_is_violated(text, opposite):
    assert drawn(resolved(text).opposite) == opposite


@pytest.mark.parametrize(
    ("text", "names", "tested"),
    [
        ("PR <= 0.5", ["PR"], ["PR"]),
        ("PR | [M] - PR | [F] + PR | [M] <= 0.5", ["PR | [M]", "PR | [F]"], None),
        ("max(-PR, FPR - 0.5) <= 0", ["PR", "FPR"], ["FPR"]),
        ("-PR <= 0", ["PR"], []),
        ("0 <= 1", [], []),
    ],
)
def test_means_are_named_once_and_those_that_arithmetic_settles_are_not_tested(text, names, tested):
    constraint = resolved(text)
    assert [str(mean) for mean in constraint.estimands] == names
    tested = names if tested is None else tested
    assert [str(mean) for mean in constraint.tested_means] == tested


SEVERAL = ["PR | [M] - PR | [F, M] <= 0.5", "Cost | [M] <= 2", "PR | [M] + Cost <= 3", "PR <= 1"]


def test_what_several_constraints_share_is_there_once():
    constraints = [resolved(text) for text in SEVERAL]
    means = distinct_estimands(constraints)
    assert [str(mean) for mean in means] == [
        "PR | [M]",
        "PR | [F, M]",
        "Cost | [M]",
        "Cost",
        "PR",
    ]
    assert [str(condition) for condition in distinct_conditions(means)] == ["M", "F"]
    assert [str(condition) for condition in constraints[0].conditions] == ["M", "F"]
    assert constraints[3].conditions == ()
    assert distinct_values(means) == (COST,)
    assert distinct_values(constraints[0].estimands) == ()


ONE, OTHER = parse("ACC >= 0.5"), parse("PR <= 0.5")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ACC >= 0.5", (ONE,)),
        (ONE, (ONE,)),
        (["ACC >= 0.5", OTHER], (ONE, OTHER)),
        ((OTHER, "ACC >= 0.5", OTHER), (OTHER, ONE, OTHER)),
        ((), ()),
        (iter(["PR <= 0.5"]), (OTHER,)),
        (np.array(["ACC >= 0.5", "PR <= 0.5"]), (ONE, OTHER)),
        (np.array("ACC >= 0.5"), (ONE,)),
        (np.str_("ACC >= 0.5"), (ONE,)),
        (pd.Series(["ACC >= 0.5"]), (ONE,)),
    ],
    ids=range(10),
)
def test_one_constraint_or_several_as_text_or_parsed(given, expected):
    assert parse_all(given) == expected


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "None"),
        (3, "3"),
        (np.array(3), "3"),
        ({"ACC >= 0.5": 0.05}, "{'ACC >= 0.5': 0.05}"),
        ({"ACC >= 0.5"}, "{'ACC >= 0.5'}"),
        (b"ACC >= 0.5", "b'ACC >= 0.5'"),
    ],
    ids=range(6),
)
def test_what_has_no_order_or_is_no_constraint_is_refused(given, shown):
    with pytest.raises(TypeError) as caught:
        parse_all(given)
    assert str(caught.value) == (
        "constraints must be a string, a Constraint, or a sequence of them (() for none); "
        f"got {shown}."
    )

"""Constraints get their meaning before the first rows, or are refused."""

import numpy as np
import pytest

from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.monitoring._specification import needs_label
from tests.monitoring._people import specification


def cost(y, prediction, probabilities):
    return np.abs(y - prediction) * 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PR <= 0.5", False),
        ("NR | [sex == 'M'] <= 0.5", False),
        ("PR_[0] >= 0.1", False),
        ("ACC >= 0.5", True),
        ("TPR >= 0.5", True),
        ("PPV >= 0.5", True),
    ],
)
def test_only_shares_of_decisions_need_no_label(text, expected):
    spec = specification(text)
    assert [needs_label(mean) for mean in spec.estimands] == [expected]
    assert bool(spec.waiting_for_labels) == expected


def test_all_means_of_a_constraint_wait_if_one_does():
    spec = specification(["PR | [sex == 'M'] - TPR | [sex == 'F'] <= 0.5", "PR <= 0.9"])
    assert {str(m) for m in spec.waiting_for_labels} == {
        'PR | [sex == "M"]',
        'TPR | [sex == "F"]',
    }


def test_columns_are_those_of_conditions_levels_and_pairs():
    spec = specification("PR | [age >= 40] <= 0.5", mutually_exclusive=[("M", "F")])
    assert spec.columns == ("F", "M", "age", "race")


def test_quantifiers_range_over_the_levels_given_or_named():
    assert len(specification("min(TPR, by=race) >= 0.5").estimands) == 3
    assert len(specification("min(TPR, by=race in ('A', 'B')) >= 0.5", levels=None).estimands) == 2
    assert len(specification("max(PR, by=(race, sex in ('M', 'F'))) <= 0.9").estimands) == 6


@pytest.mark.parametrize(
    ("constraints", "parameters", "message"),
    [
        ((), {}, "constraints is empty, so there is nothing to monitor"),
        ("min(TPR, by=sex) >= 0.5", {}, r"Write by=sex in \(...\), or give levels={'sex': "),
        (
            "Brier <= 0.2",
            {},
            "'Brier <= 0.2' cannot be monitored: Brier is computed from probabilities",
        ),
        ("MSE <= 1", {"classes": None}, "MSE has no finite range.*Give both prediction_range"),
        ("Cost <= 1", {"measures": [RowMeasure("Cost", cost)]}, "Cost has no finite range"),
        ("PR <= 1", {"classes": "yes"}, "classes must list the labels"),
        ("PR <= 1", {"classes": (0,)}, "two or more different labels"),
        ("PR <= 1", {"classes": (0, 0)}, "two or more different labels"),
        ("PR <= 1", {"classes": (0, None)}, "classes must be texts or numbers"),
        ("PR <= 0.5", {"pos_label": 7}, "pos_label=7 is not a class"),
        ("PR <= 0.5", {"target_range": (0, 1)}, "Add classes=None"),
        ("MSE <= 0.5", {"classes": None, "pos_label": 1}, "pos_label was given with classes=None"),
        ("MSE <= 0.5", {"classes": None, "target_range": (1, 0)}, "low < high"),
        ("PR <= 0.5", {"levels": ["A"]}, "levels must map columns to lists"),
        ("PR <= 0.5", {"levels": {"race": "AB"}}, "levels must map columns to lists"),
        ("PR <= 0.5", {"levels": {"race": []}}, "levels must map columns to lists"),
        ("PR <= 0.5", {"mutually_exclusive": "MF"}, "pairs of names"),
        ("PR <= 0.5", {"mutually_exclusive": [("M",)]}, "pairs of names"),
        ("PR <= 0.5", {"delta": 1.5}, "delta must be strictly between 0 and 1"),
        ("PR <= 0.5", {"delta": [0.1, 0.2]}, "delta must be one number"),
        ("PR <= 0.5", {"missing": "drop"}, "missing must be one of"),
        ("PR <= 0.5", {"measures": cost}, "measures must be a list"),
        ("1 <= 2", {}, "nothing to monitor"),
        ("PR <= 1", {}, "decided by arithmetic alone"),
        ("PR <= -0.1", {}, "is violated for any rows"),
    ],
)
def test_what_cannot_be_monitored_is_refused(constraints, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        specification(constraints, **parameters)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TRP >= 0.5", "Unknown measure 'TRP'"),
        ("PR | [race == 'Z'] <= 0.5", "Column 'race' never equals 'Z'"),
        ("PR | [race] <= 0.5", "cannot stand alone in a condition"),
    ],
)
def test_wrong_names_are_refused_with_their_place(text, message):
    with pytest.raises(ConstraintNameError, match=message):
        specification(text)

"""Builders return the constraint of their definition."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from sklearn_seldonian.constraints import _builders
from sklearn_seldonian.constraints._builders import (
    accuracy,
    balanced_accuracy,
    calibration_error,
    demographic_parity,
    disparate_impact,
    equal_opportunity,
    equalized_odds,
    false_positive_rate,
    precision,
    predictive_equality,
    predictive_parity,
    true_positive_rate,
)
from sklearn_seldonian.constraints._nodes import Constraint
from sklearn_seldonian.constraints._parse import parse
from tests.constraints._builders import GAPS, PAIR, RATES

BUILT = [
    (accuracy(0.95), "ACC >= 0.95"),
    (accuracy(1), "ACC >= 1"),
    (accuracy(0.9, by="native country"), "min(ACC, by=`native country`) >= 0.9"),
    (balanced_accuracy(0.8), "BACC >= 0.8"),
    (balanced_accuracy(0.8, by=["sex", "race"]), "min(BACC, by=(sex, race)) >= 0.8"),
    (calibration_error(0.05), "abs(Calibration_Error) <= 0.05"),
    (calibration_error(0.05, by="race"), "max(abs(Calibration_Error), by=race) <= 0.05"),
    (precision(0.8), "PPV >= 0.8"),
    (true_positive_rate(0.7), "TPR >= 0.7"),
    (true_positive_rate(np.float32(0.5), by="race"), "min(TPR, by=race) >= 0.5"),
    (false_positive_rate(0.1), "FPR <= 0.1"),
    (false_positive_rate(0.1, by="race"), "max(FPR, by=race) <= 0.1"),
    (demographic_parity("sex", 0.1), "max(PR, by=sex) - min(PR, by=sex) <= 0.1"),
    (demographic_parity(PAIR, 0.1), "abs(PR | [M] - PR | [F]) <= 0.1"),
    (demographic_parity(("M", "the F"), 0), "abs(PR | [M] - PR | [`the F`]) <= 0"),
    (demographic_parity(["sex"], 0.1), "max(PR, by=sex) - min(PR, by=sex) <= 0.1"),
    (
        equal_opportunity(["region", "homeownership"], 0.1),
        "max(TPR, by=(region, homeownership)) - min(TPR, by=(region, homeownership)) <= 0.1",
    ),
    (
        disparate_impact(["a", "b c", "d"], 0.8),
        "min(PR, by=(a, `b c`, d)) >= 0.8 * max(PR, by=(a, `b c`, d))",
    ),
    (accuracy(0.9, by=["sex", "race"]), "min(ACC, by=(sex, race)) >= 0.9"),
    (
        demographic_parity("race", 0.1, levels=["A", "B"]),
        'max(PR, by=race in ("A", "B")) - min(PR, by=race in ("A", "B")) <= 0.1',
    ),
    (
        demographic_parity("year", 0.1, levels=np.array([2001, 2002])),
        "max(PR, by=year in (2001, 2002)) - min(PR, by=year in (2001, 2002)) <= 0.1",
    ),
    (equal_opportunity("sex", 0.1), "max(TPR, by=sex) - min(TPR, by=sex) <= 0.1"),
    (equal_opportunity(PAIR, 0.1), "abs(TPR | [M] - TPR | [F]) <= 0.1"),
    (predictive_equality("sex", 0.1), "max(FPR, by=sex) - min(FPR, by=sex) <= 0.1"),
    (
        equalized_odds("sex", 0.1),
        "max(max(TPR, by=sex) - min(TPR, by=sex), max(FPR, by=sex) - min(FPR, by=sex)) <= 0.1",
    ),
    (
        equalized_odds(PAIR, 0.1),
        "max(abs(TPR | [M] - TPR | [F]), abs(FPR | [M] - FPR | [F])) <= 0.1",
    ),
    (predictive_parity(PAIR, 0.1), "abs(PPV | [M] - PPV | [F]) <= 0.1"),
    (disparate_impact("sex", 0.8), "min(PR, by=sex) >= 0.8 * max(PR, by=sex)"),
    (disparate_impact(PAIR, 0.8), "min(PR | [M], PR | [F]) >= 0.8 * max(PR | [M], PR | [F])"),
]


@pytest.mark.parametrize(("constraint", "text"), BUILT, ids=[text for _, text in BUILT])
def test_text_of_each_builder(constraint: Constraint, text: str) -> None:
    assert constraint.text == str(constraint) == text
    assert repr(constraint) == f"Constraint({text!r})"
    assert constraint == parse(text)


def test_every_builder_is_in_these_tests_and_documented() -> None:
    public = {
        name
        for name, f in inspect.getmembers(_builders, inspect.isfunction)
        if f.__module__ == _builders.__name__ and not name.startswith("_")
    }
    assert {f.__name__ for f in RATES + GAPS} == public
    for function in RATES + GAPS:
        sections = inspect.getdoc(function).split("\n")
        assert {"Parameters", "Returns", "Raises", "Examples"} <= set(sections)

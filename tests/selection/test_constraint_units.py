"""Estimates and expected bounds have the units of the certificate."""

import math

import numpy as np
import pytest

from sklearn_seldonian.selection import ConstraintUnits
from tests.selection._problems import problem_and_table

RATE = {"PR": 0.5, "TPR": 40 / 60, "FPR": 10 / 40}


def constraint_units(text):
    """The units, and values of atoms and means of a table with 100 rows."""
    problem, _ = problem_and_table([text])
    near = problem.linearisation.at(np.array([[[30.0, 10.0], [20.0, 40.0]]]))
    return ConstraintUnits(problem), problem, near.values, near.means


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ACC >= 0.6", 0.7),
        ("0.6 <= ACC", 0.7),
        ("PR <= 0.6", RATE["PR"]),
        ("abs(PR - 0.4) <= 0.3", 0.1),
        ("PR / FPR <= 3", RATE["PR"] / RATE["FPR"]),
        ("FPR / TPR >= 0.3", RATE["FPR"] / RATE["TPR"]),
        ("FPR >= 0.3 * TPR", RATE["FPR"] / RATE["TPR"]),
        ("F1 >= 0.7", 80 / 110),
        ("log(PR) <= -0.5", math.log(0.5)),
        ("PR - TPR <= FPR", RATE["PR"] - RATE["TPR"] - RATE["FPR"]),
    ],
)
def test_estimates(text, expected):
    units, problem, values, means = constraint_units(text)
    estimates, _ = units.of_constraints(values, means, problem.highest(values))
    assert estimates == pytest.approx([expected])


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("ACC >= 0.6", 0.02, 0.68),
        ("PR <= 0.6", 0.02, 0.52),
        ("abs(PR - 0.4) <= 0.3", 0.02, 0.12),
        # tested as PR - 3 FPR <= 0
        ("PR / FPR <= 3", 0.02, (RATE["PR"] + 0.02) / RATE["FPR"]),
        # tested as 0.3 TPR - FPR <= 0
        ("FPR / TPR >= 0.3", 0.02, (RATE["FPR"] - 0.02) / RATE["TPR"]),
        # of the two directions, the ratio above one is nearer to its limit
        ("max(TPR / FPR, FPR / TPR) <= 3", 0.02, (RATE["TPR"] + 0.02) / RATE["FPR"]),
        # with a limit of zero, the atom is the numerator alone
        ("PR / FPR <= 0", 0.02, (RATE["PR"] + 0.02) / RATE["FPR"]),
        ("ACC >= 0.6", math.inf, -math.inf),
        ("PR / FPR <= 3", math.inf, math.inf),
    ],
)
def test_bounds(text, width, expected):
    units, problem, values, means = constraint_units(text)
    _, bounds = units.of_constraints(values, means, problem.highest(values + width))
    assert bounds == pytest.approx([expected], rel=1e-6)


def test_a_function_is_inverted_to_first_order():
    """``log(PR) <= c`` is tested as ``PR <= exp(c)``, which grows by exp(c) per unit of c."""
    units, problem, values, means = constraint_units("log(PR) <= -0.6")
    _, (bound,) = units.of_constraints(values, means, problem.highest(values + 0.02))
    excess = 0.5 + 0.02 - math.exp(-0.6)
    assert bound == pytest.approx(-0.6 + excess / math.exp(-0.6), rel=1e-5)


@pytest.mark.parametrize("excess", [-0.01, 0.01])
def test_a_ratio_of_zero_rates_has_the_sign_of_its_test(excess):
    """Without positive decisions both rates are zero, and the atom is the same for any limit."""
    problem, _ = problem_and_table(["TPR / FPR <= 2"])
    near = problem.linearisation.at(np.array([[[40.0, 0.0], [60.0, 0.0]]]))
    _, bounds = ConstraintUnits(problem).of_constraints(near.values, near.means, np.array([excess]))
    assert bounds == math.copysign(math.inf, excess)


def test_means_without_rows_are_nan():
    problem, _ = problem_and_table(["TPR / FPR <= 2"])
    near = problem.linearisation.at(np.array([[[40.0, 10.0], [0.0, 0.0]]]))
    none = np.array([math.inf])
    estimates, bounds = ConstraintUnits(problem).of_constraints(near.values, near.means, none)
    assert np.isnan(estimates).all()
    assert bounds == math.inf

"""The result of several atoms together, by the trees of their constraints."""

import math

import numpy as np
import pytest

from tests.selection._problems import problem_and_table


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("max(PR, TPR) <= 0.1", [True, True]),
        ("min(PR - 0.8, TPR) <= 0.1", [True, False]),
        ("min(max(PR, TPR), PR - 0.8) <= 0.1", [False, False, True]),
        ("max(min(PR, TPR - 0.8), min(FPR - 0.8, TPR)) <= 0.1", [False, True, True, False]),
    ],
)
def test_training_pushes_on_the_nearest_of_an_or(text, active):
    problem, table = problem_and_table([text, "ACC >= 0.5"])
    assert problem.active(problem.linearisation.at(table).values).tolist() == [*active, True]


TEXTS = ["max(PR, TPR) <= 0.5", "min(FPR, FNR) <= 0.5", "ACC >= 0.5"]


def test_an_or_shares_its_delta():
    problem, _ = problem_and_table(TEXTS)
    assert problem.atom_deltas == (0.05, 0.05, 0.025, 0.025, 0.05)


def test_values_of_atoms_become_those_of_constraints():
    problem, _ = problem_and_table(TEXTS)
    of_atoms = np.array([[0.9, 0.8, 0.3, 0.6, 0.5], [0.2, 0.3, math.nan, 0.6, math.nan]])
    expected = [[0.9, 0.3, 0.5], [0.3, math.nan, math.nan]]
    np.testing.assert_array_equal(problem.highest(of_atoms), expected)
    expected = [[0.7, 0.6, 0.5], [0.0, 0.6, 0.0]]
    np.testing.assert_allclose(problem.pass_probabilities(of_atoms), expected, atol=1e-12)
    assert problem.per_constraint(of_atoms[0]) == pytest.approx([1.7, 0.9, 0.5])


def test_without_constraints_there_is_no_prediction():
    problem, _ = problem_and_table([])
    assert problem.atoms == ()
    assert problem.active(np.zeros(0)).shape == (0,)
    assert problem.pass_probabilities(np.zeros((7, 0))).shape == (7, 0)

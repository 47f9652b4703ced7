import numpy as np
import pytest
from scipy.stats import norm

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.certification import Statistics
from sklearn_seldonian.selection._margins import (
    calibrated_margins,
    normal_margins,
    relative_widths,
)
from tests.selection._problems import problem_and_table


def test_margins_leave_room_for_both_samples():
    problem, table = problem_and_table(["PR <= 0.5"])
    near, n = problem.linearisation.at(table), round(table.sum())
    test, candidate = near.standard_errors(500)[0], near.standard_errors(n)[0]
    margin = normal_margins(problem).below_zero(near, n)[0]
    assert margin == pytest.approx(
        norm.ppf(0.95) * test + norm.ppf(0.9) * np.hypot(test, candidate)
    )


def test_the_bound_on_ppv_of_drawn_decisions_is_predicted():
    model = SeldonianClassifier(
        constraints="PPV >= 0.5", decision="sample", module__hidden=(), max_epochs=4, random_state=0
    )
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    model.fit(X, (X[:, 0] + np.abs(X[:, 1]) + rng.logistic(size=1500) / 3 > 0.7).astype(int))
    assert model.solution_found_
    assert model.history_["passing_0"].iloc[-1] > 0.9
    (result,) = model.certificate_.results
    assert model.history_["predicted_bound_0"].iloc[-1] == pytest.approx(result.bound, abs=0.06)


def test_excepted_atoms_keep_the_normal_margins():
    problem, table = problem_and_table(["PR <= 0.5", "PPV >= 0.4"])
    seen = Statistics(table / 4, problem.stratification, deterministic=True)
    assert calibrated_margins(problem, [seen], excepted=[0, 1]).factors.tolist() == [1.0, 1.0]
    assert (calibrated_margins(problem, [seen]).factors > 1.0).all()
    assert calibrated_margins(problem, [seen], excepted=[0]).factors[0] == 1.0


@pytest.mark.parametrize(
    ("ends", "width"),
    [
        (None, 1.0),
        (((0.0, 0.0), (0.0, 0.0)), 0.0),
        (((-1.0, -1.0), (1.0, 1.0)), np.tanh(1.0)),
    ],
)
def test_relative_widths_are_those_of_the_probabilities(ends, width):
    problem, table = problem_and_table(["PR <= 0.5", "2 * PR | [M] - PR | [F] <= 1"])
    seen = Statistics(table, problem.stratification, deterministic=False, ends=ends)
    assert relative_widths(problem.atoms, seen) == pytest.approx([width, width], abs=1e-4)

"""Any classifier or regressor is trained by the interface of learners."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._split import LabelledRows, split_rows
from sklearn_seldonian.data._targets import Labels, Numbers
from sklearn_seldonian.learners import NotTrained, Problem, Trained
from sklearn_seldonian.learners.stacking import StackingLearner


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = (X[:, 0] + X[:, 1] ** 2 + 0.5 * rng.standard_normal(2000) > 1).astype(np.int64)
    return LabelledRows(X, y, y, {}, X)


def trained(estimator, text, rows, targets=None):
    targets = targets or Labels.of(np.array([0, 1]), None, "argmax")
    constraints = parse_all(text)
    rng = np.random.RandomState(0)
    split = split_rows(rows, 0.5, None, rng)
    problem = Problem.of(
        Specification(constraints, (0.05,) * len(constraints), "auto"), targets, (), split, 0.9
    )
    return StackingLearner(estimator, None, 5, 0).train(problem, split.candidate, rng), split


def decisions(outcome, X):
    return outcome.model.scores(X).argmax(dim=1).numpy()


def test_a_tree_under_a_constraint_keeps_to_it(rows):
    outcome, split = trained(DecisionTreeClassifier(max_depth=4), "PR <= 0.3", rows)
    assert isinstance(outcome, Trained)
    found = decisions(outcome, rows.X[split.safety_indices])
    assert found.mean() <= 0.3
    assert (found == rows.y[split.safety_indices]).mean() > 0.75
    assert len(outcome.history.epochs) == 20


def test_of_a_frozen_classifier_only_the_threshold_moves(rows):
    model = LogisticRegression().fit(rows.X[:200], rows.y[:200])
    outcome, split = trained(FrozenEstimator(model), "PR <= 0.2", rows)
    X = rows.X[split.safety_indices]
    found, scores = decisions(outcome, X) == 1, model.decision_function(X)
    assert 0 < found.mean() <= 0.2
    assert scores[found].min() > scores[~found].max()
    assert outcome.history.epochs["epoch"].tolist() == [1]


def test_what_no_model_can_pass_is_not_trained(rows):
    outcome, _ = trained(LogisticRegression(), "PR >= 2", rows)
    assert isinstance(outcome, NotTrained)


def test_of_a_frozen_regressor_shift_and_scale_are_chosen(rows):
    X = rows.X
    y = X[:, 0] + np.random.default_rng(1).uniform(-1, 1, len(X))
    model = LinearRegression().fit(X, 0.3 + 0.8 * y)
    targets = Numbers((-5.0, 5.0), (-5.0, 5.0))
    numbers = LabelledRows(X, y, y, {}, X)
    outcome, split = trained(FrozenEstimator(model), "Mean_Error <= -0.1", numbers, targets)
    predicted = outcome.model.net.task_.answers(outcome.model.scores(X[split.safety_indices]))
    own = model.predict(X[split.safety_indices])
    slope, shift = np.polyfit(own, predicted, 1)
    assert np.allclose(predicted, slope * own + shift, atol=1e-4)
    assert 1.0 < slope < 1.4  # the slope of the model itself is 0.8
    assert -0.8 < (predicted - y[split.safety_indices]).mean() < -0.1
    assert sum(part.numel() for part in outcome.model.net.module_.parameters()) == 2

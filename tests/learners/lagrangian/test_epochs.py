"""Epochs are recorded in the constraints' own units, and the best ones are kept."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.learners.lagrangian._epochs import Epochs
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from tests.learners.lagrangian._evaluators import evaluator_of

GAP = "abs(PR | [M] - PR | [not M]) <= 0.4"


def epochs_of(text, n_iter_no_change=None):
    """The epochs of a training that has not begun, and scores of their rows."""
    evaluator, scores, _ = evaluator_of(text)
    lagrangian = Lagrangian(evaluator.problem, evaluator.task, len(scores), 0.7, 0.1, "cpu")
    return Epochs(evaluator, lagrangian, 10, n_iter_no_change), scores


def test_what_is_recorded_of_an_epoch():
    epochs, scores = epochs_of(GAP)
    record, margins, is_last = epochs.evaluated(1, nn.Linear(1, 2), scores)
    best = epochs.evaluator.best(scores)
    assert record == {
        "estimate_0": pytest.approx(abs(best.means[0] - best.means[1])),
        "predicted_bound_0": pytest.approx(best.prediction.bounds[0] + 0.4),
        "multiplier_0": pytest.approx(1.4),  # 0.7 for each side of abs
        "passing_0": pytest.approx(best.prediction.probabilities[0]),
        "candidate_loss": best.loss,
        "kept": True,
    }
    assert margins is epochs.lagrangian.margins or epochs.evaluator.forecast.needs_calibration
    assert not is_last


def test_what_is_recorded_of_an_update():
    epochs, _ = epochs_of(GAP)
    near = epochs.evaluator.problem.linearisation.at(np.full((2, 2, 2), [[40.0, 10], [20, 30]]))
    estimates, bounds, multipliers = epochs.of_update(near)
    assert estimates == pytest.approx([0.0])
    assert 0.0 < bounds < 0.4
    assert multipliers == pytest.approx([1.4])


def test_training_ends_when_the_best_epoch_is_long_ago():
    epochs, scores = epochs_of(GAP, n_iter_no_change=2)
    good, worse = nn.Linear(1, 2), nn.Linear(1, 2)
    results = [
        epochs.evaluated(1, good, scores),
        epochs.evaluated(2, worse, -scores),
        epochs.evaluated(3, worse, -scores),
    ]
    assert [result.record["kept"] for result in results] == [True, False, False]
    assert [result.is_last for result in results] == [False, False, True]
    assert torch.equal(epochs.checkpoints.best["weight"], good.weight)
    assert epochs.checkpoints.epoch == 1

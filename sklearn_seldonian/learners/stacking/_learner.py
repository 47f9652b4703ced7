"""The learner for any estimator: a linear model of its scores is trained under constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import nn

from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels, Targets
from sklearn_seldonian.learners._protocol import NotTrained, Problem, Trained
from sklearn_seldonian.learners.lagrangian import LagrangianLearner
from sklearn_seldonian.learners.lagrangian._learner import task_of
from sklearn_seldonian.learners.lagrangian._tasks import Regression
from sklearn_seldonian.learners.stacking._features import StackedFeatures
from sklearn_seldonian.learners.stacking._head import Head
from sklearn_seldonian.learners.stacking._scores import ClassScores, NumberScores, Scores

MAX_EPOCHS = 20
LEARNING_RATE, WEIGHT_DECAY = 0.01, 0.01


@dataclass(frozen=True)
class StackingLearner:
    """Trains a linear model on an estimator's cross-fitted scores and its features.

    For a `FrozenEstimator` only the decision is chosen, or the shift and scale of its predictions.

    Parameters
    ----------
    estimator, preprocessor, cv, verbose
        As in `SeldonianMetaClassifier` and `SeldonianMetaRegressor`.
    """

    estimator: Any
    preprocessor: Any
    cv: int
    verbose: int

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Fit estimator and linear model to candidate `rows`."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        scores, criterion, multiplier_rate = _scores_of(problem.targets, rows.labelled().y)
        features = StackedFeatures(self.estimator, self.preprocessor, scores, self.cv, seed)
        is_frozen = isinstance(self.estimator, FrozenEstimator)
        is_trained = not is_frozen or isinstance(scores, NumberScores)
        settings = {
            "module__is_trained": is_trained,
            "criterion": criterion,
            "optimizer": torch.optim.Adam,
            "optimizer__weight_decay": 0.0 if is_frozen else WEIGHT_DECAY,
            "lr": LEARNING_RATE,
            "max_epochs": MAX_EPOCHS if is_trained else 0,
            "batch_size": None,
            "n_iter_no_change": None,
            "eval_batch_size": None,
            "multiplier_init": 0.0,
            "multiplier_lr": multiplier_rate,
            "callbacks": None,
            "verbose": self.verbose,
        }
        return LagrangianLearner(Head, features, "cpu", settings, (Head,)).train(problem, rows, rng)


def _scores_of(targets: Targets, y: Any) -> tuple[Scores, type[nn.Module], float]:
    """The scores for these targets, and the loss and the multipliers' learning rate in training.

    Loss and learning rate are the defaults of `SeldonianClassifier` and `SeldonianRegressor`.
    """
    if isinstance(targets, Labels):
        return ClassScores(targets.classes), nn.CrossEntropyLoss, 0.1
    task = task_of(targets, y)
    assert isinstance(task, Regression)
    return NumberScores(task.centre, task.scale), nn.MSELoss, 0.01

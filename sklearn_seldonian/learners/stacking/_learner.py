"""The learner of any classifier: its scores become features of a linear model under constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import nn

from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels
from sklearn_seldonian.learners._protocol import NotTrained, Problem, Trained
from sklearn_seldonian.learners.lagrangian import LagrangianLearner
from sklearn_seldonian.learners.stacking._features import StackedFeatures
from sklearn_seldonian.learners.stacking._head import Head

MAX_EPOCHS = 20
LEARNING_RATE, MULTIPLIER_RATE, WEIGHT_DECAY = 0.01, 0.1, 0.05


@dataclass(frozen=True)
class StackingLearner:
    """Trains a linear model on a classifier's cross-fitted scores and the features beside them.

    Of a `FrozenEstimator` only the decision is chosen.

    Parameters
    ----------
    estimator, preprocessor, cv, verbose
        As in `SeldonianMetaClassifier`.
    """

    estimator: Any
    preprocessor: Any
    cv: int
    verbose: int

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Fit classifier and linear model to candidate `rows`."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        assert isinstance(problem.targets, Labels)
        features = StackedFeatures(
            self.estimator, self.preprocessor, problem.targets.classes, self.cv, seed
        )
        is_trained = not isinstance(self.estimator, FrozenEstimator)
        settings = {
            "module__is_trained": is_trained,
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "optimizer__weight_decay": WEIGHT_DECAY,
            "lr": LEARNING_RATE,
            "max_epochs": MAX_EPOCHS if is_trained else 0,
            "batch_size": None,
            "n_iter_no_change": None,
            "eval_batch_size": None,
            "multiplier_init": 0.0,
            "multiplier_lr": MULTIPLIER_RATE,
            "callbacks": None,
            "verbose": self.verbose,
        }
        return LagrangianLearner(Head, features, "cpu", settings, (Head,)).train(problem, rows, rng)

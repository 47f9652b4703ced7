"""What one model is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_seldonian.data._split import LabelledRows, Split
from sklearn_seldonian.estimators._callers import end_if_interrupted
from sklearn_seldonian.learners import Learner, NotTrained, Problem, Trained


@dataclass(frozen=True)
class Setup:
    """The rows, the split and the problem that one model is trained and tested on.

    Parameters
    ----------
    rows : LabelledRows
        All rows that `fit` was given.
    split : Split
    problem : Problem
    rng : RandomState
        The source of random numbers in training.
    """

    rows: LabelledRows
    split: Split
    problem: Problem
    rng: np.random.RandomState

    @property
    def other_arguments(self) -> tuple[Any, ...]:
        """The arguments of `fit` besides X."""
        rows = self.rows
        return rows.targets, rows.columns, rows.sampling, self.split.safety_indices

    @property
    def safety_mask(self) -> np.ndarray:
        """Which rows are for the safety test."""
        mask = np.zeros(len(self.rows.y), dtype=bool)
        mask[self.split.safety_indices] = True
        return mask

    def train(self, learner: Learner, rows: LabelledRows) -> Trained | NotTrained:
        """The outcome of training on some of the candidate rows."""
        outcome = learner.train(self.problem, rows, self.rng)
        end_if_interrupted(outcome.interrupted)
        return outcome

"""The evaluation of each epoch: a prediction of the safety test, and the best weights so far."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian.learners._price import Price
from sklearn_seldonian.learners.lagrangian._callbacks import EACH_CONSTRAINT
from sklearn_seldonian.learners.lagrangian._checkpoints import Checkpoints
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from sklearn_seldonian.selection import ConstraintUnits, Linearised
from sklearn_seldonian.selection._margins import Margins

# At the end of these epochs margins are calibrated on candidate rows, more often at the beginning,
# when rates change much.
CALIBRATION_EPOCHS = frozenset(4**i for i in range(12))

Array = NDArray[np.float64]


class EpochResult(NamedTuple):
    """An epoch's record, the margins for the following epochs, and whether it is the last epoch."""

    record: dict[str, Any]
    margins: Margins
    is_last: bool


class Epochs:
    """The epochs of one training, each evaluated when it ends.

    Parameters
    ----------
    evaluator : CandidateEvaluator
        It has the rows that epochs are evaluated on.
    lagrangian : Lagrangian
    max_epochs : int
    n_iter_no_change : int or None
        The last epoch is the one after which this many epochs brought no better checkpoint.

    Attributes
    ----------
    checkpoints : Checkpoints
        The best weights so far.
    """

    def __init__(
        self,
        evaluator: CandidateEvaluator,
        lagrangian: Lagrangian,
        max_epochs: int,
        n_iter_no_change: int | None,
    ) -> None:
        self.evaluator = evaluator
        self.lagrangian = lagrangian
        self.max_epochs = max_epochs
        self.n_iter_no_change = n_iter_no_change
        self.checkpoints = Checkpoints(evaluator.problem.power)
        self._units = ConstraintUnits(evaluator.problem)

    def of_update(self, near: Linearised) -> tuple[Array, Array, Array]:
        """Estimate, bound and multiplier of each constraint at an update of the multipliers."""
        problem, margins = self.evaluator.problem, self.lagrangian.margins
        bounds = problem.highest(near.values + margins.widths_of_bounds(near))
        return self._of_constraints(near.values, near.means, bounds)

    def evaluated(self, epoch: int, module: nn.Module, scores: torch.Tensor) -> EpochResult:
        """Evaluate the weights of `module` by the `scores` of rows; keep them if they are best."""
        evaluator, margins, record = self.evaluator, self.lagrangian.margins, dict[str, Any]()
        if evaluator.forecast.needs_calibration and epoch in CALIBRATION_EPOCHS:
            evaluator.calibrate_margins(scores, evaluator.best(scores).adjustment)
            margins = evaluator.forecast.margins
        every = evaluator.epochs_per_search(self.max_epochs)
        best = evaluator.best(scores, searched=epoch % every == 0 or epoch >= self.max_epochs)
        values = evaluator.problem.linearisation.values_at(best.means)
        columns = self._of_constraints(values, best.means, best.prediction.bounds)
        for i, row in enumerate(zip(*columns, best.prediction.probabilities, strict=True)):
            for key, value in zip(EACH_CONSTRAINT, row, strict=True):
                record[f"{key}{i}"] = float(value)
        record["candidate_loss"] = best.loss
        record["kept"] = self.checkpoints.offer(epoch, module, best, scores)
        waited = epoch - self.checkpoints.improved
        is_last = self.n_iter_no_change is not None and waited >= self.n_iter_no_change
        return EpochResult(record, margins, is_last)

    def price(self) -> Price | None:
        """The cost of keeping the best epoch and its adjustment."""
        return self.checkpoints.price(len(self.evaluator.labelled), self.max_epochs > 0)

    def _of_constraints(
        self, values: Array, means: Array, bounds: Array
    ) -> tuple[Array, Array, Array]:
        """Estimate and bound of each constraint, in its own units, and its multiplier."""
        estimates, bounds = self._units.of_constraints(values, means, bounds)
        multipliers = self.evaluator.problem.per_constraint(self.lagrangian.multipliers)
        return estimates, bounds, multipliers

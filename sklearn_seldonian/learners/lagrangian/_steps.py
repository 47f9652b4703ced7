"""The history of multiplier updates in training, with bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

# At most about this many numbers are kept, but at least this many updates.
MAX_NUMBERS, MIN_KEPT = 1_000_000, 64
# The prefixes of the columns of each constraint, before its number.
EACH_OF_STEP = ("estimate_", "predicted_bound_", "multiplier_")


@dataclass(frozen=True)
class Step:
    """The state of training at one multiplier update.

    Attributes
    ----------
    epoch, batch : int
        The epoch and the last batch before the update, both counted from 1.
    total_loss : float
        The sum of the batches' mean losses since the last recorded update.
    n_batches : int
        The number of batches in that sum.
    of_constraints : ndarray of shape (3, n_constraints)
        Estimates, predicted bounds and multipliers.
    """

    epoch: int
    batch: int
    total_loss: float
    n_batches: int
    of_constraints: Array

    @property
    def loss(self) -> float:
        """The mean training loss since the last recorded update."""
        return self.total_loss / self.n_batches


class StepHistory:
    """The steps of one training.

    When the history is full, every second step is left out, and from then on only every second
    update is recorded, later every fourth, and so on. Losses are not left out: the loss of a step
    is the mean over all batches since the last kept step.

    Parameters
    ----------
    n_constraints : int
    """

    def __init__(self, n_constraints: int) -> None:
        self._n_constraints = n_constraints
        n_kept = max(MIN_KEPT, MAX_NUMBERS // (len(EACH_OF_STEP) * n_constraints + 4))
        self._max = n_kept + n_kept % 2
        self._every, self._n_updates = 1, 0
        self._losses: list[torch.Tensor] = []
        self._n_losses = self._n_in_update = self._n_usual = 0
        self._batches_in_epoch: dict[int, int] = {}
        self.steps: list[Step] = []

    def add_loss(self, loss: torch.Tensor) -> None:
        """Add the mean loss of a batch, which stays on its device until an update is recorded."""
        self._losses.append(loss)
        self._n_losses += 1
        self._n_in_update += 1

    def is_due(self) -> bool:
        """Count an update, and return whether to record it.

        An update at the end of an epoch is not recorded if it covers less than half of the usual
        number of batches, because its mean loss would be an outlier by chance.
        """
        n_batches, self._n_in_update = self._n_in_update, 0
        self._losses = [torch.stack(self._losses).sum()] if self._losses else []
        self._n_usual = max(self._n_usual, n_batches)
        if 2 * n_batches < self._n_usual:
            return False
        self._n_updates += 1
        return self._n_updates % self._every == 0

    def add(self, epoch: int, batch: int, total_loss: float, *of_constraints: Array) -> None:
        """Record an update that is due, with the `total_loss` of the batches since the last."""
        step = Step(epoch, batch, total_loss, self._n_losses, np.stack(of_constraints))
        self.steps.append(step)
        self._losses, self._n_losses = [], 0
        if len(self.steps) >= self._max:
            pairs = zip(self.steps[::2], self.steps[1::2], strict=True)
            self.steps = [_merged(*pair) for pair in pairs]
            self._every *= 2

    @property
    def pending_loss(self) -> torch.Tensor:
        """The sum of the losses since the last recorded step, on their device."""
        (loss,) = self._losses
        return loss

    def end_epoch(self, epoch: int, n_batches: int) -> None:
        """Store the number of batches of an epoch."""
        self._batches_in_epoch[epoch] = n_batches

    def frame(self) -> pd.DataFrame:
        """One row per step, in order."""
        columns: dict[str, Any] = {
            "epoch": [step.epoch for step in self.steps],
            "batch": [step.batch for step in self.steps],
            "progress": [self._progress(step) for step in self.steps],
            "loss": [step.loss for step in self.steps],
        }
        shape = 0, len(EACH_OF_STEP), self._n_constraints
        of_all = np.stack([s.of_constraints for s in self.steps]) if self.steps else np.zeros(shape)
        for i in range(self._n_constraints):
            for k, name in enumerate(EACH_OF_STEP):
                columns[f"{name}{i}"] = of_all[:, k, i]
        return pd.DataFrame(columns)

    def _progress(self, step: Step) -> float:
        """The number of epochs done. An epoch that was interrupted counts as one at most."""
        n_batches = self._batches_in_epoch.get(step.epoch)
        if n_batches is None:
            n_batches = max([step.batch, *self._batches_in_epoch.values()])
        return step.epoch - 1 + step.batch / n_batches


def _merged(first: Step, second: Step) -> Step:
    """The second step, with the losses of both."""
    return replace(
        second,
        total_loss=first.total_loss + second.total_loss,
        n_batches=first.n_batches + second.n_batches,
    )

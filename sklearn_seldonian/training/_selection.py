"""Which epoch's weights to keep: the best of those predicted to pass the safety test."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sklearn_seldonian.training._problem import Prediction

__all__ = ["Checkpoints", "n_selection_rows"]

# A network that could learn its rows by heart must be judged on rows it did not see.
HELD_OUT_SHARE = 0.1
ROWS_A_PARAMETER = 10
FEWEST_HELD_OUT = 1000


def n_selection_rows(n_candidate: int, n_parameters: int) -> int:
    """How many candidate rows to hold out from training to judge checkpoints on.

    Zero where the rows are many for the number of parameters, since then the training
    rows themselves tell the truth, or where the tenth would be too few to tell anything.
    """
    held_out = int(HELD_OUT_SHARE * n_candidate)
    overfits = n_candidate < ROWS_A_PARAMETER * n_parameters
    return held_out if overfits and held_out >= FEWEST_HELD_OUT else 0


class Checkpoints:
    """Keeps the weights of the best epoch so far.

    Best is the least primary loss among the epochs predicted to pass with `power`, else
    the epoch likeliest to pass.
    """

    def __init__(self, power: float) -> None:
        self.power = power
        self.best: dict[str, Any] | None = None
        self.epoch: int | None = None
        self._rank: tuple[float, float] = (-np.inf, -np.inf)

    def offer(
        self, epoch: int, module: torch.nn.Module, loss: float, prediction: Prediction
    ) -> bool:
        """Consider one epoch's weights; whether they are the best so far."""
        passing = _likelihood(prediction)
        rank = (self.power, -loss) if passing >= self.power else (passing, -loss)
        if not np.isfinite(loss) or not rank > self._rank:
            return False
        self._rank = rank
        self.keep(epoch, module)
        return True

    def keep(self, epoch: int, module: torch.nn.Module) -> None:
        """Take these weights, whatever came before."""
        self.epoch = epoch
        self.best = {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _likelihood(prediction: Prediction) -> float:
    """At least how probable it is that all constraints pass.

    Where that says nothing, a number below zero that grows as the bounds come down, so
    that epochs on the way to a solution can be told apart.
    """
    probabilities = prediction.probabilities
    all_pass = 1.0 - float((1.0 - probabilities).sum())
    return all_pass if all_pass > 0 else -float(np.maximum(prediction.bounds, 0.0).sum())

"""The linear model on scores and features."""

from __future__ import annotations

import torch
from torch import nn

from sklearn_seldonian.modules import MLP


class Head(MLP):
    """A linear model that starts as the classifier whose scores are its first inputs.

    Parameters
    ----------
    n_features, n_outputs : int
        As of `MLP`. The first features are the log-odds of two classes, or the log-probabilities
        of more.
    is_trained : bool, default=True
        Otherwise the classifier's own decisions are all that there is to move.
    """

    def __init__(self, n_features: int, n_outputs: int, is_trained: bool = True) -> None:
        super().__init__(n_features, n_outputs, hidden=())
        layer = self.layers[-1]
        assert isinstance(layer, nn.Linear)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        with torch.no_grad():
            if n_outputs == 2:
                layer.weight[:, 0] = torch.tensor([-0.5, 0.5])
            else:
                layer.weight[:, :n_outputs] = torch.eye(n_outputs)
        self.requires_grad_(is_trained)

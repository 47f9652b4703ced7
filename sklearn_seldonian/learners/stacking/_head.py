"""The linear model on scores and features."""

from __future__ import annotations

import torch
from torch import nn

from sklearn_seldonian.modules import MLP


class Head(MLP):
    """A linear model whose first inputs are the scores of an estimator.

    Parameters
    ----------
    n_features, n_outputs : int
        As in `MLP`. The first features are the log-odds of two classes, the log-probabilities of
        more than two, or a standardised prediction. Training starts from these as the outputs.
    is_trained : bool, default=True
        Whether the weights are trained. Otherwise the outputs are the scores.
    """

    def __init__(self, n_features: int, n_outputs: int, is_trained: bool = True) -> None:
        super().__init__(n_features, n_outputs, hidden=())
        self.requires_grad_(is_trained)
        if n_outputs == 1 or not is_trained:
            self._pass_on(n_outputs)

    def _pass_on(self, n_outputs: int) -> None:
        layer = self.layers[-1]
        assert isinstance(layer, nn.Linear)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        with torch.no_grad():
            if n_outputs == 2:
                layer.weight[:, 0] = torch.tensor([-0.5, 0.5])
            else:
                layer.weight[:, :n_outputs] = torch.eye(n_outputs)

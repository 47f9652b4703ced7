"""Small networks to start from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["MLP", "ConvNet"]


def module_or_default(module: Any) -> Any:
    """`module`, or the class `MLP` if it is None."""
    return MLP if module is None else module


class MLP(nn.Module):
    """A multilayer perceptron; with no hidden layers, a linear model.

    Parameters
    ----------
    n_features : int
        Number of features per row; inputs with more dimensions are flattened.
    n_outputs : int
        Number of outputs: the number of classes, or 1 for a regressor.
    hidden : sequence of int, default=(64, 64)
        Number of units in each hidden layer.
    dropout : float in [0, 1), default=0.0
        Share of hidden units that are set to zero in training.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seldonian.modules import MLP
    >>> MLP(n_features=9, n_outputs=2, hidden=(16,))(torch.zeros(5, 9)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        hidden: Sequence[int] = (64, 64),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in itertools.pairwise((n_features, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        layers.append(nn.Linear((n_features, *hidden)[-1], n_outputs))
        self.layers = nn.Sequential(*layers)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits of shape (n_rows, n_outputs)."""
        outputs: torch.Tensor = self.layers(X)
        return outputs


class ConvNet(nn.Module):
    """Two convolutions and a linear layer, for single-channel square images.

    Parameters
    ----------
    n_outputs : int, default=10
        Number of outputs.
    image_size : int, default=28
        Pixels per side, at least 4. Rows of ``image_size ** 2`` pixels are interpreted as images.
    softmax : bool, default=False
        Whether the outputs are probabilities. Otherwise they are logits.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seldonian.modules import ConvNet
    >>> ConvNet()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, n_outputs: int = 10, image_size: int = 28, softmax: bool = False) -> None:
        super().__init__()
        self.image_size = image_size
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (image_size // 4) ** 2, n_outputs),
            nn.Softmax(dim=1) if softmax else nn.Identity(),
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, or probabilities, of shape (n_rows, n_outputs)."""
        outputs: torch.Tensor = self.layers(X.reshape(-1, 1, self.image_size, self.image_size))
        return outputs

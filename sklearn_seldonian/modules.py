"""Small models to start from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["MLP", "AdditiveModel", "ConvNet"]


def module_or_default(module: Any) -> Any:
    """`module`, or the class `MLP` if it is None."""
    return MLP if module is None else module


def module_of_sizes(module: Any, sizes: Mapping[str, Any]) -> Any:
    """`module`, or if it is None the class that has these sizes."""
    if module is None and "module__knots" in sizes:
        return AdditiveModel
    return module_or_default(module)


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


class AdditiveModel(nn.Module):
    """A sum of piecewise linear functions of one feature each [1]_.

    A feature's function is linear between its knots. It is written as a multiple of the feature,
    plus one hinge function ``max(0, feature - knot)`` per knot [2]_. So the model is linear in the
    features and in these functions.

    Parameters
    ----------
    n_features : int
        Number of features per row; inputs with more dimensions are flattened.
    n_outputs : int
        Number of outputs: the number of classes, or 1 for a regressor.
    knots : array-like of shape (n_knots, 4)
        Per knot: the position of its feature, the knot, and what is subtracted from its hinge
        function and divides it after that. If it is not given to an estimator, the estimator
        computes it from the candidate rows: four knots per feature with more than five distinct
        values, at quantiles of these values.

    Raises
    ------
    ValueError
        If a position is not that of a feature, a scale is not above 0, or a number is not finite.

    References
    ----------
    .. [1] T. Hastie and R. Tibshirani, "Generalized Additive Models", Statistical Science 1(3),
       1986.
    .. [2] J. H. Friedman, "Multivariate Adaptive Regression Splines", Annals of Statistics 19(1),
       1991.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seldonian.modules import AdditiveModel
    >>> model = AdditiveModel(n_features=9, n_outputs=2, knots=[[0, -0.5, 0, 1], [0, 0.5, 0, 1]])
    >>> model(torch.zeros(5, 9)).shape
    torch.Size([5, 2])
    """

    positions: torch.Tensor
    hinges: torch.Tensor

    def __init__(self, n_features: int, n_outputs: int, knots: Sequence[Sequence[float]]) -> None:
        super().__init__()
        table = torch.as_tensor(knots, dtype=torch.float64).reshape(-1, 4)
        if not table.is_meta:
            _check_knots(table, n_features)
        positions, *hinges = table.T
        self.register_buffer("positions", positions.long())
        self.register_buffer("hinges", torch.stack(hinges).to(torch.get_default_dtype()))
        self.layer = nn.Linear(n_features + len(positions), n_outputs)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits of shape (n_rows, n_outputs)."""
        X = X.flatten(1)
        knots, means, scales = self.hinges
        hinges = (torch.relu(X[:, self.positions] - knots) - means) / scales
        outputs: torch.Tensor = self.layer(torch.cat([X, hinges], dim=1))
        return outputs


def _check_knots(knots: torch.Tensor, n_features: int) -> None:
    positions, scales = knots[:, 0], knots[:, 3]
    inside = (positions >= 0) & (positions < n_features) & (positions == positions.floor())
    if not bool((inside & (scales > 0) & knots.isfinite().all(dim=1)).all()):
        raise ValueError(
            "knots must have rows of four finite numbers: the position of one of the "
            f"{n_features} features, counted from 0, the knot, a mean, and a scale above 0."
        )


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

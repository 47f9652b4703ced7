"""Evaluation of linear modules on rows that they were not trained on, with all rows in training.

An evaluation on training rows is too good, the more so the fewer rows there are per parameter.
Copies of the module's linear layer are therefore trained together with the module, each without
one fold of the rows. A row is evaluated by the copy that was not trained on it [1]_. Nothing before
the layer is trained, so all copies have the same inputs, and one matrix product computes their
outputs. What comes after the layer gets the outputs of the module and of the copies together.

References
----------
.. [1] M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of
   the Royal Statistical Society B 36(2), 1974.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from sklearn_seldonian.data._units import SamplingUnits

OfLayer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

N_FOLDS = 5
# The number of copies that learn from a row.
N_LEARNERS = N_FOLDS - 1
# With this many rows of the smallest group per input, an evaluation on training rows is hardly
# biased. With 10 features, 6% positives and TPR >= 0.4, the bias was .022 on training rows and .021
# with copies for 20 rows per feature, and .068 and .018 for 5 (40 fits each, errors of .01). But
# training rows also flatter the one of two models that has more inputs: for GPA with parity 0.05,
# where a linear model is better than an additive one, the additive one was kept in 15 of 30 fits if
# it was evaluated on 22 training rows per input, and in 2 of 30 if copies evaluated it.
ROWS_PER_INPUT = 50


def linear_layer(module: nn.Module) -> nn.Linear | None:
    """The linear layer whose weights are all that a module trains; None if there is none.

    There is none if other parameters determine the weights, as with `weight_norm`, or if their
    shape is not known yet, as in a `LazyLinear`.
    """
    trained = {parameter for parameter in module.parameters() if parameter.requires_grad}
    if any(map(is_lazy, trained)):
        return None
    layers = (part for part in module.modules() if isinstance(part, nn.Linear))
    return next((layer for layer in layers if trained == set(weights_of(layer))), None)


def weights_of(layer: nn.Linear) -> list[torch.Tensor]:
    """The weight of a layer, and its bias if it has one."""
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


def needs_cross_fitting(layer: nn.Linear, n_rows: int, n_smallest: float) -> bool:
    """Whether an evaluation on training rows is biased, and copies can be trained without a fold.

    Parameters
    ----------
    layer : Linear
    n_rows : int
    n_smallest : float
        The number of rows of the smallest group in the constraints.
    """
    return n_rows >= N_FOLDS and n_smallest < ROWS_PER_INPUT * layer.in_features


def balanced_folds(strata: torch.Tensor, units: SamplingUnits | None) -> torch.Tensor:
    """The fold of each row: each has equal parts of all strata, but units are not divided.

    Parameters
    ----------
    strata : tensor of shape (n_rows,) or (n_rows, n_joint)
        With several strata per row, the first counts.
    units : SamplingUnits or None
    """
    random, device = torch.Generator().manual_seed(0), strata.device
    first = strata.cpu().reshape(len(strata), -1)[:, 0]
    shuffled = torch.randperm(len(first), generator=random)
    order = shuffled[first[shuffled].argsort(stable=True)]
    folds = torch.empty_like(order)
    folds[order] = torch.arange(len(order)) % N_FOLDS
    if units is not None:  # all rows of a unit get the fold of its first row
        _, starts, of_rows = np.unique(units.positions, return_index=True, return_inverse=True)
        folds = folds[torch.from_numpy(starts)][torch.from_numpy(of_rows)]
    return folds.to(device)


def can_replace(
    copies: LayerCopies, evaluate: Callable[[torch.Tensor], torch.Tensor], X: torch.Tensor
) -> bool:
    """Whether the module, called by `evaluate`, also returns the outputs of the copies.

    It does not if what comes after the layer depends on more than the layer's outputs.

    Parameters
    ----------
    copies : LayerCopies
        The copies have the layer's weights.
    evaluate : function of inputs
    X : tensor
        Some rows, at most `N_FOLDS`.
    """
    expected = evaluate(X)
    try:
        with copies.learning(torch.arange(len(X))):
            seen = evaluate(X)
    except (RuntimeError, ValueError, IndexError):
        return False
    wanted = torch.cat([expected] * (1 + N_LEARNERS))
    return seen.shape == wanted.shape and torch.allclose(seen, wanted, atol=1e-5)


class LayerCopies:
    """Copies of a linear layer, each trained without the rows of one fold.

    Parameters
    ----------
    layer : Linear

    Attributes
    ----------
    parameters : list of Parameter
        The copies' weights, and their biases if the layer has one.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer
        self.parameters = [nn.Parameter(torch.cat([own] * N_FOLDS)) for own in weights_of(layer)]
        self.divide(torch.arange(N_FOLDS, device=layer.weight.device))

    def start(self) -> None:
        """Give all copies the layer's weights."""
        with torch.no_grad():
            for of_all, own in zip(self.parameters, weights_of(self.layer), strict=True):
                of_all.copy_(torch.cat([own] * N_FOLDS))

    def divide(self, folds: torch.Tensor) -> None:
        """Set the fold of each row."""
        # The last copy of each row is the one that does not learn from it.
        after = torch.arange(1, N_FOLDS + 1, device=folds.device)
        self._copies = (folds + after[:, None]) % N_FOLDS

    def divide_gradients(self) -> None:
        """Divide gradients by the share of rows that a copy learns from.

        Those of a mean over a batch are then means over the rows that the copy learns from.
        """
        for values in self.parameters:
            if values.grad is not None:
                values.grad *= N_FOLDS / N_LEARNERS

    @contextmanager
    def learning(self, rows: torch.Tensor) -> Iterator[None]:
        """The layer also returns the outputs of the copies that learn from the rows it gets.

        Those of the module come first, and then those of `N_LEARNERS` copies for each row.
        """
        copies = self._copies[:-1, rows]

        def extended(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
            return torch.cat([outputs, self._outputs(inputs, copies)])

        with self._replaced(extended):
            yield

    @contextmanager
    def unseen(self, rows: torch.Tensor) -> Iterator[None]:
        """The layer returns the outputs of the copies that do not learn from the rows it gets.

        If it gets more rows, their outputs are those of the copy of the last row.
        """
        copies = self._copies[-1:, rows]

        def replaced(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
            last = copies[:, -1:].expand(1, len(inputs) - copies.shape[1])
            return self._outputs(inputs, torch.cat([copies, last], dim=1))

        with self._replaced(replaced):
            yield

    def _outputs(self, inputs: torch.Tensor, copies: torch.Tensor) -> torch.Tensor:
        """The outputs of some `copies` for the rows of `inputs`: (n_copies * n_rows, ...).

        Copies have shape (n_copies, n_rows).
        """
        of_all = nn.functional.linear(inputs, *self.parameters)
        by_copy = of_all.view(*inputs.shape[:-1], N_FOLDS, -1).movedim(-2, 1).flatten(0, 1)
        starts = torch.arange(0, len(by_copy), N_FOLDS, device=copies.device)
        return by_copy.index_select(0, (starts + copies).ravel())

    @contextmanager
    def _replaced(self, outputs: OfLayer) -> Iterator[None]:
        """The layer returns `outputs` of its inputs and its own outputs."""
        hook = self.layer.register_forward_hook(lambda _, inputs, own: outputs(inputs[0], own))
        try:
            yield
        finally:
            hook.remove()

"""Evaluation of linear modules on rows that they were not trained on, with all rows in training.

An evaluation on training rows is too good, the more so the fewer rows there are per parameter.
Copies of the module's linear layer are therefore trained together with the module, each without
one fold of the rows. A row is evaluated by the copy that was not trained on it [1]_. Nothing before
the layer is trained, so all copies have the same inputs, and one matrix product computes their
outputs. If something comes after the layer, the module is called once more for each copy of a row,
with the layer's outputs replaced.

References
----------
.. [1] M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of
   the Royal Statistical Society B 36(2), 1974.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_seldonian.data._units import SamplingUnits

OfCall = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]

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


def linear_layer(module: nn.Module, trained: Iterable[nn.Parameter]) -> nn.Linear | None:
    """The linear layer of a module whose weights are all that is `trained`; None without one.

    There is none if other parameters determine the weights, as with `weight_norm`, or if the layer
    is of a class of its own.
    """
    wanted = {parameter for parameter in trained if parameter.requires_grad}
    layers = (part for part in module.modules() if type(part) is nn.Linear)
    return next((layer for layer in layers if wanted == set(weights_of(layer))), None)


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


class LayerCopies:
    """Copies of a linear layer, each trained without the rows of one fold.

    Parameters
    ----------
    layer : Linear

    Attributes
    ----------
    parameters : list of Parameter
        The copies' weights, and their biases if the layer has one.
    calls : list of pairs of tensors
        The inputs and outputs of the layer's calls since the last `start` or `learned`, while the
        layer is `watched`.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer
        self.parameters = [nn.Parameter(torch.cat([own] * N_FOLDS)) for own in weights_of(layer)]
        self.calls: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.divide(torch.arange(N_FOLDS, device=layer.weight.device))

    def start(self) -> None:
        """Give all copies the layer's weights."""
        self.calls.clear()
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

    def watched(self) -> AbstractContextManager[None]:
        """Every call of the layer is added to `calls`."""

        def seen(inputs: torch.Tensor, outputs: torch.Tensor) -> None:
            self.calls.append((inputs, outputs))

        return self._hooked(seen)

    def learned(
        self, outputs: torch.Tensor, rows: torch.Tensor, evaluate: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        """The outputs of the module with each of `N_LEARNERS` copies that learn from the rows.

        Parameters
        ----------
        outputs : tensor of shape (n_rows, ...)
            What the module has just returned for the rows.
        rows : tensor of shape (n_rows,)
            The positions of the rows.
        evaluate : function
            Calls the module with the same rows.

        Returns
        -------
        tensor of shape (N_LEARNERS * n_rows, ...)
            For each row the first of its copies, then for each row the second, and so on.
        """
        *_, (inputs, of_layer) = self.calls
        self.calls.clear()
        copies = self._copies[:-1, rows]
        if outputs is of_layer:
            return self._outputs(inputs.detach(), copies)
        parts = []
        for of_rows in copies:
            with self._replaced(of_rows):
                parts.append(evaluate())
        self.calls.clear()
        return torch.cat(parts)

    def unseen(self, rows: torch.Tensor) -> AbstractContextManager[None]:
        """The layer returns the outputs of the copies that do not learn from the rows it gets.

        If it gets more rows, their outputs are those of the copy of the last row.
        """
        return self._replaced(self._copies[-1, rows])

    def _replaced(self, copies: torch.Tensor) -> AbstractContextManager[None]:
        """The layer returns the outputs of one copy for each row it gets."""

        def of_copies(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
            last = copies[-1:].expand(len(inputs) - len(copies))
            return self._outputs(inputs, torch.cat([copies, last])[None])

        return self._hooked(of_copies)

    def _outputs(self, inputs: torch.Tensor, copies: torch.Tensor) -> torch.Tensor:
        """The outputs of some `copies` for the rows of `inputs`: (n_copies * n_rows, ...).

        Copies have shape (n_copies, n_rows).
        """
        of_all = nn.functional.linear(inputs, *self.parameters)
        by_copy = of_all.view(*inputs.shape[:-1], N_FOLDS, -1).movedim(-2, 1).flatten(0, 1)
        starts = torch.arange(0, len(by_copy), N_FOLDS, device=copies.device)
        return by_copy.index_select(0, (starts + copies).ravel())

    @contextmanager
    def _hooked(self, of_call: OfCall) -> Iterator[None]:
        """Call a function with the inputs and outputs of each call of the layer.

        What it returns, unless it is None, replaces the outputs.
        """

        def hook(layer: nn.Module, arguments: Any, keywords: Any, outputs: torch.Tensor) -> Any:
            inputs = next(iter((*arguments, *keywords.values())))
            return of_call(inputs, outputs)

        handle = self.layer.register_forward_hook(hook, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def can_replace(
    copies: LayerCopies, module: nn.Module, evaluate: Callable[[], torch.Tensor]
) -> bool:
    """Whether the copies, which have the layer's weights, can take the layer's place.

    They can if the module calls the layer once, with its rows in the first dimension, and uses its
    weights nowhere else. What comes after the layer must not change in a forward pass.

    Parameters
    ----------
    copies : LayerCopies
    module : Module
    evaluate : function
        Calls the module with at most `N_FOLDS` rows.
    """
    own, replacing = weights_of(copies.layer), copies.parameters
    try:
        with copies.watched():
            expected = evaluate()
        ((inputs, of_layer),) = copies.calls
        if inputs.requires_grad or len(inputs) != len(expected):
            return False
        with copies.unseen(torch.arange(len(expected))):
            seen = evaluate()
        gradients = torch.autograd.grad(seen.sum(), [*own, *replacing], allow_unused=True)
    except Exception:  # of any kind, because it is the module's
        return False
    finally:
        copies.calls.clear()
    is_used = [gradient is not None for gradient in gradients]
    if is_used != [False] * len(own) + [True] * len(replacing):
        return False
    changes = any(isinstance(part, nn.modules.batchnorm._NormBase) for part in module.modules())
    same = seen.shape == expected.shape and torch.allclose(seen, expected, atol=1e-5)
    return same and (expected is of_layer or not changes)


def losses_in_copies(
    objective: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    scores: torch.Tensor,
    y: torch.Tensor,
) -> float:
    """How many losses of one copy are in the objective of all copies together.

    These are `N_LEARNERS` if the objective is a mean over rows, and 1 if it is a sum. It is seen
    from its values for these rows, and for the same rows repeated.
    """
    once, repeated = (objective(scores.repeat(n, 1), y.repeat(n)).item() for n in (1, N_LEARNERS))
    is_known = np.isfinite(once) and np.isfinite(repeated) and repeated != 0
    return N_LEARNERS * once / repeated if is_known else float(N_LEARNERS)

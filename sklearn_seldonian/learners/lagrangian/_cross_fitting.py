"""Evaluation of linear modules on rows that they were not trained on, with all rows in training.

An evaluation on training rows is too good, the more so the fewer rows there are per parameter.
Copies of the module's linear layer are therefore trained together with the module, each without
one fold of the rows. A row is evaluated by the copy that was not trained on it [1]_. Nothing before
the layer is trained, so its inputs are computed once for all epochs, and one matrix product
computes the outputs of all copies.

References
----------
.. [1] M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of
   the Royal Statistical Society B 36(2), 1974.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from sklearn_seldonian.data._units import SamplingUnits
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian, StratifiedRows
from sklearn_seldonian.learners.lagrangian._tasks import Task

Optimizer = torch.optim.Optimizer

N_FOLDS = 5
# With this many rows of the smallest group per input, an evaluation on training rows is hardly
# biased. With 10 features, 6% positives and TPR >= 0.4, the bias was .022 on training rows and .021
# with copies for 20 rows per feature, and .068 and .018 for 5 (40 fits each, errors of .01). But
# training rows also flatter the one of two models that has more inputs: for GPA with parity 0.05,
# where a linear model is better than an additive one, the additive one was kept in 15 of 30 fits if
# it was evaluated on 22 training rows per input, and in 2 of 30 if copies evaluated it.
ROWS_PER_INPUT = 50
# The largest number of layer inputs that are kept.
MAX_NUMBERS = 2**28
ROWS_AT_ONCE = 8192


def linear_layer(module: nn.Module) -> nn.Linear | None:
    """The layer that has all trained parameters of a linear module; None for other modules."""
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    trained = {id(p) for p in module.parameters() if p.requires_grad}
    if len(layers) != 1 or trained != {id(p) for p in layers[0].parameters()}:
        return None
    return layers[0]


def needs_cross_fitting(layer: nn.Linear, n_rows: int, n_smallest: float) -> bool:
    """Whether an evaluation on training rows is biased, and copies can be trained without a fold.

    Parameters
    ----------
    layer : Linear
    n_rows : int
    n_smallest : float
        The number of rows of the smallest group in the constraints.
    """
    few = n_smallest < ROWS_PER_INPUT * layer.in_features
    return few and N_FOLDS <= n_rows <= MAX_NUMBERS // layer.in_features


def inputs_of(layer: nn.Linear, batches: Iterable[torch.Tensor]) -> torch.Tensor:
    """The layer's inputs while the `batches` of outputs are computed: (n_rows, n_features)."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:  # a small batch is padded with rows that are not among the outputs
        return torch.cat([seen.pop()[: len(outputs)].clone() for outputs in batches])
    finally:
        hook.remove()


class CrossFitting:
    """Copies of a linear layer, each trained without the rows of one fold.

    Parameters
    ----------
    layer : Linear
        The copies start from its weights.
    inputs : tensor of shape (n_rows, n_features)
        The inputs of the layer.
    rows : StratifiedRows
        The rows that the module is trained on. Each fold has equal parts of all strata.
    lagrangian : Lagrangian
        The Lagrangian of the module. The copies use its multipliers.
    task : Task
    criterion : torch.nn.Module
    batch_size : int
    make_optimizer : function of a list of parameters
    """

    def __init__(
        self,
        layer: nn.Linear,
        inputs: torch.Tensor,
        rows: StratifiedRows,
        lagrangian: Lagrangian,
        task: Task,
        criterion: nn.Module,
        batch_size: int,
        make_optimizer: Callable[[list[nn.Parameter]], Optimizer],
    ) -> None:
        self._inputs, self._lagrangian, self._batch_size = inputs, lagrangian, batch_size
        self._task, self._criterion = task, criterion
        self._y, self._strata = rows.targets_and_strata()
        self._has_label = rows.has_label
        self._random = torch.Generator().manual_seed(0)
        folds = self._balanced_folds()
        if rows.units is not None:
            folds = self._of_units(rows.units, folds)
        self._folds = folds.to(inputs.device)
        self._all_folds = torch.arange(N_FOLDS, device=inputs.device)
        start = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        self._weights = [nn.Parameter(each.detach().repeat(N_FOLDS, 1)) for each in start[:1]]
        self._weights += [nn.Parameter(each.detach().repeat(N_FOLDS)) for each in start[1:]]
        self._optimizer = make_optimizer(self._weights)

    def train_epoch(self, learning_rates: Iterable[float]) -> None:
        """Train one epoch at these learning rates, which are those of the module's optimizer."""
        for group, rate in zip(self._optimizer.param_groups, learning_rates, strict=False):
            group["lr"] = rate
        order = torch.randperm(len(self._inputs), generator=self._random).to(self._folds.device)
        (of_all,) = self._lagrangian.weights_of([self._strata])
        gradient = of_all.gradient * len(order)
        for rows in order.split(self._batch_size):  # type: ignore[no-untyped-call]
            learns = self._folds[rows, None] != self._all_folds
            of_copies = self._outputs(rows)[learns]
            self._optimizer.zero_grad()
            learned = rows[learns.nonzero()[:, 0]]
            # The mean over all pairs of a row and a copy. Each copy gets the gradient of its pairs.
            loss = N_FOLDS * self._loss(of_copies, learned, gradient[learned])
            torch.autograd.backward(loss)
            self._optimizer.step()

    def scores(self) -> torch.Tensor:
        """The scores of rows by the copy that was not trained on them: (n_rows, n_classes)."""
        with torch.no_grad():
            parts = torch.arange(len(self._folds), device=self._folds.device).split(ROWS_AT_ONCE)  # type: ignore[no-untyped-call]
            unseen = [
                self._outputs(rows)[self._folds[rows, None] == self._all_folds] for rows in parts
            ]
            return self._task.scores(torch.cat(unseen))

    def _balanced_folds(self) -> torch.Tensor:
        shuffled = torch.randperm(len(self._y), generator=self._random)
        strata = self._strata.cpu()
        first = strata if strata.ndim == 1 else strata[:, 0]
        order = shuffled[first[shuffled].argsort(stable=True)]
        folds = torch.empty_like(order)
        folds[order] = torch.arange(len(order)) % N_FOLDS
        return folds

    @staticmethod
    def _of_units(units: SamplingUnits, folds: torch.Tensor) -> torch.Tensor:
        """The folds of the rows' units: all rows of a unit get the fold of its first row."""
        _, first, of_rows = np.unique(units.positions, return_index=True, return_inverse=True)
        return folds[torch.from_numpy(first)][torch.from_numpy(of_rows)]

    def _outputs(self, rows: torch.Tensor) -> torch.Tensor:
        """The outputs of all copies: shape (n_rows, n_folds, n_outputs)."""
        outputs = nn.functional.linear(self._inputs[rows], *self._weights)
        return outputs.view(len(rows), N_FOLDS, -1)

    def _loss(
        self, outputs: torch.Tensor, rows: torch.Tensor, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The mean Lagrangian of rows with these outputs, with the `gradient` of its entries.

        `rows` are their positions. The primary loss is the mean over those that have a label.
        """
        scores, y = self._task.scores(outputs), self._y[rows]
        entries = self._lagrangian.entries(scores, y)
        constrained = (entries * gradient.to(entries.dtype)).sum() / len(y)
        if self._has_label is not None:
            known = self._has_label[rows]
            scores, y = scores[known], y[known]
        if not len(y):
            return constrained
        return self._task.objective(self._criterion, scores, y) + constrained

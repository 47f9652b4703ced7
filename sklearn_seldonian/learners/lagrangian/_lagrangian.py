"""The state of constrained training: running counts, multipliers, weights per entry.

The Lagrangian is loss + sum_a multiplier_a * (h_a + margin_a). Near the running rates each h_a is
linear in the rows' outputs. Its gradient therefore needs only one weight per entry (cell, label,
class), times the row's probability of that class, and per row measure one weight per (cell, label),
times the row's value. The model is updated with probabilities and the multipliers with decisions:
this is the proxy Lagrangian of [1]_. The multipliers follow a proportional-integral controller
[2]_, which damps the oscillation of plain dual ascent.

References
----------
.. [1] A. Cotter et al., "Optimization with Non-Differentiable Constraints with
   Applications to Fairness, Recall, Churn, and Other Goals", JMLR 20, 2019.
.. [2] M. Sohrabi et al., "On PI Controllers for Updating Lagrange Multipliers in
   Constrained Optimization", ICML 2024.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import one_hot

from sklearn_seldonian.learners.lagrangian._batches import Batch, Rows
from sklearn_seldonian.learners.lagrangian._processes import ALONE, Processes
from sklearn_seldonian.learners.lagrangian._tasks import Task
from sklearn_seldonian.selection import ConstrainedProblem, Linearised, normal_margins

# The number of rows in the running rates, if there are so many: enough to estimate rates to a
# hundredth, and few enough to follow a model that changes.
MEMORY_ROWS = 8192
# The multipliers move about this many times per epoch, but at least and at most this many batches
# apart. More frequent updates would spend too much time on copying counts from the device.
STEPS_PER_EPOCH = 12
MIN_BATCHES, MAX_BATCHES = 8, 32
# The controller's proportional gain, relative to its integral gain per batch.
PROPORTIONAL_GAIN = 20.0


class _Counts(NamedTuple):
    """Counts, sums and products, as in `Statistics`."""

    confusion: NDArray[np.float64]
    products: NDArray[np.float64]


class BatchWeights(NamedTuple):
    """A batch's rows and strata, and the gradient of the constraints' part of its loss by its rows.

    Attributes
    ----------
    rows : tensor of int, of shape (n_rows,)
        The positions of the rows.
    strata : tensor of int, of shape (n_rows,) or (n_rows, n_joint)
        The strata in the form of `RowStrata`.
    gradient : tensor of shape (n_rows, K + V)
        The gradient of the constraints' part of the batch's loss in the rows' entries.
    """

    rows: torch.Tensor
    strata: torch.Tensor
    gradient: torch.Tensor


WeightedBatch = tuple[torch.Tensor, tuple[torch.Tensor, BatchWeights]]


class RowStrata:
    """The strata (cell, label) of rows, by their positions.

    Cells are the joint ones: (n_rows,) strata, or (n_rows, n_joint) if a row is in several.
    """

    def __init__(self, rows: Rows, problem: ConstrainedProblem, task: Task) -> None:
        self._y, self._codes = rows.y, rows.cells
        self._labels_of, self._n_classes = task.labels, problem.shape[1]
        cell_of_code = torch.from_numpy(problem.stratification.joint.cell_of_code)
        self._cell_of_code = cell_of_code.to(rows.cells.device)

    def __getitem__(self, rows: torch.Tensor | slice) -> torch.Tensor:
        y, codes = self._y[rows], self._codes[rows]
        first = self._cell_of_code[codes.long()].int() * self._n_classes
        strata = first + self._labels_of(y)[..., None].int()
        return strata[..., 0] if strata.shape[-1] == 1 else strata


class Lagrangian:
    """Multipliers of a `ConstrainedProblem`, updated during training.

    Parameters
    ----------
    problem : ConstrainedProblem
    task : Task
    n_rows : int
        The number of training rows.
    multiplier_init : float >= 0
        The initial value of the multipliers.
    multiplier_lr : float > 0
        A violation of one unit adds this much to its multiplier per batch.
    device : str
    violation_scale : float or ndarray of shape (n_atoms,), default=1.0
        The unit of violations.
    n_batches : int, default=0
        The number of batches per epoch, if it is known.
    processes : Processes, default=ALONE
        The processes whose counts are added up.

    Attributes
    ----------
    multipliers : ndarray of shape (n_atoms,)
    margins : Margins
        How far below zero each h has to be. They may be replaced.
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        task: Task,
        n_rows: int,
        multiplier_init: float,
        multiplier_lr: float,
        device: str,
        violation_scale: float | NDArray[np.float64] = 1.0,
        n_batches: int = 0,
        processes: Processes = ALONE,
    ) -> None:
        self.problem, self.task, self._scale = problem, task, violation_scale
        self._processes = processes
        self.margins, self._linear = normal_margins(problem), problem.linearisation
        self.n_rows, self.multiplier_lr = n_rows, multiplier_lr
        self._memory_rows = min(MEMORY_ROWS, n_rows)
        self.multipliers = np.full(len(problem.atoms), float(multiplier_init))
        self._integral = self.multipliers.copy()
        shapes = self._linear.confusion_shape, self._linear.products_shape
        self._memory = _Counts(*map(np.zeros, shapes))
        self._n_batches = 0
        wanted = n_batches // STEPS_PER_EPOCH
        self._batches_a_step = min(max(wanted, MIN_BATCHES), MAX_BATCHES)
        self._uncounted: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._joint = problem.stratification.joint
        _, n_classes, n_columns = self._linear.confusion_shape
        self._weights = torch.zeros(self._joint.n_cells * n_classes, n_columns, device=device)

    def constraint_batches(
        self, batches: Iterable[Batch], strata: RowStrata, most: int = 1
    ) -> Iterator[WeightedBatch]:
        """The batches, with `BatchWeights` instead of positions of rows.

        At most `most` batches are looked up together, and only batches before the next update of
        the weights.
        """
        batches = iter(batches)
        while ahead := list(itertools.islice(batches, min(most, self._n_batches_to_step))):
            weights = self.weights_of([rows for _, (_, rows) in ahead], strata)
            for (X, (y, _)), own in zip(ahead, weights, strict=True):
                yield X, (y, own)

    def weights_of(
        self, batches: Sequence[torch.Tensor], strata: RowStrata
    ) -> Iterator[BatchWeights]:
        """The current weights of the rows in some batches, which are positions of rows."""
        sizes = [len(rows) for rows in batches]
        every = strata[torch.cat(list(batches))].to(self._weights.device)
        if every.ndim == 1:
            weights = self._weights.index_select(0, every)
        else:
            n_rows, n_joint = every.shape
            starts = torch.arange(0, n_rows * n_joint, n_joint, device=every.device)
            weights, *_ = torch.embedding_bag(self._weights, every.ravel(), starts.to(every.dtype))
        # All batches have the size of the first, possibly except the last.
        of_rows = (weights / sizes[0]).split(sizes)  # type: ignore[no-untyped-call]
        of_batches = of_rows, every.split(sizes)  # type: ignore[no-untyped-call]
        for rows, n, gradient, own in zip(batches, sizes, *of_batches, strict=True):
            yield BatchWeights(rows, own, gradient if n == sizes[0] else gradient * (sizes[0] / n))

    def constraint_gradient(
        self, scores: torch.Tensor, y: torch.Tensor, rows: BatchWeights
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The constraints' part of a batch's loss. Its decisions are stored, to be counted later.

        After the scores of the batch there may be those of other models for the same rows.

        Returns
        -------
        entries : tensor of shape (n_rows, K + V)
            Each row's probabilities of the classes and values of the row measures, with the
            gradient of its scores.
        gradient : tensor of shape (n_rows, K + V)
            The gradient of the loss in the entries.
        """
        y = y.to(scores.device)
        self._uncounted.append((rows.strata, scores[: len(y)].detach(), y))
        n_models = len(scores) // len(y)
        gradient = torch.cat([rows.gradient.to(scores.dtype)] * n_models)
        return self._entries(scores, torch.cat([y] * n_models)), gradient

    def _entries(self, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Each row's probabilities of the classes and values of the row measures."""
        entries = torch.softmax(scores, dim=1)
        if self.problem.values:
            soft = self.task.soft_values(self.problem.values, scores, y)
            entries = torch.cat([entries, soft], dim=1)
        return entries

    def _counts(self) -> _Counts:
        """Counts, sums and products of the batches that were not counted yet."""
        strata, scores, y = (torch.cat(parts) for parts in zip(*self._uncounted, strict=True))
        self._uncounted.clear()
        strata, k = strata.reshape(len(strata), -1), scores.shape[1]
        confusion_shape, products_shape = self._linear.confusion_shape, self._linear.products_shape
        if self.problem.deterministic and not self.problem.values:
            entries = torch.add(scores.argmax(dim=1)[:, None], strata, alpha=k).ravel()
            counts = torch.bincount(entries, minlength=self._weights.numel())
            return _Counts(self._over_cells(counts, confusion_shape), np.zeros(products_shape))
        entries = torch.softmax(scores, dim=1)
        if self.problem.deterministic:
            entries = one_hot(scores.argmax(dim=1), k)
        if self.problem.values:
            values = self.task.decision_values(self.problem.values, scores, y)
            entries = torch.cat([entries, values], dim=1)
        entries = entries.to(self._weights.dtype)
        factors = entries[:, k:] if self.problem.deterministic else entries
        products = (factors[:, :, None] * entries[:, None, :]).flatten(1)
        return _Counts(
            self._over_cells(self._summed(entries, strata), confusion_shape),
            self._over_cells(self._summed(products, strata), products_shape),
        )

    def _summed(self, entries: torch.Tensor, strata: torch.Tensor) -> torch.Tensor:
        """The sums of the rows' entries over each stratum. A row may be in several strata."""
        sums = entries.new_zeros(len(self._weights), entries.shape[1])
        repeated = entries.repeat_interleave(strata.shape[1], 0)
        return sums.index_add_(0, strata.ravel(), repeated)

    def _over_cells(self, sums: torch.Tensor, shape: tuple[int, ...]) -> NDArray[np.float64]:
        of_all = self._processes.summed(sums)
        of_joint = of_all.cpu().double().numpy().reshape(self._joint.n_cells, -1)
        return self._joint.over_cells(of_joint).reshape(shape)

    def batch_done(self) -> Linearised | None:
        """Count a batch; if an update of the multipliers is due, return the result of `step`."""
        self._n_batches += 1
        return None if self._n_batches_to_step else self.step()

    @property
    def _n_batches_to_step(self) -> int:
        return self._batches_a_step - self._n_batches

    def step(self) -> Linearised | None:
        """Update the multipliers with the batches since the last step.

        Returns
        -------
        Linearised or None
            The atoms at the running means. None if there were no batches since the last step.
        """
        if not self._n_batches:
            return None
        self._remember(self._counts())
        near = self._linear.at(*self._memory)
        violations = (near.values + self.margins.below_zero(near, self.n_rows)) / self._scale
        # A rate that has no rows yet gives no direction.
        violations = np.clip(np.nan_to_num(violations, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        gain = self.multiplier_lr * self._n_batches
        self._integral = np.maximum(0.0, self._integral + gain * violations)
        proportional = PROPORTIONAL_GAIN * self.multiplier_lr * violations
        active = self.problem.active(near.values)
        self.multipliers = np.maximum(0.0, self._integral + proportional) * active
        self._set_weights(
            near.gradient(self.multipliers / self._scale, self._linear.confusion_shape)
        )
        self._n_batches = 0
        return near

    def _remember(self, fresh: _Counts) -> None:
        """Add counts to the running counts, which lose the same number of old rows."""
        n_fresh = float(self._linear.n_rows(fresh.confusion))
        kept = max(0.0, 1.0 - n_fresh / max(self._memory_rows, n_fresh))
        parts = zip(self._memory, fresh, strict=True)
        self._memory = _Counts(*(kept * remembered + new for remembered, new in parts))

    def _set_weights(self, weights: NDArray[np.float64]) -> None:
        of_joint = self._joint.from_cells(weights)
        flat = torch.as_tensor(of_joint, dtype=self._weights.dtype)
        self._weights.copy_(flat.reshape(self._weights.shape))

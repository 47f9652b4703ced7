"""The state of constrained training: running counts, multipliers, weights a square.

The Lagrangian is loss + sum_a multiplier_a * (h_a + margin_a). Near the running rates
each h_a is linear in the rows' outputs, so its gradient needs only one weight for each
square (cell, label, class), times the row's probability of that class, and for each row
measure one weight for each (cell, label), times the row's value. Probabilities
drive the model, decisions drive the multipliers: the proxy Lagrangian of [1]_. The
multipliers follow a proportional-integral controller [2]_, which damps the oscillation
of plain dual ascent.

References
----------
.. [1] A. Cotter et al., "Optimization with Non-Differentiable Constraints with
   Applications to Fairness, Recall, Churn, and Other Goals", JMLR 20, 2019.
.. [2] M. Sohrabi et al., "On PI Controllers for Updating Lagrange Multipliers in
   Constrained Optimization", ICML 2024.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import embedding_bag, one_hot

from sklearn_seldonian.training._problem import ConstrainedProblem
from sklearn_seldonian.training._tasks import Task

__all__ = ["Lagrangian"]

# Rows whose decisions the running rates remember, if there are so many: enough that rates
# are known to a hundredth, few enough that they follow a model that changes.
MEMORY_ROWS = 8192
# The multipliers move about so many times an epoch, but not more often than once in so many
# batches, so that reading the counts off the device costs little, nor more seldom.
STEPS_AN_EPOCH = 12
FEWEST_BATCHES, MOST_BATCHES = 8, 32
# The controller's proportional gain, relative to its integral gain a batch.
PROPORTIONAL_GAIN = 20.0


class _Counts(NamedTuple):
    """Counts, sums and products as `Statistics` has them."""

    table: NDArray[np.float64]
    products: NDArray[np.float64]


class Lagrangian:
    """Multipliers of a `ConstrainedProblem`, updated as batches go by.

    Parameters
    ----------
    problem : ConstrainedProblem
    task : Task
    n_rows : int
        Rows trained on.
    multiplier_init : float >= 0
    multiplier_lr : float > 0
        What a violation of one unit adds to its multiplier in one batch.
    device : str
    units : float or ndarray of shape (n_atoms,), default=1.0
        What violations are measured in.
    n_batches : int, default=0
        How many an epoch has, if that is known.

    Attributes
    ----------
    multipliers : ndarray of shape (n_atoms,)
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        task: Task,
        n_rows: int,
        multiplier_init: float,
        multiplier_lr: float,
        device: str,
        units: float | NDArray[np.float64] = 1.0,
        n_batches: int = 0,
    ) -> None:
        self.problem, self.task, self._units = problem, task, units
        self.n_rows, self.multiplier_lr = n_rows, multiplier_lr
        self._memory_rows = min(MEMORY_ROWS, n_rows)
        self.multipliers = np.full(len(problem.atoms), float(multiplier_init))
        self._integral = self.multipliers.copy()
        self._memory = _Counts(np.zeros(problem.table_shape), np.zeros(problem.products_shape))
        self._n_batches = 0
        wanted = n_batches // STEPS_AN_EPOCH
        self._batches_a_step = min(max(wanted, FEWEST_BATCHES), MOST_BATCHES)
        self._uncounted: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        n_groups, n_columns = math.prod(problem.shape), problem.table_shape[2]
        patterns = problem.families.patterns
        self._codes_are_cells = np.array_equal(patterns, np.arange(len(patterns))[:, None])
        self._patterns = torch.from_numpy(patterns).to(device)
        self._fresh = torch.zeros(n_groups, n_columns, device=device)
        n_products = problem.products_shape[2] * n_columns
        self._fresh_products = torch.zeros(n_groups, n_products, device=device)
        self._weights = torch.zeros(n_groups, n_columns, device=device)
        self._one = torch.ones(1, device=device)

    def pull(self, scores: torch.Tensor, y: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """The gradient of the constraints' part of a batch's loss in the batch's scores.

        `codes` are the rows' patterns of cells. The decisions are kept to be counted.
        """
        scores, k = scores.detach(), scores.shape[1]
        groups = self._groups(codes, self.task.labels(y), k)
        self._uncounted.append((groups, scores, y))
        if groups.shape[1] == 1:
            weights = self._weights.index_select(0, groups.ravel())
        else:
            weights = embedding_bag(groups, self._weights, mode="sum")
        chances = torch.softmax(scores, dim=1)
        pulled = weights[:, :k] * chances
        pulled.addcmul_(chances, pulled.sum(dim=1, keepdim=True), value=-1.0)
        if self.problem.values:
            pulled += self._pull_of_values(scores, y, weights[:, k:])
        return pulled.div_(len(scores))

    def _groups(self, codes: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
        """The rows (cell, label) of the tables that each row is in: (n_rows, n_families)."""
        if self._codes_are_cells:
            return torch.add(labels, codes, alpha=k)[:, None]
        return torch.add(labels[:, None], self._patterns.index_select(0, codes), alpha=k)

    def _pull_of_values(
        self, scores: torch.Tensor, y: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor | float:
        with torch.enable_grad():
            scores = scores.clone().requires_grad_()
            total = (self.task.soft_values(self.problem.values, scores, y) * weights).sum()
            # A measure whose surrogate is a constant has no gradient.
            pulled = torch.autograd.grad(total, scores)[0] if total.requires_grad else 0.0
        return pulled

    def _count(self, groups: torch.Tensor, scores: torch.Tensor, y: torch.Tensor) -> None:
        """Count the decisions of rows that are in several groups (cell, label) each."""
        k = scores.shape[1]
        if self.problem.hard and not self.problem.values:
            squares = torch.add(scores.argmax(dim=1)[:, None], groups, alpha=k).ravel()
            self._fresh.view(-1).index_add_(0, squares, self._one.expand(len(squares)))
            return
        decided = torch.softmax(scores, dim=1)
        if self.problem.hard:
            decided = one_hot(scores.argmax(dim=1), k)
        values = self.task.hard_values(self.problem.values, scores, y)
        entries = torch.cat([decided, values], dim=1).to(self._fresh.dtype)
        factors = entries[:, k:] if self.problem.hard else entries
        products = (factors[:, :, None] * entries[:, None, :]).flatten(1)
        n_families = groups.shape[1]
        self._fresh.index_add_(0, groups.ravel(), entries.repeat_interleave(n_families, 0))
        products = products.repeat_interleave(n_families, 0)
        self._fresh_products.index_add_(0, groups.ravel(), products)

    def batch_done(self) -> None:
        """Move the multipliers if enough batches have gone by."""
        self._n_batches += 1
        if self._n_batches == self._batches_a_step:
            self.step()

    def step(self) -> None:
        """Move the multipliers by what was counted since the last step."""
        if not self._n_batches:
            return
        self._remember()
        near = self.problem.linearise(*self._memory)
        violations = (near.values + self.problem.margins(near, self.n_rows)) / self._units
        # A rate that no row has shown yet says nothing about which way to push.
        violations = np.clip(np.nan_to_num(violations, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        gain = self.multiplier_lr * self._n_batches
        self._integral = np.maximum(0.0, self._integral + gain * violations)
        proportional = PROPORTIONAL_GAIN * self.multiplier_lr * violations
        self.multipliers = np.maximum(0.0, self._integral + proportional) * self.problem.active(
            near
        )
        self._set_weights((self.multipliers / self._units) @ near.influence)
        self._n_batches = 0

    def _remember(self) -> None:
        """Add what was not counted yet to the memory, which forgets as many rows in turn."""
        self._count(*(torch.cat(parts) for parts in zip(*self._uncounted, strict=True)))
        self._uncounted.clear()
        table, products = (
            fresh.cpu().double().numpy().reshape(remembered.shape)
            for fresh, remembered in zip(
                (self._fresh, self._fresh_products), self._memory, strict=True
            )
        )
        n_fresh = float(self.problem.n_rows(table))
        kept = max(0.0, 1.0 - n_fresh / max(self._memory_rows, n_fresh))
        self._memory = _Counts(
            kept * self._memory.table + table, kept * self._memory.products + products
        )
        self._fresh.zero_()
        self._fresh_products.zero_()

    def _set_weights(self, weights: NDArray[np.float64]) -> None:
        flat = torch.as_tensor(weights, dtype=self._weights.dtype)
        self._weights.copy_(flat.reshape(self._weights.shape))

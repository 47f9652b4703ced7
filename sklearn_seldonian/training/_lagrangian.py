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
from torch.nn.functional import one_hot

from sklearn_seldonian.training._problem import ConstrainedProblem
from sklearn_seldonian.training._values import hard_values, soft_values

__all__ = ["Lagrangian"]

# Rows whose decisions the running rates remember, if there are so many: enough that rates
# are known to a hundredth, few enough that they follow a model that changes.
MEMORY_ROWS = 8192
# The multipliers move once in so many batches: often enough to steer, seldom enough
# that reading the counts off the device costs nothing.
BATCHES_A_STEP = 8
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
    n_rows : int
        Rows trained on.
    multiplier_init : float >= 0
    multiplier_lr : float > 0
        What a violation of one adds to its multiplier in one batch.
    device : str

    Attributes
    ----------
    multipliers : ndarray of shape (n_atoms,)
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        n_rows: int,
        multiplier_init: float,
        multiplier_lr: float,
        device: str,
    ) -> None:
        self.problem, self.n_rows, self.multiplier_lr = problem, n_rows, multiplier_lr
        self._memory_rows = min(MEMORY_ROWS, n_rows)
        self.multipliers = np.full(len(problem.atoms), float(multiplier_init))
        self._integral = self.multipliers.copy()
        self._memory = _Counts(np.zeros(problem.table_shape), np.zeros(problem.products_shape))
        self._n_batches = 0
        n_groups, n_columns = math.prod(problem.shape), problem.table_shape[2]
        self._fresh = torch.zeros(n_groups, n_columns, device=device)
        n_products = problem.products_shape[2] * n_columns
        self._fresh_products = torch.zeros(n_groups, n_products, device=device)
        self._weights = torch.zeros(n_groups, n_columns, device=device)

    def penalty(self, scores: torch.Tensor, y: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """The constraints' part of the loss of one batch; also counts its decisions."""
        groups = cells * scores.shape[1] + y
        soft = torch.softmax(scores, dim=1)
        if self.problem.values:
            soft = torch.cat([soft, soft_values(self.problem.values, scores, y)], dim=1)
        with torch.no_grad():
            self._count(groups, scores, y)
        return (soft * self._weights[groups]).sum(dim=1).mean()

    def _count(self, groups: torch.Tensor, scores: torch.Tensor, y: torch.Tensor) -> None:
        k = scores.shape[1]
        decided = torch.softmax(scores, dim=1)
        if self.problem.hard:
            decided = one_hot(scores.argmax(dim=1), k).to(self._fresh.dtype)
        if self.problem.hard and not self.problem.values:
            self._fresh.index_add_(0, groups, decided)
            return
        values = hard_values(self.problem.values, scores, y)
        entries = torch.cat([decided, values], dim=1)
        factors = values if self.problem.hard else entries
        self._fresh.index_add_(0, groups, entries)
        products = factors[:, :, None] * entries[:, None, :]
        self._fresh_products.index_add_(0, groups, products.flatten(1))

    def batch_done(self) -> None:
        """Move the multipliers if enough batches have gone by."""
        self._n_batches += 1
        if self._n_batches == BATCHES_A_STEP:
            self.step()

    def step(self) -> None:
        """Move the multipliers by what was counted since the last step."""
        if not self._n_batches:
            return
        self._remember()
        near = self.problem.linearise(*self._memory)
        violations = near.values + self.problem.margins(near, self.n_rows)
        # A rate that no row has shown yet says nothing about which way to push.
        violations = np.clip(np.nan_to_num(violations, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        gain = self.multiplier_lr * self._n_batches
        self._integral = np.maximum(0.0, self._integral + gain * violations)
        proportional = PROPORTIONAL_GAIN * self.multiplier_lr * violations
        self.multipliers = np.maximum(0.0, self._integral + proportional) * self.problem.active(
            near
        )
        self._set_weights(self.multipliers @ near.influence)
        self._n_batches = 0

    def _remember(self) -> None:
        """Add the fresh counts to the memory, which forgets as many rows in turn."""
        table, products = (
            fresh.double().cpu().numpy().reshape(remembered.shape)
            for fresh, remembered in zip(
                (self._fresh, self._fresh_products), self._memory, strict=True
            )
        )
        n_fresh = table[..., : self.problem.shape[1]].sum()
        kept = max(0.0, 1.0 - n_fresh / max(self._memory_rows, n_fresh))
        self._memory = _Counts(
            kept * self._memory.table + table, kept * self._memory.products + products
        )
        self._fresh.zero_()
        self._fresh_products.zero_()

    def _set_weights(self, weights: NDArray[np.float64]) -> None:
        flat = torch.as_tensor(weights, dtype=self._weights.dtype)
        self._weights.copy_(flat.reshape(self._weights.shape))

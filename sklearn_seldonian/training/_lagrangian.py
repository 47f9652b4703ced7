"""The state of constrained training: running counts, multipliers, weights a square.

The Lagrangian is loss + sum_a multiplier_a * (h_a + margin_a). Near the running rates
each h_a is linear in the rows' outputs, so its gradient needs only one weight for each
square (cell, label, class), times the row's probability of that class. Probabilities
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

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_seldonian.training._problem import ConstrainedProblem

__all__ = ["Lagrangian"]

# Rows whose decisions the running rates remember: enough that rates are known to a
# hundredth, few enough that they follow a model that changes.
MEMORY_ROWS = 8192
# The multipliers move once in so many batches: often enough to steer, seldom enough
# that reading the counts off the device costs nothing.
BATCHES_A_STEP = 8
# The controller's proportional gain, relative to its integral gain a batch.
PROPORTIONAL_GAIN = 20.0


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
        n_cells, n_classes = problem.shape
        self.problem, self.n_rows, self.multiplier_lr = problem, n_rows, multiplier_lr
        self.multipliers = np.full(len(problem.atoms), float(multiplier_init))
        self._integral = self.multipliers.copy()
        self._memory = np.zeros((n_cells, n_classes, n_classes))
        self._n_batches = 0
        self._fresh = torch.zeros(n_cells * n_classes * n_classes, device=device)
        self._weights = torch.zeros(n_cells * n_classes, n_classes, device=device)

    def penalty(self, scores: torch.Tensor, y: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """The constraints' part of the loss of one batch; also counts its decisions."""
        n_classes = scores.shape[1]
        rows = cells * n_classes + y
        with torch.no_grad():
            squares = rows * n_classes + scores.argmax(dim=1)
            self._fresh.index_add_(0, squares, torch.ones_like(squares, dtype=self._fresh.dtype))
        return (torch.softmax(scores, dim=1) * self._weights[rows]).sum(dim=1).mean()

    def batch_done(self) -> None:
        """Move the multipliers if enough batches have gone by."""
        self._n_batches += 1
        if self._n_batches == BATCHES_A_STEP:
            self.step()

    def step(self) -> None:
        """Move the multipliers by what was counted since the last step."""
        if not self._n_batches:
            return
        fresh = self._fresh.double().cpu().numpy().reshape(self._memory.shape)
        kept = max(0.0, 1.0 - fresh.sum() / max(MEMORY_ROWS, fresh.sum()))
        self._memory = kept * self._memory + fresh
        near = self.problem.linearise(self._memory)
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
        self._fresh.zero_()
        self._n_batches = 0

    def _set_weights(self, weights: NDArray[np.float64]) -> None:
        flat = torch.as_tensor(weights, dtype=self._weights.dtype)
        self._weights.copy_(flat.reshape(self._weights.shape))

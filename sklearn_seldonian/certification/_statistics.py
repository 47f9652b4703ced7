"""What the safety test keeps of the rows: one table of counts.

A row falls into the square (cell, label y, prediction ŷ), its cell saying which
conditions hold. The table counts rows a square. Every rate is a ratio of two sums over
it, whatever the number of constraints; tables of disjoint sets of rows add up. For
`decision="sample"` each row puts its probability of class j into square (cell, y, j).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints import Condition, Mean

__all__ = ["RateSample", "Statistics", "mean_tables", "tabulate"]


class RateSample(NamedTuple):
    """`successes` among `trials` rows; successes are fractional for soft decisions."""

    successes: float
    trials: float

    @property
    def estimate(self) -> float:
        return self.successes / self.trials if self.trials else float("nan")


class MeanTables(NamedTuple):
    """For each mean, the squares that count and those that succeed: (n_means, n_cells, K, K)."""

    mask: NDArray[np.bool_]
    value: NDArray[np.bool_]


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of a set of rows for any set of rates.

    Attributes
    ----------
    table : ndarray of shape (n_cells, K, K)
        Rows a square (cell, label, prediction); sums of probabilities where soft.
    membership : ndarray of shape (n_cells, n_conditions)
        Which of the `conditions` hold in each cell.
    conditions : tuple of Condition
    hard : bool
        Whether `table` counts decisions.
    n_invalid : int
        Rows whose outputs were NaN or infinite. They are in no square.
    """

    table: NDArray[np.float64]
    membership: NDArray[np.bool_]
    conditions: tuple[Condition, ...]
    hard: bool
    n_invalid: int = 0

    @property
    def n_rows(self) -> int:
        return round(float(self.table.sum())) + self.n_invalid

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both sets of rows together; they must be disjoint."""
        return Statistics(
            self.table + other.table,
            self.membership,
            self.conditions,
            self.hard,
            self.n_invalid + other.n_invalid,
        )

    def shares(self, means: Sequence[Mean]) -> dict[Mean, float]:
        """For each mean, the share of all rows that it is over."""
        return {mean: self.rate(mean).trials / self.n_rows for mean in means}

    def rate(self, mean: Mean) -> RateSample:
        """Successes and trials of one mean."""
        mask, value = mean_tables([mean], self.conditions, self.membership)
        return RateSample(float(self.table[value[0]].sum()), float(self.table[mask[0]].sum()))


def tabulate(
    cells: NDArray[np.int32],
    labels: NDArray[np.int64],
    decisions: NDArray[Any],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Count rows a square.

    Parameters
    ----------
    cells, labels : ndarray of shape (n_rows,)
    decisions : ndarray of shape (n_rows,) or (n_rows, K)
        Predicted class positions, or probabilities of each class.
    shape : (n_cells, K)

    Returns
    -------
    ndarray of shape (n_cells, K, K)
    """
    n_cells, n_classes = shape
    rows = cells.astype(np.int64) * n_classes + labels
    n_squares = n_cells * n_classes
    if decisions.ndim == 1:
        counts = np.bincount(rows * n_classes + decisions, minlength=n_squares * n_classes)
    else:
        columns = [np.bincount(rows, weights=p, minlength=n_squares) for p in decisions.T]
        counts = np.stack(columns, axis=1)
    return counts.reshape(n_cells, n_classes, n_classes).astype(np.float64)


def mean_tables(
    means: Sequence[Mean], conditions: Sequence[Condition], membership: NDArray[np.bool_]
) -> MeanTables:
    """Which squares count, and which succeed, for each of the `means`."""
    position = {condition: i for i, condition in enumerate(conditions)}
    masks, values = [], []
    for mean in means:
        wanted = [position[condition] for condition in mean.conditions]
        inside = np.asarray(membership[:, wanted].all(axis=1))[:, None, None]
        masks.append(inside & mean.rate.mask)
        values.append(inside & mean.rate.value)
    return MeanTables(np.array(masks), np.array(values))

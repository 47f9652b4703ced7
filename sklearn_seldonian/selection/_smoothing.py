"""Rates of decisions beyond a threshold, known better from the distribution of the scores.

Counts among a few hundred rows are poor estimates of such rates. The scores of two classes say
more. In units in which the scores of all rows are normal, the scores of one stratum (cell, label)
are nearly normal too (the binormal model of ROC curves [1]_), and then only their mean has to be
estimated. Estimates are averages of counts and model. The model weighs less the worse it fits, as
in a James-Stein estimator [2]_, so that counts alone remain where rows are many, or scores have
another shape. `benchmarks/smoothing.py` measures the gain for gaps between groups: on average a
tenth of the root mean square error, for linear models on few rows up to half of it. Networks and
boosted trees, judged on rows that they were trained on, gain where decisions are balanced and
lose in the tails.

References
----------
.. [1] J. A. Hanley, "The robustness of the binormal assumptions used in fitting ROC curves",
   Medical Decision Making 8(3), 1988.
.. [2] B. Efron and C. Morris, "Stein's estimation rule and its competitors: an empirical Bayes
   approach", JASA 68, 1973.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_seldonian.constraints import JointStrata

Array = NDArray[np.float64]


class Strata(NamedTuple):
    """Some rows by stratum (cell, label); each row is in a joint cell of all families."""

    joint: JointStrata
    cells: NDArray[np.integer[Any]]
    labels: NDArray[np.int64]
    n_classes: int

    def subset(self, rows: NDArray[np.intp]) -> Strata:
        """The strata of some of the rows."""
        return self._replace(cells=self.cells[rows], labels=self.labels[rows])

    def counts(self, kinds: NDArray[np.int64], n_kinds: int) -> Array:
        """How many rows of each stratum are of each kind: (n_cells, n_classes, n_kinds)."""
        return self._summed(self.labels * n_kinds + kinds, None, n_kinds)

    def sums(self, values: Array) -> Array:
        """The sum of the values of each stratum's rows: (n_cells, n_classes)."""
        return self._summed(self.labels, values, 1)[..., 0]

    def _summed(self, kinds: NDArray[np.int64], values: Array | None, n_kinds: int) -> Array:
        """Sums over the rows of each cell, label and kind, of which `kinds` has both."""
        n_in_cell = self.n_classes * n_kinds
        sums = np.zeros(self.joint.n_cells * n_in_cell)
        for own in self.cells.T:
            sums += np.bincount(own.astype(np.int64) * n_in_cell + kinds, values, len(sums))
        return self.joint.over_cells(sums.reshape(-1, self.n_classes, n_kinds))


class Binormal(NamedTuple):
    """Scores of two classes as normal in each stratum, with one standard deviation.

    Attributes
    ----------
    rows, means : ndarray of shape (n_cells, n_classes)
        How many rows each stratum has, and their mean score, in units in which the scores of all
        rows are normal.
    spread : float
        The standard deviation.
    weight : float in [0, 1]
        What the model weighs beside counts.
    """

    rows: Array
    means: Array
    spread: float
    weight: float

    @classmethod
    def fit(cls, tables: Array, ranks: Array, strata: Strata) -> Binormal:
        """The model of rows with these `ranks`, by how early they decide for the second class.

        `tables` show with what it must agree.
        """
        normal = ndtri((ranks - 0.5) / len(ranks))
        rows = tables[0].sum(axis=2)
        sums, squares = strata.sums(normal), strata.sums(normal * normal)
        sizes = np.maximum(rows, 1.0)
        means = sums / sizes
        within = float((squares - sums * sums / sizes).sum())
        spread = np.sqrt(max(within, 1e-12) / max(rows.sum() - np.count_nonzero(rows), 1.0))
        model = cls(rows, means, float(spread), 1.0)
        return model._replace(weight=model._weight_beside(tables))

    def _weight_beside(self, tables: Array) -> float:
        """The less, the more counts differ from what is expected, in their standard errors."""
        deviations, counted = self._deviations(tables), tables[..., 1] / np.maximum(self.rows, 1.0)
        expected = ndtr(deviations)
        # What is left of the variance of a count when its mean has been fitted.
        density = np.exp(-deviations * deviations / 2.0) / np.sqrt(2.0 * np.pi)
        left = (expected * (1.0 - expected) - density**2) / np.maximum(self.rows, 1.0)
        compared = (self.rows > 0) & (left > 0) & np.isfinite(deviations)
        squared = (counted - expected)[compared] ** 2 / left[compared]
        misfit = float(squared.mean()) if squared.size else np.inf
        return min(1.0, 1.0 / misfit) if misfit > 0 else 1.0

    def smoothed(self, tables: Array) -> Array:
        """Averages of the `tables` with what the model expects."""
        return self._averages(tables, self.rows, ndtr(self._deviations(tables)))

    def smoothed_cell(self, cell: int, tables: Array, shares: Array) -> Array:
        """The same for the tables (n, K, K) of one cell, beyond its own thresholds.

        `shares` (n,) are those of all rows beyond each threshold.
        """
        expected = ndtr((ndtri(shares)[:, None] - self.means[cell]) / self.spread)
        return self._averages(tables, self.rows[cell], expected)

    def _averages(self, tables: Array, rows: Array, expected: Array) -> Array:
        chosen = self.weight * rows * expected + (1.0 - self.weight) * tables[..., 1]
        return np.stack([rows - chosen, chosen], axis=-1)

    def _deviations(self, tables: Array) -> Array:
        """How far a threshold is from each stratum's mean; infinite if decisions are constant.

        The threshold is where as large a share of all rows is decided for.
        """
        share = tables[..., 1].sum(axis=(1, 2)) / self.rows.sum()
        return np.asarray((ndtri(share)[:, None, None] - self.means) / self.spread)

"""Offsets of one class's score: the same model, deciding more or less often for that class.

A model trained to be accurate is seldom the one that a small sample can certify: rates
nearer 0 or 1 take fewer rows to know. Moving the threshold of a trained model explores such
decisions without another step of training.

Rates beyond a threshold, counted among a few hundred rows, are known badly. The scores of two
classes say more: in units in which all rows together are normal, those of one group and label
are nearly so as well (the binormal model of ROC curves [1]_), and then only their mean has to
be estimated. What counts and model say is averaged, the model weighing less the worse it fits
(as in a James-Stein estimator [2]_), so that with many rows, or scores of another
shape, counts are what remains. `benchmarks/smoothing.py` measures what that is worth for gaps
between groups: on average a tenth of the root mean square error, for linear models on few rows
up to half of it; networks and boosted trees, judged on rows that they know, gain where
decisions are balanced and lose in the tails.

References
----------
.. [1] J. A. Hanley, "The robustness of the binormal assumptions used in fitting ROC curves",
   Medical Decision Making 8(3), 1988.
.. [2] B. Efron and C. Morris, "Stein's estimation rule and its competitors: an empirical Bayes
   approach", JASA 68, 1973.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_seldonian.constraints import Families

__all__ = ["ShiftedDecisions", "shifted_decisions"]

Array = NDArray[np.float64]


class ShiftedDecisions(NamedTuple):
    """What a model would decide with other offsets of one class.

    Attributes
    ----------
    class_position : int
    offsets : ndarray of shape (n_offsets,)
        To add to that class's score; ascending.
    tables : ndarray of shape (n_offsets, n_cells, K, K)
        With each of them, the rows a square (cell, label, decision).
    smoothed : ndarray of shape (n_offsets, n_cells, K, K)
        The same, with rows expected from neighbouring offsets as well.
    weight : float in [0, 1]
        Of the model in the smoothed tables; zero where they are the others.
    """

    class_position: int
    offsets: Array
    tables: Array
    smoothed: Array
    weight: float

    def at(self, positions: NDArray[np.intp]) -> ShiftedDecisions:
        """Those with some of the offsets."""
        parts = {n: getattr(self, n)[positions] for n in ("offsets", "tables", "smoothed")}
        return self._replace(**parts)


def shifted_decisions(
    scores: Array,
    labels: NDArray[np.int64],
    codes: NDArray[np.int32],
    families: Families,
    n_offsets: int,
) -> Iterator[ShiftedDecisions]:
    """The decisions of some rows with `n_offsets` offsets of each class that has its own, and none.

    The offsets lie midway between neighbouring quantiles of what it would take to change the
    rows' decisions, and beyond all of them, where the decisions are constant. Of two classes
    only the second is moved: the first would move it back. One alone leaves nothing to decide.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, K)
        The decision is the class with the largest.
    labels : ndarray of shape (n_rows,)
    codes : ndarray of shape (n_rows,)
        Patterns of cells. A row is counted in its cells of all families.
    families : Families
    n_offsets : int
    """
    n_classes = scores.shape[1]
    groups = _Groups(codes, labels, families, n_classes)
    for k in range(n_classes) if n_classes > 2 else range(1, n_classes):
        others = scores.copy()
        others[:, k] = -np.inf
        runner_up = others.argmax(axis=1)
        needed = others[np.arange(len(scores)), runner_up] - scores[:, k]
        # Of equal scores the first class is decided for.
        needed = np.where(runner_up > k, np.nextafter(needed, -np.inf), needed)
        order = needed.argsort()
        ascending = needed[order]
        offsets = _spread_out(ascending, n_offsets)
        # Rows that decide for k with the i-th offset and all after it, but not before.
        first = np.empty(len(needed), dtype=np.int64)
        first[order] = _n_up_to(offsets, ascending)
        tables = _tables(groups, runner_up, first, k, len(offsets))
        smoothed, weight = tables, 0.0
        if n_classes == 2:
            ranks = np.empty(len(needed))
            ranks[order] = _mean_ranks(ascending)
            smoothed, weight = _smoothed(tables, ranks, groups)
        yield ShiftedDecisions(k, offsets, tables, smoothed, weight)


def _spread_out(ascending: Array, n_offsets: int) -> Array:
    """Ascending offsets, zero among them, midway between quantiles of some values."""
    positions = np.linspace(0, len(ascending) - 1, n_offsets - 1)
    values = np.unique(np.interp(positions, np.arange(len(ascending)), ascending))
    beyond = values[-1] - values[0] or 1.0
    between = (values[1:] + values[:-1]) / 2
    return np.unique([values[0] - beyond, *between, 0.0, values[-1] + beyond])


def _n_up_to(offsets: Array, ascending: Array) -> NDArray[np.int64]:
    """How many of the offsets, which ascend too, are not above each of some values."""
    starts = np.searchsorted(ascending, offsets, side="left")
    return np.repeat(np.arange(len(offsets) + 1), np.diff(starts, prepend=0, append=len(ascending)))


def _mean_ranks(ascending: Array) -> Array:
    """The ranks of some values from 1 on; equal ones have the mean of theirs."""
    is_first = np.diff(ascending, prepend=-np.inf) > 0
    starts = np.append(np.flatnonzero(is_first), len(ascending))
    return np.repeat((starts[:-1] + starts[1:] + 1) / 2.0, np.diff(starts))


class _Groups:
    """Some rows by group (cell, label), where each is in a cell of every family."""

    def __init__(
        self, codes: NDArray[np.int32], labels: NDArray[np.int64], families: Families, n_labels: int
    ) -> None:
        self._joint, self._labels, self.n_labels = families.joint, labels, n_labels
        self._cells = self._joint.patterns[codes]

    def counts(self, kinds: NDArray[np.int64], n_kinds: int) -> Array:
        """How many rows of each group are of each of the kinds: (n_cells, n_labels, n_kinds)."""
        return self._summed(self._labels * n_kinds + kinds, None, n_kinds)

    def sums(self, values: Array) -> Array:
        """The sum of the values of each group's rows: (n_cells, n_labels)."""
        return self._summed(self._labels, values, 1)[..., 0]

    def _summed(self, kinds: NDArray[np.int64], values: Array | None, n_kinds: int) -> Array:
        """Sums over the rows of each cell, label and kind, of which `kinds` has both."""
        n_in_cell = self.n_labels * n_kinds
        sums = np.zeros(self._joint.n_cells * n_in_cell)
        for own in self._cells.T:
            sums += np.bincount(own.astype(np.int64) * n_in_cell + kinds, values, len(sums))
        return self._joint.over_cells(sums.reshape(-1, self.n_labels, n_kinds))


def _smoothed(tables: Array, ranks: Array, groups: _Groups) -> tuple[Array, float]:
    """Averages of the `tables` of two classes with what the binormal model expects, and the
    model's weight in them.

    `ranks` are the rows', by how early they decide for the second class.
    """
    normal = ndtri((ranks - 0.5) / len(ranks))
    rows = tables[0].sum(axis=2)
    sums, squares = groups.sums(normal), groups.sums(normal * normal)
    sizes = np.maximum(rows, 1.0)
    means = sums / sizes
    within = float((squares - sums * sums / sizes).sum())
    spread = np.sqrt(max(within, 1e-12) / max(rows.sum() - np.count_nonzero(rows), 1.0))
    share = tables[..., 1].sum(axis=(1, 2)) / tables.sum(axis=(1, 2, 3))
    deviations = (ndtri(share)[:, None, None] - means) / spread
    expected, counted = ndtr(deviations), tables[..., 1] / np.maximum(rows, 1.0)
    # What is left of the variance of a count when its mean has been fitted.
    density = np.exp(-deviations * deviations / 2.0) / np.sqrt(2.0 * np.pi)
    variance = (expected * (1.0 - expected) - density**2) / np.maximum(rows, 1.0)
    compared = (rows > 0) & (variance > 0) & ((share > 0) & (share < 1))[:, None, None]
    squared = (counted - expected)[compared] ** 2 / variance[compared]
    misfit = float(squared.mean()) if squared.size else np.inf
    weight = min(1.0, 1.0 / misfit) if misfit > 0 else 1.0
    chosen = rows * (weight * expected + (1.0 - weight) * counted)
    return np.stack([rows - chosen, chosen], axis=-1), weight


def _tables(
    groups: _Groups, runner_up: NDArray[np.int64], first: NDArray[np.int64], k: int, n_offsets: int
) -> Array:
    """The tables of all offsets of class `k`, which rows turn to from another with the `first`."""
    n_classes = groups.n_labels
    kinds = runner_up * (n_offsets + 1) + first
    counts = groups.counts(kinds, n_classes * (n_offsets + 1))
    changing = counts.reshape(*counts.shape[:2], n_classes, n_offsets + 1)
    changed = changing.cumsum(axis=3)[..., :-1]
    tables = changing.sum(axis=3, keepdims=True) - changed
    tables[:, :, k] += changed.sum(axis=2)
    return np.ascontiguousarray(np.moveaxis(tables, 3, 0))

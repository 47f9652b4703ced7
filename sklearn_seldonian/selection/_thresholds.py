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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_seldonian.constraints import Families, JointCells

__all__ = ["ClassShifts", "ShiftedDecisions", "class_shifts"]

Array = NDArray[np.float64]

# Values nearer to each other, relative to the largest, are told apart by rounding alone.
TOO_CLOSE = 1e-7


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

    def at(self, i: int) -> ShiftedDecisions:
        """Those with the i-th offset, without the leading axis."""
        parts = {name: getattr(self, name)[i] for name in ("offsets", "tables", "smoothed")}
        return self._replace(**parts)


def class_shifts(
    scores: Array,
    labels: NDArray[np.int64],
    codes: NDArray[np.int32],
    families: Families,
    n_offsets: int,
) -> Iterator[ClassShifts]:
    """The decisions of some rows with offsets of each class that has its own.

    Of two classes only the second is moved: the first would move it back. One alone leaves
    nothing to decide.

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
    groups = _Groups(families.joint, families.joint.patterns[codes], labels, n_classes)
    for k in range(n_classes) if n_classes > 2 else range(1, n_classes):
        yield ClassShifts(scores, groups, k, n_offsets)


class ClassShifts:
    """The decisions of some rows as an offset of one class's score makes ever more turn to it.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, K)
    groups : _Groups
        Of the rows.
    class_position : int
    n_offsets : int

    Attributes
    ----------
    decisions : ShiftedDecisions
        With `n_offsets` offsets and none. They lie midway between neighbouring quantiles of what
        it would take to change the rows' decisions, and beyond all of them, where the decisions
        are constant.
    """

    def __init__(self, scores: Array, groups: _Groups, class_position: int, n_offsets: int) -> None:
        others = scores.copy()
        others[:, class_position] = -np.inf
        runner_up = others.argmax(axis=1)
        needed = others[np.arange(len(scores)), runner_up] - scores[:, class_position]
        # Of equal scores the first class is decided for.
        needed = np.where(runner_up > class_position, np.nextafter(needed, -np.inf), needed)
        self._class_position, self._groups, self._runner_up = class_position, groups, runner_up
        self._order = needed.argsort()
        self._needed = needed[self._order]
        self._binormal: _Binormal | None = None
        offsets = _spread_out(self._needed, n_offsets)
        tables = self._tables(offsets, slice(None))
        if scores.shape[1] == 2:
            ranks = np.empty(len(needed))
            ranks[self._order] = _mean_ranks(self._needed)
            self._binormal = _Binormal.fitted(tables, ranks, groups)
        self.decisions = self._decisions(offsets, tables)

    def near(self, i: int, n_offsets: int) -> ShiftedDecisions:
        """The decisions with the i-th offset, and with as many between it and its neighbours.

        Only the rows that turn to the class between these are looked at.
        """
        offsets, tables = self.decisions.offsets, self.decisions.tables
        first, last = max(i - 1, 0), min(i + 1, len(offsets) - 1)
        between = slice(*np.searchsorted(self._needed, offsets[[first, last]], side="left"))
        finer = np.unique([offsets[i], *_midway(self._needed[between], n_offsets)])
        return self._decisions(finer, self._tables(finer, between, tables[first]))

    def _decisions(self, offsets: Array, tables: Array) -> ShiftedDecisions:
        smoothed, weight = tables, 0.0
        if self._binormal is not None:
            smoothed, weight = self._binormal.smoothed(tables), self._binormal.weight
        return ShiftedDecisions(self._class_position, offsets, tables, smoothed, weight)

    def _tables(self, offsets: Array, sorted_rows: slice, before: Array | None = None) -> Array:
        """The tables of some offsets, which change what some rows decide.

        `before` is the table where none of these has turned to the class; None where all rows may.
        """
        rows, k, n_offsets = self._order[sorted_rows], self._class_position, len(offsets)
        groups, n_classes = self._groups.of(rows), self._groups.n_labels
        # Rows decide for the class with the offset in this position and all after it.
        first = _n_up_to(offsets, self._needed[sorted_rows])
        kinds = self._runner_up[rows] * (n_offsets + 1) + first
        counts = groups.counts(kinds, n_classes * (n_offsets + 1))
        changing = counts.reshape(*counts.shape[:2], n_classes, n_offsets + 1)
        changed = changing.cumsum(axis=3)[..., :-1]
        before = changing.sum(axis=3) if before is None else before
        tables = before[..., None] - changed
        tables[:, :, k] += changed.sum(axis=2)
        return np.ascontiguousarray(np.moveaxis(tables, 3, 0))


def _midway(ascending: Array, n: int) -> Array:
    """Midway between neighbouring quantiles of some values, at most so many."""
    if not len(ascending):
        return ascending
    values = np.unique(ascending[np.linspace(0, len(ascending) - 1, n + 1).round().astype(int)])
    apart = np.diff(values) > TOO_CLOSE * np.abs(values).max()
    return np.asarray((values[1:] + values[:-1])[apart] / 2)


def _spread_out(ascending: Array, n_offsets: int) -> Array:
    """Ascending offsets, zero among them, midway between quantiles of some values."""
    least, most = ascending[[0, -1]]
    beyond = most - least or 1.0
    return np.unique([least - beyond, *_midway(ascending, n_offsets - 2), 0.0, most + beyond])


def _n_up_to(offsets: Array, ascending: Array) -> NDArray[np.int64]:
    """How many of the offsets, which ascend too, are not above each of some values."""
    starts = np.searchsorted(ascending, offsets, side="left")
    return np.repeat(np.arange(len(offsets) + 1), np.diff(starts, prepend=0, append=len(ascending)))


def _mean_ranks(ascending: Array) -> Array:
    """The ranks of some values from 1 on; equal ones have the mean of theirs."""
    is_first = np.diff(ascending, prepend=-np.inf) > 0
    starts = np.append(np.flatnonzero(is_first), len(ascending))
    return np.repeat((starts[:-1] + starts[1:] + 1) / 2.0, np.diff(starts))


class _Groups(NamedTuple):
    """Some rows by group (cell, label), where each is in a joint cell of all families."""

    joint: JointCells
    cells: NDArray[np.integer[Any]]
    labels: NDArray[np.int64]
    n_labels: int

    def of(self, rows: NDArray[np.intp]) -> _Groups:
        """The groups of some of the rows."""
        return self._replace(cells=self.cells[rows], labels=self.labels[rows])

    def counts(self, kinds: NDArray[np.int64], n_kinds: int) -> Array:
        """How many rows of each group are of each of the kinds: (n_cells, n_labels, n_kinds)."""
        return self._summed(self.labels * n_kinds + kinds, None, n_kinds)

    def sums(self, values: Array) -> Array:
        """The sum of the values of each group's rows: (n_cells, n_labels)."""
        return self._summed(self.labels, values, 1)[..., 0]

    def _summed(self, kinds: NDArray[np.int64], values: Array | None, n_kinds: int) -> Array:
        """Sums over the rows of each cell, label and kind, of which `kinds` has both."""
        n_in_cell = self.n_labels * n_kinds
        sums = np.zeros(self.joint.n_cells * n_in_cell)
        for own in self.cells.T:
            sums += np.bincount(own.astype(np.int64) * n_in_cell + kinds, values, len(sums))
        return self.joint.over_cells(sums.reshape(-1, self.n_labels, n_kinds))


class _Binormal(NamedTuple):
    """Scores of two classes as normal in each group, with one spread.

    Attributes
    ----------
    rows, means : ndarray of shape (n_cells, n_labels)
        How many rows each group has, and their mean score, in units in which those of all rows
        together are normal.
    spread : float
    weight : float in [0, 1]
        What the model weighs beside counts.
    """

    rows: Array
    means: Array
    spread: float
    weight: float

    @classmethod
    def fitted(cls, tables: Array, ranks: Array, groups: _Groups) -> _Binormal:
        """The model of rows with these `ranks`, by how early they decide for the second class.

        `tables` show with what it must agree.
        """
        normal = ndtri((ranks - 0.5) / len(ranks))
        rows = tables[0].sum(axis=2)
        sums, squares = groups.sums(normal), groups.sums(normal * normal)
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
        expected, w = self.rows * ndtr(self._deviations(tables)), self.weight
        chosen = w * expected + (1.0 - w) * tables[..., 1]
        return np.stack([self.rows - chosen, chosen], axis=-1)

    def _deviations(self, tables: Array) -> Array:
        """How far each threshold is from each group's mean; infinite where decisions are constant.

        The threshold is where as large a share of all rows is decided for.
        """
        share = tables[..., 1].sum(axis=(1, 2)) / self.rows.sum()
        return np.asarray((ndtri(share)[:, None, None] - self.means) / self.spread)

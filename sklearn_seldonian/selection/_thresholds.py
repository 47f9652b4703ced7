"""Decision thresholds: the same model, deciding for one class more or less often.

A threshold is an offset of one class's score. The most accurate model is often not one that a
small sample can certify, because fewer rows are needed to estimate rates near 0 or 1. Moving the
threshold of a trained model finds such decisions without further training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.selection._smoothing import Binormal, Strata

Array = NDArray[np.float64]

# Values that are nearer to each other than this, relative to the largest, differ by rounding only.
TOO_CLOSE = 1e-7


class ShiftedDecisions(NamedTuple):
    """A model's decisions with several offsets of one class.

    Attributes
    ----------
    class_position : int
    offsets : ndarray of shape (n_offsets,)
        The numbers that are added to that class's score, ascending.
    tables : ndarray of shape (n_offsets, n_cells, K, K)
        For each offset, the number of rows of each (cell, label, decision).
    smoothed : ndarray of shape (n_offsets, n_cells, K, K)
        The same, smoothed by `Binormal.smoothed`.
    weight : float in [0, 1]
        The weight of the binormal model in the smoothed tables. If it is zero, they are `tables`.
    """

    class_position: int
    offsets: Array
    tables: Array
    smoothed: Array
    weight: float

    def at(self, i: int) -> ShiftedDecisions:
        """The decisions with the i-th offset, without the leading axis."""
        parts = {name: getattr(self, name)[i] for name in ("offsets", "tables", "smoothed")}
        return self._replace(**parts)


def class_shifts(
    scores: Array,
    labels: NDArray[np.int64],
    codes: NDArray[np.int32],
    stratification: Stratification,
    n_offsets: int,
) -> Iterator[ClassShifts]:
    """The decisions of some rows with offsets of each class that can have one.

    With two classes only the second has offsets, because an offset of the first would have the
    same effect. With one class there is no decision.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, K)
        The decision is the class with the largest score.
    labels : ndarray of shape (n_rows,)
    codes : ndarray of shape (n_rows,)
        The combination of cells of each row. A row is counted in its cells of all families.
    stratification : Stratification
    n_offsets : int
    """
    n_classes = scores.shape[1]
    strata = Strata(
        stratification.joint, stratification.joint.cell_of_code[codes], labels, n_classes
    )
    for k in moved_classes(n_classes):
        yield ClassShifts(scores, strata, k, n_offsets)


def moved_classes(n_classes: int) -> range:
    """The positions of the classes that can have an offset."""
    return range(n_classes) if n_classes > 2 else range(1, n_classes)


class ClassShifts:
    """The decisions of some rows as a function of an offset of one class's score.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, K)
    strata : Strata
        The strata of the rows.
    class_position : int
    n_offsets : int

    Attributes
    ----------
    decisions : ShiftedDecisions
        With `n_offsets` offsets and without offset. The offsets lie midway between neighbouring
        quantiles of the offsets at which rows change their decision, and below and above all of
        them, where the decisions are constant.
    binormal : Binormal or None
        The model that smooths the tables, if there are two classes.
    """

    def __init__(self, scores: Array, strata: Strata, class_position: int, n_offsets: int) -> None:
        needed, runner_up = needed_offsets(scores, class_position)
        self._class_position, self._strata, self._runner_up = class_position, strata, runner_up
        self._order = needed.argsort()
        self._needed = needed[self._order]
        self.binormal: Binormal | None = None
        offsets = _spread_out(self._needed, n_offsets)
        tables = self._tables(offsets, slice(None))
        if scores.shape[1] == 2:
            ranks = np.empty(len(needed))
            ranks[self._order] = _mean_ranks(self._needed)
            self.binormal = Binormal.fit(tables, ranks, strata)
        self.decisions = self._decisions(offsets, tables)

    def near(self, i: int, n_offsets: int) -> ShiftedDecisions:
        """The decisions with the i-th offset, and with `n_offsets` between it and its neighbours.

        Only the rows that turn to the class between its neighbours are used.
        """
        offsets, tables = self.decisions.offsets, self.decisions.tables
        first, last = max(i - 1, 0), min(i + 1, len(offsets) - 1)
        between = slice(*np.searchsorted(self._needed, offsets[[first, last]], side="left"))
        finer = np.unique([offsets[i], *midway(self._needed[between], n_offsets)])
        return self._decisions(finer, self._tables(finer, between, tables[first]))

    def _decisions(self, offsets: Array, tables: Array) -> ShiftedDecisions:
        smoothed, weight = tables, 0.0
        if self.binormal is not None:
            smoothed, weight = self.binormal.smoothed(tables), self.binormal.weight
        return ShiftedDecisions(self._class_position, offsets, tables, smoothed, weight)

    def _tables(self, offsets: Array, sorted_rows: slice, before: Array | None = None) -> Array:
        """The tables with some offsets, if only `sorted_rows` change their decision.

        `before` is the table before any of these rows has turned to the class. None if all rows
        may turn.
        """
        rows, k, n_offsets = self._order[sorted_rows], self._class_position, len(offsets)
        strata, n_classes = self._strata.subset(rows), self._strata.n_classes
        # A row is decided for the class with the offset at this position and with all later ones.
        first = _n_up_to(offsets, self._needed[sorted_rows])
        kinds = self._runner_up[rows] * (n_offsets + 1) + first
        counts = strata.counts(kinds, n_classes * (n_offsets + 1))
        changing = counts.reshape(*counts.shape[:2], n_classes, n_offsets + 1)
        changed = changing.cumsum(axis=3)[..., :-1]
        before = changing.sum(axis=3) if before is None else before
        tables = before[..., None] - changed
        tables[:, :, k] += changed.sum(axis=2)
        return np.ascontiguousarray(np.moveaxis(tables, 3, 0))


def needed_offsets(scores: Array, class_position: int) -> tuple[Array, NDArray[np.intp]]:
    """The offset of a class above which each row turns to it, and the row's decision below it."""
    others = scores.copy()
    others[:, class_position] = -np.inf
    runner_up = others.argmax(axis=1)
    needed = others[np.arange(len(scores)), runner_up] - scores[:, class_position]
    # Among equal scores, the first class is predicted.
    return np.where(runner_up > class_position, np.nextafter(needed, -np.inf), needed), runner_up


def midway(ascending: Array, n: int) -> Array:
    """At most `n` points midway between neighbouring quantiles of some values."""
    if not len(ascending):
        return ascending
    values = np.unique(ascending[np.linspace(0, len(ascending) - 1, n + 1).round().astype(int)])
    apart = np.diff(values) > TOO_CLOSE * np.abs(values).max()
    return np.asarray((values[1:] + values[:-1])[apart] / 2)


def _spread_out(ascending: Array, n_offsets: int) -> Array:
    """Ascending offsets, including zero, midway between quantiles of some values."""
    least, most = ascending[[0, -1]]
    beyond = most - least or 1.0
    return np.unique([least - beyond, *midway(ascending, n_offsets - 2), 0.0, most + beyond])


def _n_up_to(offsets: Array, ascending: Array) -> NDArray[np.int64]:
    """The number of (ascending) offsets that are at most each of the values."""
    starts = np.searchsorted(ascending, offsets, side="left")
    return np.repeat(np.arange(len(offsets) + 1), np.diff(starts, prepend=0, append=len(ascending)))


def _mean_ranks(ascending: Array) -> Array:
    """The ranks of some values, from 1 on. Equal values have the mean of their ranks."""
    is_first = np.diff(ascending, prepend=-np.inf) > 0
    starts = np.append(np.flatnonzero(is_first), len(ascending))
    return np.repeat((starts[:-1] + starts[1:] + 1) / 2.0, np.diff(starts))

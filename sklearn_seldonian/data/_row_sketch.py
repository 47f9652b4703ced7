"""Which rows a model was fitted to, in a few kilobytes: enough to know them when they return."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from scipy.stats import binom

from sklearn_seldonian.data._columns import series, without_tensor

SKETCHED = 1024  # hashes kept
VALUES_AT_ONCE = 2**22  # converted to hash them
# Rows are known again from this share on, and where chance explains it this rarely.
MIN_SHARE = 0.05
CHANCE = 1e-4


class RowSketch(NamedTuple):
    """Some rows, without the rows.

    Attributes
    ----------
    parts : frozenset of (int, int)
        Number and sum of hashes of all rows, of the candidate and of the safety rows: the same
        for another order of the same rows.
    smallest : ndarray of uint64
        The smallest different hashes, ascending, `SKETCHED` at most.
    repeated : float
        Share of rows that have equals among as many others: what discrete data show by chance.
    """

    parts: frozenset[tuple[int, int]]
    smallest: np.ndarray
    repeated: float

    @classmethod
    def of(cls, hashes: np.ndarray, *parts: np.ndarray) -> RowSketch:
        """The rows with these `hashes`; `parts` are indices of some of them."""
        smallest = np.unique(hashes)[:SKETCHED]
        n_repeated, n = _repeated(hashes[hashes <= smallest[-1]])
        sums = frozenset(map(_sum, (hashes, *(hashes[part] for part in parts))))
        return cls(sums, smallest, n_repeated / max(1, n))

    def share_of(self, hashes: np.ndarray) -> float:
        """Which share of other rows is among these; 0 where that could be chance."""
        if _sum(hashes) in self.parts and _probability_of_counts(hashes) <= CHANCE:
            return 1.0
        is_complete = len(self.smallest) < SKETCHED
        compared = hashes if is_complete else hashes[hashes <= self.smallest[-1]]
        n_found = int(np.isin(compared, self.smallest).sum())
        share = n_found / max(1, len(compared))
        by_chance = binom.sf(n_found - 1, len(compared), self._by_chance(hashes))
        return share if share >= MIN_SHARE and by_chance <= CHANCE else 0.0

    def _by_chance(self, hashes: np.ndarray) -> float:
        """At most which share of new rows has equals here, since data are discrete.

        Either rows show it by their own repetitions: those of a bootstrap are of its making.
        """
        n_repeated, n = _repeated(hashes)
        at_most = (n_repeated + 2 * math.sqrt(n_repeated) + 3) / max(1, n)
        n_rows = max(n for n, _ in self.parts)
        seen_there = at_most * max(1.0, n_rows / max(1, n))
        return min(1.0, 2 * self.repeated + 0.01, seen_there)


def _repeated(hashes: np.ndarray) -> tuple[int, int]:
    """How many of every second row have equals among the others, of how many."""
    return int(np.isin(hashes[1::2], hashes[::2]).sum()), len(hashes[1::2])


def _sum(hashes: np.ndarray) -> tuple[int, int]:
    return len(hashes), int(hashes.sum(dtype=np.uint64))


def _probability_of_counts(hashes: np.ndarray) -> float:
    """About how likely as many new rows are to have the same values as often as these."""
    _, counts = np.unique(hashes, return_counts=True)
    free = np.sort(counts)[:-1]  # the last one follows from the others
    return math.exp(-0.5 * np.log1p(4 * math.pi * free).sum())


# -- hashes ------------------------------------------------------------------------------


def row_hashes(X: Any) -> np.ndarray:
    """One number a row, the same for the same values whatever holds them, of shape (n_rows,)."""
    X = without_tensor(X)
    if isinstance(X, pd.DataFrame):
        columns = [_column(X.iloc[:, i]) for i in range(X.shape[1])]
        return _mixed(len(X), columns)
    if issparse(X):
        return _sparse_hashes(X)
    values = _as_array(X)
    if values.dtype.kind not in "biuf":
        flat = values.reshape(len(values), -1)
        columns = [_column(series(column)) for column in flat.T]
        return _mixed(len(values), columns)
    n_columns = math.prod(values.shape[1:])
    weights, stretch = _weights(n_columns), max(1, VALUES_AT_ONCE // max(1, n_columns))
    sums = np.zeros(len(values), dtype=np.uint64)
    for start in range(0, len(values), stretch):
        some = values[start : start + stretch]
        sums[start : start + stretch] = _bits(some).reshape(len(some), n_columns) @ weights
    return _scrambled(sums)


def _sparse_hashes(X: Any) -> np.ndarray:
    """As of the same rows with their zeros."""
    rows = X.tocsr()
    products = _bits(rows.data) * _weights(rows.shape[1])[rows.indices]
    sums = np.append(np.uint64(0), np.cumsum(products, dtype=np.uint64))
    return _scrambled(sums[rows.indptr[1:]] - sums[rows.indptr[:-1]])


def _as_array(X: Any) -> np.ndarray:
    """As an array of numbers or objects; rows of different sizes become their texts."""
    try:
        values = np.atleast_1d(np.asarray(X))
    except (TypeError, ValueError):
        return np.array(list(map(repr, X)), dtype=object)
    if values.dtype.kind == "V":
        return np.array(list(map(repr, values.tolist())), dtype=object)
    return values if values.dtype.kind in "biufO" else values.astype(str).astype(object)


def _column(values: pd.Series) -> np.ndarray:
    """A number for each value: the bits of a number, a hash of anything else."""
    if pd.api.types.is_numeric_dtype(values) and values.dtype.kind in "biuf":
        return _bits(values.to_numpy(dtype=np.float64, na_value=np.nan))
    # Texts that are not Unicode are hashed by their escapes.
    texts = [str(value).encode("utf-8", "backslashreplace").decode() for value in values]
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object), categorize=False))


def _mixed(n_rows: int, columns: list[np.ndarray]) -> np.ndarray:
    total = np.zeros(n_rows, dtype=np.uint64)
    for column, weight in zip(columns, _weights(len(columns)), strict=True):
        total += column * weight
    return _scrambled(total)


def _bits(values: np.ndarray) -> np.ndarray:
    """The bits of numbers in single precision, which modules compute in; those of -0 are 0's."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)
    return single.view(np.uint32).astype(np.uint64)


def _weights(n: int) -> np.ndarray:
    """Odd numbers, another one for each column."""
    return _scrambled(np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)


def _scrambled(values: np.ndarray) -> np.ndarray:
    """Numbers in which each bit depends on all bits of those given (SplitMix64's finaliser)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    scrambled: np.ndarray = values ^ (values >> np.uint64(31))
    return scrambled


# -- which rows predictions are asked for ------------------------------------------------


class Sighting(NamedTuple):
    """A model that was asked for predictions: which share of the rows it was fitted to.

    None where it does not know what it was fitted to.
    """

    name: str
    share: float | None


_sightings: ContextVar[list[Sighting] | None] = ContextVar("sightings", default=None)


@contextmanager
def rows_of_predictions() -> Iterator[list[Sighting]]:
    """What models are asked for in this thread, at whatever depth inside another estimator."""
    found: list[Sighting] = []
    token = _sightings.set(found)
    try:
        yield found
    finally:
        _sightings.reset(token)


def note_rows(name: str, sketch: RowSketch | None, X: Any) -> None:
    """Note that a model fitted to the rows of `sketch` is asked for those of X."""
    found = _sightings.get()
    if found is not None:
        found.append(Sighting(name, None if sketch is None else sketch.share_of(row_hashes(X))))

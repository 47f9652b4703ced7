"""Which rows a model was fitted to, in a few kilobytes: enough to know them when they return."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.stats import binom

from sklearn_seldonian.data._digests import Block, blocks_of

Hashes = NDArray[np.uint64]
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
    smallest: Hashes
    repeated: float

    @classmethod
    def of(cls, hashes: Hashes, *parts: Hashes) -> RowSketch:
        """The rows with these `hashes`; `parts` are indices of some of them."""
        smallest = np.unique(hashes)[:SKETCHED]
        n_repeated, n = _repeated(hashes[hashes <= smallest[-1]])
        sums = frozenset(map(_sum, (hashes, *(hashes[part] for part in parts))))
        return cls(sums, smallest, n_repeated / max(1, n))

    def share_of(self, hashes: Hashes) -> float:
        """Which share of other rows is among these; 0 where that could be chance."""
        if _sum(hashes) in self.parts and _probability_of_counts(hashes) <= CHANCE:
            return 1.0
        is_complete = len(self.smallest) < SKETCHED
        compared = hashes if is_complete else hashes[hashes <= self.smallest[-1]]
        n_found = int(np.isin(compared, self.smallest).sum())
        share = n_found / max(1, len(compared))
        by_chance = binom.sf(n_found - 1, len(compared), self._by_chance(hashes))
        return share if share >= MIN_SHARE and by_chance <= CHANCE else 0.0

    def _by_chance(self, hashes: Hashes) -> float:
        """At most which share of new rows has equals here, since data are discrete.

        Either rows show it by their own repetitions: those of a bootstrap are of its making.
        """
        n_repeated, n = _repeated(hashes)
        at_most = (n_repeated + 2 * math.sqrt(n_repeated) + 3) / max(1, n)
        n_rows = max(n for n, _ in self.parts)
        seen_there = at_most * max(1.0, n_rows / max(1, n))
        return min(1.0, 2 * self.repeated + 0.01, seen_there)


def _repeated(hashes: Hashes) -> tuple[int, int]:
    """How many of every second row have equals among the others, of how many."""
    return int(np.isin(hashes[1::2], hashes[::2]).sum()), len(hashes[1::2])


def _sum(hashes: Hashes) -> tuple[int, int]:
    return len(hashes), int(hashes.sum(dtype=np.uint64))


def _probability_of_counts(hashes: Hashes) -> float:
    """About how likely as many new rows are to have the same values as often as these."""
    _, counts = np.unique(hashes, return_counts=True)
    free = np.sort(counts)[:-1]  # the last one follows from the others
    return math.exp(-0.5 * np.log1p(4 * math.pi * free).sum())


# -- hashes ------------------------------------------------------------------------------


def row_hashes(X: Any) -> Hashes:
    """One number per row, the same for the same values whatever holds them, of shape (n_rows,)."""
    if issparse(X):
        return _sparse_hashes(X)
    blocks = blocks_of(X) or [np.empty((len(X), 0))]
    n_columns = sum(block.shape[1] if block.ndim == 2 else 1 for block in blocks)
    weights, stretch = _weights(n_columns), max(1, VALUES_AT_ONCE // max(1, n_columns))
    sums = np.zeros(len(blocks[0]), dtype=np.uint64)
    for start in range(0, len(sums), stretch):
        rows = slice(start, start + stretch)
        sums[rows] = np.concatenate([bits_of(block[rows]) for block in blocks], axis=1) @ weights
    return _scrambled(sums)


def _sparse_hashes(X: Any) -> Hashes:
    """As of the same rows with their zeros."""
    rows = X.tocsr()
    products = bits_of(rows.data[:, None])[:, 0] * _weights(rows.shape[1])[rows.indices]
    sums = np.append(np.uint64(0), np.cumsum(products, dtype=np.uint64))
    return _scrambled(sums[rows.indptr[1:]] - sums[rows.indptr[:-1]])


def bits_of(block: Block) -> NDArray[np.uint64]:
    """A number for each value of a block, of shape (n_rows, n_columns).

    These are half of a digest, or the bits of a number in single precision, which modules compute
    in; those of -0 are those of 0.
    """
    if block.ndim == 1:
        return np.ascontiguousarray(block).view(np.uint64)[::2, None]
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(block, dtype=np.float32) + np.float32(0)
    return single.view(np.uint32).astype(np.uint64)


def _weights(n: int) -> Hashes:
    """Odd numbers, another one for each column."""
    return _scrambled(np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)


def _scrambled(values: Hashes) -> Hashes:
    """Numbers in which each bit depends on all bits of those given (SplitMix64's finaliser)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    scrambled: Hashes = values ^ (values >> np.uint64(31))
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

"""A sketch of the rows that a model was fitted to, which allows recognising them later."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array
from scipy.sparse import issparse
from scipy.stats import binom

from sklearn_seldonian.data._digests import Block, blocks_of, numbered, weights_of_columns

Hashes = NDArray[np.uint64]
SKETCHED = 1024  # the number of hashes kept
VALUES_AT_ONCE = 2**22  # the number of values converted at a time
# Rows count as recognised from this share on, if its probability by chance is at most this.
MIN_SHARE = 0.05
CHANCE = 1e-4


class RowSketch(NamedTuple):
    """A few kilobytes of hashes by which some rows can be recognised.

    Attributes
    ----------
    parts : frozenset of (int, int)
        Number and sum of the hashes of all rows, of the candidate rows and of the safety rows. They
        do not depend on the order of the rows.
    smallest : ndarray of uint64
        The smallest distinct hashes in ascending order, at most `SKETCHED` of them.
    repeated : float
        Share of rows with an equal row among as many others, as happens by chance in discrete data.
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
        """The share of other rows that are among these rows; 0 if it could be chance."""
        if _sum(hashes) in self.parts and _probability_of_counts(hashes) <= CHANCE:
            return 1.0
        is_complete = len(self.smallest) < SKETCHED
        compared = hashes if is_complete else hashes[hashes <= self.smallest[-1]]
        n_found = int(np.isin(compared, self.smallest).sum())
        share = n_found / max(1, len(compared))
        by_chance = binom.sf(n_found - 1, len(compared), self._by_chance(hashes))
        return share if share >= MIN_SHARE and by_chance <= CHANCE else 0.0

    def _by_chance(self, hashes: Hashes) -> float:
        """The largest share of new rows that may equal one of these because data are discrete.

        It is estimated from the repetitions within both sets of rows. The smaller estimate counts,
        because a bootstrap adds repetitions.
        """
        n_repeated, n = _repeated(hashes)
        at_most = (n_repeated + 2 * math.sqrt(n_repeated) + 3) / max(1, n)
        n_rows = max(n for n, _ in self.parts)
        seen_there = at_most * max(1.0, n_rows / max(1, n))
        return min(1.0, 2 * self.repeated + 0.01, seen_there)


def _repeated(hashes: Hashes) -> tuple[int, int]:
    """The number of rows at odd positions with an equal at even positions, and their total."""
    return int(np.isin(hashes[1::2], hashes[::2]).sum()), len(hashes[1::2])


def _sum(hashes: Hashes) -> tuple[int, int]:
    return len(hashes), int(hashes.sum(dtype=np.uint64))


def _probability_of_counts(hashes: Hashes) -> float:
    """The approximate probability that as many new rows have the same values equally often."""
    _, counts = np.unique(hashes, return_counts=True)
    free = np.sort(counts)[:-1]  # the last one follows from the others
    return math.exp(-0.5 * np.log1p(4 * math.pi * free).sum())


# -- hashes ------------------------------------------------------------------------------


def row_hashes(X: Any) -> Hashes:
    """One hash per row; equal rows have the same hash in any container."""
    if issparse(X):
        return _sparse_hashes(X)
    blocks = list(numbered(blocks_of(X))) or [(0, np.empty((len(X), 0)))]
    n_columns = sum(block.shape[1] for _, block in blocks if block.ndim == 2)
    weights = weights_of_columns(2 * n_columns)  # digests have separate weights
    of_blocks = [weights[_places(position, block, n_columns)] for position, block in blocks]
    sums = np.zeros(len(blocks[0][1]), dtype=np.uint64)
    chunk = max(1, VALUES_AT_ONCE // max(1, n_columns))
    for start in range(0, len(sums), chunk):
        rows = slice(start, start + chunk)
        for (_, block), own in zip(blocks, of_blocks, strict=True):
            sums[rows] += bits_of(block[rows]) @ own
    return hash_array(sums)


def _places(position: int, block: Block, n_columns: int) -> slice:
    """The positions of a block's weights; those of digests come after those of all numbers."""
    if block.ndim == 2:
        return slice(position, position + block.shape[1])
    return slice(n_columns + position, n_columns + position + 1)


def _sparse_hashes(X: Any) -> Hashes:
    """The hashes of sparse rows, equal to those of the same rows in an array."""
    rows = X.tocsr()
    products = bits_of(rows.data[:, None])[:, 0] * weights_of_columns(rows.shape[1])[rows.indices]
    sums = np.append(np.uint64(0), np.cumsum(products, dtype=np.uint64))
    return hash_array(sums[rows.indptr[1:]] - sums[rows.indptr[:-1]])


def bits_of(block: Block) -> NDArray[np.uint64]:
    """A whole number for each value of a block, of shape (n_rows, n_columns).

    It is the first half of a digest, or the bits of a number in single precision, in which modules
    compute. The numbers 0 and -0 have the same bits.
    """
    if block.ndim == 1:
        return np.ascontiguousarray(block).view(np.uint64)[::2, None]
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(block, dtype=np.float32) + np.float32(0)
    return single.view(np.uint32).astype(np.uint64)


# -- the rows that predictions are made for ------------------------------------------------


class Sighting(NamedTuple):
    """A model that made predictions, and the share of the rows that it was fitted to.

    The share is None if it is not known which rows the model was fitted to.
    """

    name: str
    share: float | None


_sightings: ContextVar[list[Sighting] | None] = ContextVar("sightings", default=None)


@contextmanager
def rows_of_predictions() -> Iterator[list[Sighting]]:
    """The models that predict in this block and thread, also inside other estimators."""
    found: list[Sighting] = []
    token = _sightings.set(found)
    try:
        yield found
    finally:
        _sightings.reset(token)


def note_rows(name: str, sketch: RowSketch | None, X: Any) -> None:
    """Record that a model fitted to the rows of `sketch` predicts for the rows of X."""
    found = _sightings.get()
    if found is not None:
        found.append(Sighting(name, None if sketch is None else sketch.share_of(row_hashes(X))))

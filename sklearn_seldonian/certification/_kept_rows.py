"""The rows themselves, for tests that need more than sums over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array

if TYPE_CHECKING:
    from sklearn_seldonian.data._units import SamplingUnits


Array = NDArray[np.float64]
# 2**64 divided by the golden ratio; multiplying by it spreads consecutive numbers.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class KeptRows(NamedTuple):
    """Rows with their entries: indicators or probabilities of decisions, then row measures.

    Attributes
    ----------
    codes, labels : ndarray of shape (n_rows,)
    entries : ndarray of shape (n_rows, K + V)
    units : ndarray of int, shape (n_rows,)
        Which rows belong together; -1 if each row is a unit. In a drawn order: the position of each
        row's unit.
    weights : ndarray of shape (n_rows,)
    levels : ndarray of int, shape (n_rows,)
        The position of each row's level in the column whose shares shift; 0 without a shift.
    """

    codes: NDArray[np.int32]
    labels: NDArray[np.int64]
    entries: Array
    units: NDArray[np.int64]
    weights: Array
    levels: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        codes: NDArray[np.int32],
        labels: NDArray[np.int64],
        entries: Array,
        units: SamplingUnits | None = None,
        valid: Any = ...,
    ) -> KeptRows:
        """The rows; they are the `valid` ones among the rows of `units`."""
        n_rows = len(codes)
        if units is None:
            alike = np.zeros(n_rows, dtype=np.int64)
            return cls(codes, labels, entries, alike - 1, np.ones(n_rows), alike)
        own = units.positions[valid], units.weights[valid], units.levels[valid]
        return cls(codes, labels, entries, *own)

    def followed_by(self, other: KeptRows) -> KeptRows:
        pairs: Any = zip(self, other, strict=True)
        return KeptRows(*map(np.concatenate, pairs))

    def in_drawn_order(self, seed: int) -> KeptRows:
        """The rows with their units in an order that depends on `seed` only.

        The original order does not matter. Rows of a unit follow each other, and units are numbered
        in the drawn order.
        """
        values = [*self.entries.T, self.weights, self.levels, self.labels, self.codes]
        sorted_ = np.lexsort(values)
        # RandomState, because its draws are the same in every version of NumPy.
        draw = np.random.RandomState(seed).permutation
        _, units, sizes = np.unique(self.units, return_inverse=True, return_counts=True)
        if (self.units < 0).all() or sizes.max() == 1:
            return self._at(draw(sorted_))._replace(units=np.arange(len(units)))
        differs = np.any([np.diff(value[sorted_]) != 0 for value in values], axis=0)
        kinds = np.empty(len(units), dtype=np.uint64)
        kinds[sorted_] = np.concatenate([[0], np.cumsum(differs)])
        contents = np.zeros(units.max() + 1, dtype=np.uint64)
        np.add.at(contents, units, hash_array((kinds + np.uint64(1)) * GOLDEN))
        drawn = np.empty(len(contents), dtype=np.int64)
        drawn[draw(np.argsort(contents, kind="stable"))] = np.arange(len(contents))
        positions = drawn[units]
        order = np.lexsort([kinds, positions])
        return self._at(order)._replace(units=positions[order])

    def _at(self, order: NDArray[np.intp]) -> KeptRows:
        parts: Any = (part[order] for part in self)
        return KeptRows(*parts)

"""Offsets of one class's score: the same model, deciding more or less often for that class.

A model trained to be accurate is seldom the one that a small sample can certify: rates
nearer 0 or 1 take fewer rows to know. Moving the threshold of a trained model explores such
decisions without another step of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    """

    class_position: int
    offsets: Array
    tables: Array


def shifted_decisions(
    scores: Array,
    labels: NDArray[np.int64],
    cells: NDArray[np.integer[Any]],
    n_cells: int,
    n_offsets: int,
) -> Iterator[ShiftedDecisions]:
    """The decisions of some rows with `n_offsets` offsets of each class that has its own.

    The offsets lie midway between neighbouring quantiles of what it would take to change the
    rows' decisions, and beyond all of them, where the decisions are constant. Of two classes
    only the second is moved: the first would move it back. One alone leaves nothing to decide.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, K)
        The decision is the class with the largest.
    labels : ndarray of shape (n_rows,)
    cells : ndarray of shape (n_rows, n_families)
        A row is counted in all of its cells.
    n_cells, n_offsets : int
    """
    n_classes = scores.shape[1]
    for k in range(n_classes) if n_classes > 2 else range(1, n_classes):
        others = scores.copy()
        others[:, k] = -np.inf
        runner_up = others.argmax(axis=1)
        needed = others[np.arange(len(scores)), runner_up] - scores[:, k]
        offsets = _spread_out(needed, n_offsets)
        # Rows that decide for k with the i-th offset and all after it, but not before.
        first = np.searchsorted(offsets, needed, side="right")
        changes = (labels * n_classes + runner_up) * (len(offsets) + 1) + first
        shape = (n_cells, n_classes, len(offsets))
        yield ShiftedDecisions(k, offsets, _tables(cells, changes, k, shape))


def _spread_out(needed: Array, n_offsets: int) -> Array:
    values = np.unique(np.quantile(needed, np.linspace(0, 1, n_offsets - 1)))
    beyond = values[-1] - values[0] or 1.0
    return np.concatenate(
        [[values[0] - beyond], (values[1:] + values[:-1]) / 2, [values[-1] + beyond]]
    )


def _tables(
    cells: NDArray[np.integer[Any]],
    changes: NDArray[np.int64],
    k: int,
    shape: tuple[int, int, int],
) -> Array:
    """The tables of all offsets; `changes` are each row's (label, runner-up, offset) in one."""
    n_cells, n_classes, n_offsets = shape
    n_changes = n_classes * n_classes * (n_offsets + 1)
    counts = np.zeros(n_cells * n_changes)
    for own in cells.T:
        counts += np.bincount(own.astype(np.int64) * n_changes + changes, minlength=len(counts))
    changing = counts.reshape(n_cells, n_classes, n_classes, n_offsets + 1)
    changed = changing.cumsum(axis=3)[..., :-1]
    tables = changing.sum(axis=3, keepdims=True) - changed
    tables[:, :, k] += changed.sum(axis=2)
    return np.ascontiguousarray(np.moveaxis(tables, 3, 0))

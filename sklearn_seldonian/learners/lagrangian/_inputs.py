"""Rows as the module takes them: preprocessed, and as tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from sklearn_seldonian.data._arrays import CHUNK_ROWS
from sklearn_seldonian.data._preprocess import transformed
from sklearn_seldonian.data._rows import LabelledRows
from sklearn_seldonian.learners.lagrangian._batches import Inputs, Rows


def module_inputs(transformer: Any, X: Any, index: NDArray[np.intp] | None = None) -> Inputs:
    """What the module gets of the rows of X at `index` (None: all)."""
    if transformer is None:
        return to_inputs(X, index)
    rows = X if index is None else _safe_indexing(X, index)
    return to_inputs(transformed(transformer, rows))


def tensors_of(rows: LabelledRows, X: Inputs, codes: NDArray[np.int32]) -> Rows:
    """What a net takes: the module's inputs `X` of some rows, targets, and codes of cells."""
    return Rows(X, torch.from_numpy(rows.targets), torch.from_numpy(codes))


def to_inputs(X: Any, index: NDArray[np.intp] | None = None) -> Inputs:
    """The rows of X at `index` (None: all), where they are if they can stay there.

    Numbers other than uint8 and float32 become float32, in a copy of those rows only.
    """
    values = np.asarray(X)
    if values.dtype in (np.uint8, np.float32) and values.flags.c_contiguous:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*not writable")  # Inputs are never written to
            return Inputs(
                torch.from_numpy(values), None if index is None else torch.from_numpy(index)
            )
    return Inputs(torch.from_numpy(_converted(values, index)))


def _converted(values: NDArray[Any], index: NDArray[np.intp] | None) -> NDArray[Any]:
    """Rows of `values` as an array that torch takes, a stretch at a time."""
    n_rows = len(values) if index is None else len(index)
    dtype = np.uint8 if values.dtype == np.uint8 else np.float32
    converted = np.empty((n_rows, *values.shape[1:]), dtype)
    for start in range(0, n_rows, CHUNK_ROWS):
        stretch = slice(start, start + CHUNK_ROWS)
        with np.errstate(over="ignore"):
            converted[stretch] = values[stretch if index is None else index[stretch]]
        if not np.isfinite(converted[stretch]).all():
            raise ValueError("X contains a value too large for float32, which modules compute in.")
    return converted

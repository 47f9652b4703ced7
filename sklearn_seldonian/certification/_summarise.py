"""The sufficient statistics of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._kept_rows import KeptRows
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import HAS_LABEL, Stratification
from sklearn_seldonian.measures import RowMeasure, row_values

if TYPE_CHECKING:
    from sklearn_seldonian.data._units import SamplingUnits

Array = NDArray[np.float64]


def summarise(
    codes: NDArray[np.int32],
    labels: NDArray[np.int64],
    probabilities: Array,
    stratification: Stratification,
    values: tuple[RowMeasure, ...] = (),
    *,
    deterministic: bool = True,
    keep: bool = False,
    decisions: NDArray[np.int64] | None = None,
    units: SamplingUnits | None = None,
) -> Statistics:
    """The statistics of classified rows.

    Parameters
    ----------
    codes, labels : ndarray of shape (n_rows,)
        Codes of each row's cells, and class positions.
    probabilities : ndarray of shape (n_rows, K)
        The decision is the class with the largest probability. Rows with a value that is not finite
        are counted separately.
    stratification, values, deterministic
        As in `Statistics`.
    keep : bool, default=False
        Whether to keep the rows if sums are not sufficient, for drawn decisions and row measures.
    decisions : ndarray of shape (n_rows,), default=None
        Class positions of the decisions, if they are not the largest of `probabilities`.
    units : SamplingUnits, default=None
        Which rows belong together, and the weight of each row; such rows are kept.
    """
    valid = np.isfinite(probabilities).all(axis=1)
    codes, labels = codes[valid], labels[valid]
    decisions = (probabilities.argmax(axis=1) if decisions is None else decisions)[valid]
    n_invalid, n_classes = int((~valid).sum()), probabilities.shape[1]
    if deterministic and not values and units is None:
        confusion = tabulate(codes, labels, decisions, stratification, n_classes)
        return Statistics(confusion, stratification, deterministic, n_invalid)
    probabilities = probabilities[valid]
    known = _has_label(codes, stratification)
    of_rows = labels[known], decisions[known] if deterministic else None, probabilities[known]
    extra = np.zeros((len(codes), len(values)))
    extra[known] = row_values(values, *of_rows)
    decided = np.eye(n_classes)[decisions] if deterministic else probabilities
    entries = np.concatenate([decided, extra], axis=1)
    rows = KeptRows.of(codes, labels, entries, units, valid)
    asked = stratification, values, n_invalid, deterministic, keep, units
    return _statistics(rows, *asked)


def summarise_predictions(
    codes: NDArray[np.int32],
    targets: Array,
    predictions: Array,
    stratification: Stratification,
    values: tuple[RowMeasure, ...],
    *,
    keep: bool = False,
    units: SamplingUnits | None = None,
) -> Statistics:
    """The statistics of a regression's rows, which all have the same label.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Codes of each row's cells.
    targets, predictions : ndarray of shape (n_rows,)
        Rows with a prediction that is not finite are counted separately.
    stratification, values
        As in `Statistics`.
    keep : bool, default=False
        Whether to keep the rows.
    units : SamplingUnits, default=None
        As in `summarise`.
    """
    valid = np.isfinite(predictions)
    codes = codes[valid]
    known = _has_label(codes, stratification)
    extra = np.zeros((len(codes), len(values)))
    extra[known] = row_values(values, targets[valid][known], predictions[valid][known], None)
    labels = np.zeros(len(extra), dtype=np.int64)
    entries = np.concatenate([np.ones((len(extra), 1)), extra], axis=1)
    rows = KeptRows.of(codes, labels, entries, units, valid)
    n_invalid = int((~valid).sum())
    return _statistics(rows, stratification, values, n_invalid, True, keep, units)


def _has_label(codes: NDArray[np.int32], stratification: Stratification) -> Any:
    """Which rows have a label, as a mask, or a slice of all rows; their values are 0 otherwise."""
    position = stratification.position_of.get(HAS_LABEL)
    if position is None:
        return slice(None)
    return stratification.membership[:, position][stratification.cell_of_code[codes]].any(axis=1)


def _statistics(
    rows: KeptRows,
    stratification: Stratification,
    values: tuple[RowMeasure, ...],
    n_invalid: int,
    deterministic: bool,
    keep: bool,
    units: SamplingUnits | None,
) -> Statistics:
    """The statistics of rows whose entries are known."""
    largest, shift = (None, None) if units is None else (units.largest, units.shift)
    n_classes = rows.entries.shape[1] - len(values)
    entries = rows.entries if largest is None else rows.entries * rows.weights[:, None]
    cells, n_cells = stratification.cell_of_code[rows.codes], stratification.n_cells

    def sums(columns: Array) -> Array:
        return _sums(cells, rows.labels, columns.T, (n_cells, n_classes))

    factors = entries[:, n_classes:] if deterministic else entries
    with np.errstate(invalid="ignore"):  # an infinite value times no decision
        products = [sums(factor[:, None] * entries) for factor in factors.T]
    return Statistics(
        sums(entries),
        stratification,
        deterministic,
        n_invalid,
        values,
        np.stack(products, axis=2) if products else np.zeros(0),
        rows if keep or units is not None else None,
        largest=largest,
        shift=shift,
    )


def tabulate(
    codes: NDArray[np.int32],
    labels: NDArray[np.int64],
    decisions: NDArray[np.int64],
    stratification: Stratification,
    n_classes: int,
) -> Array:
    """Count the rows in each entry of the confusion matrices.

    Parameters
    ----------
    codes, labels, decisions : ndarray of shape (n_rows,)
        Codes of each row's cells, and positions of classes.
    stratification : Stratification
    n_classes : int

    Returns
    -------
    ndarray of shape (n_cells, K, K)
    """
    n_cells, entries = stratification.n_cells, labels * n_classes + decisions
    counts = _sums(stratification.cell_of_code[codes], entries, [None], (n_cells, n_classes**2))
    return counts.reshape(n_cells, n_classes, n_classes)


def _sums(
    cells: NDArray[np.integer[Any]],
    within: NDArray[np.int64],
    columns: Sequence[Array | None] | Array,
    shape: tuple[int, int],
) -> Array:
    """Sum each column over the rows of (cell, within); None is a column of ones.

    `cells` has shape (n_rows, n_families). The result has the given `shape`, followed by an axis
    for the columns.
    """
    sums = np.zeros((len(columns), math.prod(shape)))
    for own in cells.T:
        rows = own.astype(np.int64) * shape[1] + within
        for column, total in zip(columns, sums, strict=True):
            total += np.bincount(rows, weights=column, minlength=len(total))
    return np.ascontiguousarray(sums.T).reshape(*shape, len(columns))

"""Which rows a condition takes in, and one small integer a row for all conditions."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian.constraints._nodes import ColumnIs, Comparison, Condition, Membership

__all__ = ["Cells", "assign_cells", "holds"]

_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Cells(NamedTuple):
    """Rows sorted into cells: rows of one cell satisfy the same conditions.

    `codes` (n_rows,) is each row's cell; `membership` (n_cells, n_conditions) says
    which conditions hold in each cell.
    """

    codes: NDArray[np.int32]
    membership: NDArray[np.bool_]


def holds(condition: Condition, values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether `condition` holds for each of a column's `values`."""
    match condition:
        case ColumnIs(value=value):
            return np.asarray(values == value, dtype=np.bool_)
        case Comparison(operator=symbol, literal=literal):
            return np.asarray(_COMPARE[symbol](values, literal), dtype=np.bool_)
        case Membership(literals=literals):
            return np.asarray(np.logical_or.reduce([values == x for x in literals]), np.bool_)
    raise TypeError(f"Not a condition: {condition!r}")


def assign_cells(
    columns: Mapping[str, NDArray[np.generic]], conditions: Sequence[Condition], n_rows: int
) -> Cells:
    """Sort `n_rows` rows into cells by which of the `conditions` hold.

    Each column is factorised once and its conditions are evaluated on its distinct
    values only, so the cost is one pass a column, whatever the number of conditions.
    """
    codes = np.zeros(n_rows, dtype=np.int64)
    membership = np.zeros((1, len(conditions)), dtype=np.bool_)
    for column in dict.fromkeys(condition.column for condition in conditions):
        value_codes, values = pd.factorize(columns[column])
        patterns = np.zeros((len(values), len(conditions)), dtype=np.bool_)
        for position, condition in enumerate(conditions):
            if condition.column == column:
                patterns[:, position] = holds(condition, np.asarray(values))
        patterns, pattern_of_value = np.unique(patterns, axis=0, return_inverse=True)
        codes = codes * len(patterns) + pattern_of_value[value_codes]
        both = membership[:, None, :] | patterns[None, :, :]
        codes, membership = _without_empty_cells(codes, both.reshape(-1, len(conditions)))
    return Cells(codes.astype(np.int32), membership)


def _without_empty_cells(
    codes: NDArray[np.int64], membership: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    occupied = np.bincount(codes, minlength=len(membership)) > 0
    renumbered = np.cumsum(occupied) - 1
    return renumbered[codes], membership[occupied]

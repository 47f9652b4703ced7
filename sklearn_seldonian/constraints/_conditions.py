"""Which rows a condition takes in, and one small integer a row for all conditions."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian.constraints._nodes import (
    ColumnIs,
    Comparison,
    Condition,
    Literal,
    Membership,
)

__all__ = [
    "Cells",
    "are_disjoint",
    "assign_cells",
    "combinations_in",
    "holds",
    "is_ordered",
    "levels_of",
]

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


# -- the values of a column ----------------------------------------------------------------


def levels_of(values: NDArray[Any]) -> tuple[Literal, ...]:
    """The distinct values of a column, in order where they have one."""
    distinct = pd.unique(np.asarray(values)).tolist()
    return tuple(sorted(distinct) if is_ordered(distinct) else sorted(distinct, key=str))


def combinations_in(columns: Sequence[NDArray[Any]]) -> frozenset[tuple[Literal, ...]]:
    """The combinations of values that some row of several columns has."""
    codes = [pd.factorize(np.asarray(column)) for column in columns]
    rows = np.unique(np.stack([code for code, _ in codes], axis=1), axis=0)
    levels = [np.asarray(values).tolist() for _, values in codes]
    return frozenset(
        tuple(own[i] for own, i in zip(levels, row, strict=True)) for row in rows.tolist()
    )


def is_ordered(values: Collection[object]) -> bool:
    """Whether `values` are all numbers, or all texts, so that ``<`` means something."""
    return all(isinstance(v, Real | np.bool_) for v in values) or all(
        isinstance(v, str) for v in values
    )


# -- conditions ----------------------------------------------------------------------------


def holds(condition: Condition, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether `condition` holds for each of a column's `values`."""
    match condition:
        case ColumnIs(value=value):
            return np.asarray(values == value, dtype=np.bool_)
        case Comparison(operator=symbol, literal=literal):
            return np.asarray(_COMPARE[symbol](values, literal), dtype=np.bool_)
        case Membership(literals=literals):
            return np.asarray(np.logical_or.reduce([values == x for x in literals]), np.bool_)
    raise TypeError(f"Not a condition: {condition!r}")


def are_disjoint(one: Condition, other: Condition) -> bool:
    """Whether no row can meet both conditions, as far as their text says."""
    if one.column != other.column:
        return False
    for first, second in ((one, other), (other, one)):
        listed = _listed(first)
        if listed is not None:
            return not any(_admits(second, value) for value in listed)
    (a, b), (c, d) = _ends(one), _ends(other)
    return b < c or d < a or (b == c and _strict(one, other)) or (d == a and _strict(one, other))


def _listed(condition: Condition) -> tuple[Literal, ...] | None:
    """All values that meet the condition, if it lists them."""
    match condition:
        case ColumnIs(value=value):
            return (value,)
        case Comparison(operator="==", literal=literal):
            return (literal,)
        case Membership(literals=literals):
            return literals
    return None


def _admits(condition: Condition, value: Literal) -> bool:
    """Whether `value` meets the condition; where they cannot be compared it might."""
    if isinstance(condition, Comparison) and condition.operator not in ("==", "!="):
        if not is_ordered((value, condition.literal)):
            return True
        return bool(_COMPARE[condition.operator](value, condition.literal))
    return bool(holds(condition, np.array([value], dtype=object))[0])


def _ends(condition: Condition) -> tuple[float, float]:
    """The interval of numbers that a comparison admits."""
    assert isinstance(condition, Comparison)
    literal = condition.literal
    if isinstance(literal, str) or condition.operator == "!=":
        return -math.inf, math.inf
    if condition.operator in ("<", "<="):
        return -math.inf, float(literal)
    return float(literal), math.inf


def _strict(one: Condition, other: Condition) -> bool:
    return any(isinstance(c, Comparison) and c.operator in ("<", ">") for c in (one, other))


# -- cells ---------------------------------------------------------------------------------


def assign_cells(
    columns: Mapping[str, NDArray[Any]], conditions: Sequence[Condition], n_rows: int
) -> Cells:
    """Sort `n_rows` rows into cells by which of the `conditions` hold.

    Each column is factorised once and its conditions are evaluated on its distinct
    values only, so the cost is one pass a column, whatever the number of conditions.
    """
    codes = np.zeros(n_rows, dtype=np.int64)
    membership = np.zeros((1, len(conditions)), dtype=np.bool_)
    for column in dict.fromkeys(condition.column for condition in conditions):
        value_codes, distinct = pd.factorize(np.asarray(columns[column]))
        values = np.asarray(distinct)
        if values.dtype.kind == "f":
            values = values.astype(np.float64)  # as exact as the literals
        patterns = np.zeros((len(values), len(conditions)), dtype=np.bool_)
        for position, condition in enumerate(conditions):
            if condition.column == column:
                patterns[:, position] = holds(condition, values)
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

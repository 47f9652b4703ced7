"""Which rows meet a condition, and which conditions exclude each other."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian.constraints._nodes import (
    ColumnIs,
    Comparison,
    Condition,
    HasLabel,
    Literal,
    Membership,
)

# A Categorical has an order of its values, or none. Missing values are None or NaN, and meet no
# condition.
Column = NDArray[Any] | pd.Categorical

_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# -- the values of a column ----------------------------------------------------------------


def order_of(values: Column) -> tuple[Literal, ...] | None:
    """The categories of a Categorical in ascending order, () if they have none.

    None for an array, whose numbers or texts have their usual order.
    """
    if not isinstance(values, pd.Categorical):
        return None
    return tuple(values.categories.tolist()) if values.ordered else ()


def levels_of(values: Column) -> tuple[Literal, ...]:
    """The distinct values of a column without missing ones, in the order of the column."""
    distinct = pd.unique(np.asarray(values))
    return in_order(distinct[~pd.isna(distinct)].tolist(), order_of(values))


def in_order(
    distinct: Collection[Literal], order: tuple[Literal, ...] | None
) -> tuple[Literal, ...]:
    """Distinct values in the given `order`; without one, sorted by size or alphabetically."""
    if order:
        return tuple(level for level in order if level in set(distinct))
    return tuple(sorted(distinct) if is_ordered(distinct) else sorted(distinct, key=str))


def combinations_in(columns: Sequence[Column]) -> frozenset[tuple[Literal, ...]]:
    """The combinations of values that occur in several columns, without missing values."""
    found = [pd.factorize(np.asarray(column)) for column in columns]
    is_whole = np.logical_and.reduce([codes >= 0 for codes, _ in found])
    coded = [(codes[is_whole], values) for codes, values in found]
    combined = coded[0][0].astype(np.int64)
    for codes, values in coded[1:]:
        combined, _ = pd.factorize(combined * len(values) + codes)
    example = np.zeros(combined.max(initial=-1) + 1, dtype=np.intp)  # a row of each combination
    example[combined] = np.arange(len(combined))
    levels = [np.asarray(values)[codes[example]].tolist() for codes, values in coded]
    return frozenset(zip(*levels, strict=True))


def are_comparable(literal: Literal, levels: Collection[object]) -> bool:
    """Whether any of the `levels` has the type of the literal: number or text."""
    return any(is_ordered((literal, level)) for level in levels)


def is_ordered(values: Collection[object]) -> bool:
    """Whether `values` are all numbers or all texts, so that ``<`` is defined."""
    return all(isinstance(v, Real | np.bool_) for v in values) or all(
        isinstance(v, str) for v in values
    )


# -- conditions ----------------------------------------------------------------------------


def holds(condition: Condition, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether `condition` holds for each of a column's `values`."""
    match condition:
        case ColumnIs(value=value):
            return np.asarray(values == value, dtype=np.bool_)
        case Comparison(operator=symbol, literal=literal) if not condition.order:
            return np.asarray(_COMPARE[symbol](values, literal), dtype=np.bool_)
    listed = _listed(condition)
    if listed is None:
        raise TypeError(f"Not a condition: {condition!r}")
    met = np.zeros(len(values), dtype=np.bool_)
    for level in listed:
        met |= np.asarray(values == level, dtype=np.bool_)
    return met


def are_disjoint(one: Condition, other: Condition) -> bool:
    """Whether no row can meet both conditions, by their text."""
    if one.column != other.column:
        return False
    for first, second in ((one, other), (other, one)):
        listed = _listed(first)
        if listed is not None:
            return not any(_admits(second, value) for value in listed)
    # The others compare by order. Two of them exclude each other only like "x < 1" and "x > 1".
    match sorted((one, other), key=lambda condition: getattr(condition, "operator", "")):
        case [
            Comparison(operator="<" | "<=" as below, literal=int() | float() as highest),
            Comparison(operator=">" | ">=" as above, literal=int() | float() as lowest),
        ]:
            return highest < lowest or (highest == lowest and (below, above) != ("<=", ">="))
    return False


def _listed(condition: Condition) -> tuple[Literal, ...] | None:
    """All values that meet the condition, if it lists them."""
    match condition:
        case ColumnIs(value=value):
            return (value,)
        case HasLabel():
            return (1.0,)
        case Comparison(operator="==", literal=literal):
            return (literal,)
        case Comparison(operator=symbol, literal=literal, order=order) if order:
            place = order.index(literal)
            return tuple(v for i, v in enumerate(order) if _COMPARE[symbol](i, place))
        case Membership(literals=literals):
            return literals
    return None


def _admits(condition: Condition, value: Literal) -> bool:
    """Whether `value` meets the condition; True if they cannot be compared."""
    if isinstance(condition, Comparison) and condition.operator not in ("==", "!="):
        if not is_ordered((value, condition.literal)):
            return True
        return bool(_COMPARE[condition.operator](value, condition.literal))
    return bool(holds(condition, np.array([value], dtype=object))[0])

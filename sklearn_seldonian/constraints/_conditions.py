"""Which rows a condition takes in, and one small integer a row for all conditions."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    "Families",
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


@dataclass(frozen=True, eq=False)
class Families:
    """Cells of rows that satisfy the same conditions: one set of cells for each of some families.

    A family is a set of columns with all conditions on them, and every row is in one cell of
    each family. What is asked together needs the columns of one family only, so the number of
    cells is the sum of what the families have, where all columns together have the product.

    Attributes
    ----------
    conditions : tuple of Condition
    columns : tuple of frozenset of str
        Those of each family.
    membership : ndarray of shape (n_cells, n_conditions)
        Which conditions hold in each cell; False for those of other families. The cells of a
        family follow each other.
    patterns : ndarray of shape (n_patterns, n_families)
        The cell of each family that rows with the same code are in.
    """

    conditions: tuple[Condition, ...]
    columns: tuple[frozenset[str], ...]
    membership: NDArray[np.bool_]
    patterns: NDArray[np.integer[Any]]

    @classmethod
    def single(
        cls, conditions: Iterable[Condition] = (), membership: NDArray[np.bool_] | None = None
    ) -> Families:
        """One family, in which a row's code is its cell; with no conditions there is one cell."""
        conditions = tuple(conditions)
        if membership is None:
            membership = np.zeros((1, len(conditions)), dtype=np.bool_)
        patterns = np.arange(len(membership), dtype=np.int32)[:, None]
        return cls(conditions, (_columns(conditions),), membership, patterns)

    @property
    def n_cells(self) -> int:
        return len(self.membership)

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """The cells of each family. Sums over those of one family have each row once."""
        starts = [*self.patterns.min(axis=0).tolist(), self.n_cells]  # no cell is empty
        return tuple(slice(*ends) for ends in itertools.pairwise(starts))

    def family_of(self, conditions: Iterable[Condition]) -> int:
        """The first family that has all the `conditions`."""
        wanted = _columns(conditions)
        return next(f for f, columns in enumerate(self.columns) if wanted <= columns)

    def inside(self, conditions: Iterable[Condition], family: int) -> NDArray[np.bool_]:
        """In which of a family's cells all the `conditions` hold."""
        wanted = [self.conditions.index(condition) for condition in conditions]
        return np.asarray(self.membership[self.spans[family]][:, wanted].all(axis=1))


class Cells(NamedTuple):
    """Rows sorted into cells: `codes` (n_rows,) are rows of the `patterns` of their families."""

    codes: NDArray[np.int32]
    families: Families


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


class _Coded(NamedTuple):
    """A code for each of some things, below `n`."""

    codes: NDArray[np.integer[Any]]
    n: int


def assign_cells(
    columns: Mapping[str, NDArray[Any]],
    together: Sequence[Collection[Condition]],
    n_rows: int,
) -> Cells:
    """Sort `n_rows` rows into cells by which conditions hold.

    Each of the collections `together` is of conditions that are looked at together, such as
    those of one constraint: some family has all of them. Each column is factorised once and
    its conditions are evaluated on its distinct values only, so the cost is one pass a column,
    whatever the number of conditions.
    """
    conditions = tuple(dict.fromkeys(itertools.chain.from_iterable(together)))
    names = list(dict.fromkeys(condition.column for condition in conditions))
    coded, holding = [], []
    for name in names:
        of_row, membership = _by_column(columns[name], name, conditions)
        coded.append(_Coded(of_row, len(membership)))
        holding.append(membership)
    codes, joint = _combined(coded, n_rows)

    families = _families(together)
    cells, memberships, n_cells = [], [], 0
    for family in families:
        own = [position for position, name in enumerate(names) if name in family]
        of_pattern, parts = _combined([joint[position] for position in own], codes.n)
        membership = np.zeros((of_pattern.n, len(conditions)), dtype=np.bool_)
        for position, part in zip(own, parts, strict=True):
            membership |= holding[position][part.codes]
        cells.append(n_cells + of_pattern.codes)
        memberships.append(membership)
        n_cells += of_pattern.n
    return Cells(
        codes.codes.astype(np.int32),
        Families(
            conditions, families, np.concatenate(memberships), _small(np.stack(cells, axis=1))
        ),
    )


def _columns(conditions: Iterable[Condition]) -> frozenset[str]:
    return frozenset(condition.column for condition in conditions)


def _families(together: Sequence[Collection[Condition]]) -> tuple[frozenset[str], ...]:
    """The sets of columns that are looked at together, without those that are part of others."""
    wanted = tuple(dict.fromkeys(map(_columns, together))) or (frozenset(),)
    return tuple(one for one in wanted if not any(one < other for other in wanted))


def _by_column(
    values: NDArray[Any], name: str, conditions: Sequence[Condition]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """A code for each of a column's values, and the conditions that hold for each code."""
    value_codes, distinct = pd.factorize(np.asarray(values))
    distinct = np.asarray(distinct)
    if distinct.dtype.kind == "f":
        distinct = distinct.astype(np.float64)  # as exact as the literals
    membership = np.zeros((len(distinct), len(conditions)), dtype=np.bool_)
    for position, condition in enumerate(conditions):
        if condition.column == name:
            membership[:, position] = holds(condition, distinct)
    membership, code_of_value = np.unique(membership, axis=0, return_inverse=True)
    return _small(code_of_value)[value_codes], membership


def _combined(columns: Sequence[_Coded], n_rows: int) -> tuple[_Coded, list[_Coded]]:
    """A code for each combination that some row of the `columns` has, and the combinations."""
    codes, n, combinations = np.zeros(n_rows, dtype=np.int64), 1, list[_Coded]()
    for others, n_others in columns:
        codes, occupied = _renumbered(codes * n_others + others, n * n_others)
        before, last = np.divmod(occupied, n_others)
        combinations = [_Coded(part.codes[before], part.n) for part in combinations]
        combinations.append(_Coded(_small(last), n_others))
        n = len(occupied)
    return _Coded(codes, n), combinations


def _renumbered(
    codes: NDArray[np.int64], n_possible: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes without gaps, in the same order, and what they were."""
    if n_possible > 8 * len(codes):
        renumbered, occupied = pd.factorize(codes, sort=True)
        return renumbered, occupied
    is_occupied = np.bincount(codes, minlength=n_possible) > 0
    return (np.cumsum(is_occupied) - 1)[codes], np.flatnonzero(is_occupied)


def _small(codes: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The same numbers in as few bytes as torch can count with."""
    most = codes.max(initial=0)
    return codes.astype(next(t for t in (np.uint8, np.int16, np.int32) if most <= np.iinfo(t).max))

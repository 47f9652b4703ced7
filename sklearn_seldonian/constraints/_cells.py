"""One small integer per row that encodes which conditions hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian.constraints._conditions import Column, holds
from sklearn_seldonian.constraints._nodes import Condition

# Cells of several families are looked up together if they have at most this many combinations. Each
# row then needs few look-ups, and the tables are as small as those of one family.
MAX_JOINT_CELLS = 32
# Columns are combined in one pass if they have at most this many combinations, and are at most as
# many as numpy allows dimensions.
MAX_AT_ONCE, MAX_IN_RUN = 2**22, 31
# Tables are transposed for this many conditions at a time, which fit the processor's cache.
CONDITIONS_AT_ONCE = 64


class JointStrata(NamedTuple):
    """Intersections of the cells of several families; a few of them determine all cells of a row.

    Attributes
    ----------
    cell_of_code : ndarray of shape (n_codes, n_joint)
        The joint cells of rows with each code.
    cells, starts : ndarray of int
        The cells that contain each joint cell, one joint cell after another, and the position at
        which those of each joint cell start.
    parts, part_starts : ndarray of int
        The joint cells inside each cell, one cell after another, and the position at which those of
        each cell start.
    """

    cell_of_code: NDArray[np.integer[Any]]
    cells: NDArray[np.intp]
    starts: NDArray[np.intp]
    parts: NDArray[np.intp]
    part_starts: NDArray[np.intp]

    @property
    def n_cells(self) -> int:
        return len(self.starts)

    def over_cells(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums over each cell, of shape (n_cells, ...), from `sums` over each joint cell."""
        return np.asarray(np.add.reduceat(sums[self.parts], self.part_starts, axis=0))

    def from_cells(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weight of a row in each joint cell: the sum of the `weights` of its cells."""
        return np.asarray(np.add.reduceat(weights[self.cells], self.starts, axis=0))


@dataclass(frozen=True, eq=False)
class Stratification:
    """The division of rows into cells by the conditions that hold, once per family.

    A family is a set of columns with all conditions on them. Every row is in one cell of each
    family. A constraint needs the columns of one family only, so the number of cells is the sum
    over families instead of the product over all columns.

    Attributes
    ----------
    conditions : tuple of Condition
    columns : tuple of frozenset of str
        The columns of each family.
    membership : ndarray of shape (n_cells, n_conditions)
        Which conditions hold in each cell; False for conditions of other families. The cells of a
        family follow each other.
    cell_of_code : ndarray of shape (n_codes, n_families)
        For each code, the cell of its rows in each family.
    """

    conditions: tuple[Condition, ...]
    columns: tuple[frozenset[str], ...]
    membership: NDArray[np.bool_]
    cell_of_code: NDArray[np.integer[Any]]

    @classmethod
    def single(
        cls, conditions: Iterable[Condition] = (), membership: NDArray[np.bool_] | None = None
    ) -> Stratification:
        """One family in which a row's code is its cell; without conditions there is one cell."""
        conditions = tuple(conditions)
        if membership is None:
            membership = np.zeros((1, len(conditions)), dtype=np.bool_)
        cell_of_code = np.arange(len(membership), dtype=np.int32)[:, None]
        return cls(conditions, (_columns(conditions),), membership, cell_of_code)

    @property
    def n_cells(self) -> int:
        return len(self.membership)

    @property
    def conditions_of_code(self) -> NDArray[np.bool_]:
        """Which conditions hold for each code, of shape (n_codes, n_conditions)."""
        return np.asarray(self.membership[self.cell_of_code].any(axis=1))

    @cached_property
    def position_of(self) -> dict[Condition, int]:
        """The position of each condition."""
        return {condition: position for position, condition in enumerate(self.conditions)}

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """The cells of each family. Every row is in one cell of each family."""
        if not len(self.cell_of_code):  # without rows there are no cells
            return (slice(0, 0),) * len(self.columns)
        starts = [*self.cell_of_code.min(axis=0).tolist(), self.n_cells]  # no cell is empty
        return tuple(slice(*ends) for ends in itertools.pairwise(starts))

    @cached_property
    def joint(self) -> JointStrata:
        """The joint cells of consecutive families that have few combinations."""
        cell_of_code, cells, n_joint = [], list[NDArray[np.intp]](), 0
        all_sizes = [span.stop - span.start for span in self.spans]
        for first, last in _runs(all_sizes, MAX_JOINT_CELLS):
            first_cells = np.array([span.start for span in self.spans[first:last]])
            sizes = all_sizes[first:last]
            within = self.cell_of_code[:, first:last] - first_cells
            cell_of_code.append(n_joint + np.ravel_multi_index(tuple(within.T), sizes))
            own = np.unravel_index(np.arange(math.prod(sizes)), sizes)
            cells.extend(first_cells + np.stack(own, axis=1))
            n_joint = len(cells)
        lengths, every = [len(own) for own in cells], np.concatenate(cells)
        by_cell = every.argsort(kind="stable")
        return JointStrata(
            _small(np.stack(cell_of_code, axis=1)),
            cells=every,
            starts=np.cumsum([0, *lengths[:-1]]),
            parts=np.arange(n_joint).repeat(lengths)[by_cell],
            part_starts=np.searchsorted(every[by_cell], np.arange(self.n_cells)),
        )

    def family_of(self, conditions: Iterable[Condition]) -> int:
        """The first family that has all the `conditions`."""
        wanted = _columns(conditions)
        return next(f for f, columns in enumerate(self.columns) if wanted <= columns)

    def inside(self, conditions: Iterable[Condition], family: int) -> NDArray[np.bool_]:
        """The cells of a family in which all the `conditions` hold, as a mask."""
        wanted = [self.position_of[condition] for condition in conditions]
        held = np.bitwise_and.reduce(self._bits[wanted], axis=0)
        return np.unpackbits(held, count=self.n_cells)[self.spans[family]].view(np.bool_)

    @cached_property
    def _bits(self) -> NDArray[np.uint8]:
        """The `membership` as bits, one row per condition."""
        bits = np.zeros((-(-self.n_cells // 8), len(self.conditions)), dtype=np.uint8)
        for position in range(8):  # np.packbits takes ten times as long along the first axis
            every_eighth = self.membership[position::8].view(np.uint8)
            bits[: len(every_eighth)] |= every_eighth << (7 - position)
        return np.ascontiguousarray(bits.T)


class Cells(NamedTuple):
    """The `codes` of rows, of shape (n_rows,): positions in a stratification's `cell_of_code`."""

    codes: NDArray[np.int32]
    stratification: Stratification


class _Coded(NamedTuple):
    """An array of codes below `n`."""

    codes: NDArray[np.integer[Any]]
    n: int


def assign_cells(
    columns: Mapping[str, Column],
    together: Sequence[Collection[Condition]],
    n_rows: int,
) -> Cells:
    """Assign `n_rows` rows to cells by the conditions that hold.

    Each collection in `together` has conditions that are used together, such as those of one
    constraint; one family contains all of them. Each column is factorised once, and its conditions
    are evaluated on its distinct values only. So the cost is one pass per column, for any number of
    conditions.
    """
    conditions = tuple(dict.fromkeys(itertools.chain.from_iterable(together)))
    names = list(dict.fromkeys(condition.column for condition in conditions))
    coded, holding = [], []
    for name in names:
        of_row, membership = _by_column(columns[name], name, conditions)
        coded.append(_Coded(of_row, len(membership)))
        holding.append(membership)
    codes, joint = _combined(coded, n_rows)

    families = families_of(together)
    cells, memberships, n_cells = [], [], 0
    for family in families:
        own = [position for position, name in enumerate(names) if name in family]
        of_code, parts = _combined([joint[position] for position in own], codes.n)
        membership = np.zeros((of_code.n, len(conditions)), dtype=np.bool_)
        for position, part in zip(own, parts, strict=True):
            membership |= holding[position][part.codes]
        cells.append(of_code.codes.astype(np.int32) + n_cells)
        memberships.append(membership)
        n_cells += of_code.n
    return Cells(
        codes.codes.astype(np.int32),
        Stratification(
            conditions, families, np.concatenate(memberships), _small(np.stack(cells, axis=1))
        ),
    )


def _columns(conditions: Iterable[Condition]) -> frozenset[str]:
    return frozenset(condition.column for condition in conditions)


def families_of(together: Sequence[Collection[Condition]]) -> tuple[frozenset[str], ...]:
    """The sets of columns that are used together, without sets that are part of others."""
    wanted = tuple(dict.fromkeys(map(_columns, together))) or (frozenset(),)
    return tuple(one for one in wanted if not any(one < other for other in wanted))


def _by_column(
    values: Column, name: str, conditions: Sequence[Condition]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """A code for each of a column's values, and the conditions that hold for each code.

    Missing values meet no condition.
    """
    value_codes, distinct = pd.factorize(np.asarray(values))
    distinct = np.asarray(distinct)
    if distinct.dtype.kind == "f":
        distinct = distinct.astype(np.float64)  # the precision of the literals
    own = [position for position, one in enumerate(conditions) if one.column == name]
    holding = _table([conditions[position] for position in own], distinct)
    if (value_codes < 0).any():  # the last kind is the missing value
        holding = np.pad(holding, ((0, 1), (0, 0)))
    met = [row.tobytes() for row in np.packbits(holding, axis=1)]
    kinds = {row: kind for kind, row in enumerate(sorted(set(met)))}
    kind_of_value = np.array([kinds[row] for row in met], dtype=np.intp)
    example = np.zeros(len(kinds), dtype=np.intp)  # a value of each kind
    example[kind_of_value] = np.arange(len(met))
    membership = np.zeros((len(kinds), len(conditions)), dtype=np.bool_)
    # Conditions of a quantifier follow each other, and filling a slice is fast.
    follow = own[-1] - own[0] == len(own) - 1
    membership[:, slice(own[0], own[-1] + 1) if follow else own] = holding[example]
    return _small(kind_of_value)[value_codes], membership


def _table(conditions: Sequence[Condition], values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which conditions hold for each value, of shape (n_values, n_conditions)."""
    table = np.empty((len(values), len(conditions)), dtype=np.bool_)
    for part in _slices(len(conditions)):
        table[:, part] = np.array([holds(one, values) for one in conditions[part]]).T
    return table


def _slices(n_conditions: int) -> Iterator[slice]:
    """The slices of conditions that are handled at once."""
    starts = range(0, n_conditions, CONDITIONS_AT_ONCE)
    return (slice(start, start + CONDITIONS_AT_ONCE) for start in starts)


def _combined(columns: Sequence[_Coded], n_rows: int) -> tuple[_Coded, list[_Coded]]:
    """A code for each combination that occurs in the `columns`, and the combinations.

    Each code of a column must occur in some row.
    """
    if len(columns) == 1:
        return columns[0], [_Coded(np.arange(columns[0].n), columns[0].n)]
    codes, n, combinations = np.zeros(n_rows, dtype=np.int64), 1, list[_Coded]()
    for first, last in _runs([column.n for column in columns], MAX_AT_ONCE):
        part = columns[first:last]
        for others, n_others in part:
            codes = codes * n_others + others
        sizes = [n, *(column.n for column in part)]
        codes, occupied = _renumbered(codes, math.prod(sizes))
        before, *own = np.unravel_index(occupied, sizes)
        combinations = [_Coded(earlier.codes[before], earlier.n) for earlier in combinations]
        new = zip(own, part, strict=True)
        combinations += [_Coded(_small(of_column), column.n) for of_column, column in new]
        n = len(occupied)
    return _Coded(codes, n), combinations


def _runs(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """The start and end of runs of consecutive `sizes` with at most `most` combinations.

    A size that exceeds `most` on its own is a run by itself.
    """
    first, n_combinations = 0, 1
    for position, size in enumerate(sizes):
        n_combinations *= size
        if position > first and (n_combinations > most or position - first == MAX_IN_RUN):
            yield first, position
            first, n_combinations = position, size
    if sizes:
        yield first, len(sizes)


def _renumbered(
    codes: NDArray[np.int64], n_possible: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes renumbered without gaps in the same order, and the original codes."""
    if n_possible > 8 * len(codes):
        renumbered, occupied = pd.factorize(codes, sort=True)
        return renumbered, occupied
    is_occupied = np.bincount(codes, minlength=n_possible) > 0
    return (np.cumsum(is_occupied) - 1)[codes], np.flatnonzero(is_occupied)


def _small(codes: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The same numbers in the smallest integer type that torch supports."""
    most = codes.max(initial=0)
    return codes.astype(next(t for t in (np.uint8, np.int16, np.int32) if most <= np.iinfo(t).max))

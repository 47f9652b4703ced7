"""Rates that may share rows, expressed by binomial counts of successive splits of the rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds import Function, Splits
from sklearn_seldonian.certification._evidence import Kind
from sklearn_seldonian.constraints import (
    ColumnIs,
    Condition,
    Estimand,
    ExclusiveColumns,
    Jet,
    Node,
    are_exclusive,
    jet,
)
from sklearn_seldonian.measures import Rate

Kinds = frozenset[Kind]
Floats = NDArray[np.float64]

# The largest number of combinations of conditions that are listed.
MAX_COMBINATIONS = 256


class Split(NamedTuple):
    """A set of kinds of rows, its first part, and the split that made the set (`bounds.Splits`)."""

    kinds: Kinds
    first: Kinds
    parent: int
    of_successes: bool


def kinds_of(
    estimands: Sequence[Estimand], mutually_exclusive_columns: ExclusiveColumns
) -> Kinds | None:
    """The kinds of rows that are possible by the text of the rates alone, without data.

    None if they are too many to list.
    """
    conditions = list(dict.fromkeys(c for estimand in estimands for c in estimand.conditions))
    if 2 ** len(conditions) > MAX_COMBINATIONS:
        return None
    entries = _entry_kinds(estimands)
    found = set[Kind]()
    for true in _possible_combinations(conditions, mutually_exclusive_columns):
        counts = [true.issuperset(estimand.conditions) for estimand in estimands]
        found.update(tuple(k * c for k, c in zip(kind, counts, strict=True)) for kind in entries)
    return frozenset(kind for kind in found if any(kind))


def _possible_combinations(
    conditions: Sequence[Condition], mutually_exclusive_columns: ExclusiveColumns
) -> Iterator[frozenset[Condition]]:
    """The sets of conditions that, by their text, can be true while all others are false."""
    for chosen in itertools.product((False, True), repeat=len(conditions)):
        true = frozenset(itertools.compress(conditions, chosen))
        false = {c for c in conditions if c not in true and isinstance(c, ColumnIs)}
        pairs = itertools.combinations(true, 2)
        if any(are_exclusive(one, other, mutually_exclusive_columns) for one, other in pairs):
            continue
        if not any(replace(c, value=not c.value) in false for c in false):
            yield true


def _entry_kinds(estimands: Sequence[Estimand]) -> set[Kind]:
    """The kinds of rows with each label and prediction, if all conditions are true."""
    states = []
    for estimand in estimands:
        assert isinstance(estimand.quantity, Rate)
        states.append(1 * estimand.quantity.denominator + 1 * estimand.quantity.numerator)
    return set(map(tuple, np.stack(states, axis=-1).reshape(-1, len(estimands)).tolist()))


def splits_of(kinds: Kinds) -> list[Split]:
    """Splits that divide the rows into `kinds`, separately for sets that share no rate."""
    splits: list[Split] = []
    for group in _groups_without_common_rate(kinds):
        _divide(group, -1, False, splits)
    return splits


def _groups_without_common_rate(kinds: Kinds) -> Iterator[Kinds]:
    """The kinds in groups, so that kinds of different groups have no rate in common."""
    left = sorted(kinds)
    while left:
        group, waiting = set[Kind](), [left[0]]
        while waiting:
            kind = waiting.pop()
            group.add(kind)
            near = [k for k in left if k not in group and any(map(min, kind, k))]
            waiting.extend(near)
            group.update(near)
        left = [kind for kind in left if kind not in group]
        yield frozenset(group)


def _divide(kinds: Kinds, parent: int, of_successes: bool, splits: list[Split]) -> None:
    """Append the splits of one group, each before the splits of its parts."""
    if len(kinds) < 2:
        return
    first = _first_part(kinds)
    position = len(splits)
    splits.append(Split(kinds, first, parent, of_successes))
    _divide(first, position, True, splits)
    _divide(kinds - first, position, False, splits)


def _first_part(kinds: Kinds) -> Kinds:
    """The kinds of the rate with the fewest, of those rates that do not count all `kinds`.

    If all rates count all kinds, the successes of the rate with the fewest.
    """
    n_rates = len(next(iter(kinds)))
    for least in (1, 2):
        parts = [frozenset(k for k in kinds if k[rate] >= least) for rate in range(n_rates)]
        proper = [part for part in parts if 0 < len(part) < len(kinds)]
        if proper:
            return min(proper, key=lambda part: (len(part), sorted(part)))
    raise AssertionError("kinds of rows differ")  # they are the elements of a set


def counted(splits: Sequence[Split], table: Mapping[Kind, float]) -> Splits:
    """The counts of the `splits`; `table` has the number of rows of each kind."""

    def rows(kinds: Kinds) -> float:
        return float(round(math.fsum(table.get(kind, 0.0) for kind in kinds)))

    return Splits(
        tuple(rows(split.first) for split in splits),
        tuple(rows(split.kinds) for split in splits),
        tuple(split.parent for split in splits),
        tuple(split.of_successes for split in splits),
    )


def function_of(
    expression: Node, estimands: Sequence[Estimand], splits: Sequence[Split]
) -> Function:
    """The `expression` as a function of the shares of the `splits`."""

    def function(low: Floats, high: Floats) -> Jet:
        shares = [Jet.coordinate(low, high, j) for j in range(len(splits))]
        rates = (_rate(position, splits, shares) for position in range(len(estimands)))
        return jet(expression, dict(zip(estimands, rates, strict=True)))

    return function


def _rate(position: int, splits: Sequence[Split], shares: Sequence[Jet]) -> Jet:
    """One rate: its successes and its rows, as shares of the smallest group that contains both."""
    rows, successes = (
        frozenset(k for split in splits for k in split.kinds if k[position] >= least)
        for least in (1, 2)
    )
    group = min((split.kinds for split in splits if rows <= split.kinds), key=len)
    part = _share(successes, group, splits, shares)
    return part if rows == group else part / _share(rows, group, splits, shares)


def _share(wanted: Kinds, group: Kinds, splits: Sequence[Split], shares: Sequence[Jet]) -> Jet:
    """The share of a group's rows whose kind is `wanted`."""
    if group <= wanted or not wanted & group:
        return Jet.constant(float(group <= wanted), shares[0].slope_low.shape)
    own = next(j for j, split in enumerate(splits) if split.kinds == group)
    first, rest = splits[own].first, group - splits[own].first
    of_first, of_rest = (_share(wanted, part, splits, shares) for part in (first, rest))
    return of_rest + shares[own] * (of_first - of_rest)

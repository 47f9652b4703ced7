"""Checks of the builders' arguments: groups, their levels, and limits between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from numbers import Real
from typing import Any

import numpy as np

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints._nodes import (
    ColumnIs,
    Grouping,
    Literal,
    Measure,
    Node,
    Number,
)


def groupings(groups: str | list[str], levels: Sequence[Literal]) -> tuple[Grouping, ...]:
    """The columns whose levels, or combinations of levels, are the groups."""
    columns = [groups] if isinstance(groups, str) else groups
    if not columns or len(set(map(str, columns))) < len(columns):
        raise ValueError(f"groups must be one or more different columns; got {short(columns)}.")
    if not all(isinstance(name, str) and name for name in columns):
        raise ValueError(f"groups must be names of columns; got {short(columns)}.")
    chosen = _levels(levels, columns)
    return tuple(Grouping(column, chosen) for column in columns)


def pair_of_groups(
    measure: str, groups: tuple[str, str], levels: Sequence[Literal]
) -> tuple[Node, Node]:
    """The measure in each of two groups."""
    is_pair = isinstance(groups, tuple) and len(groups) == 2
    if not is_pair or not all(isinstance(n, str) for n in groups) or groups[0] == groups[1]:
        raise ValueError(
            "groups must be one column, a list of columns, or a tuple of two different columns; "
            f"got {short(groups)}."
        )
    if not isinstance(levels, Sized) or len(levels):
        raise ValueError(
            f"levels needs one column of groups, but groups are two 0/1 columns: {groups!r}. Leave "
            "out levels, or give one column."
        )
    first, second = (Measure(measure, conditions=(ColumnIs(name),)) for name in groups)
    return first, second


def share(name: str, value: float) -> Number:
    """A limit that is a number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number between 0 and 1; got {short(value)}.")
    return Number(float(value))


def _levels(levels: Any, columns: list[str]) -> tuple[Literal, ...]:
    """The levels of one column to compare; empty if all are compared."""
    is_list = isinstance(levels, Iterable) and not isinstance(levels, str | Set | Mapping)
    chosen = tuple(levels) if is_list else (levels,)
    wanted = f"levels must list two or more levels of {columns[0]!r}"
    if len(chosen) == 1:
        raise ValueError(f"{wanted}; got {short(levels)}.")
    if not all(map(_is_level, chosen)) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"{wanted}, each once, and each a text, a finite number, True or False; got "
            f"{short(levels)}."
        )
    if chosen and len(columns) > 1:
        raise ValueError(
            f"levels needs one column of groups, but groups are {len(columns)} columns. Leave out "
            "levels, or give one column."
        )
    return chosen


def _is_level(value: object) -> bool:
    if isinstance(value, Real | np.bool_):
        return math.isfinite(float(value))
    return isinstance(value, str)

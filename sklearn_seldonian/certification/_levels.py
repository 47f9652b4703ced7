"""The levels of the columns that constraints name, and the assumptions about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sklearn_seldonian.constraints import (
    LABEL,
    Constraint,
    Grouping,
    SeenLevels,
    are_comparable,
    columns_of,
    named_levels,
    quantifiers_of,
)

Groupings = tuple[Grouping, ...]
Levels = Mapping[Groupings, frozenset[tuple[Any, ...]]]


def levels_elsewhere(
    constraints: Iterable[Constraint], seen: SeenLevels
) -> dict[str, tuple[Any, ...]]:
    """The levels that `constraints` may name, by column: those in rows, and those in quantifiers.

    A level that a quantifier names need not occur. If it does not, the constraint is not certified.
    """
    named = named_levels(constraints)
    wanted = dict.fromkeys(name for constraint in constraints for name in columns_of(constraint))
    return {
        name: (*seen.levels[name], *_possible(named.get(name, ()), name, seen))
        for name in wanted
        if name in seen.levels
    }


def _possible(literals: Iterable[Any], name: str, seen: SeenLevels) -> list[Any]:
    """The `literals` that a column can contain in other rows."""
    levels, order = seen.levels[name], seen.orders.get(name)
    return [x for x in literals if (x in order if order else are_comparable(x, levels))]


def quantified_levels(constraints: Iterable[Constraint], seen: SeenLevels) -> Levels:
    """The combinations of levels that occur in the columns of each quantifier.

    Returns
    -------
    dict of tuple of Grouping to frozenset of tuple
        Quantifiers that name all levels do not depend on rows and are left out.
    """
    return {
        by: _combinations(by, seen)
        for by in quantifiers_of(constraints)
        if not all(grouping.levels for grouping in by)
        and all(grouping.column in seen.levels for grouping in by)
    }


def _combinations(by: Groupings, seen: SeenLevels) -> frozenset[tuple[Any, ...]]:
    """The combinations of levels that occur, restricted to the levels that `by` names."""
    names = tuple(grouping.column for grouping in by)
    alone = len(by) == 1
    return frozenset(
        levels
        for levels in (zip(seen.levels[names[0]]) if alone else seen.combinations[names])
        if all(
            not grouping.levels or level in grouping.levels
            for grouping, level in zip(by, levels, strict=True)
        )
    )


def unseen_levels(constraints: Iterable[Constraint], levels: Levels, seen: SeenLevels) -> str:
    """Levels that a quantifier should have included but did not, in words."""
    now = quantified_levels(constraints, seen)
    unseen = (
        " and ".join(f"{g.column} == {level!r}" for g, level in zip(by, found, strict=True))
        for by, combinations in now.items()
        for found in sorted(combinations - levels[by], key=str)
    )
    return ", ".join(dict.fromkeys(unseen))


def levels_in_words(levels: Levels, rows: str) -> tuple[str, ...]:
    """The assumptions about the columns of quantifiers, in sentences.

    `levels` is the result of `quantified_levels` for the rows that are called `rows`.
    """
    return tuple(_levels_in_words(by, found, rows) for by, found in sorted(levels.items(), key=str))


def _levels_in_words(by: Groupings, found: frozenset[tuple[Any, ...]], rows: str) -> str:
    if len(by) == 1:
        known = ", ".join(repr(level) for (level,) in sorted(found, key=_place))
        return f"Column {by[0].column} has no levels but {known}, those of the {rows} rows."
    known = ", ".join(map(repr, sorted(found, key=_place)))
    names = " and ".join(map(str, by))
    return f"Columns {names} have no combinations of levels but {known}, those of the {rows} rows."


def unrecorded(columns: Mapping[str, Any], names: Iterable[str]) -> dict[str, int]:
    """For each named column with missing values, and the labels, the number of rows without one."""
    wanted = sorted({*names, LABEL} & columns.keys())
    counts = {name: int(pd.isna(columns[name]).sum()) for name in wanted}
    return {name: n for name, n in counts.items() if n}


def unrecorded_in_words(counts: Mapping[str, int], n_rows: int) -> tuple[str, ...]:
    """What remains open because of rows without a value or a label, in sentences."""
    of_labels = tuple(
        f"{n:,} of the {n_rows:,} tested rows have no label. What is said by a measure that uses "
        "labels is about the rows of the population whose label is recorded. It is true of all "
        "rows if whether a label is recorded does not depend on labels and predictions. A measure "
        "of decisions alone is about all rows."
        for name, n in counts.items()
        if name == LABEL
    )
    return of_labels + tuple(
        f"Column {name} has no value in {n:,} of the {n_rows:,} tested rows, which meet no "
        "condition on it. What is said under a condition on it is about the rows of the population "
        "in which it is recorded. It is true of all rows of a group if, within the group, whether "
        "it is recorded does not depend on labels and predictions."
        for name, n in sorted(counts.items())
        if name != LABEL
    )


def _place(levels: tuple[Any, ...]) -> list[Any]:
    """A sort key: numbers by size, then texts in alphabetical order."""
    return [(isinstance(level, str), level) for level in levels]

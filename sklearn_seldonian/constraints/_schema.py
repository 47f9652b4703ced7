"""What the names in constraints are looked up in, and which names those are."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sklearn_seldonian._text import listed
from sklearn_seldonian.constraints._conditions import (
    Column,
    combinations_in,
    in_order,
    levels_of,
    order_of,
)
from sklearn_seldonian.constraints._nodes import (
    Comparison,
    Condition,
    Constraint,
    Grouping,
    Literal,
    Membership,
    Quantified,
    walk,
)
from sklearn_seldonian.constraints._parse import WORDS
from sklearn_seldonian.measures import (
    ALIASES,
    ANY_NUMBER,
    CLASSIFICATION_VALUES,
    COMPOSITES,
    DEFINITIONS,
    RATES,
    REGRESSION_VALUES,
    Range,
    RowMeasure,
)

# Levels of one column that are remembered over several sets of rows.
MAX_LEVELS = 100_000
BUILT_IN = (*DEFINITIONS, *COMPOSITES, *ALIASES)


@dataclass(frozen=True)
class SeenLevels:
    """What some rows hold in the columns that constraints name.

    Parameters
    ----------
    levels : mapping of str to tuple
        The distinct values of each column; () for columns that no constraint names.
    combinations : mapping of tuple of str to frozenset of tuple
        For several columns that a quantifier ranges over, the combinations that some row has.
    orders : mapping of str to tuple
        The categories of columns that have some, in ascending order; () where they have none.
    """

    levels: Mapping[str, tuple[Literal, ...]]
    combinations: Mapping[tuple[str, ...], frozenset[tuple[Literal, ...]]]
    orders: Mapping[str, tuple[Literal, ...]]

    @classmethod
    def of(cls, columns: Mapping[str, Column], constraints: Sequence[Constraint]) -> SeenLevels:
        """Of the rows of some `columns`."""
        wanted = {n for constraint in constraints for n in columns_of(constraint) if n in columns}
        levels = {
            name: levels_of(values) if name in wanted else () for name, values in columns.items()
        }
        together = {tuple(grouping.column for grouping in by) for by in quantifiers_of(constraints)}
        combinations = {
            names: combinations_in([columns[name] for name in names])
            for names in together
            if len(names) > 1 and wanted.issuperset(names)
        }
        orders = {name: order for name in wanted if (order := order_of(columns[name])) is not None}
        return cls(levels, combinations, orders)

    def joined(self, other: SeenLevels, constraints: Sequence[Constraint]) -> SeenLevels:
        """Of the rows of both, of a column that quantifiers range over as they are.

        Of other columns at most `MAX_LEVELS` are kept, those that the `constraints` name among
        them: for what conditions mean, the others are as good as these.

        Raises
        ------
        ValueError
            If a column is only in one of them, or has another order, or too many levels.
        """
        if self == other:
            return self
        differing = sorted(self.levels.keys() ^ other.levels.keys())
        if differing:
            raise ValueError(f"Column {differing[0]!r} is in some parts only.")
        for name in sorted(self.orders.keys() | other.orders.keys()):
            if self.orders.get(name) != other.orders.get(name):
                raise ValueError(
                    f"The parts differ in the categories of column {name!r}: give all parts the "
                    "same ordered categories, or plain numbers or texts."
                )
        ranged = {g.column for by in quantifiers_of(constraints) for g in by if not g.levels}
        named = literals_of(constraints)
        levels = {}
        for name, own in self.levels.items():
            both = in_order({*own, *other.levels[name]}, self.orders.get(name))
            if len(both) > MAX_LEVELS and name in ranged:
                raise ValueError(
                    f"A quantifier ranges over column {name!r}, which has over {MAX_LEVELS:,} "
                    "levels. Each is a group of its own: name those that count, as in "
                    f"by={name} in (...)."
                )
            levels[name] = both if name in ranged else _shortened(both, named.get(name, ()))
        combinations = {
            names: own | other.combinations[names] for names, own in self.combinations.items()
        }
        return SeenLevels(levels, combinations, self.orders)


def _shortened(levels: tuple[Literal, ...], named: Collection[Literal]) -> tuple[Literal, ...]:
    """At most `MAX_LEVELS` of some levels: those `named`, one of each kind, and the first."""
    if len(levels) <= MAX_LEVELS:
        return levels
    examples = {isinstance(level, str): level for level in levels}.values()
    kept = {*(level for level in levels if level in set(named)), *examples}
    kept.update(level for level in levels[: MAX_LEVELS - len(kept)])
    return tuple(level for level in levels if level in kept)


@dataclass(frozen=True)
class Schema:
    """What a constraint's names are looked up in.

    Parameters
    ----------
    classes : tuple
        The class labels, in the order of the model's outputs; empty for regression.
    positive : int or None
        Position of the positive class; None unless there are two classes.
    levels : mapping of str to tuple
        Each column that conditions may name, with the distinct values it takes.
    combinations : mapping of tuple of str to frozenset of tuple
        For several columns that a quantifier ranges over, which combinations of their
        levels occur. Columns that are not in it: all combinations count.
    elsewhere : mapping of str to tuple
        More levels that constraints may name: no quantifier ranges over them unasked.
    orders : mapping of str to tuple
        The categories of columns that have some, in ascending order; () where they have none.
        Columns that are not in it: numbers and texts are ordered as such.
    measures : sequence of RowMeasure
        The user's own.
    target_range, prediction_range : tuple of float
        What targets and predictions of a regression can be.

    Raises
    ------
    ValueError
        If a measure has the name of another, or counts rows of a class that there is not.
    """

    classes: tuple[object, ...]
    positive: int | None
    levels: Mapping[str, tuple[Literal, ...]] = field(default_factory=dict)
    combinations: Mapping[tuple[str, ...], frozenset[tuple[Literal, ...]]] = field(
        default_factory=dict
    )
    elsewhere: Mapping[str, tuple[Literal, ...]] = field(default_factory=dict)
    orders: Mapping[str, tuple[Literal, ...]] = field(default_factory=dict)
    measures: Sequence[RowMeasure] = ()
    target_range: Range = ANY_NUMBER
    prediction_range: Range = ANY_NUMBER

    def __post_init__(self) -> None:
        taken = [*BUILT_IN, *WORDS]
        for measure in self.measures:
            if not isinstance(measure, RowMeasure):
                raise ValueError(f"measures= takes RowMeasure objects, not {measure!r}.")
            if measure.name in taken:
                raise ValueError(
                    f"There is a {measure.name!r} already; give the measure another name."
                )
            taken.append(measure.name)
            unknown = [label for label in measure.rows or () if label not in self.classes]
            if unknown:
                raise ValueError(
                    f"Measure {measure.name!r} counts rows of class {unknown[0]!r}, and the "
                    f"classes are {listed(self.classes)}."
                )

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Column],
        constraints: Iterable[Constraint],
        classes: tuple[object, ...],
        positive: int | None,
        **others: Any,
    ) -> Schema:
        """The schema of some rows: only columns that the `constraints` name are looked into."""
        seen = SeenLevels.of(columns, tuple(constraints))
        return cls.of_levels(seen, classes=classes, positive=positive, **others)

    @classmethod
    def of_levels(cls, seen: SeenLevels, **others: Any) -> Schema:
        """The schema of rows with these levels."""
        levels, combinations = seen.levels, seen.combinations
        return cls(levels=levels, combinations=combinations, orders=seen.orders, **others)

    @cached_property
    def class_names(self) -> list[str]:
        """The class labels as texts."""
        return [str(label) for label in self.classes]

    @cached_property
    def known_levels(self) -> dict[str, tuple[Literal, ...]]:
        """The levels of each column that can be named."""
        return {
            name: tuple(dict.fromkeys((*levels, *self.elsewhere.get(name, ()))))
            for name, levels in self.levels.items()
        }

    @cached_property
    def is_known(self) -> dict[str, frozenset[Literal]]:
        """The same, to look one up."""
        return {name: frozenset(levels) for name, levels in self.known_levels.items()}

    @property
    def n_classes(self) -> int:
        """How many labels rows can have: one in regression."""
        return max(1, len(self.classes))

    @property
    def averages(self) -> dict[str, RowMeasure]:
        """The measures that are averages over rows, by name."""
        own = {measure.name: measure for measure in self.measures}
        return {**(CLASSIFICATION_VALUES if self.classes else REGRESSION_VALUES), **own}

    @property
    def known_measures(self) -> list[str]:
        return sorted([*([*RATES, *COMPOSITES] if self.classes else []), *self.averages])


def columns_of(constraint: Constraint) -> tuple[str, ...]:
    """The columns that `constraint` names, each once."""
    return tuple(
        dict.fromkeys(n.column for n in walk(constraint) if isinstance(n, Condition | Grouping))
    )


def quantifiers_of(constraints: Iterable[Constraint]) -> tuple[tuple[Grouping, ...], ...]:
    """What the quantifiers of `constraints` range over, each once."""
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    return tuple(dict.fromkeys(node.by for node in nodes if isinstance(node, Quantified)))


def named_levels(constraints: Iterable[Constraint]) -> dict[str, tuple[Literal, ...]]:
    """The levels that quantifiers of `constraints` are told to range over, by column."""
    named: dict[str, tuple[Literal, ...]] = {}
    for grouping in itertools.chain.from_iterable(quantifiers_of(constraints)):
        levels = (*named.get(grouping.column, ()), *grouping.levels)
        named[grouping.column] = tuple(dict.fromkeys(levels))
    return named


def literals_of(constraints: Iterable[Constraint]) -> dict[str, tuple[Literal, ...]]:
    """All values that `constraints` compare a column with, by column."""
    found: dict[str, tuple[Literal, ...]] = {}
    for node in itertools.chain.from_iterable(map(walk, constraints)):
        match node:
            case Comparison(column=column, literal=literal):
                literals: tuple[Literal, ...] = (literal,)
            case Membership(column=column, literals=literals):
                pass
            case Grouping(column=column, levels=literals):
                pass
            case _:
                continue
        found[column] = tuple(dict.fromkeys((*found.get(column, ()), *literals)))
    return found

"""The schema in which names in constraints are looked up, and the names that occur."""

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

# The largest number of levels of one column that is stored over several sets of rows.
MAX_LEVELS = 100_000
BUILT_IN = (*DEFINITIONS, *COMPOSITES, *ALIASES)


@dataclass(frozen=True)
class SeenLevels:
    """The levels that occur in the columns that constraints name.

    Parameters
    ----------
    levels : mapping of str to tuple
        The distinct values of each column; () for columns that are not named in a constraint.
    combinations : mapping of tuple of str to frozenset of tuple
        For several columns of one quantifier, the combinations that occur.
    orders : mapping of str to tuple
        The categories of each Categorical column, in ascending order; () if they have no order.
    """

    levels: Mapping[str, tuple[Literal, ...]]
    combinations: Mapping[tuple[str, ...], frozenset[tuple[Literal, ...]]]
    orders: Mapping[str, tuple[Literal, ...]]

    @classmethod
    def of(cls, columns: Mapping[str, Column], constraints: Sequence[Constraint]) -> SeenLevels:
        """The levels in some `columns`."""
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
        """The levels in the rows of both; columns of quantifiers keep all their levels.

        Other columns keep at most `MAX_LEVELS` levels, including those that the `constraints` name.
        These are enough to give conditions their meaning.

        Raises
        ------
        ValueError
            If only one of them has a column, if the orders of a column differ, or if a column has
            too many levels.
        """
        if self == other:
            return self
        differing = sorted(self.levels.keys() ^ other.levels.keys())
        if differing:
            raise ValueError(
                f"Column {differing[0]!r} is in some parts only, so their statistics cannot be "
                "added. Collect all parts with the same columns."
            )
        for name in sorted(self.orders.keys() | other.orders.keys()):
            if self.orders.get(name) != other.orders.get(name):
                raise ValueError(
                    f"The categories of column {name!r} differ between the parts. Give all parts "
                    "the same ordered categories, or plain numbers or texts."
                )
        ranged = {g.column for by in quantifiers_of(constraints) for g in by if not g.levels}
        named = literals_of(constraints)
        levels = {}
        for name, own in self.levels.items():
            both = in_order({*own, *other.levels[name]}, self.orders.get(name))
            if len(both) > MAX_LEVELS and name in ranged:
                raise ValueError(
                    f"A quantifier ranges over column {name!r}, which has more than {MAX_LEVELS:,} "
                    f"levels, each a group. Name the levels that count: by={name} in (...)."
                )
            levels[name] = both if name in ranged else _shortened(both, named.get(name, ()))
        combinations = {
            names: own | other.combinations[names] for names, own in self.combinations.items()
        }
        return SeenLevels(levels, combinations, self.orders)


def _shortened(levels: tuple[Literal, ...], named: Collection[Literal]) -> tuple[Literal, ...]:
    """At most `MAX_LEVELS` of the levels: those `named`, one per type, and the first ones."""
    if len(levels) <= MAX_LEVELS:
        return levels
    examples = {isinstance(level, str): level for level in levels}.values()
    kept = {*(level for level in levels if level in set(named)), *examples}
    kept.update(level for level in levels[: MAX_LEVELS - len(kept)])
    return tuple(level for level in levels if level in kept)


@dataclass(frozen=True)
class Schema:
    """The names that constraints can use, with their meaning.

    Parameters
    ----------
    classes : tuple
        The class labels, in the order of the model's outputs; empty for regression.
    positive : int or None
        Position of the positive class; None unless there are two classes.
    levels : mapping of str to tuple
        Each column that conditions may name, with its distinct values.
    combinations : mapping of tuple of str to frozenset of tuple
        For several columns of one quantifier, the combinations of levels that occur. For columns
        that are left out, all combinations count.
    elsewhere : mapping of str to tuple
        Further levels that constraints may name. A quantifier ranges over them only if it names
        them.
    orders : mapping of str to tuple
        The categories of each Categorical column, in ascending order; () if they have no order. In
        columns that are left out, numbers are ordered by size and texts alphabetically.
    measures : sequence of RowMeasure
        The user-defined measures.
    target_range, prediction_range : tuple of float
        The smallest and the largest possible target and prediction of a regression, in the unit of
        the target.

    Raises
    ------
    ValueError
        If a measure has the name of another one, or counts rows of a class that does not exist.
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
                raise ValueError(f"measures must be RowMeasure objects, got {measure!r}.")
            if measure.name in taken:
                raise ValueError(
                    f"The name {measure.name!r} is already taken. Give the measure another name."
                )
            taken.append(measure.name)
            unknown = [label for label in measure.rows or () if label not in self.classes]
            if unknown:
                raise ValueError(
                    f"Measure {measure.name!r} counts rows of class {unknown[0]!r}, which does not "
                    f"exist. The classes are {listed(self.classes)}."
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
        """The schema of some rows, from the columns that the `constraints` name."""
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
        """The levels of each column that constraints may name."""
        return {
            name: tuple(dict.fromkeys((*levels, *self.elsewhere.get(name, ()))))
            for name, levels in self.levels.items()
        }

    @cached_property
    def is_known(self) -> dict[str, frozenset[Literal]]:
        """The same as sets, for fast look-ups."""
        return {name: frozenset(levels) for name, levels in self.known_levels.items()}

    @property
    def n_classes(self) -> int:
        """The number of labels that rows can have; 1 in regression."""
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
    """The groupings of the quantifiers of `constraints`, each once."""
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    return tuple(dict.fromkeys(node.by for node in nodes if isinstance(node, Quantified)))


def named_levels(constraints: Iterable[Constraint]) -> dict[str, tuple[Literal, ...]]:
    """The levels that quantifiers of `constraints` name, by column."""
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

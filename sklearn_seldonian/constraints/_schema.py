"""What the names in constraints are looked up in, and which names those are."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn_seldonian._text import listed
from sklearn_seldonian.constraints._conditions import (
    Column,
    combinations_in,
    levels_of,
    order_of,
)
from sklearn_seldonian.constraints._nodes import (
    Condition,
    Constraint,
    Grouping,
    Literal,
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

BUILT_IN = (*DEFINITIONS, *COMPOSITES, *ALIASES)


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
        constraints = tuple(constraints)
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
        return cls(classes, positive, levels, combinations, orders=orders, **others)

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

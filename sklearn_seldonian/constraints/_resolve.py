"""From names to meaning: measures become means, quantifiers become lists of means.

A resolved expression has only `Number`, `Constant`, `Negative`, `Binary`, `Call` (one more
function: ``sum``) and `Mean` nodes. Equal means are one variable, and so are complements:
``NR`` resolves to ``1 - PR``.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    ColumnIs,
    Comparison,
    Condition,
    Constraint,
    Grouping,
    Literal,
    Measure,
    Membership,
    Negative,
    Node,
    Number,
    Quantified,
)
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RATES, Rate

__all__ = ["Mean", "Schema", "columns_of", "means_of", "resolve"]


@dataclass(frozen=True)
class Mean(Node):
    """One unknown of the safety test: a rate among the rows that meet all conditions."""

    rate: Rate
    conditions: frozenset[Condition] = frozenset()

    def __str__(self) -> str:
        conditions = ", ".join(sorted(map(str, self.conditions)))
        return f"{self.rate.name} | [{conditions}]" if conditions else self.rate.name


@dataclass(frozen=True)
class Schema:
    """What a constraint's names are looked up in.

    Parameters
    ----------
    classes : tuple
        The class labels, in the order of the model's outputs.
    positive : int or None
        Position of the positive class; None unless there are two classes.
    levels : mapping of str to tuple
        Each column that conditions may name, with the distinct values it takes.
    """

    classes: tuple[object, ...]
    positive: int | None
    levels: Mapping[str, tuple[Literal, ...]] = field(default_factory=dict)


def columns_of(constraint: Constraint) -> tuple[str, ...]:
    """The columns that `constraint` names, each once."""
    return tuple(
        dict.fromkeys(n.column for n in walk(constraint) if isinstance(n, Condition | Grouping))
    )


def means_of(node: Node) -> tuple[Mean, ...]:
    """The distinct means of a resolved expression, in order of appearance."""
    return tuple(dict.fromkeys(n for n in walk(node) if isinstance(n, Mean)))


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    yield node
    for value in vars(node).values():
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield from walk(child)


def resolve(constraint: Constraint, schema: Schema) -> Node:
    """The expression g of `constraint` over means; it must not be above zero.

    Raises
    ------
    ConstraintNameError
        If a measure, column, level or class does not exist.
    """
    return _Resolver(constraint.text or str(constraint), schema).expression(constraint.g)


@dataclass(frozen=True)
class _Resolver:
    text: str
    schema: Schema

    def expression(self, node: Node) -> Node:
        match node:
            case Measure():
                return self.measure(node)
            case Quantified(function="mean"):
                instances = tuple(self.instances(node))
                total = Call("sum", instances, span=node.span)
                return Binary("/", total, Number(float(len(instances))), span=node.span)
            case Quantified(function=function):
                return Call(function, tuple(self.instances(node)), span=node.span)
            case Negative(operand=operand):
                return Negative(self.expression(operand), span=node.span)
            case Binary(operator=symbol, left=left, right=right):
                return Binary(symbol, self.expression(left), self.expression(right), span=node.span)
            case Call(function=function, arguments=arguments):
                return Call(function, tuple(map(self.expression, arguments)), span=node.span)
        return node

    def measure(self, node: Measure) -> Node:
        definition = RATES.get(node.name)
        if definition is None:
            self.fail(node, f"Unknown measure '{node.name}'", node.name, sorted(RATES))
        indices = self.indices(node, definition.n_indices)
        conditions = frozenset(map(self.condition, node.conditions))
        subscript = str(Measure("", node.indices)) if node.indices else ""
        rate = definition.rate(node.name + subscript, len(self.schema.classes), indices)
        canonical = rate.canonical(definition.complement + subscript)
        mean = Mean(canonical, conditions, span=node.span)
        return mean if canonical is rate else Binary("-", Number(1.0), mean, span=node.span)

    def indices(self, node: Measure, n_expected: int) -> tuple[int, ...]:
        if len(node.indices) == n_expected:
            return tuple(self.class_position(node, index) for index in node.indices)
        if n_expected == 1 and not node.indices:
            if self.schema.positive is not None:
                return (self.schema.positive,)
            self.fail(
                node,
                f"'{node.name}' needs a class where there are {len(self.schema.classes)} of them: "
                f"write {node.name}_[0] (a position in classes_) or "
                f'{node.name}_["{self.schema.classes[0]}"] (a label)',
            )
        self.fail(node, f"'{node.name}' takes {n_expected} class indices, not {len(node.indices)}")

    def class_position(self, node: Measure, index: int | str) -> int:
        labels = [str(label) for label in self.schema.classes]
        if isinstance(index, str):
            if index not in labels:
                self.fail(node, f"Unknown class '{index}'", index, labels)
            return labels.index(index)
        if _are_other_integers(self.schema.classes):
            self.fail(
                node,
                f"Class index {index} could be a position or a label: the labels are "
                f"{', '.join(labels)}; write the label in quotes",
            )
        if index >= len(labels):
            self.fail(node, f"Class index {index} is out of range: there are {len(labels)} classes")
        return index

    def condition(self, node: Condition) -> Condition:
        levels = self.levels(node)
        match node:
            case ColumnIs(column=column) if not set(levels) <= {0, 1}:
                self.fail(
                    node,
                    f"Column '{column}' must be bool or 0/1 to stand alone in a condition; "
                    f"its values are {_listing(levels)}; write {column} == ...",
                )
            case Comparison(operator="==" | "!=", column=column, literal=literal):
                self.known_levels(node, column, (literal,))
            case Membership(column=column, literals=literals):
                self.known_levels(node, column, literals)
        return node

    def levels(self, node: Condition | Grouping) -> tuple[Literal, ...]:
        if node.column not in self.schema.levels:
            self.fail(
                node, f"Unknown column '{node.column}'", node.column, sorted(self.schema.levels)
            )
        return self.schema.levels[node.column]

    def known_levels(self, node: Node, column: str, wanted: tuple[object, ...]) -> None:
        levels = self.schema.levels[column]
        for level in wanted:
            if level not in levels:
                self.fail(
                    node,
                    f"Column '{column}' never equals {level!r}; it is one of {_listing(levels)}",
                )

    def instances(self, node: Quantified) -> Iterator[Node]:
        """The quantifier's measure for every combination of levels."""
        for grouping in node.by:
            levels = self.levels(grouping)
            self.known_levels(grouping, grouping.column, grouping.levels or levels)
        choices = [
            [Comparison(g.column, "==", level) for level in g.levels or self.levels(g)]
            for g in node.by
        ]
        for group in itertools.product(*choices):
            measure = node.measure
            yield self.measure(
                Measure(measure.name, measure.indices, measure.conditions + group, span=node.span)
            )

    def fail(
        self, node: Node, message: str, name: str | None = None, known: list[str] | None = None
    ) -> NoReturn:
        if known is not None and name is not None:
            nearest = difflib.get_close_matches(name, known, n=1)
            message += f"; did you mean '{nearest[0]}'?" if nearest else "."
            message += f" There are {_listing(known)}." if known else " There are none."
        raise ConstraintNameError(message, self.text, node.span.start, node.span.end)


def _are_other_integers(classes: tuple[object, ...]) -> bool:
    integers = all(isinstance(c, int | np.integer) and not isinstance(c, bool) for c in classes)
    return integers and tuple(classes) != tuple(range(len(classes)))


def _listing(values: object, most: int = 10) -> str:
    shown = [repr(v) if isinstance(v, str) else str(v) for v in values]  # type: ignore[attr-defined]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")

"""The names in a result's `rows` and `rates`, compared with its constraint."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from sklearn_seldonian.constraints import (
    Binary,
    Comparison,
    Constraint,
    Grouping,
    Measure,
    Node,
    Number,
    Quantified,
)
from sklearn_seldonian.constraints._nodes import Call, operands, quoted_name, with_operands
from sklearn_seldonian.measures import ALIASES, COMPOSITES, RATES

_TEXT = r'"(?:[^"\\]|\\.)*"'
_NAME = re.compile(rf"(\w+?)(_\[(?:{_TEXT}|[^\"\]])*\])?(?: \| \[(.*)\])?", re.DOTALL)
_CONDITION = re.compile(rf"(?:{_TEXT}|`(?:[^`\\]|\\.)*`|\((?:{_TEXT}|[^\")])*\)|[^,\"`(])+")
# For each column of a group, the column and its condition.
Group = tuple[tuple[str, str], ...]


class MeanName(NamedTuple):
    """The parts of a name in `rows`, such as ``TPR_[1] | [M, race == "A"]``."""

    text: str
    measure: str
    subscript: str
    conditions: frozenset[str]


def names_in(texts: Iterable[str]) -> tuple[MeanName, ...]:
    """The parts of each name; a name that is not of a measure is one part."""
    return tuple(map(_name, texts))


def _name(text: str) -> MeanName:
    found = _NAME.fullmatch(text)
    if found is None:
        return MeanName(text, text, "", frozenset())
    measure, subscript, conditions = found.groups(default="")
    each = frozenset(condition.strip() for condition in _CONDITION.findall(conditions))
    return MeanName(text, ALIASES.get(measure, measure), subscript, each)


class Measured(NamedTuple):
    """A measure of a constraint, and the columns by which a quantifier groups it."""

    measure: Measure
    by: tuple[Grouping, ...]

    @property
    def rows(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """What determines its rows: its conditions, and the columns that define groups."""
        return _own(self.measure), tuple(grouping.column for grouping in self.by)

    def named(self, names: Iterable[MeanName]) -> dict[str, Group]:
        """The names that are of this measure or of one minus it, with their groups."""
        own = ALIASES.get(self.measure.name, self.measure.name)
        parts = COMPOSITES.get(own, (own,))
        called = {*parts, *(RATES[part].complement for part in parts if part in RATES)}
        subscript = str(Measure("", self.measure.indices))
        levels = [(grouping.column, *_spellings(grouping)) for grouping in self.by]
        found = {}
        for name in names:
            if name.measure in called and (len(parts) > 1 or name.subscript == subscript):
                group = self._group(name, levels)
                found.update({} if group is None else {name.text: group})
        return found

    def _group(self, name: MeanName, levels: Sequence[tuple[str, str, Set[str]]]) -> Group | None:
        """The group of a name; None unless its other conditions are those of this measure."""
        own = _own(self.measure)
        others = name.conditions - own
        group = tuple(
            (column, condition)
            for column, start, named in levels
            for condition in others
            if condition.startswith(start) and (not named or condition in named)
        )
        is_whole = own <= name.conditions and len(group) == len(levels) == len(others)
        return group if is_whole else None


def _own(measure: Measure) -> frozenset[str]:
    return frozenset(map(str, measure.conditions))


def _spellings(by: Grouping) -> tuple[str, Set[str]]:
    """The start of a group's condition, and all conditions if the levels are named."""
    named = {str(Comparison(by.column, "==", level)) for level in by.levels}
    return f"{quoted_name(by.column)} == ", named


def measured_in(node: Node, by: tuple[Grouping, ...] = ()) -> tuple[Measured, ...]:
    """The measures in a constraint, or in an expression that is grouped `by` columns."""
    match node:
        case Measure(conditions=conditions):
            own = {condition.column for condition in conditions}
            return (Measured(node, tuple(each for each in by if each.column not in own)),)
        case Quantified(expression=expression):
            return measured_in(expression, node.by)
        case Constraint(left=left, right=right):
            return measured_in(left) + measured_in(right)
    return tuple(itertools.chain.from_iterable(measured_in(part, by) for part in operands(node)))


def with_rates(constraint: Constraint, rates: Mapping[str, float]) -> Node | None:
    """g with the observed `rates` in place of measures; None if a rate is missing."""
    names = names_in(rates)
    seen = {name[1:]: rates[name.text] for name in names}
    try:
        return _Rates(names, seen).expression(constraint.g)
    except KeyError:
        return None


class _Rates(NamedTuple):
    """The observed rates, by measure, subscript and conditions."""

    names: tuple[MeanName, ...]
    seen: Mapping[tuple[str, str, frozenset[str]], float]

    def expression(self, node: Node, group: Group = ()) -> Node:
        match node:
            case Measure():
                return Number(self.value(node, group))
            case Quantified(function, expression):
                values = tuple(self.expression(expression, each) for each in self.groups(node))
                if function == "mean":
                    return Binary("/", Call("sum", values), Number(float(len(values))))
                return Call(function, values)
        return with_operands(node, [self.expression(part, group) for part in operands(node)])

    def groups(self, node: Quantified) -> tuple[Group, ...]:
        """The groups of a quantifier, found by a measure without conditions on its columns."""
        for measured in measured_in(node):
            groups = measured.named(self.names).values() if measured.by == node.by else ()
            if groups:
                return tuple(dict.fromkeys(groups))
        raise KeyError(str(node))

    def value(self, node: Measure, group: Group) -> float:
        """The observed value of a measure in a group."""
        name, subscript = ALIASES.get(node.name, node.name), str(Measure("", node.indices))
        columns = {condition.column for condition in node.conditions}
        conditions = _own(node).union(text for column, text in group if column not in columns)
        if name == "F1":
            return 2.0 - 2.0 / (1.0 + self.rate("Jaccard", subscript, conditions))
        if name == "BACC":
            recalls = self.recalls(conditions)
            return sum(recalls) / len(recalls)
        return self.rate(name, subscript, conditions)

    def recalls(self, conditions: frozenset[str]) -> list[float]:
        """The recalls of all classes."""
        if all(name.measure == "TPR" and name.subscript for name in self.names):
            return [v for (_, _, where), v in self.seen.items() if where == conditions]
        return [self.rate(name, "", conditions) for name in COMPOSITES["BACC"]]

    def rate(self, name: str, subscript: str, conditions: frozenset[str]) -> float:
        if (name, subscript, conditions) in self.seen:
            return self.seen[name, subscript, conditions]
        return 1.0 - self.seen[RATES[name].complement, subscript, conditions]

"""Names become meanings: measures become estimands, quantifiers become lists of them.

A resolved expression has only `Number`, `Constant`, `Negative`, `Binary`, `Call` (with one more
function, ``sum``), `Least` and `Estimand` nodes. Equal estimands are one variable, and so are
complements: ``NR`` resolves to ``1 - PR``.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import NoReturn

from sklearn_seldonian._text import listed
from sklearn_seldonian.constraints._conditions import (
    is_ordered,
)
from sklearn_seldonian.constraints._names import advice_on_measure
from sklearn_seldonian.constraints._nodes import (
    CVAR,
    HAS_LABEL,
    LABEL,
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
    Span,
    operands,
    with_operands,
)
from sklearn_seldonian.constraints._schema import BUILT_IN, Schema
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import (
    ALIASES,
    COMPOSITES,
    RATES,
    REGRESSION_VALUES,
    BuiltInMeasure,
    Expectation,
    Rate,
    RowMeasure,
    excess,
    thresholds,
)


@dataclass(frozen=True)
class Estimand(Node):
    """One unknown of the safety test: a rate or an average over rows that meet all conditions."""

    quantity: Rate | Expectation
    conditions: frozenset[Condition] = frozenset()
    # The measure as the constraint writes it, and whether that is one minus this estimand.
    written: str = field(default="", compare=False, repr=False, kw_only=True)
    is_complement: bool = field(default=False, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return self._with_conditions(self.quantity.name)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.quantity, self.conditions))

    def __getstate__(self) -> dict[str, object]:
        """The state without the hash, which differs between processes."""
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    @property
    def columns(self) -> frozenset[str]:
        """The columns in its conditions."""
        return frozenset(condition.column for condition in self.conditions)

    @property
    def label(self) -> str:
        """The name for the user: the measure as the constraint writes it."""
        return self._with_conditions(self.written or self.quantity.name)

    @property
    def written_conditions(self) -> frozenset[Condition]:
        """The conditions that the constraint writes."""
        return self.conditions - {HAS_LABEL}

    def _with_conditions(self, name: str) -> str:
        conditions = ", ".join(sorted(map(str, self.written_conditions)))
        return f"{name} | [{conditions}]" if conditions else name


@dataclass(frozen=True)
class Least(Call):
    r"""The conditional value at risk of a measure: the smallest of upper limits on it.

    The arguments are ``t + excess / (1 - level)`` for several thresholds t, where the excess is the
    mean of :math:`\max(L - t, 0)` of the measure's values L. Over all numbers t, the smallest
    value of this expression is the conditional value at risk (Rockafellar and Uryasev [1]_). So no
    argument is below it.

    References
    ----------
    .. [1] Rockafellar, R. T. and Uryasev, S. (2000). Optimization of conditional value-at-risk.
       Journal of Risk 2(3), 21-41.
    """

    level: Number

    def __str__(self) -> str:
        measured, _, conditions = means_of(self)[0].label.partition(" | ")
        return f"{CVAR}({measured}, {self.level})" + (f" | {conditions}" if conditions else "")


def combinations_meant(
    by: Sequence[Grouping],
    choices: Sequence[Sequence[Literal]],
    seen: Collection[tuple[Literal, ...]] | None,
) -> tuple[tuple[Literal, ...], ...]:
    """The combinations of levels that a quantifier ranges over.

    Parameters
    ----------
    by : sequence of Grouping
    choices : sequence of sequence
        The levels of each column to be combined.
    seen : collection of tuple or None
        The combinations that occur in rows. None: all combinations.

    Returns
    -------
    tuple of tuple
        The combinations that occur. If `by` names levels and a combination of named levels never
        occurs, all combinations with it are included, so that the missing group is noticed.
    """
    every = itertools.product(*choices)
    if seen is None:
        return tuple(every)
    named = [position for position, grouping in enumerate(by) if grouping.levels]
    present = {tuple(levels[i] for i in named) for levels in seen}
    return tuple(
        levels
        for levels in every
        if levels in seen or (named and tuple(levels[i] for i in named) not in present)
    )


def means_of(node: Node) -> tuple[Estimand, ...]:
    """The distinct estimands of a resolved expression, in order of appearance."""
    found: dict[Estimand, None] = {}
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Estimand):
            found[node] = None
        waiting.extend(reversed(operands(node)))
    return tuple(found)


def resolve(constraint: Constraint, schema: Schema) -> Node:
    """The expression g of `constraint` over estimands; the constraint is ``g <= 0``.

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
            case Quantified("mean"):
                return _mean(tuple(self.instances(node)), node.span)
            case Quantified(function):
                return Call(function, tuple(self.instances(node)), span=node.span)
        return with_operands(node, [self.expression(operand) for operand in operands(node)])

    # -- measures ------------------------------------------------------------------------

    def measure(self, node: Measure) -> Node:
        name = ALIASES.get(node.name, node.name)
        averages = self.schema.averages
        if name in averages:
            mean = self.average(node, averages[name])
            return mean if node.level is None else self.tail(node, mean)
        if node.level is not None:
            return self.no_tail(node)
        if self.schema.classes and name == "F1":
            # F1 = 2 - 2 / (1 + s), in which the Jaccard rate s occurs once.
            one_and_share = Binary("+", Number(1.0), self.rate(node, "Jaccard"))
            share = Binary("/", Number(2.0), one_and_share)
            return Binary("-", Number(2.0), share, span=node.span)
        if self.schema.classes and name == "BACC":
            self.indices(node, 0)
            return self.expression(self.mean_recall(node))
        if self.schema.classes and name in RATES:
            return self.rate(node, name)
        if name in BUILT_IN:
            kinds = "classification", "regression"
            own, other = kinds if self.schema.classes else kinds[::-1]
            self.fail(node, f"'{node.name}' is a measure of {other}, but this is a {own}")
        problem, known = f"Unknown measure '{node.name}'", self.schema.known_measures
        advice = advice_on_measure(node.name, known)
        if advice:
            self.fail(node, f"{problem}; {advice}")
        self.fail_unknown(node, problem, node.name, known)

    def rate(self, node: Measure, name: str) -> Node:
        """One rate, or one minus its complement."""
        definition = RATES[name]
        indices = self.indices(node, definition.n_indices)
        subscript = str(Measure("", node.indices))
        rate = definition.rate(name + subscript, self.schema.n_classes, indices)
        canonical = rate.canonical(definition.complement + subscript)
        estimand = Estimand(
            canonical,
            self.conditions(node, canonical),
            span=node.span,
            written=(name if node.name == "F1" else node.name) + subscript,
            is_complement=canonical is not rate,
        )
        return estimand if canonical is rate else Binary("-", Number(1.0), estimand, span=node.span)

    def mean_recall(self, node: Measure) -> Node:
        """The balanced accuracy, written out."""
        if self.schema.positive is not None:
            return _mean(tuple(replace(node, name=name) for name in COMPOSITES["BACC"]), node.span)
        labels = map(str, self.schema.classes)
        return _mean(tuple(replace(node, name="TPR", indices=(k,)) for k in labels), node.span)

    def average(self, node: Measure, measure: RowMeasure) -> Estimand:
        if isinstance(measure, BuiltInMeasure):
            measure = replace(measure, indices=self.indices(node, measure.n_indices))
        else:
            self.indices(node, 0)
        classes = self.schema.classes or (None,)
        labels = tuple(measure.rows is None or label in measure.rows for label in classes)
        subscript = str(Measure("", node.indices))
        name = measure.name + subscript
        quantity = Expectation(measure, labels, measure.range_for(self.schema), name)
        conditions = self.conditions(node, quantity)
        return Estimand(quantity, conditions, span=node.span, written=node.name + subscript)

    def tail(self, node: Measure, mean: Estimand) -> Node:
        """The conditional value at risk of the values whose mean is given."""
        quantity, level = mean.quantity, node.level
        assert isinstance(quantity, Expectation)
        assert level is not None
        if not all(map(math.isfinite, quantity.range)):
            self.fail(
                node,
                f"'{node.name}' has no finite range, so that no bound on its {CVAR} exists. "
                + _RANGE_ADVICE.get(quantity.measure.name, "Give the measure a finite range="),
            )
        share = Number.of(1 - level.fraction)
        limits = []
        for threshold in thresholds(quantity.range):
            above = replace(
                quantity,
                measure=excess(quantity.measure, threshold),
                range=(0.0, quantity.range[1] - threshold),
                name=f"{quantity.name} above {threshold:g}",
            )
            shared_out = Binary("/", replace(mean, quantity=above), share)
            limits.append(Binary("+", _signed(threshold), shared_out))
        return Least("least", tuple(limits), level, span=node.span)

    def no_tail(self, node: Measure) -> NoReturn:
        """Refuse the conditional value at risk of anything but a mean of row values."""
        self.measure(replace(node, level=None))
        self.fail(
            node,
            f"'{node.name}' is a rate, and {CVAR} needs a measure with one number per row, such as "
            f"{listed(sorted(self.schema.averages))}",
        )

    def indices(self, node: Measure, n_expected: int) -> tuple[int, ...]:
        if len(node.indices) == n_expected:
            return tuple(self.class_position(node, index) for index in node.indices)
        if n_expected == 1 and not node.indices:
            if self.schema.positive is not None:
                return (self.schema.positive,)
            spelling = f'{node.name}_["{self.schema.classes[0]}"]'
            if not _are_other_integers(self.schema.classes):
                spelling = f"{node.name}_[0] (a position in classes_) or {spelling} (a label)"
            there_are = f"because there are {len(self.schema.classes)} classes"
            self.fail(node, f"'{node.name}' needs a class, {there_are}. Write {spelling}")
        count = ("no class index", "one class index", "two class indices")[n_expected]
        self.fail(node, f"'{node.name}' takes {count}, not {len(node.indices)}")

    def class_position(self, node: Measure, index: int | str) -> int:
        labels = self.schema.class_names
        if isinstance(index, str):
            if index not in labels:
                self.fail_unknown(node, f"Unknown class '{index}'", index, labels)
            return labels.index(index)
        if _are_other_integers(self.schema.classes):
            self.fail(
                node,
                f"Class index {index} could be a position or a label, because the labels are "
                f"{', '.join(labels)}. Write the label in quotes",
            )
        if index >= len(labels):
            self.fail(node, f"Class index {index} is out of range: there are {len(labels)} classes")
        return index

    # -- conditions ----------------------------------------------------------------------

    def conditions(self, node: Measure, quantity: Rate | Expectation) -> frozenset[Condition]:
        """The conditions on the rows of a measure."""
        written = frozenset(map(self.condition, node.conditions))
        may_lack_labels = LABEL in self.schema.levels and quantity.uses_labels
        return written | {HAS_LABEL} if may_lack_labels else written

    def condition(self, node: Condition) -> Condition:
        levels = self.known_levels(node)
        match node:
            case ColumnIs(column=column) if not set(levels) <= {0, 1}:
                self.fail(
                    node,
                    f"Column '{column}' cannot stand alone in a condition, because it is not bool "
                    f"or 0/1: its values are {listed(levels)}. Write, for example, "
                    f"{Comparison(column, '==', levels[0])}",
                )
            case Comparison(operator="==" | "!=", literal=literal):
                self.check_levels(node, (literal,))
            case Comparison():
                return self.comparison(node, levels)
            case Membership(literals=literals):
                self.check_levels(node, literals)
        return node

    def comparison(self, node: Comparison, levels: tuple[Literal, ...]) -> Comparison:
        """A comparison by ``<`` or the like, with the order of its column."""
        order = self.schema.orders.get(node.column)
        if order == ():
            self.fail(
                node,
                f"Column '{node.column}' is a Categorical without an order, and '{node.operator}' "
                "needs one. Use pandas.Categorical(values, categories, ordered=True), plain "
                "numbers or texts, or list values with 'in'",
            )
        if order is not None:
            self.check_levels(node, (node.literal,))
            return replace(node, order=order)
        if not is_ordered((*levels, node.literal)):
            self.fail(
                node,
                f"Column '{node.column}' cannot be compared with {node.literal!r} by "
                f"'{node.operator}', because its values are {listed(levels)}",
            )
        return node

    def levels(self, node: Condition | Grouping) -> tuple[Literal, ...]:
        """The levels that a quantifier ranges over."""
        if node.column not in self.schema.levels:
            known = sorted(map(str, self.schema.levels.keys() - {LABEL}))
            self.fail_unknown(node, f"Unknown column '{node.column}'", node.column, known)
        return self.schema.levels[node.column]

    def known_levels(self, node: Condition | Grouping) -> tuple[Literal, ...]:
        """The levels that a constraint may name."""
        self.levels(node)
        return self.schema.known_levels[node.column]

    def check_levels(self, node: Condition | Grouping, wanted: tuple[Literal, ...]) -> None:
        known, is_known = self.known_levels(node), self.schema.is_known[node.column]
        order = self.schema.orders.get(node.column) or ()
        by_order = isinstance(node, Comparison) and node.operator not in ("==", "!=")
        for level in wanted:
            if order and level not in order:
                problem = f"{level!r} is not a category of column '{node.column}'"
                self.fail_unknown(node, problem, str(level), list(map(str, order)))
            if not by_order and level not in is_known:
                texts = [other for other in known if isinstance(other, str)]
                near = difflib.get_close_matches(str(level), texts, n=1)
                hint = f"did you mean {near[0]!r}? It" if near else "it"
                problem = f"Column '{node.column}' never equals {level!r} in these rows"
                self.fail(node, f"{problem}; {hint} is one of {listed(known)}")

    def instances(self, node: Quantified) -> Iterator[Node]:
        """The quantifier's expression for each combination of levels in its range."""
        expression = self.expression(node.expression)
        self.check_groupings(node, means_of(expression))
        choices = [self.chosen_levels(grouping) for grouping in node.by]
        columns = tuple(grouping.column for grouping in node.by)
        seen = self.schema.combinations.get(columns)
        combinations = combinations_meant(node.by, choices, seen)
        if not combinations:
            problem = "No row has any of these combinations of levels"
            self.fail(node, f"{problem}. List levels that occur")
        for levels in combinations:
            group = tuple(
                Comparison(column, "==", level)
                for column, level in zip(columns, levels, strict=True)
            )
            yield _within(expression, group)

    def check_groupings(self, node: Quantified, means: Sequence[Estimand]) -> None:
        """Refuse to group by a column on which all estimands already have a condition."""
        for grouping in node.by:
            if all(grouping.column in mean.columns for mean in means):
                name = grouping.column
                self.fail(
                    grouping,
                    f"Nothing can be grouped by '{name}', because each measure here already has a "
                    "condition on it. Remove the condition or the grouping",
                )

    def chosen_levels(self, grouping: Grouping) -> tuple[Literal, ...]:
        levels = self.levels(grouping)
        self.check_levels(grouping, grouping.levels)
        return tuple(dict.fromkeys(grouping.levels)) or levels

    def fail_unknown(self, node: Node, problem: str, name: str, known: Sequence[str]) -> NoReturn:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
        there_are = f"There are {listed(known, 30)}" if known else "There are none"
        self.fail(node, f"{problem}{hint} {there_are}")

    def fail(self, node: Node, message: str) -> NoReturn:
        raise ConstraintNameError(f"{message}.", self.text, node.span.start, node.span.end)


_RANGE_ADVICE = {
    "LogLoss": f"Write {CVAR}(Brier, 0.9)",
    **dict.fromkeys(REGRESSION_VALUES, "Give target_range= and prediction_range="),
}


def _signed(value: float) -> Node:
    number = Number.of(abs(Fraction(value)))
    return Negative(number) if value < 0 else number


def _mean(nodes: tuple[Node, ...], span: Span) -> Node:
    """The unweighted mean of some expressions."""
    return Binary("/", Call("sum", nodes, span=span), Number(float(len(nodes))), span=span)


def _within(node: Node, group: Sequence[Condition]) -> Node:
    """A resolved expression within a group; an estimand keeps its own condition on a column."""
    if isinstance(node, Estimand):
        columns = node.columns
        added = (condition for condition in group if condition.column not in columns)
        return replace(node, conditions=node.conditions.union(added))
    return with_operands(node, [_within(operand, group) for operand in operands(node)])


def _are_other_integers(classes: tuple[object, ...]) -> bool:
    texts = [str(label).removesuffix(".0") for label in classes]
    integers = all(text.removeprefix("-").isdecimal() for text in texts)
    return integers and texts != [str(position) for position in range(len(texts))]

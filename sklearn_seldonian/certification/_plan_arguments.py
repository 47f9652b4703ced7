"""The arguments of plans: constraints, and what is expected of the model's measures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sklearn_seldonian.certification import METHODS, _requests
from sklearn_seldonian.certification._planning import Plan
from sklearn_seldonian.certification._simulated_samples import Distribution
from sklearn_seldonian.constraints import (
    Binary,
    ColumnIs,
    Comparison,
    Constraint,
    Estimand,
    ExclusiveColumns,
    Grouping,
    Measure,
    Membership,
    Number,
    Quantified,
    ResolvedConstraint,
    Schema,
    atoms_of,
    bind,
    columns_of,
    distinct_estimands,
    parse,
    parse_all,
    walk,
)
from sklearn_seldonian.data import _arguments
from sklearn_seldonian.data._targets import targets_of
from sklearn_seldonian.exceptions import ConstraintSyntaxError
from sklearn_seldonian.measures import ALIASES, REGRESSION_VALUES, Rate, RowMeasure

ROUNDING = 1e-12
# A standard deviation may be above the largest possible one by this share. With n - 1 in place of n
# rows, it is above it with numbers at both ends of the range.
SLACK = 0.01
# The square of a larger number may be infinite.
LARGEST = 1e100

CERTIFY_INSTEAD = (
    "Certify a model on the rows that you have: if it does not pass, rows_needed of the result "
    "says how many rows like these it needs."
)


# What the parameters of a plan say of a measure, and an example.
EXPECTED = {"rates": ("value", 0.5), "standard_deviations": ("standard deviation", 0.1)}


class ExpectationMissing(ValueError):
    """A plan lacks numbers of measures; the arguments are the parameter and their labels."""

    def __str__(self) -> str:
        return self.advice(self.parameter, lambda text, x: f"{self.parameter}={{{text!r}: {x}}}")

    @property
    def parameter(self) -> str:
        """The parameter that lacks the numbers."""
        return str(self.args[0])

    def advice(self, name: str, example: Callable[[str, float], str]) -> str:
        """The message, with a `name` for the parameter and an `example` for a label and number."""
        parameter, labels = self.args
        words, number = EXPECTED[parameter]
        return (
            f"{name} has no value for {', '.join(labels)}, which the constraints need. Add the "
            f"{words} that you expect, as in {example(labels[0], number)}."
        )


def plan_of(
    constraint: Any,
    expected: tuple[Any, Any, Any],
    delta: Any,
    method: Any,
    measures: Any,
    targets: tuple[Any, Any, Any, Any],
) -> Plan:
    """The plan that the arguments of `required_safety_rows` describe.

    `expected` has its rates, shares of groups and standard deviations; `targets` are the arguments
    of `targets_of`.
    """
    _requests.check_choice("method", method, METHODS)
    constraints = parse_all(constraint)
    if not constraints:
        raise ValueError(
            "No constraints were given, so there is nothing to plan. Give at least one, such as "
            "'ACC >= 0.9'."
        )
    deltas = _requests.check_deltas(delta, len(constraints))
    given, *optional = expected
    given_shares, given_deviations = ({} if each is None else each for each in optional)
    rates = _requests.check_mapping("rates", given)
    shares = _requests.check_mapping("group_shares", given_shares)
    deviations = _requests.check_mapping("standard_deviations", given_deviations)
    keys = {"rates": rates, "group_shares": shares, "standard_deviations": deviations}
    texts = {text: _measure(text, name) for name, named in keys.items() for text in named}
    _check_measures(constraints, classes=targets[0])
    known = _arguments.check_measures(measures)
    schema = _schema(constraints, list(texts.values()), known, targets)
    resolved = [bind(each, schema) for each in constraints]
    estimands = distinct_estimands(resolved)
    named = {text: _mean_named(text, bind(parsed, schema)) for text, parsed in texts.items()}
    rate_of = _by_estimand("rates", rates, named, _rate)
    share_of = dict.fromkeys(estimands, 1.0)
    share_of |= _by_estimand("group_shares", shares, named, _share)
    deviation_of = _by_estimand("standard_deviations", deviations, named, _deviation)
    _check_given("rates", estimands, rate_of)
    _check_drawn(estimands, deviation_of)
    means = {
        mean: _distribution(mean, rate_of[mean], deviation_of[mean])
        for mean in estimands
        if mean in deviation_of
    }
    exclusive = _exclusive(share_of)
    _check_apart(resolved, means, exclusive)
    _requests.warn_of_large_delta(deltas)
    tests = [(each.tree, own) for each, own in zip(resolved, deltas, strict=True)]
    return Plan(tests, rate_of, share_of, method, exclusive, means=means)


def _measure(text: str, name: str) -> Constraint:
    """A key of the argument `name` as the left side of a constraint."""
    try:
        return parse(f"{text} <= 1")
    except ConstraintSyntaxError as error:
        raise ValueError(
            f"{name} has the key {text!r}. A key is a measure, possibly in a group, such as 'ACC' "
            "or 'PR | [F]'."
        ) from error


def _check_measures(constraints: Iterable[Constraint], classes: Any) -> None:
    """Refuse errors of numbers if classes are predicted, and conditional values at risk."""
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    for node in (node for node in nodes if isinstance(node, Measure)):
        if classes is not None and ALIASES.get(node.name, node.name) in REGRESSION_VALUES:
            raise ValueError(
                f"{node.name} is an error of predicted numbers. Give the target_range and "
                "prediction_range of the model, and in Python also classes=None."
            )
        if node.level is not None:
            raise ValueError(
                f"{node} cannot be planned, because it depends on the largest numbers, and not "
                f"only on their average and standard deviation. {CERTIFY_INSTEAD}"
            )


class _Named(NamedTuple):
    """What a text names: an estimand, or one minus an estimand."""

    estimand: Estimand
    is_complement: bool


def _mean_named(text: str, resolved: ResolvedConstraint) -> _Named:
    """What ``text <= 1`` limits."""
    if len(resolved.estimands) != 1:
        raise ValueError(
            f"{text!r} is not one measure. Give each measure its own key, such as 'PR | [M]'."
        )
    assert isinstance(resolved.g, Binary)
    (estimand,), measure = resolved.estimands, resolved.g.left
    is_complement = measure == Binary("-", Number(1.0), estimand)
    if measure != estimand and not is_complement:
        raise ValueError(
            f"{text!r} is not a single measure: it means {measure}. Give the value that you "
            f"expect of {estimand.label!r}."
        )
    return _Named(estimand, is_complement)


def _by_estimand(
    parameter: str,
    given: Mapping[str, Any],
    named: Mapping[str, _Named],
    number: Callable[[str, _Named, Any], float],
) -> dict[Estimand, float]:
    """The numbers of a parameter by estimand, each made by `number` from the given one."""
    found: dict[Estimand, float] = {}
    for text, value in given.items():
        estimand = named[text].estimand
        own = number(f"{parameter}[{text!r}]", named[text], value)
        if abs(found.setdefault(estimand, own) - own) > ROUNDING:
            raise ValueError(
                f"{parameter} contradict each other about {estimand}: they give it the values "
                f"{found[estimand]:g} and {own:g}. Give one of them."
            )
    return found


def _rate(name: str, named: _Named, given: Any) -> float:
    """The expected rate or average of an estimand."""
    low, high = named.estimand.quantity.range
    rate = _requests.check_within(name, given, (max(low, -LARGEST), min(high, LARGEST)))
    return 1.0 - rate if named.is_complement else rate


def _share(name: str, _: _Named, given: Any) -> float:
    return _requests.check_share(name, given)


def _deviation(name: str, _: _Named, given: Any) -> float:
    return _requests.check_within(name, given, (0.0, LARGEST))


def _check_given(parameter: str, estimands: Iterable[Estimand], given: Container[Estimand]) -> None:
    """Refuse a parameter that does not name all of the `estimands`."""
    missing = [estimand.label for estimand in estimands if estimand not in given]
    if missing:
        raise ExpectationMissing(parameter, missing)


def _distribution(estimand: Estimand, mean: float, deviation: float) -> Distribution:
    """The distribution of the numbers behind a mean."""
    found = Distribution(mean, deviation, estimand.quantity.range)
    if deviation > found.largest_deviation * (1.0 + SLACK):
        low, high = found.range
        raise ValueError(
            f"standard_deviations gives {estimand.label} {deviation:g}. The largest standard "
            f"deviation of numbers from {low:g} to {high:g} with the average {mean:g} is "
            f"{found.largest_deviation:.6g}."
        )
    return found._replace(deviation=min(deviation, found.largest_deviation))


def _check_drawn(estimands: Sequence[Estimand], deviation_of: Mapping[Estimand, float]) -> None:
    """Refuse averages without standard deviations, and decisions of which only some are drawn."""
    rates = [estimand for estimand in estimands if isinstance(estimand.quantity, Rate)]
    averages = [estimand for estimand in estimands if estimand not in rates]
    are_drawn = any(isinstance(estimand.quantity, Rate) for estimand in deviation_of)
    varying = [*averages, *(rates if are_drawn else ())]
    _check_given("standard_deviations", varying, deviation_of)
    for rate in rates if are_drawn else ():
        if rate.quantity.conditions_on_prediction:
            raise ValueError(
                f"{rate.label} of drawn decisions cannot be planned, because which rows count is "
                f"drawn as well. {CERTIFY_INSTEAD}"
            )


def _check_apart(
    constraints: Iterable[ResolvedConstraint],
    means: Mapping[Estimand, Distribution],
    exclusive: ExclusiveColumns,
) -> None:
    """Refuse averages that are combined with measures of the same rows."""
    for atom in (atom for each in constraints for atom in atoms_of(each.tree)):
        shared = means.keys() & atom.estimands and not atom.has_independent_estimands(exclusive)
        if shared:
            names = " and ".join(estimand.label for estimand in atom.estimands)
            raise ValueError(
                f"{names} cannot be planned together, because they may share rows, and how their "
                f"numbers vary together is not known. {CERTIFY_INSTEAD}"
            )


def _schema(
    constraints: Sequence[Constraint],
    expected: Sequence[Constraint],
    measures: Sequence[RowMeasure],
    targets: tuple[Any, Any, Any, Any],
) -> Schema:
    """A schema in which every level that `constraints` and the `expected` measures name exists."""
    written = [*constraints, *expected]
    nodes = [node for each in written for node in walk(each)]
    quantifiers = [node for node in nodes if isinstance(node, Quantified)]
    grouped = {grouping.column for node in quantifiers for grouping in node.by}
    levels: dict[str, list[Any]] = {name: [] for each in written for name in columns_of(each)}
    for node in nodes:
        match node:
            case ColumnIs(column=column):
                levels[column] += [0, 1]
            case Comparison(column=column, operator=symbol, literal=literal):
                if symbol == "==" or column not in grouped:
                    levels[column].append(literal)
            case Membership(column=column, literals=named) | Grouping(column=column, levels=named):
                levels[column] += named
    for quantifier in quantifiers:
        _check_groups_named(quantifier, levels)
    return Schema(
        levels={name: tuple(dict.fromkeys(found)) for name, found in levels.items()},
        combinations=_combinations(quantifiers, expected),
        measures=measures,
        **targets_of(*targets).schema,
    )


def _check_groups_named(node: Quantified, levels: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a quantifier whose groups are named neither by itself nor by the measures."""
    measure = next(inner for inner in walk(node) if isinstance(inner, Measure))
    for grouping in node.by:
        if not levels[grouping.column]:
            name = grouping.column
            raise ValueError(
                f"{node} ranges over the groups of {name!r}, but the groups are not known. "
                f"Name each group in rates, such as '{measure.name} | [{name} == \"A\"]', or "
                f'in the constraint: by={name} in ("A", "B").'
            )


def _combinations(
    quantifiers: Iterable[Quantified], expected: Iterable[Constraint]
) -> dict[tuple[str, ...], frozenset[tuple[Any, ...]]]:
    """For each quantifier over several columns, the combinations that `expected` names."""
    named = [
        {
            node.column: node.literal
            for node in walk(measure)
            if isinstance(node, Comparison) and node.operator == "=="
        }
        for measure in expected
    ]
    found = {}
    for quantifier in quantifiers:
        columns = tuple(grouping.column for grouping in quantifier.by)
        complete = [level_of for level_of in named if level_of.keys() >= set(columns)]
        if len(columns) > 1 and complete:
            found[columns] = frozenset(tuple(map(level_of.get, columns)) for level_of in complete)
    return found


def _exclusive(share_of: Mapping[Estimand, float]) -> ExclusiveColumns:
    """Pairs of 0/1 columns whose shares sum to at most 1; they are taken as exclusive."""
    bare = {
        condition.column: share
        for estimand, share in share_of.items()
        for condition in estimand.conditions
        if isinstance(condition, ColumnIs) and condition.value
    }
    return frozenset(
        frozenset(pair)
        for pair in itertools.combinations(bare, 2)
        if bare[pair[0]] + bare[pair[1]] <= 1.0 + ROUNDING
    )

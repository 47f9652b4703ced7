"""The number of rows that a safety test needs, and the probability of passing it."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import METHODS, _requests
from sklearn_seldonian.certification._planning import DRAWS_FOR_ROWS, Plan
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
    bind,
    columns_of,
    distinct_estimands,
    parse,
    parse_all,
    walk,
)
from sklearn_seldonian.data import _targets
from sklearn_seldonian.measures import (
    ALIASES,
    CLASSIFICATION_VALUES,
    COMPOSITES,
    RATES,
    REGRESSION_VALUES,
)

ROUNDING = 1e-12
# Tests of groups and weights need this many times the rows that the design effect says.
UNITS_COST = 1.3


class RatesMissing(ValueError):
    """A plan lacks the rates of measures; the argument is their labels."""

    def __str__(self) -> str:
        return self.advice("rates", "rates={{{!r}: 0.5}}".format)

    def advice(self, name: str, example: Callable[[str], str]) -> str:
        """The message, with the `name` of the argument and an `example` of it for a label."""
        (labels,) = self.args
        return (
            f"{name} has no value for {', '.join(labels)}, which the constraints need. Add the "
            f"rate that you expect, as in {example(labels[0])}."
        )


@refuse_unknown_keywords
def required_safety_rows(
    constraint: Any,
    rates: Any,
    group_shares: Mapping[str, float] | None = None,
    delta: Any = 0.05,
    power: float = 0.9,
    method: str = "auto",
    *,
    classes: Sequence[Any] = (0, 1),
    pos_label: Any = None,
    design_effect: float = 1.0,
) -> int | None:
    """The number of safety rows that a model needs to pass the safety test.

    Parameters
    ----------
    constraint : str, Constraint, or sequence of them
        Constraints over rates, such as ``"abs(PR | [M] - PR | [F]) <= 0.1"``. Several constraints
        must all pass.
    rates : mapping of str to float
        The rates that you expect of the model, in [0, 1], keyed by the text of the measure, as in
        ``{"PR | [M]": 0.4, "PR | [F]": 0.42}``. The groups of a quantifier such as ``max(TPR,
        by=race)`` are those that the keys name, as in ``'TPR | [race == "A"]'``, or those that the
        constraint lists with ``by=race in ("A", "B")``.
    group_shares : mapping of str to float, default=None
        The share of the safety rows that each measure is over, in [0, 1], with the same keys. A
        measure that is left out is over all rows; None: all measures are. Two 0/1 columns whose
        shares sum to at most 1 are assumed never to be both 1.
    delta : float or sequence of float in (0, 1), default=0.05
        Accepted probability of certifying a violated constraint: one number, or one per
        constraint.
    power : float in (0, 1), default=0.9
        The probability of passing that you want.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    classes : sequence, default=(0, 1)
        The class labels.
    pos_label : label, default=None
        The positive class if there are two classes. None: the second one.
    design_effect : float >= 1, default=1.0
        The factor by which `groups` or `sample_weight` raise the variance of a rate [1]_. For
        groups of m rows with correlation r within groups it is ``1 + (m - 1) * r``, so m if all
        rows of a group are alike. For weights it is the mean of their squares divided by the square
        of their mean.

    Returns
    -------
    int or None
        For one limit on one rate: the smallest number of rows whose `probability_of_passing` is at
        least `power`. Counts are whole, so a few rows more can have a slightly smaller probability.
        For all other constraints the number is accurate to about two parts in a hundred, or four if
        it is simulated. None if no number suffices, because the rates themselves violate a
        constraint or meet it exactly, or if the number is above 100 million.

    Raises
    ------
    ValueError
        If a rate is missing, a rate or share is not between 0 and 1, `delta` or `power` is not
        strictly between 0 and 1, or a constraint is over averages of numbers.

    Notes
    -----
    Alternatives, as in ``min(FPR, FNR) <= 0.1``, share delta here, as they do in `certify`. `fit`
    tests only the alternative that is most likely to pass according to the candidate data. To plan
    a `fit`, give only that alternative.

    With a `design_effect` above 1, the result is the number for independent rows, times the effect,
    times 1.3 for the test of groups or weights. This is a rule of thumb. In simulations of one rate
    and of differences, with 100 groups or more, a share of .89 to .96 passed for a power of .9.
    Fewer than 100 groups need more rows than the result.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", Wiley, 1965, sections 5.4 and 11.7.

    Examples
    --------
    >>> from sklearn_seldonian import required_safety_rows
    >>> required_safety_rows("ACC >= 0.9", {"ACC": 0.93})
    748
    >>> shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
    >>> gap = "abs(PR | [M] - PR | [F]) <= 0.1"
    >>> 1500 < required_safety_rows(gap, {"PR | [M]": 0.4, "PR | [F]": 0.43}, shares) < 2000
    True
    """
    power = _requests.check_probability("power", power)
    plan = _plan(constraint, rates, group_shares, delta, method, classes, pos_label)
    n_rows = replace(plan, n_draws=DRAWS_FOR_ROWS).sufficient_rows(power)
    rows_a_row = _rows_for_an_independent_one(design_effect)
    return None if n_rows is None else math.ceil(n_rows * rows_a_row - ROUNDING)


@refuse_unknown_keywords
def probability_of_passing(
    constraint: Any,
    rates: Any,
    n_rows: int,
    group_shares: Mapping[str, float] | None = None,
    delta: Any = 0.05,
    method: str = "auto",
    *,
    classes: Sequence[Any] = (0, 1),
    pos_label: Any = None,
    design_effect: float = 1.0,
) -> float:
    """The probability that a model passes the safety test with a given number of rows.

    Parameters
    ----------
    constraint, rates, group_shares, delta, method, classes, pos_label
        As in `required_safety_rows`.
    n_rows : int
        Number of safety rows.
    design_effect : float >= 1, default=1.0
        As in `required_safety_rows`, with the same limitations.

    Returns
    -------
    float
        The probability that all constraints pass, in [0, 1]. For a limit on one rate it is the
        binomial probability of the counts that the test accepts. For several rates it is the share
        of simulated tables that pass. Its standard error is at most .008, or .016 if each table has
        to be tested on its own.

    Raises
    ------
    ValueError
        As for `required_safety_rows`, or if `n_rows` is not a nonnegative whole number.

    Notes
    -----
    Each rate is taken to be over ``n_rows * share`` rows, rounded down. With several rates, if the
    smallest group has fewer than 100 rows, the result is averaged over its random size. Rates over
    different rows are independent. Rates that share rows vary together as in the most even
    distribution (largest entropy) of conditions, labels and decisions that has these rates and
    shares. If there is no such distribution, the rates are taken as independent. For alternatives
    see `required_safety_rows`.

    Examples
    --------
    >>> from sklearn_seldonian import probability_of_passing
    >>> round(probability_of_passing("ACC >= 0.9", {"ACC": 0.93}, 748), 3)
    0.903
    """
    n_rows = _requests.check_count("n_rows", n_rows)
    plan = _plan(constraint, rates, group_shares, delta, method, classes, pos_label)
    return plan.passing_probability(int(n_rows / _rows_for_an_independent_one(design_effect)))


def _rows_for_an_independent_one(design_effect: float) -> float:
    """How many rows in groups or with weights replace one independent row in a test."""
    effect = _requests.check_factor("design_effect", design_effect)
    return effect * UNITS_COST if effect > 1.0 else 1.0


def _plan(
    constraint: Any,
    rates: Any,
    group_shares: Any,
    delta: Any,
    method: Any,
    classes: Sequence[Any],
    pos_label: Any,
) -> Plan:
    """The plan that the arguments describe."""
    _requests.check_choice("method", method, METHODS)
    constraints = parse_all(constraint)
    if not constraints:
        raise ValueError(
            "No constraints were given, so there is nothing to plan. Give at least one, such as "
            "'ACC >= 0.9'."
        )
    deltas = _requests.check_deltas(delta, len(constraints))
    rates = _requests.check_mapping("rates", rates)
    shares = _requests.check_mapping("group_shares", group_shares or {})
    texts = {text: parse(f"{text} <= 1") for text in (*rates, *shares)}
    _check_rates_only([*constraints, *texts.values()])
    schema = _schema(constraints, list(texts.values()), classes, pos_label)
    resolved = [bind(each, schema) for each in constraints]
    estimands = distinct_estimands(resolved)
    rate_of: dict[Estimand, float] = {}
    share_of = dict.fromkeys(estimands, 1.0)
    for text, parsed in texts.items():
        estimand, is_complement = _rate_named(text, bind(parsed, schema))
        if text in rates:
            rate = _requests.check_share(f"rates[{text!r}]", rates[text])
            rate = 1 - rate if is_complement else rate
            if abs(rate_of.setdefault(estimand, rate) - rate) > ROUNDING:
                raise ValueError(
                    f"rates contradict each other about {estimand}: they give it the values "
                    f"{rate_of[estimand]:g} and {rate:g}. Give one of them."
                )
        if text in shares:
            share_of[estimand] = _requests.check_share(f"group_shares[{text!r}]", shares[text])
    missing = [estimand.label for estimand in estimands if estimand not in rate_of]
    if missing:
        raise RatesMissing(missing)
    _requests.warn_of_large_delta(deltas)
    tests = [(each.tree, own) for each, own in zip(resolved, deltas, strict=True)]
    return Plan(tests, rate_of, share_of, method, _exclusive(share_of))


def _check_rates_only(constraints: Iterable[Constraint]) -> None:
    """Refuse measures that are averages of numbers, because their spread is not known."""
    averages = {*CLASSIFICATION_VALUES, *REGRESSION_VALUES}
    known = [*RATES, *ALIASES, *COMPOSITES]
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    for node in (node for node in nodes if isinstance(node, Measure)):
        is_average = ALIASES.get(node.name, node.name) in averages
        if is_average or not difflib.get_close_matches(node.name, known):
            raise ValueError(
                f"{node.name!r} is not a rate of decisions. The rows that an average of numbers "
                "needs depend on the spread of the numbers, which the average does not say. "
                "Certify a model on the rows you have: if it does not pass, rows_needed of the "
                "result says how many rows like these it needs."
            )


def _rate_named(text: str, resolved: ResolvedConstraint) -> tuple[Estimand, bool]:
    """The estimand that ``text <= 1`` limits, and whether it limits one minus the estimand."""
    if len(resolved.estimands) != 1:
        raise ValueError(
            f"{text!r} is not one measure. Give each measure its own key, such as 'PR | [M]'."
        )
    assert isinstance(resolved.g, Binary)
    (estimand,), measure = resolved.estimands, resolved.g.left
    is_complement = measure == Binary("-", Number(1.0), estimand)
    if measure != estimand and not is_complement:
        raise ValueError(
            f"{text!r} is not a single measure: it means {measure}. Give the rate that you expect "
            f"of {estimand.label!r}."
        )
    return estimand, is_complement


def _schema(
    constraints: Sequence[Constraint],
    measures: Sequence[Constraint],
    classes: Sequence[Any],
    pos_label: Any,
) -> Schema:
    """A schema in which every level that the constraints and the `measures` name exists."""
    written = [*constraints, *measures]
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
        tuple(classes),
        _targets.positive_class(list(classes), pos_label),
        {name: tuple(dict.fromkeys(found)) for name, found in levels.items()},
        _combinations(quantifiers, measures),
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
    quantifiers: Iterable[Quantified], measures: Iterable[Constraint]
) -> dict[tuple[str, ...], frozenset[tuple[Any, ...]]]:
    """For each quantifier over several columns, the combinations that the `measures` name."""
    named = [
        {
            node.column: node.literal
            for node in walk(measure)
            if isinstance(node, Comparison) and node.operator == "=="
        }
        for measure in measures
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

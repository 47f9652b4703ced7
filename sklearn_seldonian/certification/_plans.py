"""How many rows a safety test takes, and how probably it passes."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
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
# How many times the rows of a test of independent ones the tests of groups and weights take.
UNITS_COST = 1.3


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
    """How many safety rows a model needs to pass the safety test.

    Parameters
    ----------
    constraint : str, Constraint, or sequence of them
        Over rates, such as ``"abs(PR | [M] - PR | [F]) <= 0.1"``. Several have to pass together.
    rates : mapping of str to float
        What you expect of the model, keyed by the measure's text, as
        ``{"PR | [M]": 0.4, "PR | [F]": 0.42}``. The groups of a quantifier such as
        ``max(TPR, by=race)`` are those that the keys name, as ``'TPR | [race == "A"]'``, or those
        that the constraint lists with ``by=race in ("A", "B")``.
    group_shares : mapping of str to float, default=None
        Which share of the safety rows each measure is over, keyed alike. None, and measures
        not in it: all rows. Two 0/1 columns whose shares add up to at most one are taken
        never to be both 1.
    delta : float or sequence of float in (0, 1), default=0.05
        One number, or one for each constraint.
    power : float in (0, 1), default=0.9
        Probability of passing asked for.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    classes : sequence, default=(0, 1)
        The class labels.
    pos_label : label, default=None
        The positive class where there are two; None: the second.
    design_effect : float >= 1, default=1.0
        By what factor `groups` or `sample_weight` raise the variance of a rate [1]_. Groups of m
        rows with correlation r within them: ``1 + (m - 1) * r``, so m where all rows of a group are
        alike. Weights: the mean of their squares over the square of their mean.

    Returns
    -------
    int or None
        For one limit on one rate, the smallest number of rows whose `probability_of_passing` is
        at least `power`. Counts are whole, so that a few rows more can have a little less. For
        anything else the number is accurate to about two parts in a hundred, and where it is
        simulated to about four. None where no number suffices, since the rates themselves violate
        a constraint or meet it with no room to spare, or where it is above 100 million.

    Raises
    ------
    ValueError
        If a rate is missing, a rate or share is not between 0 and 1, `delta` or `power`
        is not strictly between them, or a constraint is over averages of numbers.

    Notes
    -----
    Alternatives, as in ``min(FPR, FNR) <= 0.1``, share delta here as in `certify`. `fit` tests only
    the one that candidate rows show to be likeliest to pass: to plan a `fit`, give that one.

    With a `design_effect` above 1 the answer is that for independent rows times the effect, times
    1.3 for the test of groups or weights. This is a rule, not a calculation: in simulations of one
    rate and of differences with 100 groups or more, .89 to .96 passed where .9 was asked for. With
    fewer groups it takes more rows.

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
    """How probable it is that a model passes the safety test on so many rows.

    Parameters
    ----------
    constraint, rates, group_shares, delta, method, classes, pos_label
        As in `required_safety_rows`.
    n_rows : int
        How many safety rows.
    design_effect : float >= 1, default=1.0
        As in `required_safety_rows`, and so are its limits.

    Returns
    -------
    float
        That all constraints pass. For a limit on one rate it is the binomial probability of the
        counts that the test accepts. For several rates it is the share of simulated tables that
        pass, with a standard error of at most .008, or .016 where no faster way is known than to
        test each of them.

    Raises
    ------
    ValueError
        As `required_safety_rows`, or if `n_rows` is not a whole number from 0 on.

    Notes
    -----
    Each rate is taken to be over ``n_rows * share`` rows, rounded down. Of several rates, those of
    the smallest group are averaged over its random size where it has fewer than 100 rows. Rates
    over different rows are independent. Rates that share rows vary together as in the most even
    (largest entropy) distribution of conditions, labels and decisions that has these rates and
    shares; they are taken as independent where no distribution has them. For alternatives see
    `required_safety_rows`.

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
    """How many rows of groups or with weights do what one independent row does in a test."""
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
        raise ValueError("There is nothing to plan: no constraints were given.")
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
                raise ValueError(f"rates contradict each other about {estimand}.")
        if text in shares:
            share_of[estimand] = _requests.check_share(f"group_shares[{text!r}]", shares[text])
    missing = [estimand.label for estimand in estimands if estimand not in rate_of]
    if missing:
        raise ValueError(f"rates must say what you expect of {', '.join(missing)}.")
    _requests.warn_of_large_delta(deltas)
    tests = [(each.tree, own) for each, own in zip(resolved, deltas, strict=True)]
    return Plan(tests, rate_of, share_of, method, _exclusive(share_of))


def _check_rates_only(constraints: Iterable[Constraint]) -> None:
    """Refuse measures that are averages of numbers, whose values' spread nobody has said."""
    averages = {*CLASSIFICATION_VALUES, *REGRESSION_VALUES}
    known = [*RATES, *ALIASES, *COMPOSITES]
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    for node in (node for node in nodes if isinstance(node, Measure)):
        is_average = ALIASES.get(node.name, node.name) in averages
        if is_average or not difflib.get_close_matches(node.name, known):
            raise ValueError(
                f"{node.name!r} is not a rate of decisions. How many rows an average of numbers "
                "needs depends on how they vary, which the average does not say. Certify a model "
                "on the rows you have: where it does not pass, rows_needed of the result says how "
                "many rows like those would have sufficed."
            )


def _rate_named(text: str, resolved: ResolvedConstraint) -> tuple[Estimand, bool]:
    """The mean that ``text <= 1`` is about, and whether it is about one minus the mean."""
    if len(resolved.estimands) != 1:
        raise ValueError(
            f"{text!r} is not one measure: name each measure on its own, such as 'PR | [M]'."
        )
    assert isinstance(resolved.g, Binary)
    (estimand,), measure = resolved.estimands, resolved.g.left
    is_complement = measure == Binary("-", Number(1.0), estimand)
    if measure != estimand and not is_complement:
        raise ValueError(f"{text!r} is {measure}: say what you expect of {estimand.label!r}.")
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
    """Refuse a quantifier over groups that neither it nor the measures name."""
    measure = next(inner for inner in walk(node) if isinstance(inner, Measure))
    for grouping in node.by:
        if not levels[grouping.column]:
            name = grouping.column
            raise ValueError(
                f"{node} ranges over the groups of {name!r}, and nothing says which there are. "
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
    """Pairs of 0/1 columns whose shares leave room for both without overlap."""
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

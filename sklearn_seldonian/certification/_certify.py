"""Certificates for any fitted classifier or regressor, and how many rows they take."""

from __future__ import annotations

import difflib
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import (
    BOUNDS,
    SafetyCertificate,
    Statistics,
    _provenance,
    _requests,
    certify_constraint,
    exclusive_columns,
    passing_probability,
    sufficient_rows,
    summarise,
    summarise_predictions,
)
from sklearn_seldonian.constraints import (
    Binary,
    ColumnIs,
    Comparison,
    Grouping,
    Measure,
    Membership,
    Number,
    Quantified,
    ResolvedConstraint,
    Schema,
    assign_cells,
    bind,
    columns_of,
    distinct_means,
    distinct_values,
    parse,
    parse_all,
    walk,
)
from sklearn_seldonian.data import _arguments, _groups, _targets
from sklearn_seldonian.data._arrays import as_arrays
from sklearn_seldonian.data._row_sketch import rows_of_predictions
from sklearn_seldonian.measures import ALIASES, CLASSIFICATION_VALUES, RATES, REGRESSION_VALUES

__all__ = ["certify", "probability_of_passing", "required_safety_rows"]

ROUNDING = 1e-12


@refuse_unknown_keywords
def certify(
    estimator,
    X,
    y,
    constraints,
    *,
    delta=0.05,
    sensitive_features=None,
    bound="auto",
    decision="argmax",
    pos_label=None,
    measures=(),
    target_range=None,
    prediction_range=None,
    random_state=None,
):
    """Test a fitted classifier or regressor against constraints on data it has not seen.

    Parameters
    ----------
    estimator : classifier or regressor
        Any fitted scikit-learn estimator or pipeline; it is not changed.
    X : array-like of shape (n_rows, ...)
        Whatever `estimator` predicts from.
    y : array-like of shape (n_rows,)
        Labels that `estimator` knows, or numbers.
    constraints : str, Constraint, or sequence of them
    delta : float or sequence of float, default=0.05
        Accepted probability of certifying a constraint that is violated; one number, or
        one for each constraint. It is a probability of error: the confidence level is
        1 - delta, and values from 0.5 on are warned of.
    sensitive_features : Series, DataFrame or array-like of n_rows, default=None
        Columns for the constraints' conditions. Columns of `X` count too where it is a
        DataFrame. They are given to a ``predict`` that takes them.
    bound : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    decision : {"argmax", "sample"}, default="argmax"
        "argmax": the labels that ``estimator.predict`` returns are certified. "sample":
        labels drawn from ``estimator.predict_proba``.
    pos_label : label, default=None
        The positive class of a binary problem; None: the second of ``classes_``.
    measures : sequence of RowMeasure, default=()
        The user's own measures.
    target_range, prediction_range : (low, high), default=None
        Of a regressor: between which numbers every target and every prediction lies, known
        beforehand and not read off the rows. With both there is a finite-sample test of
        errors. None: any number.
    random_state : int, RandomState or None, default=None
        What decides the order in which rows are looked at where a test looks at them one after
        another (drawn decisions, errors, your own measures). None draws an order anew, which
        the certificate keeps as its ``order_seed``; give that to repeat the test. The order
        that the rows are given in does not matter. delta is the probability of error over
        the draw of the rows and of this seed: do not choose a seed for its result, and do not
        test the same rows again in other orders until they pass.

    Returns
    -------
    SafetyCertificate

    Raises
    ------
    ValueError
        If there are no constraints, `y` holds labels that `estimator` does not know, a target
        or prediction is outside its range, or a parameter is out of range.
    TypeError
        If something is of another kind than it must be, such as a class for an estimator.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> certify(model, X[1000:], y[1000:], "ACC >= 0.8").passed
    True
    """
    constraints = parse_all(constraints)
    if not constraints:
        raise ValueError("There is nothing to certify: no constraints were given.")
    _requests.check_choice("bound", bound, BOUNDS)
    deltas = _requests.check_deltas(delta, len(constraints))
    order_seed = _requests.order_seed(random_state)
    _requests.warn_of_large_delta(deltas)
    tested = under_test(estimator, decision, pos_label, target_range, prediction_range)
    with rows_of_predictions() as sightings:
        seen = observe(tested, X, y, constraints, sensitive_features, measures)
    _requests.check_ranges(seen.constraints, bound, tested.range_remedy)
    statistics = seen.statistics.in_drawn_order(order_seed)
    exclusive = exclusive_columns(statistics.families)
    levels = _groups.quantified_levels(constraints, seen.columns)
    results = (
        certify_constraint(constraint, statistics, d, bound, exclusive)
        for constraint, d in zip(seen.constraints, deltas, strict=True)
    )
    return SafetyCertificate(
        results=tuple(results),
        loss=math.nan,
        n_candidate=0,
        n_safety=len(y),
        assumptions=(
            *_provenance.assumptions(
                (
                    *tested.assumptions,
                    *_of_predict(estimator, sensitive_features),
                    *_groups.levels_in_words(levels, "tested"),
                ),
                exclusive,
            ),
            _provenance.other_rows(sightings),
        ),
        procedure="certify",
        parameters=_provenance.as_written(
            {
                "estimator": estimator,
                "constraints": [constraint.text or str(constraint) for constraint in constraints],
                "delta": delta,
                "bound": bound,
                "measures": measures,
                **tested.parameters,
            }
        ),
        **_provenance.labels_in_words(tested.schema["classes"], tested.schema["positive"]),
        versions=_provenance.versions(),
        fingerprints=_provenance.row_fingerprints(X, seen.y, seen.columns, **seen.answers),
        order_seed=statistics.order_seed,
    )


class Observed(NamedTuple):
    """How a fitted estimator behaves on some rows, as constraints look at it.

    `columns` are those that constraints name; `answers` are its decisions, probabilities or
    predictions, by that name.
    """

    constraints: tuple[ResolvedConstraint, ...]
    y: np.ndarray
    columns: dict[str, np.ndarray]
    statistics: Statistics
    answers: dict[str, np.ndarray]


def observe(tested, X, y, constraints, sensitive_features, measures):
    """Look up the parsed `constraints` in the data, and see what the estimator says of it."""
    _, y = as_arrays(None, y)
    n_rows = _arguments.check_same_length(X=X, y=y)
    _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    y = tested.checked(_arguments.one_value_a_row("y", y, n_rows))
    measures = _arguments.check_measures(measures)
    wanted = {name for constraint in constraints for name in columns_of(constraint)}
    columns = _groups.column_values(wanted, X, sensitive_features, len(y))
    schema = Schema.of(
        columns,
        constraints,
        **tested.schema,
        elsewhere=_groups.levels_elsewhere(constraints, columns),
        measures=measures,
    )
    resolved = tuple(bind(constraint, schema) for constraint in constraints)
    codes, families = assign_cells(columns, [c.conditions for c in resolved], len(y))
    values = distinct_values(distinct_means(resolved))
    statistics, answers = tested.observe(X, y, sensitive_features, codes, families, values)
    named = {name: columns[name] for name in sorted(wanted)}
    return Observed(resolved, y, named, statistics, answers)


def under_test(estimator, decision, pos_label, target_range=None, prediction_range=None):
    """A fitted estimator as what it is, with the parameters that go with that."""
    _arguments.check_predictor(estimator)
    if is_classifier(estimator):
        _refuse("a classifier", target_range=target_range, prediction_range=prediction_range)
        return _Classifier(estimator, decision, pos_label)
    if is_regressor(estimator):
        decided = None if decision == "argmax" else decision
        _refuse("a regressor", decision=decided, pos_label=pos_label)
        return _Regressor(estimator, target_range, prediction_range)
    name = type(estimator).__name__
    raise ValueError(f"certify tests classifiers and regressors; {name} is neither.")


def _of_predict(estimator, sensitive_features):
    """What a certificate rests on where `predict` does more than look at X, in words."""
    drawn = ["Predict draws at random, anew for every row."]
    given = ["Predict is given the sensitive features, as in this test."]
    takes_groups = _arguments.groups_for(estimator, "predict", sensitive_features)
    return *drawn * get_tags(estimator).non_deterministic, *given * bool(takes_groups)


def _refuse(kind, **given):
    """Refuse parameters that mean nothing for this kind of estimator."""
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise ValueError(f"{named[0]} says nothing about {kind}: leave it out.")


class _Classifier:
    """A fitted classifier under test."""

    range_remedy = "Give its measure a range"

    def __init__(self, estimator, decision, pos_label):
        _requests.check_choice("decision", decision, tuple(_provenance.DECISIONS))
        self.estimator, self.decision = estimator, decision
        self.classes = _arguments.check_classes(estimator)
        classes = self.classes.tolist()
        positive = _targets.positive_class(classes, pos_label)
        self.schema = {"classes": tuple(classes), "positive": positive}
        self.parameters = {"decision": decision, "pos_label": pos_label}
        self.assumptions = _provenance.DECISIONS[decision]

    def checked(self, y):
        y = _targets.column_of_labels(y)
        self.labels = _targets.class_positions(y, self.classes)
        return y

    def observe(self, X, y, sensitive_features, codes, families, values):
        """Statistics of the decisions, and the decisions themselves by name."""
        hard = self.decision == "argmax"
        asked = _Asked(self.estimator, X, sensitive_features, len(y))
        decided, chances = _decisions(asked, self.classes, not hard or bool(values))
        statistics = summarise(
            codes, self.labels, chances, families, values, hard=hard, keep=True, decisions=decided
        )
        return statistics, {"decisions": decided} if hard else {"probabilities": chances}


class _Regressor:
    """A fitted regressor under test."""

    range_remedy = _provenance.NUMBERS_REMEDY

    def __init__(self, estimator, target_range, prediction_range):
        self.estimator = estimator
        self.target_range = _targets.check_range("target_range", target_range)
        self.prediction_range = _targets.check_range("prediction_range", prediction_range)
        self.schema = {
            "classes": (),
            "positive": None,
            "target_range": self.target_range,
            "prediction_range": self.prediction_range,
        }
        self.parameters = {"target_range": target_range, "prediction_range": prediction_range}
        self.assumptions = _provenance.predicted_numbers(self.target_range, self.prediction_range)

    def checked(self, y):
        return _targets.check_numbers(y, self.target_range)

    def observe(self, X, y, sensitive_features, codes, families, values):
        """Statistics of the predictions, and the predictions themselves by name."""
        asked = _Asked(self.estimator, X, sensitive_features, len(y))
        predicted = _arguments.as_numbers(f"{asked.name}.predict", asked.predictions())
        low, high = self.prediction_range
        outside = predicted[(predicted < low) | (predicted > high)]
        if len(outside):
            raise ValueError(
                f"{type(self.estimator).__name__}.predict returned {outside[0]:g}, which is "
                f"outside prediction_range=({low:g}, {high:g}): clip the predictions, or widen it "
                "to what they can be."
            )
        statistics = summarise_predictions(codes, y, predicted, families, values, keep=True)
        return statistics, {"predictions": predicted}


class _Asked(NamedTuple):
    """A fitted estimator, and the rows that it is asked about."""

    estimator: Any
    X: Any
    sensitive_features: Any
    n_rows: int

    @property
    def name(self):
        is_frozen = isinstance(self.estimator, FrozenEstimator)
        return type(self.estimator.estimator if is_frozen else self.estimator).__name__

    def answer(self, method):
        """What a method returns for the rows; what it cannot do, as an error in words."""
        try:
            groups = _arguments.groups_for(self.estimator, method, self.sensitive_features)
            return getattr(self.estimator, method)(self.X, **groups)
        except (ArithmeticError, AttributeError, LookupError) as error:
            if isinstance(error, ValueError | TypeError):
                raise
            raise ValueError(
                f"{self.name}.{method} failed on these rows: {type(error).__name__}: {error}"
            ) from error

    def predictions(self):
        return _arguments.one_value_a_row(
            f"{self.name}.predict", self.answer("predict"), self.n_rows
        )


def _decisions(asked, classes, with_probabilities):
    """Positions of the predicted labels and probabilities; NaN for labels that are no class."""
    predicted = asked.predictions()
    positions = _arguments.label_positions(f"{asked.name}.predict", predicted, classes)
    known = (positions >= 0)[:, None]
    positions = np.maximum(positions, 0)
    if not with_probabilities:
        return positions, np.where(known, np.eye(len(classes))[positions], np.nan)
    if not hasattr(asked.estimator, "predict_proba"):
        raise ValueError(f"{asked.name} has no predict_proba, which these constraints need.")
    chances = _arguments.numbers(f"{asked.name}.predict_proba", asked.answer("predict_proba"))
    shape = len(predicted), len(classes)
    if chances.shape != shape:
        raise ValueError(
            f"predict_proba returned shape {chances.shape} where {shape} was expected."
        )
    proper = ((chances >= 0) & (chances <= 1 + 1e-6)).all(axis=1)
    proper &= np.abs(chances.sum(axis=1) - 1) <= 1e-4
    return positions, np.where(known & proper[:, None], chances, np.nan)


@refuse_unknown_keywords
def required_safety_rows(
    constraint,
    rates,
    group_shares=None,
    delta=0.05,
    power=0.9,
    bound="auto",
    *,
    classes=(0, 1),
    pos_label=None,
):
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
    bound : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    classes : sequence, default=(0, 1)
        The class labels.
    pos_label : label, default=None
        The positive class where there are two; None: the second.

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
    planned = _planned(constraint, rates, group_shares, delta, bound, classes, pos_label)
    _requests.warn_of_large_delta([delta for _, delta in planned[0]])
    tests, rate_of, share_of, exclusive = planned
    return sufficient_rows(tests, rate_of, share_of, power, bound, exclusive)


@refuse_unknown_keywords
def probability_of_passing(
    constraint,
    rates,
    n_rows,
    group_shares=None,
    delta=0.05,
    bound="auto",
    *,
    classes=(0, 1),
    pos_label=None,
):
    """How probable it is that a model passes the safety test on so many rows.

    Parameters
    ----------
    constraint, rates, group_shares, delta, bound, classes, pos_label
        As in `required_safety_rows`.
    n_rows : int
        How many safety rows.

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
    shares; they are taken as independent where no distribution has them.

    Examples
    --------
    >>> from sklearn_seldonian import probability_of_passing
    >>> round(probability_of_passing("ACC >= 0.9", {"ACC": 0.93}, 748), 3)
    0.903
    """
    n_rows = _requests.check_count("n_rows", n_rows)
    planned = _planned(constraint, rates, group_shares, delta, bound, classes, pos_label)
    _requests.warn_of_large_delta([delta for _, delta in planned[0]])
    tests, rate_of, share_of, exclusive = planned
    return passing_probability(tests, rate_of, share_of, n_rows, bound, exclusive)


def _planned(constraint, rates, group_shares, delta, bound, classes, pos_label):
    """The constraints' trees with deltas, rates and shares of their means, exclusive columns."""
    _requests.check_choice("bound", bound, BOUNDS)
    constraints = parse_all(constraint)
    if not constraints:
        raise ValueError("There is nothing to plan: no constraints were given.")
    deltas = _requests.check_deltas(delta, len(constraints))
    rates, shares = _requests.check_mapping("rates", rates), group_shares or {}
    shares = _requests.check_mapping("group_shares", shares)
    texts = {text: parse(f"{text} <= 1") for text in (*rates, *shares)}
    _check_rates_only([*constraints, *texts.values()])
    schema = _schema(constraints, list(texts.values()), classes, pos_label)
    resolved = [bind(each, schema) for each in constraints]
    means = distinct_means(resolved)
    rate_of = {}
    share_of = dict.fromkeys(means, 1.0)
    for text, parsed in texts.items():
        mean, is_complement = _rate_named(text, bind(parsed, schema))
        if text in rates:
            rate = _requests.check_share(f"rates[{text!r}]", rates[text])
            rate = 1 - rate if is_complement else rate
            if abs(rate_of.setdefault(mean, rate) - rate) > ROUNDING:
                raise ValueError(f"rates contradict each other about {mean}.")
        if text in shares:
            share_of[mean] = _requests.check_share(f"group_shares[{text!r}]", shares[text])
    missing = [mean.label for mean in means if mean not in rate_of]
    if missing:
        raise ValueError(f"rates must say what you expect of {', '.join(missing)}.")
    tests = [(each.tree, delta) for each, delta in zip(resolved, deltas, strict=True)]
    return tests, rate_of, share_of, _exclusive(share_of)


def _check_rates_only(constraints):
    """Refuse measures that are averages of numbers, whose values' spread nobody has said."""
    averages = {*CLASSIFICATION_VALUES, *REGRESSION_VALUES}
    known = {*RATES, *ALIASES, "F1"}
    for node in itertools.chain.from_iterable(map(walk, constraints)):
        if not isinstance(node, Measure):
            continue
        is_own = node.name not in known and not difflib.get_close_matches(node.name, known)
        if is_own or ALIASES.get(node.name, node.name) in averages:
            raise ValueError(
                f"{node.name!r} is not a rate of decisions. How many rows an average of numbers "
                "needs depends on how they vary, which the average does not say. Certify a model "
                "on the rows you have: where it does not pass, rows_needed of the result says how "
                "many rows like those would have sufficed."
            )


def _rate_named(text, resolved):
    """The mean that ``text <= 1`` is about, and whether it is about one minus the mean."""
    if len(resolved.means) != 1:
        raise ValueError(
            f"{text!r} is not one measure: name each measure on its own, such as 'PR | [M]'."
        )
    (mean,), measure = resolved.means, resolved.g.left
    is_complement = measure == Binary("-", Number(1.0), mean)
    if measure != mean and not is_complement:
        raise ValueError(f"{text!r} is {measure}: say what you expect of {mean.label!r}.")
    return mean, is_complement


def _schema(constraints, measures, classes, pos_label):
    """A schema in which every level that the constraints and the `measures` name exists."""
    written = [*constraints, *measures]
    levels = {name: [] for constraint in written for name in columns_of(constraint)}
    nodes = [node for constraint in written for node in walk(constraint)]
    grouped = {g.column for node in nodes if isinstance(node, Quantified) for g in node.by}
    for node in nodes:
        match node:
            case ColumnIs(column=column):
                levels[column] += [0, 1]
            case Comparison(column=column, operator=symbol, literal=literal):
                if symbol == "==" or column not in grouped:
                    levels[column].append(literal)
            case Membership(column=column, literals=literals):
                levels[column] += literals
            case Grouping(column=column, levels=named):
                levels[column] += named
    for node in nodes:
        if isinstance(node, Quantified):
            _check_groups_named(node, levels)
    return Schema(
        tuple(classes),
        _targets.positive_class(list(classes), pos_label),
        {name: tuple(dict.fromkeys(found)) for name, found in levels.items()},
        _combinations(nodes, measures),
    )


def _check_groups_named(node, levels):
    """Refuse a quantifier over groups that neither it nor the measures name."""
    for grouping in node.by:
        if not levels[grouping.column]:
            name = grouping.column
            raise ValueError(
                f"{node} ranges over the groups of {name!r}, and nothing says which there are. "
                f"Name each group in rates, such as '{node.measure.name} | [{name} == \"A\"]', or "
                f'in the constraint: by={name} in ("A", "B").'
            )


def _combinations(nodes, measures):
    """For each quantifier over several columns, the combinations that the `measures` name."""
    several = {
        tuple(grouping.column for grouping in node.by)
        for node in nodes
        if isinstance(node, Quantified) and len(node.by) > 1
    }
    found = {columns: set() for columns in several}
    for measure in measures:
        named = {
            node.column: node.literal
            for node in walk(measure)
            if isinstance(node, Comparison) and node.operator == "=="
        }
        for columns in several:
            if named.keys() >= set(columns):
                found[columns].add(tuple(named[column] for column in columns))
    return {
        columns: frozenset(combinations) for columns, combinations in found.items() if combinations
    }


def _exclusive(share_of):
    """Pairs of 0/1 columns whose shares leave room for both without overlap."""
    bare = {
        condition.column: share
        for mean, share in share_of.items()
        for condition in mean.conditions
        if isinstance(condition, ColumnIs) and condition.value
    }
    return frozenset(
        frozenset(pair)
        for pair in itertools.combinations(bare, 2)
        if bare[pair[0]] + bare[pair[1]] <= 1.0 + ROUNDING
    )

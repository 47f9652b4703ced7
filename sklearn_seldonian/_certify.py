"""Certificates for any fitted classifier or regressor, and how many rows they take."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from sklearn_seldonian import _arguments, _checks
from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import (
    BOUNDS,
    SafetyCertificate,
    Statistics,
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
    Constraint,
    Membership,
    Number,
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
        one for each constraint.
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
    _checks.check_choice("bound", bound, BOUNDS)
    deltas = _checks.check_deltas(delta, len(constraints))
    tested = under_test(estimator, decision, pos_label, target_range, prediction_range)
    seen = observe(tested, X, y, constraints, sensitive_features, measures)
    _checks.check_ranges(seen.constraints, bound, tested.range_remedy)
    exclusive = exclusive_columns(seen.statistics.families)
    results = (
        certify_constraint(constraint, seen.statistics, d, bound, exclusive)
        for constraint, d in zip(seen.constraints, deltas, strict=True)
    )
    return SafetyCertificate(
        results=tuple(results),
        loss=math.nan,
        n_candidate=0,
        n_safety=len(y),
        assumptions=_checks.assumptions(
            (*tested.assumptions, *_of_predict(estimator, sensitive_features)), exclusive
        ),
        procedure="certify",
        parameters=_checks.as_written(
            {
                "estimator": estimator,
                "constraints": [constraint.text or str(constraint) for constraint in constraints],
                "delta": delta,
                "bound": bound,
                "measures": measures,
                **tested.parameters,
            }
        ),
        **_checks.labels_in_words(tested.schema["classes"], tested.schema["positive"]),
        versions=_checks.versions(),
        fingerprints={
            "data": _checks.fingerprint(seen.y, *seen.columns.values()),
            **{name: _checks.fingerprint(values) for name, values in seen.answers.items()},
        },
    )


class Observed(NamedTuple):
    """How a fitted estimator behaves on some rows, as constraints look at it.

    `answers` are its decisions, probabilities or predictions, by that name.
    """

    constraints: tuple[ResolvedConstraint, ...]
    y: np.ndarray
    columns: dict[str, np.ndarray]
    statistics: Statistics
    answers: dict[str, np.ndarray]


def observe(tested, X, y, constraints, sensitive_features, measures):
    """Look up the parsed `constraints` in the data, and see what the estimator says of it."""
    n_rows = _arguments.check_same_length(X=X, y=y)
    _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    y = tested.checked(_arguments.one_value_a_row("y", y, n_rows))
    measures = _arguments.check_measures(measures)
    wanted = {name for constraint in constraints for name in columns_of(constraint)}
    columns = _checks.column_values(wanted, X, sensitive_features, len(y))
    schema = Schema.of(columns, constraints, **tested.schema, measures=measures)
    resolved = tuple(bind(constraint, schema) for constraint in constraints)
    codes, families = assign_cells(columns, [c.conditions for c in resolved], len(y))
    values = distinct_values(distinct_means(resolved))
    statistics, answers = tested.observe(X, y, sensitive_features, codes, families, values)
    return Observed(resolved, y, columns, statistics, answers)


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
        _checks.check_choice("decision", decision, tuple(_checks.DECISIONS))
        self.estimator, self.decision = estimator, decision
        self.classes = _arguments.check_classes(estimator)
        classes = self.classes.tolist()
        positive = _checks.positive_class(classes, pos_label)
        self.schema = {"classes": tuple(classes), "positive": positive}
        self.parameters = {"decision": decision, "pos_label": pos_label}
        self.assumptions = _checks.DECISIONS[decision]

    def checked(self, y):
        self.labels = _checks.class_positions(y, self.classes)
        return y

    def observe(self, X, y, sensitive_features, codes, families, values):
        """Statistics of the decisions, and the decisions themselves by name."""
        hard = self.decision == "argmax"
        asked = _Asked(self.estimator, X, sensitive_features, len(y))
        decided, chances = _decisions(asked, self.classes, not hard or bool(values))
        statistics = summarise(
            codes, self.labels, chances, families, values, hard=hard, keep=True, decisions=decided
        )
        return statistics, {"decisions": decided if hard else chances}


class _Regressor:
    """A fitted regressor under test."""

    range_remedy = _checks.NUMBERS_REMEDY

    def __init__(self, estimator, target_range, prediction_range):
        self.estimator = estimator
        self.target_range = _checks.check_range("target_range", target_range)
        self.prediction_range = _checks.check_range("prediction_range", prediction_range)
        self.schema = {
            "classes": (),
            "positive": None,
            "target_range": self.target_range,
            "prediction_range": self.prediction_range,
        }
        self.parameters = {"target_range": target_range, "prediction_range": prediction_range}
        self.assumptions = _checks.predicted_numbers(self.target_range, self.prediction_range)

    def checked(self, y):
        return _checks.check_numbers(y, self.target_range)

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
    constraint : str or Constraint
        Over rates, such as ``"abs(PR | [M] - PR | [F]) <= 0.1"``.
    rates : mapping of str to float
        What you expect of the model, keyed by the measure's text, as
        ``{"PR | [M]": 0.4, "PR | [F]": 0.42}``.
    group_shares : mapping of str to float, default=None
        Which share of the safety rows each measure is over, keyed alike. None, and measures
        not in it: all rows. Two 0/1 columns whose shares add up to at most one are taken
        never to be both 1.
    delta : float in (0, 1), default=0.05
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
        About how many rows; None where no number suffices, since the rates themselves
        violate the constraint or meet it with no room to spare.

    Raises
    ------
    ValueError
        If a rate is missing, a rate or share is not between 0 and 1, or `delta` or `power`
        is not strictly between them.

    Examples
    --------
    >>> from sklearn_seldonian import required_safety_rows
    >>> required_safety_rows("ACC >= 0.9", {"ACC": 0.93})
    783
    >>> shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
    >>> gap = "abs(PR | [M] - PR | [F]) <= 0.1"
    >>> 1500 < required_safety_rows(gap, {"PR | [M]": 0.4, "PR | [F]": 0.43}, shares) < 2000
    True
    """
    power = _checks.check_probability("power", power)
    tree, *others = _planned(constraint, rates, group_shares, delta, bound, classes, pos_label)
    rate_of, share_of, delta, exclusive = others
    return sufficient_rows(tree, rate_of, share_of, delta, power, bound, exclusive)


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
        From the test's own verdicts at the counts that sampling makes likely; where the
        constraint says several things at once, about a lower bound.

    Raises
    ------
    ValueError
        As `required_safety_rows`.

    Examples
    --------
    >>> from sklearn_seldonian import probability_of_passing
    >>> round(probability_of_passing("ACC >= 0.9", {"ACC": 0.93}, 783), 1)
    0.9
    """
    tree, *others = _planned(constraint, rates, group_shares, delta, bound, classes, pos_label)
    rate_of, share_of, delta, exclusive = others
    return passing_probability(tree, rate_of, share_of, int(n_rows), delta, bound, exclusive)


def _planned(constraint, rates, group_shares, delta, bound, classes, pos_label):
    """The constraint's tree, the rates and shares of its means, delta, and exclusive columns."""
    _checks.check_choice("bound", bound, BOUNDS)
    (delta,) = _checks.check_deltas(delta, 1)
    constraint = constraint if isinstance(constraint, Constraint) else parse(constraint)
    shares = group_shares or {}
    texts = {text: parse(f"{text} <= 1") for text in (*rates, *shares)}
    schema = _schema([constraint, *texts.values()], classes, pos_label)
    resolved = bind(constraint, schema)
    rate_of = {}
    share_of = dict.fromkeys(resolved.means, 1.0)
    for text, parsed in texts.items():
        mean, is_complement = _rate_named(text, bind(parsed, schema))
        if text in rates:
            rate = _checks.check_share(f"rates[{text!r}]", rates[text])
            rate_of[mean] = 1 - rate if is_complement else rate
        if text in shares:
            share_of[mean] = _checks.check_share(f"group_shares[{text!r}]", shares[text])
    missing = [str(mean) for mean in resolved.means if mean not in rate_of]
    if missing:
        raise ValueError(f"rates must say what you expect of {', '.join(missing)}.")
    return resolved.tree, rate_of, share_of, delta, _exclusive(share_of)


def _rate_named(text, resolved):
    """The mean that ``text <= 1`` is about, and whether it is about one minus the mean."""
    (mean,), measure = resolved.means, resolved.g.left
    is_complement = measure == Binary("-", Number(1.0), mean)
    if measure != mean and not is_complement:
        raise ValueError(f"{text!r} is {measure}: say what you expect of {str(mean)!r}.")
    return mean, is_complement


def _schema(constraints, classes, pos_label):
    """A schema in which every level that the constraints name exists."""
    levels = {name: [] for constraint in constraints for name in columns_of(constraint)}
    for node in itertools.chain.from_iterable(map(walk, constraints)):
        match node:
            case ColumnIs(column=column):
                levels[column] += [0, 1]
            case Comparison(column=column, literal=literal):
                levels[column].append(literal)
            case Membership(column=column, literals=literals):
                levels[column] += literals
    return Schema(
        tuple(classes),
        _checks.positive_class(list(classes), pos_label),
        {name: tuple(dict.fromkeys(found)) for name, found in levels.items()},
    )


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

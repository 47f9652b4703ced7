"""Certificates for any fitted classifier, and how many rows they take."""

from __future__ import annotations

import itertools
import math

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_seldonian import _checks
from sklearn_seldonian.certification import (
    BOUNDS,
    SafetyCertificate,
    certify_constraint,
    exclusive_columns,
    passing_probability,
    sufficient_rows,
    summarise,
)
from sklearn_seldonian.constraints import (
    Binary,
    ColumnIs,
    Comparison,
    Constraint,
    Membership,
    Number,
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
):
    """Test a fitted classifier against constraints on data it has not seen.

    Parameters
    ----------
    estimator : classifier
        Any fitted scikit-learn classifier or pipeline; it is not changed.
    X : array-like of shape (n_rows, ...)
        Whatever `estimator` predicts from.
    y : array-like of shape (n_rows,)
        Labels that `estimator` knows.
    constraints : str, Constraint, or sequence of them
    delta : float or sequence of float, default=0.05
        Accepted probability of certifying a constraint that is violated; one number, or
        one for each constraint.
    sensitive_features : Series, DataFrame or array-like of n_rows, default=None
        Columns for the constraints' conditions. Columns of `X` count too where it is a
        DataFrame.
    bound : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    decision : {"argmax", "sample"}, default="argmax"
        "argmax": the labels that ``estimator.predict`` returns are certified. "sample":
        labels drawn from ``estimator.predict_proba``.
    pos_label : label, default=None
        The positive class of a binary problem; None: the second of ``classes_``.
    measures : sequence of RowMeasure, default=()
        The user's own measures.

    Returns
    -------
    SafetyCertificate

    Raises
    ------
    ValueError
        If there are no constraints, `y` holds labels that `estimator` does not know, or a
        parameter is out of range.

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
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"certify tests classifiers; {type(estimator).__name__} is none.")
    _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    constraints = parse_all(constraints)
    if not constraints:
        raise ValueError("There is nothing to certify: no constraints were given.")
    _checks.check_choice("bound", bound, BOUNDS)
    _checks.check_choice("decision", decision, ("argmax", "sample"))
    deltas = _checks.check_deltas(delta, len(constraints))
    check_consistent_length(X, y)
    y = column_or_1d(y, warn=True)
    classes = np.asarray(estimator.classes_)
    labels = _checks.class_positions(y, classes)

    wanted = {name for constraint in constraints for name in columns_of(constraint)}
    columns = _checks.column_values(wanted, X, sensitive_features, len(y))
    positive = _checks.positive_class(classes.tolist(), pos_label)
    schema = Schema.of(
        columns, constraints, tuple(classes.tolist()), positive, measures=tuple(measures)
    )
    resolved = [bind(constraint, schema) for constraint in constraints]
    _checks.check_ranges(resolved, bound)
    codes, families = assign_cells(columns, [c.conditions for c in resolved], len(y))
    values = distinct_values(distinct_means(resolved))
    with_probabilities = decision == "sample" or bool(values)
    decided, chances = _decisions(estimator, X, len(y), classes, with_probabilities)
    statistics = summarise(
        codes,
        labels,
        chances,
        families,
        values,
        hard=decision == "argmax",
        keep=True,
        decisions=decided,
    )
    exclusive = exclusive_columns(families)
    results = (
        certify_constraint(constraint, statistics, d, bound, exclusive)
        for constraint, d in zip(resolved, deltas, strict=True)
    )
    return SafetyCertificate(
        results=tuple(results),
        loss=math.nan,
        n_candidate=0,
        n_safety=len(y),
        assumptions=_checks.assumptions(decision, exclusive),
        procedure="certify",
        parameters=_checks.as_written(
            {
                "estimator": estimator,
                "constraints": [constraint.text or str(constraint) for constraint in constraints],
                "delta": delta,
                "bound": bound,
                "decision": decision,
                "pos_label": pos_label,
                "measures": measures,
            }
        ),
        classes=tuple(map(str, classes.tolist())),
        positive=None if positive is None else str(classes.tolist()[positive]),
        versions=_checks.versions(),
        fingerprints={
            "data": _checks.fingerprint(y, *columns.values()),
            "decisions": _checks.fingerprint(decided if decision == "argmax" else chances),
        },
    )


def _decisions(estimator, X, n_rows, classes, with_probabilities):
    """Positions of the predicted labels and probabilities; NaN for labels that are no class."""
    predicted = column_or_1d(np.asarray(estimator.predict(X)), warn=False)
    if len(predicted) != n_rows:
        name = type(estimator).__name__
        raise ValueError(f"{name}.predict returned {len(predicted)} labels for {n_rows} rows.")
    matches = predicted[:, None] == classes[None, :]
    positions = matches.argmax(axis=1)
    if not with_probabilities:
        known = matches.any(axis=1)
        return positions, np.where(known[:, None], matches.astype(float), np.nan)
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{type(estimator).__name__} has no predict_proba, which these constraints need."
        )
    chances = np.asarray(estimator.predict_proba(X), dtype=float)
    if chances.shape != matches.shape:
        raise ValueError(
            f"predict_proba returned shape {chances.shape} where {matches.shape} was expected."
        )
    proper = ((chances >= 0) & (chances <= 1 + 1e-6)).all(axis=1)
    proper &= np.abs(chances.sum(axis=1) - 1) <= 1e-4
    return positions, np.where((matches.any(axis=1) & proper)[:, None], chances, np.nan)


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

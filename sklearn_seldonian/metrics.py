"""Scorers for model selection, and the values of constraints for fitted estimators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._answers import answers_of
from sklearn_seldonian.certification._certify import bound_rows
from sklearn_seldonian.certification._given import check_fitted
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import distinct_estimands, distinct_values, estimate, parse_all

__all__ = ["bound_margin", "constraint_values", "solution_found"]


def constraint_values(
    estimator: Any,
    X: Any,
    y: Any,
    constraints: Any,
    *,
    sensitive_features: Any = None,
    decision: str = "argmax",
    pos_label: Any = None,
    measures: Any = (),
) -> NDArray[np.float64]:
    """The value of each constraint for a fitted estimator, on rows taken as the population.

    This is not a test: nothing is certified. For a statement about the population from which the
    rows are a sample, use `certify`.

    Parameters
    ----------
    estimator : classifier or regressor
        Any fitted scikit-learn estimator or pipeline.
    X, y, constraints, sensitive_features, pos_label, measures
        As in `certify`.
    decision : {"argmax", "sample"}, default="argmax"
        "argmax": the values are computed from the labels that ``estimator.predict`` returns.
        "sample": from the probabilities of ``estimator.predict_proba``.

    Returns
    -------
    ndarray of shape (n_constraints,)
        The value g of each constraint in canonical form ``g <= 0``; it is above zero if the
        constraint is violated. NaN if g is 0/0, such as a rate without rows. Infinite if any answer
        is NaN or not a class.

    Raises
    ------
    ValueError
        If `y` holds labels that `estimator` does not know, or a parameter is out of range.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_seldonian.metrics import constraint_values
    >>> X, y = [[0.0]] * 4, [0, 1, 1, 1]
    >>> model = DummyClassifier().fit(X, y)
    >>> constraint_values(model, X, y, ["ACC >= 0.5", "FPR <= 0.25"])
    array([-0.25,  0.75])
    """
    answers = answers_of(estimator, decision, pos_label, sensitive_features=sensitive_features)
    source = Specification(
        parse_all(constraints), deltas=(), method="auto"
    )  # without a test, deltas are not needed
    rows, specification, cells = bound_rows(
        source, answers.targets, X, y, measures, sensitive_features
    )
    constraints = specification.constraints
    values = distinct_values(distinct_estimands(constraints))
    statistics = answers.observe(rows, cells, values).statistics
    if statistics.n_invalid:
        return np.full(len(constraints), np.inf)
    found = [statistics.evidence(c.estimands).estimates(c.estimands) for c in constraints]
    return np.array([estimate(c.g, f) for c, f in zip(constraints, found, strict=True)])


def solution_found(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Score 1.0 if a certified model was found, otherwise 0.0.

    It works inside pipelines and searches. Pass the function itself as `scoring`.

    Parameters
    ----------
    estimator : estimator
        A fitted Seldonian estimator, or a pipeline or search that ends in one.
    X, y : ignored

    Returns
    -------
    float
        1.0 or 0.0.

    Raises
    ------
    TypeError, NotFittedError
        If there is no Seldonian estimator inside, or it is not fitted.

    Examples
    --------
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.metrics import solution_found
    >>> solution_found(SeldonianClassifier(max_epochs=1).fit([[0.0], [1.0]], [0, 1]))
    1.0
    """
    return float(fitted_inside(estimator).solution_found_)


def bound_margin(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Score by the distance of the certificate's bounds from their limits.

    The score is the smallest distance of any constraint's bound from its limit, in the units of the
    constraint. It is at least zero if and only if all constraints passed. It works inside pipelines
    and searches. Pass the function itself as `scoring`.

    Parameters
    ----------
    estimator : estimator
        A fitted Seldonian estimator, or a pipeline or search that ends in one.
    X, y : ignored

    Returns
    -------
    float
        The smallest distance. Minus infinity if a constraint has no bound, because it was not
        tested or cannot be tested. NaN if there are no constraints.

    Raises
    ------
    TypeError, NotFittedError
        If there is no Seldonian estimator inside, or it is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.metrics import bound_margin
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.8", max_epochs=5, random_state=0)
    >>> 0 < bound_margin(model.fit(X, y)) < 0.2
    True
    """
    certificate = fitted_inside(estimator).certificate_
    if certificate is None:
        return math.nan
    return float(min(-result.g_upper for result in certificate.results))


def fitted_inside(estimator: Any) -> Any:
    """The fitted Seldonian estimator at the end of searches and pipelines."""
    found = innermost(estimator)
    check_fitted(found)
    return found


def innermost(estimator: Any) -> Any:
    """The estimator at the end of searches and pipelines."""
    if hasattr(estimator, "best_estimator_"):
        return innermost(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return innermost(estimator.steps[-1][1])
    return estimator

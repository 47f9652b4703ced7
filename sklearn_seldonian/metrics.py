"""What fitted estimators are worth: scorers for model selection, and constraints' values."""

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
    """How far a fitted estimator is beyond each constraint, on rows taken as the population.

    Nothing is tested and nothing is certified: these are the constraints' plain values. For a
    statement about a population that the rows are a sample of, see `certify`.

    Parameters
    ----------
    estimator : classifier or regressor
        Any fitted scikit-learn estimator or pipeline.
    X, y, constraints, sensitive_features, pos_label, measures
        As in `certify`.
    decision : {"argmax", "sample"}, default="argmax"
        "argmax": the values are over the labels that ``estimator.predict`` returns. "sample":
        over the probabilities of ``estimator.predict_proba``.

    Returns
    -------
    ndarray of shape (n_constraints,)
        Each constraint's g, which is above zero where it is violated. NaN where it is 0/0, as
        a rate among no rows; infinite where any answer is NaN or not a class.

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
    source = Specification(parse_all(constraints), deltas=(), method="auto")  # nothing is tested
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
    """Score 1.0 where a certified model was found, else 0.0.

    Looks inside pipelines and searches. Pass the function itself as `scoring`.

    Parameters
    ----------
    estimator : estimator
        A fitted Seldonian estimator, or a pipeline or search that ends in one.
    X, y : ignored

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
    """Score by how far the certificate's bounds stay within their limits.

    The smallest distance of any constraint's bound from its limit, in units of g: what is
    not to exceed zero. At least zero exactly where all constraints passed. Looks inside
    pipelines and searches. Pass the function itself as `scoring`.

    Parameters
    ----------
    estimator : estimator
        A fitted Seldonian estimator, or a pipeline or search that ends in one.
    X, y : ignored

    Returns
    -------
    float
        Minus infinity where a constraint has no bound, since it was not or could not be
        tested; NaN where there are no constraints.

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
    """The fitted Seldonian estimator that searches and pipelines end in."""
    found = innermost(estimator)
    check_fitted(found)
    return found


def innermost(estimator: Any) -> Any:
    """What the searches and pipelines around an estimator end in."""
    if hasattr(estimator, "best_estimator_"):
        return innermost(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return innermost(estimator.steps[-1][1])
    return estimator

"""Scorers for scikit-learn's model selection tools."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["bound_margin", "solution_found"]


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
    AttributeError
        If there is no Seldonian estimator inside.

    Examples
    --------
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.metrics import solution_found
    >>> solution_found(SeldonianClassifier(max_epochs=1).fit([[0.0], [1.0]], [0, 1]))
    1.0
    """
    return float(_innermost(estimator).solution_found_)


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
    AttributeError
        If there is no Seldonian estimator inside.

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
    certificate = _innermost(estimator).certificate_
    if certificate is None:
        return math.nan
    return min(-result.g_upper for result in certificate.results)


def _innermost(estimator: Any) -> Any:
    """What the searches and pipelines around it end in."""
    if hasattr(estimator, "best_estimator_"):
        return _innermost(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return _innermost(estimator.steps[-1][1])
    return estimator

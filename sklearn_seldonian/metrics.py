"""Scorers for scikit-learn's model selection tools."""

from __future__ import annotations

from typing import Any

__all__ = ["solution_found"]


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
    if hasattr(estimator, "best_estimator_"):
        return solution_found(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return solution_found(estimator.steps[-1][1])
    return float(estimator.solution_found_)

"""What a notebook shows of an estimator, and whether that is certified."""

from __future__ import annotations

from html import escape

from sklearn.utils import estimator_html_repr

from sklearn_seldonian._palette import visible


def as_html(estimator):
    """scikit-learn's display, below a line that says whether a model is certified."""
    return (
        f"<div><p>{escape(visible(_status(estimator)))}</p>{estimator_html_repr(estimator)}</div>"
    )


def _status(estimator):
    """Whether there is a model, whether it is certified, and for what."""
    if not hasattr(estimator, "solution_found_"):
        given = estimator.constraints
        several = given if isinstance(given, list | tuple) else [given]
        return f"Not fitted. Constraints: {'; '.join(map(str, several)) or 'none'}"
    if estimator.certificate_ is None:
        return "Fitted without constraints: nothing is certified."
    tested = "; ".join(result.constraint for result in estimator.certificate_.results)
    if estimator.solution_found_:
        return f"Certified: {tested}"
    answer = "predict raises" if estimator.fallback_ is None else "predict uses the fallback"
    return f"Not certified: no solution found, {answer}. Constraints: {tested}"

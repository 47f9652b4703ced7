"""The HTML display of an estimator, which says whether its model is certified."""

from __future__ import annotations

from html import escape

from sklearn_seldonian._palette import visible
from sklearn_seldonian.certification import SafetyCertificate

# The most constraints that the line of text names.
MAX_NAMED = 8


def with_status(status: str, display: str) -> str:
    """scikit-learn's display of an estimator, under a line of text."""
    return f"<div><p>{escape(visible(status))}</p>{display}</div>"


def before_fit(constraints: object) -> str:
    """The constraints to be certified, as the user gave them."""
    several = constraints if isinstance(constraints, list | tuple) else [constraints]
    return f"Not fitted. Constraints: {_first(list(map(str, several))) or 'none'}"


def after_fit(certificate: SafetyCertificate | None, falls_back: bool) -> str:
    """Whether a model was found and certified, and for which constraints."""
    if certificate is None:
        return "Fitted without constraints. Nothing is certified."
    tested = _first([result.constraint for result in certificate.results])
    if certificate.passed:
        return f"Certified: {tested}"
    answer = "predict uses the fallback" if falls_back else "predict raises an error"
    return f"Not certified: no solution was found, and {answer}. Constraints: {tested}"


def _first(constraints: list[str]) -> str:
    """The first of some constraints, and how many more there are."""
    more = [f"and {len(constraints) - MAX_NAMED} more"] * (len(constraints) > MAX_NAMED)
    return "; ".join([*constraints[:MAX_NAMED], *more])

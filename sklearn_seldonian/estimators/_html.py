"""What a notebook shows of an estimator, and whether that is certified."""

from __future__ import annotations

from html import escape

from sklearn_seldonian._palette import visible
from sklearn_seldonian.certification import SafetyCertificate


def with_status(status: str, display: str) -> str:
    """scikit-learn's display of an estimator, below a line of text."""
    return f"<div><p>{escape(visible(status))}</p>{display}</div>"


def before_fit(constraints: object) -> str:
    """What there is to be certified, as the user gave it."""
    several = constraints if isinstance(constraints, list | tuple) else [constraints]
    return f"Not fitted. Constraints: {'; '.join(map(str, several)) or 'none'}"


def after_fit(certificate: SafetyCertificate | None, falls_back: bool) -> str:
    """Whether there is a model, whether it is certified, and for what."""
    if certificate is None:
        return "Fitted without constraints: nothing is certified."
    tested = "; ".join(result.constraint for result in certificate.results)
    if certificate.passed:
        return f"Certified: {tested}"
    answer = "predict uses the fallback" if falls_back else "predict raises"
    return f"Not certified: no solution found, {answer}. Constraints: {tested}"

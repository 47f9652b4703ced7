"""The rung of the ladder that takes estimates for normal."""

from __future__ import annotations

import math

from sklearn_seldonian import bounds
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.constraints import Atom, exact_dual

# By how much a finite-sample bound on units is wider than the normal one that stands for it.
WIDER = 1.2


def delta_method(atom: Atom, evidence: Evidence) -> Method | None:
    """A normal approximation for whatever varies; None where nothing does."""
    point = exact_dual(atom.expression, evidence.estimates(atom.estimands))
    # The smallest sample decides how far the normal approximation can be trusted.
    n, variance = evidence.sample_variance(atom.estimands, point.gradient.tolist())
    if not math.isfinite(variance):
        return None
    return Method(
        "delta method",
        lambda delta: bounds.delta_method_upper(point.value, variance, n, delta),
        lambda _: bounds.delta_method_p_value(point.value, variance, n, 0.0),
    )


def normal_upper(atom: Atom, evidence: Evidence, delta: float) -> float:
    """About the upper bound that bets on units would give."""
    method, point = (
        delta_method(atom, evidence),
        exact_dual(atom.expression, evidence.estimates(atom.estimands)),
    )
    if method is None:
        return math.inf
    return point.value + WIDER * (method.upper(delta) - point.value)

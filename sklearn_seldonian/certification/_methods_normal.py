"""The test that treats estimates as normal: the delta method."""

from __future__ import annotations

import math

from sklearn_seldonian import bounds
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.constraints import Atom, exact_dual

# A finite-sample bound on units is about this many times as wide as the normal one.
WIDER = 1.2


def delta_method(atom: Atom, evidence: Evidence) -> Method | None:
    """A normal approximation; None if the variance is not known."""
    known = [_moments(atom, each) for each in evidence.populations or (evidence,)]
    if not all(math.isfinite(variance) for _, variance, _ in known):
        return None
    return Method(
        "delta method",
        lambda delta: max(bounds.delta_method_upper(*each, delta) for each in known),
        lambda _: max(bounds.delta_method_p_value(*each, 0.0) for each in known),
    )


def normal_upper(atom: Atom, evidence: Evidence, delta: float) -> float:
    """An approximation of the upper bound that betting on units gives."""
    known = [_moments(atom, each) for each in evidence.populations or (evidence,)]
    uppers = [
        value + WIDER * (bounds.delta_method_upper(value, variance, n, delta) - value)
        for value, variance, n in known
    ]
    return max(uppers)


def _moments(atom: Atom, evidence: Evidence) -> tuple[float, float, int]:
    """The atom's value, its variance times n, and n, the size of the smallest sample."""
    point = exact_dual(atom.expression, evidence.estimates(atom.estimands))
    n, variance = evidence.sample_variance(atom.estimands, point.gradient.tolist())
    return point.value, variance, n

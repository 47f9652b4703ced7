"""The safety test: is every constraint satisfied, with confidence 1 - delta?

Each atom gets an upper confidence bound; an AND passes where all its children do at
the full delta (intersection-union test: if the AND is violated, one child is, and
that one passes with probability at most delta), an OR of k children where one does at
delta / k (Bonferroni). Nothing here chooses by the outcomes tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sklearn_seldonian._interval import Interval
from sklearn_seldonian.bounds import (
    binomial_lower,
    binomial_upper,
    bounded_mean_lower,
    bounded_mean_upper,
)
from sklearn_seldonian.certification._statistics import RateSample
from sklearn_seldonian.constraints import And, Atom, Mean, Or, Tree, interval

__all__ = ["Verdict", "safety_test"]

Samples = Mapping[Mean, RateSample]

SMALLEST_P_VALUE = 1e-12


class Verdict(NamedTuple):
    """Outcome of testing one constraint.

    Attributes
    ----------
    g_upper : float
        Upper bound on g that holds with probability at least 1 - delta.
    p_value : float
        The smallest delta at which the constraint would have passed.
    method : str
        How the bound was computed.
    guarantee : {"exact", "finite-sample"}
    """

    g_upper: float
    p_value: float
    method: str
    guarantee: str

    @property
    def passed(self) -> bool:
        return self.g_upper <= 0


def safety_test(tree: Tree, samples: Samples, delta: float, *, hard: bool = True) -> Verdict:
    """Test the constraint `tree` on samples of rows that nothing was fitted to.

    Parameters
    ----------
    tree : And, Or or Atom
    samples : mapping of Mean to RateSample
        Successes and trials of each mean in `tree`.
    delta : float in (0, 1)
        Probability with which a violated constraint may pass.
    hard : bool, default=True
        Whether successes count decisions; else they are sums of probabilities.
    """
    match tree:
        case Atom():
            return _test_atom(tree, samples, delta, hard)
        case And(children=children):
            verdicts = [safety_test(child, samples, delta, hard=hard) for child in children]
            return _summary(max, verdicts, max(v.p_value for v in verdicts))
        case Or(children=children):
            share = delta / len(children)
            verdicts = [safety_test(child, samples, share, hard=hard) for child in children]
            p_value = min(1.0, len(children) * min(v.p_value for v in verdicts))
            return _summary(min, verdicts, p_value)


def _summary(
    extreme: Callable[[list[float]], float], verdicts: list[Verdict], p_value: float
) -> Verdict:
    weakest = "exact" if all(v.guarantee == "exact" for v in verdicts) else "finite-sample"
    methods = " + ".join(sorted({v.method for v in verdicts}))
    return Verdict(extreme([v.g_upper for v in verdicts]), p_value, methods, weakest)


def _test_atom(atom: Atom, samples: Samples, delta: float, hard: bool) -> Verdict:
    sides = dict(zip(atom.means, _sides_needed(atom), strict=True))
    n_bounds = max(1, sum(map(len, sides.values())))

    def upper(d: float) -> float:
        box = {mean: _bounds(samples[mean], sides[mean], d / n_bounds, hard) for mean in atom.means}
        return _or_infinite(_highest(atom, box))

    return Verdict(upper(delta), _smallest_passing(upper), *_method(atom, hard))


def _highest(atom: Atom, box: Mapping[Mean, Interval]) -> float:
    """The largest value of the atom's expression for means within the box."""
    if atom.linear is None:
        return interval(atom.expression, box).high
    ends = (
        weight * (box[mean].high if weight > 0 else box[mean].low)
        for mean, weight in zip(atom.means, atom.linear.weights, strict=True)
        if weight
    )
    return sum(ends, start=atom.linear.constant)


def _or_infinite(bound: float) -> float:
    return math.inf if math.isnan(bound) else bound


def _method(atom: Atom, hard: bool) -> tuple[str, str]:
    one_rate = atom.linear is not None and len(atom.means) == 1
    if not hard:
        return (
            "Chernoff-Hoeffding" if one_rate else "box of Chernoff-Hoeffding bounds"
        ), "finite-sample"
    return (
        ("Clopper-Pearson", "exact")
        if one_rate
        else ("box of Clopper-Pearson bounds", "finite-sample")
    )


def _sides_needed(atom: Atom) -> tuple[str, ...]:
    """For each mean, which of its bounds the atom's upper bound rests on: "u", "l" or "lu"."""
    if atom.linear is None:
        return ("lu",) * len(atom.means)
    return tuple("u" if weight > 0 else "l" if weight < 0 else "" for weight in atom.linear.weights)


def _bounds(sample: RateSample, sides: str, delta: float, hard: bool) -> Interval:
    if hard:
        k, n = int(sample.successes), int(sample.trials)
        low = binomial_lower(k, n, delta) if "l" in sides else 0.0
        high = binomial_upper(k, n, delta) if "u" in sides else 1.0
        return Interval(low, high)
    mean, n = sample.estimate, int(sample.trials)
    low = bounded_mean_lower(mean, n, 0.0, 1.0, delta) if "l" in sides and n else 0.0
    high = bounded_mean_upper(mean, n, 0.0, 1.0, delta) if "u" in sides and n else 1.0
    return Interval(low, high)


def _smallest_passing(upper: Callable[[float], float]) -> float:
    """The smallest delta whose bound passes, from above, to one part in a thousand."""
    if not upper(1.0 - 1e-9) <= 0:
        return 1.0
    low, high = SMALLEST_P_VALUE, 1.0
    while high > low * 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if upper(middle) <= 0 else (middle, high)
    return high

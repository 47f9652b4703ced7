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
from sklearn_seldonian.constraints import And, Atom, Mean, Or, Tree, atoms_of, interval
from sklearn_seldonian.measures import Average

__all__ = ["Verdict", "passes", "safety_test", "upper_bound"]

Samples = Mapping[Mean, RateSample]

SMALLEST_P_VALUE = 1e-12


class Verdict(NamedTuple):
    """Outcome of testing one constraint.

    Attributes
    ----------
    g_upper : float
        Upper bound, which holds with probability at least 1 - delta, on the tree's value: g
        where its atoms are in g's units, else a value of the same sign.
    p_value : float
        The smallest delta at which the constraint would have passed.
    method : str
        How the bound was computed.
    guarantee : {"exact", "finite-sample"}
    reason : str
        Why there is no bound; empty where there is one.
    """

    g_upper: float
    p_value: float
    method: str
    guarantee: str
    reason: str = ""

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
    return Verdict(
        upper_bound(tree, samples, delta, hard=hard),
        _smallest_passing(lambda d: passes(tree, samples, d, hard=hard)),
        " + ".join(sorted({_method(atom, hard) for atom in atoms_of(tree)})),
        "exact" if all(_is_exact(atom, hard) for atom in atoms_of(tree)) else "finite-sample",
        "; ".join(_obstacles(tree, samples, hard)),
    )


def passes(tree: Tree, samples: Samples, delta: float, *, hard: bool = True) -> bool:
    """Whether `safety_test` passes; looks at no more atoms than it takes to know."""
    match tree:
        case Atom():
            return _atom_upper(tree, samples, delta, hard) <= 0
        case And(children=children):
            return all(passes(child, samples, delta, hard=hard) for child in children)
        case Or(children=children):
            share = delta / len(children)
            return any(passes(child, samples, share, hard=hard) for child in children)


def upper_bound(tree: Tree, samples: Samples, delta: float, *, hard: bool = True) -> float:
    """The `g_upper` of `safety_test` alone."""
    match tree:
        case Atom():
            return _atom_upper(tree, samples, delta, hard)
        case And(children=children, implied=implied):
            uppers = [upper_bound(child, samples, delta, hard=hard) for child in children]
            # What holds whatever the means cannot stand in the way.
            certain = [min(0.0, _atom_upper(atom, samples, delta, hard)) for atom in implied]
            return max(uppers + certain)
        case Or(children=children):
            share = delta / len(children)
            return min(upper_bound(child, samples, share, hard=hard) for child in children)


# -- one atom --------------------------------------------------------------------------


def _atom_upper(atom: Atom, samples: Samples, delta: float, hard: bool) -> float:
    if _obstacle(atom, samples, hard):
        return math.inf
    if _is_soft_ratio(atom, hard):
        return _soft_ratio_upper(atom, samples[atom.means[0]], delta)
    sides = dict(zip(atom.means, _sides_needed(atom), strict=True))
    share = delta / max(1, sum(map(len, sides.values())))
    box = {mean: _bounds(mean, samples[mean], sides[mean], share, hard) for mean in atom.means}
    return _or_infinite(interval(atom.expression, box).high)


def _or_infinite(bound: float) -> float:
    return math.inf if math.isnan(bound) else bound


def _obstacles(tree: Tree, samples: Samples, hard: bool) -> list[str]:
    reasons = (_obstacle(atom, samples, hard) for atom in atoms_of(tree))
    return list(dict.fromkeys(filter(None, reasons)))


def _obstacle(atom: Atom, samples: Samples, hard: bool) -> str:
    """Why there is no bound for the atom; empty where there is one."""
    for mean in atom.means:
        if samples[mean].trials and not math.isfinite(samples[mean].successes):
            return f"{mean} is not finite on the safety rows"
        if not all(map(math.isfinite, mean.quantity.range)):
            return f"{mean} has no finite range, so that no finite-sample bound exists"
    drawn = [m for m in atom.means if not hard and m.quantity.conditions_on_prediction]
    if drawn and not _is_soft_ratio(atom, hard):
        return (
            f"which rows count for {drawn[0]} is drawn at random, and this constraint combines it "
            "with other terms"
        )
    return ""


def _method(atom: Atom, hard: bool) -> str:
    if not atom.means:
        return "arithmetic"
    averages = [isinstance(mean.quantity, Average) for mean in atom.means]
    name = "Chernoff-Hoeffding"
    if hard and not all(averages):
        name = f"Clopper-Pearson{' and Chernoff-Hoeffding' if any(averages) else ''}"
    return name if _is_one_mean(atom) else f"box of {name} bounds"


def _is_exact(atom: Atom, hard: bool) -> bool:
    """Whether the bound's error is delta itself, rather than at most delta."""
    if not atom.means:
        return True
    return hard and _is_one_mean(atom) and not isinstance(atom.means[0].quantity, Average)


def _is_one_mean(atom: Atom) -> bool:
    return atom.linear is not None and len(atom.means) == 1


def _sides_needed(atom: Atom) -> tuple[str, ...]:
    """For each mean, which of its bounds the atom's upper bound rests on: "u", "l" or "lu"."""
    if atom.linear is None:
        return ("lu",) * len(atom.means)
    return tuple("u" if weight > 0 else "l" for weight in atom.linear.weights)


def _bounds(mean: Mean, sample: RateSample, sides: str, delta: float, hard: bool) -> Interval:
    low, high = mean.quantity.range
    if not sample.trials:
        return Interval(-math.inf, math.inf)
    if hard and not isinstance(mean.quantity, Average):
        k, n = int(sample.successes), int(sample.trials)
        return Interval(
            binomial_lower(k, n, delta) if "l" in sides else low,
            binomial_upper(k, n, delta) if "u" in sides else high,
        )
    estimate, n = min(max(sample.estimate, low), high), round(sample.trials)
    return Interval(
        bounded_mean_lower(estimate, n, low, high, delta) if "l" in sides else low,
        bounded_mean_upper(estimate, n, low, high, delta) if "u" in sides else high,
    )


def _is_soft_ratio(atom: Atom, hard: bool) -> bool:
    """Whether the atom bounds one ratio of soft means, such as PPV with drawn decisions."""
    return not hard and _is_one_mean(atom) and atom.means[0].quantity.conditions_on_prediction


def _soft_ratio_upper(atom: Atom, sample: RateSample, delta: float) -> float:
    """Upper bound on E[sum of p over the mask, times (weight * success + constant)].

    The ratio of soft means E[p * success] / E[p] meets ``weight * ratio + constant <= 0``
    exactly where that expectation, which is a mean over rows, is at most zero.
    """
    assert atom.linear is not None
    (weight,), constant = atom.linear.weights, atom.linear.constant
    low, high = min(0.0, constant, constant + weight), max(0.0, constant, constant + weight)
    n_rows = round(sample.rows)
    if not n_rows or not sample.trials:
        return math.inf
    mean = (weight * sample.successes + constant * sample.trials) / n_rows
    return bounded_mean_upper(min(max(mean, low), high), n_rows, low, high, delta)


def _smallest_passing(passes_at: Callable[[float], bool]) -> float:
    """The smallest delta that passes, from above, to one part in a thousand."""
    if not passes_at(1.0 - 1e-9):
        return 1.0
    low, high = SMALLEST_P_VALUE, 1.0
    while high > low * 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if passes_at(middle) else (middle, high)
    return high

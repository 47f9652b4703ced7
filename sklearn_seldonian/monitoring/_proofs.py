"""What streams of rows prove about a constraint, valid at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import NamedTuple

from sklearn_seldonian.bounds import (
    MeanBounds,
    MeanStream,
    RateStream,
    box_upper,
    time_uniform_lower,
    time_uniform_sum_lower,
)
from sklearn_seldonian.certification._results import units_of
from sklearn_seldonian.constraints import (
    Atom,
    Estimand,
    ExclusiveColumns,
    Node,
    Or,
    ResolvedConstraint,
    Tree,
    estimate,
    interval,
)
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._split import TRUE, atom_range
from sklearn_seldonian.constraints._sums import range_of

Stream = RateStream | MeanStream
# Relative slack of bounds on sums.
ROUNDING = 1e-12
# For atoms of a rewritten statement, a bound is found by a search over margins: from the first
# distance to the estimate up to the largest, and to this share of the distance.
FIRST_DISTANCE, MAX_DISTANCE, ACCURACY = 2.0**-10, 2.0**20, 2.0**-6


class Evidence(NamedTuple):
    """The rows so far, and the probability of error that is available for what they prove.

    Attributes
    ----------
    streams : mapping of Estimand to stream
    delta : float
        The probability of error of each of the two bounds of a constraint.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    """

    streams: Mapping[Estimand, Stream]
    delta: float
    mutually_exclusive_columns: ExclusiveColumns


def is_violated(constraint: ResolvedConstraint, evidence: Evidence) -> bool:
    r"""Whether the rows prove that the constraint is violated.

    Notes
    -----
    The constraint says :math:`g \le 0`. It is proved to hold if an upper bound of g is at most 0,
    and to be violated if a lower bound is above 0. These are bounds of a tree of AND and OR over
    atoms :math:`h \le 0`. An atom that is linear in means of disjoint rows is bounded by
    `time_uniform_sum_lower`. Any other atom is bounded by interval arithmetic with bounds on each
    of its m means, each at :math:`\delta / m`.

    An AND holds if all of its k children hold. Its upper bound is the largest upper bound of its
    children, each at the full delta: it is wrong only if the bound of the child with the largest
    value is wrong. Its lower bound is the largest lower bound of its children, each at
    :math:`\delta / k`: by the union bound, all of them hold at all times with probability at least
    :math:`1 - \delta`. For an OR it is the other way round. The probability that a bound of g is
    ever wrong is therefore at most delta.
    """
    # A bound is never better than the estimate. Without an estimate, some of an AND may be known.
    if _g_estimate(constraint, evidence) <= 0.0:
        return False
    return _lower(constraint.tree, evidence) > 0.0


def is_certified(constraint: ResolvedConstraint, evidence: Evidence) -> bool:
    """Whether the rows prove that the constraint holds; see `is_violated`."""
    if _g_estimate(constraint, evidence) > 0.0:
        return False
    return _upper(constraint.tree, evidence) <= 0.0


def estimate_of(constraint: ResolvedConstraint, evidence: Evidence) -> float:
    """The value on the rows so far, in the units of the constraint; NaN without rows."""
    return units_of(constraint.source).value(_g_estimate(constraint, evidence))


def bounds_of(constraint: ResolvedConstraint, evidence: Evidence) -> tuple[float, float]:
    """The lower and the upper bound of the value, in the units of the constraint.

    They agree with `is_violated` and `is_certified`. If the atoms are of an equivalent statement in
    other units, such as ``a - c b <= 0`` for ``a / b <= c``, a bound is the tightest limit found
    that is proved to be violated, or to be satisfied.
    """
    violated, certified = is_violated(constraint, evidence), is_certified(constraint, evidence)
    possible, value = range_of(constraint.g), units_of(constraint.source).value
    if constraint.in_units:
        low, high = _lower(constraint.tree, evidence), _upper(constraint.tree, evidence)
    else:
        low, high = _tightest_limits(constraint, evidence)
    low = max(low, possible.low, 0.0 if violated else -math.inf)
    high = min(high, possible.high, 0.0 if certified else math.inf)
    ends = [_without_rounding(value(end)) for end in (low, high)]
    return min(ends), max(ends)


def _without_rounding(bound: float) -> float:
    """The bound, or zero if it differs from zero by rounding only."""
    return 0.0 if abs(bound) < ROUNDING else bound


def _g_estimate(constraint: ResolvedConstraint, evidence: Evidence) -> float:
    """The value of g on the rows; NaN if a mean has no rows."""
    return _estimate(constraint.g, constraint.estimands, evidence)


def _estimate(expression: Node, means: Sequence[Estimand], evidence: Evidence) -> float:
    if not all(evidence.streams[mean].n for mean in means):
        return math.nan
    return estimate(expression, {m: _scaled(m, evidence.streams[m].mean) for m in means})


def _scaled(mean: Estimand, unit: float) -> float:
    """A value between 0 and 1, converted to the range of the mean."""
    low, high = mean.quantity.range
    return low + (high - low) * unit


# -- limits that are proved ------------------------------------------------------------------------


def _tightest_limits(constraint: ResolvedConstraint, evidence: Evidence) -> tuple[float, float]:
    """Margins m for which ``g > m`` is proved, and for which ``g <= m`` is, near the estimate."""
    g = _g_estimate(constraint, evidence)
    start = g if math.isfinite(g) else 0.0

    def is_above(distance: float) -> bool:
        return _lower(constraint.with_margin(start - distance), evidence) > 0.0

    def is_below(distance: float) -> bool:
        return _upper(constraint.with_margin(start + distance), evidence) <= 0.0

    return start - _shortest(is_above), start + _shortest(is_below)


def _shortest(holds: Callable[[float], bool]) -> float:
    """A short distance at which the condition holds; infinite if none is found."""
    low, high = 0.0, FIRST_DISTANCE
    while not holds(high):
        low, high = high, 2.0 * high
        if high > MAX_DISTANCE:
            return math.inf
    while high - low > ACCURACY * high and high > FIRST_DISTANCE:
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


# -- bounds of trees and atoms ---------------------------------------------------------------------


def _upper(tree: Tree, evidence: Evidence) -> float:
    """The upper bound of the largest value in an AND, or of the smallest in an OR."""
    if isinstance(tree, Atom):
        return _atom_upper(tree, evidence)
    if isinstance(tree, Or):
        return -_best([(child, -1.0) for child in tree.children], evidence)
    parts = [_upper(child, evidence) for child in tree.children if child != TRUE]
    # Atoms that hold for any means do not prevent a proof. They count if all others are below zero.
    implied = (min(0.0, _upper(each, evidence)) for each in tree.implied)
    return max([*parts, *implied], default=0.0)


def _lower(tree: Tree, evidence: Evidence) -> float:
    """The lower bound of the largest value in an AND, or of the smallest in an OR."""
    if isinstance(tree, Atom):
        return -_atom_upper(tree, evidence, -1.0)
    if isinstance(tree, Or):
        return min(_lower(child, evidence) for child in tree.children)
    return _best([(child, 1.0) for child in tree.children if child != TRUE], evidence)


def _best(signed: Sequence[tuple[Tree, float]], evidence: Evidence) -> float:
    """The largest lower bound of some signed trees, each at an equal share of delta.

    No bound is above its estimate, so that some bounds need not be computed.
    """
    own = evidence._replace(delta=evidence.delta / max(len(signed), 1))
    estimated = [(sign * _tree_estimate(tree, sign, own), tree, sign) for tree, sign in signed]
    best = -math.inf
    for value, tree, sign in sorted(estimated, key=itemgetter(0), reverse=True):
        if value > best:
            best = max(best, _lower(tree, own) if sign > 0 else -_upper(tree, own))
    return best


def _tree_estimate(tree: Tree, sign: float, evidence: Evidence) -> float:
    """The signed value of a tree on the rows; infinite if it is unknown."""
    value = math.nan
    if isinstance(tree, Atom):
        value = _estimate(tree.expression, tree.estimands, evidence)
    return sign * math.inf if math.isnan(value) else value


def _atom_upper(atom: Atom, evidence: Evidence, sign: float = 1.0) -> float:
    """The upper bound of an atom, or of minus an atom."""
    ends = atom_range(atom)
    highest = ends.high if sign > 0 else -ends.low
    if not atom.estimands:
        return highest
    if atom.linear is not None and atom.has_independent_estimands(
        evidence.mutually_exclusive_columns
    ):
        weights = [sign * weight for weight in atom.linear.weights]
        upper = _sum_upper(atom.estimands, weights, evidence) + sign * atom.linear.constant
    else:
        upper = _box_upper(atom, evidence, sign)
    return math.inf if math.isnan(upper) else min(upper, highest)


def _sum_upper(means: Sequence[Estimand], weights: Sequence[float], evidence: Evidence) -> float:
    """The upper bound of a weighted sum of means of disjoint rows."""
    ranges = [mean.quantity.range for mean in means]
    factors = [-w * (high - low) for w, (low, high) in zip(weights, ranges, strict=True)]
    streams = [evidence.streams[mean] for mean in means]
    lower = _sum_lower(tuple(streams), tuple(factors), evidence.delta)
    parts = [w * low for w, (low, _) in zip(weights, ranges, strict=True)]
    slack = ROUNDING * math.fsum(map(abs, (*factors, *parts)))
    return math.fsum((-lower, *parts, slack))


def _box_upper(atom: Atom, evidence: Evidence, sign: float) -> float:
    """The upper bound by interval arithmetic with bounds on each mean. Means may share rows."""

    def highest(ends: Sequence[tuple[float, float]]) -> float:
        box = {m: Interval(*pair) for m, pair in zip(atom.estimands, ends, strict=True)}
        value = interval(atom.expression, box)
        return value.high if sign > 0 else -value.low

    means = [_mean_bounds(mean, evidence.streams[mean]) for mean in atom.estimands]
    if atom.linear is not None:
        means = [
            mean._replace(needs_lower=sign * weight < 0, needs_upper=sign * weight > 0)
            for mean, weight in zip(means, atom.linear.weights, strict=True)
        ]
    return box_upper(highest, means, evidence.delta)


def _mean_bounds(mean: Estimand, stream: Stream) -> MeanBounds:
    lower, upper = partial(_mean_lower, mean, stream), partial(_mean_upper, mean, stream)
    return MeanBounds(lower, upper, mean.quantity.range)


def _mean_lower(mean: Estimand, stream: Stream, delta: float) -> float:
    return _scaled(mean, _one_lower(stream, delta))


def _mean_upper(mean: Estimand, stream: Stream, delta: float) -> float:
    return _scaled(mean, 1.0 - _one_lower(stream.flipped, delta))


# The same bounds are needed many times while no rows are added.
_one_lower = lru_cache(maxsize=4096)(time_uniform_lower)
_sum_lower = lru_cache(maxsize=4096)(time_uniform_sum_lower)

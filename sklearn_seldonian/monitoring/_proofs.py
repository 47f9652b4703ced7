"""What streams of rows prove of a constraint, at any time that one looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
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
    Negative,
    Or,
    ResolvedConstraint,
    Tree,
    estimate,
    interval,
    shares,
)
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._split import atom_range, split
from sklearn_seldonian.constraints._sums import range_of

Stream = RateStream | MeanStream
# Relative slack of bounds on sums.
ROUNDING = 1e-12
# A bound in units that only tests can tell is sought among margins: from this distance to the
# estimate up to the largest, and to this share of the distance.
FIRST_DISTANCE, MAX_DISTANCE, ACCURACY = 2.0**-10, 2.0**20, 2.0**-6


class Evidence(NamedTuple):
    """The rows so far, and the probability of error that is left for what they prove.

    Attributes
    ----------
    streams : mapping of Estimand to stream
    delta : float
        For each of both bounds of a constraint.
    exclusive : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    """

    streams: Mapping[Estimand, Stream]
    delta: float
    exclusive: ExclusiveColumns


def is_violated(constraint: ResolvedConstraint, evidence: Evidence) -> bool:
    r"""Whether the rows prove that the constraint is violated.

    Notes
    -----
    The constraint says :math:`g \le 0`. It is violated where a lower bound of g is above 0, and
    proved to hold where an upper bound is at most 0. Each is the bound of a tree of AND and OR over
    atoms. An atom that is linear in means of disjoint rows is bounded by `time_uniform_sum_lower`;
    any other by bounds on each of its means, of which m are needed, each at :math:`\delta / m`, and
    interval arithmetic. An AND is bounded by the largest bound of its children, each at the full
    delta: for it to be wrong, the bound of the child with the largest value must be. An OR of k
    children is bounded by the least, each at :math:`\delta / k`; by the union bound all of them
    hold at all times with probability at least :math:`1 - \delta`. So each bound is ever wrong
    with probability at most delta.
    """
    # A bound is never better than the estimate. Without one, some of an AND may be known.
    if _g_estimate(constraint, evidence) <= 0.0:
        return False
    return _tree_upper(negated(constraint).tree, evidence) < 0.0


def is_certified(constraint: ResolvedConstraint, evidence: Evidence) -> bool:
    """Whether the rows prove that the constraint holds; see `is_violated`."""
    if _g_estimate(constraint, evidence) > 0.0:
        return False
    return _tree_upper(constraint.tree, evidence) <= 0.0


def estimate_of(constraint: ResolvedConstraint, evidence: Evidence) -> float:
    """The value of the rows so far, in the units of the constraint; NaN without rows."""
    return units_of(constraint.source).value(_g_estimate(constraint, evidence))


def bounds_of(constraint: ResolvedConstraint, evidence: Evidence) -> tuple[float, float]:
    """Lower and upper bound of the value, in the units of the constraint.

    They agree with what is proved. Where the atoms are of an equivalent statement in other units,
    as ``a - c b <= 0`` is for ``a / b <= c``, the bound is the tightest limit found that is proved.
    """
    g = _g_estimate(constraint, evidence)
    violated, certified = is_violated(constraint, evidence), is_certified(constraint, evidence)
    high = _g_upper(constraint, evidence, g)
    low = -_g_upper(negated(constraint), evidence, -g)
    possible, value = range_of(constraint.g), units_of(constraint.source).value
    low = max(low, possible.low, 0.0 if violated else -math.inf)
    high = min(high, possible.high, 0.0 if certified else math.inf)
    ends = value(low), value(high)
    return min(ends), max(ends)


@lru_cache(maxsize=1024)
def negated(constraint: ResolvedConstraint) -> ResolvedConstraint:
    """The constraint that says ``g >= 0``."""
    g = Negative(constraint.g)
    return replace(constraint, g=g, tree=split(g), choice=None)


def _g_estimate(constraint: ResolvedConstraint, evidence: Evidence) -> float:
    """The value of g on the rows; NaN where a mean has none."""
    means = constraint.estimands
    if not all(evidence.streams[mean].n for mean in means):
        return math.nan
    return estimate(constraint.g, {m: _scaled(m, evidence.streams[m].mean) for m in means})


def _scaled(mean: Estimand, unit: float) -> float:
    """A value on the scale from 0 to 1, on the scale of the mean."""
    low, high = mean.quantity.range
    return low + (high - low) * unit


# -- bounds on g -----------------------------------------------------------------------------------


def _g_upper(constraint: ResolvedConstraint, evidence: Evidence, near: float) -> float:
    """Upper bound of g, looked for above `near` where only tests can tell it."""
    if constraint.in_units:
        return _tree_upper(constraint.tree, evidence)

    def holds(margin: float) -> bool:
        return _tree_upper(constraint.with_margin(margin), evidence) <= 0.0

    start = near if math.isfinite(near) else 0.0
    low, high = 0.0, FIRST_DISTANCE
    while not holds(start + high):
        low, high = high, 2.0 * high
        if high > MAX_DISTANCE:
            return math.inf
    while high - low > ACCURACY * high and high > FIRST_DISTANCE:
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(start + middle) else (middle, high)
    return start + high


def _tree_upper(tree: Tree, evidence: Evidence) -> float:
    if isinstance(tree, Atom):
        return _atom_upper(tree, evidence)
    uppers = [
        _tree_upper(child, evidence._replace(delta=delta))
        for child, delta in shares(tree, evidence.delta)
    ]
    if isinstance(tree, Or):
        return min(uppers)
    # What holds whatever the means cannot stand in the way, and counts if all else is below zero.
    return max([*uppers, *(min(0.0, _tree_upper(each, evidence)) for each in tree.implied)])


def _atom_upper(atom: Atom, evidence: Evidence) -> float:
    highest = atom_range(atom).high
    if not atom.estimands:
        return highest
    if atom.linear is not None and atom.has_independent_estimands(evidence.exclusive):
        upper = _sum_upper(atom.estimands, atom.linear.weights, evidence) + atom.linear.constant
    else:
        upper = _box_upper(atom, evidence)
    return math.inf if math.isnan(upper) else min(upper, highest)


def _sum_upper(means: Sequence[Estimand], weights: Sequence[float], evidence: Evidence) -> float:
    """Upper bound of a weighted sum of means of disjoint rows."""
    ranges = [mean.quantity.range for mean in means]
    factors = [-w * (high - low) for w, (low, high) in zip(weights, ranges, strict=True)]
    streams = [evidence.streams[mean] for mean in means]
    lower = time_uniform_sum_lower(streams, factors, evidence.delta)
    parts = [w * low for w, (low, _) in zip(weights, ranges, strict=True)]
    slack = ROUNDING * math.fsum(map(abs, (*factors, *parts)))
    return math.fsum((-lower, *parts, slack))


def _box_upper(atom: Atom, evidence: Evidence) -> float:
    """Upper bound by bounds on each mean, which may share rows, and interval arithmetic."""

    def evaluate(ends: Sequence[tuple[float, float]]) -> float:
        box = {m: Interval(*pair) for m, pair in zip(atom.estimands, ends, strict=True)}
        return interval(atom.expression, box).high

    means = [_mean_bounds(mean, evidence.streams[mean]) for mean in atom.estimands]
    if atom.linear is not None:
        means = [
            mean._replace(needs_lower=weight < 0, needs_upper=weight > 0)
            for mean, weight in zip(means, atom.linear.weights, strict=True)
        ]
    return box_upper(evaluate, means, evidence.delta)


def _mean_bounds(mean: Estimand, stream: Stream) -> MeanBounds:
    return MeanBounds(
        partial(_lower, mean, stream), partial(_upper, mean, stream), mean.quantity.range
    )


def _lower(mean: Estimand, stream: Stream, delta: float) -> float:
    return _scaled(mean, time_uniform_lower(stream, delta))


def _upper(mean: Estimand, stream: Stream, delta: float) -> float:
    return _scaled(mean, 1.0 - time_uniform_lower(stream.flipped, delta))

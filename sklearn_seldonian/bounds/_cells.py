"""Bounds on the p-values of all limits in a cell, from the tables that may count at any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sklearn_seldonian.bounds._pair import (
    BOX_SHARE,
    SLACK_SHARE,
    TIE,
    Pair,
    bound_p_value,
    lower_set,
    search_edge,
)
from sklearn_seldonian.bounds._score import Floats, clipped, restricted_mle, score_edge
from sklearn_seldonian.bounds._worst_case import Line, LowerSet, largest_seen

# The closed form of the edge of the set of tables is accurate enough for the search if each rate
# has at least this many events and as many non-events, and delta is at most this. With a larger
# delta the bound is too near the estimate.
MIN_EVENTS = 20
LARGE_DELTA = 0.25

# The number of parts of a cell per ratio of its width to its distance from the estimate. It is
# limited by the number of parts and by the number of statistics to compute (one per part and column
# of tables). More parts leave fewer tables undecided.
PARTS_PER_DISTANCE = 40.0
MIN_PARTS, MAX_PARTS = 2, 12
MIN_STATISTICS, STATISTICS = 400, 2400


def cell_p_value(pair: Pair, c_low: float, c_high: float, enough: float = 0.0) -> float:
    """Bound the p-values of all limits from c_low to c_high; need not be tighter than `enough`."""
    return bound_p_value(pair, c_low, lambda line: _tables(pair, c_low, c_high, line), enough)


def approximate_p_value(pair: Pair, c: float) -> float:
    """An approximation of the p-value at one limit, which is faster than a bound.

    The bound itself is returned if events are few, because a single count then matters, and if
    delta is large, because the bound is then near the estimate.
    """
    fewest = min(*pair.counts, *(n - x for n, x in zip(pair.trials, pair.counts, strict=True)))
    if fewest < MIN_EVENTS or pair.delta > LARGE_DELTA:
        return cell_p_value(pair, c, c)
    line = pair.line(c)
    seen = largest_seen(_tables(pair, c, c, line, exactly=False), line)
    return min(1.0, BOX_SHARE * pair.delta + seen + SLACK_SHARE * pair.delta)


def _tables(pair: Pair, c_low: float, c_high: float, line: Line, exactly: bool = True) -> LowerSet:
    """The tables whose statistic is at most the pair's, or ties with it, at some limit of the cell.

    The set may contain a few more tables. Unless `exactly`, it is an approximation.
    """

    def highest(x1: Floats, first: int, last: int) -> Floats:
        edge = _Edge.of_cell(pair, c_low, c_high, x1.size)
        guess = edge.guess(x1)
        return search_edge(edge.beyond, x1, first, last, guess) if exactly else guess

    return lower_set(pair, line, highest)


class _Edge(NamedTuple):
    """The edge beyond which a table's statistic exceeds the pair's at all limits of a cell.

    `limits` (first axis) divide the cell into parts. `own` is minus the pair's statistic at each
    of them. `own_least` is the same at the lower limit of each part, with the largest variance
    within the part.
    """

    pair: Pair
    limits: Floats
    own: Floats
    own_least: Floats

    @classmethod
    def of_cell(cls, pair: Pair, c_low: float, c_high: float, n_columns: int) -> _Edge:
        points = 1
        if c_high > c_low:
            by_width = math.ceil(PARTS_PER_DISTANCE * (c_high - c_low) / (c_low - pair.estimate))
            wanted = max(by_width, MIN_STATISTICS // n_columns)
            points = 1 + max(MIN_PARTS, min(wanted, MAX_PARTS, STATISTICS // n_columns))
        limits = np.linspace(c_low, c_high, points)[:, None, None]
        rates = restricted_mle(*pair.table, pair.trials, pair.weights, limits)
        inner = [clipped(0.5, *_ends_of_parts(p)) for p in rates]
        short = limits - pair.estimate
        with np.errstate(divide="ignore"):  # a limit at which all rates are one has no variance
            own = short / np.sqrt(_variance(pair, rates))
            own_least = _ends_of_parts(short)[0] / np.sqrt(_variance(pair, inner))
        return cls(pair, limits, own, own_least)

    def guess(self, x1: Floats) -> Floats:
        """An approximation of the highest x2 whose statistic is at most the pair's, for each x1."""
        pair, found = self.pair, np.full(x1.shape, -1.0)
        for limit, own in {(self.limits[i].item(), self.own[i].item()) for i in (0, -1)}:
            if not math.isfinite(own):
                continue
            first, second = score_edge(pair.trials, pair.weights, limit, -own)
            if first.size:
                found = np.maximum(found, np.interp(x1, first[::-1], second[::-1], right=-1.0))
        return found

    def beyond(self, x1: Floats, x2: Floats) -> Floats:
        """Positive only if the tables' statistic exceeds the pair's, without a tie, at every limit.

        A positive value is approximately the smallest difference.
        """
        pair, (n1, n2), (a1, a2) = self.pair, self.pair.trials, self.pair.weights
        rates = restricted_mle(x1, x2, pair.trials, pair.weights, self.limits)
        ends = [_ends_of_parts(p) for p in rates]
        outer = [np.where(np.abs(p - 0.5) > np.abs(q - 0.5), p, q) for p, q in ends]
        least = _variance(pair, outer)
        last = _variance(pair, [p_high for _, p_high in ends])
        short_low, short_high = _ends_of_parts(self.limits - (a1 * x1 / n1 + a2 * x2 / n2))
        own_low, own_high = _ends_of_parts(self.limits - pair.estimate)
        rounding = 1e-12 * (a1 + a2)
        ratio = np.where(own_high > rounding, own_low / np.maximum(own_high, rounding), 1.0)

        def above(short: Floats, variance: Floats, own: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.where(np.abs(short) <= rounding, 0.0, -short / np.sqrt(variance))
                return np.asarray(t + own - TIE * (1.0 + own))

        by_variance = above(np.maximum(short_low, short_high * ratio), least, self.own_least)
        by_limit = above(short_high, last, _ends_of_parts(self.own)[0])
        return np.asarray(np.maximum(by_variance, by_limit).min(axis=0))


def _variance(pair: Pair, rates: Sequence[Floats]) -> Floats:
    """Variance of the estimate at these rates."""
    (n1, n2), (a1, a2), (p1, p2) = pair.trials, pair.weights, rates
    return a1 * a1 / n1 * p1 * (1.0 - p1) + a2 * a2 / n2 * p2 * (1.0 - p2)


def _ends_of_parts(values: Floats) -> tuple[Floats, Floats]:
    """Values at the lower and the upper limit of each part of a cell, or at its only limit."""
    return (values[:-1], values[1:]) if len(values) > 1 else (values, values)

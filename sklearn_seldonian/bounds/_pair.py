"""Two rates with a limit on their combination: their box, tables, and bounds of p-values."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import Numbers
from sklearn_seldonian.bounds._score import Floats, clipped, positive_form, score_statistic
from sklearn_seldonian.bounds._worst_case import Line, LowerSet, window, worst_case

# The part of delta that is spent on the box of both rates (Berger and Boos).
BOX_SHARE = 1.0 / 1000.0

# The part of delta that is given up so that the search for the worst rates can stop.
SLACK_SHARE = 1.0 / 1000.0

# Statistics closer than this count as tied, so that rounding cannot split a tie.
TIE = 1e-7


class Pair(NamedTuple):
    """Two rates with positive weights, the smaller sample first, and the box of both."""

    counts: tuple[int, int]
    trials: tuple[int, int]
    weights: tuple[float, float]
    low: tuple[float, float]
    high: tuple[float, float]
    offset: float  # the original combination is offset + this one
    swapped: bool  # whether the first rate here was given as the second
    delta: float

    @property
    def estimate(self) -> float:
        return sum(
            a * x / n for a, x, n in zip(self.weights, self.counts, self.trials, strict=True)
        )

    @property
    def largest(self) -> float:
        return sum(a * u for a, u in zip(self.weights, self.high, strict=True))

    @property
    def table(self) -> tuple[Floats, Floats]:
        return np.array([float(self.counts[0])]), np.array([float(self.counts[1])])

    @property
    def level(self) -> float:
        """The largest bound of p-values with which a cell is rejected, with room for slack."""
        return (1.0 - 1.2 * SLACK_SHARE) * self.delta

    def statistic(self, c: float | Floats) -> Floats:
        """The score statistic of the counts at one or several limits."""
        return score_statistic(*self.table, self.trials, self.weights, c)

    def line(self, c: float) -> Line:
        """The rates within the box that are on the limit `c`."""
        a1, a2 = self.weights
        first = max(self.low[1], (c - a1 * self.high[0]) / a2)
        last = min(self.high[1], (c - a1 * self.low[0]) / a2)
        return Line(self.weights, c, first, max(first, last))


def pair_of(successes: Numbers, trials: Numbers, weights: Numbers, delta: float) -> Pair:
    form = positive_form(successes, trials, weights)
    swapped = form.trials[0] > form.trials[1]  # sums run over windows of the first
    order = [1, 0] if swapped else [0, 1]
    (x1, x2), (n1, n2), (a1, a2) = ([part[k] for k in order] for part in form[:3])
    low, high = interval_each(np.array([x1, x2]), np.array([n1, n2]), BOX_SHARE * delta / 4.0)
    return Pair(
        counts=(int(x1), int(x2)),
        trials=(int(n1), int(n2)),
        weights=(float(a1), float(a2)),
        low=(float(low[0]), float(low[1])),
        high=(float(high[0]), float(high[1])),
        offset=form.offset,
        swapped=swapped,
        delta=delta,
    )


def bound_p_value(
    pair: Pair, limit: float, tables_on: Callable[[Line], LowerSet], enough: float = 0.0
) -> float:
    """Bound a p-value at the limit; the bound need not be tighter than `enough`.

    The p-value has two parts: the part of delta that is spent on the box, and the largest
    probability of the tables that `tables_on` returns, over the rates in the box that are on the
    limit.
    """
    if limit <= pair.estimate:
        return 1.0
    gamma = BOX_SHARE * pair.delta
    if limit >= pair.largest:  # no rates within the box are beyond the limit
        return gamma
    line = pair.line(limit)
    slack = SLACK_SHARE * pair.delta
    return min(1.0, gamma + worst_case(tables_on(line), line, slack, max(enough - gamma, 0.0)))


def lower_set(pair: Pair, line: Line, highest: Callable[[Floats, int, int], Floats]) -> LowerSet:
    """The tables with at most `highest` counts of the second rate, for each count of the first.

    `highest` takes the counts of the first rate that matter on the line, and the first and the last
    count of the second rate that matter. The running maximum closes the set downwards even with
    rounding errors.
    """
    n1, n2 = pair.trials
    ends = np.array([line.first, line.last])
    tail = (1e-4 * pair.delta) ** 2 / 5.0
    low1, high1 = window(n1, float(line.p1(ends)[1]), float(line.p1(ends)[0]), tail)
    low2, high2 = window(n2, line.first, line.last, tail)
    found = np.floor(highest(np.arange(low1, high1 + 1, dtype=np.float64), low2, high2))
    found = np.nan_to_num(found, nan=low2 - 1.0)
    hull = np.maximum.accumulate(found[::-1])[::-1].astype(np.int64)
    return LowerSet(pair.trials, low1, hull, tail)


def search_edge(
    beyond: Callable[[Floats, Floats], Floats],
    x1: Floats,
    first: int,
    last: int,
    aim: Floats | float = np.nan,
) -> Floats:
    """The highest x2 from `first` to `last` that is not `beyond` the edge, for each x1.

    It is ``first - 1`` if there is none. `beyond` increases with x2 and is positive for tables
    beyond the edge; NaN counts as not beyond. Secant steps start from `aim`, which may be any
    number; every fourth step halves the bracket.
    """
    inside, outside = np.full(x1.shape, first - 1.0), np.full(x1.shape, last + 1.0)
    aim, step = np.full(x1.shape, aim), 0
    while (open_ := np.flatnonzero(outside - inside > 1.0)).size:
        step += 1
        low, high, near = inside[open_], outside[open_], aim[open_]
        near = np.where(np.isnan(near) | (step % 4 == 0), (low + high) / 2.0, near)
        lower = clipped(np.floor(near), low + 1.0, high - 1.0)
        upper = np.minimum(lower + 1.0, high - 1.0)
        excess = beyond(x1[open_], np.stack([lower, upper]))
        in_lower, in_upper = ~(excess > 0.0)
        inside[open_] = np.where(in_lower, np.where(in_upper, upper, lower), low)
        outside[open_] = np.where(in_lower, np.where(in_upper, high, upper), lower)
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.stack([lower, upper]) - excess / (excess[1] - excess[0])
        aim[open_] = np.where(in_lower, root[1], root[0])
    return inside

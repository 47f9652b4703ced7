"""A linear combination of two independent rates: the exact unconditional test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from sklearn_seldonian.bounds._binomial import interval_each, rate_p_value, rate_upper
from sklearn_seldonian.bounds._checks import (
    check_delta,
    check_same_length,
    counts_usable,
    finite,
)
from sklearn_seldonian.bounds._score import (
    Floats,
    clipped,
    positive_form,
    restricted_mle,
    score_edge,
    score_statistic,
)
from sklearn_seldonian.bounds._worst_case import Line, LowerSet, largest_seen, window, worst_case

# Part of delta spent on the intervals that confine both rates (Berger and Boos).
BOX_SHARE = 1.0 / 1000.0

# Part of delta given up so that the search for the worst rates may stop.
SLACK_SHARE = 1.0 / 1000.0

# Statistics closer than this count as tied, so that rounding cannot split a tie.
TIE = 1e-7

# Steps of the search for a bound, as part of the distance from the estimate to it.
FINEST = 1.0 / 2500.0

# With so many events, and as many complements, of each rate the edge between tables that count and
# others is known well enough by its closed form to steer by; up to so large a delta, which leaves
# the bound far enough from the estimate.
MIN_EVENTS = 20
LARGE_DELTA = 0.25

# So many steps above where the bound will end, cells of limits are narrow; where more than so many
# are left, a cell takes so much of the way, since a whole one would be too coarse to end there.
NEAR, FAR, FIRST_SHARE = 500.0, 125.0, 0.95

# The bound is aimed at so many steps above the root, since cells need room; from so many steps
# away a normal statistic tells well enough where the root is.
ROOM, KNOWN = 1.0, 6.0

# Parts of a cell for each distance from the estimate to it that the cell is wide; at least
# and at most so many, or as many as make so many statistics, one a part and column of tables.
# More leave fewer tables undecided.
PARTS_PER_DISTANCE = 40.0
MIN_PARTS, MAX_PARTS = 2, 12
MIN_STATISTICS, STATISTICS = 400, 2400


def two_rate_p_value(
    successes: Sequence[float],
    trials: Sequence[float],
    weights: Sequence[float],
    limit: float,
    delta: float,
) -> float:
    r"""Exact p-value against ``a1 p1 + a2 p2 > limit`` for two rates; small means certified.

    Parameters
    ----------
    successes, trials, weights : sequence of two numbers
        Events, rows and factor a_k of each rate.
    limit : float
        The largest value of the combination allowed.
    delta : float
        The level at which the p-value will be used; delta / 1000 is spent on confining
        the rates and is the smallest p-value for a limit that can be exceeded at all.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) with a rate that has no rows, a number that is not
        finite, or an estimate at or above the limit.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside
        (0, 1).

    Notes
    -----
    Assumes two independent binomial counts: rows independent, none shared. Negative
    weights are turned into positive ones of the complements. Tables are ordered by the
    score statistic T at the limit c (Miettinen and Nurminen [2]_, general weights), and

    .. math:: p = \gamma + \sup_{p \in B,\; a \cdot p \ge c} P_p\{T(Y) \le T(x)\}

    with B the Clopper-Pearson box of both rates at :math:`\gamma = \delta / 1000` (Berger
    and Boos [1]_): outside B lie the true rates with probability at most :math:`\gamma`,
    and inside the second term is a p-value. T rises in both counts (proved in
    `score_statistic`), so the probability falls in both rates and the supremum over the
    region is the one over its lower edge, the part of the line :math:`a \cdot p = c` in B.
    There it is bounded from above between the points of a search (`worst_case`), by at
    most delta / 1000 too much, and the binomials' mass outside the sums is added. Ties
    within rounding count as ties.

    If it were wrong, summing both binomials over all tables certified would exceed delta
    for some rates on or beyond the line.

    References
    ----------
    .. [1] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set
       for the nuisance parameter. Journal of the American Statistical Association
       89(427), 1012-1016.
    .. [2] Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates.
       Statistics in Medicine 4(2), 213-226.
    .. [3] Chan, I. S. F. and Zhang, Z. (1999). Test-based exact confidence intervals for
       the difference of two binomial proportions. Biometrics 55(4), 1202-1209.

    Examples
    --------
    Is the first rate at most 0.1 above the second?

    >>> round(two_rate_p_value([70, 75], [200, 200], [1, -1], limit=0.1, delta=0.05), 4)
    0.0052
    """
    check_delta(delta)
    if _degenerate(successes, trials, weights):
        return _one_rate_p_value(successes, trials, weights, limit)
    if not finite(limit):
        return 1.0
    pair = pair_of(successes, trials, weights, delta)
    c = limit - pair.offset
    if c >= sum(pair.weights):  # no rates exceed the limit
        return 0.0
    if c <= pair.estimate:
        return 1.0
    if c >= pair.largest:  # none within the box do
        return BOX_SHARE * delta
    return _Cells(pair).p_value(c, c)


def two_rate_upper(
    successes: Sequence[float],
    trials: Sequence[float],
    weights: Sequence[float],
    delta: float,
) -> float:
    r"""Upper confidence bound on ``a1 p1 + a2 p2``, wrong at most `delta` of the time.

    Parameters
    ----------
    successes, trials, weights : sequence of two numbers
        Events, rows and factor a_k of each rate.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with a rate that has no rows or a number that is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside
        (0, 1).

    Notes
    -----
    The supremum of the limits that `two_rate_p_value` does not reject at `delta`, or a
    little more [1]_. The p-value is not monotone in the limit, because the ordering moves
    with it; so every limit above the bound has to be rejected, not only those tried. From
    the top of the box, above which all are, the bound is lowered by whole cells of
    limits. The worst probability over the null region of a cell's lowest limit, of a set
    that contains :math:`\{T(Y; c) \le T(x; c)\}` for every c of the cell, bounds its
    p-values. To find the set, a cell is divided into parts :math:`[c_1, c_2]`. Both
    restricted rates rise with c, so that each table's restricted standard error s lies
    between bounds that follow from the rates at :math:`c_1` and :math:`c_2`; and
    :math:`R(c) = (c - a \cdot \hat p_Y) / (c - a \cdot \hat p_x)` is monotone. Hence a table
    is left out rightly if

    .. math:: \max\{R(c_1), R(c_2)\} < \frac{\min s_Y}{\max s_x}
              \quad\text{or}\quad T(Y; c_2) > T(x; c_1)

    in every part: the second because T falls in c (proved in `score_statistic`), the first,
    which is much sharper, because :math:`T = (a \cdot \hat p - c) / s`. A cell counts as
    rejected if its bound is at most :math:`0.9988\,\delta`, a little more than the search's
    slack below delta, so that ``upper <= c`` implies ``p_value(c) <= delta``. Where the cells
    should end is found from p-values of single limits, seen at some rates rather than bounded,
    to about 1/1000 of the distance from estimate to bound; the bound is about that much too
    large, and more where tables so nearly tie with x over a range of limits that a cell of
    1/2500 of the distance cannot tell them from ties.

    If it were wrong, a limit above the bound would have a p-value above delta.

    References
    ----------
    .. [1] Chan, I. S. F. and Zhang, Z. (1999). Test-based exact confidence intervals for
       the difference of two binomial proportions. Biometrics 55(4), 1202-1209.

    Examples
    --------
    >>> round(two_rate_upper([70, 75], [200, 200], [1, -1], 0.05), 3)
    0.055
    """
    check_delta(delta)
    if _degenerate(successes, trials, weights):
        return _one_rate_upper(successes, trials, weights, delta)
    pair = pair_of(successes, trials, weights, delta)
    return _in_given_form(_upper_positive(pair), pair, weights)


def two_rate_certified(
    successes: Sequence[float],
    trials: Sequence[float],
    weights: Sequence[float],
    limit: float,
    delta: float,
) -> bool:
    """Whether ``two_rate_upper(...) <= limit``, without the digits that do not matter.

    Parameters
    ----------
    successes, trials, weights, limit, delta
        As in `two_rate_p_value`.

    Returns
    -------
    bool
        False with a rate that has no rows or a number that is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside
        (0, 1).

    Notes
    -----
    A p-value above delta says no. Otherwise the steps of `two_rate_upper` [1]_ are taken
    until they are at or below the limit. If it were wrong, it would differ from comparing
    `two_rate_upper` with the limit.

    References
    ----------
    .. [1] Chan, I. S. F. and Zhang, Z. (1999). Test-based exact confidence intervals for
       the difference of two binomial proportions. Biometrics 55(4), 1202-1209.

    Examples
    --------
    >>> two_rate_certified([70, 75], [200, 200], [1, -1], limit=0.1, delta=0.05)
    True
    """
    if not two_rate_p_value(successes, trials, weights, limit, delta) <= delta:
        return False
    if _degenerate(successes, trials, weights):
        return _one_rate_upper(successes, trials, weights, delta) <= limit
    pair = pair_of(successes, trials, weights, delta)

    def enough(bound: float) -> bool:
        return _in_given_form(bound, pair, weights) <= limit

    return enough(_upper_positive(pair, enough))


class Pair(NamedTuple):
    """Two rates with positive weights, the smaller sample first, and the box of both."""

    counts: tuple[int, int]
    trials: tuple[int, int]
    weights: tuple[float, float]
    low: tuple[float, float]
    high: tuple[float, float]
    offset: float
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


def pair_of(
    successes: Sequence[float], trials: Sequence[float], weights: Sequence[float], delta: float
) -> Pair:
    form = positive_form(successes, trials, weights)
    tail = BOX_SHARE * delta / 4.0
    order = sorted((0, 1), key=lambda k: form.trials[k])  # sums run over windows of the first
    low, high = interval_each(np.array(form.successes), np.array(form.trials), tail)

    def pick(values: Sequence[float]) -> tuple[float, float]:
        return float(values[order[0]]), float(values[order[1]])

    counts, sizes = pick(form.successes), pick(form.trials)
    return Pair(
        counts=(int(counts[0]), int(counts[1])),
        trials=(int(sizes[0]), int(sizes[1])),
        weights=pick(form.weights),
        low=pick(low.tolist()),
        high=pick(high.tolist()),
        offset=form.offset,
        delta=delta,
    )


def _in_given_form(bound: float, pair: Pair, weights: Sequence[float]) -> float:
    """The bound of the positive form, rounded upwards, as one of the combination given."""
    rounded = bound + pair.offset + 1e-15 * sum(pair.weights)
    return min(rounded, math.fsum(a for a in weights if a > 0.0))


def _upper_positive(pair: Pair, enough: Callable[[float], bool] = lambda bound: False) -> float:
    """Lower the bound from the top of the box by cells of limits that are all rejected.

    The steps do not depend on `enough`, which may end them early.
    """
    bound, estimate = pair.largest, pair.estimate
    if bound <= estimate or enough(bound):
        return bound
    quantile = min(float(ndtri(pair.delta)), -0.1)
    likely = _limit_at(pair, quantile)
    error = (likely - estimate) / -quantile
    finest = max((likely - estimate) * FINEST, 1e-12 * sum(pair.weights))
    cells = _Cells(pair)
    # Often one cell takes the bound to so near where it will end that another takes it there.
    near = NEAR * finest
    bound = _descend(cells, bound, likely + near, near, enough)
    if enough(bound):
        return bound
    target = _root(cells, (estimate, bound), likely, error, finest)
    return _descend(cells, bound, target, finest, enough)


def _descend(
    cells: _Cells, bound: float, target: float, finest: float, enough: Callable[[float], bool]
) -> float:
    """Lower the bound to the target, unless a cell of width `finest` is not rejected."""
    fails = 0
    while bound > target:
        away = bound - target
        step = max(min(finest, away), away * 0.9 ** (fails * (fails + 1) / 2))
        if not fails and away > FAR * finest:
            step = FIRST_SHARE * away
        below = bound - step if step < away else target
        if cells.p_value(below, bound, enough=cells.level) <= cells.level:
            bound, fails = below, 0
            if enough(bound):
                break
        elif step <= finest:
            break
        else:
            fails += 1
    return bound


def _root(
    cells: _Cells, bracket: tuple[float, float], probe: float, error: float, finest: float
) -> float:
    """A limit about `ROOM` steps above the highest not rejected, as far as `about` tells.

    The search starts from `probe` and takes `error` for the estimate's standard error.
    """
    low, high = bracket
    for trial in itertools.count(1):
        if trial % 4 == 0 or not low < probe < high:
            probe = (low + high) / 2.0
        p = cells.about(probe)
        rejected = p <= cells.level
        low, high = (low, probe) if rejected else (probe, high)
        # A normal statistic would have its root here.
        move = error * float(ndtri(p) - ndtri(cells.level))
        aim = probe + move + ROOM * finest
        if high - low <= finest or (rejected and probe - aim <= finest):
            return high
        if abs(move) <= KNOWN * finest and low < aim < high:
            return aim
        # The least limit rejected may be the one returned: come nearer to the root from above.
        probe = aim - 0.7 * finest if rejected else aim
    raise AssertionError("unreachable")


def _limit_at(pair: Pair, statistic: float) -> float:
    """About the limit between estimate and top of the box where the score statistic is this."""
    limits = np.linspace(pair.largest, pair.estimate, 33)[:-1]
    values = score_statistic(*pair.table, pair.trials, pair.weights, limits)
    return float(np.interp(statistic, np.maximum(values, -100.0), limits))


def level_of_cells(delta: float) -> float:
    """Up to which bound of its p-values a cell is rejected: leaves room for their slack."""
    return (1.0 - 1.2 * SLACK_SHARE) * delta


class _Cells:
    """Bounds the p-values of all limits of a cell."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.level = level_of_cells(pair.delta)

    def p_value(self, c_low: float, c_high: float, enough: float = 0.0) -> float:
        """Bound the p-value of every limit from c_low to c_high, not closer than `enough`."""
        if c_low <= self.pair.estimate:
            return 1.0
        line, gamma = line_at(self.pair, c_low), BOX_SHARE * self.pair.delta
        tables = _at_most(self.pair, c_low, c_high, line)
        slack = SLACK_SHARE * self.pair.delta
        return min(1.0, gamma + worst_case(tables, line, slack, max(enough - gamma, 0.0)))

    def about(self, c: float) -> float:
        """About the p-value of one limit, sooner told than bounded.

        It is bounded where events are few, since there a count more or less in the set of tables
        moves it, and where delta is large, since then the bound is near the estimate.
        """
        counts, trials = self.pair.counts, self.pair.trials
        fewest = min(*counts, *(n - x for n, x in zip(trials, counts, strict=True)))
        if fewest < MIN_EVENTS or self.pair.delta > LARGE_DELTA:
            return self.p_value(c, c)
        line, gamma = line_at(self.pair, c), BOX_SHARE * self.pair.delta
        tables = _at_most(self.pair, c, c, line, exactly=False)
        return min(1.0, gamma + largest_seen(tables, line) + SLACK_SHARE * self.pair.delta)


def line_at(pair: Pair, c: float) -> Line:
    """The rates within the box that are on the limit `c`."""
    a1, a2 = pair.weights
    first = max(pair.low[1], (c - a1 * pair.high[0]) / a2)
    last = min(pair.high[1], (c - a1 * pair.low[0]) / a2)
    return Line(pair.weights, c, first, max(first, last))


def windows(pair: Pair, line: Line) -> tuple[Floats, tuple[int, int], float]:
    """Counts of the first rate that matter on the line, the first and last of the second, and
    what they leave out on a side."""
    n1, n2 = pair.trials
    ends = np.array([line.first, line.last])
    tail = (1e-4 * pair.delta) ** 2 / 5.0
    low1, high1 = window(n1, float(line.p1(ends)[1]), float(line.p1(ends)[0]), tail)
    x1 = np.arange(low1, high1 + 1, dtype=np.float64)
    return x1, window(n2, line.first, line.last, tail), tail


def _at_most(pair: Pair, c_low: float, c_high: float, line: Line, exactly: bool = True) -> LowerSet:
    """The tables whose statistic at some limit of the cell is at most the pair's, or ties with
    it, as a lower set, perhaps with a few more; not `exactly`, about those.

    The statistic rises in both counts, so a search in brackets finds the highest x2 for each
    x1. The running maximum closes the set downwards whatever rounding does.
    """
    x1, (low2, high2), tail = windows(pair, line)  # thresholds outside do not matter
    edge = _Edge.of_cell(pair, c_low, c_high, _n_parts(pair, c_low, c_high, x1.size))
    found = edge.guess(x1)
    if exactly:
        outside = np.full(x1.shape, low2 - 1.0), np.full(x1.shape, high2 + 1.0)
        found = edge.highest(x1, *outside, found, _steepness(pair, line))
    found = np.nan_to_num(np.floor(found), nan=low2 - 1.0)
    hull = np.maximum.accumulate(found[::-1])[::-1].astype(np.int64)
    return LowerSet(pair.trials, int(x1[0]), hull, tail)


def _n_parts(pair: Pair, c_low: float, c_high: float, n_columns: int) -> int:
    """Into how many parts to divide a cell of limits: the more, the fewer tables are undecided."""
    by_width = math.ceil(PARTS_PER_DISTANCE * (c_high - c_low) / (c_low - pair.estimate))
    wanted = max(by_width, MIN_STATISTICS // n_columns)
    return max(MIN_PARTS, min(wanted, MAX_PARTS, STATISTICS // n_columns))


def _steepness(pair: Pair, line: Line) -> float:
    """About how much the score statistic rises with one more in x2."""
    p2 = np.array([(line.first + line.last) / 2.0])
    rates = float(line.p1(p2)[0]), float(p2[0])
    parts = zip(pair.weights, rates, pair.trials, strict=True)
    variance = sum(a * a * max(p * (1.0 - p), 1.0 / n) / n for a, p, n in parts)
    return pair.weights[1] / pair.trials[1] / math.sqrt(variance)


class _Edge(NamedTuple):
    """Where the statistic of tables, rising in x2, passes the pair's at all limits of a cell.

    `limits` (first axis) part the cell. `own` is minus the pair's statistic at each of them,
    `own_least` the same at the lower limit of each part, by the largest variance within the part.
    """

    pair: Pair
    limits: Floats
    own: Floats
    own_least: Floats

    @classmethod
    def of_cell(cls, pair: Pair, c_low: float, c_high: float, parts: int) -> _Edge:
        points = max(parts, 1) + 1 if c_high > c_low else 1
        limits = np.linspace(c_low, c_high, points)[:, None, None]
        rates = restricted_mle(*pair.table, pair.trials, pair.weights, limits)
        inner = [clipped(0.5, *_parts(p)) for p in rates]
        short = limits - pair.estimate
        with np.errstate(divide="ignore"):  # no limit is above that where all rates are one
            own = short / np.sqrt(_variance(pair, rates))
            own_least = _parts(short)[0] / np.sqrt(_variance(pair, inner))
        return cls(pair, limits, own, own_least)

    def guess(self, x1: Floats) -> Floats:
        """About the highest x2 whose statistic is not above the pair's, for each x1."""
        pair, found = self.pair, np.full(x1.shape, -1.0)
        for limit, own in {(self.limits[i].item(), self.own[i].item()) for i in (0, -1)}:
            if not math.isfinite(own):
                continue
            first, second = score_edge(pair.trials, pair.weights, limit, -own)
            if first.size:
                found = np.maximum(found, np.interp(x1, first[::-1], second[::-1], right=-1.0))
        return found

    def beyond(self, x1: Floats, x2: Floats) -> Floats:
        """Positive only if the tables' statistic is above the pair's, without a tie, at every
        limit of the cell; then about the least difference.
        """
        pair, (n1, n2), (a1, a2) = self.pair, self.pair.trials, self.pair.weights
        rates = restricted_mle(x1, x2, pair.trials, pair.weights, self.limits)
        ends = [_parts(p) for p in rates]
        outer = [np.where(np.abs(p - 0.5) > np.abs(q - 0.5), p, q) for p, q in ends]
        least = _variance(pair, outer)
        last = _variance(pair, [p_high for _, p_high in ends])
        short_low, short_high = _parts(self.limits - (a1 * x1 / n1 + a2 * x2 / n2))
        own_low, own_high = _parts(self.limits - pair.estimate)
        rounding = 1e-12 * (a1 + a2)
        ratio = np.where(own_high > rounding, own_low / np.maximum(own_high, rounding), 1.0)

        def above(short: Floats, variance: Floats, own: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.where(np.abs(short) <= rounding, 0.0, -short / np.sqrt(variance))
                return np.asarray(t + own - TIE * (1.0 + own))

        by_variance = above(np.maximum(short_low, short_high * ratio), least, self.own_least)
        by_limit = above(short_high, last, _parts(self.own)[0])
        return np.asarray(np.maximum(by_variance, by_limit).min(axis=0))

    def highest(
        self, x1: Floats, inside: Floats, outside: Floats, guess: Floats, steepness: float
    ) -> Floats:
        """The highest x2 not beyond the edge for each x1.

        `inside` is known not to be, `outside` to be; both are whole numbers, and may lie one
        count outside the possible. `guess` and `steepness` only steer the search.
        """
        inside, outside, guess = inside.copy(), outside.copy(), guess.copy()
        for trial in itertools.count(1):
            open_ = np.flatnonzero(outside - inside > 1.0)
            if not open_.size:
                return inside
            low, high = inside[open_], outside[open_]
            middle, aim = (low + high) / 2.0, guess[open_]
            aim = np.where(np.isnan(aim) | (trial % 4 == 0), middle, aim)
            lower = clipped(np.floor(aim), low + 1.0, high - 1.0)
            upper = np.minimum(lower + 1.0, high - 1.0)
            beyond = self.beyond(x1[open_], np.stack([lower, upper]))
            in_lower, in_upper = ~(beyond > 0.0)  # what cannot be told counts as inside
            inside[open_] = np.where(in_lower, np.where(in_upper, upper, lower), low)
            outside[open_] = np.where(in_lower, np.where(in_upper, high, upper), lower)
            with np.errstate(invalid="ignore"):  # both may be infinite
                rise = np.fmax(beyond[1] - beyond[0], 0.1 * steepness)
                root = np.stack([lower, upper]) - beyond / rise
            guess[open_] = np.where(in_lower, root[1], root[0])
        raise AssertionError("unreachable")


def _variance(pair: Pair, rates: Sequence[Floats]) -> Floats:
    """Variance of the estimate at these rates."""
    (n1, n2), (a1, a2), (p1, p2) = pair.trials, pair.weights, rates
    return a1 * a1 / n1 * p1 * (1.0 - p1) + a2 * a2 / n2 * p2 * (1.0 - p2)


def _parts(values: Floats) -> tuple[Floats, Floats]:
    """Values at the lower and the upper limit of each part of a cell, or at its only limit."""
    return (values[:-1], values[1:]) if len(values) > 1 else (values, values)


def _degenerate(
    successes: Sequence[float], trials: Sequence[float], weights: Sequence[float]
) -> bool:
    """Whether a count, a size or a weight leaves fewer than two rates to combine."""
    if check_same_length(successes=successes, trials=trials, weights=weights) != 2:
        raise ValueError("the two-sample test needs exactly two rates.")
    usable = [counts_usable(k, n) for k, n in zip(successes, trials, strict=True)]
    return not all(usable) or not finite(*weights) or 0.0 in weights


def _one_rate_p_value(
    successes: Sequence[float], trials: Sequence[float], weights: Sequence[float], limit: float
) -> float:
    """P-value where one weight is zero; 1 where a count or a weight cannot be used."""
    used = 0 if weights[1] == 0.0 else 1
    if not counts_usable(successes[1 - used], trials[1 - used]) or weights[1 - used] != 0.0:
        return 1.0
    return rate_p_value(successes[used], trials[used], weights[used], limit)


def _one_rate_upper(
    successes: Sequence[float], trials: Sequence[float], weights: Sequence[float], delta: float
) -> float:
    """Bound where one weight is zero; infinite where a count or a weight cannot be used."""
    used = 0 if weights[1] == 0.0 else 1
    if not counts_usable(successes[1 - used], trials[1 - used]) or weights[1 - used] != 0.0:
        return math.inf
    return rate_upper(successes[used], trials[used], weights[used], delta)

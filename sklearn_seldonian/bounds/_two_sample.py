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
from sklearn_seldonian.bounds._score import Floats, positive_form, score_statistic
from sklearn_seldonian.bounds._worst_case import Line, LowerSet, window, worst_case

# Part of delta spent on the intervals that confine both rates (Berger and Boos).
BOX_SHARE = 1.0 / 1000.0

# Part of delta given up so that the search for the worst rates may stop.
SLACK_SHARE = 1.0 / 1000.0

# Statistics closer than this count as tied, so that rounding cannot split a tie.
TIE = 1e-7


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
    pair = _pair(successes, trials, weights, delta)
    c = limit - pair.offset
    if c >= sum(pair.weights):  # no rates exceed the limit
        return 0.0
    if c <= pair.estimate:
        return 1.0
    if c >= pair.largest:  # none within the box do
        return BOX_SHARE * delta
    return _cell_p_value(pair, c, c)


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
    limits :math:`[c_1, c_2]`. T falls in c (proved in `score_statistic`), hence for every
    c of the cell

    .. math:: \{T(Y; c) \le T(x; c)\} \subseteq \{T(Y; c_2) \le T(x; c_1)\},

    and the worst probability of the right-hand set over the null region of :math:`c_1`
    bounds the p-values of the cell. A cell counts as rejected if that bound is at most
    :math:`0.9988\,\delta`, a little more than the search's slack below delta, so that
    ``upper <= c`` implies ``p_value(c) <= delta``. The search stops at steps of about
    1/2000 of the distance from estimate to bound, so the bound is about that much too
    large.

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
    pair = _pair(successes, trials, weights, delta)
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
    pair = _pair(successes, trials, weights, delta)

    def enough(bound: float) -> bool:
        return _in_given_form(bound, pair, weights) <= limit

    return enough(_upper_positive(pair, enough))


class _Pair(NamedTuple):
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

    def statistic(self, c: float) -> float:
        x1, x2 = (np.array([float(x)]) for x in self.counts)
        return float(score_statistic(x1, x2, self.trials, self.weights, c)[0])


def _pair(
    successes: Sequence[float], trials: Sequence[float], weights: Sequence[float], delta: float
) -> _Pair:
    form = positive_form(successes, trials, weights)
    tail = BOX_SHARE * delta / 4.0
    order = sorted((0, 1), key=lambda k: form.trials[k])  # sums run over windows of the first
    low, high = interval_each(np.array(form.successes), np.array(form.trials), tail)

    def pick(values: Sequence[float]) -> tuple[float, float]:
        return float(values[order[0]]), float(values[order[1]])

    counts, sizes = pick(form.successes), pick(form.trials)
    return _Pair(
        counts=(int(counts[0]), int(counts[1])),
        trials=(int(sizes[0]), int(sizes[1])),
        weights=pick(form.weights),
        low=pick(low.tolist()),
        high=pick(high.tolist()),
        offset=form.offset,
        delta=delta,
    )


def _in_given_form(bound: float, pair: _Pair, weights: Sequence[float]) -> float:
    """The bound of the positive form, rounded upwards, as one of the combination given."""
    rounded = bound + pair.offset + 1e-15 * sum(pair.weights)
    return min(rounded, math.fsum(a for a in weights if a > 0.0))


def _upper_positive(pair: _Pair, enough: Callable[[float], bool] = lambda bound: False) -> float:
    """Lower the bound from the top of the box by cells of limits that are all rejected.

    The steps do not depend on `enough`, which may end them early.
    """
    level = (1.0 - 1.2 * SLACK_SHARE) * pair.delta  # leaves room for the slack of p-values
    bound, estimate = pair.largest, pair.estimate
    if bound <= estimate or enough(bound):
        return bound
    quantile = min(float(ndtri(pair.delta)), -0.1)
    likely = _limit_at(pair, quantile)
    finest = max((likely - estimate) / 2000.0, 1e-12 * sum(pair.weights))
    floor = _not_rejected(pair, likely, (likely - estimate) / -quantile, level, finest)
    # Near a smooth p-value's root a cell passes if it goes less than half of the way there.
    step = 0.45 * (bound - floor)
    while step >= finest / 2.0 and not enough(bound):
        below = bound - step
        if _cell_p_value(pair, below, bound, level) <= level:
            bound = below
            step = 0.45 * (bound - floor)
        else:
            step *= 0.5
    return bound


def _not_rejected(pair: _Pair, probe: float, error: float, level: float, finest: float) -> float:
    """A limit with a p-value above the level, most often within `finest` of the largest.

    The search starts from `probe` and takes `error` for the estimate's standard error.
    """
    low, high = pair.estimate, pair.largest
    for trial in range(40):
        if high - low <= finest:
            break
        if trial % 3 == 2 or not low < probe < high:
            probe = (low + high) / 2.0
        p = _cell_p_value(pair, probe, probe)
        low, high = (probe, high) if p > level else (low, probe)
        # A normal statistic would have its root here; aim beyond it, to close the bracket.
        probe += error * float(ndtri(p) - ndtri(level)) + math.copysign(finest / 3.0, p - level)
    return low


def _limit_at(pair: _Pair, statistic: float) -> float:
    """The limit between estimate and top of the box at which the score statistic is this."""
    low, high = pair.estimate, pair.largest
    for _ in range(20):
        middle = (low + high) / 2.0
        low, high = (middle, high) if pair.statistic(middle) > statistic else (low, middle)
    return high


def _cell_p_value(pair: _Pair, c_low: float, c_high: float, enough: float = 0.0) -> float:
    """Bound the p-value of every limit from c_low to c_high, not closer than `enough`."""
    gamma, (a1, a2) = BOX_SHARE * pair.delta, pair.weights
    first = max(pair.low[1], (c_low - a1 * pair.high[0]) / a2)
    last = min(pair.high[1], (c_low - a1 * pair.low[0]) / a2)
    line = Line(pair.weights, c_low, first, max(first, last))
    tables = _at_most(pair, c_high, pair.statistic(c_low), line)
    slack = SLACK_SHARE * pair.delta
    return min(1.0, gamma + worst_case(tables, line, slack, max(enough - gamma, 0.0)))


def _at_most(pair: _Pair, c: float, statistic: float, line: Line) -> LowerSet:
    """The tables whose statistic at c is at most this, or ties with it, as a lower set.

    The statistic rises in both counts, so a search in brackets finds the highest x2 for each
    x1: first for some x1, then for the others between the results of their neighbours. The
    running maximum closes the set downwards whatever rounding does.
    """
    n1, n2 = pair.trials
    ends = np.array([line.first, line.last])
    tail = (1e-4 * pair.delta) ** 2 / 5.0
    low1, high1 = window(n1, float(line.p1(ends)[1]), float(line.p1(ends)[0]), tail)
    low2, high2 = window(n2, line.first, line.last, tail)  # thresholds outside do not matter
    edge = _Edge(pair, c, statistic + TIE * (1.0 + abs(statistic)), _steepness(pair, line))
    x1 = np.arange(low1, high1 + 1, dtype=np.float64)
    apart = 16 if x1.size > 256 else 1
    some = x1[::apart]
    ends2 = np.full(some.shape, low2 - 1.0), np.full(some.shape, high2 + 1.0)
    found = edge.highest(some, *ends2, edge.guess(some, statistic))
    if apart > 1:
        above = np.repeat(found, apart)[: x1.size]
        below = np.repeat(np.append(found[1:], low2 - 1.0), apart)[: x1.size]
        # Between neighbours the edge is nearly straight; its fractions average a half.
        guess = np.interp(x1, some, found + 0.5)
        found = edge.highest(x1, below, above + 1.0, guess)
    hull = np.maximum.accumulate(found[::-1])[::-1].astype(np.int64)
    return LowerSet(pair.trials, low1, hull, tail)


def _steepness(pair: _Pair, line: Line) -> float:
    """About how much the score statistic rises with one more in x2."""
    p2 = np.array([(line.first + line.last) / 2.0])
    rates = float(line.p1(p2)[0]), float(p2[0])
    parts = zip(pair.weights, rates, pair.trials, strict=True)
    variance = sum(a * a * max(p * (1.0 - p), 1.0 / n) / n for a, p, n in parts)
    return pair.weights[1] / pair.trials[1] / math.sqrt(variance)


class _Edge(NamedTuple):
    """Where the score statistic at the limit c, rising in x2, passes `bound`.

    `steepness` only steers the search, which brackets make safe.
    """

    pair: _Pair
    c: float
    bound: float
    steepness: float

    def guess(self, x1: Floats, statistic: float) -> Floats:
        """About where the edge is if the statistic's standard error is the same everywhere."""
        (n1, n2), (a1, a2) = self.pair.trials, self.pair.weights
        return n2 / a2 * (self.c - a1 * x1 / n1) + statistic / self.steepness

    def highest(self, x1: Floats, inside: Floats, outside: Floats, guess: Floats) -> Floats:
        """The highest x2 not beyond the edge for each x1.

        `inside` is known not to be, `outside` to be; both are whole numbers, and may lie one
        count outside the possible.
        """
        trials, weights = self.pair.trials, self.pair.weights
        inside, outside, guess = inside.copy(), outside.copy(), guess.copy()
        for trial in itertools.count(1):
            open_ = np.flatnonzero(outside - inside > 1.0)
            if not open_.size:
                return inside
            low, high = inside[open_], outside[open_]
            aim = guess[open_] if trial % 4 else (low + high) / 2.0
            probe = np.clip(np.floor(aim), low + 1.0, high - 1.0)
            value = score_statistic(x1[open_], probe, trials, weights, self.c)
            passes = value <= self.bound
            inside[open_] = np.where(passes, probe, low)
            outside[open_] = np.where(passes, high, probe)
            guess[open_] = probe + (self.bound - value) / self.steepness
        raise AssertionError("unreachable")


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

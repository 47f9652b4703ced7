"""A linear combination of two independent rates: the exact unconditional test."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import numpy as np
from scipy.special import ndtri

from sklearn_seldonian.bounds._binomial import rate_p_value, rate_upper
from sklearn_seldonian.bounds._cells import approximate_p_value, cell_p_value
from sklearn_seldonian.bounds._checks import Numbers, check_delta, finite, two_rates_usable
from sklearn_seldonian.bounds._pair import Pair, pair_of

# The smallest step of the search for a bound, as a part of its distance from the estimate.
FINEST = 1.0 / 2500.0

# The first cell ends NEAR steps above the expected bound. If more than FAR steps are left, a cell
# covers FIRST_SHARE of the way, because one cell for the whole way would be too coarse.
NEAR, FAR, FIRST_SHARE = 500.0, 125.0, 0.95

# The search aims at a limit ROOM steps above the root, because the bound of a cell is a little
# larger than the p-values in it. Within KNOWN steps of the root, a normal approximation locates it
# well enough.
ROOM, KNOWN = 1.0, 6.0


def two_rate_p_value(
    successes: Numbers, trials: Numbers, weights: Numbers, limit: float, delta: float
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
    Assumes two independent binomial counts of independent rows, without shared rows. The source is
    the exact unconditional test of Chan and Zhang [3]_. Its rates are restricted to a confidence
    set, as by Berger and Boos [1]_. A rate with a negative weight is replaced by its complement, so
    that all weights are positive. Tables are ordered by the score statistic T at the limit c, which
    is that of Miettinen and Nurminen [2]_ with general weights. The p-value of the observed table x
    is

    .. math:: \gamma + \sup_{p \in B,\; a \cdot p \ge c} P_p\{T(Y) \le T(x)\}.

    B is the Clopper-Pearson box of both rates at :math:`\gamma = \delta / 1000`. The true rates are
    outside B with probability at most :math:`\gamma`. If they are inside B, the second term is a
    p-value. T increases with both counts (proved in `score_statistic`), so the probability
    decreases with both rates. Therefore the supremum over the region is the supremum over its lower
    edge, which is the part of the line :math:`a \cdot p = c` in B. On this line, the probability is
    computed at some points and bounded from above between them (`worst_case`). The bound is at most
    delta / 1000 too large. The probability of tables that the sums leave out is added. Statistics
    that differ only by rounding count as ties.

    If this were wrong, the probabilities of all tables that are certified would sum to more than
    delta for some rates on or beyond the line.

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
    if not two_rates_usable(successes, trials, weights) or not finite(limit):
        return 1.0
    if 0.0 in weights:
        return rate_p_value(*_other_rate(successes, trials, weights), limit)
    pair = pair_of(successes, trials, weights, delta)
    c = limit - pair.offset
    if c >= sum(pair.weights):  # no rates exceed the limit
        return 0.0
    return cell_p_value(pair, c, c)


def two_rate_upper(successes: Numbers, trials: Numbers, weights: Numbers, delta: float) -> float:
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
    Assumes what `two_rate_p_value` assumes. The source is the inversion of an exact test by Chan
    and Zhang [1]_. The bound is the supremum of the limits that `two_rate_p_value` does not reject
    at `delta`, or slightly more. The p-value is not monotone in the limit, because the ordering of
    tables changes with the limit. So every limit above the bound has to be rejected, not only those
    that are tried.

    The search starts at the top of the box, above which all limits are rejected. It lowers the
    bound by whole cells of limits. For each cell, it finds a set of tables that contains
    :math:`\{T(Y; c) \le T(x; c)\}` for every c of the cell. The largest probability of this set
    over the null region of the cell's lowest limit bounds all p-values of the cell.

    To find the set, a cell is divided into parts :math:`[c_1, c_2]`. Both restricted rates increase
    with c. So each table's restricted standard error s lies between bounds that follow from the
    rates at :math:`c_1` and :math:`c_2`. The ratio :math:`R(c) = (c - a \cdot \hat p_Y) / (c - a
    \cdot \hat p_x)` is monotone. A table may be left out of the set if in every part

    .. math:: \max\{R(c_1), R(c_2)\} < \frac{\min s_Y}{\max s_x}
              \quad\text{or}\quad T(Y; c_2) > T(x; c_1).

    The first condition suffices because :math:`T = (a \cdot \hat p - c) / s`. It is much sharper
    than the second, which suffices because T decreases with c (proved in `score_statistic`).

    A cell is rejected if its bound is at most :math:`0.9988\,\delta`. The distance to delta is a
    little more than the slack of the search, so that ``upper <= c`` implies ``p_value(c) <=
    delta``. The ends of the cells are found from approximate p-values of single limits: their
    largest value at some rates, instead of a bound over all rates. The ends are accurate to about
    1/1000 of the distance from estimate to bound, and the bound is about that much too large. It is
    larger still if some tables nearly tie with x over a range of limits, so that a cell of 1/2500
    of the distance cannot distinguish them from ties.

    If this were wrong, a limit above the bound would have a p-value above delta.

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
    if not two_rates_usable(successes, trials, weights):
        return math.inf
    if 0.0 in weights:
        return rate_upper(*_other_rate(successes, trials, weights), delta)
    return min(_falling_bounds(successes, trials, weights, delta))


def two_rate_certified(
    successes: Numbers, trials: Numbers, weights: Numbers, limit: float, delta: float
) -> bool:
    """Whether ``two_rate_upper(...) <= limit``, without computing the full bound.

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
    The answer is no if the p-value is above delta. Otherwise the steps of `two_rate_upper` are
    taken until they are at or below the limit. If this were wrong, the result would differ from
    comparing `two_rate_upper` with the limit.

    Examples
    --------
    >>> two_rate_certified([70, 75], [200, 200], [1, -1], limit=0.1, delta=0.05)
    True
    """
    if not two_rate_p_value(successes, trials, weights, limit, delta) <= delta:
        return False
    if 0.0 in weights:
        return two_rate_upper(successes, trials, weights, delta) <= limit
    return any(bound <= limit for bound in _falling_bounds(successes, trials, weights, delta))


def _other_rate(
    successes: Numbers, trials: Numbers, weights: Numbers
) -> tuple[float, float, float]:
    """Count, trials and weight of the other rate, if one weight is zero."""
    used = 0 if weights[1] == 0.0 else 1
    return successes[used], trials[used], weights[used]


def _falling_bounds(
    successes: Numbers, trials: Numbers, weights: Numbers, delta: float
) -> Iterator[float]:
    """A decreasing sequence of bounds on the given combination, rounded upwards."""
    pair = pair_of(successes, trials, weights, delta)
    highest = math.fsum(a for a in weights if a > 0.0)
    for bound in _descent(pair):
        yield min(bound + pair.offset + 1e-15 * sum(pair.weights), highest)


def _descent(pair: Pair) -> Iterator[float]:
    """Lower the bound from the top of the box by cells of limits that are all rejected."""
    bound, estimate = pair.largest, pair.estimate
    yield bound
    if bound <= estimate:
        return
    quantile = min(float(ndtri(pair.delta)), -0.1)
    likely = _limit_at(pair, quantile)
    error = (likely - estimate) / -quantile
    finest = max((likely - estimate) * FINEST, 1e-12 * sum(pair.weights))
    # Often one cell brings the bound so near to its final value that one more is enough.
    near = NEAR * finest
    bound = yield from _steps_down(pair, bound, likely + near, near)
    target = _root(pair, (estimate, bound), likely, error, finest)
    yield from _steps_down(pair, bound, target, finest)


def _steps_down(
    pair: Pair, bound: float, target: float, finest: float
) -> Generator[float, None, float]:
    """Lower the bound to the target, unless a cell of width `finest` is not rejected."""
    fails = 0
    while bound > target:
        away = bound - target
        step = max(min(finest, away), away * 0.9 ** (fails * (fails + 1) / 2))
        if not fails and away > FAR * finest:
            step = FIRST_SHARE * away
        below = bound - step if step < away else target
        if cell_p_value(pair, below, bound, enough=pair.level) <= pair.level:
            bound, fails = below, 0
            yield bound
        elif step <= finest:
            break
        else:
            fails += 1
    return bound


def _root(
    pair: Pair, bracket: tuple[float, float], probe: float, error: float, finest: float
) -> float:
    """A limit about `ROOM` steps above the highest one that is not rejected.

    The search starts from `probe` and takes `error` for the estimate's standard error.
    """
    (low, high), trial = bracket, 0
    while True:
        trial += 1
        if trial % 4 == 0 or not low < probe < high:
            probe = (low + high) / 2.0
        p = approximate_p_value(pair, probe)
        rejected = p <= pair.level
        low, high = (low, probe) if rejected else (probe, high)
        # The root under a normal approximation.
        move = error * float(ndtri(p) - ndtri(pair.level))
        aim = probe + move + ROOM * finest
        if high - low <= finest or (rejected and probe - aim <= finest):
            return high
        if abs(move) <= KNOWN * finest and low < aim < high:
            return aim
        # The lowest limit rejected may be returned, so approach the root from above.
        probe = aim - 0.7 * finest if rejected else aim


def _limit_at(pair: Pair, statistic: float) -> float:
    """Approximates the limit, above the estimate, at which the score statistic has this value."""
    limits = np.linspace(pair.largest, pair.estimate, 33)[:-1]
    return float(np.interp(statistic, np.maximum(pair.statistic(limits), -100.0), limits))

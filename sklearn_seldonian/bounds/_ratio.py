"""The ratio of two independent rates: the exact unconditional test, for every limit at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache, partial

from scipy.optimize import brentq
from scipy.special import ndtri

from sklearn_seldonian.bounds._checks import Numbers, check_delta, two_rates_usable
from sklearn_seldonian.bounds._pair import TIE, Pair, bound_p_value, lower_set, pair_of, search_edge
from sklearn_seldonian.bounds._score import Floats, score_statistic
from sklearn_seldonian.bounds._worst_case import Line, LowerSet

# The smallest step of the search for a bound, as a share of the bound.
FINEST = 1e-4
# A step covers this share of the way to the asymptotic bound.
FIRST_SHARE = 0.55
# The largest ratio in the search.
MAX_RATIO = 1e9


def rate_ratio_upper(successes: Numbers, trials: Numbers, delta: float) -> float:
    r"""Upper confidence bound on the ratio ``p1 / p2``, wrong at most `delta` of the time.

    Parameters
    ----------
    successes, trials : sequence of two numbers
        Events and rows of each rate.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with a rate that has no rows, a number that is not finite, or no event of
        the second rate.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside
        (0, 1).

    Notes
    -----
    Assumes two independent binomial counts of independent rows, without shared rows. The source is
    the inversion of an exact test by Chan and Zhang [1]_. For each r, `two_rate_p_value` tests
    :math:`p_1 - r p_2 \le 0`. The bound is the supremum of the limits r that are not rejected at
    `delta`, or slightly more. So every limit above the bound is rejected. The p-value is not
    monotone in r, because the ordering of tables changes with r. Therefore the bound must not
    depend on the limit of the constraint: a bound that did would have a coverage below 1 - delta.

    The search starts at the top of the box, above which all limits are rejected. It lowers the
    bound by whole cells :math:`[r_1, r_2]` of limits. Let x be the observed table. The score
    statistic :math:`T_r` of every table decreases with r (proved below). So for each r of the cell,
    the set :math:`\{y : T_r(y) \le T_r(x)\}` is part of :math:`\{y : T_{r_2}(y) \le T_{r_1}(x)\}`.
    The null region of :math:`r_1` contains the null regions of all r of the cell. So the largest
    probability of the larger set over the null region of :math:`r_1` bounds all p-values of the
    cell.

    Proof that T decreases with r: let :math:`\mu` be the multiplier of the restriction :math:`p_1 =
    r p_2`. Then :math:`T^2 = (\hat p_1 / r - \hat p_2)\, r \mu`, and both factors have the sign of
    T. The first factor decreases with r. By the estimating equations, the second factor is
    :math:`n_2 (\tilde p_2 - \hat p_2) / (\tilde p_2 \tilde q_2)`, which increases with
    :math:`\tilde p_2`. The estimate :math:`\tilde p_2` maximises :math:`\ell_1(r p_2) +
    \ell_2(p_2)`. It decreases with r, because :math:`p\, \ell_1'(p) = n_1 (\hat p_1 - p) / (1 - p)`
    decreases with p.

    If this were wrong, the probabilities of all tables whose bound is below the true ratio would
    sum to more than delta for some pair of rates.

    References
    ----------
    .. [1] Chan, I. S. F. and Zhang, Z. (1999). Test-based exact confidence intervals for
       the difference of two binomial proportions. Biometrics 55(4), 1202-1209.

    Examples
    --------
    >>> round(rate_ratio_upper([70, 75], [200, 200], 0.05), 2)
    1.16
    """
    pair = _pair_of(successes, trials, delta)
    return math.inf if pair is None else min(_falling_bounds(pair))


def rate_ratio_certified(successes: Numbers, trials: Numbers, limit: float, delta: float) -> bool:
    """Whether ``rate_ratio_upper(...) <= limit``, without computing the full bound.

    Parameters
    ----------
    successes, trials, delta
        As in `rate_ratio_upper`.
    limit : float
        The largest ratio allowed.

    Returns
    -------
    bool
        False with a rate that has no rows, a number that is not finite, or no event of the
        second rate.

    Raises
    ------
    ValueError
        As in `rate_ratio_upper`.

    Notes
    -----
    The answer is yes if one cell from the limit to the top of the box is rejected as a whole, and
    no if the p-value of the limit itself is above delta. Otherwise the steps of `rate_ratio_upper`
    are taken until they are at or below the limit. If this were wrong, the result would differ from
    comparing `rate_ratio_upper` with the limit.

    Examples
    --------
    >>> rate_ratio_certified([70, 75], [200, 200], limit=1.25, delta=0.05)
    True
    """
    pair = _pair_of(successes, trials, delta)
    if pair is None or math.isnan(limit):
        return math.inf <= limit
    top = _top_of_box(pair)
    if top <= limit or _cell_p_value(pair, limit, top) <= pair.level:
        return True
    if _cell_p_value(pair, limit, limit) > pair.level:
        return False
    return any(bound <= limit for bound in _falling_bounds(pair))


def _pair_of(successes: Numbers, trials: Numbers, delta: float) -> Pair | None:
    """Both rates and their box; None if their ratio is unbounded."""
    check_delta(delta)
    if not two_rates_usable(successes, trials, (1.0, -1.0)) or successes[1] == 0:
        return None
    return pair_of(successes, trials, (1.0, -1.0), delta)


def _falling_bounds(pair: Pair) -> Iterator[float]:
    """A decreasing sequence of bounds on the ratio."""
    bound, likely, step = _top_of_box(pair), _asymptotic_upper(pair), math.inf
    yield bound
    while step > FINEST:
        away = math.log(bound / likely)
        step = min(step, max(FIRST_SHARE * away, FINEST))
        below = bound * math.exp(-step)
        if _cell_p_value(pair, below, bound) <= pair.level:
            bound = below
            yield bound
        else:
            step /= 2.0


def _at(pair: Pair, limit: float) -> Pair:
    """The pair with the restriction that the ratio is at most `limit`."""
    return pair._replace(weights=(limit, 1.0) if pair.swapped else (1.0, limit), offset=-limit)


def _top_of_box(pair: Pair) -> float:
    """The largest ratio of rates within the box."""
    first, second = (1, 0) if pair.swapped else (0, 1)
    return pair.high[first] / (1.0 - pair.high[second])


@lru_cache(maxsize=1024)
def _asymptotic_upper(pair: Pair) -> float:
    """An approximation of the bound: the limit that the score test just rejects."""
    quantile = min(float(ndtri(pair.delta)), -0.1)

    def excess(log_limit: float) -> float:
        limit = math.exp(log_limit)
        return float(_at(pair, limit).statistic(limit)[0]) - quantile

    low, high = -math.log(MAX_RATIO), math.log(MAX_RATIO)
    return math.exp(brentq(excess, low, high, xtol=1e-3)) if excess(high) < 0.0 else MAX_RATIO


@lru_cache(maxsize=4096)  # the verdict and the bound of a constraint take the same steps
def _cell_p_value(pair: Pair, lowest: float, highest: float) -> float:
    """Bound the p-value of every limit from the lowest to the highest."""
    at_lowest, at_highest = _at(pair, lowest), _at(pair, highest)

    def tables_on(line: Line) -> LowerSet:
        own = float(at_lowest.statistic(lowest)[0])
        most = own + TIE * (1.0 + abs(own))

        def beyond(x1: Floats, x2: Floats) -> Floats:
            return score_statistic(x1, x2, pair.trials, at_highest.weights, highest) - most

        return lower_set(pair, line, partial(search_edge, beyond))

    return bound_p_value(at_lowest, lowest, tables_on, pair.level)

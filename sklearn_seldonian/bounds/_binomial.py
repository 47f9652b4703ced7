"""One rate: exact (Clopper-Pearson) bounds and tests from a count."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betainccinv, betaincinv

from sklearn_seldonian.bounds._checks import check_delta, counts_usable, finite
from sklearn_seldonian.bounds._search import smallest_certified

# A distance between rates that is larger than the effect of rounding in a p-value.
ROUNDING = 1e-12


def rate_p_value(successes: float, trials: float, weight: float, limit: float) -> float:
    r"""Exact p-value against ``weight * rate > limit``; small means certified.

    Parameters
    ----------
    successes, trials : int
        Number of rows with the event, and number of all rows.
    weight : float
        Factor of the rate. With a negative factor it is a test of a lower limit.
    limit : float
        The largest value allowed for ``weight * rate``.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) with no rows or a number that is not finite.

    Raises
    ------
    ValueError
        If the counts are not whole numbers with ``0 <= successes <= trials``.

    Notes
    -----
    Assumes independent rows with one common probability :math:`p` of the event. Let
    :math:`c = limit / weight`. For a positive weight the null hypothesis is :math:`p > c`, and
    the p-value is the probability of a count at most this one at the boundary [1]_,

    .. math:: \sup_{p > c} P_p(X \le k) = P_c(X \le k) = I_{1-c}(n - k, k + 1).

    For a negative weight the null hypothesis is :math:`p < c`, and the p-value is :math:`P_c(X \ge
    k) = I_c(k, n - k + 1)`. If no rate is in the null hypothesis, the p-value is 0. A mistake would
    show in two ways. Summing the binomial over all counts with a p-value of at most delta would
    give more than delta for some rate in the null hypothesis. And ``rate_p_value(k, n, -1, -c)``
    would differ from ``rate_p_value(n - k, n, 1, 1 - c)``.

    References
    ----------
    .. [1] Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial
       limits illustrated in the case of the binomial. Biometrika 26(4), 404-413.

    Examples
    --------
    Is the rate at most 0.1? Is it at least 0.8, written as ``-rate <= -0.8``?

    >>> round(rate_p_value(0, 30, 1.0, 0.1), 4)  # 0.9 ** 30
    0.0424
    >>> round(rate_p_value(29, 30, -1.0, -0.8), 4)
    0.0105
    """
    if not counts_usable(successes, trials) or not finite(weight, limit):
        return 1.0
    if weight == 0.0:
        return 0.0 if limit >= 0.0 else 1.0
    k, n, c = successes, trials, limit / weight
    if not finite(c):
        return 1.0
    if weight > 0.0:
        if c >= 1.0:  # no rate exceeds the limit
            return 0.0
        return float(betaincc(k + 1.0, n - k, c)) if c > 0.0 and k < n else 1.0
    if c <= 0.0:
        return 0.0
    return float(betainc(k, n - k + 1.0, c)) if c < 1.0 and k > 0 else 1.0


def rate_upper(successes: float, trials: float, weight: float, delta: float) -> float:
    """Exact upper confidence bound on ``weight * rate``, wrong at most `delta` of the time.

    Parameters
    ----------
    successes, trials : int
        Rows with the event, and rows in all.
    weight : float
        Factor of the rate.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with no rows or a number that is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible or `delta` is not inside (0, 1).

    Notes
    -----
    This is the one-sided Clopper-Pearson bound. For a positive weight it is the weight times the 1
    - delta quantile of Beta(k + 1, n - k); for a negative weight it is the weight times the delta
    quantile of Beta(k, n - k + 1). It is refined to the smallest floating-point number whose
    `rate_p_value` is at most `delta`. So ``rate_upper(k, n, w, delta) <= c`` if and only if
    ``rate_p_value(k, n, w, c) <= delta``, where a limit within rounding of the bound (the last
    three bits) is not certified. That equivalence on every small table is the check that would
    expose a mistake.

    Examples
    --------
    >>> round(rate_upper(30, 30, -0.8, 0.05), 4)
    -0.724
    """
    check_delta(delta)
    if not counts_usable(successes, trials) or not finite(weight):
        return math.inf
    k, n = successes, trials
    if weight == 0.0 or (weight > 0.0 and k == n) or (weight < 0.0 and k == 0):
        return max(weight, 0.0)
    if weight > 0.0:
        quantile = float(betainccinv(k + 1.0, n - k, delta))
    else:
        quantile = float(betaincinv(k, n - k + 1.0, delta))
    # The inverse is usually right up to its last digits; otherwise the search takes longer.
    near = weight * quantile
    start = near if math.isfinite(near) else weight * (k / n)
    return smallest_certified(
        lambda limit: rate_p_value(k, n, weight, limit),
        start,
        max(8.0 * math.ulp(start), 1e-300),
        delta,
    )


def rate_certified(
    successes: float, trials: float, weight: float, limit: float, delta: float
) -> bool:
    """Whether `rate_upper` is at most `limit`, usually without computing the bound.

    Parameters
    ----------
    successes, trials, weight, delta
        As in `rate_upper`.
    limit : float
        The largest value allowed for ``weight * rate``.

    Returns
    -------
    bool
        False with no rows or a number that is not finite.

    Raises
    ------
    ValueError
        As in `rate_upper`.

    Notes
    -----
    The p-values at a slightly lower and at a slightly higher limit show on which side the bound is.
    The bound is computed only if the limit is within rounding of it.

    Examples
    --------
    >>> rate_certified(0, 30, 1.0, 0.1, 0.05), rate_certified(0, 30, 1.0, 0.09, 0.05)
    (True, False)
    """
    check_delta(delta)
    rounding = ROUNDING * abs(weight)
    if rate_p_value(successes, trials, weight, limit - rounding) <= delta:
        return True
    if rate_p_value(successes, trials, weight, limit + rounding) > delta:
        return False
    return rate_upper(successes, trials, weight, delta) <= limit


def binomial_upper(successes: float, trials: float, delta: float) -> float:
    """Exact upper confidence bound on a rate: `rate_upper` with a weight of 1.

    Parameters
    ----------
    successes, trials : int
        Rows with the event, and rows in all.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        At most 1; infinite with no rows or a count that is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible or `delta` is not inside (0, 1).

    Examples
    --------
    >>> round(binomial_upper(0, 30, 0.05), 4)  # 1 - 0.05 ** (1 / 30)
    0.095
    """
    return rate_upper(successes, trials, 1.0, delta)


def binomial_lower(successes: float, trials: float, delta: float) -> float:
    """Exact lower confidence bound on a rate, the counterpart of `binomial_upper`.

    Parameters
    ----------
    successes, trials, delta
        As in `binomial_upper`.

    Returns
    -------
    float
        At least 0; minus infinity with no rows or a count that is not finite.

    Raises
    ------
    ValueError
        As in `binomial_upper`.

    Examples
    --------
    >>> round(binomial_lower(30, 30, 0.05), 4)  # 0.05 ** (1 / 30)
    0.905
    """
    return -rate_upper(successes, trials, -1.0, delta)


def interval_each(
    successes: npt.NDArray[np.float64], trials: npt.NDArray[np.float64], tail: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Clopper-Pearson intervals of many counts, each end wrong with probability `tail`.

    They are widened against rounding errors. An end whose tail probability exceeds `tail` is
    replaced by the end of [0, 1].
    """
    k, n = successes, trials
    with np.errstate(all="ignore"):
        low = np.where(k == 0.0, 0.0, betaincinv(k, n - k + 1.0, tail) * (1.0 - 1e-12))
        high = np.where(k == n, 1.0, betainccinv(k + 1.0, n - k, tail) * (1.0 + 1e-12))
        low_holds = betainc(k, n - k + 1.0, low) <= tail
        high_holds = betaincc(k + 1.0, n - k, high) <= tail
    return np.where(low_holds, low, 0.0), np.where(high_holds, np.minimum(high, 1.0), 1.0)

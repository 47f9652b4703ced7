"""One mean of bounded values, from its sample mean alone: the Chernoff-Hoeffding bound."""

from __future__ import annotations

import math

from sklearn_seldonian.bounds._checks import check_delta, finite


def bounded_mean_p_value(mean: float, n: int, low: float, high: float, limit: float) -> float:
    r"""Finite-sample p-value against "the mean exceeds `limit`"; small means certified.

    Parameters
    ----------
    mean : float
        Sample mean.
    n : int
        Number of rows.
    low, high : float
        Range in which every value lies.
    limit : float
        The largest mean allowed.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) with no rows, a number that is not finite, or a
        sample mean outside the range.

    Raises
    ------
    ValueError
        If ``low < high`` does not hold.

    Notes
    -----
    Assumes independent values in the range with one common mean. On the scale where the
    range is [0, 1], with sample mean :math:`x` and limit :math:`c`,

    .. math:: P(\text{mean} \le x) \le \exp(-n\,\mathrm{KL}(x, c)), \quad x \le c,

    where KL is the relative entropy of two Bernoulli distributions [1]_. The bound is the
    Chernoff bound of a 0/1 variable, which among values in [0, 1] has the largest moment
    generating function. If it were wrong, two-point data at the ends of the range would
    be certified more often than delta.

    References
    ----------
    .. [1] Hoeffding, W. (1963). Probability inequalities for sums of bounded random
       variables. Journal of the American Statistical Association 58(301), 13-30,
       Theorem 1.

    Examples
    --------
    >>> round(bounded_mean_p_value(0.0, 30, 0.0, 1.0, 0.1), 4)  # 0.9 ** 30
    0.0424
    """
    _check_range(low, high)
    x = _unit_mean(mean, n, low, high)
    if x is None or not finite(limit):
        return 1.0
    c = (limit - low) / (high - low)
    if c >= 1.0:
        return 0.0
    if c <= x:
        return 1.0
    return math.exp(-n * _kl(x, c))


def bounded_mean_upper(mean: float, n: int, low: float, high: float, delta: float) -> float:
    """Upper confidence bound on the mean of bounded values, wrong at most `delta` of the time.

    Parameters
    ----------
    mean : float
        Sample mean.
    n : int
        Number of rows.
    low, high : float
        Range in which every value lies.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        At most `high`; infinite with no rows, a number that is not finite, or a sample
        mean outside the range.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1) or ``low < high`` does not hold.

    Notes
    -----
    The smallest limit whose `bounded_mean_p_value` is at most `delta`, that is where
    ``n KL(x, c) = log(1 / delta)`` [1]_, found by bisection and rounded upwards. It never
    has zero width: equal values say nothing about values not yet seen.

    References
    ----------
    .. [1] Hoeffding, W. (1963). Probability inequalities for sums of bounded random
       variables. Journal of the American Statistical Association 58(301), 13-30,
       Theorem 1.

    Examples
    --------
    >>> round(bounded_mean_upper(0.0, 30, 0.0, 1.0, 0.05), 4)  # 1 - 0.05 ** (1 / 30)
    0.095
    """
    check_delta(delta)
    _check_range(low, high)
    x = _unit_mean(mean, n, low, high)
    if x is None:
        return math.inf
    needed = math.log(1.0 / delta)
    inner, outer = x, 1.0
    for _ in range(60):
        middle = (inner + outer) / 2.0
        if middle < 1.0 and n * _kl(x, middle) < needed:
            inner = middle
        else:
            outer = middle
    return min(high, low + (high - low) * (outer + 1e-15))


def bounded_mean_lower(mean: float, n: int, low: float, high: float, delta: float) -> float:
    """Lower confidence bound on the mean of bounded values, wrong at most `delta` of the time.

    Parameters
    ----------
    mean : float
        Sample mean.
    n : int
        Number of rows.
    low, high : float
        Range in which every value lies.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        At least `low`; minus infinity where `bounded_mean_upper` would be infinite.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1) or ``low < high`` does not hold.

    Notes
    -----
    `bounded_mean_upper` of the negated values [1]_; a difference between the two after
    negation would expose a mistake.

    References
    ----------
    .. [1] Hoeffding, W. (1963). Probability inequalities for sums of bounded random
       variables. Journal of the American Statistical Association 58(301), 13-30,
       Theorem 1.

    Examples
    --------
    >>> round(bounded_mean_lower(1.0, 30, 0.0, 1.0, 0.05), 4)  # 0.05 ** (1 / 30)
    0.905
    """
    return -bounded_mean_upper(-mean, n, -high, -low, delta)


def _check_range(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"the range ({low!r}, {high!r}) must have its lower end first.")


def _unit_mean(mean: float, n: int, low: float, high: float) -> float | None:
    """Sample mean on the scale where the range is [0, 1]; None where it cannot be used."""
    if n < 1 or not finite(mean, low, high):
        return None
    x = (mean - low) / (high - low)
    rounding = 1e-9  # a mean of n equal values may leave the range by rounding alone
    if not -rounding <= x <= 1.0 + rounding:
        return None
    return min(max(x, 0.0), 1.0)


def _kl(x: float, c: float) -> float:
    """Relative entropy of Bernoulli(x) from Bernoulli(c), for 0 < c < 1."""
    first = x * math.log(x / c) if x > 0.0 else 0.0
    return first + (1.0 - x) * math.log((1.0 - x) / (1.0 - c)) if x < 1.0 else first

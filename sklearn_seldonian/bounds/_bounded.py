"""One mean of bounded values, from its sample mean alone: the Chernoff-Hoeffding bound."""

from __future__ import annotations

import math

from sklearn_seldonian.bounds._checks import check_delta, finite
from sklearn_seldonian.bounds._search import halve


def bounded_mean_upper(mean: float, n: int, low: float, high: float, delta: float) -> float:
    r"""Upper confidence bound on the mean of bounded values, wrong at most `delta` of the time.

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
    Assumes independent values in the range with one common mean. The source is Hoeffding's first
    inequality [1]_. Let the values be scaled so that the range is [0, 1], with sample mean
    :math:`x` and true mean :math:`c`. Then

    .. math:: P(\text{mean} \le x) \le \exp(-n\,\mathrm{KL}(x, c)), \quad x \le c,

    where KL is the relative entropy of two Bernoulli distributions. This is the Chernoff bound of a
    variable that is 0 or 1. Of all variables in [0, 1] with the same mean, such a variable has the
    largest moment generating function. The upper bound is the smallest c with
    :math:`n\,\mathrm{KL}(x, c) \ge \log(1 / \delta)`. It is found by bisection and rounded upwards.
    It is above the sample mean even if all values are equal, unless they are equal to `high`.

    If this were wrong, two-point data at the ends of the range would be certified more often than
    delta.

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
    if low >= high:
        raise ValueError(
            f"the range ({low!r}, {high!r}) must be (low, high) with low < high. Swap or correct "
            "the ends."
        )
    if n < 1 or not finite(mean, low, high):
        return math.inf
    x = (mean - low) / (high - low)
    rounding = 1e-9  # a mean of n equal values may leave the range by rounding alone
    if not -rounding <= x <= 1.0 + rounding:
        return math.inf
    x = min(max(x, 0.0), 1.0)
    needed = math.log(1.0 / delta)
    c = halve(lambda c: c >= 1.0 or n * _kl(x, c) >= needed, x, 1.0, halvings=60)
    return min(high, low + (high - low) * (c + 1e-15))


def bounded_mean_lower(mean: float, n: int, low: float, high: float, delta: float) -> float:
    """Lower confidence bound on the mean of bounded values, the counterpart of the upper one.

    Parameters
    ----------
    mean, n, low, high, delta
        As in `bounded_mean_upper`.

    Returns
    -------
    float
        At least `low`; minus infinity if `bounded_mean_upper` is infinite.

    Raises
    ------
    ValueError
        As in `bounded_mean_upper`.

    Examples
    --------
    >>> round(bounded_mean_lower(1.0, 30, 0.0, 1.0, 0.05), 4)  # 0.05 ** (1 / 30)
    0.905
    """
    return -bounded_mean_upper(-mean, n, -high, -low, delta)


def _kl(x: float, c: float) -> float:
    """Relative entropy of Bernoulli(x) from Bernoulli(c), for 0 < c < 1."""
    first = x * math.log(x / c) if x > 0.0 else 0.0
    return first + (1.0 - x) * math.log((1.0 - x) / (1.0 - c)) if x < 1.0 else first

"""The box: any function of several means, from one-sided bounds and interval arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import check_delta

Interval = tuple[float, float]

# P-values are computed between these two numbers; a larger p-value is reported as 1.
MIN_P_VALUE, MAX_P_VALUE = 1e-15, 0.99
# The largest distance of a log p-value above the smallest log delta that certifies.
ROUNDING = 5e-10
# Replaces a bound that is not finite in the search for a p-value.
HUGE = 1e6


class MeanBounds(NamedTuple):
    """One mean as the box needs it: its one-sided bounds, its support, and the ends that matter.

    Attributes
    ----------
    lower, upper : callable
        Return, for a probability of error, a confidence bound that is wrong with at most that
        probability.
    support : tuple of float
        The smallest and the largest value that the mean can have for any data, for example (0, 1)
        for a rate.
    needs_lower, needs_upper : bool
        The ends on which the function depends. If an end is not needed, the end of the support is
        used. So a wrong entry costs power but not validity.
    """

    lower: Callable[[float], float]
    upper: Callable[[float], float]
    support: Interval
    needs_lower: bool = True
    needs_upper: bool = True


class RateCounts(NamedTuple):
    """Rates as the box needs them, with Clopper-Pearson bounds that are computed all at once.

    Attributes
    ----------
    successes, trials : ndarray of float, shape (n_rates,)
        Counts of events and of rows, as whole numbers.
    needs_lower, needs_upper : ndarray of bool, shape (n_rates,)
        As in `MeanBounds`.
    """

    successes: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64]
    needs_lower: npt.NDArray[np.bool_]
    needs_upper: npt.NDArray[np.bool_]


def box_upper(
    evaluate: Callable[[Sequence[Interval]], float],
    means: Sequence[MeanBounds] | RateCounts,
    delta: float,
    n_ends: int | None = None,
) -> float:
    r"""Upper confidence bound on a function of means, wrong at most `delta` of the time.

    Parameters
    ----------
    evaluate : callable
        Takes one interval per mean and returns an upper bound of the function over their product
        (the upper end that interval arithmetic gives).
    means : sequence of MeanBounds, or RateCounts
        The means in the order that `evaluate` expects; they may share rows.
    delta : float
        Probability of error, strictly between 0 and 1.
    n_ends : int, default=None
        The number of ends, not more, that must hold for the function's bound to hold; which ones
        they are may depend on the true means, but not on the data. None: all needed ends.

    Returns
    -------
    float
        Infinite if a bound or the function is not a number, if a bound is missing (no rows), or if
        the two bounds of a mean cross.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1) or there are no means.

    Notes
    -----
    Assumes that each bound of a mean is wrong with at most its own probability of error. The source
    is the union bound [1]_. Let the function need :math:`m` ends: one per mean for a linear
    combination, and two per mean for a general function. Each end is bounded at :math:`\delta / m`.
    All bounds hold together with probability at least :math:`1 - \delta`, for any dependence
    between the means. If they hold, the function is at most its maximum over the box.

    Some functions need fewer ends. The difference of the largest and the smallest mean is at most
    its bound if the upper bound of the truly largest mean and the lower bound of the truly smallest
    mean hold. Which means they are is not known, but it is fixed. So :math:`m = 2` for any number
    of means.

    If this were wrong, the function of the true means would exceed the bound more often than delta
    in a simulation with means at their limits.

    References
    ----------
    .. [1] Bonferroni, C. E. (1936). Teoria statistica delle classi e calcolo delle
       probabilità. Pubblicazioni del R Istituto Superiore di Scienze Economiche e
       Commerciali di Firenze 8, 3-62.

    Examples
    --------
    The ratio of two rates, 2 of 50 and 40 of 50:

    >>> from sklearn_seldonian.bounds import binomial_lower, binomial_upper
    >>> means = [
    ...     MeanBounds(
    ...         lambda d, k=k: binomial_lower(k, 50, d),
    ...         lambda d, k=k: binomial_upper(k, 50, d),
    ...         support=(0.0, 1.0),
    ...         needs_lower=k == 40,
    ...         needs_upper=k == 2,
    ...     )
    ...     for k in (2, 40)
    ... ]
    >>> round(box_upper(lambda box: box[0][1] / box[1][0], means, 0.05), 3)
    0.207
    """
    check_delta(delta)
    if not means:
        raise ValueError("a box needs at least one mean, and means is empty.")
    of_each = delta / ends_of(means, n_ends)
    box = _box_of_rates(means, of_each) if isinstance(means, RateCounts) else _box(means, of_each)
    if not all(low <= high for low, high in box):
        return math.inf
    value = evaluate(box)
    return math.inf if math.isnan(value) else value


def box_p_value(
    evaluate: Callable[[Sequence[Interval]], float],
    means: Sequence[MeanBounds] | RateCounts,
    limit: float,
    n_ends: int | None = None,
) -> float:
    """Smallest delta at which `box_upper` is at most `limit`; small means certified.

    Parameters
    ----------
    evaluate : callable
        As in `box_upper`.
    means : sequence of MeanBounds, or RateCounts
        As in `box_upper`.
    limit : float
        The largest value of the function allowed.
    n_ends : int, default=None
        As in `box_upper`.

    Returns
    -------
    float
        In (0, 1], and at least 1e-15. It is 1.0 if no delta up to 0.99 certifies, or if `limit` is
        not finite.

    Notes
    -----
    The bound decreases as delta increases, because every interval shrinks and interval arithmetic
    preserves inclusion [1]_. So the deltas that certify are those above one number. This number is
    found by Brent's method and rounded upwards by less than 1e-9 of its value. So ``box_upper`` at
    the returned p-value is at most `limit`. If this were wrong, that inequality would fail.

    References
    ----------
    .. [1] Moore, R. E. (1966). Interval Analysis. Prentice-Hall.

    Examples
    --------
    >>> from sklearn_seldonian.bounds import binomial_lower, binomial_upper
    >>> rate = MeanBounds(
    ...     lambda d: binomial_lower(0, 30, d),
    ...     lambda d: binomial_upper(0, 30, d),
    ...     support=(0.0, 1.0),
    ...     needs_lower=False,
    ... )
    >>> round(box_p_value(lambda box: box[0][1], [rate], limit=0.1), 4)  # 0.9 ** 30
    0.0424
    """
    if not math.isfinite(limit):
        return 1.0

    def excess(log_delta: float) -> float:
        """The amount by which the bound exceeds the limit, as a finite number."""
        bound = box_upper(evaluate, means, math.exp(log_delta), n_ends)
        return max(-HUGE, min(bound - limit, HUGE))

    low, high = math.log(MIN_P_VALUE), 0.0
    if excess(low) <= 0.0:
        return MIN_P_VALUE
    while excess(middle := (low + high) / 2.0) > 0.0:
        low = middle
        if low >= math.log(MAX_P_VALUE):
            return 1.0
    high = middle
    root = brentq(excess, low, high, xtol=ROUNDING / 4.0, rtol=1e-15, maxiter=1000)
    above = min(root + ROUNDING / 2.0, high)
    return math.exp(above if excess(above) <= 0.0 else high)


def ends_of(means: Sequence[MeanBounds] | RateCounts, n_ends: int | None = None) -> int:
    """The number of ends among which delta is divided, at least 1; `n_ends` as in `box_upper`."""
    if isinstance(means, RateCounts):
        needed = int(means.needs_lower.sum() + means.needs_upper.sum())
    else:
        needed = sum(mean.needs_lower + mean.needs_upper for mean in means)
    return max(1, needed if n_ends is None else min(needed, n_ends))


def _box(means: Sequence[MeanBounds], of_each: float) -> list[Interval]:
    return [_interval(mean, of_each) for mean in means]


def _box_of_rates(rates: RateCounts, of_each: float) -> list[Interval]:
    if not (rates.trials > 0).all():
        return [(math.inf, -math.inf)]
    lows, highs = rate_ends(rates, rates.successes, of_each)
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def rate_ends(
    rates: RateCounts, successes: npt.NDArray[np.float64], of_each: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The lower and upper ends of the box of each table of `successes`, of shape (..., n_rates).

    The tables have the rows of `rates`, at least one per rate. Each end is wrong with probability
    at most `of_each`.
    """
    trials = np.broadcast_to(rates.trials, successes.shape)
    distinct, position = np.unique(successes + 1j * trials, return_inverse=True)
    ends = interval_each(distinct.real, distinct.imag, of_each)
    low, high = (end[position].reshape(successes.shape) for end in ends)
    return np.where(rates.needs_lower, low, 0.0), np.where(rates.needs_upper, high, 1.0)


def _interval(mean: MeanBounds, delta: float) -> Interval:
    """Confidence interval within the support; without data the empty interval (inf, -inf)."""
    low, high = mean.support
    lower = mean.lower(delta) if mean.needs_lower else 0.0
    upper = mean.upper(delta) if mean.needs_upper else 0.0
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return math.inf, -math.inf
    if mean.needs_lower:
        low = max(low, lower)
    if mean.needs_upper:
        high = min(high, upper)
    return low, high

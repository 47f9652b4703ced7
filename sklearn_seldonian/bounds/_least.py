"""The smallest of several means over the same rows: the one-sided betting bound."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sklearn_seldonian.bounds._capital import LimitsTest, p_values_by_limit, steps
from sklearn_seldonian.bounds._checks import check_delta, check_same_length, finite
from sklearn_seldonian.bounds._score import Floats

# This share of the rows only chooses the first of the means to bet on.
FIRST_ROWS = 0.02


def least_mean_test(
    samples: npt.ArrayLike,
    ranges: npt.ArrayLike,
    delta: float,
    n_limits: int | None = None,
) -> LimitsTest:
    r"""The test of upper limits on the smallest of K means over the same rows.

    Parameters
    ----------
    samples : array-like of shape (K, n)
        The values behind each mean. Rows are in an order drawn at random and independently of the
        values.
    ranges : array-like of shape (K, 2)
        Lowest and highest possible value behind each mean.
    delta : float
        The level for which the bets are tuned. The p-values are valid at every level.
    n_limits : int, default=None
        As in `p_values_by_limit`.

    Returns
    -------
    LimitsTest
        Without a bound if there are fewer than two rows, a value that is not finite or lies outside
        its range, or an infinite range.

    Raises
    ------
    ValueError
        If the lengths differ, a range is not in order, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes independent rows with one common distribution. Row i has the values :math:`Z^1_i, \dots,
    Z^K_i`. Before row i, the earlier rows choose one of them, :math:`k_i`: the one with the
    smallest average so far. Given the earlier rows, the mean of :math:`Z^{k_i}_i` is

    .. math:: E[Z^{k_i}_i \mid Z_1, \dots, Z_{i-1}] = \mu_{k_i} \ge \min_k \mu_k .

    If the smallest mean is at least c, this is at least c for every row. So the capital of bets
    against c, :math:`\prod_i (1 + \lambda_i (c - Z^{k_i}_i))`, is a supermartingale, and its
    inverse is a p-value by Ville's inequality, as in `betting_p_value`. The choices need no part of
    delta. The first `FIRST_ROWS` of the rows only choose.

    If this were wrong, values with their smallest mean at the limit would be certified more often
    than delta in a simulation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> losses = rng.random(1000)
    >>> limits = [t + np.maximum(losses - t, 0) / 0.1 for t in (0.8, 0.9)]
    >>> test = least_mean_test(limits, [(0.8, 2.8), (0.9, 1.9)], delta=0.05)
    >>> 0.95 < test.upper < 0.97
    True
    """
    check_delta(delta)
    values, ends = np.asarray(samples, dtype=np.float64), np.asarray(ranges, dtype=np.float64)
    check_same_length(samples=list(values), ranges=list(ends))
    lows, highs = ends.T
    if not (lows < highs).all():
        raise ValueError(
            "each range must be (low, high) with low < high. Swap or correct the ends."
        )
    low, high = float(lows.min()), float(highs.min())
    nothing = np.empty(0)
    # NaN makes the comparison false, so it is refused.
    inside = (values >= lows[:, None]) & (values <= highs[:, None])
    if not (finite(*lows, *highs) and values.shape[1] >= 2 and inside.all() and low < high):
        return LimitsTest(delta, -math.inf, math.inf, nothing, nothing)
    chosen, highest = _chosen(values, highs)
    unit, largest = (chosen - low) / (high - low), (highest - low) / (high - low)
    limits, p_values = p_values_by_limit(unit, delta, n_limits, np.maximum(largest, 1.0))
    return LimitsTest(delta, low, high, low + (high - low) * limits, p_values)


def _chosen(values: Floats, highs: Floats) -> tuple[Floats, Floats]:
    """For each row after the first ones, the chosen value and its largest possible value."""
    first = max(1, int(FIRST_ROWS * values.shape[1]))
    sums = np.cumsum(values, axis=1)
    chosen, highest = np.empty((2, values.shape[1] - first))
    for start, stop in steps(len(chosen)):
        best = int(sums[:, first + start - 1].argmin())
        chosen[start:stop] = values[best, first + start : first + stop]
        highest[start:stop] = highs[best]
    return chosen, highest

"""A linear combination of means of bounded values: the one-sided betting bound."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sklearn_seldonian.bounds._capital import LimitsTest, p_values_by_limit
from sklearn_seldonian.bounds._checks import Numbers, check_delta, check_same_length, finite
from sklearn_seldonian.bounds._score import Floats

Ranges = Sequence[tuple[float, float]]

# Largest share of the capital that one row may lose in bets on a ratio.
MAX_STAKE = 0.75

# Slack, on the log scale of that capital, against rounding in sums over many rows.
ROUNDING = 1e-9


def betting_test(
    samples: Sequence[npt.ArrayLike],
    weights: Numbers,
    ranges: Ranges,
    delta: float,
    n_limits: int | None = None,
) -> LimitsTest:
    """The test behind `betting_p_value` and `betting_upper`, in one pass over the rows.

    With fewer limits (see `p_values_by_limit`) it is faster and the bound is higher.
    """
    check_delta(delta)
    combination = _combination(samples, weights, ranges)
    nothing = np.empty(0)
    if combination is None:
        return LimitsTest(delta, -math.inf, math.inf, nothing, nothing)
    z, low, high = combination
    if high == low:  # all weights are zero: the combination is 0
        return LimitsTest(delta, low, high, nothing, nothing)
    unit = np.clip((z - low) / (high - low), 0.0, 1.0)
    limits, p_values = p_values_by_limit(unit, delta, n_limits)
    return LimitsTest(delta, low, high, low + (high - low) * limits, p_values)


def betting_p_value(
    samples: Sequence[npt.ArrayLike], weights: Numbers, ranges: Ranges, limit: float, delta: float
) -> float:
    r"""Finite-sample p-value against ``sum(weights * means) > limit``; small means certified.

    Parameters
    ----------
    samples : sequence of K array-likes of shape (n_k,)
        The values behind each mean, in an order drawn at random and independently of them. No
        two share a row.
    weights : sequence of K numbers
        Factor of each mean.
    ranges : sequence of K pairs
        Lowest and highest possible value behind each mean.
    limit : float
        The largest value of the combination allowed.
    delta : float
        The level for which the bets are tuned. The p-value is valid at every level.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) with a mean that has no rows, a value that is not
        finite or lies outside its range, or an infinite range.

    Raises
    ------
    ValueError
        If the lengths differ, a range is not in order, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes independent rows and, within each sample, one common mean. The source is the betting
    test of Waudby-Smith and Ramdas [1]_. The guarantee is over the random rows and over their
    random order. The order matters: if rows are sorted by value, or are in a fixed permutation of
    such an order, a row is not independent of the rows before it. A uniformly random order makes
    the rows independent again, for any original order.

    Let n be the size of the smallest sample. Every other sample is cut into n consecutive blocks
    whose sizes differ by at most one, so that all rows are used. Each block is averaged. Then
    :math:`Z_i = \sum_k a_k \bar X_{k,i}` are n independent values with mean :math:`a \cdot \mu`.
    Their range has the width :math:`\sum_k |a_k| (high_k - low_k)`; let :math:`U` be its upper end.
    The capital against a combination of at least c is

    .. math:: K_i(c) = \prod_{j \le i} \bigl(1 + \lambda_j(c) (c - Z_j)\bigr), \qquad
        0 \le \lambda_j(c) < \frac{1}{U - c}.

    It starts at 1 and stays positive. Each :math:`\lambda_j` is known before :math:`Z_j`. So the
    capital is a supermartingale if :math:`a \cdot \mu \ge c`. By Ville's inequality, :math:`1 /
    \max_i K_i(c)` is a p-value. The bets aim at :math:`1 / \delta` after all n rows, and not
    earlier. `p_values_by_limit` defines the bets, and shows why the p-values of many limits are
    valid together.

    If this were wrong, two-point and heavy-tailed values with their mean at the limit would be
    certified more often than delta in a simulation. Zeros and ones in some order would be, too, in
    a sum over all their counts.

    References
    ----------
    .. [1] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random
       variables by betting. Journal of the Royal Statistical Society Series B 86(1), 1-27.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = [rng.beta(4, 5, 300), rng.beta(4, 5, 300)]
    >>> p = betting_p_value(scores, [1, -1], [(0, 1), (0, 1)], limit=0.1, delta=0.05)
    >>> p <= 0.05
    True
    """
    return betting_test(samples, weights, ranges, delta).p_value(limit)


def betting_upper(
    samples: Sequence[npt.ArrayLike], weights: Numbers, ranges: Ranges, delta: float
) -> float:
    """Upper confidence bound on ``sum(weights * means)``, wrong at most `delta` of the time.

    Parameters
    ----------
    samples, weights, ranges
        As in `betting_p_value`.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with a mean that has no rows, a value that is not finite or lies outside
        its range, or an infinite range.

    Raises
    ------
    ValueError
        If the lengths differ, a range is not in order, or `delta` is not inside (0, 1).

    Notes
    -----
    The bound is the smallest limit whose `betting_p_value` is at most `delta`, rounded upwards. It
    exists because the p-value decreases with the limit. The p-value decreases in steps. The
    distance between steps is about a hundredth of the distance between sample mean and bound. If
    this were wrong, ``betting_p_value`` at the bound would exceed `delta`.

    Examples
    --------
    >>> round(betting_upper([[0.5] * 300], [1.0], [(0, 1)], 0.05), 3)
    0.506
    """
    return betting_test(samples, weights, ranges, delta).upper


def ratio_betting_p_value(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    highest: tuple[float, float],
    limit: float,
    delta: float,
) -> float:
    r"""Finite-sample p-value against ``mean(numerator) / mean(denominator) > limit``.

    Parameters
    ----------
    numerator, denominator : array-like of shape (n1,), (n2,)
        Nonnegative values, in an order drawn at random and independently of them. They belong to
        the same rows, or to two samples without a common row.
    highest : pair of numbers
        The largest possible value of each.
    limit : float
        The largest ratio allowed. A ratio of 0 to 0 is allowed.
    delta : float
        The level for which the bets are tuned. The p-value is valid at every level.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) without rows, with a value that is not finite or lies
        outside its range, or a limit that is not finite.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1).

    Notes
    -----
    Assumes what `betting_p_value` assumes, and cuts the larger of two samples into blocks as it
    does. The source is the betting test of Waudby-Smith and Ramdas [1]_. Let u and v be the two
    values, and :math:`U` the largest possible u. The capital is

    .. math:: K_i(r) = \prod_{j \le i} \bigl(1 - \lambda_j (u_j - r v_j)\bigr), \qquad
        0 \le \lambda_j \le \frac{3/4}{U}.

    It stays positive, and it is a supermartingale if :math:`E u \ge r E v`. So :math:`1 / \max_i
    K_i(r)` is a p-value by Ville's inequality. The bet :math:`\lambda_j` depends on the rows before
    j only, and not on r: it is tuned to the deviations of :math:`u - \hat r v`, where :math:`\hat
    r` is the ratio of the rows before j. So each factor increases with r, and the p-value
    decreases. Therefore the smallest limit with a p-value of at most delta is an upper confidence
    bound.

    If this were wrong, values with their ratio at the limit would be certified more often than
    delta in a simulation.

    References
    ----------
    .. [1] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random
       variables by betting. Journal of the Royal Statistical Society Series B 86(1), 1-27.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> missed, all_rows = rng.random(400) * 0.2, np.ones(400)
    >>> ratio_betting_p_value(missed, all_rows, (1.0, 1.0), limit=0.2, delta=0.05) <= 0.05
    True
    """
    check_delta(delta)
    u, v = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    usable = (
        values.size > 0 and np.all((values >= 0.0) & (values <= high))
        for values, high in zip((u, v), highest, strict=True)
    )
    if not all(usable) or not finite(limit, *highest):
        return 1.0
    n = min(u.size, v.size)
    u, v = _block_means(u, n), _block_means(v, n)
    half = highest[0] / 2.0
    ratio = (half + np.cumsum(u)) / (highest[1] / 2.0 + np.cumsum(v))
    stakes = np.minimum(_plug_in(u - ratio * v, half**2, delta), MAX_STAKE / highest[0])
    capital = float(np.cumsum(np.log1p(-stakes * (u - limit * v))).max())
    return math.exp(-max(0.0, capital - ROUNDING))


def _combination(
    samples: Sequence[npt.ArrayLike], weights: Numbers, ranges: Ranges
) -> tuple[Floats, float, float] | None:
    """The combination for each row of the smallest sample, with its lowest and highest value.

    None if a sample, a weight or a range cannot be used.
    """
    check_same_length(samples=samples, weights=weights, ranges=ranges)
    for low, high in ranges:
        if low >= high:
            raise ValueError(
                f"the range ({low!r}, {high!r}) must be (low, high) with low < high. Swap or "
                "correct the ends."
            )
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    for values, (low, high) in zip(arrays, ranges, strict=True):
        # NaN makes the comparison false, so it is refused.
        if values.ndim != 1 or values.size == 0 or not np.all((values >= low) & (values <= high)):
            return None
    used = [(a, pair) for a, pair in zip(weights, ranges, strict=True) if a != 0.0]
    lowest = math.fsum(min(a * low, a * high) for a, (low, high) in used)
    highest = math.fsum(max(a * low, a * high) for a, (low, high) in used)
    if not finite(lowest, highest, *weights):
        return None
    n = min(values.size for values in arrays)
    total = np.zeros(n)
    for a, values in zip(weights, arrays, strict=True):
        total += a * _block_means(values, n)
    return total, lowest, highest


def _block_means(values: Floats, n: int) -> Floats:
    """Means of n consecutive blocks whose sizes differ by at most one."""
    starts = np.arange(n) * values.size // n
    sizes = np.diff(starts, append=values.size)
    return np.asarray(np.add.reduceat(values, starts) / sizes)


def _plug_in(deviations: Floats, start: float, delta: float) -> Floats:
    """Bets from the running variance along the last axis; each uses only the rows before it."""
    n = deviations.shape[-1]
    variance = (start + np.cumsum(deviations**2, axis=-1)) / np.arange(2.0, n + 2.0)
    first = np.full((*deviations.shape[:-1], 1), start)
    before = np.concatenate([first, variance[..., :-1]], axis=-1)
    return np.asarray(np.sqrt(2.0 * math.log(1.0 / delta) / (n * before)))

"""Lower bounds on means that hold after every row of a stream, for any length of the stream.

All bounds rely on one fact. If the mean is at most a limit, no bet of the bettors in `_streams` has
a positive gain on average. By Ville's inequality [1]_ their capital, which is 1 at the start, then
ever reaches 1 / delta with probability at most delta. So the statement "the mean is above the
limit" is valid as soon as the capital is 1 / delta, and at any later time.

References
----------
.. [1] Ville, J. (1939). Etude critique de la notion de collectif. Gauthier-Villars, Paris.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sklearn_seldonian.bounds._checks import check_delta
from sklearn_seldonian.bounds._streams import ROUNDING, Floats, Stream

# The bound on one mean is searched on this many grids, each within a cell of the one before.
SEARCHES, N_LIMITS = 10, 17
# In bounds on sums, the weight of a set of m streams is this number to the power m. So half of the
# capital of two streams is bet on both together, and a quarter on each alone.
TIMES_EACH = 2.0
# The first cells: this many between a lower bound and the estimate; above it, each is wider by a
# factor.
N_BELOW, WIDER = 48, 1.2
# Cells that may contain values more than TOLERANCE (nats) below the smallest known one are divided.
N_PARTS, N_ROUNDS, TOLERANCE = 4, 24, 0.002
# Lagrange multipliers tried at first, in one over the standard error of the sum, and then closer to
# the best one, until the largest is so many times the smallest.
MULTIPLIERS, NEARBY = np.geomspace(0.02, 200.0, 80), 1.01


def time_uniform_lower(stream: Stream, delta: float) -> float:
    """Lower bound on a mean between 0 and 1, wrong after any row with probability at most `delta`.

    Parameters
    ----------
    stream : RateStream or MeanStream
    delta : float
        Probability of error over the whole stream, strictly between 0 and 1.

    Returns
    -------
    float
        At least 0; without rows it is 0. An upper bound is one minus the lower bound of the flipped
        stream.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1).

    Notes
    -----
    The bound is the largest limit against which the capital is at least 1 / delta. It is found on
    successively finer grids and rounded downwards. The capital decreases as the limit increases, so
    an inexact search costs power only.

    Examples
    --------
    >>> from sklearn_seldonian.bounds import RateStream
    >>> round(time_uniform_lower(RateStream(30, 100), 0.05), 3)
    0.175
    >>> round(1.0 - time_uniform_lower(RateStream(30, 100).flipped, 0.05), 3)
    0.453
    """
    check_delta(delta)
    needed = math.log(1.0 / delta)
    low, high = 0.0, 1.0
    for _ in range(SEARCHES):
        limits = np.linspace(low, high, N_LIMITS)
        is_refuted = stream.log_capital(limits[1:-1]) >= needed
        place = int(np.count_nonzero(np.logical_and.accumulate(is_refuted)))
        low, high = float(limits[place]), float(limits[place + 1])
    return max(0.0, low - ROUNDING)


def time_uniform_sum_lower(
    streams: Sequence[Stream], factors: Sequence[float], delta: float
) -> float:
    r"""Lower bound on a weighted sum of means of disjoint rows, valid after every row.

    Parameters
    ----------
    streams : sequence of RateStream or MeanStream
        The streams of the means; they must not share rows.
    factors : sequence of float
        The factor of each mean, not zero.
    delta : float
        Probability of error over the whole stream, strictly between 0 and 1.

    Returns
    -------
    float
        The lower bound, at least the smallest possible value of the sum.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1), or there is not one factor for each stream.

    Notes
    -----
    Assumes what `RateStream` and `MeanStream` assume of the rows of each stream, given all earlier
    rows of all streams. A mean with a negative factor is replaced by that of the flipped stream, so
    that all factors :math:`a_j` are positive. Let :math:`m_j` be the true means, or numbers that
    the means given the earlier rows never exceed.

    The capitals :math:`K_j(m_j)` against these limits are nonnegative supermartingales. A row
    changes only one of them. So the product over any set of streams is a supermartingale too, for
    any order of the streams' rows. Any weighted mean of these products is a supermartingale as
    well. Here the weight of a set of m streams is proportional to :math:`b^m`, with :math:`b = 2`.
    The sum of these weights over all nonempty sets of the J streams is :math:`W = (1 + b)^J - 1`.
    So the following mean starts at 1:

    .. math:: M = \frac{\prod_j [1 + b K_j(m_j)] - 1}{W}.

    With probability at least :math:`1 - \delta` it is below :math:`1 / \delta` at all times. Two
    statements follow from this event. First, the capital of each stream alone is below
    :math:`W / (b \delta)`. So :math:`m_j` is above :math:`l_j`, the bound of `time_uniform_lower`
    for :math:`b \delta / W`. Second, :math:`\prod_j [1 + b K_j(m_j)]` is below
    :math:`B = 1 + W / \delta`. Hence for any :math:`\lambda > 0`,

    .. math:: \lambda \sum_j a_j m_j
        \ge \sum_j \bigl(\log [1 + b K_j(m_j)] + \lambda a_j m_j\bigr) - \log B
        \ge \sum_j \min_{l_j \le y \le 1} \bigl(\log [1 + b K_j(y)] + \lambda a_j y\bigr)
        - \log B.

    The bound is the largest one that is found for some :math:`\lambda`, or :math:`\sum a_j l_j` if
    that is larger. Each minimum is taken over cells of :math:`[l_j, 1]`. In a cell, the capital is
    at least that at the upper end, and y is at least the lower end. So the smallest of these values
    over all cells is never above the minimum, for any cells that cover the interval. The choice of
    cells costs power only. Cells are wider at a larger distance from the estimate, so that they fit
    any number of rows. Cells near the minimum are divided until this loss is small.

    *Power.* Distances from estimate to bound are compared with that of a union of two bounds at
    delta / 2, for two rates of 0.3:

    * With equally many rows, the distance is 0.77 times (1,000 rows each) to 0.89 times (10^9 each)
      that of the union.
    * With very unequal numbers of rows, the stream with many rows has little capital at its
      estimate. The product of both capitals alone would have a distance of 1.1 times (100,000 and
      1,000 rows) to 1.7 times (10^7 and 300) that of the union. The sets of one stream prevent
      this: the bound of two streams is never below a union of bounds at delta / 4 each. The
      distances are 0.96 and 1.06 times that of the union, and up to 1.11 times in streams with very
      few successes.

    With :math:`b = 1` these five numbers would be 0.79, 0.90, 0.95, 1.04 and 1.07.

    If the statement were wrong, consider streams of two groups with equal rates. The share of
    streams whose bound on the difference is ever above zero would exceed delta.

    Examples
    --------
    A difference of two rates:

    >>> from sklearn_seldonian.bounds import RateStream
    >>> one, other = RateStream(150, 300), RateStream(90, 300)
    >>> round(time_uniform_sum_lower([one, other], [1.0, -1.0], 0.05), 3)
    0.056
    """
    check_delta(delta)
    if not streams or len(streams) != len(factors) or not all(factors):
        raise ValueError(
            f"factors must have one nonzero number per stream; got {len(factors)} for "
            f"{len(streams)} streams."
        )
    sizes = np.abs(np.asarray(factors, dtype=float))
    least = float(sum(factor for factor in factors if factor < 0.0))
    sided = [s if f > 0.0 else s.flipped for s, f in zip(streams, factors, strict=True)]
    if len(sided) == 1:
        return float(sizes[0]) * time_uniform_lower(sided[0], delta) + least
    total = (1.0 + TIMES_EACH) ** len(sided) - 1.0
    lows = [time_uniform_lower(stream, delta * TIMES_EACH / total) for stream in sided]
    needed = math.log1p(total / delta) + ROUNDING
    best = max(float(sizes @ lows), _dual_bound(sided, sizes, lows, needed))
    return max(0.0, best - ROUNDING * float(sizes.sum())) + least


def _dual_bound(
    streams: Sequence[Stream], sizes: Floats, lows: Sequence[float], needed: float
) -> float:
    """Lower bound on the weighted sums of those limits above `lows` that are not rejected.

    They are not rejected if the sum of `_log_one_plus_capital` over the streams is below `needed`.
    """
    deviation = math.sqrt(sum((a * s.deviation) ** 2 for a, s in zip(sizes, streams, strict=True)))
    first_cells = [_first_cells(*each) for each in zip(streams, lows, strict=True)]
    grids, capitals = [list(parts) for parts in zip(*first_cells, strict=True)]
    multipliers, best = MULTIPLIERS / deviation, -math.inf
    for _ in range(N_ROUNDS):
        minima = sum(
            _minima(*each, multipliers) for each in zip(grids, capitals, sizes, strict=True)
        )
        found = (minima - needed) / multipliers
        place = int(np.argmax(found))
        best, slopes = max(best, float(found[place])), sizes * multipliers[place]
        finer = [_finer(*each) for each in zip(grids, capitals, slopes, strict=True)]
        for j, (stream, more) in enumerate(zip(streams, finer, strict=True)):
            of_more = _log_one_plus_capital(stream, more)
            grids[j], capitals[j] = _merged(grids[j], capitals[j], more, of_more)
        if not any(len(more) for more in finer):
            if multipliers[-1] < NEARBY * multipliers[0]:
                break
            near = multipliers[max(place - 1, 0)], multipliers[min(place + 1, len(found) - 1)]
            multipliers = np.geomspace(*near, 16)
    return best


def _log_one_plus_capital(stream: Stream, limits: Floats) -> Floats:
    """The logarithm of one plus `TIMES_EACH` times the capital."""
    return np.asarray(np.logaddexp(0.0, math.log(TIMES_EACH) + stream.log_capital(limits)))


@lru_cache(maxsize=256)
def _first_cells(stream: Stream, low: float) -> tuple[Floats, Floats]:
    """The ends of the first cells, from a lower bound to 1, and their `_log_one_plus_capital`."""
    width = max(stream.estimate - low, stream.deviation) / N_BELOW
    n_above = math.ceil(math.log(1.0 / width) / math.log(WIDER))
    steps = np.concatenate([np.ones(N_BELOW), WIDER ** np.arange(n_above)])
    points = low + width * np.cumsum(steps)
    points = np.concatenate([[low], points[points < 1.0], [1.0]])
    return points, _log_one_plus_capital(stream, points)


def _values(points: Floats, capitals: Floats, slope: Floats | float) -> Floats:
    """For each cell (last axis), a lower bound on `capitals` plus slope times limit."""
    return np.asarray(capitals[1:] + np.multiply.outer(slope, points[:-1]))


def _minima(points: Floats, capitals: Floats, size: float, multipliers: Floats) -> Floats:
    """The smallest value over all cells, for each multiplier."""
    return np.asarray(_values(points, capitals, size * multipliers).min(axis=-1))


def _finer(points: Floats, capitals: Floats, slope: float) -> Floats:
    """New points inside the cells that may contain values below the smallest known one."""
    least = float((capitals + slope * points).min())
    near = np.flatnonzero(_values(points, capitals, slope) < least - TOLERANCE)
    steps = np.arange(1.0, N_PARTS) / N_PARTS
    low, high = points[near, None], points[near + 1, None]
    return np.asarray((low + steps * (high - low)).ravel())


def _merged(
    points: Floats, capitals: Floats, more: Floats, of_more: Floats
) -> tuple[Floats, Floats]:
    """The points and their capitals with more points added, in ascending order."""
    every = np.concatenate([points, more])
    order = np.argsort(every, kind="stable")
    return every[order], np.concatenate([capitals, of_more])[order]

"""The capital of bets against all limits on a mean, which aims at 1 / delta after n rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from sklearn_seldonian.bounds._score import Floats

# Largest share of the capital that one row may lose.
MAX_STAKE = 0.99
# Bets aim at this much more than 1 / delta, so that they do not become small just below it.
SPARE = 0.1
# With less capital than this, betting stops.
LOST = 1e-9
# Bets are updated after one of this many parts of the remaining rows.
STEPS = 64
MAX_ROWS_PER_STEP = 500
# The number of limits near the expected bound, for a full and for a quick test. A quarter as many
# more are spread over [0, 1).
LIMITS, FEW_LIMITS = 600, 150
# Slack of the capital against rounding errors in products over many rows.
ROUNDING = 1e-9
# Capital, and growth within one step, are cut at this number.
HUGE = 1e200


class LimitsTest(NamedTuple):
    """The test of one delta on a value from `low` to `high`, for all limits at once."""

    delta: float
    low: float
    high: float
    limits: Floats  # ascending; empty if there is no bound
    p_values: Floats

    def p_value(self, limit: float) -> float:
        """The p-value against a value above `limit`; 1 if the limit is not finite."""
        if not math.isfinite(limit) or limit >= self.high:
            return float(not math.isfinite(limit))
        cell = int(np.searchsorted(self.limits, limit, side="right")) - 1
        return float(self.p_values[cell]) if cell >= 0 else 1.0

    @property
    def upper(self) -> float:
        """The smallest limit whose p-value is at most `delta`, rounded upwards."""
        return self.upper_at(self.delta)

    def upper_at(self, level: float) -> float:
        """The smallest limit whose p-value is at most `level`, rounded upwards."""
        certified = self.limits[self.p_values <= level]
        if not certified.size:
            return self.high
        least = float(certified[0])
        ends = [abs(end) for end in (least, self.low, self.high) if math.isfinite(end)]
        return min(self.high, least + 1e-14 * max(ends))


def p_values_by_limit(
    unit: Floats, delta: float, n_limits: int | None = None, highest: Floats | None = None
) -> tuple[Floats, Floats]:
    r"""Limits in [0, 1) in ascending order from 0, and a p-value against a mean above each.

    The p-value of a limit holds up to the next limit. P-values never increase with the limit.

    Parameters
    ----------
    unit : ndarray of shape (n,)
        Independent values in [0, 1] with one common mean. The p-values are also valid for values
        whose mean, given all earlier values, is always at least the mean that they are about.
    delta : float
        The level for which the bets are tuned.
    n_limits : int, default=None
        The number of limits near the expected bound. None: `LIMITS`. Fewer limits take less time
        and give a higher bound.
    highest : ndarray of shape (n,), default=None
        The largest possible value of each row, at least 1, known before the first row of the row's
        step in `steps`. None: 1.

    Notes
    -----
    The capital K of bets against a mean of at least c is 1 at first. Row j multiplies it by
    :math:`1 + \lambda (c - Z_j)`. The stake :math:`\lambda \ge 0` is known before the row, and is
    small enough for the product to stay positive. So the capital is a supermartingale if the mean
    is at least c. By Ville's inequality, it reaches :math:`1 / \delta` with probability at most
    delta.

    Only the capital after the last row matters, so the stakes aim at a capital of :math:`1 /
    \delta` at that time. Suppose a gambler has the part :math:`q = \delta K` of the goal, and m
    rows of standard deviation :math:`\sigma` remain. With many rows, the stake that hedges a
    digital option reaches the goal with the largest probability (Browne [1]_):

    .. math:: \lambda = \frac{\varphi(z)}{q \sqrt{m} \, \hat\sigma}, \qquad z = \Phi^{-1}(1 - q).

    The test then fails about when the normal test of the same level fails. Stakes that are computed
    anew from the current capital correct their own errors. This is as in [2]_, where the stakes are
    log-optimal for the goal instead. When the capital reaches :math:`1 / \delta`, that amount is
    kept, and only the excess is bet.

    Stakes depend on the limit, so a test can fail at one limit and pass at a smaller one. Therefore
    the limits are the lower ends of cells that cover [0, 1). The capital of a cell is valid for
    every mean in it, because such a mean is at least the lower end. The capital of a cell is
    lowered to the smallest capital of the cells above it. When a finer mesh replaces the cells, a
    new cell gets the capital of the old cell that contains its lower end. At any time, consider the
    cell that contains the true mean. Neither of these two steps increases its capital. So its
    capital is a positive supermartingale, although the cell changes with the mesh. The mesh may
    depend on earlier rows, as the stakes do.

    References
    ----------
    .. [1] Browne, S. (1999). Reaching goals by a deadline: digital options and continuous-time
       active portfolio management. Advances in Applied Probability 31(2), 551-577.
    .. [2] Voracek, V. and Orabona, F. (2025). STaR-Bets: sequential target-recalculating bets for
       tighter confidence intervals. arXiv:2505.22422.
    """
    n = len(unit)
    means, variances = running_moments(unit)
    n_limits = n_limits or LIMITS
    limits = everywhere(n_limits + n_limits // 4)
    capital = np.ones(len(limits))
    largest = capital
    finer = rows_before_finer_meshes(n)
    for start, stop in steps(n):
        if finer and start >= finer[0]:
            finer = [seen for seen in finer if seen > start]
            mesh = limits_near(means[start], variances[start], start, delta, n_limits)
            cell = np.searchsorted(limits, mesh, side="right") - 1
            limits, capital, largest = mesh, capital[cell], largest[cell]
        alive = slice(int(np.searchsorted(capital, LOST)), None)
        after = capital.copy()
        gains = limits[alive, None] - unit[start:stop]
        worst = (1.0 if highest is None else highest[start:stop].max()) - limits[alive]
        after[alive] = capital_after(
            capital[alive], gains, worst, variances[start], n - start, n, delta
        )
        capital = np.minimum.accumulate(after[::-1])[::-1]
        largest = np.maximum(largest, capital)
    return limits, np.minimum(1.0, (1.0 + ROUNDING) / largest)


def capital_after(
    capital: Floats,
    gains: Floats,
    worst: Floats | float,
    variance: Floats | float,
    remaining: int,
    n: int,
    delta: float,
) -> Floats:
    """The capital after the bets on these rows.

    Parameters
    ----------
    capital : ndarray of shape (...)
    gains : ndarray of shape (..., n_rows)
        Gain of a stake of 1 on each row; its mean is at most 0 under the null hypothesis.
    worst : ndarray of shape (...), or float
        The largest possible loss of a stake of 1 on a row.
    variance : ndarray of shape (...), or float
        Variance of the gains, estimated from earlier rows.
    remaining, n : int
        Number of remaining rows including these, and number of all rows.
    delta : float
    """
    goal = (1.0 + ROUNDING) / delta
    reached = capital >= goal
    kept = np.where(reached, goal, 0.0)
    part = np.where(reached, 0.5, np.maximum(capital, LOST) / (goal * (1.0 + SPARE)))
    z = -ndtri(part)
    hedge = np.exp(-z * z / 2.0) / (part * math.sqrt(2.0 * math.pi * remaining))
    beyond = math.sqrt(2.0 * math.log(1.0 / delta) / n)
    stakes = np.where(reached, beyond, hedge) / np.sqrt(variance)
    stakes = np.minimum(stakes, MAX_STAKE / worst)
    with np.errstate(over="ignore"):
        growth = np.minimum(np.prod(1.0 + stakes[..., None] * gains, axis=-1), HUGE)
        return np.asarray(np.minimum(kept + (capital - kept) * growth, HUGE))


def steps(n: int) -> Iterator[tuple[int, int]]:
    """The first row of each step, and the first row after it; steps become shorter."""
    start = 0
    while start < n:
        stop = start + min(max(1, (n - start) // STEPS), MAX_ROWS_PER_STEP)
        yield start, stop
        start = stop


def running_moments(unit: Floats) -> tuple[Floats, Floats]:
    """Mean and variance before each row of the last axis, starting with 1/2 and 1/4.

    The starting values count as one row.
    """
    seen = np.arange(2.0, unit.shape[-1] + 2.0)
    means = (0.5 + np.cumsum(unit, axis=-1)) / seen
    variances = (0.25 + np.cumsum((unit - means) ** 2, axis=-1)) / seen
    first = np.ones((*unit.shape[:-1], 1))
    return (
        np.concatenate([0.5 * first, means], axis=-1),
        np.concatenate([0.25 * first, variances], axis=-1),
    )


def rows_before_finer_meshes(n: int) -> list[int]:
    """The numbers of rows after which the mesh is refined: a half, an eighth, ..., ascending."""
    found: list[int] = []
    seen = n // 2
    while seen >= 8:
        found.insert(0, seen)
        seen //= 4
    return found


def limits_near(mean: float, variance: float, seen: int, delta: float, n_limits: int) -> Floats:
    """Limits, of which many are near the bound that is expected after `seen` rows."""
    deviation = math.sqrt(variance / seen)
    low = mean - 3.0 * deviation
    high = mean + (3.0 - float(ndtri(delta))) * deviation + math.log(1.0 / delta) / seen
    near = np.linspace(low, high, n_limits)
    return np.union1d(everywhere(n_limits // 4), near[(near > 0.0) & (near < 1.0)])


def everywhere(n: int) -> Floats:
    """Limits from 0 to below 1, closer together near both ends."""
    return np.asarray(np.sin(np.arange(n) * (math.pi / 2.0 / n)) ** 2)

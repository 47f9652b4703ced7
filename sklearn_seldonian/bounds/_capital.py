"""The capital of bets against every limit on a mean at once, aimed at 1 / delta after n rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from sklearn_seldonian.bounds._score import Floats

# Largest share of the capital that one row may lose.
MAX_STAKE = 0.99
# Bets aim at this much more than they need, so that they do not slow down just before it.
SPARE = 0.1
# Capital below which nothing more is bet.
LOST = 1e-9
# Bets change after each such part of the rows that are still to come.
STEPS = 64
MAX_ROWS_PER_STEP = 500
# Limits near which the bound may be, and in a quicker look at the rows. A quarter as many more
# are everywhere.
LIMITS, FEW_LIMITS = 600, 150
# Slack of the capital against rounding in products over many rows.
ROUNDING = 1e-9
# Capital is not told apart above this, nor growth within one step.
HUGE = 1e200


class LimitsTest(NamedTuple):
    """The bets of one delta on a value from `low` to `high`, for every limit on it at once."""

    delta: float
    low: float
    high: float
    limits: Floats  # ascending; none where there is no bound
    p_values: Floats

    def p_value(self, limit: float) -> float:
        """Against a value above `limit`; 1 where that is not finite."""
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
    unit: Floats, delta: float, n_limits: int | None = None
) -> tuple[Floats, Floats]:
    r"""Limits in [0, 1), in order from 0 on, and a p-value against a mean above each of them.

    The p-value of a limit holds up to the next limit, and none is larger than the one before.

    Parameters
    ----------
    unit : ndarray of shape (n,)
        Independent values in [0, 1] with one common mean.
    delta : float
        The level that the bets aim at.
    n_limits : int, default=None
        How many limits are near where the bound may be. None: `LIMITS`. Fewer take less time and
        raise the bound.

    Notes
    -----
    Against a mean of at least c, the capital K, 1 at first, is multiplied by
    :math:`1 + \lambda (c - Z_j)` at row j, with a stake :math:`\lambda \ge 0` known before the
    row and small enough for the product to stay positive. It is a supermartingale whenever the
    mean is at least c, so that by Ville's inequality it reaches :math:`1 / \delta` with
    probability at most delta.

    Only the last row counts, so the stakes aim at having :math:`1 / \delta` by then. A gambler who
    holds the part :math:`q = \delta K` of the goal, with m rows of standard deviation
    :math:`\sigma` to come, reaches it with the largest probability in the limit of many rows by
    hedging a digital option (Browne [1]_):

    .. math:: \lambda = \frac{\varphi(z)}{q \sqrt{m} \, \hat\sigma}, \qquad z = \Phi^{-1}(1 - q).

    He then loses as soon as the normal test of the same level would. Stakes that start afresh
    from the capital at hand correct their own errors, as in [2]_, whose target is
    log-optimal instead. Capital of :math:`1 / \delta` is kept, and only what exceeds it is bet on.

    Stakes depend on the limit, so the test at one limit need not pass whenever that at a smaller
    one does. Therefore the limits are the lower ends of cells that cover [0, 1), and what is known
    of a cell holds for every mean in it, being one of at least its lower end. Two steps only lower
    capital: that of a cell to the smallest of the cells above, and, where a finer mesh replaces
    the cells, that of the new cell to the old one's in which its lower end is. So the capital of
    the cell in which the true mean is, whichever that is at a time, is a positive supermartingale.
    The mesh may depend on the rows before, as the stakes do.

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
    highest = capital
    finer = rows_before_finer_meshes(n)
    for start, stop in steps(n):
        if finer and start >= finer[0]:
            finer = [seen for seen in finer if seen > start]
            mesh = limits_near(means[start], variances[start], start, delta, n_limits)
            cell = np.searchsorted(limits, mesh, side="right") - 1
            limits, capital, highest = mesh, capital[cell], highest[cell]
        alive = slice(int(np.searchsorted(capital, LOST)), None)
        after = capital.copy()
        gains = limits[alive, None] - unit[start:stop]
        after[alive] = capital_after(
            capital[alive], gains, 1.0 - limits[alive], variances[start], n - start, n, delta
        )
        capital = np.minimum.accumulate(after[::-1])[::-1]
        highest = np.maximum(highest, capital)
    return limits, np.minimum(1.0, (1.0 + ROUNDING) / highest)


def capital_after(
    capital: Floats,
    gains: Floats,
    worst: Floats | float,
    variance: Floats | float,
    remaining: int,
    n: int,
    delta: float,
) -> Floats:
    """The capital once the bets on these rows are settled.

    Parameters
    ----------
    capital : ndarray of shape (...)
    gains : ndarray of shape (..., n_rows)
        Of a stake of 1 on each row, of mean at most 0 under the hypothesis.
    worst : ndarray of shape (...), or float
        The most that a stake of 1 can lose on a row, whatever the row is like.
    variance : ndarray of shape (...), or float
        Of the gains, as estimated from the rows before.
    remaining, n : int
        How many of all n rows are still to come, with these.
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
    """First row of each step, and the first after it: shorter steps towards the end."""
    start = 0
    while start < n:
        stop = start + min(max(1, (n - start) // STEPS), MAX_ROWS_PER_STEP)
        yield start, stop
        start = stop


def running_moments(unit: Floats) -> tuple[Floats, Floats]:
    """Mean and variance before each row of the last axis, beginning with 1/2 and 1/4.

    These two count as one row in those that follow.
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
    """After half of the rows, an eighth, and so on, the fewest first."""
    found: list[int] = []
    seen = n // 2
    while seen >= 8:
        found.insert(0, seen)
        seen //= 4
    return found


def limits_near(mean: float, variance: float, seen: int, delta: float, n_limits: int) -> Floats:
    """Limits of which many are near where the bound is expected after some of the rows."""
    deviation = math.sqrt(variance / seen)
    low = mean - 3.0 * deviation
    high = mean + (3.0 - float(ndtri(delta))) * deviation + math.log(1.0 / delta) / seen
    near = np.linspace(low, high, n_limits)
    return np.union1d(everywhere(n_limits // 4), near[(near > 0.0) & (near < 1.0)])


def everywhere(n: int) -> Floats:
    """Limits from 0 to below 1, closer together near both ends."""
    return np.asarray(np.sin(np.arange(n) * (math.pi / 2.0 / n)) ** 2)

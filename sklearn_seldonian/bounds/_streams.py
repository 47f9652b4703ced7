"""Streams of rows, and the capital that bettors have won from them.

A bettor starts with a capital of 1 and bets, row after row, that a mean is above a limit. If the
mean is at most the limit, no bet has a positive gain on average. The capital is the total of many
bettors, each of whom makes the same bet at every row. Therefore it depends on sums over the rows
only: the order of the rows does not matter, and sums over disjoint rows add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaln

from sklearn_seldonian.bounds._checks import counts_usable

Floats = NDArray[np.float64]

# The bets are on rates of 1 - (1 - limit) u, with u from a beta(a, 1) distribution; they are above
# the limit by (1 - limit) / (a + 1) on average. The capital is divided into these shares at the
# start. The first share detects a rate of 1, the last a rate just above the limit, and those
# between detect violations of some hundredths, which matter most.
SHAPES, SHARES = np.array([1.0, 5.0, 32.0, 256.0]), np.array([0.15, 0.35, 0.35, 0.15])
# Stakes of bets on numbers, as the share of the capital that is lost in the worst row.
STAKES = 0.97 * 2.0 ** -np.arange(15.0)
# Numbers from 0 to 1 are divided between the two nearest edges; edges are denser near both ends.
N_EDGES = 129
EDGES = np.sin(np.linspace(0.0, math.pi / 2.0, N_EDGES)) ** 2
EDGES[N_EDGES // 2 :] = 1.0 - EDGES[N_EDGES // 2 :: -1]  # exactly symmetric
EDGES.flags.writeable = False
# Weights are multiples of QUANTUM, so that their sums are exact up to MAX_ROWS rows.
QUANTUM, MAX_ROWS = 2.0**-22, 2**31

# Slack that keeps rounding on the safe side: of log capital, per row and digit, and of a bound.
ROUNDING_PER_ROW, ROUNDING = 1e-14, 1e-12
# Slack in the log capital of bets on numbers: per row, and relative to its terms (see MeanStream).
ROUNDING_OF_GAIN, ROUNDING_OF_SUM = 3e-14, 2e-14
# Tails of the beta distribution below this number are inaccurate: SciPy 1.13 has 1.8 times 1e-280.
SMALLEST = 1e-250


class Stream(Protocol):
    """The statistics of rows with one mean between 0 and 1; immutable."""

    def __hash__(self) -> int: ...

    @property
    def n(self) -> float:
        """How many rows there are."""
        ...

    @property
    def mean(self) -> float:
        """Of the rows; NaN without any."""
        ...

    @property
    def estimate(self) -> float:
        """An approximation of the mean, from which searches start."""
        ...

    @property
    def deviation(self) -> float:
        """The approximate standard error of the estimate."""
        ...

    @property
    def flipped(self) -> Stream:
        """The stream of one minus each row."""
        ...

    def log_capital(self, limits: Floats) -> Floats:
        """The log capital of bets against a mean of at most each limit; decreasing."""
        ...


@dataclass(frozen=True)
class RateStream:
    r"""Rows that succeed or fail, and the capital of bets against every limit on their rate.

    Parameters
    ----------
    successes, trials : int

    Notes
    -----
    Assumes that each row succeeds, given all rows before it, with a probability of at most c, which
    may differ from row to row. Against this limit, the bet on a rate :math:`q > c` has after
    k successes in n rows the capital

    .. math:: \left(\frac{q}{c}\right)^k \left(\frac{1 - q}{1 - c}\right)^{n - k}.

    A row x multiplies it by :math:`1 + (x - c)(q - c) / (c (1 - c))`, whose mean is at most 1. So
    it is a nonnegative supermartingale, and so is any mixture over q [1]_. Here :math:`q = 1 - (1 -
    c) u`, where u has a beta(a, 1) distribution, mixed over the `SHAPES` a by `SHARES`. Some of the
    capital is bet on rates close to the limit and some on rates far above it. The integral is an
    incomplete beta function, and the capital is

    .. math:: \frac{a}{(1 - c)^a} \frac{B(k + 1, n - k + a)}{c^k (1 - c)^{n - k}}
        \bigl[1 - I_c(k + 1, n - k + a)\bigr].

    For given u the capital is :math:`u^{n - k} (u + (1 - u) / c)^k`, which decreases as c
    increases. So the rejected limits are all limits below one number, the lower bound. The
    probability that the true rate is ever among them is at most delta. If this were wrong, the
    probabilities of all sequences of successes with a capital that is ever above 1 / delta would
    sum to more than delta for some rate below the limit.

    References
    ----------
    .. [1] Robbins, H. (1970). Statistical methods related to the law of the iterated logarithm.
       Annals of Mathematical Statistics 41(5), 1397-1409.

    Examples
    --------
    >>> stream = RateStream(30, 100)
    >>> round(float(np.exp(stream.log_capital(np.array([0.15]))[0])), 1)
    193.4
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        counts_usable(self.successes, self.trials)

    def __add__(self, other: RateStream) -> RateStream:
        """Of the rows of both, which must be disjoint."""
        return RateStream(self.successes + other.successes, self.trials + other.trials)

    @property
    def n(self) -> float:
        """How many rows there are."""
        return float(self.trials)

    @property
    def mean(self) -> float:
        """Of the rows; NaN without any."""
        return self.successes / self.trials if self.trials else math.nan

    @property
    def estimate(self) -> float:
        return (self.successes + 0.5) / (self.trials + 1.0)

    @property
    def deviation(self) -> float:
        return math.sqrt(self.estimate * (1.0 - self.estimate) / (self.trials + 1.0))

    @property
    def flipped(self) -> RateStream:
        return RateStream(self.trials - self.successes, self.trials)

    def log_capital(self, limits: Floats) -> Floats:
        k, n = float(self.successes), float(self.trials)
        limits = np.asarray(limits, dtype=float)
        c = np.clip(limits, 1e-300, 1.0 - 1e-15)[..., None]
        tails = betaincc(k + 1.0, n - k + SHAPES, c)
        with np.errstate(divide="ignore"):
            left = np.log(np.where(tails > SMALLEST, tails, 0.0))
        integrals = np.log(SHAPES) - SHAPES * np.log1p(-c) + betaln(k + 1.0, n - k + SHAPES) + left
        integrals -= k * np.log(c) + (n - k) * np.log1p(-c)
        # A lower bound on the capital, because q is at least c; it is used where the tail
        # underflows.
        floors = np.log(SHAPES / (n - k + SHAPES))
        integrals = np.where(limits[..., None] < 1.0 - 1e-15, np.maximum(integrals, floors), floors)
        capital = _log_of_mean(integrals, SHARES)
        if k > 0:
            capital = np.where(limits <= 0.0, math.inf, capital)
        return capital - _rounding(n)


@dataclass(frozen=True, eq=False)
class MeanStream:
    r"""Rows with numbers from 0 to 1, and the capital of bets against every limit on their mean.

    Parameters
    ----------
    weights : ndarray of shape (129,)
        The rows as weights of the `EDGES`, from `divided_between_edges`. Weights of disjoint rows
        add up.

    Notes
    -----
    Assumes that each row z is in [0, 1] and that its mean, given all rows before it, is at most c.
    Against this limit, a bet with stake s in (0, 1) multiplies its capital by :math:`1 - s + s z /
    c`, which has mean at most 1. So the capital is a nonnegative supermartingale, and so is the
    mean over the `STAKES` [1]_. For given s it decreases as c increases, so the rejected limits are
    all limits below one number.

    The rows are not kept. A row z between two edges a and b counts as the part
    :math:`(b - z) / (b - a)` of a row a and the rest of a row b. Since the logarithm is concave,

    .. math:: \log\Bigl(1 - s + \frac{s z}{c}\Bigr) \ge \frac{b - z}{b - a}
        \log\Bigl(1 - s + \frac{s a}{c}\Bigr) + \frac{z - a}{b - a}
        \log\Bigl(1 - s + \frac{s b}{c}\Bigr),

    so the capital that is computed from these parts is never above the capital of the rows
    themselves. The loss is that of a variance that is larger by at most a quarter of the squared
    distance of two edges, which is at most 0.00004 of the squared range. If this were wrong, some
    rows would have a larger capital here than by the product over the rows.

    The parts are rounded to multiples of :math:`2^{-22}`. Sums of such numbers are exact up to 2^31
    rows, so the order and the batches of rows do not matter. The capital of a stake is lowered by
    the largest possible effect of rounding. There are three effects:

    * *Parts of rows.* Let L_i be the logarithm of the stake's gain at edge i. The parts of a row
      between the edges i and i + 1 are wrong by at most half the multiple, and by the rounding of
      floats, which is less than a thousandth of the multiple. So the row's part of the log capital
      is wrong by at most :math:`2^{-22} (L_{i+1} - L_i)`. This also covers that mirrored edges
      differ by 1e-16. Over all rows it is at most :math:`2^{-22} \sum_i w_i (L_{i+1} - L_{i-1})`,
      where w are the weights.
    * *Logarithms.* Gains are at least 0.03. They are computed from differences of numbers. The
      error is at most 6 units of 1.1e-16 relative to the larger of these numbers and 1. So each L_i
      is wrong by at most 3e-14.
    * *Sums.* The sum of at most 129 terms is wrong by at most 129 such units, relative to
      :math:`\sum_i w_i |L_i|`. This is less than 2e-14.

    Raises
    ------
    ValueError
        If there are more than 2^31 rows at an edge.

    References
    ----------
    .. [1] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by
       betting. Journal of the Royal Statistical Society B 86(1), 1-27.

    Examples
    --------
    >>> stream = MeanStream(divided_between_edges(np.full(200, 0.3)))
    >>> bool(stream.log_capital(np.array([0.28]))[0] > np.log(20))
    True
    """

    weights: Floats

    def __post_init__(self) -> None:
        if self.weights.max() > MAX_ROWS:
            raise ValueError(
                f"weights must be at most {MAX_ROWS} each, because sums of more rows are not "
                "exact. Start a new stream."
            )

    def __add__(self, other: MeanStream) -> MeanStream:
        """Of the rows of both, which must be disjoint."""
        return MeanStream(self.weights + other.weights)

    @property
    def n(self) -> float:
        """How many rows there are."""
        return float(round(float(self.weights.sum())))

    @property
    def mean(self) -> float:
        """Of the rows; NaN without any."""
        return float(self.weights @ EDGES) / self.n if self.n else math.nan

    @property
    def estimate(self) -> float:
        return float(self.weights @ EDGES + 0.5) / (self.n + 1.0)

    @property
    def deviation(self) -> float:
        spread = float(self.weights @ (EDGES - self.estimate) ** 2 + 0.25) / (self.n + 1.0)
        return math.sqrt(spread / (self.n + 1.0))

    @property
    def flipped(self) -> MeanStream:
        return MeanStream(self.weights[::-1])

    def log_capital(self, limits: Floats) -> Floats:
        c = np.maximum(np.asarray(limits, dtype=float), 1e-300)
        used = np.flatnonzero(self.weights)
        below, above = np.maximum(used - 1, 0), np.minimum(used + 1, N_EDGES - 1)
        logarithms, of_below, of_above = (_log_gains(EDGES[i], c) for i in (used, below, above))
        slack = QUANTUM * (of_above - of_below) + ROUNDING_OF_SUM * np.abs(logarithms)
        of_stakes = logarithms @ self.weights[used] - slack @ self.weights[used]
        of_stakes -= ROUNDING_OF_GAIN * self.n
        capital = _log_of_mean(of_stakes, np.full(len(STAKES), 1.0 / len(STAKES)))
        return capital - ROUNDING


def divided_between_edges(unit: Floats) -> Floats:
    """Numbers from 0 to 1 as weights of the `EDGES`, which keep their number and their mean.

    Weights are multiples of 2^-22, so the mean is accurate to within 3e-9.

    Parameters
    ----------
    unit : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (129,)

    Raises
    ------
    ValueError
        If a number is not finite or outside [0, 1].

    Examples
    --------
    >>> weights = divided_between_edges(np.array([0.0, 0.3, 1.0]))
    >>> float(weights.sum()), round(float(weights @ EDGES), 7)
    (3.0, 1.3)
    """
    unit = np.asarray(unit, dtype=float)
    if not ((unit >= 0.0) & (unit <= 1.0)).all():
        raise ValueError("the values must be numbers from 0 to 1. Scale them by their range first.")
    above = np.clip(np.searchsorted(EDGES, unit, side="left"), 1, N_EDGES - 1)
    low, high = EDGES[above - 1], EDGES[above]
    share = np.rint(np.clip((unit - low) / (high - low), 0.0, 1.0) / QUANTUM) * QUANTUM
    parts = np.bincount(above, share, N_EDGES) + np.bincount(above - 1, 1.0 - share, N_EDGES)
    return np.asarray(parts, dtype=np.float64)


def _rounding(n: float) -> float:
    """The largest effect of rounding on the logarithm of the capital after n rows."""
    return ROUNDING + ROUNDING_PER_ROW * (n + 1.0) * math.log(n + 2.0)


def _log_gains(rows: Floats, limits: Floats) -> Floats:
    """Log gains of bets on some rows (last axis) with each of the stakes (the axis before)."""
    return np.log1p(STAKES[:, None] * (rows / limits[..., None, None] - 1.0))


def _log_of_mean(logarithms: Floats, shares: Floats) -> Floats:
    """The logarithm of the weighted mean over the last axis, from finite logarithms."""
    largest = logarithms.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(logarithms - largest[..., None]) @ shares))

"""Ratios of totals over independent units, in which rows may depend on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from sklearn_seldonian.bounds._capital import (
    FEW_LIMITS,
    HUGE,
    LIMITS,
    LOST,
    ROUNDING,
    LimitsTest,
    capital_after,
    everywhere,
    limits_near,
    rows_before_finer_meshes,
    steps,
)
from sklearn_seldonian.bounds._checks import Numbers, check_delta, check_same_length, finite
from sklearn_seldonian.bounds._score import Floats
from sklearn_seldonian.bounds._unit_totals import Totals

# The share of delta that is spent on the interval of the second mean.
SHARE_OF_SECOND_MEAN = 0.02
# The number of cells of the second mean, per square root of the number of units.
CELLS = 48.0
# With more units than this, units are averaged in blocks.
MAX_UNITS = 20_000
# With several populations, one in this many units is used only to estimate the size of units.
FIRST_PART = 8
# The weight, in units, of the initial guess of a unit's size, which is half of the largest.
GUESS = 0.25
# The relative rounding error of sums over the rows of a unit.
SUMS = 1e-6


def totals_test(
    totals: Sequence[Totals],
    weights: Numbers,
    delta: float,
    n_limits: int | None = None,
    others: Sequence[Sequence[Totals]] = (),
) -> LimitsTest:
    r"""Test of ``sum(weights * means)`` against every limit at once, for one or two means.

    Parameters
    ----------
    totals : sequence of one or two Totals
        Totals of the same units, in the same order.
    weights : sequence of as many numbers
        Factor of each mean.
    delta : float
        The level for which the bets are tuned.
    n_limits : int, default=None
        As in `p_values_by_limit`.
    others : sequence of sequences of Totals, default=()
        Totals of the same means in other populations. A certified limit then holds in each
        population and in each of their mixtures.

    Returns
    -------
    LimitsTest
        It has no limits, so that nothing is certified, if a mean has no units, or if a number is
        not finite or outside its range.

    Raises
    ------
    ValueError
        If lengths differ, there are more than two means, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes that units are drawn independently from one population. Rows within a unit may depend in
    any way on each other and on the number of rows. The sources are the ratio estimator of survey
    sampling [1]_ and bets with Ville's inequality [2]_. A mean is a ratio of totals :math:`\theta =
    E N / E D` over units, so that :math:`E[N - \theta D] = 0`.

    The numbers are scaled so that :math:`0 \le N \le D \le 1` and all weights are positive. Let
    :math:`\theta_k \ge c_k` for each k. The sizes :math:`\alpha_k > 0` and the stake :math:`\lambda
    \ge 0` are known before the unit. A unit multiplies the capital by

    .. math:: 1 + \lambda \sum_k \alpha_k (c_k D_k - N_k) \ge
        1 - \lambda \sum_k \alpha_k (1 - c_k).

    The stake is small enough for the capital to stay positive. The capital is a supermartingale,
    because :math:`E[c_k D_k - N_k] \le 0`. So it reaches :math:`1 / \delta` with probability at
    most delta. Stakes are those of `p_values_by_limit`.

    With one mean, each limit is its own corner c. With two means, the second can have any value.
    Its range is divided into cells that depend only on the number of units. Suppose the second mean
    is in :math:`[s, s']` and the sum is at least t. Then :math:`\theta_1 \ge (t - a_2 s') / a_1`
    and :math:`\theta_2 \ge s`. These two numbers are the corner of the cell. The capital of a limit
    is the smallest over all cells that intersect a confidence interval of the second mean. The
    interval is wrong with probability at most delta / 50, and the bets use the rest of delta
    (Berger and Boos [3]_). As in `p_values_by_limit`, each limit represents a cell, and its capital
    is lowered to the smallest at the limits above it.

    In a mixture of populations, E N and E D are mixtures too. Let :math:`\theta` be the means in
    the mixture. The :math:`\alpha` are the same in all populations, at all times and for all
    limits. Then :math:`\sum_k \alpha_k E[\theta_k D_k - N_k]` is zero in the mixture. Hence it is
    at most zero in at least one of the populations. In that population, the capital of the cells
    that contain :math:`\theta` is a supermartingale, as above. So the true means of the mixture are
    rejected in all populations at once with probability at most delta. The sizes are estimated from
    the first eighth of the units, on which nothing is bet. The interval of the second mean reaches
    from the smallest lower bound to the largest upper bound of the populations. A unit has the same
    position in all populations. For one mean the sizes do not matter.

    If this were wrong, the test would certify too often at a limit that holds with equality, for
    units that have rows of one kind each and whose sizes depend on their rates. Enumeration for few
    units would show this.

    References
    ----------
    .. [1] Cochran, W. G. (1977). Sampling Techniques, 3rd edition, chapter 6. Wiley.
    .. [2] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by
       betting. Journal of the Royal Statistical Society Series B 86(1), 1-27.
    .. [3] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set for the
       nuisance parameter. Journal of the American Statistical Association 89, 1012-1016.

    Examples
    --------
    200 people with one to nine rows each, of which a tenth are wrong:

    >>> rng = np.random.default_rng(0)
    >>> rows = rng.integers(1, 10, 200)
    >>> wrong = rng.binomial(rows, 0.1)
    >>> round(totals_test([Totals(wrong, rows, 0.0, 1.0, 9.0)], [1.0], 0.05).upper, 3)
    0.146
    """
    check_delta(delta)
    check_same_length(totals=totals, weights=weights)
    if len(totals) > 2:
        raise ValueError(f"one or two means must be given, got {len(totals)}.")
    used = [(each, a) for each, a in zip(totals, weights, strict=True) if a != 0.0]
    ends = [(min(a * t.low, a * t.high), max(a * t.low, a * t.high)) for t, a in used]
    low, high = (math.fsum(end) for end in zip(*ends, strict=True)) if ends else (0.0, 0.0)
    nothing = np.empty(0)
    if not finite(low, high, *weights):
        return LimitsTest(delta, -math.inf, math.inf, nothing, nothing)
    if low == high:
        return LimitsTest(delta, low, high, nothing, nothing)
    widths = tuple(above - below for below, above in ends)
    units = _units_of_all(
        [
            [t if a > 0.0 else t.opposite for t, a in zip(each, weights, strict=True) if a]
            for each in (totals, *others)
        ]
    )
    if units is None:
        return LimitsTest(delta, -math.inf, math.inf, nothing, nothing)
    limits, p_values = _p_values(_Sum(widths), units, delta, n_limits)
    return LimitsTest(delta, low, high, low + (high - low) * limits, p_values)


def quotient_of_totals_test(
    top: Totals,
    bottom: Totals,
    delta: float,
    n_limits: int | None = None,
    others: Sequence[tuple[Totals, Totals]] = (),
) -> LimitsTest:
    """Test of the ratio of two nonnegative means against every limit at once.

    Parameters
    ----------
    top, bottom : Totals
        Totals of the numerator and of the denominator of the ratio; their `low` must be 0.
    delta, n_limits, others
        As in `totals_test`, whose notes hold here too. If the denominator is in a cell ``[s, s']``
        and the ratio is at least c, the numerator is at least ``c * s``.

    Returns
    -------
    LimitsTest

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.integers(1, 10, (2, 500))
    >>> hits = rng.binomial(rows, [[0.4], [0.5]])
    >>> top, bottom = (Totals(k, n, 0.0, 1.0, 9.0) for k, n in zip(hits, rows))
    >>> round(quotient_of_totals_test(top, bottom, 0.05).upper, 2)
    0.87
    """
    check_delta(delta)
    units = _units_of_all([[a, b.opposite] for a, b in ((top, bottom), *others)])
    if units is None or top.low != 0.0 or bottom.low != 0.0:
        return LimitsTest(delta, -math.inf, math.inf, np.empty(0), np.empty(0))
    limits, p_values = _p_values(_Quotient(), units, delta, n_limits)
    scale = top.high / bottom.high
    return LimitsTest(delta, 0.0, math.inf, scale * limits / (1.0 - limits), p_values)


# -- the statements that are tested ----------------------------------------------------------


class _Statement(Protocol):
    """An increasing function of means in [0, 1], with limits in [0, 1)."""

    def corners(self, limits: Floats, below: Floats, above: Floats) -> list[Floats]:
        """Lower ends of the means in cells of the second mean, of shape (n_cells, n_limits)."""

    def slopes(self, limits: Floats) -> list[Floats | float]:
        """The relative weight of each mean."""

    def limit_at(self, means: Floats) -> tuple[float, float]:
        """The value of the function at the means, and its slope in the first mean."""


class _Sum(NamedTuple):
    """``sum(weights * means) / sum(weights)``."""

    weights: tuple[float, ...]

    def corners(self, limits: Floats, below: Floats, above: Floats) -> list[Floats]:
        if len(self.weights) == 1:
            return [limits[None, :]]
        first, second = self.weights
        rest = (first + second) * limits[None, :] - second * above[:, None]
        return [np.maximum(rest / first, 0.0), below[:, None]]

    def slopes(self, limits: Floats) -> list[Floats | float]:
        return list(self.weights)

    def limit_at(self, means: Floats) -> tuple[float, float]:
        total = sum(self.weights)
        return float(np.dot(self.weights, means) / total), self.weights[0] / total


class _Quotient(NamedTuple):
    """``r / (1 + r)`` for the ratio r of the first mean to one minus the second."""

    def corners(self, limits: Floats, below: Floats, above: Floats) -> list[Floats]:
        return [limits / (1.0 - limits) * (1.0 - above[:, None]), below[:, None]]

    def slopes(self, limits: Floats) -> list[Floats | float]:
        return [1.0, limits / (1.0 - limits)]

    def limit_at(self, means: Floats) -> tuple[float, float]:
        first, second = means.tolist()
        total = max(first + 1.0 - second, 1e-12)
        return first / total, (1.0 - second) / total**2


# -- the bets ------------------------------------------------------------------------------


class _Units(NamedTuple):
    """Numerators and denominators, scaled to 0 <= N <= D <= 1, of shape (n_means, n_units)."""

    numerators: Floats
    denominators: Floats

    @property
    def n(self) -> int:
        return int(self.denominators.shape[1])

    @property
    def second(self) -> _Units:
        """The second mean alone, over the units that count for it."""
        counted = self.denominators[1] > 0.0
        return _Units(self.numerators[1:, counted], self.denominators[1:, counted])


def _units_of_all(populations: Sequence[Sequence[Totals]]) -> list[_Units] | None:
    """The units that count for any mean in any population; None if some data cannot be used.

    The same units are left out everywhere, so the n-th unit is the same in all populations.
    """
    scaled = [[_scaled(each) for each in totals] for totals in populations]
    known = [[pair for pair in pairs if pair is not None] for pairs in scaled]
    n_units = {len(pair[0]) for pairs in known for pair in pairs}
    if sum(map(len, known)) < sum(map(len, scaled)) or len(n_units) != 1:
        return None
    units = [_Units(*map(np.stack, zip(*pairs, strict=True))) for pairs in known]
    counted = np.any([each.denominators.any(axis=0) for each in units], axis=0)
    return [_Units(*(_averaged(part[:, counted]) for part in each)) for each in units]


def _scaled(totals: Totals) -> tuple[Floats, Floats] | None:
    """The scaled parts of one mean; None if a number is not finite or outside its range."""
    low, high, largest = totals.low, totals.high, totals.largest
    n, d = np.asarray(totals.numerators, float), np.asarray(totals.denominators, float)
    if not finite(low, high, largest) or low >= high or n.shape != d.shape or n.ndim != 1:
        return None
    size = SUMS * max(abs(low), abs(high)) * largest
    # NaN makes the comparison false, so it is refused.
    usable = (d >= 0.0) & (d <= largest * (1.0 + SUMS))
    usable &= (n >= low * d - size) & (n <= high * d + size)
    if not d.any() or not usable.all():
        return None
    denominators = np.clip(d / largest, 0.0, 1.0)
    return np.clip((n - low * d) / ((high - low) * largest), 0.0, denominators), denominators


def _averaged(parts: Floats) -> Floats:
    """Means over consecutive blocks of units, if there are many."""
    n = parts.shape[1]
    if n <= MAX_UNITS:
        return parts
    starts = np.arange(MAX_UNITS) * n // MAX_UNITS
    return np.asarray(np.add.reduceat(parts, starts, axis=1) / np.diff(starts, append=n))


def _p_values(
    statement: _Statement, populations: Sequence[_Units], delta: float, n_limits: int | None
) -> tuple[Floats, Floats]:
    """Limits in [0, 1), and a p-value for each that holds for all above it as well."""
    if len(populations[0].numerators) == 1:
        cells, spent, n_limits = np.zeros((2, 1)), 0.0, n_limits or LIMITS
    else:
        spent = SHARE_OF_SECOND_MEAN * delta
        cells, n_limits = _cells_of_second_mean(populations, spent), n_limits or FEW_LIMITS
    first, sizes = 0, None
    if len(populations) > 1 and spent:
        first = populations[0].n // FIRST_PART
        sizes = _fixed_sizes(statement, populations, first)
        if sizes is None:
            return np.empty(0), np.empty(0)
    found = []
    for units in populations:
        asked = delta - spent, n_limits, first, sizes
        limits, highest = _highest(statement, units, cells, *asked)
        p_values = spent + (1.0 + ROUNDING) / highest.min(axis=0)
        found.append((limits, np.minimum(1.0, p_values)))
    return _largest(found)


def _fixed_sizes(
    statement: _Statement, populations: Sequence[_Units], first: int
) -> list[Floats] | None:
    """The factors of units in all populations, from the first units; None if they are unknown."""
    tops = np.sum([each.numerators[:, :first].sum(axis=1) for each in populations], axis=0)
    bottoms = np.sum([each.denominators[:, :first].sum(axis=1) for each in populations], axis=0)
    if not np.all(bottoms):
        return None
    limit, _ = statement.limit_at(tops / bottoms)
    slopes = statement.slopes(np.array([min(limit, 1.0 - 1e-6)]))
    return [np.asarray(slope / size).ravel() for slope, size in zip(slopes, bottoms, strict=True)]


def _largest(found: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The largest p-value of several tests, each given as a step function of the limit."""
    limits = np.unique(np.concatenate([own for own, _ in found]))
    p_values = np.zeros(len(limits))
    for own, p_value in found:
        cell = np.searchsorted(own, limits, side="right") - 1
        p_values = np.maximum(p_values, np.where(cell >= 0, p_value[cell], 1.0))
    return limits, p_values


def _cells_of_second_mean(populations: Sequence[_Units], spent: float) -> Floats:
    """Lower and upper ends of the cells that may contain the second mean, of shape (2, n_cells)."""
    second = [each.second for each in populations]
    flipped = [_Units(each.denominators - each.numerators, each.denominators) for each in second]
    uppers = []
    for side in (second, flipped):
        limits, p_values = _p_values(_Sum((1.0,)), side, spent / 2.0, None)
        certified = limits[p_values <= spent / 2.0]
        uppers.append(float(certified[0]) if certified.size else 1.0)
    n_cells = max(8, math.ceil(CELLS * math.sqrt(populations[0].n)))
    edges = np.sin(np.linspace(0.0, math.pi / 2.0, n_cells + 1)) ** 2
    met = (edges[1:] >= 1.0 - uppers[1] - SUMS) & (edges[:-1] <= uppers[0] + SUMS)
    return np.stack([edges[:-1][met], edges[1:][met]])


def _highest(
    statement: _Statement,
    units: _Units,
    cells: Floats,
    delta: float,
    n_limits: int,
    first: int = 0,
    sizes_given: list[Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Limits, and the highest capital that the bets against each reached in each cell.

    Nothing is bet on the `first` units. The factors of units are given, or estimated from earlier
    units.
    """
    n, seen = units.n, _RunningStatistics(units)
    limits = everywhere(n_limits + n_limits // 4)
    capital = highest = np.ones((cells.shape[1], len(limits)))
    finer = rows_before_finer_meshes(n)
    for start, stop in steps(n):
        if finer and start >= finer[0]:
            finer = [row for row in finer if row > start]
            mesh = seen.limits_near(statement, start, delta, n_limits)
            old = np.searchsorted(limits, mesh, side="right") - 1
            limits, capital, highest = mesh, capital[:, old], highest[:, old]
        if start < first:
            continue
        alive = slice(min(int(np.searchsorted(row, LOST)) for row in capital), None)
        after = capital.copy()
        corners = statement.corners(limits[alive], *cells)
        sizes = sizes_given or seen.sizes(statement.slopes(limits[alive]), start)
        now = slice(start, stop)
        gains, worst = np.zeros(1), np.zeros(1)
        for size, corner, top, bottom in zip(sizes, corners, *units, strict=True):
            gains = gains + np.asarray(size * corner)[..., None] * bottom[now]
            gains = gains - np.asarray(size)[..., None] * top[now]
            worst = worst + size * np.maximum(1.0 - corner, 0.0)
        variance = seen.variance(sizes, start)
        after[:, alive] = capital_after(
            capital[:, alive], gains, worst, variance, n - start, n, delta
        )
        after[:, alive][np.broadcast_to(corners[0] > 1.0 + SUMS, after[:, alive].shape)] = HUGE
        capital = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        highest = np.maximum(highest, capital)
    return limits, highest


class _RunningStatistics:
    """Statistics before each unit: sizes of units, means, and their variance."""

    def __init__(self, units: _Units):
        parts = np.concatenate([units.numerators, units.denominators])
        first = np.zeros((len(parts), 1))
        self.sums = np.concatenate([first, np.cumsum(parts, axis=1)], axis=1)
        products = np.cumsum(parts[:, None] * parts[None, :], axis=2)
        self.products = np.concatenate([np.zeros((len(parts),) * 2 + (1,)), products], axis=2)

    def _sizes_and_means(self, start: int) -> tuple[Floats, Floats]:
        """The size of a unit and the current mean, for each of the means."""
        numerators, denominators = np.split(self.sums[:, start], 2)
        total = GUESS / 2.0 + denominators
        return total / (GUESS + start), (GUESS / 4.0 + numerators) / total

    def sizes(self, slopes: Sequence[Floats | float], start: int) -> list[Floats]:
        """The factors of a unit's contributions: each slope divided by the size of a unit."""
        sizes, _ = self._sizes_and_means(start)
        return [np.asarray(slope / size) for slope, size in zip(slopes, sizes, strict=True)]

    def variance(self, sizes: Sequence[Floats], start: int) -> Floats:
        """The variance of a unit's contribution, including one guessed unit."""
        of_units, means = self._sizes_and_means(start)
        factors = [*sizes, *(-size * mean for size, mean in zip(sizes, means, strict=True))]
        total = 0.25 * sum(s * of for s, of in zip(sizes, of_units, strict=True)) ** 2
        for i, one in enumerate(factors):
            for j, other in enumerate(factors):
                total = total + one * other * self.products[i, j, start]
        return np.asarray(np.maximum(total, 1e-12) / (start + 1.0))

    def limits_near(self, statement: _Statement, start: int, delta: float, n_limits: int) -> Floats:
        """Limits, of which many are near the expected bound."""
        _, means = self._sizes_and_means(start)
        limit, slope = statement.limit_at(means)
        slopes = [float(np.asarray(s).ravel()[0]) for s in statement.slopes(np.array([limit]))]
        scale = slope / slopes[0]
        variance = float(self.variance(self.sizes(slopes, start), start)) * scale**2
        return limits_near(limit, variance, start, delta, n_limits)

"""Any smooth function of binomial rates: tail probabilities combined by inverse normals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, ndtr, ndtri

from sklearn_seldonian.bounds._checks import check_delta, counts_usable
from sklearn_seldonian.bounds._rate_cells import (
    MAX_SCORE,
    Splits,
    ball_share,
    grid,
    group_sizes,
    halved,
    within,
)
from sklearn_seldonian.bounds._score import Floats

# The largest number of cells of rates.
MAX_CELLS = 20_000
# The number of times that the cells with the highest bounds are halved, and the largest number of
# new parts, as a share of the cells.
HALVINGS, SHARE_OF_PARTS = 2, 1.0 / 32.0
# With more splits than this, the cells are too large.
MAX_SPLITS = 6
# The number of points of a score; between two points it is bounded by its value at the lower one.
POINTS = 129
# The step, in standard errors of a rate, for the numerical slope of a deviation.
STEP = 0.02
# The Lagrange multipliers that are tried. The weights are scaled so that the best one is near 1.
MULTIPLIERS = np.concatenate([[0.0], np.linspace(0.6, 1.5, 19)])
# Slack relative to the size of the terms, which keeps rounding errors on the safe side.
ROUNDING = 1e-10


class Enclosure(Protocol):
    """Bounds on a function and its slopes in each of N boxes.

    `low` and `high` have shape (N,), `slope_low` and `slope_high` have shape (N, K).
    """

    @property
    def low(self) -> Floats: ...
    @property
    def high(self) -> Floats: ...
    @property
    def slope_low(self) -> Floats: ...
    @property
    def slope_high(self) -> Floats: ...


# Takes the lower and upper ends of N boxes of rates, both of shape (N, K).
Function = Callable[[Floats, Floats], Enclosure]


class _Cells(NamedTuple):
    """The data of C cells that the bound needs: arrays of shape (C,), (C, K) and (C, 2, K).

    A weight is negative if high counts are evidence against a rate. `deviation` is the standard
    deviation of the weighted sum of scores. `steps` lead from the middle of a cell to its ends.
    `scores` are the values, at both ends, of a line below each score.
    """

    angles: Floats
    weights: Floats
    deviation: Floats
    middle: Floats
    rest: Floats
    highest: Floats
    slopes: Floats
    steps: Floats
    scores: Floats

    def at_zero(self, multiplier: float) -> Floats:
        """Bounds on h minus the multiplier times the score, in units of the deviation."""
        weights = multiplier * np.abs(self.weights)
        gains = self.slopes[:, None] * self.steps - weights[:, None] * self.scores
        return np.asarray(self.middle + self.rest + gains.max(axis=1).sum(axis=1))

    def bounds(self, level: float) -> Floats:
        """Bounds on h where the score is at most `level`; the largest one is fully optimised."""

        def bounds(cells: _Cells, multipliers: Iterable[float]) -> Floats:
            best = cells.highest
            for multiplier in multipliers:
                allowed = multiplier * level * cells.deviation
                best = np.fmin(best, cells.at_zero(multiplier) + allowed)
            return best

        with np.errstate(invalid="ignore"):  # no multiplier of an infinite deviation
            return -self._where_lowest(lambda *asked: -bounds(*asked))

    def score_at(self, limit: float) -> float:
        """The smallest score of rates whose h may be above `limit`; infinite if there are none."""
        cells = self.taken(~(self.highest <= limit))

        def scores(cells: _Cells, multipliers: Iterable[float]) -> Floats:
            best = np.full(len(cells.highest), -math.inf)
            for multiplier in multipliers:
                room = limit - cells.at_zero(multiplier)
                best = np.fmax(best, room / (multiplier * cells.deviation))
            return best

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return float(cells._where_lowest(scores).min(initial=math.inf))

    def _where_lowest(self, values: Callable[[_Cells, Iterable[float]], Floats]) -> Floats:
        """Values that increase with more multipliers; all are tried where the smallest may be."""
        found = values(self, (1.0,))
        if found.size:
            least = values(self.taken(np.array([found.argmin()])), MULTIPLIERS)
            open_ = found < least
            found[open_] = values(self.taken(open_), MULTIPLIERS)
        return found

    def taken(self, which: NDArray[Any]) -> _Cells:
        """Some of the cells."""
        return _Cells(*(part[which] for part in self))

    def replaced(self, which: NDArray[np.bool_], new: _Cells) -> _Cells:
        """The cells with some of them replaced by others."""
        return _Cells(*(np.concatenate([own[~which], n]) for own, n in zip(self, new, strict=True)))


@dataclass(frozen=True)
class InverseNormalTest:
    """The test of all limits on one function of rates; made by `inverse_normal_test`.

    Attributes
    ----------
    delta : float
    upper : float
        Upper confidence bound on the function, wrong at most `delta` of the time.
    cells : object or None, default=None
        None if the counts contain no information.
    """

    delta: float
    upper: float
    cells: _Cells | None = None

    def p_value(self, limit: float) -> float:
        """The p-value against a function above `limit`, from the test that is tuned to `delta`.

        It is at most `delta` if and only if the `upper` bound is at most `limit`, and at least
        delta / 50.
        """
        if self.cells is None:
            return 1.0
        n_splits = self.cells.weights.shape[1]
        p_value = ball_share(n_splits) * self.delta + float(ndtr(-self.cells.score_at(limit)))
        if self.upper <= limit:
            return min(p_value, self.delta)
        return min(1.0, max(p_value, math.nextafter(self.delta, 1.0)))


def inverse_normal_test(
    splits: Splits, function: Function, delta: float, max_cells: int = MAX_CELLS
) -> InverseNormalTest:
    r"""Test of limits on a smooth function of rates, each wrong at most `delta` of the time.

    Parameters
    ----------
    splits : Splits
        The counts. At most six splits are advisable.
    function : callable
        The function h. It takes the ends of boxes of rates and returns an `Enclosure` of h and its
        slopes.
    delta : float
        Probability of error, strictly between 0 and 1.
    max_cells : int, default=20_000
        The largest number of cells. With fewer cells the test is faster and has less power.

    Returns
    -------
    InverseNormalTest
        Its bound is infinite if a group of given size has no rows, or if h may be undefined.

    Raises
    ------
    ValueError
        If the counts are impossible or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes that each count is binomial given the size of its group, and that groups of given size
    are independent. This holds for any table of independent rows, because the part to which a row
    belongs does not depend on the other rows. The parts may be divided further. The source is the
    inverse normal method of Stouffer and Liptak [1]_. The rates are restricted to a confidence set,
    as by Berger and Boos [2]_.

    Let p be the true rates, and :math:`z_j(p_j) = -\Phi^{-1}(P_{p_j}(X_j \le k_j))`, or the same
    with :math:`\ge`. Given the size of the group, the tail probability is at most u with
    probability at most u. So :math:`z_j` is stochastically at most standard normal. The same holds
    for the sum

    .. math:: Z(p) = \sum_j w_j z_j(p_j), \qquad \sum_j w_j^2 = 1.

    The weights may depend on p. In each step, they may also depend on the size of the group that is
    to be divided. Each group has a squared weight. Its own division gets the part :math:`w_j^2` of
    it, and the divisions of its parts get the rest. These parts are fixed before the group is
    divided. If all parts with weight have no rows, this sum rejects nothing.

    Let :math:`\gamma = \delta / 50`, or :math:`\delta / 20` with three splits or more. Two sets of
    rates are rejected:

    * Rates with :math:`Z(p) \ge \Phi^{-1}(1 - \delta + \gamma)`. The true rates are among them with
      probability at most :math:`\delta - \gamma`.
    * Rates with :math:`\sum_j z_j^2 > \chi^2_{K, 1 - \gamma}`. Here :math:`z_j` is computed from
      the smaller tail, and it is 0 if that tail is above one half. Twice the smaller tail is a
      p-value. So the true rates are among them with probability at most :math:`\gamma`.

    Together, the true rates are rejected with probability at most delta. The bound is the largest h
    of the rates that are not rejected.

    The weights are the slopes of :math:`h + z \sigma_h` in standard errors of the rates, where
    :math:`\sigma_h` is the standard deviation of the estimate of h. With these weights, Z(p) is
    high for any p if the estimates lie below :math:`h + z \sigma_h = 0`. So little power is lost to
    rates far from the estimates. The weights are constant within the cells of a grid over
    :math:`\arcsin\sqrt{p}`. This grid depends only on the sizes of the given groups.

    The largest h in a cell is bounded by weak duality. For any :math:`\lambda \ge 0`,

    .. math::
        \max_p \{h(p) : Z(p) \le z\} \le h(m) + \lambda z + R
        + \sum_j \max_{p_j} [s_j (p_j - m_j) - \lambda w_j z_j(p_j)].

    Here m is the middle of the cell, s are the slopes there, and R is a bound on the remainder of h
    from the variation of the slopes within the cell. Each :math:`z_j` is bounded from below by a
    line. An inexact search for :math:`\lambda` costs power only.

    The cells with the highest bounds are halved and keep their weights. Their bounds become
    tighter, and parts that the counts contradict are left out. The choice of these cells depends on
    the counts, but the set of rejected rates does not.

    If this were wrong, the probabilities of all tables with a bound below h would sum to more than
    delta at some rates.

    References
    ----------
    .. [1] Liptak, T. (1958). On the combination of independent tests. Magyar Tud. Akad. Mat.
       Kutato Int. Kozl. 3, 171-197.
    .. [2] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set for the
       nuisance parameter. Journal of the American Statistical Association 89(427), 1012-1016.

    Examples
    --------
    Is the product of two rates at least 0.5, written as ``-p q <= -0.5``?

    >>> from sklearn_seldonian.constraints import Jet
    >>> def minus_product(low, high):
    ...     return -(Jet.coordinate(low, high, 0) * Jet.coordinate(low, high, 1))
    >>> splits = Splits((80, 80), (100, 100), parents=(-1, -1), of_successes=(False, False))
    >>> test = inverse_normal_test(splits, minus_product, delta=0.05)
    >>> round(test.upper, 3), round(test.p_value(-0.5), 4)
    (-0.554, 0.0036)
    """
    check_delta(delta)
    counts = zip(splits.successes, splits.trials, splits.parents, strict=True)
    usable = [counts_usable(k, n) or parent >= 0 for k, n, parent in counts]
    if not all(usable):
        return InverseNormalTest(delta, math.inf)
    estimate = _estimate(splits, function)
    level = _level(len(splits.trials), delta)
    whole = grid(splits, delta, max_cells)
    weights, lost = _weights(splits, function, whole, level)
    deviation = np.where(lost, math.inf, np.linalg.norm(weights, axis=1))
    bounded = partial(_bounded, splits, function, delta, estimate)
    cells = bounded(whole, weights, deviation)
    highest = cells.bounds(level)
    for _ in range(HALVINGS):
        n_halved = max(1, int(SHARE_OF_PARTS * max_cells / 2 ** len(splits.trials)))
        is_high = np.zeros(len(highest), dtype=np.bool_)
        is_high[np.argsort(highest)[-n_halved:]] = True
        parts, of = halved(splits, delta, cells.angles[is_high])
        new = bounded(parts, cells.weights[is_high][of], cells.deviation[is_high][of])
        highest = np.concatenate([highest[~is_high], new.bounds(level)])
        cells = cells.replaced(is_high, new)
    return InverseNormalTest(delta, float(highest.max(initial=estimate)), cells)


def _level(n_splits: int, delta: float) -> float:
    """The score at and above which rates are rejected."""
    return -float(ndtri(delta * (1.0 - ball_share(n_splits))))


def _bounded(
    splits: Splits,
    function: Function,
    delta: float,
    estimate: float,
    angles: Floats,
    weights: Floats,
    deviation: Floats,
) -> _Cells:
    """The data that the bound needs, for cells of angles with these weights."""
    low, high = within(splits, np.sin(angles) ** 2, delta)
    inside = function(low, high)
    # Cells in which h is never above the estimate do not raise the bound.
    kept = ~(inside.high < estimate)
    low, high = low[kept], high[kept]
    middle = (low + high) / 2.0
    here = function(middle, middle)
    slopes = here.slope_low
    with np.errstate(invalid="ignore"):
        varying = np.maximum(inside.slope_high[kept] - slopes, slopes - inside.slope_low[kept])
        rest = (varying * (high - low) / 2.0).sum(axis=1)
        rounding = ROUNDING * (1.0 + np.abs(here.high) + np.abs(slopes).sum(axis=1))
    return _Cells(
        angles[kept],
        weights[kept],
        deviation[kept],
        here.high,
        _infinite(rest + rounding),
        _infinite(inside.high[kept] + rounding),
        slopes,
        np.stack([low - middle, high - middle], axis=1),
        _score_lines(splits, low, high, weights[kept] < 0.0),
    )


def _estimate(splits: Splits, function: Function) -> float:
    """The value of h at the observed rates; minus infinity if it is undefined."""
    k, n = np.array([splits.successes, splits.trials], dtype=float)
    seen = np.divide(k, n, out=np.full(len(k), 0.5), where=n > 0)[None]
    return float(np.nan_to_num(function(seen, seen).low[0], nan=-math.inf))


def _infinite(bounds: Floats) -> Floats:
    """The `bounds`, with infinity for undefined ones."""
    return np.asarray(np.where(np.isnan(bounds), math.inf, bounds))


# -- weights and scores --------------------------------------------------------------------


def _weights(
    splits: Splits, function: Function, cells: Floats, level: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """The weight of each score in each cell, and whether weight was lost to parts without rows.

    A weight is negative if high counts are evidence against the rate.

    The weights are computed at a point between the rates in the middle of the cell and the
    estimates that would just reject these rates.
    """
    angles = cells.mean(axis=2)
    rates = np.sin(angles) ** 2
    scale = np.sqrt(_sizes(splits, rates))
    first = function(rates, rates).slope_low * np.sin(2.0 * angles) / scale
    norm = np.linalg.norm(first, axis=1, keepdims=True)
    step = level / 4.0 * first / np.where(norm > 0.0, norm, 1.0) / scale
    moved = np.clip(angles - step, angles / 2.0, (math.pi / 2.0 + angles) / 2.0)
    rates = np.sin(moved) ** 2
    slopes = _raised_slopes(splits, function, rates, level)
    # At an end of [0, 1] a score may be minus infinity.
    inner = (cells[..., 0] > 0.0) & (cells[..., 1] < math.pi / 2.0 * (1.0 - 1e-12))
    own = np.where(inner, slopes**2 * rates * (1.0 - rates), 0.0)
    squares, lost = _divided_among_parts(splits, own, rates)
    return np.sign(slopes) * np.sqrt(squares), lost


def _raised_slopes(splits: Splits, function: Function, rates: Floats, level: float) -> Floats:
    """The slopes of ``h + level * deviation``; infinite slopes of h count as 0."""

    def at(rates: Floats) -> tuple[Floats, Floats]:
        slopes = np.nan_to_num(function(rates, rates).slope_low, posinf=0.0, neginf=0.0)
        spread = rates * (1.0 - rates) / _sizes(splits, rates)
        return slopes, np.sqrt((slopes**2 * spread).sum(axis=1))

    slopes, deviation = at(rates)
    steps = STEP * np.sqrt(rates * (1.0 - rates) / _sizes(splits, rates))
    steps = np.where(rates < 0.5, steps, -steps)
    raised = slopes.copy()
    for j in range(rates.shape[1]):
        moved = rates.copy()
        moved[:, j] += steps[:, j]
        raised[:, j] += level * (at(moved)[1] - deviation) / steps[:, j]
    return raised


def _sizes(splits: Splits, rates: Floats) -> Floats:
    """The expected number of rows of each group."""
    sizes = np.empty_like(rates)
    for j in range(rates.shape[1]):
        sizes[:, j] = group_sizes(splits, rates, sizes, j)
    return sizes


def _divided_among_parts(
    splits: Splits, own: Floats, rates: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Squared weights, from the variance of each rate's estimate times its number of rows.

    The weight of all parts of a group together is fixed before the group is divided, from their
    expected sizes. It is divided among them by their actual numbers of rows. If the parts with
    weight have no rows, their weight is lost. The second result says where this happened.
    """
    n = np.array(splits.trials, dtype=float)
    total, of_parts, actual = own.copy(), np.zeros_like(own), np.zeros_like(own)
    for j in reversed(range(len(n))):
        total[:, j] += of_parts[:, j]
        parent = splits.parents[j]
        if parent >= 0:
            share = rates[:, parent] if splits.of_successes[j] else 1.0 - rates[:, parent]
            of_parts[:, parent] += total[:, j] / share
            actual[:, parent] += total[:, j] / n[j] if n[j] else 0.0
    factor = np.ones_like(own)
    for j, parent in enumerate(splits.parents):
        if parent >= 0:
            planned, found = of_parts[:, parent] / max(n[parent], 1.0), actual[:, parent]
            ratio = np.divide(planned, found, out=np.zeros_like(found), where=found > 0.0)
            factor[:, j] = factor[:, parent] * ratio
    lost = ((of_parts > 0.0) & (actual == 0.0) & (n > 0)).any(axis=1)
    return factor * own * np.divide(1.0, n, out=np.zeros_like(n), where=n > 0), lost


def _score_lines(
    splits: Splits, low: Floats, high: Floats, of_high_counts: NDArray[np.bool_]
) -> Floats:
    """The values, at both ends of each cell, of a line below each score: shape (C, 2, K)."""
    lines = np.zeros((2, *low.shape))
    for j, (k, n) in enumerate(zip(splits.successes, splits.trials, strict=True)):
        for is_high in (False, True):
            chosen = of_high_counts[:, j] == is_high
            # Both ends are combined into one complex number, which sorts fast.
            ends = low[chosen, j] + 1j * high[chosen, j]
            distinct, where = np.unique(ends, return_inverse=True)
            if n:  # without rows the split has no weight
                line = _line(k, n, distinct.real, distinct.imag, is_high=is_high)
                lines[:, chosen, j] = line[:, where]
    return np.moveaxis(lines, 0, 1)


def _line(k: float, n: float, low: Floats, high: Floats, *, is_high: bool) -> Floats:
    """A line below the score, which increases between both ends, or decreases if `is_high`."""
    rates = np.linspace(low, high, POINTS)
    scores = _scores(k, n, rates, is_high=is_high)
    line = np.linspace(scores[0], scores[-1], POINTS)
    least = scores[1:] if is_high else scores[:-1]
    drop = (np.maximum(line[:-1], line[1:]) - least).max(axis=0)
    return np.array([line[0] - drop, line[-1] - drop])


def _scores(k: float, n: float, rates: Floats, *, is_high: bool) -> Floats:
    """Minus the normal quantile of the lower tail probability, or of the upper one if `is_high`."""
    if (k == 0) if is_high else (k == n):  # the tail probability is 1
        return np.full(rates.shape, -MAX_SCORE)
    shapes = (k, n - k + 1.0) if is_high else (k + 1.0, n - k)
    tail_of, rest_of = (betainc, betaincc) if is_high else (betaincc, betainc)
    tail = tail_of(*shapes, rates)
    scores = -ndtri(tail)
    near_one = tail > 0.999  # here the other tail is more accurate
    scores[near_one] = ndtri(rest_of(*shapes, rates[near_one]))
    return np.asarray(np.clip(scores, -MAX_SCORE, MAX_SCORE))

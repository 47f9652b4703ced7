"""Any smooth function of binomial rates: their tails, combined by the inverse normal method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, chdtri, ndtr, ndtri

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import check_delta, counts_usable
from sklearn_seldonian.bounds._score import Floats

# Part of delta spent on leaving out rates that the counts contradict all together.
BALL_SHARE = 1.0 / 50.0
# Rates are looked at in so many cells at most, and each of them in so many.
MAX_CELLS = 20_000
MAX_CELLS_OF_RATE = 32
# With more splits the cells are too few to be small.
MAX_SPLITS = 6
# Points between which a score is bounded by its value at the lower one.
POINTS = 129
# How far from a rate, in standard errors, the slope of a deviation is taken.
STEP = 0.02
# Lagrange multipliers tried; the weights are such that the best one is near 1.
MULTIPLIERS = np.concatenate([[0.0], np.linspace(0.6, 1.5, 19)])
# Scores beyond this are taken for as much.
MAX_SCORE = 37.0
# Slack, relative to the size of what is added up, that keeps rounding on the safe side.
ROUNDING = 1e-10


class Splits(NamedTuple):
    """Groups of rows that are divided in two, and their parts again: one binomial count each.

    Attributes
    ----------
    successes, trials : tuple of K numbers
        Rows in the first part, and rows divided.
    parents : tuple of K integers
        Position of the split that made the group, which comes before; -1: a group whose size is
        given.
    of_successes : tuple of K bools
        Whether the group is the first part of its parent.
    """

    successes: tuple[float, ...]
    trials: tuple[float, ...]
    parents: tuple[int, ...]
    of_successes: tuple[bool, ...]


class Enclosure(Protocol):
    """What a function and its slopes are worth in each of N boxes: between which numbers.

    `low` and `high` are of shape (N,), `slope_low` and `slope_high` of shape (N, K).
    """

    @property
    def low(self) -> Floats: ...
    @property
    def high(self) -> Floats: ...
    @property
    def slope_low(self) -> Floats: ...
    @property
    def slope_high(self) -> Floats: ...


# From the lower and upper ends of N boxes of rates, both of shape (N, K).
Function = Callable[[Floats, Floats], Enclosure]


class _Cells(NamedTuple):
    """What the bound needs of each of C cells: arrays of shape (C,) and (C, K).

    The steps lead from the middle of the cell to its ends. The `deviation` is that of the weighted
    sum of scores, and `scores` are, for both ends, the values of a line below each score.
    """

    middle: Floats
    rest: Floats
    highest: Floats
    slopes: Floats
    steps: tuple[Floats, Floats]
    weights: Floats
    deviation: Floats
    scores: tuple[Floats, Floats]


@dataclass(frozen=True)
class InverseNormalTest:
    """The test of every limit on one function of rates, as `inverse_normal_test` makes it.

    Attributes
    ----------
    delta : float
    cells : object or None
        None where the counts say nothing.
    estimate : float
        The bound is at least as much.
    """

    delta: float
    cells: _Cells | None
    estimate: float

    @property
    def upper(self) -> float:
        """Upper confidence bound on the function, wrong at most `delta` of the time."""
        if self.cells is None:
            return math.inf
        best = self.cells.highest
        with np.errstate(invalid="ignore"):  # no multiplier of an infinite deviation
            for multiplier in MULTIPLIERS:
                allowed = multiplier * _level(self.delta) * self.cells.deviation
                best = np.fmin(best, _highest_at_zero(self.cells, multiplier) + allowed)
        return float(best.max(initial=self.estimate))

    def p_value(self, limit: float) -> float:
        """P-value against the function being above `limit`, of the test that is tuned to `delta`.

        At most `delta` if and only if the `upper` bound is at most `limit`; at least delta / 50.
        """
        if self.cells is None:
            return 1.0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            of_cells = np.where(self.cells.highest <= limit, math.inf, -math.inf)
            for multiplier in MULTIPLIERS:
                room = limit - _highest_at_zero(self.cells, multiplier)
                of_cells = np.fmax(of_cells, room / (multiplier * self.cells.deviation))
        p_value = BALL_SHARE * self.delta + float(ndtr(-of_cells.min(initial=math.inf)))
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
        The counts, best of at most six splits.
    function : callable
        The function h: from the ends of boxes of rates to an `Enclosure` of h and its slopes.
    delta : float
        Probability of error, strictly between 0 and 1.
    max_cells : int, default=20_000
        With fewer the test takes less time and has less power.

    Returns
    -------
    InverseNormalTest
        Its bound is infinite where a group of given size has no rows, or h may be undefined.

    Raises
    ------
    ValueError
        If the counts are impossible or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes that each count is binomial given the size of its group, and that groups of given size
    are independent. So is any table of independent rows: which of two parts a row of a group falls
    in says nothing of the other rows. The parts may be divided further.

    Let p be the true rates, :math:`z_j(p_j) = -\Phi^{-1}(P_{p_j}(X_j \le k_j))`, or the same with
    :math:`\ge`. Given the size of the group, a tail probability is at most u with probability at
    most u, so that :math:`z_j` is stochastically at most standard normal. Hence so is the sum

    .. math:: Z(p) = \sum_j w_j z_j(p_j), \qquad \sum_j w_j^2 = 1

    (Stouffer's and Liptak's inverse normal method [1]_), where the weights may depend on p and, in
    each step, on the size of the group that is about to be divided: the share :math:`w_j^2` of a
    group's weight that its own division gets, the rest going to the divisions of its parts, is
    fixed before the group is divided. Where all parts with weight turn out to have no rows, nothing
    is rejected by this sum. With :math:`\gamma = \delta / 50`, rates with
    :math:`Z(p) \ge \Phi^{-1}(1 - \delta + \gamma)` are rejected, and so are those with
    :math:`\sum_j z_j^2 > \chi^2_{K, 1 - \gamma}`, where :math:`z_j` is of the smaller tail, or 0 if
    that is above one half (twice the smaller tail is a p-value; Berger and Boos [2]_). The true
    rates are rejected with probability at most delta. The bound is the largest h of rates that are
    not.

    The weights are the slopes of :math:`h + z \sigma_h` in standard errors of the rates, where
    :math:`\sigma_h` is the standard deviation of the estimate of h. With them Z(p) is high where
    the estimates lie below :math:`h + z \sigma_h = 0`, wherever p is, and little is lost to rates
    far from the estimates. They are constant within the cells of a grid over
    :math:`\arcsin\sqrt{p}` that depends on the sizes of the given groups alone.

    The largest h in a cell is bounded by weak duality: for any :math:`\lambda \ge 0`

    .. math::
        \max_p \{h(p) : Z(p) \le z\} \le h(m) + \lambda z + R
        + \sum_j \max_{p_j} [s_j (p_j - m_j) - \lambda w_j z_j(p_j)]

    with m the middle of the cell, s the slopes there, and R a bound on what is left of h, from how
    much the slopes vary within the cell. Each :math:`z_j` is bounded from below by a line. So an
    error of the search costs power only.

    If it were wrong, summing the probabilities of all tables with a bound below h would exceed
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
        return InverseNormalTest(delta, None, math.inf)
    estimate = _estimate(splits, function)
    cells = _cells(splits, function, delta, max_cells, estimate)
    return InverseNormalTest(delta, cells, estimate)


def _level(delta: float) -> float:
    """The score from which on rates are rejected."""
    return -float(ndtri(delta * (1.0 - BALL_SHARE)))


def _highest_at_zero(cells: _Cells, multiplier: float) -> Floats:
    """Bounds on h less the multiplier times the score, in units of deviation, in each cell."""
    ends = zip(cells.steps, cells.scores, strict=True)
    gains = [cells.slopes * step - multiplier * cells.weights * score for step, score in ends]
    return np.asarray(cells.middle + cells.rest + np.maximum(*gains).sum(axis=1))


def _cells(
    splits: Splits, function: Function, delta: float, max_cells: int, estimate: float
) -> _Cells:
    grid = _grid(splits, delta, max_cells)
    low, high = _within(splits, np.sin(grid) ** 2, delta)
    inside = function(low, high)
    # What is nowhere above the estimate does not raise the bound.
    kept = ~(inside.high < estimate)
    grid, low, high = grid[kept], low[kept], high[kept]
    middle = (low + high) / 2.0
    here = function(middle, middle)
    slopes = here.slope_low
    with np.errstate(invalid="ignore"):
        varying = np.maximum(inside.slope_high[kept] - slopes, slopes - inside.slope_low[kept])
        rest = (varying * (high - low) / 2.0).sum(axis=1)
        rounding = ROUNDING * (1.0 + np.abs(here.high) + np.abs(slopes).sum(axis=1))
    weights, lost = _weights(splits, function, grid, _level(delta))
    return _Cells(
        here.high,
        _infinite(rest + rounding),
        _infinite(inside.high[kept] + rounding),
        slopes,
        (low - middle, high - middle),
        np.abs(weights),
        np.where(lost, math.inf, np.linalg.norm(weights, axis=1)),
        _score_lines(splits, low, high, weights < 0.0),
    )


def _estimate(splits: Splits, function: Function) -> float:
    """The value of h at the shares that were seen; minus infinity where it is undefined."""
    k, n = np.array([splits.successes, splits.trials], dtype=float)
    seen = np.divide(k, n, out=np.full(len(k), 0.5), where=n > 0)[None]
    return float(np.nan_to_num(function(seen, seen).low[0], nan=-math.inf))


def _infinite(bounds: Floats) -> Floats:
    """The `bounds`, infinite where undefined."""
    return np.asarray(np.where(np.isnan(bounds), math.inf, bounds))


# -- the grid ------------------------------------------------------------------------------


def _grid(splits: Splits, delta: float, max_cells: int) -> Floats:
    """Cells of angles (C, K, 2) that cover all rates but those that the counts contradict.

    A rate has one standard error of angle, half of one over the root of the rows that are expected
    of its group, whatever it is. Which grid the cells are of depends on the given groups alone.
    """
    n_splits = len(splits.trials)
    radius = float(chdtri(n_splits, BALL_SHARE * delta))
    per_rate = min(MAX_CELLS_OF_RATE, int(max_cells ** (1.0 / n_splits)))
    width = math.sqrt(radius) / per_rate  # in one over the root of the rows
    cells, sizes = np.zeros((1, 0, 2)), np.zeros((1, 0))
    distances = np.zeros(1)
    for j in range(n_splits):
        own = _group_sizes(splits, np.sin(cells.mean(axis=2)) ** 2, sizes, j)
        n_cells = _rounded(math.pi / 2.0 * np.sqrt(own) / width, exactly=splits.parents[j] < 0)
        rows, positions, added = _near(splits, j, n_cells, distances, radius)
        start = positions * (math.pi / 2.0 / n_cells[rows])
        new = np.stack([start, (positions + 1.0) * (math.pi / 2.0 / n_cells[rows])], axis=1)
        cells = np.concatenate([cells[rows], new[:, None]], axis=1)
        sizes = np.concatenate([sizes[rows], own[rows, None]], axis=1)
        distances = distances[rows] + added
    return np.clip(cells, 0.0, math.pi / 2.0)


def _group_sizes(splits: Splits, rates: Floats, sizes: Floats, j: int) -> Floats:
    """The rows expected of the group that split `j` divides, at least 1; `sizes` are of others."""
    parent = splits.parents[j]
    if parent < 0:
        return np.full(len(rates), splits.trials[j])
    share = rates[:, parent] if splits.of_successes[j] else 1.0 - rates[:, parent]
    return np.maximum(sizes[:, parent] * share, 1.0)


def _rounded(n_cells: Floats, *, exactly: bool) -> Floats:
    """A whole number of cells; where many differ a little, one of a few."""
    steps = 1.0 if exactly else 2.0
    near = n_cells if exactly else 2.0 ** (np.round(np.log2(n_cells) * steps) / steps)
    return np.maximum(np.round(near), 1.0)


def _near(
    splits: Splits, j: int, n_cells: Floats, distances: Floats, radius: float
) -> tuple[Floats, Floats, Floats]:
    """For each row, the cells of split `j` that the counts do not contradict.

    Returns the rows, repeated, the positions of cells, and what the cells add to the distance.
    """
    rows, positions, added = [], [], []
    for number in np.unique(n_cells):
        ends = np.sin(np.arange(number + 1.0) * (math.pi / 2.0 / number)) ** 2
        own = _distances(splits.successes[j], splits.trials[j], ends[:-1], ends[1:])
        of_rows = np.flatnonzero(n_cells == number)
        near = distances[of_rows, None] + own <= radius
        row, position = np.nonzero(near)
        rows.append(of_rows[row])
        positions.append(position)
        added.append(own[position])
    return np.concatenate(rows), np.concatenate(positions).astype(float), np.concatenate(added)


def _distances(k: float, n: float, low: Floats, high: Floats) -> Floats:
    """At least the squared score of the smaller tail of any rate between both ends."""
    if n == 0:
        return np.zeros(len(low))
    at_least = betainc(k, n - k + 1.0, high) if k > 0 else np.ones(len(high))
    at_most = betaincc(k + 1.0, n - k, low) if k < n else np.ones(len(low))
    tail = np.minimum(np.minimum(at_least, at_most), 0.5)
    return np.minimum(-ndtri(tail), MAX_SCORE) ** 2


def _within(splits: Splits, whole: Floats, delta: float) -> tuple[Floats, Floats]:
    """Both ends of each cell (C, K), without rates that one count alone contradicts."""
    k, n = np.array([splits.successes, splits.trials], dtype=float)
    radius = math.sqrt(float(chdtri(len(k), BALL_SHARE * delta)))
    low, high = interval_each(k, np.maximum(n, 1.0), float(ndtr(-radius)))
    low, high = np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)
    first, last = whole[..., 0], whole[..., 1]
    return np.clip(first, low, high), np.clip(last, low, high)


# -- weights and scores --------------------------------------------------------------------


def _weights(
    splits: Splits, function: Function, grid: Floats, level: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """The weight of each score in each cell, negative where high counts speak against it; and
    whether weight was lost to parts without rows.

    The weights are those at a point between the rates in the middle of the cell and the estimates
    that would just reject them.
    """
    angles = grid.mean(axis=2)
    rates = np.sin(angles) ** 2
    scale = np.sqrt(_sizes(splits, rates))
    first = function(rates, rates).slope_low * np.sin(2.0 * angles) / scale
    norm = np.linalg.norm(first, axis=1, keepdims=True)
    step = level / 4.0 * first / np.where(norm > 0.0, norm, 1.0) / scale
    moved = np.clip(angles - step, angles / 2.0, (math.pi / 2.0 + angles) / 2.0)
    rates = np.sin(moved) ** 2
    slopes = _raised_slopes(splits, function, rates, level)
    # At an end of [0, 1] a score may be minus infinity.
    inner = (grid[..., 0] > 0.0) & (grid[..., 1] < math.pi / 2.0 * (1.0 - 1e-12))
    own = np.where(inner, slopes**2 * rates * (1.0 - rates), 0.0)
    squares, lost = _shared_out(splits, own, rates)
    return np.sign(slopes) * np.sqrt(squares), lost


def _raised_slopes(splits: Splits, function: Function, rates: Floats, level: float) -> Floats:
    """The slopes of ``h + level * deviation``, where they are finite."""

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
    """The rows expected of each group."""
    sizes = np.empty_like(rates)
    for j in range(rates.shape[1]):
        sizes[:, j] = _group_sizes(splits, rates, sizes, j)
    return sizes


def _shared_out(splits: Splits, own: Floats, rates: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Squared weights, from the variance that each rate's estimate has, times its rows.

    The parts of a group together have the weight that is expected when the group is about to be
    divided; they share it by the rows that they turn out to have. Where those with weight have
    none, it is lost, and the scores that are left are no longer as they were meant.
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
) -> tuple[Floats, Floats]:
    """Of a line below each score in each cell, the values at both ends of the cell."""
    lines = np.zeros((2, *low.shape))
    for j, (k, n) in enumerate(zip(splits.successes, splits.trials, strict=True)):
        for is_high in (False, True):
            chosen = of_high_counts[:, j] == is_high
            # Both ends as one number each, so that they are sorted fast.
            ends = low[chosen, j] + 1j * high[chosen, j]
            distinct, where = np.unique(ends, return_inverse=True)
            if n:  # otherwise it has no weight
                line = _line(k, n, distinct.real, distinct.imag, is_high=is_high)
                lines[:, chosen, j] = line[:, where]
    return lines[0], lines[1]


def _line(k: float, n: float, low: Floats, high: Floats, *, is_high: bool) -> Floats:
    """A line below the score, which rises between both ends, or falls where `is_high`."""
    rates = np.linspace(low, high, POINTS)
    scores = _scores(k, n, rates, is_high=is_high)
    line = np.linspace(scores[0], scores[-1], POINTS)
    least = scores[1:] if is_high else scores[:-1]
    drop = (np.maximum(line[:-1], line[1:]) - least).max(axis=0)
    return np.array([line[0] - drop, line[-1] - drop])


def _scores(k: float, n: float, rates: Floats, *, is_high: bool) -> Floats:
    """Minus the normal quantile of the tail probability, of at least `k` where `is_high`."""
    if (k == 0) if is_high else (k == n):  # the tail is all there is
        return np.full(rates.shape, -MAX_SCORE)
    shapes = (k, n - k + 1.0) if is_high else (k + 1.0, n - k)
    tail_of, rest_of = (betainc, betaincc) if is_high else (betaincc, betainc)
    tail = tail_of(*shapes, rates)
    scores = -ndtri(tail)
    near_one = tail > 0.999  # where the rest has digits that the tail has not
    scores[near_one] = ndtri(rest_of(*shapes, rates[near_one]))
    return np.asarray(np.clip(scores, -MAX_SCORE, MAX_SCORE))

"""The rate of a part of the rows against the rate of all rows: an exact test of their ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import Numbers, check_delta, two_rates_usable
from sklearn_seldonian.bounds._score import Floats

Whole = NDArray[np.intp]

# The part of delta that is spent on the box of the three rates (Berger and Boos).
BOX_SHARE = 1.0 / 100.0
# The part of delta in each tail of counts that the sums leave out.
TAIL_SHARE = 5e-4
# Pseudo-counts of each outcome in the statistic that orders tables.
SMOOTHING = 0.5
# Relative slack of the statistic, so that rounding cannot split a tie.
TIE = 1e-9
ROUNDING = 1e-9
# The width of the first cells in units of information distance, the largest number of times that
# a cell is halved, and the number of nodes at which the search stops.
WIDTH, HALVINGS, MAX_NODES = 1.0, 12, 20_000
# The number of points whose probabilities are computed together.
BLOCK = 8
# The search for the bound first aims at a probability this share of the level. Then the bound is
# raised in steps of this share of its distance from the estimate.
AIM, STEP, MAX_STEPS, ROUNDS = 0.97, 0.01, 40, 4
# The part of the level that a bound of the largest probability may be too large.
SLACK_SHARE = 0.01

# A function of two rates is interpolated in a cell by cubics through these nodes.
NODES = np.linspace(0.0, 1.0, 4)
# The Bernstein coefficients of the cubic with given values at the nodes.
BERNSTEIN = np.array([[6, 0, 0, 0], [-5, 18, -9, 2], [2, -9, 18, -5], [0, 0, 0, 6]]) / 6.0
# At least the largest sum of the absolute weights of the values.
LEBESGUE = 1.64
# If the interpolation may be wrong by more than this, times the root of the probability, it is not
# used.
MAX_KAPPA = 0.05


@dataclass(frozen=True)
class PartRatioTest:
    """The test of all limits on the ratio of a part's rate and the rate of all rows.

    Made by `part_ratio_test`.

    Attributes
    ----------
    delta : float
    part_on_top : bool
        Whether the ratio is that of the part's rate to the rate of all rows.
    tables : object or None
        None if the ratio has no bound.
    """

    delta: float
    part_on_top: bool
    tables: _Tables | None = None

    @cached_property
    def upper(self) -> float:
        """Upper confidence bound on the ratio, wrong at most `delta` of the time."""
        return self._ratio(self.tables.limit if self.tables else math.inf)

    @cached_property
    def approximate_upper(self) -> float:
        """About the `upper` bound, found several times faster."""
        return self._ratio(self.tables.approximate_limit if self.tables else math.inf)

    def certified(self, limit: float) -> bool:
        """Whether ``upper <= limit``; a no is often found without the bound."""
        if self.tables is None or not limit > 0.0:
            return self.upper <= limit
        at = 1.0 / limit if self.part_on_top else limit
        # A probability above the level at this limit rules out a bound at or below it.
        return self.tables.largest_seen(at) <= self.tables.level and self.upper <= limit

    def p_value(self, limit: float) -> float:
        """The p-value against a ratio above `limit`, from the test that is tuned to `delta`.

        It is at most `delta` if and only if the `upper` bound is at most `limit`, and at least
        delta / 100.
        """
        if self.tables is None or not limit > 0.0:
            return 1.0
        at = 1.0 / limit if self.part_on_top else limit
        slack = SLACK_SHARE * (2.0 * self.delta + 5.0 * self.tables.largest_seen(at))
        own = self.tables.largest(at, 0.0, slack)
        p_value = min(1.0, BOX_SHARE * self.delta + own)
        if self.upper <= limit:
            return min(p_value, self.delta)
        return max(p_value, math.nextafter(self.delta, 1.0))

    def _ratio(self, limit: float) -> float:
        """The bound on this ratio, from one on the ratio of all rows to the part."""
        if not self.part_on_top:
            return limit
        return 1.0 / limit if 0.0 < limit < math.inf else math.inf


def part_ratio_test(
    successes: Numbers, trials: Numbers, delta: float, *, part_on_top: bool
) -> PartRatioTest:
    r"""Test of limits on the ratio of the rate of a part of the rows and the rate of all rows.

    Parameters
    ----------
    successes, trials : sequence of two numbers
        Events and rows in the part, and in the rest.
    delta : float
        Probability of error, strictly between 0 and 1.
    part_on_top : bool
        Whether the ratio is that of the part's rate to the rate of all rows, or the inverse.

    Returns
    -------
    PartRatioTest
        Its bound is infinite if the part or the rest has no rows, or with a number that is not
        finite.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes n independent rows. Each belongs to the part with the same probability :math:`\pi`. Its
    event has probability a in the part and b in the rest. So :math:`n_a`, the number of rows of the
    part, is binomial, and given it so are both counts of events. The source is Buehler's bound
    [2]_, with rates restricted to a confidence set as by Berger and Boos [1]_.

    Let R be the ratio of the rate of all rows to that of the part. Tables y are ordered by an
    asymptotic upper bound S(y) on R: the largest root of

    .. math:: (\hat t - s \hat a)^2 = z^2 [\hat\pi (1 - \hat\pi) (\hat a - \hat b)^2
              + (s - \hat\pi)^2 \hat a (1 - \hat a) / \hat\pi
              + (1 - \hat\pi) \hat b (1 - \hat b)] / n

    in s, where :math:`\hat t = \hat\pi \hat a + (1 - \hat\pi) \hat b`, and each outcome of a count
    has half a row added. The order does not depend on the limit. Let x be the observed table, A a
    set that contains :math:`\{y : S(y) \le S(x)\}`, and B the Clopper-Pearson box of
    :math:`\pi`, a and b at :math:`\gamma = \delta / 100`. The p-value of the limit r is

    .. math:: \gamma + \sup_{B,\; R \ge r} P(A).

    If the true rates are in B and the p-value of the true R is at most delta, then the probability
    of all tables that are ordered as low as x is at most :math:`\delta - \gamma`. Such tables have
    at most this probability in total. The rates are outside B with probability at most
    :math:`\gamma`. The p-value never increases with r, so the bound is the smallest r whose p-value
    is at most delta, or slightly more.

    A is closed downwards: with a table, it contains those with fewer events in the rest, and those
    with more events in the part. So the supremum is attained where R = r. There, the probabilities
    of the four kinds of rows are

    .. math:: \pi a, \quad \pi (1 - a), \quad a (r - \pi), \quad 1 - \pi - a (r - \pi).

    They are linear in :math:`\pi` for each a, and linear in a for each :math:`\pi`. So the
    derivatives of :math:`F(\pi, a) = P(A)` along each of both are bounded as in `worst_case`:
    :math:`|F''''| \le \sqrt{24 F}\, I^2`, where I is the Fisher information of the n rows, which is
    convex along each of both. In a rectangle of width w and height h, F is interpolated by cubics
    through four values along a, and then along :math:`\pi`. With M the largest F, the interpolation
    is wrong by at most

    .. math:: \sqrt{24 M}\, (I_\pi^2 w^4 + 1.64\, I_a^2 h^4) / 1944,

    because cubic interpolation is wrong by at most :math:`|F''''| w^4 / 1944`, and enlarges errors
    in its values by at most 1.64. The interpolation is at most its largest Bernstein coefficient C.
    So :math:`M \le C + \kappa \sqrt M`, which bounds M. Where b may be next to 0 or 1, a second
    bound is used. It is the largest F at the worst corner (a, b) of the rectangle, bounded along
    :math:`\pi` by linear interpolation. Rectangles are quartered until their bounds suffice.

    For an upper bound on 1 / R, the smallest root is used, and the inequalities are reversed.

    If this were wrong, the probabilities of all tables with a bound below the true ratio would sum
    to more than delta for some rates.

    References
    ----------
    .. [1] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set for the
       nuisance parameter. Journal of the American Statistical Association 89(427), 1012-1016.
    .. [2] Buehler, R. J. (1957). Confidence intervals for the product of two binomial parameters.
       Journal of the American Statistical Association 52(280), 482-493.

    Examples
    --------
    Of 101 rows in a group, 77 have the event, and 81 of 101 other rows. How much larger than the
    rate of the group may the rate of all rows be?

    >>> test = part_ratio_test([77, 81], [101, 101], delta=0.05, part_on_top=False)
    >>> round(test.upper, 2)
    1.1
    """
    check_delta(delta)
    if not two_rates_usable(successes, trials, (1.0, 1.0)):
        return PartRatioTest(delta, part_on_top)
    (k, j), (m, rest) = (map(float, pair) for pair in (successes, trials))
    sign = -1 if part_on_top else 1
    at = float(_asymptotic_limit((k, j), (m, rest), delta, sign))
    if not 0.0 < at < math.inf:
        return PartRatioTest(delta, part_on_top)
    counts, sizes = np.array([m, k, j]), np.array([m + rest, m, rest])
    low, high = interval_each(counts, sizes, BOX_SHARE * delta / 6.0)
    box = _Rates(*low.tolist()), _Rates(*high.tolist())
    share, part, other = _smoothed(m, m + rest), _smoothed(k, m), _smoothed(j, rest)
    estimate = share + (1.0 - share) * other / part
    tables = _Tables(int(m + rest), sign, at, estimate, *box, delta)
    return PartRatioTest(delta, part_on_top, tables)


def part_ratio_asymptotic_upper(
    successes: tuple[ArrayLike, ArrayLike],
    trials: tuple[ArrayLike, ArrayLike],
    delta: float,
    *,
    part_on_top: bool,
) -> Floats:
    """The asymptotic bounds by which `part_ratio_test` orders tables; its bounds are wider.

    Parameters
    ----------
    successes, trials, delta, part_on_top
        As in `part_ratio_test`, with arrays for counts.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> upper = part_ratio_asymptotic_upper((77, 81), (101, 101), 0.05, part_on_top=False)
    >>> round(float(upper), 3)
    1.096
    """
    limit = _asymptotic_limit(successes, trials, delta, -1 if part_on_top else 1)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / limit if part_on_top else limit)


def _asymptotic_limit(
    successes: tuple[ArrayLike, ArrayLike],
    trials: tuple[ArrayLike, ArrayLike],
    delta: float,
    sign: int,
) -> Floats:
    """The asymptotic upper or lower bound on R; infinite or zero if there is none."""
    k, j, m, rest = (np.asarray(c, dtype=float) for c in (*successes, *trials))
    n = m + rest
    share, part, other = _smoothed(m, n), _smoothed(k, m), _smoothed(j, rest)
    z2 = _quantile(delta) ** 2 / n
    total = share * part + (1.0 - share) * other
    own = part * (1.0 - part) / share
    fixed = (1.0 - share) * (share * (part - other) ** 2 + other * (1.0 - other))
    # a2 s^2 + 2 a1 s + a0 = 0, in the forms that do not cancel
    a2 = part * part - z2 * own
    a1 = z2 * own * share - part * total
    a0 = total * total - z2 * (fixed + own * share * share)
    root = np.sqrt(np.maximum(a1 * a1 - a2 * a0, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if sign > 0:
            largest = np.where(a1 < 0.0, (root - a1) / a2, -a0 / (a1 + root))
            return np.asarray(np.where(a2 > 0.0, largest, math.inf))
        smallest = np.where(a1 < 0.0, a0 / (root - a1), -(a1 + root) / a2)
        bounded = ((1.0 - share) * other) ** 2 >= z2 * fixed
        return np.asarray(np.where(bounded, smallest, 0.0))


class _Rates(NamedTuple):
    """The share of the part, the rate in the part, and the rate in the rest."""

    share: float
    part: float
    rest: float


class _Cells(NamedTuple):
    """Rectangles of shares of the part, from first to last, and of its rates, from low to high."""

    first: Floats
    last: Floats
    low: Floats
    high: Floats

    def taken(self, which: NDArray[np.bool_]) -> _Cells:
        return _Cells(*(end[which] for end in self))

    def quartered(self) -> _Cells:
        share, rate = _between(self.first, self.last), _between(self.low, self.high)
        quarters = (
            (self.first, share, self.low, rate),
            (self.first, share, rate, self.high),
            (share, self.last, self.low, rate),
            (share, self.last, rate, self.high),
        )
        return _Cells(*map(np.concatenate, zip(*quarters, strict=True)))

    def nodes(self) -> tuple[Floats, Floats]:
        """Shares and rates of shape (4, 4, C)."""
        share = self.first + NODES[:, None, None] * (self.last - self.first)
        part = self.low + NODES[None, :, None] * (self.high - self.low)
        share, part = np.broadcast_arrays(share, part)
        return share, part


@dataclass(frozen=True)
class _Tables:
    """The tables whose asymptotic bound is at least as good as `at`, and the box of the rates.

    The `sign` is 1 for upper bounds on R, and -1 for lower bounds.
    """

    n: int
    sign: int
    at: float
    estimate: float
    low: _Rates
    high: _Rates
    delta: float

    # -- the bound on R --------------------------------------------------------------------

    @property
    def level(self) -> float:
        return (1.0 - BOX_SHARE) * self.delta

    @cached_property
    def approximate_limit(self) -> float:
        """The limit at which the largest probability is about that at which the search aims."""
        aim, limit = _quantile(AIM * self.level), self.at
        for _ in range(ROUNDS):
            seen = _quantile(self.largest_seen(limit))
            moved = self.estimate + (limit - self.estimate) * aim / max(seen, 0.5 * aim)
            if abs(moved - limit) <= STEP * abs(limit - self.estimate):
                break
            limit = moved if moved > 0.0 else limit / 2.0
        return limit

    @cached_property
    def limit(self) -> float:
        """A limit with a largest probability of at most the level; infinite or 0 without one."""
        limit = self.approximate_limit
        step = STEP * (limit - self.estimate)
        for number in range(MAX_STEPS):
            if not 0.0 < limit < math.inf:
                break
            if self.largest(limit, self.level, SLACK_SHARE * self.level) <= self.level:
                return limit
            limit += step * 2.0 ** (number // 4)
        return math.inf if self.sign > 0 else 0.0

    def largest_seen(self, limit: float) -> float:
        """The largest probability at some points with R = `limit`; an approximation."""
        if self._first_cells(limit) is None:
            return 1.0
        low, high, points = self.low, self.high, []
        for share in _spaced(low.share, min(high.share, limit), self.n)[:-1].tolist():
            slope = _slope(limit, share)
            ends = max(low.part, low.rest / slope), min(high.part, high.rest / slope)
            if ends[0] <= ends[1]:
                points += [(share, part, part * slope) for part in _spaced(*ends, self.n).tolist()]
        return float(self.probability(*np.array(points).T)[0].max()) if points else 0.0

    # -- the set of tables -----------------------------------------------------------------

    @cached_property
    def sizes(self) -> Floats:
        """The numbers of rows of the part that matter."""
        shares = np.array([self.low.share, self.high.share])
        (first,), n_sizes = self._window(np.array([float(self.n)]), shares)
        return np.asarray(first + np.arange(n_sizes))

    @cached_property
    def edge(self) -> Whole:
        """The largest number of events in the rest, for each size and events of the part.

        For lower bounds on R, it is the smallest number minus 1.
        """
        size = self.sizes[:, None]
        k, rest = np.minimum(np.arange(self.n + 1.0)[None], size), self.n - size
        share, part = _smoothed(size, self.n), _smoothed(k, size)
        z2 = _quantile(self.delta) ** 2 / self.n
        # With the rate u of the rest: (c - q u)^2 = z2 V(u), or a2 u^2 + 2 a1 u + a0 = 0.
        limit = self.at * (1.0 + self.sign * TIE)
        above = (limit if self.sign > 0 else np.maximum(limit, share)) - share
        c, q = above * part, 1.0 - share
        a2 = q * q * (1.0 + z2)
        a1 = -c * q - z2 * q * (0.5 - share * part)
        a0 = c * c - z2 * part * (q * share * part + above**2 * (1.0 - part) / share)
        square = a1 * a1 - a2 * a0
        root = np.sqrt(np.maximum(square, 0.0))
        smaller, larger = (_count((-a1 + s * root) / a2, rest) for s in (-1.0, 1.0))
        if self.sign < 0:
            least = np.clip(np.ceil(larger - 1e-7), 0.0, rest + 1.0)
            edge = np.minimum.accumulate(least[:, ::-1], axis=1)[:, ::-1] - 1.0
        else:
            # Beyond the larger root, tables are accepted again.
            again = (c > q * _smoothed(rest, rest)) & ((square < 0.0) | (larger <= rest))
            most = np.where(again, rest, np.where(c < 0.0, -1.0, np.floor(smaller + 1e-7)))
            edge = np.maximum.accumulate(np.clip(most, -1.0, rest), axis=1)
        return edge.astype(np.intp)

    @cached_property
    def _ways(self) -> tuple[Floats, Floats, Floats]:
        """Logarithms of binomial coefficients: of sizes, and of events in the part and the rest."""
        k, size = np.arange(self.n + 1.0)[None], self.sizes[:, None]
        return (
            _log_ways(np.array([[float(self.n)]]), self.sizes[None]),
            _log_ways(size, k),
            _log_ways(self.n - size, k),
        )

    @cached_property
    def _deviations(self) -> float:
        """The half-width of a window, in standard deviations of a count."""
        return -float(ndtri(TAIL_SHARE * self.delta))

    def _window(self, sizes: Floats, rates: Floats) -> tuple[Floats, int]:
        """The first count that matters for each size, and the number of counts."""
        low, high = float(rates.min()), float(rates.max())
        first = sizes * low - self._deviations * np.sqrt(sizes * low * (1.0 - low)) - 2.0
        last = sizes * high + self._deviations * np.sqrt(sizes * high * (1.0 - high)) + 2.0
        first, last = np.maximum(np.floor(first), 0.0), np.minimum(np.ceil(last), self.n)
        width = int((last - first).max()) + 1
        return np.asarray(np.minimum(first, self.n + 1.0 - width)), width

    # -- its probability -------------------------------------------------------------------

    def probability(self, share: Floats, part: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Lower bounds on the probability of the set at some rates, and what they may miss."""
        found = np.empty((2, len(share)))
        if not len(share):
            return found[0], found[1]
        order = np.lexsort((part, share))
        starts = np.flatnonzero(np.diff(share[order]) != 0.0) + 1
        for group in np.split(order, starts):
            for block in np.array_split(group, math.ceil(len(group) / BLOCK)):
                found[:, block] = self._probability(share[block[:1]], part[block], rest[block])
        return found[0], found[1]

    def _probability(self, share: Floats, part: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """The probabilities for one share of the part, and several rates."""
        (first,), n_sizes = self._window(np.array([float(self.n)]), share)
        start = int(first - self.sizes[0])
        rows = slice(max(start, 0), start + n_sizes)
        sizes = self.sizes[rows]
        of_sizes, of_part, of_rest = self._ways
        whole = np.array([[float(self.n)]])
        mass = _masses(of_sizes[:, rows], sizes[None], whole, share)[0, 0]
        of_part, counts, _ = self._of_counts(of_part[rows], sizes, part)
        of_rest, _, low = self._of_counts(of_rest[rows], self.n - sizes, rest)
        below = np.zeros((*of_rest.shape[:2], of_rest.shape[2] + 1))
        np.cumsum(of_rest, axis=2, out=below[:, :, 1:])
        counted = below[:, :, -1]
        edge = np.take_along_axis(self.edge[rows], counts, axis=1) - (low[:, None] - 1)
        width = below.shape[2]
        position = np.clip(edge, 0, width - 1) + width * np.arange(len(sizes))[:, None]
        inside = np.take(below.reshape(len(part), -1), position.ravel(), axis=1)
        inside = inside.reshape(of_part.shape)
        if self.sign < 0:
            inside = counted[:, :, None] - inside
        value = (of_part * inside).sum(axis=2) @ mass
        missed = 1.0 - (of_part.sum(axis=2) * counted) @ mass
        return value, np.maximum(missed, 0.0) + ROUNDING

    def _of_counts(self, ways: Floats, sizes: Floats, rates: Floats) -> tuple[Floats, Whole, Whole]:
        """Probabilities of windows of counts, of shape (rates, sizes, counts), and the counts."""
        first, width = self._window(sizes, rates)
        low = first.astype(np.intp)
        counts = low[:, None] + np.arange(width)
        log_ways = np.take_along_axis(ways, counts, axis=1)
        return _masses(log_ways, counts.astype(float), sizes[:, None], rates), counts, low

    # -- its largest probability -----------------------------------------------------------

    def largest(self, limit: float, enough: float, slack: float) -> float:
        """Bound the probability of the set over all rates in the box with R at or beyond `limit`.

        The bound is accurate to within `slack`, but need not be tighter than `enough`. A result
        above `enough` may be too small.
        """
        cells, bound, n_nodes = self._first_cells(limit), 0.0, 0
        if cells is None:
            return 1.0
        best = self.largest_seen(limit)
        for halvings in range(HALVINGS + 1):
            cells = cells.taken(self._may_be_in_box(cells, limit))
            if not cells.first.size or best > enough > 0.0:
                break
            kappa = self._kappa(cells, limit)
            is_smooth = kappa <= MAX_KAPPA
            bounds = np.empty(cells.first.shape)
            bounds[is_smooth], seen = self._smooth_bounds(
                cells.taken(is_smooth), limit, kappa[is_smooth]
            )
            bounds[~is_smooth] = self._corner_bounds(cells.taken(~is_smooth), limit)
            best = max(best, seen)
            n_nodes += NODES.size**2 * int(is_smooth.sum()) + 2 * int((~is_smooth).sum())
            is_last = halvings == HALVINGS or n_nodes > MAX_NODES
            wide = ~(bounds <= max(enough, best + slack)) & (not is_last)
            bound = max(bound, float(np.max(bounds, where=~wide, initial=0.0)))
            cells = cells.taken(wide).quartered()
        return min(1.0, max(bound, best))

    def _first_cells(self, limit: float) -> _Cells | None:
        """Cells that cover the rates in the box with R = `limit`.

        None if, for some share, all rates in the box are beyond the limit.
        """
        low, high = self.low, self.high
        if self.sign > 0 and limit <= high.share:
            return None
        last = min(high.share, limit)  # R is at least the share
        slopes = [_slope(limit, share) for share in (low.share, last)]
        least, most = min(slopes), max(slopes)
        if low.rest >= high.part * least if self.sign > 0 else high.rest <= low.part * most:
            return None
        first_part = max(low.part, low.rest / most) if most > 0.0 else math.inf
        last_part = min(high.part, high.rest / least) if least > 0.0 else high.part
        if not (low.share <= last and first_part <= last_part):
            return _Cells(*np.empty((4, 0)))
        shares, rates = _spaced(low.share, last, self.n), _spaced(first_part, last_part, self.n)
        i, j = (at.ravel() for at in np.indices((len(shares) - 1, len(rates) - 1)))
        return _Cells(shares[i], shares[i + 1], rates[j], rates[j + 1])

    def _may_be_in_box(self, cells: _Cells, limit: float) -> NDArray[np.bool_]:
        least, most = self._rests(cells, limit)
        return np.asarray((least <= self.high.rest) & (most >= self.low.rest))

    def _rests(self, cells: _Cells, limit: float) -> tuple[Floats, Floats]:
        """The smallest and the largest rate of the rest in each cell."""
        slopes = _slope(limit, cells.first), _slope(limit, cells.last)
        return cells.low * np.minimum(*slopes), cells.high * np.maximum(*slopes)

    def _kappa(self, cells: _Cells, limit: float) -> Floats:
        """The error of the interpolation, for a largest probability of 1; infinite without one."""
        s = np.array([cells.first, cells.first, cells.last, cells.last])
        p = np.array([cells.low, cells.high, cells.low, cells.high])
        with np.errstate(divide="ignore", invalid="ignore"):
            last = 1.0 - s - p * (limit - s)
            of_share = 1.0 / s + p / (limit - s) + (1.0 - p) ** 2 / last
            of_part = limit / p + s / (1.0 - p) + (limit - s) ** 2 / last
            width = self.n * of_share.max(axis=0) * (cells.last - cells.first) ** 2
            height = self.n * of_part.max(axis=0) * (cells.high - cells.low) ** 2
            kappa = math.sqrt(24.0) / 1944.0 * (width**2 + LEBESGUE * height**2)
        usable = (last > 0.0).all(axis=0) & np.isfinite(kappa)
        return np.where(usable, kappa, math.inf)

    def _smooth_bounds(self, cells: _Cells, limit: float, kappa: Floats) -> tuple[Floats, float]:
        """Bounds by cubic interpolation, and the largest probability seen inside the box."""
        share, part = cells.nodes()
        points, where = np.unique((share + 1j * part).ravel(), return_inverse=True)
        rates = points.real, points.imag, points.imag * _slope(limit, points.real)
        value, missed = self.probability(*rates)
        inside = np.ones(len(points), dtype=np.bool_)
        for low, p, high in zip(self.low, rates, self.high, strict=True):
            inside &= (low <= p) & (p <= high)
        seen = float(np.max(value, where=inside, initial=0.0))
        value, missed = (found[where].reshape(share.shape) for found in (value, missed))
        most = np.einsum("ai,bj,ijc->abc", BERNSTEIN, BERNSTEIN, value).max(axis=(0, 1))
        most += LEBESGUE**2 * missed.max(axis=(0, 1))
        return _largest_root(most, kappa), seen

    def _corner_bounds(self, cells: _Cells, limit: float) -> Floats:
        """Bounds at the worst rates of each cell, by linear interpolation along the share."""
        least, most = self._rests(cells, limit)
        if self.sign > 0:
            part, rest = cells.high, np.clip(least, self.low.rest, 1.0)
        else:
            part, rest = cells.low, np.clip(most, 0.0, self.high.rest)
        ends = np.concatenate([cells.first, cells.last])
        value, missed = self.probability(ends, np.tile(part, 2), np.tile(rest, 2))
        information = self.n * np.maximum(*(1.0 / (s * (1.0 - s)) for s in cells[:2]))
        kappa = math.sqrt(2.0) / 8.0 * information * (cells.last - cells.first) ** 2
        return _largest_root((value + missed).reshape(2, -1).max(axis=0), kappa)


def _largest_root(constant: Floats, kappa: Floats) -> Floats:
    """The largest M with ``M <= constant + kappa * sqrt(M)``."""
    least = np.maximum(constant, 0.0)
    return np.asarray(((kappa + np.sqrt(kappa * kappa + 4.0 * least)) / 2.0) ** 2)


def _slope(limit: float, share: Any) -> Any:
    """The rate of the rest divided by that of the part, where R is at the `limit`."""
    return (limit - share) / (1.0 - share)


def _spaced(low: float, high: float, n: int) -> Floats:
    """Points about one `WIDTH` of information distance apart."""
    ends = np.arcsin(np.sqrt([low, high]))
    n_cells = max(1, math.ceil(2.0 * math.sqrt(n) * float(ends[1] - ends[0]) / WIDTH))
    points = np.sin(np.linspace(ends[0], ends[1], n_cells + 1)) ** 2
    points[[0, -1]] = low, high
    return np.asarray(points)


def _between(low: Floats, high: Floats) -> Floats:
    """The point half-way by information distance."""
    middle = np.sin((np.arcsin(np.sqrt(low)) + np.arcsin(np.sqrt(high))) / 2.0) ** 2
    return np.asarray(np.clip(middle, low, high))


def _quantile(probability: float) -> float:
    """The normal quantile, at least 0.1."""
    return float(np.clip(-ndtri(probability), 0.1, 9.0))


def _smoothed(count: Any, size: Any) -> Any:
    return (count + SMOOTHING) / (size + 2.0 * SMOOTHING)


def _count(rate: Floats, size: Floats) -> Floats:
    """The count with this smoothed rate."""
    return rate * (size + 2.0 * SMOOTHING) - SMOOTHING


def _log_ways(n: Floats, k: Floats) -> Floats:
    """Logarithms of binomial coefficients; minus infinity for k > n."""
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _masses(log_ways: Floats, counts: Floats, sizes: Floats, rates: Floats) -> Floats:
    """Binomial probabilities of shape (rates, sizes, counts)."""
    p = np.clip(rates, 1e-300, 1.0 - 1e-16)[:, None, None]
    failed = np.log1p(-p)
    return np.asarray(np.exp(log_ways + counts * (np.log(p) - failed) + sizes * failed))

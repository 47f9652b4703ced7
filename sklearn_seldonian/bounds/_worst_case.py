"""The largest probability of a set of tables over a line of pairs of rates, bounded above."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlog1py, xlogy

from sklearn_seldonian.bounds._score import Floats, clipped

# The number of entries of one block of probabilities, which fits in the processor's cache.
BLOCK = 200_000


class Line(NamedTuple):
    """Rates with ``a1 p1 + a2 p2 = c``, positive weights, and p2 from `first` to `last`."""

    weights: tuple[float, float]
    c: float
    first: float
    last: float

    def p1(self, p2: Floats) -> Floats:
        return clipped((self.c - self.weights[1] * p2) / self.weights[0], 0.0, 1.0)

    def p2(self, p1: Floats) -> Floats:
        return clipped((self.c - self.weights[0] * p1) / self.weights[1], self.first, self.last)


class LowerSet(NamedTuple):
    """Tables with ``x2 <= highest[i]`` for ``x1 = start + i``; `highest` never increases.

    Windows of counts omit a probability of `tail` on each side: of x1 here, and of both counts in
    sums.
    """

    trials: tuple[int, int]
    start: int
    highest: npt.NDArray[np.int64]
    tail: float


def window(n: int, low: float, high: float, omitted: float) -> tuple[int, int]:
    """First and last count of a window that a Binomial(n, p) with p in [low, high] leaves
    on either side with probability at most `omitted` (Bernstein's inequality)."""
    needed = math.log(1.0 / omitted)

    def radius(p: float) -> float:
        return needed / 3.0 + math.sqrt(needed * needed / 9.0 + 2.0 * needed * n * p * (1.0 - p))

    first = math.floor(n * low - radius(low))
    last = math.ceil(n * high + radius(high))
    return max(0, first), min(n, last)


def worst_case(tables: LowerSet, line: Line, slack: float, enough: float = 0.0) -> float:
    r"""Bound the largest probability of the set over the line from above.

    The bound is accurate to within `slack`, but need not be tighter than `enough`. A result of at
    most `enough` is only a bound; a larger result is at most `slack` too large.

    Let two points of the line be a distance w apart. The bound between them relies on a fact about
    independent Bernoulli trials whose probabilities are linear in a parameter. Let f be the
    indicator of the set and :math:`\pi = E f`. If the parameter changes by h, the likelihood ratio
    is a product of terms :math:`1 + h s_i` with uncorrelated scores :math:`s_i`. So its r-th
    derivative at h = 0 is r! times an elementary symmetric polynomial of the scores. The variance
    of this derivative is at most :math:`r!\, I^r`, where I is the Fisher information. By the
    Cauchy-Schwarz inequality,

    .. math:: |\pi^{(r)}| \le \sqrt{r!\; \pi (1 - \pi)}\; I^{r/2}.

    For r = 1, it follows that :math:`\arcsin\sqrt\pi` changes by at most half the information
    distance. This bound holds up to rates of 0 and 1. There, a second bound is the probability of
    the lower set at the smaller rate of each sample. For r = 4, the cubic through the values and
    slopes at both ends is wrong by at most :math:`\sqrt{24 \pi (1-\pi)} I^2 w^4 / 384`. The
    information along a line is convex, so it is largest at an end.
    """
    rounding = 1e-9 + 1e-14 * sum(tables.trials)
    # A value omits a probability of at most five tails, so a slope is wrong by at most
    # sqrt(I * 5 tails). At the spacings at which cells are accepted, this changes the cubic by less
    # than sqrt(5 tails).
    omitted = 5.0 * tables.tail + math.sqrt(5.0 * tables.tail)
    enough = (enough - omitted) * (1.0 - rounding)
    p2 = _first_points(tables.trials, line)
    points = _Points.at(p2, tables, line)
    while True:
        bounds = _between(points, tables, line)
        best = float(points.value.max())
        wide = bounds > max(enough, best + slack)
        # A spacing at the limit of floating point cannot be halved; its bound is kept.
        middle = _middle(points.p2[:-1], points.p2[1:], line)
        wide &= (middle > points.p2[:-1]) & (middle < points.p2[1:])
        if not wide.any() or best > enough > 0.0:
            break
        points = points.join(_Points.at(middle[wide], tables, line))
    return min(1.0, float(bounds.max(initial=best)) * (1.0 + rounding) + omitted)


def largest_seen(tables: LowerSet, line: Line) -> float:
    """The largest probability of the set at some points of the line; an approximation only."""
    return float(_Points.at(_first_points(tables.trials, line), tables, line).value.max())


class _Points(NamedTuple):
    """Points of the line with the probability of the set and its slope in p2."""

    p2: Floats
    value: Floats
    slope: Floats

    @classmethod
    def at(cls, p2: Floats, tables: LowerSet, line: Line) -> _Points:
        blocks = _blocks(p2, tables, line)
        parts = [_probability(line.p1(block), block, tables, line.weights) for block in blocks]
        value, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(p2, value, slope)

    def join(self, other: _Points) -> _Points:
        order = np.argsort(np.concatenate([self.p2, other.p2]), kind="stable")
        both = (np.concatenate(pair)[order] for pair in zip(self, other, strict=True))
        return _Points(*both)


def _first_points(trials: tuple[int, int], line: Line) -> Floats:
    """Both ends and points about one unit of information distance apart."""
    if not line.first < line.last:
        return np.array([line.first])
    ends = np.array([line.first, line.last])
    cells = math.ceil(float(_distance(ends[:1], ends[1:], trials, line)[0]) / 1.2) + 1
    share = np.linspace(0.0, 1.0, cells + 1)
    angle1, angle2 = _angle(line.p1(ends)), _angle(ends)
    even1 = line.p2(np.sin(angle1[0] + share * (angle1[1] - angle1[0])) ** 2)
    even2 = np.sin(angle2[0] + share * (angle2[1] - angle2[0])) ** 2
    inside = clipped((even1 + even2) / 2.0, line.first, line.last)
    return np.unique(np.concatenate([ends, inside]))


def _middle(left: Floats, right: Floats, line: Line) -> Floats:
    """A point about half-way by information distance, also next to 0 and 1."""
    even1 = line.p2(np.sin((_angle(line.p1(left)) + _angle(line.p1(right))) / 2.0) ** 2)
    even2 = np.sin((_angle(left) + _angle(right)) / 2.0) ** 2
    return np.asarray((even2 + even1) / 2.0)


def _distance(left: Floats, right: Floats, trials: tuple[int, int], line: Line) -> Floats:
    """An upper bound on the information distance along the line: the sum for both rates."""
    own1 = 2.0 * math.sqrt(trials[0]) * (_angle(line.p1(left)) - _angle(line.p1(right)))
    own2 = 2.0 * math.sqrt(trials[1]) * (_angle(right) - _angle(left))
    return own1 + own2


def _angle(p: Floats) -> Floats:
    """The angle of a rate; a difference of angles is half the information distance of one trial."""
    return np.asarray(np.arcsin(np.sqrt(p)))


def _between(points: _Points, tables: LowerSet, line: Line) -> Floats:
    """Bounds of the probability between neighbouring points."""
    (n1, n2), (a1, a2) = tables.trials, line.weights
    p2, value = points.p2, points.value
    width = np.diff(p2)
    root = _angle(clipped(value, 0.0, 1.0))
    far = (root[:-1] + root[1:]) / 2.0 + _distance(p2[:-1], p2[1:], tables.trials, line) / 4.0
    lipschitz = np.sin(np.minimum(far, math.pi / 2.0)) ** 2
    p1 = line.p1(p2)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = n2 / (p2 * (1.0 - p2)) + (a2 / a1) ** 2 * n1 / (p1 * (1.0 - p1))
        quartic = (np.maximum(information[:-1], information[1:]) * width * width) ** 2
        spread = np.sqrt(np.where(lipschitz < 0.5, lipschitz * (1.0 - lipschitz), 0.25))
        smooth = _cubic_maximum(points, width) + math.sqrt(24.0) / 384.0 * spread * quartic
    # fmin, because next to a rate of 0 or 1 the slope is not defined.
    bounds = np.asarray(np.fmin(lipschitz, smooth))
    for cell in {0, bounds.size - 1} if bounds.size else ():
        if not np.isfinite(smooth[cell]):
            corner, _ = _probability(p1[[cell + 1]], p2[[cell]], tables, line.weights)
            bounds[cell] = min(bounds[cell], corner[0])
    return bounds


def _cubic_maximum(points: _Points, width: Floats) -> Floats:
    """Largest value between neighbours of the cubic through their values and slopes."""
    left, right = points.value[:-1], points.value[1:]
    d0, d1 = width * points.slope[:-1], width * points.slope[1:]
    # left + d0 u + q u^2 + r u^3 for u in [0, 1]
    q, r = 3.0 * (right - left) - 2.0 * d0 - d1, 2.0 * (left - right) + d0 + d1
    inner = np.sqrt(np.maximum(q * q - 3.0 * r * d0, 0.0))
    # The roots of the derivative in the form that does not cancel.
    pivot = -(q + np.copysign(inner, q))
    best = np.maximum(left, right)
    for u in (pivot / (3.0 * r), d0 / pivot):
        u = clipped(np.nan_to_num(u, nan=0.0), 0.0, 1.0)
        best = np.maximum(best, left + u * (d0 + u * (q + u * r)))
    return np.where(np.isfinite(d0 + d1), best, np.inf)


def _blocks(p2: Floats, tables: LowerSet, line: Line) -> list[Floats]:
    """Neighbouring points in groups whose probabilities fit in a block."""
    widths = []
    for n, p in zip(tables.trials, (line.p1(p2), p2), strict=True):
        first, last = window(n, float(p.min()), float(p.max()), 1e-7)
        widths.append(last - first + 1)
    return np.array_split(p2, math.ceil(p2.size * sum(widths) / BLOCK))


def _probability(
    p1: Floats, p2: Floats, tables: LowerSet, weights: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Probability of the set at each pair of rates, and its slope in p2 along the line."""
    (n1, n2), tail = tables.trials, tables.tail
    last = tables.start + tables.highest.size - 1
    low1, high1 = window(n1, float(p1.min()), float(p1.max()), tail)
    low1, high1 = max(low1, tables.start), min(high1, last)
    low2, high2 = window(n2, float(p2.min()), float(p2.max()), tail)
    mass1, mass2 = _masses(n1, low1, high1, p1), _masses(n2, low2, high2, p2)
    highest = tables.highest[low1 - tables.start : high1 - tables.start + 1]
    below = np.concatenate([np.zeros((p2.size, 1)), np.cumsum(mass2, axis=1)], axis=1)
    below[:, -1] = 1.0
    column = np.clip(highest - low2 + 1, 0, high2 - low2 + 1)
    share = below[:, column]
    value = np.einsum("ij,ij->i", mass1, share)
    # d/dp P(X2 <= h) = -P(X2 = h) (n - h) / (1 - p)
    edge = np.where((highest >= low2) & (highest < high2), n2 - highest, 0)
    at_edge = mass2[:, np.clip(highest - low2, 0, high2 - low2)] * edge
    count1 = np.arange(low1, high1 + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope2 = -np.einsum("ij,ij->i", mass1, at_edge) / (1.0 - p2)
        moment = np.einsum("ij,ij->i", mass1 * (count1 - n1 * p1[:, None]), share)
        slope1 = moment / (p1 * (1.0 - p1))
    return value, slope2 - weights[1] / weights[0] * slope1


def _masses(n: int, low: int, high: int, p: Floats) -> Floats:
    """Binomial probabilities of the counts low to high (columns) at each rate (rows)."""
    x = np.arange(low, high + 1, dtype=np.float64)
    ways = gammaln(n + 1.0) - gammaln(x + 1.0) - gammaln(n - x + 1.0)
    if p.min() > 0.0 and p.max() < 1.0:
        odds = np.log(p / (1.0 - p))[:, None]
        return np.asarray(np.exp(ways + x * odds + n * np.log1p(-p)[:, None]))
    return np.asarray(np.exp(ways + xlogy(x, p[:, None]) + xlog1py(n - x, -p[:, None])))

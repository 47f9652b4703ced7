"""The tables that an asymptotic bound on a ratio of rates puts first, and their probability.

`part_ratio_test` has the assumptions, the order and the sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri

from sklearn_seldonian.bounds._score import Floats

Whole = NDArray[np.intp]

# The part of delta in each tail of counts that the sums leave out.
TAIL_SHARE = 5e-4
# Pseudo-counts of each outcome in the statistic that orders tables.
SMOOTHING = 0.5
# Relative slack of the statistic, so that rounding cannot split a tie.
TIE = 1e-9
ROUNDING = 1e-9
# The number of points whose probabilities are computed together.
BLOCK = 8


@dataclass(frozen=True)
class FirstTables:
    """The tables whose asymptotic bound is at least as good as `at`.

    Attributes
    ----------
    n : int
        The number of all rows.
    sign : 1 or -1
        1 for upper bounds on the ratio of all rows to the part, -1 for lower bounds.
    at : float
    delta : float
    shares : tuple of float
        The range of shares of the part that matter.
    """

    n: int
    sign: int
    at: float
    delta: float
    shares: tuple[float, float]

    @cached_property
    def sizes(self) -> Floats:
        """The numbers of rows of the part that matter."""
        (first,), n_sizes = self._window(np.array([float(self.n)]), np.array(self.shares))
        return np.asarray(first + np.arange(n_sizes))

    @cached_property
    def edge(self) -> Whole:
        """The largest number of events in the rest, for each size and events of the part.

        For lower bounds on R, it is the smallest number minus 1.
        """
        size = self.sizes[:, None]
        k, rest = np.minimum(np.arange(self.n + 1.0)[None], size), self.n - size
        share, part = smoothed(size, self.n), smoothed(k, size)
        z2 = quantile(self.delta) ** 2 / self.n
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
            again = (c > q * smoothed(rest, rest)) & ((square < 0.0) | (larger <= rest))
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


def asymptotic_limit(
    successes: tuple[ArrayLike, ArrayLike],
    trials: tuple[ArrayLike, ArrayLike],
    delta: float,
    sign: int,
) -> Floats:
    """The asymptotic upper or lower bound on R; infinite or zero if there is none."""
    k, j, m, rest = (np.asarray(c, dtype=float) for c in (*successes, *trials))
    n = m + rest
    share, part, other = smoothed(m, n), smoothed(k, m), smoothed(j, rest)
    z2 = quantile(delta) ** 2 / n
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


def quantile(probability: float) -> float:
    """The normal quantile, at least 0.1."""
    return float(np.clip(-ndtri(probability), 0.1, 9.0))


def smoothed(count: Any, size: Any) -> Any:
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

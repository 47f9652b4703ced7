"""The largest probability of a set of tables, over all rates in a box at a limit on their ratio.

`part_ratio_test` has the proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds._part_ratio_tables import FirstTables
from sklearn_seldonian.bounds._score import Floats

# The width of the first cells in units of information distance, the largest number of times that
# a cell is halved, and the number of nodes at which the search stops.
WIDTH, HALVINGS, MAX_NODES = 1.0, 12, 20_000

# A function of two rates is interpolated in a cell by cubics through these nodes.
NODES = np.linspace(0.0, 1.0, 4)
# The Bernstein coefficients of the cubic with given values at the nodes.
BERNSTEIN = np.array([[6, 0, 0, 0], [-5, 18, -9, 2], [2, -9, 18, -5], [0, 0, 0, 6]]) / 6.0
# At least the largest sum of the absolute weights of the values.
LEBESGUE = 1.64
# If the interpolation may be wrong by more than this, times the root of the probability, it is not
# used.
MAX_KAPPA = 0.05


class Rates(NamedTuple):
    """The share of the part, the rate in the part, and the rate in the rest."""

    share: float
    part: float
    rest: float


class Cells(NamedTuple):
    """Rectangles of shares of the part, from first to last, and of its rates, from low to high."""

    first: Floats
    last: Floats
    low: Floats
    high: Floats

    def taken(self, which: NDArray[np.bool_]) -> Cells:
        return Cells(*(end[which] for end in self))

    def quartered(self) -> Cells:
        share, rate = _between(self.first, self.last), _between(self.low, self.high)
        quarters = (
            (self.first, share, self.low, rate),
            (self.first, share, rate, self.high),
            (share, self.last, self.low, rate),
            (share, self.last, rate, self.high),
        )
        return Cells(*map(np.concatenate, zip(*quarters, strict=True)))

    def nodes(self) -> tuple[Floats, Floats]:
        """Shares and rates of shape (4, 4, C)."""
        share = self.first + NODES[:, None, None] * (self.last - self.first)
        part = self.low + NODES[None, :, None] * (self.high - self.low)
        share, part = np.broadcast_arrays(share, part)
        return share, part


@dataclass(frozen=True)
class Worst:
    """The rates in a box from `low` to `high` at which the `tables` are most probable.

    R is the ratio of the rate of all rows to that of the part.
    """

    tables: FirstTables
    low: Rates
    high: Rates

    def largest_seen(self, limit: float) -> float:
        """The largest probability at some points with R = `limit`; an approximation."""
        if self._first_cells(limit) is None:
            return 1.0
        low, high, n, points = self.low, self.high, self.tables.n, []
        for share in _spaced(low.share, min(high.share, limit), n)[:-1].tolist():
            slope = _slope(limit, share)
            ends = max(low.part, low.rest / slope), min(high.part, high.rest / slope)
            if ends[0] <= ends[1]:
                points += [(share, part, part * slope) for part in _spaced(*ends, n).tolist()]
        return float(self.tables.probability(*np.array(points).T)[0].max()) if points else 0.0

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

    def _first_cells(self, limit: float) -> Cells | None:
        """Cells that cover the rates in the box with R = `limit`.

        None if, for some share, all rates in the box are beyond the limit.
        """
        low, high, n = self.low, self.high, self.tables.n
        if self.tables.sign > 0 and limit <= high.share:
            return None
        last = min(high.share, limit)  # R is at least the share
        slopes = [_slope(limit, share) for share in (low.share, last)]
        least, most = min(slopes), max(slopes)
        if low.rest >= high.part * least if self.tables.sign > 0 else high.rest <= low.part * most:
            return None
        first_part = max(low.part, low.rest / most) if most > 0.0 else math.inf
        last_part = min(high.part, high.rest / least) if least > 0.0 else high.part
        if not (low.share <= last and first_part <= last_part):
            return Cells(*np.empty((4, 0)))
        shares, rates = _spaced(low.share, last, n), _spaced(first_part, last_part, n)
        i, j = (at.ravel() for at in np.indices((len(shares) - 1, len(rates) - 1)))
        return Cells(shares[i], shares[i + 1], rates[j], rates[j + 1])

    def _may_be_in_box(self, cells: Cells, limit: float) -> NDArray[np.bool_]:
        least, most = self._rests(cells, limit)
        return np.asarray((least <= self.high.rest) & (most >= self.low.rest))

    def _rests(self, cells: Cells, limit: float) -> tuple[Floats, Floats]:
        """The smallest and the largest rate of the rest in each cell."""
        slopes = _slope(limit, cells.first), _slope(limit, cells.last)
        return cells.low * np.minimum(*slopes), cells.high * np.maximum(*slopes)

    def _kappa(self, cells: Cells, limit: float) -> Floats:
        """The error of the interpolation, for a largest probability of 1; infinite without one."""
        s = np.array([cells.first, cells.first, cells.last, cells.last])
        p = np.array([cells.low, cells.high, cells.low, cells.high])
        with np.errstate(divide="ignore", invalid="ignore"):
            last = 1.0 - s - p * (limit - s)
            of_share = 1.0 / s + p / (limit - s) + (1.0 - p) ** 2 / last
            of_part = limit / p + s / (1.0 - p) + (limit - s) ** 2 / last
            width = self.tables.n * of_share.max(axis=0) * (cells.last - cells.first) ** 2
            height = self.tables.n * of_part.max(axis=0) * (cells.high - cells.low) ** 2
            kappa = math.sqrt(24.0) / 1944.0 * (width**2 + LEBESGUE * height**2)
        usable = (last > 0.0).all(axis=0) & np.isfinite(kappa)
        return np.where(usable, kappa, math.inf)

    def _smooth_bounds(self, cells: Cells, limit: float, kappa: Floats) -> tuple[Floats, float]:
        """Bounds by cubic interpolation, and the largest probability seen inside the box."""
        share, part = cells.nodes()
        points, where = np.unique((share + 1j * part).ravel(), return_inverse=True)
        rates = points.real, points.imag, points.imag * _slope(limit, points.real)
        value, missed = self.tables.probability(*rates)
        inside = np.ones(len(points), dtype=np.bool_)
        for low, p, high in zip(self.low, rates, self.high, strict=True):
            inside &= (low <= p) & (p <= high)
        seen = float(np.max(value, where=inside, initial=0.0))
        value, missed = (found[where].reshape(share.shape) for found in (value, missed))
        most = np.einsum("ai,bj,ijc->abc", BERNSTEIN, BERNSTEIN, value).max(axis=(0, 1))
        most += LEBESGUE**2 * missed.max(axis=(0, 1))
        return _largest_root(most, kappa), seen

    def _corner_bounds(self, cells: Cells, limit: float) -> Floats:
        """Bounds at the worst rates of each cell, by linear interpolation along the share."""
        least, most = self._rests(cells, limit)
        if self.tables.sign > 0:
            part, rest = cells.high, np.clip(least, self.low.rest, 1.0)
        else:
            part, rest = cells.low, np.clip(most, 0.0, self.high.rest)
        ends = np.concatenate([cells.first, cells.last])
        value, missed = self.tables.probability(ends, np.tile(part, 2), np.tile(rest, 2))
        information = self.tables.n * np.maximum(*(1.0 / (s * (1.0 - s)) for s in cells[:2]))
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

"""Cells of the rates of groups of rows that are repeatedly divided in two."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, chdtri, ndtr, ndtri

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._score import Floats

# The parts of delta that are spent on excluding rates that the counts jointly contradict, for up to
# two rates and for more. With more rates, a smooth function is less linear over the remaining
# rates, so that a smaller set is worth a larger part of delta.
BALL_SHARES = 1.0 / 50.0, 1.0 / 20.0
# The largest number of cells of one rate.
MAX_CELLS_OF_RATE = 32
# Larger scores are cut at this number.
MAX_SCORE = 37.0


class Splits(NamedTuple):
    """Groups of rows that are divided in two, repeatedly; each division is a binomial count.

    Attributes
    ----------
    successes, trials : tuple of K numbers
        Number of rows in the first part, and number of rows divided.
    parents : tuple of K integers
        Position of the earlier split that made the group; -1 for a group whose size is given.
    of_successes : tuple of K bools
        Whether the group is the first part of its parent.
    """

    successes: tuple[float, ...]
    trials: tuple[float, ...]
    parents: tuple[int, ...]
    of_successes: tuple[bool, ...]


def ball_share(n_splits: int) -> float:
    """The part of delta that is spent on excluding rates that the counts jointly contradict."""
    return BALL_SHARES[n_splits > 2]


def squared_radius(n_splits: int, delta: float) -> float:
    """The squared score beyond which rates are excluded."""
    return float(chdtri(n_splits, ball_share(n_splits) * delta))


def grid(splits: Splits, delta: float, max_cells: int) -> Floats:
    """Cells of angles, of shape (C, K, 2), that cover all rates that the counts do not contradict.

    The standard error of an angle is 1 / (2 sqrt(n)) for every rate, where n is the expected number
    of rows of its group. The grid depends on the given groups only.
    """
    n_splits = len(splits.trials)
    radius = squared_radius(n_splits, delta)
    per_rate = min(MAX_CELLS_OF_RATE, int(max_cells ** (1.0 / n_splits)))
    width = math.sqrt(radius) / per_rate  # in units of 1 / sqrt(rows)
    cells, sizes = np.zeros((1, 0, 2)), np.zeros((1, 0))
    distances = np.zeros(1)
    for j in range(n_splits):
        own = group_sizes(splits, np.sin(cells.mean(axis=2)) ** 2, sizes, j)
        n_cells = _rounded(math.pi / 2.0 * np.sqrt(own) / width, exactly=splits.parents[j] < 0)
        rows, positions, added = _near(splits, j, n_cells, distances, radius)
        start = positions * (math.pi / 2.0 / n_cells[rows])
        new = np.stack([start, (positions + 1.0) * (math.pi / 2.0 / n_cells[rows])], axis=1)
        cells = np.concatenate([cells[rows], new[:, None]], axis=1)
        sizes = np.concatenate([sizes[rows], own[rows, None]], axis=1)
        distances = distances[rows] + added
    return np.clip(cells, 0.0, math.pi / 2.0)


def group_sizes(splits: Splits, rates: Floats, sizes: Floats, j: int) -> Floats:
    """The expected rows of the group that split `j` divides, at least 1, from earlier `sizes`."""
    parent = splits.parents[j]
    if parent < 0:
        return np.full(len(rates), splits.trials[j])
    share = rates[:, parent] if splits.of_successes[j] else 1.0 - rates[:, parent]
    return np.maximum(sizes[:, parent] * share, 1.0)


def _rounded(n_cells: Floats, *, exactly: bool) -> Floats:
    """A whole number of cells, rounded to one of a few values unless `exactly`."""
    steps = 1.0 if exactly else 2.0
    near = n_cells if exactly else 2.0 ** (np.round(np.log2(n_cells) * steps) / steps)
    return np.maximum(np.round(near), 1.0)


def _near(
    splits: Splits, j: int, n_cells: Floats, distances: Floats, radius: float
) -> tuple[Floats, Floats, Floats]:
    """For each row, the cells of split `j` that the counts do not contradict.

    Returns the repeated rows, the positions of their cells, and the increments of the distance.
    """
    rows, positions, added = [], [], []
    for number in np.unique(n_cells):
        ends = np.sin(np.arange(number + 1.0) * (math.pi / 2.0 / number)) ** 2
        own = squared_distances(splits.successes[j], splits.trials[j], ends[:-1], ends[1:])
        of_rows = np.flatnonzero(n_cells == number)
        near = distances[of_rows, None] + own <= radius
        row, position = np.nonzero(near)
        rows.append(of_rows[row])
        positions.append(position)
        added.append(own[position])
    return np.concatenate(rows), np.concatenate(positions).astype(float), np.concatenate(added)


def squared_distances(k: float, n: float, low: Floats, high: Floats) -> Floats:
    """A lower bound on the squared score of the smaller tail of any rate between both ends."""
    if n == 0:
        return np.zeros(len(low))
    at_least = betainc(k, n - k + 1.0, high) if k > 0 else np.ones(len(high))
    at_most = betaincc(k + 1.0, n - k, low) if k < n else np.ones(len(low))
    tail = np.minimum(np.minimum(at_least, at_most), 0.5)
    return np.minimum(-ndtri(tail), MAX_SCORE) ** 2


def halved(splits: Splits, delta: float, cells: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The `cells` (C, K, 2), halved along each rate, without parts that the counts contradict.

    Returns
    -------
    parts : ndarray of shape (P, K, 2)
    whole : ndarray of shape (P,)
        The position of the cell that contains each part.
    """
    n_splits = len(splits.trials)
    is_upper = np.array(list(itertools.product((False, True), repeat=n_splits)))
    start, end = cells[:, None, :, 0], cells[:, None, :, 1]
    middle = (start + end) / 2.0
    ends = np.where(is_upper, middle, start), np.where(is_upper, end, middle)
    parts = np.stack(ends, axis=3).reshape(-1, n_splits, 2)
    rates = np.sin(parts) ** 2
    counts = enumerate(zip(splits.successes, splits.trials, strict=True))
    away = sum(squared_distances(k, n, rates[:, j, 0], rates[:, j, 1]) for j, (k, n) in counts)
    near = np.flatnonzero(away <= squared_radius(n_splits, delta))
    return parts[near], near // len(is_upper)


def within(splits: Splits, whole: Floats, delta: float) -> tuple[Floats, Floats]:
    """Both ends of each cell, of shape (C, K), without rates that a single count contradicts."""
    k, n = np.array([splits.successes, splits.trials], dtype=float)
    radius = math.sqrt(squared_radius(len(k), delta))
    low, high = interval_each(k, np.maximum(n, 1.0), float(ndtr(-radius)))
    low, high = np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)
    first, last = whole[..., 0], whole[..., 1]
    return np.clip(first, low, high), np.clip(last, low, high)

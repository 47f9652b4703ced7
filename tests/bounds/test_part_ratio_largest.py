"""The largest probability of a set of tables: upper bounds that are close to it."""

import math
from itertools import product

import numpy as np
import pytest

from sklearn_seldonian.bounds._part_ratio_largest import BERNSTEIN, LEBESGUE, NODES, Cells
from tests.bounds._part_ratios import all_tables, limits_of, probabilities


@pytest.mark.parametrize(
    ("counts", "sizes", "ratio"),
    [
        ((10, 14), (15, 17), 1.2),
        ((10, 14), (15, 17), 1.5),
        ((12, 12), (12, 12), 1.3),
        ((4, 25), (5, 40), 1.6),
        ((3, 4), (20, 15), 1.9),
    ],
)
@pytest.mark.parametrize("part_on_top", [False, True])
def test_the_largest_probability_is_bounded_closely(counts, sizes, ratio, part_on_top):
    """Against sums over all tables at many rates in the box, on and beyond the limit."""
    n, delta = sum(sizes), 0.05
    at = 1.0 / ratio if part_on_top else ratio
    worst = limits_of(counts, sizes, delta, part_on_top=part_on_top).worst
    bound, found = worst.largest(at, 0.0, 0.002), worst.tables
    every = all_tables(n)
    rows = every[:, 0] - int(found.sizes[0])
    edge = found.edge[np.clip(rows, 0, len(found.sizes) - 1), every[:, 1]]
    inside = every[:, 2] > edge if part_on_top else every[:, 2] <= edge
    inside &= (rows >= 0) & (rows < len(found.sizes))
    best = 0.0
    for share, rate, move in product(np.linspace(0, 1, 9), np.linspace(0, 1, 9), (1.0, 1.1)):
        share = worst.low.share + share * (min(worst.high.share, at) - worst.low.share)
        slope = move**found.sign * (at - share) / (1.0 - share)  # moved beyond the limit
        ends = [
            np.clip(rest / max(slope, 1e-9), worst.low.part, worst.high.part)
            for rest in (worst.low.rest, worst.high.rest)
        ]
        part = ends[0] + rate * (ends[1] - ends[0])
        if worst.low.rest <= part * slope * (1 + 1e-9) <= worst.high.rest * (1 + 1e-8):
            own = probabilities(every[inside], n, share, part, min(part * slope, 1.0)).sum()
            best = max(best, own)
    assert 0.0 < best <= bound
    assert bound <= best + 0.004


def test_a_bound_is_valid_for_all_larger_limits():
    """The largest probability never increases, so every limit above the bound is rejected."""
    found = limits_of((20, 30), (30, 35), 0.05, part_on_top=False)
    limits = found.limit * np.array([1.0, 1.01, 1.03, 1.1, 1.3, 2.0])
    largest = [found.worst.largest(limit, 0.0, 1e-3) for limit in limits]
    assert largest[0] <= found.level + 1e-3
    assert np.all(np.diff(largest) <= 1e-3)


def test_cubics_are_bounded_by_their_bernstein_coefficients():
    x = np.linspace(0.0, 1.0, 1001)
    rng = np.random.default_rng(0)
    basis = [math.comb(3, i) * x**i * (1 - x) ** (3 - i) for i in range(4)]
    for coefficients in rng.normal(size=(20, 4)):
        values = np.polyval(coefficients, NODES)
        assert np.dot(BERNSTEIN @ values, basis) == pytest.approx(np.polyval(coefficients, x))
    weights = [np.polyval(np.polyfit(NODES, row, 3), x) for row in np.eye(4)]
    assert np.abs(weights).sum(axis=0).max() <= LEBESGUE
    assert np.abs(np.prod(x - NODES[:, None], axis=0)).max() == pytest.approx(1 / 81, rel=1e-5)


def test_quarters_cover_a_cell():
    ends = (np.array([0.0]), np.array([0.5]), np.array([0.2]), np.array([1.0]))
    quarters = Cells(*ends).quartered()
    widths, heights = quarters.last - quarters.first, quarters.high - quarters.low
    assert (widths * heights).sum() == pytest.approx(0.5 * 0.8)
    assert (quarters.first.min(), quarters.last.max()) == (0.0, 0.5)
    assert (quarters.low.min(), quarters.high.max()) == (0.2, 1.0)

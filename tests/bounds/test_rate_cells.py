"""The cells of rates that the inverse normal method uses."""

import math

import numpy as np
import pytest
from scipy.stats import binom, chi2, norm

from sklearn_seldonian.bounds import Splits
from sklearn_seldonian.bounds._rate_cells import (
    ball_share,
    grid,
    halved,
    squared_distances,
    squared_radius,
)

COUNTS, ROWS = (12, 20), (40, 25)
SPLITS = Splits(COUNTS, ROWS, (-1, -1), (False, False))


def distance(rates):
    """The distance of points of two rates from the counts."""
    counts = zip(COUNTS, ROWS, rates.T, strict=True)
    return sum(squared_distances(k, n, p, p) for k, n, p in counts)


def are_inside(angles, cells):
    at = angles[:, None]
    return ((cells[..., 0] <= at) & (at <= cells[..., 1])).all(axis=2).any(axis=1)


@pytest.mark.parametrize(("n_splits", "share"), [(1, 0.02), (2, 0.02), (3, 0.05), (6, 0.05)])
def test_the_ball_leaves_out_its_share_of_delta(n_splits, share):
    assert ball_share(n_splits) == share
    assert chi2.sf(squared_radius(n_splits, 0.1), n_splits) == pytest.approx(0.1 * share)


@pytest.mark.parametrize(
    ("k", "n", "rate"), [(3, 20, 0.4), (15, 20, 0.4), (0, 9, 0.2), (9, 9, 0.7)]
)
def test_a_distance_is_the_square_of_the_smaller_tails_score(k, n, rate):
    smaller = min(binom.cdf(k, n, rate), binom.sf(k - 1, n, rate), 0.5)
    rates = np.array([rate])
    assert squared_distances(k, n, rates, rates)[0] == pytest.approx(norm.isf(smaller) ** 2)
    # Between two rates it is at most as large as at either of them.
    assert squared_distances(k, n, rates - 0.1, rates + 0.1)[0] <= norm.isf(smaller) ** 2


def test_no_rows_are_at_no_distance():
    assert squared_distances(0, 0, np.array([0.2]), np.array([0.4])) == [0.0]


def test_cells_cover_what_the_counts_do_not_contradict():
    cells = grid(SPLITS, 0.05, 600)
    angles = np.random.default_rng(0).uniform(0.0, math.pi / 2.0, (2000, 2))
    near = distance(np.sin(angles) ** 2) <= squared_radius(2, 0.05)
    covered = are_inside(angles, cells)
    assert covered[near].all()
    assert not covered.all()


def test_halves_cover_what_the_counts_do_not_contradict():
    cells = np.array([[[0.4, 0.8], [0.8, 1.2]], [[0.1, 0.3], [1.0, 1.4]]])
    parts, whole = halved(SPLITS, 0.05, cells)
    assert whole.tolist() == sorted(whole)
    rng = np.random.default_rng(0)
    for position, cell in enumerate(cells):
        angles = rng.uniform(*cell.T, (200, 2))
        near = distance(np.sin(angles) ** 2) <= squared_radius(2, 0.05)
        assert are_inside(angles, parts[whole == position])[near].all()
    assert (whole == 0).sum() == 4
    assert (whole == 1).sum() < 4  # the counts contradict some rates

"""The score statistic, and its edges in closed form compared with the statistic itself."""

import numpy as np
import pytest

from sklearn_seldonian.bounds import score_edge
from sklearn_seldonian.bounds._score import score_statistic


@pytest.mark.parametrize("statistic", [-0.3, -1.645, -4.0])
@pytest.mark.parametrize("limit", [0.02, 0.3, 0.8, 1.4])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.8, 1.0), (1.0, 0.25)])
@pytest.mark.parametrize("trials", [(30, 50), (2000, 90)])
def test_statistic_on_the_edge(trials, weights, limit, statistic):
    first, second = score_edge(trials, weights, limit, statistic)
    if limit >= sum(weights):
        assert not first.size
        return
    assert (np.diff(second) > 0).all()
    possible = (first >= 0) & (second >= 0) & (first <= trials[0]) & (second <= trials[1])
    if limit >= 0.3 and statistic > -2.0:
        assert possible.sum() > 10
    seen = score_statistic(first[possible], second[possible], trials, weights, limit)
    np.testing.assert_allclose(seen, statistic, rtol=1e-5)


def test_below_the_edge_the_statistic_is_smaller():
    first, second = score_edge((60, 40), (1.0, 1.0), 0.5, -1.0)
    inside = (first >= 1) & (second >= 0) & (second <= 40)
    for move, sign in ((-1.0, -1), (1.0, 1)):
        moved = score_statistic(first[inside] + move, second[inside], (60, 40), (1.0, 1.0), 0.5)
        assert (np.sign(moved + 1.0) == sign).all()


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.8, 1.0), (0.3, 1.7)])
@pytest.mark.parametrize("trials", [(1, 1), (3, 9), (30, 30), (60, 11)])
def test_ordering_is_monotone_in_counts_and_limit(trials, weights):
    x1, x2 = np.meshgrid(*(np.arange(n + 1.0) for n in trials), indexing="ij")
    before = np.full(x1.shape, np.inf)
    for c in np.linspace(0.01, 0.99, 25) * sum(weights):
        statistic = score_statistic(x1, x2, trials, weights, c)
        assert np.all(np.isfinite(statistic))
        assert np.diff(statistic, axis=0).min() > -1e-9
        assert np.diff(statistic, axis=1).min() > -1e-9
        assert np.all(statistic <= before + 1e-9)
        before = statistic


def test_statistic_is_zero_where_numerator_and_variance_vanish():
    corner = score_statistic(np.array([5.0]), np.array([0.0]), (5, 7), (1.0, 1.0), 1.0)
    assert corner[0] == 0.0

"""P-values of whole cells of limits, and the search for the tables that count in them."""

import numpy as np
import pytest

from sklearn_seldonian.bounds import _cells as cells
from sklearn_seldonian.bounds import _pair as pairs
from sklearn_seldonian.bounds import two_rate_certified, two_rate_p_value, two_rate_upper

PARITY, MIRRORED = (1.0, -1.0), (-1.0, 1.0)


@pytest.mark.parametrize("weights", [PARITY, MIRRORED, (0.8, -1.0), (0.3, 1.7)])
@pytest.mark.thinned(2)
def test_a_cell_bounds_the_p_values_of_all_its_limits(weights, whole):
    """The p-value of a cell bounds the p-values of all its limits, also next to 0."""
    rng = np.random.default_rng(0)
    for _ in range(25 if whole else 6):
        trials = rng.integers(1, 40, 2)
        pair = pairs.pair_of(rng.binomial(trials, rng.random(2)), trials, weights, 0.05)
        low, high = np.sort(rng.uniform(pair.estimate, pair.largest, 2))
        of_cell = cells.cell_p_value(pair, low, high)
        single = [cells.cell_p_value(pair, c, c) for c in (*np.linspace(low, high, 9), low, high)]
        assert max(single) <= of_cell + 0.0012 * pair.delta
        narrow = cells.cell_p_value(pair, low, low + 1e-3 * (high - low))
        assert cells.cell_p_value(pair, low, low) <= narrow + 1e-4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, 1e9])
@pytest.mark.parametrize(("counts", "trials"), [((3, 5), (30, 40)), ((0, 40), (30, 40))])
def test_a_guess_only_steers_the_search_for_the_edge(counts, trials, bad):
    pair = pairs.pair_of(counts, trials, (1.0, -1.0), 0.05)
    c = (pair.estimate + pair.largest) / 2
    x1 = np.arange(trials[0] + 1.0)
    edge = cells._Edge.of_cell(pair, c, c, x1.size)
    guesses = edge.guess(x1), np.full(x1.shape, bad)
    one, other = (pairs.search_edge(edge.beyond, x1, 0, trials[1], guess) for guess in guesses)
    np.testing.assert_array_equal(one, other)
    brute = [
        max([-1.0, *np.flatnonzero(edge.beyond(np.full(41, x), np.arange(41.0))[0] <= 0)])
        for x in x1
    ]
    np.testing.assert_array_equal(one, brute)


def test_impossible_guesses_leave_every_bound_as_it_is(monkeypatch):
    cases = [([k, x], [20, 30]) for k, x in ((0, 0), (0, 30), (20, 0), (20, 30), (7, 11))]
    before = [two_rate_upper(k, n, [1, -1], 0.05) for k, n in cases]
    monkeypatch.setattr(cells._Edge, "guess", lambda self, x1: np.full(x1.shape, np.nan))
    assert [two_rate_upper(k, n, [1, -1], 0.05) for k, n in cases] == before


@pytest.mark.parametrize("bad", [np.nan, -1.0, 1000.0])
@pytest.mark.parametrize("k", [(30, 40), (25, 55), (38, 25)])
@pytest.mark.thinned(2)
def test_impossible_guesses_leave_every_bound_one(monkeypatch, k, bad):
    """With many events, guesses determine where cells end, but the result is still a bound."""
    n, weights = (60, 80), (1, -1)
    before = two_rate_upper(k, n, weights, 0.05)
    monkeypatch.setattr(cells._Edge, "guess", lambda self, x1: np.full(x1.shape, bad))
    after = two_rate_upper(k, n, weights, 0.05)
    distance = max(before - (k[0] / n[0] - k[1] / n[1]), 0.05)
    assert after >= before - 0.002 * distance
    if bad != 1000.0:  # otherwise no limit seems to be rejected before the top
        assert after <= before + 0.002 * distance
    monkeypatch.undo()
    for limit in np.linspace(after, 1.0, 40):
        assert two_rate_p_value(k, n, weights, limit, 0.05) <= 0.05


def test_an_undefined_statistic_certifies_nothing(monkeypatch):
    counts, trials = (30, 40), (60, 80)
    assert two_rate_certified(counts, trials, PARITY, 0.3, 0.05)
    unknown = cells._Edge.beyond
    monkeypatch.setattr(cells._Edge, "beyond", lambda *a: np.nan * unknown(*a))
    assert not two_rate_certified(counts, trials, PARITY, 0.3, 0.05)
    assert two_rate_p_value(counts, trials, PARITY, 0.3, 0.05) == 1.0

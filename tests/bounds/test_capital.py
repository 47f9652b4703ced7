import math
from itertools import product

import numpy as np
import pytest

from sklearn_seldonian.bounds import _capital
from sklearn_seldonian.bounds._capital import (
    capital_after,
    p_values_by_limit,
    running_moments,
    steps,
)

DELTAS = (0.01, 0.05, 0.1, 0.3)


def bound(unit, delta):
    limits, p_values = p_values_by_limit(np.asarray(unit, dtype=float), delta)
    return min(limits[p_values <= delta], default=1.0)


@pytest.fixture
def often_finer(monkeypatch):
    """Few limits, replaced by finer ones after every second row, to find errors of the
    replacement.
    """
    monkeypatch.setattr(_capital, "rows_before_finer_meshes", lambda n: list(range(2, n, 2)))
    monkeypatch.setattr(_capital, "LIMITS", 40)


def distributions(n_values):
    """Probabilities of this many values, in steps of a twentieth."""
    grid = product(range(21), repeat=n_values - 1)
    shares = [(*p, 20 - sum(p)) for p in grid if sum(p) <= 20]
    return np.array(shares) / 20


ENUMERATED = [
    ((0.0, 1.0), 7),
    ((0.0, 0.3), 7),
    ((0.6, 1.0), 7),
    ((0.0, 0.2, 1.0), 4),
    ((0.0, 0.5, 0.8), 4),
]


@pytest.mark.parametrize(("values", "n"), ENUMERATED)
@pytest.mark.parametrize("delta", DELTAS)
def test_bounds_below_the_mean_by_enumeration(values, n, delta, often_finer):
    """All samples of n rows, for every distribution over a few values."""
    values, sequences = np.array(values), np.array(list(product(range(len(values)), repeat=n)))
    bounds = np.array([bound(values[row], delta) for row in sequences])
    worst = 0.0
    for probabilities in distributions(len(values)):
        too_low = bounds < probabilities @ values
        worst = max(worst, probabilities[sequences[too_low]].prod(axis=1).sum())
    assert worst <= delta


def test_enumeration_could_fail(often_finer, monkeypatch):
    """If bets are on a limit above the mean, the largest probability exceeds delta."""
    monkeypatch.setattr(
        _capital, "capital_after", lambda capital, gains, worst, *rest: capital_after(
            capital, gains + 0.15, np.maximum(worst - 0.15, 0.01), *rest
        )
    )  # fmt: skip
    with pytest.raises(AssertionError):
        test_bounds_below_the_mean_by_enumeration((0.0, 1.0), 7, 0.3, None)


SIMULATED = {
    "zeros and ones": (lambda rng, n: (rng.random(n) < 0.4) * 1.0, 0.4),
    "rare ones": (lambda rng, n: (rng.random(n) < 0.08) * 1.0, 0.08),
    "three values": (lambda rng, n: rng.choice([0.0, 0.3, 1.0], n, p=[0.7, 0.2, 0.1]), 0.16),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
}


@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize("delta", [0.1])
def test_bounds_below_the_mean_by_simulation(name, delta, whole):
    draw, mean = SIMULATED[name]
    rng, trials, n = np.random.default_rng(2), 500 if whole else 60, 64
    too_low = np.mean([bound(draw(rng, n), delta) < mean for _ in range(trials)])
    assert too_low <= delta + 4 * math.sqrt(delta * (1 - delta) / trials)


def test_capital_is_a_fair_game_at_the_mean():
    """If the limit is the mean, the expected capital does not change from row to row."""
    values, probabilities = np.array([0.0, 0.25, 1.0]), np.array([0.5, 0.3, 0.2])
    mean = probabilities @ values
    for capital, remaining in product([0.01, 1.0, 15.0, 20.1, 400.0], [1, 7, 500]):
        gains = mean - values[:, None]
        after = capital_after(np.full(3, capital), gains, 1.0 - mean, 0.05, remaining, 500, 0.05)
        assert np.all(after > 0)
        assert probabilities @ after == pytest.approx(capital)
        assert np.all(np.diff(after) < 0)


@pytest.mark.parametrize("beyond", [0.01, 0.3])
def test_capital_shrinks_where_the_mean_is_beyond_the_limit(beyond):
    values, probabilities = np.array([0.0, 1.0]), np.array([0.4, 0.6])
    for capital in (0.5, 1.0, 19.0, 30.0):
        limit = 0.6 - beyond
        gains = limit - values[:, None]
        after = capital_after(np.full(2, capital), gains, 1.0 - limit, 0.2, 30, 60, 0.05)
        assert probabilities @ after < capital


def test_what_was_aimed_at_is_kept():
    goal = 20 * (1 + _capital.ROUNDING)
    gains = np.full((2, 50), 0.5 - 0.52)
    after = capital_after(np.array([goal, 25.0]), gains, 0.5, 0.01, 50, 100, 0.05)
    assert after[0] == goal
    assert goal < after[1] < 25


def test_p_values_decrease_beyond_delta_too():
    x = np.random.default_rng(3).beta(2, 3, 800)
    limits, p_values = p_values_by_limit(x, 0.05)
    assert limits[0] == 0
    assert np.all(np.diff(limits) > 0)
    assert limits[-1] < 1
    assert np.all(np.diff(p_values) <= 0)
    assert p_values[0] == 1
    assert p_values[np.searchsorted(limits, 0.6)] < 1e-6


@pytest.mark.parametrize("n", [1, 2, 63, 64, 200, 1000, 70_000])
def test_steps_cover_all_rows_and_end_with_single_ones(n):
    pairs = list(steps(n))
    assert [stop for _, stop in pairs[:-1]] == [start for start, _ in pairs[1:]]
    assert (pairs[0][0], pairs[-1][1]) == (0, n)
    sizes = np.diff([start for start, _ in pairs] + [n])
    assert np.all(np.diff(sizes) <= 0)
    assert np.all(sizes[-64:] == 1)
    assert len(sizes) <= 800


def test_moments_before_each_row():
    x = np.random.default_rng(4).random((2, 9))
    means, variances = running_moments(x)
    assert means.shape == variances.shape == (2, 10)
    total, squares = 0.5, 0.25
    for i, value in enumerate(x[1]):
        assert means[1, i] == pytest.approx(total / (i + 1))
        assert variances[1, i] == pytest.approx(squares / (i + 1))
        total += value
        squares += (value - total / (i + 2)) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_bound_of_many_rows_is_near_that_of_the_normal_test(seed):
    x = np.random.default_rng(seed).random(4000)
    distance = (bound(x, 0.05) - x.mean()) / (x.std() / math.sqrt(len(x)))
    assert 1.3 < distance < 2.0


def test_a_faster_test_has_about_the_same_bound():
    for seed in range(3):
        x = np.random.default_rng(seed).beta(2, 5, 500)
        limits, p_values = p_values_by_limit(x, 0.05, _capital.FEW_LIMITS)
        quick, error = limits[p_values <= 0.05][0], x.std() / math.sqrt(len(x))
        assert bound(x, 0.05) - 0.1 * error <= quick <= bound(x, 0.05) + 0.3 * error

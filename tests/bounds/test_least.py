"""The bound on the smallest of several means, checked on losses whose CVaR is known."""

import math

import numpy as np
import pytest

from sklearn_seldonian.bounds import _least
from sklearn_seldonian.bounds._betting import betting_test
from sklearn_seldonian.bounds._least import least_mean_test
from sklearn_seldonian.measures import thresholds

LEVEL = 0.9


def of_levels(values, shares):
    """A law of a few values, and its CVaR: the mean of the largest tenth."""
    values, shares = np.array(values), np.array(shares)
    left, total = 1.0 - LEVEL, 0.0
    for value, share in sorted(zip(values, shares, strict=True), reverse=True):
        total, left = total + value * min(share, left), left - min(share, left)
    return (lambda rng, n: rng.choice(values, n, p=shares)), total / (1.0 - LEVEL)


# Losses from 0 to 1, and their CVaR.
LOSSES = {
    "uniform": (lambda rng, n: rng.random(n), 0.95),
    # The square of a uniform number: the mean of u**2 for u from 0.9 to 1.
    "square": (lambda rng, n: rng.random(n) ** 2, (1 - 0.9**3) / 3 / 0.1),
    "all thresholds above a half are equally good": of_levels([0.0, 0.5, 1.0], [0.8, 0.1, 0.1]),
    "rare": of_levels([0.0, 1.0], [0.95, 0.05]),
    "an atom at the quantile": of_levels([0.0, 0.5, 1.0], [0.85, 0.1, 0.05]),
    "constant": (lambda rng, n: np.full(n, 0.5), 0.5),
}


def limits_on(losses, range_=(0.0, 1.0)):
    """The upper limits on the CVaR of each threshold, and their ranges."""
    t, share = np.array(thresholds(range_)), 1.0 - LEVEL
    samples = t[:, None] + np.maximum(losses - t[:, None], 0.0) / share
    return samples, np.stack([t, t + (range_[1] - t) / share], axis=1)


def allowed(delta, trials):
    """Delta plus four standard errors of a share of this many trials."""
    return delta + 4 * math.sqrt(delta * (1 - delta) / trials)


def share_certified(draw, cvar, n, delta, trials):
    rng = np.random.default_rng(11)
    tests = (least_mean_test(*limits_on(draw(rng, n)), delta) for _ in range(trials))
    return np.mean([test.p_value(cvar) <= delta for test in tests])


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.thinned(2)
def test_false_certificates_by_simulation(name, n, whole):
    trials = 1000 if whole else 80
    for delta in (0.05, 0.3):
        share = share_certified(*LOSSES[name], n, delta, trials)
        assert share <= allowed(delta, trials), delta


def test_a_choice_by_the_row_itself_is_not_enough(monkeypatch):
    """A check that the simulation can fail: the smallest value of each row has a smaller mean."""

    def cheat(values, highs):
        return values.min(axis=0), np.full(values.shape[1], highs.max())

    monkeypatch.setattr(_least, "_chosen", cheat)
    assert share_certified(*LOSSES["uniform"], 200, 0.05, 40) > 0.9


@pytest.mark.parametrize("name", ["uniform", "square"])
def test_the_bound_is_about_that_of_the_best_threshold(name):
    draw, cvar = LOSSES[name]
    rng, n = np.random.default_rng(5), 2000
    best = np.quantile(draw(rng, 100_000), LEVEL)
    own, of_best = [], []
    for _ in range(8):
        losses = draw(rng, n)
        own.append(least_mean_test(*limits_on(losses), 0.05).upper)
        above = np.maximum(losses - best, 0.0)
        test = betting_test([above], [10.0], [(0.0, 1.0 - best)], 0.05)
        of_best.append(best + test.upper)
    assert cvar < np.mean(own) < cvar + 1.5 * (np.mean(of_best) - cvar)


def test_the_bound_is_below_that_of_the_dkw_inequality():
    """Thomas and Learned-Miller (2019), theorem 3, for 1,000 losses."""
    losses = np.random.default_rng(6).random(1000) ** 2
    lifted = math.sqrt(math.log(1 / 0.05) / (2 * 1000))
    kept = np.maximum(np.arange(1, 1001) / 1000 - lifted - LEVEL, 0.0)
    of_dkw = 1.0 - (np.diff(np.sort(losses), append=1.0) * kept).sum() / (1.0 - LEVEL)
    upper = least_mean_test(*limits_on(losses), 0.05).upper
    assert LOSSES["square"][1] < upper < of_dkw


def test_bound_and_p_value_agree():
    rng = np.random.default_rng(2)
    for n in (2, 5, 30, 300):
        test = least_mean_test(*limits_on(rng.random(n)), 0.05)
        upper = test.upper
        for limit in (upper - 1e-9, upper, upper + 1e-9, -1.0, 0.5, 0.97, 1.0, 2.0):
            assert (test.p_value(limit) <= 0.05) == (upper <= limit)
        p_values = [test.p_value(limit) for limit in np.linspace(-0.1, 2, 60)]
        assert np.all(np.diff(p_values) <= 1e-12)


def test_one_mean_is_tested_by_betting_on_all_rows_but_the_first():
    x = np.random.default_rng(3).random(200)
    alone = least_mean_test([x], [(0.0, 1.0)], 0.05).upper
    assert alone == betting_test([x[4:]], [1.0], [(0.0, 1.0)], 0.05).upper


def test_scale():
    losses = np.random.default_rng(4).random(300)
    upper = least_mean_test(*limits_on(losses), 0.05).upper
    scaled = least_mean_test(*limits_on(8 * losses - 4, (-4.0, 4.0)), 0.05).upper
    assert scaled == pytest.approx(8 * upper - 4)


@pytest.mark.parametrize(
    "values",
    [[], [0.2], [0.2, math.nan], [0.2, math.inf], [0.2, -0.1], [0.2, 1.1]],
    ids=["no rows", "one row", "NaN", "inf", "below", "above"],
)
def test_unusable_values_give_no_bound(values):
    test = least_mean_test([values, values], [(0.0, 1.0), (0.0, 1.0)], 0.05)
    assert test.upper == math.inf
    assert test.p_value(0.99) == 1.0


def test_infinite_range_gives_no_bound():
    values = [[0.1] * 500] * 2
    assert least_mean_test(values, [(0.0, 1.0), (0.0, math.inf)], 0.05).upper == math.inf


def test_range_must_be_ordered():
    with pytest.raises(ValueError, match=r"must be \(low, high\) with low < high"):
        least_mean_test([[0.5, 0.5]], [(1.0, 0.0)], 0.05)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="must have the same number of entries, one per mean"):
        least_mean_test([[0.5, 0.5]], [(0.0, 1.0), (0.0, 1.0)], 0.05)

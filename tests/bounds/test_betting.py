import math

import numpy as np
import pytest
from certificates_bounds import bet_share, false_certificates_of_orders, largest_capital

from sklearn_seldonian.bounds import betting_p_value, betting_upper, ratio_betting_p_value
from sklearn_seldonian.bounds._betting import _block_means

UNIT = [(0.0, 1.0)]
TRIALS = 20_000


def allowed(delta, trials=TRIALS):
    """Delta plus four standard errors of a share of this many trials."""
    return delta + 4 * math.sqrt(delta * (1 - delta) / trials)


def pareto_mean():
    """E min(X / 50, 1) of a Lomax variable with P(X > x) = (1 + x)^-1.1: heavy tails up to the
    cap.
    """
    return (51**-0.1 - 1) / (-0.1) / 50


VALUES = {
    "uniform": (lambda rng, s: rng.random(s), 0.5),
    "heavy-tailed": (lambda rng, s: np.minimum(rng.pareto(1.1, s) / 50, 1.0), pareto_mean()),
    "skewed": (lambda rng, s: rng.beta(0.1, 0.9, s), 0.1),
    "two-point rare": (lambda rng, s: (rng.random(s) < 0.05) * 1.0, 0.05),
    "two-point even": (lambda rng, s: (rng.random(s) < 0.5) * 1.0, 0.5),
    "two-point common": (lambda rng, s: (rng.random(s) < 0.95) * 1.0, 0.95),
    "near-zero variance": (lambda rng, s: 0.3 + 1e-3 * rng.random(s), 0.3005),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.thinned(2)
def test_false_certificates_by_simulation(name):
    draw, mean = VALUES[name]
    rng = np.random.default_rng(11)
    for n in (2, 10, 60):
        x = draw(rng, (TRIALS, n))
        for delta in (0.05, 0.1):
            assert bet_share(x, mean, delta) <= allowed(delta), (n, delta)


@pytest.mark.parametrize("n", [20, 60, pytest.param(363, marks=pytest.mark.slow)])
def test_false_certificates_of_rows_that_come_in_any_order(n):
    """Zeros and ones, summed over all counts. `benchmarks/certificates_bounds.py` has every n."""
    found_of = false_certificates_of_orders(n, 40, (0.05, 0.2, 0.5), (0.05, 0.1))
    for (_, delta), found in found_of.items():
        assert found.share <= delta + 4 * found.error
        assert found.error <= 0.02


def test_one_order_for_all_sorted_rows_is_not_enough():
    """A check that the test above can fail: the order has to differ from sample to sample."""
    (found,) = false_certificates_of_orders(200, 1, (0.05,), (0.05,)).values()
    assert found.in_one_order > 0.2


def test_false_certificates_for_unequal_samples():
    """Blocks of 3 and 4 rows, and single rows; the difference of means is exactly at the limit."""
    rng, trials = np.random.default_rng(13), TRIALS
    x, y = rng.beta(2, 6, (trials, 40)), (rng.random((trials, 130)) < 0.15) * 1.0
    starts = np.arange(40) * 130 // 40
    blocks = np.add.reduceat(y, starts, axis=1) / np.diff(starts, append=130)
    z = (x - blocks + 1) / 2
    assert bet_share(z, (0.25 - 0.15 + 1) / 2, 0.05) <= allowed(0.05)


def test_power_for_soft_parity():
    rng, trials = np.random.default_rng(14), 4000
    z = (rng.beta(4, 5, (trials, 300)) - rng.beta(4, 5, (trials, 300)) + 1) / 2
    both = np.minimum(largest_capital(z, 0.525, 0.05), largest_capital(1 - z, 0.525, 0.05))
    assert np.mean(both >= 20) >= 0.93


# Mean widths over 5 samples of n values of the authors' 95 % "Hedged-CI [Rmk 3]": the heights of
# the green curves in their vector graphics (their text and tests print none),
# https://github.com/WannabeSmith/betting-paper-simulations, simulations/Fixed-time/figures
PUBLISHED_WIDTHS = {
    "Bernoulli_0.5": {24: 0.4766, 108: 0.2236, 490: 0.1128, 958: 0.0764},
    "Bernoulli_0.1": {24: 0.3278, 108: 0.1566, 490: 0.0710, 958: 0.0466},
    "Beta_1,_1": {24: 0.2872, 108: 0.1298, 490: 0.0632, 958: 0.0430},
    "Beta_10,_30": {24: 0.1966, 108: 0.0538, 490: 0.0182, 958: 0.0122},
}
PUBLISHED_DRAWS = {
    "Bernoulli_0.5": lambda rng, n: (rng.random(n) < 0.5) * 1.0,
    "Bernoulli_0.1": lambda rng, n: (rng.random(n) < 0.1) * 1.0,
    "Beta_1,_1": lambda rng, n: rng.random(n),
    "Beta_10,_30": lambda rng, n: rng.beta(10, 30, n),
}


@pytest.mark.parametrize("figure", PUBLISHED_WIDTHS)
def test_widths_of_the_authors_figures(figure, whole):
    """The authors' hedge at alpha consists of two one-sided capitals at about alpha / 2.

    Bets that aim at the last row are never wider. With 100 rows or more, they are narrower by a
    tenth.
    """
    rng = np.random.default_rng(21)
    for n, published in PUBLISHED_WIDTHS[figure].items():
        samples = [PUBLISHED_DRAWS[figure](rng, n) for _ in range(50 if whole else 6)]
        widths = [
            betting_upper([x], [1], UNIT, 0.025) + betting_upper([1 - x], [1], UNIT, 0.025) - 1
            for x in samples
        ]
        error = np.std(widths) * math.sqrt(1 / 5 + 1 / len(samples))
        assert np.mean(widths) <= published + 2 * error, n
        if n > 100:
            assert np.mean(widths) <= 0.9 * published + 2 * error, n


@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.8, -1.0), (-1.0, -2.0)])
def test_bound_and_p_value_agree(weights):
    rng = np.random.default_rng(2)
    for n1, n2 in [(1, 1), (2, 5), (30, 30), (30, 47), (400, 90)]:
        samples, ranges = [rng.random(n1), 4 * rng.random(n2) - 1], [(0, 1), (-1, 3)]
        upper = betting_upper(samples, weights, ranges, 0.05)
        for limit in (upper - 1e-9, upper, upper + 1e-9, -1.0, 0.0, 0.3, 1.0, 2.0):
            p = betting_p_value(samples, weights, ranges, limit, 0.05)
            assert (p <= 0.05) == (upper <= limit)


def test_p_value_decreases_with_the_limit():
    x = np.random.default_rng(3).beta(0.5, 2, 80)
    p = [betting_p_value([x], [1], UNIT, c, 0.05) for c in np.linspace(-0.1, 1.1, 60)]
    assert np.all(np.diff(p) <= 1e-12)


def test_rows_of_larger_samples_are_all_used():
    values = np.random.default_rng(4).random(23)
    starts = [0, 4, 9, 13, 18]
    expected = [block.mean() for block in np.split(values, starts[1:])]
    assert _block_means(values, 5) == pytest.approx(expected)
    assert _block_means(values, 23) == pytest.approx(values)
    assert _block_means(values, 1) == pytest.approx([values.mean()])


def test_scale_and_sign():
    x = np.random.default_rng(5).random(60)
    upper = betting_upper([x], [1], UNIT, 0.05)
    assert betting_upper([-1 + 4 * x], [0.5], [(-1, 3)], 0.05) == pytest.approx(-0.5 + 2 * upper)
    assert betting_upper([-x], [-1], [(-1, 0)], 0.05) == pytest.approx(upper)


def test_equal_values_never_give_a_zero_width_bound():
    for value in (0.0, 0.51, 1.0):
        upper = betting_upper([[value] * 100], [1], UNIT, 0.05)
        assert upper > value or upper == 1.0
    # Five identical scores at an end of the range do not show a rate of at most one in a thousand.
    assert betting_p_value([[0.0] * 5], [1], UNIT, 0.001, 0.05) > 0.9


def test_single_row_certifies_nothing_short_of_the_range():
    assert betting_upper([[0.0]], [1], UNIT, 0.05) > 0.9


@pytest.mark.parametrize(
    "values",
    [[], [0.2, math.nan], [0.2, math.inf], [0.2, -0.1], [0.2, 1.1], [[0.2, 0.3]]],
    ids=["no rows", "NaN", "inf", "below", "above", "2-D"],
)
def test_unusable_values_give_no_bound(values):
    samples = [[0.1] * 500, values]
    assert betting_upper(samples, [1, 1], UNIT * 2, 0.05) == math.inf
    assert betting_p_value(samples, [1, 1], UNIT * 2, 1.99, 0.05) == 1.0


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_not_finite_give_no_bound(weight):
    assert betting_upper([[0.1] * 500], [weight], UNIT, 0.05) == math.inf
    assert betting_p_value([[0.1] * 500], [weight], UNIT, 0.9, 0.05) == 1.0


def test_infinite_range_gives_no_bound():
    assert betting_upper([[0.1] * 500], [1], [(0.0, math.inf)], 0.05) == math.inf
    assert betting_p_value([[0.1] * 500], [1], [(-math.inf, 1.0)], 0.9, 0.05) == 1.0


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1.0, 0.0), (0.0, 1.0), (-0.5, 1.0), (math.nan, 1.0), (math.inf, 1.0)],
)
def test_edges_of_the_p_value(limit, expected):
    assert betting_p_value([[0.0] * 500], [1], UNIT, limit, 0.05) == expected


def test_weights_of_zero():
    assert betting_upper([[0.5]], [0.0], UNIT, 0.05) == 0.0
    assert betting_p_value([[0.5]], [0.0], UNIT, 0.0, 0.05) == 0.0
    assert betting_p_value([[0.5]], [0.0], UNIT, -0.1, 0.05) == 1.0


def test_range_must_be_ordered():
    with pytest.raises(ValueError, match=r"must be \(low, high\) with low < high"):
        betting_upper([[0.5]], [1.0], [(1.0, 0.0)], 0.05)


RATIOS = {
    # Numerator and denominator of n rows, and their ratio.
    "share of drawn decisions": (
        lambda rng, n: ((p := rng.choice([0.05, 0.6, 1.0], n)) * (rng.random(n) < 0.8), p),
        0.8,
    ),
    "its reciprocal": (
        lambda rng, n: ((p := rng.beta(1, 3, n)), p * (rng.random(n) < 0.8)),
        1.25,
    ),
    "two rates of events": (
        lambda rng, n: ((rng.random(n) < 0.06) * 1.0, (rng.random(3 * n) < 0.05) * 1.0),
        1.2,
    ),
}


@pytest.mark.parametrize("name", RATIOS)
def test_false_certificates_of_ratios_by_simulation(name, whole):
    draw, ratio = RATIOS[name]
    rng, trials = np.random.default_rng(31), 3000 if whole else 600
    for n in (5, 80):
        samples = (draw(rng, n) for _ in range(trials))
        p_values = [ratio_betting_p_value(u, v, (1.0, 1.0), ratio, 0.1) for u, v in samples]
        assert np.mean(np.array(p_values) <= 0.1) <= allowed(0.1, trials), n


def test_p_value_of_a_ratio_decreases_with_the_limit():
    for draw, ratio in RATIOS.values():
        u, v = draw(np.random.default_rng(32), 120)
        limits = ratio * np.geomspace(0.2, 20, 50)
        p_values = [ratio_betting_p_value(u, v, (1.0, 1.0), r, 0.05) for r in limits]
        assert np.all(np.diff(p_values) <= 1e-12)
        assert p_values[0] > 0.5
        assert p_values[-1] < 0.05


@pytest.mark.parametrize(
    ("u", "v", "limit"),
    [
        ([], [], 1.0),
        ([0.1, math.nan], [0.5, 0.5], 1.0),
        ([0.1, -0.1], [0.5, 0.5], 1.0),
        ([0.1, 0.1], [0.5, 1.5], 1.0),
        ([0.1] * 500, [0.9] * 500, math.nan),
        ([0.1] * 500, [0.9] * 500, math.inf),
    ],
)
def test_ratios_of_what_cannot_be_used_are_not_certified(u, v, limit):
    assert ratio_betting_p_value(u, v, (1.0, 1.0), limit, 0.05) == 1.0

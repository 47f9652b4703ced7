import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import rel_entr
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    binomial_lower,
    binomial_upper,
    chernoff_p_value,
    chernoff_upper,
)
from sklearn_seldonian.bounds._chernoff import chernoff_p_values

DELTA = 0.05


def sample_space(trials):
    return np.array(list(product(*(range(n + 1) for n in trials))), dtype=float)


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
@pytest.mark.parametrize(
    ("trials", "weights"),
    [
        ((1, 2, 3), (1.0, 1.0, 1.0)),
        ((4, 4, 4), (1.0, -1.0, 0.5)),
        ((9, 3, 5), (-1.0, 0.7, -0.2)),
        ((30, 20), (1.0, -1.0)),
        ((60,), (-1.0,)),
    ],
)
@pytest.mark.thinned(4)
def test_false_certificates_by_enumeration(trials, weights, delta):
    """Summed over the whole sample space, at most delta for rates beyond the limit."""
    tables = sample_space(trials)
    lowest, highest = sum(min(a, 0) for a in weights), sum(max(a, 0) for a in weights)
    grid = np.linspace(0.0, 1.0, {1: 401, 2: 41, 3: 18}[len(trials)]) ** 1.3
    rates = np.array(list(product(grid, repeat=len(trials))))
    mass = np.ones((len(rates), 1))
    for k, n in enumerate(trials):
        mass = mass * binom.pmf(tables[:, k], n, rates[:, k : k + 1])
    for share in (0.15, 0.4, 0.62, 0.9):
        limit = lowest + share * (highest - lowest)
        certified = chernoff_p_values(tables, trials, weights, limit, delta) <= delta
        wrong = mass[rates @ np.array(weights) > limit][:, certified].sum(axis=1)
        assert wrong.max(initial=0.0) <= delta


def test_table_form_is_the_scalar_form():
    tables = sample_space((2, 3, 2))
    p = chernoff_p_values(tables, (2, 3, 2), (1.0, -0.5, 2.0), 1.2, DELTA)
    for table, expected in zip(tables, p, strict=True):
        scalar = chernoff_p_value(table, (2, 3, 2), (1.0, -0.5, 2.0), 1.2, DELTA)
        assert scalar == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weights", [(1.0, -1.0, 1.0), (0.8, -1.0, 0.3), (1.0, 1.0, -2.0)])
def test_passing_by_bound_is_passing_by_p_value(weights, whole):
    for table in sample_space((3, 2, 4))[:: 1 if whole else 7]:
        upper = chernoff_upper(table, (3, 2, 4), weights, DELTA)
        for limit in (upper - 1e-6, upper, upper + 1e-6, -0.3, 0.0, 0.3, 0.9):
            p = chernoff_p_value(table, (3, 2, 4), weights, limit, DELTA)
            assert (upper <= limit) == (p <= DELTA), (table, limit)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # SLSQP before scipy 1.15
@pytest.mark.parametrize(
    ("counts", "trials", "weights", "c"),
    [
        ((10, 12, 8, 11), (200, 200, 200, 200), (1.0, 1.0, 1.0, 1.0), 0.3),
        ((3, 9), (20, 60), (1.0, 0.4), 0.4),
        ((5, 1, 17), (30, 10, 40), (0.3, 1.0, 0.5), 0.6),
    ],
)
def test_equals_the_primal_problem_solved_by_another_method(counts, trials, weights, c):
    """-log(p - gamma) is the smallest sum of n KL(q || p) over a q <= t, a p >= c, p in the box."""
    k, n, a = (np.array(x, dtype=float) for x in (counts, trials, weights))
    tail = DELTA / 50 / (2 * len(n))
    box = [
        (binomial_lower(x, m, tail), binomial_upper(x, m, tail)) for x, m in zip(k, n, strict=True)
    ]
    size, t = len(n), a @ (k / n)

    def divergence(z):
        q, p = z[:size], z[size:]
        return np.sum(n * (rel_entr(q, p) + rel_entr(1 - q, 1 - p)))

    constraints = [
        {"type": "ineq", "fun": lambda z: t - a @ z[:size]},
        {"type": "ineq", "fun": lambda z: a @ z[size:] - c},
    ]
    high = np.array(box)[:, 1]
    bounds = [(1e-9, 1 - 1e-9)] * size + box
    start = np.concatenate([k / n, 0.9 * high])
    best = minimize(divergence, start, bounds=bounds, constraints=constraints, method="SLSQP")
    ours = chernoff_p_value(counts, trials, weights, c, DELTA) - DELTA / 50
    assert math.log(ours) == pytest.approx(-best.fun, rel=1e-4)


def test_one_rate_without_events_is_exact_but_for_the_box():
    """P(X = 0) = (1 - c)^n equals its Chernoff bound."""
    assert chernoff_p_value([0], [30], [1.0], 0.1, DELTA) == pytest.approx(
        0.9**30 + DELTA / 50, rel=1e-6
    )


def test_signs_are_mirrored():
    upper = chernoff_upper([3, 5, 2], [9, 9, 9], [1, -1, 0.5], DELTA)
    mirrored = chernoff_upper([3, 4, 2], [9, 9, 9], [1, 1, 0.5], DELTA)
    assert upper == pytest.approx(mirrored - 1.0)


def test_weight_of_zero_is_left_out():
    with_zero = chernoff_upper([3, 5], [9, 9], [1, 0], DELTA / 2)
    box_of_one = chernoff_upper([3], [9], [1], DELTA / 2)
    assert with_zero == pytest.approx(box_of_one)
    assert chernoff_upper([3, 5], [9, 9], [0, 0], DELTA) == 0.0
    assert chernoff_p_value([3, 5], [9, 9], [0, 0], 0.0, DELTA) == 0.0
    assert chernoff_p_value([3, 5], [9, 9], [0, 0], -0.1, DELTA) == 1.0


def errors_gap_certified(rates, n, seed, trials=4000):
    """The share of samples that certify |FNR gap| + |FPR gap| <= .35, an AND of 4 signs."""
    tables = np.random.default_rng(seed).binomial(n, rates, (trials, 4)).astype(float)
    worst = np.zeros(trials)
    for s, r in product((1.0, -1.0), repeat=2):
        p = chernoff_p_values(tables, [n] * 4, [s, -s, r, -r], 0.35, DELTA)
        worst = np.maximum(worst, p)
    return np.mean(worst <= DELTA)


def test_power_for_the_sum_of_two_gaps():
    assert errors_gap_certified((0.05, 0.1, 0.05, 0.1), 100, seed=0) >= 0.80
    assert errors_gap_certified((0.2, 0.25, 0.25, 0.3), 200, seed=1) >= 0.84


def test_false_certificates_by_simulation_for_equalised_odds(whole):
    """Gaps of .2 and .15 have their sum at the limit: 20,000 samples, four standard errors."""
    trials = 20_000 if whole else 4000
    wrong = errors_gap_certified((0.3, 0.1, 0.2, 0.35), 150, seed=2, trials=trials)
    assert wrong <= DELTA + 4 * math.sqrt(DELTA * (1 - DELTA) / trials)


@pytest.mark.parametrize(
    ("counts", "trials", "weights"),
    [
        ((0, 0, 1), (0, 5, 5), (1, 1, 1)),
        ((math.nan, 0, 1), (5, 5, 5), (1, 1, 1)),
        ((1, 0, 1), (5, 5, 5), (1, math.nan, 1)),
        ((1, 0, 1), (5, 5, 5), (1, math.inf, 1)),
    ],
)
def test_no_information_gives_no_bound(counts, trials, weights):
    assert chernoff_upper(counts, trials, weights, DELTA) == math.inf
    assert chernoff_p_value(counts, trials, weights, 2.9, DELTA) == 1.0


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(2.0, 0.0), (3.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0)],
)
def test_edges_of_the_p_value(limit, expected):
    assert chernoff_p_value([1, 2], [5, 5], [1, 1], limit, DELTA) == expected


@pytest.mark.parametrize(
    ("counts", "trials", "weights", "most"),
    [
        ((3, 7), (3, 7), (1, 1), 2.0),
        ((3, 0), (3, 7), (1, -1), 1.0),
        ((0, 0, 0, 0), (5, 50, 500, 5000), (1, 1, 1, 1), 0.5),
        ((10, 0), (10, 10**6), (1, 1), 1.001),
        ((1, 0, 1), (1, 1, 1), (1, 1e-6, 1e6), 1e6 + 1.1),
        ((5 * 10**6,) * 4, (10**7,) * 4, (1, -1, 1, -1), 0.0008),
    ],
)
def test_extreme_tables_terminate_without_warnings(counts, trials, weights, most):
    upper = chernoff_upper(counts, trials, weights, DELTA)
    estimate = sum(a * k / n for a, k, n in zip(weights, counts, trials, strict=True))
    assert estimate <= upper <= most
    assert chernoff_p_value(counts, trials, weights, upper, DELTA) <= DELTA

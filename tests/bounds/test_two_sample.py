import math
from itertools import product

import exhaustive as enumeration
import numpy as np
import pytest
from exhaustive import binomial_masses, two_rate_p_values
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_seldonian.bounds import (
    rate_p_value,
    rate_upper,
    two_rate_certified,
    two_rate_p_value,
    two_rate_upper,
)
from sklearn_seldonian.bounds._pair import SLACK_SHARE

PARITY, MIRRORED = (1.0, -1.0), (-1.0, 1.0)
MARGINS = (-0.3, 0.0, 0.05, 0.1, 0.3)
PROBLEMS = [
    *((PARITY, margin) for margin in MARGINS),
    (MIRRORED, 0.1),
    ((0.8, -1.0), 0.0),  # the second rate is at least 0.8 of the first
    ((0.9, -1.0), 0.0),
    ((-1.0, 0.8), 0.0),
    ((1.0, 0.4), 0.5),
    ((-0.7, -1.3), -1.1),
]
SIZES = (1, 2, 5, 10, 30, 100)


def false_certificates(certified, trials, weights, limit, points=289):
    """The largest exact probability of certifying, over rates on and beyond the limit.

    There is one for each table of verdicts in `certified`, whose last two axes are the counts.
    """
    positive, c = np.abs(weights), limit - sum(a for a in weights if a < 0)
    worst = np.zeros(certified.shape[:-2])
    for beyond in (0.0, 0.001, 0.01, 0.05, 0.2, 0.5):
        level = c + beyond * (positive.sum() - c)
        first, last = max(0.0, (level - positive[0]) / positive[1]), min(1.0, level / positive[1])
        angle = np.linspace(np.arcsin(np.sqrt(first)), np.arcsin(np.sqrt(last)), points)
        p2 = np.clip(np.sin(angle) ** 2, first, last)
        p1 = np.clip((level - positive[1] * p2) / positive[0], 0.0, 1.0)
        rates = [p if a > 0 else 1 - p for p, a in zip((p1, p2), weights, strict=True)]
        mass1, mass2 = (binomial_masses(n, p) for n, p in zip(trials, rates, strict=True))
        worst = np.maximum(worst, ((mass1 @ certified) * mass2).sum(axis=-1).max(axis=-1))
    return worst


@pytest.mark.parametrize(("weights", "limit"), PROBLEMS)
@pytest.mark.thinned(3)
def test_false_certificates_by_enumeration(weights, limit):
    """Sums over the whole sample space. P-values are lower bounds, so a superset is certified."""
    deltas = (0.01, 0.05, 0.1)
    for trials in product(SIZES, repeat=2):
        certified = np.array(
            [two_rate_p_values(trials, weights, limit, delta) <= delta for delta in deltas]
        )
        wrong = false_certificates(certified, trials, weights, limit)
        assert np.all(wrong <= deltas), (trials, wrong)


@pytest.mark.parametrize("trials", [(1, 1), (2, 5), (7, 4), (10, 10)])
@pytest.mark.parametrize(("weights", "limit"), PROBLEMS)
@pytest.mark.thinned(5)
def test_false_certificates_of_the_functions_themselves(weights, limit, trials):
    certified = np.array(
        [
            [two_rate_p_value((i, j), trials, weights, limit, 0.05) <= 0.05 for j in range(n2 + 1)]
            for n2 in [trials[1]]
            for i in range(trials[0] + 1)
        ]
    )
    assert false_certificates(certified, trials, weights, limit) <= 0.05


@pytest.mark.parametrize(
    ("trials", "weights", "delta"),
    [
        ((1, 2), PARITY, 0.1),
        pytest.param((3, 4), PARITY, 0.1, marks=pytest.mark.slow),
        pytest.param((2, 4), (0.8, -1.0), 0.05, marks=pytest.mark.slow),
        pytest.param((4, 2), (1.0, 0.4), 0.01, marks=pytest.mark.slow),
        ((1, 1), MIRRORED, 0.3),
    ],
)
def test_bound_covers_by_enumeration(trials, weights, delta):
    """P(upper < a p) <= delta for rates all over the square."""
    first, second = (range(n + 1) for n in trials)
    upper = np.array(
        [[two_rate_upper((i, j), trials, weights, delta) for j in second] for i in first]
    )
    rates = np.linspace(0.003, 0.997, 41)
    mass1, mass2 = (binomial_masses(n, rates) for n in trials)
    for i, j in product(range(41), repeat=2):
        missed = upper < weights[0] * rates[i] + weights[1] * rates[j]
        assert mass1[i] @ missed @ mass2[j] <= delta + 1e-12


@pytest.mark.parametrize(
    ("trials", "weights"), [((2, 3), PARITY), ((3, 2), MIRRORED), ((2, 2), (0.8, -1.0))]
)
@pytest.mark.thinned(2)
def test_passing_is_an_upper_bound_within_the_limit(trials, weights, whole):
    """On all tables, certified equals `upper <= limit`, which implies `p <= delta`."""
    tables = list(product(range(trials[0] + 1), range(trials[1] + 1)))
    for table in tables[:: 1 if whole else 5]:
        upper = two_rate_upper(table, trials, weights, 0.05)
        for limit in (0.2, upper - 1e-9, upper):
            passed = upper <= limit
            p = two_rate_p_value(table, trials, weights, limit, 0.05)
            assert two_rate_certified(table, trials, weights, limit, 0.05) == passed
            assert not passed or p <= 0.05
            # All other cases are within the search's last step of the bound.
            assert passed or p > 0.05 or upper - limit < 0.003


@pytest.mark.parametrize("table", [(9, 2), (12, 14), (0, 3), (29, 30), (0, 0)])
@pytest.mark.parametrize("weights", [PARITY, MIRRORED, (0.9, -1.0), (1.0, 0.4)])
@pytest.mark.thinned(3)
def test_every_limit_above_the_bound_is_rejected(table, weights):
    """P-values are not monotone in the limit, so all limits have to be checked."""
    upper = two_rate_upper(table, (30, 30), weights, 0.05)
    most = sum(a for a in weights if a > 0)
    for limit in np.linspace(upper, max(upper, most), 40):
        assert two_rate_p_value(table, (30, 30), weights, limit, 0.05) <= 0.05


def test_a_bound_may_lie_above_limits_that_are_rejected():
    """Why all limits are checked: a p-value that falls below delta, rises, and falls again."""
    table, trials = (3, 23), (10, 30)
    limits = np.linspace(-0.35, 0.0, 71)
    p = np.array([two_rate_p_value(table, trials, PARITY, c, 0.05) for c in limits])
    rejected = (p <= 0.05).astype(int)
    assert np.any(np.diff(rejected) < 0)
    upper = two_rate_upper(table, trials, PARITY, 0.05)
    assert np.any(p[limits < upper - 0.03] <= 0.05)
    assert np.all(p[limits >= upper] <= 0.05)
    below = limits[(limits < upper - 0.03) & (p <= 0.05)][0]
    assert not two_rate_certified(table, trials, PARITY, below, 0.05)


def test_the_supremum_is_over_the_whole_region():
    """Counts 9 and 2 of 30, null hypothesis p1 - p2 >= -.42: the whole region counts, not only its
    edge. On the edge the second rate is at least .42, which 2 of 30 contradict. So the edge has no
    rates within the confidence interval of p2, and a supremum over it would be over nothing.
    """
    assert two_rate_p_value((9, 2), (30, 30), PARITY, -0.42, 0.05) == 1.0
    assert not two_rate_certified((9, 2), (30, 30), PARITY, -0.42, 0.05)
    assert two_rate_upper((9, 2), (30, 30), PARITY, 0.05) > 0.23


def test_the_opposite_constraint_is_certified():
    """The same counts show that p2 - p1 is at most .42: the estimate is -.23."""
    assert two_rate_certified((9, 2), (30, 30), MIRRORED, 0.42, 0.05)
    assert two_rate_upper((9, 2), (30, 30), MIRRORED, 0.05) < 0.0


@pytest.mark.parametrize(
    ("trials", "weights", "limit", "delta"),
    [
        ((5, 7), PARITY, 0.1, 0.05),
        ((10, 10), MIRRORED, 0.3, 0.01),
        ((1, 30), (0.8, -1.0), 0.0, 0.05),
        ((30, 12), (0.3, 1.7), 0.4, 0.1),
    ],
)
@pytest.mark.thinned(2)
def test_search_for_the_worst_rates_is_a_tight_bound(trials, weights, limit, delta, monkeypatch):
    """At least the maximum over a fine grid, and at most delta / 1000 above it."""
    monkeypatch.setattr(enumeration, "POINTS", 400)
    below = two_rate_p_values(trials, weights, limit, delta)
    for table in product(range(trials[0] + 1), range(trials[1] + 1)):
        p = two_rate_p_value(table, trials, weights, limit, delta)
        assert p >= below[table] - 1e-12
        assert p <= below[table] + 3e-3 * max(delta, below[table])


@pytest.mark.parametrize("trials", [(100, 100), (300, 40)])
def test_search_for_the_worst_rates_at_larger_sizes(trials):
    below = two_rate_p_values(trials, PARITY, 0.1, 0.05)
    near = np.argwhere((below > 0.01) & (below < 0.2))
    for i, j in np.random.default_rng(0).permutation(near)[:25]:
        p = two_rate_p_value((i, j), trials, PARITY, 0.1, 0.05)
        assert below[i, j] <= p <= below[i, j] * 1.05


def test_no_events_against_all_is_exact():
    """0 of 3 and 4 of 4: no other table is as extreme, so p is a product of two powers."""
    p = two_rate_p_value((0, 4), (3, 4), PARITY, 0.0, 0.05)
    rates = np.linspace(0, 1, 100_001)
    assert p == pytest.approx(((1 - rates) ** 3 * rates**4).max() + 0.05 / 1000, rel=2e-2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n1=st.integers(1, 40), n2=st.integers(1, 40),
    share1=st.floats(0, 1), share2=st.floats(0, 1),
    a1=st.floats(0.1, 3), a2=st.floats(0.1, 3), sign=st.sampled_from([1, -1]),
    limit=st.floats(-1, 1),
)  # fmt: skip
def test_symmetries(n1, n2, share1, share2, a1, a2, sign, limit):
    """Swapping the samples, complementing a rate, and scaling change only the rounding."""
    k1, k2, a2 = round(share1 * n1), round(share2 * n2), sign * a2
    p = two_rate_p_value((k1, k2), (n1, n2), (a1, a2), limit, 0.05)
    swapped = two_rate_p_value((k2, k1), (n2, n1), (a2, a1), limit, 0.05)
    scaled = two_rate_p_value((k1, k2), (n1, n2), (2 * a1, 2 * a2), 2 * limit, 0.05)
    other = two_rate_p_value((k1, n2 - k2), (n1, n2), (a1, -a2), limit - a2, 0.05)
    for same in (swapped, scaled, other):
        assert same == pytest.approx(p, rel=5e-3, abs=0.05 * SLACK_SHARE)  # as large as p may be


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    n1=st.integers(1, 400), n2=st.integers(1, 400),
    share1=st.floats(0, 1), share2=st.floats(0, 1), sign=st.sampled_from([1, -1]),
    delta=st.sampled_from([1e-6, 0.01, 0.05, 0.3, 0.8]),
)  # fmt: skip
def test_bound_is_consistent_for_any_table(n1, n2, share1, share2, sign, delta):
    table, trials, weights = (round(share1 * n1), round(share2 * n2)), (n1, n2), (1.0, -sign)
    upper = two_rate_upper(table, trials, weights, delta)
    estimate = table[0] / n1 - sign * table[1] / n2
    assert estimate <= upper <= max(1.0, 1.0 - sign)
    assert two_rate_p_value(table, trials, weights, upper, delta) <= delta


def test_tighter_than_two_intervals():
    intervals = rate_upper(150, 400, 1.0, 0.025) + rate_upper(150, 400, -1.0, 0.025)
    assert two_rate_upper((150, 150), (400, 400), PARITY, 0.05) < 0.6 * intervals


def power(n, rate, margin, samples, seed):
    """The share of samples in which both signs of a parity constraint are certified."""
    rng, sure = np.random.default_rng(seed), []
    for _ in range(samples):
        table = rng.binomial(n, rate, 2)
        sure.append(
            all(two_rate_certified(table, (n, n), w, margin, 0.05) for w in (PARITY, MIRRORED))
        )
    return np.mean(sure)


@pytest.mark.parametrize(("n", "least"), [(200, 0.27), (400, 0.77)])
def test_power_for_parity_by_enumeration(n, least):
    """The share certified at .4 and .4 with margin .1, summed over all tables."""
    p = two_rate_p_values((n, n), PARITY, 0.1, 0.05)
    both = (p <= 0.05) & (p.T <= 0.05)
    mass = binomial_masses(n, np.array([0.4]))[0]
    assert mass @ both @ mass >= least


def test_power_for_parity_with_800_rows():
    """The power is .985 by enumeration, which takes longer than this test."""
    assert power(800, 0.4, 0.1, samples=40, seed=0) >= 0.95


@pytest.mark.parametrize(
    ("counts", "trials", "weights"),
    [
        ((0, 0), (0, 5), PARITY),
        ((0, 0), (5, 0), PARITY),
        ((math.nan, 0), (5, 5), PARITY),
        ((1, 0), (5, math.inf), PARITY),
        ((1, 0), (5, 5), (1.0, math.nan)),
        ((1, 0), (5, 5), (math.inf, -1.0)),
        ((1, 0), (5, 0), (1.0, 0.0)),
    ],
)
def test_no_information_gives_no_bound(counts, trials, weights):
    assert two_rate_upper(counts, trials, weights, 0.05) == math.inf
    assert two_rate_p_value(counts, trials, weights, 0.999, 0.05) == 1.0
    assert not two_rate_certified(counts, trials, weights, 0.999, 0.05)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1.0, 0.0), (2.0, 0.0), (-1.0, 1.0), (-2.0, 1.0), (math.nan, 1.0), (math.inf, 1.0)],
)
def test_edges_of_the_p_value(limit, expected):
    assert two_rate_p_value((1, 2), (5, 5), PARITY, limit, 0.05) == expected
    assert two_rate_certified((1, 2), (5, 5), PARITY, limit, 0.05) == (expected == 0.0)


def test_estimate_at_the_limit_is_not_certified():
    assert two_rate_p_value((3, 2), (5, 5), PARITY, 0.2, 0.05) == 1.0


@pytest.mark.parametrize("table", [(0, 0), (5, 5), (5, 0), (0, 5), (3, 5)])
def test_extreme_tables_never_give_a_zero_width_bound(table):
    upper = two_rate_upper(table, (5, 5), PARITY, 0.05)
    assert table[0] / 5 - table[1] / 5 < upper or upper == 1.0


def test_weight_of_zero_leaves_one_rate():
    for weights, k, n, a in [((0.8, 0.0), 3, 10, 0.8), ((0.0, -1.0), 4, 9, -1.0)]:
        assert two_rate_upper((3, 4), (10, 9), weights, 0.05) == rate_upper(k, n, a, 0.05)
        p = two_rate_p_value((3, 4), (10, 9), weights, 0.5, 0.05)
        assert p == rate_p_value(k, n, a, 0.5)
        upper = rate_upper(k, n, a, 0.05)
        assert two_rate_certified((3, 4), (10, 9), weights, upper, 0.05)
    assert two_rate_upper((3, 4), (10, 9), (0.0, 0.0), 0.05) == 0.0
    assert two_rate_p_value((3, 4), (10, 9), (0.0, 0.0), 0.0, 0.05) == 0.0


def test_large_samples():
    """35,000 rows per group, compared with the asymptotic bound, which is accurate to four digits
    here.
    """
    upper = two_rate_upper((14_000, 14_200), (35_000, 35_000), PARITY, 0.05)
    se = math.sqrt((0.4 * 0.6 + 0.4057 * 0.5943) / 35_000)
    assert upper == pytest.approx(-200 / 35_000 + 1.645 * se, abs=6e-5)
    assert two_rate_certified((14_000, 14_200), (35_000, 35_000), PARITY, 0.001, 0.05)


def test_samples_of_very_different_size():
    upper = two_rate_upper((4, 100_000), (10, 10**6), PARITY, 0.05)
    one = rate_upper(4, 10, 1.0, 0.05) - 0.1
    assert upper == pytest.approx(one, abs=0.03)


@pytest.mark.parametrize(
    ("table", "trials", "weights"),
    [
        ((92, 0), (913, 1777), (1494.2, -0.00125)),
        ((0, 26_913), (114_747, 73_122), (-0.4, 1.3)),
        ((7, 10**7), (10**7, 10**7), (1.0, -1.0)),
    ],
)
def test_rates_next_to_zero_and_one_with_a_tiny_delta(table, trials, weights):
    upper = two_rate_upper(table, trials, weights, 1e-8)
    assert two_rate_p_value(table, trials, weights, upper, 1e-8) <= 1e-8
    assert two_rate_certified(table, trials, weights, upper, 1e-8)


def test_two_rates_are_needed():
    with pytest.raises(ValueError, match="exactly two rates"):
        two_rate_upper((1, 2, 3), (5, 5, 5), (1, 1, 1), 0.05)
    with pytest.raises(ValueError, match="the same number of entries, one per mean"):
        two_rate_p_value((1, 2), (5, 5), (1,), 0.5, 0.05)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        two_rate_certified((1, 2), (5, 5), PARITY, 0.5, 0.0)

import math

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from sklearn_seldonian.bounds import (
    binomial_lower,
    binomial_upper,
    rate_certified,
    rate_p_value,
    rate_upper,
)

DELTAS = (0.01, 0.05, 0.1)
TABLES = [(k, n) for n in (1, 2, 5, 10, 30) for k in range(n + 1)] + [(0, 300), (7, 300)]


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("n", [1, 2, 5, 10, 30, 100])
@pytest.mark.thinned(4)
def test_false_certificates_by_enumeration(n, delta):
    """The exact probability that the upper bound is below the true rate is at most delta."""
    counts = np.arange(n + 1)
    upper = np.array([binomial_upper(k, n, delta) for k in counts])
    lower = np.array([binomial_lower(k, n, delta) for k in counts])
    for rate in np.append(np.linspace(0.0, 1.0, 997), upper - 1e-12):
        mass = binom.pmf(counts, n, rate)
        assert mass[upper < rate].sum() <= delta + 1e-12
        assert mass[lower > rate].sum() <= delta + 1e-12


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("limit", [0.05, 0.1, 0.3, 0.9])
def test_test_by_enumeration(limit, delta):
    for n in (1, 2, 5, 10, 30, 100):
        counts = np.arange(n + 1)
        certified = [rate_p_value(k, n, 1.0, limit) <= delta for k in counts]
        for rate in np.linspace(limit, 1.0, 101):
            assert binom.pmf(counts, n, rate)[certified].sum() <= delta + 1e-12


@pytest.mark.parametrize("weight", [1.0, -1.0, 0.8, -0.8, 0.3, -7.0, 0.0])
@pytest.mark.parametrize("delta", DELTAS)
def test_bound_and_p_value_agree(weight, delta):
    """`upper <= limit` if and only if `p <= delta`, even 1e-13 from the bound."""
    for k, n in TABLES:
        upper = rate_upper(k, n, weight, delta)
        for limit in (upper - 1e-13, upper, upper + 1e-13, -0.3, 0.0, 0.05, 0.1, 0.3, 0.8, 0.95):
            certified = rate_p_value(k, n, weight, limit) <= delta
            assert certified == (upper <= limit), (k, n, limit)
            assert rate_certified(k, n, weight, limit, delta) == (upper <= limit)


@pytest.mark.parametrize("weight", [1.0, -1.0, 0.8, -7.0])
def test_every_float_above_the_bound_is_certified(weight):
    """P-values have rounding errors, so the first limit that passes is not always a bound."""
    for k, n in TABLES:
        limit = rate_upper(k, n, weight, 0.05)
        assert not rate_certified(k, n, weight, np.nextafter(limit, -np.inf), 0.05)
        for _ in range(8):
            assert rate_p_value(k, n, weight, limit) <= 0.05
            assert rate_certified(k, n, weight, limit, 0.05)
            limit = np.nextafter(limit, np.inf)


@pytest.mark.parametrize(("k", "n"), [t for t in TABLES if 0 < t[0] < t[1]])
def test_agrees_with_scipy_and_statsmodels(k, n):
    assert binomial_upper(k, n, 0.05) == pytest.approx(beta.ppf(0.95, k + 1, n - k), rel=1e-9)
    low, high = proportion_confint(k, n, alpha=0.1, method="beta")
    assert binomial_lower(k, n, 0.05) == pytest.approx(low, rel=1e-9)
    assert binomial_upper(k, n, 0.05) == pytest.approx(high, rel=1e-9)
    for limit in (0.05, 0.3, 0.9):
        less, greater = (binomtest(k, n, limit, alternative=a) for a in ("less", "greater"))
        assert rate_p_value(k, n, 1.0, limit) == pytest.approx(less.pvalue, rel=1e-9)
        assert rate_p_value(k, n, -1.0, -limit) == pytest.approx(greater.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_published_intervals(k, n, low, high):
    assert binomial_lower(k, n, 0.025) == pytest.approx(low, abs=5e-5)
    assert binomial_upper(k, n, 0.025) == pytest.approx(high, abs=5e-5)


def test_no_events_in_300_rows_is_the_rule_of_three():
    assert binomial_upper(0, 300, 0.05) == pytest.approx(1 - 0.05 ** (1 / 300), rel=1e-12)


@pytest.mark.parametrize("k", range(11))
def test_mirrored_use(k):
    assert binomial_lower(k, 10, 0.05) == pytest.approx(1 - binomial_upper(10 - k, 10, 0.05))
    assert rate_p_value(k, 10, -2.0, -0.6) == pytest.approx(rate_p_value(10 - k, 10, 1.0, 0.7))


@pytest.mark.parametrize(
    ("k", "n", "limit", "expected"),
    [
        (0, 0, 0.5, 1.0),  # no rows
        (0, 10, math.nan, 1.0),
        (0, 10, math.inf, 1.0),
        (math.nan, 10, 0.5, 1.0),
        (0, math.inf, 0.5, 1.0),
        (10, 10, 0.999, 1.0),
        (10, 10, 1.0, 0.0),  # no rate exceeds 1
        (0, 10, 0.0, 1.0),
        (0, 10, -0.1, 1.0),
    ],
)
def test_edges_of_the_p_value(k, n, limit, expected):
    assert rate_p_value(k, n, 1.0, limit) == expected


def test_no_information_gives_no_bound():
    for k, n in [(0, 0), (math.nan, 10), (0, math.nan)]:
        assert binomial_upper(k, n, 0.05) == math.inf
        assert binomial_lower(k, n, 0.05) == -math.inf
        assert rate_upper(k, n, -1.0, 0.05) == math.inf
        assert not rate_certified(k, n, -1.0, 1.0, 0.05)
    assert rate_upper(1, 2, math.nan, 0.05) == math.inf
    assert rate_p_value(1, 2, math.nan, 0.05) == 1.0


def test_all_equal_rows_never_give_a_zero_width_bound():
    assert 0.0 < binomial_upper(0, 10**6, 0.05) < 1e-5
    assert binomial_upper(5, 5, 0.05) == 1.0
    assert binomial_lower(5, 5, 0.05) == pytest.approx(0.05 ** (1 / 5))


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_delta_must_be_a_probability(delta):
    with pytest.raises(ValueError, match="must be strictly between 0 and 1"):
        binomial_upper(1, 2, delta)


@pytest.mark.parametrize(
    ("k", "n", "message"),
    [
        (3, 2, "must be between 0 and trials"),
        (-1, 2, "must be between 0 and trials"),
        (0.5, 2, "must be whole numbers"),
    ],
)
def test_impossible_counts_are_refused(k, n, message):
    with pytest.raises(ValueError, match=message):
        rate_p_value(k, n, 1.0, 0.5)
    with pytest.raises(ValueError, match=message):
        rate_upper(k, n, 1.0, 0.05)


def test_extreme_weights_terminate():
    assert rate_upper(3, 10, 1e-310, 0.05) > 0.0
    assert rate_upper(3, 10, 1e307, 0.05) < 1e307

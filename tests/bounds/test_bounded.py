import math

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.bounds import binomial_upper, bounded_mean_lower, bounded_mean_upper


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 2, 5, 10, 30, 100])
@pytest.mark.thinned(4)
def test_false_certificates_for_two_point_values_by_enumeration(n, delta):
    """Values -1 and 3: the sample space is that of a binomial count."""
    counts = np.arange(n + 1)
    upper = np.array([bounded_mean_upper(-1 + 4 * k / n, n, -1.0, 3.0, delta) for k in counts])
    lower = np.array([bounded_mean_lower(-1 + 4 * k / n, n, -1.0, 3.0, delta) for k in counts])
    for rate in np.linspace(0.0, 1.0, 499):
        mass, mean = binom.pmf(counts, n, rate), -1 + 4 * rate
        assert mass[upper < mean].sum() <= delta + 1e-12
        assert mass[lower > mean].sum() <= delta + 1e-12


@pytest.mark.parametrize("n_trials", [2000, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("values", ["beta", "uniform", "three-point"])
@pytest.mark.thinned(2)
def test_false_certificates_by_simulation(values, n_trials):
    rng = np.random.default_rng(3)
    shape = (n_trials, 40)
    sample, mean = {
        "beta": lambda: (rng.beta(0.2, 1.8, shape), 0.1),
        "uniform": lambda: (rng.random(shape), 0.5),
        "three-point": lambda: (rng.choice([0.0, 0.5, 1.0], shape, p=[0.9, 0.05, 0.05]), 0.075),
    }[values]()
    means = sample.mean(axis=1)
    for delta in (0.01, 0.05, 0.1):
        upper = np.array([bounded_mean_upper(m, 40, 0.0, 1.0, delta) for m in means])
        # 4 standard errors of a share of the trials
        assert np.mean(upper <= mean) <= delta + 4 * math.sqrt(delta * (1 - delta) / n_trials)


def test_bound_solves_the_equation():
    upper = bounded_mean_upper(0.2, 50, 0.0, 1.0, 0.05)
    kl = 0.2 * math.log(0.2 / upper) + 0.8 * math.log(0.8 / (1 - upper))
    assert 50 * kl == pytest.approx(math.log(20), rel=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 30), (3, 30), (29, 30), (30, 30), (0, 1)])
def test_never_below_the_exact_bound(k, n):
    exact = binomial_upper(k, n, 0.05)
    assert bounded_mean_upper(k / n, n, 0.0, 1.0, 0.05) >= exact - 1e-14


def test_scale_and_sign():
    upper = bounded_mean_upper(0.3, 20, 0.0, 1.0, 0.05)
    assert bounded_mean_upper(-1 + 4 * 0.3, 20, -1.0, 3.0, 0.05) == pytest.approx(-1 + 4 * upper)
    assert bounded_mean_lower(-0.3, 20, -1.0, 0.0, 0.05) == pytest.approx(-upper)


@pytest.mark.parametrize(
    ("mean", "n"), [(math.nan, 10), (math.inf, 10), (0.5, 0), (1.2, 10), (-0.2, 10)]
)
def test_no_information_gives_no_bound(mean, n):
    assert bounded_mean_upper(mean, n, 0.0, 1.0, 0.05) == math.inf
    assert bounded_mean_lower(mean, n, 0.0, 1.0, 0.05) == -math.inf


def test_infinite_range_gives_no_bound():
    assert bounded_mean_upper(0.5, 10, 0.0, math.inf, 0.05) == math.inf
    assert bounded_mean_lower(0.5, 10, -math.inf, 1.0, 0.05) == -math.inf


def test_mean_that_rounds_out_of_its_range_is_kept():
    assert bounded_mean_upper(1.0 + 1e-15, 10, 0.0, 1.0, 0.05) == 1.0


def test_range_must_be_ordered():
    with pytest.raises(ValueError, match=r"must be \(low, high\) with low < high"):
        bounded_mean_upper(0.5, 10, 1.0, 0.0, 0.05)

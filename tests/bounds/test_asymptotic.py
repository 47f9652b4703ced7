import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.proportion import test_proportions_2indep as score_2indep

from sklearn_seldonian.bounds import (
    delta_method_p_value,
    delta_method_upper,
    score_p_value,
    score_upper,
    t_upper,
)


def test_t_agrees_with_scipy():
    x = np.random.default_rng(0).normal(1.0, 2.0, 17)
    mean, variance = x.mean(), x.var(ddof=1)
    reference = ttest_1samp(x, 1.4, alternative="less")
    assert delta_method_p_value(mean, variance, 17, 1.4) == pytest.approx(
        reference.pvalue, rel=1e-12
    )
    high = reference.confidence_interval(0.9).high
    assert t_upper(mean, variance, 17, 0.1) == pytest.approx(high, rel=1e-12)


@pytest.mark.parametrize(
    ("mean", "variance", "n"),
    [
        (0.5, 1.0, 1),
        (0.5, 1.0, 0),
        (0.5, 0.0, 10),
        (0.5, -1.0, 10),
        (math.nan, 1.0, 10),
        (0.5, math.nan, 10),
        (math.inf, 1.0, 10),
        (0.5, math.inf, 10),
    ],
)
def test_moments_without_information_give_no_bound(mean, variance, n):
    assert t_upper(mean, variance, n, 0.05) == math.inf
    assert delta_method_upper(mean, variance, n, 0.05) == math.inf
    assert delta_method_p_value(mean, variance, n, 0.9) == 1.0


def test_limit_that_is_not_finite_is_not_certified():
    for limit in (math.nan, math.inf, -math.inf):
        assert delta_method_p_value(0.0, 1.0, 10, limit) == 1.0
        assert score_p_value([1, 1], [9, 9], [1, 1], limit) == 1.0


def test_delta_method_covers_a_ratio_of_means_at_about_the_nominal_rate():
    """The mean of z over a mask of about a third of the rows: 200 rows, 20,000 trials."""
    rng = np.random.default_rng(5)
    trials, n, truth = 20_000, 200, 0.3
    mask, z = rng.random((trials, n)) < 0.35, rng.random((trials, n)) < truth
    share, estimate = mask.mean(1), (mask & z).sum(1) / mask.sum(1)
    influence = mask * (z - estimate[:, None]) / share[:, None]
    rows = zip(estimate, influence.var(axis=1, ddof=1), strict=True)
    missed = np.mean([delta_method_upper(e, v, n, 0.05) < truth for e, v in rows])
    assert 0.04 < missed < 0.08  # approximate: nominal 0.05


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 5 (Mee)
        ((56, 70, 48, 80), 0.0533, 0.3377),
        ((9, 10, 3, 10), 0.1821, 0.8370),
    ],
)
def test_published_score_intervals_of_a_difference(counts, low, high):
    k1, n1, k2, n2 = counts
    assert score_upper([k1, k2], [n1, n2], [1, -1], 0.025) == pytest.approx(high, abs=5e-5)
    assert -score_upper([k1, k2], [n1, n2], [-1, 1], 0.025) == pytest.approx(low, abs=5e-5)


@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.0])
@pytest.mark.parametrize("counts", [(70, 200, 75, 200), (3, 40, 9, 25), (12, 15, 10, 60)])
def test_ratio_agrees_with_statsmodels(counts, ratio):
    k1, n1, k2, n2 = counts
    reference = score_2indep(
        *counts, value=ratio, method="score", compare="ratio", alternative="larger",
        correction=False,
    )  # fmt: skip
    ours = score_p_value([k1, k2], [n1, n2], [-1.0, ratio], 0.0)
    assert ours == pytest.approx(reference.pvalue, rel=1e-6)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (19, 20)])
def test_one_rate_is_wilsons_interval(k, n):
    low, high = proportion_confint(k, n, alpha=0.1, method="wilson")
    assert score_upper([k], [n], [1.0], 0.05) == pytest.approx(high, abs=1e-9)
    assert -score_upper([k], [n], [-1.0], 0.05) == pytest.approx(low, abs=1e-9)
    assert score_upper([k, 5], [n, 9], [1.0, 0.0], 0.05) == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize("weights", [(1, -1), (-1, 1), (0.8, -1), (1, 2.5), (-1, -0.3)])
@pytest.mark.thinned(2)
def test_score_bound_and_p_value_agree(weights):
    for k1 in range(0, 7, 2):
        for k2 in range(5):
            upper = score_upper([k1, k2], [6, 4], weights, 0.05)
            for limit in (-1.0, -0.3, 0.0, 0.05, 0.1, 0.3, 1.0, upper + 1e-9, upper - 1e-9):
                p = score_p_value([k1, k2], [6, 4], weights, limit)
                assert (p <= 0.05) == (upper <= limit)


def test_score_edges():
    assert score_upper([0, 0], [0, 5], [1, -1], 0.05) == math.inf
    assert score_p_value([0, 0], [0, 5], [1, -1], 0.5) == 1.0
    assert score_p_value([5, 0], [5, 5], [1, -1], 1.0) == 0.0  # no difference exceeds 1
    assert score_p_value([0, 5], [5, 5], [1, -1], -1.0) == 1.0
    assert score_upper([1, 2], [5, 5], [0, 0], 0.05) == 0.0
    assert score_upper([1, 2], [5, 5], [1, math.nan], 0.05) == math.inf
    with pytest.raises(ValueError, match="one or two rates"):
        score_p_value([1, 1, 1], [2, 2, 2], [1, 1, 1], 0.5)
    with pytest.raises(ValueError, match="the same number of entries, one per mean"):
        score_upper([1, 1], [2, 2], [1], 0.5)

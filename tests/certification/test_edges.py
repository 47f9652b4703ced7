"""Edges between passing and failing counts, compared with binomial sums and a plain score test."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import xlog1py, xlogy
from scipy.stats import binom, norm

from sklearn_seldonian.certification._edges import edge_of_rates


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("n", [1, 20, 300])
@pytest.mark.parametrize(
    ("weight", "constant", "limit"),
    [
        (1.0, -0.3, 0.3),  # p <= .3
        (2.0, -0.2, 0.1),  # 2 p <= .2
        (-1.0, 0.8, 0.2),  # p >= .8: at most .2 of the other rows
        (-4.0, 1.0, 0.75),  # p >= .25
    ],
)
def test_one_rate_passes_while_so_few_are_unlikely_at_the_limit(weight, constant, limit, n, delta):
    counts, (highest,) = edge_of_rates([n], [weight], constant, delta)
    expected = (binom.cdf(np.arange(n + 1), n, limit) <= delta).sum() - 1
    assert counts.tolist() == [0]
    assert highest == expected


@pytest.mark.parametrize(
    ("constant", "highest"), [(-1.0, 40), (-1.5, 40), (-0.01, -1), (0.0, -1), (0.5, -1)]
)
def test_one_rate_passes_with_all_counts_or_none_where_its_limit_is_wide_or_narrow(
    constant, highest
):
    assert edge_of_rates([40], [1.0], constant, 0.05)[1].tolist() == [highest]


def score(counts, trials, weights, limit):
    """The score statistic of ``weights @ rates == limit``, with rates found by a plain search."""
    (a, b), (n, m), (x, y) = weights, trials, counts

    def minus_log_likelihood(q):
        p = np.clip((limit - b * q) / a, 0.0, 1.0)
        terms = xlogy(x, p), xlog1py(n - x, -p), xlogy(y, q), xlog1py(m - y, -q)
        return min(-sum(terms), 1e9)

    ends = max(0.0, (limit - a) / b), min(1.0, limit / b)
    found = minimize_scalar(
        minus_log_likelihood, bounds=ends, method="bounded", options={"xatol": 1e-10}
    )
    q = found.x
    p = np.clip((limit - b * q) / a, 0.0, 1.0)
    variance = a**2 * p * (1 - p) / n + b**2 * q * (1 - q) / m
    return (a * x / n + b * y / m - limit) / math.sqrt(variance)


@pytest.mark.parametrize("delta", [0.05, 0.2])
@pytest.mark.parametrize(
    ("trials", "weights", "constant", "limit"),
    [
        ((14, 9), (1.0, -1.0), -0.2, 1.2),  # p - q <= .2, that is p + (1 - q) <= 1.2
        ((14, 9), (-1.0, 1.0), -0.2, 1.2),
        ((9, 20), (1.0, -0.8), 0.0, 0.8),
        ((12, 12), (1.0, 1.0), -0.9, 0.9),
    ],
)
def test_two_rates_pass_while_the_score_is_low_enough(trials, weights, constant, limit, delta):
    counts, highest = edge_of_rates(trials, weights, constant, delta)
    positive = tuple(map(abs, weights))
    expected = [
        sum(
            score((first, second), trials, positive, limit) <= norm.ppf(delta)
            for first in range(trials[0] + 1)
        )
        - 1
        for second in range(trials[1] + 1)
    ]
    assert counts.tolist() == list(range(trials[1] + 1))
    assert highest.tolist() == expected
    assert len(set(expected)) > 4


def test_no_counts_pass_a_limit_that_no_two_rates_are_within():
    counts, highest = edge_of_rates([30, 50], [1.0, 1.0], 0.5, 0.05)
    assert counts[[0, -1]].tolist() == [0, 50]
    assert set(highest) == {-1}


def test_the_edge_of_very_many_rows_is_kept_at_some_counts():
    n = 10**6
    counts, highest = edge_of_rates([n, n], [1.0, -1.0], -0.1, 0.05)
    assert counts[[0, -1]].tolist() == [0, n]
    assert (np.diff(counts) > 0).all()
    assert (np.diff(highest) <= 0).all()  # more of one allow fewer of the other
    assert len(counts) < 2000
    # At one half of either, p - q must be below .1 by 1.645 standard errors of the difference.
    first = np.interp(n / 2, counts, highest) / n
    assert first == pytest.approx(0.6 - 1.645 * math.sqrt((0.6 * 0.4 + 0.25) / n), abs=2e-5)

"""Counts of successes compared with the binomial distribution, and correlations of rates that
share rows.
"""

import math

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.certification._draws import (
    binomial_cdf,
    correlations,
    drawn_counts,
    likely_counts,
    weighted_counts,
)
from sklearn_seldonian.constraints import Schema, bind, parse

EXCLUSIVE = frozenset({frozenset({"M", "F"})})


# -- one rate --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rate"), [(1, 0.3), (40, 0.0), (40, 1.0), (40, 0.02), (3000, 0.4)])
def test_binomial_distribution(n, rate):
    counts = np.arange(-1, n + 1)
    np.testing.assert_allclose(
        binomial_cdf(counts, n, rate), binom.cdf(counts, n, rate), atol=1e-13
    )


TRIALS = [(1, 0.3), (40, 0.0), (40, 1.0), (40, 0.02), (3000, 0.4), (100_000, 0.999)]


@pytest.mark.parametrize(("n", "rate"), TRIALS)
def test_hardly_any_count_is_left_out(n, rate):
    counts = likely_counts(n, rate)
    assert binom.cdf(counts[0] - 1, n, rate) + binom.sf(counts[-1], n, rate) < 1e-15
    np.testing.assert_array_equal(np.diff(counts), 1)
    assert 0 <= counts[0] <= counts[-1] <= n


@pytest.mark.parametrize(("n", "rate"), TRIALS[:4])
def test_few_counts_have_their_own_probabilities(n, rate):
    counts, weights = weighted_counts(n, rate, 1000)
    np.testing.assert_array_equal(counts, np.arange(n + 1))
    np.testing.assert_allclose(weights, binom.pmf(counts, n, rate), atol=1e-13)


@pytest.mark.parametrize(("n", "rate"), TRIALS[4:])
def test_some_counts_represent_the_nearest_ones(n, rate):
    counts, weights = weighted_counts(n, rate, 41)
    assert len(counts) == 41
    every = np.arange(n + 1)
    nearest = np.abs(counts[:, None] - every).argmin(axis=0)  # the lower one of ties
    expected = np.bincount(nearest, binom.pmf(every, n, rate), minlength=41)
    np.testing.assert_allclose(weights, expected, atol=1e-11)


# -- rates that share rows -------------------------------------------------------------------------


def bound_means(*texts, classes=(0, 1)):
    schema = Schema(classes, 1 if len(classes) == 2 else None, {"M": (0, 1), "F": (0, 1)})
    return [bind(parse(f"{text} <= 0.5"), schema).estimands[0] for text in texts]


def test_correlation_of_a_part_and_the_whole():
    part, whole = bound_means("PR | [M]", "PR")
    found = correlations({part: 0.3, whole: 0.4}, {part: 0.25, whole: 1.0}, frozenset())
    expected = math.sqrt(0.25 * 0.3 * 0.7 / (0.4 * 0.6))
    # In the most even distribution, membership in M does not depend on the decision.
    assert found[0, 1] == pytest.approx(expected, abs=0.03)


def test_correlation_of_shares_that_exclude_each_other():
    one, other = bound_means("PR_[0]", "PR_[1]", classes=(0, 1, 2))
    found = correlations({one: 0.3, other: 0.5}, {one: 1.0, other: 1.0}, frozenset())
    assert found[0, 1] == pytest.approx(-math.sqrt(0.3 * 0.5 / (0.7 * 0.5)), abs=1e-4)


def test_correlation_of_a_rate_with_what_it_decides():
    accuracy, tpr, tnr = bound_means("ACC", "TPR", "FPR")
    shares = {accuracy: 1.0, tpr: 0.4, tnr: 0.6}
    found = correlations({accuracy: 0.84, tpr: 0.9, tnr: 0.2}, shares, frozenset())
    assert found[1, 2] == pytest.approx(0, abs=1e-6)
    assert found[0, 1] > 0.3
    assert found[0, 2] < -0.3


@pytest.mark.parametrize(
    ("names", "rates", "shares"),
    [
        (("PR | [M]", "PR | [F]"), (0.2, 0.3), (0.5, 0.5)),  # they do not share rows
        (("ACC", "TPR", "FPR"), (0.2, 0.9, 0.1), (1, 0.5, 0.5)),  # no distribution has these rates
        (("TPR", "FPR", "ACC"), (0.8, 0.1, 0.8), (1, 1, 1)),
    ],
)
def test_what_nothing_is_known_of_is_uncorrelated(names, rates, shares):
    means = bound_means(*names)
    own = dict(zip(means, rates, strict=True)), dict(zip(means, shares, strict=True))
    np.testing.assert_array_equal(correlations(*own, EXCLUSIVE), np.eye(len(means)))


def test_uncorrelated_counts_are_those_with_a_correlation_of_zero():
    one, other = bound_means("PR | [M]", "PR | [F]")
    arguments = {one: 0.3, other: 0.01}, {one: 200, other: 90}
    drawn, again = (drawn_counts(*arguments, c, 256) for c in (None, np.eye(2)))
    for mean in (one, other):
        np.testing.assert_array_equal(drawn[mean], again[mean])


def test_drawn_counts_have_their_distributions():
    one, other = bound_means("PR | [M]", "PR")
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    drawn = drawn_counts({one: 0.3, other: 0.01}, {one: 200, other: 90}, correlation, 4096)
    for mean, n, p in ((one, 200, 0.3), (other, 90, 0.01)):
        counts = np.arange(n + 1)
        seen = (drawn[mean][:, None] <= counts).mean(axis=0)
        np.testing.assert_allclose(seen, binom.cdf(counts, n, p), atol=0.015)
    assert np.corrcoef(drawn[one], drawn[other])[0, 1] == pytest.approx(0.55, abs=0.08)

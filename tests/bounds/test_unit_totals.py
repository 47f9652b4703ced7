"""Contributions of units to means, and the variance of the means."""

import math

import numpy as np
import pytest

from sklearn_seldonian.bounds import quotient_of_totals_test, totals_test, variance_of_totals
from tests.bounds._totals import UNUSABLE, people, totals


def test_the_sign_turns_a_mean_round():
    """An upper bound of -m is minus a lower bound of m, and that is one minus an upper bound of 1
    - m.
    """
    lower = totals_test([people()], [-1.0], 0.05).upper
    of_opposite = totals_test([people().opposite], [1.0], 0.05).upper
    assert lower == pytest.approx(of_opposite - 1.0)


def test_complements_are_what_is_left_to_one():
    """The same for values that are known to be in a part of [0, 1]."""
    rows = np.full(400, 4.0)
    low = [totals(rows * rate, rows, 0.0, 0.3) for rate in (0.1, 0.2)]
    upper = quotient_of_totals_test(low[1].complement, low[0].complement, 0.05).upper
    assert 0.8 / 0.9 < upper < 1.0
    assert low[0].complement.high == 1.0


def test_variance_of_units_of_one_row_is_that_of_rows():
    hits = np.array([0, 1, 1, 0, 1, 0, 0, 0])
    assert variance_of_totals([totals(hits, np.ones(8))], [1.0]) == pytest.approx(
        hits.var(ddof=1) / 8
    )


def test_variance_is_that_of_many_samples():
    """For a difference of two means of the same units, by simulation."""
    rng = np.random.default_rng(0)
    found, estimated = [], []
    for _ in range(2000):
        size = rng.integers(1, 6, (2, 200))
        hits = np.stack(
            [rng.binomial(size[0], 0.4), rng.binomial(size[1], 0.4 + 0.1 * size[0] / 5)]
        )
        pair = [totals(k, n, largest=5.0) for k, n in zip(hits, size, strict=True)]
        means = hits.sum(axis=1) / size.sum(axis=1)
        found.append(means[0] - means[1])
        estimated.append(variance_of_totals(pair, [1.0, -1.0]))
    assert np.mean(estimated) == pytest.approx(np.var(found), rel=0.1)


@pytest.mark.parametrize("given", [totals([1.0], [1.0]), UNUSABLE["no rows"]])
def test_no_variance_without_units(given):
    assert math.isnan(variance_of_totals([given], [1.0]))

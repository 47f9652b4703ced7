"""The exact test of a part of the rows and the whole, against sums over all tables."""

import math
from itertools import product

import numpy as np
import pytest

from sklearn_seldonian.bounds import part_ratio_asymptotic_upper, part_ratio_test
from tests.bounds._part_ratios import all_tables, probabilities

RATES = np.array([0.0, 0.02, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
SHARES = np.array([0.1, 0.3, 0.5, 0.8])


def true_ratio(share, part, rest, *, part_on_top):
    whole = share * part + (1.0 - share) * rest
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(part, whole) if part_on_top else np.divide(whole, part))


@pytest.mark.parametrize("part_on_top", [False, True])
@pytest.mark.parametrize(
    ("n", "delta"),
    [
        (3, 0.1),
        (5, 0.2),
        pytest.param(6, 0.1, marks=pytest.mark.slow),
        pytest.param(7, 0.01, marks=pytest.mark.slow),
        pytest.param(8, 0.05, marks=pytest.mark.slow),
    ],
)
def test_no_bound_is_below_the_true_ratio_more_often_than_delta(n, delta, part_on_top):
    """Summed over all tables."""
    tables = all_tables(n)
    uppers = np.array(
        [
            part_ratio_test((k, j), (m, n - m), delta, part_on_top=part_on_top).upper
            for m, k, j in tables.tolist()
        ]
    )
    assert np.isfinite(uppers).any()
    for share, part, rest in product(SHARES, RATES, RATES):
        ratio = true_ratio(share, part, rest, part_on_top=part_on_top)
        wrong = probabilities(tables, n, share, part, rest)[uppers < ratio * (1.0 - 1e-12)]
        assert wrong.sum() <= delta, (share, part, rest)


@pytest.mark.slow
@pytest.mark.parametrize("part_on_top", [False, True])
@pytest.mark.parametrize(
    ("n", "share", "rates", "delta"),
    [
        (200, 0.5, (0.6, 0.812), 0.05),
        (200, 0.3, (0.9, 0.99), 0.05),
        (60, 0.2, (0.5, 0.8), 0.1),
        (40, 0.5, (0.05, 0.15), 0.1),
    ],
)
def test_a_limit_that_is_the_true_ratio_is_rarely_certified(n, share, rates, delta, part_on_top):
    part, rest = rates[::-1] if part_on_top else rates
    ratio = true_ratio(share, part, rest, part_on_top=part_on_top)
    rng, n_samples = np.random.default_rng(0), 800
    m = rng.binomial(n, share, n_samples)
    tables = np.stack([m, rng.binomial(m, part), rng.binomial(n - m, rest)], axis=1)
    distinct, counted = np.unique(tables, axis=0, return_counts=True)
    certified = [
        part_ratio_test((k, j), (m, n - m), delta, part_on_top=part_on_top).certified(ratio)
        for m, k, j in distinct.tolist()
    ]
    share = float(counted @ np.array(certified)) / n_samples
    assert share <= delta + 3.0 * math.sqrt(delta / n_samples)
    assert share >= 0.4 * delta


@pytest.mark.parametrize("part_on_top", [False, True])
def test_p_value_and_bound_agree(part_on_top):
    test = part_ratio_test((30, 40), (45, 50), 0.05, part_on_top=part_on_top)
    for limit in [0.0, 0.5, 0.9, 1.0, 1.1, 1.3, 2.0, math.inf, test.upper, test.upper * 0.9999]:
        assert (test.p_value(limit) <= 0.05) == test.certified(limit) == (test.upper <= limit)
    assert test.p_value(0.9) > test.p_value(1.1) > test.p_value(1.3)


def test_the_bound_is_near_the_asymptotic_one_with_many_rows():
    counts, sizes = (380, 400), (500, 500)
    for part_on_top in (False, True):
        upper = part_ratio_test(counts, sizes, 0.05, part_on_top=part_on_top).upper
        near = float(part_ratio_asymptotic_upper(counts, sizes, 0.05, part_on_top=part_on_top))
        assert near < upper < near * 1.003


def test_the_share_of_the_part_is_not_treated_as_known():
    """With a known share, the bound would be that of two rates."""
    test = part_ratio_test((60, 20), (100, 100), 0.05, part_on_top=True)
    assert test.upper == pytest.approx(1.7, abs=0.05)


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [((0, 3), (5, 5)), ((0, 3), (0, 5)), ((math.nan, 3), (5, 5)), ((3, 0), (5, 0))],
)
def test_without_information_there_is_no_bound(counts, sizes):
    test = part_ratio_test(counts, sizes, 0.05, part_on_top=False)
    assert test.upper == test.approximate_upper == math.inf
    assert test.p_value(1000.0) == 1.0
    assert not test.certified(1000.0)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="must be between 0 and"):
        part_ratio_test([3, 1], [2, 2], 0.05, part_on_top=True)
    with pytest.raises(ValueError, match="delta="):
        part_ratio_test([1, 1], [2, 2], 0.0, part_on_top=True)

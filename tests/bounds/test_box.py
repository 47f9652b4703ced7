import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    MeanBounds,
    RateCounts,
    binomial_lower,
    binomial_upper,
    box_p_value,
    box_upper,
)


def rate(k, n, **needs):
    return MeanBounds(
        lambda d: binomial_lower(k, n, d), lambda d: binomial_upper(k, n, d), (0.0, 1.0), **needs
    )


def difference(box):
    return box[0][1] - box[1][0]


def spread(box):
    """The largest mean minus the smallest."""
    return max(high for _, high in box) - min(low for low, _ in box)


def difference_means(k1, n1, k2, n2):
    return [rate(k1, n1, needs_lower=False), rate(k2, n2, needs_upper=False)]


def product_upper(box):
    return max(a * b for a, b in product(*box))


def test_linear_combination_spends_delta_on_one_end_a_mean():
    expected = binomial_upper(3, 20, 0.025) - binomial_lower(9, 30, 0.025)
    assert box_upper(difference, difference_means(3, 20, 9, 30), 0.05) == expected


def test_general_function_spends_delta_on_both_ends():
    expected = binomial_upper(3, 20, 0.0125) * binomial_upper(9, 30, 0.0125)
    assert box_upper(product_upper, [rate(3, 20), rate(9, 30)], 0.05) == expected


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("evaluate", [difference, product_upper])
@pytest.mark.thinned(2)
def test_false_bounds_by_enumeration(evaluate, delta):
    n = 10
    tables = list(product(range(n + 1), repeat=2))
    needs = {"needs_lower": True, "needs_upper": True}
    upper = np.array(
        [box_upper(evaluate, [rate(k, n, **needs) for k in table], delta) for table in tables]
    )
    counts = np.array(tables).T
    for p1, p2 in product(np.linspace(0.01, 0.99, 29), repeat=2):
        true = evaluate([(p1, p1), (p2, p2)])
        mass = binom.pmf(counts[0], n, p1) * binom.pmf(counts[1], n, p2)
        assert mass[upper < true].sum() <= delta + 1e-12


def minus_largest(box):
    return -max(low for low, _ in box)


def largest_error(evaluate, n_ends, delta, n=12, n_means=3):
    """The largest probability, over many true rates, that the bound is too low."""
    tables = np.array(list(product(range(n + 1), repeat=n_means)))
    trials, both = np.full(n_means, float(n)), np.full(n_means, True)
    means = (RateCounts(table.astype(float), trials, both, both) for table in tables)
    upper = np.array([box_upper(evaluate, rates, delta, n_ends) for rates in means])
    largest = 0.0
    for p in product(np.linspace(0.02, 0.98, 9), repeat=n_means):
        mass = np.prod(binom.pmf(tables, n, p), axis=1)
        largest = max(largest, mass[upper < evaluate([(rate, rate) for rate in p])].sum())
    return largest


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize(("evaluate", "n_ends"), [(spread, 2), (minus_largest, 3)])
@pytest.mark.thinned(2)
def test_so_many_ends_bound_a_function_of_three_rates(evaluate, n_ends, delta):
    assert largest_error(evaluate, n_ends, delta) <= delta + 1e-12


def test_the_enumeration_notices_too_few_ends():
    """That the largest rate is at least a bound needs the lower ends of all rates."""
    assert largest_error(minus_largest, 1, 0.1) > 0.15


@pytest.mark.parametrize("n_ends", [None, 6, 7])
def test_delta_is_not_divided_by_more_ends_than_there_are(n_ends):
    means = [rate(k, 20) for k in (3, 5, 9)]
    expected = binomial_upper(9, 20, 0.05 / 6) - binomial_lower(3, 20, 0.05 / 6)
    assert box_upper(spread, means, 0.05, n_ends) == expected
    p = box_p_value(spread, means, expected, n_ends)
    assert p == pytest.approx(0.05, rel=1e-6)


def test_the_p_value_of_a_spread_is_that_of_two_ends():
    means = [rate(k, 20) for k in (3, 5, 9)]
    expected = binomial_upper(9, 20, 0.025) - binomial_lower(3, 20, 0.025)
    assert box_upper(spread, means, 0.05, 2) == expected
    assert box_p_value(spread, means, expected, 2) == pytest.approx(0.05, rel=1e-6)


def test_an_end_that_is_not_needed_is_the_end_of_the_support():
    means = [rate(3, 20, needs_upper=False), rate(9, 30, needs_lower=False)]
    assert box_upper(difference, means, 0.05) == 1.0


def test_nothing_needed_is_the_range_of_the_function():
    mean = rate(3, 20, needs_lower=False, needs_upper=False)
    assert box_upper(lambda box: box[0][1], [mean], 0.05) == 1.0


def test_bounds_stay_within_the_support():
    loose = MeanBounds(lambda d: -3.0, lambda d: 4.0, (0.0, 1.0))
    assert box_upper(lambda box: box[0][1] - box[0][0], [loose], 0.05) == 1.0


@pytest.mark.parametrize(
    "mean",
    [
        rate(0, 0),
        rate(0, 0, needs_lower=False),
        rate(0, 0, needs_upper=False),
        MeanBounds(lambda d: math.nan, lambda d: 0.5, (0.0, 1.0)),
        MeanBounds(lambda d: 0.1, lambda d: math.nan, (0.0, 1.0)),
        MeanBounds(lambda d: 0.6, lambda d: 0.5, (0.0, 1.0)),
    ],
    ids=["no rows", "no rows, upper", "no rows, lower", "lower NaN", "upper NaN", "crossing"],
)
def test_no_information_gives_no_bound(mean):
    assert box_upper(lambda box: 0.0, [mean], 0.05) == math.inf
    assert box_p_value(lambda box: 0.0, [mean], 0.5) == 1.0


def test_a_function_that_is_not_a_number_gives_no_bound():
    assert box_upper(lambda box: math.nan, [rate(3, 20)], 0.05) == math.inf


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
def test_a_limit_that_is_not_finite_is_not_certified(limit):
    assert box_p_value(difference, difference_means(3, 20, 9, 30), limit) == 1.0


@pytest.mark.parametrize("limit", [-0.2, 0.0, 0.05, 0.3, 0.9])
def test_p_value_is_the_smallest_delta_that_certifies(limit):
    means = difference_means(3, 20, 9, 30)
    p = box_p_value(difference, means, limit)
    if p < 1.0:
        assert box_upper(difference, means, p) <= limit
        assert box_upper(difference, means, p * (1 - 1e-9)) > limit
    for delta in (0.01, 0.05, 0.1):
        assert (box_upper(difference, means, delta) <= limit) == (p <= delta)


NEEDS = list(product([True, False], repeat=2))


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("table", [[(3, 20), (9, 30)], [(0, 5), (7, 7)], [(1, 1)] * 3])
def test_rates_at_once_are_bounded_as_one_by_one(needs, table):
    k, n = np.array(table, dtype=float).T
    lower, upper = (np.full(len(table), needed) for needed in needs)
    rates = RateCounts(k, n, lower, upper)
    means = [rate(*each, needs_lower=needs[0], needs_upper=needs[1]) for each in table]
    boxes = []
    for given in (rates, means):
        box_upper(lambda box: boxes.append(box) or 0.0, given, 0.05)
    np.testing.assert_allclose(*boxes, rtol=1e-11)
    assert (np.array(boxes[0])[:, 0] <= np.array(boxes[1])[:, 0]).all()
    assert (np.array(boxes[0])[:, 1] >= np.array(boxes[1])[:, 1]).all()


def test_a_rate_without_rows_bounds_nothing():
    needed = np.array([True, True])
    rates = RateCounts(np.array([3.0, 0.0]), np.array([20.0, 0.0]), needed, needed)
    assert box_upper(lambda box: 0.0, rates, 0.05) == math.inf
    assert box_p_value(lambda box: 0.0, rates, 0.5) == 1.0


@pytest.mark.parametrize("limit", [-1.0, -0.5, 0.0, 0.3, 0.5, 0.9, 1.0])
def test_p_value_of_rates_at_once(limit):
    needed = np.array([True, True])
    rates = RateCounts(np.array([3.0, 25.0]), np.array([60.0, 50.0]), needed, needed)
    p = box_p_value(difference, rates, limit)
    assert 1e-15 <= p <= 1.0
    if p < 1.0:
        assert box_upper(difference, rates, p) <= limit
    if 1e-15 < p < 1.0:
        assert box_upper(difference, rates, p * (1 - 1e-9)) > limit


def test_a_bound_that_holds_at_small_deltas_only_still_has_its_p_value():
    mean = MeanBounds(lambda d: 0.0, lambda d: 0.2 - d, (0.0, 1.0), needs_lower=False)
    assert box_upper(lambda box: box[0][1], [mean], 0.3) == math.inf
    assert box_p_value(lambda box: box[0][1], [mean], 0.15) == pytest.approx(0.05)


def test_at_least_one_mean_is_needed():
    with pytest.raises(ValueError, match="at least one mean"):
        box_upper(lambda box: 0.0, [], 0.05)


@pytest.mark.parametrize("needs", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("support", [(-math.inf, math.inf), (-1.0, math.inf), (0.0, 1.0)])
@pytest.mark.parametrize("unusable", [math.inf, -math.inf, math.nan])
def test_a_mean_without_a_bound_leaves_none(needs, support, unusable):
    """Equal values, or a single value, give no bound: the result is infinite for every function."""
    mean = MeanBounds(lambda _: unusable, lambda _: unusable, support, *needs)
    for evaluate in (lambda box: box[0][0], lambda box: box[0][1], lambda box: -box[0][1]):
        assert box_upper(evaluate, [mean], 0.05) == math.inf
        assert box_p_value(evaluate, [mean], 0.0) == 1.0

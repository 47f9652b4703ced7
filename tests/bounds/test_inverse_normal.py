"""The inverse normal method against sums over all tables, and tests of one and two rates."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    Splits,
    binomial_upper,
    chernoff_upper,
    inverse_normal_test,
    two_rate_upper,
)
from sklearn_seldonian.bounds import _inverse_normal as module
from sklearn_seldonian.bounds._rate_cells import grid, squared_distances, squared_radius
from sklearn_seldonian.constraints import Jet

ALONE, PARTS = (-1, -1), (-1, 0, 0)
# With few cells, enumeration is fast; they cost power.
CELLS = 600


def linear(*weights):
    def function(low, high):
        terms = [
            Jet.constant(weight, low.shape) * Jet.coordinate(low, high, j)
            for j, weight in enumerate(weights)
        ]
        return sum(terms, Jet.constant(0.0, low.shape))

    return function


def minus_product(low, high):
    return -(Jet.coordinate(low, high, 0) * Jet.coordinate(low, high, 1))


def gap_to_all(low, high):
    """The rate outside a group minus the rate in the group, times the share of the rows outside."""
    share, inside, outside = (Jet.coordinate(low, high, j) for j in range(3))
    return (Jet.constant(1.0, low.shape) - share) * (outside - inside)


def gap_of_classes(low, high):
    """The share of one class minus that of another, of all rows."""
    first, of_rest = (Jet.coordinate(low, high, j) for j in range(2))
    return first - (Jet.constant(1.0, low.shape) - first) * of_rest


def ratio(low, high):
    return Jet.coordinate(low, high, 0) / Jet.coordinate(low, high, 1)


def f1_gap(low, high):
    one, two = Jet.constant(1.0, low.shape), Jet.constant(2.0, low.shape)
    scores = (Jet.coordinate(low, high, j) for j in range(2))
    first, second = (two * share / (one + share) for share in scores)
    return first - second


def independent(successes, trials):
    n_rates = len(trials)
    return Splits(tuple(successes), tuple(trials), (-1,) * n_rates, (False,) * n_rates)


CASES = {
    "product": (minus_product, ALONE, (False, False), (9, 12)),
    "F1": (f1_gap, ALONE, (False, False), (11, 8)),
    "ratio": (ratio, ALONE, (False, False), (10, 10)),
    "classes": (gap_of_classes, (-1, 0), (False, False), (17,)),
    "everybody": (gap_to_all, PARTS, (False, True, False), (7,)),
    "sum": (linear(1.0, -1.0, 0.5), (-1, -1, -1), (False,) * 3, (4, 3, 5)),
}


def tables_of(parents, of_successes, given):
    """All possible counts, with the rows of each group."""

    def extended(successes, trials):
        j = len(successes)
        if j == len(parents):
            yield tuple(successes), tuple(trials)
            return
        parent = parents[j]
        if parent < 0:
            rows = given[sum(p < 0 for p in parents[:j])]
        else:
            first = successes[parent]
            rows = first if of_successes[j] else trials[parent] - first
        for k in range(rows + 1):
            yield from extended([*successes, k], [*trials, rows])

    return list(extended([], []))


def share_missed(case, delta, n_rates, seed=0):
    """The largest probability, over many true rates, that the bound is below the function."""
    function, parents, of_successes, given = CASES[case]
    tables = tables_of(parents, of_successes, given)
    bounds = np.array(
        [
            inverse_normal_test(Splits(k, n, parents, of_successes), function, delta, CELLS).upper
            for k, n in tables
        ]
    )
    successes, trials = np.array(tables).swapaxes(0, 1)
    rng = np.random.default_rng(seed)
    shape = n_rates, len(parents)
    # These include the ends of [0, 1] and rates near them.
    rates = np.concatenate(
        [rng.random(shape), rng.beta(0.3, 0.3, shape), rng.integers(0, 2, shape)]
    )
    with np.errstate(all="ignore"):
        true = function(rates, rates).high
    defined = np.isfinite(true)
    mass = np.array([binom.pmf(successes, trials, p).prod(axis=1) for p in rates[defined]])
    assert mass.sum(axis=1) == pytest.approx(1.0)
    return float((mass * (bounds < true[defined, None])).sum(axis=1).max())


@pytest.mark.parametrize("delta", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("case", ["product", "classes"])
def test_the_bound_is_wrong_at_most_delta_of_the_time(case, delta):
    assert 0.0 < share_missed(case, delta, 200) <= delta


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("case", CASES)
def test_the_bound_of_any_function_is_wrong_at_most_delta_of_the_time(case, delta):
    assert 0.0 < share_missed(case, delta, 2000) <= delta


def test_the_enumeration_notices_a_bound_that_is_too_low(monkeypatch):
    """The scores of a mid-p-value are too high, because half of the count's probability is
    missing.
    """
    full = module._scores

    def of_mid_p(k, n, rates, *, is_high):
        higher = full(k - 1 if not is_high else k + 1, n, rates, is_high=is_high)
        return (full(k, n, rates, is_high=is_high) + higher) / 2.0

    monkeypatch.setattr(module, "_scores", of_mid_p)
    assert share_missed("classes", 0.3, 500) > 0.3


@pytest.mark.parametrize("delta", [0.01, 0.05])
@pytest.mark.parametrize(("k", "n"), [(0, 40), (3, 40), (20, 40), (40, 40), (400, 1000)])
def test_one_rate_has_nearly_the_exact_bound(k, n, delta):
    bound = inverse_normal_test(independent((k,), (n,)), linear(1.0), delta).upper
    exact = binomial_upper(k, n, delta)
    assert exact <= bound + 1e-9
    assert bound <= exact + 0.12 * (exact - k / n) + 0.25 / n


@pytest.mark.parametrize("counts", [((40, 30), (100, 90)), ((15, 90), (300, 800))])
def test_two_rates_have_about_the_exact_bound(counts):
    exact = two_rate_upper(*counts, (1.0, -1.0), 0.05)
    estimate = counts[0][0] / counts[1][0] - counts[0][1] / counts[1][1]
    bound = inverse_normal_test(independent(*counts), linear(1.0, -1.0), 0.05).upper
    assert bound - estimate <= 1.2 * (exact - estimate)


@pytest.mark.parametrize(
    ("successes", "trials"),
    [((240, 234, 30, 36), (300,) * 4), ((10, 12, 8, 11), (200,) * 4), ((50, 60, 70), (100,) * 3)],
)
def test_a_sum_of_rates_is_bounded_more_tightly_than_by_chernoff(successes, trials):
    weights = (1.0, -1.0, 1.0, -1.0)[: len(trials)]
    bound = inverse_normal_test(independent(successes, trials), linear(*weights), 0.05).upper
    estimate = sum(w * k / n for w, k, n in zip(weights, successes, trials, strict=True))
    assert estimate < bound
    assert bound - estimate < 0.85 * (chernoff_upper(successes, trials, weights, 0.05) - estimate)


@pytest.mark.parametrize("limit", [-0.8, -0.6, -0.55, -0.5, -0.3])
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.2])
def test_p_value_is_at_most_delta_where_the_bound_keeps_the_limit(limit, delta):
    test = inverse_normal_test(independent((40, 38), (50, 50)), minus_product, delta)
    assert (test.p_value(limit) <= delta) == (test.upper <= limit)


def test_p_value_at_the_bound_itself():
    test = inverse_normal_test(independent((40, 38), (50, 50)), minus_product, 0.05)
    assert test.p_value(test.upper) <= 0.05 < test.p_value(math.nextafter(test.upper, -1.0))


def test_p_value_decreases_with_the_limit():
    test = inverse_normal_test(independent((40, 38), (50, 50)), minus_product, 0.05)
    p_values = [test.p_value(limit) for limit in np.linspace(-1.0, 0.0, 21)]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[0] > 0.5
    assert p_values[-1] == pytest.approx(0.001)


def test_complements_give_the_same_bound():
    """``-p q`` of two rates, and of their complements."""

    def of_complements(low, high):
        one = Jet.constant(1.0, low.shape)
        return -((one - Jet.coordinate(low, high, 0)) * (one - Jet.coordinate(low, high, 1)))

    bound = inverse_normal_test(independent((40, 38), (50, 60)), minus_product, 0.05).upper
    other = inverse_normal_test(independent((10, 22), (50, 60)), of_complements, 0.05).upper
    assert other == pytest.approx(bound, abs=1e-6)


def test_a_group_without_rows_can_have_any_rate():
    """If the group is empty, its gap to all rows is 0 for any rate of the group."""
    parents, of_successes = PARTS, (False, True, False)
    nobody = Splits((0, 0, 50), (100, 0, 100), parents, of_successes)
    few = Splits((3, 3, 50), (100, 3, 97), parents, of_successes)
    for splits in (nobody, few):
        bound = inverse_normal_test(splits, gap_to_all, 0.05).upper
        assert 0.0 < bound < 0.9


@pytest.mark.parametrize(
    ("successes", "trials", "infinite"), [((0, 5), (0, 10), True), ((1, 5), (3, 10), False)]
)
def test_a_given_group_without_rows_has_no_bound(successes, trials, infinite):
    test = inverse_normal_test(independent(successes, trials), minus_product, 0.05)
    assert math.isinf(test.upper) == infinite
    assert (test.p_value(10.0) == 1.0) == infinite


def test_where_the_function_may_be_undefined_there_is_no_bound():
    """The second rate may be zero."""
    assert inverse_normal_test(independent((5, 0), (10, 10)), ratio, 0.05).upper == math.inf


@pytest.mark.parametrize(
    ("successes", "delta", "words"),
    [((11, 5), 0.05, "must be between 0"), ((1.5, 5), 0.05, "whole"), ((1, 5), 0.0, "delta")],
)
def test_mistakes_are_refused(successes, delta, words):
    with pytest.raises(ValueError, match=words):
        inverse_normal_test(independent(successes, (10, 10)), minus_product, delta)


def test_weights_do_not_depend_on_the_counts():
    """The rejected rates depend on weights that are fixed before the counts are observed."""
    function = minus_product
    found = []
    for successes in ((40, 38), (30, 20), (0, 50)):
        splits = independent(successes, (50, 50))
        cells = np.array([[[0.7, 0.8], [0.9, 1.0]], [[0.2, 0.3], [1.1, 1.2]]])
        found.append(module._weights(splits, function, cells, 1.65)[0])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_weight_of_a_group_is_fixed_before_it_is_divided():
    """The expected weight of the parts is divided among them by their actual numbers of rows."""
    cells = np.array([[[0.7, 0.8], [0.9, 1.0], [0.5, 0.6]]])
    squares = []
    for inside in (20, 50, 100):
        splits = Splits((inside, 5, 5), (100, inside, 100 - inside), PARTS, (False, True, False))
        weights, lost = module._weights(splits, gap_to_all, cells, 1.65)
        assert not lost.any()
        squares.append(weights[0] ** 2)
    (few, half, all_), own = np.array(squares), np.array(squares)[:, 0]
    assert own == pytest.approx(own[0])
    assert few[1:].sum() == pytest.approx(half[1:].sum())
    assert all_[1] == pytest.approx(half[1:].sum())
    assert all_[2] == 0.0


def test_halving_lowers_the_bound(monkeypatch):
    splits = Splits((50, 20, 35), (100, 50, 50), PARTS, (False, True, False))
    found = []
    for halvings in (0, 1, 2):
        monkeypatch.setattr(module, "HALVINGS", halvings)
        found.append(inverse_normal_test(splits, gap_to_all, 0.05, 4000).upper)
    assert found[0] > found[1] > found[2]


# -- the true rates themselves are rejected at most delta of the time ------------------------------


def share_rejected(function, parents, of_successes, given, rates, delta):
    """The probability, at true `rates`, that they are rejected: at least that of their cell."""
    angles, rejected = np.arcsin(np.sqrt(rates)), 0.0
    level = module._level(len(rates), delta)
    for k, n in tables_of(parents, of_successes, given):
        splits = Splits(k, n, parents, of_successes)
        cells = grid(splits, delta, CELLS)
        inside = ((cells[..., 0] <= angles) & (angles <= cells[..., 1])).all(axis=1)
        probability = binom.pmf(k, n, rates).prod()
        own = zip(k, n, np.array(rates)[:, None], strict=True)
        distance = sum(float(squared_distances(*count, rate, rate)[0]) for *count, rate in own)
        if not inside.any() or distance > squared_radius(len(rates), delta):
            rejected += probability
            continue
        weights, lost = module._weights(splits, function, cells[inside][:1], level)
        scores = [
            module._scores(k[j], n[j], np.array([rate]), is_high=weights[0, j] < 0)[0]
            if n[j]
            else 0
            for j, rate in enumerate(rates)
        ]
        reached = np.abs(weights[0]) @ scores >= level * np.linalg.norm(weights)
        rejected += probability * (reached and not lost[0])
    return rejected


@pytest.mark.parametrize(
    ("weights", "rates", "delta"),
    [
        ((0.5, 1.0), (0.22, 0.911), 0.3),
        ((0.5, 1.0), (0.30, 0.911), 0.2),
        ((1.0, 1.0), (0.38, 0.794), 0.1),
        ((1.0, 1.0), (0.46, 0.853), 0.05),
    ],
)
def test_rates_are_not_rejected_for_weight_that_was_lost(weights, rates, delta):
    """The only part with weight has no rows if the first count is extreme."""
    chain = linear(*weights), (-1, 0), (False, True), (5,)
    assert share_rejected(*chain, rates, delta) <= delta


@pytest.mark.parametrize("delta", [0.05, 0.3])
@pytest.mark.parametrize("case", ["product", "classes", "everybody"])
def test_true_rates_are_rejected_at_most_delta_of_the_time(case, delta):
    rng = np.random.default_rng(0)
    for rates in rng.uniform(0.02, 0.98, (3, len(CASES[case][1]))):
        assert share_rejected(*CASES[case], rates, delta) <= delta

"""Ratios of totals over units: valid for any dependence between the rows of a unit."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    _totals,
    binomial_upper,
    quotient_of_totals_test,
    totals_test,
    variance_of_totals,
)
from tests.bounds._totals import UNUSABLE, people, totals

DELTAS = (0.05, 0.2, 0.5)


# -- no more errors than delta: all sequences of units -----------------------------------------

# The kinds of units, as (numerator, denominator) of one mean, in thirds of the largest unit.
ONE_MEAN = {
    "all rows alike": ((0, 1), (1, 1), (0, 3), (3, 3)),
    "large units are worse": ((0, 1), (1, 2), (3, 3)),
    "half of the units do not count": ((0, 0), (0, 3), (2, 3)),
}


def distributions(n_kinds, steps=5):
    grid = product(range(steps + 1), repeat=n_kinds - 1)
    shares = [(*p, steps - sum(p)) for p in grid if sum(p) <= steps]
    return np.array(shares) / steps


def enumerated(kinds, n, bound_of):
    """The bounds of all sequences of n kinds, and the data for their probabilities."""
    sequences = np.array(list(product(range(len(kinds)), repeat=n)))
    # Sequences with the same counts have different bounds, because bets depend on the order.
    bounds = np.array([bound_of([kinds[i] for i in sequence]) for sequence in sequences])
    return sequences, bounds


@pytest.mark.parametrize("name", ONE_MEAN)
@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.thinned(9)
def test_one_mean_is_seldom_below_its_bound(name, delta, monkeypatch):
    monkeypatch.setattr(_totals, "LIMITS", 40)
    kinds = ONE_MEAN[name]

    def bound(units):
        tops, bottoms = zip(*units, strict=True)
        return totals_test([totals(tops, bottoms, largest=3.0)], [1.0], delta).upper

    sequences, bounds = enumerated(kinds, 5, bound)
    tops, bottoms = np.array(kinds, float).T
    worst = 0.0
    for shares in distributions(len(kinds)):
        if shares @ bottoms > 0:
            mean = (shares @ tops) / (shares @ bottoms)
            wrong = bounds < mean - 1e-12
            worst = max(worst, shares[sequences[wrong]].prod(axis=1).sum())
    assert worst <= delta * (1 + 1e-9)
    assert worst > 0 or delta < 0.5  # otherwise nothing was tested


# (numerator, denominator) of the first mean, and then of the second mean.
TWO_MEANS = {
    "units of both groups": ((0, 1, 0, 1), (1, 1, 0, 1), (1, 1, 1, 1)),
    "units of one group each": ((0, 2, 0, 0), (2, 2, 0, 0), (0, 0, 0, 1), (0, 0, 1, 1)),
    "sizes go with rates": ((2, 2, 0, 1), (0, 1, 2, 2), (0, 1, 0, 1)),
}


@pytest.mark.parametrize("name", TWO_MEANS)
@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.thinned(6)
def test_two_means_are_seldom_beyond_their_bound(name, kind, monkeypatch):
    monkeypatch.setattr(_totals, "FEW_LIMITS", 30)
    monkeypatch.setattr(_totals, "LIMITS", 30)
    monkeypatch.setattr(_totals, "CELLS", 6.0)
    delta, kinds = 0.3, TWO_MEANS[name]

    def bound(units):
        a, b, c, d = zip(*units, strict=True)
        pair = totals(a, b, largest=2.0), totals(c, d, largest=2.0)
        if kind == "difference":
            return totals_test(pair, [1.0, -1.0], delta).upper
        return quotient_of_totals_test(*pair, delta).upper

    sequences, bounds = enumerated(kinds, 5, bound)
    tops, bottoms, tops2, bottoms2 = np.array(kinds, float).T
    worst = 0.0
    for shares in distributions(len(kinds), 4):
        if min(shares @ bottoms, shares @ bottoms2) > 0:
            first = (shares @ tops) / (shares @ bottoms)
            second = (shares @ tops2) / (shares @ bottoms2)
            if kind == "ratio" and second == 0:
                continue
            value = first - second if kind == "difference" else first / second
            wrong = bounds < value - 1e-12
            worst = max(worst, shares[sequences[wrong]].prod(axis=1).sum())
    assert worst <= delta * (1 + 1e-9)


# Blocks of two levels. Each level has (N, D) of a first mean and (N, D) of a second mean.
LEVELS = ((((0, 1, 0, 0), (1, 1, 0, 1)), ((0, 0, 0, 1), (1, 1, 1, 1))),
          (((0, 1, 1, 1), (1, 1, 0, 1)), ((0, 1, 0, 0), (0, 0, 1, 1))))  # fmt: skip


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("n_means", [1, 2])
@pytest.mark.thinned(3)
def test_mixtures_of_populations_are_seldom_beyond_the_bound(levels, n_means, monkeypatch):
    """The truth is a mixture of two populations; a second level has shares of .2 and .8 there."""
    monkeypatch.setattr(_totals, "FEW_LIMITS", 30)
    monkeypatch.setattr(_totals, "LIMITS", 30)
    monkeypatch.setattr(_totals, "CELLS", 6.0)
    monkeypatch.setattr(_totals, "FIRST_PART", 4)
    delta, corners = 0.4, (0.2, 0.8)
    first, second = np.array(levels, float)

    def bound(units):
        mixed = [
            (1 - q) * first[[a for a, _ in units]] + q * second[[b for _, b in units]]
            for q in corners
        ]
        pairs = [
            [totals(*each.T[:2], largest=1.0), totals(*each.T[2:], largest=1.0)] for each in mixed
        ]
        one, *others = [pair[:n_means] for pair in pairs]
        return totals_test(one, [1.0, -1.0][:n_means], delta, others=others).upper

    sequences, bounds = enumerated(list(product(range(2), repeat=2)), 4, bound)
    worst = 0.0
    for p, r in product(np.linspace(0, 1, 6), repeat=2):
        shares = np.array([(1 - p) * (1 - r), (1 - p) * r, p * (1 - r), p * r])
        levels_means = (1 - p) * first[0] + p * first[1], (1 - r) * second[0] + r * second[1]
        for q in np.linspace(*corners, 7):
            n1, d1, n2, d2 = (1 - q) * levels_means[0] + q * levels_means[1]
            if min(d1, d2) <= 0:
                continue
            value = n1 / d1 - (n2 / d2 if n_means == 2 else 0.0)
            wrong = bounds < value - 1e-12
            worst = max(worst, shares[sequences[wrong]].prod(axis=1).sum())
    assert worst <= delta * (1 + 1e-9)


def test_rows_of_a_unit_may_be_copies_of_each_other(whole):
    """A test of independent rows would be wrong four times in ten."""
    rng, delta, reps = np.random.default_rng(0), 0.05, 1000 if whole else 50
    sizes = np.arange(1, 51)
    shares = 1 / sizes / (1 / sizes).sum()
    bad = 0.05 + 0.15 * sizes / 50
    true = (shares * sizes * bad).sum() / (shares * sizes).sum()
    wrong = wrong_of_rows = 0
    for _ in range(reps):
        rows = rng.choice(sizes, 100, p=shares)
        hits = rows * (rng.random(100) < bad[rows - 1])
        wrong += totals_test([totals(hits, rows, largest=50.0)], [1.0], delta).upper < true
        wrong_of_rows += binomial_upper(int(hits.sum()), int(rows.sum()), delta) < true
    assert wrong <= binom.ppf(0.9999, reps, delta)
    assert wrong_of_rows > 0.2 * reps


# -- values and symmetries ---------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1.0, -1.0, 2.5])
def test_bound_is_the_least_limit_that_is_certified(weight):
    test = totals_test([people()], [weight], 0.05)
    assert test.p_value(test.upper) <= 0.05 < test.p_value(test.upper - 0.02 * abs(weight))
    assert test.upper_at(0.01) >= test.upper >= test.upper_at(0.2)


def test_more_units_make_it_narrower():
    uppers = [totals_test([people(n)], [1.0], 0.05).upper for n in (30, 300, 3000)]
    assert uppers == sorted(uppers, reverse=True)
    assert 0.3 < uppers[-1] < 0.33


def test_two_means_of_the_same_rows_are_nearly_as_good_as_their_difference_is_known():
    """Two rates of the same units; in each unit, one is above the other by a tenth."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 8, 2000)
    first = rng.binomial(rows, 0.5)
    second = np.minimum(rows, first + rng.binomial(rows, 0.1))
    pair = [totals(k, rows, largest=7.0) for k in (first, second)]
    estimate = (first.sum() - second.sum()) / rows.sum()
    upper = totals_test(pair, [1.0, -1.0], 0.05).upper
    width = 1.645 * math.sqrt(variance_of_totals(pair, [1.0, -1.0]))
    assert estimate + width < upper < estimate + 2.2 * width


def test_weight_zero_leaves_a_mean_out():
    other = people(seed=1, rate=0.9)
    both = totals_test([people(), other], [1.0, 0.0], 0.05)
    assert both.upper == totals_test([people()], [1.0], 0.05).upper


def test_values_of_any_range():
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 8, 400)
    values = rng.uniform(-3, 5, (400, 7)) * (np.arange(7) < rows[:, None])
    upper = totals_test([totals(values.sum(axis=1), rows, -3.0, 5.0)], [1.0], 0.05).upper
    assert 1.0 < upper < 1.35


def test_a_quotient_is_that_of_its_means():
    top, bottom = people(1000, rate=0.3), people(1000, seed=1, rate=0.5)
    upper = quotient_of_totals_test(top, bottom, 0.05).upper
    assert 0.6 < upper < 0.7
    assert quotient_of_totals_test(top, bottom, 0.05).p_value(0.5) > 0.05
    small = [
        each._replace(numerators=each.numerators[:99], denominators=each.denominators[:99])
        for each in (top, bottom)
    ]
    halved = small[1]._replace(numerators=small[1].numerators / 2, high=0.5)
    upper = quotient_of_totals_test(*small, 0.05).upper
    assert quotient_of_totals_test(small[0], halved, 0.05).upper == pytest.approx(2 * upper)


def test_the_same_units_count_in_all_populations(monkeypatch):
    """Bets in one population do not depend on units that it does not have."""
    seen = []

    def spy(statement, populations, first):
        seen.append([each.n for each in populations])
        return fixed(statement, populations, first)

    fixed = _totals._fixed_sizes
    monkeypatch.setattr(_totals, "_fixed_sizes", spy)
    rng = np.random.default_rng(0)
    rare = (rng.random(200) < 0.2) * 1.0
    one = [totals(rare * 0.5, rare, largest=1.0)] * 2
    other = [totals(np.full(200, 0.4), np.ones(200), largest=1.0)] * 2
    totals_test(one, [1.0, -1.0], 0.05, 30, others=[other])
    assert seen == [[200, 200]]


def test_many_units_are_averaged_in_blocks(monkeypatch):
    given = people(4000)
    exact = totals_test([given], [1.0], 0.05).upper
    monkeypatch.setattr(_totals, "MAX_UNITS", 500)
    assert totals_test([given], [1.0], 0.05).upper == pytest.approx(exact, abs=0.004)


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_certifies_nothing(name):
    for test in (
        totals_test([UNUSABLE[name]], [1.0], 0.05),
        totals_test([people(2), UNUSABLE[name]], [1.0, -1.0], 0.05),
        quotient_of_totals_test(people(2), UNUSABLE[name], 0.05),
    ):
        assert test.upper == math.inf
        assert test.p_value(0.99) == 1.0
    assert totals_test([people()], [math.nan], 0.05).upper == math.inf


def test_a_combination_of_nothing_is_known():
    assert totals_test([people()], [0.0], 0.05).upper == 0.0


@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, math.nan])
def test_delta_is_a_probability(delta):
    with pytest.raises(ValueError, match="delta"):
        totals_test([people()], [1.0], delta)
    with pytest.raises(ValueError, match="delta"):
        quotient_of_totals_test(people(), people(), delta)


def test_more_than_two_means_are_refused():
    with pytest.raises(ValueError, match="one or two means"):
        totals_test([people()] * 3, [1.0] * 3, 0.05)
    with pytest.raises(ValueError, match="same number of entries"):
        totals_test([people()], [1.0, 1.0], 0.05)

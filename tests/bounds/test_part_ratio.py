"""The exact test of a part of the rows and the whole, against sums over all tables."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from sklearn_seldonian.bounds import part_ratio_asymptotic_upper, part_ratio_test
from sklearn_seldonian.bounds._part_ratio_largest import BERNSTEIN, LEBESGUE, NODES, Cells

RATES = np.array([0.0, 0.02, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
SHARES = np.array([0.1, 0.3, 0.5, 0.8])


def all_tables(n):
    """Rows in the part, its events, and the events of the rest."""
    sizes = range(n + 1)
    return np.array([(m, k, j) for m in sizes for k in range(m + 1) for j in range(n - m + 1)])


def probabilities(tables, n, share, part, rest):
    m, k, j = tables.T
    return binom.pmf(m, n, share) * binom.pmf(k, m, part) * binom.pmf(j, n - m, rest)


def true_ratio(share, part, rest, *, part_on_top):
    whole = share * part + (1.0 - share) * rest
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(part, whole) if part_on_top else np.divide(whole, part))


def limits_of(successes, trials, delta, *, part_on_top):
    found = part_ratio_test(successes, trials, delta, part_on_top=part_on_top).limits
    assert found is not None
    return found


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
@pytest.mark.parametrize("observed", [(4, 3, 5), (5, 2, 7), (5, 5, 7), (2, 1, 10), (9, 6, 3)])
def test_the_set_contains_all_tables_that_are_ordered_as_low(observed, part_on_top):
    n, delta = 12, 0.1
    m, k, j = observed
    found = limits_of((k, j), (m, n - m), delta, part_on_top=part_on_top).worst.tables
    every = all_tables(n).astype(float)
    sizes, part, rest = every.T
    order = part_ratio_asymptotic_upper(
        (part, rest), (sizes, n - sizes), delta, part_on_top=part_on_top
    )
    own = float(part_ratio_asymptotic_upper((k, j), (m, n - m), delta, part_on_top=part_on_top))
    edge = found.edge[(sizes - found.sizes[0]).astype(int), part.astype(int)]
    inside = rest > edge if part_on_top else rest <= edge
    assert inside[np.all(every == observed, axis=1)].all()
    assert inside[order <= own].all()
    # it is closed by adding few other tables
    assert inside.sum() <= (order <= own).sum() + 0.05 * len(every)


@pytest.mark.parametrize(
    ("counts", "sizes"), [((40, 70), (60, 80)), ((7, 9), (9, 60)), ((1, 3), (30, 40))]
)
@pytest.mark.parametrize("part_on_top", [False, True])
def test_the_order_is_that_of_an_asymptotic_bound(counts, sizes, part_on_top):
    """At the bound s, the estimate of t - s a is z standard errors from 0."""
    n, z = sum(sizes), 1.6448536269514722
    share = (sizes[0] + 0.5) / (n + 1)
    a, b = ((k + 0.5) / (m + 1) for k, m in zip(counts, sizes, strict=True))
    t = share * a + (1 - share) * b

    def distance(s):
        variance = share * (1 - share) * (a - b) ** 2 + (s - share) ** 2 * a * (1 - a) / share
        return (t - s * a) / math.sqrt((variance + (1 - share) * b * (1 - b)) / n)

    upper = part_ratio_asymptotic_upper(counts, sizes, 0.05, part_on_top=part_on_top)
    if part_on_top:
        assert upper == pytest.approx(1 / brentq(lambda s: distance(s) - z, share, t / a))
    elif distance(1e9) < -z:
        assert upper == pytest.approx(brentq(lambda s: distance(s) + z, t / a, 1e9))
    else:
        assert upper == math.inf


@pytest.mark.parametrize(
    ("counts", "sizes", "ratio"),
    [
        ((10, 14), (15, 17), 1.2),
        ((10, 14), (15, 17), 1.5),
        ((12, 12), (12, 12), 1.3),
        ((4, 25), (5, 40), 1.6),
        ((3, 4), (20, 15), 1.9),
    ],
)
@pytest.mark.parametrize("part_on_top", [False, True])
def test_the_largest_probability_is_bounded_closely(counts, sizes, ratio, part_on_top):
    """Against sums over all tables at many rates in the box, on and beyond the limit."""
    n, delta = sum(sizes), 0.05
    at = 1.0 / ratio if part_on_top else ratio
    worst = limits_of(counts, sizes, delta, part_on_top=part_on_top).worst
    bound, found = worst.largest(at, 0.0, 0.002), worst.tables
    every = all_tables(n)
    rows = every[:, 0] - int(found.sizes[0])
    edge = found.edge[np.clip(rows, 0, len(found.sizes) - 1), every[:, 1]]
    inside = every[:, 2] > edge if part_on_top else every[:, 2] <= edge
    inside &= (rows >= 0) & (rows < len(found.sizes))
    best = 0.0
    for share, rate, move in product(np.linspace(0, 1, 9), np.linspace(0, 1, 9), (1.0, 1.1)):
        share = worst.low.share + share * (min(worst.high.share, at) - worst.low.share)
        slope = move**found.sign * (at - share) / (1.0 - share)  # moved beyond the limit
        ends = [
            np.clip(rest / max(slope, 1e-9), worst.low.part, worst.high.part)
            for rest in (worst.low.rest, worst.high.rest)
        ]
        part = ends[0] + rate * (ends[1] - ends[0])
        if worst.low.rest <= part * slope * (1 + 1e-9) <= worst.high.rest * (1 + 1e-8):
            own = probabilities(every[inside], n, share, part, min(part * slope, 1.0)).sum()
            best = max(best, own)
    assert 0.0 < best <= bound
    assert bound <= best + 0.004


def test_a_bound_is_valid_for_all_larger_limits():
    """The largest probability never increases, so every limit above the bound is rejected."""
    found = limits_of((20, 30), (30, 35), 0.05, part_on_top=False)
    limits = found.limit * np.array([1.0, 1.01, 1.03, 1.1, 1.3, 2.0])
    largest = [found.worst.largest(limit, 0.0, 1e-3) for limit in limits]
    assert largest[0] <= found.level + 1e-3
    assert np.all(np.diff(largest) <= 1e-3)


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


def test_cubics_are_bounded_by_their_bernstein_coefficients():
    x = np.linspace(0.0, 1.0, 1001)
    rng = np.random.default_rng(0)
    basis = [math.comb(3, i) * x**i * (1 - x) ** (3 - i) for i in range(4)]
    for coefficients in rng.normal(size=(20, 4)):
        values = np.polyval(coefficients, NODES)
        assert np.dot(BERNSTEIN @ values, basis) == pytest.approx(np.polyval(coefficients, x))
    weights = [np.polyval(np.polyfit(NODES, row, 3), x) for row in np.eye(4)]
    assert np.abs(weights).sum(axis=0).max() <= LEBESGUE
    assert np.abs(np.prod(x - NODES[:, None], axis=0)).max() == pytest.approx(1 / 81, rel=1e-5)


def test_quarters_cover_a_cell():
    ends = (np.array([0.0]), np.array([0.5]), np.array([0.2]), np.array([1.0]))
    quarters = Cells(*ends).quartered()
    widths, heights = quarters.last - quarters.first, quarters.high - quarters.low
    assert (widths * heights).sum() == pytest.approx(0.5 * 0.8)
    assert (quarters.first.min(), quarters.last.max()) == (0.0, 0.5)
    assert (quarters.low.min(), quarters.high.max()) == (0.2, 1.0)

"""The bounds hold after every row: by enumeration, by simulation and by independent formulas."""

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    MeanStream,
    RateStream,
    divided_between_edges,
    time_uniform_lower,
    time_uniform_sum_lower,
)
from sklearn_seldonian.bounds._time_uniform import EDGES, SHAPES, SHARES, STAKES

DELTA = 0.05


def capital(stream, limit):
    return float(np.exp(stream.log_capital(np.array([limit]))[0]))


# -- one rate --------------------------------------------------------------------------------------


def integrated(k, n, c):
    """The mixture, by numerical integration over u."""

    def of_shape(a):
        def bet(u):
            return a * u ** (a - 1) * u ** (n - k) * (u + (1 - u) / c) ** k

        return quad(bet, 0.0, 1.0, limit=500, epsabs=0, epsrel=1e-10)[0]

    return np.average([of_shape(a) for a in SHAPES], weights=SHARES)


@pytest.mark.parametrize(
    ("k", "n", "c"),
    [
        (0, 0, 0.3),
        (0, 7, 0.3),
        (7, 7, 0.3),
        (3, 10, 0.1),
        (30, 60, 0.45),
        (5, 60, 0.4),
        (2, 9, 1.0),
    ],
)
def test_capital_is_the_mixture_over_rates_above_the_limit(k, n, c):
    assert capital(RateStream(k, n), c) == pytest.approx(integrated(k, n, c), rel=1e-7)


@pytest.mark.parametrize("n", [1, 30, 300])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.95])
def test_capital_is_never_above_the_mixture_in_exact_arithmetic(n, rate):
    """The incomplete beta function of whole numbers is a binomial sum."""
    k, c = round(n * rate), Fraction(rate * 0.9)
    total = Fraction(0)
    for a, share in zip(map(int, SHAPES), map(Fraction, SHARES), strict=True):
        rows = n + a
        few = sum(math.comb(rows, j) * c**j * (1 - c) ** (rows - j) for j in range(k + 1))
        beta = Fraction(math.factorial(k) * math.factorial(rows - k - 1), math.factorial(rows))
        total += share * a * beta * few / ((1 - c) ** (a + n - k) * c**k)
    exact = math.log(total)
    found = float(RateStream(k, n).log_capital(np.array([float(c)]))[0])
    assert exact - 1e-9 <= found <= exact


@pytest.mark.parametrize(
    "stream", [RateStream(30, 100), RateStream(0, 5), RateStream(900, 100_000)]
)
def test_capital_decreases_with_the_limit(stream):
    capitals = stream.log_capital(np.linspace(0.0, 1.0, 400))
    assert (np.diff(capitals[1:]) <= 1e-9).all()
    assert not np.isnan(capitals).any()


@pytest.mark.parametrize("stream", [RateStream(10**6, 10**9), RateStream(0, 10**9)])
def test_capital_is_finite_for_a_billion_rows(stream):
    assert np.isfinite(stream.log_capital(np.linspace(0.01, 1.0, 50))).all()
    lower, upper = time_uniform_lower(stream, DELTA), 1 - time_uniform_lower(stream.flipped, DELTA)
    assert lower <= stream.mean <= upper
    assert upper - lower < 1e-4


def ever_refuted(n, p, limit):
    """The probability that the capital against a limit ever reaches 1 / delta in n rows of rate p.

    It is computed from the number of paths to each count on which it never did.
    """
    alive, refuted = {0: 1.0}, 0.0
    for row in range(1, n + 1):
        after = {}
        for k, probability in alive.items():
            for x, share in ((0, 1 - p), (1, p)):
                after[k + x] = after.get(k + x, 0.0) + probability * share
        capitals = {k: capital(RateStream(k, row), limit) for k in after}
        refuted += sum(q for k, q in after.items() if capitals[k] >= 1 / DELTA)
        alive = {k: q for k, q in after.items() if capitals[k] < 1 / DELTA}
    return refuted


@pytest.mark.parametrize(("limit", "n"), [(0.02, 60), (0.3, 60), (0.5, 60), (0.8, 80)])
def test_a_true_limit_is_refuted_at_any_row_with_probability_delta(limit, n):
    at_limit, below = (ever_refuted(n, p, limit) for p in (limit, 0.9 * limit))
    assert below <= at_limit <= DELTA
    assert at_limit > DELTA / 50  # the bound is not trivially valid
    assert ever_refuted(n, min(1.0, limit + 0.5), limit) > 0.3


def test_an_exact_test_at_each_row_would_raise_too_many_alarms():
    """A check of the opposite: an exact test after each row raises an alarm too often."""
    n, p, alive, refuted = 200, 0.3, {0: 1.0}, 0.0
    for row in range(1, n + 1):
        after = {}
        for k, q in alive.items():
            after[k] = after.get(k, 0.0) + q * (1 - p)
            after[k + 1] = after.get(k + 1, 0.0) + q * p
        alarms = {k for k in after if binom.sf(k - 1, row, p) <= DELTA}
        refuted += sum(after[k] for k in alarms)
        alive = {k: q for k, q in after.items() if k not in alarms}
    assert refuted > 3 * DELTA


def test_all_capital_is_bet():
    assert SHARES.sum() == pytest.approx(1.0, abs=1e-15)
    assert SHARES.sum() <= 1.0
    assert capital(RateStream(0, 0), 0.3) <= 1.0


def test_every_sequence_of_few_rows_adds_up():
    """All 2^n sequences. The rate may change from row to row, but stays at or below the limit."""
    limit, n = 0.5, 10
    of_counts = cache(lambda k, row: capital(RateStream(int(k), row), limit))
    for rates in ([0.5] * n, [0.5, 0.1] * 5, [0.1] * 5 + [0.5] * 5):
        total = 0.0
        for rows in itertools.product((0, 1), repeat=n):
            counts = np.cumsum(rows)
            if any(of_counts(k, row) >= 20 for row, k in enumerate(counts, 1)):
                total += math.prod(p if x else 1 - p for p, x in zip(rates, rows, strict=True))
        assert total <= DELTA


# -- one mean --------------------------------------------------------------------------------------


def test_edges_mirror_each_other():
    assert np.allclose(EDGES, 1 - EDGES[::-1], rtol=0, atol=1e-15)
    assert EDGES[0] == 0
    assert EDGES[-1] == 1
    assert (np.diff(EDGES) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_divided_rows_have_the_same_sums_and_never_more_capital(seed):
    rng = np.random.default_rng(seed)
    rows = [rng.beta(0.3, 2.0, 300), rng.random(300) ** 9, rng.integers(0, 2, 300) * 1.0][seed]
    stream = MeanStream(divided_between_edges(rows))
    assert stream.n == 300
    assert stream.mean == pytest.approx(rows.mean(), abs=3e-9)
    for limit in (0.05, 0.1, 0.3, 0.6):
        gains = 1 + STAKES[:, None] * (rows / limit - 1)
        of_rows = np.mean(np.prod(gains, axis=1))
        found = capital(stream, limit)
        assert found <= of_rows * (1 + 1e-9)
        assert np.log(found) >= np.log(of_rows) - 0.05 * max(1.0, abs(np.log(of_rows)))


@pytest.mark.parametrize("z", [0.3, 0.123456, 0.77, 1e-9, 1.0])
def test_rows_one_by_one_and_in_one_batch_are_the_same(z):
    n = 10**6
    row = divided_between_edges(np.array([z]))
    one_by_one = np.zeros(len(EDGES))
    for i in np.flatnonzero(row):
        one_by_one[i] = np.cumsum(np.full(n, row[i]))[-1]
    assert (one_by_one == divided_between_edges(np.full(n, z))).all()
    assert (one_by_one == row * n).all()
    assert MeanStream(one_by_one).n == n


@pytest.mark.parametrize("n", [1, 10**4, 10**7, 2 * 10**9])
@pytest.mark.parametrize("z", [0.0, 1e-9, 0.123456, 0.3, 0.77, 1.0 - 1e-9])
@pytest.mark.parametrize("flipped", [False, True])
def test_rounding_never_raises_the_capital(z, n, flipped):
    """Compared with the product over equal rows, computed with 40 digits."""
    stream = MeanStream(divided_between_edges(np.array([z])) * n)
    stream, row = (stream.flipped, 1 - Fraction(z)) if flipped else (stream, Fraction(z))
    for limit in (1e-8, 0.05, 0.9 * float(row) + 1e-4, float(row) + 1e-9, 0.999):
        with localcontext() as digits:
            digits.prec = 40
            gains = [1 + Fraction(s) * (row / Fraction(limit) - 1) for s in STAKES]
            logarithms = [n * (Decimal(g.numerator) / Decimal(g.denominator)).ln() for g in gains]
            largest = max(logarithms)
            exact = largest + (sum((x - largest).exp() for x in logarithms) / len(gains)).ln()
        assert float(stream.log_capital(np.array([limit]))[0]) <= exact


def test_more_rows_than_add_up_exactly_are_refused():
    with pytest.raises(ValueError, match="Start a new stream"):
        MeanStream(divided_between_edges(np.array([1.0])) * 2.0**32)


@pytest.mark.parametrize("rows", [[-0.1], [1.1], [math.nan], [math.inf]])
def test_rows_outside_are_refused(rows):
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        divided_between_edges(np.array(rows))


def test_every_sequence_of_three_numbers_adds_up():
    limit, values, probabilities = 0.3, np.array([0.0, 0.2, 1.0]), np.array([0.5, 0.25, 0.25])
    assert values @ probabilities == pytest.approx(limit)
    parts = np.array([divided_between_edges(np.array([v])) for v in values])
    total, alive = 0.0, {(0, 0, 0): 1.0}
    for _ in range(25):
        after = {}
        for counts, q in alive.items():
            for i in range(3):
                new = tuple(c + (i == j) for j, c in enumerate(counts))
                after[new] = after.get(new, 0.0) + q * probabilities[i]
        refuted = {c for c in after if capital(MeanStream(np.array(c) @ parts), limit) >= 20}
        total += sum(after[c] for c in refuted)
        alive = {c: q for c, q in after.items() if c not in refuted}
    assert DELTA / 30 < total <= DELTA


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream", [RateStream(12, 80), MeanStream(divided_between_edges(np.full(50, 0.2)))]
)
def test_the_bound_is_where_the_capital_is_the_inverse_of_delta(stream):
    lower = time_uniform_lower(stream, DELTA)
    assert capital(stream, lower) >= 1 / DELTA
    assert capital(stream, lower + 1e-6) < 1 / DELTA
    assert time_uniform_lower(stream, 0.01) < lower < stream.mean


@pytest.mark.parametrize(
    "stream", [RateStream(0, 0), MeanStream(np.zeros(len(EDGES)))], ids=["rate", "mean"]
)
def test_without_rows_nothing_is_known(stream):
    assert time_uniform_lower(stream, DELTA) == 0
    assert time_uniform_sum_lower([stream, stream], [1.0, -2.0], DELTA) == -2
    assert math.isnan(stream.mean)


def test_the_sum_of_one_is_the_bound_of_one():
    stream = RateStream(30, 100)
    upper = 1 - time_uniform_lower(stream.flipped, DELTA)
    assert time_uniform_sum_lower([stream], [-2.0], DELTA) == pytest.approx(-2 * upper, abs=1e-9)


def grid_search(streams, factors):
    """The smallest sum of two limits, on a grid, that the mean of three capitals does not refute.

    A quarter of the capital is bet on each stream alone, and half on both.
    """
    points = np.linspace(0.0005, 0.9995, 1000)
    sided = [s if f > 0 else s.flipped for s, f in zip(streams, factors, strict=True)]
    one, other = (np.exp(np.minimum(s.log_capital(points), 300.0)) for s in sided)
    mean = one[:, None] / 4 + other / 4 + one[:, None] * other / 2
    signed = [f * (points if f > 0 else 1 - points) for f in factors]
    return np.add.outer(*signed)[mean < 1 / DELTA].min()


@pytest.mark.parametrize("factors", [(1.0, -1.0), (-0.8, 1.0), (1.0, 1.0), (-2.0, -1.0)])
@pytest.mark.parametrize(
    "streams",
    [
        (RateStream(150, 300), RateStream(90, 300)),
        (RateStream(40, 50), RateStream(200, 2000)),
        (RateStream(0, 40), RateStream(40, 40)),
        (MeanStream(divided_between_edges(np.linspace(0.1, 0.4, 200))), RateStream(60, 100)),
    ],
)
def test_sums_are_near_a_search_over_all_pairs_and_never_above(streams, factors):
    found, searched = time_uniform_sum_lower(streams, factors, DELTA), grid_search(streams, factors)
    assert found <= searched + 1e-9
    assert found == pytest.approx(searched, abs=0.005)


def test_a_sum_is_sharper_than_bounds_on_each():
    streams, share = (RateStream(150, 300), RateStream(90, 300)), DELTA / 2
    together = time_uniform_sum_lower(streams, [1.0, -1.0], DELTA)
    upper = 1 - time_uniform_lower(streams[1].flipped, share)
    assert together > time_uniform_lower(streams[0], share) - upper + 0.01


def share_of_union(streams, factors):
    """The distance from estimate to bound, relative to a union of bounds at delta / 2 each."""
    sided = [s if f > 0 else s.flipped for s, f in zip(streams, factors, strict=True)]
    signs = [min(f, 0.0) for f in factors]
    union = sum(
        abs(f) * time_uniform_lower(s, DELTA / 2) for f, s in zip(factors, sided, strict=True)
    )
    estimate = sum(f * s.mean for f, s in zip(factors, streams, strict=True))
    found = time_uniform_sum_lower(streams, factors, DELTA)
    return (estimate - found) / (estimate - union - sum(signs))


def rate(p, n):
    return RateStream(round(p * n), n)


def mean_of_numbers(p, n):
    """Any number of rows, in equal steps from 0 to 2 p."""
    return MeanStream(divided_between_edges(np.linspace(0.0, 2 * p, 100)) * (n / 100))


@pytest.mark.parametrize("n", [10**3, 10**5, 10**7, 10**9])
@pytest.mark.parametrize(
    ("stream", "p", "factors"),
    [
        (rate, (0.3, 0.3), (1.0, -1.0)),
        (rate, (0.05, 0.02), (1.0, -1.0)),
        (rate, (0.3, 0.375), (1.0, -0.8)),
        (rate, (0.3, 0.375), (-1.0, 0.8)),
        (mean_of_numbers, (0.3, 0.3), (1.0, -1.0)),
        (mean_of_numbers, (0.1, 0.125), (1.0, -0.8)),
    ],
)
def test_streams_of_equal_sizes_beat_a_union_at_any_number_of_rows(stream, p, factors, n):
    assert 0.6 < share_of_union([stream(each, n) for each in p], factors) < 0.895


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("stream", [rate, mean_of_numbers])
@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ((10**4, 10**3), 0.86),
        ((10**4, 100), 0.96),
        ((10**5, 1000), 0.98),
        ((10**6, 1000), 1.04),
        ((10**7, 300), 1.07),
        ((10**9, 300), 1.075),
    ],
)
def test_streams_of_unequal_sizes_are_about_as_good_as_a_union(stream, sizes, most, flipped):
    factors = (-1.0, 1.0) if flipped else (1.0, -1.0)
    assert share_of_union([stream(0.3, n) for n in sizes], factors) < most


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.001, 0.0), (0.3, 0.0), (1.0, 0.3)])
@pytest.mark.parametrize("sizes", [(300, 300), (10**6, 300), (0, 300), (10**8, 1)])
def test_a_sum_is_never_below_a_union_of_the_capitals_it_bets(rates, sizes):
    one, other = (rate(p, n) for p, n in zip(rates, sizes, strict=True))
    union = time_uniform_lower(one, DELTA / 4) - (1 - time_uniform_lower(other.flipped, DELTA / 4))
    assert time_uniform_sum_lower([one, other], [1.0, -1.0], DELTA) >= union - 1e-11


def test_the_distance_of_a_sum_shrinks_as_rows_come():
    found = [
        time_uniform_sum_lower([rate(0.3, n), rate(0.3, n)], [1.0, -1.0], DELTA)
        for n in np.geomspace(100, 1e10, 17).round(-2).astype(int).tolist()
    ]
    assert (np.diff(found) > 0).all()
    assert -1e-4 < found[-1] < 0


@pytest.mark.parametrize(
    ("n", "is_above"), [(10**5, False), (10**6, True), (10**7, True), (10**8, True)]
)
def test_a_small_gap_is_proved_with_enough_rows_and_stays_proved(n, is_above):
    gap = time_uniform_sum_lower([rate(0.305, n), rate(0.3, n)], [1.0, -1.0], DELTA)
    assert (gap > 0) == is_above
    assert gap < 0.005


def refuted_by_sum(sums, row, limits, factors):
    """Whether each pair of counts, after `row` rows of each group, refutes that the means are
    `limits`.
    """
    truth = sum(f * m for f, m in zip(factors, limits, strict=True))
    streams = [RateStream(k, row) for k in sums]
    return time_uniform_sum_lower(streams, factors, 0.6) > truth


@pytest.mark.parametrize(("limits", "factors"), [((0.3, 0.3), (1, -1)), ((0.4, 0.1), (1, 1))])
def test_a_true_sum_is_refuted_at_any_row_with_probability_delta(limits, factors):
    """By enumeration of the counts of both groups, with one row of each group at a time."""
    alive, refuted = {(0, 0): 1.0}, 0.0
    for row in range(1, 10):
        after = {}
        for (k, m), q in alive.items():
            for x, y in itertools.product((0, 1), repeat=2):
                odds = [p if z else 1 - p for p, z in zip(limits, (x, y), strict=True)]
                after[k + x, m + y] = after.get((k + x, m + y), 0.0) + q * math.prod(odds)
        alarms = {sums for sums in after if refuted_by_sum(sums, row, limits, factors)}
        refuted += sum(after[sums] for sums in alarms)
        alive = {sums: q for sums, q in after.items() if sums not in alarms}
    assert 0.6 / 50 < refuted <= 0.6


def log_capitals(limit, n):
    """Log capitals against a limit, after 0 to n rows (first axis) with 0 to n successes."""
    found = np.full((n + 1, n + 1), -np.inf)
    for rows in range(n + 1):
        for k in range(rows + 1):
            found[rows, k] = RateStream(k, rows).log_capital(np.array([limit]))[0]
    return found


@pytest.mark.parametrize("order", ["in turn", "one after the other", "four to one"])
@pytest.mark.parametrize("limits", [(0.3, 0.7), (0.02, 0.5)])
def test_the_mean_of_products_is_ever_large_with_probability_delta(limits, order):
    """All streams of 100 rows, tested after each row, by the counts of both groups.

    The mean of the capitals at the true rates ever reaches 1 / delta with probability at most
    delta. For some counts, it is also checked that the bound does not refute anything else.
    """
    n, delta = 50, 0.3
    turns = {"in turn": [0, 1] * n, "one after the other": [0] * n + [1] * n}
    turns["four to one"] = ([0] * 4 + [1]) * 12 + [1] * 38
    logs = [log_capitals(limit, n) for limit in limits]
    alive, seen, ever = np.zeros((n + 1, n + 1)), [0, 0], 0.0
    alive[0, 0] = 1.0
    rng = np.random.default_rng(0)
    for step, group in enumerate(turns[order]):
        seen[group] += 1
        moved = np.roll(alive, 1, axis=group)
        alive = limits[group] * moved + (1 - limits[group]) * alive
        one, other = (np.exp(own[rows]) for own, rows in zip(logs, seen, strict=True))
        mean = one[:, None] / 4 + other / 4 + one[:, None] * other / 2
        is_large = mean >= 1 / delta
        ever += alive[is_large].sum()
        alive[is_large] = 0.0
        if step % 20 == 0:
            for _ in range(5):
                counts = [int(rng.integers(rows + 1)) for rows in seen]
                streams = [RateStream(k, rows) for k, rows in zip(counts, seen, strict=True)]
                bound = time_uniform_sum_lower(streams, [1.0, 1.0], delta)
                assert bound <= sum(limits) or is_large[tuple(counts)]
    assert alive.sum() + ever == pytest.approx(1.0)
    assert delta / 20 < ever <= delta


def test_more_than_two_streams_are_bounded_together():
    streams = [rate(p, 2000) for p in (0.5, 0.3, 0.4, 0.2)]
    together = time_uniform_sum_lower(streams, [1.0, -1.0, 1.0, -1.0], DELTA)
    apart = sum(
        sign * (time_uniform_lower(s, DELTA / 4) if sign > 0 else 1 - of_flipped)
        for s, sign in zip(streams, (1, -1, 1, -1), strict=True)
        for of_flipped in [time_uniform_lower(s.flipped, DELTA / 4)]
    )
    assert apart + 0.05 < together < 0.4


def test_streams_of_disjoint_rows_add_up():
    assert RateStream(1, 3) + RateStream(2, 5) == RateStream(3, 8)
    rows = np.random.default_rng(0).random(100)
    parts = [MeanStream(divided_between_edges(part)) for part in (rows[:30], rows[30:])]
    whole = MeanStream(divided_between_edges(rows))
    assert ((parts[0] + parts[1]).weights == whole.weights).all()


@pytest.mark.parametrize("given", [([], []), ([RateStream(1, 2)], [0.0]), ([RateStream(1, 2)], [])])
def test_sums_of_nothing_are_refused(given):
    with pytest.raises(ValueError, match="factors must have one nonzero number per stream"):
        time_uniform_sum_lower(*given, DELTA)


def test_impossible_counts_and_deltas_are_refused():
    with pytest.raises(ValueError, match="must be between 0 and trials"):
        RateStream(3, 2)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        time_uniform_lower(RateStream(1, 2), 1.0)

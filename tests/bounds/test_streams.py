"""The capital of streams: by enumeration, by simulation and by independent formulas."""

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
)
from sklearn_seldonian.bounds._streams import EDGES, SHAPES, SHARES, STAKES

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

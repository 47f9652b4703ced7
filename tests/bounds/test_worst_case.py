import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian.bounds._worst_case import (
    Line,
    LowerSet,
    _between,
    _Points,
    window,
    worst_case,
)

TAIL = 1e-14


def staircase(n1, n2, rng):
    """A random lower set of tables."""
    highest = np.sort(rng.integers(-1, n2 + 1, n1 + 1))[::-1]
    return LowerSet((n1, n2), 0, highest.astype(np.int64), TAIL)


def probability(tables, line, p2):
    n1, n2 = tables.trials
    below = binom.cdf(tables.highest, n2, p2[:, None])
    return (binom.pmf(np.arange(n1 + 1), n1, line.p1(p2)[:, None]) * below).sum(axis=1)


def lines():
    yield Line((1.0, 1.0), 1.1, 0.1, 1.0)  # from p1 = 1 to p2 = 1
    yield Line((1.0, 1.0), 0.6, 0.0, 0.6)  # from p2 = 0 to p1 = 0
    yield Line((0.8, 1.0), 1.0, 0.2, 1.0)
    yield Line((0.3, 1.7), 0.9, 0.4, 0.5)
    yield Line((1.0, 1.0), 1.0, 0.0, 1.0)  # through two corners


@pytest.mark.parametrize("sizes", [(1, 1), (3, 8), (20, 20), (40, 7), (150, 90)])
@pytest.mark.thinned(2)
def test_bound_is_above_the_maximum_and_close_to_it(sizes, whole):
    rng = np.random.default_rng(sum(sizes))
    for line in lines():
        for _ in range(6 if whole else 2):
            tables = staircase(*sizes, rng)
            fine = probability(tables, line, np.linspace(line.first, line.last, 4001)).max()
            bound = worst_case(tables, line, slack=1e-3)
            assert fine - 1e-12 <= bound <= fine + 1.2e-3
            loose = worst_case(tables, line, slack=1e-3, enough=0.3)
            assert loose >= fine - 1e-12
            assert loose <= max(0.3, fine + 1.2e-3) or fine > 0.3


def test_a_maximum_clearly_below_enough_gives_a_bound_not_above_it():
    """The probability outside the windows is part of the bound, here .0022."""
    rng = np.random.default_rng(0)
    for line in lines():
        tables = staircase(20, 20, rng)._replace(tail=1e-6)
        exact = worst_case(tables, line, slack=1e-4)
        for enough in exact + np.linspace(0.002, 0.1, 50):
            assert worst_case(tables, line, 1e-4, enough) <= enough


@pytest.mark.parametrize("cells", [1, 2, 5, 20])
def test_bound_between_points_holds_everywhere_between(cells):
    rng = np.random.default_rng(cells)
    for line in lines():
        for sizes in [(2, 3), (15, 15), (60, 9)]:
            tables = staircase(*sizes, rng)
            p2 = np.linspace(line.first, line.last, cells + 1)
            bounds = _between(_Points.at(p2, tables, line), tables, line)
            for left, right, bound in zip(p2[:-1], p2[1:], bounds, strict=True):
                inside = probability(tables, line, np.linspace(left, right, 301))
                assert inside.max() <= bound + 1e-9


def test_slope_is_the_derivative():
    tables = staircase(12, 9, np.random.default_rng(0))
    line = Line((0.8, 1.3), 1.0, 0.2, 0.75)
    p2 = np.linspace(0.25, 0.7, 9)
    slope = _Points.at(p2, tables, line).slope
    change = probability(tables, line, p2 + 1e-6) - probability(tables, line, p2 - 1e-6)
    assert slope == pytest.approx(change / 2e-6, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("n", [1, 10, 1000, 10**6])
@pytest.mark.parametrize("p", [0.0, 1e-5, 0.1, 0.5, 0.999, 1.0])
def test_window_omits_at_most_the_stated_probability(n, p):
    low, high = window(n, p, p, 1e-6)
    assert binom.cdf(low - 1, n, p) <= 1e-6
    assert binom.sf(high, n, p) <= 1e-6


def test_bound_is_close_at_rates_next_to_one_that_floats_hardly_resolve():
    """A probability of 1e-8 at a p2 of 1, where neighbouring floats are 1e-16 apart."""
    tables = LowerSet((5, 10**6), 0, np.array([10**6, *[-1] * 5]), 1e-30)
    line = Line((1.0, 1.0), 1.975, 0.976, 1.0)
    exact = probability(tables, line, np.array([1.0]))[0]
    assert exact < 1.1e-8
    assert exact <= worst_case(tables, line, slack=1e-11) <= 1.002 * exact


def test_a_single_point():
    tables = staircase(5, 5, np.random.default_rng(1))
    line = Line((1.0, 1.0), 0.9, 0.5, 0.5)
    exact = probability(tables, line, np.array([0.5]))[0]
    assert worst_case(tables, line, slack=1e-3) == pytest.approx(exact, abs=1e-6)

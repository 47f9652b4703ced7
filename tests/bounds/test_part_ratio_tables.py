"""The order of tables, and the set of those that come first."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from sklearn_seldonian.bounds import part_ratio_asymptotic_upper
from tests.bounds._part_ratios import all_tables, limits_of, probabilities


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


@pytest.mark.parametrize("part_on_top", [False, True])
def test_probabilities_of_the_set_are_those_of_its_tables(part_on_top):
    """Summed over all tables; tails of counts may be missing, by as much as is said."""
    n = 12
    worst = limits_of((3, 5), (4, 8), 0.1, part_on_top=part_on_top).worst
    every, found = all_tables(n), worst.tables
    rows = every[:, 0] - int(found.sizes[0])
    edge = found.edge[np.clip(rows, 0, len(found.sizes) - 1), every[:, 1]]
    inside = every[:, 2] > edge if part_on_top else every[:, 2] <= edge
    inside &= (rows >= 0) & (rows < len(found.sizes))
    shares = np.linspace(worst.low.share, worst.high.share, 4)
    rates = [shares, np.array([0.1, 0.6, 0.3, 0.9]), np.array([0.4, 0.5, 0.0, 1.0])]
    value, missed = found.probability(*rates)
    exact = np.array([probabilities(every[inside], n, *p).sum() for p in zip(*rates, strict=True)])
    assert np.all(value <= exact + 1e-12)
    assert np.all(exact <= value + missed)
    assert missed.max() < 0.001
    assert (exact > 0.01).any()


def test_no_rates_have_no_probabilities():
    found = limits_of((3, 5), (4, 8), 0.1, part_on_top=False).worst.tables
    assert [part.shape for part in found.probability(*np.empty((3, 0)))] == [(0,), (0,)]

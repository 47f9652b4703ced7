"""The test of two rates against published values, and against other implementations."""

import numpy as np
import pytest
from exhaustive import binomial_masses
from scipy.stats import barnard_exact, boschloo_exact

from sklearn_seldonian.bounds import _pair as pairs
from sklearn_seldonian.bounds import two_rate_p_value, two_rate_upper

PARITY, MIRRORED = (1.0, -1.0), (-1.0, 1.0)


def pooled_order_p_value(table, trials, points=4001):
    """Barnard's unconditional p-value of p1 <= p2 with the pooled score ordering, computed
    directly.
    """
    x1, x2 = np.meshgrid(*(np.arange(n + 1) for n in trials), indexing="ij")
    pooled = (x1 + x2) / sum(trials)
    with np.errstate(all="ignore"):
        spread = np.sqrt(pooled * (1 - pooled) * (1 / trials[0] + 1 / trials[1]))
        z = np.where(spread > 0, (x1 / trials[0] - x2 / trials[1]) / spread, 0.0)
    inside = z <= z[table] + 1e-9
    rates = np.linspace(0, 1, points)
    mass1, mass2 = (binomial_masses(n, rates) for n in trials)
    return ((mass1 @ inside) * mass2).sum(axis=1).max()


@pytest.mark.parametrize("table", [(7, 12), (2, 9), (0, 4), (5, 6)])
def test_agrees_with_barnard_for_no_difference(table):
    """At limit 0 the score statistic is the pooled one, so only the box differs.

    The box may lower the supremum, and costs delta / 1000.
    """
    trials = (15, 13)
    ours = two_rate_p_value(table, trials, PARITY, 0.0, 0.05)
    (x1, x2), (n1, n2) = table, trials
    columns = [[x1, x2], [n1 - x1, n2 - x2]]
    reference = barnard_exact(columns, alternative="less", pooled=True, n=256).pvalue
    assert pooled_order_p_value(table, trials) == pytest.approx(reference, rel=1e-3)
    assert ours <= reference + 0.05 / 1000 + 0.05 / 1000 + 1e-6
    assert ours >= 0.6 * reference
    # This is another ordering of the same tables, so only the order of magnitude is the same.
    other = boschloo_exact(columns, alternative="less", n=256).pvalue
    assert 0.5 * other <= ours <= 2.0 * other


# Published values of the same test without a box for the rates. Sources:
# Garner: W. Garner (2016), Constructing confidence intervals for the differences of binomial
#   proportions in SAS, WUSS paper 127, tables 2 and 3, method 15 (Chan and Zhang, SAS 9.4),
#   https://www.lexjansen.com/wuss/2016/127_Final_Paper_PDF.pdf
# CAMIS: https://psiaims.github.io/CAMIS/SAS/ci_for_2indep_prop.html, "Exact (Score)"
# exact2x2: R package exact2x2 1.7.0, inst/slowTests/test_SAS.R (SAS 9.4, method score and
#   Barnard) and test_StatXact.R (StatXact 11, two one-sided tests, gamma = 0),
#   https://github.com/cran/exact2x2
# scipy: documentation and tests (by R's package Barnard) of scipy.stats.barnard_exact, 1.17
BEYOND = 0.0013  # the largest relative excess of our distances from the estimate
PUBLISHED_INTERVALS = [  # of the first rate minus the second, 95 %
    ((56, 70), (48, 80), 0.0382, 0.3453, BEYOND),  # Garner
    ((9, 10), (3, 10), 0.1608, 0.8795, BEYOND),  # Garner
    ((10, 10), (0, 20), 0.6915, 1.0, BEYOND),  # Garner
    ((84, 101), (89, 105), -0.1227, 0.0869, BEYOND),  # Garner
    ((36, 154), (12, 77), -0.0400, 0.1793, BEYOND),  # CAMIS
    ((24, 61), (10, 35), -0.0992, 0.2949, BEYOND),  # exact2x2, SAS and StatXact
    ((9, 11), (4, 12), 0.0616, 0.7968, BEYOND),  # exact2x2, SAS
    ((6, 13), (2, 7), -0.3108, 0.5787, BEYOND),  # exact2x2, StatXact
    ((13, 13), (0, 7), 0.5904, 1.0, BEYOND),  # exact2x2, SAS and StatXact
]


def interval(first, second):
    counts, trials = zip(first, second, strict=True)
    lower = -two_rate_upper(counts, trials, MIRRORED, 0.025)
    return lower, two_rate_upper(counts, trials, PARITY, 0.025)


@pytest.mark.parametrize(("first", "second", "lower", "upper", "beyond"), PUBLISHED_INTERVALS)
@pytest.mark.thinned(2)
def test_published_intervals(first, second, lower, upper, beyond, monkeypatch):
    """Without the box, the intervals are those of Chan and Zhang.

    Ours are never narrower; they are wider by the steps of the search. The package's box (gamma =
    delta / 1000) makes some narrower, here by at most .0137.
    """
    estimate = first[0] / first[1] - second[0] / second[1]
    rounding = 1e-4
    for box, narrower in ((0.0, rounding), (pairs.BOX_SHARE, 0.014)):
        monkeypatch.setattr(pairs, "BOX_SHARE", box)
        low, high = interval(first, second)
        assert -narrower <= lower - low <= rounding + beyond * (estimate - lower)
        assert -narrower <= high - upper <= rounding + beyond * (upper - estimate)


PUBLISHED_RATIOS = [  # of the first rate over the second, 95 %, and the digits given
    ((24, 61), (10, 35), 0.7663, 3.0005, 2e-4),  # exact2x2, SAS
    ((9, 11), (4, 12), 1.0964, 10.8647, 2e-4),  # exact2x2, SAS
    ((36, 154), (12, 77), 0.8404, 3.2688, 2e-4),  # CAMIS, relative risk
    ((11, 13), (2, 7), 1.078, 29.1, 2e-3),  # exact2x2, StatXact
]


@pytest.mark.parametrize(("first", "second", "lower", "upper", "digits"), PUBLISHED_RATIOS)
def test_published_intervals_of_ratios(first, second, lower, upper, digits, monkeypatch):
    """At the ends of the interval of the ratio r, the p-value of p1 - r p2 crosses .025."""
    monkeypatch.setattr(pairs, "BOX_SHARE", 0.0)
    counts, trials = zip(first, second, strict=True)
    for sign, limit, outwards in ((1.0, upper, 1.0 + digits), (-1.0, lower, 1.0 - digits)):
        outside, inside = (
            two_rate_p_value(counts, trials, (sign, -sign * ratio), 0.0, 0.025)
            for ratio in (limit * outwards, limit / outwards)
        )
        assert outside <= 0.025 < inside


PUBLISHED_P_VALUES = [  # against a first rate that is not below the second
    ((7, 15), (12, 15), 0.03407),  # scipy's documentation, after Chan (1998)
    ((2, 10), (7, 9), 0.009886140845),  # scipy's tests
    ((10, 35), (24, 61), 0.2142),  # exact2x2, SAS; StatXact .4284 for both sides
    ((4, 12), (9, 11), 0.0120),  # exact2x2, SAS
    ((2, 7), (6, 13), 0.5569 / 2),  # exact2x2, StatXact, as all below: half of both sides
    ((2, 7), (11, 13), 0.02064 / 2),
    ((0, 7), (13, 13), 4.758e-6 / 2),
]


@pytest.mark.parametrize(("first", "second", "published"), PUBLISHED_P_VALUES)
def test_published_p_values(first, second, published, monkeypatch):
    """Without the box within .2 %.

    The package's box adds at most delta / 500, or lowers the p-value.
    """
    counts, trials = zip(first, second, strict=True)
    shipped = two_rate_p_value(counts, trials, PARITY, 0.0, 0.05)
    assert 0.7 * published <= shipped <= 1.002 * published + 0.05 / 500
    monkeypatch.setattr(pairs, "BOX_SHARE", 0.0)
    p = two_rate_p_value(counts, trials, PARITY, 0.0, delta=1e-6)
    assert p == pytest.approx(published, rel=2e-3)


def test_published_values_with_a_box():
    """StatXact 11 with Berger and Boos at gamma = 1e-6 (exact2x2). Our gamma is 2.5e-5 here."""
    first, second = (10, 35), (24, 61)
    counts, trials = zip(first, second, strict=True)
    p = two_rate_p_value(counts, trials, PARITY, 0.0, 0.025)
    assert p == pytest.approx(0.3012 / 2, abs=1e-4)
    assert interval(second, first)[0] == pytest.approx(-0.09731, abs=2e-4)


def test_published_p_value_with_another_ordering():
    """Boschloo's test in scipy's documentation orders by Fisher's p-value: close, but not equal."""
    p = two_rate_p_value((31, 74), (63, 117), PARITY, 0.0, 0.05)
    assert p == pytest.approx(0.0355, rel=0.1)

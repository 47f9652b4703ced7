"""The safety test is never wrong more often than delta, summed over the whole sample space."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from sklearn_seldonian.certification import RateSample, safety_test
from sklearn_seldonian.constraints import Schema, bind, parse

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)})


def resolved(text):
    return bind(parse(text), SCHEMA)


def passes(constraint, counts, trials, delta):
    samples = {
        mean: RateSample(k, n) for mean, k, n in zip(constraint.means, counts, trials, strict=True)
    }
    return safety_test(constraint.tree, samples, delta).passed


def passing_counts(constraint, trials, delta):
    """All counts, out of the whole sample space, that pass."""
    spaces = [range(n + 1) for n in trials]
    return [c for c in itertools.product(*spaces) if passes(constraint, c, trials, delta)]


def probability(all_counts, trials, rates):
    """Exact probability of seeing one of `all_counts` where the means are `rates`."""
    masses = [binom.pmf(range(n + 1), n, p) for n, p in zip(trials, rates, strict=True)]
    return sum(
        math.prod(mass[k] for mass, k in zip(masses, counts, strict=True)) for counts in all_counts
    )


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 2, 5, 30, 100])
@pytest.mark.parametrize(("text", "limit"), [("PR <= 0.3", 0.3), ("PR >= 0.8", 0.8)])
def test_one_rate_on_and_beyond_the_limit(text, limit, n, delta):
    constraint = resolved(text)
    passing = passing_counts(constraint, (n,), delta)
    for rate in np.linspace(limit, 1.0 if "<=" in text else 0.0, 7):
        assert probability(passing, (n,), (rate,)) <= delta * (1 + 1e-9)


# The means of each constraint, in order, and pairs of rates that violate it or barely do not.
TWO_RATES = [
    ("abs(PR | [M] - PR | [F]) <= 0.1", [(0.3, 0.4), (0.45, 0.55), (0.9, 1.0), (0.2, 0.6)]),
    ("PR | [M] / PR | [F] >= 0.8", [(0.4, 0.5), (0.08, 0.1), (0.8, 1.0), (0.1, 0.5)]),
    ("min(PR | [M], PR | [F]) <= 0.2", [(0.2, 0.2), (0.2, 0.9), (0.5, 0.5)]),
    ("max(PR | [M], PR | [F]) <= 0.5", [(0.5, 0.0), (0.5, 0.5), (0.1, 0.6)]),
    ("PR | [M] * PR | [F] <= 0.25", [(0.5, 0.5), (0.25, 1.0), (0.6, 0.6)]),
]


@pytest.mark.parametrize("delta", [0.05, 0.1])
@pytest.mark.parametrize("trials", [(1, 2), (10, 10), (10, 25)])
@pytest.mark.parametrize(("text", "violations"), TWO_RATES, ids=[t for t, _ in TWO_RATES])
def test_two_rates_on_and_beyond_the_limit(text, violations, trials, delta):
    constraint = resolved(text)
    passing = passing_counts(constraint, trials, delta)
    for rates in violations:
        assert probability(passing, trials, rates) <= delta * (1 + 1e-9)


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        ("PR <= 0.3", (10,), True),
        ("PR <= 0.3", (30,), False),
        ("PR >= 0.3", (60,), True),
        ("abs(PR | [M] - PR | [F]) <= 0.5", (50, 50), True),
        ("abs(PR | [M] - PR | [F]) <= 0.1", (50, 50), False),
        ("min(PR | [M], PR | [F]) <= 0.2", (5, 90), True),
        ("PR - PR <= 0", (50,), True),
        ("PR - PR <= -0.01", (50,), False),
    ],
)
def test_both_outcomes(text, counts, expected):
    constraint = resolved(text)
    assert passes(constraint, counts, [100] * len(counts), 0.05) is expected


@pytest.mark.parametrize("k", [0, 3, 50, 99, 100])
def test_one_rate_is_clopper_pearson(k):
    constraint = resolved("PR >= 0.4")
    (mean,) = constraint.means
    verdict = safety_test(constraint.tree, {mean: RateSample(k, 100)}, 0.05)
    reference = binomtest(k, 100, 0.4, alternative="greater")
    lower = reference.proportion_ci(0.95, method="exact").low
    assert verdict.g_upper == pytest.approx(0.4 - lower)
    assert verdict.p_value == pytest.approx(reference.pvalue, rel=2e-3, abs=2e-12)
    assert (verdict.method, verdict.guarantee) == ("Clopper-Pearson", "exact")


@pytest.mark.parametrize("text", [text for text, _ in TWO_RATES])
def test_p_value_is_the_smallest_delta_that_passes(text):
    constraint = resolved(text)
    samples = dict(zip(constraint.means, [RateSample(22, 100), RateSample(24, 100)], strict=True))
    p_value = safety_test(constraint.tree, samples, 0.05).p_value
    if p_value < 1:
        assert safety_test(constraint.tree, samples, p_value).passed
    assert not safety_test(constraint.tree, samples, p_value * 0.99).passed


@pytest.mark.parametrize("text", ["PR | [M] <= 0.99", "abs(PR | [M] - PR | [F]) <= 0.99"])
def test_no_rows_never_pass(text):
    constraint = resolved(text)
    assert not passes(constraint, [0] * len(constraint.means), [0] * len(constraint.means), 0.05)


def test_soft_test_holds_its_level_in_simulation():
    """Mean probabilities of a two-point distribution right at the limit; 4,000 trials."""
    constraint = resolved("PR <= 0.3")
    (mean,) = constraint.means
    rng = np.random.default_rng(0)
    values = np.where(rng.random((4000, 100)) < 1 / 3, 0.9, 0.0).sum(axis=1)
    certified = sum(
        safety_test(constraint.tree, {mean: RateSample(total, 100)}, 0.05, hard=False).passed
        for total in values
    )
    assert binomtest(certified, 4000, 0.05, alternative="greater").pvalue > 0.01
    assert safety_test(constraint.tree, {mean: RateSample(10.0, 100)}, 0.05, hard=False).passed

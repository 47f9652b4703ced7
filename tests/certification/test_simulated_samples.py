"""Simulated samples of numbers, compared with the betting test on samples of their own."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.bounds import betting_upper
from sklearn_seldonian.certification import _simulated_samples
from sklearn_seldonian.certification._simulated_samples import (
    Distribution,
    Margin,
    SimulatedSamples,
)
from sklearn_seldonian.constraints import Schema, bind, parse

SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})
ANY = -math.inf, math.inf
DECIDED = Distribution.of_decisions(0.8)


@pytest.mark.parametrize(
    "distribution",
    [
        Distribution(0.17, 0.2, (0.0, 1.0)),
        Distribution(0.0, 0.4, (-1.0, 1.0)),
        Distribution(1.6, 2.26, (0.0, 36.0)),
        Distribution(0.3, math.sqrt(0.21), (0.0, 1.0)),  # two points
        Distribution(0.5, 0.0, (0.0, 1.0)),
        Distribution(0.0, 0.0, (0.0, 1.0)),
        Distribution(0.5, 1e-160, (0.0, 1.0)),
        Distribution(0.5, 1e-160, (0.0, math.inf)),
        Distribution(0.5, 1.0, (0.0, math.inf)),
        Distribution(-0.5, 1.0, (-math.inf, 1.0)),
        Distribution(0.5, 1.0, ANY),
    ],
)
def test_numbers_have_the_moments_and_the_range(distribution):
    drawn = distribution.draws((200_000,), np.random.default_rng(0))
    deviation = distribution.deviation
    error = 4 * deviation / math.sqrt(len(drawn))
    assert drawn.mean() == pytest.approx(distribution.mean, abs=error + 1e-12)
    assert drawn.std() == pytest.approx(deviation, rel=0.03, abs=1e-12)
    if deviation > 1e-9:
        third = np.mean((drawn - distribution.mean) ** 3) / deviation**3
        assert third == pytest.approx(distribution.skewness, rel=0.1, abs=0.05)
    low, high = distribution.range
    assert low <= drawn.min()
    assert drawn.max() <= high


@pytest.mark.parametrize(
    ("mean", "range_", "largest"),
    [
        (0.3, (0.0, 1.0), math.sqrt(0.21)),
        (0.0, (-2.0, 2.0), 2.0),
        (0.0, (0.0, 1.0), 0.0),
        (0.3, (0.0, math.inf), math.inf),
        (0.0, (0.0, math.inf), 0.0),
        (0.3, ANY, math.inf),
    ],
)
def test_the_largest_standard_deviation_is_that_of_numbers_at_both_ends(mean, range_, largest):
    assert Distribution(mean, 0.0, range_).largest_deviation == pytest.approx(largest)


def test_a_margin_is_a_line_with_residuals():
    errors = np.array([1.0, 2.0, 3.0])
    margin = Margin.fitted(errors, np.array([2.1, 3.8, 6.1]))
    assert margin.slope == pytest.approx(2.0)
    assert margin.constant == pytest.approx(0.0)
    assert margin.residuals == pytest.approx([0.1, -0.2, 0.1])
    drawn = margin.scaled(0.5).draws(errors, np.random.default_rng(0)) - 2.0 * errors
    assert set(drawn.round(9)) <= {0.05, -0.1}
    assert Margin.fitted(np.ones(2), np.array([1.0, 3.0]))[:2] == (0.0, 2.0)


def samples_of(text, distributions, n, method="auto"):
    """The tests of a constraint at delta .05, and samples with `n` rows for each mean."""
    constraint = bind(parse(text), SCHEMA)
    means = dict(zip(constraint.estimands, distributions, strict=True))
    trials = dict.fromkeys(constraint.estimands, n)
    are_decided = any("ACC" in mean.label for mean in means)
    simulated = SimulatedSamples(means, trials, n * len(trials), are_decided, method, EXCLUSIVE)
    return [(constraint.tree, 0.05)], simulated


CASES = [
    ("Brier <= 0.2", [Distribution(0.15, 0.2, (0.0, 1.0))], [1.0], 0.2),
    ("Calibration_Error <= 0.1", [Distribution(0.0, 0.4, (-1.0, 1.0))], [1.0], 0.1),
    (
        "PR | [M] - PR | [F] <= 0.15",
        [Distribution(0.4, 0.2, (0.0, 1.0)), Distribution(0.36, 0.3, (0.0, 1.0))],
        [1.0, -1.0],
        0.15,
    ),
]


@pytest.mark.parametrize(("text", "distributions", "weights", "limit"), CASES)
@pytest.mark.parametrize(
    ("n", "n_samples"), [(80, 200), pytest.param(160, 400, marks=pytest.mark.slow)]
)
def test_the_share_is_that_of_the_test_on_samples(
    text, distributions, weights, limit, n, n_samples
):
    rng = np.random.default_rng(1)
    ranges = [of.range for of in distributions]
    drawn = ([of.draws((n,), rng) for of in distributions] for _ in range(n_samples))
    passed = np.mean([betting_upper(values, weights, ranges, 0.05) <= limit for values in drawn])
    tests, simulated = samples_of(text, distributions, n)
    error = math.sqrt(passed * (1 - passed) / n_samples)
    assert 0.1 < passed < 0.99
    assert simulated.passing_share(tests, 1024) == pytest.approx(passed, abs=0.03 + 3 * error)


@pytest.mark.parametrize(
    ("text", "distributions", "share"),
    [
        ("Brier <= 0.5", [Distribution(0.2, 0.0, (0.0, 1.0))], 1.0),
        ("Brier <= 0.5", [Distribution(0.6, 0.1, (0.0, 1.0))], 0.0),
        ("max(Brier, 0.6) <= 0.5", [Distribution(0.2, 0.0, (0.0, 1.0))], 0.0),
        ("min(Brier, 0.4) <= 0.5", [Distribution(0.6, 0.0, (0.0, 1.0))], 1.0),
        ("Brier * ACC <= 0.5", [Distribution(0.2, 0.1, (0.0, 1.0)), DECIDED], 1.0),  # a box
        ("Brier * ACC <= 0.1", [Distribution(0.2, 0.1, (0.0, 1.0)), DECIDED], 0.0),
        ("Brier <= 0.3", [Distribution(0.01, 0.04, (0.0, 1.0))], 1.0),  # skewed
        ("Brier <= 0.002", [Distribution(0.01, 0.04, (0.0, 1.0))], 0.0),
        ("PR | [M] / PR | [F] <= 2", [Distribution(0.3, 0.1, (0.0, 1.0))] * 2, 1.0),
        ("PR | [M] / PR | [F] <= 0.9", [Distribution(0.3, 0.1, (0.0, 1.0))] * 2, 0.0),
        ("LogLoss <= 0.5", [Distribution(0.1, 0.1, (0.0, math.inf))], 1.0),
    ],
)
def test_what_always_or_never_passes(text, distributions, share):
    tests, simulated = samples_of(text, distributions, 200)
    assert simulated.passing_share(tests, 512) == pytest.approx(share, abs=0.06)


def test_without_a_finite_range_no_exact_test_passes():
    tests, simulated = samples_of(
        "LogLoss <= 0.5", [Distribution(0.1, 0.1, (0.0, math.inf))], 200, "exact"
    )
    assert simulated.passing_share(tests, 512) == 0.0


def test_many_rows_need_no_more_memory_and_have_the_same_margin(monkeypatch):
    """The share with many rows is that with margins of fewer rows, to within the simulation."""
    asked = samples_of("Brier <= 0.2", [Distribution(0.19, 0.2, (0.0, 1.0))], 4000)
    tests, simulated = asked
    found = simulated.passing_share(tests, 1024)
    assert 0.5 < found < 0.99
    monkeypatch.setattr(_simulated_samples, "ROWS_OF_A_PILOT", 2000)
    monkeypatch.setattr(_simulated_samples, "MOST_NUMBERS", 1024 * 1000)
    assert simulated.passing_share(tests, 1024) == pytest.approx(found, abs=0.05)


@pytest.mark.parametrize("n_large", [1000, 100_000, 10_000_000])
def test_a_small_group_keeps_its_rows_beside_a_large_one(n_large):
    """The share is that of the small group alone, which the large one hardly changes."""
    of = Distribution(0.17, 0.2, (0.0, 1.0))
    tests, simulated = samples_of("PR | [M] - PR | [F] <= 0.1", [of, of], 100)
    first, second = simulated.trials
    simulated = replace(simulated, trials={first: 100, second: n_large}, n_rows=100 + n_large)
    assert simulated.passing_share(tests, 1024) == pytest.approx(0.98, abs=0.025)


def test_decisions_in_a_test_of_numbers_are_zeros_and_ones():
    tests, simulated = samples_of(
        "Brier | [M] - ERR | [F] <= 0.11",
        [Distribution(0.17, 0.2, (0.0, 1.0)), Distribution.of_decisions(0.83)],
        120,
    )
    assert 0.6 < simulated.passing_share(tests, 1024) < 0.99

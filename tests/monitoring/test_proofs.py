"""Proofs for each kind of constraint, compared with the bounds that they consist of."""

import math

import numpy as np
import pytest

from sklearn_seldonian.bounds import RateStream, time_uniform_lower, time_uniform_sum_lower
from sklearn_seldonian.certification._results import units_of
from sklearn_seldonian.constraints import estimate
from sklearn_seldonian.monitoring._proofs import (
    Evidence,
    bounds_of,
    estimate_of,
    is_certified,
    is_violated,
)
from tests.monitoring._people import specification

DELTA = 0.05
M, F = RateStream(150, 300), RateStream(90, 300)


def known(text, *streams, mutually_exclusive_columns=()):
    """A constraint and evidence, whose streams are in the order of its means."""
    spec = specification(text, mutually_exclusive=mutually_exclusive_columns)
    (constraint,) = spec.constraints
    assert len(streams) == len(constraint.estimands)
    by_mean = dict(zip(constraint.estimands, streams, strict=True))
    return constraint, Evidence(by_mean, DELTA, spec.mutually_exclusive_columns)


def upper(stream, delta=DELTA):
    return 1 - time_uniform_lower(stream.flipped, delta)


GAP = "PR | [sex == 'M'] - PR | [sex == 'F'] <= 0.1"


def test_a_rate_has_the_bounds_of_its_stream():
    constraint, evidence = known("PR <= 0.4", M)
    assert bounds_of(constraint, evidence) == pytest.approx(
        (time_uniform_lower(M, DELTA), upper(M)), abs=1e-9
    )
    assert estimate_of(constraint, evidence) == 0.5


def test_a_complement_reads_in_the_units_of_its_constraint():
    constraint, evidence = known("NR >= 0.4", M)
    assert bounds_of(constraint, evidence) == pytest.approx(
        (1 - upper(M), 1 - time_uniform_lower(M, DELTA)), abs=1e-9
    )


def test_a_gap_has_the_bounds_of_a_sum():
    low = time_uniform_sum_lower([M, F], [1.0, -1.0], DELTA)
    high = -time_uniform_sum_lower([M, F], [-1.0, 1.0], DELTA)
    assert bounds_of(*known(GAP, M, F)) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("n", "violated"), [(10**5, False), (10**6, True), (10**7, True)])
@pytest.mark.parametrize(
    "text", [GAP.replace("0.1", "0"), "PR | [sex == 'M'] / PR | [sex == 'F'] <= 1"]
)
def test_a_violation_that_is_proved_stays_proved_with_more_rows(text, n, violated):
    constraint, evidence = known(text, RateStream(305 * n // 1000, n), RateStream(3 * n // 10, n))
    assert is_violated(constraint, evidence) == violated
    assert not is_certified(constraint, evidence)


def test_an_absolute_gap_is_bounded_at_half_of_delta_below_and_never_below_zero():
    constraint, evidence = known(
        GAP.replace("PR | [sex == 'M']", "abs(PR | [sex == 'M']", 1).replace(" <=", ") <="), M, F
    )
    low, _ = bounds_of(constraint, evidence)
    assert low == pytest.approx(time_uniform_sum_lower([M, F], [1.0, -1.0], DELTA / 2), abs=1e-9)
    assert bounds_of(
        constraint, Evidence(dict.fromkeys(evidence.streams, RateStream(0, 0)), DELTA, frozenset())
    ) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "lower_delta", "upper_delta"),
    [("max(FPR, FNR) <= 0.1", DELTA / 2, DELTA), ("min(FPR, FNR) <= 0.1", DELTA, DELTA / 2)],
)
def test_delta_is_shared_where_any_of_several_bounds_counts(text, lower_delta, upper_delta):
    stream = RateStream(30, 200)
    low, high = bounds_of(*known(text, stream, stream.flipped))  # FNR is 1 - TPR
    assert low == pytest.approx(time_uniform_lower(stream, lower_delta), abs=1e-9)
    assert high == pytest.approx(upper(stream, upper_delta), abs=1e-9)


def test_columns_that_exclude_each_other_are_sharper():
    text = "PR | [M] - PR | [F] <= 0.1"
    apart = bounds_of(*known(text, M, F, mutually_exclusive_columns=[("M", "F")]))
    box = bounds_of(*known(text, M, F))
    assert apart == pytest.approx(bounds_of(*known(GAP, M, F)), abs=1e-9)
    share = DELTA / 2
    assert box[0] == pytest.approx(time_uniform_lower(M, share) - upper(F, share), abs=1e-6)
    assert box[0] < apart[0]


@pytest.mark.parametrize(
    ("text", "streams", "violated", "certified"),
    [
        ("PR <= 0.4", [RateStream(500, 1000)], True, False),
        ("PR <= 0.6", [RateStream(500, 1000)], False, True),
        ("PR <= 0.5", [RateStream(500, 1000)], False, False),
        ("PR >= 0.6", [RateStream(500, 1000)], True, False),
        ("PR <= 0", [RateStream(1, 5)], True, False),
        ("PR <= 0", [RateStream(0, 5000)], False, False),
        ("TPR >= 1", [RateStream(1, 5)], True, False),
        ("abs(FPR - FNR) <= 0", [RateStream(10, 500), RateStream(250, 500)], True, False),
        ("abs(FPR - FNR) <= 0", [RateStream(250, 500), RateStream(250, 500)], False, False),
        ("FPR * FNR <= 0", [RateStream(100, 500), RateStream(250, 500)], True, False),
        (GAP, [RateStream(500, 1000), RateStream(300, 1000)], True, False),
        (GAP, [RateStream(300, 1000), RateStream(300, 1000)], False, True),
        (
            "PR | [sex == 'F'] / PR | [sex == 'M'] >= 0.8",
            [RateStream(300, 1000), RateStream(500, 1000)],
            True,
            False,
        ),
        (
            "PR | [sex == 'F'] / PR | [sex == 'M'] >= 0.8",
            [RateStream(1000, 2000), RateStream(1000, 2000)],
            False,
            True,
        ),
        ("min(FPR, FNR) <= 0.1", [RateStream(1, 500), RateStream(250, 500)], False, True),
        ("min(FPR, FNR) <= 0.1", [RateStream(200, 500), RateStream(250, 500)], True, False),
        ("PR * TPR <= 0.1", [RateStream(500, 1000), RateStream(500, 1000)], True, False),
        (
            "PR - PR | [sex == 'F'] <= 0.3",
            [RateStream(500, 900), RateStream(200, 400)],
            False,
            True,
        ),
        (
            "max(PR, by=race) <= 0.4",
            [RateStream(500, 1000), RateStream(0, 0), RateStream(10, 100)],
            True,
            False,
        ),
        (
            "max(PR, by=race) <= 0.9",
            [RateStream(500, 1000), RateStream(0, 0), RateStream(10, 100)],
            False,
            False,
        ),
    ],
)
def test_both_sides_are_proved_by_enough_rows(text, streams, violated, certified):
    constraint, evidence = known(text, *streams)
    assert is_violated(constraint, evidence) == violated
    assert is_certified(constraint, evidence) == certified


@pytest.mark.parametrize(
    "text",
    [
        "PR | [sex == 'F'] / PR | [sex == 'M'] >= 0.8",
        "PR | [sex == 'F'] / PR | [sex == 'M'] <= 0.6",
        "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.1",
        "PR | [sex == 'F'] >= 0.8 * PR | [sex == 'M']",
        "exp(PR | [sex == 'F'] - PR | [sex == 'M']) >= 0.9",
        "PR | [sex == 'F'] * PR | [sex == 'M'] >= 0.1",
    ],
)
@pytest.mark.parametrize("n", [0, 50, 2000])
def test_bounds_agree_with_what_is_proved_and_hold_the_estimate(text, n):
    constraint, evidence = known(text, RateStream(3 * n // 10, n), RateStream(n // 2, n))
    (low, high), value = bounds_of(constraint, evidence), estimate_of(constraint, evidence)
    assert low <= high
    assert math.isnan(value) or low <= value <= high
    units = units_of(constraint.source)
    is_above = units.operator == "<="
    assert is_violated(constraint, evidence) == (
        low > units.limit if is_above else high < units.limit
    )
    holds = high <= units.limit if is_above else low >= units.limit
    assert is_certified(constraint, evidence) == holds


def test_rows_of_a_population_never_refute_its_values():
    """Bounds at the estimate itself, for expressions of any shape."""
    rng = np.random.default_rng(0)
    for text in ("PR * TPR <= 0.2", "abs(FPR - FNR) <= 0.1", "F1 >= 0.5", "BACC >= 0.5"):
        spec = specification(text)
        (constraint,) = spec.constraints
        rates = rng.uniform(0.2, 0.8, len(constraint.estimands))
        streams = [RateStream(int(rng.binomial(400, rate)), 400) for rate in rates]
        evidence = Evidence(
            dict(zip(constraint.estimands, streams, strict=True)), 1e-6, frozenset()
        )
        truth = estimate(constraint.g, dict(zip(constraint.estimands, rates, strict=True)))
        sign = 1 if constraint.source.operator == "<=" else -1
        low, high = bounds_of(constraint, evidence)
        assert low <= sign * truth + constraint.source.right.value <= high

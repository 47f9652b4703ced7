"""Wrong arguments raise errors, and data without information are distinguished from usable data."""

import math

import numpy as np
import pytest

from sklearn_seldonian.bounds._checks import (
    check_delta,
    check_same_length,
    counts_usable,
    finite,
    rates_usable,
    two_rates_usable,
)

SMALLEST = math.ulp(0.0)


@pytest.mark.parametrize("delta", [SMALLEST, 0.05, 0.5, np.float64(0.1), 1.0 - 2**-53])
def test_a_delta_between_0_and_1_is_taken(delta):
    assert check_delta(delta) is None


@pytest.mark.parametrize("delta", [0.0, 1.0, -SMALLEST, 1.0 + 2**-52, math.nan, math.inf])
def test_another_delta_is_refused(delta):
    with pytest.raises(ValueError, match=rf"^delta={delta!r} must be strictly between 0 and 1"):
        check_delta(delta)


@pytest.mark.parametrize(
    ("successes", "trials", "usable"),
    [
        (0, 1, True),
        (1, 1, True),
        (3.0, 5.0, True),
        (0, 0, False),
        (math.nan, 5, False),
        (3, math.nan, False),
        (3, math.inf, False),
        (math.inf, 5, False),
        (0.5, math.nan, False),
    ],
)
def test_counts_of_no_rows_or_unknown_ones_cannot_be_used(successes, trials, usable):
    assert counts_usable(successes, trials) is usable


@pytest.mark.parametrize(
    ("successes", "trials", "message"),
    [
        (0.5, 5, "must be whole numbers"),
        (3, 5.5, "must be whole numbers"),
        (6, 5, "must be between 0 and trials=5"),
        (-1, 5, "must be between 0 and trials=5"),
        (0, -1, "must be between 0 and trials=-1"),
        (1, 0, "must be between 0 and trials=0"),
    ],
)
def test_counts_that_cannot_be_are_refused(successes, trials, message):
    with pytest.raises(ValueError, match=message):
        counts_usable(successes, trials)


def test_sequences_have_one_length_that_is_not_0():
    assert check_same_length(a=[1], b=(2,)) is None
    assert check_same_length(a=[1, 2], b="ab", c=range(2)) is None
    for named in ({"a": [1], "b": [1, 2]}, {"a": [], "b": []}, {"a": []}):
        lengths = {name: len(values) for name, values in named.items()}
        with pytest.raises(ValueError, match=f"one per mean; got {lengths}"):
            check_same_length(**named)


RATES = [
    (([1, 2], [5, 5], [1.0, -1.0]), True),
    (([0, 5], [5, 5], [0.0, 0.0]), True),
    (([1, 0], [5, 0], [1.0, -1.0]), False),
    (([1, math.nan], [5, 5], [1.0, -1.0]), False),
    (([1, 2], [5, 5], [1.0, math.nan]), False),
    (([1, 2], [5, 5], [math.inf, -1.0]), False),
]


@pytest.mark.parametrize("check", [rates_usable, two_rates_usable])
@pytest.mark.parametrize(("arguments", "usable"), RATES)
def test_one_rate_that_cannot_be_used_spoils_the_combination(check, arguments, usable):
    assert check(*arguments) is usable


@pytest.mark.parametrize("check", [rates_usable, two_rates_usable])
def test_an_impossible_rate_is_refused_with_one_without_rows(check):
    with pytest.raises(ValueError, match="must be between 0 and trials=5"):
        check([0, 6], [0, 5], [1.0, 1.0])
    with pytest.raises(ValueError, match="the same number of entries, one per mean"):
        check([1, 2], [5, 5], [1.0])


@pytest.mark.parametrize("n", [1, 3])
def test_two_rates_are_exactly_two(n):
    assert rates_usable([1] * n, [5] * n, [1.0] * n)
    with pytest.raises(ValueError, match=f"exactly two rates must be given, got {n}"):
        two_rates_usable([1] * n, [5] * n, [1.0] * n)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), True), ((0.0, -1e308), True), ((0.0, math.nan), False), ((-math.inf, 0.0), False)],
)
def test_all_values_are_finite(values, expected):
    assert finite(*values) is expected

"""Deltas, seeds, shares and numbers of rows: accepted values, and messages for others."""

import math
import warnings

import numpy as np
import pytest

from sklearn_seldonian.certification._requests import (
    LARGE_DELTA_WARNING,
    check_choice,
    check_count,
    check_deltas,
    check_mapping,
    check_probability,
    check_ranges,
    check_share,
    order_seed,
    warn_of_large_delta,
)
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._targets import Numbers
from sklearn_seldonian.measures import ANY_NUMBER


def refusal(check, *given):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        check(*given)
    return str(error.value)


# -- deltas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delta", "n_constraints", "deltas"),
    [
        (0.05, 1, (0.05,)),
        (0.05, 3, (0.05, 0.05, 0.05)),
        ([0.05, 0.1], 2, (0.05, 0.1)),
        (np.array([0.05, 0.1]), 2, (0.05, 0.1)),
        ([0.2], 2, (0.2, 0.2)),
        (1e-300, 1, (1e-300,)),
        (1 - 1e-9, 1, (1 - 1e-9,)),
    ],
)
def test_each_constraint_has_a_delta(delta, n_constraints, deltas):
    assert check_deltas(delta, n_constraints) == deltas


@pytest.mark.parametrize(("delta", "n_given"), [([0.1, 0.1], 2), ([], 0), ([[0.1, 0.1, 0.1]], 3)])
def test_deltas_are_as_many_as_constraints(delta, n_given):
    assert refusal(check_deltas, delta, 3) == (
        f"delta must be one number, or one per constraint (here 3); got {n_given} numbers."
    )


@pytest.mark.parametrize("delta", [0, 1, -0.1, 1.5, math.nan, math.inf, [0.05, 1.0]])
def test_a_delta_is_strictly_between_0_and_1(delta):
    assert refusal(check_deltas, delta, 2) == (
        f"delta must be strictly between 0 and 1, got {delta!r}."
    )


@pytest.mark.parametrize("deltas", [(), (0.05,), (0.05, 0.49)])
def test_deltas_below_a_half_are_not_warned_of(deltas):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_large_delta(deltas)


@pytest.mark.parametrize(("deltas", "largest"), [((0.5,), 0.5), ((0.6, 0.05, 0.95), 0.95)])
def test_the_largest_delta_from_a_half_on_is_warned_of_once(deltas, largest):
    with pytest.warns(UserWarning, match=LARGE_DELTA_WARNING) as given:
        warn_of_large_delta(deltas)
    (warning,) = given
    assert str(warning.message) == (
        f"delta={largest} is the probability of error: a violated constraint may pass with this "
        f"probability. The confidence level is 1 - delta, here {1 - largest:.4g}. For a confidence "
        f"level of {largest}, write delta={1 - largest:.4g}."
    )


# -- the order of rows -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, np.int64(7), np.uint8(7)])
def test_a_seed_is_itself(seed):
    assert order_seed(seed) == seed
    assert type(order_seed(seed)) is int


@pytest.mark.parametrize("draw", [lambda: None, lambda: np.random.RandomState(0)])
def test_seeds_that_are_drawn_can_be_given_again(draw):
    seeds = {order_seed(draw()) for _ in range(20)}
    assert {order_seed(seed) for seed in seeds} == seeds
    assert len(seeds) == (20 if draw() is None else 1)


def test_a_random_state_gives_another_seed_each_time():
    state = np.random.RandomState(0)
    assert len({order_seed(state) for _ in range(20)}) == 20


# -- choices, shares and numbers -------------------------------------------------------------------


@pytest.mark.parametrize("value", ["t", "AUTO", "", None, ["auto"], 3])
def test_a_choice_is_one_of_a_few_words(value):
    check_choice("method", "ttest", ("auto", "ttest"))
    assert refusal(check_choice, "method", value, ("auto", "ttest")) == (
        f"method must be one of 'auto', 'ttest', got {value!r}."
    )


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.25, np.float32(0.5)])
def test_a_share_is_from_0_to_1(value):
    assert check_share("rate", value) == value


@pytest.mark.parametrize("value", [-1e-9, 1 + 1e-9, math.nan, math.inf])
def test_other_numbers_are_no_share(value):
    assert refusal(check_share, "rate", value) == f"rate must be between 0 and 1, got {value!r}."


@pytest.mark.parametrize("value", [1e-9, 0.25, np.float32(0.5), 1 - 1e-9])
def test_a_probability_is_strictly_between_0_and_1(value):
    assert check_probability("power", value) == value


@pytest.mark.parametrize("value", [0, 1, -0.5, 2, math.nan])
def test_other_numbers_are_no_probability(value):
    assert refusal(check_probability, "power", value) == (
        f"power must be strictly between 0 and 1, got {value!r}."
    )


@pytest.mark.parametrize("value", [0, 1, 10**6, 10.0, np.int32(5), 2**53])
def test_a_number_of_rows_is_a_whole_number(value):
    assert check_count("n_rows", value) == value
    assert type(check_count("n_rows", value)) is int


@pytest.mark.parametrize("value", [-1, 0.5, 2**53 + 1, math.nan, math.inf, True, "5", None, [5]])
def test_other_values_are_no_number_of_rows(value):
    assert refusal(check_count, "n_rows", value) == (
        f"n_rows must be a whole number of rows from 0 to 2**53, got {value!r}."
    )


def test_numbers_are_given_by_the_texts_of_measures():
    for given in ({}, {"PR": 0.4, "PR | [M]": 0.5}):
        assert check_mapping("rates", given) is given


@pytest.mark.parametrize("value", [None, 0.4, [0.4], [("PR", 0.4)], {1: 0.4}, {"PR": 0.4, None: 1}])
def test_other_values_map_no_texts(value):
    assert refusal(check_mapping, "rates", value) == (
        "rates must map the text of each measure to a number, as {'PR | [M]': 0.4}; "
        f"got {value!r}."
    )


# -- finite ranges ---------------------------------------------------------------------------------

REMEDY = "Say both ranges"


def specified(text, method, target_range, prediction_range):
    targets = Numbers(target_range, prediction_range)
    asked = Specification(parse_all(text), (0.05,), method)
    return asked.bound_to({}, 10, targets, (), named={})[0]


@pytest.mark.parametrize("method", ["auto", "exact"])
@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("MSE <= 1", ((0, 1), (0, 1))),
        ("MSE - MSE <= 1", (ANY_NUMBER, ANY_NUMBER)),  # no test is needed
        ("0 <= 1", (ANY_NUMBER, ANY_NUMBER)),
    ],
)
def test_finite_ranges_are_in_order(text, ranges, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_ranges(specified(text, method, *ranges), REMEDY)


@pytest.mark.parametrize("ranges", [((0, 1), ANY_NUMBER), (ANY_NUMBER, (0, 1))])
def test_a_range_that_is_not_finite_is_warned_of_and_refused_where_the_test_must_be_exact(ranges):
    with pytest.warns(UserWarning, match="normal approximation") as given:
        check_ranges(specified("MSE <= 1", "auto", *ranges), REMEDY)
    assert [str(warning.message) for warning in given] == [
        "'MSE <= 1' is tested by a normal approximation, because MSE has no finite range. For a "
        "finite-sample test: say both ranges."
    ]
    assert refusal(check_ranges, specified("MSE <= 1", "exact", *ranges), REMEDY) == (
        "'MSE <= 1' has no finite-sample test, because MSE has no finite range. Say both ranges, "
        'or use method="auto".'
    )


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
def test_a_requested_approximation_gives_no_warning(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_ranges(specified("MSE <= 1", method, ANY_NUMBER, ANY_NUMBER), REMEDY)

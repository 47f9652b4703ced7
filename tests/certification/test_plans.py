"""The arguments of plans of safety rows: constraints, rates, shares and classes."""

import math

import numpy as np
import pytest

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.bounds import Totals, totals_test

RACES = tuple(f'TPR | [race == "{race}"]' for race in "ABC")
BY_RACE = "max(TPR, by=race) - min(TPR, by=race) <= 0.15"


def test_groups_of_a_quantifier_are_named_by_the_rates_or_the_constraint():
    rates = dict.fromkeys(RACES, 0.8)
    shares = dict.fromkeys(RACES, 0.2)
    named = probability_of_passing(BY_RACE, rates, 1000, shares)
    listed = BY_RACE.replace("by=race", 'by=race in ("A", "B", "C")')
    assert named == probability_of_passing(listed, rates, 1000, shares) > 0.1
    fewer = BY_RACE.replace("by=race", 'by=race in ("A", "B")')
    assert probability_of_passing(fewer, rates, 1000, shares) > named
    assert 900 < required_safety_rows(BY_RACE, rates, shares) < 1100


def test_combinations_of_groups_are_those_that_the_rates_name():
    rates = {
        'TPR | [race == "A", sex == "F"]': 0.8,
        'TPR | [race == "A", sex == "M"]': 0.8,
        'TPR | [race == "B", sex == "F"]': 0.8,
    }
    found = probability_of_passing("max(TPR, by=(race, sex)) <= 0.9", rates, 100)
    alone = probability_of_passing("TPR <= 0.9", {"TPR": 0.8}, 100)
    assert found == pytest.approx(alone**3)


def test_balanced_accuracy_is_planned_by_its_rates():
    shares = {"TPR": 0.5, "TNR": 0.5}
    rates = {"TPR": 0.8, "TNR": 0.9}
    found = probability_of_passing("BACC >= 0.82", rates, 1000, shares)
    assert found == probability_of_passing("0.5 * TPR + 0.5 * TNR >= 0.82", rates, 1000, shares)
    assert 0.7 < found < 0.9


def test_groups_of_an_expression_are_those_that_the_rates_name():
    rates = {'PR | [race == "A"]': 0.5, 'PR | [race == "B"]': 0.4}
    found = probability_of_passing("max(abs(PR - 0.45), by=race) <= 0.1", rates, 1000)
    alone = probability_of_passing("abs(PR - 0.45) <= 0.1", {"PR": 0.5}, 1000)
    assert found == pytest.approx(alone**2, abs=0.02)


@pytest.mark.parametrize(
    ("constraint", "rates", "message"),
    [
        (
            BY_RACE,
            {"TPR": 0.8},
            "ranges over the groups of 'race', but the groups are not known. Name each group "
            "in rates, such as 'TPR | [race == \"A\"]', or in the constraint: "
            'by=race in ("A", "B").',
        ),
        ("max(abs(PR - TPR), by=race) <= 1", {"PR": 0.8}, "such as 'PR | [race == \"A\"]', or"),
        ("BACC >= 0.5", {"BACC": 0.8}, "'BACC' is not one measure. Give each measure its own key"),
        ("BACC >= 0.5", {"TPR": 0.8}, "rates has no value for TNR, which the constraints need."),
        (BY_RACE, {'TPR | [race != "A"]': 0.8}, "but the groups are not known"),
        ("max(TPR, by=(race, sex)) <= 1", {RACES[0]: 0.8}, "ranges over the groups of 'sex'"),
        ("MSE <= 1", {"MSE": 0.5}, "'MSE' is not a rate of decisions."),
        ("Brier <= 1", {"Brier": 0.5}, "'Brier' is not a rate of decisions."),
        ("Calibration_Error <= 1", {"PR": 0.5}, "'Calibration_Error' is not a rate of decisions."),
        ("Cost <= 1", {"Cost": 0.5}, "'Cost' is not a rate of decisions."),
        ([], {}, "No constraints were given, so there is nothing to plan."),
        ("PR <= 0.5", [0.4], "rates must map the text of each measure to a number"),
        ("PR <= 0.5", {"PR": "0.4"}, "rates['PR'] must be a number, got '0.4'."),
        (
            "PR <= 0.5",
            {"PR": 0.4, "NR": 0.4},
            "rates contradict each other about PR: they give it the values 0.4 and 0.6.",
        ),
        ("PR <= 0.5", {"PR - TPR": 0.4}, "'PR - TPR' is not one measure"),
        ("PR <= 0.5", {"0.3": 0.4}, "'0.3' is not one measure"),
        (
            ["PR <= 0.5", "TPR >= 0.5"],
            {"PR": 0.4},
            "rates has no value for TPR, which the constraints need.",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused(constraint, rates, message):
    for ask in (required_safety_rows, lambda c, r: probability_of_passing(c, r, 100)):
        with pytest.raises((ValueError, TypeError)) as error:
            ask(constraint, rates)
        assert message in str(error.value)


@pytest.mark.parametrize(
    "n_rows", [-1, 10.5, math.nan, math.inf, 2.0**60, 10**400, "100", None, True]
)
def test_numbers_of_rows_that_are_none_are_refused(n_rows):
    with pytest.raises(ValueError, match="n_rows must be a whole number of rows from 0 to"):
        probability_of_passing("PR <= 0.5", {"PR": 0.4}, n_rows)


def test_no_rows_pass_nothing():
    assert probability_of_passing("PR <= 0.5", {"PR": 0.4}, 0) == 0.0
    assert required_safety_rows("PR <= 0.5", {"PR": 0.4}, {"PR": 0.0}) is None
    assert required_safety_rows("PR <= 1", {"PR": 0.4}) == 1


def test_several_constraints_have_a_delta_each():
    found = probability_of_passing(
        ["TPR >= 0.8", "TNR >= 0.8"], {"TPR": 0.9, "TNR": 0.88}, 150, delta=[0.01, 0.1]
    )
    strict = probability_of_passing("TPR >= 0.8", {"TPR": 0.9}, 150, delta=0.01)
    lax = probability_of_passing("TNR >= 0.8", {"TNR": 0.88}, 150, delta=0.1)
    assert found == pytest.approx(strict * lax)


def test_a_rate_and_its_complement_have_one_plan():
    asked = probability_of_passing("TPR >= 0.8", {"TPR": 0.9}, 150)
    assert probability_of_passing("TPR >= 0.8", {"FNR": 0.1}, 150) == pytest.approx(asked)
    assert probability_of_passing("FNR <= 0.2", {"TPR": 0.9, "FNR": 0.1}, 150) == asked


def test_the_positive_class_is_the_second_or_the_one_that_is_said():
    def asked(text, rates, **options):
        return probability_of_passing(text, rates, 100, classes=("no", "yes"), **options)

    expected = probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100)
    assert asked("PR <= 0.5", {'PR_["yes"]': 0.4}) == expected
    assert asked("PR <= 0.5", {'PR_["yes"]': 0.4}, pos_label="yes") == expected
    assert asked("PR <= 0.5", {'PR_["no"]': 0.4}, pos_label="no") == expected
    with pytest.raises(ValueError, match="pos_label"):
        asked("PR <= 0.5", {"PR": 0.4}, pos_label="maybe")


def test_a_class_of_several_is_named():
    expected = probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100)
    named = {'PR_["b"]': 0.4}
    assert probability_of_passing('PR_["b"] <= 0.5', named, 100, classes="abc") == expected


@pytest.mark.parametrize(("share", "are_exclusive"), [(0.4, True), (0.5, True), (0.501, False)])
def test_columns_are_exclusive_where_their_shares_leave_room_for_both(share, are_exclusive):
    """Two groups that may share rows are tested as such."""
    rates = {"PR | [M]": 0.4, "PR | [F]": 0.4}
    shares = dict.fromkeys(rates, share)
    n_rows = round(600 / share)
    found = probability_of_passing("abs(PR | [M] - PR | [F]) <= 0.1", rates, n_rows, shares)
    apart = probability_of_passing(
        "abs(PR | [race == 'M'] - PR | [race == 'F']) <= 0.1",  # one column: never both
        {"PR | [race == 'M']": 0.4, "PR | [race == 'F']": 0.4},
        n_rows,
        {"PR | [race == 'M']": share, "PR | [race == 'F']": share},
    )
    assert (found == pytest.approx(apart, abs=0.01)) == are_exclusive
    assert (abs(found - apart) > 0.03) != are_exclusive


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        (0, "strictly between 0 and 1, got 0"),
        (1, "strictly between 0 and 1, got 1"),
        ([0.05, 0.05], r"one per constraint \(here 1\); got 2 numbers"),
    ],
)
def test_deltas_are_between_0_and_1_and_one_for_each_constraint(delta, message):
    with pytest.raises(ValueError, match=f"delta.*{message}"):
        probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100, delta=delta)


GAP = "PR | [M] - PR | [F] <= 0.15"
HALVES = {"PR | [M]": 0.5, "PR | [F]": 0.5}
GAP_RATES = {"PR | [M]": 0.4, "PR | [F]": 0.35}


def test_a_design_effect_multiplies_the_rows():
    alone = required_safety_rows(GAP, GAP_RATES, HALVES)
    grouped = required_safety_rows(GAP, GAP_RATES, HALVES, design_effect=2.0)
    assert grouped == math.ceil(alone * 2.0 * 1.3)
    assert required_safety_rows(GAP, GAP_RATES, HALVES, design_effect=1) == alone
    assert required_safety_rows("PR <= 0.1", {"PR": 0.2}, design_effect=2.0) is None
    passing = probability_of_passing("PR <= 0.5", {"PR": 0.4}, 260, design_effect=2.0)
    assert passing == probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100)


@pytest.mark.parametrize("effect", [0.9, math.inf, math.nan, "2"])
def test_design_effects_that_are_none_are_refused(effect):
    with pytest.raises((ValueError, TypeError), match="design_effect"):
        probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100, design_effect=effect)


def units(rng, n_units, size, rate, correlation):
    """Groups whose rows are positive together, with this correlation (beta-binomial)."""
    total = 1 / correlation - 1
    rates = rng.beta(rate * total, (1 - rate) * total, n_units)
    hits = rng.binomial(size, rates).astype(float)
    return Totals(hits, np.full(n_units, float(size)), 0.0, 1.0, float(size))


@pytest.mark.parametrize(
    ("n_trials", "lowest"), [(20, 0.7), pytest.param(300, 0.85, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("constraint", "rates", "shares", "slopes", "limit"),
    [
        ("PR <= 0.15", {"PR": 0.1}, None, [1.0], 0.15),
        (GAP, GAP_RATES, HALVES, [1.0, -1.0], 0.15),
    ],
)
def test_planned_groups_pass_with_about_the_requested_power(
    constraint, rates, shares, slopes, limit, n_trials, lowest
):
    size, correlation, rng = 5, 0.3, np.random.default_rng(0)
    effect = 1 + (size - 1) * correlation
    n_units = required_safety_rows(constraint, rates, shares, design_effect=effect) // size

    def passes():
        of_each = [
            units(rng, n_units // len(rates), size, rate, correlation) for rate in rates.values()
        ]
        return totals_test(of_each, slopes, 0.05).upper <= limit

    # If .9 were the truth, a share below `lowest` would have a probability of at most .003.
    assert np.mean([passes() for _ in range(n_trials)]) >= lowest

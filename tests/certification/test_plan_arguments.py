"""The arguments of plans: constraints, rates and averages, shares, classes and ranges."""

import math

import pytest

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.measures import RowMeasure

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
        (
            "MSE <= 1",
            {"MSE": 0.5},
            "MSE is an error of predicted numbers. Give the target_range and",
        ),
        (
            "Brier <= 1",
            {"Brier": 0.5},
            "standard_deviations has no value for Brier, which the constraints need. Add the "
            "standard deviation that you expect, as in standard_deviations={'Brier': 0.1}.",
        ),
        ("Calibration_Error <= 1", {"PR": 0.5}, "rates has no value for Calibration_Error"),
        ("CVaR(Brier, 0.9) <= 0.5", {"Brier": 0.2}, "CVaR(Brier, 0.9) cannot be planned, because"),
        ("Cost <= 1", {"Cost": 0.5}, "Cost"),
        ([], {}, "No constraints were given, so there is nothing to plan."),
        ("PR <= 0.5", {"[M]": 0.4}, "rates has the key '[M]'. A key is a measure, possibly in a"),
        ("PR <= 0.5", {"PR <= 0.5": 0.4}, "rates has the key 'PR <= 0.5'. A key is a measure"),
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
    asked = 'PR_["b"] <= 0.5', {'PR_["b"]': 0.4}, 100
    assert probability_of_passing(*asked, classes=["a", "b", "c"]) == expected


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


@pytest.mark.parametrize(
    ("rates", "deviations", "message"),
    [
        ({"Brier": 1.2}, {"Brier": 0.1}, "rates['Brier'] must be between 0 and 1, got 1.2."),
        (
            {"Brier": 0.2},
            {"Brier": 0.41},
            "standard_deviations gives Brier 0.41. The largest standard deviation of numbers from "
            "0 to 1 with the average 0.2 is 0.4.",
        ),
        ({"Brier": 0.2}, {"Brier": -0.1}, "must be between 0 and 1e+100, got -0.1"),
        ({"Brier": 0.2}, {"Brier": math.nan}, "must be between 0 and 1e+100, got nan"),
        ({"Brier": 0.2}, {"Brier": math.inf}, "must be between 0 and 1e+100, got inf"),
        ({"Brier": 0.2}, 0, "standard_deviations must map the text of each measure"),
        (
            {"Brier": 0.2, "PR": 0.5},
            {"Brier": 0.1, "PR": 0.1, "NR": 0.2},
            "standard_deviations contradict each other about PR: they give it the values 0.1 and",
        ),
        ({"Brier": 0.2}, {"Brier": "much"}, "standard_deviations['Brier'] must be a number, got"),
        ({"Brier": 0.2}, {"PR": 0.1}, "standard_deviations has no value for Brier"),
        ({"Brier": 0.2}, {"Brier - PR": 0.1}, "'Brier - PR' is not one measure"),
        ({"Brier": 0.2}, 0.1, "standard_deviations must map the text of each measure"),
    ],
)
def test_impossible_averages_and_deviations_are_refused(rates, deviations, message):
    with pytest.raises((ValueError, TypeError)) as error:
        required_safety_rows("Brier <= 0.5", rates, standard_deviations=deviations)
    assert message in str(error.value)


def test_decisions_are_drawn_for_all_rates_or_for_none():
    constraints, rates = ["PR <= 0.5", "TPR >= 0.5"], {"PR": 0.4, "TPR": 0.7}
    with pytest.raises(ValueError, match="standard_deviations has no value for TPR"):
        required_safety_rows(constraints, rates, standard_deviations={"PR": 0.1})
    both = required_safety_rows(constraints, rates, standard_deviations={"PR": 0.1, "FNR": 0.1})
    assert both < required_safety_rows(constraints, rates)
    with pytest.raises(ValueError, match="PPV of drawn decisions cannot be planned"):
        required_safety_rows("PPV >= 0.5", {"PPV": 0.7}, standard_deviations={"PPV": 0.1})


def test_own_measures_are_named():
    cost = RowMeasure("Cost", lambda *_: 0, range=(0, 5))
    asked = {"measures": [cost], "standard_deviations": {"Cost": 1.0}}
    assert 50 < required_safety_rows("Cost <= 1", {"Cost": 0.5}, **asked) < 100
    with pytest.raises(ValueError, match="Unknown measure 'Cost'"):
        required_safety_rows("Cost <= 1", {"Cost": 0.5}, standard_deviations={"Cost": 1.0})
    with pytest.raises(ValueError, match=r"rates\['Cost'\] must be between 0 and 5"):
        required_safety_rows("Cost <= 1", {"Cost": 6}, **asked)


def test_errors_of_numbers_have_the_range_of_targets_and_predictions():
    def passing(high, **options):
        ranges = {"target_range": (0, high), "prediction_range": (0, high), "classes": None}
        spread = {"standard_deviations": {"MSE": 2.3}}
        return probability_of_passing("MSE <= 2", {"MSE": 1.6}, 400, **spread, **ranges, **options)

    assert passing(6) > passing(8) + 0.2
    with pytest.raises(ValueError, match="pos_label was given with classes=None"):
        passing(6, pos_label=1)
    with pytest.raises(ValueError, match="target_range was given, which is for predicted numbers"):
        required_safety_rows("PR <= 0.5", {"PR": 0.4}, target_range=(0, 1))


def test_contradicting_shares_are_refused():
    shares = {"PR | [M]": 0.4, "NR | [M]": 0.5}
    with pytest.raises(ValueError, match="group_shares contradict each other about PR"):
        required_safety_rows("PR | [M] <= 0.5", {"PR | [M]": 0.4}, shares)


@pytest.mark.parametrize(
    "text",
    ["Brier | [M] - Brier <= 0.1", "Brier - ERR <= 0.1", "Brier | [M] - Brier | [old] <= 0.1"],
)
def test_averages_of_the_same_rows_are_not_combined(text):
    names = ["Brier", "Brier | [M]", "Brier | [old]", "ERR"]
    with pytest.raises(ValueError, match="cannot be planned together, because they may share rows"):
        required_safety_rows(
            text, dict.fromkeys(names, 0.2), standard_deviations=dict.fromkeys(names[:3], 0.2)
        )


def test_a_standard_deviation_may_be_that_of_a_sample_at_both_ends():
    asked = "PR <= 0.4", {"PR": 0.3}
    at_ends = math.sqrt(0.21)
    expected = required_safety_rows(*asked, standard_deviations={"PR": at_ends})
    found = required_safety_rows(*asked, standard_deviations={"PR": 1.005 * at_ends})
    assert found == expected

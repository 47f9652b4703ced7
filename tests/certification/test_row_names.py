"""Names in `rows` and `rates` belong to measures of the constraint, for all their conditions."""

from __future__ import annotations

import pytest

from sklearn_seldonian.certification._row_names import measured_in, names_in, with_rates
from sklearn_seldonian.constraints import constant_value, parse


@pytest.mark.parametrize(
    ("text", "measure", "subscript", "conditions"),
    [
        ("PR", "PR", "", set()),
        ("MSE | [M]", "Mean_Squared_Error", "", {"M"}),
        ('CM_[0, "a, b"] | [M]', "CM", '_[0, "a, b"]', {"M"}),
        ('TPR_["x] | [y"]', "TPR", '_["x] | [y"]', set()),
        ('PR | [`a, b` == "c, d", not M]', "PR", "", {'`a, b` == "c, d"', "not M"}),
        (r'PR | [a == "\", \"", b <= 1]', "PR", "", {r'a == "\", \""', "b <= 1"}),
        ('PR | [a in ("x)", "y, z", 3), M]', "PR", "", {'a in ("x)", "y, z", 3)', "M"}),
        (r"PR | [`a\`, b` == 1]", "PR", "", {r"`a\`, b` == 1"}),
        ("no name of ours", "no name of ours", "", set()),
    ],
)
def test_names_taken_apart(text, measure, subscript, conditions):
    (name,) = names_in([text])
    assert name == (text, measure, subscript, conditions)


A, B, C = (f'[race == "{level}"]' for level in "ABC")


@pytest.mark.parametrize(
    ("constraint", "names", "groups"),
    [
        ("PR <= 1", ["PR", "NR", "TPR", "PR | [M]"], [{"PR", "NR"}]),
        ("F1 | [M] <= 1", ["Jaccard | [M]", "F1 | [M]", "Jaccard"], [{"Jaccard | [M]"}]),
        ("BACC <= 1", ["TPR", "FPR", "TPR | [M]", "PR"], [{"TPR", "FPR"}]),
        ("BACC <= 1", ['TPR_["a"]', 'FNR_["b"]'], [{'TPR_["a"]', 'FNR_["b"]'}]),
        ("PR_[1] <= 1", ["PR_[1]", "PR", "NR_[1]"], [{"PR_[1]", "NR_[1]"}]),
        ("max(PR, by=race) <= 1", [f"PR | {A}", f"NR | {B}", "PR"], [{f"PR | {A}", f"NR | {B}"}]),
        ('max(PR, by=race in ("A", "B")) <= 1', [f"PR | {A}", f"PR | {C}"], [{f"PR | {A}"}]),
        (
            'max(PR - PR | [race == "A", M], by=race) <= 1',
            [f"PR | {A}", f"PR | {B}", 'PR | [M, race == "A"]'],
            [{f"PR | {A}", f"PR | {B}"}, {'PR | [M, race == "A"]'}],
        ),
        (
            "max(PR | [M] - FPR, by=(race, sex)) <= 1",
            ['PR | [M, race == "A", sex == "F"]', 'FPR | [race == "A"]', 'FPR | [sex == "F"]'],
            [{'PR | [M, race == "A", sex == "F"]'}, set()],
        ),
    ],
)
def test_which_names_are_of_which_measure(constraint, names, groups):
    measured = measured_in(parse(constraint))
    assert [set(each.named(names_in(names))) for each in measured] == groups


@pytest.mark.parametrize(
    ("constraint", "rates", "g"),
    [
        ("PR <= 0.5", {"PR": 0.75}, 0.25),
        ("PR <= 0.5", {"NR": 0.25}, 0.25),
        ("PR <= 0.5", {"PR | [M]": 0.75}, None),
        ("F1 >= 0.5", {"Jaccard": 0.5}, 0.5 - 2 / 3),
        ("BACC >= 0.5", {"TPR": 0.75, "FPR": 0.5}, -0.125),
        ("BACC >= 0.5", {'TPR_["a"]': 0.75, 'TPR_["b"]': 0.5, 'TPR_["c"]': 0.25}, 0.0),
        ("BACC >= 0.5", {'TPR_["a"]': 0.75, 'CM_["b", "b"]': 0.5}, None),
        ("Brier <= 0.5", {"PR": 0.5}, None),
        ("max(abs(PR - 0.5), by=race) <= 0", {f"PR | {A}": 0.25, f"PR | {B}": 0.5}, 0.25),
        ("mean(2 * PR, by=race) <= 0", {f"PR | {A}": 0.25, f"NR | {B}": 0.5}, 0.75),
        ("min(BACC, by=race) >= 0", {f"TPR | {A}": 0.5, f"TNR | {A}": 1.0}, -0.75),
        ("min(F1, by=race) >= 0", {f"Jaccard | {A}": 1.0, f"Jaccard | {B}": 0.0}, 0.0),
        (
            'max(PR - PR | [race == "A"], by=race) <= 0',
            {f"PR | {A}": 0.25, f"PR | {B}": 0.75},
            0.5,
        ),
        (
            'max(PR, by=race in ("A", "B")) - PR | [race == "C"] <= 0',
            {f"PR | {A}": 0.25, f"PR | {B}": 0.5, f"PR | {C}": 1.0},
            -0.5,
        ),
        ("max(PR - TPR, by=race) <= 0", {f"PR | {A}": 0.5, f"PR | {B}": 0.5}, None),
        ("max(PR, by=race) <= 0", {"PR": 0.5}, None),
    ],
)
def test_what_rates_make_of_a_constraint(constraint, rates, g):
    expression = with_rates(parse(constraint), rates)
    value = None if expression is None else constant_value(expression)
    assert value == (g if g is None else pytest.approx(g))

"""Error messages for names without a meaning."""

from __future__ import annotations

import pytest

from sklearn_seldonian.constraints import Schema, bind, parse
from sklearn_seldonian.exceptions import ConstraintNameError

BINARY = Schema(
    (0, 1),
    1,
    {
        "M": (0, 1),
        "F": (0, 1),
        "R1": (False, True),
        "sex": ("F", "M"),
        "race": ("A", "B", "C"),
        "age": tuple(range(18, 80)),
        "native country": ("X", "Y"),
    },
)
KNOWN = (
    "'ACC', 'BACC', 'Brier', 'CM', 'Calibration_Error', 'ERR', 'F1', 'FDR', 'FNR', 'FOR', "
    "'FPR', 'Jaccard', 'LogLoss', 'NPV', 'NR', 'PPV', 'PR', 'TNR', 'TPR'"
)
COLUMNS = "'F', 'M', 'R1', 'age', 'native country', 'race', 'sex'"

MISTAKES = [
    ("ACCC >= 0.9", "ACCC", f"Unknown measure 'ACCC'; did you mean 'ACC'? There are {KNOWN}."),
    ("foo >= 0.9", "foo", f"Unknown measure 'foo'. There are {KNOWN}."),
    ("PR | [Mm] <= 0.2", "Mm", f"Unknown column 'Mm'; did you mean 'M'? There are {COLUMNS}."),
    ("PR | [q > 3] <= 0.2", "q > 3", f"Unknown column 'q'. There are {COLUMNS}."),
    ("PR | [sex] <= 0.2", "sex",
     "Column 'sex' cannot stand alone in a condition, because it is not bool or 0/1: its values "
     "are 'F', 'M'. "
     'Write, for example, sex == "F".'),
    ("PR | [not `native country`] <= 0.2", "not `native country`",
     "Column 'native country' cannot stand alone in a condition, because it is not bool or 0/1: "
     "its values are 'X', 'Y'. Write, for example, `native country` == \"X\"."),
    ("PR | [sex == 'X'] <= 0.2", "sex == 'X'",
     "Column 'sex' never equals 'X' in these rows; it is one of 'F', 'M'."),
    ("PR | [sex != 1] <= 0.2", "sex != 1",
     "Column 'sex' never equals 1 in these rows; it is one of 'F', 'M'."),
    ("PR | [M == '1'] <= 0.2", "M == '1'",
     "Column 'M' never equals '1' in these rows; it is one of 0, 1."),
    ("PR | [race in ('A', 'D')] <= 0.2", "race in ('A', 'D')",
     "Column 'race' never equals 'D' in these rows; it is one of 'A', 'B', 'C'."),
    ("max(PR, by=race in ('A', 'D')) <= 0.2", "race in ('A', 'D')",
     "Column 'race' never equals 'D' in these rows; it is one of 'A', 'B', 'C'."),
    ("max(PR, by=rase) <= 0.2", "rase",
     f"Unknown column 'rase'; did you mean 'race'? There are {COLUMNS}."),
    ("PR | [sex > 40] <= 0.2", "sex > 40",
     "Column 'sex' cannot be compared with 40 by '>', because its values are 'F', 'M'."),
    ("PR | [M >= 'a'] <= 0.2", "M >= 'a'",
     "Column 'M' cannot be compared with 'a' by '>=', because its values are 0, 1."),
    ("PR_[2] <= 0.2", "PR_[2]", "Class index 2 is out of range: there are 2 classes."),
    ("PR_['2'] <= 0.2", "PR_['2']", "Unknown class '2'. There are '0', '1'."),
    ("PR_[0,1] <= 0.2", "PR_[0,1]", "'PR' takes one class index, not 2."),
    ("ACC_[0] <= 0.2", "ACC_[0]", "'ACC' takes no class index, not 1."),
    ("CM <= 0.2", "CM", "'CM' takes two class indices, not 0."),
    ("CM_[0] <= 0.2", "CM_[0]", "'CM' takes two class indices, not 1."),
    ("F1_[0, 1] <= 0.2", "F1_[0, 1]", "'F1' takes one class index, not 2."),
    ("Brier_[0] <= 0.2", "Brier_[0]", "'Brier' takes no class index, not 1."),
    ("Calibration_Error_[2] <= 0.2", "Calibration_Error_[2]",
     "Class index 2 is out of range: there are 2 classes."),
    ("Calibration_Error_[0, 1] <= 0.2", "Calibration_Error_[0, 1]",
     "'Calibration_Error' takes one class index, not 2."),
    ("BACC_[0] <= 0.2", "BACC_[0]", "'BACC' takes no class index, not 1."),
    ("max(PR - PRR, by=race) <= 0.2", "PRR",
     f"Unknown measure 'PRR'; did you mean 'PR'? There are {KNOWN}."),
    ("MSE <= 0.2", "MSE", "'MSE' is a measure of regression, but this is a classification."),
    ("Mean_Error <= 0.2", "Mean_Error",
     "'Mean_Error' is a measure of regression, but this is a classification."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistakes(text, place, message):
    constraint = parse(text)
    with pytest.raises(ConstraintNameError) as caught:
        bind(constraint, BINARY)
    first, shown, carets = str(caught.value).split("\n")
    assert first == message
    assert shown.strip() == text
    start = shown.index(place)
    assert carets == " " * start + "^" * len(place)


@pytest.mark.parametrize(
    ("quantifier", "place"),
    [
        ("max(PR | [race == 'A'], by=race)", "race)"),
        ("min(TPR | [race != 'A', M], by=(sex, race))", "race))"),
        ("mean(BACC | [race == 'A'] - PR | [race != 'B'], by=race in ('A', 'B'))", "race in"),
    ],
)
def test_nothing_to_group_by(quantifier, place):
    with pytest.raises(ConstraintNameError) as caught:
        bind(parse(f"{quantifier} <= 0.2"), BINARY)
    first, shown, carets = str(caught.value).split("\n")
    assert first == (
        "Nothing can be grouped by 'race', because each measure here already has a condition on "
        "it. Remove the condition or the grouping."
    )
    assert carets.index("^") == shown.index(place)


MULTICLASS_MISTAKES = [
    ("PR <= 0.2", ("ant", "cat", "dog"),
     "'PR' needs a class, because there are 3 classes. Write PR_[0] (a position in classes_) or "
     'PR_["ant"] (a label).'),
    ("F1 >= 0.2", (1, 2, 3), "'F1' needs a class, because there are 3 classes. Write F1_[\"1\"]."),
    ("Calibration_Error <= 0.2", ("ant", "cat", "dog"),
     "'Calibration_Error' needs a class, because there are 3 classes. Write Calibration_Error_[0] "
     '(a position in classes_) or Calibration_Error_["ant"] (a label).'),
    ("Calibration_Error <= 0.2", (),
     "'Calibration_Error' is a measure of classification, but this is a regression."),
    ("TPR_[1] <= 0.2", (1, 2, 3),
     "Class index 1 could be a position or a label, because the labels are 1, 2, 3. "
     "Write the label in quotes."),
    ('TPR_["bird"] <= 0.2', ("ant", "bear", "dog"),
     "Unknown class 'bird'. There are 'ant', 'bear', 'dog'."),
    ('TPR_["cats"] <= 0.2', ("ant", "cat", "dog"),
     "Unknown class 'cats'; did you mean 'cat'? There are 'ant', 'cat', 'dog'."),
    ("CM_[0, 3] <= 0.2", ("ant", "cat", "dog"),
     "Class index 3 is out of range: there are 3 classes."),
    ("PR <= 0.2", (), "'PR' is a measure of classification, but this is a regression."),
    ("Precision >= 0.2", (),
     "'Precision' is a measure of classification, but this is a regression."),
    ("Mean_Err <= 0.2", (),
     "Unknown measure 'Mean_Err'; did you mean 'Mean_Error'? There are 'Mean_Absolute_Error', "
     "'Mean_Error', 'Mean_Squared_Error'."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "classes", "message"), MULTICLASS_MISTAKES)
def test_mistakes_about_classes(text, classes, message):
    with pytest.raises(ConstraintNameError) as caught:
        bind(parse(text), Schema(classes, None))
    assert str(caught.value).split("\n")[0] == message


def test_no_columns():
    with pytest.raises(ConstraintNameError, match=r"^Unknown column 'M'\. There are none\."):
        bind(parse("PR | [M] <= 0.2"), Schema((0, 1), 1))


def test_a_long_sum_does_not_reach_the_recursion_limit():
    constraint = parse(" + ".join(["PR"] * 99) + " <= 9")
    resolved = bind(constraint, BINARY)
    assert resolved.tree.linear.weights == (99.0,)

import pytest

from sklearn_seldonian.certification._sentences import conditions_of, sentence, with_labels


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("ACC >= 0.9", "The share of rows predicted correctly must be at least 0.9."),
        ("0.9 <= ACC", "The share of rows predicted correctly must be at least 0.9."),
        (
            "abs(PR | [M] - PR | [F]) <= 0.1",
            "The gap in the share of rows predicted to have the label “good” between rows where "
            "M is 1 and "
            "rows where F is 1 must be at most 0.1.",
        ),
        (
            "abs(PR | [sex == 'M'] - PR) <= 0.1",
            "The gap in the share of rows predicted to have the label “good” between rows where "
            'sex == "M" '
            "and all rows must be at most 0.1.",
        ),
        (
            "abs(TPR - FPR) <= 0.1",
            "The gap between the share predicted to have the label “good” among rows that have "
            "it and the "
            "share predicted to have the label “good” among rows that do not have it must be at "
            "most 0.1.",
        ),
        (
            "FPR | [not F, age >= 40] <= 0.2",
            "The share predicted to have the label “good” among rows that do not have it, where "
            "F is 0 and "
            "age >= 40, must be at most 0.2.",
        ),
        (
            'CM_["cat", "dog"] <= 0.02',
            "The share predicted to have the label “dog” among rows that have the label “cat” "
            "must be at most "
            "0.02.",
        ),
        (
            "min(TPR, by=race) >= 0.8 * max(TPR, by=race)",
            "The share predicted to have the label “good” among rows that have it must be, in "
            "each of the "
            "groups of race, at least 0.8 times what it is in any other group.",
        ),
        (
            "PR | [M] >= 0.8 * PR | [F]",
            "The share of rows predicted to have the label “good”, where M is 1, must be at "
            "least 0.8 times "
            "the share of rows predicted to have the label “good”, where F is 1.",
        ),
        (
            "max(ERR, by=race) - min(ERR, by=race) <= 0.1",
            "The share of rows predicted wrongly must differ by at most 0.1 "
            "between any two groups of race.",
        ),
        ("PR / (FPR - 0.5) <= 0.8", ""),
        ("PR - (FPR - TPR) <= 0.1", ""),
        ("(PR + FPR) * 2 <= 0.5", ""),
        ("-(PR - FPR) <= 0.5", ""),
        ("max(ERR, by=race) - min(ERR, by=race) >= 0.1", ""),
        ("min(ME, by=race) / max(ME, by=race) >= 0.8", ""),
        (
            "ME | [M] / ME | [F] >= 0.8",
            "The mean of prediction minus target, where M is 1, divided by the mean of prediction "
            "minus target, where F is 1, must be at least 0.8.",
        ),
        (
            "max(PR, by=race) <= PR",
            "The largest value, over the groups of race, of the share of rows predicted to have "
            "the label “good” must be at most the share of rows predicted to have the label "
            "“good”.",
        ),
        (
            "min(PR | [M] / PR, PR) >= 0.5",
            "The smallest of (the share of rows predicted to have the label “good”, where M is 1, "
            "divided by the "
            "share of rows predicted to have the label “good”; the share of rows predicted to "
            "have the label “good”) must "
            "be at least 0.5.",
        ),
        (
            "max(ERR, by=(race, sex)) <= 0.2",
            "The share of rows predicted wrongly must be at most 0.2 in each of "
            "the groups of race and sex.",
        ),
        (
            "max(ERR, by=race) >= 0.2",
            "The share of rows predicted wrongly must be at least 0.2 in one of "
            "the groups of race.",
        ),
        ("F1 >= 0.8", "The F1 score of the label “good” must be at least 0.8."),
        ("MAE <= 2", "The mean absolute error must be at most 2."),
        ("Cost <= 0.2", "The mean of Cost must be at most 0.2."),
        ("sqrt(PR) <= 0.5", ""),
        ("no constraint", ""),
    ],
)
def test_a_constraint_in_words(constraint, words):
    assert sentence(constraint, "good") == words


def test_what_would_be_too_long_is_left_to_the_text():
    assert sentence(" + ".join(["PR"] * 20) + " <= 1") == ""


@pytest.mark.parametrize(
    ("words", "labels", "positive", "expected"),
    [
        ("share decided the label", [], "yes", "share decided the label “yes”"),
        ("share decided the label", ["cat"], "yes", "share decided the label “cat”"),
        ("share decided the label", [], None, "share decided the label"),
        ("share of the first as the second label", ["a", "b"], None, "share of {} as {}"),
        ("share of wrong decisions", [], "yes", "share of wrong decisions"),
    ],
)
def test_labels_in_words(words, labels, positive, expected):
    expected = expected.format("the label “a”", "the label “b”")
    assert with_labels(words, labels, positive) == expected


@pytest.mark.parametrize(
    ("estimand", "words"),
    [
        ("ACC", ""),
        ("PR | [M]", "M is 1"),
        ('TPR_[2] | [not F, race == "A"]', 'F is 0 and race == "A"'),
        ("PR | [<b>]", "<b>"),
    ],
)
def test_conditions_in_words(estimand, words):
    assert conditions_of(estimand) == words

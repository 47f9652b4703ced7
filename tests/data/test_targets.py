"""Targets: labels that the model knows, or numbers in their range."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import certify
from sklearn_seldonian.data._targets import (
    Labels,
    Numbers,
    check_numbers,
    check_range,
    column_of_labels,
    has_gaps,
    labels_given,
)
from sklearn_seldonian.measures import ANY_NUMBER
from tests.data._mistakes import HUGE, REGRESSOR, WORDS, N, X, Y, changed, refused, with_na

TARGETS = [
    (WORDS, "y must contain numbers that fit into a float; it contains 'no'."),
    (Y.astype(str), "y must contain numbers that fit into a float; it contains"),
    (changed(Y, HUGE), "y must contain numbers that fit into a float; it contains 1000"),
    (changed(Y, object()), "y must contain numbers"),
    (pd.date_range("2020", periods=N), "y contains dates or durations"),
    (pd.to_timedelta(Y, unit="s"), "y contains dates or durations"),
    (Y + 1j, "y must not contain complex numbers"),
    (None, "y must contain rows"),
]


@pytest.mark.parametrize(("y", "message"), TARGETS)
def test_targets(y, message):
    assert message in refused(REGRESSOR, X, y, "MSE <= 1")


@pytest.mark.parametrize("y", [changed(Y, np.nan), with_na(), changed(Y, None)])
def test_targets_that_are_missing(y):
    with pytest.raises(ValueError, match=r"y contains (NaN|masked values)"):
        certify(REGRESSOR, X, y, "MSE <= 1")


@pytest.mark.parametrize("value", [3, "01", ("a", "b"), {}, (0, HUGE), (0, np.nan), (1, 0), (0,)])
def test_ranges(value):
    assert "target_range must be" in refused(REGRESSOR, X, Y, "MSE <= 1", target_range=value)


def test_missing_labels_of_fresh_rows(blobs):
    X, y = blobs
    texts = np.where(y == 1, "yes", "no").tolist()
    model = LogisticRegression().fit(X, texts)
    assert certify(model, X, texts, "ACC >= 0.5").passed
    with pytest.raises(ValueError, match="y contains masked values"):
        certify(model, X, np.ma.array(texts, mask=y == 1), "ACC >= 0.5")
    for missing in (float("nan"), None):
        with pytest.raises(ValueError, match="y contains 1 missing labels"):
            certify(model, X, [missing, *texts[1:]], "ACC >= 0.5")


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["yes", None, "no"], ["yes", None, "no"]),
        (pd.Series(["yes", np.nan, "no"]), ["yes", None, "no"]),
        (pd.Series(["yes", None, "no"], dtype="string"), ["yes", None, "no"]),
        (pd.Series([1, None, 0], dtype="Int64"), [1.0, np.nan, 0.0]),
        (pd.Series(["yes", None, "no"], dtype="category"), ["yes", None, "no"]),
        ([True, None, False], [True, None, False]),
        ([1.0, np.nan, 0.0], [1.0, np.nan, 0.0]),
    ],
)
def test_missing_labels_become_none_or_nan_if_they_are_allowed(y, expected):
    found = column_of_labels(y, "exclude")
    assert found.tolist() == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match=r'y contains 1 missing labels.*give missing="exclude"'):
        column_of_labels(y)


@pytest.mark.parametrize(
    ("y", "expected", "kind"),
    [
        ([1, None, 0], [1, 0], "i"),
        ([True, None, False], [True, False], "b"),
        ([1.0, np.nan, 0.5], [1.0, 0.5], "f"),
        (["yes", None, "no"], ["yes", "no"], "O"),
        ([1, 0], [1, 0], "O"),  # is left as it is
    ],
)
def test_labels_that_are_given_have_the_type_that_they_have_alone(y, expected, kind):
    column = np.array(y, dtype=object)
    found = labels_given(column)
    assert found.tolist() == expected
    assert found.dtype.kind == kind
    assert (found is column) == (len(expected) == len(y))


def test_a_column_without_labels_is_refused():
    with pytest.raises(ValueError, match="No row to train on has a label"):
        labels_given(np.array([None, None]))


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([1, 0], False),
        ([1, None], True),
        ([1.0, np.nan], True),
        (pd.Series(["a", None]), True),
        (None, False),
        ([], False),
    ],
)
def test_whether_there_are_gaps(y, expected):
    assert has_gaps(y) == expected


LABELS = Labels.of(np.array(["b", "a", "c"]), None, "argmax")


def test_labels_are_learned_as_their_positions_in_classes_of_any_order():
    y, positions = LABELS.check(["a", "c", "b", "a"])
    assert y.tolist() == ["a", "c", "b", "a"]
    assert positions.tolist() == [1, 2, 0, 1]
    with pytest.raises(ValueError, match=r"does not know: 'd', 'e'\. It knows 'b', 'a', 'c'\.$"):
        LABELS.check(["a", "d", "e", "d"])


@pytest.mark.parametrize(
    ("classes", "pos_label", "positive"),
    [
        ([0, 1], None, 1),
        ([0, 1], 0, 0),
        ([0, 1], True, 1),
        (["no", "yes"], "no", 0),
        ([0, 1, 2], None, None),
        ([0, 1, 2], 2, None),
        ([0], None, None),
    ],
)
def test_the_positive_class_is_the_second_of_two_or_the_one_that_is_named(
    classes, pos_label, positive
):
    labels = Labels.of(np.array(classes), pos_label, "argmax")
    assert labels.positive == positive
    assert labels.schema == {"classes": tuple(classes), "positive": positive}


@pytest.mark.parametrize("pos_label", [2, "1", [1], np.array([0, 1])])
def test_a_positive_class_that_is_none_is_refused(pos_label):
    with pytest.raises(ValueError, match=r"is not a class. The classes are \[0, 1\]\.$"):
        Labels.of(np.array([0, 1]), pos_label, "argmax")


@pytest.mark.parametrize(
    ("value", "ends"),
    [(None, ANY_NUMBER), ((0, 4), (0.0, 4.0)), ([-1, np.inf], (-1.0, np.inf))],
)
def test_a_range_is_two_numbers_or_any_number(value, ends):
    assert check_range("target_range", value) == ends


@pytest.mark.parametrize("value", [(1, 1), (2, 1), (np.nan, 1), (0, 1, 2), 3])
def test_a_range_without_an_order_is_refused(value):
    with pytest.raises(ValueError, match=r"^ends must be \(low, high\) with low < high, got"):
        check_range("ends", value)


def test_numbers_at_the_ends_of_their_range_are_in_it():
    assert check_numbers([0, 4, 2.5], (0.0, 4.0)).tolist() == [0.0, 4.0, 2.5]
    for outside in (np.nextafter(0, -1), np.nextafter(4, 5)):
        with pytest.raises(ValueError, match=r"which is outside target_range=\(0, 4\)"):
            check_numbers([1.0, outside], (0.0, 4.0))
    with pytest.raises(ValueError, match="infinity"):
        check_numbers([1.0, np.inf], ANY_NUMBER)


@pytest.mark.parametrize(
    ("targets", "sentences"),
    [
        (LABELS, ["The decisions are those of predict."]),
        (
            Labels.of(np.array([0, 1]), None, "sample"),
            ["The decisions are drawn from predict_proba, anew each time."],
        ),
        (Numbers(ANY_NUMBER, ANY_NUMBER), ["The predictions are those of predict."]),
        (
            Numbers((0.0, 4.0), (1.0, 3.0)),
            [
                "The predictions are those of predict.",
                "The target is never outside [0, 4]; that of no row seen is.",
            ],
        ),
        (
            Numbers(ANY_NUMBER, (-0.5, 3.0), clipped=False),
            [
                "The predictions are those of predict.",
                "The prediction is never outside [-0.5, 3]; that of no row seen is.",
            ],
        ),
    ],
)
def test_what_is_only_promised_is_an_assumption(targets, sentences):
    assert list(targets.assumptions) == sentences

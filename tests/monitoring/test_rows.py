"""The contribution of rows to each mean, and rows that are refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian import collect
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.monitoring._rows import counted, rows_of
from tests.monitoring._people import people, specification

ALL = (
    "ACC >= 0.5",
    "TPR | [sex == 'M'] - TPR | [sex == 'F', age < 40] <= 0.5",
    "PR | [not M] <= 0.9",
    "PPV >= 0.1",
    "F1 >= 0.1",
    "CM_[0,1] <= 0.9",
    "max(FPR, by=race) <= 0.9",
)


def all_counts(spec, *rows):
    seen = rows_of(spec, *rows)
    return {**counted(spec, seen, of_labels=True), **counted(spec, seen, of_labels=False)}


class Decided(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose decisions are a column of X."""

    def __init__(self):
        self.classes_ = np.array([0, 1])

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X["decision"].to_numpy()


def test_counts_are_those_of_certificates():
    y_pred, y_true, columns = people(500)
    found = all_counts(specification(ALL), y_pred, y_true, columns)
    X = columns.assign(decision=y_pred)
    statistics = collect(Decided(), X, y_true, ALL).statistics
    assert len(found) == 10
    for mean, stream in found.items():
        sample = statistics.rate(mean)
        assert (stream.successes, stream.trials) == (sample.successes, sample.trials)


def test_numbers_are_scaled_to_their_range():
    spec = specification(
        ["MAE <= 1", "ME | [M] <= 0.5"],
        classes=None,
        levels=None,
        target_range=(0, 4),
        prediction_range=(0, 4),
    )
    found = all_counts(spec, [1.0, 2.0, 4.0], [1.0, 3.0, 0.0], pd.DataFrame({"M": [1, 1, 0]}))
    absolute, signed = found.values()
    assert absolute.mean * 4 == pytest.approx(5 / 3)
    assert signed.mean * 8 - 4 == pytest.approx(-0.5)
    assert (absolute.n, signed.n) == (3, 2)


def test_own_measures_see_labels_and_decisions():
    measure = RowMeasure("Cost", lambda y, p, _: 5.0 * (y > p), range=(0, 5), rows=("yes",))
    spec = specification("Cost <= 1", measures=[measure], levels=None, classes=("no", "yes"))
    (stream,) = all_counts(spec, ["no", "yes", "no"], ["yes", "yes", "no"], None).values()
    assert (stream.n, stream.mean) == (2, pytest.approx(0.5))


def test_rows_without_labels_count_for_decisions_only():
    spec = specification(["PR <= 0.5", "ACC >= 0.5"], levels=None)
    rows = rows_of(spec, [1, 0, 1], [1, None, np.nan], None)
    assert rows.is_labelled.tolist() == [True, False, False]
    (decided,) = counted(spec, rows, of_labels=False).values()
    (right,) = counted(spec, rows.taken(rows.is_labelled), of_labels=True).values()
    assert (decided.trials, right.trials) == (3, 1)


def test_missing_groups_meet_no_condition_if_excluded():
    spec = specification("PR | [sex == 'M'] <= 0.9", levels=None, missing="exclude")
    (stream,) = all_counts(spec, [1, 1], [1, 0], pd.DataFrame({"sex": ["M", None]})).values()
    assert stream.trials == 1


SIZES = ["small", "medium", "large"]
COLUMNS = pd.DataFrame({"sex": ["M", "F"], "race": ["A", "B"]})


@pytest.mark.parametrize(
    ("y_pred", "y_true", "columns", "message"),
    [
        ([1, 2], [1, 0], COLUMNS, r"y_pred has 2, and the classes are 0, 1. Name all labels"),
        ([1, 0], [1, "x"], COLUMNS, "y_true has .*x.*, and the classes"),
        ([1, None], [1, 0], COLUMNS, "y_pred has 1 missing values"),
        ([1, 0], [1], COLUMNS, "y_true has 1 values for 2 rows"),
        ([1, 0], [1, 0], None, "sensitive_features was not given. Give it with these columns"),
        ([1, 0], [1, 0], COLUMNS[["race"]], "'sex' is not in sensitive_features, whose columns"),
        ([1, 0], [1, 0], COLUMNS.iloc[:1], "sensitive_features has 1 rows, and y_pred has 2"),
        ([1, 0], [1, 0], COLUMNS.assign(race=["A", "Z"]), "Column 'race' has 'Z', and levels="),
        ([1, 0], [1, 0], COLUMNS.assign(sex=["M", None]), "missing"),
        (7, [1, 0], COLUMNS, "y_pred must contain rows"),
        (pd.Series([1, 0], index=[1, 0]), [1, 0], COLUMNS, "same index in different orders"),
    ],
)
def test_rows_that_cannot_be_counted_are_refused(y_pred, y_true, columns, message):
    spec = specification("TPR | [sex == 'M'] >= 0.1")
    with pytest.raises((ValueError, TypeError), match=message):
        rows_of(spec, y_pred, y_true, columns)


@pytest.mark.parametrize(
    ("constraint", "columns", "message"),
    [
        ("PR | [M] <= 0.5", {"M": [1, 2]}, "Column 'M' has the value 2. It must be bool or 0/1"),
        (
            "PR | [age < 4] <= 0.5",
            {"age": ["x", "y"]},
            "has the value 'x', which cannot be compared with 4",
        ),
        (
            "PR | [size < 'medium'] <= 0.5",
            {
                "size": pd.Categorical(
                    ["small", "large"], ["small", "medium", "large"], ordered=True
                )
            },
            r"\[size in \(...\)\]",
        ),
        ("PR | [M] - PR | [F] <= 0.5", {"M": [1, 1], "F": [0, 1]}, "1 rows have 1 in both 'F' and"),
    ],
)
def test_columns_that_mean_something_else_are_refused(constraint, columns, message):
    pairs = [("M", "F")] if "F" in columns else ()
    spec = specification(constraint, levels=None, mutually_exclusive=pairs)
    with pytest.raises(ValueError, match=message):
        rows_of(spec, [1, 0], None, pd.DataFrame(columns))


@pytest.mark.parametrize(
    ("y_pred", "y_true", "message"),
    [
        ([5.0], [1.0], r"y_pred has 5, which is outside prediction_range=\(0, 4\)"),
        ([1.0], [-1.0], r"y_true has -1, which is outside target_range=\(0, 4\)"),
        ([np.inf], [1.0], "y_pred has inf"),
        ([np.nan], [1.0], "y_pred has 1 missing"),
    ],
)
def test_numbers_out_of_range_are_refused(y_pred, y_true, message):
    ranges = {"target_range": (0, 4), "prediction_range": (0, 4)}
    spec = specification("MSE <= 1", classes=None, levels=None, **ranges)
    with pytest.raises(ValueError, match=message):
        rows_of(spec, y_pred, y_true, None)

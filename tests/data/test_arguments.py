"""Invalid arguments of all kinds are refused with messages of this package."""

import decimal
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier

from sklearn_seldonian import certify
from sklearn_seldonian.constraints import Constraint
from sklearn_seldonian.data._arguments import (
    aligned_probabilities,
    as_numbers,
    label_positions,
)
from sklearn_seldonian.metrics import constraint_values
from tests.data._mistakes import HUGE, WORDS, N, X, Y, changed, refused, with_na

CLASSIFIER, OF_WORDS = LogisticRegression().fit(X, Y), LogisticRegression().fit(X, WORDS)


class Answering:
    """A fitted estimator with given predictions."""

    def __init__(self, answer=None, probabilities=None, classes=(0, 1)):
        self.answer, self.probabilities, self.classes = answer, probabilities, classes

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        return self.classes

    def predict(self, X):
        return self.answer

    def predict_proba(self, X):
        return self.probabilities


class Classifying(ClassifierMixin, Answering, BaseEstimator):
    pass


class Regressing(RegressorMixin, Answering, BaseEstimator):
    pass


class WithoutClasses(ClassifierMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return Y


class Failing(Classifying):
    def predict(self, X):
        raise {"key": KeyError, "large": OverflowError}[self.answer]("inside")


LABELS = [
    (changed(WORDS, None), "y contains 1 missing labels"),
    (changed(WORDS, np.nan), "y contains 1 missing labels"),
    (changed(WORDS, pd.NA), "y contains 1 missing labels"),
    (list(changed(WORDS, None)), "y contains 1 missing labels"),
    (pd.Series(changed(WORDS, pd.NaT)), "y contains 1 missing labels"),
    (changed(WORDS, 5), "does not know: 5. It knows 'no', 'yes'."),
    (changed(WORDS, HUGE), "does not know: 1000"),
    (changed(WORDS, [1]), "not lists or other containers; it contains"),
    (changed(WORDS, {}), "not lists or other containers"),
    (Y, "does not know: 0, 1. It knows 'no', 'yes'."),
    (pd.date_range("2020", periods=N), "does not know"),
    (WORDS[:10], "X has 40 rows, y has 10 rows."),
    (np.c_[WORDS, WORDS], r"y must have one value per row, but its shape is (40, 2)."),
    (sparse.csr_matrix(Y[:, None]), "y must be dense, but it is sparse"),
    ([["yes"], ["no", "no"]] * (N // 2), "rows differ in length"),
    (Y + 1j, "y must not contain complex numbers"),
    (None, "y must contain rows"),
    (1, "y must contain rows"),
    ("yes", "y must contain rows"),
    ({"yes": 1}, "y must contain rows"),
    ({"yes"}, "y must contain rows"),
    ((label for label in WORDS), "y must contain rows"),
]


@pytest.mark.parametrize(("y", "message"), LABELS)
def test_labels(y, message):
    assert message in refused(OF_WORDS, X, y, "ACC >= 0.5")


EQUAL = [Y, Y[:, None], Y.tolist(), Y.astype(float), Y.astype(bool), Y.astype(object)]
EQUAL += [pd.Categorical(Y), pd.Series(Y), pd.array(Y, dtype="Int64"), Y.astype(np.uint8)]


@pytest.mark.parametrize("y", EQUAL)
def test_labels_of_any_container_and_type_that_are_equal(y):
    assert certify(CLASSIFIER, X, y, "ACC >= 0.5").results[0].estimate == 1.0


OUTPUTS = [
    (None, "predict must be an array with one value per row, got None"),
    (1, "predict must be an array with one value per row, got 1"),
    ("yes", "predict must be an array"),
    ({1: 1}, "predict must be an array"),
    (np.c_[Y, Y], "predict must have one value per row, but its shape is (40, 2)"),
    (np.zeros((N, 1, 1)), "its shape is (40, 1, 1)"),
    (Y[:5], "predict has 5 values for 40 rows"),
    (sparse.csr_matrix(Y[:, None]), "predict must be dense"),
    ([[1], [1, 2]] * (N // 2), "rows differ in length"),
    (Y + 1j, "complex"),
]


@pytest.mark.parametrize("kind", [Classifying, Regressing])
@pytest.mark.parametrize(("output", "message"), OUTPUTS)
def test_outputs(kind, output, message):
    text = "ACC >= 0.5" if kind is Classifying else "MSE <= 1"
    assert message in refused(kind(output), X, Y, text)


NO_CLASSES = [np.full(N, np.nan), [None] * N, with_na(), WORDS]
NO_CLASSES += [changed(Y, HUGE), changed(Y, object()), pd.date_range("2020", periods=N)]


@pytest.mark.parametrize("output", NO_CLASSES)
def test_decisions_that_are_no_class_are_not_certified(output):
    assert not certify(Classifying(output), X, Y, ["ACC >= 0.01", "PR <= 1"]).passed


@pytest.mark.parametrize("output", [WORDS, changed(Y, HUGE), pd.date_range("2020", periods=N)])
def test_predictions_that_are_no_numbers(output):
    assert "predict must contain numbers" in refused(Regressing(output), X, Y, "MSE <= 1")


@pytest.mark.parametrize("output", [np.full(N, np.nan), [None] * N, with_na()])
def test_predictions_that_are_missing_are_not_certified(output):
    model = Regressing(output)
    ranges = {"target_range": (0, 1), "prediction_range": (0, 1)}
    assert not certify(model, X, Y, "MSE <= 0.9", **ranges).passed


SURE = np.eye(2)[Y]
PROBABILITIES = [
    (None, "predict_proba must be made of numbers, got None"),
    ("no", "must be made of numbers"),
    (SURE.astype(str), "must be made of numbers"),
    ([[1], [1, 2]] * (N // 2), "must be made of numbers"),
    ([[HUGE, 1]] * N, "must be made of numbers"),
    (sparse.csr_matrix(SURE), "must be made of numbers"),
    (SURE[:, :1], "returned shape (40, 1); (40, 2) was expected"),
    ([SURE, SURE], "returned shape (2, 40, 2); (40, 2) was expected"),
    (SURE[:5], "returned shape (5, 2); (40, 2) was expected"),
]


@pytest.mark.parametrize(("probabilities", "message"), PROBABILITIES)
def test_probabilities(probabilities, message):
    model = Classifying(Y, probabilities)
    assert message in refused(model, X, Y, "ACC >= 0.5", decision="sample")


@pytest.mark.parametrize("probabilities", [SURE, SURE.tolist(), pd.DataFrame(SURE)])
def test_probabilities_in_any_container(probabilities):
    assert certify(Classifying(Y, probabilities), X, Y, "ACC >= 0.5", decision="sample").passed


TWO = np.c_[Y, 1 - Y]
ESTIMATORS = [
    (MultiOutputClassifier(LogisticRegression()).fit(X, TWO), "has 2 outputs"),
    (KNeighborsClassifier().fit(X, TWO), "has 2 outputs"),
    (
        LinearRegression().fit(X, TWO),
        "predict must have one value per row, but its shape is (40, 2)",
    ),
    (LogisticRegression, "got the class LogisticRegression. Write LogisticRegression().fit(X, y)"),
    (LogisticRegression(), "not fitted yet"),
    (
        KMeans(2, n_init=1).fit(X),
        "KMeans is neither a classifier nor a regressor, and certify tests only these",
    ),
    (lambda X: Y, "estimator must be a fitted classifier or regressor"),
    (None, "estimator must be a fitted classifier or regressor"),
    ("LogisticRegression", "estimator must be a fitted classifier or regressor"),
    (Failing("key"), "Failing.predict failed on these rows: KeyError: 'inside'"),
    (Failing("large"), "Failing.predict failed on these rows: OverflowError: inside"),
    (WithoutClasses(), "WithoutClasses has no classes_"),
    (Classifying(Y, classes=(0, 0)), "must be an array of distinct labels"),
    (Classifying(Y, classes=(0.0, np.nan)), "must be an array of distinct labels"),
    (Classifying(Y, classes=(0, None)), "must be an array of distinct labels"),
    (Classifying(Y, classes=2), "must be an array of distinct labels"),
    (Classifying(Y, classes=np.array([[0, 1]])), "must be an array of distinct labels"),
]


@pytest.mark.parametrize(("estimator", "message"), ESTIMATORS)
def test_estimators(estimator, message):
    text = "MSE <= 1" if isinstance(estimator, LinearRegression) else "ACC >= 0.5"
    assert message in refused(estimator, X, Y, text)


NOT_CONSTRAINTS = [None, b"ACC >= 0.5", 3, {}, {"ACC >= 0.5"}, object(), Constraint]
NOT_CONSTRAINTS += [np.array(3), pd.DataFrame({"a": ["ACC >= 0.5"]}), [None], [["ACC >= 0.5"]]]


@pytest.mark.parametrize("constraints", NOT_CONSTRAINTS)
def test_constraints(constraints):
    message = refused(CLASSIFIER, X, Y, constraints)
    assert re.match("constraints must be a string|A constraint must be a string", message)


@pytest.mark.parametrize("constraints", ["", "  ", ()])
def test_no_constraint_at_all(constraints):
    assert "empty" in (message := refused(CLASSIFIER, X, Y, constraints)) or "No constr" in message


@pytest.mark.parametrize(
    "constraints", [np.array("ACC >= .5"), np.array(["ACC >= .5"]), pd.Series(["ACC >= .5"])]
)
def test_constraints_in_arrays(constraints):
    assert certify(CLASSIFIER, X, Y, constraints).passed


PARAMETERS = [
    ({"delta": "0.05"}, "delta must be made of numbers, got '0.05'."),
    ({"delta": None}, "delta must be made of numbers, got None."),
    ({"delta": {"ACC >= 0.5": 0.05}}, "delta must be made of numbers"),
    ({"delta": 1j}, "delta must be made of numbers"),
    ({"delta": HUGE}, "delta must be made of numbers, got 1000"),
    ({"delta": []}, "delta must be one number, or one per constraint (here 1); got 0"),
    ({"delta": [[0.05, 0.1]]}, "got 2 numbers"),
    ({"delta": [np.nan]}, "delta must be strictly between 0 and 1"),
    ({"method": None}, "method must be one of"),
    ({"method": []}, "method must be one of"),
    ({"decision": {}}, "decision must be one of"),
    ({"pos_label": [1]}, "pos_label=[1] is not a class"),
    ({"pos_label": np.array([0, 1])}, "is not a class"),
    ({"measures": None}, "measures must be a list of RowMeasure objects"),
    ({"measures": "Cost"}, "measures must be a list of RowMeasure objects"),
    ({"measures": 3}, "measures must be a list of RowMeasure objects"),
    ({"measures": [3]}, "measures must be RowMeasure objects"),
]


@pytest.mark.parametrize(("parameters", "message"), PARAMETERS)
def test_parameters(parameters, message):
    assert message in refused(CLASSIFIER, X, Y, "ACC >= 0.5", **parameters)


@pytest.mark.parametrize("rows", [None, 3, "X", {}, object()])
def test_what_is_no_table(rows):
    assert "X must contain rows, like an array" in refused(CLASSIFIER, rows, Y, "ACC >= 0.5")


@pytest.mark.parametrize("rows", [[], np.zeros((0, 2)), X[:5]])
def test_tables_of_other_lengths(rows):
    assert refused(CLASSIFIER, rows, Y, "ACC >= 0.5") == (
        f"X has {len(rows)} rows, y has 40 rows. They must have the same number of rows."
    )


def test_the_same_is_refused_where_values_are_taken():
    with pytest.raises(ValueError, match="y contains 1 missing labels"):
        constraint_values(OF_WORDS, X, changed(WORDS, None), "ACC >= 0.5")


def test_numbers_of_any_type():
    assert as_numbers("y", np.array([decimal.Decimal("0.1"), np.float32(2), True])).tolist() == [
        0.1,
        2.0,
        1.0,
    ]
    assert np.isnan(as_numbers("y", np.array([None, pd.NA], dtype=object))).all()


def test_positions_of_labels_in_classes_of_any_order():
    classes = np.array(["b", "a", "c"])
    assert label_positions("y", np.array(["a", "z", "b"]), classes).tolist() == [1, -1, 0]
    assert label_positions("y", np.array([], dtype=object), classes).tolist() == []


# -- probabilities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        (["a", "b", "c"], [[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]),
        (["c", "a"], [[0.4, 0.6]], [[0.6, 0.0, 0.4]]),
        (np.array(["b"]), np.array([[1.0]]), [[0.0, 1.0, 0.0]]),
    ],
)
def test_probabilities_come_in_the_order_of_the_classes(labels, given, expected):
    classes = np.array(["a", "b", "c"])
    found = aligned_probabilities("The model", given, 1, labels, classes)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ([1, 2], [[0.5, 0.5]], r"The model has classes that fit did not see, \[2\], so its"),
        ([0, 1], [[0.5]], r"returned shape \(1, 1\); \(1, 2\) was expected"),
        ([0, 1], [[0.5, 0.5]] * 2, r"returned shape \(2, 2\); \(1, 2\)"),
    ],
)
def test_probabilities_of_other_classes_or_rows_are_refused(labels, given, message):
    with pytest.raises(ValueError, match=message):
        aligned_probabilities("The model", given, 1, labels, np.array([0, 1]))

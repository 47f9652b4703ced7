"""The answers of fitted estimators, and the outputs that are not accepted as answers."""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from sklearn_seldonian import certify
from sklearn_seldonian.certification._answers import answers_of
from sklearn_seldonian.constraints import Cells, Stratification
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.measures import RowMeasure
from tests.certification._fixed import Fixed

EVERY_METHOD = pytest.mark.parametrize("method", ["auto", "exact", "asymptotic", "ttest"])
HALF_POSITIVE = np.tile([0, 1], 100)


class FixedNumbers(RegressorMixin, BaseEstimator):
    """A fitted regressor that predicts what it was given."""

    def __init__(self, numbers):
        self.numbers = numbers

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.numbers


class Drawing(Fixed):
    """An estimator that declares that it draws its answers."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


class ToGroups(Fixed):
    """A classifier that predicts the sensitive features."""

    def predict(self, X, sensitive_features=None):
        return np.asarray(sensitive_features)


def observed(answers, targets, measures=()):
    """The observation of rows that are all in one cell."""
    targets = np.asarray(targets)
    n = len(targets)
    rows = LabelledRows(np.zeros((n, 1)), targets, targets, {})
    return answers.observe(rows, Cells(np.zeros(n, np.int32), Stratification.single()), measures)


# -- which parameters go with which estimators -----------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        (
            Fixed([0]),
            {"target_range": (0, 1)},
            "target_range does not apply to a classifier. Leave it out.",
        ),
        (
            Fixed([0]),
            {"prediction_range": (0, 1)},
            "prediction_range does not apply to a classifier. Leave it out.",
        ),
        (Fixed([0]), {"decision": "soft"}, "decision must be one of 'argmax', 'sample', got"),
        (Fixed([0]), {"pos_label": 2}, "pos_label=2 is not a class. The classes are [0, 1]."),
        (
            FixedNumbers([0.0]),
            {"decision": "sample"},
            "decision does not apply to a regressor. Leave it out.",
        ),
        (
            FixedNumbers([0.0]),
            {"pos_label": 1},
            "pos_label does not apply to a regressor. Leave it out.",
        ),
        (
            FixedNumbers([0.0]),
            {"target_range": (1, 0)},
            "target_range must be (low, high) with low < high, got (1, 0).",
        ),
        (
            FixedNumbers([0.0]),
            {"prediction_range": (1, 0)},
            "prediction_range must be (low, high) with low < high, got (1, 0).",
        ),
        (
            KMeans(1, n_init=1).fit([[0.0]]),
            {},
            "KMeans is neither a classifier nor a regressor, and certify tests only these. Give a "
            "fitted estimator with the tags of one.",
        ),
    ],
)
def test_parameters_that_mean_nothing_for_an_estimator_are_refused(model, parameters, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        answers_of(model, **parameters)
    assert message in str(error.value)


@pytest.mark.parametrize(("pos_label", "positive"), [(None, 1), ("no", 0), ("yes", 1)])
def test_the_positive_class_is_the_second_or_the_one_named(pos_label, positive):
    answers = answers_of(Fixed(["no"], classes=("no", "yes")), "sample", pos_label)
    assert answers.targets.schema == {"classes": ("no", "yes"), "positive": positive}
    assert answers.assumptions == ("The decisions are drawn from predict_proba, anew each time.",)


def test_a_regressor_has_the_ranges_that_are_promised():
    answers = answers_of(FixedNumbers([0.0]), target_range=(0, 4), prediction_range=(-1, 5))
    assert answers.targets.schema["target_range"] == (0, 4)
    assert answers.targets.schema["prediction_range"] == (-1, 5)
    assert answers.assumptions == (
        "The predictions are those of predict.",
        "The target is never outside [0, 4]; that of no row seen is.",
        "The prediction is never outside [-1, 5]; that of no row seen is.",
    )


@pytest.mark.parametrize(
    ("model", "groups", "sentences"),
    [
        (Fixed([0]), [1], ()),
        (Drawing([0]), None, ("Predict draws at random, anew for every row.",)),
        (ToGroups([0]), None, ()),
        (ToGroups([0]), [1], ("Predict is given the sensitive features, as in this test.",)),
    ],
)
def test_assumptions_about_predict_are_recorded(model, groups, sentences):
    answers = answers_of(model, sensitive_features=groups)
    assert answers.assumptions == ("The decisions are those of predict.", *sentences)


def test_an_estimator_that_is_not_fitted_is_refused(blobs):
    with pytest.raises(NotFittedError):
        certify(LogisticRegression(), *blobs, "ACC >= 0.5")


# -- classifiers -----------------------------------------------------------------------------------


def test_decisions_are_counted_by_label():
    seen = observed(answers_of(Fixed([0, 1, 1, 1, 0])), [0, 0, 1, 1, 1])
    assert seen.statistics.confusion.tolist() == [[[1, 1], [1, 2]]]
    assert seen.statistics.deterministic
    assert {name: values.tolist() for name, values in seen.answers.items()} == {
        "decisions": [0, 1, 1, 1, 0]
    }
    assert math.isnan(seen.loss)


def test_drawn_decisions_are_counted_by_their_probabilities():
    probabilities = [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]]
    seen = observed(answers_of(Fixed([0, 1, 1], probabilities), "sample"), [0, 0, 1])
    assert seen.statistics.confusion.tolist() == [[[1.25, 0.75], [0, 1]]]
    assert not seen.statistics.deterministic
    assert {name: values.tolist() for name, values in seen.answers.items()} == {
        "probabilities": probabilities
    }


def test_sensitive_features_are_given_to_a_predict_that_takes_them():
    answers = answers_of(ToGroups([0, 0, 0]), sensitive_features=[1, 0, 1])
    assert observed(answers, [1, 1, 1]).statistics.confusion.tolist() == [[[0, 0], [1, 2]]]


@pytest.mark.parametrize(
    ("row", "is_valid"),
    [
        ((0.3, 0.7), True),
        ((0.3, 0.70009), True),  # rounded
        ((0.3, 0.69991), True),
        ((0.3, 0.7002), False),
        ((0.3, 0.6998), False),
        ((0.0, 1.0), True),
        ((-0.1, 1.1), False),
        ((0.0, 1.00005), False),
        ((math.nan, 0.5), False),
        ((math.inf, 0.5), False),
    ],
)
def test_probabilities_are_from_0_to_1_and_sum_to_1(row, is_valid):
    model = Fixed([0, 0, 0], [[1, 0], row, [0, 1]])
    seen = observed(answers_of(model, "sample"), [0, 0, 0]).statistics
    assert seen.n_invalid == (0 if is_valid else 1)
    assert seen.n_rows == 3


@pytest.mark.parametrize("decision", ["argmax", "sample"])
def test_a_label_that_is_no_class_is_no_answer(decision):
    model = Fixed(["yes", "maybe", "no"], np.full((3, 2), 0.5), classes=("no", "yes"))
    seen = observed(answers_of(model, decision), [0, 0, 0]).statistics
    assert seen.n_invalid == 1
    assert seen.confusion.sum() == 2


def test_probabilities_of_another_shape_are_refused():
    model = Fixed([0, 0], [[0.2, 0.3, 0.5]] * 2)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        observed(answers_of(model, "sample"), [0, 1])
    expected = "predict_proba returned shape (2, 3); (2, 2) was expected."
    assert str(error.value) == expected


@EVERY_METHOD
@pytest.mark.parametrize("text", ["max(FPR, FNR) <= 0", "max(FPR, FNR) <= 0.5", "ACC >= 0"])
@pytest.mark.parametrize(
    ("labels", "probability", "decision"),
    [
        (math.nan, math.nan, "sample"),
        (1, math.nan, "sample"),
        (1, math.inf, "sample"),
        (math.nan, 0.5, "sample"),
        (math.nan, 0.5, "argmax"),
        (7, 0.5, "argmax"),
    ],
)
@pytest.mark.parametrize("n_invalid", [1, 200])
@pytest.mark.thinned(7)
def test_outputs_that_are_no_prediction_pass_nothing(
    text, labels, probability, decision, method, n_invalid
):
    given = HALF_POSITIVE.astype(float)  # for all other rows, the label is certain and correct
    probabilities = np.column_stack([1 - given, given])
    given[:n_invalid], probabilities[:n_invalid] = labels, probability
    certificate = certify(
        Fixed(given, probabilities),
        np.zeros((200, 1)),
        HALF_POSITIVE,
        text,
        method=method,
        decision=decision,
    )
    assert not certificate.passed
    assert certificate.results[0].reason == (
        f"the outputs for {n_invalid} of 200 safety rows are NaN or infinite"
    )


@pytest.mark.parametrize("given", [{"decision": "sample"}, {"constraints": "Brier <= 0.5"}])
def test_missing_probabilities_are_requested(blobs, given):
    X, y = blobs
    model = LinearSVC().fit(X[:500], y[:500])
    with pytest.raises(ValueError) as error:  # noqa: PT011
        certify(model, X[500:], y[500:], **{"constraints": "ACC >= 0.5", **given})
    assert str(error.value) == (
        "LinearSVC has no predict_proba, which drawn decisions and averages over probabilities "
        "need. Give a classifier with probabilities, or use rates of decisions with "
        'decision="argmax".'
    )
    assert certify(model, X[500:], y[500:], "ACC >= 0.5").passed


# -- regressors ------------------------------------------------------------------------------------

ERROR = RowMeasure("Error", lambda y, predicted, _: predicted - y)


def test_predictions_are_measured_against_targets():
    seen = observed(answers_of(FixedNumbers([1.0, 3.0, 2.0])), [0.5, 0.5, 4.0], (ERROR,))
    assert seen.statistics.confusion[..., -1].tolist() == [[0.5 + 2.5 - 2.0]]
    assert seen.answers["predictions"].tolist() == [1.0, 3.0, 2.0]
    assert set(seen.answers) == {"predictions"}


@pytest.mark.parametrize(
    ("predictions", "outside"),
    [
        ([0.0, 1.0], None),
        ([math.nan, 0.5], None),  # no prediction; the test gets this information
        ([0.5, 1.01], "1.01"),
        ([-0.5, 0.5], "-0.5"),
        ([math.inf, 0.5], "inf"),
    ],
)
def test_predictions_outside_their_range_break_the_promise(predictions, outside):
    model = FrozenEstimator(FixedNumbers(predictions))
    answers = answers_of(model, prediction_range=(0, 1))
    if outside is None:
        observed(answers, [0.0, 0.0], (ERROR,))
        return
    with pytest.raises(ValueError) as error:  # noqa: PT011
        observed(answers, [0.0, 0.0], (ERROR,))
    assert str(error.value) == (
        f"FixedNumbers.predict returned {outside}, which is outside prediction_range=(0, 1). Clip "
        "the predictions, or widen the range to all possible predictions."
    )

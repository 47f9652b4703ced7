"""Scores of classifiers and regressors, and folds that leave out rows of each."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian.learners.stacking._scores import MIN_PROBABILITY, ClassScores, NumberScores
from tests.learners.stacking._stacked import stacked


def test_a_class_that_a_fold_lacks_is_least_probable_there():
    X, y = np.arange(20.0)[:, None], np.array([2] + [0, 1] * 9 + [0])
    scores = stacked(LogisticRegression(), classes=(0, 1, 2)).fit_transform(X, y)[:, :3]
    assert scores[0, 2] == pytest.approx(np.log(MIN_PROBABILITY))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            ["a"] * 200,
            "All candidate rows have the label 'a', and the classifier can only be fitted",
        ),
        (["a"] * 199 + ["b"], r"classes have \[199, 1\] .*At least 2 classes need two"),
        (["a", "b", *["c"] * 198], "At least 2 classes need two"),
    ],
)
def test_candidate_rows_of_too_few_classes_are_refused(rows, y, message):
    features = stacked(DecisionTreeClassifier(), classes=("a", "b", "c"))
    with pytest.raises(ValueError, match=message):
        features.fit(rows[0], np.array(y))


def test_predictions_may_be_a_column_and_folds_need_two_rows():
    X, y = np.arange(6.0)[:, None], np.arange(6.0)
    scores = NumberScores(0.0, 1.0)

    class Column(LinearRegression):
        def predict(self, X):
            return super().predict(X)[:, None]

    np.testing.assert_allclose(scores.of(Column().fit(X, y), X)[:, 0], y, atol=1e-9)
    with pytest.raises(ValueError, match="candidate rows, and at least two are needed"):
        scores.folds(y[:1], 5, 0)
    assert len(scores.folds(y[:3], 5, 0)) == 3


class Told:
    """A fitted classifier with given probabilities."""

    def __init__(self, classes, probabilities):
        self.classes_, self.probabilities = np.array(classes), np.array(probabilities)

    def predict_proba(self, X):
        return self.probabilities


LEAST, MOST = np.log(MIN_PROBABILITY), np.log(1.0 - MIN_PROBABILITY)


@pytest.mark.parametrize(
    ("classes", "fitted", "expected"),
    [
        ("ab", Told("ab", [[0.2, 0.8], [1.0, 0.0]]), [[np.log(4)], [LEAST - MOST]]),
        ("ab", Told("ba", [[0.2, 0.8], [1.0, 0.0]]), [[-np.log(4)], [MOST - LEAST]]),
        ("ab", Told("b", [[1.0]]), [[MOST - LEAST]]),
        ("abc", Told("abc", [[0.2, 0.3, 0.5]]), [np.log([0.2, 0.3, 0.5])]),
        ("abc", Told("ca", [[0.3, 0.7]]), [[np.log(0.7), LEAST, np.log(0.3)]]),
    ],
)
def test_scores_are_log_odds_of_two_classes_and_log_probabilities_of_more(
    classes, fitted, expected
):
    scores = ClassScores(np.array(list(classes)))
    np.testing.assert_allclose(scores.of(fitted, np.zeros((len(expected), 1))), expected)
    assert scores.n_columns == np.shape(expected)[1]


CLASSES = ClassScores(np.array([0, 1]))
Y = np.array([0, 0, 0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize("scores", [CLASSES, NumberScores(0.0, 1.0)])
@pytest.mark.parametrize(("n_folds", "n_found"), [(2, 2), (3, 3), (100, 4)])
def test_each_row_is_left_out_once(scores, n_folds, n_found):
    n_found = 8 if scores is not CLASSES and n_folds == 100 else n_found
    folds = scores.folds(Y, n_folds, 0)
    assert len(folds) == n_found
    assert sorted(np.concatenate([left_out for _, left_out in folds])) == list(range(8))
    for fitted_to, left_out in folds:
        assert not set(fitted_to) & set(left_out)
        assert scores is not CLASSES or set(Y[fitted_to]) == {0, 1}


@pytest.mark.parametrize("scores", [CLASSES, NumberScores(0.0, 1.0)])
def test_groups_are_left_out_as_a_whole(scores):
    groups = np.array([0, 1, 1, 2, 0, 1, 2, 2])
    folds = scores.folds(Y, 100, 0, groups)
    assert len(folds) == 3
    for fitted_to, left_out in folds:
        assert not set(groups[fitted_to]) & set(groups[left_out])
    with pytest.raises(ValueError, match=r"^All candidate rows are in one group of groups="):
        scores.folds(Y, 100, 0, np.zeros(8))

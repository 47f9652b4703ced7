"""Scores that are not too optimistic, and the other features."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian.learners.stacking import StackedFeatures
from sklearn_seldonian.learners.stacking._own_features import MAX_COLUMNS
from sklearn_seldonian.learners.stacking._scores import MIN_PROBABILITY, ClassScores, NumberScores

MAX_LOG_ODDS = np.log((1 - MIN_PROBABILITY) / MIN_PROBABILITY)


class Memory(ClassifierMixin, BaseEstimator):
    """Memorises its training rows by their first number, and knows nothing about other rows."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        labels = np.searchsorted(self.classes_, y)
        self.label_of_ = dict(zip(X[:, 0].tolist(), labels.tolist(), strict=True))
        return self

    def predict_proba(self, X):
        even = np.full(len(self.classes_), 1 / len(self.classes_))
        known = np.eye(len(self.classes_))
        return np.array(
            [known[self.label_of_[x]] if x in self.label_of_ else even for x in X[:, 0]]
        )


def stacked(estimator, preprocessor=None, classes=(0, 1), cv=5):
    scores = ClassScores(np.array(classes))
    return StackedFeatures(estimator, preprocessor, scores, cv, random_state=0)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    return X, (X[:, 1] + rng.standard_normal(200) > 0).astype(int)


def test_rows_fitted_to_get_scores_of_copies_that_did_not_see_them(rows):
    X, y = rows
    features = stacked(Memory())
    np.testing.assert_array_equal(features.fit_transform(X, y)[:, 0], 0.0)
    # In `transform` the rows count as new rows, and the model has memorised them.
    again = features.transform(X)[:, 0]
    np.testing.assert_allclose(again, np.where(y == 1, MAX_LOG_ODDS, -MAX_LOG_ODDS))


def test_other_rows_get_scores_of_the_classifier_fitted_to_all(rows):
    X, y = rows
    new = X + 0.1
    scores = stacked(LogisticRegression()).fit(X, y).transform(new)[:, 0]
    np.testing.assert_allclose(scores, LogisticRegression().fit(X, y).decision_function(new))


def test_what_the_classifier_draws_is_drawn_by_the_seed_given(rows):
    X, y = rows
    forest = RandomForestClassifier(5)
    first, same = (stacked(forest).fit_transform(X, y) for _ in range(2))
    np.testing.assert_array_equal(first, same)
    scores = ClassScores(np.array([0, 1]))
    other = StackedFeatures(forest, None, scores, 5, random_state=1).fit(X, y).estimator_
    assert (forest.random_state, other.random_state) == (None, 1)
    seeded = stacked(RandomForestClassifier(5, random_state=7)).fit(X, y)
    assert seeded.estimator_.random_state == 7


def test_three_classes_have_a_score_each(rows):
    X, _ = rows
    y = np.arange(200) % 3
    features = stacked(LogisticRegression(), classes=(0, 1, 2))
    assert features.fit_transform(X, y).shape == (200, 3 + 3)
    expected = LogisticRegression().fit(X, y).predict_log_proba(X)
    np.testing.assert_allclose(features.transform(X)[:, :3], expected)


def test_a_class_that_a_fold_lacks_is_least_probable_there():
    X, y = np.arange(20.0)[:, None], np.array([2] + [0, 1] * 9 + [0])
    scores = stacked(LogisticRegression(), classes=(0, 1, 2)).fit_transform(X, y)[:, :3]
    assert scores[0, 2] == pytest.approx(np.log(MIN_PROBABILITY))
    assert np.isfinite(scores).all()


def test_a_frozen_estimator_is_used_without_copies(rows):
    X, y = rows
    model = LogisticRegression().fit(X[:50], y[:50])
    features = stacked(FrozenEstimator(model))
    found = features.fit_transform(X, y)
    np.testing.assert_allclose(found, model.decision_function(X)[:, None])
    np.testing.assert_allclose(features.transform(X), found)


TABLE = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 40.0] * 30,
        "adult": [True, False, True, True] * 30,
        "city": (["Rome"] * 6 + ["Oslo"] * 5 + ["Lima"]) * 10,
        "nothing": [np.nan] * 120,
    }
)


@pytest.mark.parametrize(
    ("X", "n_beside"),
    [
        (np.arange(240.0).reshape(120, 2), 2),
        (np.arange(240).reshape(120, 2).astype(np.uint8), 2),
        (np.where(np.eye(120)[:, :2], np.nan, 1.0), 2),
        (TABLE[["age"]], 1),
        (TABLE, 1 + 1 + 3 + 1),
        (csr_array(np.eye(120)), 0),
        (np.zeros((120, MAX_COLUMNS)), MAX_COLUMNS),
        (np.zeros((120, MAX_COLUMNS + 1)), 0),
        (np.full((120, 2), "a", dtype=object), 0),
        (["a text"] * 120, 0),
    ],
    ids=range(10),
)
def test_features_in_addition_to_the_scores(X, n_beside):
    class Constant(Memory):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
            return np.full((n_rows, 2), 0.5)

    features, y = stacked(Constant()), np.arange(120) % 2
    found = features.fit_transform(X, y)
    assert found.shape == (120, 1 + n_beside)
    np.testing.assert_allclose(features.transform(X), found)
    assert np.isfinite(found).all()


def test_columns_of_two_values_stay_as_they_are():
    X = np.array([[1.0, 7.0], [0.0, 3.0], [0.0, 4.0]] * 20)
    found = stacked(DecisionTreeClassifier(max_depth=1)).fit_transform(X, np.arange(60) % 2)
    np.testing.assert_array_equal(found[:, 2], X[:, 0])


def test_additional_numbers_are_standardised_and_missing_ones_are_the_mean():
    X = np.array([[1.0], [3.0], [np.nan], [1.0], [3.0], [2.0]] * 10)
    found = stacked(DecisionTreeClassifier(max_depth=1)).fit_transform(X, np.arange(60) % 2)[:, 1]
    assert found.mean() == pytest.approx(0)
    assert found.std() == pytest.approx(1)
    assert found[2] == pytest.approx(0)


def test_an_unknown_level_is_no_error():
    X = pd.DataFrame({"number": np.arange(40.0), "city": ["Rome", "Oslo"] * 20})
    numbers = [("city", "drop"), ("number", "passthrough")]
    chosen = ColumnTransformer([(name, what, [name]) for name, what in numbers])
    features = stacked(make_pipeline(chosen, LogisticRegression())).fit(X, np.arange(40) % 2)
    new = features.transform(pd.DataFrame({"number": [1.0], "city": ["Lima"]}))
    np.testing.assert_array_equal(new[0, -2:], [0.0, 0.0])


def test_a_preprocessor_is_fitted_once_to_all_rows(rows):
    X, y = rows
    features = stacked(LogisticRegression(), StandardScaler())
    found = features.fit_transform(5 * X + 3, y)
    np.testing.assert_allclose(features.preprocessor_.mean_, (5 * X + 3).mean(axis=0))
    np.testing.assert_allclose(found[:, 1:], StandardScaler().fit_transform(X))


def test_sparse_rows_are_for_the_estimator_alone(rows):
    X, y = np.round(rows[0]), rows[1]
    encoder = OneHotEncoder(handle_unknown="ignore")
    features = stacked(LogisticRegression(), encoder)
    assert features.fit_transform(X, y).shape == (200, 1)
    assert issparse(features.preprocessor_.transform(X))
    expected = LogisticRegression().fit(encoder.fit_transform(X), y).decision_function
    new = X[:5] + 1
    np.testing.assert_allclose(features.transform(new)[:, 0], expected(encoder.transform(new)))


class Asked(ClassifierMixin, BaseEstimator):
    """Takes rows of any kind, and records the kind."""

    def fit(self, X, y):
        self.classes_, self.kind_ = np.unique(y), type(X)
        return self

    def predict_proba(self, X):
        assert type(X) is self.kind_
        return np.full((len(X), 2), 0.5)


def test_tables_of_polars_have_the_same_additional_features():
    plain = TABLE.drop(columns="nothing").assign(count=[1, 2, 3, None] * 30)
    table = pl.DataFrame({name: plain[name].tolist() for name in plain}, strict=False).with_columns(
        pl.col("age").fill_nan(None)
    )
    y = np.arange(120) % 2
    features, expected = stacked(Asked()), stacked(Asked())
    found = features.fit_transform(table, y)
    np.testing.assert_allclose(found, expected.fit_transform(plain, y))
    assert features.estimator_.kind_ is pl.DataFrame
    np.testing.assert_allclose(features.transform(table[:7]), found[:7])


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


# -- numbers -------------------------------------------------------------------------------------


class NumberMemory(RegressorMixin, Memory):
    """Memorises the numbers of its training rows, and predicts 5 for others."""

    def fit(self, X, y):
        self.number_of_ = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))
        return self

    def predict(self, X):
        return np.array([self.number_of_.get(x, 5.0) for x in X[:, 0]])


def of_numbers(estimator, cv=5):
    return StackedFeatures(estimator, None, NumberScores(5.0, 2.0), cv, random_state=0)


def test_predictions_are_standardised_and_not_too_optimistic(rows):
    X, _ = rows
    y = 5 + 2 * X[:, 1]
    features = of_numbers(NumberMemory())
    np.testing.assert_array_equal(features.fit_transform(X, y)[:, 0], 0.0)
    np.testing.assert_allclose(features.transform(X)[:, 0], X[:, 1])
    assert features.transform(X).shape == (200, 1 + 3)


def test_a_frozen_regressor_is_used_without_copies(rows):
    X, _ = rows
    model = LinearRegression().fit(X, X[:, 2])
    features = of_numbers(FrozenEstimator(model))
    np.testing.assert_allclose(features.fit_transform(X, X[:, 2]), (X[:, 2:] - 5) / 2)


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


def test_a_sampler_is_refused(rows):
    under_sampling = pytest.importorskip("imblearn.under_sampling")
    with pytest.raises(ValueError, match="first step of the estimator"):
        stacked(LogisticRegression(), under_sampling.RandomUnderSampler()).fit(*rows)

"""Scores that are not too optimistic, and the other features."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_seldonian.learners.stacking import StackedFeatures
from sklearn_seldonian.learners.stacking._scores import MIN_PROBABILITY, ClassScores, NumberScores
from tests.learners.stacking._stacked import TABLE, Memory, stacked

MAX_LOG_ODDS = np.log((1 - MIN_PROBABILITY) / MIN_PROBABILITY)


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


def test_a_frozen_estimator_is_used_without_copies(rows):
    X, y = rows
    model = LogisticRegression().fit(X[:50], y[:50])
    features = stacked(FrozenEstimator(model))
    found = features.fit_transform(X, y)
    np.testing.assert_allclose(found, model.decision_function(X)[:, None])
    np.testing.assert_allclose(features.transform(X), found)


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


def test_a_sampler_is_refused(rows):
    under_sampling = pytest.importorskip("imblearn.under_sampling")
    with pytest.raises(ValueError, match="first step of the estimator"):
        stacked(LogisticRegression(), under_sampling.RandomUnderSampler()).fit(*rows)

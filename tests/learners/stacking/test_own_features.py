"""An estimator's features as numbers, in addition to its scores."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian.learners.stacking._own_features import MAX_COLUMNS, as_frame, numbers_of
from tests.learners.stacking._stacked import TABLE, Memory, stacked


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


@pytest.mark.parametrize(
    "X",
    [
        csr_array(np.eye(3)),
        np.zeros((3, MAX_COLUMNS + 1)),
        pd.DataFrame(np.zeros((3, MAX_COLUMNS + 1))),
        pd.DataFrame(index=range(3)),
        np.zeros(3),
        np.zeros((3, 1, 1)),
        [[1.0, 2.0], [3.0]],
        np.array([["a"], ["b"], ["c"]]),
    ],
    ids=range(8),
)
def test_rows_that_are_not_a_few_columns_have_no_numbers(X):
    assert numbers_of(X) is None


def test_levels_are_encoded_and_rare_ones_share_a_column():
    X = pd.DataFrame({"city": ["Rome"] * 12 + ["Oslo"] * 11 + ["Lima"] * 3 + ["Bern"] * 2})
    found = numbers_of(X).fit_transform(X)
    assert found.shape == (28, 3)
    assert (found[23:] == found[23]).all()
    np.testing.assert_array_equal(np.unique(found[[0, 12, 23]], axis=0), np.eye(3)[::-1])


def test_numbers_that_are_infinite_are_the_mean():
    X = np.array([[1.0], [2.0], [3.0], [np.inf], [-np.inf], [np.nan]])
    found = numbers_of(X).fit_transform(X)[:, 0]
    np.testing.assert_allclose(found[3:], 0.0, atol=1e-12)
    assert found[0] < found[1] < found[2]


def test_tables_of_any_library_become_frames():
    given = {"a": [1, 2], "b": ["x", "y"]}
    frame, X = pd.DataFrame(given), np.zeros((2, 2))
    pd.testing.assert_frame_equal(as_frame(pl.DataFrame(given)), frame)
    assert as_frame(frame) is frame
    assert as_frame(X) is X

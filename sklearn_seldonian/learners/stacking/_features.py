"""Scores of a classifier beside the features that it gets: stacked generalisation.

A classifier flatters itself on the rows that it was fitted to, and what is trained on its scores
would believe it. So the scores of the rows of `fit` are those of copies of the classifier that
were each fitted without a fold of them [1]_. All other rows get the scores of the classifier
that was fitted to all rows.

References
----------
.. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import _safe_indexing

from sklearn_seldonian.data._preprocess import fit_preprocessor, transformed

Array = NDArray[np.float64]

# Probabilities are taken for no nearer to 0 or 1, so that their logarithms are bounded.
LEAST = 1e-4
# Of more columns no linear model is trained beside the scores.
MAX_COLUMNS = 1000
# Levels with fewer rows than this share one column.
MIN_LEVEL_ROWS = 10


class StackedFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scores of a classifier, and the features beside them.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        A `FrozenEstimator` is asked and never fitted; its scores stand alone.
    preprocessor : transformer or None
        Makes of rows what the classifier gets.
    cv : int
        Number of folds.
    random_state : int
        Draws the folds, and seeds what has no seed in the classifier.

    Attributes
    ----------
    estimator_ : classifier
        Fitted to all rows.
    preprocessor_ : transformer or None
    classes_ : ndarray of shape (n_classes,)
    beside_ : transformer or None
        Makes numbers of the features beside the scores; None where there are none.
    """

    def __init__(self, estimator: Any, preprocessor: Any, cv: int, random_state: int) -> None:
        self.estimator = estimator
        self.preprocessor = preprocessor
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> StackedFeatures:
        """Fit classifier and preprocessor to all rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """The features of the rows fitted to, with the scores of copies that did not see them."""
        X, self.preprocessor_ = self._preprocessed(X, y)
        self.classes_ = np.unique(y)
        self.estimator_ = self._copy().fit(X, y)
        if isinstance(self.estimator, FrozenEstimator):
            self.beside_ = None
            return self._scores(self.estimator_, X)
        unseen = np.empty((len(y), 1 if len(self.classes_) == 2 else len(self.classes_)))
        for train, test in self._folds(y):
            copied = self._copy().fit(_safe_indexing(X, train), _safe_indexing(y, train))
            unseen[test] = self._scores(copied, _safe_indexing(X, test))
        self.beside_ = _numbers_of(X)
        if self.beside_ is None:
            return unseen
        return np.hstack([unseen, self.beside_.fit_transform(X)])

    def transform(self, X: Any) -> Array:
        """The features of other rows."""
        if self.preprocessor_ is not None:
            X = transformed(self.preprocessor_, X)
        scores = self._scores(self.estimator_, X)
        return scores if self.beside_ is None else np.hstack([scores, self.beside_.transform(X)])

    def _preprocessed(self, X: Any, y: Any) -> tuple[Any, Any]:
        if self.preprocessor is None:
            return X, None
        fitted = fit_preprocessor(self.preprocessor, X, y)
        if fitted.resampled:
            raise ValueError(
                "preprocessor= makes features for the classifier, and a sampler changes rows: "
                "make it the first step of the estimator, in a pipeline of imbalanced-learn."
            )
        return fitted.X, fitted.transformer

    def _copy(self) -> Any:
        """An unfitted copy that draws the same each time, whose seeds are ours if it has none."""
        copied = clone(self.estimator)
        if isinstance(copied, FrozenEstimator):
            return copied
        given = copied.get_params(deep=True)
        seeds = [name for name in given if name.rpartition("__")[2] == "random_state"]
        return copied.set_params(**{n: self.random_state for n in seeds if given[n] is None})

    def _folds(self, y: Any) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        largest = int(np.unique(y, return_counts=True)[1].max())
        folds = StratifiedKFold(min(self.cv, largest), shuffle=True, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(folds.split(np.zeros(len(y)), y))

    def _scores(self, fitted: Any, X: Any) -> Array:
        """Log-odds of two classes, else log-probabilities: shape (n_rows, 1 or n_classes)."""
        given = np.asarray(fitted.predict_proba(X), dtype=float)
        probabilities = np.zeros((len(given), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, fitted.classes_)] = given
        logs: Array = np.log(np.clip(probabilities, LEAST, 1.0 - LEAST))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs


def _numbers_of(X: Any) -> Any:
    """A transformer that makes numbers of the columns of X; None where they are none to speak of.

    Numbers are standardised, but for columns of two values, of which the rare one would count too
    much. Missing numbers are the mean. Other columns of tables are one-hot.
    """
    is_table = isinstance(X, pd.DataFrame)
    if issparse(X) or (not is_table and np.asarray(X).dtype.kind not in "biuf"):
        return None
    if np.ndim(X) != 2 or np.shape(X)[1] > MAX_COLUMNS:
        return None
    imputer = SimpleImputer(keep_empty_features=True)
    parts = [(make_pipeline(imputer, StandardScaler()), _numbers), (imputer, _two_valued)]
    if is_table:
        levels = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=MIN_LEVEL_ROWS, sparse_output=False
        )
        parts.append((levels, make_column_selector(dtype_exclude=("number", "bool"))))
    return make_column_transformer(*parts)


def _numbers(X: Any) -> list[Any]:
    """The columns of numbers that have more than two values."""
    return _columns(X, several=True)


def _two_valued(X: Any) -> list[Any]:
    return _columns(X, several=False)


def _columns(X: Any, several: bool) -> list[Any]:
    numbers = pd.DataFrame(X).select_dtypes(["number", "bool"])
    return [name for name in numbers.columns if (numbers[name].nunique() > 2) == several]

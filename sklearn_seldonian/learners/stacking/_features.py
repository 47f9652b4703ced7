"""Scores of an estimator beside the features that it gets: stacked generalisation.

An estimator flatters itself on the rows that it was fitted to, and what is trained on its scores
would believe it. So the scores of the rows of `fit` are those of copies of the estimator that
were each fitted without a fold of them [1]_. All other rows get the scores of the estimator
that was fitted to all rows.

References
----------
.. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing

from sklearn_seldonian.data._preprocess import fit_preprocessor, transformed
from sklearn_seldonian.learners.stacking._beside import as_frame, numbers_of
from sklearn_seldonian.learners.stacking._scores import Scores

Array = NDArray[np.float64]


class StackedFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scores of an estimator, and the features beside them.

    Parameters
    ----------
    estimator : classifier with `predict_proba`, or regressor
        A `FrozenEstimator` is asked and never fitted; its scores stand alone.
    preprocessor : transformer or None
        Makes of rows what the estimator gets, which may be sparse.
    scores : ClassScores or NumberScores
        What the estimator is asked.
    cv : int
        Number of folds.
    random_state : int
        Draws the folds, and seeds what has no seed in the estimator.

    Attributes
    ----------
    estimator_ : classifier or regressor
        Fitted to all rows.
    preprocessor_ : transformer or None
    beside_ : transformer or None
        Makes numbers of the features beside the scores; None where there are none.
    """

    def __init__(
        self, estimator: Any, preprocessor: Any, scores: Scores, cv: int, random_state: int
    ) -> None:
        self.estimator = estimator
        self.preprocessor = preprocessor
        self.scores = scores
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> StackedFeatures:
        """Fit estimator and preprocessor to all rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, groups: Any = None) -> Array:
        """The features of the rows fitted to, with the scores of copies that did not see them.

        Nor did the copies see other rows of the same groups.
        """
        X, self.preprocessor_ = self._preprocessed(X, y)
        if isinstance(self.estimator, FrozenEstimator):
            self.estimator_, self.beside_ = clone(self.estimator).fit(X, y), None
            return self.scores.of(self.estimator_, X)
        folds = self.scores.folds(y, self.cv, self.random_state, groups)
        self.estimator_ = self._copy().fit(X, y)
        unseen = np.empty((len(y), self.scores.n_columns))
        for train, test in folds:
            copied = self._copy().fit(_safe_indexing(X, train), _safe_indexing(y, train))
            unseen[test] = self.scores.of(copied, _safe_indexing(X, test))
        columns = as_frame(X)
        self.beside_ = numbers_of(columns)
        if self.beside_ is None:
            return unseen
        return np.hstack([unseen, self.beside_.fit_transform(columns)])

    def transform(self, X: Any) -> Array:
        """The features of other rows."""
        if self.preprocessor_ is not None:
            X = transformed(self.preprocessor_, X, sparse=True)
        scores = self.scores.of(self.estimator_, X)
        if self.beside_ is None:
            return scores
        columns = as_frame(X)
        names = getattr(self.beside_, "feature_names_in_", None)
        if names is not None and not isinstance(columns, pd.DataFrame):
            columns = pd.DataFrame(columns, columns=names)
        return np.hstack([scores, self.beside_.transform(columns)])

    def _preprocessed(self, X: Any, y: Any) -> tuple[Any, Any]:
        if self.preprocessor is None:
            return X, None
        fitted = fit_preprocessor(self.preprocessor, X, y, sparse=True)
        if fitted.resampled:
            raise ValueError(
                "preprocessor= makes features for the estimator, and a sampler changes rows: "
                "make it the first step of the estimator, in a pipeline of imbalanced-learn."
            )
        return fitted.X, fitted.transformer

    def _copy(self) -> Any:
        """An unfitted copy that draws the same each time, whose seeds are ours if it has none."""
        copied = clone(self.estimator)
        given = copied.get_params(deep=True)
        seeds = [name for name in given if name.rpartition("__")[2] == "random_state"]
        return copied.set_params(**{n: self.random_state for n in seeds if given[n] is None})

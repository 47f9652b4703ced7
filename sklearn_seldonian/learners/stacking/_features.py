"""The scores of an estimator together with the features that it gets: stacked generalisation.

On the rows that it was fitted to, an estimator's scores are too good, and a model that is trained
on these scores would rely on them too much. The scores of the rows of `fit` therefore come from
copies of the estimator, each fitted without the rows of one fold [1]_. All other rows get the
scores of the estimator that was fitted to all rows.

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
from sklearn_seldonian.learners.stacking._own_features import as_frame, numbers_of
from sklearn_seldonian.learners.stacking._scores import Scores

Array = NDArray[np.float64]


class StackedFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer from rows to an estimator's scores and its features.

    Parameters
    ----------
    estimator : classifier with `predict_proba`, or regressor
        A `FrozenEstimator` is not fitted, and its scores are the only features.
    preprocessor : transformer or None
        Makes the estimator's features, which may be sparse, from rows.
    scores : ClassScores or NumberScores
        The kind of the estimator's scores.
    cv : int
        The number of folds.
    random_state : int
        The seed of the folds, and of the parts of the estimator that have no seed.

    Attributes
    ----------
    estimator_ : classifier or regressor
        Fitted to all rows.
    preprocessor_ : transformer or None
        Fitted to all rows.
    own_features_ : transformer or None
        Makes numbers from the estimator's features; None if only the scores are used.
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
        """The features of the rows of `fit`, with scores of copies that were not fitted to them.

        The copies were not fitted to other rows of the same groups either.
        """
        X, self.preprocessor_ = self._preprocessed(X, y)
        if isinstance(self.estimator, FrozenEstimator):
            self.estimator_, self.own_features_ = clone(self.estimator).fit(X, y), None
            return self.scores.of(self.estimator_, X)
        folds = self.scores.folds(y, self.cv, self.random_state, groups)
        self.estimator_ = self._copy().fit(X, y)
        unseen = np.empty((len(y), self.scores.n_columns))
        for train, test in folds:
            copied = self._copy().fit(_safe_indexing(X, train), _safe_indexing(y, train))
            unseen[test] = self.scores.of(copied, _safe_indexing(X, test))
        columns = as_frame(X)
        self.own_features_ = numbers_of(columns)
        if self.own_features_ is None:
            return unseen
        return np.hstack([unseen, self.own_features_.fit_transform(columns)])

    def transform(self, X: Any) -> Array:
        """The features of other rows."""
        if self.preprocessor_ is not None:
            X = transformed(self.preprocessor_, X, sparse=True)
        scores = self.scores.of(self.estimator_, X)
        if self.own_features_ is None:
            return scores
        columns = as_frame(X)
        names = getattr(self.own_features_, "feature_names_in_", None)
        if names is not None and not isinstance(columns, pd.DataFrame):
            columns = pd.DataFrame(columns, columns=names)
        return np.hstack([scores, self.own_features_.transform(columns)])

    def _preprocessed(self, X: Any, y: Any) -> tuple[Any, Any]:
        if self.preprocessor is None:
            return X, None
        fitted = fit_preprocessor(self.preprocessor, X, y, sparse=True)
        if fitted.resampled:
            raise ValueError(
                "A sampler was given as preprocessor=, which makes features and must keep all "
                "rows. Make the sampler the first step of the estimator, in a pipeline of "
                "imbalanced-learn."
            )
        return fitted.X, fitted.transformer

    def _copy(self) -> Any:
        """An unfitted copy of the estimator with fixed seeds, if need be from `random_state`."""
        copied = clone(self.estimator)
        given = copied.get_params(deep=True)
        seeds = [name for name in given if name.rpartition("__")[2] == "random_state"]
        return copied.set_params(**{n: self.random_state for n in seeds if given[n] is None})

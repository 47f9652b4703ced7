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
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import _safe_indexing, check_array

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
    classes : ndarray of shape (n_classes,)
        The labels that scores are of; the rows of `fit` may lack some of them.
    cv : int
        Number of folds.
    random_state : int
        Draws the folds, and seeds what has no seed in the classifier.

    Attributes
    ----------
    estimator_ : classifier
        Fitted to all rows.
    preprocessor_ : transformer or None
    beside_ : transformer or None
        Makes numbers of the features beside the scores; None where there are none.
    """

    def __init__(
        self,
        estimator: Any,
        preprocessor: Any,
        classes: NDArray[Any],
        cv: int,
        random_state: int,
    ) -> None:
        self.estimator = estimator
        self.preprocessor = preprocessor
        self.classes = classes
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> StackedFeatures:
        """Fit classifier and preprocessor to all rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """The features of the rows fitted to, with the scores of copies that did not see them."""
        X, self.preprocessor_ = self._preprocessed(X, y)
        if isinstance(self.estimator, FrozenEstimator):
            self.estimator_, self.beside_ = clone(self.estimator).fit(X, y), None
            return self._scores(self.estimator_, X)
        folds = self._folds(y)
        self.estimator_ = self._copy().fit(X, y)
        unseen = np.empty((len(y), 1 if len(self.classes) == 2 else len(self.classes)))
        for train, test in folds:
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
        if self.beside_ is None:
            return scores
        names = getattr(self.beside_, "feature_names_in_", None)
        if names is not None and not isinstance(X, pd.DataFrame):
            X = pd.DataFrame(X, columns=names)
        return np.hstack([scores, self.beside_.transform(X)])

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
        given = copied.get_params(deep=True)
        seeds = [name for name in given if name.rpartition("__")[2] == "random_state"]
        return copied.set_params(**{n: self.random_state for n in seeds if given[n] is None})

    def _folds(self, y: Any) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        counts = np.unique(y, return_counts=True)[1]
        if (counts > 1).sum() < min(2, len(counts)) or counts.max() < 2:
            raise ValueError(
                "Among the candidate rows there must be two of at least 2 classes, so that the "
                f"classifier can be fitted without some of them; the classes have {counts.tolist()}"
                " rows. Give fit more rows, or a smaller safety_size."
            )
        largest = int(counts.max())
        folds = StratifiedKFold(min(self.cv, largest), shuffle=True, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(folds.split(np.zeros(len(y)), y))

    def _scores(self, fitted: Any, X: Any) -> Array:
        """Log-odds of two classes, else log-probabilities: shape (n_rows, 1 or n_classes)."""
        known = self.classes.tolist()
        labels = np.asarray(fitted.classes_).tolist()
        if unknown := [label for label in labels if label not in known]:
            raise ValueError(
                f"The classifier has classes that y does not hold, {unknown}, and its scores "
                f"cannot be those of {known}."
            )
        given = np.asarray(fitted.predict_proba(X), dtype=float)
        probabilities = np.zeros((len(given), len(known)))
        probabilities[:, [known.index(label) for label in labels]] = given
        logs: Array = np.log(np.clip(probabilities, LEAST, 1.0 - LEAST))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs


def _numbers_of(X: Any) -> Any:
    """A transformer that makes numbers of the columns of X; None where they are none to speak of.

    Numbers are standardised, but for columns of two values, of which the rare one would count too
    much. Where they are missing or infinite they are the mean. Other columns of tables are one-hot.
    """
    is_table = isinstance(X, pd.DataFrame)
    if not (0 < X.shape[1] <= MAX_COLUMNS if is_table else _is_matrix(X)):
        return None
    finite = make_pipeline(FunctionTransformer(_finite), SimpleImputer(keep_empty_features=True))
    parts = [(make_pipeline(finite, StandardScaler()), _several_valued), (finite, _two_valued)]
    if is_table:
        levels = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=MIN_LEVEL_ROWS, sparse_output=False
        )
        parts.append((make_pipeline(FunctionTransformer(_words), levels), _others))
    return make_column_transformer(*parts)


def _several_valued(X: Any) -> list[Any]:
    """The columns of numbers that have more than two values."""
    numbers = _numbers(X)
    return [name for name in numbers.columns if numbers[name].nunique() > 2]


def _two_valued(X: Any) -> list[Any]:
    numbers = _numbers(X)
    return [name for name in numbers.columns if numbers[name].nunique() <= 2]


def _others(X: pd.DataFrame) -> list[Any]:
    numbers = set(_numbers(X).columns)
    return [name for name in X.columns if name not in numbers]


def _numbers(X: Any) -> pd.DataFrame:
    return pd.DataFrame(X).select_dtypes(["number", "bool"], exclude=["timedelta"])


def _is_matrix(X: Any) -> bool:
    """Whether X is a dense matrix of numbers with few enough columns."""
    if issparse(X) or getattr(X, "ndim", 2) != 2:
        return False
    try:
        values = np.asarray(X)
    except ValueError:  # lists of different lengths
        return False
    return values.dtype.kind in "biuf" and values.ndim == 2 and values.shape[1] <= MAX_COLUMNS


def _finite(X: Any) -> Array:
    """X with NaN in place of what is no finite number."""
    values = check_array(X, dtype=np.float64, ensure_all_finite=False)
    return np.where(np.isfinite(values), values, np.nan)


def _words(X: pd.DataFrame) -> pd.DataFrame:
    """Each cell as text: an encoder sorts levels, and not all kinds can be compared."""
    return X.astype(object).map(str)

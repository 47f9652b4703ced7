"""Other methods to compare Seldonian estimators with, as scikit-learn classifiers."""

from __future__ import annotations

import copy
import inspect

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted


class FairlearnClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A mitigation method of fairlearn as a binary classifier of any two labels.

    It is for ``fairlearn.reductions.ExponentiatedGradient`` and ``GridSearch``, and for
    ``fairlearn.postprocessing.ThresholdOptimizer``. If these draw decisions in `predict`, they use
    `random_state`.

    Parameters
    ----------
    estimator : fairlearn estimator
        Cloned before it is fitted. With ``prefit=True`` it is copied together with its fitted
        parts.
    random_state : int, RandomState instance or None, default=None
        The source of the decisions that `predict` draws. With an int, every call draws the same
        decisions for the same row numbers. None: each call draws new ones.

    Attributes
    ----------
    estimator_ : fairlearn estimator
        Fitted to labels 0 and 1.
    classes_ : ndarray of shape (2,)
        The two labels, sorted.

    Examples
    --------
    >>> from fairlearn.reductions import DemographicParity, ExponentiatedGradient
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian.experiments import FairlearnClassifier
    >>> X, y = make_classification(random_state=0)
    >>> parity = DemographicParity(difference_bound=0.1)
    >>> model = FairlearnClassifier(
    ...     ExponentiatedGradient(LogisticRegression(), parity), random_state=0
    ... )
    >>> model.fit(X, y, sensitive_features=X[:, 0] > 0).predict(X[:3]).shape
    (3,)
    """

    def __init__(self, estimator, *, random_state=None):
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X, y, sensitive_features):
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
            Two different labels.
        sensitive_features : Series, DataFrame or array-like of n_rows

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `y` does not have exactly two different labels.
        """
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"y has {len(self.classes_)} classes, and FairlearnClassifier needs two: "
                f"{self.classes_[:5].tolist()}."
            )
        is_prefit = getattr(self.estimator, "prefit", False)
        self.estimator_ = (copy.deepcopy if is_prefit else clone)(self.estimator)
        self.estimator_.fit(X, labels, sensitive_features=sensitive_features)
        return self

    def predict(self, X, sensitive_features=None):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        sensitive_features : Series, DataFrame or array-like of n_rows, default=None
            Needed if `estimator` is a ThresholdOptimizer, whose decisions depend on the group.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels from `classes_`.

        Raises
        ------
        ValueError
            If decisions depend on the group and `sensitive_features` are missing.
        """
        check_is_fitted(self)
        offered = {"sensitive_features": sensitive_features, "random_state": self.random_state}
        taken = inspect.signature(self.estimator_.predict).parameters
        if sensitive_features is None and "sensitive_features" in taken:
            raise ValueError(
                "sensitive_features were not given, and decisions of "
                f"{type(self.estimator_).__name__} depend on the group. Call "
                "predict(X, sensitive_features=...)."
            )
        given = {name: value for name, value in offered.items() if name in taken}
        positions = np.asarray(self.estimator_.predict(X, **given)).astype(int)
        return self.classes_[positions.ravel()]

    def __sklearn_clone__(self):
        """As in scikit-learn, but an estimator with ``prefit=True`` stays fitted."""
        cloned = super().__sklearn_clone__()
        if getattr(self.estimator, "prefit", False):
            cloned.estimator = copy.deepcopy(self.estimator)
        return cloned

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

"""Peers that a Seldonian estimator is compared with, as scikit-learn classifiers."""

from __future__ import annotations

import copy
import inspect

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted


class FairlearnClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A mitigation method of fairlearn as a binary classifier of any two labels.

    For ``fairlearn.reductions.ExponentiatedGradient`` and ``GridSearch``, and for
    ``fairlearn.postprocessing.ThresholdOptimizer``. What those draw at random in `predict` is
    drawn from `random_state`.

    Parameters
    ----------
    estimator : fairlearn estimator
        Cloned before it is fitted; copied with what it holds where it says ``prefit=True``.
    random_state : int, RandomState instance or None, default=None
        Of the decisions that `predict` draws. With an integer every call draws the same for
        the same row numbers; None: anew in each call.

    Attributes
    ----------
    estimator_ : fairlearn estimator
        Fitted to labels 0 and 1.
    classes_ : ndarray of shape (2,)

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
            If `y` does not hold two different labels.
        """
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"FairlearnClassifier takes two classes; y holds {len(self.classes_)}: "
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
            Needed by a ThresholdOptimizer, which decides by group.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        offered = {"sensitive_features": sensitive_features, "random_state": self.random_state}
        taken = inspect.signature(self.estimator_.predict).parameters
        if sensitive_features is None and "sensitive_features" in taken:
            raise ValueError(
                f"{type(self.estimator_).__name__} decides by group: give predict the "
                "sensitive_features of the rows."
            )
        given = {name: value for name, value in offered.items() if name in taken}
        positions = np.asarray(self.estimator_.predict(X, **given)).astype(int)
        return self.classes_[positions.ravel()]

    def __sklearn_clone__(self):
        """As scikit-learn's, but an estimator that says ``prefit=True`` stays fitted."""
        cloned = super().__sklearn_clone__()
        if getattr(self.estimator, "prefit", False):
            cloned.estimator = copy.deepcopy(self.estimator)
        return cloned

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

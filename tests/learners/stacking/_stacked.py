"""A classifier that memorises rows, and stacked features, for several test files."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian.learners.stacking import StackedFeatures
from sklearn_seldonian.learners.stacking._scores import ClassScores


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


TABLE = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 40.0] * 30,
        "adult": [True, False, True, True] * 30,
        "city": (["Rome"] * 6 + ["Oslo"] * 5 + ["Lima"]) * 10,
        "nothing": [np.nan] * 120,
    }
)

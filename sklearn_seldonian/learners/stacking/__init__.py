"""Any classifier or regressor under constraints, by means of its scores."""

from sklearn_seldonian.learners.stacking._features import StackedFeatures
from sklearn_seldonian.learners.stacking._learner import StackingLearner

__all__ = ["StackedFeatures", "StackingLearner"]

"""What trains under constraints."""

from sklearn_seldonian.learners._protocol import (
    Learner,
    NotTrained,
    Problem,
    Trained,
    TrainedModel,
)
from sklearn_seldonian.learners._verdict import judged

__all__ = ["Learner", "NotTrained", "Problem", "Trained", "TrainedModel", "judged"]

"""What trains under constraints."""

from sklearn_seldonian.learners._protocol import (
    Learner,
    NotTrained,
    Problem,
    Trained,
    TrainedModel,
)

__all__ = ["Learner", "NotTrained", "Problem", "Trained", "TrainedModel"]

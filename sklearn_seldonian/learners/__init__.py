"""Learners, which train models under constraints."""

from sklearn_seldonian.learners._price import Outcome, Price
from sklearn_seldonian.learners._protocol import History, Learner, NotTrained, Problem, Trained
from sklearn_seldonian.learners._verdict import certify_outcome

__all__ = [
    "History",
    "Learner",
    "NotTrained",
    "Outcome",
    "Price",
    "Problem",
    "Trained",
    "certify_outcome",
]

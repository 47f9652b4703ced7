"""Estimators that train torch models under behavioural constraints and certify them."""

from sklearn_seldonian._certify import certify, required_safety_rows
from sklearn_seldonian._version import __version__
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.classifier import SeldonianClassifier
from sklearn_seldonian.exceptions import (
    ConstraintSyntaxError,
    NoSolutionFoundError,
    NoSolutionFoundWarning,
)
from sklearn_seldonian.regressor import SeldonianRegressor

__all__ = [
    "ConstraintSyntaxError",
    "NoSolutionFoundError",
    "NoSolutionFoundWarning",
    "SafetyCertificate",
    "SeldonianClassifier",
    "SeldonianRegressor",
    "__version__",
    "certify",
    "required_safety_rows",
]

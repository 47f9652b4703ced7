"""Estimators that train torch models under behavioural constraints and certify them."""

from sklearn_seldonian._version import __version__
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._certify import certify
from sklearn_seldonian.certification._collect import collect
from sklearn_seldonian.certification._plans import probability_of_passing, required_safety_rows
from sklearn_seldonian.certification._safety_statistics import SafetyStatistics
from sklearn_seldonian.estimators._classifier import SeldonianClassifier
from sklearn_seldonian.estimators._meta import SeldonianMetaClassifier
from sklearn_seldonian.estimators._meta_regressor import SeldonianMetaRegressor
from sklearn_seldonian.estimators._regressor import SeldonianRegressor
from sklearn_seldonian.exceptions import (
    ConstraintSyntaxError,
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
)

__all__ = [
    "ConstraintSyntaxError",
    "NoSolutionFoundError",
    "NoSolutionFoundWarning",
    "SafetyCertificate",
    "SafetyDataReusedWarning",
    "SafetyStatistics",
    "SeldonianClassifier",
    "SeldonianMetaClassifier",
    "SeldonianMetaRegressor",
    "SeldonianRegressor",
    "__version__",
    "certify",
    "collect",
    "probability_of_passing",
    "required_safety_rows",
]

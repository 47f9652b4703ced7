"""Estimators that train torch models under behavioural constraints and certify them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn_seldonian._version import __version__
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._certify import certify
from sklearn_seldonian.certification._collect import collect
from sklearn_seldonian.certification._plans import probability_of_passing, required_safety_rows
from sklearn_seldonian.certification._safety_statistics import SafetyStatistics
from sklearn_seldonian.exceptions import (
    ConstraintSyntaxError,
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
)

if TYPE_CHECKING:
    from sklearn_seldonian.estimators._classifier import SeldonianClassifier
    from sklearn_seldonian.estimators._meta import SeldonianMetaClassifier
    from sklearn_seldonian.estimators._meta_regressor import SeldonianMetaRegressor
    from sklearn_seldonian.estimators._regressor import SeldonianRegressor

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

# These need torch, which takes seconds to import, and are imported when they are first used.
_ESTIMATORS = {
    "SeldonianClassifier": "_classifier",
    "SeldonianMetaClassifier": "_meta",
    "SeldonianMetaRegressor": "_meta_regressor",
    "SeldonianRegressor": "_regressor",
}
# So are the modules that nothing else above has imported.
_SUBMODULES = frozenset(
    {
        "datasets",
        "experiments",
        "learners",
        "metrics",
        "model_selection",
        "modules",
        "monitoring",
        "plotting",
        "selection",
    }
)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.estimators.{_ESTIMATORS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})

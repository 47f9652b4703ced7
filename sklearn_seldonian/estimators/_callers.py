"""Whether a fit is one of several, for example in a search; only the call stack shows this."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from traceback import walk_stack

from sklearn.base import BaseEstimator
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

# These choose settings or features by fits to the same rows that their last fit gets. The first is
# the base class of all searches for settings, including those of other packages.
SEARCHES = (GridSearchCV.__base__, RFE, SequentialFeatureSelector)
# These weight or draw rows by the errors of models that were fitted to the same rows before.
BOOSTERS = (AdaBoostClassifier, AdaBoostRegressor)
# Packages whose functions fit an estimator more than once, and their modules that pass on one fit.
REPEATING = ("sklearn", "joblib", f"{__package__}._search")
SINGLE_FIT = (Pipeline.__module__, BaseEstimator.__module__, "sklearn.utils")


def fitted_inside(kinds: tuple[type, ...]) -> bool:
    """Whether the caller runs inside a method of an estimator of these kinds, at any depth.

    What runs in other processes or threads is not recognised. The refit of a search is.
    """
    return any(
        isinstance(frame.f_locals.get("self"), kinds)
        for frame, _ in walk_stack(sys._getframe())
        if frame.f_code.co_varnames[:1] == ("self",)
    )


def end_if_interrupted(interrupted: bool) -> None:
    """If the user stopped training, also stop the fits that would follow.

    Raises
    ------
    KeyboardInterrupt
        If training was interrupted and other fits would follow.
    """
    if interrupted and fitted_among_others():
        raise KeyboardInterrupt


def fitted_among_others() -> bool:
    """Whether other fits will follow, so that Ctrl-C must stop more than this fit."""
    modules = {frame.f_globals.get("__name__", "") for frame, _ in walk_stack(sys._getframe())}
    return any(_is_in(module, REPEATING) and not _is_in(module, SINGLE_FIT) for module in modules)


def _is_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)

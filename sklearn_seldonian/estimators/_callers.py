"""What an estimator is fitted for, which scikit-learn lets it know by the call stack alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from traceback import walk_stack

from sklearn.base import BaseEstimator
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

# They choose settings or features by results of fits to the rows that the last fit gets too.
# The first is the base class of all searches for settings, those of other packages included.
SEARCHES = (GridSearchCV.__base__, RFE, SequentialFeatureSelector)
# Packages whose functions fit an estimator more than once, but for what hands one fit on.
REPEATING = ("sklearn", "joblib", f"{__package__}._search")
HANDING_ON = (Pipeline.__module__, BaseEstimator.__module__, "sklearn.utils")


def fitted_inside_search() -> bool:
    """Whether the caller runs inside a search of scikit-learn's, at whatever depth.

    A search whose trials run in other processes or threads is not seen from there; its refit is.
    """
    return any(
        isinstance(frame.f_locals.get("self"), SEARCHES)
        for frame, _ in walk_stack(sys._getframe())
        if frame.f_code.co_varnames[:1] == ("self",)
    )


def end_if_interrupted(interrupted: bool) -> None:
    """Where the user stopped training, and other fits would follow, stop those as well.

    Raises
    ------
    KeyboardInterrupt
    """
    if interrupted and fitted_among_others():
        raise KeyboardInterrupt


def fitted_among_others() -> bool:
    """Whether other fits are going to follow, so that Ctrl-C must end more than this one."""
    modules = {frame.f_globals.get("__name__", "") for frame, _ in walk_stack(sys._getframe())}
    return any(_is_in(module, REPEATING) and not _is_in(module, HANDING_ON) for module in modules)


def _is_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)

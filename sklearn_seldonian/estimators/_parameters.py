"""Checks of the estimators' parameters, made before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_seldonian._keywords import advice_on
from sklearn_seldonian._text import short
from sklearn_seldonian.certification import METHODS
from sklearn_seldonian.certification._specification import MISSING
from sklearn_seldonian.constraints import Constraint
from sklearn_seldonian.learners.lagrangian._keywords import (
    PREFIXES,
    accepted_keywords,
    check_iterator,
)

COUNT = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="neither")
# The checks that all estimators share.
SHARED = {
    "delta": [SHARE, "array-like"],
    "method": [StrOptions(set(METHODS))],
    "missing": [StrOptions(set(MISSING))],
    "preprocessor": [HasMethods("fit"), None],
    "safety_size": [SHARE, COUNT],
    "power": [SHARE],
    "max_group_size": [COUNT, None],
    "max_weight": [POSITIVE, None],
    "registry": [str, PathLike, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
NO_CONTINUED_TRAINING = (
    "a model that is trained further would be tested again on the same safety rows, which breaks "
    "the promise of the test. Fit a new estimator to all rows instead."
)


def check_keywords(keywords: Mapping[str, Any], parameters: list[str], *parts: Any) -> None:
    """Refuse unknown keywords.

    Parameters
    ----------
    keywords : mapping of str to object
    parameters : list of str
        The names in the signature.
    *parts
        The arguments of `accepted_keywords`.
    """
    accepted = accepted_keywords(*parts)
    for keyword in keywords:
        if keyword == "warm_start":
            raise ValueError(f"There is no warm_start: {NO_CONTINUED_TRAINING}")
        prefix, _, name = keyword.partition("__")
        if prefix not in PREFIXES or not name:
            nested = [f"{n}__{name or '...'}" for n in PREFIXES]
            known = nested if name else [*parameters, *nested]
            raise ValueError(_unknown(keyword, known))
        names = accepted[prefix]
        if names is not None and name.partition("__")[0] not in names:
            raise ValueError(_unknown(keyword, [f"{prefix}__{n}" for n in names]))
    check_iterator(keywords)


def check_module(module: object) -> None:
    """Refuse a constraint given as the module, which is the first parameter."""
    first = module[0] if isinstance(module, list | tuple) and module else module
    if isinstance(first, str | Constraint):
        raise TypeError(
            f"Constraints were given as the first parameter, which is module: {short(module)}. "
            "Give constraints by name, as in SeldonianClassifier(constraints='ACC >= 0.9')."
        )


def check_instances(**estimators: object) -> None:
    """Refuse a class given instead of an estimator, before training."""
    for name, value in estimators.items():
        if inspect.isclass(value):
            raise TypeError(
                f"{name} must be an estimator, and the class {value.__name__} was given. Write "
                f"{value.__name__}()."
            )


def check_own_decisions(kind: type) -> None:
    """Refuse a subclass whose decisions are not those of the model that is tested.

    Raises
    ------
    TypeError
        If a class from outside this package overrides a method that returns predictions.
    """
    package = __name__.partition(".")[0]
    for method in ("predict", "predict_proba", "decision_function"):
        owner = next((c for c in kind.__mro__ if method in vars(c)), None)
        if owner is not None and owner.__module__.partition(".")[0] != package:
            raise TypeError(
                f"{owner.__name__} overrides {method}, and the safety test of fit would test the "
                "model's own decisions instead. Fit without constraints, and test the estimator on "
                "fresh rows: sklearn_seldonian.certify(estimator, X, y, constraints)."
            )


def _unknown(name: str, known: list[str]) -> str:
    return f"Unknown parameter {name!r}. {advice_on(name, known)}"


def fitted_fallback(fallback: Any, X: Any, y: Any, constant: Any) -> Any:
    """The fitted fallback, for use if no solution was found; None without a fallback.

    `constant` is the estimator that ``fallback="majority"`` or "mean" stands for.
    """
    if fallback is None:
        return None
    return clone(constant if isinstance(fallback, str) else fallback).fit(X, y)

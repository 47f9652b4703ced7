"""Parameters of the estimators: what is refused before anything is trained."""

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
# Of all estimators, whatever trains.
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
    "the safety test would be run again on rows that have already decided which model was kept, "
    "and that breaks its promise. Fit a new estimator to all rows instead."
)


def check_keywords(keywords: Mapping[str, Any], parameters: list[str], *parts: Any) -> None:
    """Refuse keywords that nothing takes.

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
    """Refuse a constraint in the place of the module, which comes first."""
    first = module[0] if isinstance(module, list | tuple) and module else module
    if isinstance(first, str | Constraint):
        raise TypeError(
            f"The first parameter is module, and {short(module)} is a constraint: constraints are "
            "given by name, as in SeldonianClassifier(constraints='ACC >= 0.9')."
        )


def check_instances(**estimators: object) -> None:
    """Refuse a class where an estimator is wanted, before training rather than after."""
    for name, value in estimators.items():
        if inspect.isclass(value):
            raise TypeError(
                f"{name} must be an estimator; got the class: write {value.__name__}()."
            )


def check_own_decisions(kind: type) -> None:
    """Refuse a subclass that decides otherwise than the model that is tested.

    Raises
    ------
    TypeError
        If a class from elsewhere overrides what returns predictions.
    """
    package = __name__.partition(".")[0]
    for method in ("predict", "predict_proba", "decision_function"):
        owner = next((c for c in kind.__mro__ if method in vars(c)), None)
        if owner is not None and owner.__module__.partition(".")[0] != package:
            raise TypeError(
                f"{owner.__name__} overrides {method}, and what the safety test is about are the "
                "model's own decisions. Fit without constraints, and test the whole on rows it "
                "has not seen: sklearn_seldonian.certify(estimator, X, y, constraints)."
            )


def _unknown(name: str, known: list[str]) -> str:
    return f"Unknown parameter {name!r}. {advice_on(name, known)}"


def fitted_fallback(fallback: Any, X: Any, y: Any, constant: Any) -> Any:
    """The estimator that answers where no solution was found; None where none is wanted.

    `constant` is what a word stands for.
    """
    if fallback is None:
        return None
    return clone(constant if isinstance(fallback, str) else fallback).fit(X, y)

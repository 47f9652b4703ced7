"""Parameters of the estimators: what is refused before anything is trained."""

from __future__ import annotations

import inspect
import itertools

import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import nn

from sklearn_seldonian._keywords import advice_on
from sklearn_seldonian._text import short
from sklearn_seldonian.constraints import (
    Constraint,
)

__all__ = [
    "NESTED",
    "NO_CONTINUED_TRAINING",
    "accepted_names",
    "callback_names",
    "check_instances",
    "check_keywords",
    "check_module",
    "check_own_decisions",
    "fitted_fallback",
    "resolve_device",
]

# What skorch's double-underscore names may begin with.
NESTED = ("module", "optimizer", "criterion", "iterator_train", "callbacks")
NO_CONTINUED_TRAINING = (
    "the safety test would be run again on rows that have already decided which model was kept, "
    "and that breaks its promise. Fit a new estimator to all rows instead."
)


def check_keywords(estimator, accepted):
    """Refuse keyword names that nothing takes.

    `accepted` maps "module", "optimizer", ... to the names that may stand behind the double
    underscore; None: any.
    """
    for keyword in estimator._keywords():
        if keyword == "warm_start":
            raise ValueError(f"There is no warm_start: {NO_CONTINUED_TRAINING}")
        prefix, _, name = keyword.partition("__")
        if prefix not in NESTED or not name:
            nested = [f"{n}__{name or '...'}" for n in NESTED]
            known = nested if name else [*estimator._get_param_names(), *nested]
            raise ValueError(_unknown(keyword, known))
        names = accepted[prefix]
        if names is not None and name.partition("__")[0] not in names:
            raise ValueError(_unknown(keyword, [f"{prefix}__{n}" for n in names]))


def check_module(module):
    """Refuse a constraint in the place of the module, which comes first."""
    first = module[0] if isinstance(module, list | tuple) and module else module
    if isinstance(first, str | Constraint):
        raise TypeError(
            f"The first parameter is module, and {short(module)} is a constraint: constraints are "
            "given by name, as in SeldonianClassifier(constraints='ACC >= 0.9')."
        )


def check_instances(**estimators):
    """Refuse a class where an estimator is wanted, before training rather than after."""
    for name, value in estimators.items():
        if inspect.isclass(value):
            raise TypeError(
                f"{name} must be an estimator; got the class: write {value.__name__}()."
            )


def check_own_decisions(estimator):
    """Refuse a subclass that decides otherwise than the model that is tested.

    Raises
    ------
    TypeError
        If a class from elsewhere overrides what returns predictions.
    """
    package = __name__.partition(".")[0]
    for method in ("predict", "predict_proba", "decision_function"):
        owner = next((c for c in type(estimator).__mro__ if method in vars(c)), None)
        if owner is not None and owner.__module__.partition(".")[0] != package:
            raise TypeError(
                f"{owner.__name__} overrides {method}, and what the safety test is about are the "
                "model's own decisions. Fit without constraints, and test the whole on rows it "
                "has not seen: sklearn_seldonian.certify(estimator, X, y, constraints)."
            )


def accepted_names(factory):
    """The parameter names that a class or function takes; None where it takes any.

    An instance is made anew from its class where it is given parameters.
    """
    is_instance = isinstance(factory, nn.Module)
    parameters = inspect.signature(type(factory) if is_instance else factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def callback_names(callbacks, verbose):
    """The names by which skorch knows the callbacks: those given, else of their classes."""
    found = [("epoch_timer", None), *[("print_log", None)] * bool(verbose), *(callbacks or [])]
    names = [_callback_name(callback) for callback in found]
    count = {name: names.count(name) for name in names}
    seen = {name: itertools.count(1) for name in names}
    return [name if count[name] == 1 else f"{name}_{next(seen[name])}" for name in names]


def _callback_name(callback):
    if isinstance(callback, tuple | list):
        return callback[0]
    return callback.__name__ if inspect.isclass(callback) else type(callback).__name__


def _unknown(name, known):
    return f"Unknown parameter {name!r}. {advice_on(name, known)}"


def resolve_device(device):
    """A torch device string for the `device` parameter.

    Raises
    ------
    ValueError
        If the device is not there.
    """
    present = _devices()
    if device == "auto":
        return present[0]
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"Unknown device {device!r}; there are {', '.join(present)}.") from error
    if not any(name.partition(":")[0] == kind for name in present):
        raise ValueError(f"Device {device!r} is not there; there are {', '.join(present)}.")
    index = torch.device(device).index
    if kind == "cuda" and index is not None and index >= torch.cuda.device_count():
        raise ValueError(f"Device {device!r} is not there; there are {', '.join(present)}.")
    return str(device)


def _devices():
    """The devices of this machine, the fastest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cuda", *cuda[1:]] * bool(cuda) + mps + ["cpu"]


def fitted_fallback(fallback, X, y, constant):
    """The estimator that answers where no solution was found; None where none is wanted.

    `constant` is what a word stands for.
    """
    if fallback is None:
        return None
    if isinstance(fallback, FrozenEstimator):
        return fallback
    if isinstance(fallback, str):
        fallback = constant
    return clone(fallback).fit(X, y)

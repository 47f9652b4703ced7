"""What goes in and out of the estimators: parameters, columns, the split, provenance."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import itertools
import platform
import sys
import warnings
from functools import cache
from importlib.metadata import version
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import assert_all_finite, column_or_1d
from torch import nn

from sklearn_seldonian._inputs import ROWS_A_STRETCH, without_tensor
from sklearn_seldonian._version import __version__
from sklearn_seldonian.certification import has_finite_ranges
from sklearn_seldonian.constraints import Grouping, walk
from sklearn_seldonian.measures import ANY_NUMBER
from sklearn_seldonian.training import Inputs

__all__ = [
    "DECISIONS",
    "NESTED",
    "NO_CONTINUED_TRAINING",
    "NUMBERS_REMEDY",
    "accepted_names",
    "assumptions",
    "callback_names",
    "check_choice",
    "check_deltas",
    "check_instances",
    "check_keywords",
    "check_numbers",
    "check_own_decisions",
    "check_probability",
    "check_range",
    "check_ranges",
    "check_share",
    "class_positions",
    "column_values",
    "fingerprint",
    "fitted_fallback",
    "nearest_caller",
    "positive_class",
    "predicted_numbers",
    "resolve_device",
    "split_rows",
    "versions",
]

# What skorch's double-underscore names may begin with.
NESTED = ("module", "optimizer", "criterion", "iterator_train", "callbacks")

NO_CONTINUED_TRAINING = (
    "the safety test would be run again on rows that have already decided which model was kept, "
    "and that breaks its promise. Fit a new estimator to all rows instead."
)


# -- parameters --------------------------------------------------------------------------


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
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else f" There are {', '.join(known)}."
    return f"Unknown parameter {name!r}.{hint}"


def check_deltas(delta, n_constraints):
    """One delta a constraint, each strictly between 0 and 1."""
    deltas = np.atleast_1d(np.asarray(delta, dtype=float))
    if deltas.ndim != 1 or len(deltas) not in (1, n_constraints):
        raise ValueError(
            f"delta must be one number, or one for each of the {n_constraints} constraints; "
            f"got {len(deltas)} numbers."
        )
    if not ((deltas > 0) & (deltas < 1)).all():
        raise ValueError(f"delta must be strictly between 0 and 1, got {delta!r}.")
    return tuple(np.broadcast_to(deltas, n_constraints).tolist())


def check_choice(name, value, choices):
    """Refuse a `value` that is not one of the `choices`."""
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {listed}, got {value!r}.")


def check_ranges(constraints, bound, remedy):
    """Warn of constraints that only a normal approximation can test; refuse them where told to.

    `constraints` are resolved; which measures have a finite range is read from their text.
    `remedy` says how they would get one.
    """
    if bound not in ("auto", "exact"):
        return
    for constraint in constraints:
        unbounded = [str(mean) for mean in constraint.tested_means if not has_finite_ranges([mean])]
        if not unbounded or constraint.is_impossible:  # which is not tested at all
            continue
        names = ", ".join(unbounded)
        if bound == "exact":
            raise ValueError(
                f"{constraint.source.text!r} has no finite-sample test: {names} has no finite "
                f'range. {remedy}, or use bound="auto".'
            )
        warnings.warn(
            f"{constraint.source.text!r} is tested by a normal approximation only: {names} has no "
            f"finite range. {remedy} for a finite-sample test.",
            UserWarning,
            stacklevel=3,
        )


def check_range(name, value):
    """Two numbers in order, or any number for None."""
    if value is None:
        return ANY_NUMBER
    ends = np.asarray(value, dtype=float)
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"{name} must be (low, high) with low < high, got {value!r}.")
    return tuple(ends.tolist())


def check_share(name, value):
    """A number from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}.")
    return float(value)


def check_probability(name, value):
    """A number strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must be strictly between 0 and 1, got {value!r}.")
    return float(value)


def positive_class(labels, pos_label):
    """Position of the positive class; None where there are not two classes."""
    if pos_label is not None and pos_label not in labels:
        raise ValueError(f"pos_label={pos_label!r} is not a class; classes are {labels}.")
    if len(labels) != 2:
        return None
    return 1 if pos_label is None else labels.index(pos_label)


def class_positions(y, classes):
    """Position of each label in the sorted `classes`."""
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(f"y holds labels that the model does not know: {unseen.tolist()}.")
    order = np.argsort(classes)
    return order[np.searchsorted(classes, y, sorter=order)]


def check_numbers(y, target_range):
    """The targets of a regression, all of them in their range.

    Raises
    ------
    ValueError
        If one is no finite number, or outside: what is known of it cannot be true.
    """
    y = np.array(column_or_1d(y, warn=True), dtype=np.float64)
    assert_all_finite(y, input_name="y")
    low, high = target_range
    outside = y[(y < low) | (y > high)]
    if len(outside):
        raise ValueError(
            f"y holds {outside[0]:g}, which is outside target_range=({low:g}, {high:g}). A range "
            "that some rows leave proves nothing about the others: widen it to what is possible."
        )
    return y


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


# -- data --------------------------------------------------------------------------------


def column_values(wanted, X, sensitive_features, n_rows):
    """The columns that conditions name, as one array each.

    Parameters
    ----------
    wanted : iterable of str
    X : array-like
        Its columns count where it is a DataFrame.
    sensitive_features : Series, DataFrame, array-like or None
    n_rows : int

    Returns
    -------
    dict of str to ndarray of shape (n_rows,)
        All columns there are; only those `wanted` are checked.

    Raises
    ------
    ValueError
        If `sensitive_features` has the wrong length or kind, a wanted column holds NaN,
        or is in both places with different values.
    """
    groups = _as_frame(sensitive_features)
    if groups is not None and len(groups) != n_rows:
        raise ValueError(f"sensitive_features has {len(groups)} rows, X has {n_rows}.")
    found = {}
    for source, frame in (("X", X), ("sensitive_features", groups)):
        if not isinstance(frame, pd.DataFrame):
            continue
        _check_named_once(wanted, frame, source)
        for position, name in enumerate(map(str, frame.columns)):
            column = frame.iloc[:, position]
            if name in wanted:
                _check_column(name, column, found.get(name), source)
            found[name] = column.to_numpy()
    return found


def _check_named_once(wanted, frame, source):
    names = [str(name) for name in frame.columns]
    twice = [name for name in sorted(wanted) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{source} has several columns {twice[0]!r}; constraints need one.")


def _check_column(name, column, elsewhere, source):
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ValueError(
            f"Column {name!r} of {source} holds {n_missing} missing values; constraints cannot "
            "say which group those rows belong to."
        )
    if elsewhere is not None and not np.array_equal(column.to_numpy(), elsewhere):
        raise ValueError(
            f"Column {name!r} is in X and in sensitive_features with different values; rename one."
        )


def _as_frame(sensitive_features):
    if sensitive_features is None or isinstance(sensitive_features, pd.DataFrame):
        return sensitive_features
    if isinstance(sensitive_features, dict):
        raise ValueError(
            "sensitive_features must be a Series, DataFrame or array, not a dict: scikit-learn's "
            "splitters do not slice dicts. Use pandas.DataFrame(sensitive_features)."
        )
    if isinstance(sensitive_features, pd.Series) and sensitive_features.name is not None:
        return sensitive_features.to_frame()
    values = np.asarray(without_tensor(sensitive_features))
    if values.ndim not in (1, 2):
        raise ValueError(f"sensitive_features must have 1 or 2 dimensions, not {values.ndim}.")
    values = values.reshape(len(values), -1)
    return pd.DataFrame(
        values, columns=[f"sensitive_feature_{i}" for i in range(values.shape[1])]
    ).infer_objects()


def check_same_order(**tables):
    """Refuse pandas inputs whose indexes hold the same labels in different orders.

    Rows are matched by position, so one of them was shuffled without the others. Indexes
    that merely differ are none of our business.
    """
    indexes = {n: t.index for n, t in tables.items() if isinstance(t, pd.DataFrame | pd.Series)}
    for (one, first), (other, second) in itertools.combinations(indexes.items(), 2):
        if len(first) != len(second) or first.equals(second):
            continue
        if len(first.symmetric_difference(second)) == 0:
            raise ValueError(
                f"{one} and {other} have the same index in different orders, and rows are matched "
                f"by position: write {other}.loc[{one}.index], or reset both indexes."
            )


def _quantified(constraints):
    """The columns that quantifiers range over with all their levels."""
    nodes = itertools.chain.from_iterable(map(walk, constraints))
    return {node.column for node in nodes if isinstance(node, Grouping) and not node.levels}


def quantified_levels(constraints, columns):
    """The levels, among some rows, of each column that a quantifier ranges over."""
    known = _quantified(constraints) & set(columns)
    return {name: frozenset(pd.unique(columns[name]).tolist()) for name in known}


def unseen_levels(constraints, levels, columns):
    """Levels that a quantifier should have ranged over and did not, in words."""
    now = quantified_levels(constraints, columns)
    new = {name: sorted(now[name] - levels[name], key=str) for name in now}
    return ", ".join(
        f"{name} == {level!r}" for name, found in sorted(new.items()) for level in found
    )


def split_rows(n_rows, safety_size, safety_mask, rng):
    """Indices of the candidate and of the safety rows, both ascending.

    Raises
    ------
    ValueError
        If either part would be empty, or `safety_mask` is not a boolean array of `n_rows`.
    """
    if safety_mask is not None:
        mask = np.asarray(without_tensor(safety_mask))
        if mask.dtype != bool or mask.shape != (n_rows,):
            raise ValueError(
                f"safety_mask must be a boolean array of shape ({n_rows},), got {mask.dtype} "
                f"of shape {mask.shape}."
            )
    else:
        is_count = isinstance(safety_size, Integral)
        n_safety = int(safety_size) if is_count else round(float(safety_size) * n_rows)
        mask = np.zeros(n_rows, dtype=bool)
        mask[rng.permutation(n_rows)[:n_safety]] = True
    if mask.all() or not mask.any():
        raise ValueError(
            f"With n_samples={n_rows}, {int(mask.sum())} would be safety rows: both the candidate "
            "and the safety data need at least one."
        )
    return np.flatnonzero(~mask), np.flatnonzero(mask)


# -- after training ----------------------------------------------------------------------


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


def nearest_caller(*packages):
    """The nearest module of these packages that the caller is called from; "" if none.

    scikit-learn gives an estimator no other way to know what it is fitted for.
    """
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(packages):
            return name
        frame = frame.f_back
    return ""


_INDEPENDENCE = (
    "The rows are independent draws from the population of interest.",
    "The safety rows influenced nothing before the test: no preprocessing, selection of "
    "features, resampling or search outside the estimator has seen them, and they are tested "
    "for the first time.",
)
DECISIONS = {
    "argmax": ("The decisions are those of predict.",),
    "sample": ("The decisions are drawn from predict_proba, anew each time.",),
}


NUMBERS_REMEDY = "Say prediction_range and target_range, or give a measure of your own a range"


def predicted_numbers(target_range, prediction_range=ANY_NUMBER):
    """What a certificate of a regression rests on beside its rows, in words.

    `prediction_range` is a promise about predictions, where they are not clipped to it.
    """
    promised = {"target": target_range, "prediction": prediction_range}
    return "The predictions are those of predict.", *(
        f"The {name} is never outside [{low:g}, {high:g}]; that of no row seen is."
        for name, (low, high) in promised.items()
        if (low, high) != ANY_NUMBER
    )


def assumptions(of_the_model, exclusive, mask_given=False):
    """What a certificate rests on, in words; `of_the_model` are sentences on what it predicts."""
    mask = "Which rows were kept for the safety test did not depend on outcomes."
    pairs = sorted(" and ".join(sorted(pair)) for pair in exclusive)
    return (
        *_INDEPENDENCE,
        *of_the_model,
        *[mask] * mask_given,
        *(f"Columns {pair} are never both 1; no row seen has both." for pair in pairs),
    )


_installed = cache(version)  # a search through the file system


def versions():
    """Versions of everything that a certificate rests on."""
    packages = ("torch", "skorch", "scikit-learn", "scipy", "numpy", "pandas")
    return {
        "sklearn-seldonian": __version__,
        "python": platform.python_version(),
        **{package: _installed(package) for package in packages},
    }


def labels_in_words(classes, positive):
    """The class labels as a certificate keeps them, and the positive one at its position."""
    names = tuple(map(str, classes))
    return {"classes": names, "positive": None if positive is None else names[positive]}


def as_written(parameters):
    """Parameters by name, as Python writes their values."""
    return {name: repr(value) for name, value in sorted(parameters.items())}


def fingerprint(*parts):
    """A digest of arrays, inputs, and modules' weights."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for values in _contents(part):
            digest.update(f"{values.dtype} {values.shape}".encode())
            as_text = values.dtype.kind not in "biuf"
            content = repr(values.tolist()).encode() if as_text else np.ascontiguousarray(values)
            digest.update(content)
    return digest.hexdigest()


def _contents(part):
    if isinstance(part, nn.Module):
        return [np.asarray(without_tensor(value)) for value in part.state_dict().values()]
    if isinstance(part, Inputs):
        starts = range(0, len(part), ROWS_A_STRETCH)
        return (part[start : start + ROWS_A_STRETCH].numpy() for start in starts)
    return [np.asarray(part)]

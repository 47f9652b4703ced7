"""What goes in and out of the estimators: parameters, columns, the split, provenance."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import platform
import secrets
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from numbers import Integral, Real

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import assert_all_finite, column_or_1d
from torch import nn

from sklearn_seldonian import _arguments, _columns
from sklearn_seldonian._columns import without_tensor
from sklearn_seldonian._digests import blocks_of, fingerprint_of, row_digests
from sklearn_seldonian._inputs import as_arrays
from sklearn_seldonian._keywords import advice_on
from sklearn_seldonian._text import listed, short
from sklearn_seldonian._version import __version__
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import has_finite_ranges
from sklearn_seldonian.constraints import (
    ColumnIs,
    Constraint,
    are_comparable,
    columns_of,
    combinations_in,
    levels_of,
    named_levels,
    order_of,
    quantifiers_of,
)
from sklearn_seldonian.measures import ANY_NUMBER

__all__ = [
    "DECISIONS",
    "LARGE_DELTA_WARNING",
    "NESTED",
    "NO_CONTINUED_TRAINING",
    "NUMBERS_REMEDY",
    "accepted_names",
    "assumptions",
    "callback_names",
    "check_choice",
    "check_count",
    "check_deltas",
    "check_fresh_columns",
    "check_instances",
    "check_keywords",
    "check_mapping",
    "check_numbers",
    "check_own_decisions",
    "check_probability",
    "check_range",
    "check_ranges",
    "check_share",
    "class_positions",
    "column_of_labels",
    "column_values",
    "drawn_seed",
    "fingerprint",
    "fitted_fallback",
    "levels_elsewhere",
    "levels_in_words",
    "order_seed",
    "positive_class",
    "predicted_numbers",
    "resolve_device",
    "row_fingerprints",
    "split_rows",
    "versions",
    "warn_of_large_delta",
]

# What skorch's double-underscore names may begin with.
NESTED = ("module", "optimizer", "criterion", "iterator_train", "callbacks")

# From here on a delta is likelier to be meant as a confidence level.
LARGE_DELTA = 0.5
# A pattern of its warning, for functions that call others which warn of it again.
LARGE_DELTA_WARNING = "delta=.* is the probability of error"

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


def check_deltas(delta, n_constraints):
    """One delta a constraint, each strictly between 0 and 1."""
    deltas = np.atleast_1d(_arguments.numbers("delta", delta))
    if deltas.ndim != 1 or len(deltas) not in (1, n_constraints):
        raise ValueError(
            f"delta must be one number, or one for each of the {n_constraints} constraints; "
            f"got {deltas.size} numbers."
        )
    if not ((deltas > 0) & (deltas < 1)).all():
        raise ValueError(f"delta must be strictly between 0 and 1, got {delta!r}.")
    return tuple(np.broadcast_to(deltas, n_constraints).tolist())


def order_seed(random_state):
    """A seed for the order in which rows are tested: itself where it is one.

    Raises
    ------
    ValueError
        If `random_state` is none of an int from 0 to 2**32 - 1, a RandomState and None.
    """
    if random_state is None:
        return secrets.randbits(32)
    if isinstance(random_state, np.random.RandomState):
        return drawn_seed(random_state)
    if isinstance(random_state, Integral) and 0 <= random_state < 2**32:
        return int(random_state)
    raise ValueError(
        "random_state must be None, which draws an order anew, an int from 0 to 2**32 - 1, such as "
        f"the order_seed of a certificate to repeat, or a RandomState; got {random_state!r}."
    )


def drawn_seed(rng):
    """A seed for an order, from a RandomState."""
    return int(rng.randint(2**32, dtype=np.uint32))


def warn_of_large_delta(deltas):
    """Warn, once, where one of some deltas is likelier to be meant as a confidence level."""
    largest = max(deltas, default=0.0)
    if largest >= LARGE_DELTA:
        warn_user(
            f"delta={largest:g} is the probability of error: a violated constraint may pass with "
            f"this probability. The confidence level is 1 - delta, here {1 - largest:.4g}. For "
            f"a confidence level of {largest:g}, write delta={1 - largest:.4g}."
        )


def check_choice(name, value, choices):
    """Refuse a `value` that is not one of the `choices`."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {listed}, got {short(value)}.")


def check_ranges(constraints, bound, remedy):
    """Warn of constraints that only a normal approximation can test; refuse them where told to.

    `constraints` are resolved; which measures have a finite range is read from their text.
    `remedy` says how they would get one.
    """
    if bound not in ("auto", "exact"):
        return
    for constraint in constraints:
        means = constraint.tested_means
        unbounded = [mean.label for mean in means if not has_finite_ranges([mean])]
        if not unbounded or constraint.is_impossible:  # which is not tested at all
            continue
        names = ", ".join(unbounded)
        if bound == "exact":
            raise ValueError(
                f"{constraint.source.text!r} has no finite-sample test: {names} has no finite "
                f'range. {remedy}, or use bound="auto".'
            )
        warn_user(
            f"{constraint.source.text!r} is tested by a normal approximation only: {names} has no "
            f"finite range. {remedy} for a finite-sample test."
        )


def check_range(name, value):
    """Two numbers in order, or any number for None."""
    if value is None:
        return ANY_NUMBER
    ends = _arguments.numbers(name, value)
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"{name} must be (low, high) with low < high, got {value!r}.")
    return tuple(ends.tolist())


def check_share(name, value):
    """A number from 0 to 1."""
    share = _arguments.number(name, value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}.")
    return share


def check_count(name, value):
    """A whole number from 0 on."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    # Beyond 2 ** 53 not all whole numbers are floats, and some integers fit no float at all.
    if not number or not 0 <= value <= 2**53 or value != int(value):
        raise ValueError(
            f"{name} must be a whole number of rows from 0 to 2**53, got {short(value)}."
        )
    return int(value)


def check_mapping(name, value):
    """Numbers keyed by the texts of measures."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(
            f"{name} must map the text of each measure to a number, as {{'PR | [M]': 0.4}}; "
            f"got {value!r}."
        )
    return value


def check_probability(name, value):
    """A number strictly between 0 and 1."""
    probability = _arguments.number(name, value)
    if not 0 < probability < 1:
        raise ValueError(f"{name} must be strictly between 0 and 1, got {value!r}.")
    return probability


def positive_class(labels, pos_label):
    """Position of the positive class; None where there are not two classes."""
    if pos_label is not None and (np.ndim(pos_label) or pos_label not in labels):
        raise ValueError(f"pos_label={short(pos_label)} is not a class; classes are {labels}.")
    if len(labels) != 2:
        return None
    return 1 if pos_label is None else labels.index(pos_label)


def column_of_labels(y):
    """Labels as an array; refuse missing ones, of which numpy makes the text "nan" among texts."""
    _, y = as_arrays(None, y)
    labels = column_or_1d(y, warn=True)
    is_missing = labels == "nan" if labels.dtype.kind == "U" else pd.isna(labels)
    if is_missing.any():
        raise ValueError(f"y holds {is_missing.sum()} missing labels: leave those rows out.")
    return labels


def class_positions(y, classes):
    """Position of each label of `y` in `classes`."""
    positions = _arguments.label_positions("y", y, classes)
    unknown = _columns.series(np.asarray(y)[positions < 0])
    if len(unknown):
        raise ValueError(
            f"y holds labels that the model does not know: {listed(unknown.unique())}. It knows "
            f"{listed(classes)}."
        )
    return positions


def check_numbers(y, target_range):
    """The targets of a regression, all of them in their range.

    Raises
    ------
    ValueError
        If one is no finite number, or outside: what is known of it cannot be true.
    """
    y = column_or_1d(as_arrays(None, y)[1], warn=True)
    if _columns.holds_dates(_columns.series(y)):
        raise ValueError(
            "y holds dates or durations, and a regression needs numbers: give it days since a date."
        )
    if pd.isna(y).any():
        raise ValueError("Input y contains NaN.")
    y = _arguments.as_numbers("y", y)
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
    wanted : set of str
    X : array-like
        Its columns count where it is a frame of pandas, polars, Arrow or another library.
    sensitive_features : Series, DataFrame, array-like or None
    n_rows : int

    Returns
    -------
    dict of str to ndarray or Categorical of shape (n_rows,)
        All columns there are; only those `wanted` are checked, and made of plain values.

    Raises
    ------
    ValueError
        If `sensitive_features` has the wrong length or kind, or a wanted column holds missing
        values, or what constraints cannot compare, or is in both places with different values.
    """
    sources = {"X": _columns.of_table(X) if _columns.is_table(X) else []}
    if sensitive_features is not None:
        sources["sensitive_features"] = _columns.of_values(sensitive_features)
        _check_length(sources["sensitive_features"], n_rows)
    found = {}
    for source, columns in sources.items():
        _check_named_once(wanted, [name for name, _ in columns], source)
        for name, column in columns:
            if name not in wanted:
                found[name] = column.to_numpy()
                continue
            values = _columns.plain_values(column, name, source)
            found[name] = _agreed(name, found[name], values) if name in found else values
    _check_index_levels(wanted - set(found), X=X, sensitive_features=sensitive_features)
    return found


def _check_length(columns, n_rows):
    for _, column in columns:
        if len(column) != n_rows:
            raise ValueError(f"sensitive_features has {len(column)} rows, X has {n_rows}.")


def _check_named_once(wanted, names, source):
    twice = [name for name in sorted(wanted) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{source} has several columns {twice[0]!r}; constraints need one.")


def _agreed(name, first, second):
    """The values of a column that is in X and in `sensitive_features`, with their order."""
    problem = f"Column {name!r} is in X and in sensitive_features with different"
    if not np.array_equal(np.asarray(first), np.asarray(second)):
        raise ValueError(f"{problem} values; rename one.")
    orders = [order_of(values) for values in (first, second)]
    if all(orders) and orders[0] != orders[1]:
        raise ValueError(f"{problem} orders of its categories; rename one.")
    return first if orders[0] else second


def _check_index_levels(missing, **tables):
    """Say so where a column that constraints name is a level of an index."""
    for source, table in tables.items():
        index = table.index if isinstance(table, pd.DataFrame | pd.Series) else pd.Index([])
        for name in index.names:
            if str(name) in missing:
                raise ValueError(
                    f"Column {str(name)!r} is a level of the index of {source}, and constraints "
                    f"need a column: write {source}.reset_index({name!r})."
                )


def check_same_order(**tables):
    """Refuse pandas inputs whose indexes hold the same labels in different orders.

    Rows are matched by position, so one of them was shuffled without the others. Indexes
    that merely differ are none of our business.
    """
    indexes = {n: t.index for n, t in tables.items() if isinstance(t, pd.DataFrame | pd.Series)}
    for (one, first), (other, second) in itertools.combinations(indexes.items(), 2):
        if not _are_shuffled(first, second):
            continue
        remedy = f"write {other}.loc[{one}.index], or reset both indexes"
        if not first.is_unique:  # by which rows would be multiplied
            remedy = "bring their rows into one order, then reset both indexes"
        raise ValueError(
            f"{one} and {other} have the same index in different orders, and rows are matched "
            f"by position: {remedy}."
        )


def _are_shuffled(first, second):
    """Whether two indexes have equal labels in different orders, whatever their types."""
    if len(first) != len(second) or first.equals(second):
        return False
    labels = np.concatenate([index.astype(object).to_numpy() for index in (first, second)])
    codes = pd.factorize(labels)[0]
    one, other = codes[: len(first)], codes[len(first) :]
    return not np.array_equal(one, other) and np.array_equal(np.sort(one), np.sort(other))


def levels_elsewhere(constraints, columns):
    """The levels that `constraints` may name, by column: those of rows, and those quantified over.

    A level that a quantifier names need not occur: where it does not, the constraint is not
    certified.
    """
    named = named_levels(constraints)
    return {
        name: (*levels_of(columns[name]), *_possible(named.get(name, ()), columns[name]))
        for constraint in constraints
        for name in columns_of(constraint)
        if name in columns
    }


def _possible(literals, values):
    """Those of the `literals` that a column may hold in other rows."""
    levels, order = levels_of(values), order_of(values)
    return [x for x in literals if (x in order if order else are_comparable(x, levels))]


def quantified_levels(constraints, columns):
    """The combinations of levels, among some rows, of the columns that quantifiers range over.

    Returns
    -------
    dict of tuple of Grouping to frozenset of tuple
        Quantifiers that name all levels do not depend on rows, and are left out.
    """
    return {
        by: _combinations(by, columns)
        for by in quantifiers_of(constraints)
        if not all(grouping.levels for grouping in by)
        and all(grouping.column in columns for grouping in by)
    }


def _combinations(by, columns):
    """The combinations of levels of some rows, where they are among those that `by` names."""
    return frozenset(
        levels
        for levels in combinations_in([columns[grouping.column] for grouping in by])
        if all(
            not grouping.levels or level in grouping.levels
            for grouping, level in zip(by, levels, strict=True)
        )
    )


def unseen_levels(constraints, levels, columns):
    """Levels that a quantifier should have ranged over and did not, in words."""
    now = quantified_levels(constraints, columns)
    unseen = (
        " and ".join(f"{g.column} == {level!r}" for g, level in zip(by, found, strict=True))
        for by, combinations in now.items()
        for found in sorted(combinations - levels[by], key=str)
    )
    return ", ".join(dict.fromkeys(unseen))


def levels_in_words(levels, rows):
    """What is assumed of the columns that quantifiers range over, in sentences.

    `levels` are as `quantified_levels` returns them, of the `rows` so called.
    """
    return tuple(_levels_in_words(by, found, rows) for by, found in sorted(levels.items(), key=str))


def _levels_in_words(by, found, rows):
    if len(by) == 1:
        known = ", ".join(repr(level) for (level,) in sorted(found, key=_place))
        return f"Column {by[0].column} has no levels but {known}, those of the {rows} rows."
    known = ", ".join(map(repr, sorted(found, key=_place)))
    names = " and ".join(map(str, by))
    return f"Columns {names} have no combinations of levels but {known}, those of the {rows} rows."


def _place(levels):
    """Numbers by size, then texts by the alphabet."""
    return [(isinstance(level, str), level) for level in levels]


def check_fresh_columns(conditions, columns):
    """Refuse columns in which conditions would mean something else than they did in `fit`.

    Raises
    ------
    ValueError
        If a column that stands alone is not 0/1, or one that a condition compares holds values
        of another kind, in another order, or that the order of `fit` does not have.
    """
    for condition in conditions:
        problem = _changed_meaning(condition, columns[condition.column])
        if problem:
            raise ValueError(
                f"Column {condition.column!r} {problem}: '{condition}' would not mean what it did "
                "in fit. Give the column as fit got it."
            )


def _changed_meaning(condition, values):
    """Why a condition no longer means the same, in words; None where it does."""
    levels = levels_of(values)
    if isinstance(condition, ColumnIs):
        wrong = [level for level in levels if level not in (0, 1)]
        return f"holds {wrong[0]!r}, and must be bool or 0/1" if wrong else None
    symbol = getattr(condition, "operator", "==")
    if symbol == "==":
        return None  # what is not found is not certified
    if condition.order:
        unknown = [level for level in levels if level not in condition.order]
        if unknown:
            return f"holds {unknown[0]!r}, which is not among the categories of fit"
    elif not (any if symbol == "!=" else all)(
        are_comparable(condition.literal, [level]) for level in levels
    ):
        return f"holds {levels[0]!r}, which cannot be compared with {condition.literal!r}"
    ordered = order_of(values) or ()
    meant = condition.order or sorted(ordered)
    if symbol != "!=" and [x for x in ordered if x in meant] != [x for x in meant if x in ordered]:
        return f"has the order {', '.join(map(repr, ordered))}, which is another than in fit"
    return None


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
    """A digest of arrays, of rows in this order, and of modules' weights."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for values in _contents(part):
            digest.update(f"{values.dtype} {values.shape}".encode())
            if values.dtype.kind in "biuf":
                digest.update(np.ascontiguousarray(values))
            else:
                digest.update(repr(values.tolist()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _contents(part):
    if isinstance(part, nn.Module):
        return [np.asarray(without_tensor(value)) for value in part.state_dict().values()]
    try:
        return [np.asarray(part)]
    except ValueError:  # rows of different shapes
        return [row_digests(*blocks_of(part)).values]


def row_fingerprints(X, y, columns, index=None, **answers):
    """Fingerprints of rows, in any order: of the "data", and of what a model answers for them.

    Parameters
    ----------
    X : array-like of any kind
        The rows at `index` (None: all) are meant.
    y : ndarray of shape (n_rows,)
    columns : mapping of str to array
        Those that constraints name.
    index : ndarray of int, default=None
    **answers : ndarray of shape (n_rows, ...)
        By what they are. Rows with their answers are digested, and numbers as float32, since
        the order of rows can change the last digits.

    Returns
    -------
    dict of str to str
    """
    data = [block._replace(index=index) for block in blocks_of(X)]
    data += [block for values in (y, *columns.values()) for block in blocks_of(values)]
    kind = " ".join(map(repr, columns)).encode()
    found = {"data": fingerprint_of(data, kind)}
    for name, values in answers.items():
        rounded = values.astype(np.float32) if values.dtype == np.float64 else values
        found[name] = fingerprint_of([*data, *blocks_of(rounded)], kind)
    return found

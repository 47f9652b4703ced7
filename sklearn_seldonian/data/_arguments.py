"""Checks of arguments, with messages that state what an argument must be."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.data._columns import array_of_objects, without_tensor
from sklearn_seldonian.measures import RowMeasure

Array = NDArray[np.float64]
# Types that do not contain rows, although some of them have a length.
NO_ROWS = str | bytes | Mapping | Set  # type: ignore[type-arg]


# -- parameters --------------------------------------------------------------------------


def numbers(name: str, value: Any, kind: str = "made of numbers") -> Array:
    """A parameter of one or several numbers as an array of floats."""
    try:
        given = np.asarray(value)
        if given.dtype.kind in "biuf":
            return given.astype(float)
        given = np.asarray(value, dtype=object)
        if value is None or any(isinstance(v, str | bytes) for v in given.flat):
            raise TypeError
        return given.astype(float)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be {kind}, got {short(value)}.") from None


def number(name: str, value: Any) -> float:
    """A parameter of one number as a float."""
    found = numbers(name, value, "a number")
    if found.ndim:
        raise TypeError(f"{name} must be a number, got {short(value)}.")
    return float(found)


def check_measures(measures: Any) -> tuple[RowMeasure, ...]:
    """The user-defined measures as a tuple."""
    if isinstance(measures, NO_ROWS | RowMeasure) or not isinstance(measures, Iterable):
        raise TypeError(
            f"measures must be a list of RowMeasure objects, such as [measure]; got "
            f"{short(measures)}."
        )
    return tuple(measures)


# -- fitted estimators ---------------------------------------------------------------------


def check_predictor(estimator: Any) -> None:
    """Refuse everything but fitted estimators of scikit-learn's kind."""
    if inspect.isclass(estimator):
        raise TypeError(
            f"estimator must be a fitted estimator; got the class {estimator.__name__}. Write "
            f"{estimator.__name__}().fit(X, y)."
        )
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator must be a fitted classifier or regressor; got {short(estimator)}."
        )
    check_is_fitted(estimator)


def check_classes(estimator: Any) -> NDArray[Any]:
    """The labels of a fitted classifier of one output, in its own order."""
    name = type(estimator).__name__
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise ValueError(
            f"{name} has no classes_, so the labels that it predicts are not known. Give a "
            "classifier with classes_."
        )
    if isinstance(classes, list | tuple) and any(map(np.ndim, classes)):
        raise ValueError(
            f"{name} has {len(classes)} outputs, and one output is tested at a time. Give a "
            "classifier for each output."
        )
    classes = np.asarray(classes)
    if classes.ndim != 1 or pd.isna(classes).any() or len(pd.unique(classes)) != len(classes):
        raise ValueError(
            f"classes_ of {name} must be an array of distinct labels, got {short(classes)}."
        )
    return classes


def groups_for(estimator: Any, method: str, sensitive_features: Any) -> dict[str, Any]:
    """The keyword arguments for `method`; empty if it takes no sensitive features."""
    if sensitive_features is None or not _takes_groups(estimator, method):
        return {}
    return {"sensitive_features": sensitive_features}


def _takes_groups(estimator: Any, method: str) -> bool:
    if "sensitive_features" in inspect.signature(getattr(estimator, method)).parameters:
        # The estimators of this package always have the keyword.
        return method == "fit" or bool(getattr(estimator, "group_thresholds", True))
    if not sklearn.get_config()["enable_metadata_routing"]:
        return False
    return bool(get_routing_for_object(estimator).consumes(method, ["sensitive_features"]))


# -- rows --------------------------------------------------------------------------------


def check_same_length(**tables: Any) -> int:
    """The number of rows, which all tables must share."""
    counts = {name: _n_rows(name, table) for name, table in tables.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            ", ".join(f"{name} has {n} rows" for name, n in counts.items())
            + ". They must have the same number of rows."
        )
    return next(iter(counts.values()))


def _n_rows(name: str, table: Any) -> int:
    with suppress(TypeError):
        if not isinstance(table, NO_ROWS):
            return int(_num_samples(table))
    raise TypeError(f"{name} must contain rows, like an array or a DataFrame; got {short(table)}.")


def one_value_a_row(name: str, values: Any, n_rows: int) -> NDArray[Any]:
    """An array of one dimension with `n_rows` values."""
    if issparse(values):
        raise TypeError(f"{name} must be dense, but it is sparse. Use .toarray().ravel().")
    try:
        array = np.asarray(without_tensor(values))
    except ValueError:
        raise ValueError(
            f"{name} must have one value per row, but its rows differ in length."
        ) from None
    if array.ndim == 1 and array.dtype.kind in "SU" and isinstance(values, list | tuple):
        array = array_of_objects(values)  # NumPy would make texts of numbers and NaN
    if array.ndim == 0:
        raise TypeError(f"{name} must be an array with one value per row, got {short(values)}.")
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must not contain complex numbers.")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1:
        raise ValueError(f"{name} must have one value per row, but its shape is {array.shape}.")
    if len(array) != n_rows:
        raise ValueError(
            f"{name} has {len(array)} values for {n_rows} rows. It must have one value per row."
        )
    return array


def label_positions(name: str, labels: Any, classes: NDArray[Any]) -> NDArray[np.intp]:
    """Position of each of the `labels` in `classes`; -1 for a label that is not a class."""
    try:
        codes, found = pd.factorize(np.asarray(labels))
    except TypeError:
        raise TypeError(
            f"{name} must contain labels such as numbers or texts, not lists or other containers; "
            f"it contains {listed(labels, 3)}."
        ) from None
    position = {label: i for i, label in enumerate(classes.tolist())}
    known = [position.get(label, -1) for label in np.asarray(found).tolist()]
    return np.array([*known, -1], dtype=np.int64)[codes]  # missing labels have the code -1


def aligned_probabilities(
    name: str, given: Any, n_rows: int, labels: Any, classes: NDArray[Any]
) -> Array:
    """Probabilities of `labels` in the order of `classes`; classes without a label get 0.

    Raises
    ------
    ValueError
        If a label is not among the classes, or the shape does not match the rows and labels.
    """
    known, labels = classes.tolist(), np.asarray(labels).tolist()
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise ValueError(
            f"{name} has classes that fit did not see, {unknown}, so its probabilities cannot be "
            f"assigned to {known}. Fit it with these classes only."
        )
    found, shape = numbers(f"{name}.predict_proba", given), (n_rows, len(labels))
    if found.shape != shape:
        raise ValueError(f"predict_proba returned shape {found.shape}; {shape} was expected.")
    aligned = np.zeros((n_rows, len(known)))
    aligned[:, [known.index(label) for label in labels]] = found
    return aligned


def as_numbers(name: str, values: NDArray[Any]) -> Array:
    """The values as floats, with NaN for missing values."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64, copy=False)
    objects = np.where(pd.isna(values), np.nan, values.astype(object))
    are_dates = values.dtype.kind in "mM"  # numpy converts them to whole nanoseconds
    wrong = values if are_dates else [value for value in objects if not _is_number(value)]
    if len(wrong):
        raise ValueError(
            f"{name} must contain numbers that fit into a float; it contains {short(wrong[0])}."
        )
    return objects.astype(np.float64)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, str | bytes)

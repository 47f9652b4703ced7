"""X and y as arrays, and checks that they hold numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import gen_batches, indexable
from sklearn.utils.validation import _num_samples, check_array

from sklearn_seldonian.data._columns import (
    Series,
    columns_of_array,
    holds_dates,
    is_table,
    of_table,
    without_tensor,
)

# Rows converted at a time.
CHUNK_ROWS = 65536


# -- from tensors and Datasets -----------------------------------------------------------


def as_arrays(X: Any, y: Any = None) -> tuple[Any, Any]:
    """X and y with arrays instead of tensors and Datasets.

    The rows of a Dataset are read once, in its order. Its labels are used if `y` is None. All other
    containers are returned unchanged.
    """
    if _is_a(X, "skorch.helper", "SliceDataset"):
        X = np.asarray(X)
    if _is_a(X, "torch.utils.data", "Dataset"):
        X, labels = _read(X)
        y = labels if y is None else y
    if np.ma.is_masked(y):
        raise ValueError("Input y contains masked values. Leave those rows out.")
    return without_tensor(X), without_tensor(y)


def check_names(X: Any) -> None:
    """Refuse a table with several columns of the same name."""
    if not is_table(X):
        return
    names = pd.Index(X.column_names if hasattr(X, "column_names") else X.columns)
    if not names.is_unique:
        raise ValueError(
            f"X has several columns named {names[names.duplicated()][0]!r}, and a model "
            "identifies columns by their names. Rename them, or drop all but one."
        )


def rows_to_preprocess(X: Any, n_features: int | None = None) -> Any:
    """The rows of X in a container that can be indexed; their values are not checked.

    Raises
    ------
    ValueError
        If there are no rows, or if `n_features` is given and X has no columns.
    """
    (rows,) = indexable(X)
    if n_features is not None and getattr(rows, "ndim", 2) == 1:
        check_array(rows, dtype=None, ensure_all_finite=False)  # says how to reshape
    if _num_samples(rows) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={np.shape(rows)}) while a minimum of 1 is "
            "required."
        )
    return rows


def _is_a(values: Any, module: str, name: str) -> bool:
    """Whether `values` are of a class of another library, without importing the library."""
    return module in sys.modules and isinstance(values, getattr(sys.modules[module], name))


def _read(dataset: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Inputs and labels of all rows. The labels are None if the rows have none."""
    is_stream = _is_a(dataset, "torch.utils.data", "IterableDataset")
    read = iter(dataset) if is_stream else (dataset[i] for i in range(len(dataset)))
    rows = [_parts(row) for row in read]
    if not rows:
        raise ValueError("The Dataset has no rows, and fit needs some.")
    inputs = [_input(row[0]) for row in rows]
    shapes = sorted({values.shape for values in inputs})
    if len(shapes) > 1:
        raise ValueError(
            f"The Dataset's rows must have one shape, but have, for example, {shapes[0]} and "
            f"{shapes[1]}. Bring them to one size in its transform."
        )
    labels = [np.asarray(without_tensor(row[1])) for row in rows if len(row) == 2]
    return np.stack(inputs), np.stack(labels) if labels else None


def _parts(row: Any) -> Sequence[Any]:
    """A row as (inputs, label) or (inputs,)."""
    parts: Sequence[Any] = row if isinstance(row, tuple | list) else (row,)
    if len(parts) not in (1, 2) or isinstance(parts[0], dict):
        raise ValueError(
            "A Dataset must give pairs (inputs, label), or inputs alone, with inputs that are one "
            "array, tensor or image; got "
            f"({', '.join(type(part).__name__ for part in parts)})."
        )
    return parts


def _input(values: Any) -> NDArray[Any]:
    """One row's inputs as an array. Images have their channels first, as in torchvision."""
    array = np.asarray(without_tensor(values))
    if not hasattr(values, "getbands"):  # not a PIL image
        return array
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


# -- values that are not numbers ---------------------------------------------------------------

# The largest number of columns that a message names.
MAX_NAMED = 5
IMPUTE = (
    "Give the estimator an imputer as preprocessor=, such as SimpleImputer(), which is fitted on "
    "the candidate data only. An imputer before the estimator in a pipeline would see the safety "
    "data."
)


def check_kinds(X: Any, subject: str = "Input X", remedy: str = IMPUTE) -> None:
    """Refuse values that are not numbers: dates, missing and masked values.

    Raises
    ------
    ValueError
        With the names of the columns.
    """
    if isinstance(X, np.ma.MaskedArray):
        _refuse_cells(np.ma.getmaskarray(X), _names(X), f"{subject} contains masked values", remedy)
    if is_table(X):
        columns = dict(of_table(X))
    elif isinstance(X, list | tuple | np.ndarray):
        columns = _columns_of_objects(X)
    else:
        return
    dates = [repr(name) for name, column in columns.items() if holds_dates(column)]
    if dates:
        raise ValueError(
            f"{subject} contains dates or durations, in column {', '.join(dates[:MAX_NAMED])}, "
            "and modules need numbers. Convert them to numbers, such as years or days since a "
            "date, before the split or by preprocessor=."
        )
    objects = pd.DataFrame({n: column for n, column in columns.items() if not _is_numeric(column)})
    _refuse_cells(objects.isna().to_numpy(), list(objects), f"{subject} contains NaN", remedy)
    is_large = objects.map(_is_too_large).to_numpy(dtype=bool)
    text = f"{subject} contains infinity or a value too large for float64"
    _refuse_cells(is_large, list(objects), text, "Replace such values.")


def _is_too_large(value: Any) -> bool:
    """Whether `value` is a whole number that is too large for a float."""
    return isinstance(value, int) and abs(value) > sys.float_info.max


def check_finite(
    values: NDArray[Any],
    subject: str = "Input X",
    names: Sequence[Any] | None = None,
    remedy: str = IMPUTE,
) -> None:
    """Refuse NaN and infinity in an array. The message names the columns."""
    if values.dtype.kind not in "fc":
        return
    if all(np.isfinite(values[rows]).all() for rows in gen_batches(len(values), CHUNK_ROWS)):
        return
    names = _names(values) if names is None else names
    _refuse_cells(np.isnan(values), names, f"{subject} contains NaN", remedy)
    dtype = values.dtype.name
    text = f"{subject} contains infinity or a value too large for {dtype}"
    _refuse_cells(np.isinf(values), names, text, "Replace such values, or let preprocessor= do so.")


def _columns_of_objects(X: Any) -> dict[Any, Series]:
    """The columns of an array or of lists, by number, if they may hold dates or missing objects."""
    try:
        values = np.asarray(X)
    except ValueError:  # check_array reports the reason
        return {}
    if values.dtype.kind not in "OmM" or values.ndim < 1:
        return {}
    return dict(enumerate(columns_of_array(values)))


def _is_numeric(column: Series) -> bool:
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    return isinstance(dtype, np.dtype) and dtype.kind in "biufc"


def _names(values: NDArray[Any]) -> Sequence[Any] | None:
    return range(values.shape[1]) if values.ndim == 2 else None


def _refuse_cells(
    is_wrong: NDArray[np.bool_], names: Sequence[Any] | None, text: str, remedy: str
) -> None:
    """Raise a ValueError that names the columns with wrong cells, if there are any."""
    if not is_wrong.any():
        return
    if names is None:
        where = f"in {np.unique(np.nonzero(is_wrong)[0]).size} rows"
    else:
        counts = is_wrong.reshape(len(is_wrong), -1).sum(axis=0)
        wrong = np.flatnonzero(counts)
        listed = [f"{counts[i]} in column {names[i]!r}" for i in wrong[:MAX_NAMED]]
        more = f", and some in {len(wrong) - MAX_NAMED} more columns"
        where = ", ".join(listed) + more * (len(wrong) > MAX_NAMED)
    raise ValueError(f"{text}: {where} (of {len(is_wrong)} rows). {remedy}")

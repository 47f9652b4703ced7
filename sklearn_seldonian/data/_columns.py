"""Tables of any library as columns of plain values, which conditions can compare.

A plain value is a number, a text or a truth value. A column of them is an array, or a Categorical
where it says how its values are ordered, or that they are not.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.sparse import issparse

DATES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    pd.Period,
)


def without_tensor(values):
    """`values`, as an array of the same memory (if on the CPU) where they are a tensor."""
    torch = sys.modules.get("torch")  # which is there before any tensor is
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return values.float().numpy() if values.dtype is torch.bfloat16 else values.numpy()


# -- tables ------------------------------------------------------------------------------


def holds_dates(column):
    """Whether values of a Series are dates or durations, which are no numbers."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return holds_dates(column.cat.categories.to_series())
    if dtype.type is np.object_:
        return any(issubclass(kind, DATES) for kind in set(map(type, column)) - {type(pd.NaT)})
    return issubclass(dtype.type, DATES)


def is_table(table):
    """Whether it is a frame whose columns have names.

    Raises
    ------
    ValueError
        If it is a frame whose rows have not been computed.
    """
    if type(table).__name__ == "LazyFrame":
        raise ValueError("A LazyFrame has no rows yet: write frame.collect().")
    return isinstance(table, pd.DataFrame) or (
        hasattr(table, "columns")
        and any(hasattr(table, name) for name in ("to_pandas", "__arrow_c_stream__"))
    )


def of_table(table):
    """The names of a table's columns, and the columns as Series of pandas.

    Returns
    -------
    list of tuple of (str, Series)
    """
    if isinstance(table, pd.DataFrame):
        return [(str(name), table.iloc[:, i]) for i, name in enumerate(table.columns)]
    match _library(table):
        case "narwhals":
            return of_table(table.to_native())
        case "polars":
            return [(column.name, _of_polars(column)) for column in table.get_columns()]
        case "pyarrow":
            names_and_columns = zip(table.column_names, table.columns, strict=True)
            return [(name, column.to_pandas()) for name, column in names_and_columns]
    return of_table(table.to_pandas() if hasattr(table, "to_pandas") else _arrow_table(table))


def of_values(values):
    """Names and columns of whatever is given as `sensitive_features`.

    Raises
    ------
    ValueError
        If it is a dict, has rows of different lengths, or not one or two dimensions.
    """
    if isinstance(values, Mapping):
        raise ValueError(
            "sensitive_features must be a Series, DataFrame or array, not a dict: scikit-learn's "
            "splitters do not slice dicts. Use pandas.DataFrame(sensitive_features)."
        )
    if is_table(values):
        return of_table(values)
    if isinstance(values, pd.MultiIndex):
        return of_table(values.to_frame(index=False))
    series = _of_one_column(values)
    if series is not None:
        unnamed = series.name is None or series.name == ""
        return [("sensitive_feature_0" if unnamed else str(series.name), series)]
    if getattr(getattr(values, "dtype", None), "names", None):
        return of_table(pd.DataFrame(values))
    return [(f"sensitive_feature_{i}", column) for i, column in enumerate(_unnamed(values))]


def _library(values):
    return type(values).__module__.partition(".")[0]


def _arrow_table(table):
    from pyarrow import table as arrow_table

    return arrow_table(table)


def _of_one_column(values):
    """A Series, Index or extension array of any library as a Series; None for all else."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(values, name=getattr(values, "name", None)).reset_index(drop=True)
    if _library(values) == "narwhals":
        return _of_one_column(values.to_native())
    if _library(values) == "polars":
        return _of_polars(values)
    return values.to_pandas() if hasattr(values, "to_pandas") else None


def _of_polars(column):
    """A Series of polars as one of pandas, by way of neither Arrow nor float64."""
    if column.dtype.base_type().__name__ == "Enum":
        categories = column.dtype.categories.to_list()
        return pd.Series(
            pd.Categorical(column.to_list(), categories=categories, ordered=True), name=column.name
        )
    if column.dtype.base_type().__name__ == "Categorical":
        return pd.Series(pd.Categorical(column.to_list()), name=column.name)
    is_number = column.dtype.is_numeric() and not column.null_count()
    values = column.to_numpy() if is_number else pd.Series(column.to_list(), dtype=object)
    return pd.Series(values, name=column.name)


def _unnamed(values):
    """The columns of an array or of lists, in one or two dimensions."""
    values = without_tensor(values)
    if issparse(values):
        values = values.toarray()
    if isinstance(values, list | tuple):
        return _of_rows(values)
    is_hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    values = np.asarray(values)
    if values.ndim not in (1, 2):
        raise ValueError(f"sensitive_features must have 1 or 2 dimensions, not {values.ndim}.")
    if is_hidden is None and values.dtype.kind == "U":
        is_hidden = values == "nan"  # what numpy makes of a missing value among texts
    if is_hidden is not None and is_hidden.any():
        values = np.where(is_hidden, None, values.astype(object))
    return [series(column) for column in (values[:, None] if values.ndim == 1 else values).T]


def _of_rows(rows):
    """The columns of a list of values, or of rows that are lists themselves."""
    rows = [_value(row) for row in rows]
    lengths = [len(row) if _is_row(row) else None for row in rows]
    different = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if different is not None:
        raise ValueError(
            f"sensitive_features has rows of different lengths: row 0 has {_counted(lengths[0])}, "
            f"row {different} has {_counted(lengths[different])}. Give every row all columns, with "
            "a group of its own for what is not known."
        )
    if not rows or lengths[0] is None:
        return [_objects(rows)]
    return [_objects(map(_value, column)) for column in zip(*rows, strict=True)]


def _is_row(value):
    return isinstance(value, list | tuple | pd.Series) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def _value(value):
    """A scalar out of its tensor or array; None for one that is masked."""
    if value is np.ma.masked:
        return None
    value = without_tensor(value)
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _counted(length):
    return "no list" if length is None else f"{length} value{'' if length == 1 else 's'}"


def array_of_objects(values):
    """An array of the values as they are: numbers stay numbers beside texts, and lists lists."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def _objects(values):
    return series(array_of_objects(list(values)))


def series(values):
    """A Series of an array; of objects where pandas takes texts for Unicode, or integers for
    floats, that they are not."""
    try:
        return pd.Series(values)
    except (UnicodeEncodeError, OverflowError):
        return pd.Series(values, dtype=object)


# -- plain values ------------------------------------------------------------------------


def plain_values(column, name, source):
    """A column's values as plain ones: an array, or a Categorical with plain categories.

    What compares equal in the table does here, whatever its type: Decimals and the floats of fewer
    than 64 bits are the shortest decimal number that they stand for, as literals are.

    Parameters
    ----------
    column : Series
    name, source : str
        What it is called, and in what it was given, for messages.

    Raises
    ------
    ValueError
        If values are missing, or are of a kind that constraints cannot compare.
    """
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ValueError(
            f"Column {name!r} of {source} holds {n_missing} missing values; constraints cannot "
            "say which group those rows belong to."
        )
    column = _without_dictionary(column)
    try:
        if isinstance(column.dtype, pd.CategoricalDtype):
            return _plain_categorical(column)
        values = _plain(column)
    except _NotPlainError as error:
        raise ValueError(
            f"Column {name!r} of {source} holds {error}; constraints compare numbers, texts and "
            f"truth values. {error.remedy}"
        ) from None
    return values


class _NotPlainError(Exception):
    """A value that no literal can be compared with, in words, and what to do."""

    def __init__(self, kind):
        of_parts = issubclass(kind, list | tuple | set | frozenset | dict | np.ndarray)
        if of_parts:
            self.remedy = (
                "Make each part a column of its own, for by=(a, b), or write column.map(str)."
            )
        elif issubclass(kind, bytes):
            self.remedy = 'Write column.str.decode("utf-8").'
        elif issubclass(kind, DATES):
            self.remedy = "Write column.dt.year and the like, or column.astype(str)."
        else:
            self.remedy = "Write column.map(str)."
        super().__init__(f"values of type {kind.__name__}")


def _without_dictionary(column):
    """A dictionary-encoded Arrow column as a Categorical, which keeps its order."""
    if isinstance(column.dtype, pd.ArrowDtype) and hasattr(column.dtype.pyarrow_dtype, "ordered"):
        return column.array.__arrow_array__().to_pandas()
    return column


def _plain_categorical(column):
    """A Categorical column with plain categories, in the same order."""
    categories = _plain(column.cat.categories.to_series())
    return pd.Categorical(
        np.asarray(categories)[column.cat.codes],
        categories=list(dict.fromkeys(np.asarray(categories).tolist())),
        ordered=column.cat.ordered,
    )


def _plain(column):
    if isinstance(column.dtype, pd.IntervalDtype):
        return pd.Categorical(_texts(column.to_numpy()))
    if isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        raise _NotPlainError(column.dtype.type)
    values = column.to_numpy()
    kind = values.dtype.kind
    if kind in "biu":
        return values
    if kind == "f":
        return values if values.dtype == np.float64 else _shortest_decimals(values)
    if kind == "O":
        return _plain_objects(values)
    raise _NotPlainError(values.dtype.type)


def _shortest_decimals(values):
    """What floats of another precision stand for."""
    codes, distinct = pd.factorize(values.astype(np.float64))
    if values.dtype.itemsize < 8:
        distinct = distinct.astype(values.dtype).astype(str).astype(np.float64)
    return distinct[codes]


def _texts(values):
    return np.array([str(value) for value in values], dtype=object)


def _plain_objects(values):
    """Objects that are all numbers, all texts, or both."""
    kinds = dict.fromkeys(map(type, values.tolist()))
    wrong = [kind for kind in kinds if not (issubclass(kind, str) or _is_number(kind))]
    if kinds and all(issubclass(kind, pd.Interval) for kind in kinds):
        return pd.Categorical(_texts(values))
    if wrong:
        raise _NotPlainError(wrong[0])
    plain = [_plain_value(value) for value in values.tolist()]
    if any(issubclass(kind, str) for kind in kinds):
        return _objects(plain).to_numpy()
    return np.asarray(plain)


def _is_number(kind):
    if issubclass(kind, np.timedelta64):  # which is an Integral
        return False
    return issubclass(kind, Real | np.bool_ | Decimal)


def _plain_value(value):
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, np.floating) and value.itemsize < 8:
        return float(str(value))
    return float(value)

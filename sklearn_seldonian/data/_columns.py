"""Tables of any library as columns of plain values, which conditions can compare.

A plain value is a number, a text or a truth value. A column of plain values is a Categorical if it
defines the order of its values, or that they have none. Otherwise it is an array.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

Series = pd.Series
NamedColumns = list[tuple[str, Series]]
# Types of rows in a list of rows.
ROWS = (list, tuple, pd.Series, np.ndarray)
DATES = date, time, timedelta, np.datetime64, np.timedelta64, pd.Period
# Advice for types of values that no literal can be compared with; the first match is used.
REMEDIES: Mapping[tuple[type, ...], str] = {
    (list, tuple, set, frozenset, dict, np.ndarray): (
        "Make each part a separate column, for by=(a, b), or write column.map(str)."
    ),
    (bytes,): 'Write column.str.decode("utf-8").',
    DATES: "Write column.dt.year and the like, or column.astype(str).",
    (object,): "Write column.map(str).",
}


def without_tensor(values: Any) -> Any:
    """`values`, with a tensor converted to an array; on the CPU both share their memory."""
    torch = sys.modules.get("torch")  # tensors exist only once torch is imported
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return values.float().numpy() if values.dtype is torch.bfloat16 else values.numpy()


def array_of_objects(values: Sequence[Any]) -> NDArray[Any]:
    """An array of the unchanged values: numbers among texts stay numbers, and lists stay lists."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def with_none(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[Any]:
    """The values as objects, with None at the places in `where`."""
    objects = np.array(values, dtype=object)
    objects[where] = None
    return objects


def series(values: NDArray[Any]) -> Series:
    """A Series of an array.

    It has dtype object if pandas fails otherwise: for texts that are not Unicode and for huge
    integers.
    """
    try:
        return pd.Series(values)
    except (UnicodeEncodeError, OverflowError):
        return pd.Series(values, dtype=object)


def columns_of_array(values: NDArray[Any]) -> list[Series]:
    """The columns of an array. Further dimensions are flattened."""
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    return [series(column) for column in flat.T]


# -- tables ------------------------------------------------------------------------------


def holds_dates(column: Series) -> bool:
    """Whether a Series holds dates or durations."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return holds_dates(column.cat.categories.to_series())
    if dtype.type is np.object_:
        return any(issubclass(kind, DATES) for kind in set(map(type, column)) - {type(pd.NaT)})
    return issubclass(dtype.type, DATES)


def is_table(table: Any) -> bool:
    """Whether `table` is a frame whose columns have names.

    Raises
    ------
    ValueError
        If `table` is a frame whose rows have not been computed.
    """
    if type(table).__name__ == "LazyFrame":
        raise ValueError("A LazyFrame has no rows yet. Write frame.collect().")
    return isinstance(table, pd.DataFrame) or (
        hasattr(table, "columns")
        and any(hasattr(table, name) for name in ("to_pandas", "__arrow_c_stream__"))
    )


def of_table(table: Any) -> NamedColumns:
    """The names of a table's columns, and the columns as pandas Series."""
    table = _native(table)
    if isinstance(table, pd.DataFrame):
        return [(str(name), table.iloc[:, i]) for i, name in enumerate(table.columns)]
    if _library(table) == "polars":
        return [(column.name, _of_polars(column)) for column in table.get_columns()]
    if not hasattr(table, "to_pandas"):
        import pyarrow

        table = pyarrow.table(table)
    if _library(table) == "pyarrow":
        # Metadata would turn some columns into an index.
        return of_table(table.to_pandas(ignore_metadata=True))
    return of_table(table.to_pandas())


def of_values(values: Any) -> NamedColumns:
    """Names and columns of the `sensitive_features`, in any container.

    Raises
    ------
    ValueError
        If it is a dict, has rows of different lengths, or does not have one or two dimensions.
    """
    if isinstance(values, Mapping):
        raise ValueError(
            "sensitive_features must be a Series, DataFrame or array, not a dict, because "
            "scikit-learn's splitters cannot index dicts. Use "
            "pandas.DataFrame(sensitive_features)."
        )
    if is_table(values):
        return of_table(values)
    if isinstance(values, pd.MultiIndex):
        return of_table(values.to_frame(index=False))
    if getattr(getattr(values, "dtype", None), "names", None):
        return of_table(pd.DataFrame(values))
    column = _of_one_column(_native(values))
    if column is None:
        return [(f"sensitive_feature_{i}", column) for i, column in enumerate(_unnamed(values))]
    return [("sensitive_feature_0" if column.name in (None, "") else str(column.name), column)]


def _native(values: Any) -> Any:
    """The table or column that narwhals wraps; anything else unchanged."""
    return values.to_native() if _library(values) == "narwhals" else values


def _library(values: Any) -> str:
    return type(values).__module__.partition(".")[0]


def _of_one_column(values: Any) -> Series | None:
    """A Series, Index or extension array of any library as a Series; None for anything else."""
    if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(values)
    if _library(values) == "polars":
        return _of_polars(values)
    return values.to_pandas() if hasattr(values, "to_pandas") else None


def _of_polars(column: Any) -> Series:
    """A polars Series as a pandas Series, without pyarrow and without conversion to float64."""
    kind = column.dtype.base_type().__name__
    values: Any
    if kind in ("Enum", "Categorical"):
        order = column.dtype.categories.to_list() if kind == "Enum" else None
        values = pd.Categorical(column.to_list(), order, ordered=kind == "Enum")
    elif column.dtype.is_numeric() and not column.null_count():
        values = column.to_numpy()
    else:
        values = pd.Series(column.to_list(), dtype=object)
    return pd.Series(values, name=column.name)


def _unnamed(values: Any) -> list[Series]:
    """The columns of an array or of lists, in one or two dimensions."""
    values = without_tensor(values)
    is_sparse: bool = issparse(values)
    if is_sparse:
        return columns_of_array(values.toarray())
    if isinstance(values, list | tuple):
        return _of_rows(values)
    is_hidden = np.ma.getmaskarray(values)
    values = np.asarray(values)
    if values.ndim not in (1, 2):
        raise ValueError(f"sensitive_features must have 1 or 2 dimensions, got {values.ndim}.")
    if values.dtype.kind == "U":
        is_hidden = is_hidden | (values == "nan")  # numpy's text for a missing value
    if is_hidden.any():
        values = with_none(values, is_hidden)
    return columns_of_array(values)


def _of_rows(given: Iterable[Any]) -> list[Series]:
    """The columns of a list of values, or of rows that are lists themselves."""
    rows = [_value(row) for row in given]
    lengths = [len(row) if isinstance(row, ROWS) else None for row in rows]
    different = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if different is not None:
        raise ValueError(
            f"sensitive_features has rows of different lengths: row 0 has {_counted(lengths[0])}, "
            f"row {different} has {_counted(lengths[different])}. Give every row all columns, with "
            'a level such as "unknown" for missing values.'
        )
    if not rows or lengths[0] is None:
        return [series(array_of_objects(rows))]
    columns = zip(*rows, strict=True)
    return [series(array_of_objects([_value(value) for value in column])) for column in columns]


def _value(value: Any) -> Any:
    """The scalar in a tensor or array without dimensions; None for a masked value."""
    if value is np.ma.masked:
        return None
    value = without_tensor(value)
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _counted(length: int | None) -> str:
    return "no list" if length is None else f"{length} value{'' if length == 1 else 's'}"


def are_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are missing, where numpy writes "nan" among texts."""
    return np.asarray(values == "nan" if values.dtype.kind == "U" else pd.isna(values))


# -- plain values ------------------------------------------------------------------------


def plain_values(column: Series, name: str, source: str, missing: str = "error") -> Any:
    """A column as plain values: an array, or a Categorical with plain categories.

    Values that are equal in the table are equal here, for all types. Decimals, and floats with less
    than 64 bits, become the shortest decimal number that represents them, like literals.

    Parameters
    ----------
    column : Series
    name, source : str
        Name of the column, and name of the argument that has it, for messages.
    missing : {"error", "exclude"}, default="error"
        Whether missing values are refused, or become None or NaN.

    Raises
    ------
    ValueError
        If values are missing, or have a type that constraints cannot compare.
    """
    is_missing = column.isna().to_numpy()
    n_missing = int(is_missing.sum())
    if n_missing and missing == "error":
        raise ValueError(
            f"Column {name!r} of {source} has {n_missing} missing values, so the group of those "
            'rows is not known. With missing="exclude" they count in constraints without a '
            "condition on this column, and in no group."
        )
    try:
        if not n_missing:
            return _plain(column)
        return _with_gaps(_plain(column[~is_missing]), is_missing)
    except _NotPlainError as error:
        (kind,) = error.args
        remedy = next(text for kinds, text in REMEDIES.items() if issubclass(kind, kinds))
        raise ValueError(
            f"Column {name!r} of {source} has values of type {kind.__name__}, but constraints "
            f"compare numbers, texts and truth values. {remedy}"
        ) from None


def _with_gaps(values: Any, is_missing: NDArray[np.bool_]) -> Any:
    """The `values` of a column with gaps at the missing places."""
    if isinstance(values, pd.Categorical):
        codes = np.full(len(is_missing), -1)
        codes[~is_missing] = values.codes
        return pd.Categorical.from_codes(codes, dtype=values.dtype)
    if values.dtype.kind == "f":
        found = np.full(len(is_missing), np.nan)
    else:
        found = np.full(len(is_missing), None, dtype=object)
    found[~is_missing] = values
    return found


class _NotPlainError(Exception):
    """A type of value that no literal can be compared with."""


def _plain(column: Series) -> Any:
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and hasattr(dtype.pyarrow_dtype, "ordered"):
        return _plain(column.array.__arrow_array__().to_pandas())  # keeps the order
    if isinstance(dtype, pd.CategoricalDtype):
        plain = np.asarray(_plain(column.cat.categories.to_series()))
        in_order = list(dict.fromkeys(plain.tolist()))
        return pd.Categorical(plain[column.cat.codes], in_order, ordered=column.cat.ordered)
    values = column.to_numpy()
    if values.dtype.kind in "biu" or values.dtype == np.float64:
        return values
    if values.dtype.kind == "f":
        return _shortest_decimals(values)
    if values.dtype.kind == "O":
        return _plain_objects(values)
    raise _NotPlainError(values.dtype.type)


def _shortest_decimals(values: NDArray[Any]) -> NDArray[np.float64]:
    """Floats of another precision as the shortest decimal numbers that represent them."""
    codes, distinct = pd.factorize(values.astype(np.float64))
    if values.dtype.itemsize < 8:
        distinct = distinct.astype(values.dtype).astype(str).astype(np.float64)
    return distinct[codes]


def _plain_objects(values: NDArray[Any]) -> Any:
    """Numbers and texts as plain values, and intervals as texts."""
    kinds = dict.fromkeys(map(type, values.tolist()))
    if kinds.keys() == {str}:
        return values
    if kinds and all(issubclass(kind, pd.Interval) for kind in kinds):
        return pd.Categorical(values.astype(str).astype(object))
    for kind in kinds:
        if not (issubclass(kind, str) or _is_number(kind)):
            raise _NotPlainError(kind)
    has_texts = any(issubclass(kind, str) for kind in kinds)
    plain = [_plain_value(value) for value in values.tolist()]
    return np.array(plain, dtype=object if has_texts else None)


def _is_number(kind: type) -> bool:
    is_duration = issubclass(kind, np.timedelta64)  # a subclass of Integral
    return issubclass(kind, Real | np.bool_ | Decimal) and not is_duration


def _plain_value(value: Any) -> str | bool | int | float:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, np.floating) and value.itemsize < 8:
        return float(str(value))
    return float(value)

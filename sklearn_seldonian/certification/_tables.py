"""Tables with named columns, which are read part by part if they are large."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.certification._certify_parameters import CertifyParameters
from sklearn_seldonian.certification._safety_statistics import Collector, SafetyStatistics
from sklearn_seldonian.data._columns import is_table, of_table

# The number of values in one part.
VALUES_AT_ONCE = 2**22
# The number of statistics that dask adds in one task.
ADDED_AT_ONCE = 8
TABLES = (
    "a pyarrow Dataset or Table, the path of a Parquet file or folder, a dask DataFrame, or a "
    "DataFrame of pandas or polars"
)


def collected(
    parameters: CertifyParameters, X: Any, y: Any, sensitive_features: Any
) -> SafetyStatistics:
    """The statistics of rows in memory, or of a table whose columns are given by name.

    Raises
    ------
    ValueError
        If there are no rows, or a column is missing.
    TypeError
        If `X` is read part by part and `y` is not a name, or if `y` is a name and `X` is not a
        table.
    """
    if not isinstance(y, str):
        if is_dataset(X):
            raise TypeError(
                f"X is a {type(X).__name__}, which is read part by part, so y must be the name of "
                "a column. Give the name of the label column as y, and names of columns as "
                "sensitive_features."
            )
        return Collector(parameters).collect(X, y, sensitive_features)
    table = _opened(X)
    columns = Columns.of(parameters, _names(table), y, sensitive_features, _index_names(table))
    total = (
        _of_dask(parameters, columns, table)
        if _is_dask(table)
        else _of_parts(parameters, columns, table)
    )
    if total is None:
        raise ValueError(
            "X has no rows, and a test needs some. Check the path and any filter of X."
        )
    return total


# -- which columns -------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    """The roles of a table's columns.

    Parameters
    ----------
    label : str
    sensitive : tuple of str or None
    features : tuple of str
        The features, in the order in which the estimator was fitted to them.
    as_array : bool
        Whether the estimator was fitted to features without names.
    """

    label: str
    sensitive: tuple[str, ...] | None
    features: tuple[str, ...]
    as_array: bool

    @classmethod
    def of(
        cls,
        parameters: CertifyParameters,
        names: Sequence[str],
        label: str,
        sensitive_features: Any,
        index: Iterable[str] = (),
    ) -> Columns:
        """The roles of the columns with these names, of which some are an index.

        An index is a feature only if the estimator knows it by its name.
        """
        sensitive = _sensitive(sensitive_features)
        known = getattr(parameters.estimator, "feature_names_in_", None)
        n_features = getattr(parameters.estimator, "n_features_in_", None)
        no_features = {label, *(sensitive or ()), *index}
        others = [name for name in names if name not in no_features]
        features = others if known is None else [str(name) for name in known]
        for of_what, wanted in (
            ("y", [label]),
            ("sensitive_features", sensitive or ()),
            ("feature_names_in_ of the estimator", features),
        ):
            _check_there(of_what, wanted, names)
        if known is None and n_features not in (None, len(features)):
            raise ValueError(
                f"The estimator was fitted to {n_features} features without names, but X has "
                f"{len(features)} columns that are neither label nor sensitive feature: "
                f"{listed(features)}. Fit the estimator to a DataFrame, or leave out columns."
            )
        of_constraints = parameters.specification.columns - {*features, *(sensitive or ())}
        forgotten = sorted(of_constraints & set(names))
        if forgotten:
            raise ValueError(
                f"The constraints name column {forgotten[0]!r}, which is neither a feature nor a "
                f"sensitive feature. Add it: sensitive_features=[{forgotten[0]!r}]."
            )
        own = None if sensitive is None else tuple(sensitive)
        return cls(label, own, tuple(features), known is None and n_features is not None)

    @property
    def names(self) -> list[str]:
        """The names of all columns, each once."""
        return list(dict.fromkeys((*self.features, *(self.sensitive or ()), self.label)))

    def apart(self, frame: pd.DataFrame) -> tuple[Any, Any, Any]:
        """The features, the labels and the sensitive features of some rows."""
        features = frame[list(self.features)]
        X = features.to_numpy() if self.as_array else features
        return X, frame[self.label], None if self.sensitive is None else frame[list(self.sensitive)]


def _sensitive(given: Any) -> list[str] | None:
    names = [given] if isinstance(given, str) else given
    if names is None:
        return None
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return list(names)
    raise TypeError(
        "If y is the name of a column, sensitive_features must be a list of names too; got "
        f"{short(given)}."
    )


def _check_there(of_what: str, wanted: Iterable[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise ValueError(
                f"Column {name!r} ({of_what}) is not in X, whose columns are {listed(names, 30)}."
            )
        if names.count(name) > 1:
            raise ValueError(f"X has several columns named {name!r}. Rename all but one.")


# -- which tables --------------------------------------------------------------------------


def is_dataset(table: Any) -> bool:
    """Whether the rows of `table` are read part by part."""
    return _is_dask(table) or _is_arrow(table, "Dataset")


def _is_dask(table: Any) -> bool:
    return type(table).__module__.startswith("dask") and hasattr(table, "to_delayed")


def _is_arrow(table: Any, *kinds: str) -> bool:
    """Whether it is an object of one of these `kinds` of pyarrow."""
    dataset, arrow = sys.modules.get("pyarrow.dataset"), sys.modules.get("pyarrow")
    known = (getattr(dataset, kind, None) or getattr(arrow, kind, None) for kind in kinds)
    return any(kind is not None and isinstance(table, kind) for kind in known)


def _opened(table: Any) -> Any:
    """A table in one of the forms that `_names` and `_frames` know."""
    if isinstance(table, str | os.PathLike):
        try:
            from pyarrow.dataset import dataset
        except ImportError:
            raise ImportError(
                "X is a path, and reading Parquet files needs pyarrow. Install it: "
                "pip install pyarrow"
            ) from None
        return _parquet(dataset, table)
    if is_dataset(table) or _is_arrow(table, "Table", "RecordBatchReader") or is_table(table):
        return table
    raise TypeError(
        f"y must contain rows, or be the name of a column of X, where X is {TABLES}; X is "
        f"{short(table)}."
    )


def _parquet(open_dataset: Callable[..., Any], path: str | os.PathLike[str]) -> Any:
    """The Parquet file or folder at `path`."""
    from pyarrow import ArrowInvalid

    try:
        found = open_dataset(path, format="parquet")
    except ArrowInvalid as error:
        raise ValueError(
            f"{path} could not be read as Parquet: {error} Read files of other kinds with pandas, "
            "and give X as a DataFrame."
        ) from error
    if not found.schema.names:
        raise ValueError(f"{path} has no Parquet file with columns. Check the path.")
    return found


def _names(table: Any) -> list[str]:
    if _is_arrow(table, "Dataset", "Table", "RecordBatchReader"):
        return list(table.schema.names)
    return [str(name) for name in table.columns]


def _index_names(table: Any) -> list[str]:
    """The columns of a table of pyarrow that are the index of a frame of pandas."""
    if not _is_arrow(table, "Dataset", "Table", "RecordBatchReader"):
        return []
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in index if isinstance(name, str)]


# -- part by part --------------------------------------------------------------------------


def _of_parts(
    parameters: CertifyParameters, columns: Columns, table: Any
) -> SafetyStatistics | None:
    """The statistics of all rows, with one part in memory at a time."""
    collector = Collector(parameters)
    # Partial sums of 1, 2, 4, ... parts, so that each kept row is copied only a few times.
    waiting: list[tuple[int, SafetyStatistics]] = []
    for frame in _frames(table, columns.names):
        n_parts, total = 1, collector.collect(*columns.apart(frame))
        while waiting and waiting[-1][0] <= n_parts:
            n_before, before = waiting.pop()
            n_parts, total = n_before + n_parts, before + total
        waiting.append((n_parts, total))
    return _added([statistics for _, statistics in waiting])


def _added(parts: Iterable[SafetyStatistics | None]) -> SafetyStatistics | None:
    """The sum of some statistics; None if there are none."""
    found = [part for part in parts if part is not None]
    return sum(found[1:], start=found[0]) if found else None


def _frames(table: Any, names: list[str]) -> Iterator[pd.DataFrame]:
    """The rows of some columns, in non-empty frames of a bounded size."""
    if not _is_arrow(table, "Dataset", "Table", "RecordBatchReader"):
        frame = pd.DataFrame(dict(of_table(table)))[names]
        yield from [frame] * bool(len(frame))
        return
    import pyarrow

    n_rows, waiting, n_waiting = max(1, VALUES_AT_ONCE // len(names)), [], 0
    for batch in _batches(table, names, n_rows):
        waiting.append(batch)
        n_waiting += batch.num_rows
        if n_waiting >= n_rows:
            yield _frame(pyarrow.Table.from_batches(waiting))
            waiting, n_waiting = [], 0
    if n_waiting:
        yield _frame(pyarrow.Table.from_batches(waiting))


def _batches(table: Any, names: list[str], n_rows: int) -> Iterator[Any]:
    if _is_arrow(table, "Dataset"):
        _check_files(table, names)
        # Little is read ahead, because each thread holds what it reads in memory.
        yield from table.to_batches(
            columns=names, batch_size=n_rows, batch_readahead=1, fragment_readahead=1
        )
    elif _is_arrow(table, "Table"):
        yield from table.select(names).to_batches(max_chunksize=n_rows)
    else:
        yield from (batch.select(names) for batch in table)


def _check_files(dataset: Any, names: list[str]) -> None:
    """Refuse a file that lacks a column, which pyarrow would fill with missing values."""
    for child in getattr(dataset, "children", None) or ():
        _check_files(child, names)
    partitioning = getattr(dataset, "partitioning", None)
    of_folders = set() if partitioning is None else set(partitioning.schema.names)
    for path in getattr(dataset, "files", ()):
        there = dataset.format.inspect(path, dataset.filesystem).names
        lacking = set(names) - of_folders - set(there)
        if lacking:
            raise ValueError(
                f"Column {min(lacking)!r} is in some files of X, but not in {path}. Leave that "
                "file out, or add the column."
            )


def _frame(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(
        ignore_metadata=True, split_blocks=True
    )
    return frame


def _of_dask(
    parameters: CertifyParameters, columns: Columns, table: Any
) -> SafetyStatistics | None:
    """The statistics of all partitions, computed by dask."""
    from dask.base import compute
    from dask.delayed import delayed

    of_one = delayed(_of_partition)
    shared = delayed((parameters, columns), traverse=False)
    parts = [of_one(shared, part) for part in table[columns.names].to_delayed()]
    while len(parts) > 1:
        starts = range(0, len(parts), ADDED_AT_ONCE)
        parts = [delayed(_added)(parts[start : start + ADDED_AT_ONCE]) for start in starts]
    found: tuple[SafetyStatistics | None, ...] = compute(*parts)
    return found[0] if found else None


def _of_partition(
    shared: tuple[CertifyParameters, Columns], frame: pd.DataFrame
) -> SafetyStatistics | None:
    parameters, columns = shared
    return Collector(parameters).collect(*columns.apart(frame)) if len(frame) else None

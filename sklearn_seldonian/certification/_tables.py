"""Tables whose columns are named, and which are read part by part where they are large."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.certification._asked import Asked
from sklearn_seldonian.certification._safety_statistics import Collector, SafetyStatistics
from sklearn_seldonian.data._columns import is_table, of_table

# Numbers in one part.
VALUES_AT_ONCE = 2**22
# Statistics that dask adds up at a time.
ADDED_AT_ONCE = 8
TABLES = (
    "a pyarrow Dataset or Table, the path of a Parquet file or folder, a dask DataFrame, or a "
    "DataFrame of pandas or polars"
)


def collected(asked: Asked, X: Any, y: Any, sensitive_features: Any) -> SafetyStatistics:
    """The statistics of rows in memory, or of a table with the columns that are named.

    Raises
    ------
    ValueError
        If there are no rows, or a column is not there.
    TypeError
        If `y` is no name where `X` is read part by part, or `X` is no table where it is one.
    """
    if not isinstance(y, str):
        if is_dataset(X):
            raise TypeError(
                f"X is a {type(X).__name__}, whose rows are read part by part: give the name of "
                "its label column as y, and names of columns as sensitive_features."
            )
        return Collector(asked).collect(X, y, sensitive_features)
    table = _opened(X)
    columns = Columns.of(asked, _names(table), y, sensitive_features, _index_names(table))
    total = _of_dask(asked, columns, table) if _is_dask(table) else _of_parts(asked, columns, table)
    if total is None:
        raise ValueError("X has no rows.")
    return total


# -- which columns -------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are what.

    Parameters
    ----------
    label : str
    sensitive : tuple of str or None
    features : tuple of str
        In the order that the estimator knows them in.
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
        asked: Asked,
        names: Sequence[str],
        label: str,
        sensitive_features: Any,
        index: Iterable[str] = (),
    ) -> Columns:
        """Of a table whose columns have these names, of which some are an index.

        An index is a feature only where the estimator knows it by its name.
        """
        sensitive = _sensitive(sensitive_features)
        known = getattr(asked.estimator, "feature_names_in_", None)
        n_features = getattr(asked.estimator, "n_features_in_", None)
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
                f"The estimator was fitted to {n_features} features without names, and X has "
                f"{len(features)} columns beside label and sensitive features: "
                f"{listed(features)}. Fit it to a DataFrame, or leave out columns."
            )
        of_constraints = asked.specification.columns - {*features, *(sensitive or ())}
        forgotten = sorted(of_constraints & set(names))
        if forgotten:
            raise ValueError(
                f"The constraints name column {forgotten[0]!r}: add it to sensitive_features, "
                f"as in sensitive_features=[{forgotten[0]!r}]."
            )
        own = None if sensitive is None else tuple(sensitive)
        return cls(label, own, tuple(features), known is None and n_features is not None)

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys((*self.features, *(self.sensitive or ()), self.label)))

    def apart(self, frame: pd.DataFrame) -> tuple[Any, Any, Any]:
        """What the estimator takes, the labels and the sensitive features of some rows."""
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
        "Where y is the name of a column, sensitive_features must be a list of names too; got "
        f"{short(given)}."
    )


def _check_there(of_what: str, wanted: Iterable[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise ValueError(
                f"Column {name!r} ({of_what}) is not in X, whose columns are {listed(names, 30)}."
            )
        if names.count(name) > 1:
            raise ValueError(f"X has several columns {name!r}: rename them.")


# -- which tables --------------------------------------------------------------------------


def is_dataset(table: Any) -> bool:
    """Whether the rows of `table` are read part by part."""
    return _is_dask(table) or _is_arrow(table, "Dataset")


def _is_dask(table: Any) -> bool:
    return type(table).__module__.startswith("dask") and hasattr(table, "to_delayed")


def _is_arrow(table: Any, *kinds: str) -> bool:
    """Whether it is a Dataset, a Table or the like, of pyarrow."""
    dataset, arrow = sys.modules.get("pyarrow.dataset"), sys.modules.get("pyarrow")
    known = (getattr(dataset, kind, None) or getattr(arrow, kind, None) for kind in kinds)
    return any(kind is not None and isinstance(table, kind) for kind in known)


def _opened(table: Any) -> Any:
    """A table in one of the forms that `_names` and `_frames` know."""
    if isinstance(table, str | os.PathLike):
        try:
            from pyarrow.dataset import dataset
        except ImportError:
            raise ImportError("To read Parquet files, install pyarrow.") from None
        return dataset(table, format="parquet")
    if is_dataset(table) or _is_arrow(table, "Table", "RecordBatchReader") or is_table(table):
        return table
    raise TypeError(
        f"y must hold rows, or be the name of a column of X, where X is {TABLES}; X is "
        f"{short(table)}."
    )


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


def _of_parts(asked: Asked, columns: Columns, table: Any) -> SafetyStatistics | None:
    """The statistics of all rows, of which a part is in memory at a time."""
    collector = Collector(asked)
    # Sums of 1, 2, 4, ... parts: kept rows are copied as often as there are such sums.
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
    """The rows of some columns, in frames of a bounded size, none of which is empty."""
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
        # Little is read ahead: each thread holds what it reads.
        yield from table.to_batches(
            columns=names, batch_size=n_rows, batch_readahead=1, fragment_readahead=1
        )
    elif _is_arrow(table, "Table"):
        yield from table.select(names).to_batches(max_chunksize=n_rows)
    else:
        yield from (batch.select(names) for batch in table)


def _frame(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(
        ignore_metadata=True, split_blocks=True
    )
    return frame


def _of_dask(asked: Asked, columns: Columns, table: Any) -> SafetyStatistics | None:
    """The statistics of all partitions, wherever dask computes them."""
    from dask.base import compute
    from dask.delayed import delayed

    of_one = delayed(_of_partition)
    shared = delayed((asked, columns), traverse=False)
    parts = [of_one(shared, part) for part in table[columns.names].to_delayed()]
    while len(parts) > 1:
        starts = range(0, len(parts), ADDED_AT_ONCE)
        parts = [delayed(_added)(parts[start : start + ADDED_AT_ONCE]) for start in starts]
    found: tuple[SafetyStatistics | None, ...] = compute(*parts)
    return found[0] if found else None


def _of_partition(shared: tuple[Asked, Columns], frame: pd.DataFrame) -> SafetyStatistics | None:
    asked, columns = shared
    return Collector(asked).collect(*columns.apart(frame)) if len(frame) else None

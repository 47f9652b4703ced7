"""The columns that constraints name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sklearn_seldonian.constraints import (
    LABEL,
    ColumnIs,
    Condition,
    are_comparable,
    levels_of,
    order_of,
)
from sklearn_seldonian.data import _columns


def column_values(
    wanted: set[str], X: Any, sensitive_features: Any, n_rows: int, missing: str = "error"
) -> dict[str, Any]:
    """The columns that conditions name, each as an array.

    Parameters
    ----------
    wanted : set of str
    X : array-like
        Its columns are used if it is a frame of pandas, polars, Arrow or another library.
    sensitive_features : Series, DataFrame, array-like or None
    n_rows : int
    missing : {"error", "exclude"}, default="error"
        Whether missing values of wanted columns are refused, or become None or NaN.

    Returns
    -------
    dict of str to ndarray or Categorical of shape (n_rows,)
        All columns. Only the `wanted` columns are checked and converted to plain values.

    Raises
    ------
    ValueError
        If `sensitive_features` has the wrong length or type. If a wanted column has missing values,
        or values that constraints cannot compare, or is in both places with different values.
    """
    sources = {"X": _columns.of_table(X) if _columns.is_table(X) else []}
    if sensitive_features is not None:
        sources["sensitive_features"] = given = _columns.of_values(sensitive_features)
        if given and len(given[0][1]) != n_rows:
            raise ValueError(f"sensitive_features has {len(given[0][1])} rows, but X has {n_rows}.")
    found: dict[str, Any] = {}
    for source, columns in sources.items():
        names = [name for name, _ in columns]
        for name, column in columns:
            if name not in wanted:
                found[name] = column.to_numpy()
                continue
            if names.count(name) > 1:
                raise ValueError(
                    f"{source} has several columns named {name!r}, and constraints need one. "
                    "Rename them."
                )
            values = _columns.plain_values(column, name, source, missing)
            found[name] = _agreed(name, found[name], values) if name in found else values
    _check_index_levels(wanted - set(found), X=X, sensitive_features=sensitive_features)
    return found


def columns_with_label(
    wanted: set[str], X: Any, sensitive_features: Any, y: Any, missing: str
) -> dict[str, Any]:
    """The `column_values` of rows with the labels `y`.

    If labels may be missing, there is another column, which is 1 where there is a label.

    Raises
    ------
    ValueError
        As in `column_values`, and if a column already has the name of this other one.
    """
    columns = column_values(wanted, X, sensitive_features, len(y), missing)
    if missing != "exclude":
        return columns
    if LABEL in columns:
        raise ValueError(
            f"A column is named {LABEL!r}, and with missing='exclude' this name is reserved. "
            "Rename the column."
        )
    return {**columns, LABEL: np.where(_columns.are_missing(y), np.nan, 1.0)}


def _agreed(name: str, first: Any, second: Any) -> Any:
    """The values of a column that is in X and in `sensitive_features`, with their order."""
    problem = f"Column {name!r} is in X and in sensitive_features with different"
    one, other = (pd.Series(np.asarray(values), dtype=object) for values in (first, second))
    if not ((one == other) | (one.isna() & other.isna())).all():
        raise ValueError(f"{problem} values. Rename one of them.")
    orders = [order_of(values) for values in (first, second)]
    if all(orders) and orders[0] != orders[1]:
        raise ValueError(f"{problem} orders of its categories. Rename one of them.")
    return first if orders[0] else second


def _check_index_levels(missing: set[str], **tables: Any) -> None:
    """Refuse constraints that name a level of an index, which is not a column."""
    for source, table in tables.items():
        index = table.index if isinstance(table, pd.DataFrame | pd.Series) else pd.Index([])
        for name in index.names:
            if str(name) in missing:
                raise ValueError(
                    f"{str(name)!r} is a level of the index of {source}, and constraints need a "
                    f"column. Write {source}.reset_index({name!r})."
                )


def check_same_order(**tables: Any) -> None:
    """Refuse pandas inputs whose indexes have the same labels in different orders.

    Rows are matched by position, so one of the inputs was shuffled without the others. Indexes with
    different labels are accepted.
    """
    indexes = {n: t.index for n, t in tables.items() if isinstance(t, pd.DataFrame | pd.Series)}
    for (one, first), (other, second) in itertools.combinations(indexes.items(), 2):
        if not _are_shuffled(first, second):
            continue
        remedy = f"write {other}.loc[{one}.index], or reset both indexes"
        if not first.is_unique:  # .loc would multiply rows
            remedy = "bring their rows into one order, then reset both indexes"
        raise ValueError(
            f"{one} and {other} have the same index in different orders, but rows are matched by "
            f"position. {remedy[0].upper()}{remedy[1:]}."
        )


def _are_shuffled(first: Any, second: Any) -> bool:
    """Whether two indexes have equal labels in different orders, for any types."""
    if len(first) != len(second) or first.equals(second):
        return False
    labels = np.concatenate([index.astype(object).to_numpy() for index in (first, second)])
    codes = pd.factorize(labels)[0]
    one, other = codes[: len(first)], codes[len(first) :]
    return not np.array_equal(one, other) and np.array_equal(np.sort(one), np.sort(other))


def check_fresh_columns(conditions: Iterable[Condition], columns: Mapping[str, Any]) -> None:
    """Refuse columns in which conditions would have another meaning than in `fit`.

    Raises
    ------
    ValueError
        If a column that stands alone in a condition is not 0/1. If a column that a condition
        compares has values of another type, another order, or values that are not in the order of
        `fit`.
    """
    for condition in conditions:
        problem = _changed_meaning(condition, columns[condition.column])
        if problem:
            raise ValueError(
                f"Column {condition.column!r} {problem}, so '{condition}' would have another "
                "meaning than in fit. Give the column in the form that fit was given."
            )


def _changed_meaning(condition: Any, values: Any) -> str | None:
    """Why a condition would have another meaning than in `fit`; None if it has the same."""
    levels = levels_of(values)
    if isinstance(condition, ColumnIs):
        wrong = [level for level in levels if level not in (0, 1)]
        return f"must be bool or 0/1, but contains {wrong[0]!r}" if wrong else None
    symbol = getattr(condition, "operator", "==")
    if symbol == "==":
        return None  # a level that does not occur is not certified
    if condition.order:
        unknown = [level for level in levels if level not in condition.order]
        if unknown:
            return f"contains {unknown[0]!r}, which is not among the categories of fit"
    elif not (any if symbol == "!=" else all)(
        are_comparable(condition.literal, [level]) for level in levels
    ):
        return f"contains {levels[0]!r}, which cannot be compared with {condition.literal!r}"
    ordered = order_of(values) or ()
    meant = condition.order or sorted(ordered)
    if symbol != "!=" and [x for x in ordered if x in meant] != [x for x in meant if x in ordered]:
        return f"has the order {', '.join(map(repr, ordered))}, which differs from the order in fit"
    return None

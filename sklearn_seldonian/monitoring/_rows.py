"""Rows in the form of a monitor: the prediction, the conditions that hold, the label if known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.bounds import MeanStream, RateStream, divided_between_edges
from sklearn_seldonian.constraints import (
    ColumnIs,
    Comparison,
    Condition,
    Estimand,
    are_comparable,
    assign_cells,
    levels_of,
    order_of,
)
from sklearn_seldonian.data import _arguments, _columns, _groups
from sklearn_seldonian.data._targets import Labels, Numbers
from sklearn_seldonian.measures import Rate, row_values
from sklearn_seldonian.monitoring._specification import (
    MonitorSpecification,
    label_list,
    needs_label,
)

Stream = RateStream | MeanStream
# Because of rounding, a value may be outside its range by this share of the range.
ROUNDING = 1e-9


class MonitoredRows(NamedTuple):
    """Rows of a stream.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows,)
        Positions of classes, or numbers.
    holding : ndarray of bool, shape (n_rows, n_conditions)
        Which conditions hold.
    labels : ndarray of shape (n_rows,)
        Positions of classes, or numbers. -1 or NaN if not known yet.
    """

    predictions: NDArray[Any]
    holding: NDArray[np.bool_]
    labels: NDArray[Any]

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """True for the rows whose label is known."""
        if self.labels.dtype.kind == "f":
            return np.asarray(~np.isnan(self.labels))
        return np.asarray(self.labels >= 0)

    def taken(self, which: NDArray[Any]) -> MonitoredRows:
        """Some of the rows."""
        return MonitoredRows(*(part[which] for part in self))


def rows_of(
    specification: MonitorSpecification, y_pred: Any, y_true: Any, sensitive_features: Any
) -> MonitoredRows:
    """The rows that a user gives, checked.

    Raises
    ------
    ValueError, TypeError
        If lengths differ, a value is not allowed, or a column is missing.
    """
    n_rows = _arguments.check_same_length(y_pred=y_pred)
    _groups.check_same_order(y_pred=y_pred, y_true=y_true, sensitive_features=sensitive_features)
    predictions = answers_of(specification, "y_pred", y_pred, n_rows)
    missing = -1 if predictions.dtype.kind == "i" else np.nan
    labels = np.full(n_rows, missing, dtype=predictions.dtype)
    if y_true is not None:
        labels = answers_of(specification, "y_true", y_true, n_rows, may_be_missing=True)
    columns = _columns_of(specification, sensitive_features, n_rows)
    cells = assign_cells(columns, [specification.conditions], n_rows)
    holding = cells.stratification.conditions_of_code[cells.codes]
    return MonitoredRows(predictions, holding, labels)


def answers_of(
    specification: MonitorSpecification,
    name: str,
    values: Any,
    n_rows: int,
    *,
    may_be_missing: bool = False,
) -> NDArray[Any]:
    """Labels as positions among the classes, or numbers; -1 or NaN where missing."""
    array = _arguments.one_value_a_row(name, values, n_rows)
    is_missing = np.asarray(pd.isna(array), dtype=np.bool_)
    if is_missing.any() and not may_be_missing:
        raise ValueError(
            f"{name} has {int(is_missing.sum())} missing values, and each row needs a value. Leave "
            "out rows without a value."
        )
    targets = specification.targets
    if isinstance(targets, Labels):
        return _positions(name, array, is_missing, targets)
    return _numbers(name, array, targets)


def _positions(
    name: str, array: NDArray[Any], is_missing: NDArray[np.bool_], targets: Labels
) -> NDArray[np.int64]:
    positions = np.asarray(_arguments.label_positions(name, array, targets.classes), dtype=np.int64)
    unknown = array[(positions < 0) & ~is_missing]
    if len(unknown):
        raise ValueError(
            f"{name} has {listed(pd.unique(unknown))}, and the classes are {label_list(targets)}. "
            "Name all labels in classes=."
        )
    return positions


def _numbers(name: str, array: NDArray[Any], targets: Numbers) -> NDArray[np.float64]:
    numbers = _arguments.as_numbers(name, array)
    of_range = "target_range" if name == "y_true" else "prediction_range"
    low, high = getattr(targets, of_range)
    outside = numbers[(numbers < low) | (numbers > high) | np.isinf(numbers)]
    if len(outside):
        raise ValueError(
            f"{name} has {outside[0]:g}, which is outside {of_range}=({low:g}, {high:g}). The "
            "proofs assume this range. Start a monitor with a range that all rows are in."
        )
    return numbers


def _columns_of(
    specification: MonitorSpecification, sensitive_features: Any, n_rows: int
) -> dict[str, Any]:
    """The columns that the specification names, checked."""
    wanted = specification.columns
    if not wanted:
        return {}
    named = "The constraints name " + listed(wanted)
    if sensitive_features is None:
        raise ValueError(
            f"{named}, and sensitive_features was not given. Give it with these columns."
        )
    n_given = _arguments.check_same_length(sensitive_features=sensitive_features)
    if n_given != n_rows:
        raise ValueError(
            f"sensitive_features has {n_given} rows, and y_pred has {n_rows}. Give the same rows "
            "in both."
        )
    found = _groups.column_values(
        set(wanted), None, sensitive_features, n_rows, specification.missing
    )
    absent = [name for name in wanted if name not in found]
    if absent:
        there_are = listed(name for name, _ in _columns.of_values(sensitive_features))
        raise ValueError(
            f"{named}, and {absent[0]!r} is not in sensitive_features, whose columns are "
            f"{there_are or 'none'}. Add this column."
        )
    columns = {name: found[name] for name in wanted}
    for condition in specification.conditions:
        _check_meaning(condition, columns[condition.column])
    for name, levels in specification.levels.items():
        _check_known(name, levels, columns[name])
    for pair in specification.mutually_exclusive_columns:
        _check_exclusive(sorted(pair), columns)
    return columns


def _check_meaning(condition: Condition, values: Any) -> None:
    """Refuse values for which a condition has no meaning."""
    levels = levels_of(values)
    if isinstance(condition, ColumnIs):
        wrong = [level for level in levels if level not in (0, 1)]
        if wrong:
            raise ValueError(
                f"Column {condition.column!r} has the value {short(wrong[0])}. It must be bool or "
                f"0/1 for the condition '{condition}'."
            )
        return
    if not isinstance(condition, Comparison) or condition.operator in ("==", "!="):
        return
    other = [level for level in levels if not are_comparable(condition.literal, [level])]
    if other:
        raise ValueError(
            f"Column {condition.column!r} has the value {short(other[0])}, which cannot be "
            f"compared with {condition.literal!r} in the condition '{condition}'. Give values of "
            "one type."
        )
    order = order_of(values)
    if order is not None and list(order) != sorted(order):
        raise ValueError(
            f"Column {condition.column!r} is a Categorical with its own order or without one, and "
            f"'{condition}' compares by number or alphabet. List values instead, as in "
            f"[{condition.column} in (...)]."
        )


def _check_known(name: str, levels: Sequence[Any], values: Any) -> None:
    """Refuse values that are not in levels=."""
    unknown = [level for level in levels_of(values) if level not in levels]
    if unknown:
        raise ValueError(
            f"Column {name!r} has {listed(unknown, 3)}, and levels= lists {listed(levels)}. The "
            "proofs are about these values. Start a monitor whose levels= has all values, or leave "
            "such rows out."
        )


def _check_exclusive(pair: Sequence[str], columns: Mapping[str, Any]) -> None:
    """Refuse rows with 1 in both of two columns that are declared as mutually exclusive."""
    both = np.logical_and(*(np.asarray(columns[name] == 1, dtype=np.bool_) for name in pair))
    if both.any():
        raise ValueError(
            f"{int(both.sum())} rows have 1 in both {pair[0]!r} and {pair[1]!r}, and "
            "mutually_exclusive= says that no row has. The proofs assume this. Start a monitor "
            "without this pair."
        )


# -- from rows to streams --------------------------------------------------------------------------


def no_rows(estimand: Estimand) -> Stream:
    """The stream of a mean before the first row."""
    if isinstance(estimand.quantity, Rate):
        return RateStream(0, 0)
    return MeanStream(divided_between_edges(np.zeros(0)))


def counted(
    specification: MonitorSpecification, rows: MonitoredRows, *, of_labels: bool
) -> dict[Estimand, Stream]:
    """The contributions of rows to the means that wait for labels, or to the other means.

    For means that wait for labels, all of the rows must have a label.
    """
    waiting = specification.waiting_for_labels
    wanted = [mean for mean in specification.estimands if (mean in waiting) == of_labels]
    return {mean: _stream(specification, rows, mean) for mean in wanted}


def _stream(specification: MonitorSpecification, rows: MonitoredRows, mean: Estimand) -> Stream:
    positions = [i for i, c in enumerate(specification.conditions) if c in mean.conditions]
    inside = rows.holding[:, positions].all(axis=1)
    quantity, labels, predictions = mean.quantity, rows.labels, rows.predictions
    if isinstance(quantity, Rate):
        # If no label is needed, any label can be used.
        y = np.where(rows.is_labelled, labels, 0) if not needs_label(mean) else labels
        counts, successes = quantity.denominator[y, predictions], quantity.numerator[y, predictions]
        return RateStream(int((inside & successes).sum()), int((inside & counts).sum()))
    if isinstance(specification.targets, Labels):
        inside = inside & np.array(quantity.labels)[labels]
    given = labels[inside], predictions[inside]
    values = row_values((quantity.measure,), *given, None)[:, 0]
    return MeanStream(divided_between_edges(_unit(values, mean)))


def _unit(values: NDArray[np.float64], mean: Estimand) -> NDArray[np.float64]:
    """Values of a mean's rows, scaled so that its range is from 0 to 1."""
    low, high = mean.quantity.range
    unit = (values - low) / (high - low)
    outside = values[~((unit >= -ROUNDING) & (unit <= 1.0 + ROUNDING))]
    if len(outside):
        raise ValueError(
            f"{mean.label} of a row is {outside[0]:g}, which is outside its range ({low:g}, "
            f"{high:g}). The proofs assume this range. Start a monitor with a wider one."
        )
    return np.clip(unit, 0.0, 1.0)

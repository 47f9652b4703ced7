"""Rows whose labels come late.

There are two ways to count them, with different assumptions.

"as they come": a label counts as soon as it is there. What is proved rests on labels whose lateness
says nothing about their rows: among the rows that a mean is over, which labels are there by now
depends neither on labels nor on predictions. Otherwise the rows that count are of another
population. (If defaults are reported at once and repayments after a year, all early labels are
defaults. If the labels of one group come later, an accuracy over both is at first that of the
other.)

"in order": a label counts once all rows before its own have theirs. The rows that count are then
the first m rows of the stream, for some m. By Ville's inequality the capital after any number of
rows ever reaches 1 / delta with probability at most delta. It does not matter at which m it is
looked at, or why. So nothing is assumed about lateness. One label that never comes stops the count
until its row is forgotten, which assumes that such rows are like the others.

Means that need no label count at once. If a constraint has means of both kinds, all of them wait
for labels: otherwise the moment at which one is looked at could depend on the labels of another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.monitoring._rows import MonitoredRows

RowId = int | str
# How labels that come late are counted.
LATE_LABELS = ("as they come", "in order")


class WaitingRow(NamedTuple):
    """A row whose label is not counted yet, of the window at some position."""

    window: int
    prediction: int | float
    holding: tuple[bool, ...]
    label: int | float | None = None


@dataclass
class WaitingRows:
    """Rows whose labels are not counted yet, in the order in which they came.

    Parameters
    ----------
    in_order : bool
        Whether a label waits until all rows before its own have theirs.
    rows : dict of int or str to WaitingRow
    """

    in_order: bool
    rows: dict[RowId, WaitingRow] = field(default_factory=dict)

    def check_new(self, ids: Sequence[RowId]) -> None:
        """Refuse ids that there are already, or twice."""
        twice = [one for one, n in _counts(ids).items() if n > 1]
        if twice:
            raise ValueError(f"row_ids holds {listed(twice, 3)} more than once.")
        known = [one for one in ids if one in self.rows]
        if known:
            raise ValueError(
                f"row_ids holds {listed(known, 3)}, and rows with these ids still wait for their "
                "labels: give each row an id of its own."
            )

    def check_waiting(self, ids: Sequence[RowId]) -> None:
        """Refuse ids of rows that do not wait, or twice."""
        twice = [one for one, n in _counts(ids).items() if n > 1]
        if twice:
            raise ValueError(f"row_ids holds {listed(twice, 3)} more than once.")
        unknown = [one for one in ids if one not in self.rows or self.rows[one].label is not None]
        if unknown:
            raise ValueError(
                f"No row waits for a label under the id {listed(unknown, 3)}: it was never given "
                "with row_ids=, or has its label already, or was forgotten."
            )

    def keep(self, ids: Sequence[RowId], rows: MonitoredRows, window: int) -> None:
        """Keep rows that wait; those with labels too where these are counted in order."""
        is_labelled = rows.is_labelled.tolist()
        for i, one in enumerate(ids):
            label = rows.labels[i].item() if is_labelled[i] else None
            if label is None or self.in_order:
                holding = tuple(rows.holding[i].tolist())
                self.rows[one] = WaitingRow(window, rows.predictions[i].item(), holding, label)

    def with_labels(self, ids: Sequence[RowId], labels: Sequence[Any]) -> MonitoredRows:
        """Some rows as they will be with their labels."""
        pairs = zip(ids, labels, strict=True)
        return _as_rows([self.rows[one]._replace(label=label) for one, label in pairs])

    def label(self, ids: Sequence[RowId], labels: Iterable[Any]) -> None:
        """Give rows their labels."""
        for one, label in zip(ids, labels, strict=True):
            self.rows[one] = self.rows[one]._replace(label=label)

    def forget(self, ids: Sequence[RowId]) -> None:
        """Drop rows whose labels will not come."""
        for one in ids:
            del self.rows[one]

    def take_ready(self, labelled: Iterable[RowId]) -> dict[int, MonitoredRows]:
        """Remove the rows that are to be counted now, by the window that they are of.

        `labelled` are rows that have just been given their labels.
        """
        first = itertools.takewhile(lambda item: item[1].label is not None, self.rows.items())
        ready = [one for one, _ in first] if self.in_order else list(labelled)
        by_window: dict[int, list[WaitingRow]] = {}
        for one in ready:
            row = self.rows.pop(one)
            by_window.setdefault(row.window, []).append(row)
        return {window: _as_rows(rows) for window, rows in by_window.items()}


def _as_rows(rows: Sequence[WaitingRow]) -> MonitoredRows:
    """Rows with labels."""
    predictions = np.array([row.prediction for row in rows])
    kind = np.int64 if predictions.dtype.kind == "i" else np.float64
    n_conditions = len(rows[0].holding) if rows else 0
    return MonitoredRows(
        predictions.astype(kind),
        np.array([row.holding for row in rows], dtype=np.bool_).reshape(len(rows), n_conditions),
        np.array([row.label for row in rows], dtype=kind),
    )


def check_ids(row_ids: Any, n_rows: int | None = None) -> list[RowId]:
    """One id a row: whole numbers or texts.

    Raises
    ------
    TypeError, ValueError
        If they are anything else, or not as many as there are rows.
    """
    if isinstance(row_ids, str | bytes | Mapping) or not isinstance(row_ids, Iterable):
        raise TypeError(f"row_ids must list one id a row, got {short(row_ids)}.")
    ids = [one.item() if isinstance(one, np.generic) else one for one in row_ids]
    wrong = [one for one in ids if isinstance(one, bool) or not isinstance(one, int | str)]
    if wrong:
        raise TypeError(f"row_ids must be whole numbers or texts; it holds {short(wrong[0])}.")
    if n_rows is not None and len(ids) != n_rows:
        raise ValueError(f"row_ids has {len(ids)} ids for {n_rows} rows.")
    return ids


def _counts(ids: Iterable[RowId]) -> dict[RowId, int]:
    counts: dict[RowId, int] = {}
    for one in ids:
        counts[one] = counts.get(one, 0) + 1
    return counts

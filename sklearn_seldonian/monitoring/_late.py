"""Rows whose labels come late.

There are two ways to count them, with different assumptions.

"as they come": a label counts as soon as it has arrived. The proof assumes that lateness is not
informative: among the rows of a mean, which labels have arrived depends neither on labels nor on
predictions. Otherwise the counted rows come from another population. For example, if defaults are
reported at once and repayments after a year, all early labels are defaults. If the labels of one
group come later, an accuracy over two groups is at first that of the other group.

"in order": a label counts when all earlier rows have their labels. The counted rows are then the
first m rows of the stream, for some m. By Ville's inequality, the probability that the capital ever
reaches 1 / delta, after any number of rows, is at most delta. This holds for any m at which it is
evaluated, even if m is chosen because of the rows. Therefore nothing is assumed about lateness. One
label that never comes stops the count until its row is forgotten. Forgetting rows assumes that such
rows are like the others.

Means that need no label count at once. If a constraint has means of both kinds, all of them wait
for labels. Otherwise the moment at which one mean is evaluated could depend on the labels of
another.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.monitoring._rows import MonitoredRows

RowId = int | str
# The ways to count late labels.
LATE_LABELS = ("as they come", "in order")


class WaitingRow(NamedTuple):
    """A row whose label is not counted yet, with the position of its window."""

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
        Whether a label waits until all earlier rows have their labels.
    rows : dict of int or str to WaitingRow
    """

    in_order: bool
    rows: dict[RowId, WaitingRow] = field(default_factory=dict)

    @property
    def late_labels(self) -> str:
        """The way to count late labels."""
        return LATE_LABELS[int(self.in_order)]

    def copied(self) -> WaitingRows:
        """A copy that can be changed independently."""
        return WaitingRows(self.in_order, dict(self.rows))

    def check_new(self, ids: Sequence[RowId]) -> None:
        """Refuse ids of rows that are waiting already."""
        known = [one for one in ids if one in self.rows]
        if known:
            raise ValueError(
                f"row_ids has {listed(known, 3)}, and rows with these ids are still waiting for "
                "their labels. Give each row its own id."
            )

    def check_waiting(self, ids: Sequence[RowId]) -> None:
        """Refuse ids of rows that do not wait."""
        unknown = [one for one in ids if one not in self.rows or self.rows[one].label is not None]
        if unknown:
            raise ValueError(
                f"No row with the id {listed(unknown, 3)} is waiting for a label: it was never "
                "given with row_ids=, has its label already, or was forgotten. Give ids of waiting "
                "rows only."
            )

    def new(
        self, ids: Sequence[RowId], rows: MonitoredRows, window: int
    ) -> dict[RowId, WaitingRow]:
        """The rows that will wait. If labels are counted in order, these may have labels."""
        is_labelled = rows.is_labelled.tolist()
        found = {}
        for i, one in enumerate(ids):
            label = rows.labels[i].item() if is_labelled[i] else None
            if label is None or self.in_order:
                holding = tuple(rows.holding[i].tolist())
                found[one] = WaitingRow(window, rows.predictions[i].item(), holding, label)
        return found

    def labelled(self, ids: Sequence[RowId], labels: Sequence[Any]) -> dict[RowId, WaitingRow]:
        """Some of the rows, with their labels added."""
        pairs = zip(ids, labels, strict=True)
        return {one: self.rows[one]._replace(label=label) for one, label in pairs}

    def ready(
        self, changed: Mapping[RowId, WaitingRow], forgotten: Collection[RowId] = ()
    ) -> dict[RowId, WaitingRow]:
        """The rows to count, given rows that are new or have labels now, and forgotten rows."""
        if not self.in_order:
            return {one: row for one, row in changed.items() if row.label is not None}
        old = (
            (one, changed.get(one, row)) for one, row in self.rows.items() if one not in forgotten
        )
        every = itertools.chain(old, changed.items())
        return dict(itertools.takewhile(lambda item: item[1].label is not None, every))

    def change(self, changed: Mapping[RowId, WaitingRow], gone: Iterable[RowId]) -> None:
        """Add rows that are new or have labels now, and remove others."""
        self.rows.update(changed)
        for one in gone:
            del self.rows[one]


def by_window(rows: Iterable[WaitingRow]) -> dict[int, MonitoredRows]:
    """Rows with labels, by their window."""
    found: dict[int, list[WaitingRow]] = {}
    for row in rows:
        found.setdefault(row.window, []).append(row)
    return {window: _as_rows(each) for window, each in found.items()}


def _as_rows(rows: Sequence[WaitingRow]) -> MonitoredRows:
    """At least one waiting row with its label, in the form that is counted."""
    predictions = np.array([row.prediction for row in rows])
    kind = np.int64 if predictions.dtype.kind == "i" else np.float64
    n_conditions = len(rows[0].holding)
    return MonitoredRows(
        predictions.astype(kind),
        np.array([row.holding for row in rows], dtype=np.bool_).reshape(len(rows), n_conditions),
        np.array([row.label for row in rows], dtype=kind),
    )


def check_ids(row_ids: Any, n_rows: int | None = None) -> list[RowId]:
    """One id per row: whole numbers or texts, each once.

    Raises
    ------
    TypeError, ValueError
        If they are of another type, if one occurs twice, or if their number is not `n_rows`.
    """
    if isinstance(row_ids, str | bytes | Mapping) or not isinstance(row_ids, Iterable):
        raise TypeError(f"row_ids must be a list of one id per row, got {short(row_ids)}.")
    ids = [one.item() if isinstance(one, np.generic) else one for one in row_ids]
    wrong = [one for one in ids if isinstance(one, bool) or not isinstance(one, int | str)]
    if wrong:
        raise TypeError(f"row_ids must be whole numbers or texts, and it has {short(wrong[0])}.")
    if n_rows is not None and len(ids) != n_rows:
        raise ValueError(f"row_ids has {len(ids)} ids for {n_rows} rows. Give one id per row.")
    twice = [one for one, n in Counter(ids).items() if n > 1]
    if twice:
        raise ValueError(
            f"row_ids has {listed(twice, 3)} more than once. Give each row its own id."
        )
    return ids

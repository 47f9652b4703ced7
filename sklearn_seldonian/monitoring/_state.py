"""The state of a monitor: its windows, and the rows that wait for their labels."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints import ResolvedConstraint
from sklearn_seldonian.data._targets import Labels
from sklearn_seldonian.measures import ANY_NUMBER
from sklearn_seldonian.monitoring._late import RowId, WaitingRow, WaitingRows, by_window
from sklearn_seldonian.monitoring._proofs import Evidence
from sklearn_seldonian.monitoring._rows import MonitoredRows, counted
from sklearn_seldonian.monitoring._specification import MonitorSpecification
from sklearn_seldonian.monitoring._windows import Window, check_share, share_of_window


@dataclass
class MonitorState:
    """What a monitor has counted and proved.

    Parameters
    ----------
    specification : MonitorSpecification
    max_windows : int or "unlimited"
    waiting : WaitingRows
    windows : list of Window
        At least one. Rows are counted in the last one.
    streams : frozenset of str
        Random names of the streams of rows, so that no stream is merged with itself.
    """

    specification: MonitorSpecification
    max_windows: int | str
    waiting: WaitingRows
    windows: list[Window]
    streams: frozenset[str] = frozenset()

    def copied(self) -> MonitorState:
        """A copy that can be changed independently."""
        windows = [window.copied() for window in self.windows]
        return dataclasses.replace(self, waiting=self.waiting.copied(), windows=windows)

    @property
    def last(self) -> Window:
        """The window in which rows are counted."""
        return self.windows[-1]

    @property
    def shares(self) -> list[float]:
        """The share of delta of each window."""
        return [share_of_window(self.max_windows, i) for i in range(len(self.windows))]

    def evidence(self, share: float) -> list[tuple[ResolvedConstraint, Evidence]]:
        """Each constraint with its evidence in the last window, at a share of delta."""
        return [
            (constraint, self.last.evidence(self.specification, i, share))
            for i, constraint in enumerate(self.specification.constraints)
        ]

    # -- rows ------------------------------------------------------------------------------

    def add(self, rows: MonitoredRows, ids: Sequence[RowId] | None) -> None:
        """Add rows to the last window."""
        self._check_usable(rows, ids)
        without = counted(self.specification, rows, of_labels=False)
        labelled = rows.taken(rows.is_labelled)
        with_labels = counted(self.specification, labelled, of_labels=True)
        position = len(self.windows) - 1
        waiting: dict[RowId, WaitingRow] = {}
        if ids is not None and self.specification.waiting_for_labels:
            self.waiting.check_new(ids)
            waiting = self.waiting.new(ids, rows, position)
        window = self.last.copied()
        window.n_rows += len(rows.predictions)
        window.add(without)
        if not self.waiting.in_order:
            window.add(with_labels)
        self.take({position: window}, waiting)

    def add_labels(self, ids: Sequence[RowId], labels: Sequence[Any]) -> None:
        """Add the labels of waiting rows."""
        labelled = self.waiting.labelled(ids, labels)
        # Rows that cannot be counted are refused before anything is changed.
        for rows in by_window(labelled.values()).values():
            counted(self.specification, rows, of_labels=True)
        self.take({}, labelled)

    def take(
        self,
        windows: dict[int, Window],
        changed: Mapping[RowId, WaitingRow],
        forgotten: frozenset[RowId] = frozenset(),
    ) -> None:
        """Update windows and waiting rows: count rows that are ready, test, then store everything.

        Parameters
        ----------
        windows : dict of int to Window
            New windows by position, which replace the old ones.
        changed : mapping of int or str to WaitingRow
            Rows that are waiting now, or have labels now.
        forgotten : frozenset of int or str
            Rows that no longer wait.
        """
        specification = self.specification
        ready = self.waiting.ready(changed, forgotten)
        for position, rows in by_window(ready.values()).items():
            windows.setdefault(position, self.windows[position].copied())
            windows[position].add(counted(specification, rows, of_labels=True))
        for position, window in windows.items():
            share = share_of_window(self.max_windows, position)
            window.look(specification, share)
            window.note_point(specification, share)
        # The state is changed only here, so that an error above leaves it as it was.
        self.waiting.change(changed, (*ready, *forgotten))
        for position, window in windows.items():
            self.windows[position] = window
        if not self.streams and any(window.n_rows for window in windows.values()):
            self.streams = frozenset({secrets.token_hex(8)})

    def _check_usable(self, rows: MonitoredRows, ids: Sequence[RowId] | None) -> None:
        """Refuse rows that no constraint can count, or that can never be counted in order."""
        waiting = self.specification.waiting_for_labels
        if self.waiting.in_order and waiting and ids is None:
            raise ValueError(
                'row_ids was not given, and late_labels="in order" needs it: a missing label holds '
                "up later rows until add_labels adds it by its id."
            )
        nothing_else = len(waiting) == len(self.specification.estimands)
        if ids is None and nothing_else and len(rows.labels) and not rows.is_labelled.any():
            raise ValueError(
                "No constraint can count these rows, because all constraints need labels. Give "
                "y_true, or row_ids and the labels later by add_labels."
            )

    # -- windows and other monitors --------------------------------------------------------

    def restart(self, name: str | None) -> None:
        """Begin a new window; None: its name is its number."""
        position, most = len(self.windows), self.max_windows
        if isinstance(most, int) and position >= most:
            raise ValueError(
                f"windows={most} allows no further window, because the windows share delta. For "
                'more windows, make a monitor with a larger number, or with windows="unlimited".'
            )
        check_share(most, position, self.specification.deltas)
        name = f"window {position + 1}" if name is None else name
        if not isinstance(name, str) or any(window.name == name for window in self.windows):
            raise ValueError(
                f"name must be a text that is not the name of another window, got {short(name)}."
            )
        self.windows.append(Window.empty(name, self.specification))

    def merged(self, other: MonitorState) -> MonitorState:
        """The state after the rows of both. Violations are proved with all these rows anew."""
        self._check_other(other)
        waiting = self.waiting.copied()
        waiting.check_new(list(other.waiting.rows))
        waiting.change(other.waiting.rows, ())
        windows = [
            one.joined(two, self.specification, share)
            for one, two, share in zip(self.windows, other.windows, self.shares, strict=True)
        ]
        streams = self.streams | other.streams
        whole = dataclasses.replace(self, waiting=waiting, windows=windows, streams=streams)
        whole.take({len(windows) - 1: whole.last}, {})
        return whole

    def _check_other(self, other: MonitorState) -> None:
        """Refuse a state with other parameters or windows, or with rows of the same stream."""
        if self is other or self.streams & other.streams:
            raise ValueError(
                "Both monitors have rows of the same stream, which would count twice: one is the "
                "other, or a copy or saved state of it, or was merged with it. Merge monitors that "
                "each began without rows."
            )
        mine, others = (state.parameters for state in (self, other))
        differing = [name for name in mine if mine[name] != others[name]]
        if differing or self.specification.measures != other.specification.measures:
            raise ValueError(
                f"The monitors differ in {differing[0] if differing else 'measures'}, and only "
                "monitors with the same parameters can be merged. Make both with the same ones."
            )
        names, other_names = ([w.name for w in state.windows] for state in (self, other))
        if names != other_names:
            raise ValueError(
                f"The monitors have the windows {names} and {other_names}, and only monitors with "
                "the same windows can be merged. Restart both at the same moments, with the same "
                "names."
            )

    @property
    def parameters(self) -> dict[str, Any]:
        """The monitor's parameters as plain values, without measures."""
        specification, targets = self.specification, self.specification.targets
        found: dict[str, Any] = {
            "constraints": list(specification.texts),
            "delta": list(specification.deltas),
            "classes": None,
            "pos_label": None,
            "levels": {name: list(values) for name, values in specification.levels.items()},
            "mutually_exclusive": sorted(map(sorted, specification.mutually_exclusive_columns)),
            "target_range": None,
            "prediction_range": None,
            "missing": specification.missing,
            "late_labels": self.waiting.late_labels,
            "windows": self.max_windows,
        }
        if isinstance(targets, Labels):
            labels = targets.classes.tolist()
            positive = None if targets.positive is None else labels[targets.positive]
            return {**found, "classes": labels, "pos_label": positive}
        for name in ("target_range", "prediction_range"):
            ends = getattr(targets, name)
            found[name] = None if ends == ANY_NUMBER else list(ends)
        return found

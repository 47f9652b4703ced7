"""Windows of a stream: the rows from one start to the next, and what they prove."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints import Estimand
from sklearn_seldonian.monitoring._proofs import (
    Evidence,
    Stream,
    bounds_of,
    estimate_of,
    is_certified,
    is_violated,
)
from sklearn_seldonian.monitoring._rows import no_rows
from sklearn_seldonian.monitoring._specification import MonitorSpecification

UNLIMITED, MAX_WINDOWS = "unlimited", 1_000_000
# A picture has a point each time that the rows have grown by this factor.
GROWTH = 1.1


class Point(NamedTuple):
    """What was known after some rows: for each constraint its estimate and bounds."""

    n_rows: int
    estimates: tuple[float, ...]
    lowers: tuple[float, ...]
    uppers: tuple[float, ...]


@dataclass
class Window:
    """The rows from one start on.

    Attributes
    ----------
    name : str
    streams : dict of Estimand to stream
    n_rows : int
        Rows given, whether or not their labels are known.
    violated_at : list of int or None
        For each constraint the number of rows after which its violation was proved.
    points : list of Point
        For pictures.
    """

    name: str
    streams: dict[Estimand, Stream]
    violated_at: list[int | None]
    n_rows: int = 0
    points: list[Point] = field(default_factory=list)

    @classmethod
    def empty(cls, name: str, specification: MonitorSpecification) -> Window:
        """Without rows."""
        streams = {mean: no_rows(mean) for mean in specification.estimands}
        return cls(name, streams, [None] * len(specification.constraints))

    def copied(self) -> Window:
        """The same, which may change on its own."""
        parts = dict(self.streams), list(self.violated_at), self.n_rows, list(self.points)
        return Window(self.name, *parts)

    def add(self, streams: Mapping[Estimand, Stream]) -> None:
        """Add what some rows add to some means."""
        for mean, stream in streams.items():
            self.streams[mean] = self.streams[mean] + stream  # type: ignore[operator]

    def joined(self, other: Window, specification: MonitorSpecification, share: float) -> Window:
        """Of the rows of both; what is proved is what all these rows prove."""
        whole = Window.empty(self.name, specification)
        for window in (self, other):
            whole.add(window.streams)
        whole.n_rows = self.n_rows + other.n_rows
        whole.look(specification, share)
        return whole

    def look(self, specification: MonitorSpecification, share: float) -> None:
        """Note which violations are proved by now, each at its `share` of delta."""
        for i, constraint in enumerate(specification.constraints):
            if self.violated_at[i] is None:
                evidence = self.evidence(specification, i, share)
                if is_violated(constraint, evidence):
                    self.violated_at[i] = self.n_rows

    def note_point(self, specification: MonitorSpecification, share: float) -> None:
        """Note estimates and bounds for a picture, if there are enough more rows."""
        if self.points and self.n_rows < math.ceil(self.points[-1].n_rows * GROWTH):
            return
        if self.n_rows:
            self.points.append(self.point(specification, share))

    def point(self, specification: MonitorSpecification, share: float) -> Point:
        """What is known by now."""
        every = [
            (constraint, self.evidence(specification, i, share))
            for i, constraint in enumerate(specification.constraints)
        ]
        lowers, uppers = zip(*(bounds_of(*each) for each in every), strict=True)
        return Point(self.n_rows, tuple(estimate_of(*each) for each in every), lowers, uppers)

    def certified(self, specification: MonitorSpecification, share: float) -> list[bool]:
        """Which constraints the rows so far prove to hold, none of them ever proved violated."""
        return [
            self.violated_at[i] is None
            and is_certified(constraint, self.evidence(specification, i, share))
            for i, constraint in enumerate(specification.constraints)
        ]

    def evidence(self, specification: MonitorSpecification, i: int, share: float) -> Evidence:
        """Of the constraint at position `i`."""
        return Evidence(self.streams, specification.deltas[i] * share, specification.exclusive)


def check_windows(windows: int | str) -> int | str:
    """How many windows there may be.

    Raises
    ------
    ValueError
        If it is neither a whole number from 1 to 1,000,000 nor "unlimited".
    """
    is_count = isinstance(windows, int) and not isinstance(windows, bool)
    if windows != UNLIMITED and not (is_count and 1 <= int(windows) <= MAX_WINDOWS):
        raise ValueError(
            f"windows must be a whole number from 1 to {MAX_WINDOWS:,}, or {UNLIMITED!r}, got "
            f"{short(windows)}."
        )
    return windows


def check_share(windows: int | str, position: int, deltas: Sequence[float]) -> None:
    """Refuse deltas of which the window at `position` has less than numbers can tell.

    Raises
    ------
    ValueError
        Then no bound could be asked for.
    """
    least = min(deltas)
    if least * share_of_window(windows, position) < sys.float_info.min:
        raise ValueError(
            f"delta={least:g} is too small: window {position + 1} of windows={windows!r} would "
            f"have less of it than {sys.float_info.min:.0e}, the least number that is told exactly."
        )


def share_of_window(windows: int | str, position: int) -> float:
    r"""The share of each delta that the window at `position`, from 0 on, may spend.

    Of k windows each has :math:`1 / k`. Without a limit, window r (from 1 on) has
    :math:`1 / (r (r + 1))`, and all of them together 1.

    Notes
    -----
    The rows of window r are a stream of their own: given all rows before it, a violation is ever
    proved falsely in it with probability at most its share of delta, whatever made somebody start
    it, as the capital of its bets starts at 1 again. By the union bound this happens in any window
    with probability at most delta. If it were wrong, the share of streams at the limit with a
    false alarm in any window would exceed delta in a simulation.
    """
    if isinstance(windows, int):
        return 1.0 / windows
    return 1.0 / ((position + 1.0) * (position + 2.0))

"""Windows of a stream: the rows from one start to the next, and what these rows prove."""

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
# A plot has a point each time that the number of rows has grown by this factor.
GROWTH = 1.1


class Point(NamedTuple):
    """The estimates and bounds of the constraints after some rows."""

    n_rows: int
    estimates: tuple[float, ...]
    lowers: tuple[float, ...]
    uppers: tuple[float, ...]


@dataclass
class Window:
    """The rows of one window.

    Attributes
    ----------
    name : str
    streams : dict of Estimand to stream
    n_rows : int
        The number of rows given, with known labels or not.
    violated_at : list of int or None
        For each constraint, the number of rows after which its violation was proved.
    points : list of Point
        The points of plots.
    """

    name: str
    streams: dict[Estimand, Stream]
    violated_at: list[int | None]
    n_rows: int = 0
    points: list[Point] = field(default_factory=list)

    @classmethod
    def empty(cls, name: str, specification: MonitorSpecification) -> Window:
        """A window without rows."""
        streams = {mean: no_rows(mean) for mean in specification.estimands}
        return cls(name, streams, [None] * len(specification.constraints))

    def copied(self) -> Window:
        """A copy that can be changed independently."""
        parts = dict(self.streams), list(self.violated_at), self.n_rows, list(self.points)
        return Window(self.name, *parts)

    def add(self, streams: Mapping[Estimand, Stream]) -> None:
        """Add the contributions of some rows to some means."""
        for mean, stream in streams.items():
            self.streams[mean] = self.streams[mean] + stream  # type: ignore[operator]

    def joined(self, other: Window, specification: MonitorSpecification, share: float) -> Window:
        """The window with the rows of both. Violations are proved with all these rows anew."""
        whole = Window.empty(self.name, specification)
        for window in (self, other):
            whole.add(window.streams)
        whole.n_rows = self.n_rows + other.n_rows
        whole.look(specification, share)
        return whole

    def look(self, specification: MonitorSpecification, share: float) -> None:
        """Record which violations are proved now, each at its `share` of delta."""
        for i, constraint in enumerate(specification.constraints):
            if self.violated_at[i] is None:
                evidence = self.evidence(specification, i, share)
                if is_violated(constraint, evidence):
                    self.violated_at[i] = self.n_rows

    def note_point(self, specification: MonitorSpecification, share: float) -> None:
        """Record estimates and bounds for plots, if there are enough new rows."""
        if self.points and self.n_rows < math.ceil(self.points[-1].n_rows * GROWTH):
            return
        if self.n_rows:
            self.points.append(self.point(specification, share))

    def point(self, specification: MonitorSpecification, share: float) -> Point:
        """The present estimates and bounds."""
        every = [
            (constraint, self.evidence(specification, i, share))
            for i, constraint in enumerate(specification.constraints)
        ]
        lowers, uppers = zip(*(bounds_of(*each) for each in every), strict=True)
        return Point(self.n_rows, tuple(estimate_of(*each) for each in every), lowers, uppers)

    def certified(self, specification: MonitorSpecification, share: float) -> list[bool]:
        """Which constraints the rows prove to hold; False if a violation was proved before."""
        return [
            self.violated_at[i] is None
            and is_certified(constraint, self.evidence(specification, i, share))
            for i, constraint in enumerate(specification.constraints)
        ]

    def evidence(self, specification: MonitorSpecification, i: int, share: float) -> Evidence:
        """The evidence about the constraint at position `i`."""
        return Evidence(
            self.streams, specification.deltas[i] * share, specification.mutually_exclusive_columns
        )


def check_windows(windows: int | str) -> int | str:
    """The largest number of windows, checked.

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
    """Refuse deltas whose share for the window at `position` is too small for a float.

    Raises
    ------
    ValueError
        If no bound could be computed.
    """
    least = min(deltas)
    if least * share_of_window(windows, position) < sys.float_info.min:
        raise ValueError(
            f"delta={least:g} is too small: the share of window {position + 1} of "
            f"windows={windows!r} would be less than {sys.float_info.min:.0e}, the smallest number "
            "with full precision. Give a larger delta or fewer windows."
        )


def share_of_window(windows: int | str, position: int) -> float:
    r"""The share of each delta for the window at `position`, counted from 0.

    Each of k windows has the share :math:`1 / k`. Without a limit, window r (counted from 1) has
    :math:`1 / (r (r + 1))`, which sums to 1 over all windows.

    Notes
    -----
    The rows of window r are a separate stream, for which the capital of the bets starts at 1 again.
    Given all rows before it, the probability of a false alarm in this window is therefore at most
    its share of delta, for any reason to start it. By the union bound, the probability of
    a false alarm in any window is at most delta. If this were wrong, more than a share delta of
    simulated streams at the limit would have a false alarm in some window.
    """
    if isinstance(windows, int):
        return 1.0 / windows
    return 1.0 / ((position + 1.0) * (position + 2.0))

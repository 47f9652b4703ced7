"""The plot of a monitor; matplotlib is imported when it is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sklearn_seldonian._palette import (
    FAILED,
    GREY,
    INK,
    PASSED,
    SHADE,
    count_rows,
    for_text,
    pyplot,
    shortened,
)
from sklearn_seldonian._text import short
from sklearn_seldonian.monitoring._monitor import SafetyMonitor

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

INCHES_PER_CONSTRAINT, INCHES_OF_FRAME = 1.9, 0.9
# The most characters of a constraint and its verdict together.
CHARACTERS_PER_TITLE = 76


class MonitorDisplay:
    """The estimate and the bounds of each constraint against the number of rows.

    Each constraint has a panel with the estimate, the band between the two bounds, and the limit.
    The side of the limit that violates the constraint is shaded. A mark shows when a violation was
    proved, and a line where a new window began.

    Parameters
    ----------
    history : DataFrame
        A monitor's `history_`.
    findings : DataFrame
        A monitor's `to_frame()`.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One per constraint.
    figure_ : matplotlib Figure
        Both are set by `plot`.

    Examples
    --------
    >>> from sklearn_seldonian.monitoring import MonitorDisplay, SafetyMonitor
    >>> monitor = SafetyMonitor("PR <= 0.3")
    >>> for _ in range(10):
    ...     monitor = monitor.update([1, 0, 0, 1, 0, 0, 1, 0])
    >>> display = MonitorDisplay.from_monitor(monitor)
    >>> int(display.history["n_rows"].iloc[-1])
    80
    """

    def __init__(self, history: pd.DataFrame, findings: pd.DataFrame) -> None:
        self.history = history
        self.findings = findings

    @classmethod
    def from_monitor(
        cls, monitor: SafetyMonitor, *, axes: Sequence[Axes] | None = None
    ) -> MonitorDisplay:
        """Draw the history of a monitor.

        Parameters
        ----------
        monitor : SafetyMonitor
        axes : sequence of matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        MonitorDisplay

        Raises
        ------
        TypeError
            If it is not a monitor.
        ValueError
            If it has no rows yet.
        """
        if not isinstance(monitor, SafetyMonitor):
            raise TypeError(f"monitor must be a SafetyMonitor, got {short(monitor)}.")
        history = monitor.history_
        if history.empty:
            raise ValueError(
                "The monitor has no rows yet, so there is nothing to show. Give it rows by update."
            )
        return cls(history, monitor.to_frame()).plot(axes)

    def plot(self, axes: Sequence[Axes] | None = None) -> MonitorDisplay:
        """Draw one panel per constraint.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One per constraint. None: a new figure.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the number of `axes` is not the number of constraints.
        """
        constraints = list(dict.fromkeys(self.findings["constraint"]))
        if axes is None:
            size = 7.5, INCHES_OF_FRAME + INCHES_PER_CONSTRAINT * len(constraints)
            grid = pyplot().subplots(
                len(constraints), 1, figsize=size, sharex=True, squeeze=False, layout="constrained"
            )[1]
            axes = list(grid.ravel())
            axes[0].figure.legend(
                handles=_marks(), loc="outside upper left", ncols=4, frameon=False, fontsize="small"
            )
        self.axes_ = list(axes)
        if len(self.axes_) != len(constraints):
            raise ValueError(
                f"axes has {len(self.axes_)} Axes, and there are {len(constraints)} constraints: "
                "give one per constraint."
            )
        part: Any = self.axes_[0].get_figure()
        self.figure_ = part.get_figure(root=True)
        sizes = self.findings.drop_duplicates("window").set_index("window")["n_rows"]
        starts = {str(name): int(n) for name, n in (sizes.cumsum() - sizes).items()}
        for ax, constraint in zip(self.axes_, constraints, strict=True):
            self._panel(ax, constraint, starts)
        self.axes_[-1].set_xlabel("rows")
        count_rows(self.axes_[-1])
        return self

    def _panel(self, ax: Axes, constraint: str, starts: dict[str, int]) -> None:
        history = self.history[self.history["constraint"] == constraint]
        findings = self.findings[self.findings["constraint"] == constraint]
        last = findings.iloc[-1]
        color = FAILED if findings["violated"].any() else PASSED
        low, high = _visible(history, float(last["limit"]))
        for _, points in history.groupby("window", sort=False):
            lower, upper = (points[name].clip(low, high) for name in ("lower", "upper"))
            ax.fill_between(points["n_rows"], lower, upper, color=color, alpha=0.2, linewidth=0)
            ax.plot(points["n_rows"], points["estimate"], color=color, linewidth=1.8)
        ax.axhline(last["limit"], color=INK, linewidth=1.3, linestyle="--")
        beyond = (last["limit"], high) if last["operator"] == "<=" else (low, last["limit"])
        ax.axhspan(*beyond, color=SHADE, zorder=0)
        for found in findings.to_dict("records"):
            start = starts[found["window"]]
            if start:
                ax.axvline(start, color=GREY, linestyle=":", linewidth=1.2)
            if found["violated"]:
                at = start + int(found["violated_at"])
                ax.plot(at, last["limit"], "v", color=FAILED, markersize=9)
        ax.set(ylim=(low, high), xlim=(0, None))
        title: dict[str, Any] = {"fontsize": "medium", "parse_math": False}
        verdict = _verdict(last)
        name = shortened(constraint, CHARACTERS_PER_TITLE - len(verdict))
        ax.set_title(name, loc="left", color="black", **title)
        ax.set_title(verdict, loc="right", color=for_text(color), fontweight="bold", **title)
        ax.spines[["top", "right"]].set_visible(False)


def _verdict(finding: Any) -> str:
    """The verdict on the last window."""
    if finding["violated"]:
        return f"violated: proved after {int(finding['violated_at']):,} rows"
    return "holds: proved" if finding["certified"] else "not decided"


def _marks() -> list[Artist]:
    """The entries of the legend above the first constraint, in neutral colours."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Line2D([], [], color=INK, linewidth=1.8, label="estimate"),
        Patch(color="0.7", label="between the bounds"),
        Line2D([], [], color=INK, linestyle="--", label="limit"),
        Patch(color=SHADE, ec="0.8", label="violates it"),
    ]


def _visible(history: pd.DataFrame, limit: float) -> tuple[float, float]:
    """The range of the axis, with the estimates, the limit, and all bounds except the first ones.

    Bounds after few rows are so wide that nothing else could be seen, and without rows they are
    infinite.
    """
    is_later = history["n_rows"] >= history["n_rows"].max() / 10
    known_later = history[is_later & history["estimate"].notna()]
    later = known_later if len(known_later) else history
    values = [limit, *history["estimate"], *later["lower"], *later["upper"]]
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    room = 0.08 * (high - low) or 0.1 * max(abs(high), 1.0)
    return float(np.float64(low - room)), float(high + room)

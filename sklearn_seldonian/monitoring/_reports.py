"""What a monitor reports: a table, a series for plots, and text."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sklearn_seldonian.certification._results import units_of
from sklearn_seldonian.monitoring._specification import MonitorSpecification
from sklearn_seldonian.monitoring._windows import Window

ASSUMPTIONS = (
    "The rows of a window are independent draws from one population, and the constraint is about "
    "this population. For a constraint that keeps one mean on one side of a limit, or between two "
    "limits, a weaker assumption is enough. If the mean of each row, given all earlier rows, "
    "satisfies it, it is reported as violated with probability at most delta.",
    "All rows are given to the monitor. None are left out because of their labels or predictions.",
)
OF_LATENESS = {
    "as they come": "Among the rows of a mean, which labels have arrived depends neither on labels "
    "nor on predictions. (If the labels of one group come later, this is not true for means over "
    "several groups.)",
    "in order": "Labels count in the order of their rows, so nothing is assumed about when they "
    "come. Rows that were dropped by forget are like the others.",
}


def frame_of(
    specification: MonitorSpecification, windows: Sequence[Window], shares: Sequence[float]
) -> pd.DataFrame:
    """One row per window and constraint; see `SafetyMonitor.to_frame`.

    `shares` are the windows' shares of delta.
    """
    rows = []
    for window, share in zip(windows, shares, strict=True):
        point = window.point(specification, share)
        certified = window.certified(specification, share)
        for i, constraint in enumerate(specification.constraints):
            units, at = units_of(constraint.source), window.violated_at[i]
            rows.append(
                {
                    "window": window.name,
                    "constraint": specification.texts[i],
                    "n_rows": window.n_rows,
                    "estimate": point.estimates[i],
                    "lower": point.lowers[i],
                    "upper": point.uppers[i],
                    "operator": units.operator,
                    "limit": units.limit,
                    "delta": specification.deltas[i] * share,
                    "violated": at is not None,
                    "violated_at": at,
                    "certified": certified[i],
                }
            )
    return pd.DataFrame(rows).astype({"violated_at": "Int64"})


def history_of(
    specification: MonitorSpecification, windows: Sequence[Window], shares: Sequence[float]
) -> pd.DataFrame:
    """One row per window, constraint and recorded moment; see `SafetyMonitor.history_`."""
    before, rows = 0, []
    for window, share in zip(windows, shares, strict=True):
        points = list(window.points)
        if window.n_rows and (not points or points[-1].n_rows < window.n_rows):
            points.append(window.point(specification, share))
        for point in points:
            parts = zip(specification.texts, *point[1:], strict=True)
            rows += [(window.name, before + point.n_rows, *part) for part in parts]
        before += window.n_rows
    columns = ["window", "n_rows", "constraint", "estimate", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def explanation(
    specification: MonitorSpecification,
    window: Window,
    frame: pd.DataFrame,
    n_waiting: int,
    late_labels: str,
) -> str:
    """The results of the last window in plain text, one line per statement.

    `frame` is the table of `frame_of`.
    """
    lines = [
        f"{window.n_rows:,} rows in {window.name!r}, of which {n_waiting:,} are waiting for labels."
    ]
    of_window = frame.tail(len(specification.texts)).itertuples()
    for constraint, row in zip(specification.constraints, of_window, strict=True):
        rows = ", ".join(f"{m.label}: {window.streams[m].n:,.0f}" for m in constraint.estimands)
        verdict = "not decided"
        if row.violated:
            verdict = f"VIOLATED, proved after {row.violated_at:,} rows"
        elif row.certified:
            verdict = "holds, proved"
        lines.append(
            f"{row.constraint}: {verdict} (delta {row.delta:g})\n"
            f"  estimate {row.estimate:.4g}, between {row.lower:.4g} and {row.upper:.4g}; "
            f"rows of {rows}"
        )
    total = min(1.0, sum(specification.deltas))
    lines.append(
        "The probability that a bound, lower or upper, is ever wrong is at most its delta. The "
        "probability that any constraint that holds is ever reported as violated, in any "
        f"window, is at most {total:g}."
    )
    of_lateness = [OF_LATENESS[late_labels]] if specification.waiting_for_labels else []
    lines += ["Assumptions:", *(f"  - {text}" for text in (*ASSUMPTIONS, *of_lateness))]
    return "\n".join(lines)

"""The figures of the pages on auditing and monitoring."""

from __future__ import annotations

import math

import matplotlib.ticker
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from sklearn_seldonian import probability_of_passing
from sklearn_seldonian._palette import (
    BLUE,
    GREY,
    INK,
    SHADE,
    VERMILLION,
    count_rows,
    for_text,
    style_of,
)
from sklearn_seldonian.bounds import RateStream
from sklearn_seldonian.monitoring import MonitorDisplay, SafetyMonitor

DELTA = 0.05

# The stream that changes: rows, the row of the change, and rates of men and women before and after.
ROWS, CHANGE, BATCH = 12_000, 6_000, 250
BEFORE, AFTER = (0.40, 0.36), (0.50, 0.24)

# Looking often: the rate is at its limit in all streams.
LIMIT, STREAMS, ROWS_PER_LOOK, LOOKS = 0.3, 1_000, 10, 500

SAFETY_ROWS = 500, 2_000, 8_000


def changing_stream() -> Figure:
    """What a monitor shows of a stream in which the rates of two groups move apart."""
    rng = np.random.default_rng(0)
    is_man = rng.random(ROWS) < 0.5
    changed = np.arange(ROWS) >= CHANGE
    rates = np.where(changed[:, None], AFTER, BEFORE)
    decisions = (rng.random(ROWS) < np.where(is_man, rates[:, 0], rates[:, 1])).astype(int)
    sex = pd.DataFrame({"M": is_man.astype(int), "F": (~is_man).astype(int)})
    monitor = SafetyMonitor(
        ["abs(PR | [M] - PR | [F]) <= 0.1", "PR <= 0.5"],
        delta=DELTA,
        mutually_exclusive=[("M", "F")],
    )
    for start in range(0, ROWS, BATCH):
        rows = slice(start, start + BATCH)
        monitor.update(decisions[rows], None, sex[rows])
    display = MonitorDisplay.from_monitor(monitor)
    for ax in display.axes_:
        ax.axvline(CHANGE, color=INK, linewidth=1.2, linestyle=":")
    ax = display.axes_[0]
    ax.annotate(
        "the rates change",
        (CHANGE, ax.get_ylim()[1]),
        xytext=(6, -12),
        textcoords="offset points",
        color=INK,
    )
    return display.figure_


def false_alarms() -> Figure:
    """How many streams at the limit have ever raised an alarm, with a test and with a monitor."""
    rows = ROWS_PER_LOOK * np.arange(1, LOOKS + 1)
    rng = np.random.default_rng(0)
    counts = rng.binomial(ROWS_PER_LOOK, LIMIT, size=(STREAMS, LOOKS)).cumsum(axis=1)
    by_test = counts >= stats.binom.isf(DELTA, rows, LIMIT) + 1
    by_monitor = counts >= smallest_alarm(rows)
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    ax = figure.subplots()
    for alarms, color, name, height in (
        (by_test, VERMILLION, "exact test, repeated at each look", -30),
        (by_monitor, BLUE, "monitor", -13),
    ):
        share = np.logical_or.accumulate(alarms, axis=1).mean(axis=0)
        ax.plot(rows, share, color=color, linewidth=1.8)
        place = {"xytext": (-6, height), "textcoords": "offset points", "ha": "right"}
        ax.annotate(name, (rows[-1], share[-1]), **place, color=for_text(color))
    ax.axhline(DELTA, color=INK, linewidth=1.3, linestyle="--")
    ax.annotate("delta = 0.05", (0, DELTA), (60, 4), textcoords="offset points", color=INK)
    ax.set(
        xlabel=f"rows; one look after every {ROWS_PER_LOOK} rows",
        ylabel="streams with a false alarm so far",
        xlim=(0, rows[-1]),
        ylim=(0, None),
    )
    count_rows(ax)
    ax.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0))
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def smallest_alarm(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each number of rows, the smallest count with which a monitor refutes the limit."""
    limit, needed = np.array([LIMIT]), math.log(1.0 / DELTA)
    smallest, count = [], 0
    for n in rows.tolist():
        while count <= n and RateStream(count, n).log_capital(limit)[0] < needed:
            count += 1
        smallest.append(count)
    return np.array(smallest)


def passing_by_truth() -> Figure:
    """How probable it is to pass `ACC >= 0.8`, by the true accuracy and the number of rows."""
    truths = np.linspace(0.76, 0.86, 51)
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(truths[0], 0.8, color=SHADE, zorder=0)
    for i, n_rows in enumerate(SAFETY_ROWS):
        passing = [probability_of_passing("ACC >= 0.8", {"ACC": t}, n_rows) for t in truths]
        look = {**style_of(i), "marker": "", "linewidth": 1.8}
        ax.plot(truths, passing, label=f"{n_rows:,} rows", **look)
    ax.axhline(DELTA, color=INK, linewidth=1.3, linestyle="--")
    ax.annotate("delta = 0.05", (0.858, DELTA), (0, 5), textcoords="offset points", ha="right")
    ax.axvline(0.8, color=GREY, linewidth=1.2)
    ax.text(0.798, 0.93, "violates the constraint", ha="right", color=INK)
    ax.text(0.802, 0.93, "satisfies it", color=INK)
    ax.set(
        xlabel="true accuracy of the model",
        ylabel="probability of passing",
        xlim=(truths[0], truths[-1]),
        ylim=(0, 1),
    )
    ax.legend(loc="center right", frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


FIGURES = {
    "changing_stream.png": changing_stream,
    "false_alarms.png": false_alarms,
    "passing_by_truth.png": passing_by_truth,
}

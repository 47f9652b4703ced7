"""The figures of the user guide's first pages."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.preprocessing import StandardScaler

from figures._tables import read_table
from sklearn_seldonian import SeldonianClassifier, probability_of_passing
from sklearn_seldonian._palette import BLUE, FAILED, GREY, INK, PASSED, SHADE, SKY
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.measures import RATES
from sklearn_seldonian.plotting import PowerDisplay, TradeoffDisplay

MONO = {"family": "monospace", "fontsize": 9, "parse_math": False}


# -- State a constraint --------------------------------------------------------------------------


def kinds_of_limits() -> Figure:
    """A limit on every group, on a gap and on a ratio, for the same three rates."""
    rates = {"A": 0.62, "B": 0.58, "C": 0.52}
    high = max(rates.values())
    panels = (
        ("min(PR, by=race) >= 0.45", "0.45", (0.45, 1.0)),
        ("max(PR, by=race) - min(PR, by=race) <= 0.15", "0.62 - 0.15 = 0.47", (high - 0.15, high)),
        ("min(PR, by=race) >= 0.8 * max(PR, by=race)", "0.8 * 0.62 = 0.496", (0.8 * high, high)),
    )
    figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.8), sharey=True, layout="constrained")
    for ax, (text, words, allowed) in zip(axes, panels, strict=True):
        ax.axhspan(*allowed, color=SKY, alpha=0.25, linewidth=0)
        ax.plot(list(rates), list(rates.values()), "o", color=BLUE, markersize=8)
        ax.axhline(allowed[0], color=INK, linewidth=1, linestyle="--")
        where = {"ha": "center", "va": "top", "fontsize": "small", "color": INK}
        ax.text(1, allowed[0] - 0.02, f"lowest rate allowed: {words}", **where)
        ax.set_title(text.replace(" - min", "\n- min").replace(" >= 0.8", "\n>= 0.8"), **MONO)
        ax.set(xlim=(-0.6, 2.6), ylim=(0.3, 0.75), xlabel="race")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("rate of positive decisions")
    return figure


# -- The constraint language ---------------------------------------------------------------------


def entries_of_rates() -> Figure:
    """Which entries of the confusion matrix each rate of two classes counts."""
    names = [name for name, rate in RATES.items() if rate.n_indices < 2]
    figure, axes = plt.subplots(2, (len(names) + 1) // 2, figsize=(8, 3.5), layout="constrained")
    for ax, name in zip(axes.ravel(), names, strict=False):
        rate = RATES[name].rate(name, 2, (1,)[: RATES[name].n_indices])
        _draw_entries(ax, rate.denominator, rate.numerator)
        ax.set_title(name, fontsize="medium")
    for ax in axes.ravel()[len(names) :]:
        ax.remove()
    axes[0, 0].set(ylabel="label")
    axes[0, 0].set_xlabel("decision", labelpad=1)
    handles = [Rectangle((0, 0), 1, 1, facecolor=color, edgecolor=INK) for color in (BLUE, SKY)]
    words = ["numerator", "rest of the denominator"]
    figure.legend(handles, words, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw_entries(ax, counted, succeeds) -> None:
    """A confusion matrix: the numerator dark, the rest of the denominator light."""
    for y in range(2):
        for decision in range(2):
            color = "white"
            if counted[y, decision]:
                color = BLUE if succeeds[y, decision] else SKY
            ax.add_patch(Rectangle((decision, y), 1, 1, facecolor=color, edgecolor=INK))
    ax.set(xlim=(0, 2), ylim=(2, 0), aspect="equal")
    ax.set_xticks([0.5, 1.5], ["−", "+"])
    ax.set_yticks([0.5, 1.5], ["−", "+"])
    ax.tick_params(length=0, labelsize="small")
    ax.spines[:].set_visible(False)


# -- Choose delta, split and rows ----------------------------------------------------------------


def passing_against_rows() -> Figure:
    """The probability of passing a limit on a gap, for models with three different gaps."""
    n_rows = np.unique(np.geomspace(200, 40_000, 24).round().astype(int))
    shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
    probabilities = {}
    for gap in (0.0, 0.05, 0.075):
        rates = {"PR | [M]": 0.4, "PR | [F]": 0.4 + gap}
        limit = "abs(PR | [M] - PR | [F]) <= 0.1"
        passing = [probability_of_passing(limit, rates, int(n), shares) for n in n_rows]
        probabilities[f"true gap {gap:g}"] = np.array(passing)
    display = PowerDisplay(n_rows, probabilities).plot()
    display.ax_.axhline(0.9, color=GREY, linewidth=1, linestyle=":")
    display.ax_.text(210, 0.915, "power 0.9", color=INK, fontsize="small")
    return display.figure_


def cost_of_a_limit() -> Figure:
    """The accuracy that a stricter limit costs on the GPA data."""
    gpa = load_gpa(as_frame=True)
    model = SeldonianClassifier(
        constraints="abs(PR | [M] - PR | [F]) <= 0.1",
        preprocessor=StandardScaler(),
        module__hidden=(),
        max_epochs=10,
        random_state=0,
    )
    limits = [0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2]
    display = TradeoffDisplay.from_estimator(
        model, gpa.data, gpa.target, limits, sensitive_features=gpa.sensitive_features
    )
    return display.figure_


# -- Which rows do I have? -----------------------------------------------------------------------


def rows_treated_as_independent() -> Figure:
    """Shares of false certificates that `benchmarks/rows.py` found."""
    table = read_table("groups.csv")
    n_groups = [f"{n:,}" for n in table["groups"]]
    found = {
        "rows treated as independent": (table["taken_for_independent"], FAILED, "//"),
        "groups=": (table["with_groups"], PASSED, ""),
    }
    figure, ax = plt.subplots(figsize=(6.5, 3.1), layout="constrained")
    for side, (label, (shares, color, hatch)) in zip((-0.2, 0.2), found.items(), strict=True):
        at = np.arange(3) + side
        style = {"facecolor": color, "hatch": hatch, "edgecolor": "white", "label": label}
        bars = ax.bar(at, shares, width=0.38, **style)
        look = {"fontsize": "small", "color": INK, "padding": 2 if side < 0 else 9}
        ax.bar_label(bars, [f"{share:.1%}" for share in shares], **look)
    ax.axhline(0.05, color=INK, linestyle="--", linewidth=1, label="delta = 0.05")
    ax.set_xticks(range(3), n_groups)
    ax.set(xlabel="groups tested, of 1 to 50 rows", ylabel="false certificates", ylim=(0, 0.5))
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


# -- Read No Solution Found ----------------------------------------------------------------------


def four_outcomes() -> Figure:
    """Where estimate and bound can be, for a constraint with an upper limit of 0.1."""
    outcomes = (
        ("passed", 0.05, 0.085),
        ("the estimate meets the limit,\nthe bound does not: too few rows", 0.06, 0.14),
        ("the estimate violates the limit:\nno model was found that meets it", 0.13, 0.17),
        ("no bound: a group without rows,\nor the test was not run", None, None),
    )
    figure, ax = plt.subplots(figsize=(8, 3.1), layout="constrained")
    ax.axvspan(0.1, 0.2, color=SHADE)
    ax.axvline(0.1, color=INK, linewidth=1)
    for row, (_, estimate, bound) in enumerate(outcomes):
        if estimate is None:
            ax.annotate("", (0.2, row), (0.0, row), arrowprops={"arrowstyle": "->", "color": GREY})
            continue
        color = PASSED if bound <= 0.1 else FAILED
        ax.plot([estimate, bound], [row, row], color=color, linewidth=1.5)
        ax.plot(estimate, row, "o", color=color, markersize=8)
        ax.plot(bound, row, "|", color=color, markersize=16, markeredgewidth=2.5)
        small = {"fontsize": "small", "color": INK, "ha": "center"}
        ax.text(estimate, row - 0.25, "estimate", **small)
        ax.text(bound, row - 0.25, "bound", **small)
    ax.set_yticks(range(len(outcomes)), [words for words, _, _ in outcomes])
    ax.set_xticks([0.0, 0.05, 0.1, 0.15, 0.2], ["0", "0.05", "limit 0.1", "0.15", "0.2"])
    ax.set(xlim=(0, 0.2), ylim=(len(outcomes) - 0.5, -0.6))
    ax.set_title("shaded: violates the limit", loc="right", fontsize="small", color=INK)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return figure


FIGURES = {
    f"{draw.__name__}.svg": draw
    for draw in (
        kinds_of_limits,
        entries_of_rates,
        passing_against_rows,
        cost_of_a_limit,
        rows_treated_as_independent,
        four_outcomes,
    )
}

"""Boxes and arrows: the figures of the manual that show steps, not numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn_seldonian._palette import (
    BLUE,
    FAILED,
    GREEN,
    GREY,
    INK,
    PASSED,
    SHADE,
    for_text,
    pyplot,
)

TEXT = {"fontsize": 9, "color": "black", "ha": "center", "va": "center"}
Point = tuple[float, float]


def split_and_test() -> Any:
    """The rows are split, one part trains, and the other is used for one test."""
    ax = _canvas(width=8.2, height=2.7, columns=11.6, rows=3.3)
    _box(ax, (0.8, 1.7), "rows", size=(1.1, 0.8))
    _box(ax, (2.8, 2.7), "candidate data", size=(1.8, 0.8), edge=BLUE)
    _box(ax, (2.8, 0.7), "safety data\n(set aside)", size=(1.8, 0.9), edge=GREEN)
    _box(ax, (5.3, 2.7), "training and\nselection", size=(1.8, 0.8), edge=BLUE)
    _box(ax, (7.5, 2.7), "candidate\nmodel", size=(1.5, 0.8), edge=BLUE)
    _box(ax, (7.5, 0.7), "one test of each\nconstraint", size=(1.9, 0.9), edge=GREEN)
    _box(ax, (10.7, 1.5), "model", size=(1.5, 0.7), edge=PASSED)
    _box(ax, (10.7, 0.4), "No Solution\nFound", size=(1.5, 0.8), edge=FAILED)
    _arrow(ax, (1.35, 1.9), (1.9, 2.5))
    _arrow(ax, (1.35, 1.5), (1.9, 0.9))
    _arrow(ax, (3.7, 2.7), (4.4, 2.7))
    _arrow(ax, (6.2, 2.7), (6.75, 2.7))
    _arrow(ax, (7.5, 2.3), (7.5, 1.15))
    _arrow(ax, (3.7, 0.7), (6.55, 0.7))
    _arrow(ax, (8.45, 0.85), (9.95, 1.5), color=PASSED)
    _arrow(ax, (8.45, 0.55), (9.95, 0.4), color=FAILED)
    _label(ax, (9.1, 1.45), "all pass", color=PASSED)
    _label(ax, (9.2, 0.2), "otherwise", color=FAILED)
    _label(ax, (5.1, 0.95), "not read before the test")
    return ax.figure


def delta_over_constraints() -> Any:
    """How much of delta each part of a specification is tested with."""
    ax = _canvas(width=8.2, height=4.6, columns=10.6, rows=8.0)
    _box(ax, (1.0, 4.2), "fit with\ndelta = 0.05", size=(1.7, 1.0))
    _branch(
        ax,
        (1.85, 4.2),
        (4.0, 6.9),
        "abs(PR | [M] - PR | [F]) <= 0.1",
        [("M above F by at most 0.1", "0.05"), ("F above M by at most 0.1", "0.05")],
        "two sides: both must hold",
    )
    _branch(
        ax,
        (1.85, 4.2),
        (4.0, 4.2),
        "max(FPR, by=race) <= 0.2",
        [("race A", "0.05"), ("race B", "0.05"), ("race C", "0.05")],
        "groups: all must hold",
    )
    _branch(
        ax,
        (1.85, 4.2),
        (4.0, 1.2),
        "min(FPR, FNR) <= 0.1",
        [("fit: the one that was chosen", "0.05"), ("certify: each of the two", "0.025")],
        "alternatives: one must hold",
    )
    _label(ax, (8.0, 7.85), "tested with", color=INK)
    return ax.figure


def divisions_of_rows() -> Any:
    """The divisions of the safety rows in two that equalised odds rest on."""
    ax = _canvas(width=8.2, height=3.6, columns=10.6, rows=5.6)
    _box(ax, (1.1, 2.8), "safety rows", size=(1.5, 0.7))
    middle = {"M": 4.2, "F": 1.4}
    for group, y in middle.items():
        _box(ax, (3.5, y), f"group {group}", size=(1.4, 0.7))
        _arrow(ax, (1.85, 2.8), (2.8, y), color=GREY)
        for label, offset in (("1", 0.7), ("0", -0.7)):
            place = y + offset
            _box(ax, (5.9, place), f"label {label}", size=(1.3, 0.6), edge=BLUE)
            _arrow(ax, (4.2, y), (5.25, place), color=GREY)
            rate = "FNR" if label == "1" else "FPR"
            event = "negative" if label == "1" else "positive"
            _arrow(ax, (6.55, place), (7.15, place), color=BLUE)
            text = f"decided {event}: binomial, {rate} | [{group}]"
            _label(ax, (7.25, place), text, ha="left", color=BLUE)
    return ax.figure


def models_on_one_sample() -> Any:
    """Holm's method and the fixed sequence for three models on the same rows."""
    ax = _canvas(width=8.2, height=3.0, columns=10.6, rows=4.2)
    certified, failed = ("certified", PASSED), ("fails: stop", FAILED)
    for y, name, tests in (
        (
            3.0,
            "Holm:\nsmallest p first",
            (
                ("A, p = 0.004\ntested at delta / 3", *certified),
                ("C, p = 0.020\ntested at delta / 2", *certified),
                ("B, p = 0.300\ntested at delta", *failed),
            ),
        ),
        (
            1.0,
            "fixed sequence:\nA, B, C",
            (
                ("A, p = 0.004\ntested at delta", *certified),
                ("B, p = 0.300\ntested at delta", *failed),
                ("C", "not tested", GREY),
            ),
        ),
    ):
        _label(ax, (1.1, y), name, color="black")
        for i, (test, verdict, edge) in enumerate(tests):
            x = 3.6 + 2.75 * i
            _box(ax, (x, y), f"{test}\n{verdict}", size=(2.1, 1.3), edge=edge)
            if i:
                _arrow(ax, (x - 1.7, y), (x - 1.05, y), color=GREY)
    return ax.figure


LAYERS = (
    ("_command_line", "the same from a shell: files in, files and a status out"),
    ("plotting, experiments, monitoring", "what is done with models and certificates"),
    ("model_selection, metrics", "public functions and classes on top of the estimators"),
    ("estimators", "scikit-learn's conventions; they store results and do nothing else"),
    ("learners, modules", "what trains; the safety test at the end"),
    ("selection", "what would pass; which candidate and thresholds are kept"),
    ("certification, data", "answers, statistics, test, certificate; rows and the split"),
    ("constraints, bounds", "the language and how delta is spent; statistics in, a bound out"),
    ("exceptions, measures, datasets", "used by all"),
)


def layers() -> Any:
    """The layers of the package, each of which imports from those below."""
    ax = _canvas(width=7.4, height=4.7, columns=10.0, rows=9.0)
    for y, (modules, words) in enumerate(reversed(LAYERS)):
        _label(ax, (0.3, y + 0.45), f"L{y}")
        _box(ax, (2.4, y + 0.45), modules, size=(3.5, 0.7), edge=BLUE)
        _label(ax, (4.4, y + 0.45), words, ha="left", color="black")
    return ax.figure


STEPS = (
    ("X, y, sensitive_features", "estimators/_base", "_validate checks parameters and rows"),
    ("LabelledRows", "data/_split", "split_rows; nothing reads the safety rows before the test"),
    ("Split", "learners/_protocol", "Problem.of; candidate rows give names a meaning"),
    ("Problem", "learners/lagrangian", "LagrangianLearner.train, on candidate rows"),
    (
        "Trained | NotTrained(reason)",
        "learners/_verdict",
        "certify_outcome; one test by certification/_certifier",
    ),
    (
        "SafetyCertificate | None",
        "estimators/_model",
        "_store keeps model and certificate, or the fallback",
    ),
)


def path_through_fit() -> Any:
    """The values that `fit` makes one after another, and which module makes each."""
    ax = _canvas(width=7.4, height=5.2, columns=10.0, rows=11.0)
    for i, (value, module, words) in enumerate(STEPS):
        y = 10.4 - 1.9 * i
        _box(ax, (2.0, y), value, size=(3.7, 0.8), edge=BLUE)
        _arrow(ax, (2.0, y - 0.4), (2.0, y - (1.5 if i < len(STEPS) - 1 else 1.0)), color=GREY)
        _label(ax, (2.3, y - 0.95), f"{module}: {words}", ha="left", color="black")
    return ax.figure


def _branch(
    ax: Any, start: Point, at: Point, text: str, leaves: Sequence[tuple[str, str]], rule: str
) -> None:
    """A constraint with what it is divided into."""
    x, y = at
    _box(ax, at, text, size=(3.3, 0.7), edge=BLUE)
    _arrow(ax, start, (x - 1.65, y), color=GREY)
    _label(ax, (x, y - 0.6), rule)
    first = y + 0.75 * (len(leaves) - 1) / 2.0
    for i, (leaf, share) in enumerate(leaves):
        place = first - 0.75 * i
        _arrow(ax, (x + 1.65, y), (x + 2.35, place), color=GREY)
        _label(ax, (x + 2.45, place), leaf, ha="left", color="black")
        _label(ax, (x + 6.2, place), share, color=GREEN)


def _canvas(width: float, height: float, columns: float, rows: float) -> Any:
    """Axes without axes."""
    _, ax = pyplot().subplots(figsize=(width, height), layout="constrained")
    ax.set(xlim=(0.0, columns), ylim=(-0.1, rows))
    ax.axis("off")
    return ax


def _box(ax: Any, at: Point, text: str, size: Point, edge: str = INK) -> None:
    (x, y), (width, height) = at, size
    look = {"boxstyle": "round,pad=0,rounding_size=0.1", "facecolor": SHADE, "edgecolor": edge}
    from matplotlib.patches import FancyBboxPatch

    corner = x - width / 2.0, y - height / 2.0
    ax.add_patch(FancyBboxPatch(corner, width, height, linewidth=1.3, **look))
    ax.text(x, y, text, **TEXT)


def _arrow(ax: Any, start: Point, end: Point, color: str = INK) -> None:
    look = {"arrowstyle": "->", "color": color, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 1}
    ax.annotate("", xy=end, xytext=start, arrowprops=look)


def _label(ax: Any, at: Point, text: str, color: str = INK, ha: str = "center") -> None:
    ax.text(*at, text, **{**TEXT, "color": for_text(color), "ha": ha})


FIGURES = {
    "delta_over_constraints.svg": delta_over_constraints,
    "divisions_of_rows.svg": divisions_of_rows,
    "layers.svg": layers,
    "models_on_one_sample.svg": models_on_one_sample,
    "path_through_fit.svg": path_through_fit,
    "split_and_test.svg": split_and_test,
}

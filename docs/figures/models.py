"""The figures of the user guide on models.

All but one are drawn from fits to the GPA data; `families` reads `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian._palette import FAILED, GREY, INK, PASSED, STYLES, for_text
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.plotting import TrainingDisplay

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "RESULTS.md"
PARITY = "abs(PR | [M] - PR | [F]) <= 0.1"
# The columns of the table in RESULTS.md, and what each is called in the figure.
FAMILIES = {3: "linear", 2: "default: linear or network", 4: "boosted trees"}
CELL = re.compile(r"(?P<solved>[\d.]+) / (?P<accuracy>[\d.]+) ± (?P<error>[\d.]+)")


def students(n_rows: int):
    """The first rows of the GPA data: features, labels and groups."""
    gpa = load_gpa(as_frame=True)
    return gpa.data[:n_rows], gpa.target[:n_rows], gpa.sensitive_features[:n_rows]


def training() -> Figure:
    """A fit that begins where one of its two constraints is infeasible."""
    X, y, groups = students(8_000)
    model = SeldonianClassifier(
        constraints=[PARITY, "ACC >= 0.6"],
        preprocessor=StandardScaler(),
        module__hidden=(),
        lr=0.002,
        random_state=0,
    )
    return TrainingDisplay.from_estimator(model.fit(X, y, sensitive_features=groups)).figure_


def families() -> Figure:
    """Accuracy and solved share of three families, from the table of `benchmarks/rivals.py`."""
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    ax = figure.subplots()
    rows = list(rows_of_rivals(RESULTS.read_text()))
    for i, (column, name) in enumerate(FAMILIES.items()):
        cells = [CELL.match(row[column]) for row in rows]
        heights = [position + 0.22 * (i - 1) for position in range(len(rows))]
        accuracies = [float(cell["accuracy"]) for cell in cells]
        errors = [float(cell["error"]) for cell in cells]
        look = {"color": STYLES[i].color, "marker": STYLES[i].marker, "linestyle": "none"}
        ax.errorbar(accuracies, heights, xerr=errors, label=name, capsize=2, **look)
        for cell, height in zip(cells, heights, strict=True):
            text = f"{float(cell['solved']):.0%}"
            place = float(cell["accuracy"]) + float(cell["error"]), height
            offset = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
            ax.annotate(text, place, fontsize="small", color=for_text(STYLES[i].color), **offset)
    ax.set_yticks(range(len(rows)), [entry_in_words(row[0]) for row in rows])
    ax.set(xlabel="Mean accuracy of the certified models on the population", xlim=(0.45, 0.92))
    ax.set_title(
        "percentages: share of the fits that were certified", loc="right", fontsize="small"
    )
    finish(ax, legend="lower right")
    ax.invert_yaxis()
    return figure


def rows_of_rivals(text: str) -> Iterator[list[str]]:
    """The cells of each entry of the first table under the heading of `benchmarks/rivals.py`."""
    _, _, section = text.partition("benchmarks/rivals.py")
    lines = section.partition("\n## ")[0].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def entry_in_words(entry: str) -> str:
    """An entry such as "GPA, DP .1, m 1,000" for readers who have not seen the benchmark."""
    data, constraint, size = entry.split(", ", 2)
    constraint = re.sub(r"^DP ", "parity gap ≤ 0", constraint)
    constraint = re.sub(r"^DI ", "parity ratio ≥ 0", constraint)
    constraint = constraint.replace(">= .", "≥ 0.")
    return f"{data}, {constraint}\n{size.removeprefix('m ')} rows"


def search() -> Figure:
    """Nine settings, as candidate rows judge them, and those of them that were tested."""
    X, y, groups = students(8_000)
    model = SeldonianClassifier(
        constraints=PARITY, preprocessor=StandardScaler(), max_epochs=5, random_state=0
    )
    grid = {"module__hidden": [(), (16,), (64, 64)], "lr": [1e-4, 1e-3, 1e-2]}
    found = SeldonianSearchCV(model, grid, cv=2, test="fixed-sequence")
    found.fit(X, y, sensitive_features=groups)
    results = found.cv_results_
    passing, error = results["mean_test_passing"], results["mean_test_error"]
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    ax = figure.subplots()
    for i, hidden in enumerate(grid["module__hidden"]):
        own = [
            j for j, setting in enumerate(results["params"]) if setting["module__hidden"] == hidden
        ]
        look = {"color": STYLES[i].color, "marker": STYLES[i].marker}
        ax.scatter(passing[own], error[own], label=str(hidden), zorder=2, **look)
    for order, test in enumerate(found.tested_, start=1):
        verdict = "passed" if test.certificate.passed else "failed"
        kept = ", kept" if test.index == found.best_index_ else ""
        place = passing[test.index], error[test.index]
        ax.scatter(*place, s=140, facecolors="none", edgecolors=INK, zorder=1)
        beside = {"xytext": (-10, -2), "textcoords": "offset points", "ha": "right"}
        ax.annotate(f"test {order}: {verdict}{kept}", place, fontsize="small", **beside)
    ax.axvline(model.power, color=GREY, linestyle=":", label="requested power")
    ax.set(
        xlabel="Predicted probability of passing, on held-out candidate rows",
        ylabel="Share of wrong decisions",
    )
    finish(ax)
    figure.legend(loc="outside right upper", frameon=False, title="hidden layers")
    return figure


def thresholds() -> Figure:
    """Thresholds of one model, tested in a fixed sequence up to the first that fails."""
    X, y, _ = students(9_500)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:4_000], y[:4_000])
    frozen, constraint = FrozenEstimator(fitted), "FPR <= 0.25"
    models = {
        str(threshold): FixedThresholdClassifier(frozen, threshold=threshold).fit(X[:2], y[:2])
        for threshold in (0.65, 0.6, 0.55, 0.5, 0.45, 0.4)
    }
    found = certify(models, X[8_000:], y[8_000:], constraint, multiple="fixed-sequence")
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    ax = figure.subplots()
    for position, certificate in enumerate(found.values()):
        (result,) = certificate.results
        if certificate.statistics is None:
            ax.annotate("not tested", (position, 0.02), ha="center", fontsize="small", color=INK)
            continue
        color = PASSED if result.passed else FAILED
        ax.plot([position] * 2, [result.estimate, result.bound], color=color, marker="_", zorder=1)
        ax.plot(position, result.estimate, color=color, marker="o" if result.passed else "X")
        words = "passed" if result.passed else "failed"
        under = {"xytext": (0, -15), "textcoords": "offset points", "ha": "center"}
        look = {"fontsize": "small", "color": for_text(color)}
        ax.annotate(words, (position, result.estimate), **look, **under)
    ax.axhline(0.25, color=INK, linestyle="--", linewidth=1)
    ax.annotate("limit", (len(models) - 0.55, 0.255), fontsize="small", color=INK, ha="right")
    ax.set_xticks(range(len(models)), models)
    ax.set(
        xlabel="Decision threshold, in the order of the tests",
        ylabel="FPR: estimate (mark), upper bound",
        xlim=(-0.6, len(models) - 0.4),
        ylim=(0, None),
    )
    ax.margins(y=0.15)
    finish(ax)
    return figure


def finish(ax, legend: str = "") -> None:
    """Leave out the frame, and add a legend at a place, if any."""
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        ax.legend(loc=legend, frameon=False)


FIGURES = {
    "training_fit.svg": training,
    "model_families.svg": families,
    "search_settings.svg": search,
    "threshold_sequence.svg": thresholds,
}

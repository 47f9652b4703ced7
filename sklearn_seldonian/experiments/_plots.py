"""Plots of performance, solution rate and failure rate; matplotlib is imported when drawing."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian._palette import pyplot, shortened, style_of
from sklearn_seldonian.certification._requests import warn_of_large_delta
from sklearn_seldonian.experiments._summary import metrics_of, summarise_results
from sklearn_seldonian.experiments._table import load_results

WEIGHT = {"markersize": 5, "linewidth": 1.6, "elinewidth": 1.0, "capsize": 2.5}
# Points of one sample size are drawn side by side. They spread over this share of the distance to
# the next size.
DODGE = 0.05
CHARACTERS_PER_NAME, CHARACTERS_PER_LINE = 48, 120
# Sizes are close if their distance is less than this share of the axis.
CLOSE = 0.25


class ExperimentDisplay:
    """Performance, solution rate and failure rate against the amount of data.

    Parameters
    ----------
    summary : DataFrame
        The table that `summarise_results` returns.
    metric : str
        The name of the performance metric.
    delta : float or None, default=0.05
        The accepted probability of failure, drawn as a line. None: no line.
    violation : {"hard", "soft"}, default="hard"
        Whether failures are violations by decisions ("hard") or by mean probabilities ("soft").
    confidence_level : float in (0, 1), default=0.95
        The confidence level of the intervals in `summary`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (3,)
    figure_ : matplotlib Figure
        Both are set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_seldonian.experiments import ExperimentDisplay, run_experiment
    >>> X, y = make_classification(random_state=0)
    >>> results = run_experiment(
    ...     {"random": DummyClassifier(strategy="uniform")}, X, y, "PR <= 0.6",
    ...     sample_sizes=[20, 50], n_trials=2,
    ... )
    >>> display = ExperimentDisplay.from_results(results)
    """

    def __init__(self, summary, metric, delta=0.05, violation="hard", confidence_level=0.95):
        self.summary = summary
        self.metric = metric
        self.delta = delta
        self.violation = violation
        self.confidence_level = confidence_level

    @classmethod
    def from_results(
        cls, results, *, metric=None, delta=0.05, violation="hard", confidence_level=0.95, axes=None
    ):
        """Draw a table of trials.

        Parameters
        ----------
        results : DataFrame or path
            The table that `run_experiment` returned, or the folder that it wrote to.
        metric, violation, confidence_level
            As in `summarise_results`.
        delta : float or None, default=0.05
            The accepted probability of failure, drawn as a line. None: no line.
        axes : array of three matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        ExperimentDisplay
        """
        if isinstance(results, str | os.PathLike):
            results = load_results(results)
        summary = summarise_results(
            results, metric=metric, violation=violation, confidence_level=confidence_level
        )
        metric = metric or metrics_of(results)[0]
        if delta is not None:
            warn_of_large_delta([delta])
        return cls(summary, metric, delta, violation, confidence_level).plot(axes)

    def plot(self, axes=None):
        """Draw the three plots side by side.

        Parameters
        ----------
        axes : array of three matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        self
        """
        owns_figure = axes is None
        if owns_figure:
            names = self.summary["estimator"].unique().tolist()
            rows = math.ceil(len(names) / _columns(names))
            _, axes = pyplot().subplots(1, 3, figsize=(11, 3.9 + 0.25 * rows), layout="constrained")
        self.axes_, self.figure_ = axes, axes[0].figure
        failure = "Failure rate" + " (by probabilities)" * (self.violation == "soft")
        metric = self.metric.removeprefix("neg_").replace("_", " ").capitalize()
        sign = "−" * self.metric.startswith("neg_")
        self._draw(axes[0], "performance", f"{sign}{metric} of solutions")
        self._draw(axes[1], "solution_rate", "Solution rate")
        self._draw(axes[2], "failure_rate", failure)
        for ax in axes[1:]:
            ax.set_ylim(-0.04, 1.04)
        if self.delta is not None:
            axes[2].axhline(self.delta, color="0.25", linewidth=1.2, zorder=1)
            outside = {"transform": axes[2].get_yaxis_transform(), "va": "center", "color": "0.25"}
            axes[2].text(1.01, self.delta, f"δ = {self.delta:g}", **outside)
        self._explain(self.figure_ if owns_figure else axes[0], owns_figure)
        return self

    def _draw(self, ax, column, title):
        sizes = np.unique(self.summary["sample_size"].to_numpy())
        # The factor between the positions of two estimators at one sample size.
        apart = min(sizes[1:] / sizes[:-1], default=2.0) ** DODGE
        groups = self.summary.groupby("estimator", sort=False)
        for position, (name, group) in enumerate(groups):
            points = group.sort_values("sample_size")
            ends = points[[f"{column}_low", f"{column}_high"]].to_numpy().T
            ax.errorbar(
                points["sample_size"] * apart ** (position - (len(groups) - 1) / 2),
                points[column],
                yerr=np.abs(ends - points[column].to_numpy()),
                label=name,
                **style_of(position),
                **WEIGHT,
            )
        ax.set_xscale("log")
        slanted = {"rotation": 30, "ha": "right"} if _are_crowded(sizes) else {}
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes], **slanted)
        ax.set_xticks([], minor=True)
        ax.set_xlabel("Rows given to fit")
        ax.set_title(title, loc="left", fontsize="medium")
        ax.grid(color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)

    def _explain(self, owner, owns_figure):
        """One legend for all plots, which also explains the bars."""
        handles, names = self.axes_[0].get_legend_handles_labels()
        place = {"loc": "outside lower center", "ncols": _columns(names)} if owns_figure else {}
        title = f"Bars are {self.confidence_level:.0%} confidence intervals"
        legend = owner.legend(
            handles,
            [shortened(name, CHARACTERS_PER_NAME) for name in names],
            frameon=False,
            title=title,
            title_fontsize="small",
            **place,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _are_crowded(sizes: NDArray[np.int64]) -> bool:
    """Whether the numbers of two sizes would touch each other on a logarithmic axis."""
    distances = np.diff(np.log(sizes))
    return bool(len(distances) and distances.min() < CLOSE * distances.sum())


def _columns(names: list[str]) -> int:
    """The number of columns in which a legend's names fit, with rows of about equal length."""
    longest = min(max(map(len, names)), CHARACTERS_PER_NAME)
    most = CHARACTERS_PER_LINE // (longest + 8)
    return math.ceil(len(names) / math.ceil(len(names) / most))


def plot_experiment(
    results: pd.DataFrame | str | os.PathLike[str],
    *,
    metric: str | None = None,
    delta: float | None = 0.05,
    violation: str = "hard",
    confidence_level: float = 0.95,
    axes: Any = None,
) -> ExperimentDisplay:
    """Draw performance, solution rate and failure rate against the amount of data.

    Parameters
    ----------
    results : DataFrame or path
        The table that `run_experiment` returned, or the folder that it wrote to.
    metric : str, default=None
        The metric to draw as the performance. None: the first one in the table.
    delta : float or None, default=0.05
        The accepted probability of failure, drawn as a line. None: no line.
    violation : {"hard", "soft"}, default="hard"
        Whether failures are violations by decisions ("hard") or by mean probabilities ("soft").
    confidence_level : float in (0, 1), default=0.95
        The confidence level of the intervals: Clopper-Pearson intervals for the two rates,
        Student's for the performance.
    axes : array of three matplotlib Axes, default=None
        None: a new figure.

    Returns
    -------
    ExperimentDisplay

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_seldonian.experiments import plot_experiment, run_experiment
    >>> X, y = make_classification(random_state=0)
    >>> results = run_experiment(
    ...     {"random": DummyClassifier(strategy="uniform")}, X, y, "PR <= 0.6",
    ...     sample_sizes=[20, 50], n_trials=2,
    ... )
    >>> display = plot_experiment(results)
    >>> [ax.get_title(loc="left") for ax in display.axes_]
    ['Accuracy of solutions', 'Solution rate', 'Failure rate']
    """
    display: ExperimentDisplay = ExperimentDisplay.from_results(
        results,
        metric=metric,
        delta=delta,
        violation=violation,
        confidence_level=confidence_level,
        axes=axes,
    )
    return display

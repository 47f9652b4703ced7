"""The three plots of the field; matplotlib is imported only when they are drawn."""

from __future__ import annotations

import math
import os
from itertools import cycle
from typing import NamedTuple

import numpy as np

from sklearn_seldonian.experiments._summary import metrics_of, summarise_results
from sklearn_seldonian.experiments._table import load_results

__all__ = ["ExperimentDisplay", "plot_experiment"]


class Style(NamedTuple):
    """How the line of one estimator is told from the others, in colour and in print."""

    colour: str
    marker: str
    dashes: str | tuple


# Okabe and Ito's colours, which readers of every colour vision tell apart.
STYLES = (
    Style("#0072B2", "o", "-"),
    Style("#D55E00", "s", "--"),
    Style("#009E73", "^", "-."),
    Style("#CC79A7", "D", ":"),
    Style("#E69F00", "v", (0, (5, 1))),
    Style("#56B4E9", "P", (0, (3, 1, 1, 1))),
    Style("#000000", "X", (0, (1, 1))),
)
WEIGHT = {"markersize": 5, "linewidth": 1.6, "elinewidth": 1.0, "capsize": 2.5}
# Points of one sample size stand side by side, this factor apart.
DODGE = 1.035
NAMES_A_LINE = 5


class ExperimentDisplay:
    """Performance, solution rate and failure rate against the amount of data.

    Parameters
    ----------
    summary : DataFrame
        Of `summarise_results`.
    metric : str
        What the performance is.
    delta : float or None
        The accepted probability of failure, drawn as a line; None: no line.
    violation : {"hard", "soft"}, default="hard"
        What the failures were judged by.
    confidence_level : float, default=0.95
        Of the intervals in `summary`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (3,)
    figure_ : matplotlib Figure
        Both set by `plot`.

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
        cls, results, *, metric=None, delta=0.05, violation="hard", confidence_level=0.95
    ):
        """The display of a table of trials.

        Parameters
        ----------
        results : DataFrame or path
            Of `run_experiment`, or the folder that it wrote to.
        metric, violation, confidence_level
            As in `summarise_results`.
        delta : float or None, default=0.05
            The accepted probability of failure.
        """
        if isinstance(results, str | os.PathLike):
            results = load_results(results)
        summary = summarise_results(
            results, metric=metric, violation=violation, confidence_level=confidence_level
        )
        metric = metric or metrics_of(results)[0]
        return cls(summary, metric, delta, violation, confidence_level)

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
        import matplotlib.pyplot as plt

        owns_figure = axes is None
        if owns_figure:
            _, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
        self.axes_, self.figure_ = axes, axes[0].figure
        failure = "Failure rate" + " (by probabilities)" * (self.violation == "soft")
        metric = self.metric.removeprefix("neg_").replace("_", " ").capitalize()
        sign = "−" * self.metric.startswith("neg_")
        self._draw(axes[0], "performance", f"{sign}{metric} of solutions")
        self._draw(axes[1], "solution_rate", "Solution rate")
        self._draw(axes[2], "failure_rate", failure)
        for ax in axes[1:]:
            ax.set_ylim(-0.04, 1.04)
        self._draw_delta(axes[2])
        self._explain(self.figure_ if owns_figure else axes[0], owns_figure)
        return self

    def _draw(self, ax, column, title):
        names = list(dict.fromkeys(self.summary["estimator"]))
        middle = (len(names) - 1) / 2
        for position, (name, style) in enumerate(zip(names, cycle(STYLES), strict=False)):
            points = self.summary[self.summary["estimator"] == name].sort_values("sample_size")
            ends = points[[f"{column}_low", f"{column}_high"]].to_numpy().T
            ax.errorbar(
                points["sample_size"] * DODGE ** (position - middle),
                points[column],
                yerr=np.abs(ends - points[column].to_numpy()),
                label=name,
                color=style.colour,
                marker=style.marker,
                linestyle=style.dashes,
                **WEIGHT,
            )
        self._scale_sizes(ax)
        ax.set_title(title, loc="left", fontsize="medium")
        ax.grid(color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)

    def _scale_sizes(self, ax):
        sizes = sorted(set(self.summary["sample_size"]))
        ax.set_xscale("log")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("Rows to learn from")

    def _draw_delta(self, ax):
        if self.delta is None:
            return
        ax.axhline(self.delta, color="0.25", linewidth=1.2, zorder=1)
        ax.annotate(
            f"δ = {self.delta:g}",
            (1.0, self.delta),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="0.25",
            annotation_clip=False,
        )

    def _explain(self, owner, owns_figure):
        """Say once which line is whose, and what the bars are."""
        handles, names = self.axes_[0].get_legend_handles_labels()
        n_columns = math.ceil(len(names) / math.ceil(len(names) / NAMES_A_LINE))
        place = {"loc": "outside lower center", "ncols": n_columns} if owns_figure else {}
        title = f"Bars are {self.confidence_level:.0%} intervals"
        owner.legend(handles, names, frameon=False, title=title, title_fontsize="small", **place)


def plot_experiment(
    results, *, metric=None, delta=0.05, violation="hard", confidence_level=0.95, axes=None
):
    """Draw performance, solution rate and failure rate against the amount of data.

    Parameters
    ----------
    results : DataFrame or path
        Of `run_experiment`, or the folder that it wrote to.
    metric : str, default=None
        Which of its metrics is the performance; None: the first.
    delta : float or None, default=0.05
        The accepted probability of failure, drawn as a line.
    violation : {"hard", "soft"}, default="hard"
        Whether failures are judged by decisions or by mean probabilities.
    confidence_level : float in (0, 1), default=0.95
        Of the intervals: Clopper-Pearson's for both rates, Student's for the performance.
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
    display = ExperimentDisplay.from_results(
        results, metric=metric, delta=delta, violation=violation, confidence_level=confidence_level
    )
    return display.plot(axes)

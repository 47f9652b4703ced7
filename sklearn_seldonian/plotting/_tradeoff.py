"""The plot of what a limit costs, drawn with matplotlib."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from sklearn_seldonian._palette import FAILED, INK, PASSED, SHADE, pyplot, shortened
from sklearn_seldonian.certification import units_of
from sklearn_seldonian.certification._requests import (
    LARGE_DELTA_WARNING,
    check_deltas,
    warn_of_large_delta,
)
from sklearn_seldonian.constraints import Constraint, Number, constant_value, parse_all
from sklearn_seldonian.data._arguments import groups_for
from sklearn_seldonian.data._arrays import as_arrays
from sklearn_seldonian.data._columns import are_missing
from sklearn_seldonian.data._targets import labels_given
from sklearn_seldonian.exceptions import NoSolutionFoundWarning

# A limit that is this many times the largest given limit, and at least this, has no effect.
FAR_AWAY = 1000.0
# The least difference between the ends of the axis of scores.
LEAST_SPAN = 0.02


class TradeoffDisplay:
    """The cost of a stricter limit: accuracy and certified bound against a constraint's limit.

    Use this plot to choose a limit before the rows are drawn that will be tested. Each model in it
    has its own certificate. Choosing among the models afterwards by the same safety rows is a
    search, and the certificates do not cover it.

    Parameters
    ----------
    results : DataFrame
        One row per fit, with columns `limit`, `solution_found`, `score`, `estimate` and `bound`.
        The score is what the estimator's `score` returns on the safety rows, NaN if no solution was
        found.
    constraint : str, default=""
        The constraint whose limit varies, in words.
    operator : {"<=", ">="}, default="<="
        The side of its limit on which the constraint's value has to be.
    unlimited : float, default=nan
        The score of the same estimator if this constraint has no effect.
    score_name : str, default="Accuracy"
        The name of the score, for the axis.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (2,)
    figure_ : matplotlib Figure
        Both are set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.plotting import TradeoffDisplay
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="FPR <= 0.1", max_epochs=5, random_state=0)
    >>> display = TradeoffDisplay.from_estimator(model, X, y, [0.1, 0.2, 0.3])
    >>> display.results["limit"].tolist()
    [0.1, 0.2, 0.3]
    >>> cost = display.unlimited - display.results["score"]
    """

    def __init__(
        self, results, constraint="", operator="<=", unlimited=np.nan, score_name="Accuracy"
    ):
        self.results = results
        self.constraint = constraint
        self.operator = operator
        self.unlimited = unlimited
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, limits, *, sensitive_features=None, position=0, n_jobs=None, axes=None
    ):
        """Fit a clone of `estimator` for each limit and one without limit, and draw the results.

        The clone without limit is trained and chosen in the same way, with a limit that has no
        effect.

        Parameters
        ----------
        estimator : Seldonian estimator
            Not changed. With an int as `random_state`, all clones split the rows alike.
        X, y, sensitive_features
            As in `estimator.fit`.
        limits : sequence of float
            The limits to try. They replace the number on one side of the constraint.
        position : int, default=0
            The position, from 0 on, of the constraint whose limit varies.
        n_jobs : int, default=None
            The number of fits that run at the same time.
        axes : sequence of two matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ValueError
            If `position` is out of range, or if neither side of the constraint is a number.
        """
        constraints = list(parse_all(estimator.constraints))
        if position not in range(len(constraints)):
            raise ValueError(
                f"position={position!r} was given, and there are {len(constraints)} constraints, "
                "counted from 0."
            )
        warn_of_large_delta(check_deltas(estimator.delta, len(constraints)))
        varied, limits = constraints[position], [float(limit) for limit in limits]
        operator = units_of(varied).operator
        far_away = FAR_AWAY * max([1.0, *map(abs, limits)]) * (1 if operator == "<=" else -1)
        data = *as_arrays(X, y), sensitive_features
        *fits, (_, unlimited) = Parallel(n_jobs=n_jobs)(
            delayed(_fitted)(
                clone(estimator),
                [*constraints[:position], _with_limit(varied, limit), *constraints[position + 1 :]],
                *data,
            )
            for limit in (*limits, far_away)
        )
        rows = [
            (limit, certificate.passed, score, certificate.loss, test.estimate, test.bound)
            for limit, (certificate, score) in zip(limits, fits, strict=True)
            for test in [certificate.results[position]]
        ]
        columns = ["limit", "solution_found", "score", "loss", "estimate", "bound"]
        score_name = "Accuracy" if is_classifier(estimator) else "R²"
        text = varied.text or str(varied)
        results = pd.DataFrame(rows, columns=columns)
        return cls(results, text, operator, unlimited, score_name).plot(axes)

    def plot(self, axes=None):
        """Draw the scores on the safety rows, and below them the estimates and bounds.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        self
        """
        if axes is None:
            _, axes = pyplot().subplots(2, 1, figsize=(6.5, 6), sharex=True, layout="constrained")
        self.axes_, self.figure_ = axes, axes[0].figure
        results = self.results.sort_values("limit")
        self._draw_scores(axes[0], results)
        self._draw_bounds(axes[1], results)
        for ax in axes:
            ax.spines[["top", "right"]].set_visible(False)
        return self

    def _draw_scores(self, ax, results):
        found = results["solution_found"].to_numpy(dtype=bool)
        passed, failed = results[found], results[~found]
        ax.plot(passed["limit"], passed["score"], color="0.75", zorder=1)
        mark = {"s": 55, "zorder": 2, "clip_on": False}
        if len(passed):
            dot = {"color": PASSED, "marker": "o", "label": "certified"}
            ax.scatter(passed["limit"], passed["score"], **mark, **dot)
        if len(failed):  # they have no score, and are drawn at the bottom of the panel
            cross = {"edgecolors": FAILED, "facecolors": "white", "marker": "X"}
            foot = {"transform": ax.get_xaxis_transform(), "label": "no solution found"}
            ax.scatter(failed["limit"], np.zeros(len(failed)), **mark, **cross, **foot)
        if np.isfinite(self.unlimited):
            label = f"without this limit: {self.unlimited:.3f}"
            ax.axhline(self.unlimited, color=INK, linestyle="--", linewidth=1, label=label)
        _widen(ax)
        ax.set_ylabel(f"{self.score_name} on the safety rows")
        ax.legend(frameon=False, fontsize="small")
        title = shortened(self.constraint, 64)
        ax.set_title(title, loc="left", fontsize="medium", parse_math=False)

    def _draw_bounds(self, ax, results):
        limits = results["limit"]
        bounds = results["bound"].replace([np.inf, -np.inf], np.nan)
        ax.plot(limits, results["estimate"], color=PASSED, marker="o", label="estimate")
        ax.plot(limits, bounds, color=FAILED, marker="_", markersize=10, ls="--", label="bound")
        line = {"color": INK, "linewidth": 1, "linestyle": ":", "marker": ".", "markersize": 3}
        ax.plot(limits, limits, **line, label="limit")
        ends, (low, high) = ax.get_xlim(), ax.get_ylim()
        edge = high if self.operator == "<=" else low
        shade = {"facecolor": SHADE, "edgecolor": "0.8", "linewidth": 0.5, "zorder": 0}
        ax.fill_between(ends, ends, edge, **shade, label="limit violated")
        ax.set(xlim=ends, ylim=(low, high), xlabel="Limit", ylabel="Constraint's value")
        ax.legend(frameon=False, fontsize="small")


def _widen(ax: Any) -> None:
    """Let the scores' axis span at least LEAST_SPAN, so that small differences look small."""
    low, high = ax.get_ylim()
    room = max(0.0, LEAST_SPAN - (high - low)) / 2
    ax.set_ylim(low - room, high + room)


def _with_limit(constraint: Constraint, limit: float) -> Constraint:
    """The constraint with `limit` in place of the number on one side."""
    side = "right" if constant_value(constraint.right) is not None else "left"
    if constant_value(getattr(constraint, side)) is None:
        raise ValueError(
            f"Neither side of {constraint} is a number, so it has no limit to vary. Write it with "
            "a number on one side."
        )
    changed: dict[str, Any] = {side: Number(limit)}
    varied = replace(constraint, **changed)
    return replace(varied, text=str(varied))


def _fitted(
    estimator: Any, constraints: list[Constraint], X: Any, y: Any, sensitive_features: Any
) -> tuple[Any, float]:
    """The certificate, and the score on the safety rows with labels; NaN without a solution."""
    with warnings.catch_warnings():  # the plot shows for which limits no solution was found
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", LARGE_DELTA_WARNING)  # is given once for all fits
        estimator.set_params(constraints=constraints)
        estimator.fit(X, y, sensitive_features=sensitive_features)
    if not estimator.solution_found_:
        return estimator.certificate_, np.nan
    tested = estimator.safety_indices_
    labels = np.asarray(_safe_indexing(y, tested))
    labelled, labels = tested[~are_missing(labels)], labels_given(labels)
    if sensitive_features is not None:
        sensitive_features = _safe_indexing(sensitive_features, labelled)
    seen = groups_for(estimator, "score", sensitive_features)
    score = estimator.score(_safe_indexing(X, labelled), labels, **seen)
    return estimator.certificate_, score

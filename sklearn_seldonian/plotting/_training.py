"""Plots of how training approached the constraints, drawn with matplotlib."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sklearn_seldonian._palette import (
    GREY,
    INK,
    SHADE,
    STYLES,
    pyplot,
    shortened,
    styles_by_need,
)
from sklearn_seldonian.certification import units_of
from sklearn_seldonian.certification._given import check_fitted
from sklearn_seldonian.constraints import parse_all

RESOLUTIONS = ("epoch", "step")


class TrainingDisplay:
    """Four plots of how training approached the region where the constraints are predicted to pass.

    The panels show the primary loss, the multipliers, the predicted upper bounds on g, and the
    Lagrangian, which here is the loss plus each multiplier times its bound. A constraint is
    violated if its g is above zero. For ``ACC >= 0.9``, g is ``0.9 - ACC``.

    If there are more constraints than line styles, only those that are least likely to pass are
    named, and the others are drawn in grey.

    Parameters
    ----------
    history : DataFrame
        An estimator's `history_`, or its `step_history_` if the resolution is "step".
    constraints : sequence of str or Constraint
        The constraints, in the order of `history`.
    kept_epoch : int
        The epoch (from 1) whose weights were kept.
    resolution : {"epoch", "step"}, default="epoch"
        What a row of `history` is. "epoch": an epoch, evaluated on candidate data with the best
        decision threshold. "step": an update of the multipliers, with the running estimates of
        training.
    loss_name : str, default="Primary loss"
        The name of the loss, for the axis.
    price : Price, default=None
        An estimator's `price_`. If given, the legend states it, and the epoch that would have been
        kept without constraints is also marked.
    order : sequence of int, default=None
        Positions of the constraints, the least likely to pass first. None: the order according to
        `history`.
    worst : int, default=None
        Draw only this many constraints, the least likely to pass. None: all.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (4,)
    figure_ : matplotlib Figure
        Both are set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.plotting import TrainingDisplay
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(model, resolution="step")
    """

    def __init__(
        self,
        history,
        constraints,
        kept_epoch,
        *,
        resolution="epoch",
        loss_name="Primary loss",
        price=None,
        order=None,
        worst=None,
    ):
        self.history = history
        self.constraints = constraints
        self.kept_epoch = kept_epoch
        self.resolution = resolution
        self.loss_name = loss_name
        self.price = price
        self.order = order
        self.worst = worst

    @classmethod
    def from_estimator(cls, estimator, *, resolution="epoch", worst=None, axes=None):
        """Draw the training of a fitted Seldonian estimator with constraints.

        Parameters
        ----------
        estimator : Seldonian estimator
        resolution : {"epoch", "step"}, default="epoch"
            Whether to draw a point per epoch or per update of the multipliers.
        worst : int, default=None
            Draw only this many constraints, the least likely to pass. None: all.
        axes : array of four matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        TypeError, NotFittedError
            If it is not a Seldonian estimator, or not fitted.
        ValueError
            If it was trained without constraints or not trained at all, or if `resolution` is
            unknown.
        """
        check_fitted(estimator)
        if resolution not in RESOLUTIONS:
            raise ValueError(f'resolution must be "epoch" or "step", got {resolution!r}.')
        if not estimator.constraints_ or not hasattr(estimator, "history_"):
            raise ValueError(
                "There is no training to show, because the estimator was fitted without "
                "constraints, loaded from a file of weights, or nothing was trained. Fit it with "
                "constraints."
            )
        net, epochs = estimator.net_, estimator.history_.tail(estimator.n_iter_)
        constraints = [resolved.source for resolved in net.problem.constraints]
        history = epochs
        if resolution == "step":
            history = estimator.step_history_
            if "module" in history:
                history = history[history["module"] == epochs["module"].iloc[-1]]
        return cls(
            history,
            constraints,
            net.kept_epoch_,
            resolution=resolution,
            loss_name=type(net.criterion_).__name__,
            price=estimator.price_,
            order=_by_probability(epochs, len(constraints), net.kept_epoch_),
            worst=worst,
        ).plot(axes)

    def plot(self, axes=None):
        """Draw loss, multipliers, predicted bounds and Lagrangian against epochs.

        Parameters
        ----------
        axes : array of four matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        self
        """
        self._constraints = parse_all(self.constraints)
        hardest = self._order()[: self.worst]
        shown = sorted(hardest)
        styles, named = styles_by_need([shown.index(i) for i in hardest])
        if axes is None:
            size = 9, 6.2 + 0.22 * min(len(shown), len(STYLES) + 1)
            _, grid = pyplot().subplots(2, 2, figsize=size, sharex=True, layout="constrained")
            axes = grid.ravel()
        self.axes_, self.figure_ = axes, axes[0].figure
        alone = {"color": INK, "marker": ".", "markersize": 5}
        rows = {"epoch": "candidate data", "step": "training batches"}[self.resolution]
        self._panel(axes[0], [self._loss], [alone], f"{self.loss_name}, {rows}")
        self._panel(axes[1], map(self._multiplier, shown), styles, "Multiplier")
        self._panel(axes[2], map(self._excess, shown), styles, "Predicted upper bound on g")
        self._panel(axes[3], [self._lagrangian()], [alone], "Lagrangian")
        self._shade_infeasible(axes[2])
        self._name_lines(axes[1], shown, named)
        for ax in axes[2:4]:
            ax.set_xlabel("Epoch")
        return self

    def to_csv(self, path=None):
        """Write the drawn values as CSV, with the constraints' own names and units.

        Parameters
        ----------
        path : str, path or file, default=None
            None: the text is returned.

        Returns
        -------
        str or None
        """
        self._constraints = parse_all(self.constraints)
        columns = {"epoch": self._x, self.loss_name: self._loss, "Lagrangian": self._lagrangian()}
        for i, constraint in enumerate(self._constraints):
            for name in ("estimate", "predicted_bound", "multiplier"):
                title = f"{name.replace('_', ' ')}: {constraint.text or constraint}"
                columns[title] = self.history[f"{name}_{i}"]
        return pd.DataFrame(columns).to_csv(path, index=False)

    @property
    def _x(self):
        return self.history["progress" if self.resolution == "step" else "epoch"]

    @property
    def _loss(self):
        return self.history["loss" if self.resolution == "step" else "candidate_loss"]

    def _multiplier(self, i):
        return self.history[f"multiplier_{i}"]

    def _excess(self, i):
        """The predicted bound on g, which is above zero if the constraint is violated."""
        return units_of(self._constraints[i]).excess(self.history[f"predicted_bound_{i}"])

    def _lagrangian(self):
        # An infinite bound adds nothing as long as its multiplier is zero.
        every = range(len(self._constraints))
        terms = ((self._multiplier(i), self._excess(i)) for i in every)
        return self._loss + sum((m * g).where(m != 0, 0.0) for m, g in terms)

    def _order(self):
        """Positions of the constraints, the least likely to pass first."""
        if self.order is not None:
            return list(self.order)
        if "passing_0" in self.history:
            return _by_probability(self.history, len(self._constraints), self.kept_epoch)
        last = [self._excess(i).iloc[-1] for i in range(len(self._constraints))]
        return np.argsort(-np.nan_to_num(last, nan=np.inf), kind="stable").tolist()

    def _panel(self, ax, series, styles, label):
        every = max(1, len(self.history) // 20)
        for values, style in zip(series, styles, strict=True):
            ax.plot(self._x, values, **style, markevery=every)
        if self.kept_epoch:
            ax.axvline(self.kept_epoch, color=GREY, linestyle=":", linewidth=1.2, zorder=0.5)
        if self.price:
            line = {"color": GREY, "linestyle": "--", "linewidth": 1, "zorder": 0.4}
            ax.axvline(self.price.epoch_without, **line)
        ax.set_ylabel(label)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.spines[["top", "right"]].set_visible(False)

    def _shade_infeasible(self, ax):
        low, high = ax.get_ylim()
        room = 0.05 * np.abs([low, high]).max()
        low, high = min(low, -room), max(high, room)
        ax.axhspan(0.0, high, color=SHADE, zorder=0)
        ax.axhline(0.0, color=INK, linewidth=0.8, zorder=0.6)
        ax.set_title("shaded: infeasible", loc="right", fontsize="small", color=INK)
        ax.set_ylim(low, high)

    def _name_lines(self, ax, shown, named):
        """A legend below all panels, with the kept epoch."""
        handles = [ax.lines[k] for k in named]
        labels = [self._label(shown[k]) for k in named]
        if len(named) < len(shown):
            (other, *_) = set(range(len(shown))) - set(named)
            handles.append(ax.lines[other])
            labels.append(f"{len(shown) - len(named)} others, more likely to pass")
        if self.kept_epoch:
            handles += ax.lines[len(shown) :]
            kept = (f"epoch {self.kept_epoch} (kept)",)
            labels += self.price.in_short if self.price else kept
        hidden = len(self._constraints) - len(shown)
        note = f"not drawn: {hidden} constraints that are more likely to pass" if hidden else None
        look = {"frameon": False, "fontsize": "small", "title": note, "title_fontsize": "small"}
        legend = self.figure_.legend(handles, labels, loc="outside lower center", **look)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def _label(self, i):
        """The constraint, with a note if it has no bound to draw."""
        has_bound = np.isfinite(self.history[f"predicted_bound_{i}"]).any()
        constraint = self._constraints[i]
        text = constraint.text or str(constraint)
        return shortened(text, 72) + ", without a bound" * (not has_bound)


def _by_probability(epochs, n_constraints, kept_epoch):
    """Positions of the constraints, the least likely to pass at the kept epoch first."""
    passing = np.array([epochs[f"passing_{i}"].to_numpy() for i in range(n_constraints)])
    at = np.argmax(epochs["epoch"].to_numpy() == (kept_epoch or 1))
    return np.lexsort((passing.mean(axis=1), passing[:, at])).tolist()

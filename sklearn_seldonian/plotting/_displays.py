"""Pictures of training and of the rows that certificates take; drawn with matplotlib."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from sklearn_seldonian._palette import (
    GREY,
    INK,
    SHADE,
    STYLES,
    pyplot,
    shortened,
    styles_by_need,
)
from sklearn_seldonian.certification._given import certificate_of, check_certificate, check_fitted
from sklearn_seldonian.certification._plans import probability_of_passing
from sklearn_seldonian.certification._requests import LARGE_DELTA_WARNING


class TrainingDisplay:
    """How training approached the region where the constraints are expected to pass.

    Of more constraints than there are styles of lines, those that come closest to not passing
    are named, and the others drawn in grey.

    Parameters
    ----------
    history : DataFrame
        An estimator's `history_`.
    constraints : sequence of str
        The constraints' texts, in order.
    kept_epoch : int
        The epoch (from 1) whose weights were kept.
    rewritten : sequence of int, default=()
        Positions of the constraints whose predicted bound is on a rewritten form, so that only
        its sign tells of the constraint itself.
    price : Price, default=None
        An estimator's `price_`: the legend says what it was, and the epoch that would have been
        kept without constraints is marked as well.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (4,)
    figure_ : matplotlib Figure
        Both set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.plotting import TrainingDisplay
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(model)
    """

    def __init__(self, history, constraints, kept_epoch, rewritten=(), price=None):
        self.history = history
        self.constraints = constraints
        self.kept_epoch = kept_epoch
        self.rewritten = rewritten
        self.price = price

    @classmethod
    def from_estimator(cls, estimator, *, axes=None):
        """Draw the training of a fitted Seldonian estimator with constraints.

        Parameters
        ----------
        estimator : Seldonian estimator
        axes : array of four matplotlib Axes, default=None

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        TypeError, NotFittedError
            If it is not a Seldonian estimator, or not fitted.
        ValueError
            If it was trained without constraints, or not trained at all.
        """
        check_fitted(estimator)
        if not estimator.constraints_ or not hasattr(estimator, "history_"):
            raise ValueError("There is no constrained training to show.")
        resolved = estimator.net_.problem.constraints
        texts = [constraint.source.text or str(constraint.source) for constraint in resolved]
        rewritten = [i for i, constraint in enumerate(resolved) if not constraint.in_units]
        history, kept = estimator.history_.tail(estimator.n_iter_), estimator.net_.kept_epoch_
        return cls(history, texts, kept, rewritten, estimator.price_).plot(axes)

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
        if axes is None:
            size = 9, 6.2 + 0.22 * min(len(self.constraints), len(STYLES) + 1)
            _, grid = pyplot().subplots(2, 2, figsize=size, sharex=True, layout="constrained")
            axes = grid.ravel()
        self.axes_, self.figure_ = axes, axes[0].figure
        loss = self.history["candidate_loss"]
        multipliers, bounds = self._series("multiplier"), self._series("predicted_bound")
        # A bound that is infinite costs nothing as long as its multiplier is zero.
        terms = ((m * b).where(m != 0, 0.0) for m, b in zip(multipliers, bounds, strict=True))
        lagrangian = loss + sum(terms)
        styles, named = self._styles()
        alone = {"color": INK, "marker": ".", "markersize": 5}
        self._panel(axes[0], [loss], [alone], "Primary loss on candidate rows")
        self._panel(axes[1], multipliers, styles, "Multiplier")
        self._panel(axes[2], bounds, styles, "Predicted upper bound on g")
        self._panel(axes[3], [lagrangian], [alone], "Lagrangian")
        self._shade_infeasible(axes[2])
        self._name_lines(axes[1], named)
        for ax in axes[2:4]:
            ax.set_xlabel("Epoch")
        return self

    def _series(self, name):
        return [self.history[f"{name}_{i}"] for i in range(len(self.constraints))]

    def _styles(self):
        """How each constraint's line looks, and which are named: those hardest to pass."""
        passing = np.array([passing.to_numpy() for passing in self._series("passing")])
        at = np.argmax(self.history["epoch"].to_numpy() == (self.kept_epoch or 1))
        return styles_by_need(np.lexsort((passing.mean(axis=1), passing[:, at])).tolist())

    def _panel(self, ax, series, styles, label):
        every = max(1, len(self.history) // 20)
        for values, style in zip(series, styles, strict=True):
            ax.plot(self.history["epoch"], values, **style, markevery=every)
        if self.kept_epoch:
            ax.axvline(self.kept_epoch, color=GREY, linestyle=":", linewidth=1.2, zorder=0.5)
        if self.price:
            line = {"color": "0.8", "linestyle": "--", "linewidth": 1, "zorder": 0.4}
            ax.axvline(self.price.epoch_without, **line)
        ax.set_ylabel(label)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.spines[["top", "right"]].set_visible(False)

    def _shade_infeasible(self, ax):
        low, high = ax.get_ylim()
        high = max(high, 0.05 * np.abs([low, high]).max())
        ax.axhspan(0.0, high, color=SHADE, zorder=0)
        ax.axhline(0.0, color=INK, linewidth=0.8, zorder=0.6)
        ax.set_title("shaded: infeasible", loc="right", fontsize="small", color=INK)
        ax.set_ylim(low, high)

    def _name_lines(self, ax, named):
        """A legend beneath all panels, with the epoch that was kept."""
        handles = [ax.lines[i] for i in named]
        labels = [self._label(i) for i in named]
        if len(named) < len(self.constraints):
            (other, *_) = set(range(len(self.constraints))) - set(named)
            handles.append(ax.lines[other])
            labels.append(f"{len(self.constraints) - len(named)} others, likelier to pass")
        if self.kept_epoch:
            handles += ax.lines[len(self.constraints) :]
            kept = (f"epoch {self.kept_epoch}, which is kept",)
            labels += self.price.in_short if self.price else kept
        note = "* bound on a rewritten form: its sign counts" if self.rewritten else None
        look = {"frameon": False, "fontsize": "small", "title": note, "title_fontsize": "small"}
        legend = self.figure_.legend(handles, labels, loc="outside lower center", **look)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def _label(self, i):
        """The constraint, and what its line cannot say."""
        has_bound = np.isfinite(self.history[f"predicted_bound_{i}"]).any()
        marks = " *" * (i in self.rewritten) + ", without a bound" * (not has_bound)
        return shortened(self.constraints[i], 72) + marks


class PowerDisplay:
    """How probable it is to pass the safety test, against the number of safety rows.

    Of more constraints than there are styles of lines, those that take the most rows are named,
    and the others drawn in grey.

    Parameters
    ----------
    n_rows : array of shape (n_points,)
    probabilities : mapping of str to array of shape (n_points,)
        For each constraint.
    n_safety : int, default=None
        How many rows there were, to be marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
        Both set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify
    >>> from sklearn_seldonian.plotting import PowerDisplay
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> certificate = certify(model, X[1000:], y[1000:], "ACC >= 0.85")
    >>> display = PowerDisplay.from_certificate(certificate, n_rows=[20, 10000])
    >>> display.probabilities["ACC >= 0.85"].round(2).tolist()
    [..., 1.0]
    """

    def __init__(self, n_rows, probabilities, n_safety=None):
        self.n_rows = n_rows
        self.probabilities = probabilities
        self.n_safety = n_safety

    @classmethod
    def from_certificate(cls, certificate, n_rows=None, method="auto", *, ax=None):
        """Draw what the certificate's rates foretell of fresh safety rows, were they the truth.

        Parameters
        ----------
        certificate : SafetyCertificate
        n_rows : sequence of int, default=None
            None: from a twentieth to twenty times as many as there were.
        method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
            How the fresh rows are going to be tested.
        ax : matplotlib Axes, default=None

        Returns
        -------
        PowerDisplay

        Raises
        ------
        TypeError, ValueError
            If it is not a certificate, or none of its constraints is over rates of decisions.
        """
        check_certificate(certificate)
        planned = [r for r in certificate.results if r.rows and r.rates.keys() == r.rows.keys()]
        if not planned:
            raise ValueError(
                "Nothing can be foretold: none of the constraints is over rates of decisions that "
                "the safety rows tell."
            )
        if n_rows is None:
            n_rows = np.geomspace(certificate.n_safety / 20, certificate.n_safety * 20, 16)
        n_rows = np.unique(np.asarray(n_rows, dtype=float).round().astype(int).clip(min=1))
        probabilities = {}
        with warnings.catch_warnings():  # the test that is repeated has given it
            warnings.filterwarnings("ignore", LARGE_DELTA_WARNING)
            for result in planned:
                passing = partial(
                    probability_of_passing,
                    result.constraint,
                    result.rates,
                    group_shares={k: n / certificate.n_safety for k, n in result.rows.items()},
                    delta=result.delta,
                    method=method,
                    classes=certificate.classes,
                    pos_label=certificate.positive,
                )
                probabilities[result.constraint] = np.array([passing(n) for n in n_rows])
        return cls(n_rows, probabilities, certificate.n_safety).plot(ax)

    @classmethod
    def from_estimator(cls, estimator, n_rows=None, *, ax=None):
        """As `from_certificate`, of a fitted Seldonian estimator's certificate and `method`.

        Parameters
        ----------
        estimator : Seldonian estimator
        n_rows, ax
            As in `from_certificate`.

        Returns
        -------
        PowerDisplay
        """
        return cls.from_certificate(certificate_of(estimator), n_rows, estimator.method, ax=ax)

    def plot(self, ax=None):
        """Draw a line for each constraint.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        self
        """
        place = {}
        if ax is None:
            size = 7, 3.9 + 0.2 * min(len(self.probabilities), len(STYLES) + 1)
            _, ax = pyplot().subplots(figsize=size, layout="constrained")
            place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12)}
        self.ax_, self.figure_ = ax, ax.figure
        order = np.argsort([np.mean(each) for each in self.probabilities.values()], kind="stable")
        styles, named = styles_by_need(order.tolist())
        for i, (name, probabilities) in enumerate(self.probabilities.items()):
            label = {"label": shortened(name, 72)} if i in named else {}
            (line,) = ax.plot(self.n_rows, probabilities, **styles[i], **label)
            if i == order[-1] and i not in named:
                line.set_label(f"{len(order) - len(named)} others, which take fewer rows")
        if self.n_safety is not None:
            tested = f"{self.n_safety:,} rows, as tested"
            ax.axvline(self.n_safety, color=GREY, linestyle=":", linewidth=1.2, label=tested)
        ax.set(
            xscale="log", ylim=(-0.02, 1.02), xlabel="Safety rows", ylabel="Probability of passing"
        )
        ax.grid(axis="y", color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
        for text in ax.legend(frameon=False, fontsize="small", **place).get_texts():
            text.set_parse_math(False)
        return self

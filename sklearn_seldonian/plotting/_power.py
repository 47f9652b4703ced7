"""Plots of the numbers of rows that certificates need, drawn with matplotlib."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from sklearn_seldonian._palette import (
    GREY,
    STYLES,
    count_rows,
    pyplot,
    shortened,
    styles_by_need,
)
from sklearn_seldonian.certification._given import certificate_of, check_certificate
from sklearn_seldonian.certification._plans import probability_of_passing
from sklearn_seldonian.certification._requests import LARGE_DELTA_WARNING

# Height of the axis's numbers and name, above the legend, in lines of the legend.
LINES_BELOW = 5


class PowerDisplay:
    """The probability of passing the safety test, against the number of safety rows.

    If there are more constraints than line styles, only those that need the most rows are named,
    and the others are drawn in grey.

    Parameters
    ----------
    n_rows : array of shape (n_points,)
        Numbers of safety rows.
    probabilities : mapping of str to array of shape (n_points,)
        The probability of passing for each constraint and number of rows, in [0, 1].
    n_safety : int, default=None
        The number of safety rows of the certificate, which is marked. None: nothing is marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
        Both are set by `plot`.

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
        """Draw the probability that the certified model passes a test on fresh safety rows.

        The certificate's estimates are taken as the true rates.

        Parameters
        ----------
        certificate : SafetyCertificate
        n_rows : sequence of int, default=None
            Numbers of fresh safety rows. None: from a twentieth to twenty times the number of the
            certificate.
        method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
            The method of the test on the fresh rows.
        ax : matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        PowerDisplay

        Raises
        ------
        TypeError
            If it is not a certificate.
        ValueError
            If none of its constraints is about rates of decisions.
        """
        check_certificate(certificate)
        planned = [r for r in certificate.results if r.rows and r.rates.keys() == r.rows.keys()]
        if not planned:
            raise ValueError(
                "No probability can be predicted, because none of the constraints is about rates "
                "of decisions that can be estimated from the safety rows. Draw the display for a "
                "certificate with such a constraint."
            )
        if n_rows is None:
            n_rows = np.geomspace(certificate.n_safety / 20, certificate.n_safety * 20, 16)
        n_rows = np.unique(np.asarray(n_rows, dtype=float).round().astype(int).clip(min=1))
        probabilities = {}
        with warnings.catch_warnings():  # the test that is repeated has given its warnings
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
        """As `from_certificate`, with a fitted Seldonian estimator's certificate and `method`.

        Parameters
        ----------
        estimator : Seldonian estimator
        n_rows, ax
            As in `from_certificate`.

        Returns
        -------
        PowerDisplay

        Raises
        ------
        TypeError, ValueError
            As in `from_certificate`.
        """
        return cls.from_certificate(certificate_of(estimator), n_rows, estimator.method, ax=ax)

    def plot(self, ax=None):
        """Draw one line per constraint.

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
            below = {"bbox_to_anchor": (0.5, 0), "borderaxespad": LINES_BELOW}
            place = {"loc": "upper center", **below}
        self.ax_, self.figure_ = ax, ax.figure
        order = np.argsort([np.mean(each) for each in self.probabilities.values()], kind="stable")
        styles, named = styles_by_need(order.tolist())
        for i, (name, probabilities) in enumerate(self.probabilities.items()):
            label = {"label": shortened(name, 72)} if i in named else {}
            (line,) = ax.plot(self.n_rows, probabilities, **styles[i], **label)
            if i == order[-1] and i not in named:
                line.set_label(f"{len(order) - len(named)} others, which need fewer rows")
        if self.n_safety is not None:
            tested = f"{self.n_safety:,} rows were tested"
            ax.axvline(self.n_safety, color=GREY, linestyle=":", linewidth=1.2, label=tested)
        ax.set(
            xscale="log", ylim=(-0.02, 1.02), xlabel="Safety rows", ylabel="Probability of passing"
        )
        count_rows(ax)
        ax.grid(axis="y", color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
        for text in ax.legend(frameon=False, fontsize="small", **place).get_texts():
            text.set_parse_math(False)
        return self

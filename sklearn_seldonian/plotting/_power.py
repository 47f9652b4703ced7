"""Pictures of the rows that certificates take; drawn with matplotlib."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from sklearn_seldonian._palette import GREY, STYLES, pyplot, shortened, styles_by_need
from sklearn_seldonian.certification._given import certificate_of, check_certificate
from sklearn_seldonian.certification._plans import probability_of_passing
from sklearn_seldonian.certification._requests import LARGE_DELTA_WARNING


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

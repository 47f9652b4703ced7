"""The picture of a certificate; matplotlib is imported only for drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sklearn_seldonian._palette import (
    FAILED,
    GREY,
    INK,
    PASSED,
    SHADE,
    for_text,
    pyplot,
    shortened,
)
from sklearn_seldonian.bounds import binomial_lower, binomial_upper
from sklearn_seldonian.certification._given import certificate_of, check_certificate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sklearn_seldonian.certification._certificate import SafetyCertificate
    from sklearn_seldonian.certification._fields import ConstraintResult

# One minus the confidence level of each rate's interval.
RATES_DELTA = 0.05
INCHES_PER_CONSTRAINT, INCHES_PER_RATE, INCHES_OF_FRAME, INCHES_OF_LEGEND = 1.0, 0.3, 0.75, 0.35
# Parts of INCHES_PER_CONSTRAINT: the title above the scale, and the scale.
INCHES_OF_TITLE, INCHES_OF_SCALE = 0.28, 0.45
# Characters in a line of a rate's name.
RATE_WIDTH = 40


class GroupRate(NamedTuple):
    """A rate of decisions on the safety rows, with the exact interval of Clopper and Pearson."""

    name: str
    rate: float
    low: float
    high: float
    rows: int


def group_rates(results: Sequence[ConstraintResult]) -> list[GroupRate]:
    """Every rate of decisions that the results are over, once, with its 95 % interval."""
    seen = {name: (rate, r.rows[name]) for r in results for name, rate in r.rates.items()}
    rates = []
    for name, (rate, n) in seen.items():
        counted = round(rate * n), n, RATES_DELTA / 2
        rates.append(GroupRate(name, rate, binomial_lower(*counted), binomial_upper(*counted), n))
    return rates


class CertificateDisplay:
    """Draw how far each constraint's bound is from its limit, with the groups' rates below.

    Each constraint has its own scale, in the units of the constraint. It shows the estimate, the
    bound at confidence level 1 - delta, and the limit. The side that violates the limit is shaded.

    Parameters
    ----------
    results : sequence of ConstraintResult
    rates : sequence of GroupRate
        Rates of decisions on the safety rows, with exact 95 % intervals.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One per constraint, then one for the rates if there are any.
    figure_ : matplotlib Figure
        Both set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.plotting import CertificateDisplay
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0).fit(X, y)
    >>> display = CertificateDisplay.from_estimator(model)
    >>> [rate.name for rate in display.rates]
    ['ACC']
    """

    def __init__(self, results: Sequence[ConstraintResult], rates: Sequence[GroupRate]) -> None:
        self.results = results
        self.rates = rates

    @classmethod
    def from_certificate(
        cls, certificate: SafetyCertificate, *, axes: Sequence[Axes] | None = None
    ) -> CertificateDisplay:
        """Draw a certificate.

        Parameters
        ----------
        certificate : SafetyCertificate
        axes : sequence of matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        CertificateDisplay

        Raises
        ------
        TypeError
            If `certificate` is not a certificate.
        ValueError
            If it has no results.
        """
        check_certificate(certificate)
        return cls(certificate.results, group_rates(certificate.results)).plot(axes)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, axes: Sequence[Axes] | None = None
    ) -> CertificateDisplay:
        """Draw a fitted Seldonian estimator's certificate.

        Parameters
        ----------
        estimator : Seldonian estimator
        axes : sequence of matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        CertificateDisplay

        Raises
        ------
        TypeError, NotFittedError
            If it is not a Seldonian estimator, or not fitted.
        ValueError
            If it was fitted without constraints.
        """
        return cls.from_certificate(certificate_of(estimator), axes=axes)

    def plot(self, axes: Sequence[Axes] | None = None) -> CertificateDisplay:
        """Draw the constraints, with the rates below.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One per constraint, and one more for the rates if there are any. None: axes of a new
            figure.

        Returns
        -------
        self
        """
        if axes is None:
            axes = self.axes_of(pyplot().figure(figsize=self.size, layout="constrained"))
        self.axes_ = list(axes)
        part: Any = self.axes_[0].get_figure()
        self.figure_ = part.get_figure(root=True)
        for ax, result in zip(self.axes_, self.results, strict=False):
            _draw_result(ax, result)
        if self.rates:
            _draw_rates(self.axes_[len(self.results)], self.rates)
        if self.results:
            part.legend(
                handles=_marks(), loc="outside upper left", ncols=4, frameon=False, fontsize="small"
            )
        return self

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a readable figure, in inches."""
        return 7.5, sum(self._heights())

    def axes_of(self, figure: Figure) -> list[Axes]:
        """New axes in `figure`, one below the other."""
        # Separate subfigures, so that long names of rates do not narrow the axes of constraints.
        heights = self._heights()
        parts = list(figure.subfigures(len(heights), squeeze=False, height_ratios=heights).flat)
        rows = []
        if self.results:
            above = parts.pop(0)
            height = INCHES_OF_SCALE / heights[0]
            inches = INCHES_PER_CONSTRAINT * np.arange(len(self.results))
            bottoms = 1 - (INCHES_OF_LEGEND + INCHES_OF_TITLE + inches) / heights[0] - height
            rows = [above.add_axes((0.03, bottom, 0.94, height)) for bottom in bottoms]
        return [*rows, *(part.subplots() for part in parts)]

    def _heights(self) -> list[float]:
        """The heights of all constraints together and of all rates, of those that there are."""
        constraints = INCHES_OF_LEGEND + INCHES_PER_CONSTRAINT * len(self.results)
        rates = INCHES_OF_FRAME + INCHES_PER_RATE * len(self.rates)
        parts = (self.results, constraints), (self.rates, rates)
        return [height for shown, height in parts if shown]


def _draw_result(ax: Axes, result: ConstraintResult) -> None:
    """Draw estimate, bound and limit of one constraint on its own scale."""
    color = PASSED if result.passed else FAILED
    known = [x for x in (result.estimate, result.bound) if math.isfinite(x)]
    low, high = _range_of([*known, result.limit])
    ax.set(xlim=(low, high), ylim=(-1, 1), yticks=[])
    is_upper = result.operator == "<="
    ax.axvspan(*((result.limit, high) if is_upper else (low, result.limit)), color=SHADE, zorder=0)
    ax.axvline(result.limit, color=INK, linewidth=1.5, linestyle="--")
    if math.isfinite(result.estimate):
        end = result.bound if math.isfinite(result.bound) else (high if is_upper else low)
        ax.plot([result.estimate, end], [0, 0], color=color, linewidth=2.5, solid_capstyle="butt")
        ax.plot(result.estimate, 0, "o", color=color, markersize=8)
    if math.isfinite(result.bound):
        ax.plot(result.bound, 0, "|", color=color, markersize=16, markeredgewidth=2.5)
    text = shortened(result.constraint, 64)
    ax.set_title(text, loc="left", fontsize="medium", color="black", parse_math=False)
    verdict: dict[str, Any] = {"color": for_text(color), "fontweight": "bold", "fontsize": "medium"}
    ax.set_title(_verdict(result), loc="right", **verdict)
    _leave_scale_only(ax)


def _verdict(result: ConstraintResult) -> str:
    if result.guarantee == "none":
        return "not tested"
    if not result.passed:
        return "NOT passed"
    return "passed (asymptotic)" if result.guarantee == "asymptotic" else "passed"


def _draw_rates(ax: Axes, rates: Sequence[GroupRate]) -> None:
    """Draw the rates of decisions, one above the other, with their intervals."""
    positions = list(range(len(rates), 0, -1))
    for y, rate in zip(positions, rates, strict=True):
        ax.plot([rate.low, rate.high], [y, y], color=GREY, linewidth=2)
        ax.plot(rate.rate, y, "D", color=INK, markersize=5)
    low, high = _range_of([end for rate in rates for end in (rate.low, rate.high)])
    ax.set(ylim=(0.4, len(rates) + 0.6), xlim=(max(low, -0.02), min(high, 1.02)))
    labels = [f"{_in_two_lines(rate.name)}   n = {rate.rows:,}" for rate in rates]
    ax.set_yticks(positions, labels, fontsize="small", parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    title = "Rates on the safety rows, with exact 95 % intervals"
    ax.set_title(title, loc="left", fontsize="medium")
    _leave_scale_only(ax)


def _in_two_lines(name: str) -> str:
    """The name of a rate, in at most two lines of equal width."""
    return "\n".join(wrap(shortened(name, 2 * RATE_WIDTH - 8), RATE_WIDTH, break_on_hyphens=False))


def _range_of(values: Sequence[float]) -> tuple[float, float]:
    """The range of the values, widened on both sides."""
    low, high = min(values), max(values)
    room = 0.25 * (high - low) or 0.1 * max(abs(high), 1.0)
    return low - room, high + room


def _leave_scale_only(ax: Axes) -> None:
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="x", labelsize="small")


def _marks() -> list[Artist]:
    """The entries of the legend above the first constraint, in neutral colours."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bar: dict[str, Any] = {"marker": "|", "markersize": 12, "markeredgewidth": 2}
    return [
        Line2D([], [], color=INK, linestyle="none", marker="o", label="estimate"),
        Line2D([], [], color=INK, linestyle="none", **bar, label="bound"),
        Line2D([], [], color=INK, linestyle="--", label="limit"),
        Patch(color="0.85", label="violates it"),
    ]

"""The figure of a certificate shows its numbers."""

import math
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from scipy.stats import binomtest

from sklearn_seldonian import SafetyDataReusedWarning, SeldonianClassifier, certify
from sklearn_seldonian._palette import FAILED, PASSED
from sklearn_seldonian.certification import CertificateDisplay, ConstraintResult, SafetyCertificate
from sklearn_seldonian.modules import MLP

matplotlib.use("Agg")

RESULT = ConstraintResult(
    constraint="PR | [M] <= 0.6",
    operator="<=",
    estimate=0.5,
    bound=0.55,
    limit=0.6,
    g=-0.1,
    g_upper=-0.05,
    p_value=0.001,
    delta=0.05,
    method="Clopper-Pearson",
    guarantee="exact",
    rows={"PR | [M]": 600},
    rates={"PR | [M]": 0.5},
    reason="",
)
MISSED = replace(
    RESULT,
    constraint="ACC >= 0.9",
    operator=">=",
    estimate=0.91,
    bound=0.88,
    limit=0.9,
    g_upper=0.02,
    rows={"ACC": 1000, "PR | [M]": 600, "LogLoss": 1000},
    rates={"ACC": 0.91, "PR | [M]": 0.5},
    reason="too few rows",
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture
def drawn():
    """Draws the display of results; the figures are closed at the end."""
    figures = []

    def draw(*results):
        certificate = SafetyCertificate(results, loss=0.0, n_candidate=10, n_safety=1000)
        display = certificate.plot()
        display.figure_.draw_without_rendering()
        figures.append(display.figure_)
        return display

    yield draw
    for figure in figures:
        matplotlib.pyplot.close(figure)


def test_each_constraint_has_estimate_bound_and_limit(drawn):
    display = drawn(RESULT, MISSED)
    assert len(display.axes_) == 3
    for ax, result, color in zip(display.axes_, (RESULT, MISSED), (PASSED, FAILED), strict=False):
        limit, interval, estimate, bound = ax.lines
        assert list(limit.get_xdata()) == [result.limit] * 2
        assert list(interval.get_xdata()) == [result.estimate, result.bound]
        assert list(estimate.get_xdata()) == [result.estimate]
        assert list(bound.get_xdata()) == [result.bound]
        assert {line.get_color() for line in (interval, estimate, bound)} == {color}
        low, high = ax.get_xlim()
        assert low < min(result.estimate, result.bound, result.limit)
        assert high > max(result.estimate, result.bound, result.limit)
        assert ax.get_title(loc="left") == result.constraint


def test_the_side_that_violates_is_shaded(drawn):
    upper, lower, _ = drawn(RESULT, MISSED).axes_
    assert upper.patches[0].get_x() == RESULT.limit
    edge = lower.patches[0].get_x() + lower.patches[0].get_width()
    assert edge == pytest.approx(MISSED.limit)


def test_verdicts_are_read_without_colour(drawn):
    untested = replace(MISSED, guarantee="none", estimate=math.nan, bound=-math.inf)
    display = drawn(RESULT, MISSED, untested)
    verdicts = [ax.get_title(loc="right") for ax in display.axes_[:3]]
    assert verdicts == ["passed", "NOT passed", "not tested"]


def test_a_bound_by_approximation_is_called_so(drawn):
    asymptotic = [replace(result, guarantee="asymptotic") for result in (RESULT, MISSED)]
    verdicts = [ax.get_title(loc="right") for ax in drawn(*asymptotic).axes_[:2]]
    assert verdicts == ["passed (asymptotic)", "NOT passed"]


def test_long_names_leave_room_for_the_verdict(drawn):
    name = "PR | [`" + "a column with a very long name " * 5 + "`]"
    long = replace(MISSED, constraint=f"{name} >= 0.2", rows={name: 60}, rates={name: 0.4})
    display = drawn(long, replace(long, guarantee="asymptotic", g_upper=-0.1))
    ends = 0, display.figure_.bbox.width
    for ax in display.axes_[:2]:
        texts = [text.get_window_extent() for text in (ax.title, ax._left_title, ax._right_title)]
        _, left, right = texts
        assert left.x1 < right.x0
        assert ends[0] <= left.x0
        assert right.x1 <= ends[1]
    label = display.axes_[2].get_yticklabels()[0].get_window_extent()
    assert label.x0 >= 0


def test_marks_are_explained(drawn):
    display = drawn(RESULT)
    (legend,) = display.axes_[0].get_figure(root=False).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["estimate", "bound", "limit", "violates it"]
    titles = [ax._left_title.get_window_extent() for ax in display.axes_]
    assert all(legend.get_window_extent().y0 > title.y1 for title in titles)


def test_rates_have_exact_intervals_once(drawn):
    display = drawn(RESULT, MISSED)
    assert [(rate.name, rate.rows) for rate in display.rates] == [("PR | [M]", 600), ("ACC", 1000)]
    for rate in display.rates:
        exact = binomtest(round(rate.rate * rate.rows), rate.rows).proportion_ci(0.95, "exact")
        assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    ax = display.axes_[-1]
    interval, point, *_ = ax.lines
    assert list(interval.get_xdata()) == [display.rates[0].low, display.rates[0].high]
    assert list(point.get_xdata()) == [0.5]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["PR | [M]   n = 600", "ACC   n = 1,000"]


@pytest.mark.parametrize(
    ("estimate", "bound", "n_lines"),
    [(math.nan, math.inf, 1), (0.5, math.inf, 3), (0.5, 0.55, 4)],
)
def test_what_is_not_known_is_not_drawn(drawn, estimate, bound, n_lines):
    display = drawn(replace(RESULT, estimate=estimate, bound=bound, rates={}))
    (ax,) = display.axes_
    assert len(ax.lines) == n_lines
    assert np.isfinite(ax.get_xlim()).all()


def test_texts_of_the_users_are_no_formulas(drawn):
    nasty = replace(RESULT, constraint=r"PR | [`$\bad$`] <= 1", rates={r"$\frac{$": 0.5})
    display = drawn(replace(nasty, rows={r"$\frac{$": 60}))
    assert display.axes_[0].get_title(loc="left") == r"PR | [`$\bad$`] <= 1"
    assert display.axes_[1].get_yticklabels()[0].get_text() == r"$\frac{$   n = 60"


def test_axes_of_the_callers(drawn):
    figure, axes = matplotlib.pyplot.subplots(2)
    display = CertificateDisplay.from_certificate(
        SafetyCertificate((RESULT,), loss=0.0, n_candidate=0, n_safety=600)
    ).plot(axes)
    assert display.figure_ is figure
    assert len(axes[0].lines) == 4
    matplotlib.pyplot.close(figure)


def test_from_estimator_and_from_certify(blobs):
    X, y = blobs
    model = SeldonianClassifier(MLP, constraints="TPR >= 0.7", random_state=0, max_epochs=3)
    model.fit(X, y)
    (rate,) = CertificateDisplay.from_estimator(model).rates
    rows = model.safety_indices_
    positive = y[rows] == 1
    assert rate.rows == positive.sum()
    assert rate.rate == pytest.approx(model.predict(X[rows])[positive].mean())
    with pytest.warns(SafetyDataReusedWarning):
        certificate = certify(model, X, y, "TPR >= 0.7")
    assert certificate.procedure == "certify"
    assert certificate.parameters["constraints"] == "['TPR >= 0.7']"
    assert certificate.parameters["estimator"].startswith("SeldonianClassifier(")
    assert (certificate.classes, certificate.positive) == (("0", "1"), "1")
    assert [r.name for r in CertificateDisplay.from_certificate(certificate).rates] == ["TPR"]


def test_drawn_decisions_have_no_exact_intervals(blobs):
    model = SeldonianClassifier(
        MLP, constraints="ACC >= 0.6", decision="sample", random_state=0, max_epochs=3
    ).fit(*blobs)
    assert CertificateDisplay.from_estimator(model).rates == []


def test_nothing_to_show(blobs):
    with pytest.raises(ValueError, match="The certificate has no results"):
        SafetyCertificate((), loss=0.0, n_candidate=0, n_safety=0).plot()
    model = SeldonianClassifier(max_epochs=1).fit(*blobs)
    with pytest.raises(ValueError, match="The estimator was fitted without constraints"):
        CertificateDisplay.from_estimator(model)

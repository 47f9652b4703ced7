import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian._palette import STYLES
from sklearn_seldonian.experiments import (
    ExperimentDisplay,
    plot_experiment,
    run_experiment,
    summarise_results,
)
from tests._figures import assert_readable
from tests.conftest import two_blobs

matplotlib.use("Agg")

ESTIMATORS = {
    "always": DummyClassifier(strategy="constant", constant=1),
    "logistic": LogisticRegression(),
}


@pytest.fixture
def experiment(table_and_folder):
    """The table of an experiment, and the folder it was written to."""
    results, folder = table_and_folder
    return results.copy(), folder


@pytest.fixture(scope="module")
def table_and_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    results = run_experiment(
        ESTIMATORS,
        *two_blobs(),
        "PR <= 0.6",
        sample_sizes=[100, 20],
        n_trials=4,
        metrics=["accuracy", "neg_log_loss"],
        results=folder,
    )
    return results, folder


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def lines(ax):
    """The line and the ends of the error bars of each estimator, by name."""
    return {
        container.get_label(): (container.lines[0], container.lines[1])
        for container in ax.containers
    }


def test_three_panels_show_the_summary(experiment):
    results, _ = experiment
    summary = summarise_results(results)
    display = plot_experiment(results)
    columns = ("performance", "solution_rate", "failure_rate")
    for ax, column in zip(display.axes_, columns, strict=True):
        for name, (line, (low, high)) in lines(ax).items():
            points = summary[summary["estimator"] == name].sort_values("sample_size")
            assert line.get_ydata().tolist() == points[column].tolist()
            assert low.get_ydata().tolist() == pytest.approx(points[f"{column}_low"].tolist())
            assert high.get_ydata().tolist() == pytest.approx(points[f"{column}_high"].tolist())
            assert line.get_xdata() == pytest.approx([20, 100], rel=0.05)
        assert ax.get_xscale() == "log"
        assert [text.get_text() for text in ax.get_xticklabels()] == ["20", "100"]
    titles = [ax.get_title(loc="left") for ax in display.axes_]
    assert titles == ["Accuracy of solutions", "Solution rate", "Failure rate"]
    (legend,) = display.figure_.legends
    assert [text.get_text() for text in legend.get_texts()] == ["always", "logistic"]
    assert legend.get_title().get_text() == "Bars are 95% confidence intervals"


@pytest.mark.parametrize("delta", [0.05, 0.2])
def test_delta_is_a_line_among_the_failures(experiment, delta):
    *others, failures = plot_experiment(experiment[0], delta=delta).axes_
    level = [line for line in failures.lines if list(line.get_ydata()) == [delta, delta]]
    assert len(level) == 1
    assert [text.get_text() for text in failures.texts] == [f"δ = {delta}"]
    assert not any(ax.texts for ax in others)


def test_no_line_without_delta(experiment):
    with_line, without = (plot_experiment(experiment[0], delta=d).axes_[2] for d in (0.1, None))
    assert len(with_line.lines) == len(without.lines) + 1
    assert not without.texts


def test_estimators_differ_in_more_than_colour(experiment):
    drawn = [line for line, _ in lines(plot_experiment(experiment[0]).axes_[0]).values()]
    for feature in ("color", "marker", "linestyle"):
        assert len({plt.getp(line, feature) for line in drawn}) == len(drawn)
    for feature in zip(*STYLES, strict=True):
        assert len(set(feature)) == len(STYLES)


def test_another_metric_and_level_and_soft_failures(experiment):
    display = plot_experiment(
        experiment[0], metric="neg_log_loss", violation="soft", confidence_level=0.8
    )
    titles = [ax.get_title(loc="left") for ax in display.axes_]
    assert titles == [
        "\N{MINUS SIGN}Log loss of solutions",
        "Solution rate",
        "Failure rate (by probabilities)",
    ]
    expected = summarise_results(experiment[0], violation="soft", confidence_level=0.8)
    assert display.summary["failure_rate_high"].equals(expected["failure_rate_high"])
    assert display.figure_.legends[0].get_title().get_text() == "Bars are 80% confidence intervals"


def test_from_the_folder(experiment):
    results, folder = experiment
    for path in (folder, str(folder)):
        display = ExperimentDisplay.from_results(path)
        assert display.summary.equals(summarise_results(results))


def test_on_given_axes(experiment):
    figure, axes = plt.subplots(3)
    display = plot_experiment(experiment[0], axes=axes)
    assert display.axes_ is axes
    assert display.figure_ is figure
    assert not figure.legends
    assert axes[0].get_legend() is not None


@pytest.mark.parametrize(
    ("sizes", "slanted"),
    [
        ([100], False),
        ([250, 1000, 4000], False),
        ([100, 200_000], False),
        ([100, 250, 1000, 4000, 10_000, 100_000], True),
        ([20_000, 40_000, 80_000, 160_000, 320_000], False),
    ],
)
def test_sizes_can_be_read(experiment, sizes, slanted):
    results, _ = experiment
    one = results[results["estimator"] == "always"]
    parts = [
        one[one["sample_size"] == one["sample_size"].min()].assign(sample_size=n) for n in sizes
    ]
    display = plot_experiment(pd.concat(parts, ignore_index=True))
    assert_readable(display.figure_)
    assert {label.get_rotation() > 0 for label in display.axes_[0].get_xticklabels()} == {slanted}


def test_more_estimators_than_styles(experiment):
    results, _ = experiment
    one = results[results["estimator"] == "always"]
    copies = [one.assign(estimator=f"copy {i}") for i in range(len(STYLES) + 1)]
    display = plot_experiment(pd.concat(copies, ignore_index=True))
    drawn = [line for line, _ in lines(display.axes_[0]).values()]
    features = ("color", "marker", "linestyle", "markerfacecolor")
    looks = {tuple(str(plt.getp(line, feature)) for feature in features) for line in drawn}
    assert len(looks) == len(drawn) == len(STYLES) + 1


@pytest.mark.parametrize("n_estimators", [1, 2, 5, 9])
@pytest.mark.parametrize("name", ["{}", "estimator {} with a $name$ that goes on and on and on"])
@pytest.mark.thinned(3)
def test_names_stay_inside_the_figure(experiment, n_estimators, name):
    results, _ = experiment
    one = results[results["estimator"] == "always"]
    copies = [one.assign(estimator=name.format(i)) for i in range(n_estimators)]
    display = plot_experiment(pd.concat(copies, ignore_index=True))
    display.figure_.draw_without_rendering()
    legend = display.figure_.legends[0].get_window_extent()
    width = display.figure_.bbox.width
    assert 0 <= legend.x0 < legend.x1 <= width
    for ax in display.axes_:
        assert ax.get_window_extent().y0 > legend.y1
        assert ax.get_window_extent().height > 0.45 * display.figure_.bbox.height


@pytest.mark.parametrize(("sizes", "apart"), [([100, 400, 3200], 4**0.05), ([100], 2**0.05)])
def test_points_of_one_size_are_drawn_side_by_side(experiment, sizes, apart):
    results, _ = experiment
    one = results[results["sample_size"] == 100]
    display = plot_experiment(
        pd.concat([one.assign(sample_size=size) for size in sizes], ignore_index=True)
    )
    drawn = lines(display.axes_[0]).values()
    first, second = (np.asarray(line.get_xdata(), dtype=float) for line, _ in drawn)
    assert second / first == pytest.approx(apart)
    assert np.sqrt(first * second) == pytest.approx(sizes)


def test_estimators_without_solutions_leave_a_gap(experiment):
    results, _ = experiment
    never = results.assign(solution_found=False, failure=False, accuracy=np.nan)
    display = plot_experiment(never)
    for line, _ in lines(display.axes_[0]).values():
        assert np.isnan(line.get_ydata(orig=False)).all()
    for line, _ in lines(display.axes_[1]).values():
        assert (line.get_ydata() == 0).all()
    display.figure_.canvas.draw()

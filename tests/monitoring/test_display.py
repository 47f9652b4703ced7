"""The figure shows the state of the monitor."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_seldonian.monitoring import MonitorDisplay, SafetyMonitor


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def monitor():
    rng = np.random.default_rng(0)
    watched = SafetyMonitor(["PR <= 0.3", "PR >= 0.1"], windows=2)
    for _ in range(20):
        watched.update(1 * (rng.random(50) < 0.45))
    watched.restart("March")
    for _ in range(20):
        watched.update(1 * (rng.random(50) < 0.2))
    return watched


def test_each_constraint_has_a_panel_with_its_verdict(monitor):
    display = MonitorDisplay.from_monitor(monitor)
    assert [ax.get_title("left") for ax in display.axes_] == ["PR <= 0.3", "PR >= 0.1"]
    titles = [ax.get_title("right") for ax in display.axes_]
    assert titles == ["holds: proved", "holds: proved"]
    marks = [line for line in display.axes_[0].lines if line.get_marker() == "v"]
    assert len(marks) == 1
    proved = monitor.to_frame().query("violated")["violated_at"].iloc[0]
    assert marks[0].get_xdata()[0] == proved
    starts = [line for line in display.axes_[1].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in starts] == [1000]
    assert display.axes_[-1].get_xlabel() == "rows"
    assert display.figure_ is display.axes_[0].figure


def test_it_draws_into_axes_that_are_given(monitor):
    _, axes = plt.subplots(2, 1)
    assert MonitorDisplay.from_monitor(monitor, axes=axes).axes_ == list(axes)
    with pytest.raises(ValueError, match="axes has 1 Axes, and there are 2 constraints"):
        MonitorDisplay.from_monitor(monitor, axes=axes[:1])


def test_there_must_be_something_to_draw():
    with pytest.raises(ValueError, match="The monitor has no rows"):
        MonitorDisplay.from_monitor(SafetyMonitor("PR <= 0.3"))
    with pytest.raises(TypeError, match="monitor must be a SafetyMonitor, got 3"):
        MonitorDisplay.from_monitor(3)


def test_estimates_that_are_unknown_leave_the_picture_whole():
    monitor = SafetyMonitor(["TPR >= 0.5"]).update([1, 0], [0, 0])
    display = MonitorDisplay.from_monitor(monitor)
    low, high = display.axes_[0].get_ylim()
    assert low <= 0 < 1 <= high

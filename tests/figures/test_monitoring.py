"""The figures on auditing and monitoring agree with the text of their pages."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from figures import monitoring as figures


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_monitor_proves_the_gap_after_the_change_and_nothing_else():
    gap, rate = figures.changing_stream().axes
    (mark,) = [line for line in gap.lines if line.get_marker() == "v"]
    assert figures.CHANGE < mark.get_xdata()[0] <= figures.ROWS
    assert rate.get_title(loc="right") == "holds: proved"


def test_only_the_repeated_test_raises_too_many_false_alarms():
    by_test, by_monitor = (line.get_ydata() for line in figures.false_alarms().axes[0].lines[:2])
    assert by_test[-1] > 0.35
    assert by_test[0] <= 0.08  # a single test
    assert by_monitor[-1] < figures.DELTA


def test_smallest_alarm_is_the_first_count_that_refutes_the_limit():
    (count,) = figures.smallest_alarm(np.array([100]))
    capitals = [
        float(figures.RateStream(int(k), 100).log_capital(np.array([figures.LIMIT]))[0])
        for k in (count - 1, count)
    ]
    assert capitals[0] < np.log(1 / figures.DELTA) <= capitals[1]


def test_no_model_that_violates_the_constraint_passes_more_often_than_delta():
    for line in figures.passing_by_truth().axes[0].lines[:3]:
        truths, passing = (np.asarray(values) for values in line.get_data())
        assert passing[truths <= 0.8 + 1e-9].max() <= figures.DELTA
        assert passing[-1] > 0.9

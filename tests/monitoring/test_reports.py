"""A monitor's table, series and text."""

import pytest

from sklearn_seldonian.monitoring import SafetyMonitor
from sklearn_seldonian.monitoring._reports import OF_LATENESS
from tests.monitoring._people import people


def test_the_series_counts_the_rows_of_all_windows():
    monitor = SafetyMonitor("PR <= 0.3", windows=2)
    monitor.update([0] * 100).restart("March").update([0] * 50)
    last = monitor.history_.groupby("window", sort=False).last()
    assert last["n_rows"].to_dict() == {"window 1": 100, "March": 150}
    frame = monitor.to_frame().set_index("window")
    for column in ("estimate", "lower", "upper"):
        assert last[column].to_dict() == frame[column].to_dict()


def test_the_series_ends_with_the_last_row():
    monitor = SafetyMonitor("PR <= 0.3").update([0] * 1000).update([0])
    assert monitor.history_["n_rows"].tolist()[-2:] == [1000, 1001]


def test_the_table_has_the_rest_of_a_constraint():
    frame = SafetyMonitor(["ACC >= 0.6", "PR <= 0.9"], delta=[0.05, 0.01]).to_frame()
    assert frame["operator"].tolist() == [">=", "<="]
    assert frame["limit"].tolist() == [0.6, 0.9]
    assert frame["delta"].tolist() == [0.05, 0.01]
    assert frame["violated_at"].isna().all()


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("ACC >= 0.6", "ACC >= 0.6: holds, proved (delta 0.05)"),
        ("ACC >= 0.9", "ACC >= 0.9: VIOLATED, proved after 1,000 rows (delta 0.05)"),
        ("ACC >= 0.75", "ACC >= 0.75: not decided (delta 0.05)"),
    ],
)
def test_each_verdict_is_stated(constraint, statement):
    text = SafetyMonitor(constraint).update(*people(1000)[:2]).explain(None)
    assert text.splitlines()[0] == "1,000 rows in 'window 1', of which 0 are waiting for labels."
    assert statement in text.splitlines()
    assert "rows of ACC: 1,000" in text


@pytest.mark.parametrize("late", OF_LATENESS)
def test_what_is_assumed_about_late_labels_is_stated_where_there_are_labels(late):
    for constraint, has_labels in (("ACC >= 0.6", True), ("PR <= 0.9", False)):
        text = SafetyMonitor(constraint, late_labels=late).explain(None)
        assert (OF_LATENESS[late] in text) == has_labels

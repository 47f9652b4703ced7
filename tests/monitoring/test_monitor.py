"""The monitor's public interface."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.monitoring import SafetyMonitor
from sklearn_seldonian.monitoring._windows import Window
from tests.monitoring._people import people

CONSTRAINTS = [
    "ACC >= 0.7",
    "abs(PR | [sex == 'M'] - PR | [sex == 'F']) <= 0.2",
    "min(TPR, by=race) >= 0.5",
]
LEVELS = {"race": ["A", "B", "C"]}


def known(monitor):
    frame = monitor.to_frame().drop(columns="violated_at")
    return frame.round(12).to_dict("records")


def pieces(n, size):
    return [slice(start, start + size) for start in range(0, n, size)]


@pytest.mark.parametrize("size", [1000, 250, 37])
def test_pieces_make_no_difference(size):
    rows = people(1000)
    whole = SafetyMonitor(CONSTRAINTS, levels=LEVELS).update(*rows)
    monitor = SafetyMonitor(CONSTRAINTS, levels=LEVELS)
    for piece in pieces(1000, size):
        monitor.update(*(part[piece] for part in rows))
    assert monitor.estimate_.tolist() == whole.estimate_.tolist()
    assert monitor.bounds_.tolist() == whole.bounds_.tolist()
    assert monitor.n_rows_ == 1000


def test_before_the_first_row_nothing_is_known():
    monitor = SafetyMonitor(CONSTRAINTS, levels=LEVELS)
    assert monitor.violated_.tolist() == [False] * 3
    assert monitor.certified_.tolist() == [False] * 3
    assert np.isnan(monitor.estimate_).all()
    assert monitor.bounds_ == pytest.approx(np.array([[0, 1], [0, 1], [0, 1]]), abs=1e-12)
    assert (monitor.n_rows_, monitor.n_waiting_) == (0, 0)
    assert monitor.history_.empty
    assert "0 rows in 'window 1'" in monitor.explain(None)


def test_constraints_that_hold_are_certified_and_others_alarm():
    monitor = SafetyMonitor(["ACC >= 0.6", "ACC >= 0.9"]).update(*people(1000)[:2])
    assert monitor.violated_.tolist() == [False, True]
    assert monitor.certified_.tolist() == [True, False]
    frame = monitor.to_frame()
    assert frame["violated_at"].tolist() == [frame["violated_at"][0], 1000]
    text = monitor.explain(None)
    assert "ACC >= 0.9: VIOLATED, proved after 1,000 rows (delta 0.05)" in text
    assert "ACC >= 0.6: holds, proved" in text
    assert "in any window, is at most 0.1" in text
    assert max(map(len, monitor.explain().splitlines())) <= 80
    assert monitor.explain().split() == text.split()


def test_parameters_are_kept_as_given_cloned_and_pickled():
    monitor = SafetyMonitor(CONSTRAINTS, levels=LEVELS).update(*people(300))
    assert clone(monitor).n_rows_ == 0
    assert known(pickle.loads(pickle.dumps(monitor))) == known(monitor)
    assert SafetyMonitor("PR <= 1").get_params()["delta"] == 0.05


def test_parameters_must_not_change_once_rows_came():
    monitor = SafetyMonitor("PR <= 0.5").update([0, 1])
    with pytest.raises(ValueError, match="delta was changed after the monitor had started"):
        monitor.set_params(delta=0.2).update([0, 1])


def changed_delta(monitor):
    return monitor.set_params(delta=0.5)


def changed_windows(monitor):
    return monitor.set_params(windows=1)


def changed_lateness(monitor):
    return monitor.set_params(late_labels="as they come")


def changed_level(monitor):
    monitor.levels["race"].append("D")
    return monitor


def same(monitor):
    return monitor


WAYS = [
    same,
    copy.copy,
    copy.deepcopy,
    lambda monitor: pickle.loads(pickle.dumps(monitor)),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "change", [changed_delta, changed_windows, changed_lateness, changed_level]
)
def test_no_copy_or_pickle_takes_over_changed_parameters(change, way):
    monitor = SafetyMonitor(
        ["min(PR, by=race) >= 0.1", "ACC >= 0.5"],
        delta=0.01,
        levels={"race": ["A", "B", "C"]},
        windows=10,
        late_labels="in order",
    )
    y_pred, y_true, columns = people(20)
    monitor.update(y_pred, y_true, columns, row_ids=range(20))
    assert way(monitor).to_frame()["delta"].tolist() == [0.001] * 2
    other = way(change(monitor))
    for ask in (SafetyMonitor.to_frame, SafetyMonitor.explain, SafetyMonitor.to_json):
        with pytest.raises(ValueError, match="was changed after the monitor had started"):
            ask(other)


@pytest.mark.parametrize("make", [list, np.array])
def test_a_list_of_deltas_that_is_changed_later_is_noticed(make):
    deltas = make([0.001])
    one, other = (SafetyMonitor("PR <= 0.3", deltas).update([1] * n) for n in (4, 1))
    assert (one + other).to_frame()["delta"].tolist() == [0.001]
    deltas[0] = 0.5
    with pytest.raises(ValueError, match="delta was changed"):
        one + other
    deltas[0] = 0.001
    assert (one + other).violated_.tolist() == [False]


def test_a_merged_monitor_keeps_the_parameters_of_its_parts():
    one, other = (SafetyMonitor("PR <= 0.3", windows=10).update([1] * 2) for _ in range(2))
    whole = one + other
    whole.set_params(windows=1)
    with pytest.raises(ValueError, match="windows was changed"):
        whole.update([1])


@pytest.mark.parametrize("way", WAYS[1:])
def test_copies_go_their_own_way(way):
    monitor = SafetyMonitor("ACC >= 0.5", windows=3).update([1, 1], [1, None], row_ids=[1, 2])
    before = monitor.to_json()
    other = way(monitor)
    assert other.to_json() == before
    other.update([0] * 50, [1] * 50).add_labels([2], [0]).restart("more")
    assert monitor.to_json() == before
    monitor.update([1], [1])
    assert other.n_rows_ == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"late_labels": "never"}, "late_labels must be one of 'as they come', 'in order'"),
        ({"windows": 0}, "windows must be a whole number"),
        ({"classes": 3}, "classes must list"),
    ],
)
def test_wrong_parameters_are_refused(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SafetyMonitor("PR <= 0.5", **parameters).update([0, 1])


def test_a_delta_that_is_meant_as_confidence_warns():
    with pytest.warns(UserWarning, match="probability of error"):
        SafetyMonitor("PR <= 0.5", delta=0.95).update([0, 1])


def test_a_refused_piece_changes_nothing():
    monitor = SafetyMonitor("ACC >= 0.5").update([1, 0], [1, 0])
    before = monitor.to_json()
    with pytest.raises(ValueError, match="y_true has 5"):
        monitor.update([1, 0], [1, 5])
    cost = RowMeasure("Cost", lambda y, p, _: 3.0 * (y != p), range=(0, 2))
    costly = SafetyMonitor("Cost <= 1", measures=[cost], late_labels="in order")
    costly.update([1, 1], [None, None], row_ids=[1, 2])
    assert monitor.to_json() == before
    waiting = costly.to_json()
    with pytest.raises(ValueError, match="outside its range"):
        costly.add_labels([2], [0])
    assert costly.to_json() == waiting


@pytest.mark.parametrize("late", ["as they come", "in order"])
def test_an_error_in_an_update_counts_nothing(late, monkeypatch):
    monitor = SafetyMonitor(["PR <= 0.3", "ACC >= 0.5"], late_labels=late, windows=2)
    monitor.update([1, 1], row_ids=[1, 2]).restart().update([0, 1], row_ids=[3, 4])
    other = SafetyMonitor(["PR <= 0.3", "ACC >= 0.5"], late_labels=late, windows=2)
    other.update([1], [1], row_ids=[9]).restart()
    before, of_other = monitor.to_json(), other.to_json()
    changes = [
        lambda: monitor.update([1, 1], [0, None], row_ids=[5, 6]),
        lambda: monitor.add_labels([3, 1], [0, 0]),
        lambda: monitor.merge(other),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Window, "look", lambda *_: 1 / 0)
        for change in changes:
            with pytest.raises(ZeroDivisionError):
                change()
            assert monitor.to_json() == before
            assert other.to_json() == of_other
    for change in changes[:2]:
        change()
    assert monitor.n_rows_ == 4


def test_deltas_that_are_too_small_are_refused_before_the_first_row():
    with pytest.raises(ValueError, match=r"delta=4\.94066e-324 is too small"):
        SafetyMonitor(["PR <= 0.3", "PPV - FPR <= 0.1"], 5e-324).update([1] * 5, [1] * 5)
    least = SafetyMonitor(["PR <= 0.3", "PPV - FPR <= 0.1"], 1e-300, windows="unlimited")
    assert least.update([1] * 5, [1] * 5).violated_.tolist() == [False, False]


@pytest.mark.parametrize("constraint", ["PR <= 0.9", "ACC >= 0.5"])
@pytest.mark.parametrize("y_true", [None, [1, 1]])
def test_an_id_that_is_there_twice_is_refused(constraint, y_true):
    monitor = SafetyMonitor(constraint)
    with pytest.raises(ValueError, match="row_ids has 'a' more than once"):
        monitor.update([1, 1], y_true, row_ids=["a", "a"])
    assert monitor.n_rows_ == 0
    assert monitor.update([1, 1], y_true, row_ids=["a", "b"]).n_rows_ == 2


def test_an_id_of_a_row_that_waits_is_refused_whether_the_new_row_has_a_label_or_not():
    monitor = SafetyMonitor("ACC >= 0.5").update([1], row_ids=["a"])
    for y_true in (None, [1]):
        with pytest.raises(ValueError, match="still waiting for their labels"):
            monitor.update([1], y_true, row_ids=["a"])
    assert monitor.n_rows_ == 1


def test_empty_pieces_are_taken():
    monitor = SafetyMonitor(["ACC >= 0.5", "PR <= 0.9"])
    monitor.update(np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    assert monitor.n_rows_ == 0
    monitor.add_labels([], []).forget([])
    assert monitor.n_rows_ == 0


# -- late labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", ["as they come", "in order"])
def test_late_labels_lead_to_what_labels_at_once_lead_to(late):
    y_pred, y_true, columns = people(600)
    once = SafetyMonitor(CONSTRAINTS, levels=LEVELS).update(y_pred, y_true, columns)
    monitor = SafetyMonitor(CONSTRAINTS, levels=LEVELS, late_labels=late)
    for piece in pieces(600, 200):
        monitor.update(y_pred[piece], None, columns[piece], row_ids=np.arange(600)[piece])
    assert monitor.n_waiting_ == 600
    assert np.isnan(monitor.estimate_).tolist() == [True, False, True]  # PR does not need labels
    order = np.random.default_rng(0).permutation(600)
    for piece in pieces(600, 150):
        monitor.add_labels(order[piece], y_true[order[piece]])
    assert monitor.n_waiting_ == 0
    assert monitor.estimate_.tolist() == once.estimate_.tolist()
    assert monitor.bounds_.tolist() == once.bounds_.tolist()


def test_in_order_counts_the_first_rows_only():
    monitor = SafetyMonitor("ACC >= 0.5", late_labels="in order")
    monitor.update([1, 1, 1, 0], [1, None, 0, None], row_ids=["a", "b", "c", "d"])
    assert monitor.estimate_.tolist() == [1.0]
    assert monitor.n_waiting_ == 3
    monitor.add_labels(["d"], [0])
    assert monitor.estimate_.tolist() == [1.0]
    monitor.add_labels(["b"], [0])
    assert monitor.estimate_.tolist() == [0.5]


def test_in_order_requires_ids():
    monitor = SafetyMonitor("ACC >= 0.5", late_labels="in order")
    with pytest.raises(
        ValueError, match='row_ids was not given, and late_labels="in order" needs it'
    ):
        monitor.update([1, 0], [1, 0])


def test_rows_that_nothing_can_count_are_refused():
    with pytest.raises(ValueError, match="No constraint can count these rows"):
        SafetyMonitor("ACC >= 0.5").update([1, 0])
    assert SafetyMonitor(["ACC >= 0.5", "PR <= 0.9"]).update([1, 0]).n_rows_ == 2


def test_forgotten_rows_hold_up_nothing():
    monitor = SafetyMonitor("ACC >= 0.5", late_labels="in order")
    monitor.update([1, 1], [None, 0], row_ids=[1, 2])
    monitor.forget([1])
    assert monitor.n_waiting_ == 0
    assert monitor.estimate_.tolist() == [0.0]
    with pytest.raises(ValueError, match="No row with the id 1 is waiting for a label"):
        monitor.add_labels([1], [1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [([None], "y_true has 1 missing"), ([7], "y_true has 7"), ([1, 0], "has 2 values for 1")],
)
def test_wrong_late_labels_are_refused(labels, message):
    monitor = SafetyMonitor("ACC >= 0.5").update([1], row_ids=[1])
    with pytest.raises(ValueError, match=message):
        monitor.add_labels([1], labels)
    assert monitor.n_waiting_ == 1


# -- windows ---------------------------------------------------------------------------------------


def test_a_restart_uses_later_rows_and_the_rest_of_delta():
    monitor = SafetyMonitor("PR <= 0.3", windows="unlimited")
    monitor.update([1] * 60 + [0] * 40).restart("March").update([0] * 500)
    frame = monitor.to_frame()
    assert frame["window"].tolist() == ["window 1", "March"]
    assert frame["violated"].tolist() == [True, False]
    assert frame["certified"].tolist() == [False, True]
    assert frame["delta"].tolist() == pytest.approx([0.05 / 2, 0.05 / 6])
    assert monitor.violated_.tolist() == [False]
    assert monitor.n_rows_ == 500


def test_late_labels_count_in_the_window_of_their_rows():
    monitor = SafetyMonitor("ACC >= 0.9", windows=2)
    monitor.update([1] * 50, row_ids=range(50)).restart().update([1] * 10, [1] * 10)
    monitor.add_labels(range(50), [0] * 50)
    assert monitor.to_frame()["violated"].tolist() == [True, False]
    assert monitor.to_frame()["estimate"].tolist() == [0.0, 1.0]


def test_there_are_no_more_windows_than_share_delta():
    monitor = SafetyMonitor("PR <= 0.3", windows=2).update([1, 0])
    with pytest.raises(
        ValueError, match="name must be a text that is not the name of another window"
    ):
        monitor.restart("window 1")
    monitor.restart()
    with pytest.raises(ValueError, match="windows=2 allows no further window"):
        monitor.restart()
    with pytest.raises(ValueError, match="windows=1 allows no further window"):
        SafetyMonitor("PR <= 0.3").restart()


def test_no_window_begins_if_its_share_of_delta_is_too_small():
    monitor = SafetyMonitor("PR <= 0.3", 1e-305, windows="unlimited")
    for _ in range(19):  # 1e-305 / (20 * 21) is just above the smallest exact number
        monitor.restart()
    before = monitor.to_json()
    with pytest.raises(ValueError, match="delta=1e-305 is too small: the share of window 21"):
        monitor.restart()
    assert monitor.to_json() == before
    assert monitor.update([1]).n_rows_ == 1


# -- two sites -------------------------------------------------------------------------------------


def test_merged_monitors_equal_one_monitor_of_all_rows():
    rows, parts = people(900), (slice(0, 300), slice(300, 900))
    one, other = (
        SafetyMonitor(CONSTRAINTS, levels=LEVELS).update(*(part[piece] for part in rows))
        for piece in parts
    )
    whole = SafetyMonitor(CONSTRAINTS, levels=LEVELS).update(*rows)
    assert known(one + other) == known(whole)
    assert known(other.merge(one)) == known(whole)
    assert one.n_rows_ == 300


def test_rows_that_wait_are_merged_too():
    one, other = (
        SafetyMonitor("ACC >= 0.5").update([1], row_ids=[name]) for name in ("north 1", "south 1")
    )
    whole = (one + other).add_labels(["south 1", "north 1"], [1, 0])
    assert whole.estimate_.tolist() == [0.5]
    again = SafetyMonitor("ACC >= 0.5").update([1], row_ids=["north 1"])
    with pytest.raises(ValueError, match="'north 1', and rows with these ids are still waiting"):
        one + again


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (SafetyMonitor("PR <= 0.4"), ValueError, "differ in constraints"),
        (SafetyMonitor("PR <= 0.3", 0.1), ValueError, "differ in delta"),
        (SafetyMonitor("PR <= 0.3", windows=2), ValueError, "differ in windows"),
        (3, TypeError, "merged with another SafetyMonitor, got 3"),
    ],
)
def test_only_monitors_of_the_same_kind_are_merged(other, error, message):
    with pytest.raises(error, match=message):
        SafetyMonitor("PR <= 0.3").merge(other)


def test_rows_of_one_stream_are_not_merged_twice():
    north, south, east = (SafetyMonitor("PR <= 0.3").update([1, 0]) for _ in range(3))
    both, saved = north + south, SafetyMonitor.from_json(north.to_json())
    pairs = [
        (north, north),
        (north, copy.copy(north)),
        (north, pickle.loads(pickle.dumps(north)).update([1])),
        (north, saved),
        (both, south),
        (saved.update([0]), both),
        (both, SafetyMonitor.from_json(both.to_json())),
    ]
    for one, other in pairs:
        for first, second in ((one, other), (other, one)):
            with pytest.raises(ValueError, match="have rows of the same stream"):
                first + second
    assert (both + east).n_rows_ == 6
    assert (saved + south + east).n_rows_ == 7


def test_copies_that_were_made_before_the_first_row_are_merged():
    pattern = SafetyMonitor("PR <= 0.3")
    assert pattern.n_rows_ == 0
    north, south = copy.deepcopy(pattern).update([1]), clone(pattern).update([0])
    assert (north + south).n_rows_ == 2
    assert (north + pattern).n_rows_ == 1
    with pytest.raises(ValueError, match="have rows of the same stream"):
        pattern + pattern


def test_only_monitors_with_the_same_windows_are_merged():
    one, other = (SafetyMonitor("PR <= 0.3", windows=3) for _ in range(2))
    with pytest.raises(ValueError, match="Restart both at the same moments"):
        one.restart("March") + other.restart("April")


# -- numbers ---------------------------------------------------------------------------------------


def test_means_of_numbers_are_monitored():
    rng = np.random.default_rng(0)
    monitor = SafetyMonitor(
        ["MAE <= 0.3", "MSE <= 2"], classes=None, target_range=(0, 4), prediction_range=(0, 4)
    )
    target = rng.uniform(0, 4, 2000)
    monitor.update(np.clip(target + rng.normal(0, 0.6, 2000), 0, 4), target)
    assert monitor.violated_.tolist() == [True, False]
    assert monitor.certified_.tolist() == [False, True]
    (low, high), _ = monitor.bounds_
    assert 0.3 < low < monitor.estimate_[0] < high < 0.6

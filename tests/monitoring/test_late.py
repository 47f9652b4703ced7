"""Rows wait for their labels, and are counted as labels come or in order."""

import numpy as np
import pytest

from sklearn_seldonian.monitoring._late import WaitingRows, by_window, check_ids
from sklearn_seldonian.monitoring._rows import MonitoredRows


def rows(labels, first=0):
    n = len(labels)
    return MonitoredRows(np.arange(first, first + n), np.ones((n, 2), bool), np.array(labels))


def kept(in_order, ids, labels, window=0):
    waiting = WaitingRows(in_order)
    waiting.change(waiting.new(ids, rows(labels), window), ())
    return waiting


def taken(waiting, changed=(), forgotten=()):
    """The predictions of the rows whose labels are used, which then no longer wait."""
    changed = dict(changed)
    ready = waiting.ready(changed, forgotten)
    waiting.change(changed, (*ready, *forgotten))
    return [row.prediction for row in ready.values()]


def test_as_they_come_only_rows_without_labels_are_kept():
    waiting = kept(False, ["a", "b", "c"], [-1, 1, -1])
    assert list(waiting.rows) == ["a", "c"]
    assert taken(waiting, waiting.labelled(["c"], [1])) == [2]
    assert list(waiting.rows) == ["a"]


def test_in_order_a_label_waits_for_those_before():
    waiting = kept(True, ["a", "b", "c", "d"], [0, -1, 1, -1])
    assert taken(waiting) == [0]
    assert taken(waiting, waiting.labelled(["d"], [0])) == []
    assert list(waiting.rows) == ["b", "c", "d"]
    assert taken(waiting, waiting.labelled(["b"], [1])) == [1, 2, 3]
    assert waiting.rows == {}


def test_in_order_new_rows_come_after_those_that_wait():
    waiting = kept(True, [1], [-1])
    assert taken(waiting, waiting.new([2], rows([1], first=7), 0)) == []
    assert taken(waiting, forgotten=[1]) == [7]
    assert taken(waiting, waiting.new([3], rows([1], first=9), 0)) == [9]


def test_in_order_a_removed_row_delays_no_other():
    waiting = kept(True, [1, 2], [-1, 1])
    assert taken(waiting, forgotten=[1]) == [1]
    assert waiting.rows == {}


def test_to_ask_whose_turn_it_is_changes_nothing():
    waiting = kept(True, [1, 2], [-1, 1])
    before = dict(waiting.rows)
    assert list(waiting.ready(waiting.labelled([1], [0]))) == [1, 2]
    assert waiting.rows == before


def test_rows_are_counted_in_their_own_windows():
    waiting = kept(False, [1], [-1], window=0)
    waiting.change(waiting.new([2], rows([-1], first=7), 1), ())
    ready = by_window(waiting.ready(waiting.labelled([2, 1], [1, 0])).values())
    assert {window: part.predictions.tolist() for window, part in ready.items()} == {0: [0], 1: [7]}
    assert {window: part.labels.tolist() for window, part in ready.items()} == {0: [0], 1: [1]}
    assert ready[0].holding.shape == (1, 2)


def test_a_copy_goes_its_own_way():
    waiting = kept(True, [1, 2], [-1, 1])
    waiting.copied().change({}, [1, 2])
    assert list(waiting.rows) == [1, 2]


def test_ids_that_are_known_or_unknown_are_refused():
    waiting = kept(True, [1, 2], [-1, 1])
    with pytest.raises(
        ValueError, match="row_ids has 1, and rows with these ids are still waiting"
    ):
        waiting.check_new([1])
    with pytest.raises(ValueError, match="No row with the id 2, 9 is waiting for a label"):
        waiting.check_waiting([2, 9])
    waiting.check_new([3])
    waiting.check_waiting([1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ab", "row_ids must be a list of one id per row"),
        (5, "row_ids must be a list of one id per row"),
        ([1.5, 2.5], "whole numbers or texts, and it has 1.5"),
        ([True, False], "whole numbers or texts"),
        ([1], "row_ids has 1 ids for 2 rows"),
        ([3, 3], "row_ids has 3 more than once"),
        ([np.int64(3), 3], "row_ids has 3 more than once"),
    ],
)
def test_what_is_no_list_of_ids_is_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_ids(given, 2)


def test_ids_of_numpy_become_plain():
    assert [type(one) for one in check_ids(np.array([1, 2]), 2)] == [int, int]

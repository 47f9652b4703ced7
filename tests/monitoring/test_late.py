"""Rows wait for their labels, and are counted as they come or in order."""

import numpy as np
import pytest

from sklearn_seldonian.monitoring._late import WaitingRows, check_ids
from sklearn_seldonian.monitoring._rows import MonitoredRows


def rows(labels, first=0):
    n = len(labels)
    return MonitoredRows(np.arange(first, first + n), np.ones((n, 2), bool), np.array(labels))


def kept(in_order, ids, labels, window=0):
    waiting = WaitingRows(in_order)
    waiting.keep(ids, rows(labels), window)
    return waiting


def test_as_they_come_only_rows_without_labels_are_kept():
    waiting = kept(False, ["a", "b", "c"], [-1, 1, -1])
    assert list(waiting.rows) == ["a", "c"]
    waiting.label(["c"], [1])
    ready = waiting.take_ready(["c"])
    assert ready[0].predictions.tolist() == [2]
    assert ready[0].labels.tolist() == [1]
    assert ready[0].holding.shape == (1, 2)
    assert list(waiting.rows) == ["a"]


def test_in_order_a_label_waits_for_those_before():
    waiting = kept(True, ["a", "b", "c", "d"], [0, -1, 1, -1])
    assert waiting.take_ready([])[0].predictions.tolist() == [0]
    waiting.label(["d"], [0])
    assert waiting.take_ready(["d"]) == {}
    waiting.label(["b"], [1])
    assert waiting.take_ready(["b"])[0].predictions.tolist() == [1, 2, 3]
    assert waiting.rows == {}


def test_in_order_a_forgotten_row_holds_up_nobody():
    waiting = kept(True, [1, 2], [-1, 1])
    waiting.forget([1])
    assert waiting.take_ready([])[0].labels.tolist() == [1]


def test_rows_are_counted_in_their_own_windows():
    waiting = kept(False, [1], [-1], window=0)
    waiting.keep([2], rows([-1], first=7), 1)
    waiting.label([1, 2], [0, 1])
    ready = waiting.take_ready([2, 1])
    assert {window: part.predictions.tolist() for window, part in ready.items()} == {0: [0], 1: [7]}


def test_ids_that_are_known_unknown_or_there_twice_are_refused():
    waiting = kept(True, [1, 2], [-1, 1])
    with pytest.raises(ValueError, match="row_ids holds 1, and rows with these ids still wait"):
        waiting.check_new([1])
    with pytest.raises(ValueError, match="row_ids holds 3 more than once"):
        waiting.check_new([3, 3])
    with pytest.raises(ValueError, match="No row waits for a label under the id 2, 9"):
        waiting.check_waiting([2, 9])
    with pytest.raises(ValueError, match="more than once"):
        waiting.check_waiting([1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ab", "row_ids must list one id a row"),
        (5, "row_ids must list one id a row"),
        ([1.5, 2.5], "whole numbers or texts; it holds 1.5"),
        ([True, False], "whole numbers or texts"),
        ([1], "row_ids has 1 ids for 2 rows"),
    ],
)
def test_what_is_no_list_of_ids_is_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_ids(given, 2)


def test_ids_of_numpy_become_plain():
    assert [type(one) for one in check_ids(np.array([1, 2]), 2)] == [int, int]

"""The state of a monitor, apart from the monitor's own checks of arguments."""

import numpy as np
import pytest

from sklearn_seldonian.monitoring import SafetyMonitor
from sklearn_seldonian.monitoring._rows import rows_of


def state_of(constraints="ACC >= 0.8", **parameters):
    return SafetyMonitor(constraints, **parameters)._start()


def rows(state, predictions, labels=None):
    return rows_of(state.specification, predictions, labels, None)


def test_a_copy_is_changed_independently():
    state = state_of(windows=2)
    copy = state.copied()
    copy.add(rows(copy, [1, 0], [1, 1]), None)
    copy.add(rows(copy, [1]), ["later"])
    copy.restart("afterwards")
    assert (state.last.n_rows, len(state.windows), state.waiting.rows) == (0, 1, {})
    assert copy.windows[0].n_rows == 3
    assert list(copy.waiting.rows) == ["later"]


def test_the_last_window_counts_and_its_share_of_delta_tests():
    state = state_of(windows=2)
    state.add(rows(state, [1, 0], [1, 1]), None)
    state.restart(None)
    state.add(rows(state, [1], [1]), None)
    assert [(window.name, window.n_rows) for window in state.windows] == [
        ("window 1", 2),
        ("window 2", 1),
    ]
    assert state.shares == [0.5, 0.5]
    ((_, evidence),) = state.evidence(0.5)
    assert evidence.delta == pytest.approx(0.025)


def test_labels_count_in_the_window_of_their_rows():
    state = state_of(windows=2)
    state.add(rows(state, [1, 0]), ["a", "b"])
    state.restart(None)
    state.add_labels(["b", "a"], [0, 0])
    (rate,) = state.windows[0].streams.values()
    assert (rate.n, rate.mean) == (2, 0.5)
    assert not state.waiting.rows


def test_rows_that_are_refused_change_nothing():
    state = state_of()
    with pytest.raises(ValueError, match="No constraint can count these rows"):
        state.add(rows(state, [1, 0]), None)
    assert (state.last.n_rows, state.streams) == (0, frozenset())


def test_streams_are_merged_once():
    one, two = state_of(), state_of()
    for state in (one, two):
        state.add(rows(state, np.ones(5, dtype=int), np.ones(5, dtype=int)), None)
    both = one.merged(two)
    assert (both.last.n_rows, one.last.n_rows) == (10, 5)
    assert both.streams == one.streams | two.streams
    for other in (one, one.copied(), both):
        with pytest.raises(ValueError, match="rows of the same stream"):
            one.merged(other)
    with pytest.raises(ValueError, match="differ in delta"):
        one.merged(state_of(delta=0.1))

"""A parameter is copied, and compared with its later content."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.monitoring._fixed import is_same, snapshot

COST = RowMeasure("Cost", lambda y, p, _: 1.0 * (y != p), range=(0, 2))


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (0.05, 0.1),
        (1, True),
        (1, 1.0),
        ("error", "exclude"),
        (None, ()),
        ([0.1, 0.2], [0.1, 0.3]),
        ([0.1], [0.1, 0.1]),
        ((0, 1), [0, 1]),
        ({"race": ["A", "B"]}, {"race": ["A", "C"]}),
        ({"a", "b"}, {"a"}),
        (np.array([0, 1]), np.array([0, 2])),
        (pd.Series(["a"]), pd.Series(["b"])),
        ([np.int64(1)], [np.int64(2)]),
        ([COST], [copy.copy(COST)]),
    ],
)
def test_other_values_are_not_the_same(value, other):
    assert is_same(snapshot(value), snapshot(value))
    assert not is_same(snapshot(value), snapshot(other))


@pytest.mark.parametrize("way", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "value", [0.05, "x", [0.05], {"race": ["A"]}, {"a"}, np.array([1, 2]), [COST.range, len]]
)
def test_what_was_saved_with_its_snapshot_is_the_same(value, way):
    later, kept = way([value, snapshot(value)])
    assert is_same(snapshot(later), kept)


def test_a_list_that_is_changed_later_is_another():
    levels = {"race": ["A", "B"]}
    kept = snapshot(levels)
    assert is_same(snapshot(levels), kept)
    levels["race"].append("C")
    assert not is_same(snapshot(levels), kept)

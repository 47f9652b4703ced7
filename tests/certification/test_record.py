"""Records of certificates: immutable values that compare by their content."""

from dataclasses import FrozenInstanceError, replace

import pytest

from sklearn_seldonian.certification._fields import FrozenDict
from sklearn_seldonian.certification._record import CellRecord, ShiftRecord
from tests.certification._certificates import PASSED, certified

SPECIFICATION, STATISTICS = PASSED.specification, PASSED.statistics


def test_records_with_the_same_content_are_equal():
    again = certified(["ACC >= 0.8", "abs(PR | [M] - PR | [F]) <= 0.3"], delta=[0.05, 0.1])
    assert again.specification == SPECIFICATION
    assert again.statistics == STATISTICS
    assert hash(again.statistics) == hash(STATISTICS)
    assert replace(STATISTICS, n_invalid=1) != STATISTICS
    assert replace(SPECIFICATION, n_tests=2) != SPECIFICATION


def test_records_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        STATISTICS.n_invalid = 1
    assert isinstance(SPECIFICATION.levels, FrozenDict)
    with pytest.raises(TypeError):
        SPECIFICATION.levels["race"] = ("A",)


def test_lists_become_tuples():
    assert CellRecord([0], [[0, 0, 3]]).sums == ((0, 0, 3),)
    assert ShiftRecord("race", ["A"], [0.2], [0.4]) == ShiftRecord("race", ("A",), (0.2,), (0.4,))

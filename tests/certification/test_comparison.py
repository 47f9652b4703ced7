"""Comparison of numbers, results and records."""

from dataclasses import replace

import pytest

from sklearn_seldonian.certification._comparison import (
    NEAR_ZERO,
    ROUNDING,
    as_differences,
    differences_of,
    is_close,
)
from tests.certification._certificates import PASSED


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        (1.0, 1.0 + 0.5 * ROUNDING, True),
        (1.0, 1.0 + 2 * ROUNDING, False),
        (0.0, 0.5 * NEAR_ZERO, True),
        (0.0, 2 * NEAR_ZERO, False),
        (float("nan"), float("nan"), True),
        (float("nan"), 0.0, False),
        (float("inf"), float("inf"), True),
        (float("inf"), -float("inf"), False),
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        ((1, 2.0), (1, 2.0 + 1e-12), True),
        ((1, 2), (1, 2, 3), False),
        ("text", "text", True),
        ("text", None, False),
        (True, True, True),
    ],
)
def test_numbers_agree_to_within_rounding(one, other, close):
    assert is_close(one, other) is close
    assert is_close(other, one) is close


def test_differing_fields_are_named():
    result = PASSED.results[0]
    assert list(differences_of(result, {"bound": result.bound, "g_upper": result.g_upper})) == []
    bound, g_upper, passed = differences_of(result, {"bound": 0.5, "g_upper": 0.3})
    assert bound.endswith("but the statistics give 0.5")
    assert g_upper.startswith("g_upper is")
    assert passed == "passed is True, but the statistics give False"


def test_differing_fields_of_records_are_named():
    record = PASSED.specification
    assert as_differences(record, record) == []
    assert as_differences(record, replace(record, method="ttest")) == ["method"]
    assert as_differences(record, None) == ["all of it"]

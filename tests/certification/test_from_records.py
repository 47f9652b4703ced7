"""Specification and statistics, made again from the records in a certificate."""

from dataclasses import replace

import pytest

from sklearn_seldonian.certification._from_records import (
    RecordError,
    bound_specification,
    statistics_of,
)
from tests.certification._certificates import CHOSEN, PASSED


def test_the_constraints_have_their_meaning_again():
    bound = bound_specification(PASSED.specification, PASSED)
    assert [each.source.text for each in bound.constraints] == [
        result.constraint for result in PASSED.results
    ]
    assert [delta for _, delta in bound.parts] == [result.delta for result in PASSED.results]


def test_the_tested_alternatives_are_known_again():
    (constraint,) = bound_specification(CHOSEN.specification, CHOSEN).constraints
    record = replace(CHOSEN.specification, choices=(None,))
    (every,) = bound_specification(record, CHOSEN).constraints
    assert constraint.tree != every.tree


def test_the_tables_have_each_tested_row_once():
    bound = bound_specification(PASSED.specification, PASSED)
    statistics = statistics_of(PASSED.statistics, bound, PASSED)
    decided = statistics.confusion[..., : statistics.n_classes]
    for span in statistics.stratification.spans:
        assert decided[span].sum() == PASSED.n_safety
    with pytest.raises(RecordError, match="have 200 rows"):
        statistics_of(PASSED.statistics, bound, replace(PASSED, n_safety=201))

"""Samples of means, and the variance of sums of their estimates."""

import math

import numpy as np
import pytest

from sklearn_seldonian.certification import Evidence, Sample, exclusive_columns
from sklearn_seldonian.constraints import Schema, assign_cells, bind, parse
from sklearn_seldonian.measures import RowMeasure

COST = RowMeasure("Cost", lambda y, decided, _: 2.0 * (y != decided), range=(0, 2))
SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)}, measures=(COST,))
MALE, FEMALE = bind(parse("PR | [M] - PR | [F] <= 0.1"), SCHEMA).estimands
(COSTS,) = bind(parse("Cost <= 1"), SCHEMA).estimands


def test_an_estimate_is_the_share_of_successes():
    samples = {MALE: Sample(3, 12), FEMALE: Sample(0, 5), COSTS: Sample(7.5, 5)}
    assert Evidence(samples).estimates([MALE, COSTS]) == {MALE: 0.25, COSTS: 1.5}
    assert Evidence(samples).estimates([FEMALE]) == {FEMALE: 0.0}


def test_rate_sample_of_nothing_has_no_estimate():
    assert math.isnan(Sample(0, 0).estimate)


def test_the_range_is_that_of_the_quantity_where_nothing_narrower_is_known():
    evidence = Evidence({}, ranges={MALE: (0.2, 0.4)})
    assert evidence.range_of(MALE) == (0.2, 0.4)
    assert evidence.range_of(FEMALE) == (0, 1)
    assert evidence.range_of(COSTS) == (0, 2)


def test_the_influence_of_rows_varies_so_that_estimates_vary_as_independent_rates_do():
    samples = {MALE: Sample(10, 40, 40), FEMALE: Sample(30, 60, 60)}
    evidence = Evidence(samples, n_rows=200)
    found = evidence.influence_variance([MALE, FEMALE], [2.0, -1.0])
    of_estimate = 4 * 0.25 * 0.75 / 40 + 0.5 * 0.5 / 60
    assert found / 200 == pytest.approx(of_estimate)
    assert evidence.influence_variance([FEMALE], [3.0]) / 200 == pytest.approx(9 * 0.25 / 60)


def test_how_a_mean_without_rows_varies_is_not_known():
    samples = {MALE: Sample(10, 40, 40), FEMALE: Sample(0, 0, 0)}
    evidence = Evidence(samples, n_rows=40)
    assert math.isnan(evidence.influence_variance([MALE, FEMALE], [1.0, -1.0]))
    assert not math.isnan(evidence.influence_variance([MALE], [1.0]))


def test_a_variance_that_is_given_is_taken():
    samples = {MALE: Sample(10, 40, 40), FEMALE: Sample(30, 60, 60)}
    given = Evidence(samples, n_rows=100, variance=lambda means, slopes: len(means) + sum(slopes))
    assert given.influence_variance([MALE, FEMALE], [2.0, -1.0]) == 3.0


def test_exclusive_columns_are_those_that_some_family_sees_together():
    male = np.arange(20) % 2
    columns = {"M": male, "F": 1 - male, "age": np.arange(20) % 9, "X": male, "Z": 1 - male}
    texts = ["PR | [M] - PR | [F] <= 0.1", "PR | [X] - PR | [M] <= 0.1", "PR | [Z] <= 0.5"]
    schema = Schema(classes=(0, 1), positive=1, levels=dict.fromkeys("MFXZ", (0, 1)))
    together = [bind(parse(text), schema).conditions for text in texts]
    stratification = assign_cells(columns, together, 20).stratification
    assert exclusive_columns(stratification) == {frozenset("MF")}


def test_columns_that_one_row_has_both_of_do_not_exclude_each_other():
    constraint = bind(parse("PR | [M] - PR | [F] <= 0.1"), SCHEMA)
    male = np.arange(20) % 2
    for female, expected in ((1 - male, {frozenset("MF")}), (np.r_[1, 1, 1 - male[2:]], set())):
        cells = assign_cells({"M": male, "F": female}, [constraint.conditions], 20)
        assert exclusive_columns(cells.stratification) == expected


def test_columns_are_exclusive_where_they_are_1_and_not_where_they_are_0():
    constraint = bind(parse("PR | [M] - PR | [not F] <= 0.1"), SCHEMA)
    male = np.arange(20) % 2
    cells = assign_cells({"M": male, "F": male}, [constraint.conditions], 20)
    assert exclusive_columns(cells.stratification) == set()

import numpy as np
import pytest
from scipy.stats import rankdata

from sklearn_seldonian.certification import tabulate
from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.selection._thresholds import (
    _mean_ranks,
    _n_up_to,
    _spread_out,
    class_shifts,
)
from tests.selection._shifts import cells, rows, shifted


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_tables_are_those_of_the_decisions(n_classes):
    scores, labels, codes, stratification = rows(n_classes)
    for shifts in class_shifts(scores, labels, codes, stratification, 20):
        k, offsets, tables, *_ = shifts.decisions
        for offset, table in zip(offsets, tables, strict=True):
            decisions = (scores + offset * np.eye(n_classes)[k]).argmax(axis=1)
            expected = tabulate(codes, labels, decisions, stratification, n_classes)
            np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize(("n_classes", "steps"), [(2, 8), (2, 2**30), (3, 2**30)])
@pytest.mark.parametrize("n", [3, 40, 2000])
def test_offsets_near_one_are_those_of_all_rows(n_classes, steps, n):
    scores, labels, codes, stratification = rows(n_classes, n)
    scores = np.round(scores * steps) / steps  # sums are exact
    for shifts in class_shifts(scores, labels, codes, stratification, 16):
        k, coarse, tables, smoothed, weight = shifts.decisions
        for i, offset in enumerate(coarse):
            near = shifts.near(i, 8)
            least, most = coarse[max(i - 1, 0)], coarse[min(i + 1, len(coarse) - 1)]
            assert offset in near.offsets
            assert ((near.offsets >= least) & (near.offsets <= most)).all()
            assert 1 <= len(near.offsets) <= 9
            assert near.weight == weight
            for finer, table in zip(near.offsets, near.tables, strict=True):
                decisions = (scores + finer * np.eye(n_classes)[k]).argmax(axis=1)
                expected = tabulate(codes, labels, decisions, stratification, n_classes)
                np.testing.assert_array_equal(table, expected)
            at = int(np.flatnonzero(near.offsets == offset)[0])
            np.testing.assert_allclose(near.smoothed[at], smoothed[i], atol=1e-9)
            np.testing.assert_array_equal(near.at(at).tables, tables[i])


def test_offsets_near_one_part_the_rows_between_its_neighbours():
    (shifts,) = class_shifts(*rows(2, n=32_000), 32)
    positive = shifts.near(4, 32).tables[..., 1].sum(axis=(1, 2))
    assert np.diff(positive).max() < 1.5 * 2 * 32_000 / 32 / 32


def test_of_two_classes_one_is_moved_and_of_more_all():
    moved = [[s.decisions.class_position for s in class_shifts(*rows(k), 8)] for k in (2, 3)]
    assert moved == [[1], [0, 1, 2]]


def test_offsets_go_from_none_to_all():
    _, offsets, tables, *_ = shifted(*rows(2, n=1000), 50)
    assert (np.diff(offsets) > 0).all()
    positive = tables[..., 1].sum(axis=(1, 2))
    assert (positive[0], positive[-1]) == (0, 1000)
    assert np.diff(positive).max() < 1000 / 48 + 14
    assert len(offsets) == 51
    assert 0.0 in offsets


def test_equal_scores_are_all_moved_or_none():
    scores = np.ones((10, 2))
    labels, codes = np.zeros((2, 10), int)
    _, offsets, tables, *_ = shifted(scores, labels, codes, cells(1), 8)
    assert offsets.tolist() == [-1.0, 0.0, 1.0]
    assert tables[:, 0, 0].tolist() == [[10, 0], [10, 0], [0, 10]]


def test_of_equal_scores_the_first_class_is_decided_for():
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [3.0, 0.0, 3.0]])
    labels, codes = np.zeros((2, 3), int)
    for shifts in class_shifts(scores, labels, codes, cells(1), 8):
        _, offsets, tables, *_ = shifts.decisions
        (unmoved,) = tables[offsets == 0]
        assert unmoved[0, 0].tolist() == [2, 1, 0]


def test_a_row_is_counted_in_all_of_its_cells():
    scores, labels, codes, stratification = rows(3)
    cell_of_code = np.array([[code % 2, 2 + code // 2] for code in range(4)])
    several = Stratification(
        (), (frozenset("a"), frozenset("b")), np.zeros((4, 0), bool), cell_of_code
    )
    for one, both in zip(
        class_shifts(scores, labels, codes, stratification, 20),
        class_shifts(scores, labels, codes, several, 20),
        strict=True,
    ):
        tables, of_several = one.decisions.tables, both.decisions.tables
        a, b, c, d = np.moveaxis(tables, 1, 0)
        expected = [a + c, b + d, a + b, c + d]
        np.testing.assert_array_equal(np.moveaxis(of_several, 1, 0), expected)


def test_more_than_two_classes_are_counted():
    for shifts in class_shifts(*rows(3), 20):
        assert shifts.decisions.weight == 0.0
        assert shifts.decisions.smoothed is shifts.decisions.tables


@pytest.mark.parametrize("n_rows", [1, 2, 3, 100, 5000])
@pytest.mark.parametrize("digits", [0, 2, 12])
def test_what_is_read_off_sorted_values_is_as_if_they_were_not(n_rows, digits):
    values = np.random.default_rng(n_rows).normal(size=n_rows).round(digits)
    ascending = np.sort(values)
    np.testing.assert_array_equal(_mean_ranks(ascending), rankdata(ascending))
    offsets = _spread_out(ascending, 20)
    expected = np.searchsorted(offsets, ascending, side="right")
    np.testing.assert_array_equal(_n_up_to(offsets, ascending), expected)
    quantiles = np.unique(np.quantile(values, np.linspace(0, 1, 19), method="nearest"))
    midway = (quantiles[1:] + quantiles[:-1]) / 2
    np.testing.assert_allclose(offsets[1:-1], np.unique([*midway, 0.0]), atol=1e-12)

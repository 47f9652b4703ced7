import numpy as np
import pytest

from sklearn_seldonian.certification import tabulate
from sklearn_seldonian.constraints import Families
from sklearn_seldonian.training._offsets import shifted_decisions


def rows(n_classes, n=300, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_classes))
    return scores, rng.integers(0, n_classes, n), rng.integers(0, 4, (n, 1))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_tables_are_those_of_the_decisions(n_classes):
    scores, labels, cells = rows(n_classes)
    families = Families.single(membership=np.zeros((4, 0), bool))
    for k, offsets, tables in shifted_decisions(scores, labels, cells, 4, 20):
        for offset, table in zip(offsets, tables, strict=True):
            decisions = (scores + offset * np.eye(n_classes)[k]).argmax(axis=1)
            assert np.array_equal(
                table, tabulate(cells[:, 0], labels, decisions, families, n_classes)
            )


def test_of_two_classes_one_is_moved_and_of_more_all():
    moved = [[s.class_position for s in shifted_decisions(*rows(k), 4, 8)] for k in (2, 3)]
    assert moved == [[1], [0, 1, 2]]


def test_offsets_go_from_none_to_all():
    scores, labels, cells = rows(2, n=1000)
    ((_, offsets, tables),) = shifted_decisions(scores, labels, cells, 4, 50)
    assert (np.diff(offsets) > 0).all()
    positive = tables[..., 1].sum(axis=(1, 2))
    assert (positive[0], positive[-1]) == (0, 1000)
    assert np.diff(positive)[1:-1] == pytest.approx(1000 / 48, abs=14)
    assert len(offsets) == 50


def test_equal_scores_are_all_moved_or_none():
    scores = np.ones((10, 2))
    labels, cells = np.zeros(10, int), np.zeros((10, 1), int)
    ((_, offsets, tables),) = shifted_decisions(scores, labels, cells, 1, 8)
    assert offsets.tolist() == [-1.0, 1.0]
    assert tables[:, 0, 0].tolist() == [[10, 0], [0, 10]]


def test_a_row_is_counted_in_all_of_its_cells():
    scores, labels, cells = rows(3)
    several = np.concatenate([cells % 2, 2 + cells // 2], axis=1)
    for one, both in zip(
        shifted_decisions(scores, labels, cells, 4, 20),
        shifted_decisions(scores, labels, several, 4, 20),
        strict=True,
    ):
        a, b, c, d = np.moveaxis(one.tables, 1, 0)
        np.testing.assert_array_equal(np.moveaxis(both.tables, 1, 0), [a + c, b + d, a + b, c + d])

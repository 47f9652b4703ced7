"""The division into candidate and safety rows: each row once, as requested."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.constraints import LABEL
from sklearn_seldonian.data._split import LabelledRows, split_rows
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(MLP, constraints=constraints, random_state=0, **params).fit(*blobs)


def test_a_safety_mask_says_which_rows_are_tested(blobs):
    mask = np.arange(1000) % 4 == 0
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0)
    model.fit(*blobs, safety_mask=mask)
    assert np.array_equal(model.safety_indices_, np.flatnonzero(mask))


@pytest.mark.parametrize(("size", "rows"), [(0.2, 200), (300, 300)])
def test_safety_size_is_a_share_or_a_number_of_rows(blobs, size, rows):
    assert len(fitted(blobs, safety_size=size).safety_indices_) == rows


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(1000, bool), "0 rows would be safety data"),
        (np.ones(1000, bool), "1000 rows would be safety data"),
        (np.zeros(10, bool), "boolean array of shape"),
        (np.zeros(1000, int), "boolean array of shape"),
    ],
)
def test_safety_mask(blobs, mask, message):
    with pytest.raises(ValueError, match=message):
        SeldonianClassifier(MLP, constraints="ACC >= 0.6").fit(*blobs, safety_mask=mask)


def test_a_mask_in_another_order_than_the_rows(blobs):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    mask = pd.Series(np.arange(1000) % 4 == 0)
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.1", max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="X and safety_mask have the same index in different"):
        model.fit(frame, y, safety_mask=mask.sample(frac=1.0, random_state=0))
    assert model.fit(frame, y, safety_mask=mask).safety_indices_.tolist() == [*range(0, 1000, 4)]


def numbered(n_rows=10):
    """Rows whose inputs, labels, targets and column are their own numbers."""
    numbers = np.arange(n_rows)
    X = numbers[:, None] * [1.0, 0.5]
    return LabelledRows(X, numbers + 100, numbers + 200, {"c": numbers + 300}, X.tolist())


MASK = np.arange(10) % 3 == 0


@pytest.mark.parametrize(
    ("safety_size", "safety_mask", "n_safety"),
    [
        (0.25, None, 2),  # rounded
        (0.5, None, 5),
        (7, None, 7),
        (1, None, 1),
        (9, None, 9),
        (np.int64(4), None, 4),
        (0, None, 0),
        (0.5, MASK, 4),
        (0.5, MASK.tolist(), 4),
        (0.5, pd.Series(MASK), 4),
        (0.5, torch.from_numpy(MASK), 4),
        (0, MASK, 0),
    ],
)
def test_every_row_trains_or_is_tested(safety_size, safety_mask, n_safety):
    rows = numbered()
    split = split_rows(rows, safety_size, safety_mask, np.random.RandomState(0))
    positions = [split.candidate_indices, split.safety_indices]
    assert np.sort(np.concatenate(positions)).tolist() == list(range(10))
    assert len(split.safety_indices) == n_safety
    assert split.mask_given == (safety_mask is not None)
    assert split.columns is rows.columns
    for index, part in zip(positions, (split.candidate, split.safety), strict=True):
        assert (np.diff(index) > 0).all()
        assert np.asarray(part.inputs())[:, 0].tolist() == index.tolist()
        assert [row[0] for row in part.as_given()] == index.tolist()
        assert (part.y - 100).tolist() == index.tolist()
        assert (part.targets - 200).tolist() == index.tolist()
        assert (part.columns["c"] - 300).tolist() == index.tolist()


def test_the_rows_that_are_drawn_depend_on_the_generator_alone():
    one, same, other = (
        split_rows(numbered(1000), 0.5, None, np.random.RandomState(seed)).safety_indices
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert len(np.intersect1d(one, other)) == pytest.approx(250, abs=50)


@pytest.mark.parametrize("safety_size", [1e-3, 0.999, 10, 11])
def test_a_part_without_rows_is_refused(safety_size):
    with pytest.raises(ValueError, match="candidate and safety data need at least"):
        split_rows(numbered(), safety_size, None, np.random.RandomState(0))


# -- units -------------------------------------------------------------------------------------


def in_groups(groups, **others):
    return replace(numbered(len(groups)), sampling=units_of(groups, None, len(groups)), **others)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("size", "n_groups"), [(0.4, 7), (5, 5)])
def test_groups_are_kept_whole_and_counted(size, n_groups, seed):
    groups = np.repeat(np.arange(18), np.arange(18) % 5 + 1)
    split = split_rows(in_groups(groups), size, None, np.random.RandomState(seed))
    safety, candidate = (
        set(groups[index]) for index in (split.safety_indices, split.candidate_indices)
    )
    assert not safety & candidate
    assert safety | candidate == set(groups)
    assert len(safety) == n_groups  # for groups of any size
    assert split.safety.units.positions.tolist() == groups[split.safety_indices].tolist()


def test_each_group_is_as_likely_to_be_tested():
    groups = np.repeat(np.arange(10), 3)
    draws = [
        split_rows(in_groups(groups), 0.5, None, np.random.RandomState(seed)).safety_indices
        for seed in range(400)
    ]
    shares = np.bincount(np.concatenate(draws), minlength=30) / 400
    assert np.abs(shares - 0.5).max() < 0.1


@pytest.mark.parametrize(
    ("groups", "size", "message"),
    [
        ([0] * 6, 0.5, r"n_samples=6 in n_groups=1 \(groups=\), of which safety_size is a share"),
        ([0, 0, 1, 1, 2, 2], 3, r"n_samples=6 in n_groups=3 .*, 6 rows would be safety data"),
        ([0, 1, 2, 3, 4, 5], 6, r"With n_samples=6, 6 rows would be safety data"),
    ],
)
def test_too_few_groups_are_counted_in_the_message(groups, size, message):
    with pytest.raises(ValueError, match=message):
        split_rows(in_groups(groups), size, None, np.random.RandomState(0))


def test_a_mask_may_not_part_a_group():
    groups = np.repeat(np.arange(5), 2)
    rng, whole = np.random.RandomState(0), np.repeat([True, False, True, False, False], 2)
    assert split_rows(in_groups(groups), 0.5, whole, rng).safety_indices.tolist() == [0, 1, 4, 5]
    with pytest.raises(ValueError, match="safety_mask divides 1 of the groups"):
        split_rows(in_groups(groups), 0.5, whole ^ (np.arange(10) == 9), rng)


def test_rows_by_weight_are_copies_of_rows():
    weights = np.array([3.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 1.0])
    rows = replace(numbered(), sampling=units_of(None, weights, 10))
    part = rows.take(np.array([0, 1, 2, 4, 7]))  # their weights are 3, 0, 1, 1, 2
    drawn = part.by_weight(np.random.RandomState(0))
    assert len(drawn.y) == 5
    assert 1 not in drawn.index
    assert drawn.y.tolist() == (drawn.index + 100).tolist()
    assert drawn.inputs()[:, 0].tolist() == drawn.index.tolist()
    assert drawn.columns["c"].tolist() == (drawn.index + 300).tolist()
    assert drawn.units.positions.tolist() == drawn.index.tolist()


def test_rows_that_count_the_same_are_left_as_they_are():
    rows = in_groups(np.repeat(np.arange(5), 2))
    assert rows.by_weight(np.random.RandomState(0)) is rows
    assert numbered().by_weight(np.random.RandomState(0)).units is None


def test_rows_with_a_label_are_those_whose_column_says_so():
    rows = numbered(4)
    assert rows.has_label is None
    assert rows.labelled() is rows
    gaps = np.array([101, None, 103, None], dtype=object)
    partly = replace(rows, y=gaps, columns={**rows.columns, LABEL: np.array([1.0, np.nan] * 2)})
    assert partly.has_label.tolist() == [True, False, True, False]
    labelled = partly.labelled()
    assert labelled.has_label is None
    assert (labelled.y.tolist(), labelled.y.dtype.kind) == ([101, 103], "i")
    assert labelled.targets.tolist() == [200, 202]
    assert labelled.columns["c"].tolist() == [300, 302]
    assert labelled.inputs().tolist() == [[0.0, 0.0], [2.0, 1.0]]
    nothing = replace(partly, y=gaps[[1, 1, 3, 3]], columns={LABEL: np.full(4, np.nan)})
    with pytest.raises(ValueError, match="No row to train on has a label"):
        nothing.labelled()

import pytest
import torch
from torch.utils.data import DataLoader

from sklearn_seldonian.learners.lagrangian import Batches, Inputs, Rows
from sklearn_seldonian.learners.lagrangian._batches import n_rows_a_pass


def rows(n):
    return Rows(torch.arange(n).float()[:, None], torch.arange(n), torch.zeros(n).long())


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 4]), (8, 4, [4, 4]), (3, 4, [3]), (1, 4, [1]), (4, 1, [1] * 4)],
)
def test_batches_cover_the_rows_but_for_a_last_one(n, size, sizes):
    batches = Batches(rows(n), size)
    seen = [y for _, (y, _) in batches]
    assert [len(y) for y in seen] == sizes
    assert len(batches) == len(sizes)
    assert len(torch.cat(seen).unique()) == sum(sizes)


def test_order_differs_and_follows_the_seed():
    batches = Batches(rows(100), 100)
    torch.manual_seed(0)
    first, second = (next(iter(batches))[1][0] for _ in range(2))
    torch.manual_seed(0)
    assert not torch.equal(first, second)
    assert torch.equal(first, next(iter(batches))[1][0])


def test_a_data_loader_serves_rows_too():
    X, (y, cells) = next(iter(DataLoader(rows(10), batch_size=4)))
    assert X.shape == (4, 1)
    assert y.tolist() == [0, 1, 2, 3]
    assert cells.shape == (4,)


def test_inputs_and_labels_stay_together():
    for X, (y, _) in Batches(rows(50), 7):
        assert torch.equal(X[:, 0].long(), y)


@pytest.mark.parametrize("index", [None, torch.tensor([7, 3, 5])])
@pytest.mark.parametrize("at", [1, slice(0, 2), torch.tensor([2, 0])], ids=str)
def test_inputs_are_copied_from_where_they_are(index, at):
    values = torch.arange(10)[:, None]
    chosen = values if index is None else values[index]
    inputs = Inputs(values, index)
    assert inputs.shape == chosen.shape
    part = inputs[at]
    assert torch.equal(part, chosen[at])
    part.fill_(-1)
    assert torch.equal(values[:, 0], torch.arange(10))


def test_subsets_of_subsets_share_the_values():
    inner = rows(10).subset(torch.tensor([9, 1, 8])).subset(torch.tensor([2, 0]))
    assert inner.X[:].ravel().tolist() == inner.y.tolist() == [8, 9]
    assert inner.X.values.numel() == 10


@pytest.mark.parametrize(
    ("shape", "n_rows"),
    [((9,), 1024), ((), 1024), ((0,), 1024), ((1, 28, 28), 334), ((3, 224, 224), 64)],
)
def test_the_larger_rows_are_the_fewer_pass_at_once(shape, n_rows):
    assert n_rows_a_pass(Inputs(torch.zeros(2, *shape))) == n_rows

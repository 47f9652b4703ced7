"""Rows that are copied a batch at a time from where they are, on the device if they fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import skorch.dataset
import torch
from torch.utils.data import Dataset

from sklearn_seldonian.learners.lagrangian._devices import on_device

Batch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

# Inputs fetched at once: several batches where they are small, since a call of torch costs
# as much as moving some ten thousand bytes, and no more than a processor's cache holds.
FETCHED_BYTES = 2**20
# Matrix products round differently for very few rows; with at least so many, a row gets
# the same decision alone as among others.
MIN_ROWS_PER_PASS = 64
# Where no gradient is needed, at most about so many numbers and so many rows pass through a
# module at once: what its layers make of more is too large for a processor's cache.
NUMBERS_PER_PASS, MAX_ROWS_PER_PASS = 2**18, 1024


class Inputs:
    """Some rows of a tensor, which may be the caller's own memory or a file's.

    Indexing copies, so that a module that writes to its inputs writes to nobody else's, and
    rows that are not asked for are not read.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
    index : Tensor of int, default=None
        Which rows of `values` these are; None: all.
    """

    def __init__(self, values: torch.Tensor, index: torch.Tensor | None = None) -> None:
        self.values, self.index = values, index

    def __len__(self) -> int:
        return len(self.values) if self.index is None else len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.values.shape[1:])

    def __getitem__(self, at: int | slice | torch.Tensor) -> torch.Tensor:
        if self.index is not None:
            at = self.index[at]
        if isinstance(at, torch.Tensor) and at.ndim:
            return self.values.index_select(0, at)
        return self.values[at].clone()

    def subset(self, index: torch.Tensor) -> Inputs:
        return Inputs(self.values, index if self.index is None else self.index[index])

    def to(self, device: str) -> Inputs:
        if torch.device(device).type == self.values.device.type:
            return self
        return Inputs((self.values if self.index is None else self[:]).to(device))


def n_rows_a_pass(X: Inputs) -> int:
    """How many rows of `X` to pass through a module at once where no gradient is needed."""
    wanted = NUMBERS_PER_PASS // max(math.prod(X.shape[1:]), 1)
    return min(max(wanted, MIN_ROWS_PER_PASS), MAX_ROWS_PER_PASS)


class Rows(Dataset[Batch]):
    """Inputs, class positions or numbers, and codes of the cells of some rows, of equal length.

    As a dataset it gives ``(X[i], (y[i], cell[i]))``, so that a `DataLoader` serves it too.
    """

    def __init__(self, X: torch.Tensor | Inputs, y: torch.Tensor, cells: torch.Tensor) -> None:
        self.X = X if isinstance(X, Inputs) else Inputs(X)
        self.y, self.cells = y, cells

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the inputs, for callbacks that size a module by it."""
        return self.X.shape

    def __getitem__(self, index: int | torch.Tensor) -> Batch:
        return self.X[index], (self.y[index], self.cells[index])

    def subset(self, index: torch.Tensor) -> Rows:
        return Rows(self.X.subset(index), self.y[index], self.cells[index])

    def to(self, device: str) -> Rows:
        return Rows(self.X.to(device), on_device(self.y, device), self.cells.to(device))


class ScoredRows(skorch.dataset.Dataset):  # type: ignore[misc]  # skorch has no types
    """Rows as skorch's scoring callbacks read them: themselves as `X`, with their targets."""

    def __init__(self, rows: Rows) -> None:
        self.X, self.y = rows, rows.y

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> Batch:
        return self.X[index]


class Batches:
    """All rows once an iteration, in random order, `batch_size` at a time.

    A last batch of one row is left out where there are others: BatchNorm cannot train
    on it, and the next iteration draws another order.
    """

    def __init__(self, rows: Rows, batch_size: int) -> None:
        self.rows, self.batch_size = rows, batch_size

    def __len__(self) -> int:
        n_batches, rest = divmod(len(self.rows), self.batch_size)
        return n_batches + (rest > 1 or n_batches == 0)

    @property
    def n_together(self) -> int:
        """How many batches are fetched at once."""
        first = self.rows.X[:1]
        a_batch = self.batch_size * first.numel() * first.element_size()
        return max(1, FETCHED_BYTES // max(a_batch, 1))

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.rows)).to(self.rows.y.device)
        n_used = min(len(self.rows), len(self) * self.batch_size)
        n_fetched = self.batch_size * self.n_together
        for first in range(0, n_used, n_fetched):
            X, (y, cells) = self.rows[order[first : min(first + n_fetched, n_used)]]
            parts = (values.split(self.batch_size) for values in (X, y, cells))  # type: ignore[no-untyped-call]
            for X_batch, y_batch, cells_batch in zip(*parts, strict=True):
                yield X_batch, (y_batch, cells_batch)

"""Rows that live on the device and are handed out a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Dataset

__all__ = ["Batches", "Rows"]

Batch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

# Inputs fetched at once: several batches where they are small, since a call of torch costs
# as much as moving some ten thousand bytes, and no more than a processor's cache holds.
FETCHED_BYTES = 2**20


class Rows(Dataset[Batch]):
    """Inputs, class positions and cells of some rows, as tensors of equal length.

    As a dataset it gives ``(X[i], (y[i], cell[i]))``, so that a `DataLoader` serves it too.
    """

    def __init__(self, X: torch.Tensor, y: torch.Tensor, cells: torch.Tensor) -> None:
        self.X, self.y, self.cells = X, y, cells

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int | torch.Tensor) -> Batch:
        if not isinstance(index, torch.Tensor):
            return self.X[index], (self.y[index], self.cells[index])
        X, y, cells = (v.index_select(0, index) for v in (self.X, self.y, self.cells))
        return X, (y, cells)

    def subset(self, index: torch.Tensor) -> Rows:
        return Rows(self.X[index], self.y[index], self.cells[index])

    def to(self, device: str) -> Rows:
        return Rows(self.X.to(device), self.y.to(device), self.cells.to(device))


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

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.rows)).to(self.rows.y.device)
        for some in order[: len(self) * self.batch_size].split(self._n_fetched()):
            X, (y, cells) = self.rows[some]
            parts = (values.split(self.batch_size) for values in (X, y, cells))
            for X_batch, y_batch, cells_batch in zip(*parts, strict=True):
                yield X_batch, (y_batch, cells_batch)

    def _n_fetched(self) -> int:
        """Rows fetched at once: those of a whole number of batches."""
        first = self.rows.X[:1]
        a_batch = self.batch_size * first.numel() * first.element_size()
        return self.batch_size * max(1, FETCHED_BYTES // max(a_batch, 1))

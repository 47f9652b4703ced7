"""Rows that are copied one batch at a time, and are kept on the device if they fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import skorch.dataset
import torch
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from torch.utils.data import Dataset

from sklearn_seldonian.data._arrays import CHUNK_ROWS
from sklearn_seldonian.data._preprocess import transformed
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._units import SamplingUnits
from sklearn_seldonian.learners.lagrangian._devices import on_device
from sklearn_seldonian.learners.lagrangian._processes import ALONE, Processes

Batch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

# The number of inputs fetched at once, which fits a processor's cache. Several small batches are
# fetched together, because a call of torch takes as long as copying some ten thousand bytes.
FETCHED_BYTES = 2**20
# Matrix products round differently for very few rows. With at least this many, a row gets the same
# decision alone as among others.
MIN_ROWS_PER_PASS = 64
# The default number of batches per epoch, unless the batches would be too small or too large.
BATCHES_PER_EPOCH, MIN_BATCH_SIZE, MAX_BATCH_SIZE = 20, 8, 256
# Without gradients, at most about this many numbers and this many rows pass through a module at
# once, because the outputs of its layers have to fit a processor's cache.
NUMBERS_PER_PASS, MAX_ROWS_PER_PASS = 2**18, 1024


class Inputs:
    """Some rows of a tensor, which may share memory with the caller's array or with a file.

    Indexing copies. A module that writes to its inputs therefore does not change the caller's
    array, and rows that are not needed are not read.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
    index : Tensor of int, default=None
        The rows of `values`. None: all.
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
    """The number of rows of `X` to pass through a module at once if no gradient is needed."""
    wanted = NUMBERS_PER_PASS // max(math.prod(X.shape[1:]), 1)
    return min(max(wanted, MIN_ROWS_PER_PASS), MAX_ROWS_PER_PASS)


class Rows(Dataset[Batch]):
    """Inputs, class positions or numbers, codes of cells, and possibly units, of some rows.

    As a dataset it gives ``(X[i], (y[i], i))``, so that a `DataLoader` can use it too, and each
    batch names its rows. If rows lack labels, `has_label` says which rows have one; `y` is
    arbitrary for the others.
    """

    def __init__(
        self,
        X: torch.Tensor | Inputs,
        y: torch.Tensor,
        cells: torch.Tensor,
        units: SamplingUnits | None = None,
        has_label: torch.Tensor | None = None,
    ) -> None:
        self.X = X if isinstance(X, Inputs) else Inputs(X)
        self.y, self.cells, self.units, self.has_label = y, cells, units, has_label

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the inputs, for callbacks that choose the size of a module by it."""
        return self.X.shape

    def __getitem__(self, index: Any) -> Batch:
        return self.X[index], (self.y[index], index)

    def subset(self, index: torch.Tensor) -> Rows:
        units = None if self.units is None else self.units.take(index.cpu().numpy())
        has_label = None if self.has_label is None else self.has_label[index]
        return Rows(self.X.subset(index), self.y[index], self.cells[index], units, has_label)

    @property
    def labelled(self) -> Rows:
        """The rows that have a label."""
        return self if self.has_label is None else self.subset(self.has_label.nonzero()[:, 0])

    def to(self, device: str) -> Rows:
        y, has_label = on_device(self.y, device), self.has_label
        has_label = None if has_label is None else has_label.to(device)
        return Rows(self.X.to(device), y, self.cells.to(device), self.units, has_label)


class ScoredRows(skorch.dataset.Dataset):  # type: ignore[misc]  # skorch has no types
    """Rows in the form that skorch's scoring callbacks read: the rows as `X`, and the targets."""

    def __init__(self, rows: Rows) -> None:
        self.X, self.y = rows, rows.y

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> Batch:
        return self.X[index]


def default_batch_size(n_rows: int) -> int:
    """The default batch size, for about 20 batches per epoch."""
    return min(max(MIN_BATCH_SIZE, math.ceil(n_rows / BATCHES_PER_EPOCH)), MAX_BATCH_SIZE)


class Batches:
    """All rows once per iteration, in random order, `batch_size` at a time.

    A last batch of one row is left out if there are others, because BatchNorm cannot train on it.
    The next iteration draws another order. Several `processes` get a part of each batch, of at
    least two rows.
    """

    def __init__(self, rows: Rows, batch_size: int, processes: Processes = ALONE) -> None:
        self.rows, self.batch_size, self.processes = rows, batch_size, processes
        fewest = min(len(rows), batch_size)
        if processes.n > 1 and fewest < 2 * processes.n:
            raise ValueError(
                f"{processes.n} processes cannot divide a batch of {fewest} rows, because each "
                "process needs two. Choose a larger batch_size, or fewer processes."
            )

    def __len__(self) -> int:
        n_batches, rest = divmod(len(self.rows), self.batch_size)
        return n_batches + (rest >= 2 * self.processes.n or n_batches == 0)

    @property
    def n_together(self) -> int:
        """The number of batches that are fetched at once."""
        first = self.rows.X[:1]
        a_batch = self.batch_size * first.numel() * first.element_size()
        return max(1, FETCHED_BYTES // max(a_batch, 1))

    def __iter__(self) -> Iterator[Batch]:
        order = self.processes.tensor_of_first(torch.randperm(len(self.rows)))
        batches: tuple[torch.Tensor, ...]
        batches = order.to(self.rows.y.device).split(self.batch_size)[: len(self)]  # type: ignore[no-untyped-call]
        parts = [self.processes.part(batch) for batch in batches]
        for first in range(0, len(parts), self.n_together):
            together = parts[first : first + self.n_together]
            X, (y, _) = self.rows[torch.cat(together)]
            sizes = [len(part) for part in together]
            split = (values.split(sizes) for values in (X, y))  # type: ignore[no-untyped-call]
            for X_batch, y_batch, part in zip(*split, together, strict=True):
                yield X_batch, (y_batch, part)


def parted(rows: Rows, n_held_out: int) -> tuple[Rows, Rows, torch.Tensor | None]:
    """Rows to train on, rows to evaluate on, and the positions of the latter.

    If none are held out, both are all rows, and the positions are None. Units are not divided.
    """
    if not n_held_out:
        return rows, rows, None
    order = torch.randperm(len(rows))
    if rows.units is not None:
        order, n_held_out = _by_unit(rows.units, n_held_out)
    if not n_held_out:  # there is a single unit
        return rows, rows, None
    order = order.to(rows.y.device)
    held_out = order[:n_held_out]
    return rows.subset(order[n_held_out:]), rows.subset(held_out), held_out


def _by_unit(units: SamplingUnits, n_held_out: int) -> tuple[torch.Tensor, int]:
    """Rows in a random order of their units, and how many are held out if units are not divided.

    The last unit is never held out.
    """
    _, of_rows = np.unique(units.positions, return_inverse=True)
    drawn = torch.randperm(int(of_rows.max()) + 1).numpy()[of_rows]
    order = np.argsort(drawn, kind="stable")
    last = min(drawn[order[n_held_out - 1]], drawn.max() - 1)
    return torch.from_numpy(order), int((drawn <= last).sum())


def trainable(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches without a last batch of a single row, on which BatchNorm cannot train."""
    n_before = 0
    for batch in batches:
        n_rows = len(batch[0])
        if n_rows > 1 or n_before <= 1:
            yield batch
        n_before = n_rows


def padded(X: torch.Tensor) -> torch.Tensor:
    """`X` with its last row repeated up to the smallest number of rows of a forward pass."""
    n_missing = MIN_ROWS_PER_PASS - len(X)
    return X if n_missing <= 0 else torch.cat([X, X[-1:].expand(n_missing, *X.shape[1:])])


def module_inputs(transformer: Any, X: Any, index: NDArray[np.intp] | None = None) -> Inputs:
    """The module's inputs for the rows of X at `index` (None: all)."""
    if transformer is None:
        return to_inputs(X, index)
    rows = X if index is None else _safe_indexing(X, index)
    return to_inputs(transformed(transformer, rows))


def tensors_of(rows: LabelledRows, X: Inputs, codes: NDArray[np.int32]) -> Rows:
    """The rows in the form that a net takes: inputs `X`, targets, and codes of cells."""
    units = rows.units if rows.units is not None and rows.units.largest is not None else None
    has_label = None if rows.has_label is None else torch.from_numpy(rows.has_label)
    return Rows(X, torch.tensor(rows.targets), torch.from_numpy(codes), units, has_label)


def to_inputs(X: Any, index: NDArray[np.intp] | None = None) -> Inputs:
    """The rows of X at `index` (None: all), without a copy if possible.

    Numbers other than uint8 and float32 become float32, in a copy of those rows only.
    """
    values = np.asarray(X)
    if values.dtype in (np.uint8, np.float32) and values.flags.c_contiguous:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*not writable")  # Inputs are never written to
            return Inputs(
                torch.from_numpy(values), None if index is None else torch.from_numpy(index)
            )
    return Inputs(torch.from_numpy(_converted(values, index)))


def _converted(values: NDArray[Any], index: NDArray[np.intp] | None) -> NDArray[Any]:
    """Rows of `values` as an array that torch takes, converted in chunks."""
    n_rows = len(values) if index is None else len(index)
    dtype = np.uint8 if values.dtype == np.uint8 else np.float32
    converted = np.empty((n_rows, *values.shape[1:]), dtype)
    for start in range(0, n_rows, CHUNK_ROWS):
        stretch = slice(start, start + CHUNK_ROWS)
        with np.errstate(over="ignore"):
            converted[stretch] = values[stretch if index is None else index[stretch]]
        if not np.isfinite(converted[stretch]).all():
            raise ValueError(
                "X contains a value too large for float32, the type that modules compute in. "
                "Rescale the column, for example with StandardScaler as preprocessor."
            )
    return converted

"""Fingerprints of rows: the same in any order, container and type, and others for other values.

A row is a row of bytes: 8 for each number, as a float64, and 16 for each other value, its digest.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import struct
from collections.abc import Mapping
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from sklearn_seldonian.data._columns import is_table, of_table, series, without_tensor

SIZE = 16
# Bytes of rows that are digested at a time.
CHUNK_BYTES = 2**25


class Block(NamedTuple):
    """Some columns of rows: numbers, or the digests of one column's values, (n_rows, SIZE).

    Rows are those at `index`; None: all.
    """

    values: np.ndarray
    is_digest: bool = False
    index: np.ndarray | None = None

    @property
    def n_rows(self):
        return len(self.values) if self.index is None else len(self.index)

    @property
    def kind(self):
        """One letter for each column."""
        return b"d" if self.is_digest else b"n" * self.values.shape[1]

    @property
    def width(self):
        """Bytes of a row."""
        return SIZE if self.is_digest else 8 * self.values.shape[1]

    @property
    def identities(self):
        """A number for each value: those of digests differ where the digests do."""
        return self.values[:, :8].copy().view(np.uint64) if self.is_digest else self.values

    def content(self, rows):
        """The bytes of a slice of the rows."""
        values = self.values[rows if self.index is None else self.index[rows]]
        if self.is_digest:
            return values
        numbers = values.astype(np.float64) + 0.0  # which makes 0.0 of -0.0
        numbers[np.isnan(numbers)] = np.nan
        return np.ascontiguousarray(numbers).view(np.uint8)


def row_digests(*blocks):
    """A digest of each row of the `blocks`, as a block."""
    stretch = max(1, CHUNK_BYTES // max(1, sum(block.width for block in blocks)))
    digests = []
    for start in range(0, blocks[0].n_rows, stretch):
        rows = slice(start, start + stretch)
        content = np.concatenate([block.content(rows) for block in blocks], axis=1)
        digests += [hashlib.blake2b(row, digest_size=SIZE).digest() for row in content]
    return _as_block(b"".join(digests))


def fingerprint_of(blocks, kind=b""):
    """A fingerprint of rows in any order; equal rows count. `kind` says what they are."""
    digests = np.ascontiguousarray(row_digests(*blocks).values).view(f"S{SIZE}").ravel()
    digest = hashlib.blake2b(digest_size=SIZE)
    kinds = b"".join(block.kind for block in blocks)
    for part in (kind, kinds, np.sort(digests).tobytes()):
        digest.update(str(len(part)).encode() + b" " + part)
    return digest.hexdigest()


def blocks_of(values):
    """Blocks of rows of any kind: an array, a frame, sparse rows, lists, texts, images.

    Whatever compares equal as numbers or as texts has the same blocks.
    """
    if is_table(values):
        return [_of_column(column) for _, column in of_table(values)]
    if issparse(values):
        return [_of_objects(_sparse_rows(values))]
    values = _as_array(values)
    if values.dtype.kind == "c":
        return [*blocks_of(values.real), *blocks_of(values.imag)]
    if values.dtype.names:
        return [_of_objects(values.tolist())]
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    if values.dtype.kind in "bf" or (values.dtype.kind in "iu" and _is_exact(values)):
        return [Block(flat)]
    return [_of_column(series(column)) for column in flat.T]


def _as_block(digests):
    return Block(np.frombuffer(digests, dtype=np.uint8).reshape(-1, SIZE), is_digest=True)


def _as_array(values):
    """An array with one row for each of the rows, of objects where they are not numbers."""
    values = without_tensor(values)
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), None, values.astype(object))
    if hasattr(values, "__array__"):
        return np.asarray(values)
    rows = [values[i] for i in range(len(values))]
    try:
        array = np.asarray(rows)
        return array if array.dtype.kind in "biuf" else np.array(rows, dtype=object)
    except (ValueError, TypeError, OverflowError):  # rows of different shapes
        objects = np.empty(len(rows), dtype=object)
        for position, row in enumerate(rows):
            objects[position] = row
        return objects


def _is_exact(integers):
    """Whether floats can hold these integers."""
    if integers.dtype.itemsize < 8 or not integers.size:
        return True
    return int(integers.min()) >= -(2**53) and int(integers.max()) <= 2**53


def _sparse_rows(values):
    """Of each row what is not zero, and where."""
    rows = values.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    ends = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    return [(rows.shape[1], rows.indices[a:b], rows.data[a:b]) for a, b in ends]


# -- columns -----------------------------------------------------------------------------


def _of_column(column):
    """A Series as one block."""
    dtype = column.dtype
    is_number = pd.api.types.is_bool_dtype(dtype) or (
        pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    )
    if is_number and not isinstance(dtype, pd.CategoricalDtype):
        values = np.asarray(column.dropna().to_numpy())
        if values.dtype.kind in "bf" or (values.dtype.kind in "iu" and _is_exact(values)):
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            return Block(numbers[:, None])
    return _of_objects(column.astype(object).tolist())


def _of_objects(values):
    """A list as one block: of numbers where all are."""
    numbers = _numbers(values)
    if numbers is not None:
        return Block(numbers[:, None])
    known = {value: _digest(value) for value in set(filter(_is_text, values))}
    digests = (known[value] if _is_text(value) else _digest(value) for value in values)
    return _as_block(b"".join(digests))


def _is_text(value):
    return type(value) is str


def _numbers(values):
    """The values as floats, NaN where they are missing; None where these are not the same."""
    if not all(_is_missing(value) or _is_number(value) for value in values):
        return None
    try:
        numbers = [np.nan if _is_missing(value) else float(value) for value in values]
    except OverflowError:
        return None
    exact = (_is_missing(v) or f == v or f != f for v, f in zip(values, numbers, strict=True))
    return np.array(numbers, dtype=np.float64) if all(exact) else None


def _is_number(value):
    return isinstance(value, Real | np.bool_) and not isinstance(value, np.timedelta64)


def _is_missing(value):
    return value is None or value is pd.NA or value is pd.NaT


# -- single values -----------------------------------------------------------------------


def _digest(value):
    return hashlib.blake2b(_content(value), digest_size=SIZE).digest()


def _content(value):
    """Any value as bytes that are the same for an equal one, as far as that can be known."""
    value = without_tensor(value)
    if _is_missing(value):
        return b"missing"
    if isinstance(value, str):
        return b"text" + value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return b"bytes" + value
    if _is_number(value):
        return b"number" + _number_content(value)
    if isinstance(value, Mapping):
        return b"map" + b"".join(sorted(_digest(pair) for pair in value.items()))
    if isinstance(value, list | tuple):
        return b"list" + b"".join(map(_digest, value))
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        return _array_content(np.asarray(value))
    return _object_content(value)


def _number_content(value):
    if isinstance(value, Integral) and abs(int(value)) > 2**53:
        return str(int(value)).encode()
    return struct.pack("<d", float(value) + 0.0)


def _array_content(values):
    if values.dtype.kind not in "biuf":
        return b"list" + b"".join(map(_digest, values.tolist()))
    return f"array{values.shape}".encode() + values.astype(np.float64).tobytes()


def _object_content(value):
    """What an object says of itself, or else what it is made of; its type where it says nothing."""
    kind = type(value)
    name = f"object {kind.__module__}.{kind.__qualname__} ".encode()
    if kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__:
        return name + str(value).encode("utf-8", "surrogatepass")
    try:
        return name + pickle.dumps(value, protocol=4)
    except Exception:  # whatever its own methods raise
        return name

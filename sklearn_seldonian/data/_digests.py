"""Fingerprints of rows, which depend on their values, but not on order, container and type.

Rows are given as blocks, each an array of some of their columns. A block holds numbers, of shape
(n_rows, n_columns), or the digests of one column's values, of shape (n_rows,) and type `DIGEST`.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import struct
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_any_real_numeric_dtype
from scipy.sparse import issparse

from sklearn_seldonian.data._columns import (
    array_of_objects,
    columns_of_array,
    is_table,
    of_table,
    with_none,
    without_tensor,
)

Block = NDArray[Any]
DIGEST = np.dtype("V16")
NUMBERS = (Real, np.bool_)
# The number of bytes that are digested at a time.
CHUNK_BYTES = 2**25
# Rows of so few bytes are sorted as they are, which is faster than to digest each of them.
BYTES_OF_NARROW_ROWS = 64


def row_digests(blocks: Iterable[Block]) -> Block:
    """A digest of each row of the `blocks`, as a block.

    A row is a row of bytes: 8 for each number, as a float64, and 16 for each digest.
    """
    blocks = list(blocks)
    stretch = max(1, CHUNK_BYTES // max(1, _width(blocks)))
    digests: list[bytes] = []
    for start in range(0, len(blocks[0]), stretch):
        content = [_content_of_rows(block[start : start + stretch]) for block in blocks]
        digests += map(_digest_of_bytes, np.concatenate(content, axis=1))
    return _as_block(digests)


def _width(blocks: Iterable[Block]) -> int:
    """The bytes of a row."""
    return sum(block.shape[1] * 8 if block.ndim == 2 else DIGEST.itemsize for block in blocks)


def fingerprints_of(
    data: Iterable[Block], answers: Mapping[str, Iterable[Block]], kind: bytes = b""
) -> dict[str, str]:
    """Fingerprints of rows in any order, as "data", and of the rows with each of their `answers`.

    Repeated rows count. `kind` says what the rows are.
    """
    data = list(data)
    content, kinds = _narrow(data), _kinds(data)
    found, in_order = {}, None
    for name, blocks in answers.items():
        own = list(blocks)
        sorted_rows = _sorted(np.concatenate([content, _narrow(own)], axis=1))
        found[name] = _fingerprint(sorted_rows, kind, kinds + _kinds(own))
        in_order = sorted_rows[:, : content.shape[1]]  # which it is as well
    return {
        "data": _fingerprint(_sorted(content) if in_order is None else in_order, kind, kinds)
    } | found


def _narrow(blocks: Sequence[Block]) -> NDArray[np.uint8]:
    """The bytes of each row, or its digest where they are many."""
    if 0 < _width(blocks) <= BYTES_OF_NARROW_ROWS:
        return np.concatenate([_content_of_rows(block) for block in blocks], axis=1)
    return _content_of_rows(row_digests(blocks))


def _kinds(blocks: Iterable[Block]) -> bytes:
    return b"".join(b"d" if block.ndim == 1 else b"n" * block.shape[1] for block in blocks)


def _sorted(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of bytes in the order of their first bytes, then of the second, and so on."""
    in_order = np.sort(np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").ravel())
    return in_order.view(np.uint8).reshape(rows.shape)


def _fingerprint(rows: NDArray[np.uint8], *kinds: bytes) -> str:
    digest = hashlib.blake2b(digest_size=DIGEST.itemsize)
    for part in (*kinds, rows.tobytes()):
        digest.update(str(len(part)).encode() + b" " + part)
    return digest.hexdigest()


def _content_of_rows(block: Block) -> NDArray[np.uint8]:
    """The bytes of each row of a block."""
    if block.ndim == 2:
        block = block.astype(np.float64) + 0.0  # turns -0.0 into 0.0
        block[np.isnan(block)] = np.nan
    return np.ascontiguousarray(block).view(np.uint8).reshape(len(block), _width([block]))


def _digest_of_bytes(content: Any) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST.itemsize).digest()


def _as_block(digests: Iterable[bytes]) -> Block:
    return np.frombuffer(b"".join(digests), dtype=DIGEST)


# -- rows as blocks ----------------------------------------------------------------------


def blocks_of(values: Any) -> list[Block]:
    """Blocks of rows of any kind: an array, a frame, sparse rows, lists, texts, images.

    Rows that are equal as numbers or as texts have the same blocks.
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
    if _is_exact(values):
        return [values.reshape(len(values), math.prod(values.shape[1:]))]
    return [_of_column(column) for column in columns_of_array(values)]


def _as_array(values: Any) -> NDArray[Any]:
    """An array with the same number of rows, of objects if they are not numbers."""
    values = without_tensor(values)
    if isinstance(values, np.ma.MaskedArray):
        values = with_none(values, np.ma.getmaskarray(values))
    if hasattr(values, "__array__"):
        return np.asarray(values)
    rows = [values[i] for i in range(len(values))]
    try:
        array = np.asarray(rows)
        return array if array.dtype.kind in "biuf" else np.array(rows, dtype=object)
    except (ValueError, TypeError, OverflowError):  # rows of different shapes
        return array_of_objects(rows)


def _is_exact(values: NDArray[Any]) -> bool:
    """Whether `values` are numbers that floats represent exactly."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return values.dtype.kind in "biuf"
    return int(values.min()) >= -(2**53) and int(values.max()) <= 2**53


def _sparse_rows(values: Any) -> list[tuple[int, NDArray[Any], NDArray[Any]]]:
    """For each row, its length, and the places and values of what is not zero."""
    rows = values.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    ends = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    return [(rows.shape[1], rows.indices[a:b], rows.data[a:b]) for a, b in ends]


def _of_column(column: pd.Series) -> Block:
    is_number = is_any_real_numeric_dtype(column.dtype) or column.dtype.kind == "b"
    if is_number and _is_exact(np.asarray(column.dropna().to_numpy())):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    return _of_objects(column.astype(object).tolist())


def _of_objects(values: list[Any]) -> Block:
    """A list as one block, of numbers if all values are numbers."""
    numbers = _numbers(values)
    if numbers is not None:
        return numbers[:, None]
    if set(map(type, values)) == {str}:
        codes, distinct = pd.factorize(np.array(values, dtype=object))
        return _as_block(map(_digest, distinct))[codes]
    return _as_block(map(_digest, values))


def _numbers(values: list[Any]) -> NDArray[np.float64] | None:
    """The values as floats, with NaN for missing ones; None if floats cannot represent them."""
    if not all(_is_missing(value) or _is_number(value) for value in values):
        return None
    try:
        numbers = [np.nan if _is_missing(value) else float(value) for value in values]
    except OverflowError:
        return None
    exact = (_is_missing(v) or f == v or f != f for v, f in zip(values, numbers, strict=True))
    return np.array(numbers, dtype=np.float64) if all(exact) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, np.timedelta64)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


# -- single values -----------------------------------------------------------------------


def _digest(value: Any) -> bytes:
    return _digest_of_bytes(_content(value))


def _content(value: Any) -> bytes:
    """A value as bytes. Equal values have the same bytes, as far as that can be known."""
    if isinstance(value, str):
        return b"text" + value.encode("utf-8", "surrogatepass")
    value = without_tensor(value)
    if _is_missing(value):
        return b"missing"
    if isinstance(value, bytes):
        return b"bytes" + value
    if _is_number(value):
        is_large = isinstance(value, Integral) and abs(int(value)) > 2**53
        return b"number" + (
            str(int(value)).encode() if is_large else struct.pack("<d", float(value) + 0.0)
        )
    if isinstance(value, Mapping):
        return b"map" + b"".join(sorted(_digest(pair) for pair in value.items()))
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            return f"array{array.shape}".encode() + array.astype(np.float64).tobytes()
        value = array.tolist()
    if isinstance(value, list | tuple):
        return b"list" + b"".join(map(_digest, value))
    return _object_content(value)


def _object_content(value: Any) -> bytes:
    """The type of an object with its text, or with its pickle if it has no text of its own."""
    kind: Any = type(value)
    name = f"object {kind.__module__}.{kind.__qualname__} ".encode()
    if kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__:
        return name + str(value).encode("utf-8", "surrogatepass")
    try:
        return name + pickle.dumps(value, protocol=4)
    except Exception:  # an object's own methods may raise anything
        return name

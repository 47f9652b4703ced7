"""Fingerprints of rows, which depend on their values but not on order, container or type.

Rows are given as blocks, each an array of some of their columns. A block contains numbers, of shape
(n_rows, n_columns), or digests, of shape (n_rows,) and type `DIGEST`. The digests are of those
values of the preceding column that are not numbers; in that column they are NaN.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_any_real_numeric_dtype
from pandas.util import hash_array
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
# The number of sums in a fingerprint.
N_LANES = 4
# The largest numbers of rows and bytes that are digested at a time. A few thousand numbers per
# column stay in the processor's cache.
CHUNK_ROWS, CHUNK_BYTES = 2**13, 2**25


@dataclass(frozen=True)
class RowSum:
    """A sum of digests of rows, which does not depend on their order and is additive over parts.

    It detects accidental differences between rows (a multiset hash by addition [1]_). It does not
    protect against somebody who constructs rows with the same sum.

    Parameters
    ----------
    n_rows : int
    lanes : tuple of int
        The sums of each quarter of a digest, modulo 2**64.

    References
    ----------
    .. [1] D. Clarke, S. Devadas, M. van Dijk, B. Gassend and G. E. Suh, "Incremental multiset hash
       functions and their application to memory integrity checking", ASIACRYPT 2003.
    """

    n_rows: int = 0
    lanes: tuple[int, ...] = (0,) * N_LANES

    @classmethod
    def of(
        cls, blocks: Iterable[Block], paired: Mapping[str, NDArray[np.uint64]], name: str = "data"
    ) -> dict[str, RowSum]:
        """The sum over the rows of some blocks, and sums over rows with `paired` numbers."""
        blocks, start = list(blocks), 0
        sums = {key: np.zeros(N_LANES, dtype=np.uint64) for key in (name, *paired)}
        for rows in _chunks(blocks):
            lanes, part = _row_digests(rows, N_LANES), slice(start, start + len(rows[0]))
            sums[name] += [lane.sum() for lane in lanes]
            for key, numbers in paired.items():
                sums[key] += [hash_array(lane + numbers[part]).sum() for lane in lanes]
            start = part.stop
        return {key: cls(start, tuple(lanes.tolist())) for key, lanes in sums.items()}

    def __add__(self, other: RowSum) -> RowSum:
        """The sum over the rows of both."""
        pairs = zip(self.lanes, other.lanes, strict=True)
        lanes = tuple((one + more) % 2**64 for one, more in pairs)
        return RowSum(self.n_rows + other.n_rows, lanes)

    def fingerprint(self, kind: bytes = b"") -> str:
        """The sum in hexadecimal digits; `kind` identifies the kind of rows."""
        content = struct.pack(f"<{1 + N_LANES}Q", self.n_rows, *self.lanes)
        return _digest_of_bytes(content + kind).hex()


def row_digests(blocks: Iterable[Block]) -> NDArray[np.uint8]:
    """A digest of each row of the `blocks`, of shape (n_rows, 16)."""
    n_lanes, chunks = DIGEST.itemsize // 8, _chunks(list(blocks))
    lanes = [np.stack(_row_digests(rows, n_lanes), axis=1) for rows in chunks]
    return np.concatenate(lanes).view(np.uint8)


def numbered(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """The `blocks`, each with the position of its first column.

    A block of digests belongs to the last column of the numbers before it.
    """
    position = 0
    for block in blocks:
        if block.ndim == 2:
            yield position, block
            position += block.shape[1]
        else:
            yield position - 1, block


def weights_of_columns(n: int) -> NDArray[np.uint64]:
    """A different odd number for each of `n` columns."""
    return hash_array(np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)


def _chunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """The rows of the blocks, in chunks of at most `CHUNK_ROWS` and `CHUNK_BYTES`."""
    width = sum(block.shape[1] * 8 if block.ndim == 2 else DIGEST.itemsize for block in blocks)
    n_rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES // max(1, width)))
    for start in range(0, max(1, len(blocks[0])), n_rows):
        yield [block[start : start + n_rows] for block in blocks]


def _row_digests(blocks: Sequence[Block], n_lanes: int) -> list[NDArray[np.uint64]]:
    """A digest of each row, in lanes of 8 bytes.

    The digest of a row is computed from its numbers, and from the weighted sum of the digests of
    values that are not numbers. So it does not depend on the values of other rows. The columns are
    mixed in one after another, for all rows at once.
    """
    numbers = [_canonical(block) for block in blocks if block.ndim == 2]
    others = np.zeros((len(blocks[0]), 2), dtype=np.uint64)
    weights = weights_of_columns(sum(block.shape[1] for block in numbers))
    for position, block in numbered(blocks):
        if block.ndim == 1:
            others += np.ascontiguousarray(block).view(np.uint64).reshape(-1, 2) * weights[position]
    columns = [*np.concatenate([*numbers, others.view(np.float64)], axis=1).view(np.uint64).T]
    one, other = (np.full(len(others), start, dtype=np.uint64) for start in (1, 2))
    for column in columns:
        one, other = hash_array(one ^ column), hash_array(other + column)
    return [hash_array(one + np.uint64(2 * i + 1) * other) for i in range(n_lanes)]


def _canonical(block: Block) -> NDArray[np.float64]:
    """The numbers in a form in which equal numbers have equal bytes."""
    block = block.astype(np.float64) + 0.0  # turns -0.0 into 0.0
    block[np.isnan(block)] = np.nan
    return block


def _digest_of_bytes(content: Any) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST.itemsize).digest()


def _as_block(digests: Iterable[bytes]) -> Block:
    return np.frombuffer(b"".join(digests), dtype=DIGEST)


# -- rows as blocks ----------------------------------------------------------------------


def blocks_of(values: Any) -> list[Block]:
    """Blocks of any kind of rows: an array, a frame, sparse rows, lists, texts, images.

    Rows that are equal as numbers or texts have the same blocks. The only exception is a column in
    which all rows are numbers: its block of digests is left out.
    """
    if is_table(values):
        return [block for _, column in of_table(values) for block in _of_column(column)]
    if issparse(values):
        return _of_objects(_sparse_rows(values))
    values = _as_array(values)
    if values.dtype.kind == "c":
        return [*blocks_of(values.real), *blocks_of(values.imag)]
    if values.dtype.names:
        return _of_objects(values.tolist())
    if _is_exact(values):
        return [values.reshape(len(values), math.prod(values.shape[1:]))]
    return [block for column in columns_of_array(values) for block in _of_column(column)]


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
    """For each row, its length, and the positions and values of nonzero entries."""
    rows = values.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    ends = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    return [(rows.shape[1], rows.indices[a:b], rows.data[a:b]) for a, b in ends]


def _of_column(column: pd.Series) -> list[Block]:
    is_number = is_any_real_numeric_dtype(column.dtype) or column.dtype.kind == "b"
    if is_number and _is_exact(np.asarray(column.dropna().to_numpy())):
        return [column.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]]
    return _of_objects(column.astype(object).tolist())


def _of_objects(values: list[Any]) -> list[Block]:
    """A list as a block of numbers, NaN for others, and a block of digests, zero for numbers.

    The second block is left out if all values are numbers. Missing values count as numbers: NaN.
    """
    if set(map(type, values)) == {str}:
        codes, texts = pd.factorize(np.array(values, dtype=object))
        return [np.full((len(values), 1), np.nan), _as_block(map(_digest, texts))[codes]]
    numbers = [_number(value) for value in values]
    block = np.array([np.nan if x is None else x for x in numbers], dtype=np.float64)[:, None]
    if None not in numbers:
        return [block]
    pairs = zip(numbers, values, strict=True)
    return [block, _as_block(bytes(16) if x is not None else _digest(v) for x, v in pairs)]


def _number(value: Any) -> float | None:
    """The value as a float; NaN if it is missing, None if a float cannot represent it."""
    if _is_missing(value):
        return math.nan
    if not _is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number == value or number != number else None


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, np.timedelta64)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


# -- single values -----------------------------------------------------------------------


def _digest(value: Any) -> bytes:
    return _digest_of_bytes(_content(value))


def _content(value: Any) -> bytes:
    """A value as bytes; equal values have the same bytes, as far as possible."""
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
    """The type of an object with its text, or with its pickle if its class defines no text."""
    kind: Any = type(value)
    name = f"object {kind.__module__}.{kind.__qualname__} ".encode()
    if kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__:
        return name + str(value).encode("utf-8", "surrogatepass")
    try:
        return name + pickle.dumps(value, protocol=4)
    except Exception:  # methods of unknown objects may raise anything
        return name

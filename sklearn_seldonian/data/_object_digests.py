"""Digests of fitted objects by their content, and quick checks for changes.

Two objects with the same content have the same digest: a copy, an object from a pickle, an object
in another process. Content that changes no answer is ignored (`IGNORED`, and the states of random
number generators).
"""

from __future__ import annotations

import copyreg
import hashlib
import pickle
import sys
import warnings
import zlib
from collections.abc import Callable
from functools import singledispatch
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import sparray, spmatrix

from sklearn_seldonian.data._columns import without_tensor

# Attributes of estimators that change no answer. The last one is a memory address, which
# scikit-learn's vectorisers set when they have checked their stop words.
IGNORED = frozenset({"n_jobs", "verbose", "memory", "_sklearn_version", "_seal_", "_stop_words_id"})
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
NAMED = (type, FunctionType, ModuleType)
Part = str | bytes
CONTAINERS = (list, tuple, set, frozenset, dict)
# The attributes that determine the answers of skorch's nets.
OF_NETS = (
    "module_",
    "predict_nonlinearity",
    "classes",
    "classes_inferred_",
    "task_",
    "adjustment_",
)
PLAIN_KINDS = "biufcmMSUV"
# Limits of `quick_summary`: the entries of a container, the values in total, and the numbers of a
# large array.
MAX_ENTRIES, MAX_VALUES, MAX_NUMBERS = 256, 20_000, 4096


def object_digest(value: Any) -> str | None:
    """A digest of the content of `value`; None if it has content that pickle would also refuse.

    Functions and classes are identified by their names, and lambdas and local functions by their
    code as well.
    """
    try:
        return _Digests().of(value).hex()
    except Exception:  # an object's own methods may raise anything
        return None


def type_digest(value: Any) -> str:
    """A digest of the type of `value` alone."""
    return _digest("type", _name(type(value))).hex()


def lasting_digest(value: Any, use: Callable[[Any], object]) -> str | None:
    """The digest of `value`, if use and pickling do not change it; otherwise None.

    `use` calls the object, or a copy of it, on some rows.
    """
    found = object_digest(value)
    if not _keeps(value, found, use):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copied = pickle.loads(pickle.dumps(value))
    except Exception:  # it cannot be pickled
        return found
    return found if found == object_digest(copied) and _keeps(copied, found, use) else None


def _keeps(value: Any, digest: str | None, use: Callable[[Any], object]) -> bool:
    """Whether `value` has the same digest after it was used."""
    try:
        use(value)
        quick_summary(value)
    except Exception:  # it may not accept these rows
        return False
    return digest == object_digest(value)


class _Digests:
    """Digests of a value and of all values inside it, each computed once."""

    def __init__(self) -> None:
        # By id; the values are kept alive, so that no other value gets the same id.
        self._known: dict[int, tuple[bytes, Any]] = {}

    def of(self, value: Any) -> bytes:
        if type(value) is dict and not value:  # Python may create an empty one on access
            value = None
        if type(value) in ATOMS:
            return _digest_of_atom(value)
        if id(value) not in self._known:
            self._known[id(value)] = b"inside itself", value
            plain = without_tensor(value)
            kind = np.ndarray if isinstance(plain, np.ndarray) else type(plain)  # mapped or not
            self._known[id(value)] = _digest(_name(kind), *_parts(plain, self)), value
        return self._known[id(value)][0]

    def of_each(self, *values: Any) -> list[Part]:
        return [self.of(value) for value in values]


@singledispatch
def _parts(value: Any, digests: _Digests) -> list[Part]:
    """The parts of a value's digest, without its type; for an object, the state that is pickled."""
    decides = _deciding_part(value)
    if decides is not None:
        return digests.of_each(decides)
    reduce = copyreg.dispatch_table.get(type(value))
    made = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(made, str):
        return [f"{getattr(value, '__module__', '')}.{made}"]
    make, arguments, state, items, pairs = [*list(made), None, None, None][:5]
    if isinstance(state, dict) and hasattr(value, "get_params"):
        state = {name: part for name, part in state.items() if name not in IGNORED}
    return digests.of_each(make, arguments, state, list(items or ()), dict(pairs or ()))


def _deciding_part(value: Any) -> Any:
    """The part of an object that determines its answers; None if it is not known."""
    if hasattr(value, "get_tree_stats"):  # it counts its own queries
        return value.get_arrays()
    if hasattr(value, "_decided_by"):
        return value._decided_by
    skorch = sys.modules.get("skorch")
    if skorch is not None and isinstance(value, skorch.NeuralNet):
        return [(name, vars(value).get(name)) for name in OF_NETS]
    if hasattr(value, "state_dict"):  # a module, in any mode
        return [list(vars(value).get("_modules", {}).values()), value.state_dict()]
    return None


@_parts.register(list)
@_parts.register(tuple)
def _of_sequence(value: Any, digests: _Digests) -> list[Part]:
    return digests.of_each(*value)


@_parts.register(set)
@_parts.register(frozenset)
def _of_set(value: Any, digests: _Digests) -> list[Part]:
    return sorted(digests.of_each(*value))


@_parts.register(dict)
def _of_dict(value: Any, digests: _Digests) -> list[Part]:
    keys = sorted((digests.of(key), key) for key in value)
    return [part for digest, key in keys for part in (digest, digests.of(value[key]))]


@_parts.register(np.ndarray)
@_parts.register(np.generic)
def _of_array(value: Any, digests: _Digests) -> list[Part]:
    if isinstance(value, np.ma.MaskedArray):
        return digests.of_each(value.filled(0), np.ma.getmaskarray(value))
    array = np.asarray(value)
    if array.dtype.names:  # bytes between fields are arbitrary
        return digests.of_each(*(array[name] for name in array.dtype.names))
    form = f"{array.dtype} {array.shape}"
    if array.dtype.kind in PLAIN_KINDS:
        return [form, array.tobytes()]
    return [form, *digests.of_each(*array.ravel().tolist())]


@_parts.register(sparray)
@_parts.register(spmatrix)
def _of_sparse_rows(value: Any, digests: _Digests) -> list[Part]:
    rows = value.tocsr(copy=True)
    rows.sum_duplicates()
    return digests.of_each(rows.shape, rows.data, rows.indices, rows.indptr)


@_parts.register(pd.DataFrame)
def _of_table(value: Any, digests: _Digests) -> list[Part]:
    columns = (value.iloc[:, i] for i in range(value.shape[1]))
    return digests.of_each(value.index, value.columns, *columns)


@_parts.register(pd.Series)
@_parts.register(pd.Index)
def _of_column(value: Any, digests: _Digests) -> list[Part]:
    return digests.of_each(value.name, str(value.dtype), value.to_numpy())


@_parts.register(type)
@_parts.register(ModuleType)
def _of_name(value: Any, digests: _Digests) -> list[Part]:
    return [_name(value)]


@_parts.register(FunctionType)
def _of_function(value: Any, digests: _Digests) -> list[Part]:
    """The name of a function; without an importable name, its code as well."""
    if "<" not in value.__qualname__:
        return [_name(value)]
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    code = value.__code__, value.__defaults__, value.__kwdefaults__, cells
    return [_name(value), *digests.of_each(*code)]


@_parts.register(CodeType)
def _of_code(value: Any, digests: _Digests) -> list[Part]:
    return digests.of_each(value.co_code, value.co_names, value.co_consts)


@_parts.register(np.dtype)
def _of_dtype(value: Any, digests: _Digests) -> list[Part]:
    return [str(value)]


@_parts.register(np.random.RandomState)
@_parts.register(np.random.Generator)
@_parts.register(np.random.BitGenerator)
def _of_generator(value: Any, digests: _Digests) -> list[Part]:
    return []  # every draw changes its state


def _digest(kind: str, *contents: Part) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (kind, *contents):
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(b"%d " % len(content) + content)
    return digest.digest()


def _digest_of_atom(value: Any) -> bytes:
    if isinstance(value, str):
        content = b"text" + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        content = b"bytes" + value
    else:  # hexadecimal, because Python limits the number of decimal digits
        content = (f"{value:x}" if type(value) is int else f"value{value!r}").encode()
    return hashlib.blake2b(content, digest_size=16).digest()


def _name(value: Any) -> str:
    """The full name of a class, function or module; the main script always has the same name."""
    name = getattr(value, "__qualname__", value.__name__)
    return f"{getattr(value, '__module__', '')}.{name}".replace("__mp_main__", "__main__")


# -- quick checks for changes --------------------------------------------------------------------


def quick_summary(value: Any) -> tuple[list[Any], list[Any]]:
    """A cheap summary that shows whether an object may have changed, and the parts to keep alive.

    The summary stays the same if no part of the object or of its small containers was replaced, and
    no number was written to a small array. The second list keeps parts alive, so that their ids are
    not reused.
    """
    shown: list[Any] = []
    held: list[Any] = []
    seen: set[int] = set()
    left = [value]
    while left:
        item = left.pop()
        if type(item) in ATOMS:
            shown.append(item)
            continue
        shown.append(id(item))
        held.append(item)
        if id(item) not in seen and len(shown) < MAX_VALUES:
            seen.add(id(item))
            parts = _parts_for_summary(item)
            if len(parts) <= MAX_ENTRIES:
                left += parts
            else:
                shown += map(id, parts)
                held.append(parts)
    return shown, held


def _parts_for_summary(item: Any) -> list[Any]:
    """The parts of an item; for an array of numbers, a checksum of all or some of them."""
    item, kind = without_tensor(item), type(item)
    if isinstance(item, np.ndarray):
        numbers = item.ravel("K")
        if item.dtype.kind == "O":
            return numbers.tolist()
        chosen = numbers[:: max(1, item.size // MAX_NUMBERS)]
        return [str(item.shape), zlib.crc32(chosen.tobytes())]
    if isinstance(item, CONTAINERS) and len(item) > MAX_VALUES:
        return [len(item)]
    if isinstance(item, dict):
        return [*item, *item.values()]
    if kind in CONTAINERS:
        return list(item)
    if isinstance(item, NAMED) or not hasattr(item, "__dict__"):
        return []
    parts = vars(item).copy()  # another thread may change it
    return [part for name, part in parts.items() if name not in IGNORED]

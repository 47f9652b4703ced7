"""Copies of parameters, which do not change if the user changes the objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCALARS = (bool, int, float, str, type(None))


def snapshot(value: Any) -> Any:
    """A deep copy of a parameter's lists, mappings and arrays.

    Other objects, such as measures, are not copied.
    """
    if isinstance(value, Mapping):
        return type(value), tuple((snapshot(k), snapshot(v)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return type(value), frozenset(value)
    if isinstance(value, list | tuple):
        return type(value), tuple(map(snapshot, value))
    if hasattr(value, "tolist"):
        return type(value), snapshot(value.tolist())
    return value


def is_same(one: Any, other: Any) -> bool:
    """Whether two snapshots have the same values, or the same objects if these are not copied."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, (*SCALARS, frozenset)) and bool(one == other)

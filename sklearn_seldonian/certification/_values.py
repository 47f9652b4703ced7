"""Values that nothing changes: compared and hashed by what they say, NaN included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class FrozenDict(dict[Key, Entry]):
    """A dict that cannot be changed, and so has a hash."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("What a certificate says cannot be changed; use dict(...) for a copy.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class Value:
    """The base of frozen dataclasses with ``eq=False``.

    Lists become tuples, mappings `FrozenDict`, and NumPy's numbers Python's.
    """

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            object.__setattr__(self, name, _frozen(given))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _said(self) == _said(other)

    def __hash__(self) -> int:
        return hash(_said(self))


def _frozen(given: Any) -> Any:
    """The same as a value that cannot be changed."""
    if isinstance(given, Mapping):
        return FrozenDict({key: _frozen(entry) for key, entry in given.items()})
    if isinstance(given, list | tuple):
        return tuple(map(_frozen, given))
    return given.item() if isinstance(given, np.generic) else given


def _said(given: Any) -> Any:
    """What compares equal where the same is said: every NaN is None."""
    if isinstance(given, Value):
        return tuple(map(_said, vars(given).values()))
    if isinstance(given, Mapping):
        return frozenset((key, _said(entry)) for key, entry in given.items())
    if isinstance(given, tuple):
        return tuple(map(_said, given))
    return None if isinstance(given, float) and math.isnan(given) else given

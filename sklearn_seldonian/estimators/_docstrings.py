"""Docstring entries that several estimators share: each is written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)


def with_entries_of(base: type) -> Callable[[Class], Class]:
    """A decorator that replaces a docstring's lines ``{name}`` by entries of `base`'s docstring."""
    entries = re.split(r"\n(?=\S)", inspect.cleandoc(base.__doc__ or ""))
    shared = {re.split(r" : |\n", entry)[0]: entry.rstrip() for entry in entries}

    def filled(cls: Class) -> Class:
        if cls.__doc__ is not None:  # it is None under python -OO
            own = inspect.cleandoc(cls.__doc__)
            cls.__doc__ = re.sub(r"(?m)^\{(.+)\}$", lambda found: shared[found[1]], own)
        return cls

    return filled

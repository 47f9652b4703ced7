"""Docstrings of estimators that share entries: each is written once, and shown by all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)


def with_entries_of(base: type) -> Callable[[Class], Class]:
    """A decorator that fills a docstring's lines ``{name}`` with the entries in that of `base`."""
    entries = re.split(r"\n(?=\S)", inspect.cleandoc(base.__doc__ or ""))
    shared = {re.split(r" : |\n", entry)[0]: entry.rstrip() for entry in entries}

    def filled(cls: Class) -> Class:
        if cls.__doc__ is not None:  # as it is under python -OO
            own = inspect.cleandoc(cls.__doc__)
            cls.__doc__ = re.sub(r"(?m)^\{(.+)\}$", lambda found: shared[found[1]], own)
        return cls

    return filled

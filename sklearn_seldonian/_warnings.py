"""Warnings that point at the line of the user's code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Packages that call estimators for the user; warnings do not point at their lines.
IN_BETWEEN = ("sklearn_seldonian", "sklearn", "skorch", "torch", "joblib", "imblearn")

_given: ContextVar[set[tuple[type, str]] | None] = ContextVar("given", default=None)


def warn_user(message: str, category: type[Warning] = UserWarning, subject: str = "") -> None:
    """Warn at the nearest line outside this package and the packages that call it for the user.

    Within `each_warning_once`, warn once per `subject`; without one, the message is the subject.
    """
    given, what = _given.get(), (category, subject or message)
    if given is not None:
        if what in given:
            return
        given.add(what)
    warnings.warn(message, category, stacklevel=_levels_up_to_the_user() + 1)


@contextmanager
def each_warning_once() -> Iterator[None]:
    """Give each warning about a subject once in this block, even with several fits.

    Other threads and processes are not affected.
    """
    outer = _given.get()
    token = _given.set(set() if outer is None else outer)
    try:
        yield
    finally:
        _given.reset(token)


def _levels_up_to_the_user() -> int:
    """The number of levels from the caller up to the user's line, or to the outermost line."""
    levels, frame = 0, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in IN_BETWEEN:
        levels, frame = levels + 1, frame.f_back
    return levels

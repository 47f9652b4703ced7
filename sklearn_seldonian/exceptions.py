"""The exceptions and warnings of this package."""

from __future__ import annotations

import re
import unicodedata

from sklearn_seldonian._text import cut, one_line

__all__ = [
    "ConstraintNameError",
    "ConstraintSyntaxError",
    "NoSolutionFoundError",
    "NoSolutionFoundWarning",
    "SafetyDataReusedWarning",
]


MAX_WORD_CHARACTERS, MAX_MESSAGE_CHARACTERS = 80, 1000
_LONG_WORD = re.compile(rf"\S{{{MAX_WORD_CHARACTERS},}}")


def point_at(text: str, start: int, end: int, *, width: int = 76) -> str:
    """The part of `text` around `start` as one line, with carets under `start` to `end`."""
    first = max(0, min(start - width // 2, len(text) - width))
    last = first + width
    shown = [_shown(c) for c in text[first:last]]
    if first > 0:
        shown[:3] = "..."
    if last < len(text):
        shown[-3:] = "..."
    before, marked = shown[: start - first], shown[start - first : end - first]
    line = "".join(shown).rstrip()
    return f"    {line}\n    {' ' * _columns(before)}{'^' * max(1, _columns(marked))}"


def _shown(character: str) -> str:
    """A character, with a space for white space and an escape for invisible ones."""
    return " " if character.isspace() else one_line(character)


def _columns(shown: list[str]) -> int:
    """The number of terminal columns that some characters take."""
    characters = "".join(shown)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in characters)
    return len(characters) + wide - sum(unicodedata.combining(c) > 0 for c in characters)


def in_brief(message: str) -> str:
    """A message on one line, without invisible characters, and with long words shortened."""
    message = _LONG_WORD.sub(lambda found: cut(found[0], MAX_WORD_CHARACTERS), one_line(message))
    return cut(message, MAX_MESSAGE_CHARACTERS)


class ConstraintSyntaxError(ValueError):
    """A constraint's text is not in the language.

    Parameters
    ----------
    message : str
        What is wrong, and what to write instead.
    text : str
        The constraint as the user wrote it.
    start, end : int
        Offsets in `text` of the part that the message is about.
    """

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(f"{in_brief(message)}\n{point_at(text, start, end)}")
        self.text, self.start, self.end = text, start, end
        self._message = message

    def __reduce__(self) -> tuple[type, tuple[str, str, int, int]]:
        return type(self), (self._message, self.text, self.start, self.end)


class ConstraintNameError(ConstraintSyntaxError):
    """A constraint names a measure, column, level or class that does not exist."""


class NoSolutionFoundError(RuntimeError):
    """`predict` was called, but no model was certified and there is no fallback.

    It is not a ``NotFittedError``, because `fit` has run, and running it again does not help. The
    message contains the explanation of the certificate.
    """


class NoSolutionFoundWarning(UserWarning):
    """`fit` ended without a certified model."""


class SafetyDataReusedWarning(UserWarning):
    """Rows were tested that had been tested before, or that the model was fitted to."""

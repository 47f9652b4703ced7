"""What can go wrong, by name."""

from __future__ import annotations

__all__ = [
    "ConstraintNameError",
    "ConstraintSyntaxError",
    "NoSolutionFoundError",
    "NoSolutionFoundWarning",
    "SafetyDataReusedWarning",
]


def point_at(text: str, start: int, end: int, *, width: int = 76) -> str:
    """The part of `text` around `start` as one line, with carets under `start` to `end`."""
    first = max(0, min(start - width // 2, len(text) - width))
    last = first + width
    excerpt = text[first:last]
    if first > 0:
        excerpt = f"...{excerpt[3:]}"
    if last < len(text):
        excerpt = f"{excerpt[:-3]}..."
    line = "".join(c if c.isprintable() else " " for c in excerpt).rstrip()
    carets = max(1, min(end, last) - start)
    return f"    {line}\n    {' ' * (start - first)}{'^' * carets}"


class ConstraintSyntaxError(ValueError):
    """A constraint's text is not in the language.

    Parameters
    ----------
    message : str
        What was found and what was expected.
    text : str
        The constraint as the user wrote it.
    start, end : int
        Offsets in `text` of the place that the message is about.
    """

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(f"{message}\n{point_at(text, start, end)}")
        self.text, self.start, self.end = text, start, end
        self._message = message

    def __reduce__(self) -> tuple[type, tuple[str, str, int, int]]:
        return type(self), (self._message, self.text, self.start, self.end)


class ConstraintNameError(ConstraintSyntaxError):
    """A constraint names a measure, column, level or class that there is not."""


class NoSolutionFoundError(RuntimeError):
    """`predict` was called where no model was certified and no fallback was given.

    Not a ``NotFittedError``: `fit` has run, and running it again is not the cure.
    The message is the certificate's own explanation.
    """


class NoSolutionFoundWarning(UserWarning):
    """`fit` ended without a certified model."""


class SafetyDataReusedWarning(UserWarning):
    """Rows were tested that the same estimator had tested before, or was fitted to."""

"""Values for messages: short, on one line and without invisible characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

MAX_LISTED = 10
ELLIPSIS = "..."


def short(value: object, width: int = 60) -> str:
    """The repr of `value` in at most `width` characters; a longer one loses its middle."""
    try:
        text = " ".join(one_line(repr(value)).split())
    except Exception:  # a repr that fails, or an integer with thousands of digits
        text = f"<{type(value).__name__}>"
    return cut(text, width)


def cut(text: str, width: int, ellipsis: str = ELLIPSIS, parts: int = 3) -> str:
    """`text` in at most `width` characters; its end takes one of `parts` equal parts."""
    if len(text) <= width:
        return text
    room = width - len(ellipsis)
    end = room // parts
    return f"{text[: room - end]}{ellipsis}{text[len(text) - end :]}"


def listed(values: Iterable[object], most: int = MAX_LISTED) -> str:
    """The first of some values, each shortened by `short`."""
    shown: list[str] = []
    for value in values:
        if len(shown) == most:
            return ", ".join([*shown, ELLIPSIS])
        plain = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
        shown.append(short(str(plain) if isinstance(plain, str) else plain))
    return ", ".join(shown)


def wrapped(text: str, width: int | None = 80) -> str:
    """`text` in lines of at most `width` characters, broken between words; None: as it is."""
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    """The parts of a line; those after the first are further to the right, or below the text."""
    text = line.lstrip()
    indent = " " * (len(line) - len(text) + (2 if text.startswith("- ") else 4))
    parts = textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return parts or [""]


def one_line(text: str) -> str:
    """`text` with line breaks and other unprintable characters as Python escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

"""Colours, marks and texts of all pictures, to be told apart in grey and by the colour-blind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn_seldonian._text import cut

# Okabe and Ito, "Color Universal Design", 2008.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"

PASSED, FAILED = BLUE, VERMILLION
INK, GREY, SHADE = "0.25", "0.55", "0.93"


class Style(NamedTuple):
    """How one of several series looks."""

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[int, ...]]


STYLES = (
    Style(BLUE, "o", "-"),
    Style(VERMILLION, "s", "--"),
    Style(GREEN, "^", "-."),
    Style(PURPLE, "D", ":"),
    Style(ORANGE, "v", (0, (5, 1))),
    Style(SKY, "P", (0, (3, 1, 1, 1))),
    Style(BLACK, "X", (0, (1, 1))),
)
UNNAMED = {"color": "0.8", "linewidth": 1, "zorder": 1}


def style_of(i: int) -> dict[str, Any]:
    """How series number `i` looks; marks are hollow once all styles have been given out."""
    style = STYLES[i % len(STYLES)]._asdict()
    return style if i < len(STYLES) else {**style, "markerfacecolor": "white"}


def styles_by_need(order: Sequence[int]) -> tuple[list[dict[str, Any]], list[int]]:
    """How each of many series looks, and which of them are named: the first of `order`.

    As many are named as there are styles; the others are grey.
    """
    named = sorted(order[: len(STYLES)])
    styles = [UNNAMED] * len(order)
    for i, style in zip(named, STYLES, strict=False):
        styles[i] = {**style._asdict(), "markersize": 4}
    return styles, named


def pyplot() -> Any:
    """matplotlib's interface to figures.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Pictures are drawn with matplotlib, which cannot be imported here. Install it with "
            "the extra plot: pip install 'sklearn-seldonian[plot]'."
        ) from error
    return plt


# Control characters other than white space, characters without width or that turn the direction of
# text, unusual line ends, and surrogates, which no file can hold.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with invisible characters escaped as Python does."""
    return UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


def on_one_line(text: str) -> str:
    """`text` as `visible`, with spaces for line ends and tabs."""
    return re.sub(r"\s*[\t\r\n]\s*", " ", visible(text)).strip()


def shortened(text: str, width: int = 48) -> str:
    """`text` in at most `width` visible characters, without its middle."""
    return cut(visible(text), width, "…", parts=2)

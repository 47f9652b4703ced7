"""Colours, marks and texts of all plots. They can be distinguished in grey and if colour-blind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn_seldonian._text import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design", 2008.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"

PASSED, FAILED = BLUE, VERMILLION
INK, GREY, SHADE = "0.25", "0.55", "0.93"
# Darker forms for texts: at least 4.5 in contrast to white and to SHADE (WCAG 2.2, 1.4.3).
IN_TEXT = {BLUE: "#005A8C", VERMILLION: "#A84800", GREEN: "#006B4E"}


def for_text(color: str) -> str:
    """`color`, or its darker form for texts."""
    return IN_TEXT.get(color, color)


class Style(NamedTuple):
    """The look of one of several series."""

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
    """The look of series number `i`. Marks are hollow from the second round of styles on."""
    style = STYLES[i % len(STYLES)]._asdict()
    return style if i < len(STYLES) else {**style, "markerfacecolor": "white"}


def styles_by_need(order: Sequence[int]) -> tuple[list[dict[str, Any]], list[int]]:
    """The looks of many series, and the positions of those that are named: the first of `order`.

    As many series are named as there are styles. The others are grey.
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
            "Plots need matplotlib, which cannot be imported here. Install it with "
            "pip install 'sklearn-seldonian[plot]'."
        ) from error
    return plt


def count_rows(ax: Axes) -> None:
    """Write the numbers on the horizontal axis as in 10,000, on a logarithmic scale 1, 2, 5, 10."""
    from matplotlib.ticker import LogLocator

    low, high = ax.get_xlim()
    if ax.get_xscale() == "log":
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low <= 1000 else (1,)))
        ax.xaxis.set_minor_formatter("")
    ax.xaxis.set_major_formatter("{x:,.0f}")


# Control characters other than white space, characters without width or that change the direction
# of text, unusual line ends, and surrogates, which cannot be written to a file.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with invisible characters escaped as in Python."""
    return UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


def on_one_line(text: str) -> str:
    """`text` like `visible`, with spaces instead of line ends and tabs."""
    return re.sub(r"\s*[\t\r\n]\s*", " ", visible(text)).strip()


def shortened(text: str, width: int = 48) -> str:
    """`text` in at most `width` visible characters, without its middle."""
    return cut(visible(text), width, "…", parts=2)

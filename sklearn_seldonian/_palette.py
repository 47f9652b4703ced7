"""Colours and marks of all pictures: told apart by the colour-blind, and in grey print."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FAILED", "GREY", "INK", "PASSED", "SHADE", "STYLES", "Style", "shortened"]

# Okabe and Ito, "Color Universal Design", 2008.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"

PASSED, FAILED = BLUE, VERMILLION
INK, GREY, SHADE = "0.25", "0.55", "0.93"


class Style(NamedTuple):
    """How one of several series looks."""

    color: str
    marker: str
    linestyle: str


STYLES = (
    Style(BLUE, "o", "-"),
    Style(VERMILLION, "s", "--"),
    Style(GREEN, "^", "-."),
    Style(ORANGE, "D", ":"),
    Style(PURPLE, "v", "-"),
    Style(SKY, "P", "--"),
    Style(BLACK, "X", ":"),
)


def shortened(text: str, width: int = 48) -> str:
    """`text` in at most `width` characters, its middle left out."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[-end:]}"

"""What can be seen in figures: texts that overlap, that are cut off, or that are too pale."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.text import Text


def texts_in(figure: Any) -> Iterator[tuple[Text, Any]]:
    """The texts that are drawn, with their boxes in pixels, one pixel smaller on each side."""
    figure.draw_without_rendering()
    hidden = set(_labels_beyond_the_axes(figure))
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text().strip() and text.get_visible() and text not in hidden:
            yield text, box.padded(-1)


def _labels_beyond_the_axes(figure: Any) -> Iterator[Text]:
    """The labels of ticks that matplotlib keeps and does not draw."""
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        room = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - room <= tick.get_loc() <= high + room:
                yield from (tick.label1, tick.label2)


def overlaps(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other. Boxes of slanted texts say nothing of each other."""
    return [
        (first.get_text(), second.get_text())
        for (first, a), (second, b) in itertools.combinations(texts_in(figure), 2)
        if a.overlaps(b) and not (first.get_rotation() % 90 and second.get_rotation() % 90)
    ]


def cut_off(figure: Any) -> list[str]:
    """Texts that are not wholly in the figure."""
    inside = figure.bbox
    return [
        text.get_text()
        for text, box in texts_in(figure)
        if box.x0 < inside.x0 or box.y0 < inside.y0 or box.x1 > inside.x1 or box.y1 > inside.y1
    ]


def luminance(color: Any) -> float:
    """The relative luminance of WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: Any, second: Any) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def pale(figure: Any) -> list[str]:
    """Texts whose contrast to a white page is below 4.5; white texts are on dark areas."""
    return [
        text.get_text()
        for text, _ in texts_in(figure)
        if to_rgb(text.get_color()) != (1, 1, 1) and contrast(text.get_color(), "white") < 4.5
    ]


def assert_readable(figure: Any) -> None:
    """No text covers another, is cut off, or is too pale."""
    assert (overlaps(figure), cut_off(figure), pale(figure)) == ([], [], [])

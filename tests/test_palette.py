"""Series are distinguished by colour, by marker and by line."""

import pytest
from matplotlib.figure import Figure

from sklearn_seldonian._palette import (
    FAILED,
    GREEN,
    INK,
    PASSED,
    SHADE,
    STYLES,
    UNNAMED,
    count_rows,
    for_text,
    on_one_line,
    shortened,
    style_of,
    styles_by_need,
    visible,
)
from tests._figures import contrast


def test_styles_differ_in_every_feature():
    for feature in zip(*STYLES, strict=True):
        assert len(set(feature)) == len(STYLES)


@pytest.mark.parametrize("color", [PASSED, FAILED, GREEN, INK])
def test_texts_can_be_read_on_white_and_on_the_shade(color):
    assert min(contrast(for_text(color), page) for page in ("white", SHADE)) >= 4.5


@pytest.mark.parametrize(
    ("scale", "ends", "expected"),
    [
        ("linear", (0, 20_000), ["0", "5,000", "10,000", "15,000", "20,000"]),
        ("log", (90, 1100), ["100", "200", "500", "1,000"]),
        ("log", (9, 110_000), ["10", "100", "1,000", "10,000", "100,000"]),
    ],
)
def test_rows_are_counted_in_thousands(scale, ends, expected):
    ax = Figure(figsize=(4, 3)).subplots()
    ax.set(xscale=scale, xlim=ends)
    count_rows(ax)
    ax.figure.draw_without_rendering()
    ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    assert [label.get_text() for x, label in ticks if ends[0] <= x <= ends[1]] == expected
    assert not any(label.get_text() for label in ax.get_xticklabels(minor=True))


def test_marks_are_hollow_in_the_second_round():
    first, second = style_of(0), style_of(len(STYLES))
    assert "markerfacecolor" not in first
    assert second == {**first, "markerfacecolor": "white"}


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ([1, 0], [0, 1]),
        ([8, 7, 6, 5, 4, 3, 2, 1, 0], [2, 3, 4, 5, 6, 7, 8]),
        ([], []),
    ],
)
def test_the_first_of_an_order_are_named(order, named):
    styles, found = styles_by_need(order)
    assert found == named
    assert [i for i, style in enumerate(styles) if style is not UNNAMED] == named
    assert [styles[i]["color"] for i in named] == [style.color for style in STYLES[: len(named)]]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("", 6, ""), ("abcdefgh", 7, "abc…fgh")],
)
def test_shortened(text, width, expected):
    assert shortened(text, width) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PR | [`sex`] <= 0.1", "PR | [`sex`] <= 0.1"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("ünïcode 年齢 😀", "ünïcode 年齢 😀"),
        ("nul\x00, bell\x07, escape\x1b[31m", r"nul\x00, bell\x07, escape\x1b[31m"),
        ("\u202eturned\u2066", r"\u202eturned\u2066"),
        ("already \\x00", "already \\x00"),
        ("\u2028line\u200b\ufeff\u200f", r"\u2028line\u200b\ufeff\u200f"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_control_characters_are_escaped(text, expected):
    assert visible(text) == shortened(text, 100) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("one", "one"), ("\n  a\n\t<= 1\r\n", "a <= 1"), ("a  b\x00\nc", r"a  b\x00 c"), ("", "")],
)
def test_on_one_line(text, expected):
    assert on_one_line(text) == expected

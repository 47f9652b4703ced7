"""Values in messages: short, on one line, and without invisible characters."""

import numpy as np
import pytest

from sklearn_seldonian._text import MAX_LISTED, cut, listed, one_line, short, wrapped


class Broken:
    def __repr__(self):
        raise KeyError("no name")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (None, "None"),
        ("it's", '"it\'s"'),
        ("a\nb", r"'a\nb'"),
        ("a \u202e b", r"'a \u202e b'"),
        (np.array([[1, 2], [3, 4]]), r"array([[1, 2],\n [3, 4]])"),
        ("x" * 58, "'" + "x" * 58 + "'"),
        ("x" * 59, "'" + "x" * 37 + "..." + "x" * 18 + "'"),
        (10**4000, "1" + "0" * 37 + "..." + "0" * 19),
        (10**5000, "<int>"),  # Python does not write its digits
        (Broken(), "<Broken>"),
    ],
    ids=range(11),
)
def test_a_value_is_written_short_and_on_one_line(value, text):
    assert short(value) == text
    assert len(text) <= 60


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 10, ""),
        ("abcdefgh", 5, "ab..."),  # there is no room for an end
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abcde...jk"),
        ("abcdefghijklmnopqrstuvwxyz", 15, "abcdefgh...wxyz"),
        ("abcdefghijk", 6, "ab...k"),
    ],
)
def test_of_a_long_text_the_start_and_the_end_are_left(text, width, expected):
    assert cut(text, width) == expected
    assert len(expected) <= width


def test_the_end_that_is_shown_can_be_longer():
    assert cut("abcdefghijk", 9, parts=2) == "abc...ijk"
    assert cut("abcdefghijk", 9, "~", parts=2) == "abcd~hijk"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        ([1, "a", None], "1, 'a', None"),
        (np.array([0.5, 2.0]), "0.5, 2.0"),
        (np.array(["a", "b"]), "'a', 'b'"),
        ([np.str_("a"), np.float32(0.5), np.bool_(True)], "'a', 0.5, True"),
        (range(MAX_LISTED), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (range(MAX_LISTED + 1), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."),
    ],
    ids=range(7),
)
def test_the_first_of_several_values_are_listed_as_plain_ones(values, expected):
    assert listed(values) == expected


def test_the_requested_number_is_listed():
    assert listed("abc", 3) == "'a', 'b', 'c'"
    assert listed("abcd", 3) == "'a', 'b', 'c', ..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, 人種 and é", "plain, 人種 and é"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("\x00\x1b[31m", r"\x00\x1b[31m"),
        ("\u2028\u200b\ufeff", r"\u2028\u200b\ufeff"),
        ("half \ud800", r"half \ud800"),
        (r"a\b 'quoted' " + '"twice"', r"a\b 'quoted' " + '"twice"'),
    ],
)
def test_invisible_characters_are_escaped(text, expected):
    assert one_line(text) == expected
    assert expected.isprintable()


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("one two three", None, "one two three"),
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two\n    three"),
        ("one\n  two three four\nfive", 12, "one\n  two three\n      four\nfive"),
        ("  - one two three four", 11, "  - one two\n    three\n    four"),
        ("first\n\nlast", 8, "first\n\nlast"),
        ("a-long-name-that-cannot-be-broken b", 10, "a-long-name-that-cannot-be-broken\n    b"),
        ("two  spaces stay", 20, "two  spaces stay"),
    ],
)
def test_long_lines_are_broken_between_words(text, width, expected):
    assert wrapped(text, width) == expected

"""Errors point at the place and the problem, and can be sent between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from sklearn_seldonian.exceptions import (
    ConstraintNameError,
    ConstraintSyntaxError,
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    point_at,
)


@pytest.mark.parametrize(
    ("text", "start", "end", "shown"),
    [
        ("PR < 1", 3, 4, "PR < 1\n   ^"),
        ("PR <= 1", 3, 5, "PR <= 1\n   ^^"),
        ("PR <=", 5, 5, "PR <=\n     ^"),
        ("", 0, 0, "\n^"),
        ("PR\n\t\x00< 1", 5, 6, "PR  \\x00< 1\n        ^"),
        ("PR\n\t\x00< 1", 4, 5, "PR  \\x00< 1\n    ^^^^"),
        ("\ud800 < 1", 2, 3, "\\ud800 < 1\n       ^"),
        ("PR\u202e\x1b[31m < 1", 9, 10, "PR\\u202e\\x1b[31m < 1\n                 ^"),
        ("人種 < 1", 3, 4, "人種 < 1\n     ^"),
        ("人種 < 1", 0, 2, "人種 < 1\n^^^^"),
        ("e\u0301 < 1", 3, 4, "e\u0301 < 1\n  ^"),
        ("a" * 200, 0, 1, "a" * 73 + "...\n^"),
        ("a" * 200, 0, 200, "a" * 73 + "...\n" + "^" * 76),
        ("a" * 200, 100, 102, "..." + "a" * 70 + "...\n" + " " * 38 + "^^"),
        ("a" * 200, 199, 200, "..." + "a" * 73 + "\n" + " " * 75 + "^"),
        ("a" * 200, 200, 200, "..." + "a" * 73 + "\n" + " " * 76 + "^"),
    ],
)
def test_carets_point_at_the_place(text: str, start: int, end: int, shown: str) -> None:
    excerpt, carets = shown.split("\n")
    assert point_at(text, start, end) == f"    {excerpt}\n    {carets}"


@pytest.mark.parametrize("kind", [ConstraintSyntaxError, ConstraintNameError])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_constraint_error_is_a_value_error_that_can_be_copied(kind, copied) -> None:
    error = kind("What is this?", "PR < 1", 3, 4)
    assert str(error) == "What is this?\n    PR < 1\n       ^"
    twin = copied(error)
    assert type(twin) is kind
    assert isinstance(twin, ValueError)
    assert (str(twin), twin.text, twin.start, twin.end) == (str(error), "PR < 1", 3, 4)


@pytest.mark.parametrize(
    "message",
    [
        "x" * 5000,
        "word " * 5000,
        "Unknown column '" + "\x00\x1b\ud800\u202e\n" * 1000 + "'.",
        "人" * 3000,
    ],
)
def test_messages_are_short_and_visible(message) -> None:
    text = str(ConstraintSyntaxError(message, "PR < 1" + " " * 9000, 3, 4))
    first, *others = text.split("\n")
    assert len(first) <= 1000
    assert len(text) < 1200
    assert len(others) == 2
    assert "".join([first, *others]).isprintable()
    text.encode()


def test_kinds() -> None:
    assert issubclass(ConstraintNameError, ConstraintSyntaxError)
    assert issubclass(NoSolutionFoundError, RuntimeError)
    assert issubclass(NoSolutionFoundWarning, UserWarning)

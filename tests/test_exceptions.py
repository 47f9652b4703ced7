"""Errors say where and what, and survive a trip between processes."""

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
        ("PR\n\t\x00< 1", 5, 6, "PR   < 1\n     ^"),
        ("a" * 200, 0, 1, "a" * 73 + "...\n^"),
        ("a" * 200, 0, 200, "a" * 73 + "...\n" + "^" * 76),
        ("a" * 200, 100, 102, "..." + "a" * 70 + "...\n" + " " * 38 + "^^"),
        ("a" * 200, 199, 200, "..." + "a" * 73 + "\n" + " " * 75 + "^"),
        ("a" * 200, 200, 200, "..." + "a" * 73 + "\n" + " " * 76 + "^"),
    ],
)
def test_carets_stand_under_the_place(text: str, start: int, end: int, shown: str) -> None:
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


def test_kinds() -> None:
    assert issubclass(ConstraintNameError, ConstraintSyntaxError)
    assert issubclass(NoSolutionFoundError, RuntimeError)
    assert issubclass(NoSolutionFoundWarning, UserWarning)

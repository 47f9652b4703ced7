"""Error messages for texts that are not in the language, and the place they point at."""

from __future__ import annotations

from pathlib import Path

import pytest

from sklearn_seldonian.constraints import parse
from sklearn_seldonian.exceptions import ConstraintSyntaxError


def bad_cases() -> list[tuple[str, str, str]]:
    """For each case: the text, the place of the error, and the message."""
    table = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8")
    cases = [tuple(block.split("\n")) for block in table.strip("\n").split("\n\n")]
    assert all(len(case) == 3 for case in cases)
    return cases  # type: ignore[return-value]


@pytest.mark.parametrize(("text", "carets", "message"), bad_cases(), ids=lambda value: value[:30])
def test_bad_text_is_answered_with_place_and_remedy(text: str, carets: str, message: str) -> None:
    with pytest.raises(ConstraintSyntaxError) as error:
        parse(text)
    assert str(error.value) == f"{message}\n    {text}\n    {carets}"
    assert error.value.text == text
    assert error.value.__cause__ is None


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_empty_text(text: str) -> None:
    with pytest.raises(ConstraintSyntaxError) as error:
        parse(text)
    assert str(error.value) == (
        "A constraint's text is empty. Write, for example, 'ACC >= 0.95'.\n    \n    ^"
    )

"""Values that are not the text of a constraint, or are too large for one, are refused."""

from __future__ import annotations

import re

import pytest

from sklearn_seldonian.constraints import parse
from sklearn_seldonian.exceptions import ConstraintSyntaxError


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.95, "float"), (None, "NoneType"), (b"ACC >= 0.95", "bytes"), (["ACC"], "list")],
)
def test_what_is_not_text_is_a_type_error(value: object, kind: str) -> None:
    message = f"A constraint must be a string, such as 'ACC >= 0.95'; got {kind}."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        parse(value)


NESTED = "A constraint can be nested at most 50 levels deep."
LARGE = "A constraint can have at most 200 numbers, measures, conditions and operators."
MANY = "A constraint can have at most 5,000 names, numbers and signs."
LONG = "A constraint can have at most 10,000 characters; this one has {:,}."

LIMITS = [
    ("(" * 100_000, LONG.format(100_000)),
    ("(" * 50_000 + "PR" + ")" * 50_000, LONG.format(100_002)),
    ("x" * 1_000_000, LONG.format(1_000_000)),
    ("(" * 10_000, NESTED),
    ("(" * 4_999 + "PR" + ")" * 4_999, NESTED),
    ("(" * 51 + "PR" + ")" * 51, NESTED),
    ("abs(" * 51 + "PR" + ")" * 51, NESTED),
    ("-" * 51 + "PR", NESTED),
    ("-" * 10_000, NESTED),
    ("2**" * 51 + "2", NESTED),
    ("2**" * 3_333 + "2", NESTED),
    ("-(2**" * 2_000, NESTED),
    ("max(1," * 1_600, NESTED),
    ("a+" * 100 + "a", LARGE),
    ("a+" * 4_999 + "aa", LARGE),
    ("a*" * 4_999 + "aa", LARGE),
    ("a-" * 4_999 + "aa", LARGE),
    ("max(" + "a," * 4_900, LARGE),
    ("a|[" + "b," * 4_900, LARGE),
    ("max(a,by=(" + "b," * 4_900, LARGE),
    ("PR_[" + "0," * 4_990, MANY),
    ("a|[b in (" + "1," * 4_990 + "1)]", MANY),
    ("max(a, by=b in (" + "1," * 4_900 + "1))", MANY),
    ("1" * 10_000, "This number is too large."),
    ("PR_[" + "9" * 400 + "]", "This number is too large."),
    ("PR | [x == " + "9" * 400 + "]", "This number is too large."),
]


@pytest.mark.parametrize(("text", "message"), LIMITS, ids=[text[:12] for text, _ in LIMITS])
def test_text_that_is_too_large_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConstraintSyntaxError) as error:
        parse(text)
    assert str(error.value).split("\n")[0] == message
    assert len(str(error.value)) < 400

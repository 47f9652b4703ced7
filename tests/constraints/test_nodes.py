"""Trees are values: they can be printed, parsed again, compared, hashed and pickled."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    ColumnIs,
    Comparison,
    Constant,
    Constraint,
    Grouping,
    Measure,
    Membership,
    Negative,
    Node,
    Number,
    Quantified,
    Span,
    walk,
)
from sklearn_seldonian.constraints._parse import parse

FUNCTIONS = {"abs", "exp", "log", "sqrt", "pow", "min", "max", "mean"}
NOT_MEASURES = FUNCTIONS | {"e", "pi", "not", "in", "True", "False"}

words = st.from_regex(r"[^\W\d]\w{0,8}", fullmatch=True)
measure_names = words.filter(lambda name: name not in NOT_MEASURES)
columns = st.one_of(words, st.text(max_size=8), st.sampled_from(["not", "in", "True", "e", "by"]))
numbers = st.floats(min_value=0, allow_infinity=False, allow_nan=False).map(
    lambda value: Number(abs(value))
)
literals = st.one_of(
    st.booleans(),
    st.integers(-(10**300), 10**300),
    st.floats(allow_infinity=False, allow_nan=False),
    st.text(max_size=8),
)
conditions = st.one_of(
    st.builds(ColumnIs, columns, st.booleans()),
    st.builds(Comparison, columns, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), literals),
    st.builds(Membership, columns, st.lists(literals, min_size=1, max_size=3).map(tuple)),
)
measures = st.builds(
    Measure,
    measure_names,
    st.lists(st.one_of(st.integers(0, 10**6), st.text(max_size=5)), max_size=2).map(tuple),
    st.lists(conditions, max_size=2).map(tuple),
)
groupings = st.builds(Grouping, columns, st.lists(literals, max_size=2).map(tuple))


def branches(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    one, two = st.tuples(children), st.tuples(children, children)
    many = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Negative, children),
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "**"]), children, children),
        st.builds(Call, st.sampled_from(["abs", "exp", "log", "sqrt"]), one),
        st.builds(Call, st.just("pow"), two),
        st.builds(Call, st.sampled_from(["max", "min"]), many),
    )


def has_measure(node: Node) -> bool:
    return any(isinstance(part, Measure) for part in walk(node))


constants = st.one_of(numbers, st.sampled_from([Constant("e"), Constant("pi")]))
quantified = st.builds(
    Quantified,
    st.sampled_from(["max", "min", "mean"]),
    st.recursive(st.one_of(measures, constants), branches, max_leaves=4).filter(has_measure),
    st.lists(groupings, min_size=1, max_size=3).map(tuple),
)
leaves = st.one_of(constants, measures, quantified)
expressions = st.recursive(leaves, branches, max_leaves=15)
constraints = st.builds(Constraint, expressions, st.sampled_from(["<=", ">="]), expressions)


@given(constraints)
def test_any_tree_prints_as_text_that_parses_to_it(constraint: Constraint) -> None:
    text = str(constraint)
    assert parse(text) == constraint
    assert str(parse(text)) == text
    assert text.isprintable()


@given(constraints)
def test_any_tree_is_a_value(constraint: Constraint) -> None:
    read = parse(str(constraint))
    for twin in (read, pickle.loads(pickle.dumps(read)), copy.deepcopy(read)):
        assert twin == constraint
        assert hash(twin) == hash(constraint)
    assert pickle.loads(pickle.dumps(read)).left.span == read.left.span


a, b, c = Measure("a"), Measure("b"), Measure("c")
two, three = Number(2), Number(3)

PRINTED = [
    (Binary("-", Binary("-", a, b), c), "a - b - c"),
    (Binary("-", a, Binary("-", b, c)), "a - (b - c)"),
    (Binary("+", a, Binary("+", b, c)), "a + (b + c)"),
    (Binary("*", Binary("+", a, b), c), "(a + b) * c"),
    (Binary("/", a, Binary("*", b, c)), "a / (b * c)"),
    (Binary("**", Binary("**", two, three), two), "(2 ** 3) ** 2"),
    (Binary("**", two, Binary("**", three, two)), "2 ** 3 ** 2"),
    (Binary("**", two, Negative(Number(1))), "2 ** -1"),
    (Binary("**", Negative(two), two), "(-2) ** 2"),
    (Binary("**", two, Binary("*", a, b)), "2 ** (a * b)"),
    (Negative(Binary("**", two, two)), "-2 ** 2"),
    (Negative(Binary("*", a, b)), "-(a * b)"),
    (Negative(Negative(a)), "--a"),
    (Binary("*", Negative(a), b), "-a * b"),
    (Binary("*", a, Negative(b)), "a * -b"),
    (Binary("-", a, Negative(b)), "a - -b"),
    (Binary("-", Measure("a", (), (ColumnIs("M"),)), b), "a | [M] - b"),
    (Number(0.1), "0.1"),
    (Number(2.0), "2"),
    (Number(1e-9), "1e-09"),
    (Number(1e300), "1e+300"),
    (Number(0.1 + 0.2), "0.30000000000000004"),
    (Number(np.float64(1 / 3)), "0.3333333333333333"),
    (Number(5e-324), "5e-324"),
    (Number.of(Fraction(1, 10)), "0.1"),
    (Number.of(Fraction(10**16) + Fraction(1, 2)), "10000000000000000.5"),
    (Number.of(Fraction(1, 3)), "0.3333333333333333"),
    (Measure("CM", (0, 'c"at')), r'CM_[0, "c\"at"]'),
    (Grouping("race", ("A", 1, True)), 'race in ("A", 1, True)'),
    (ColumnIs("two words"), "`two words`"),
    (ColumnIs("in", False), "not `in`"),
    (ColumnIs("a`b\\c"), r"`a\`b\\c`"),
    (ColumnIs(""), "``"),
    (ColumnIs("é_1"), "é_1"),
    (ColumnIs("1st"), "`1st`"),
    (Comparison("e", "==", "a\nb\u200b😀\U000e0001"), r'e == "a\u000ab\u200b😀\U000e0001"'),
    (Comparison("n", "==", np.int64(3)), "n == 3"),
    (Comparison("n", "==", np.True_), "n == True"),
]


@pytest.mark.parametrize(("node", "text"), PRINTED, ids=[text for _, text in PRINTED])
def test_brackets_and_quotes_only_where_needed(node: Node, text: str) -> None:
    assert str(node) == text


def test_a_place_is_not_part_of_the_value() -> None:
    here, there = Measure("PR", span=Span(0, 2)), Measure("PR", span=Span(5, 7))
    assert here == there
    assert hash(here) == hash(there)
    assert parse("PR<=.5") == parse("(PR) <= 0.5")
    assert hash(parse("PR<=.5")) == hash(parse("(PR) <= 0.5"))


def test_nodes_of_different_kinds_differ() -> None:
    assert Constant("e") != Measure("e")
    assert ColumnIs("M") != ColumnIs("M", False)
    assert Constraint(a, "<=", b) != Constraint(a, ">=", b)


def test_nodes_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Number(1).value = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "g"),
    [
        ("ACC >= 0.95", "0.95 - ACC"),
        ("PR <= 0.5", "PR - 0.5"),
        ("PR - 0.5", "PR - 0.5"),
        ("0 <= PR - 0.5", "0 - (PR - 0.5)"),
        ("0 >= PR", "PR"),
    ],
)
def test_g_must_not_be_above_zero(text: str, g: str) -> None:
    assert str(parse(text).g) == g


def test_a_constraint_shows_what_the_user_wrote() -> None:
    assert repr(parse("PR<=.5")) == "Constraint('PR<=.5')"
    assert repr(Constraint(a, "<=", b)) == "Constraint('a <= b')"


@pytest.mark.parametrize(
    "number", ["10000000000000000.5", "0.33333333333333333333", "0e9999", "0.1"]
)
def test_a_number_keeps_its_digits(number):
    constraint = parse(f"PR <= {number}")
    assert constraint.right.fraction == Fraction(Decimal(number))
    assert parse(str(constraint)) == constraint


NAMES = [
    "a`b",
    "a\nb",
    "a\\b",
    "``",
    "\x00",
    "\ud800",
    'a"b',
    "人種",
    "a b",
    "in",
    "`",
    "a\\`b",
    "\r\n",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_column_can_be_written(name):
    constraint = parse(str(Constraint(Measure("PR", (), (ColumnIs(name),)), "<=", Number(0.1))))
    assert constraint.left.conditions == (ColumnIs(name),)
    assert parse(str(constraint)) == constraint
    assert str(constraint).isprintable()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("`a``b`", "a`b"),
        ("`a\\`b`", "a`b"),
        ("````", "`"),
        ("`\\````", "``"),
        ("`a\nb`", "a\nb"),
        ("`a\\nb`", "a\nb"),
        ("`a\\\\b`", "a\\b"),
        ("`a\tb`", "a\tb"),
    ],
)
def test_backquotes_and_line_breaks_in_names(text, name):
    by = parse(f"max(PR, by={text}) <= 0.1").left.by
    assert [grouping.column for grouping in by] == [name]
    condition = parse(f'PR | [{text} == "x\ny"] <= 0.1').left.conditions[0]
    assert (condition.column, condition.literal) == (name, "x\ny")

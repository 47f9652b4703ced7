"""The text of a constraint, and the tree that it becomes."""

from __future__ import annotations

import random
import re
import string
import sys
import threading

import pytest
from lark import Lark
from lark.exceptions import GrammarError

import sklearn_seldonian.constraints._parse as parse_module
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
)
from sklearn_seldonian.constraints._parse import MAX_CHARACTERS, parse
from sklearn_seldonian.exceptions import ConstraintSyntaxError

M, F = ColumnIs("M"), ColumnIs("F")

# The text as written, and as printed; None if it is printed as written.
GOOD = [
    ("ACC >= 0.95", None),
    ("ACC - 0.95", "ACC - 0.95 <= 0"),
    (
        "abs((PR | [M]) - (PR | [F])) - 0.2 <= 0",
        "abs(PR | [M] - PR | [F]) - 0.2 <= 0",
    ),
    ("abs(PR|[M] - PR|[F]) <= 0.2", "abs(PR | [M] - PR | [F]) <= 0.2"),
    (
        "0.8 - min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) <= 0",
        "0.8 - min(PR | [M] / PR | [F], PR | [F] / PR | [M]) <= 0",
    ),
    (
        "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) - 0.35 <= 0",
        "abs(FNR | [M] - FNR | [F]) + abs(FPR | [M] - FPR | [F]) - 0.35 <= 0",
    ),
    (
        "max((PR|[M])-(PR|[F]), (PR|[F])-(PR|[M])) <= 0.1",
        "max(PR | [M] - PR | [F], PR | [F] - PR | [M]) <= 0.1",
    ),
    ("PR - PR <= 0", None),
    ("PR_[0] <= 0.5", None),
    ("PR[0] <= 0.5", "PR_[0] <= 0.5"),
    ("PR _ [ 00 ] <= 0.5", "PR_[0] <= 0.5"),
    ("CM_[0,1] <= 0.02", "CM_[0, 1] <= 0.02"),
    ('CM_["cat","dog"] <= 0.02', 'CM_["cat", "dog"] <= 0.02'),
    ("CM_['cat', \"dog\"] <= 0.02", 'CM_["cat", "dog"] <= 0.02'),
    ('TPR_["b"] >= 0.9', None),
    ("(FPR | [F,R1]) <= 0.2", "FPR | [F, R1] <= 0.2"),
    ('FPR | [sex == "F", age >= 40] <= 0.2', None),
    ("PR | [not M] <= 0.5", None),
    ('ERR | [race in ("A", "B")] <= 0.3', None),
    ('ERR | [race in ("A",)] <= 0.3', 'ERR | [race in ("A")] <= 0.3'),
    ('PPV | [`native country` == "X"] >= 0.6', None),
    ("2*PPV*TPR/(PPV+TPR) >= 0.5", "2 * PPV * TPR / (PPV + TPR) >= 0.5"),
    ("log(ERR) <= -2", None),
    ("ERR ** 2 <= 0.01", None),
    ("Mean_Squared_Error - 2.0 <= 0", "Mean_Squared_Error - 2 <= 0"),
    (
        "abs((Mean_Error|[M]) - (Mean_Error|[F])) <= 0.1",
        "abs(Mean_Error | [M] - Mean_Error | [F]) <= 0.1",
    ),
    ("max(FPR, by=race) - min(FPR, by=race) <= 0.1", None),
    ("min(TPR, by=(race, sex)) >= 0.8 * max(TPR, by=(race, sex))", None),
    ("max(PR, NR) <= 0.9", None),
    ("min(PR|[M], PR|[F]) >= 0.1", "min(PR | [M], PR | [F]) >= 0.1"),
    ('max(FPR, by=race in ("A", "B")) <= 0.2', None),
    ("max(FPR, by=(race in ('A', 'B'), sex))", 'max(FPR, by=(race in ("A", "B"), sex)) <= 0'),
    ("F1 >= 0.7", None),
    ("-PR <= -1e-2", "-PR <= -0.01"),
    ("max(FPR | [M], by=race) <= 0.1", None),
    ("max((PR_[0]), by=(race)) <= 0.1", "max(PR_[0], by=race) <= 0.1"),
    ("mean(PR, by = race) <= 0.1", "mean(PR, by=race) <= 0.1"),
    ("(PR) | [M] <= 0.1", "PR | [M] <= 0.1"),
    ("((PR)) <= .5", "PR <= 0.5"),
    ("PR <= 5.", "PR <= 5"),
    ("PR <= 1.5E+3", "PR <= 1500"),
    ("PR <= 0.30000000000000004", None),
    ("PR | [x == True, y != False] <= 0", None),
    ("PR | [x > -3, y < +2.5, z <= -1e-9] <= 0", "PR | [x > -3, y < 2.5, z <= -1e-09] <= 0"),
    (
        r"PR | [x == 'a\'b\"c\\d\n\t\x41\u00e9']",
        r'PR | [x == "a' + "'" + r'b\"c\\d\u000a\u0009Aé"] <= 0',
    ),
    ("PR | [größe >= 180] <= 0.5", None),
    ("PR | [by == 1, e == 2, pi == 3, max == 4, `in` == 5, `not`] <= 0", None),
    (r"PR | [`a\`b\\c`] <= 0", None),
    ("PR\n  <=\t0.5 ", "PR <= 0.5"),
    ("pow(PR, 2) + exp(NR) - sqrt(ACC) <= pi * e", None),
    ("2 ** 3 ** 2 - PR <= 0", None),
    ("(2 ** 3) ** 2 - PR <= 0", None),
    ("2 ** (3 ** 2) - PR", "2 ** 3 ** 2 - PR <= 0"),
    ("2 ** -1 - PR <= 0", None),
    ("2 ** (-1) - PR", "2 ** -1 - PR <= 0"),
    ("-2 ** 2 - PR <= 0", None),
    ("-(2 ** 2) - PR", "-2 ** 2 - PR <= 0"),
    ("(-2) ** 2 - PR <= 0", None),
    ("PR - (NR - ACC) <= 0", None),
    ("(PR - NR) - ACC", "PR - NR - ACC <= 0"),
    ("PR / (NR * ACC) <= 0", None),
    ("PR - -NR <= 0", None),
    ("--PR <= 0", None),
    ("-(PR + NR) <= 0", None),
    ("-PR * NR <= 0", None),
    ("-(PR * NR) <= 0", None),
]


@pytest.mark.parametrize(("text", "printed"), GOOD, ids=[text for text, _ in GOOD])
def test_good_text_prints_and_reads_back(text: str, printed: str | None) -> None:
    constraint = parse(text)
    assert str(constraint) == (printed or text)
    assert constraint.text == text
    assert parse(str(constraint)) == constraint


TREES: list[tuple[str, Node]] = [
    ("PR", Measure("PR")),
    ("PR | [M]", Measure("PR", (), (M,))),
    (
        "PR | [M] - PR | [F]",
        Binary("-", Measure("PR", (), (M,)), Measure("PR", (), (F,))),
    ),
    ("PR | [M] ** 2", Binary("**", Measure("PR", (), (M,)), Number(2))),
    ("-PR | [M]", Negative(Measure("PR", (), (M,)))),
    ('CM_[0, "dog"]', Measure("CM", (0, "dog"))),
    ("PR_x_[1]", Measure("PR_x", (1,))),
    ("PR__[1]", Measure("PR_", (1,))),
    ("PR_", Measure("PR_")),
    ("e * pi", Binary("*", Constant("e"), Constant("pi"))),
    ("abs(-1)", Call("abs", (Negative(Number(1)),))),
    (
        "2 ** 3 ** 2",
        Binary("**", Number(2), Binary("**", Number(3), Number(2))),
    ),
    ("-2 ** 2", Negative(Binary("**", Number(2), Number(2)))),
    ("2 ** -1", Binary("**", Number(2), Negative(Number(1)))),
    ("1 - 2 - 3", Binary("-", Binary("-", Number(1), Number(2)), Number(3))),
    ("1 + 2 * 3", Binary("+", Number(1), Binary("*", Number(2), Number(3)))),
    (
        "PR | [not M, a >= -4, `b c` in ('x', 2.5, False)]",
        Measure(
            "PR",
            (),
            (
                ColumnIs("M", False),
                Comparison("a", ">=", -4),
                Membership("b c", ("x", 2.5, False)),
            ),
        ),
    ),
    (
        "mean(PR | [M], by=(race in ('A', 'B'), sex))",
        Quantified(
            "mean",
            Measure("PR", (), (M,)),
            (Grouping("race", ("A", "B")), Grouping("sex")),
        ),
    ),
    (
        "max(abs(PR - 0.3), by=race)",
        Quantified(
            "max",
            Call("abs", (Binary("-", Measure("PR"), Number(0.3)),)),
            (Grouping("race"),),
        ),
    ),
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_text_is_parsed_to_its_tree(text: str, tree: Node) -> None:
    assert parse(text) == Constraint(tree, "<=", Number(0))
    assert parse(f"{text} >= 1") == Constraint(tree, ">=", Number(1))


def test_literals_keep_their_type() -> None:
    condition = parse("PR | [x in (1, 1.0, True, '1', -2)]").left.conditions[0]
    assert [type(value) for value in condition.literals] == [int, float, bool, str, int]


SPANS = [
    ("ACC >= 0.95", lambda c: c, "ACC >= 0.95"),
    ("  ACC >= 0.95 ", lambda c: c, "ACC >= 0.95"),
    ("ACC >= 0.95", lambda c: c.left, "ACC"),
    ("ACC >= 0.95", lambda c: c.right, "0.95"),
    ("ACC", lambda c: c.right, ""),
    ("(PR + 1) * 2", lambda c: c.left, "(PR + 1) * 2"),
    ("(PR + 1) * 2", lambda c: c.left.left, "PR + 1"),
    ("2 - abs( PR )", lambda c: c.left.right, "abs( PR )"),
    ("2 - -PR", lambda c: c.left.right, "-PR"),
    ("2 ** (PR)", lambda c: c.left, "2 ** (PR)"),
    ("1 - PR_[0] | [M]", lambda c: c.left.right, "PR_[0] | [M]"),
    ("(PR) | [M, N]", lambda c: c.left, "PR) | [M, N]"),
    ("PR | [M, not N]", lambda c: c.left.conditions[1], "not N"),
    ("PR | [a == -3]", lambda c: c.left.conditions[0], "a == -3"),
    ("PR | [`a b` in ('x', 'y') ]", lambda c: c.left.conditions[0], "`a b` in ('x', 'y')"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left, "max(PR, by=(a, b in (1, 2)))"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.expression, "PR"),
    ("2 - max( PR - 1 , by=a)", lambda c: c.left.right.expression, "PR - 1"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.by[0], "a"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.by[1], "b in (1, 2)"),
]


@pytest.mark.parametrize(("text", "part", "place"), SPANS)
def test_every_node_has_its_place_in_the_text(text, part, place) -> None:
    span = part(parse(text)).span
    assert text[span.start : span.end] == place


def test_a_measure_starts_at_its_name() -> None:
    span = parse("1 - ((PR)) | [M]").left.right.span
    assert "1 - ((PR)) | [M]"[span.start :].startswith("PR")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50 + "PR" + ")" * 50,
        "-" * 50 + "PR",
        "2**" * 50 + "PR",
        "abs(" * 50 + "PR" + ")" * 50,
        "a+" * 99 + "a",
        "a|[b in (" + "1," * 2_490 + "1)]",
        "a|[b == '" + "\\n" * 4_990 + "']",
        "PR" + " " * (MAX_CHARACTERS - 2),
        "0" * 9_000 + " - PR",
        "PR_[" + "0" * 9_000 + "]",
    ],
    ids=lambda text: text[:12],
)
def test_text_at_the_limit_is_read_and_printed_within_a_small_stack(text: str) -> None:
    results: list[object] = []

    def work() -> None:
        constraint = parse(text)
        results.extend([hash(constraint), repr(constraint.left), str(constraint)])

    limit = sys.getrecursionlimit()
    thread = threading.Thread(target=work)
    sys.setrecursionlimit(500)
    try:
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
    assert len(results) == 3


def test_nothing_in_a_name_is_run() -> None:
    with pytest.raises(ConstraintSyntaxError):
        parse("__import__('os').getcwd() <= 1")
    assert parse("PR | [`__import__('os')` == 1]").left.conditions[0].column == "__import__('os')"


SOUP = [
    *["PR", "TPR", "CM", "M", "race", "by", "e", "pi", "x1", "PR_", "_", "größe", "`a b`", "`"],
    *["0", "1", "0.5", "1e-3", "1e999", ".5", "5.", '"F"', "'b'", '"', "'", r'"\q"', r'"\""'],
    *["+", "-", "*", "/", "**", "|", "(", ")", "[", "]", "_[", ",", "<=", ">=", "<", ">", "=="],
    *["!=", "=", "by=", "not", "in", "True", "False", "and", "or", "is", "abs(", "max(", "mean("],
    *["pow(", " ", "\n", "≤", "%", "\\", "\x00", "\ud800", "²", ";", "{", "foo("],
]


def soup(rng: random.Random) -> str:
    glue = rng.choice(["", " "])
    return glue.join(rng.choices(SOUP, k=rng.randint(1, 30)))


def mutated(rng: random.Random) -> str:
    text = rng.choice(GOOD)[0]
    for _ in range(rng.randint(1, 4)):
        place = rng.randint(0, len(text))
        removed = rng.choice([0, 0, 1, 3])
        added = rng.choice(["", rng.choice(SOUP), rng.choice(string.printable)])
        text = text[:place] + added + text[place + removed :]
    return text


def read_or_refusal(text: str) -> Constraint | ConstraintSyntaxError:
    try:
        return parse(text)
    except ConstraintSyntaxError as error:
        return error


def test_any_text_is_read_or_refused_as_a_syntax_error(whole: bool) -> None:
    rng, n_texts = random.Random(20240229), 20_000 if whole else 2_000
    n_read = 0
    for i in range(n_texts):
        text = soup(rng) if i % 2 else mutated(rng)
        outcome = read_or_refusal(text)
        if isinstance(outcome, Constraint):
            n_read += 1
            assert parse(str(outcome)) == outcome, text
        else:
            assert 0 <= outcome.start <= outcome.end <= len(text), text
            assert str(outcome).count("\n") == 2, text
    assert 0.05 * n_texts < n_read < 0.95 * n_texts


def test_the_grammar_is_checked_for_conflicts() -> None:
    """An ambiguous grammar is refused, with the options that ours is built with."""
    assert parse_module._lark().options.strict
    with pytest.raises(GrammarError, match="Shift/Reduce conflict"):
        Lark(
            'start: start "+" start | "1"',
            parser="lalr",
            lexer=parse_module._Lexer,
            strict=True,
        )


def test_patterns_of_the_grammar_begin_with_different_characters() -> None:
    patterns = {t.name: t.pattern.to_regexp() for t in parse_module._lark().terminals}
    names = ("NAME", "NUMBER", "STRING", "BACKQUOTED", "_SUBSCRIPT")
    tails = {"NAME": "x", "NUMBER": "0", "STRING": '""', "BACKQUOTED": "``", "_SUBSCRIPT": "_["}
    samples = [*string.printable, *(a + b for a in string.printable for b in tails.values())]
    for sample in samples:
        matching = [n for n in names if (m := re.match(patterns[n], sample)) and m.end()]
        assert len(matching) <= 1, (sample, matching)

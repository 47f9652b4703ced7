"""The text that users write, the tree it becomes, and what a mistake is answered with."""

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

# Text as written, and as printed; None where it is printed as written.
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
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_text_becomes_the_tree_it_says(text: str, tree: Node) -> None:
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
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.measure, "PR"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.by[0], "a"),
    ("max(PR, by=(a, b in (1, 2)))", lambda c: c.left.by[1], "b in (1, 2)"),
]


@pytest.mark.parametrize(("text", "part", "place"), SPANS)
def test_every_node_knows_its_place(text, part, place) -> None:
    span = part(parse(text)).span
    assert text[span.start : span.end] == place


def test_a_measure_starts_at_its_name() -> None:
    span = parse("1 - ((PR)) | [M]").left.right.span
    assert "1 - ((PR)) | [M]"[span.start :].startswith("PR")


# Each: the text, where the error points, what it says.
BAD = r"""
PR <=
     ^
Expected a number, a measure or '(' but the constraint ends here.

PR +
    ^
Expected a number, a measure or '(' but the constraint ends here.

<= 0.5
^^
Expected a number, a measure or '(' but found '<='.

PR <= 0.5 <= 0.7
          ^^
A constraint has one comparison; write two constraints instead.

0.1 <= PR <= 0.5
          ^^
A constraint has one comparison; write two constraints instead.

PR < 0.5
   ^
Write '<=': no data can tell it from '<'.

PR > 0.5
   ^
Write '>=': no data can tell it from '>'.

PR == 0.5
   ^^
Write '<=' or '>='; for both sides of a value write 'abs(left - right) <= 0.05'.

PR != 0.5
   ^^
Write '<=' or '>='; a constraint cannot ask for a difference.

PR = 0.5
   ^
Write '<=' or '>='.

PR =< 0.5
   ^
Write '<='.

PR => 0.5
   ^
Write '>='.

PR ≤ 0.5
   ^
'≤' is not part of the language; write '<='.

ACC >= 95%
         ^
'%' is not part of the language; write a share as a number between 0 and 1.

PR >= 1e-400
      ^^^^^^
This number is too close to zero; write 0.

PR >= 1e400
      ^^^^^
This number is too large.

max(PR, by='native country') <= 1
           ^^^^^^^^^^^^^^^^
A column's name stands without quotes: write `native country`.

max(PR, by=('race', 'sex')) <= 1
            ^^^^^^
A column's name stands without quotes: write race.

max(PR, by=[race, sex]) <= 1
           ^
Several columns stand in round brackets, as in 'by=(race, sex)'.

max(PR, by=in) <= 1
           ^^
'in' is a word of the language; as a column write `in`.

PR | [True] <= 1
      ^^^^
'True' is a word of the language; as a column write `True`.

max(PR by=race) <= 1
       ^^
Write ',' before by, as in 'max(PR, by=race)'.

demographic parity <= 0.1
            ^^^^^^
'demographic parity': use sklearn_seldonian.constraints.demographic_parity(...).

positive rate <= 0.1
         ^^^^
'positive rate': write PR.

recall(M) <= 1
^^^^^^
There is no function 'recall'; write TPR.

PR | [day >= 2020-01-01] <= 1
                 ^
A date stands in quotes, as "2020-01-01".

PR | [day >= date('2020-01-01')] <= 1
             ^^^^
A value stands alone, as "2020-01-01".

PR | [age == Decimal('1.5')] <= 1
             ^^^^^^^
A value stands alone, as 1.5.

PR | [age between 1 and 3] <= 1
          ^^^^^^^
A range is two conditions, as in 'age >= 40, age < 60', and a list is 'age in (40, 60)'.

PR | [1 <= age <= 3] <= 1
      ^
A range is two conditions, as in 'age >= 40, age < 60', and a list is 'age in (40, 60)'.

PR | [age == (1, 3]] <= 1
             ^
A range is two conditions, as in 'age >= 40, age < 60', and a list is 'age in (40, 60)'.

PR | [race == None] <= 1
              ^^^^
Rows with missing values are in no group; give them a level such as "unknown" in the data.

PR <= 0,1
       ^
A number has a point, as in 0.1, and several constraints are several strings.

PR <= 1_000
       ^^^^
Digits stand together, without '_'.

PR <= '0.1'
      ^^^^^
Numbers and measures stand without quotes.

|PR| <= 0.1
^
An absolute value is written 'abs(PR - 0.5)'.

PR ^ 2 <= 1
   ^
'^' is not part of the language; write '**' for a power.

abs(PR | [M] - PR | [F] <= 0.1
                        ^^
Close the '(' before '<='.

abs(PR | [M] - PR | [F]
   ^
This '(' is never closed.

(PR <= 0.5)
    ^^
Close the '(' before '<='.

PR) <= 0.5
  ^
This ')' closes nothing.

PR | [M <= 0.5
     ^
This '[' is never closed.

PR | [M) <= 0.5
       ^
Expected a comparison, 'in', ',' or ']' but found ')'.

(PR] <= 0.5
   ^
Expected an operator or ')' but found ']'.

PR | [] <= 0.5
      ^
Conditions are missing between the brackets, as in 'PR | [M]'.

PR | M <= 0.5
     ^
Conditions stand in square brackets, as in 'PR | [M]'.

PR |
    ^
Conditions stand in square brackets, as in 'PR | [M]'.

3 | [M] <= 1
^
Only a measure takes conditions, and 3 is not one.

abs(PR) | [M] <= 1
^^^^^^^
Only a measure takes conditions, and abs(PR) is not one.

PR | [M] | [F] <= 1
^^^^^^^^^^^^^^
A measure takes one list of conditions, as in 'PR | [M, F]'.

pi | [M] <= 1
^^
Only a measure takes conditions, and pi is not one.

PR | [sex = "F"] <= 1
          ^
Write '==' to compare.

PR | [sex == F] <= 1
             ^
A text value stands in quotes: "F".

PR | [sex == "F] <= 1
             ^
The quote " is never closed.

PR | [sex is "F"] <= 1
          ^^
Write '==' to compare.

PR | [40 <= age] <= 1
      ^^
A condition starts with its column, as in 'age >= 40'.

PR | [M and F] <= 1
        ^^^
Write ',' for 'and' between conditions.

PR | [M or F] <= 1
        ^^
Conditions have no 'or'; 'race in ("A", "B")' says it for one column.

PR | [M & F] <= 1
        ^
'&' is not part of the language; write ',' between conditions.

PR | [!M] <= 1
      ^
'!' is not part of the language; write 'not' before a column.

PR | [not M == 1] <= 1
            ^^
'not' stands before a column alone, as in 'not M'.

PR | [race not in ("A")] <= 1
           ^^^
There is no 'not in'; list the values that count.

PR | [race in "A"] <= 1
              ^^^
Values stand in brackets, as in 'race in ("A", "B")'.

PR | [race in ()] <= 1
               ^
Expected a number, a quoted text, True or False but found ')'.

PR | [race in ("A" "B")] <= 1
                   ^^^
Expected ',' or ')' but found '"B"'.

PR | [native country == "X"] <= 1
             ^^^^^^^
A column name that is not one word stands in backquotes: `native country`.

PR | [native-country == "X"] <= 1
            ^
A column name that is not one word stands in backquotes: `native-country`.

PR | [capital.gain > 3] <= 1
             ^
'.' is not part of the language; a column name with a dot stands in backquotes.

PR | [`native country == "X"] <= 1
      ^
The quote ` is never closed.

PR | [M,] <= 1
        ^
Expected a column but found ']'.

PR | [age >= ] <= 1
             ^
Expected a number, a quoted text, True or False but found ']'.

PR | [age >= 1e999] <= 1
             ^^^^^
This number is too large.

PR | [x == "\q"] <= 1
            ^^
'\q' is not an escape; write '\\' for a backslash.

PR_[] <= 1
    ^
An index is a position (0, 1, ...) or a quoted class label.

PR_[-1] <= 1
    ^
An index is a position (0, 1, ...) or a quoted class label.

PR_[1.5] <= 1
    ^^^
An index is a position (0, 1, ...) or a quoted class label.

PR_[dog] <= 1
    ^^^
A class label stands in quotes: "dog".

PR_[0 <= 1
      ^^
Expected ',' or ']' but found '<='.

PR_[0,] <= 1
      ^
An index is a position (0, 1, ...) or a quoted class label.

e[0] <= 1
^^^^
Only a measure takes indices, and e is not one.

abs() <= 1
^^^^^
abs takes one argument, not 0.

abs(PR, NR) <= 1
^^^^^^^^^^^
abs takes one argument, not 2.

pow(PR) <= 1
^^^^^^^
pow takes two arguments, not 1.

max(PR) <= 1
^^^^^^^
max takes two or more arguments, or one measure and by=, as in 'max(PR, by=race)'.

max() <= 1
^^^^^
max takes two or more arguments, or one measure and by=, as in 'max(PR, by=race)'.

mean(PR) <= 1
^^^^^^^^
mean takes one measure and by=, as in 'mean(PR, by=race)'.

mean(PR, NR) <= 1
^^^^^^^^^^^^
mean takes one measure and by=, as in 'mean(PR, by=race)'.

max(PR, by=) <= 1
           ^
Expected a column but found ')'.

max(PR, NR, by=race) <= 1
^^^^^^^^^^^^^^^^^^^^
by= follows one measure, as in 'max(PR, by=race)'.

max(by=race) <= 1
^^^^^^^^^^^^
by= follows one measure, as in 'max(PR, by=race)'.

max(PR - NR, by=race) <= 1
    ^^^^^^^
by= follows one measure, and PR - NR is not one.

max(PR, by=race, sex) <= 1
                 ^^^
by= comes last; several columns stand in brackets, as in 'by=(race, sex)'.

max(PR, by=race, by=sex) <= 1
                 ^^^^^^
by= comes last; several columns stand in brackets, as in 'by=(race, sex)'.

max(PR, by=native country) <= 1
                  ^^^^^^^
A column name that is not one word stands in backquotes: `native country`.

max(PR, by="race") <= 1
           ^^^^^^
A column's name stands without quotes: write race.

max(PR, for=race) <= 1
        ^^^^^^^^
The only option of a function is by=, not for=.

abs(PR, by=race) <= 1
        ^^^^^^^
Only max, min and mean take by=; abs does not.

sum(PR, NR) <= 1
^^^
There is no function 'sum', only abs, exp, log, sqrt, pow, max, min, mean.

maximum(PR, NR) <= 1
^^^^^^^
There is no function 'maximum'; did you mean 'max'?

foo(PR) <= 1
^^^
There is no function 'foo', only abs, exp, log, sqrt, pow, max, min, mean.

PR(M) <= 1
^^
There is no function 'PR'; the rows of a measure are chosen as in 'PR | [M]'.

max <= 1
^^^
'max' is a function; write max(...).

2 PR <= 1
  ^^
Expected an operator, '<=' or '>=' but found 'PR'.

2PR <= 1
 ^^
Expected an operator, '<=' or '>=' but found 'PR'.

PR NR <= 1
   ^^
Expected an operator, '<=' or '>=' but found 'NR'.

PR <= 1e999
      ^^^^^
This number is too large.

PR <= 0.1.2
         ^^
Expected an operator but found '.2'.

PR * / 2 <= 1
     ^
Expected a number, a measure or '(' but found '/'.

PR <= 1 and NR <= 1
        ^^^
A constraint has no 'and'; write two constraints instead.

PR <= 1 or NR <= 1
        ^^
A constraint has no 'or'; 'min(a, b) <= c' holds where a <= c or b <= c.

PR <= 1, NR <= 1
       ^
One text is one constraint; write several as a list of strings.

PR <= 1; NR <= 1
       ^
';' is not part of the language; write several constraints as a list of strings.

not PR <= 1
^^^
'not' stands before a column alone, as in 'PR | [not M]'.

PR <= True
      ^^^^
Expected a number, a measure or '(' but found 'True'.

"PR" <= 1
^^^^
Numbers and measures stand without quotes.

`PR` <= 1
^^^^
Expected a number, a measure or '(' but found '`PR`'.

PR <= 1)
       ^
This ')' closes nothing.

__import__("os").system("x")
           ^^^^
Numbers and measures stand without quotes.

PR[0][1] <= 1
     ^
Expected an operator, '<=' or '>=' but found '['.

PR.x <= 1
  ^
'.' is not part of the language; a column name with a dot stands in backquotes.

+PR <= 1
^
Expected a number, a measure or '(' but found '+'.

PR <= 0.5 # half
          ^
'#' is not part of the language.

PR | [M] F <= 1
         ^
Expected an operator, '<=' or '>=' but found 'F'.

PR | [[M]] <= 1
      ^
Expected a column but found '['.

PR | [M == 1 == 2] <= 1
             ^^
Expected ',' or ']' but found '=='.

max(PR, by=race in) <= 1
                  ^
Values stand in brackets, as in 'race in ("A", "B")'.

max(PR, by=(race) <= 1
                  ^^
Expected ',' or ')' but found '<='.

PR | [age >= 30 40]
                ^^
Expected ',' or ']' but found '40'.

PR ** ** 2
      ^^
Expected a number, a measure or '(' but found '**'.

()
 ^
Expected a number, a measure or '(' but found ')'.

in <= 2
^^
Expected a number, a measure or '(' but found 'in'.

max(PR, by race) <= 1
           ^^^^
Write '=' after by, as in 'by=race'.

PR | | [M] <= 1
     ^
Conditions stand in square brackets, as in 'PR | [M]'.

((PR <= 1
     ^^
Close the '(' before '<='.

PR | [age => 40] <= 1
          ^
Write '>='.

PR | ["sex" == "F"] <= 1
      ^^^^^
A column's name stands without quotes: write sex.

PR | [not] <= 1
         ^
Expected a column but found ']'.

PR | [sex == “F”] <= 1
             ^
'“' is not part of the language; write a straight quote.

PR | (M) <= 1
     ^
Conditions stand in square brackets, as in 'PR | [M]'.

PR | [M == "F", <= 1
                ^^
Expected a column but found '<='.

PR_["cat] <= 1
    ^
The quote " is never closed.

PR | [x == "\ud800\x1"] <= 1
                  ^^
'\x' is not an escape; write '\\' for a backslash.

PR | [age >= -] <= 1
              ^
Expected a number but found ']'.

PR | [not not M] <= 1
          ^^^
Expected a column but found 'not'.

PR | [M] | F <= 1
           ^
Conditions stand in square brackets, as in 'PR | [M]'.

max(PR | [M], by=(race sex)) <= 1
                       ^^^
A column name that is not one word stands in backquotes: `race sex`.

max(PR, by=()) <= 1
            ^
Expected a column but found ')'.

max(PR, by=race == "A") <= 1
                ^^
Expected 'in', ',' or ')' but found '=='.

max(PR_[0], NR) | [M] <= 1
^^^^^^^^^^^^^^^
Only a measure takes conditions, and max(PR_[0], NR) is not one.

max(,PR) <= 1
    ^
Expected a number, a measure or '(' but found ','.

max(PR,) <= 1
       ^
Expected a number, a measure or '(' but found ')'.

PR <= 1 >= 0
        ^^
A constraint has one comparison; write two constraints instead.

PR <= max(1
         ^
This '(' is never closed.

0.8 * <= PR
      ^^
Expected a number, a measure or '(' but found '<='.

PR[ <= 1
    ^^
An index is a position (0, 1, ...) or a quoted class label.

PR | [ <= 1
       ^^
Expected a column but found '<='.

abs(PR)) <= 1
       ^
This ')' closes nothing.

e() <= 1
^
There is no function 'e', only abs, exp, log, sqrt, pow, max, min, mean.

pi(2) <= 1
^^
There is no function 'pi', only abs, exp, log, sqrt, pow, max, min, mean.

PR | [age in (1, 2] <= 1
                  ^
Expected ',' or ')' but found ']'.

PR | [age] = 1
           ^
Write '<=' or '>='.

PR >= .
      ^
'.' is not part of the language; a column name with a dot stands in backquotes.

PR | [race in ("A", B)] <= 1
                    ^
A text value stands in quotes: "B".

PR | [sex != F] <= 1
             ^
A text value stands in quotes: "F".

PR | [`` == 1] | <= 1
                 ^^
Conditions stand in square brackets, as in 'PR | [M]'.

PR | [M=1] <= 1
       ^
Write '==' to compare.

PR*NR*(PR+NR <= 1
             ^^
Close the '(' before '<='.

PR | [age 40] <= 1
          ^^
A column name that is not one word stands in backquotes: `age 40`.

PR ! NR
   ^
'!' is not part of the language; write 'not' before a column.

CM_[0 1] <= 1
      ^
Expected ',' or ']' but found '1'.
"""


def bad_cases() -> list[tuple[str, str, str]]:
    cases = [tuple(block.split("\n")) for block in BAD.strip("\n").split("\n\n")]
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
        "A constraint's text is empty; write for example 'ACC >= 0.95'.\n    \n    ^"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.95, "float"), (None, "NoneType"), (b"ACC >= 0.95", "bytes"), (["ACC"], "list")],
)
def test_what_is_not_text_is_a_type_error(value: object, kind: str) -> None:
    message = f"A constraint is a string such as 'ACC >= 0.95'; got type {kind}."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        parse(value)


NESTED = "A constraint is nested at most 50 deep."
LARGE = "A constraint has at most 200 numbers, measures, conditions and operators."
MANY = "A constraint has at most 5,000 names, numbers and signs."
LONG = "A constraint has at most 10,000 characters; this one has {:,}."

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
    """An ambiguous grammar is refused under the options that ours is built with."""
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

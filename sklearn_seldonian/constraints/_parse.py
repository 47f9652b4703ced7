"""From a constraint's text to its tree.

The grammar is in ``grammar.lark``.  The tree is built while the text is read, so the
limits on size and depth hold before anything large exists.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args
from lark.lexer import BasicLexer

from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    ColumnIs,
    Comparison,
    Condition,
    Constant,
    Constraint,
    Grouping,
    Literal,
    Measure,
    Membership,
    Negative,
    Node,
    Number,
    Quantified,
    Span,
)
from sklearn_seldonian.exceptions import ConstraintSyntaxError

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_NODES", "MAX_TOKENS", "parse"]

MAX_CHARACTERS = 10_000
MAX_TOKENS = 5_000
MAX_NODES = 200
MAX_DEPTH = 50
# One level of nesting leaves at most nine symbols waiting: NAME ( arguments , sum + product * -.
_MAX_WAITING = 10 * MAX_DEPTH

_CONSTANTS = ("e", "pi")
_ARITY = {"abs": 1, "exp": 1, "log": 1, "sqrt": 1, "pow": 2}
_QUANTIFIERS = ("max", "min", "mean")
_FUNCTIONS = (*_ARITY, *_QUANTIFIERS)
_COUNTS = {1: "one argument", 2: "two arguments"}

_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`"}
_CLOSING = {"LEFT_ROUND": "RIGHT_ROUND", "LEFT_SQUARE": "RIGHT_SQUARE", "SUBSCRIPT": "RIGHT_SQUARE"}
_STRICT = "Write '{0}=': no data can tell it from '{0}'."
_COMPARISONS = {
    "LESS": _STRICT.format("<"),
    "GREATER": _STRICT.format(">"),
    "EQUAL": "Write '<=' or '>='; for both sides of a value write 'abs(left - right) <= 0.05'.",
    "NOT_EQUAL": "Write '<=' or '>='; a constraint cannot ask for a difference.",
    "ASSIGN": "Write '<=' or '>='.",
    "LESS_EQUAL": "",
    "GREATER_EQUAL": "",
}
_WORDS = {
    "and": "A constraint has no 'and'; write two constraints instead.",
    "or": "A constraint has no 'or'; 'min(a, b) <= c' holds where a <= c or b <= c.",
}
_WORDS_IN_CONDITIONS = {
    "and": "Write ',' for 'and' between conditions.",
    "or": "Conditions have no 'or'; 'race in (\"A\", \"B\")' says it for one column.",
    "is": "Write '==' to compare.",
}
_CHARACTERS = {
    "≤": "write '<='",
    "≥": "write '>='",
    "≠": "write '!='",
    "−": "write '-'",
    "–": "write '-'",
    "×": "write '*'",
    "·": "write '*'",
    "÷": "write '/'",
    "^": "write '**' for a power",
    "%": "write a share as a number between 0 and 1",
    "&": "write ',' between conditions",
    "!": "write 'not' before a column",
    "“": "write a straight quote",
    "”": "write a straight quote",
    "‘": "write a straight quote",
    "’": "write a straight quote",
    "{": "write '(' or '['",
    "}": "write ')' or ']'",
    ".": "a column name with a dot stands in backquotes",
}
_INDEX = "An index is a position (0, 1, ...) or a quoted class label."
# Kinds of token that stand for one expectation, the more telling first.
_EXPECTATIONS: tuple[tuple[set[str], tuple[str, ...]], ...] = (
    ({"NUMBER", "NAME", "LEFT_ROUND"}, ("a number", "a measure", "'('")),
    ({"NUMBER", "STRING", "TRUE"}, ("a number", "a quoted text", "True", "False")),
    ({"NUMBER"}, ("a number",)),
    ({"BACKQUOTED"}, ("a column",)),
    ({"PLUS"}, ("an operator",)),
    ({"EQUAL"}, ("a comparison",)),
    ({"LESS_EQUAL", "PLUS"}, ("'<='", "'>='")),
    ({"IN"}, ("'in'",)),
    ({"COMMA"}, ("','",)),
    ({"RIGHT_ROUND"}, ("')'",)),
    ({"RIGHT_SQUARE"}, ("']'",)),
)
_COLUMN_IN_WORDS = re.compile(r"\w+(?:[ ./-]+(?!(?:in|not|and|or)\b)\w+)+")

T = TypeVar("T")


def parse(text: str) -> Constraint:
    """Return the tree that `text` says.

    Parameters
    ----------
    text : str
        A constraint, for example ``"max(FPR, by=race) <= 0.1"``.  Without a comparison
        it means that the expression must not be above zero.

    Returns
    -------
    constraint : Constraint
        Every node of it carries its place in `text`.  Whether its measures, columns
        and classes exist is not looked at.

    Raises
    ------
    ConstraintSyntaxError
        Where `text` is not in the language, or is larger than it allows: 10,000 characters,
        5,000 names, numbers and signs, 200 nodes, 50 levels of brackets, powers and minus
        signs within each other.
    TypeError
        Where `text` is not a string.

    Examples
    --------
    >>> print(parse("abs(PR|[M] - PR|[F]) <= 0.1"))
    abs(PR | [M] - PR | [F]) <= 0.1
    >>> print(parse("ACC - 0.95"))
    ACC - 0.95 <= 0
    """
    if not isinstance(text, str):
        raise TypeError(
            f"A constraint is a string such as 'ACC >= 0.95'; got type {type(text).__name__}."
        )
    try:
        return _read(text)
    except _Refusal as refusal:
        raise ConstraintSyntaxError(refusal.message, text, refusal.start, refusal.end) from None


class _Refusal(Exception):
    """A place in the text and what is wrong there."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


class _Part(NamedTuple, Generic[T]):
    """A value with its place in the text, brackets included, and its size as written."""

    value: T
    start: int
    end: int
    depth: int = 0
    size: int = 1


def _read(text: str) -> Constraint:
    if len(text) > MAX_CHARACTERS:
        raise _Refusal(
            f"A constraint has at most {MAX_CHARACTERS:,} characters; this one has {len(text):,}.",
            MAX_CHARACTERS,
            MAX_CHARACTERS,
        )
    parser = _lark().parse_interactive(text)
    seen: list[Token] = []
    try:
        for token in parser.lexer_thread.lex(parser.parser_state):  # type: ignore[no-untyped-call]
            parser.feed_token(token)
            seen.append(token)
            if len(parser.parser_state.value_stack) > _MAX_WAITING:
                raise _too_deep(*_place(token))
            if len(seen) > MAX_TOKENS:
                message = f"A constraint has at most {MAX_TOKENS:,} names, numbers and signs."
                raise _Refusal(message, *_place(token))
        part: _Part[Constraint] = parser.feed_token(Token("$END", "", len(text.rstrip())))
    except UnexpectedToken as error:
        accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
        raise _Failure(error.token, seen, accepted, text).refusal() from None
    except UnexpectedCharacters as error:
        raise _unknown_character(text, error.pos_in_stream or 0) from None
    return replace(part.value, text=text)


def _place(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, start + len(token)


def _too_deep(start: int, end: int) -> _Refusal:
    return _Refusal(f"A constraint is nested at most {MAX_DEPTH} deep.", start, end)


def _joined(
    earlier: _Part[tuple[T, ...]] | None, last: _Part[tuple[T, ...]]
) -> _Part[tuple[T, ...]]:
    """Two neighbours in a list as one; refused where the list is too large."""
    if earlier is None:
        return last
    start, end, size = earlier.start, last.end, earlier.size + last.size
    if size > MAX_NODES:
        raise _too_many(start, end)
    return _Part(earlier.value + last.value, start, end, max(earlier.depth, last.depth), size)


def _too_many(start: int, end: int) -> _Refusal:
    return _Refusal(
        f"A constraint has at most {MAX_NODES} numbers, measures, conditions and operators.",
        start,
        end,
    )


def _measured(
    value: T, start: int, end: int, parts: tuple[_Part[Any], ...], nested: int
) -> _Part[T]:
    """`value`, one node above `parts`, `nested` levels deeper; refused where too large."""
    size = 1 + sum(part.size for part in parts)
    depth = nested + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise _too_deep(start, end)
    if size > MAX_NODES:
        raise _too_many(start, end)
    return _Part(value, start, end, depth, size)


@v_args(inline=True)
class _TreeBuilder(Transformer[Token, Any]):
    """One method a rule of the grammar; runs while the text is read."""

    def comparison(self, left: _Part[Node], sign: Token, right: _Part[Node]) -> _Part[Constraint]:
        constraint = Constraint(
            left.value, str(sign), right.value, span=Span(left.start, right.end)
        )
        return _measured(constraint, left.start, right.end, (left, right), 0)

    def bare(self, left: _Part[Node]) -> _Part[Constraint]:
        zero = Number(0.0, span=Span(left.end, left.end))
        constraint = Constraint(left.value, "<=", zero, span=Span(left.start, left.end))
        return _Part(constraint, left.start, left.end)

    def binary(self, left: _Part[Node], operator: Token, right: _Part[Node]) -> _Part[Node]:
        return self._binary(left, operator, right, 0)

    def power(self, left: _Part[Node], operator: Token, right: _Part[Node]) -> _Part[Node]:
        return self._binary(left, operator, right, 1)

    def _binary(
        self, left: _Part[Node], operator: Token, right: _Part[Node], nested: int
    ) -> _Part[Node]:
        span = Span(left.start, right.end)
        node = Binary(str(operator), left.value, right.value, span=span)
        return _measured(node, span.start, span.end, (left, right), nested)

    def negative(self, minus: Token, operand: _Part[Node]) -> _Part[Node]:
        start = _place(minus)[0]
        node = Negative(operand.value, span=Span(start, operand.end))
        return _measured(node, start, operand.end, (operand,), 1)

    def group(self, opening: Token, inner: _Part[Node], closing: Token) -> _Part[Node]:
        start, end = _place(opening)[0], _place(closing)[1]
        if inner.depth >= MAX_DEPTH:
            raise _too_deep(start, end)
        return _Part(inner.value, start, end, inner.depth + 1, inner.size)

    def number(self, token: Token) -> _Part[Node]:
        start, end = _place(token)
        return _Part(Number(float(_number(token)), span=Span(start, end)), start, end)

    def name(self, token: Token) -> _Part[Node]:
        start, end = _place(token)
        if token in _FUNCTIONS:
            raise _Refusal(f"'{token}' is a function; write {token}(...).", start, end)
        kind = Constant if token in _CONSTANTS else Measure
        return _Part(kind(str(token), span=Span(start, end)), start, end)

    def subscripted(
        self, name: Token, _opening: Token, indices: tuple[int | str, ...], closing: Token
    ) -> _Part[Node]:
        measure = self.name(name).value
        start, end = _place(name)[0], _place(closing)[1]
        if not isinstance(measure, Measure):
            raise _Refusal(f"Only a measure takes indices, and {name} is not one.", start, end)
        return _Part(Measure(measure.name, indices, span=Span(start, end)), start, end)

    def indices(self, *indices: int | str) -> tuple[int | str, ...]:
        return indices

    def index(self, token: Token) -> int | str:
        if token.type == "STRING":
            return _unquoted(token)
        if not token.isdigit():
            raise _Refusal(_INDEX, *_place(token))
        return int(_number(token))

    def conditioned(
        self,
        operand: _Part[Node],
        _bar: Token,
        conditions: _Part[tuple[Condition, ...]],
        closing: Token,
    ) -> _Part[Node]:
        measure = operand.value
        start, end = operand.start, _place(closing)[1]
        if not isinstance(measure, Measure):
            raise _Refusal(
                f"Only a measure takes conditions, and {_shown(measure)} is not one.",
                operand.start,
                operand.end,
            )
        if measure.conditions:
            raise _Refusal(
                "A measure takes one list of conditions, as in 'PR | [M, F]'.", start, end
            )
        span = Span(measure.span.start, end)
        node = Measure(measure.name, measure.indices, conditions.value, span=span)
        return _measured(node, start, end, (conditions,), 1)

    def conditions(
        self, earlier: _Part[tuple[Condition, ...]] | None, last: _Part[Condition]
    ) -> _Part[tuple[Condition, ...]]:
        return _joined(earlier, _Part((last.value,), last.start, last.end))

    def is_true(self, column: _Part[str]) -> _Part[Condition]:
        span = Span(column.start, column.end)
        return _Part(ColumnIs(column.value, True, span=span), column.start, column.end)

    def is_false(self, negation: Token, column: _Part[str]) -> _Part[Condition]:
        span = Span(_place(negation)[0], column.end)
        return _Part(ColumnIs(column.value, False, span=span), span.start, span.end)

    def compared(
        self, column: _Part[str], operator: Token, literal: _Part[Literal]
    ) -> _Part[Condition]:
        span = Span(column.start, literal.end)
        node = Comparison(column.value, str(operator), literal.value, span=span)
        return _Part(node, span.start, span.end)

    def member(
        self, column: _Part[str], _in: Token, values: _Part[tuple[Literal, ...]]
    ) -> _Part[Condition]:
        span = Span(column.start, values.end)
        return _Part(Membership(column.value, values.value, span=span), span.start, span.end)

    def column(self, token: Token) -> _Part[str]:
        name = str(token) if token.type == "NAME" else _unquoted(token)
        return _Part(name, *_place(token))

    def values(self, *children: Any) -> _Part[tuple[Literal, ...]]:
        *literals, closing = children
        return _Part(
            tuple(literal.value for literal in literals), literals[0].start, _place(closing)[1]
        )

    def numeric_literal(self, *tokens: Token) -> _Part[Literal]:
        number = _number(tokens[-1])
        value = -number if tokens[0] == "-" else number
        return _Part(value, _place(tokens[0])[0], _place(tokens[-1])[1])

    def text_literal(self, token: Token) -> _Part[Literal]:
        return _Part(_unquoted(token), *_place(token))

    def truth_literal(self, token: Token) -> _Part[Literal]:
        return _Part(token.type == "TRUE", *_place(token))

    def call(self, name: Token, _opening: Token, *rest: Any) -> _Part[Node]:
        *arguments, closing = rest
        start, end = _place(name)[0], _place(closing)[1]
        listed = arguments[0] if arguments else _Part((), start, end, size=0)
        node = _call(name, listed.value, Span(start, end))
        return _measured(node, start, end, (listed,), 1)

    def arguments(
        self, earlier: _Part[tuple[_Part[Any], ...]] | None, last: _Part[Any]
    ) -> _Part[tuple[_Part[Any], ...]]:
        return _joined(earlier, last._replace(value=(last,)))

    def option(self, name: Token, groupings: _Part[tuple[Grouping, ...]]) -> _Part[_Option]:
        start = _place(name)[0]
        option = _Option(str(name), groupings.value)
        return _Part(option, start, groupings.end, size=groupings.size)

    def groupings(
        self, earlier: _Part[tuple[Grouping, ...]] | None, last: _Part[Grouping]
    ) -> _Part[tuple[Grouping, ...]]:
        return _joined(earlier, self.one_grouping(last))

    def one_grouping(self, grouping: _Part[Grouping]) -> _Part[tuple[Grouping, ...]]:
        return _Part((grouping.value,), grouping.start, grouping.end)

    def grouping(
        self,
        column: _Part[str],
        _in: Token | None = None,
        values: _Part[tuple[Literal, ...]] | None = None,
    ) -> _Part[Grouping]:
        end = values.end if values else column.end
        levels = values.value if values else ()
        node = Grouping(column.value, levels, span=Span(column.start, end))
        return _Part(node, column.start, end)


class _Option(NamedTuple):
    """``name=groupings`` among the arguments of a call."""

    name: str
    groupings: tuple[Grouping, ...]


def _call(name: Token, arguments: tuple[_Part[Any], ...], span: Span) -> Node:
    function = str(name)
    if function not in _FUNCTIONS:
        raise _Refusal(_unknown_function(function), *_place(name))
    if any(isinstance(part.value, _Option) for part in arguments):
        return _quantified(function, arguments, span)
    expected = _ARITY.get(function)
    if expected is not None and len(arguments) != expected:
        message = f"{function} takes {_COUNTS[expected]}, not {len(arguments)}."
        raise _Refusal(message, span.start, span.end)
    if function == "mean" or (expected is None and len(arguments) < 2):
        raise _Refusal(_lonely(function), span.start, span.end)
    return Call(function, tuple(part.value for part in arguments), span=span)


def _lonely(function: str) -> str:
    if function == "mean":
        return "mean takes one measure and by=, as in 'mean(PR, by=race)'."
    return (
        f"{function} takes two or more arguments, or one measure and by=, "
        f"as in '{function}(PR, by=race)'."
    )


def _quantified(function: str, arguments: tuple[_Part[Any], ...], span: Span) -> Node:
    option = next(part for part in arguments if isinstance(part.value, _Option))
    if option.value.name != "by":
        message = f"The only option of a function is by=, not {_shown(option.value.name)}=."
        raise _Refusal(message, option.start, option.end)
    if function not in _QUANTIFIERS:
        message = f"Only max, min and mean take by=; {function} does not."
        raise _Refusal(message, option.start, option.end)
    after = arguments[arguments.index(option) + 1 :]
    if after:
        message = "by= comes last; several columns stand in brackets, as in 'by=(race, sex)'."
        raise _Refusal(message, after[0].start, after[-1].end)
    if len(arguments) != 2:
        message = f"by= follows one measure, as in '{function}(PR, by=race)'."
        raise _Refusal(message, span.start, span.end)
    measure = arguments[0]
    if not isinstance(measure.value, Measure):
        message = f"by= follows one measure, and {_shown(measure.value)} is not one."
        raise _Refusal(message, measure.start, measure.end)
    return Quantified(function, measure.value, option.value.groupings, span=span)


def _unknown_function(name: str) -> str:
    missing = f"There is no function '{_shown(name)}'"
    near = get_close_matches(name.lower(), _FUNCTIONS, 1)
    if near:
        return f"{missing}; did you mean '{near[0]}'?"
    if name[0].isupper():
        return f"{missing}; the rows of a measure are chosen as in 'PR | [M]'."
    return f"{missing}, only {', '.join(_FUNCTIONS)}."


def _shown(value: object, width: int = 40) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _number(token: Token) -> float | int:
    if math.isinf(float(token)):
        raise _Refusal("This number is too large.", *_place(token))
    # Python refuses to read thousands of digits, leading zeros too.
    return int(token.lstrip("0") or "0") if token.isdigit() else float(token)


def _unquoted(token: Token) -> str:
    start = _place(token)[0]

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) > 1 and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        raise _Refusal(
            f"'{match[0]}' is not an escape; write '\\\\' for a backslash.",
            start + 1 + match.start(),
            start + 1 + match.end(),
        )

    return _ESCAPE.sub(character, token[1:-1])


class _Failure(NamedTuple):
    """A token that cannot follow those before it, and the kinds of token that could."""

    token: Token
    before: list[Token]
    accepted: set[str]
    text: str

    def refusal(self) -> _Refusal:
        if self.token.type == "$END" and (never := self.never_closed()):
            return never
        advices = (
            self.about_brackets,
            self.about_comparisons,
            self.about_words,
            self.about_conditions,
            self.about_values,
            self.expectation,
        )
        message = next(filter(None, (advice() for advice in advices)))
        return _Refusal(message, *_place(self.token))

    @property
    def last(self) -> str:
        """The kind of the token before."""
        return self.before[-1].type if self.before else ""

    @property
    def open_brackets(self) -> list[Token]:
        brackets: list[Token] = []
        for token in self.before:
            if token.type in _CLOSING:
                brackets.append(token)
            elif token.type in _CLOSING.values():
                brackets.pop()
        return brackets

    @property
    def in_conditions(self) -> bool:
        brackets = self.open_brackets
        if not brackets:
            return False
        position = next(i for i, token in enumerate(self.before) if token is brackets[-1])
        return position > 0 and self.before[position - 1].type == "BAR"

    def never_closed(self) -> _Refusal | None:
        brackets = self.open_brackets
        if not brackets or _CLOSING[brackets[-1].type] not in self.accepted:
            return None
        bracket = brackets[-1].lstrip("_").strip()
        end = _place(brackets[-1])[1]
        return _Refusal(f"This '{bracket}' is never closed.", end - 1, end)

    def about_brackets(self) -> str | None:
        if self.token.type in _CLOSING.values() and not self.open_brackets:
            return f"This '{self.token}' closes nothing."
        return None

    def about_comparisons(self) -> str | None:
        if self.token.type not in _COMPARISONS or "PLUS" not in self.accepted:
            return None
        if self.open_brackets:
            return f"Close the '{self.open_brackets[-1]}' before '{self.token}'."
        if "LESS_EQUAL" not in self.accepted:
            return "A constraint has one comparison; write two constraints instead."
        return self.reversed_sign() or _COMPARISONS[self.token.type]

    def reversed_sign(self) -> str | None:
        start = _place(self.token)[0]
        written = self.text[start : start + 2]
        return f"Write '{written[::-1]}'." if written in ("=<", "=>") else None

    def about_words(self) -> str | None:
        word = self.token.lower()
        if self.in_conditions and word in _WORDS_IN_CONDITIONS:
            return _WORDS_IN_CONDITIONS[word]
        if "PLUS" not in self.accepted:
            return None
        if self.before[-1] == "by" and self.token.type in {"NAME", "BACKQUOTED"}:
            return "Write '=' after by, as in 'by=race'."
        return _WORDS.get(word)

    def about_conditions(self) -> str | None:
        if self.accepted == {"LEFT_SQUARE"}:
            return "Conditions stand in square brackets, as in 'PR | [M]'."
        if self.last == "IN":
            return 'Values stand in brackets, as in \'race in ("A", "B")\'.'
        if self.names_a_column:
            return (
                "A column name that is not one word stands in backquotes: "
                f"`{self.column_in_words()}`."
            )
        return self.about_one_condition() if self.in_conditions else None

    def about_one_condition(self) -> str | None:
        if self.token.type == "ASSIGN":
            return self.reversed_sign() or "Write '==' to compare."
        if self.token.type == "RIGHT_SQUARE" and self.last == "LEFT_SQUARE":
            return "Conditions are missing between the brackets, as in 'PR | [M]'."
        literal = self.token.type in {"NUMBER", "STRING", "TRUE", "FALSE"}
        if literal and "BACKQUOTED" in self.accepted:
            return "A condition starts with its column, as in 'age >= 40'."
        if self.token.type == "NOT" and "IN" in self.accepted:
            return "There is no 'not in'; list the values that count."
        negated = len(self.before) > 1 and self.before[-2].type == "NOT"
        if negated and self.token.type in {*_COMPARISONS, "IN"}:
            return f"'not' stands before a column alone, as in 'not {self.before[-1]}'."
        return None

    @property
    def names_a_column(self) -> bool:
        return (
            self.last == "NAME"
            and self.token.type in {"NAME", "NUMBER", "MINUS", "DIVIDE"}
            and (self.in_conditions or "IN" in self.accepted)
        )

    def column_in_words(self) -> str:
        words = _COLUMN_IN_WORDS.match(self.text, _place(self.before[-1])[0])
        return words[0] if words else str(self.before[-1])

    def about_values(self) -> str | None:
        if "STRING" not in self.accepted:
            return None
        if self.token.type in {"NAME", "BACKQUOTED"}:
            kind = "class label" if "TRUE" not in self.accepted else "text value"
            return f'A {kind} stands in quotes: "{_shown(self.token.strip("`"))}".'
        if "TRUE" not in self.accepted:
            return _INDEX
        return None

    def expectation(self) -> str:
        if not self.before and self.token.type == "$END":
            return "A constraint's text is empty; write for example 'ACC >= 0.95'."
        found = f"found '{_shown(self.token)}'"
        if self.token.type == "$END":
            found = "the constraint ends here"
        return f"Expected {_listed(self.expected())} but {found}."

    def expected(self) -> list[str]:
        words: list[str] = []
        for kinds, names in _EXPECTATIONS:
            if kinds <= self.accepted:
                words.extend(names)
                if "NUMBER" in kinds:
                    break
        return words or ["the end"]


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _unknown_character(text: str, position: int) -> _Refusal:
    character = text[position]
    if character in "\"'`":
        message = f"The quote {character} is never closed."
    else:
        advice = _CHARACTERS.get(character)
        shown = f"'{character}'" if character.isprintable() else repr(character)
        message = f"{shown} is not part of the language{f'; {advice}' if advice else ''}."
    return _Refusal(message, position, position + 1)


class _Lexer(BasicLexer):
    """Lark's lexer without its check for overlapping terminals, which needs one more package.

    The terminals that are patterns begin with different characters.
    """

    __future_interface__ = 2

    def __init__(self, conf: Any) -> None:
        conf = copy.copy(conf)
        conf.skip_validation = True
        super().__init__(conf)


@cache
def _lark() -> Lark:
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer=_Lexer,
        strict=True,
        transformer=_TreeBuilder(),
        maybe_placeholders=True,
    )

"""From a constraint's text to its tree.

The grammar is in ``grammar.lark``.  The tree is built while the text is read, so the
limits on size and depth hold before anything large exists.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args
from lark.lexer import BasicLexer

from sklearn_seldonian.constraints._error_messages import (
    INDEX_ADVICE,
    UnexpectedTokenAdvice,
    _ParseError,
    place,
    shown,
    unknown_character,
    unknown_function,
)
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
WORDS = (*_FUNCTIONS, *_CONSTANTS, "not", "in", "True", "False")
_COUNTS = {1: "one argument", 2: "two arguments"}

_NOT_ZERO = re.compile(r"[0.]*[1-9]")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPE_OR_DOUBLED = re.compile(f"{_ESCAPE.pattern}|``", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`"}
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
    except _ParseError as refusal:
        raise ConstraintSyntaxError(refusal.message, text, refusal.start, refusal.end) from None


class _Part(NamedTuple, Generic[T]):
    """A value with its place in the text, brackets included, and its size as written."""

    value: T
    start: int
    end: int
    depth: int = 0
    size: int = 1


def _read(text: str) -> Constraint:
    if len(text) > MAX_CHARACTERS:
        raise _ParseError(
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
                raise _too_deep(*place(token))
            if len(seen) > MAX_TOKENS:
                message = f"A constraint has at most {MAX_TOKENS:,} names, numbers and signs."
                raise _ParseError(message, *place(token))
        part: _Part[Constraint] = parser.feed_token(Token("$END", "", len(text.rstrip())))
    except UnexpectedToken as error:
        accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
        raise UnexpectedTokenAdvice(error.token, seen, accepted, text).refusal() from None
    except UnexpectedCharacters as error:
        raise unknown_character(text, error.pos_in_stream or 0) from None
    return replace(part.value, text=text)


def _too_deep(start: int, end: int) -> _ParseError:
    return _ParseError(f"A constraint is nested at most {MAX_DEPTH} deep.", start, end)


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


def _too_many(start: int, end: int) -> _ParseError:
    return _ParseError(
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
        start = place(minus)[0]
        node = Negative(operand.value, span=Span(start, operand.end))
        return _measured(node, start, operand.end, (operand,), 1)

    def group(self, opening: Token, inner: _Part[Node], closing: Token) -> _Part[Node]:
        start, end = place(opening)[0], place(closing)[1]
        if inner.depth >= MAX_DEPTH:
            raise _too_deep(start, end)
        return _Part(inner.value, start, end, inner.depth + 1, inner.size)

    def number(self, token: Token) -> _Part[Node]:
        start, end = place(token)
        number = Fraction(Decimal(token)) if _number(token) else Fraction(0)
        return _Part(Number.of(number, Span(start, end)), start, end)

    def name(self, token: Token) -> _Part[Node]:
        start, end = place(token)
        if token in _FUNCTIONS:
            raise _ParseError(f"'{token}' is a function; write {token}(...).", start, end)
        kind = Constant if token in _CONSTANTS else Measure
        return _Part(kind(str(token), span=Span(start, end)), start, end)

    def subscripted(
        self, name: Token, _opening: Token, indices: tuple[int | str, ...], closing: Token
    ) -> _Part[Node]:
        measure = self.name(name).value
        start, end = place(name)[0], place(closing)[1]
        if not isinstance(measure, Measure):
            raise _ParseError(f"Only a measure takes indices, and {name} is not one.", start, end)
        return _Part(Measure(measure.name, indices, span=Span(start, end)), start, end)

    def indices(self, *indices: int | str) -> tuple[int | str, ...]:
        return indices

    def index(self, token: Token) -> int | str:
        if token.type == "STRING":
            return _unquoted(token)
        if not token.isdigit():
            raise _ParseError(INDEX_ADVICE, *place(token))
        return int(_number(token))

    def conditioned(
        self,
        operand: _Part[Node],
        _bar: Token,
        conditions: _Part[tuple[Condition, ...]],
        closing: Token,
    ) -> _Part[Node]:
        measure = operand.value
        start, end = operand.start, place(closing)[1]
        if not isinstance(measure, Measure):
            raise _ParseError(
                f"Only a measure takes conditions, and {shown(measure)} is not one.",
                operand.start,
                operand.end,
            )
        if measure.conditions:
            raise _ParseError(
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
        span = Span(place(negation)[0], column.end)
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
        return _Part(name, *place(token))

    def values(self, *children: Any) -> _Part[tuple[Literal, ...]]:
        *literals, closing = children
        return _Part(
            tuple(literal.value for literal in literals), literals[0].start, place(closing)[1]
        )

    def numeric_literal(self, *tokens: Token) -> _Part[Literal]:
        number = _number(tokens[-1])
        value = -number if tokens[0] == "-" else number
        return _Part(value, place(tokens[0])[0], place(tokens[-1])[1])

    def text_literal(self, token: Token) -> _Part[Literal]:
        return _Part(_unquoted(token), *place(token))

    def truth_literal(self, token: Token) -> _Part[Literal]:
        return _Part(token.type == "TRUE", *place(token))

    def call(self, name: Token, _opening: Token, *rest: Any) -> _Part[Node]:
        *arguments, closing = rest
        start, end = place(name)[0], place(closing)[1]
        listed = arguments[0] if arguments else _Part((), start, end, size=0)
        node = _call(name, listed.value, Span(start, end))
        return _measured(node, start, end, (listed,), 1)

    def arguments(
        self, earlier: _Part[tuple[_Part[Any], ...]] | None, last: _Part[Any]
    ) -> _Part[tuple[_Part[Any], ...]]:
        return _joined(earlier, last._replace(value=(last,)))

    def option(self, name: Token, groupings: _Part[tuple[Grouping, ...]]) -> _Part[_Option]:
        start = place(name)[0]
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
        raise _ParseError(unknown_function(function, _FUNCTIONS), *place(name))
    if any(isinstance(part.value, _Option) for part in arguments):
        return _quantified(function, arguments, span)
    expected = _ARITY.get(function)
    if expected is not None and len(arguments) != expected:
        message = f"{function} takes {_COUNTS[expected]}, not {len(arguments)}."
        raise _ParseError(message, span.start, span.end)
    if function == "mean" or (expected is None and len(arguments) < 2):
        raise _ParseError(_lonely(function), span.start, span.end)
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
        message = f"The only option of a function is by=, not {shown(option.value.name)}=."
        raise _ParseError(message, option.start, option.end)
    if function not in _QUANTIFIERS:
        message = f"Only max, min and mean take by=; {function} does not."
        raise _ParseError(message, option.start, option.end)
    after = arguments[arguments.index(option) + 1 :]
    if after:
        message = "by= comes last; several columns stand in brackets, as in 'by=(race, sex)'."
        raise _ParseError(message, after[0].start, after[-1].end)
    if len(arguments) != 2:
        message = f"by= follows one measure, as in '{function}(PR, by=race)'."
        raise _ParseError(message, span.start, span.end)
    measure = arguments[0]
    if not isinstance(measure.value, Measure):
        message = f"by= follows one measure, and {shown(measure.value)} is not one."
        raise _ParseError(message, measure.start, measure.end)
    return Quantified(function, measure.value, option.value.groupings, span=span)


def _number(token: Token) -> float | int:
    if math.isinf(float(token)):
        raise _ParseError("This number is too large.", *place(token))
    if float(token) == 0 and _NOT_ZERO.match(token):
        raise _ParseError("This number is too close to zero; write 0.", *place(token))
    # Python refuses to read thousands of digits, leading zeros too.
    return int(token.lstrip("0") or "0") if token.isdigit() else float(token)


def _unquoted(token: Token) -> str:
    start = place(token)[0]

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            return "`"
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) > 1 and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        raise _ParseError(
            f"'{match[0]}' is not an escape; write '\\\\' for a backslash.",
            start + 1 + match.start(),
            start + 1 + match.end(),
        )

    doubled = token.type == "BACKQUOTED"
    return (_ESCAPE_OR_DOUBLED if doubled else _ESCAPE).sub(character, token[1:-1])


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

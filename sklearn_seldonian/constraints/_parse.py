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
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..exceptions import ConstraintSyntaxError
from ._nodes import (
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

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_NODES", "parse"]

MAX_CHARACTERS = 10_000
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
        Where `text` is not in the language, or is larger than the language allows.
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
        raise TypeError(f"A constraint is text, for example 'ACC >= 0.95'; got {text!r:.80}.")
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
    try:
        for token in parser.iter_parse():
            _check_waiting(parser, token)
        part: _Part[Constraint] = parser.feed_eof()
    except UnexpectedToken as error:
        raise _unexpected_token(error, parser, text) from None
    except UnexpectedCharacters as error:
        raise _unexpected_character(error.pos_in_stream, text) from None
    return replace(part.value, text=text)


def _check_waiting(parser: InteractiveParser, token: Token) -> None:
    if len(parser.parser_state.value_stack) > _MAX_WAITING:
        raise _too_deep(*_place(token))


def _place(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, start + len(token)


def _unexpected_token(error: UnexpectedToken, parser: InteractiveParser, text: str) -> _Refusal:
    if error.token.type == "$END":
        end = len(text.rstrip())
        return _Refusal("Expected more, but the constraint ends here.", end, end)
    return _Refusal(f"Did not expect {str(error.token)!r} here.", *_place(error.token))


def _unexpected_character(position: int, text: str) -> _Refusal:
    return _Refusal(f"Did not expect {text[position]!r} here.", position, position + 1)


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
        return _Part(Number(_finite(token), span=Span(start, end)), start, end)

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
            raise _Refusal(f"Only a measure takes indices; {name} is a number.", start, end)
        return _Part(Measure(measure.name, indices, span=Span(start, end)), start, end)

    def indices(self, *indices: int | str) -> tuple[int | str, ...]:
        return indices

    def index(self, token: Token) -> int | str:
        if token.type == "STRING":
            return _unquoted(token)
        if not token.isdigit():
            raise _Refusal(
                "An index is a position (0, 1, ...) or a quoted class label.", *_place(token)
            )
        _finite(token)
        return int(token)

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
                f"Only a measure takes conditions; '{_shown(measure)}' is not one.",
                operand.start,
                operand.end,
            )
        if measure.conditions:
            raise _Refusal(
                "A measure takes one list of conditions; write 'PR | [M, F]'.", start, end
            )
        node = Measure(measure.name, measure.indices, conditions.value, span=Span(start, end))
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
        number = _finite(tokens[-1])
        whole = int(tokens[-1]) if tokens[-1].isdigit() else number
        value = -whole if tokens[0] == "-" else whole
        return _Part(value, _place(tokens[0])[0], _place(tokens[-1])[1])

    def text_literal(self, token: Token) -> _Part[Literal]:
        return _Part(_unquoted(token), *_place(token))

    def truth_literal(self, token: Token) -> _Part[Literal]:
        return _Part(token.type == "TRUE", *_place(token))

    def call(
        self,
        name: Token,
        _opening: Token,
        *rest: Any,
    ) -> _Part[Node]:
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

    def groupings(self, *parts: _Part[Any] | None) -> _Part[tuple[Grouping, ...]]:
        *earlier, last = parts
        return _joined(earlier[0] if earlier else None, last._replace(value=(last.value,)))

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
    for position, part in enumerate(arguments):
        if isinstance(part.value, _Option) and part.value.name != "by":
            message = f"The only option of a function is by=, not {part.value.name}=."
            raise _Refusal(message, part.start, part.end)
        if isinstance(part.value, _Option) and function not in _QUANTIFIERS:
            raise _Refusal(
                f"Only max, min and mean take by=; {function} does not.", part.start, part.end
            )
        if isinstance(part.value, _Option) != (position == 1):
            message = f"by= follows one measure, as in '{function}(PR, by=race)'."
            raise _Refusal(message, span.start, span.end)
    if len(arguments) != 2:
        message = f"by= follows one measure, as in '{function}(PR, by=race)'."
        raise _Refusal(message, span.start, span.end)
    measure, option = arguments
    if not isinstance(measure.value, Measure):
        message = f"by= follows one measure, and '{_shown(measure.value)}' is not one."
        raise _Refusal(message, measure.start, measure.end)
    return Quantified(function, measure.value, option.value.groupings, span=span)


def _unknown_function(name: str) -> str:
    near = get_close_matches(name.lower(), _FUNCTIONS, 1)
    if near:
        return f"There is no function '{_shown(name)}'; did you mean '{near[0]}'?"
    return f"There is no function '{_shown(name)}'; functions are {', '.join(_FUNCTIONS)}."


def _shown(value: object, width: int = 40) -> str:
    text = str(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _finite(token: Token) -> float:
    value = float(token)
    if math.isinf(value):
        raise _Refusal("This number is too large.", *_place(token))
    return value


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

"""The parser of constraints: from text to a syntax tree.

The grammar is in ``grammar.lark``. The limits on size and depth are checked while the text is read,
so that nothing large is built.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.lexer import BasicLexer
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from sklearn_seldonian.constraints._error_messages import (
    INDEX_ADVICE,
    _ParseError,
    place,
    shown,
    unexpected_token,
    unknown_character,
    unknown_function,
)
from sklearn_seldonian.constraints._nodes import (
    CVAR,
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
    walk,
)
from sklearn_seldonian.exceptions import ConstraintSyntaxError

MAX_CHARACTERS = 10_000
MAX_TOKENS = 5_000
MAX_NODES = 200
MAX_DEPTH = 50

_CONSTANTS = ("e", "pi")
_ARITY = {"abs": 1, "exp": 1, "log": 1, "sqrt": 1, "pow": 2}
_QUANTIFIERS = ("max", "min", "mean")
_FUNCTIONS = (*_ARITY, *_QUANTIFIERS, CVAR)
WORDS = (*_FUNCTIONS, *_CONSTANTS, "not", "in", "True", "False")
_COUNTS = {1: "one argument", 2: "two arguments"}

_NESTING = {"LEFT_ROUND", "LEFT_SQUARE", "POWER", "MINUS"}
_NOT_ZERO = re.compile(r"[0.]*[1-9]")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPE_OR_DOUBLED = re.compile(f"{_ESCAPE.pattern}|``", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`"}


def parse(text: str) -> Constraint:
    """Parse the text of a constraint.

    Parameters
    ----------
    text : str
        A constraint, for example ``"max(FPR, by=race) <= 0.1"``. An expression without a comparison
        must be at most zero.

    Returns
    -------
    constraint : Constraint
        The syntax tree. Each node has its place in `text`. Whether the measures, columns and
        classes exist is not checked.

    Raises
    ------
    ConstraintSyntaxError
        If `text` is not in the language, or is too large. The limits are 10,000 characters, 5,000
        names, numbers and signs, 200 nodes, and 50 nested brackets, powers and minus signs.
    TypeError
        If `text` is not a string.

    Examples
    --------
    >>> print(parse("abs(PR|[M] - PR|[F]) <= 0.1"))
    abs(PR | [M] - PR | [F]) <= 0.1
    >>> print(parse("ACC - 0.95"))
    ACC - 0.95 <= 0
    """
    if not isinstance(text, str):
        raise TypeError(
            f"A constraint must be a string, such as 'ACC >= 0.95'; got {type(text).__name__}."
        )
    try:
        constraint = _built(_read(text))
    except _ParseError as error:
        raise ConstraintSyntaxError(error.message, text, error.span.start, error.span.end) from None
    return replace(constraint, text=text)


# -- from text to lark's tree ----------------------------------------------------------------


def _read(text: str) -> Tree[Token]:
    if len(text) > MAX_CHARACTERS:
        raise _ParseError(
            f"A constraint can have at most {MAX_CHARACTERS:,} characters; this one has "
            f"{len(text):,}.",
            Span(MAX_CHARACTERS, MAX_CHARACTERS),
        )
    parser = _lark().parse_interactive(text)
    tokens = parser.lexer_thread.lex(parser.parser_state)  # type: ignore[no-untyped-call]
    seen: list[Token] = []
    n_names = 0
    try:
        for token in tokens:
            parser.feed_token(token)
            seen.append(token)
            n_names += token.type in ("NAME", "BACKQUOTED")
            if n_names > 2 * MAX_NODES:  # at least every second name is a node
                raise _too_many(place(token))
            if len(seen) > MAX_TOKENS:
                message = f"A constraint can have at most {MAX_TOKENS:,} names, numbers and signs."
                raise _ParseError(message, place(token))
            if token.type in _NESTING and _depth(parser.parser_state.value_stack) > MAX_DEPTH:
                message = f"A constraint can be nested at most {MAX_DEPTH} levels deep."
                raise _ParseError(message, place(token))
        tree: Tree[Token] = parser.feed_token(Token("$END", "", len(text.rstrip())))
    except UnexpectedToken as error:
        accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
        raise unexpected_token(error.token, seen, accepted, text) from None
    except UnexpectedCharacters as error:
        raise unknown_character(text, error.pos_in_stream or 0) from None
    return tree


def _depth(waiting: list[Any]) -> int:
    """The number of brackets, powers and minus signs on the parser's stack without an operand."""
    kinds = ["", *(item.type if isinstance(item, Token) else "operand" for item in waiting)]
    return sum(
        kind in _NESTING and (before, kind) != ("operand", "MINUS")
        for before, kind in pairwise(kinds)
    )


def _too_many(span: Span) -> _ParseError:
    return _ParseError(
        f"A constraint can have at most {MAX_NODES} numbers, measures, conditions and operators.",
        span,
    )


# -- from lark's tree to nodes ---------------------------------------------------------------


def _built(tree: Tree[Token]) -> Constraint:
    try:
        constraint: Constraint = _TreeBuilder().transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    n_nodes = sum(1 for side in (constraint.left, constraint.right) for _ in walk(side))
    if n_nodes > MAX_NODES:
        raise _too_many(constraint.span)
    return constraint


@dataclass(frozen=True)
class _Option(Node):
    """``name=groupings`` among the arguments of a call."""

    name: str
    groupings: tuple[Grouping, ...]


def _with_span(method: Callable[..., Any], _rule: str, children: list[Any], meta: Meta) -> Any:
    return method(*children, span=Span(meta.start_pos, meta.end_pos))


@v_args(wrapper=_with_span)
class _TreeBuilder(Transformer_NonRecursive[Token, Any]):
    """The nodes that the rules and tokens of the grammar become."""

    negative = Negative
    comparison = Constraint
    is_true = ColumnIs
    compared = Comparison
    member = Membership
    grouping = Grouping

    def bare(self, left: Node, *, span: Span) -> Constraint:
        return Constraint(left, "<=", Number(0.0, span=Span(span.end, span.end)), span=span)

    def binary(self, left: Node, operator: str, right: Node, *, span: Span) -> Node:
        return Binary(operator, left, right, span=span)

    def number(self, token: Token, *, span: Span) -> Node:
        return Number.of(Fraction(Decimal(token)) if float(token) else Fraction(0), span)

    def name(self, name: str, *, span: Span) -> Node:
        if name in _FUNCTIONS:
            raise _ParseError(f"'{name}' is a function. Write {name}(...).", span)
        return Constant(name, span=span) if name in _CONSTANTS else Measure(name, span=span)

    def subscripted(self, name: str, *indices: int | str, span: Span) -> Node:
        if not isinstance(self.name(name, span=span), Measure):
            raise _ParseError(f"Only a measure can have indices, and {name} is not one.", span)
        return Measure(name, indices, span=span)

    def position(self, token: Token, *, span: Span) -> int:
        if not token.isdigit():
            raise _ParseError(INDEX_ADVICE, span)
        return int(_number(token))

    def conditioned(self, measure: Node, *conditions: Condition, span: Span) -> Node:
        if not isinstance(measure, Measure):
            message = f"Only a measure can have conditions, and {shown(measure)} is not one."
            raise _ParseError(message, measure.span)
        if measure.conditions:
            message = "A measure can have one list of conditions, as in 'PR | [M, F]'."
            raise _ParseError(message, span)
        own = Span(measure.span.start, span.end)
        return replace(measure, conditions=conditions, span=own)

    def is_false(self, column: str, *, span: Span) -> Condition:
        return ColumnIs(column, False, span=span)

    def values(self, *literals: Literal, span: Span) -> tuple[Literal, ...]:
        return literals

    def numeric(self, *tokens: Token, span: Span) -> Literal:
        number = _number(tokens[-1])
        return -number if tokens[0] == "-" else number

    def option(self, name: str, *groupings: Grouping, span: Span) -> _Option:
        return _Option(name, groupings, span=span)

    def call(self, function: str, *arguments: Node, span: Span) -> Node:
        if function not in _FUNCTIONS:
            name = Span(span.start, span.start + len(function))
            raise _ParseError(unknown_function(function, _FUNCTIONS), name)
        if any(isinstance(argument, _Option) for argument in arguments):
            return _quantified(function, arguments, span)
        if function == CVAR:
            return _tail(arguments, span)
        n_expected = _ARITY.get(function)
        if n_expected and len(arguments) != n_expected:
            message = f"{function} takes {_COUNTS[n_expected]}, not {len(arguments)}."
            raise _ParseError(message, span)
        if function == "mean":
            message = "mean needs one expression and by=, as in 'mean(PR, by=race)'."
            raise _ParseError(message, span)
        if not n_expected and len(arguments) < 2:
            raise _ParseError(
                f"{function} needs two or more arguments, or one expression and by=, "
                f"as in '{function}(PR, by=race)'.",
                span,
            )
        return Call(function, arguments, span=span)

    def __default_token__(self, token: Token) -> str:
        return str(token)

    def NUMBER(self, token: Token) -> Token:
        if math.isinf(float(token)):
            raise _ParseError("This number is too large.", place(token))
        if float(token) == 0 and _NOT_ZERO.match(token):
            raise _ParseError("This number is too close to zero. Write 0.", place(token))
        return token

    def STRING(self, token: Token) -> str:
        return _unquoted(token, _ESCAPE)

    def BACKQUOTED(self, token: Token) -> str:
        return _unquoted(token, _ESCAPE_OR_DOUBLED)

    def TRUE(self, token: Token) -> bool:
        return True

    def FALSE(self, token: Token) -> bool:
        return False


def _tail(arguments: Sequence[Node], span: Span) -> Node:
    """The conditional value at risk of a measure."""
    match arguments:
        case (Measure(level=None) as measure, level):
            if isinstance(level, Number) and 0 < level.fraction < 1 and 0.0 < level.value < 1.0:
                return replace(measure, level=level, span=span)
            message = f"The level of {CVAR} must be a number between 0 and 1; got {shown(level)}."
            raise _ParseError(message, level.span)
    raise _ParseError(f"{CVAR} takes a measure and a level, as in '{CVAR}(MSE, 0.9)'.", span)


def _quantified(function: str, arguments: Sequence[Node], span: Span) -> Node:
    first = next(i for i, argument in enumerate(arguments) if isinstance(argument, _Option))
    option, after = arguments[first], arguments[first + 1 :]
    assert isinstance(option, _Option)
    if option.name != "by":
        message = f"{shown(option.name)}= is not an option of a function. The only option is by=."
        raise _ParseError(message, option.span)
    if function not in _QUANTIFIERS:
        message = f"Only max, min and mean take by=; {function} does not."
        raise _ParseError(message, option.span)
    if after:
        message = "by= must come last. Write several columns in brackets, as in 'by=(race, sex)'."
        raise _ParseError(message, Span(after[0].span.start, after[-1].span.end))
    if first != 1:
        raise _ParseError(f"by= must follow one expression, as in '{function}(PR, by=race)'.", span)
    expression = arguments[0]
    inside = list(walk(expression))
    inner = next((node for node in inside if isinstance(node, Quantified)), None)
    if inner is not None:
        message = "by= cannot be inside another by=. Write several columns, as in 'by=(race, sex)'."
        raise _ParseError(message, inner.span)
    if not any(isinstance(node, Measure) for node in inside):
        message = f"by= must follow an expression with measures, and {shown(expression)} has none."
        raise _ParseError(message, expression.span)
    return Quantified(function, expression, option.groupings, span=span)


def _number(token: Token) -> float | int:
    # int() refuses thousands of digits, and leading zeros count as digits.
    return int(token.lstrip("0") or "0") if token.isdigit() else float(token)


def _unquoted(token: Token, escapes: re.Pattern[str]) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            return "`"
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) > 1 and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        start = place(token).start + 1
        raise _ParseError(
            f"'{match[0]}' is not an escape sequence. Write '\\\\' for a backslash.",
            Span(start + match.start(), start + match.end()),
        )

    return escapes.sub(character, token[1:-1])


class _Lexer(BasicLexer):
    """Lark's lexer without its check for overlapping terminals, which needs another package.

    The check is not needed: the terminals that are patterns start with different characters.
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
        propagate_positions=True,
    )

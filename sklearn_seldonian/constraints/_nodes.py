"""The syntax tree of a constraint: immutable values without data.

Nodes are compared and hashed by their content; their place in the text (`span`) does not count.
``str(node)`` is text that parses to an equal node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from functools import lru_cache

from sklearn_seldonian.measures import ALIASES, RATES

Literal = float | int | str | bool

# The conditional value at risk of a measure.
CVAR = "CVaR"
_WORD = re.compile(r"[^\W\d]\w*")
_RESERVED = frozenset({"not", "in", "True", "False"})
_QUOTE = '"'
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4}
_NEGATIVE_PRECEDENCE = 3
_ATOMIC_PRECEDENCE = 5
# More digits than a constraint can have characters.
_MAX_DIGITS = 11_000


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets ``[start, end)`` in the constraint's text."""

    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """The base of all nodes of the syntax tree."""

    span: Span = field(default=Span(0, 0), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class Number(Node):
    """A finite, nonnegative number.

    Attributes
    ----------
    value : float
        The nearest float.
    exact : Fraction or None
        The exact number, unless it is the shortest decimal that reads as `value`.
    """

    value: float
    exact: Fraction | None = None

    @classmethod
    def of(cls, number: Fraction, span: Span = Span(0, 0)) -> Number:
        """The node of a nonnegative number that is at most the largest float."""
        value = float(number)
        return cls(value, None if _shortest(value) == number else number, span=span)

    @property
    def fraction(self) -> Fraction:
        """The exact number."""
        return _shortest(self.value) if self.exact is None else self.exact

    def __str__(self) -> str:
        if self.exact is not None:
            return _decimal(self.exact)
        short = f"{self.value:.15g}"
        return short if Fraction(short) == self.fraction else repr(float(self.value))


@dataclass(frozen=True)
class Constant(Node):
    """``e`` or ``pi``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Negative(Node):
    """``-operand``."""

    operand: Node

    def __str__(self) -> str:
        return f"-{_bracketed(self.operand, _NEGATIVE_PRECEDENCE)}"


@dataclass(frozen=True)
class Binary(Node):
    """``left operator right`` with operator one of ``+ - * / **``."""

    operator: str
    left: Node
    right: Node

    def __str__(self) -> str:
        precedence = _PRECEDENCE[self.operator]
        right_associative = self.operator == "**"
        left = _bracketed(self.left, precedence + right_associative)
        # The right operand of ** may start with a minus sign: 2 ** -1.
        floor = _NEGATIVE_PRECEDENCE if right_associative else precedence + 1
        return f"{left} {self.operator} {_bracketed(self.right, floor)}"


@dataclass(frozen=True)
class Call(Node):
    """``function(arguments)``: abs exp log sqrt (one), pow (two), min max (two or more)."""

    function: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Condition(Node):
    """A condition on one column that selects rows."""

    column: str


@dataclass(frozen=True)
class ColumnIs(Condition):
    """``column`` or ``not column``, for a column of bool or 0/1."""

    value: bool = True

    def __str__(self) -> str:
        return quoted_name(self.column) if self.value else f"not {quoted_name(self.column)}"


@dataclass(frozen=True)
class Comparison(Condition):
    """``column operator literal`` with operator one of ``== != < <= > >=``.

    `order` is not in the text. It has the column's values in ascending order, if a resolved ``<``
    or the like compares neither numbers nor texts.
    """

    operator: str
    literal: Literal
    order: tuple[Literal, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{quoted_name(self.column)} {self.operator} {_literal(self.literal)}"


@dataclass(frozen=True)
class HasLabel(Condition):
    """The condition that a row has a label. It is not in the language, see `HAS_LABEL`."""

    def __str__(self) -> str:
        return "a label"


# The column that says which rows have a label, if rows may lack one, and the condition on it. Each
# measure that uses labels then has this condition, which names for users leave out.
LABEL = "a label"
HAS_LABEL = HasLabel(LABEL)


@dataclass(frozen=True)
class Membership(Condition):
    """``column in (literals)``."""

    literals: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"{quoted_name(self.column)} in {_tuple(self.literals)}"


@dataclass(frozen=True)
class Measure(Node):
    """``NAME_[indices] | [conditions]``: one measure of the model's behaviour.

    With a `level`, it is ``CVaR(NAME_[indices], level) | [conditions]``.
    """

    name: str
    indices: tuple[int | str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    level: Number | None = None

    def __str__(self) -> str:
        indices = ", ".join(_literal(index) for index in self.indices)
        conditions = ", ".join(map(str, self.conditions))
        measure = self.name + (f"_[{indices}]" if self.indices else "")
        return (measure if self.level is None else f"{CVAR}({measure}, {self.level})") + (
            f" | [{conditions}]" if self.conditions else ""
        )


@dataclass(frozen=True)
class Grouping(Node):
    """A column to group by; `levels` is empty if all levels are included."""

    column: str
    levels: tuple[Literal, ...] = ()

    def __str__(self) -> str:
        name = quoted_name(self.column)
        return f"{name} in {_tuple(self.levels)}" if self.levels else name


@dataclass(frozen=True)
class Quantified(Node):
    """``function(expression, by=groupings)`` with function one of max, min, mean."""

    function: str
    expression: Node
    by: tuple[Grouping, ...]

    def __str__(self) -> str:
        by = ", ".join(map(str, self.by))
        return f"{self.function}({self.expression}, by={by if len(self.by) == 1 else f'({by})'})"


@dataclass(frozen=True)
class Constraint(Node):
    """A requirement on the model: ``left <= right`` or ``left >= right``.

    ``str()`` writes it with canonical spaces. `text` is what the user wrote; comparisons ignore it.
    """

    left: Node
    operator: str
    right: Node
    text: str = field(default="", compare=False, repr=False, kw_only=True)

    @property
    def as_ratio(self) -> Constraint:
        """``a >= c * b`` as ``a / b >= c``, if a and b are rates or extremes of rates.

        So disparate impact is shown as a ratio, however it is written. Any other constraint is
        returned unchanged.
        """
        flipped = Constraint(
            self.right, ">=" if self.operator == "<=" else "<=", self.left, text=self.text
        )
        return self._with_ratio() or flipped._with_ratio() or self

    def _with_ratio(self) -> Constraint | None:
        match self.right:
            case Binary("*", Number() as limit, divisor) | Binary("*", divisor, Number() as limit):
                if limit.value > 0 and is_rate(self.left) and is_rate(divisor):
                    ratio = Binary("/", self.left, divisor)
                    return Constraint(ratio, self.operator, limit, text=self.text)
        return None

    @property
    def g(self) -> Node:
        """The expression g of the canonical form ``g <= 0``."""
        left, right = self.as_ratio.left, self.as_ratio.right
        low, high = (left, right) if self.as_ratio.operator == "<=" else (right, left)
        return low if high == Number(0.0) else Binary("-", low, high)

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"

    def __repr__(self) -> str:
        return f"Constraint({self.text or str(self)!r})"


def is_rate(node: Node) -> bool:
    """Whether a node is a rate, or the largest or smallest of rates; it is then nonnegative."""
    match node:
        case Measure(name=name, level=None):
            return ALIASES.get(name, name) in {*RATES, "F1"}
        case Quantified(function="min" | "max", expression=expression):
            return is_rate(expression)
        case Call(function="min" | "max", arguments=arguments):
            return all(map(is_rate, arguments))
    return False


def walk(node: Node) -> Iterator[Node]:
    """`node` and all nodes below it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        children: list[Node] = []
        for value in vars(node).values():
            parts = value if isinstance(value, tuple) else (value,)
            children.extend(part for part in parts if isinstance(part, Node))
        waiting.extend(reversed(children))


def operands(node: Node) -> tuple[Node, ...]:
    """The operands of an operation; empty for any other node."""
    match node:
        case Negative(operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case Call(_, arguments):
            return arguments
    return ()


def with_operands(node: Node, new: Sequence[Node]) -> Node:
    """The same operation with other operands; any other `node` is returned unchanged."""
    match node:
        case Negative():
            return replace(node, operand=new[0])
        case Binary():
            return replace(node, left=new[0], right=new[1])
        case Call():
            return replace(node, arguments=tuple(new))
    return node


@lru_cache(maxsize=4096)
def _shortest(value: float) -> Fraction:
    """The value of a float's shortest decimal: one tenth for 0.1."""
    return Fraction(repr(float(value)))


def _decimal(number: Fraction) -> str:
    """All digits of a number; those of the nearest float if they are infinitely many."""
    exactly = Context(prec=_MAX_DIGITS, traps=[Inexact])
    try:
        return str(exactly.divide(Decimal(number.numerator), Decimal(number.denominator)))
    except Inexact:
        return repr(float(number))


def quoted_name(name: str) -> str:
    """`name`, in backquotes if it is not one word or is a word of the language."""
    plain = _WORD.fullmatch(name) and name not in _RESERVED
    return name if plain else f"`{_escaped(name, '`')}`"


def _literal(value: Literal) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value, _QUOTE)}"'
    # A level from data may be a NumPy scalar.
    return repr(value.item() if hasattr(value, "item") else value)


def _escaped(text: str, quote: str) -> str:
    return "".join(
        f"\\{c}" if c in ("\\", quote) else c if c.isprintable() else _code(c) for c in text
    )


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _tuple(values: tuple[Literal, ...]) -> str:
    return f"({', '.join(map(_literal, values))})"


def _precedence(node: Node) -> int:
    if isinstance(node, Binary):
        return _PRECEDENCE[node.operator]
    return _NEGATIVE_PRECEDENCE if isinstance(node, Negative) else _ATOMIC_PRECEDENCE


def _bracketed(node: Node, floor: int) -> str:
    return str(node) if _precedence(node) >= floor else f"({node})"

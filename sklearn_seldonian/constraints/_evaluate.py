"""What an expression is worth: over numbers with gradients, or over intervals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints._dual import Dual
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._nodes import Binary, Call, Constant, Negative, Node, Number
from sklearn_seldonian.constraints._resolve import Estimand


class Arithmetic(Protocol):
    """What `Dual` and `Interval` share."""

    def __neg__(self) -> Self: ...
    def __abs__(self) -> Self: ...
    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...
    def __truediv__(self, other: Self, /) -> Self: ...
    def __pow__(self, other: Self, /) -> Self: ...
    def exp(self) -> Self: ...
    def log(self) -> Self: ...
    def sqrt(self) -> Self: ...
    def minimum(self, other: Self, /) -> Self: ...
    def maximum(self, other: Self, /) -> Self: ...


T = TypeVar("T", bound=Arithmetic)
Value = float | Fraction

_CONSTANTS: Mapping[str, float] = {"e": math.e, "pi": math.pi}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
_CALLS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "exp": operator.methodcaller("exp"),
    "log": operator.methodcaller("log"),
    "sqrt": operator.methodcaller("sqrt"),
    "pow": operator.pow,
    "min": lambda *values: reduce(lambda a, b: a.minimum(b), values),
    "max": lambda *values: reduce(lambda a, b: a.maximum(b), values),
    "sum": lambda *values: reduce(operator.add, values),
}


def interval(node: Node, bounds: Mapping[Estimand, Interval]) -> Interval:
    """An interval that contains every value of `node` for means within `bounds`."""
    return _fold(node, bounds.__getitem__, _enclosure)


def dual(node: Node, values: Mapping[Estimand, float]) -> Dual:
    """The value of `node` and its gradient with respect to the means, in the order given."""
    return _derived(node, values, _float_of, float)


def exact_dual(node: Node, values: Mapping[Estimand, float]) -> Dual:
    """As `dual`, without rounding where numbers cancel."""
    try:
        exact = _derived(node, values, _exact_value, _exactly, object)
        return Dual(float(exact.value), exact.gradient.astype(np.float64))
    except OverflowError:
        return dual(node, values)


def estimate(node: Node, values: Mapping[Estimand, float]) -> float:
    """The value of `node`, without rounding where numbers cancel; NaN where it is undefined."""
    try:
        return float(_value(node, values, _exact_value, _exactly))
    except OverflowError:
        return float(_value(node, values, _float_of, float))


def constant_value(node: Node) -> float | None:
    """The value of an expression that names no measure; None where it names one."""
    return estimate(node, {}) if _is_constant(node) else None


def rational_value(node: Node) -> Fraction | None:
    """The value of an expression that names no measure, where it is a ratio of integers."""
    try:
        value = _value(node, {}, _exact_value, _exactly) if _is_constant(node) else None
    except OverflowError:
        return None
    return value if isinstance(value, Fraction) else None


def _is_constant(node: Node) -> bool:
    if isinstance(node, Number | Constant):
        return True
    parts = operands(node)
    return bool(parts) and all(map(_is_constant, parts))


def _derived(
    node: Node,
    values: Mapping[Estimand, float],
    constant: Callable[[Number | Constant], Value],
    number: Callable[[float], Value],
    dtype: type = float,
) -> Dual:
    unit: NDArray[Any] = np.eye(len(values), dtype=dtype)
    basis = dict(zip(values, unit, strict=True))
    nothing: NDArray[Any] = np.zeros(len(values), dtype=dtype)
    with np.errstate(all="ignore"):  # what is undefined comes out as NaN
        return _fold(
            node,
            lambda estimand: Dual(number(values[estimand]), basis[estimand]),
            lambda leaf: Dual(constant(leaf), nothing),
        )


def _value(
    node: Node,
    values: Mapping[Estimand, float],
    constant: Callable[[Number | Constant], Value],
    number: Callable[[float], Value],
) -> Value:
    nothing: NDArray[np.float64] = np.zeros(0)
    value: Value = _fold(
        node,
        lambda estimand: Dual(number(values[estimand]), nothing),
        lambda leaf: Dual(constant(leaf), nothing),
    ).value
    return value


def _float_of(node: Number | Constant) -> float:
    return node.value if isinstance(node, Number) else _CONSTANTS[node.name]


def _exact_value(node: Number | Constant) -> Value:
    return node.fraction if isinstance(node, Number) else _CONSTANTS[node.name]


def _exactly(value: float) -> Value:
    return Fraction(float(value)) if math.isfinite(value) else float(value)


@lru_cache(maxsize=4096)
def _enclosure(node: Number | Constant) -> Interval:
    if isinstance(node, Number):
        return Interval.around(node.fraction)
    value = _CONSTANTS[node.name]
    return Interval(math.nextafter(value, -math.inf), math.nextafter(value, math.inf))


def operands(node: Node) -> tuple[Node, ...]:
    """The expressions that a resolved `node` is made of."""
    match node:
        case Negative(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return left, right
        case Call(arguments=arguments):
            return arguments
    return ()


def apply(node: Node, values: Sequence[T]) -> T:
    """The operation of an inner `node` on the values of its operands."""
    match node:
        case Negative():
            return -values[0]
        case Binary(operator=symbol):
            combined: T = _BINARY[symbol](*values)
            return combined
        case Call(function=name):
            called: T = _CALLS[name](*values)
            return called
    raise TypeError(f"Not an operation: {node!r}")


def _fold(
    node: Node, leaf: Callable[[Estimand], T], constant: Callable[[Number | Constant], T]
) -> T:
    match node:
        case Estimand():
            return leaf(node)
        case Number() | Constant():
            return constant(node)
    return apply(node, [_fold(operand, leaf, constant) for operand in operands(node)])

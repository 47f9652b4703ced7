"""What an expression is worth: over numbers with gradients, or over intervals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian._dual import Dual
from sklearn_seldonian._interval import Interval
from sklearn_seldonian.constraints._nodes import Binary, Call, Constant, Negative, Node, Number
from sklearn_seldonian.constraints._resolve import Mean

__all__ = ["apply", "constant_value", "dual", "estimate", "interval", "operands"]


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


def interval(node: Node, bounds: Mapping[Mean, Interval]) -> Interval:
    """An interval that contains every value of `node` for means within `bounds`."""
    return _fold(node, bounds.__getitem__, Interval.point)


def dual(node: Node, values: Mapping[Mean, float]) -> Dual:
    """The value of `node` and its gradient with respect to the means, in the order given."""
    basis = dict(zip(values, np.eye(len(values)), strict=True))
    nothing: NDArray[np.float64] = np.zeros(len(values))
    with np.errstate(all="ignore"):  # what is undefined comes out as NaN
        return _fold(
            node,
            lambda mean: Dual(values[mean], basis[mean]),
            lambda number: Dual(number, nothing),
        )


def estimate(node: Node, values: Mapping[Mean, float]) -> float:
    """The value of `node`; NaN where it is undefined."""
    nothing: NDArray[np.float64] = np.zeros(0)
    return _fold(
        node, lambda mean: Dual(values[mean], nothing), lambda number: Dual(number, nothing)
    ).value


def constant_value(node: Node) -> float | None:
    """The value of an expression that names no measure; None where it names one."""
    if isinstance(node, Number | Constant):
        return estimate(node, {})
    values = [constant_value(operand) for operand in operands(node)]
    return estimate(node, {}) if values and None not in values else None


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


def _fold(node: Node, leaf: Callable[[Mean], T], number: Callable[[float], T]) -> T:
    match node:
        case Mean():
            return leaf(node)
        case Number(value=value):
            return number(value)
        case Constant(name=name):
            return number(_CONSTANTS[name])
    return apply(node, [_fold(operand, leaf, number) for operand in operands(node)])

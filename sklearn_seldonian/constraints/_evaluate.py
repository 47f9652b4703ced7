"""Evaluation of expressions, over numbers with gradients or over intervals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints._dual import Dual
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._jet import Jet
from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    Constant,
    Negative,
    Node,
    Number,
    operands,
)
from sklearn_seldonian.constraints._resolve import Estimand

T = TypeVar("T", Dual, Interval, Jet)

_CONSTANTS: Mapping[str, float] = {"e": math.e, "pi": math.pi}
_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "abs": abs,
    "exp": operator.methodcaller("exp"),
    "log": operator.methodcaller("log"),
    "sqrt": operator.methodcaller("sqrt"),
    "pow": operator.pow,
    "min": lambda *values: reduce(lambda a, b: a.minimum(b), values),
    "max": lambda *values: reduce(lambda a, b: a.maximum(b), values),
    "least": lambda *values: reduce(lambda a, b: a.minimum(b), values),
    "sum": lambda *values: reduce(operator.add, values),
}


def interval(node: Node, bounds: Mapping[Estimand, Interval]) -> Interval:
    """An interval that contains every value of `node` for estimands within `bounds`."""
    return _fold(node, bounds.__getitem__, _enclosure)


def dual(node: Node, values: Mapping[Estimand, float]) -> Dual:
    """The value of `node` and its gradient by the estimands, in the order of `values`."""
    return _derived(node, values, len(values), exact=False)


def exact_dual(node: Node, values: Mapping[Estimand, float]) -> Dual:
    """As `dual`, without rounding errors where numbers cancel."""
    return _exactly_derived(node, values, len(values))


def jet(node: Node, values: Mapping[Estimand, Jet]) -> Jet:
    """Bounds on `node` and its slopes in each of some boxes, for at least one estimand."""
    some = next(iter(values.values()))

    def number(leaf: Number | Constant) -> Jet:
        value = leaf.value if isinstance(leaf, Number) else _CONSTANTS[leaf.name]
        return Jet.constant(value, some.slope_low.shape)

    with np.errstate(all="ignore"):  # undefined values are the whole line, or NaN
        return _fold(node, values.__getitem__, number)


def estimate(node: Node, values: Mapping[Estimand, float]) -> float:
    """The value of `node`, without rounding errors where numbers cancel; NaN if undefined."""
    return float(_exactly_derived(node, values, 0).value)


def constant_value(node: Node) -> float | None:
    """The value of an expression without measures; None if it has a measure."""
    return estimate(node, {}) if is_constant(node) else None


def rational_value(node: Node) -> Fraction | None:
    """The value of an expression without measures, if it is rational; otherwise None."""
    if isinstance(node, Number):  # faster, and most constants are
        return node.fraction
    try:
        value = _derived(node, {}, 0, exact=True).value if is_constant(node) else None
    except OverflowError:
        return None
    return value if isinstance(value, Fraction) else None


def is_constant(node: Node) -> bool:
    """Whether an expression has no measure."""
    if isinstance(node, Number | Constant):
        return True
    parts = operands(node)
    return bool(parts) and all(map(is_constant, parts))


def _exactly_derived(node: Node, values: Mapping[Estimand, float], n_slopes: int) -> Dual:
    try:
        exact = _derived(node, values, n_slopes, exact=True)
        return Dual(float(exact.value), exact.gradient.astype(np.float64))
    except OverflowError:
        return _derived(node, values, n_slopes, exact=False)


def _derived(node: Node, values: Mapping[Estimand, float], n_slopes: int, *, exact: bool) -> Dual:
    """The value of `node`, with slopes along all estimands or none."""
    dtype = object if exact else float
    units = dict(zip(values, np.eye(len(values), n_slopes, dtype=dtype), strict=True))
    nothing: NDArray[Any] = np.zeros(n_slopes, dtype=dtype)

    def mean(estimand: Estimand) -> Dual:
        value = float(values[estimand])
        return Dual(Fraction(value) if exact and math.isfinite(value) else value, units[estimand])

    def number(leaf: Number | Constant) -> Dual:
        if isinstance(leaf, Constant):
            return Dual(_CONSTANTS[leaf.name], nothing)
        return Dual(leaf.fraction if exact else leaf.value, nothing)

    with np.errstate(all="ignore"):  # undefined values are NaN
        return _fold(node, mean, number)


@lru_cache(maxsize=4096)
def _enclosure(node: Number | Constant) -> Interval:
    if isinstance(node, Number):
        return Interval.around(node.fraction)
    value = _CONSTANTS[node.name]
    return Interval(math.nextafter(value, -math.inf), math.nextafter(value, math.inf))


def apply(node: Node, values: Sequence[T]) -> T:
    """The operation of an inner `node` on the values of its operands."""
    match node:
        case Negative():
            return -values[0]
        case Binary(name) | Call(name):
            result: T = _OPERATIONS[name](*values)
            return result
    raise TypeError(f"Not an operation: {node!r}")


def _fold(node: Node, mean: Callable[[Estimand], T], number: Callable[[Number | Constant], T]) -> T:
    match node:
        case Estimand():
            return mean(node)
        case Number() | Constant():
            return number(node)
    return apply(node, [_fold(operand, mean, number) for operand in operands(node)])

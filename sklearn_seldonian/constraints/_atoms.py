"""From one expression to AND and OR over smooth ones.

``max(a, b) <= 0`` holds where both do, ``min(a, b) <= 0`` where either does. So a
constraint ``g <= 0`` becomes a tree of AND and OR whose leaves, the atoms, can each be
tested at once. A `max`, `min` or `abs` is taken apart only where g depends on it
monotonically over everything its alternatives can be; elsewhere it stays inside its
atom, and interval arithmetic deals with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from sklearn_seldonian._interval import Interval
from sklearn_seldonian.constraints._evaluate import (
    apply,
    constant_value,
    interval,
    operands,
)
from sklearn_seldonian.constraints._nodes import Binary, Call, Negative, Node
from sklearn_seldonian.constraints._resolve import Mean, means_of

__all__ = ["And", "Atom", "Linear", "Or", "Tree", "atoms_of", "split"]

# Taking a constraint apart into more atoms than this is refused: max minus min over
# 16 levels is 240 pairs, and bounds on the levels then serve better than tests of pairs.
MOST_ATOMS = 225


@dataclass(frozen=True)
class Linear:
    """``sum(weights * means) + constant``, the weights in the order of the atom's means."""

    weights: tuple[float, ...]
    constant: float


@dataclass(frozen=True)
class Atom:
    """``expression <= 0``, smooth in its means as far as it could be made so."""

    expression: Node
    means: tuple[Mean, ...]
    linear: Linear | None


@dataclass(frozen=True)
class And:
    """Satisfied where every child is."""

    children: tuple[Tree, ...]


@dataclass(frozen=True)
class Or:
    """Satisfied where some child is."""

    children: tuple[Tree, ...]


Tree = And | Or | Atom


class Site(NamedTuple):
    """A `max`, `min` or `abs` node that can be taken apart, and how g depends on it."""

    path: tuple[int, ...]
    node: Call
    increasing: bool


def split(expression: Node) -> Tree:
    """The AND/OR tree of atoms that is satisfied exactly where ``expression <= 0`` is."""
    site = next(_sites(expression), None)
    if site is None or _n_atoms(expression) > MOST_ATOMS:
        return _atom(expression)
    children = tuple(
        split(_with(expression, site.path, alternative)) for alternative in _alternatives(site.node)
    )
    takes_largest = site.node.function != "min"
    return _flat(And if takes_largest == site.increasing else Or, children)


def atoms_of(tree: Tree) -> tuple[Atom, ...]:
    """The leaves of `tree`, left to right."""
    if isinstance(tree, Atom):
        return (tree,)
    return tuple(atom for child in tree.children for atom in atoms_of(child))


def _flat(kind: type[And] | type[Or], children: tuple[Tree, ...]) -> Tree:
    """AND of ANDs is one AND, so that delta is split over as few ORs as can be."""
    return kind(
        tuple(
            grandchild
            for child in children
            for grandchild in (child.children if isinstance(child, kind) else (child,))
        )
    )


def _atom(expression: Node) -> Atom:
    means = means_of(expression)
    terms = _linear(expression)
    if terms is None:
        return Atom(expression, means, None)
    constant = terms.pop(None, 0.0)
    return Atom(expression, means, Linear(tuple(terms.get(mean, 0.0) for mean in means), constant))


# -- where an expression can be taken apart ------------------------------------------


def _alternatives(node: Call) -> tuple[Node, ...]:
    if node.function == "abs":
        (inner,) = node.arguments
        return inner, Negative(inner)
    return node.arguments


def _n_atoms(expression: Node) -> int:
    """How many atoms taking everything apart would make, at most."""
    count = 1
    if isinstance(expression, Call) and expression.function in ("max", "min"):
        return sum(_n_atoms(argument) for argument in expression.arguments)
    if isinstance(expression, Call) and expression.function == "abs":
        count = 2
    for operand in operands(expression):
        count *= _n_atoms(operand)
    return count


def _sites(expression: Node) -> Iterator[Site]:
    for path, node in _paths(expression):
        if isinstance(node, Call) and node.function in ("abs", "max", "min"):
            hull = _hull([_range(alternative) for alternative in _alternatives(node)])
            _, direction = _dependence(expression, path, hull)
            if direction:
                yield Site(path, node, direction > 0)


def _paths(node: Node, prefix: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Node]]:
    yield prefix, node
    for position, operand in enumerate(operands(node)):
        yield from _paths(operand, (*prefix, position))


def _dependence(node: Node, path: tuple[int, ...], hull: Interval) -> tuple[Interval, int]:
    """The range of `node` where the node at `path` ranges over `hull`, and the direction.

    The direction is 1 where `node` never decreases as the inner node grows, -1 where it
    never increases, 0 where neither can be said.
    """
    if not path:
        return hull, 1
    position, *rest = path
    ranges = [_range(operand) for operand in operands(node)]
    ranges[position], direction = _dependence(operands(node)[position], tuple(rest), hull)
    return apply(node, ranges), direction * _slope(node, position, ranges)


def _slope(node: Node, position: int, ranges: list[Interval]) -> int:
    """The direction in which `node` follows its operand at `position`, 0 where unknown."""
    inner = ranges[position]
    match node:
        case Negative():
            return -1
        case Binary(operator="+"):
            return 1
        case Binary(operator="-"):
            return -1 if position else 1
        case Binary(operator="*"):
            return _sign(ranges[1 - position])
        case Binary(operator="/"):
            return -_sign(ranges[0]) * _excludes_zero(inner) if position else _sign(ranges[1])
        case Binary(operator="**") | Call(function="pow"):
            return 0 if position else _power_slope(inner, ranges[1])
        case Call(function="abs"):
            return _sign(inner)
        case Call(function="log" | "sqrt"):
            return int(inner.low >= 0)
    return 1  # exp, min, max, sum


def _power_slope(base: Interval, exponent: Interval) -> int:
    power = exponent.low
    if exponent.high != power or power <= 0:
        return 0
    if power.is_integer():
        return 1 if power % 2 else _sign(base)
    return int(base.low >= 0)


def _sign(interval: Interval) -> int:
    """1 where the interval is >= 0, -1 where it is <= 0, 0 where it has both signs."""
    return 1 if interval.low >= 0 else -1 if interval.high <= 0 else 0


def _excludes_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _range(node: Node) -> Interval:
    """Every value that `node` can take: each rate is between 0 and 1."""
    return interval(node, dict.fromkeys(means_of(node), Interval(0.0, 1.0)))


def _hull(intervals: list[Interval]) -> Interval:
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))


def _with(node: Node, path: tuple[int, ...], new: Node) -> Node:
    """`node` with the node at `path` replaced."""
    if not path:
        return new
    parts = list(operands(node))
    parts[path[0]] = _with(parts[path[0]], path[1:], new)
    match node:
        case Negative():
            return replace(node, operand=parts[0])
        case Binary():
            return replace(node, left=parts[0], right=parts[1])
        case Call():
            return replace(node, arguments=tuple(parts))
    raise TypeError(f"Not an operation: {node!r}")


# -- linear expressions ------------------------------------------------------------------


def _linear(node: Node) -> dict[Mean | None, float] | None:
    """The weight of each mean, and under None the constant; None where not linear."""
    constant = constant_value(node)
    if constant is not None:
        return {None: constant} if math.isfinite(constant) else None
    match node:
        case Mean():
            return {node: 1.0}
        case Negative(operand=operand):
            return _combined((-1.0, operand))
        case Binary(operator="+", left=left, right=right):
            return _combined((1.0, left), (1.0, right))
        case Binary(operator="-", left=left, right=right):
            return _combined((1.0, left), (-1.0, right))
        case Binary(operator="*" | "/"):
            return _linear_product(node)
        case Call(function="sum", arguments=arguments):
            return _combined(*((1.0, argument) for argument in arguments))
        case Call(function="min" | "max", arguments=(only,)):
            return _linear(only)
    return None


def _linear_product(node: Binary) -> dict[Mean | None, float] | None:
    left, right = constant_value(node.left), constant_value(node.right)
    if node.operator == "/":
        return _combined((1 / right, node.left)) if right else None
    if left is not None:
        return _combined((left, node.right))
    return _combined((right, node.left)) if right is not None else None


def _combined(*terms: tuple[float, Node]) -> dict[Mean | None, float] | None:
    total: dict[Mean | None, float] = {}
    for factor, node in terms:
        weights = _linear(node)
        if weights is None or not math.isfinite(factor):
            return None
        for mean, weight in weights.items():
            total[mean] = total.get(mean, 0.0) + factor * weight
    return total

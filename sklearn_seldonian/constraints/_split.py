"""From one expression to AND and OR over smooth ones.

``max(a, b) <= 0`` holds where both do, ``min(a, b) <= 0`` where either does. So a
constraint ``g <= 0`` becomes a tree of AND and OR whose leaves, the atoms, can each be
tested at once. Two rewritings, taken by turns from the outside inwards, lead there:

* A function around all that varies is undone: ``log(u) <= c`` is ``u <= exp(c)``, and
  ``a / b <= c`` with ``b`` never below zero is ``a - c b <= 0``, which is linear where `a`
  and `b` are. Both sides of ``a / b <= c`` agree where ``b`` is zero and ``a`` is not. Where
  both are zero the ratio says nothing and the linear form holds: 0 / 0 counts as
  satisfied, whichever the direction. (Nobody in either group is decided positive: there
  is no disparity to forbid.)
* A `max`, `min` or `abs` is taken apart where g depends on it monotonically over
  everything its alternatives can be. Elsewhere it stays inside its atom, and interval
  arithmetic deals with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from sklearn_seldonian.constraints._evaluate import (
    apply,
    constant_value,
    interval,
    operands,
    rational_value,
)
from sklearn_seldonian.constraints._interval import MAX_EXACT_POWER, Interval
from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    Negative,
    Node,
    Number,
)
from sklearn_seldonian.constraints._resolve import Estimand, means_of
from sklearn_seldonian.constraints._tree import (
    And,
    Atom,
    Linear,
    Or,
    Tree,
    atoms_of,
    fold,
    subtrees,
)

# Taking a constraint apart into more atoms than this is refused: max minus min over
# 16 levels is 240 pairs, and bounds on the levels then serve better than tests of pairs.
MAX_ATOMS = 225
# Numbers nearer to zero, and their reciprocals, are left to interval arithmetic.
MIN_NUMBER = Fraction(1, 2**1000)
# How exactly irrational limits are known, as a share of what they limit can vary by: within
# that the nearest float stands for them, beyond it the end that is harder to keep to.
ROUNDING = 1e-12

TRUE = Atom(Number(0.0), (), Linear((), 0.0))


def split(expression: Node) -> Tree:
    """The AND/OR tree of atoms that is satisfied exactly where ``expression <= 0`` is."""
    tree = _split(expression)
    return And((TRUE,), (tree,)) if isinstance(tree, Atom) and _goes_without_test(tree) else tree


def _split(expression: Node, *, in_units: bool = True, is_ratio: bool = False) -> Tree:
    undone = _undone(expression)
    if undone is not None:
        return _split(undone, in_units=False, is_ratio=is_ratio or _has_ratio(expression))
    site = next(_sites(expression), None)
    if site is None or _n_atoms(expression) > MAX_ATOMS:
        return _atom(expression, in_units, is_ratio)
    children = (
        _split(_with(expression, site.path, alternative), in_units=in_units, is_ratio=is_ratio)
        for alternative in _alternatives(site.node)
    )
    takes_largest = site.node.function != "min"
    return (_all_of if takes_largest == site.increasing else _any_of)(children)


def in_units(tree: Tree) -> bool:
    """Whether every atom of `tree`, those that need no test among them, is a value of g."""
    implied = (atom for part in subtrees(tree) if isinstance(part, And) for atom in part.implied)
    return all(atom.in_units for atom in (*atoms_of(tree), *implied))


def range_of(node: Node) -> Interval:
    """Every value that `node` can take, each mean being what it can be."""
    return interval(
        node, {estimand: Interval(*estimand.quantity.range) for estimand in means_of(node)}
    )


def atom_range(atom: Atom) -> Interval:
    """Every value that `atom` can take: without rounding where it is linear."""
    terms = _terms(atom.expression) if atom.linear else None
    if not terms:
        return range_of(atom.expression)
    low = high = Fraction(0)
    for node, weight in terms.items():
        ends = node.quantity.range if isinstance(node, Estimand) else (1, 1)
        if not all(map(math.isfinite, ends)):
            return range_of(atom.expression)
        at_ends = [weight.low * Fraction(end) for end in ends]
        low, high = low + min(at_ends), high + max(at_ends)
    return Interval(Interval.around(low).low, Interval.around(high).high)


def shifted(expression: Node, margin: float) -> Node:
    """``expression - margin``."""
    return Binary("-", expression, _number(Fraction(margin)))


# -- AND and OR ------------------------------------------------------------------------


def _all_of(children: Iterator[Tree]) -> Tree:
    """AND of ANDs is one AND; what is true anyway is not tested."""
    parts: dict[Tree, None] = {}
    implied: dict[Atom, None] = {}
    for child in children:
        inner = child.children if isinstance(child, And) else (child,)
        implied.update(dict.fromkeys(child.implied if isinstance(child, And) else ()))
        for part in inner:
            if isinstance(part, Atom) and _is_true(part):
                implied[part] = None
            else:
                parts[part] = None
    implied.pop(TRUE, None)
    if len(parts) == 1 and not implied:
        return next(iter(parts))
    return And(tuple(parts) or (TRUE,), tuple(implied))


def _any_of(children: Iterator[Tree]) -> Tree:
    """OR of ORs is one OR. Alternatives that no mean enters and that do not hold are dropped.

    Over how many delta is split must not depend on the limit that is asked, or a bound would. So
    alternatives that hold for some limit stay, even where they cannot hold for this one.
    """
    parts: dict[Tree, None] = {}
    for child in children:
        for part in child.children if isinstance(child, Or) else (child,):
            if _is_true(part):
                return part
            parts[part] = None
    hopeful = tuple(part for part in parts if _varies(part)) or tuple(parts)[:1]
    return hopeful[0] if len(hopeful) == 1 else Or(hopeful)


def _is_true(tree: Tree) -> bool:
    """Whether it is satisfied whatever the means."""
    return fold(tree, lambda atom, _: atom_range(atom).high <= 0, all, any)


def _varies(tree: Tree) -> bool:
    """Whether a mean enters it."""
    return any(atom.estimands for atom in atoms_of(tree))


def _goes_without_test(atom: Atom) -> bool:
    return bool(atom.estimands) and _is_true(atom)


def _atom(expression: Node, in_units: bool, is_ratio: bool) -> Atom:
    terms = _terms(expression)
    if terms is None:
        return Atom(expression, means_of(expression), None, in_units, is_ratio)
    constant = terms.pop(None, NOTHING)
    weights = {term: w.exact for term, w in terms.items() if term and w.exact is not None}
    if len(weights) < len(terms):
        return Atom(expression, means_of(expression), None, in_units, is_ratio)
    limit = _harder(Weight(-constant.high, -constant.low), _spread(weights), at_most=True)
    written = _written(weights, -limit)
    estimands = tuple(term for term in weights if isinstance(term, Estimand))
    if len(estimands) < len(weights):
        return Atom(written, means_of(written), None, in_units, is_ratio)
    linear = Linear(tuple(map(float, weights.values())), float(-limit))
    return Atom(written, estimands, linear, in_units, is_ratio)


def _spread(weights: Mapping[Node, Fraction]) -> float:
    """How far apart two values of the weighted sum can be."""
    ranges = ((abs(float(weight)), range_of(node)) for node, weight in weights.items())
    return sum(weight * (ends.high - ends.low) for weight, ends in ranges)


def _harder(limit: Weight, spread: float, *, at_most: bool) -> Fraction:
    """The number for a limit on what varies by `spread`: if in doubt, the one harder to meet."""
    if limit.exact is not None:
        return limit.exact
    if float(limit.high - limit.low) <= ROUNDING * spread < math.inf:
        return Fraction(float((limit.low + limit.high) / 2))
    return limit.low if at_most else limit.high


def _written(weights: Mapping[Node, Fraction], constant: Fraction) -> Node:
    """The weighted sum with each term once, which intervals need to be tight."""
    expression: Node | None = None
    for node, weight in weights.items():
        if expression is None:
            expression = _term(weight, node)
        else:
            expression = Binary("+" if weight > 0 else "-", expression, _term(abs(weight), node))
    if expression is None:
        return _number(constant)
    if constant == 0:
        return expression
    return Binary("+" if constant > 0 else "-", expression, Number.of(abs(constant)))


def _term(weight: Fraction, node: Node) -> Node:
    if abs(weight) == 1:
        return node if weight > 0 else Negative(node)
    return Binary("*", _number(weight), node)


def _number(value: Fraction) -> Node:
    number = Number.of(abs(value))
    return Negative(number) if value < 0 else number


# -- undoing a function around all that varies -------------------------------------------


def _undone(expression: Node) -> Node | None:
    """An expression with the same sign and one function less around it, if there is one.

    ``a f(u) + b <= 0`` says that ``f(u)`` is at most or at least ``-b / a``.
    """
    terms = _terms(expression)
    if terms is None:
        return None
    constant = terms.pop(None, NOTHING)
    if len(terms) != 1:
        return None
    ((node, weight),) = terms.items()
    limit = Weight(-constant.high, -constant.low).over(weight)
    if limit is None or not limit.is_moderate:
        return None
    at_most = weight.low > 0
    match node:
        case Binary(operator="/", left=left, right=right):
            return _ratio(left, right, limit.low if at_most else limit.high, at_most=at_most)
        case Binary(operator="**", left=base, right=exponent):
            return _root(base, rational_value(exponent), limit, at_most=at_most)
        case Call(function="pow", arguments=(base, exponent)):
            return _root(base, rational_value(exponent), limit, at_most=at_most)
        case Call(function=("log" | "exp" | "sqrt") as function, arguments=(inner,)):
            return _inverse(function, inner, limit, at_most=at_most)
    return None


def _has_ratio(expression: Node) -> bool:
    """Whether it has a quotient of two things that vary."""
    match expression:
        case Binary(operator="/", left=left, right=right) if means_of(left) and means_of(right):
            return True
    return any(map(_has_ratio, operands(expression)))


def _held(node: Node, limit: Weight | None, *, at_most: bool) -> Node | None:
    """The expression that is at most zero where `node` is at most, or at least, `limit`."""
    if limit is None or not limit.is_moderate:
        return None
    ends = range_of(node)
    number = _number(_harder(limit, ends.high - ends.low, at_most=at_most))
    return Binary("-", node, number) if at_most else Binary("-", number, node)


def _ratio(left: Node, right: Node, limit: Fraction, *, at_most: bool) -> Node | None:
    divisor = range_of(right)
    if not math.isfinite(divisor.low) or not math.isfinite(divisor.high):
        return None
    if divisor.low < 0 < divisor.high:
        return None
    product = Binary("*", _number(limit), right)
    low, high = (left, product) if at_most == (divisor.low >= 0) else (product, left)
    return Binary("-", low, high)


def _inverse(function: str, inner: Node, limit: Weight, *, at_most: bool) -> Node | None:
    """``log``, ``exp`` or ``sqrt`` undone, where both sides are defined for the same values."""
    if function == "exp":
        undone = _of_ends(limit, Interval.log) if limit.low > 0 else None
        return _held(inner, undone, at_most=at_most)
    if at_most and not range_of(inner).low >= 0:
        return None
    if function == "log":
        return _held(inner, _of_ends(limit, Interval.exp), at_most=at_most)
    if limit.low < 0 or (limit.low == 0 and not at_most):
        return None
    return _held(inner, limit.times(limit), at_most=at_most)


def _root(base: Node, power: Fraction | None, limit: Weight, *, at_most: bool) -> Node | None:
    """``base ** power`` undone."""
    if not power:
        return None
    signed = not range_of(base).low >= 0
    if signed and power % 2 == 1 and power > 0:
        return _held(base, _odd_root(limit, power), at_most=at_most)
    if signed and power % 2 != 0:
        return None
    if limit.low < 0 or (limit.low == 0 and (not at_most or power < 0)):
        return None
    inner = Call("abs", (base,)) if signed else base
    return _held(inner, _power(limit, 1 / power), at_most=at_most == (power > 0))


def _odd_root(limit: Weight, power: Fraction) -> Weight | None:
    if limit.low >= 0:
        return _power(limit, 1 / power)
    if limit.high > 0:
        return None
    root = _power(Weight(-limit.high, -limit.low), 1 / power)
    return root and Weight(-root.high, -root.low)


def _power(limit: Weight, exponent: Fraction) -> Weight | None:
    """``limit ** exponent`` for a limit that is not negative."""
    if exponent.denominator == 1 and 0 < exponent <= MAX_EXACT_POWER:
        return Weight(limit.low ** int(exponent), limit.high ** int(exponent))
    return _of_ends(limit, lambda ends: ends ** Interval.around(exponent))


def _of_ends(limit: Weight, function: Callable[[Interval], Interval]) -> Weight | None:
    """What contains the function of a limit; None where that is not finite."""
    around = Interval(Interval.around(limit.low).low, Interval.around(limit.high).high)
    ends = function(around)
    if not math.isfinite(ends.low) or not math.isfinite(ends.high):
        return None
    return Weight(Fraction(ends.low), Fraction(ends.high))


# -- where an expression can be taken apart ------------------------------------------


class Site(NamedTuple):
    """A `max`, `min` or `abs` node that can be taken apart, and how g depends on it."""

    path: tuple[int, ...]
    node: Call
    increasing: bool


def _alternatives(node: Call) -> tuple[Node, ...]:
    if node.function == "abs":
        (inner,) = node.arguments
        sign = _sign(range_of(inner))
        return (inner, Negative(inner)) if not sign else (inner if sign > 0 else Negative(inner),)
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
            hull = _hull([range_of(alternative) for alternative in _alternatives(node)])
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
    ranges = [range_of(operand) for operand in operands(node)]
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


# -- weighted sums -----------------------------------------------------------------------


class Weight(NamedTuple):
    """Between which two numbers a weight lies: the same one, unless a constant is irrational."""

    low: Fraction
    high: Fraction

    @property
    def exact(self) -> Fraction | None:
        """The weight, where it is known."""
        return self.low if self.low == self.high else None

    def __add__(self, other: object) -> Weight:
        assert isinstance(other, Weight)
        return Weight(self.low + other.low, self.high + other.high)

    def times(self, other: Weight) -> Weight:
        if self.low == self.high and other.low == other.high:
            return Weight(self.low * other.low, self.low * other.low)
        products = [a * b for a in self for b in other]
        return Weight(min(products), max(products))

    def over(self, other: Weight) -> Weight | None:
        """The ratio to a weight whose sign is known."""
        if other.low <= 0 <= other.high:
            return None
        return self.times(Weight(1 / other.high, 1 / other.low))

    @property
    def is_moderate(self) -> bool:
        """Whether it is zero, or a float can come near it."""
        return all(end == 0 or MIN_NUMBER < abs(end) < 1 / MIN_NUMBER for end in self)


NOTHING, ONE = Weight(Fraction(0), Fraction(0)), Weight(Fraction(1), Fraction(1))
Terms = dict[Node | None, Weight]


def _terms(node: Node) -> Terms | None:
    """`node` as a weighted sum: the weight of each term, and under None the constant.

    Terms are means and whatever is not a sum itself; those that cancel are left out.
    None where a weight is not finite, or too large or small for a float.
    """
    sums = _sum(node)
    if sums is None or not all(weight.is_moderate for weight in sums.values()):
        return None
    return {term: weight for term, weight in sums.items() if weight != NOTHING or term is None}


def _constant_weight(node: Node) -> Weight | None:
    """What a node that names no measure is worth, if it is finite."""
    exact = rational_value(node)
    if exact is not None:
        return Weight(exact, exact)
    ends = interval(node, {})
    if not math.isfinite(ends.low) or not math.isfinite(ends.high):
        return None
    return Weight(Fraction(ends.low), Fraction(ends.high))


def _sum(node: Node) -> Terms | None:
    if constant_value(node) is not None:
        constant = _constant_weight(node)
        return None if constant is None else {None: constant}
    match node:
        case Negative(operand=operand):
            return _combined((-1, operand))
        case Binary(operator="+", left=left, right=right):
            return _combined((1, left), (1, right))
        case Binary(operator="-", left=left, right=right):
            return _combined((1, left), (-1, right))
        case Binary(operator="*", left=left, right=right) if constant_value(left) is not None:
            return _scaled(right, _constant_weight(left))
        case Binary(operator="*", left=left, right=right) if constant_value(right) is not None:
            return _scaled(left, _constant_weight(right))
        case Binary(operator="/", left=left, right=right):
            divisor = _constant_weight(right) if constant_value(right) is not None else None
            factor = divisor and ONE.over(divisor)
            return _scaled(left, factor) if factor else {node: ONE}
        case Call(function="sum", arguments=arguments):
            return _combined(*((1, argument) for argument in arguments))
        case Call(function="min" | "max", arguments=(only,)):
            return _sum(only)
    return {node: ONE}


def _scaled(node: Node, factor: Weight | None) -> Terms | None:
    weights = _sum(node)
    if weights is None or factor is None:
        return None
    return {term: weight.times(factor) for term, weight in weights.items()}


def _combined(*signed: tuple[int, Node]) -> Terms | None:
    total: Terms = {}
    for sign, node in signed:
        weights = _scaled(node, Weight(Fraction(sign), Fraction(sign)))
        if weights is None:
            return None
        for term, weight in weights.items():
            total[term] = total.get(term, NOTHING) + weight
    return total

"""Splitting one expression into an AND/OR tree of smooth expressions.

``max(a, b) <= 0`` holds if both ``a <= 0`` and ``b <= 0`` hold, ``min(a, b) <= 0`` if either does.
So a constraint ``g <= 0`` becomes a tree of AND and OR. Each of its leaves, the atoms, can be
tested directly. Two rewritings alternate, from the outside inwards:

* A function around everything that varies is inverted: ``log(u) <= c`` is ``u <= exp(c)``, and
  ``a / b <= c`` with ``b`` never below zero is ``a - c b <= 0``, which is linear where `a`
  and `b` are. Both forms agree if ``b`` is zero and ``a`` is not. If both are zero, the ratio is
  undefined and the linear form holds. So 0 / 0 counts as satisfied for upper and lower limits. (If
  no row of either group is predicted positive, there is no disparity.)
* A `max`, `min` or `abs` is split if g depends on it monotonically over all values of its
  alternatives. Otherwise it stays inside its atom, and interval arithmetic bounds it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

from sklearn_seldonian.constraints._coverage import leave_nothing_out
from sklearn_seldonian.constraints._evaluate import apply, rational_value
from sklearn_seldonian.constraints._interval import MAX_EXACT_POWER, Interval, hull
from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    Negative,
    Node,
    Number,
    operands,
    with_operands,
)
from sklearn_seldonian.constraints._resolve import Estimand, means_of
from sklearn_seldonian.constraints._sums import NOTHING, ONE, Terms, Weight, range_of, terms_of
from sklearn_seldonian.constraints._tree import And, Atom, Linear, Or, Tree, atoms_of

# A constraint is not split if it may have more atoms than this: 18 x 18 for max minus min over 18
# levels, which has 306 pairs. Their exact tests take 1 to 2 s. Without pairs, bounds are wider:
# with 400 rows per level and rates of .3, .134 from the pairs of 18 levels, .165 from a box of 19.
MAX_ATOMS = 18**2
# With at most this many atoms per mean, the atoms are not pairs, and a larger number is affordable.
# 10,000 limits on one rate take 3 s.
MAX_ATOMS_PER_MEAN, MAX_SINGLE_ATOMS = 2, 10_000
# To see whether an OR of ANDs always holds, it is written as an AND of at most this many ORs.
MAX_CLAUSES = 64
# An irrational limit is only known to lie between two numbers. If they differ by at most this share
# of the limited expression's range, the float in their middle is used. Otherwise the stricter end
# is used.
ROUNDING = 1e-12

TRUE = Atom(Number(0.0), (), Linear((), 0.0))


def split(expression: Node) -> Tree:
    """The AND/OR tree of atoms that is equivalent to ``expression <= 0``."""
    tree = _split(expression)
    is_implied = not isinstance(tree, And) and any(atom.estimands for atom in atoms_of(tree))
    return And((TRUE,), (tree,)) if is_implied and _is_true(tree) else tree


def _split(expression: Node, *, in_units: bool = True, is_ratio: bool = False) -> Tree:
    terms = terms_of(expression)
    if terms is not None and all(node is None or isinstance(node, Estimand) for node in terms):
        return _atom(expression, terms, in_units, is_ratio)
    inverse = None if terms is None else _inverted(terms)
    if inverse is not None:
        return _split(inverse, in_units=False, is_ratio=is_ratio or _has_ratio(expression))
    site = _first_splittable(expression) if _is_worth_it(expression) else None
    if site is None:
        return _atom(expression, terms, in_units, is_ratio)
    path, node, is_increasing = site
    children = (
        _split(_with(expression, path, alternative), in_units=in_units, is_ratio=is_ratio)
        for alternative in _alternatives(node)
    )
    takes_largest = node.function != "min"
    return (_all_of if takes_largest == is_increasing else _any_of)(children)


def atom_range(atom: Atom) -> Interval:
    """The interval of all values of `atom`, computed without rounding if it is linear."""
    terms = terms_of(atom.expression) if atom.linear else None
    if not terms:
        return range_of(atom.expression)
    total = NOTHING
    for node, weight in terms.items():
        ends = ONE if node is None else Weight.between(range_of(node))
        if ends is None:
            return range_of(atom.expression)
        total += weight.times(ends)
    return total.interval


def shifted(expression: Node, margin: float) -> Node:
    """``expression - margin``."""
    return Binary("-", expression, _number(Fraction(margin)))


# -- AND and OR ------------------------------------------------------------------------


def _all_of(children: Iterator[Tree]) -> Tree:
    """The AND of some trees; nested ANDs are merged, and trees that always hold are not tested."""
    parts: dict[Tree, None] = {}
    implied: dict[Tree, None] = {}
    for child in children:
        if isinstance(child, And):
            implied.update(dict.fromkeys(child.implied))
            parts.update(dict.fromkeys(child.children))
        elif _is_true(child):
            implied[child] = None
        else:
            parts[child] = None
    parts.pop(TRUE, None)
    implied.pop(TRUE, None)
    if len(parts) == 1 and not implied:
        return next(iter(parts))
    return And(tuple(parts) or (TRUE,), tuple(implied))


def _any_of(children: Iterator[Tree]) -> Tree:
    """The OR of some trees; nested ORs are merged, and constants that do not hold are dropped.

    The number of alternatives that share delta must not depend on the constraint's limit, because
    the bound would then depend on it too. So alternatives that hold for some limit are kept, even
    if they cannot hold for this one.
    """
    parts: dict[Tree, None] = {}
    for child in children:
        for part in child.children if isinstance(child, Or) else (child,):
            if _is_true(part):
                return part
            parts[part] = None
    varying = [part for part in parts if any(atom.estimands for atom in atoms_of(part))]
    alternatives = tuple(varying or [*parts][:1])
    return alternatives[0] if len(alternatives) == 1 else Or(alternatives)


def _is_true(tree: Tree) -> bool:
    """Whether the tree is known to be satisfied for all values of the means."""
    clauses = _clauses(tree)
    return clauses is not None and all(
        any(not _can_exceed(atom) and atom_range(atom).high <= 0 for atom in clause)
        or (len(clause) > 1 and leave_nothing_out(clause))
        for clause in clauses
    )


def _clauses(tree: Tree) -> list[tuple[Atom, ...]] | None:
    """The tree as an AND of ORs of atoms; None if there would be too many."""
    if isinstance(tree, Atom):
        return [(tree,)]
    parts = [_clauses(child) for child in tree.children]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if isinstance(tree, And):
        return list(itertools.chain(*known))
    if math.prod(map(len, known)) > MAX_CLAUSES:
        return None
    return [tuple(itertools.chain(*chosen)) for chosen in itertools.product(*known)]


def _can_exceed(atom: Atom) -> bool:
    """Whether a linear atom can be above zero by more than rounding errors."""
    if atom.linear is None:
        return False
    parts = [
        max(weight * end for end in mean.quantity.range)
        for weight, mean in zip(atom.linear.weights, atom.estimands, strict=True)
    ]
    highest, size = sum(parts), sum(map(abs, parts))
    return highest + atom.linear.constant > 1e-9 * (size + abs(atom.linear.constant))


def _atom(expression: Node, terms: Terms | None, in_units: bool, is_ratio: bool) -> Atom:
    varying = {} if terms is None else {n: weight for n, weight in terms.items() if n is not None}
    if terms is None or any(weight.exact is None for weight in varying.values()):
        return Atom(expression, means_of(expression), None, in_units, is_ratio)
    weights, constant = {n: w.low for n, w in varying.items()}, terms.get(None, NOTHING)
    limit = -constant.low
    if constant.exact is None:
        spread = sum(abs(float(weight)) * range_of(node).width for node, weight in weights.items())
        limit = _stricter_limit(-constant, spread, at_most=True)
    linear = None
    if all(isinstance(node, Estimand) for node in weights):
        linear = Linear(tuple(map(float, weights.values())), float(-limit))
    written = _sum_of_terms(weights, -limit)
    return Atom(written, means_of(written), linear, in_units, is_ratio)


def _stricter_limit(limit: Weight, spread: float, *, at_most: bool) -> Fraction:
    """One number for a limit on an expression of width `spread`; if in doubt, the stricter one."""
    if limit.exact is not None:
        return limit.exact
    if float(limit.high - limit.low) <= ROUNDING * spread < math.inf:
        return Fraction(float((limit.low + limit.high) / 2))
    return limit.low if at_most else limit.high


def _sum_of_terms(weights: Mapping[Node, Fraction], constant: Fraction) -> Node:
    """The weighted sum with each term once, because repeated terms make intervals wider."""
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


# -- inverting a function around everything that varies ----------------------------------


def _inverted(terms: Terms) -> Node | None:
    """An expression with the same sign and one outer function less; None if there is none.

    ``a f(u) + b <= 0`` means that ``f(u)`` is at most or at least ``-b / a``.
    """
    varying = [(node, weight) for node, weight in terms.items() if node is not None]
    if len(varying) != 1 or isinstance(varying[0][0], Estimand):
        return None
    ((node, weight),), constant = varying, terms.get(None, NOTHING)
    limit = (-constant).over(weight)
    if limit is None or not limit.is_moderate:
        return None
    at_most = weight.low > 0
    match node:
        case Binary("/", left, right):
            return _ratio(left, right, limit.low if at_most else limit.high, at_most=at_most)
        case Binary("**", base, exponent) | Call("pow", (base, exponent)):
            return _root(base, rational_value(exponent), limit, at_most=at_most)
        case Call("log" | "exp" | "sqrt" as function, (inner,)):
            return _inverse(function, inner, limit, at_most=at_most)
    return None


def _has_ratio(expression: Node) -> bool:
    """Whether `expression` contains a quotient of two expressions that vary."""
    match expression:
        case Binary("/", left, right) if means_of(left) and means_of(right):
            return True
    return any(map(_has_ratio, operands(expression)))


def _limited(node: Node, limit: Weight | None, *, at_most: bool) -> Node | None:
    """The expression that is at most zero if `node` is at most, or at least, `limit`."""
    if limit is None or not limit.is_moderate:
        return None
    number = _number(_stricter_limit(limit, range_of(node).width, at_most=at_most))
    return Binary("-", node, number) if at_most else Binary("-", number, node)


def _ratio(left: Node, right: Node, limit: Fraction, *, at_most: bool) -> Node | None:
    divisor = range_of(right)
    if not divisor.is_finite or divisor.low < 0 < divisor.high:
        return None
    product = Binary("*", _number(limit), right)
    low, high = (left, product) if at_most == (divisor.low >= 0) else (product, left)
    return Binary("-", low, high)


def _inverse(function: str, inner: Node, limit: Weight, *, at_most: bool) -> Node | None:
    """The inverse of ``log``, ``exp`` or ``sqrt``, if both sides have the same domain."""
    if function == "exp":
        inverse = limit.mapped(Interval.log) if limit.low > 0 else None
        return _limited(inner, inverse, at_most=at_most)
    if at_most and not range_of(inner).low >= 0:
        return None
    if function == "log":
        return _limited(inner, limit.mapped(Interval.exp), at_most=at_most)
    if limit.low < 0 or (limit.low == 0 and not at_most):
        return None
    return _limited(inner, limit.times(limit), at_most=at_most)


def _root(base: Node, power: Fraction | None, limit: Weight, *, at_most: bool) -> Node | None:
    """The inverse of ``base ** power``."""
    if not power:
        return None
    signed = not range_of(base).low >= 0
    if signed and power % 2 == 1 and power > 0:
        return _limited(base, _odd_root(limit, power), at_most=at_most)
    if signed and power % 2 != 0:
        return None
    if limit.low < 0 or (limit.low == 0 and (not at_most or power < 0)):
        return None
    inner = Call("abs", (base,)) if signed else base
    return _limited(inner, _power(limit, 1 / power), at_most=at_most == (power > 0))


def _odd_root(limit: Weight, power: Fraction) -> Weight | None:
    if limit.low >= 0:
        return _power(limit, 1 / power)
    if limit.high > 0:
        return None
    root = _power(-limit, 1 / power)
    return root and -root


def _power(limit: Weight, exponent: Fraction) -> Weight | None:
    """``limit ** exponent`` for a nonnegative limit."""
    if exponent.denominator == 1 and 0 < exponent <= MAX_EXACT_POWER:
        return Weight(limit.low ** int(exponent), limit.high ** int(exponent))
    return limit.mapped(lambda ends: ends ** Interval.around(exponent))


# -- where an expression can be split --------------------------------------------------


def _first_splittable(expression: Node) -> tuple[tuple[int, ...], Call, bool] | None:
    """The first `max`, `min` or `abs` that can be split, and whether g increases with it."""
    for path, node in _paths(expression):
        if isinstance(node, Call) and node.function in ("abs", "max", "min"):
            ends = hull(map(range_of, _alternatives(node)))
            _, direction = _dependence(expression, path, ends)
            if direction:
                return path, node, direction > 0
    return None


def _alternatives(node: Call) -> tuple[Node, ...]:
    if node.function == "abs":
        (inner,) = node.arguments
        sign = _sign(range_of(inner))
        return (inner, Negative(inner)) if not sign else (inner if sign > 0 else Negative(inner),)
    return node.arguments


def _is_worth_it(expression: Node) -> bool:
    """Whether to split an expression; not if that gives too many atoms for its means."""
    n_atoms = _n_atoms(expression)
    most = min(MAX_ATOMS_PER_MEAN * len(means_of(expression)), MAX_SINGLE_ATOMS)
    return n_atoms <= max(MAX_ATOMS, most)


def _n_atoms(expression: Node) -> int:
    """The largest possible number of atoms after splitting."""
    counts = map(_n_atoms, operands(expression))
    match expression:
        case Call("max" | "min"):
            return sum(counts)
        case Call("abs"):
            return 2 * math.prod(counts)
    return math.prod(counts)


def _paths(node: Node, prefix: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Node]]:
    yield prefix, node
    for position, operand in enumerate(operands(node)):
        yield from _paths(operand, (*prefix, position))


def _dependence(node: Node, path: tuple[int, ...], ends: Interval) -> tuple[Interval, int]:
    """The range of `node` while the node at `path` varies over `ends`, and the direction.

    The direction is 1 if `node` never decreases as the inner node increases, -1 if it never
    increases, and 0 if neither is known.
    """
    if not path:
        return ends, 1
    position, *rest = path
    ranges = [range_of(operand) for operand in operands(node)]
    ranges[position], direction = _dependence(operands(node)[position], tuple(rest), ends)
    return apply(node, ranges), direction * _slope(node, position, ranges)


def _slope(node: Node, position: int, ranges: list[Interval]) -> int:
    """The direction in which `node` follows its operand at `position`; 0 if unknown."""
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
    """1 if the interval is >= 0, -1 if it is <= 0, and 0 if it has both signs."""
    return 1 if interval.low >= 0 else -1 if interval.high <= 0 else 0


def _excludes_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _with(node: Node, path: tuple[int, ...], new: Node) -> Node:
    """`node` with the node at `path` replaced."""
    if not path:
        return new
    parts = list(operands(node))
    parts[path[0]] = _with(parts[path[0]], path[1:], new)
    return with_operands(node, parts)

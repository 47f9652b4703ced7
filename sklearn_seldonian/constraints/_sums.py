"""Expressions as weighted sums, with exact weights and constants where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from sklearn_seldonian.constraints._evaluate import interval, is_constant, rational_value
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._nodes import Binary, Call, Negative, Node
from sklearn_seldonian.constraints._resolve import Estimand, means_of

# Numbers beyond about 2 to this power, and their reciprocals, are handled by interval arithmetic.
MAX_EXPONENT = 1000


class Weight(NamedTuple):
    """A weight between two numbers, which are equal unless the weight is irrational."""

    low: Fraction
    high: Fraction

    @classmethod
    def between(cls, ends: Interval) -> Weight | None:
        """A weight within an interval; None if that is not finite."""
        return cls(Fraction(ends.low), Fraction(ends.high)) if ends.is_finite else None

    @property
    def exact(self) -> Fraction | None:
        """The weight, if it is exactly known; otherwise None."""
        return self.low if self.low is self.high or self.low == self.high else None

    @property
    def interval(self) -> Interval:
        return Interval(Interval.around(self.low).low, Interval.around(self.high).high)

    def mapped(self, function: Callable[[Interval], Interval]) -> Weight | None:
        """An enclosure of the function of a weight; None if it is not finite."""
        return Weight.between(function(self.interval))

    def __neg__(self) -> Weight:
        return Weight(-self.high, -self.low)

    def __add__(self, other: object) -> Weight:
        assert isinstance(other, Weight)
        return Weight(self.low + other.low, self.high + other.high)

    def times(self, other: Weight) -> Weight:
        if self.exact is not None and other.exact is not None:
            return Weight(self.low * other.low, self.low * other.low)
        products = [a * b for a in self for b in other]
        return Weight(min(products), max(products))

    def over(self, other: Weight) -> Weight | None:
        """The ratio to another weight; None if its sign is not known."""
        if other.low <= 0 <= other.high:
            return None
        return self.times(Weight(1 / other.high, 1 / other.low))

    @property
    def is_moderate(self) -> bool:
        """Whether it is zero or well within the range of floats."""
        lengths = (end.numerator.bit_length() - end.denominator.bit_length() for end in self)
        return all(abs(length) < MAX_EXPONENT for length in lengths)


NOTHING, ONE = Weight(Fraction(0), Fraction(0)), Weight(Fraction(1), Fraction(1))
Terms = dict[Node | None, Weight]


def range_of(node: Node) -> Interval:
    """The interval of all values of `node` while its estimands vary over their ranges."""
    ranges = {estimand: Interval(*estimand.quantity.range) for estimand in means_of(node)}
    return ranges[node] if isinstance(node, Estimand) else interval(node, ranges)


def terms_of(node: Node) -> Terms | None:
    """`node` as a weighted sum: the weight of each term, and the constant with the key None.

    Terms are estimands and other expressions that are not sums. Terms that cancel are left out. The
    result is None if a weight is not finite, or too large or too small for a float.
    """
    sums = _sum(node)
    if sums is None or not all(weight.is_moderate for weight in sums.values()):
        return None
    return {term: weight for term, weight in sums.items() if any(weight) or term is None}


def _constant(node: Node) -> Weight | None:
    """The value of a node without measures, if it is finite."""
    exact = rational_value(node)
    return Weight.between(interval(node, {})) if exact is None else Weight(exact, exact)


def _sum(node: Node) -> Terms | None:
    if is_constant(node):
        constant = _constant(node)
        return None if constant is None else {None: constant}
    match node:
        case Negative(operand):
            return _combined((-1, operand))
        case Binary("+", left, right):
            return _combined((1, left), (1, right))
        case Binary("-", left, right):
            return _combined((1, left), (-1, right))
        case Binary("*", left, right) if is_constant(left):
            return _scaled(right, _constant(left))
        case Binary("*", left, right) if is_constant(right):
            return _scaled(left, _constant(right))
        case Binary("/", left, right) if is_constant(right):
            divisor = _constant(right)
            factor = divisor and ONE.over(divisor)
            return _scaled(left, factor) if factor else {node: ONE}
        case Call("sum", arguments):
            return _combined(*((1, argument) for argument in arguments))
        case Call("min" | "max", (only,)):
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
        weights = _sum(node)
        if weights is None:
            return None
        for term, weight in weights.items():
            own = weight if sign > 0 else -weight
            total[term] = total[term] + own if term in total else own
    return total

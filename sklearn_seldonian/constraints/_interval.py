"""Interval arithmetic on the extended real line.

An interval contains every value that its expression takes where it is defined: ends that
are not floats are rounded outwards.
Where an operation may be undefined (``log`` of a negative number, ``0 / 0``) and
no one-sided statement holds, the answer is the whole line, so that whatever rests
on it fails closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

SMALLEST_NORMAL = 2.0**-1022
# Powers up to this one are computed exactly.
MAX_EXACT_POWER = 64


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`, both ends included.

    Examples
    --------
    >>> Interval(1.0, 2.0) - Interval(0.0, 0.5)
    Interval(low=0.5, high=2.0)
    >>> Interval(0.1, 0.2) / Interval(0.0, 0.5)
    Interval(low=0.2, high=inf)
    """

    low: float
    high: float

    @classmethod
    def point(cls, value: float) -> Interval:
        return cls(value, value)

    @classmethod
    def around(cls, number: Fraction) -> Interval:
        """The narrowest that contains `number`, which is not beyond the largest float."""
        return _around(float(number), number)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return Interval(_sum_below(self.low, other.low), -_sum_below(-self.high, -other.high))

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        return _hull(_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high))

    def __truediv__(self, other: Interval) -> Interval:
        """At an end of the divisor that is zero, the limit from inside it."""
        if other.low < 0 < other.high or other.low == other.high == 0:
            return WHOLE_LINE
        side = 1.0 if other.low >= 0 else -1.0
        numerators, divisors = (self.low, self.high), (other.low, other.high)
        return _hull(_quotient(a, b, side) for a in numerators for b in divisors)

    def __abs__(self) -> Interval:
        if 0 in self:
            return Interval(0.0, max(-self.low, self.high))
        return self if self.low > 0 else -self

    def exp(self) -> Interval:
        return Interval(_exp(self.low).low, _exp(self.high).high)

    def log(self) -> Interval:
        if not self.low >= 0:
            return WHOLE_LINE
        return Interval(_log(self.low).low, _log(self.high).high)

    def sqrt(self) -> Interval:
        if not self.low >= 0:
            return WHOLE_LINE
        return Interval(_sqrt(self.low).low, _sqrt(self.high).high)

    def __pow__(self, other: Interval) -> Interval:
        if other.low == other.high and float(other.low).is_integer():
            return self._integer_power(int(other.low))
        if not self.low >= 0:
            return WHOLE_LINE
        return (other * self.log()).exp()

    def _integer_power(self, exponent: int) -> Interval:
        if exponent < 0:
            return Interval.point(1.0) / self._integer_power(-exponent)
        if exponent % 2 == 0:
            magnitude = abs(self)
            low, high = _power(magnitude.low, exponent), _power(magnitude.high, exponent)
            return Interval(max(low.low, 0.0), high.high)
        return Interval(_power(self.low, exponent).low, _power(self.high, exponent).high)

    def minimum(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), min(self.high, other.high))

    def maximum(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), max(self.high, other.high))


WHOLE_LINE = Interval(-math.inf, math.inf)


# -- one operation on two numbers: what is rounded is opened to the next float ---------------


def _hull(intervals: Iterable[Interval]) -> Interval:
    ends = list(intervals)
    return Interval(min(i.low for i in ends), max(i.high for i in ends))


def _opened(value: float) -> Interval:
    """Around a result that is rounded by at most one unit in its last place."""
    return Interval(math.nextafter(value, -math.inf), math.nextafter(value, math.inf))


def _around(value: float, exact: Fraction) -> Interval:
    """The floats next to `exact`, of which `value` is one or the other."""
    rounded = Fraction(value)
    low = value if rounded <= exact else math.nextafter(value, -math.inf)
    return Interval(low, value if rounded >= exact else math.nextafter(value, math.inf))


def _sum_below(a: float, b: float) -> float:
    """The largest float that is at most ``a + b``; infinity less infinity could be anything."""
    total = a + b
    if math.isnan(total):
        return -math.inf
    if math.isinf(total):
        finite = math.isfinite(a) and math.isfinite(b)
        return math.nextafter(total, -math.inf) if finite and total > 0 else total
    of_b = total - a
    error = (a - (total - of_b)) + (b - of_b)  # Knuth's: total + error is a + b
    return math.nextafter(total, -math.inf) if error < 0 else total


def _product(a: float, b: float) -> Interval:
    """``a * b`` where zero times infinity is zero: the end of an interval, not a value."""
    if a == 0 or b == 0:
        return Interval.point(0.0)
    product = a * b
    if math.isinf(a) or math.isinf(b) or _is_shift(a, product) or _is_shift(b, product):
        return Interval.point(product)
    return _opened(product)


def _is_shift(factor: float, result: float) -> bool:
    """Whether multiplying or dividing by `factor` moves the binary point only."""
    is_power = abs(math.frexp(factor)[0]) == 0.5
    return is_power and (SMALLEST_NORMAL <= abs(result) < math.inf)


def _quotient(a: float, b: float, side: float) -> Interval:
    """``a / b``; a `b` of zero is approached from the `side` of 1 or -1."""
    if a == 0 or (math.isinf(a) and math.isinf(b)):
        return Interval.point(0.0)
    if b == 0:
        return Interval.point(math.copysign(math.inf, a * side))
    quotient = a / b
    if math.isinf(a) or math.isinf(b) or _is_shift(b, quotient):
        return Interval.point(quotient)
    return _opened(quotient)


def _exp(x: float) -> Interval:
    if x == 0 or math.isinf(x):
        return Interval.point(math.exp(x))
    try:
        opened = _opened(math.exp(x))
    except OverflowError:
        opened = _opened(math.inf)
    return Interval(max(opened.low, 0.0), opened.high)


def _log(x: float) -> Interval:
    if x == 0:
        return Interval.point(-math.inf)
    return Interval.point(math.log(x)) if x == 1 or math.isinf(x) else _opened(math.log(x))


def _sqrt(x: float) -> Interval:
    if math.isinf(x):
        return Interval.point(x)
    root = math.sqrt(x)
    return Interval.point(root) if Fraction(root) ** 2 == Fraction(x) else _opened(root)


def _power(x: float, exponent: int) -> Interval:
    try:
        power = float(x**exponent)
    except OverflowError:
        return _opened(math.inf if x > 0 or exponent % 2 == 0 else -math.inf)
    if x in (0, 1, -1) or math.isinf(x) or exponent in (0, 1):
        return Interval.point(power)
    if exponent <= MAX_EXACT_POWER:
        return _around(power, Fraction(x) ** exponent)
    return _opened(power)

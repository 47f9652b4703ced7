"""Interval arithmetic on the extended real line.

An interval contains every defined value of its expression. Ends that are not floats are rounded
outwards. If an operation may be undefined (``log`` of a negative number, ``0 / 0``) and no
one-sided statement holds, the result is the whole line, so a test that uses it fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

SMALLEST_NORMAL = 2.0**-1022
# Powers with exponents up to this one are computed exactly.
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
        """The narrowest interval that contains `number`, which is at most the largest float."""
        value = float(number)
        low = value if value <= number else math.nextafter(value, -math.inf)
        return cls(low, value if value >= number else math.nextafter(value, math.inf))

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def width(self) -> float:
        return self.high - self.low

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return Interval(_sum_below(self.low, other.low), -_sum_below(-self.high, -other.high))

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        return hull(_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high))

    def __truediv__(self, other: Interval) -> Interval:
        """The quotient; if an end of the divisor is zero, it is the limit from inside."""
        if other.low < 0 < other.high or other.low == other.high == 0:
            return WHOLE_LINE
        side = 1.0 if other.low >= 0 else -1.0
        numerators, divisors = (self.low, self.high), (other.low, other.high)
        return hull(_quotient(a, b, side) for a in numerators for b in divisors)

    def __abs__(self) -> Interval:
        if 0 in self:
            return Interval(0.0, max(-self.low, self.high))
        return self if self.low > 0 else -self

    def exp(self) -> Interval:
        return self._increased(_exp)

    def log(self) -> Interval:
        return self._increased(_log) if self.low >= 0 else WHOLE_LINE

    def sqrt(self) -> Interval:
        return self._increased(_sqrt) if self.low >= 0 else WHOLE_LINE

    def _increased(self, function: Callable[[float], Interval]) -> Interval:
        """The image under an increasing function."""
        return Interval(function(self.low).low, function(self.high).high)

    def __pow__(self, other: Interval) -> Interval:
        if other.low == other.high and float(other.low).is_integer():
            return self._integer_power(int(other.low))
        if not self.low >= 0:
            return WHOLE_LINE
        return (other * self.log()).exp()

    def _integer_power(self, exponent: int) -> Interval:
        if exponent < 0:
            return Interval.point(1.0) / self._integer_power(-exponent)
        if exponent % 2 == 1:
            return self._increased(lambda x: _power(x, exponent))
        power = abs(self)._increased(lambda x: _power(x, exponent))
        return Interval(max(power.low, 0.0), power.high)

    def minimum(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), min(self.high, other.high))

    def maximum(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), max(self.high, other.high))


WHOLE_LINE = Interval(-math.inf, math.inf)


# -- single operations on numbers; rounded results are widened to the next float --------------


def hull(intervals: Iterable[Interval]) -> Interval:
    """The narrowest interval that contains all the `intervals`."""
    ends = list(intervals)
    return Interval(min(i.low for i in ends), max(i.high for i in ends))


def _rounded(value: float, *, is_exact: bool = False) -> Interval:
    """The interval around a result that is exact, or rounded by at most one unit in last place."""
    if is_exact:
        return Interval.point(value)
    return Interval(math.nextafter(value, -math.inf), math.nextafter(value, math.inf))


def _sum_below(a: float, b: float) -> float:
    """The largest float that is at most ``a + b``; -inf if the sum is not defined."""
    total = a + b
    if math.isnan(total):
        return -math.inf
    if math.isinf(total):
        finite = math.isfinite(a) and math.isfinite(b)
        return math.nextafter(total, -math.inf) if finite and total > 0 else total
    of_b = total - a
    error = (a - (total - of_b)) + (b - of_b)  # Knuth's two-sum: total + error is exactly a + b
    return math.nextafter(total, -math.inf) if error < 0 else total


def _product(a: float, b: float) -> Interval:
    """``a * b``; zero times infinity is zero, because infinity is an end and not a value."""
    if a == 0 or b == 0:
        return Interval.point(0.0)
    product = a * b
    is_exact = math.isinf(a) or math.isinf(b) or _is_shift(a, product) or _is_shift(b, product)
    return _rounded(product, is_exact=is_exact)


def _is_shift(factor: float, result: float) -> bool:
    """Whether multiplying or dividing by `factor` only moves the binary point."""
    is_power = abs(math.frexp(factor)[0]) == 0.5
    return is_power and (SMALLEST_NORMAL <= abs(result) < math.inf)


def _quotient(a: float, b: float, side: float) -> Interval:
    """``a / b``; a `b` of zero is approached from the `side` of 1 or -1."""
    if a == 0 or (math.isinf(a) and math.isinf(b)):
        return Interval.point(0.0)
    if b == 0:
        return Interval.point(math.copysign(math.inf, a * side))
    quotient = a / b
    is_exact = math.isinf(a) or math.isinf(b) or _is_shift(b, quotient)
    return _rounded(quotient, is_exact=is_exact)


def _exp(x: float) -> Interval:
    try:
        value = math.exp(x)
    except OverflowError:
        value = math.inf
    ends = _rounded(value, is_exact=x == 0 or math.isinf(x))
    return Interval(max(ends.low, 0.0), ends.high)


def _log(x: float) -> Interval:
    value = -math.inf if x == 0 else math.log(x)
    return _rounded(value, is_exact=x in (0, 1) or math.isinf(x))


def _sqrt(x: float) -> Interval:
    root = math.sqrt(x)
    return _rounded(root, is_exact=math.isinf(x) or Fraction(root) ** 2 == Fraction(x))


def _power(x: float, exponent: int) -> Interval:
    if x in (0, 1, -1) or math.isinf(x) or exponent in (0, 1):
        return Interval.point(float(x**exponent))
    try:
        if exponent <= MAX_EXACT_POWER:
            return Interval.around(Fraction(x) ** exponent)
        return _rounded(float(x**exponent))
    except OverflowError:
        return _rounded(math.inf if x > 0 or exponent % 2 == 0 else -math.inf)

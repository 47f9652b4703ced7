"""Interval arithmetic on the extended real line.

An interval contains every value that its expression takes where it is defined.
Where an operation may be undefined (``log`` of a negative number, ``0 / 0``) and
no one-sided statement holds, the answer is the whole line, so that whatever rests
on it fails closed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["WHOLE_LINE", "Interval"]


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

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return _ordered(self.low + other.low, self.high + other.high)

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
        return Interval(_exp(self.low), _exp(self.high))

    def log(self) -> Interval:
        if not self.low >= 0:
            return WHOLE_LINE
        return Interval(_log(self.low), _log(self.high))

    def sqrt(self) -> Interval:
        if not self.low >= 0:
            return WHOLE_LINE
        return Interval(math.sqrt(self.low), math.sqrt(self.high))

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
            return Interval(_power(magnitude.low, exponent), _power(magnitude.high, exponent))
        return Interval(_power(self.low, exponent), _power(self.high, exponent))

    def minimum(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), min(self.high, other.high))

    def maximum(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), max(self.high, other.high))


WHOLE_LINE = Interval(-math.inf, math.inf)


def _ordered(low: float, high: float) -> Interval:
    """The interval, with an end that came out as inf - inf opened to infinity."""
    return Interval(-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)


def _hull(values: object) -> Interval:
    ends = list(values)  # type: ignore[call-overload]
    return Interval(min(ends), max(ends))


def _product(a: float, b: float) -> float:
    """``a * b`` where zero times infinity is zero: the end of an interval, not a value."""
    return 0.0 if a == 0 or b == 0 else a * b


def _quotient(a: float, b: float, side: float) -> float:
    """``a / b``; a `b` of zero is approached from the `side` of 1 or -1."""
    if a == 0 or (math.isinf(a) and math.isinf(b)):
        return 0.0
    return math.copysign(math.inf, a * side) if b == 0 else a / b


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _power(x: float, exponent: int) -> float:
    try:
        return float(x**exponent)
    except OverflowError:
        return math.inf if x > 0 or exponent % 2 == 0 else -math.inf

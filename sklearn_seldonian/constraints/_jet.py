"""Intervals with intervals of their slopes, for many boxes at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# The lower and the upper ends of some numbers; the same array twice if the numbers are known.
Ends = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Jet:
    """Bounds on a function and its slopes in each of N boxes, with the operations of `Interval`.

    If a function may be undefined somewhere in a box, the result is the whole line or NaN, so a
    test that uses it fails. Ends are rounded to the nearest float, and users of the ends must allow
    for that.

    Attributes
    ----------
    values : pair of ndarray of shape (N,)
        Lower and upper ends of the values.
    slopes : pair of ndarray of shape (N, K)
        Lower and upper ends of the slopes along each of K coordinates.

    Examples
    --------
    >>> box = np.array([[1.0, 2.0]]), np.array([[2.0, 3.0]])
    >>> product = Jet.coordinate(*box, 0) * Jet.coordinate(*box, 1)
    >>> product.low, product.high, product.slope_low, product.slope_high
    (array([2.]), array([6.]), array([[2., 1.]]), array([[3., 2.]]))
    """

    values: Ends
    slopes: Ends

    @classmethod
    def constant(cls, value: float, shape: tuple[int, ...]) -> Jet:
        """The same number in all boxes; `shape` is (N, K)."""
        values, slopes = np.full(shape[0], value), np.zeros(shape)
        return cls((values, values), (slopes, slopes))

    @classmethod
    def coordinate(cls, low: Floats, high: Floats, position: int) -> Jet:
        """The coordinate at `position` in boxes from `low` to `high`, both of shape (N, K)."""
        slopes = np.zeros(low.shape)
        slopes[:, position] = 1.0
        first = low[:, position]
        return cls((first, first if low is high else high[:, position]), (slopes, slopes))

    @property
    def low(self) -> Floats:
        return self.values[0]

    @property
    def high(self) -> Floats:
        return self.values[1]

    @property
    def slope_low(self) -> Floats:
        return self.slopes[0]

    @property
    def slope_high(self) -> Floats:
        return self.slopes[1]

    def __neg__(self) -> Jet:
        return Jet(_negative(self.values), _negative(self.slopes))

    def __add__(self, other: Jet) -> Jet:
        return Jet(_sum(self.values, other.values), _sum(self.slopes, other.slopes))

    def __sub__(self, other: Jet) -> Jet:
        return self + -other

    def __mul__(self, other: Jet) -> Jet:
        one = _product(_column(self.values), other.slopes)
        two = _product(_column(other.values), self.slopes)
        return Jet(_product(self.values, other.values), _sum(one, two))

    def __truediv__(self, other: Jet) -> Jet:
        return self * other._composed(_reciprocal, lambda x: _negative(_square(_reciprocal(x))))

    def __abs__(self) -> Jet:
        return self.maximum(-self)

    def exp(self) -> Jet:
        return self._composed(_increasing(np.exp), _increasing(np.exp))

    def log(self) -> Jet:
        return self._where_positive()._composed(_increasing(np.log), _reciprocal)

    def sqrt(self) -> Jet:
        def slope(x: Ends) -> Ends:
            return 0.5 / np.sqrt(x[1]), 0.5 / np.sqrt(x[0])

        return self._where_positive()._composed(_increasing(np.sqrt), slope)

    def __pow__(self, other: Jet) -> Jet:
        if all((end == 2.0).all() for end in other.values):
            return self._composed(_square, lambda x: _product(x, (np.array(2.0),) * 2))
        return (other * self.log()).exp()

    def minimum(self, other: Jet) -> Jet:
        return -((-self).maximum(-other))

    def maximum(self, other: Jet) -> Jet:
        is_own, is_other = (self.low >= other.high)[:, None], (other.low >= self.high)[:, None]

        def of_largest(own: Floats, others: Floats, either: Floats) -> Floats:
            return np.where(is_own, own, np.where(is_other, others, either))

        lows, highs = (self.slope_low, other.slope_low), (self.slope_high, other.slope_high)
        return Jet(
            (np.maximum(self.low, other.low), np.maximum(self.high, other.high)),
            (of_largest(*lows, np.minimum(*lows)), of_largest(*highs, np.maximum(*highs))),
        )

    def _composed(self, function: Callable[[Ends], Ends], slope: Callable[[Ends], Ends]) -> Jet:
        """The composition with a smooth function, given by its bounds and those of its slope."""
        with np.errstate(all="ignore"):
            slopes = _product(_column(slope(self.values)), self.slopes)
            return Jet(function(self.values), slopes)

    def _where_positive(self) -> Jet:
        """The same, but NaN in boxes where it may be zero or negative."""
        low, high = (np.where(self.low > 0, end, math.nan) for end in self.values)
        return Jet((low, high), self.slopes)


def _column(ends: Ends) -> Ends:
    """The ends in a shape that multiplies slopes."""
    first = ends[0][:, None]
    return first, first if ends[0] is ends[1] else ends[1][:, None]


def _negative(ends: Ends) -> Ends:
    low = -ends[1]
    return low, low if ends[0] is ends[1] else -ends[0]


def _sum(one: Ends, other: Ends) -> Ends:
    low = one[0] + other[0]
    is_known = one[0] is one[1] and other[0] is other[1]
    return low, low if is_known else one[1] + other[1]


def _product(one: Ends, other: Ends) -> Ends:
    """The ends of the products."""
    factors = [ends[:1] if ends[0] is ends[1] else ends for ends in (one, other)]
    ends = [_times(a, b) for a in factors[0] for b in factors[1]]
    low = reduce(np.minimum, ends)
    return low, low if len(ends) == 1 else reduce(np.maximum, ends)


def _times(a: Floats, b: Floats) -> Floats:
    """The product; zero times infinity is zero, because infinity is an end and not a value."""
    with np.errstate(invalid="ignore"):
        product = a * b
    if np.isnan(product).any():
        product = np.where((a == 0) | (b == 0), 0.0, product)
    return np.asarray(product)


def _increasing(function: Callable[[Floats], Floats]) -> Callable[[Ends], Ends]:
    return lambda ends: (function(ends[0]), function(ends[1]))


def _reciprocal(ends: Ends) -> Ends:
    """The ends of ``1 / x``; the whole line if x may be zero."""
    has_zero = (ends[0] <= 0) & (ends[1] >= 0)
    return np.where(has_zero, -math.inf, 1.0 / ends[1]), np.where(has_zero, math.inf, 1.0 / ends[0])


def _square(ends: Ends) -> Ends:
    squares = ends[0] ** 2, ends[1] ** 2
    has_zero = (ends[0] <= 0) & (ends[1] >= 0)
    return np.where(has_zero, 0.0, np.minimum(*squares)), np.maximum(*squares)

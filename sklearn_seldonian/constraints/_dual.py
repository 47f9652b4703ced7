"""Numbers with their gradient (forward-mode differentiation)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Dual:
    """A value and its gradient, with the same operations as `Interval`.

    At a kink (``abs``, ``min``, ``max``) the gradient is that of the branch taken. Undefined values
    are NaN and raise no exception. Values and gradients may be Fractions, whose sums, products,
    ratios and whole powers are exact. An OverflowError is raised if a Fraction beyond the largest
    float is combined with a float.
    """

    value: Any  # float or Fraction
    gradient: NDArray[Any]

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.gradient)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.gradient + other.gradient)

    def __sub__(self, other: Dual) -> Dual:
        return self + -other

    def __mul__(self, other: Dual) -> Dual:
        gradient = other.value * self.gradient + self.value * other.gradient
        return Dual(self.value * other.value, gradient)

    def __truediv__(self, other: Dual) -> Dual:
        if other.value == 0:
            return Dual(_ratio_to_zero(self.value), np.full_like(self.gradient, math.nan))
        quotient = self.value / other.value
        return Dual(quotient, (self.gradient - quotient * other.gradient) / other.value)

    def __abs__(self) -> Dual:
        return self if self.value >= 0 else -self

    def exp(self) -> Dual:
        value = math.exp(self.value) if self.value < 700 else math.inf
        return Dual(value, value * self.gradient)

    def log(self) -> Dual:
        if self.value > 0:
            return Dual(math.log(self.value), self.gradient / self.value)
        return Dual(_log(self.value), np.full_like(self.gradient, math.nan))

    def sqrt(self) -> Dual:
        if self.value > 0:
            root = math.sqrt(self.value)
            return Dual(root, self.gradient / (2 * root))
        value = 0.0 if self.value == 0 else math.nan
        return Dual(value, np.full_like(self.gradient, math.nan))

    def __pow__(self, other: Dual) -> Dual:
        value = _power(self.value, other.value)
        slope = other.value * _power(self.value, other.value - 1) if other.value else 0.0
        gradient = slope * self.gradient
        if other.gradient.any():
            gradient = gradient + value * _log(self.value) * other.gradient
        return Dual(value, gradient)

    def minimum(self, other: Dual) -> Dual:
        return other if other.value < self.value or math.isnan(other.value) else self

    def maximum(self, other: Dual) -> Dual:
        return other if other.value > self.value or math.isnan(other.value) else self


def _ratio_to_zero(numerator: float | Fraction) -> float:
    return (
        math.nan if numerator == 0 or math.isnan(numerator) else math.copysign(math.inf, numerator)
    )


def _log(x: float | Fraction) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


# Whole powers of Fractions are exact up to this many bits.
MAX_BITS = 4096


def _power(base: float | Fraction, exponent: float | Fraction) -> float | Fraction:
    """``base ** exponent``; infinite if zero is raised to a negative power."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and _is_short(base, exponent):
        return base ** int(exponent)
    try:
        return math.pow(base, exponent)
    except ValueError:
        return math.inf if base == 0 else math.nan
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf


def _is_short(base: Fraction, exponent: Fraction) -> bool:
    """Whether the power is a Fraction with at most `MAX_BITS` bits."""
    if exponent.denominator != 1 or (base == 0 and exponent < 0):
        return False
    n_bits = base.numerator.bit_length() + base.denominator.bit_length()
    return abs(exponent) * n_bits <= MAX_BITS

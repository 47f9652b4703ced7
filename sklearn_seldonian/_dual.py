"""Numbers that carry their gradient (forward-mode differentiation)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dual"]


@dataclass(frozen=True, slots=True)
class Dual:
    """A value and its gradient; offers the same operations as `Interval`.

    Where a function has a kink (``abs``, ``min``, ``max``) the gradient is that of the
    branch taken. Undefined values are NaN, never an exception.
    """

    value: float
    gradient: NDArray[np.float64]

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


def _ratio_to_zero(numerator: float) -> float:
    return (
        math.nan if numerator == 0 or math.isnan(numerator) else math.copysign(math.inf, numerator)
    )


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _power(base: float, exponent: float) -> float:
    """``base ** exponent``, infinite where zero is raised to a negative power."""
    try:
        return math.pow(base, exponent)
    except ValueError:
        return math.inf if base == 0 else math.nan
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf

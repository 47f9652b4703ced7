"""Searches for the smallest number from which a condition holds."""

from __future__ import annotations

import math
from collections.abc import Callable


def halve(holds: Callable[[float], bool], low: float, high: float, halvings: int) -> float:
    """Lower `high`, at which the condition holds, towards the smallest such number."""
    for _ in range(halvings):
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def smallest_certified(
    p_value: Callable[[float], float], estimate: float, width: float, delta: float
) -> float:
    """The smallest float whose p-value is at most delta, for a decreasing p-value."""
    low = high = estimate
    while p_value(high) > delta:
        low, high, width = high, high + width, 2.0 * width
    while p_value(low) <= delta:
        low, high, width = low - width, low, 2.0 * width
    middle = low + (high - low) / 2.0
    while low < middle < high:
        low, high = (low, middle) if p_value(middle) <= delta else (middle, high)
        middle = low + (high - low) / 2.0
    return _above_rounding(p_value, high, delta)


def _above_rounding(p_value: Callable[[float], float], bound: float, delta: float) -> float:
    """Raise the bound until the floats above it are certified too, in spite of rounding errors."""
    step = math.ulp(bound)
    for digit in range(8, 0, -1):
        if p_value(bound + digit * step) > delta:
            return _above_rounding(p_value, bound + (digit + 1) * step, delta)
    return bound

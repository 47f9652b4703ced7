"""The smallest whole number that suffices, found by bisection."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

MAX_ROWS = 10**8
# Numbers of rows are found to within two parts in a hundred.
ACCURACY = 1.02
# The factor between the numbers of rows that are tried before the bisection.
STEP = 1.5


def halved(suffices: Callable[[int], bool], low: int, high: int, accuracy: float = 1.0) -> int:
    """The smallest number that suffices, between `low`, which does not, and `high`, which does."""
    while high > low * accuracy and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def smallest(suffices: Callable[[int], bool], start: int) -> int | None:
    """The smallest number above `start` that `suffices`, if all larger ones do.

    None if it is above `MAX_ROWS`.
    """
    low, high = start, 2 * start + 16
    while not suffices(high):
        low, high = high, 2 * high
        if high > MAX_ROWS:
            return None
    return halved(suffices, low, high)


def smallest_near(guess: float, suffices: Callable[[int], bool]) -> int | None:
    """About the smallest number that `suffices`, searched from `guess`."""
    suffices = cache(suffices)
    high = max(math.ceil(guess), 8)
    while not suffices(high):
        high = math.ceil(high * STEP)
        if high > MAX_ROWS:
            return None
    low = int(high / STEP)
    while low and suffices(low):
        low, high = int(low / STEP), low
    return halved(suffices, low, high, ACCURACY)

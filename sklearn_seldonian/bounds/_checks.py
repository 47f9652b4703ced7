"""Checks of arguments: mistakes raise errors, and unusable data are reported."""

from __future__ import annotations

import math
from collections.abc import Sequence

# One number per rate or mean.
Numbers = Sequence[float]


def check_delta(delta: float) -> None:
    """Raise unless delta is a probability strictly between 0 and 1."""
    if not 0.0 < delta < 1.0:
        raise ValueError(
            f"delta={delta!r} must be strictly between 0 and 1. It is the accepted probability "
            "that the bound is wrong, for example 0.05."
        )


def counts_usable(successes: float, trials: float) -> bool:
    """Whether the counts contain information; impossible counts raise an error, NaN does not."""
    if not (math.isfinite(successes) and math.isfinite(trials)):
        return False
    if successes != int(successes) or trials != int(trials):
        raise ValueError(
            f"successes={successes!r} and trials={trials!r} must be whole numbers. For values "
            "that are not 0 or 1, use the betting bound."
        )
    if not 0 <= successes <= trials:
        raise ValueError(
            f"successes={successes!r} must be between 0 and trials={trials!r}. "
            "Check the order of the arguments."
        )
    return trials > 0


def check_same_length(**named: Sequence[object]) -> None:
    """Raise unless the named sequences have the same length, which is not 0."""
    lengths = {name: len(values) for name, values in named.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(
            f"{', '.join(named)} must have the same number of entries, one per mean; got {lengths}."
        )


def rates_usable(successes: Numbers, trials: Numbers, weights: Numbers) -> bool:
    """Whether the counts and factors of all rates contain information; impossible counts raise."""
    check_same_length(successes=successes, trials=trials, weights=weights)
    usable = [counts_usable(k, n) for k, n in zip(successes, trials, strict=True)]
    return all(usable) and finite(*weights)


def two_rates_usable(successes: Numbers, trials: Numbers, weights: Numbers) -> bool:
    """Whether the counts and weights of two rates contain information."""
    if len(successes) != 2:
        raise ValueError(f"exactly two rates must be given, got {len(successes)}.")
    return rates_usable(successes, trials, weights)


def finite(*values: float) -> bool:
    """Whether every value is a finite number."""
    return all(math.isfinite(value) for value in values)

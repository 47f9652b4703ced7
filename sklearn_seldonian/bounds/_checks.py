"""Checks on arguments shared by the bounds: refuse mistakes, report what cannot be used."""

from __future__ import annotations

import math
from collections.abc import Sequence

# One number for each rate or mean.
Numbers = Sequence[float]


def check_delta(delta: float) -> None:
    """Raise unless delta is a probability strictly between 0 and 1."""
    if not 0.0 < delta < 1.0:
        raise ValueError(
            f"delta={delta!r} must lie strictly between 0 and 1: it is the probability "
            "with which the bound may be wrong, for example 0.05."
        )


def counts_usable(successes: float, trials: float) -> bool:
    """Whether the counts carry information; impossible counts raise, NaN does not."""
    if not (math.isfinite(successes) and math.isfinite(trials)):
        return False
    if successes != int(successes) or trials != int(trials):
        raise ValueError(
            f"successes={successes!r} of trials={trials!r}: counts must be whole numbers; "
            "for values that are not 0 or 1 use the betting bound."
        )
    if not 0 <= successes <= trials:
        raise ValueError(
            f"successes={successes!r} must lie between 0 and trials={trials!r}; "
            "check the order of the arguments."
        )
    return trials > 0


def check_same_length(**named: Sequence[object]) -> None:
    """Raise unless the named sequences have one length, which is not 0."""
    lengths = {name: len(values) for name, values in named.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"one entry for each mean is needed in each of them, got {lengths}.")


def rates_usable(successes: Numbers, trials: Numbers, weights: Numbers) -> bool:
    """Whether the counts and factors of all rates carry information; impossible counts raise."""
    check_same_length(successes=successes, trials=trials, weights=weights)
    usable = [counts_usable(k, n) for k, n in zip(successes, trials, strict=True)]
    return all(usable) and finite(*weights)


def two_rates_usable(successes: Numbers, trials: Numbers, weights: Numbers) -> bool:
    """Whether the counts and weights of two rates carry information."""
    if len(successes) != 2:
        raise ValueError(f"exactly two rates are needed, got {len(successes)}.")
    return rates_usable(successes, trials, weights)


def finite(*values: float) -> bool:
    """Whether every value is a finite number."""
    return all(math.isfinite(value) for value in values)

"""Comparison of numbers that were computed on different machines, or by other versions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sklearn_seldonian._text import short
from sklearn_seldonian.certification._fields import ConstraintResult

# The relative difference allowed between numbers that were computed on different machines.
ROUNDING = 1e-6
# The absolute difference allowed near zero; p-values can be smaller than other numbers.
NEAR_ZERO, NEAR_ZERO_P = 1e-9, 1e-12


def differences_of(given: ConstraintResult, found: Mapping[str, Any]) -> Iterator[str]:
    """The fields in which a result differs from what was `found`, in words."""
    for name, value in found.items():
        said = getattr(given, name)
        if not is_close(said, value, NEAR_ZERO_P if name == "p_value" else NEAR_ZERO):
            yield f"{name} is {short(said)}, but the statistics give {short(value)}"
    if "g_upper" in found and given.passed != (found["g_upper"] <= 0):
        yield f"passed is {given.passed}, but the statistics give {not given.passed}"


def is_close(one: Any, other: Any, near_zero: float = NEAR_ZERO) -> bool:
    """Whether two values are equal; numbers may differ by rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_close(one[key], other[key]) for key in one)
    if isinstance(one, float | int) and isinstance(other, float | int):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other or math.isclose(one, other, rel_tol=ROUNDING, abs_tol=near_zero)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(is_close(*pair) for pair in pairs)
    return bool(one == other)


def as_differences(one: Any, other: Any) -> list[str]:
    """The names of the fields in which two records differ by more than rounding."""
    if one is None or other is None:
        return [] if one is other else ["all of it"]
    first, second = asdict(one), asdict(other)
    return [name for name in first if not is_close(first[name], second[name])]

"""The result of one constraint's test, field by field and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar

import numpy as np

from sklearn_seldonian._palette import on_one_line, shortened

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class FrozenDict(dict[Key, Entry]):
    """A dict that cannot be changed, and so has a hash."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("What a certificate says cannot be changed; use dict(...) for a copy.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class Value:
    """The base of frozen dataclasses with ``eq=False``.

    Lists become tuples, mappings `FrozenDict`, and NumPy's numbers Python's. Fields that are not
    for comparison, such as the time, count neither in comparisons nor in the hash.
    """

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            object.__setattr__(self, name, _frozen(given))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _said(self) == _said(other)

    def __hash__(self) -> int:
        return hash(_said(self))


def _frozen(given: Any) -> Any:
    """The same as a value that cannot be changed."""
    if isinstance(given, Mapping):
        return FrozenDict({key: _frozen(entry) for key, entry in given.items()})
    if isinstance(given, list | tuple):
        return tuple(map(_frozen, given))
    return given.item() if isinstance(given, np.generic) else given


def _said(given: Any) -> Any:
    """What compares equal where the same is said: every NaN is None."""
    if isinstance(given, Value):
        compared = (one.name for one in fields(given) if one.compare)  # type: ignore[arg-type]
        return tuple(_said(getattr(given, name)) for name in compared)
    if isinstance(given, Mapping):
        return frozenset((key, _said(entry)) for key, entry in given.items())
    if isinstance(given, tuple):
        return tuple(map(_said, given))
    return None if isinstance(given, float) and math.isnan(given) else given


GUARANTEES = ("none", "asymptotic", "finite-sample", "exact")  # weakest first
UNTOUCHED = "none: the safety rows were not touched"  # the method of a test that was not run


@dataclass(frozen=True, eq=False, repr=False)
class ConstraintResult(Value):
    """The safety test of one constraint.

    Two results are equal where they say the same; NaN equals NaN.

    Attributes
    ----------
    constraint : str
        As the user wrote it.
    operator : {"<=", ">="}
        Whether `bound` is an upper or a lower bound on the constraint's varying side.
    estimate, bound, limit : float
        Value on the safety rows, its bound with confidence 1 - delta, and what it is
        held against, in the units of the constraint. Where both sides vary, that is
        their difference against zero.
    g, g_upper : float
        The same in canonical form, where above zero is a violation.
    p_value : float
        At most delta where it passed, above delta otherwise. The tests behind it are tuned to
        `delta`: at another delta the same rows may give another p-value, so it is not the
        smallest delta at which the constraint would have passed.
    delta : float
        Probability with which a violated constraint may pass.
    method : str
        How the bound was computed.
    guarantee : {"exact", "finite-sample", "asymptotic", "none"}
        What delta holds for. "exact": the error probability is at most delta, by a test that
        uses the distribution of the counts itself. "finite-sample": at most delta at every
        number of rows, by an inequality. "asymptotic": about delta, if there are many rows.
        "none": there is no bound, and the constraint has not passed.
    rows : mapping of str to int
        Safety rows behind each mean.
    rates : mapping of str to float
        Of the means that are rates of decisions, with rows, the share seen among these rows.
    reason : str
        Why it did not pass; empty where it did.
    rows_needed : int or None
        Where it did not pass: about how many fresh safety rows would have let it pass nine
        times in ten, if the estimate were the truth. From the test's own edges for rates of
        decisions; projected from the width of the bound for means of numbers. None where no number
        would, or where it cannot be said: the bound is infinite, or outputs are not finite.
    chosen : tuple of str
        Where the constraint has alternatives (``min(FPR, FNR) <= 0.1``), which of them was tested,
        at the full delta: candidate rows had chosen it before the safety rows were looked at.
        `estimate` is that of the whole constraint, and `bound` holds for it too. Empty where there
        are no alternatives, or each was tested at its share of delta.
    """

    constraint: str
    operator: str
    estimate: float
    bound: float
    limit: float
    g: float
    g_upper: float
    p_value: float
    delta: float
    method: str
    guarantee: str
    rows: Mapping[str, int]
    rates: Mapping[str, float]
    reason: str
    rows_needed: int | None = None
    chosen: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the constraint is certified."""
        return self.g_upper <= 0

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "not passed"
        return (
            f"<ConstraintResult of {shortened(on_one_line(self.constraint), 60)!r}: {verdict}, "
            f"estimate {self.estimate:.4g}, bound {self.bound:.4g}, limit {self.limit:.4g}>"
        )

    def explain(self) -> str:
        """One paragraph: the constraint, what was seen, and what that proves."""
        constraint, reason = on_one_line(self.constraint), on_one_line(self.reason)
        if self.guarantee == "none":
            return f"{constraint}: NOT tested\n  why not: {reason}"
        verdict = "passed" if self.passed else "NOT passed"
        side = "at most" if self.operator == "<=" else "at least"
        rows = ", ".join(f"{n:,} for {on_one_line(name)}" for name, n in self.rows.items())
        lines = [
            f"{constraint}: {verdict}",
            f"  estimate {self.estimate:.4f}, {side} {self.bound:.4f} with confidence "
            f"{1 - self.delta:.4g}, limit {self.limit:.4g}",
            f"  safety rows: {rows or 'none needed'}",
            f"  method: {self.method} ({self.guarantee})",
            *map(_in_words, self.chosen),
        ]
        if reason:
            lines.append(f"  why not: {reason}{self._remedy()}")
        return "\n".join(lines)

    def _remedy(self) -> str:
        if self.rows_needed is not None:
            return (
                f"; about {self.rows_needed:,} fresh safety rows would have sufficed nine times in "
                "ten, if the estimate were the truth"
            )
        if not self.g > 0:
            return ""
        remedy = "; if the estimate were the truth, no number of rows would suffice"
        if not self.rows:
            return remedy
        name, fewest = min(self.rows.items(), key=lambda row: row[1])
        return f"{remedy} (the fewest are {fewest:,}, for {on_one_line(name)})"


def _in_words(chosen: str) -> str:
    """Which alternative was tested."""
    return f"  tested alternative: {on_one_line(chosen)}, chosen by candidate rows"

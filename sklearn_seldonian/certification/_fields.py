"""The result of one constraint's test, as fields and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar

import numpy as np

from sklearn_seldonian._palette import on_one_line, shortened
from sklearn_seldonian._text import wrapped

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class FrozenDict(dict[Key, Entry]):
    """A dict that cannot be changed, and so has a hash."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "The contents of a certificate cannot be changed. Use dict(...) for a copy."
        )

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class Value:
    """The base of frozen dataclasses with ``eq=False``.

    Lists become tuples, mappings become `FrozenDict`, and NumPy numbers become Python numbers.
    Fields with ``compare=False``, such as the time, count neither in comparisons nor in the hash.
    """

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            object.__setattr__(self, name, _frozen(given))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _said(self) == _said(other)

    def __hash__(self) -> int:
        return hash(_said(self))


def _frozen(given: Any) -> Any:
    """The same content as an immutable value."""
    if isinstance(given, Mapping):
        return FrozenDict({key: _frozen(entry) for key, entry in given.items()})
    if isinstance(given, list | tuple):
        return tuple(map(_frozen, given))
    return given.item() if isinstance(given, np.generic) else given


def _said(given: Any) -> Any:
    """The content in a form that compares equal; every NaN is None."""
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

    Two results are equal if all their fields are equal; NaN equals NaN.

    Attributes
    ----------
    constraint : str
        The constraint as the user wrote it.
    operator : {"<=", ">="}
        Whether `bound` is an upper or a lower bound on the constraint's varying side.
    estimate, bound, limit : float
        The constraint's varying side: its value on the safety rows, the bound on it at confidence
        level 1 - delta, and the limit that the bound is compared with. All three are in the units
        of the constraint. If both sides vary, they are about the difference of the sides, and the
        limit is zero.
    g, g_upper : float
        Estimate and upper bound of the constraint in canonical form ``g <= 0``. Values above zero
        violate the constraint; they are in the units of the constraint.
    p_value : float
        In [0, 1]; at most delta if the constraint passed, above delta otherwise. Tests are tuned to
        `delta`, so the same rows may give another p-value at another delta. So it is not the
        smallest delta at which the constraint would have passed.
    delta : float
        Largest accepted probability that a violated constraint passes.
    method : str
        How the bound was computed.
    guarantee : {"exact", "finite-sample", "asymptotic", "none"}
        What kind of promise delta is. "exact": the probability of error is at most delta, by a test
        that uses the distribution of the counts itself. "finite-sample": it is at most delta for
        every number of rows, by an inequality. "asymptotic": it is about delta if there are many
        rows. "none": there is no bound, and the constraint did not pass.
    rows : mapping of str to int
        Number of safety rows behind each estimand.
    rates : mapping of str to float
        Observed value of each estimand that is a rate of decisions and has rows.
    reason : str
        Why the constraint did not pass; empty if it passed.
    rows_needed : int or None
        If the constraint did not pass: about how many fresh safety rows would let it pass with
        probability 0.9, if the estimate were the true value. For rates of decisions the number is
        computed from the counts that the test accepts. For means of numbers it is projected from
        the width of the bound. None if no number would suffice, or if it is not known because the
        bound is infinite or outputs are not finite.
    chosen : tuple of str
        If the constraint has alternatives (``min(FPR, FNR) <= 0.1``): the alternative that was
        tested, at the full delta. The candidate data chose it before the test used the safety rows.
        `estimate` is that of the whole constraint, and `bound` holds for the whole constraint too.
        Empty if there are no alternatives, or if each was tested at its share of delta.
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

    def explain(self, width: int | None = 80) -> str:
        """The result as one paragraph of text.

        Parameters
        ----------
        width : int, default=80
            The most characters per line. None: lines are not broken.

        Returns
        -------
        str
            The constraint, its estimate and bound, the rows, the method, and why it did not pass.
        """
        constraint, reason = on_one_line(self.constraint), on_one_line(self.reason)
        if self.guarantee == "none":
            return wrapped(f"{constraint}: NOT tested\n  why not: {reason}", width)
        verdict = "passed" if self.passed else "NOT passed"
        side = "at most" if self.operator == "<=" else "at least"
        rows = ", ".join(f"{n:,} for {on_one_line(name)}" for name, n in self.rows.items())
        lines = [
            f"{constraint}: {verdict}",
            f"  estimate {self.estimate:.4f}, {side} {self.bound:.4f} at confidence level "
            f"{1 - self.delta:.4g}, limit {self.limit:.4g}",
            f"  safety rows: {rows or 'none needed'}",
            f"  method: {self.method} ({self.guarantee})",
            *map(_in_words, self.chosen),
        ]
        if reason:
            lines.append(f"  why not: {reason}{self._remedy()}")
        return wrapped("\n".join(lines), width)

    def _remedy(self) -> str:
        if self.rows_needed is not None:
            return (
                "; if the estimate were the true value, it would pass with probability 0.9 on "
                "about "
                f"{self.rows_needed:,} fresh safety rows"
            )
        if not self.g > 0:
            return ""
        remedy = "; if the estimate were the true value, no number of rows would suffice"
        if not self.rows:
            return remedy
        name, fewest = min(self.rows.items(), key=lambda row: row[1])
        return f"{remedy} (the measure with the fewest rows is {on_one_line(name)}: {fewest:,})"


def _in_words(chosen: str) -> str:
    """Which alternative was tested."""
    return f"  tested alternative: {on_one_line(chosen)}, chosen by the candidate data"

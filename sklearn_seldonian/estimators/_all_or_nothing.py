"""Fits that take effect completely or not at all: each runs on a copy until it is complete."""

from __future__ import annotations

from typing import Any, Self


class AllOrNothing:
    """A fit that is interrupted at any line leaves the estimator unfitted.

    The names of all attributes that a fit sets, private ones included, end in an underscore.
    """

    def _working_copy(self) -> Self:
        """A shallow copy of the estimator, on which one fit runs."""
        copied = object.__new__(type(self))
        copied.__dict__ = dict(vars(self))
        return copied

    def _without_fit(self) -> dict[str, Any]:
        """The attributes except those that a fit has set."""
        return {
            name: value
            for name, value in vars(self).items()
            if not name.endswith("_") or "__" in name
        }

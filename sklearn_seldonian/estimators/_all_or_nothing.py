"""A fit is there whole or not at all: it runs on a copy that nobody holds before it is complete."""

from __future__ import annotations

from typing import Any, Self


class AllOrNothing:
    """What ends a fit, at whatever line, leaves the estimator unfitted.

    The names of all that a fit leaves, private attributes included, end in an underscore.
    """

    def _working_copy(self) -> Self:
        """Another estimator with the same attributes, not copied themselves, for one fit."""
        copied = object.__new__(type(self))
        copied.__dict__ = dict(vars(self))
        return copied

    def _without_fit(self) -> dict[str, Any]:
        """The attributes but those that a fit left."""
        return {
            name: value
            for name, value in vars(self).items()
            if not name.endswith("_") or "__" in name
        }

"""A fit is there whole or not at all: it runs on a copy that nobody holds before it is complete."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class AllOrNothing:
    """What ends a fit, at whatever line, leaves the estimator unfitted."""

    # What a fit leaves beside the attributes whose names end in an underscore.
    _left_by_fit: ClassVar[frozenset[str]] = frozenset()

    def _working_copy(self) -> Self:
        """Another estimator with the same attributes, not copied themselves, for one fit."""
        copied = object.__new__(type(self))
        copied.__dict__ = dict(vars(self))
        return copied

    def _without_fit(self) -> dict[str, Any]:
        """The attributes but those that a fit left."""
        return {name: value for name, value in vars(self).items() if not self._is_of_a_fit(name)}

    def _is_of_a_fit(self, name: str) -> bool:
        if name.startswith("_"):
            return name in self._left_by_fit
        return name.endswith("_") and "__" not in name

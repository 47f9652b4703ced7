"""Rows as `fit` and the safety test see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Inputs, what the user calls y, what the net learns, columns.

    The net learns the positions of labels in classes_, or numbers. The inputs are the rows of
    X at `index` (None: all), which are not read before their time; `given` is X unchecked.
    """

    X: Any
    y: np.ndarray
    targets: np.ndarray
    columns: dict[str, Any]
    given: Any = None
    index: np.ndarray | None = None

    def take(self, index: NDArray[np.intp]) -> LabelledRows:
        """The rows at `index`, which is ascending; these must be all that X has."""
        if len(index) == len(self.y):
            return self
        columns = {name: values[index] for name, values in self.columns.items()}
        return LabelledRows(self.X, self.y[index], self.targets[index], columns, self.given, index)

    def inputs(self) -> Any:
        return self.X if self.index is None else _safe_indexing(self.X, self.index)

    def as_given(self) -> Any:
        """The rows as the user gave them."""
        return self.given if self.index is None else _safe_indexing(self.given, self.index)

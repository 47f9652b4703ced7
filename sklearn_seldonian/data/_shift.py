"""Populations in which the shares of a column's levels vary, and nothing else changes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.data import _arguments

Array = NDArray[np.float64]
# The largest number of corners of the ranges, and of levels whose share varies; more take too long.
MAX_CORNERS, MAX_VARYING = 64, 12
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Shift:
    """Ranges of the shares of a column's levels in the populations of interest.

    Parameters
    ----------
    column : str
    levels : tuple
    low, high : tuple of float
        The smallest and the largest share of each level, in [0, 1].
    """

    column: str
    levels: tuple[Any, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def corners(self) -> Array:
        """The extreme populations, whose mixtures are all others: (n_corners, n_levels)."""
        found: dict[tuple[float, ...], None] = {}
        ends = list(zip(self.low, self.high, strict=True))
        varying = np.flatnonzero(np.less(self.low, self.high)).tolist()
        for free in varying or range(min(1, len(ends))):
            others = [pair for i, pair in enumerate(ends) if i != free]
            for shares in itertools.product(*map(set, others)):
                rest = 1.0 - sum(shares)
                if self.low[free] - ROUNDING <= rest <= self.high[free] + ROUNDING:
                    corner = [*shares[:free], max(rest, 0.0), *shares[free:]]
                    found[tuple(np.round(corner, 12).tolist())] = None
        return np.array(list(found))

    @property
    def in_words(self) -> str:
        """The populations for which a certificate holds, as a sentence."""
        ranges = ", ".join(
            f"{level!r} {low:g} to {high:g}" if low < high else f"{level!r} {low:g}"
            for level, low, high in zip(self.levels, self.low, self.high, strict=True)
        )
        return (
            f"What is certified holds in every population in which the levels of {self.column!r} "
            f"have shares in these ranges: {ranges}; and in which rows of each level are as here."
        )

    def positions(self, values: Any) -> NDArray[np.int64]:
        """The position of each row's level among the levels.

        Raises
        ------
        ValueError
            If a row has another level.
        """
        found = _arguments.label_positions(
            self.column, np.asarray(values), np.array(self.levels, dtype=object)
        )
        if (found < 0).any():
            others = np.asarray(values, dtype=object)[found < 0]
            n_missing = int(pd.isna(others).sum())
            if n_missing:
                raise ValueError(
                    f"Column {self.column!r} of shift has {n_missing} missing values, so the level "
                    'of those rows is not known. missing="exclude" does not apply to this column. '
                    "Leave those rows out, or give them a level of their own."
                )
            raise ValueError(
                f"shift gives no share to {self.column} == {others[0]!r}, which occurs in the "
                "rows. Name all levels of the rows, with share 0 for levels that the populations "
                "lack."
            )
        return np.asarray(found, dtype=np.int64)


def shift_of(given: Any) -> Shift | None:
    """The populations that the parameter `shift` describes; None if it is None.

    Parameters
    ----------
    given : mapping of str to mapping of level to share or (low, high), or None
        The shares of the levels of one column.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, if no population has such shares, or if there are too many corners.
    """
    if given is None:
        return None
    example = "shift={'race': {'A': (0.2, 0.4), 'B': (0.6, 0.8)}}"
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) for v in given.values()):
        raise TypeError(
            f"shift must map a column to the shares of its levels, as in {example}; got "
            f"{short(given)}."
        )
    if len(given) != 1:
        raise ValueError(
            f"shift must name one column, as in {example}; got {listed(given) or 'none'}. For "
            "several columns, make one column of their combinations."
        )
    ((column, shares),) = given.items()
    ends = [_ends(column, level, share) for level, share in shares.items()]
    low, high = (tuple(end) for end in zip(*ends, strict=True)) if ends else ((), ())
    if not sum(low) <= 1.0 + ROUNDING or not sum(high) >= 1.0 - ROUNDING:
        raise ValueError(
            f"The shares of {column!r} in shift cannot sum to 1: the lowest sum to {sum(low):g}, "
            f"the highest to {sum(high):g}. Change the ranges so that 1 lies between these sums."
        )
    shift = Shift(str(column), tuple(shares), low, high)
    if sum(np.less(low, high)) > MAX_VARYING or len(shift.corners) > MAX_CORNERS:
        raise ValueError(
            f"The ranges of {column!r} in shift have more than {MAX_CORNERS} corners, which take "
            "too long. Merge levels, or give some levels a single share."
        )
    return shift


def _ends(column: Any, level: Any, share: Any) -> tuple[float, float]:
    """The lowest and the highest share of a level."""
    name = f"The share of {column} == {level!r} in shift"
    ends = _arguments.numbers(name, share, "a number or a pair of numbers").ravel().tolist()
    ends = ends * 2 if len(ends) == 1 else ends
    if len(ends) != 2 or not 0.0 <= ends[0] <= ends[1] <= 1.0:
        raise ValueError(
            f"{name} must be a number from 0 to 1, or a range (low, high) of such numbers; got "
            f"{short(share)}."
        )
    return ends[0], ends[1]


def check_has_column(shift: Shift | None, columns: Mapping[str, Any]) -> None:
    """Refuse a shift of a column that does not exist."""
    if shift is not None and shift.column not in columns:
        raise ValueError(
            f"shift names the column {shift.column!r}, which is neither in sensitive_features nor "
            f"in X. The columns are {listed(list(columns)) or 'none'}."
        )


def missing_levels(shift: Shift | None, levels: NDArray[np.int64]) -> str:
    """The levels that may have a share but have no rows, in words; empty if there are none."""
    if shift is None:
        return ""
    n_rows = np.bincount(levels, minlength=len(shift.levels))
    missing = [
        f"{shift.column} == {level!r}"
        for level, n, high in zip(shift.levels, n_rows, shift.high, strict=True)
        if high > 0 and not n
    ]
    return ", ".join(missing)

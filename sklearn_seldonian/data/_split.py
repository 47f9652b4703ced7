"""The split of the rows into candidate data and safety data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from sklearn_seldonian.constraints import LABEL
from sklearn_seldonian.data._columns import without_tensor
from sklearn_seldonian.data._groups import check_same_order
from sklearn_seldonian.data._targets import labels_given
from sklearn_seldonian.data._units import SamplingUnits


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Inputs, labels or targets, and columns of some rows.

    `y` is what the user gave, `targets` is what the net learns: positions of labels in classes_, or
    numbers. Rows without a label have an arbitrary target. The inputs are the rows of X at `index`
    (None: all rows), which are read only when needed. `given` is X before any checks. `sampling` is
    what the user said of groups, weights and shift, or None.
    """

    X: Any
    y: np.ndarray
    targets: np.ndarray
    columns: dict[str, Any]
    given: Any = None
    index: np.ndarray | None = None
    sampling: SamplingUnits | None = None

    @property
    def units(self) -> SamplingUnits | None:
        """The units; None if each row is one, all rows count the same, and nothing shifts."""
        return None if self.sampling is None or self.sampling.are_rows else self.sampling

    def take(self, index: NDArray[np.intp]) -> LabelledRows:
        """The rows at `index`, which must be ascending."""
        if len(index) == len(self.y):
            return self
        columns = {name: values[index] for name, values in self.columns.items()}
        sampling = None if self.sampling is None else self.sampling.take(index)
        parts = self.X, self.y[index], self.targets[index]
        of_all = index if self.index is None else self.index[index]
        return LabelledRows(*parts, columns, self.given, of_all, sampling)

    @property
    def has_label(self) -> NDArray[np.bool_] | None:
        """Which rows have a label; None if all do."""
        known: NDArray[np.bool_] = ~np.isnan(self.columns.get(LABEL, np.ones(0)))
        return None if known.all() else known

    def labelled(self) -> LabelledRows:
        """The rows that have a label, of which there must be one."""
        known = self.has_label
        if known is None:
            return self
        return replace(self.take(np.flatnonzero(known)), y=labels_given(self.y))

    def by_weight(self, rng: np.random.RandomState) -> LabelledRows:
        """As many rows, each repeated in proportion to its weight; copies of a row are one unit."""
        index = None if self.units is None else self.units.copies(rng)
        if index is None:
            return self
        assert self.units is not None
        columns = {name: values[index] for name, values in self.columns.items()}
        parts = self.X, self.y[index], self.targets[index]
        of_all = index if self.index is None else self.index[index]
        return LabelledRows(*parts, columns, self.given, of_all, self.units.copied(index))

    def inputs(self) -> Any:
        return self.X if self.index is None else _safe_indexing(self.X, self.index)

    def as_given(self) -> Any:
        """The rows as the user gave them."""
        return self.given if self.index is None else _safe_indexing(self.given, self.index)


class Split(NamedTuple):
    """Candidate rows and safety rows, with their positions in ascending order.

    `mask_given` says whether the user chose the safety rows. `columns` are those of all rows.
    """

    candidate: LabelledRows
    safety: LabelledRows
    candidate_indices: np.ndarray
    safety_indices: np.ndarray
    mask_given: bool
    columns: dict[str, np.ndarray]


def split_rows(
    rows: LabelledRows, safety_size: float, safety_mask: Any, rng: np.random.RandomState
) -> Split:
    """Split some rows; with a `safety_size` of 0 all are candidate rows.

    Raises
    ------
    ValueError
        If either part would be empty, or `safety_mask` is not a boolean array over the rows.
    """
    check_same_order(X=rows.given, safety_mask=safety_mask)
    n_rows = len(rows.y)
    if not safety_size:
        mask = np.zeros(n_rows, dtype=bool)
    elif safety_mask is None:
        units = np.arange(n_rows) if rows.units is None else rows.units.positions
        mask = _drawn_mask(units, safety_size, rng)
    else:
        mask = _given_mask(n_rows, safety_mask)
        _check_whole(mask, rows.units)
    if safety_size and (mask.all() or not mask.any()):
        raise ValueError(
            f"With n_samples={n_rows}{_in_groups(rows)}, {int(mask.sum())} rows would be safety "
            "data, but candidate and safety data need at least one row each. Give more rows, or "
            "change safety_size or safety_mask."
        )
    candidate, safety = np.flatnonzero(~mask), np.flatnonzero(mask)
    parts = rows.take(candidate), rows.take(safety)
    return Split(*parts, candidate, safety, safety_mask is not None, rows.columns)


def _drawn_mask(
    units: NDArray[np.int64], safety_size: float, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    """A mask of randomly drawn units, of which `safety_size` is a share or a number.

    The number of drawn units does not depend on the sizes of the units. Otherwise the candidate
    rows would reveal the sizes of the tested units.
    """
    n_units = int(units.max(initial=-1)) + 1
    is_count = isinstance(safety_size, Integral)
    n_safety = int(safety_size) if is_count else round(float(safety_size) * n_units)
    is_drawn = np.zeros(n_units, dtype=bool)
    is_drawn[rng.permutation(n_units)[:n_safety]] = True
    return np.asarray(is_drawn[units])


def _in_groups(rows: LabelledRows) -> str:
    """In how many groups the rows are, if they are in groups, in words."""
    if rows.units is None or rows.units.n_units == len(rows.y):
        return ""
    return (
        f" in n_groups={rows.units.n_units} (groups=), of which safety_size is a share or a number"
    )


def _check_whole(mask: NDArray[np.bool_], units: SamplingUnits | None) -> None:
    """Refuse a mask that divides a unit."""
    if units is None:
        return
    sizes, safe = np.bincount(units.positions), np.bincount(units.positions, mask)
    n_parted = int(((safe > 0) & (safe < sizes)).sum())
    if n_parted:
        raise ValueError(
            f"safety_mask divides {n_parted} of the groups (groups=) between candidate and safety "
            "data. Put all rows of a group on the same side."
        )


def _given_mask(n_rows: int, safety_mask: Any) -> NDArray[np.bool_]:
    mask = np.asarray(without_tensor(safety_mask))
    if mask.dtype != bool or mask.shape != (n_rows,):
        raise ValueError(
            f"safety_mask must be a boolean array of shape ({n_rows},), got {mask.dtype} of shape "
            f"{mask.shape}."
        )
    return mask

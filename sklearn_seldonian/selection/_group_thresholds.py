"""Decision thresholds of groups: one offset of a class for each group of rows.

The groups are the combinations of the constraints' conditions that occur in the candidate rows.
Their offsets are a function of the candidate rows alone. The model is therefore a rule, of the
features and of the columns that the conditions name, that is fixed before the safety rows are
used. One safety test is valid for it as for any other model.

If the constraint allows only a small difference between the groups' rates, the best offsets of
several groups lie on a ridge, and a change of a single offset leaves this ridge. The threshold of
one group is therefore moved together with a common shift of all others. The shift is measured in
shares of each group's own rows. For two groups this is a search over all pairs, first coarse, then
fine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints import (
    Cells,
    ColumnIs,
    Comparison,
    Condition,
    Membership,
    Stratification,
    assign_cells,
)
from sklearn_seldonian.selection._ranking import SelectionKey
from sklearn_seldonian.selection._smoothing import Strata
from sklearn_seldonian.selection._thresholds import (
    ClassShifts,
    midway,
    moved_classes,
    needed_offsets,
)

Array = NDArray[np.float64]
Positions = NDArray[np.intp]

CONDITIONS: dict[str, Any] = {kind.__name__: kind for kind in (ColumnIs, Comparison, Membership)}
# The changes of the shares of rows beyond a group's threshold that each round tries. With more than
# two groups, each round goes through all groups and tries fewer steps.
STEPS_OF_TWO = (np.arange(-24, 25) / 24, np.arange(-24, 25, 2) / 24**2)
STEPS_OF_SEVERAL = tuple(np.arange(-2, 3) / 2**k for k in range(2, 9))
NONE: SelectionKey = (-np.inf, -np.inf, -np.inf)


@dataclass(frozen=True)
class GroupOffsets:
    """The offsets of groups of rows. A group is defined by the conditions that its rows meet.

    Parameters
    ----------
    conditions : tuple of Condition
    conditions_met : tuple of tuple of bool
        For each group, which of the conditions its rows meet.
    offsets : tuple of tuple of float
        For each group, the offsets that are added to the scores of the classes.
    """

    conditions: tuple[Condition, ...]
    conditions_met: tuple[tuple[bool, ...], ...]
    offsets: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, stratification: Stratification, offsets: Array) -> GroupOffsets:
        """The offsets of groups that are a stratification's codes: `offsets` (n_codes, K)."""
        met = tuple(map(tuple, stratification.conditions_of_code.tolist()))
        return cls(stratification.conditions, met, tuple(map(tuple, offsets.tolist())))

    @property
    def columns(self) -> list[str]:
        """Names of the columns that define the groups."""
        return list(dict.fromkeys(condition.column for condition in self.conditions))

    @property
    def names(self) -> list[str]:
        """The groups in words."""
        return [self._name(met) for met in self.conditions_met]

    def _name(self, met: tuple[bool, ...]) -> str:
        names = [str(c) for c, is_met in zip(self.conditions, met, strict=True) if is_met]
        return ", ".join(names) or f"none of {', '.join(map(str, self.conditions))}"

    def cells_of(self, columns: Mapping[str, Any], n_rows: int) -> Cells:
        """The cells of rows with these columns."""
        return assign_cells(columns, [self.conditions], n_rows)

    def positions(self, cells: Cells) -> Positions:
        """The position of each row's group, -1 for rows in none of the groups."""
        place = {met: i for i, met in enumerate(self.conditions_met)}
        of_code = [place.get(met, -1) for met in self._conditions_met_in(cells)]
        return np.array(of_code, dtype=np.intp)[cells.codes]

    def unknown(self, cells: Cells) -> list[str]:
        """The groups in `cells` that have no offsets, in words."""
        known = set(self.conditions_met)
        return [self._name(met) for met in self._conditions_met_in(cells) if met not in known]

    def _conditions_met_in(self, cells: Cells) -> list[tuple[bool, ...]]:
        """For each code of the cells, which of the conditions hold."""
        own = [cells.stratification.conditions.index(one) for one in self.conditions]
        return list(map(tuple, cells.stratification.conditions_of_code[:, own].tolist()))

    def to_json(self) -> str:
        """The offsets as text, from which `from_json` makes an equal object."""
        conditions = [
            {"kind": type(one).__name__}
            | {f.name: getattr(one, f.name) for f in fields(one) if f.name != "span"}
            for one in self.conditions
        ]
        return json.dumps([conditions, self.conditions_met, self.offsets])

    @classmethod
    def from_json(cls, text: str) -> GroupOffsets:
        """The inverse of `to_json`."""
        listed, met, offsets = json.loads(text)
        conditions = []
        for facts in listed:
            kind = CONDITIONS[facts.pop("kind")]
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
            conditions.append(kind(**values))
        return cls(tuple(conditions), tuple(map(tuple, met)), tuple(map(tuple, offsets)))


class GroupDecisions(NamedTuple):
    """A model's decisions with an offset of one class in each group.

    Attributes
    ----------
    class_position : int
    offsets : ndarray of shape (..., n_groups)
    tables, smoothed, weight
        As in `ShiftedDecisions`, with the leading axes of the offsets.
    moved : ndarray of shape (...)
        The distance of the offsets from the initial ones, in shares of rows.
    """

    class_position: int
    offsets: Array
    tables: Array
    smoothed: Array
    weight: float
    moved: Array

    def at(self, i: int) -> GroupDecisions:
        """The decisions with the i-th offsets, without the leading axis."""
        parts = {name: getattr(self, name)[i] for name in ("offsets", "tables", "smoothed")}
        return self._replace(moved=self.moved[i], **parts)


# A function that returns the position of the best of some decisions, and its key.
Choose = Callable[[GroupDecisions], tuple[int, SelectionKey]]


def group_shifts(
    scores: Array,
    labels: NDArray[np.int64],
    codes: NDArray[np.int32],
    stratification: Stratification,
    n_offsets: int,
) -> Iterator[GroupShifts]:
    """The decisions with group offsets of each class that can have them; as `class_shifts`."""
    for k in moved_classes(scores.shape[1]):
        yield GroupShifts(scores, labels, codes, stratification, k, n_offsets)


class GroupShifts:
    """The decisions of some rows as functions of the groups' offsets of one class.

    Parameters
    ----------
    scores, labels, codes, stratification
        As in `class_shifts`. The groups are the codes of the stratification.
    class_position : int
    n_offsets : int
        The number of thresholds that the model for smoothing is fitted to.
    """

    def __init__(
        self,
        scores: Array,
        labels: NDArray[np.int64],
        codes: NDArray[np.int32],
        stratification: Stratification,
        class_position: int,
        n_offsets: int,
    ) -> None:
        n_groups, n_classes = len(stratification.cell_of_code), scores.shape[1]
        groups = Stratification.single(membership=np.zeros((n_groups, 0), dtype=np.bool_))
        strata = Strata(groups.joint, codes[:, None], labels, n_classes)
        self.class_position, self._n_classes = class_position, n_classes
        self._binormal = ClassShifts(scores, strata, class_position, n_offsets).binormal
        needed, runner_up = needed_offsets(scores, class_position)
        self._ascending = np.sort(needed)
        self._has_rows = np.bincount(codes, minlength=n_groups) > 0
        self._cuts = [_cuts(np.sort(needed[codes == g])) for g in range(n_groups)]
        # The offsets at which the rows of each (group, label, decision without) turn, ascending.
        kinds = (codes.astype(np.int64) * n_classes + labels) * n_classes + runner_up
        order = np.lexsort([needed, kinds])
        firsts = np.searchsorted(kinds[order], np.arange(1, n_groups * n_classes**2))
        self._needed = np.split(needed[order], firsts)
        self._is_in = np.zeros((n_groups, stratification.n_cells, 1, 1))
        self._is_in[np.arange(n_groups), stratification.cell_of_code.T] = 1.0

    def best(self, offset: float, choose: Choose) -> GroupDecisions:
        """The best decisions that a search finds, starting from one `offset` for all groups."""
        n_groups = len(self._cuts)
        at = np.array([np.searchsorted(cuts[1:], offset) / (len(cuts) - 1) for cuts in self._cuts])
        best, key = self._decisions(0, at[:1], np.zeros(1), at).at(0), NONE
        for steps in STEPS_OF_SEVERAL if n_groups > 2 else STEPS_OF_TWO:
            # With two groups, moving the first and shifting the other covers all pairs.
            for g in range(n_groups if n_groups > 2 else 1):
                others = np.delete(at, g)
                least, most = -others.max(initial=0.0), 1.0 - others.min(initial=1.0)
                own = np.unique((at[g] + steps).clip(0.0, 1.0))
                shift = np.unique(steps.clip(least, most))
                decisions = self._decisions(g, own, shift, at)
                i, found = choose(decisions)
                if found > key:
                    best, key = decisions.at(i), found
                    at = _all_shares(g, own, shift, at).reshape(-1, n_groups)[i]
        return best._replace(offsets=np.where(self._has_rows, best.offsets, offset))

    def _decisions(self, g: int, own: Array, shift: Array, at: Array) -> GroupDecisions:
        """The decisions with each of the shares `own` of group `g` and each `shift` of others."""
        shares = _all_shares(g, own, shift, at)
        offsets = np.empty(shares.shape)
        for h, cuts in enumerate(self._cuts):
            offsets[..., h] = cuts[np.round(shares[..., h] * (len(cuts) - 1)).astype(int)]
        alone = self._tables(g, offsets[:, 0, g])
        others = np.zeros((2, len(shift), *alone.shape[2:]))
        for h in range(len(at)):
            if h != g:
                others += self._tables(h, offsets[0, :, h])
        counted, smoothed = (alone[:, :, None] + others[:, None]).reshape(2, -1, *alone.shape[2:])
        return GroupDecisions(
            self.class_position,
            offsets.reshape(-1, len(at)),
            counted,
            smoothed,
            0.0 if self._binormal is None else self._binormal.weight,
            np.abs(shares - at).sum(axis=-1).ravel(),
        )

    def _tables(self, group: int, offsets: Array) -> Array:
        """The tables of one group, of counts and smoothed: (2, n_offsets, n_cells, K, K)."""
        k, n_kinds = self._n_classes, self._n_classes**2
        kinds = self._needed[group * n_kinds : (group + 1) * n_kinds]
        rows = np.array([len(needed) for needed in kinds], dtype=float).reshape(k, k)
        turned = np.stack([np.searchsorted(needed, offsets) for needed in kinds], axis=-1)
        turned = turned.reshape(-1, k, k)
        counted: Array = rows - turned
        counted[:, :, self.class_position] += turned.sum(axis=2)
        smoothed = counted
        if self._binormal is not None:
            n_turned = np.searchsorted(self._ascending, offsets)
            shares = n_turned / len(self._ascending)
            smoothed = self._binormal.smoothed_cell(group, counted, shares)
        return np.asarray(self._is_in[group] * np.stack([counted, smoothed])[:, :, None])


def _all_shares(g: int, own: Array, shift: Array, at: Array) -> Array:
    """The shares of all groups: (n_own, n_shifts, n_groups)."""
    shares = np.repeat((at + shift[:, None])[None], len(own), axis=0)
    shares[..., g] = own[:, None]
    return np.asarray(shares.clip(0.0, 1.0))


def _cuts(ascending: Array) -> Array:
    """Offsets between the values of some rows, and below and above all of them."""
    if not len(ascending):
        return np.zeros(2)
    least, most = ascending[[0, -1]]
    beyond = most - least or 1.0
    return np.array([least - beyond, *midway(ascending, len(ascending)), most + beyond])

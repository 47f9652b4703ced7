"""Addition of statistics whose cells were defined separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import Comparison, Condition, Stratification

Positions = NDArray[np.intp]


class Joined(NamedTuple):
    """The joint cells of two stratifications, and the positions of their cells and codes in it."""

    stratification: Stratification
    cells: tuple[Positions, Positions]
    codes: tuple[Positions, Positions]


def merged(one: Statistics, other: Statistics) -> Statistics:
    """The statistics of both sets of rows, which must be disjoint.

    If one of the statistics lacks a condition, none of its rows is taken to meet it. Such a
    condition must be about a level that none of these rows has.

    Raises
    ------
    ValueError
        If they have different families of columns or different row measures.
    """
    strata = one.stratification, other.stratification
    if strata[0].columns != strata[1].columns or one.values != other.values:
        raise ValueError(
            "The statistics are of different constraints, so they cannot be added. Collect all "
            "parts with the same constraints."
        )
    joined = join(*strata)
    parts = [
        _moved(part, joined.stratification, cells, codes)
        for part, cells, codes in zip((one, other), joined.cells, joined.codes, strict=True)
    ]
    return parts[0] + parts[1]


def without_rows(statistics: Statistics) -> Statistics:
    """The sums alone, with as few codes as all cells need."""
    strata = statistics.stratification
    sizes = [span.stop - span.start for span in strata.spans]
    codes = np.arange(max(sizes))
    cells = [span.start + np.minimum(codes, span.stop - span.start - 1) for span in strata.spans]
    few = replace(strata, cell_of_code=np.stack(cells, axis=1))
    return replace(statistics, stratification=few, kept=None)


def with_ordered_codes(statistics: Statistics, conditions: Sequence[Condition]) -> Statistics:
    """The same, with the codes numbered by the conditions that hold, as `assign_cells` does.

    Kept rows are sorted by their codes before an order is drawn, so their order does not depend on
    the parts in which they came. `conditions` are all conditions, in the order of the constraints.
    """
    kept, strata = statistics.kept, statistics.stratification
    if kept is None or not conditions:
        return statistics
    names = dict.fromkeys(condition.column for condition in conditions)
    by_column = [c for name in names for c in conditions if c.column == name]
    positions = [strata.position_of[condition] for condition in by_column]
    held = strata.conditions_of_code[:, positions]
    _, first, place = np.unique(
        np.packbits(held, axis=1), axis=0, return_index=True, return_inverse=True
    )
    ordered = replace(strata, cell_of_code=strata.cell_of_code[first])
    kept = kept._replace(codes=place.reshape(-1)[kept.codes].astype(kept.codes.dtype))
    return replace(statistics, stratification=ordered, kept=kept)


def join(one: Stratification, other: Stratification) -> Joined:
    """The cells that contain rows of either stratification.

    Raises
    ------
    ValueError
        If only one of them has a condition that several levels can meet.
    """
    conditions = tuple(dict.fromkeys((*one.conditions, *other.conditions)))
    for condition in set(one.conditions) ^ set(other.conditions):
        if not _is_of_one_level(condition):
            raise ValueError(
                f"Some of the statistics lack the condition '{condition}', so they cannot be "
                "added. Collect all parts with the same constraints."
            )
    memberships = [_with_conditions(strata, conditions) for strata in (one, other)]
    found, first = list[NDArray[np.bool_]](), 0
    cells = tuple(np.zeros(strata.n_cells, dtype=np.intp) for strata in (one, other))
    for spans in zip(one.spans, other.spans, strict=True):
        rows = [membership[span] for membership, span in zip(memberships, spans, strict=True)]
        distinct, *where = _distinct_rows(*rows)
        for own, span, positions in zip(cells, spans, where, strict=True):
            own[span] = first + positions
        found.append(distinct)
        first += len(distinct)
    of_codes = (own[strata.cell_of_code] for own, strata in zip(cells, (one, other), strict=True))
    distinct, *codes = _distinct_rows(*of_codes)
    strata = Stratification(conditions, one.columns, np.concatenate(found), distinct)
    return Joined(strata, (cells[0], cells[1]), (codes[0], codes[1]))


def _distinct_rows(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The distinct rows of two arrays, and the positions of each array's rows among them."""
    if np.array_equal(one, other):  # their rows are distinct already
        places = np.arange(len(one))
        return one, places, places
    both = np.concatenate([one, other])
    packed = np.packbits(both, axis=1) if both.dtype == np.bool_ else both
    _, example, where = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    where = where.reshape(-1)
    return both[example], where[: len(one)], where[len(one) :]


def _is_of_one_level(condition: Condition) -> bool:
    return isinstance(condition, Comparison) and condition.operator == "=="


def _with_conditions(
    strata: Stratification, conditions: tuple[Condition, ...]
) -> NDArray[np.bool_]:
    """Which `conditions` its cells meet; a condition that it lacks is not met."""
    membership = np.zeros((strata.n_cells, len(conditions)), dtype=np.bool_)
    position: Mapping[Any, int] = {condition: i for i, condition in enumerate(conditions)}
    membership[:, [position[condition] for condition in strata.conditions]] = strata.membership
    return membership


def _moved(
    statistics: Statistics, strata: Stratification, cells: Positions, codes: Positions
) -> Statistics:
    """The same statistics in other cells."""

    def moved(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        if not sums.size:
            return sums
        found = np.zeros((strata.n_cells, *sums.shape[1:]))
        np.add.at(found, cells, sums)
        return found

    kept = statistics.kept
    if kept is not None:
        kept = kept._replace(codes=codes[kept.codes].astype(kept.codes.dtype))
    return replace(
        statistics,
        confusion=moved(statistics.confusion),
        products=moved(statistics.products),
        stratification=strata,
        kept=kept,
    )

"""The records that a certificate keeps of its test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array

from sklearn_seldonian.certification._record import (
    MAX_PRODUCTS,
    CellRecord,
    Combinations,
    Entry,
    Level,
    MeasureRecord,
    ShiftRecord,
    SpecificationRecord,
    StatisticsRecord,
    TableRecord,
)
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.certification._types import MAX_COUNT
from sklearn_seldonian.constraints import (
    Comparison,
    Condition,
    Constraint,
    Estimand,
    ExclusiveColumns,
    Measure,
    ResolvedConstraint,
    SeenLevels,
    columns_of,
    distinct_estimands,
    distinct_values,
    quantifiers_of,
    walk,
)
from sklearn_seldonian.data._digests import DIGEST, RowSum, row_digests
from sklearn_seldonian.data._shift import Shift
from sklearn_seldonian.data._targets import Targets
from sklearn_seldonian.measures import ANY_NUMBER

Array = NDArray[np.float64]

# -- the specification ---------------------------------------------------------------------


def recorded_names(
    constraints: Sequence[Constraint],
    deltas: Sequence[float],
    method: str,
    missing: str,
    seen: SeenLevels,
    targets: Targets,
    measures: Any,
) -> SpecificationRecord | None:
    """The record of constraints, with everything that gives their names a meaning.

    None if a level of a column is infinite: JSON has no such number, and the text that replaces it
    could be a level as well.
    """
    ranged = {g.column for by in quantifiers_of(constraints) for g in by if not g.levels}
    ordered = {
        node.column
        for constraint in constraints
        for node in walk(constraint)
        if isinstance(node, Comparison) and node.operator not in ("==", "!=")
    }
    columns = dict.fromkeys(name for constraint in constraints for name in columns_of(constraint))
    levels = {name: seen.levels[name] for name in columns if name in ranged & seen.levels.keys()}
    orders = {name: seen.orders[name] for name in columns if name in ordered & seen.orders.keys()}
    together = [
        Combinations(names, tuple(sorted(seen.combinations[names], key=_as_text)))
        for names in sorted(seen.combinations)
    ]
    every = [*levels.values(), *orders.values(), *(row for one in together for row in one.levels)]
    if not all(_can_be_written(level) for several in every for level in several):
        return None
    used = {node.name for each in constraints for node in walk(each) if isinstance(node, Measure)}
    return SpecificationRecord(
        constraints=tuple(constraint.text or str(constraint) for constraint in constraints),
        deltas=tuple(deltas),
        n_tests=1,
        method=method,
        missing=missing,
        decision=getattr(targets, "decision", None),
        levels=levels,
        combinations=tuple(together),
        orders=orders,
        measures=tuple(_measure(one) for one in measures or () if one.name in used),
        target_range=getattr(targets, "target_range", ANY_NUMBER),
        prediction_range=getattr(targets, "prediction_range", ANY_NUMBER),
        mutually_exclusive_columns=(),
        choices=(None,) * len(constraints),
        shift=None,
    )


def _as_text(levels: Iterable[Level]) -> list[tuple[str, str]]:
    return [(type(level).__name__, str(level)) for level in levels]


def _can_be_written(level: Any) -> bool:
    """Whether JSON can express a level."""
    is_finite = not isinstance(level, float) or math.isfinite(level)
    return isinstance(level, bool | int | float | str) and is_finite


def _measure(measure: Any) -> MeasureRecord:
    rows = measure.rows
    labels = None if rows is None else tuple(str(label) for label in rows)
    return MeasureRecord(measure.name, measure.range, labels)


def recorded_test(
    names: SpecificationRecord,
    constraints: Sequence[ResolvedConstraint],
    share: float,
    mutually_exclusive_columns: ExclusiveColumns,
    shift: Shift | None,
) -> SpecificationRecord | None:
    """The same record with the facts that are known at the test."""
    moved = None
    if shift is not None:
        if not all(map(_can_be_written, shift.levels)):
            return None
        moved = ShiftRecord(shift.column, shift.levels, shift.low, shift.high)
    return replace(
        names,
        n_tests=round(1.0 / share),
        mutually_exclusive_columns=tuple(
            sorted(tuple(sorted(pair)) for pair in mutually_exclusive_columns)
        ),
        choices=tuple(
            None if each.choice is None else tuple(position for _, position in each.choice)
            for each in constraints
        ),
        shift=moved,
    )


# -- the statistics ------------------------------------------------------------------------


def recorded_statistics(
    statistics: Statistics, constraints: Sequence[ResolvedConstraint], is_normal: bool
) -> StatisticsRecord:
    """The statistics behind the verdict on some constraints, for any order of the rows.

    Parameters
    ----------
    statistics : Statistics
    constraints : sequence of ResolvedConstraint
    is_normal : bool
        Whether any test was a normal approximation.
    """
    estimands = distinct_estimands(constraints)
    order = [statistics.values.index(value) for value in distinct_values(estimands)]
    columns = [*range(statistics.n_classes), *(statistics.n_classes + own for own in order)]
    sums, counts, products = statistics.confusion[..., columns], _without_weights(statistics), None
    if is_normal and statistics.needs_rows and statistics.largest is None:
        n_decided = statistics.products.shape[2] - len(statistics.values)
        factors = [*range(n_decided), *(n_decided + own for own in order)]
        products = statistics.products[:, :, factors][..., columns]
        if np.count_nonzero(products) > MAX_PRODUCTS:
            products = None
    parts = {"sums": sums, "counts": counts, "products": products}
    known = {name: values for name, values in parts.items() if values is not None}
    families = sorted(range(len(statistics.stratification.columns)), key=_named(statistics))
    ends = statistics.ends
    return StatisticsRecord(
        n_invalid=statistics.n_invalid,
        tables=tuple(_table(statistics, family, estimands, known) for family in families),
        has_products=products is not None,
        score_ends=None if ends is None else tuple(map(tuple, ends)),
        largest_unit=statistics.largest,
        values=None if statistics.order_seed is None else _digest_of_values(statistics, estimands),
    )


def _named(statistics: Statistics) -> Any:
    columns = statistics.stratification.columns
    return lambda family: sorted(columns[family])


def _without_weights(statistics: Statistics) -> Array | None:
    """The sums without weights; None if there are no weights or no kept rows."""
    if statistics.largest is None or statistics.kept is None:
        return None
    kept, strata, k = statistics.kept, statistics.stratification, statistics.n_classes
    counts = np.zeros((strata.n_cells, k, k))
    for cells in strata.cell_of_code[kept.codes].T:
        np.add.at(counts, (cells, kept.labels), kept.entries[:, :k])
    return counts


def _table(
    statistics: Statistics,
    family: int,
    estimands: Sequence[Estimand],
    parts: Mapping[str, Array],
) -> TableRecord:
    """The cells of one family of columns."""
    strata = statistics.stratification
    span, columns = strata.spans[family], strata.columns[family]
    groups = groups_of(estimands, columns)
    inside = (strata.inside(group, family) for group in groups.values())
    groups_of_cell = _groups_of_cells(inside, span.stop - span.start)
    number = {pattern: i for i, pattern in enumerate(dict.fromkeys(groups_of_cell))}
    places = np.array([number[pattern] for pattern in groups_of_cell], dtype=np.intp)
    sums = {name: _added(values[span], places, len(number)) for name, values in parts.items()}
    cells = []
    for pattern, i in number.items():
        entries = {name: _entries(values[i]) for name, values in sums.items()}
        if any(entries.values()):
            cells.append(CellRecord(pattern, **entries))
    cells = sorted(cells, key=lambda cell: cell.groups) or [CellRecord((), ())]
    return TableRecord(tuple(sorted(columns)), tuple(groups), tuple(cells))


def groups_of(
    estimands: Iterable[Estimand], columns: frozenset[str]
) -> dict[str, frozenset[Condition]]:
    """The groups of some estimands that these columns define, by their texts."""
    found = dict.fromkeys(mean.conditions for mean in estimands if mean.columns <= columns)
    named = {", ".join(sorted(map(str, group))): group for group in found if group}
    return dict(sorted(named.items()))


def _groups_of_cells(inside: Iterable[NDArray[np.bool_]], n_cells: int) -> list[tuple[int, ...]]:
    """The numbers of the groups that each cell belongs to; `inside` has a mask for each group."""
    members = [np.flatnonzero(cells) for cells in inside]
    cells = np.concatenate([np.zeros(0, dtype=np.intp), *members])
    sizes = np.array([*map(len, members)], dtype=np.intp)
    order = cells.argsort(kind="stable")
    groups = np.repeat(np.arange(len(members)), sizes)[order].tolist()
    ends = np.searchsorted(cells[order], np.arange(n_cells + 1)).tolist()
    return [tuple(groups[first:last]) for first, last in itertools.pairwise(ends)]


def _added(values: Array, places: NDArray[np.intp], n: int) -> Array:
    total = np.zeros((n, *values.shape[1:]))
    np.add.at(total, places, values)
    return total


def _entries(values: Array) -> tuple[Entry, ...]:
    """The nonzero values, each with its position."""
    places = np.argwhere(values != 0).tolist()
    return tuple((*place, _number(float(values[tuple(place)]))) for place in places)


def _number(value: float) -> float:
    """A whole number as such, as long as it is a count that can be read."""
    return int(value) if value.is_integer() and abs(value) <= MAX_COUNT else value


def _digest_of_values(statistics: Statistics, estimands: Sequence[Estimand]) -> str | None:
    """A digest of the kept rows, including which rows belong to one unit.

    It does not depend on the order of the rows or on the numbering of cells and units. Numbers are
    rounded to single precision, because the order of rows can change their last digits.
    """
    kept, strata = statistics.kept, statistics.stratification
    if kept is None:
        return None
    groups = groups_of(estimands, frozenset().union(*strata.columns))
    in_groups = np.zeros((len(strata.cell_of_code), len(groups)))
    for i, group in enumerate(groups.values()):
        held = [strata.position_of[condition] for condition in group]
        in_groups[:, i] = strata.conditions_of_code[:, held].all(axis=1)
    of_codes = row_digests([in_groups]).view(DIGEST).reshape(-1)
    blocks: list[NDArray[Any]] = [
        kept.entries.astype(np.float32),
        np.stack([kept.labels, kept.weights, kept.levels], axis=1).astype(np.float64),
        of_codes[kept.codes],
    ]
    rows = row_digests(blocks).view(np.uint64).reshape(-1, 2)
    _, units = np.unique(kept.units, return_inverse=True)
    if (kept.units < 0).any():
        units = np.arange(len(rows))
    sums = np.zeros((units.max(initial=-1) + 1, 2), dtype=np.uint64)
    np.add.at(sums, units, rows)
    lanes = np.stack([hash_array(sums[:, 0] + np.uint64(i) * sums[:, 1]) for i in (1, 3, 5, 7)])
    total = lanes.sum(axis=1, dtype=np.uint64)
    return RowSum(len(sums), tuple(total.tolist())).fingerprint()

"""Specification and statistics, made again from the records in a certificate.

The inverse of `_recording`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian._text import listed
from sklearn_seldonian.certification._comparison import is_close
from sklearn_seldonian.certification._levels import quantified_levels
from sklearn_seldonian.certification._methods import METHODS
from sklearn_seldonian.certification._record import (
    CellRecord,
    Entry,
    Numbers,
    SpecificationRecord,
    StatisticsRecord,
    TableRecord,
)
from sklearn_seldonian.certification._recording import groups_of
from sklearn_seldonian.certification._specification import (
    MISSING,
    BoundSpecification,
    Specification,
)
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    LABEL,
    Choice,
    ColumnIs,
    Condition,
    Constraint,
    Or,
    ResolvedConstraint,
    Schema,
    SeenLevels,
    Stratification,
    bind,
    columns_of,
    distinct_conditions,
    distinct_estimands,
    distinct_values,
    literals_of,
    parse,
    quantifiers_of,
    shape,
    walk,
)
from sklearn_seldonian.constraints._cells import families_of
from sklearn_seldonian.constraints._tree import subtrees
from sklearn_seldonian.data._arguments import check_measures
from sklearn_seldonian.data._shift import Shift, shift_of
from sklearn_seldonian.data._targets import DECISIONS, Targets
from sklearn_seldonian.measures import RowMeasure

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

Array = NDArray[np.float64]
Groups = Mapping[str, frozenset[Condition]]


class RecordError(ValueError):
    """The record of a test contradicts itself or the rest of the certificate."""


def _refuse(field: str, what: str) -> NoReturn:
    raise RecordError(f"{field} {what}.")


# -- the specification ---------------------------------------------------------------------


def bound_specification(
    record: SpecificationRecord,
    certificate: SafetyCertificate,
    targets: Targets | None = None,
    measures: Any = (),
) -> BoundSpecification:
    """The constraints of a certificate, with the meaning of names that it records.

    Parameters
    ----------
    record : SpecificationRecord
    certificate : SafetyCertificate
    targets : Labels or Numbers, default=None
        The targets of the model. None: those that the certificate records.
    measures : sequence of RowMeasure, default=()
        The user-defined measures, if `targets` are given.

    Raises
    ------
    RecordError
        If the constraints have no meaning.
    """
    _check_specification(record, certificate)
    try:
        constraints = tuple(map(parse, record.constraints))
        _check_levels(record, constraints)
        tables = () if certificate.statistics is None else certificate.statistics.tables
        seen = _seen(record, constraints, any(LABEL in table.columns for table in tables))
        known = _known(record, certificate)
        if targets is not None:
            known = {**targets.schema, "measures": check_measures(measures)}
        schema = Schema.of_levels(seen, elsewhere=literals_of(constraints), **known)
        resolved = tuple(bind(constraint, schema) for constraint in constraints)
    except RecordError:
        raise
    except ValueError as error:
        _refuse("specification", f"gives the constraints no meaning: {error}".rstrip("."))
    chosen = map(_with_choice, resolved, record.choices)
    share = 1 / record.n_tests
    deltas = tuple(share * delta for delta in record.deltas)
    source = Specification(constraints, deltas, record.method, record.missing)
    pairs = frozenset(map(frozenset, record.mutually_exclusive_columns))
    levels = quantified_levels(constraints, seen)
    return BoundSpecification(source, tuple(chosen), levels, pairs, record)


def _check_specification(record: SpecificationRecord, certificate: SafetyCertificate) -> None:
    """Refuse a specification that is impossible."""
    n, is_classifier = len(certificate.results), bool(certificate.classes)
    ranges = record.target_range, record.prediction_range, *(one.range for one in record.measures)
    of_lengths = record.constraints, record.deltas, record.choices
    rules = {
        "constraints, deltas and choices": (
            all(len(each) == n for each in of_lengths),
            f"must have one entry per result ({n})",
        ),
        "n_tests": (record.n_tests >= 1, "must be at least 1"),
        "deltas": (
            all(0 < delta < 1 for delta in record.deltas),
            "must be strictly between 0 and 1",
        ),
        "method": (record.method in METHODS, f"must be one of {listed(METHODS)}"),
        "missing": (record.missing in MISSING, f"must be one of {listed(MISSING)}"),
        "decision": (
            record.decision in DECISIONS if is_classifier else record.decision is None,
            f"must be one of {listed(DECISIONS)}, and null if there are no classes",
        ),
        "ranges": (
            all(len(given) == 2 and given[0] < given[1] for given in ranges),
            "must be two numbers, the lower first",
        ),
    }
    for name, (holds, words) in rules.items():
        if not holds:
            _refuse(f"specification.{name}", words)
    for name in ("method", "missing", "decision"):
        given, said = certificate.parameters.get(name), getattr(record, name)
        if None not in (given, said) and given != repr(said):
            _refuse(f"specification.{name}", f"is {said!r}, but the parameters say {given}")


def _check_levels(record: SpecificationRecord, constraints: Sequence[Constraint]) -> None:
    """Refuse levels of other columns than those that quantifiers range over."""
    every = quantifiers_of(constraints)
    ranged = {grouping.column for by in every for grouping in by if not grouping.levels}
    if record.levels.keys() != ranged:
        _refuse("specification.levels", f"must be of the columns {listed(sorted(ranged))}")
    together = sorted({tuple(g.column for g in by) for by in every if len(by) > 1})
    if [one.columns for one in record.combinations] != together:
        _refuse("specification.combinations", f"must be of the columns {listed(together)}")
    if any(len(row) != len(one.columns) for one in record.combinations for row in one.levels):
        _refuse("specification.combinations", "must have one level per column")


def _seen(
    record: SpecificationRecord, constraints: Sequence[Constraint], may_lack_labels: bool
) -> SeenLevels:
    """The levels that are recorded; columns without a quantifier have the levels that are named."""
    named = literals_of(constraints)
    nodes = [node for constraint in constraints for node in walk(constraint)]
    bare = {node.column for node in nodes if isinstance(node, ColumnIs)}
    levels = {}
    for name in dict.fromkeys(name for one in constraints for name in columns_of(one)):
        known = (0, 1) if name in bare else record.orders.get(name) or named.get(name, ())
        levels[name] = record.levels.get(name, known)
    if may_lack_labels:
        levels[LABEL] = ()
    combinations = {one.columns: frozenset(one.levels) for one in record.combinations}
    return SeenLevels(levels, combinations, record.orders)


def _known(record: SpecificationRecord, certificate: SafetyCertificate) -> dict[str, Any]:
    """The other parts of a schema; user-defined measures lack their functions."""
    positive = certificate.positive
    return {
        "classes": certificate.classes,
        "positive": None if positive is None else certificate.classes.index(positive),
        "measures": [
            RowMeasure(measure.name, _not_kept, tuple(measure.range), measure.labels)  # type: ignore[arg-type]
            for measure in record.measures
        ],
        "target_range": record.target_range,
        "prediction_range": record.prediction_range,
    }


def _not_kept(*_: Any) -> NoReturn:
    raise RecordError(
        "specification.measures do not contain the functions of measures. Give the measures to "
        "verify."
    )


def _with_choice(
    constraint: ResolvedConstraint, positions: tuple[int, ...] | None
) -> ResolvedConstraint:
    """The constraint with the alternatives that are tested."""
    if positions is None:
        return constraint
    ors = [tree for tree in subtrees(constraint.tree) if isinstance(tree, Or)]
    if len(ors) != len(positions):
        _refuse("specification.choices", f"must have {len(ors)} positions for a constraint")
    if not all(at < len(tree.children) for tree, at in zip(ors, positions, strict=True)):
        _refuse("specification.choices", "names an alternative that does not exist")
    choice: Choice = tuple((shape(tree), at) for tree, at in zip(ors, positions, strict=True))
    return constraint.opened().with_choice(choice)


# -- the statistics ------------------------------------------------------------------------


def statistics_of(
    record: StatisticsRecord, bound: BoundSpecification, certificate: SafetyCertificate
) -> Statistics:
    """The statistics in a certificate, as `Statistics` without rows.

    Raises
    ------
    RecordError
        If they cannot belong to the constraints.
    """
    estimands = distinct_estimands(bound.constraints)
    values, n_classes = distinct_values(estimands), max(1, len(certificate.classes))
    conditions = tuple(sorted(distinct_conditions(estimands), key=str))
    families = families_of([c.conditions for c in bound.constraints])
    groups = [groups_of(estimands, frozenset(table.columns)) for table in record.tables]
    _check_tables(record.tables, groups, families)
    is_drawn = bound.record is not None and bound.record.decision == "sample"
    width, n_factors = n_classes + len(values), len(values) + n_classes * is_drawn
    cells = [cell for table in record.tables for cell in table.cells]
    confusion = _filled(cells, "sums", (n_classes, width))
    of_products = (n_classes, n_factors, width) if record.has_products else (0, 0, 0)
    products = _filled(cells, "products", of_products)
    has_weights = record.largest_unit is not None
    counts = _filled(cells, "counts", (n_classes, n_classes) if has_weights else (0, 0))
    statistics = Statistics(
        confusion,
        _stratification(record.tables, groups, conditions),
        deterministic=not is_drawn,
        n_invalid=record.n_invalid,
        values=values,
        products=products if record.has_products else np.zeros(0),
        ends=_ends(record.score_ends, n_classes),
        order_seed=certificate.order_seed,
        largest=record.largest_unit,
        shift=_shift(bound.record),
        counts=counts if has_weights else None,
    )
    _check_totals(statistics, certificate)
    return statistics


def _check_tables(
    tables: Sequence[TableRecord],
    groups: Sequence[Groups],
    families: Sequence[frozenset[str]],
) -> None:
    """Refuse tables with other groups than those of the constraints."""
    if [table.columns for table in tables] != sorted(tuple(sorted(own)) for own in families):
        _refuse("statistics.tables", "are not of the columns that the constraints name together")
    for i, (table, own) in enumerate(zip(tables, groups, strict=True)):
        where = f"statistics.tables[{i}]"
        if table.groups != tuple(own):
            _refuse(f"{where}.groups", "are not those of the constraints on these columns")
        patterns = [cell.groups for cell in table.cells]
        if patterns != sorted(set(patterns)) or not patterns:
            _refuse(f"{where}.cells", "must be in different groups, in ascending order")
        for pattern in patterns:
            if list(pattern) != sorted(set(pattern)) or not all(at < len(own) for at in pattern):
                _refuse(f"{where}.cells", "are in groups that do not exist")


def _stratification(
    tables: Sequence[TableRecord], groups: Sequence[Groups], conditions: tuple[Condition, ...]
) -> Stratification:
    """The cells of the tables; a cell meets all conditions of its groups."""
    position = {condition: i for i, condition in enumerate(conditions)}
    sizes = [len(table.cells) for table in tables]
    membership, row = np.zeros((sum(sizes), len(conditions)), dtype=bool), 0
    for table, own in zip(tables, groups, strict=True):
        met = [[position[condition] for condition in group] for group in own.values()]
        for cell in table.cells:
            for at in cell.groups:
                membership[row, met[at]] = True
            row += 1
    codes, starts = np.arange(max(sizes)), np.cumsum(sizes) - sizes
    cells = [start + np.minimum(codes, n - 1) for start, n in zip(starts, sizes, strict=True)]
    columns = tuple(frozenset(table.columns) for table in tables)
    return Stratification(conditions, columns, membership, np.stack(cells, axis=1))


def _filled(cells: Sequence[CellRecord], name: str, shape: tuple[int, ...]) -> Array:
    """The sums of each cell as an array; there must be no sums if the shape is empty."""
    sums = np.zeros((len(cells), *shape))
    for own, cell in zip(sums, cells, strict=True):
        entries: tuple[Entry, ...] = getattr(cell, name)
        places = [entry[:-1] for entry in entries]
        inside = all(len(place) == len(shape) and _is_inside(place, shape) for place in places)
        if not inside or places != sorted(set(places)):
            _refuse(f"statistics.tables, {name}", f"must be in ascending order, within {shape}")
        for *place, value in entries:
            own[tuple(map(int, place))] = value
    return sums


def _is_inside(place: Entry, shape: tuple[int, ...]) -> bool:
    return all(type(at) is int and 0 <= at < n for at, n in zip(place, shape, strict=True))


def _ends(ends: tuple[Numbers, ...] | None, n_classes: int) -> Any:
    if ends is not None and [len(end) for end in ends] != [n_classes, n_classes]:
        _refuse("statistics.score_ends", "must be two lists with one number per class")
    return ends


def _shift(record: SpecificationRecord | None) -> Shift | None:
    moved = None if record is None else record.shift
    if moved is None:
        return None
    if not len(moved.levels) == len(moved.low) == len(moved.high):
        _refuse("specification.shift", "must have one low and one high share per level")
    shares = zip(moved.low, moved.high, strict=True)
    try:
        return shift_of({moved.column: dict(zip(moved.levels, shares, strict=True))})
    except ValueError as error:
        _refuse("specification.shift", f"is impossible: {error}".rstrip("."))


def _check_totals(statistics: Statistics, certificate: SafetyCertificate) -> None:
    """Refuse tables whose number of rows is not the number of tested rows."""
    of_rows = statistics.confusion if statistics.counts is None else statistics.counts
    n_rows = certificate.n_safety - statistics.n_invalid
    for span in statistics.stratification.spans:
        total = float(of_rows[span][..., : statistics.n_classes].sum())
        if not is_close(total, float(n_rows)):
            _refuse(
                "statistics.tables",
                f"have {total:,.10g} rows, but n_safety minus the invalid rows is {n_rows}",
            )
    decided = of_rows[..., : statistics.n_classes]
    if (decided < 0).any() or (statistics.deterministic and (decided % 1).any()):
        _refuse("statistics.tables", "must have counts of rows, or sums of probabilities")

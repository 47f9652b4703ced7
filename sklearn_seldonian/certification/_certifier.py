"""The safety test: it turns a model's answers for the safety rows into a certificate.

`fit`, the estimators' `certify` and the function `certify` all use it. They differ in where the
answers come from, and in which rows gave the constraints their meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sklearn_seldonian.certification._answers import Answers
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._evidence import exclusive_columns
from sklearn_seldonian.certification._levels import (
    levels_in_words,
    unrecorded,
    unrecorded_in_words,
    unseen_levels,
)
from sklearn_seldonian.certification._provenance import (
    assumptions,
    fingerprints_of,
    now,
    row_sums,
    versions,
)
from sklearn_seldonian.certification._record import SpecificationRecord
from sklearn_seldonian.certification._recording import recorded_statistics, recorded_test
from sklearn_seldonian.certification._results import certify_constraint, untested
from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    Cells,
    ExclusiveColumns,
    SeenLevels,
    distinct_estimands,
    distinct_values,
)
from sklearn_seldonian.data._shift import Shift, missing_levels
from sklearn_seldonian.data._split import LabelledRows


@dataclass(frozen=True)
class Origin:
    """Where a certificate comes from.

    Parameters
    ----------
    procedure : str
        The function or method that was called.
    parameters : mapping of str to str
        Its arguments, each written as in Python.
    classes : tuple of str
    positive : str or None
    n_candidate : int, default=0
        Number of rows that the model was fitted to.
    estimator : str, default=""
        The name of the model's class.

    Notes
    -----
    Each parameter is a field of the certificate.
    """

    procedure: str
    parameters: Mapping[str, str]
    classes: tuple[str, ...] = ()
    positive: str | None = None
    n_candidate: int = 0
    estimator: str = ""

    @classmethod
    def of(
        cls,
        procedure: str,
        parameters: Mapping[str, Any],
        classes: Any = (),
        positive: int | None = None,
        estimator: str = "",
    ) -> Origin:
        """An origin from the values of parameters and the position of the `positive` class."""
        names = tuple(map(str, classes))
        written = {name: repr(value) for name, value in sorted(parameters.items())}
        of_positive = None if positive is None else names[positive]
        return cls(procedure, written, names, of_positive, estimator=estimator)


def run_safety_test(
    specification: BoundSpecification,
    answers: Answers,
    rows: LabelledRows,
    origin: Origin,
    order_seed: int,
    *,
    share: float = 1.0,
    **others: Any,
) -> SafetyCertificate:
    """Test a model on rows that nothing was fitted to, at a `share` of each delta.

    The other parameters are those of `safety_test_at`.
    """
    return safety_test_at(specification, answers, rows, origin, order_seed, **others)(share)


def safety_test_at(
    specification: BoundSpecification,
    answers: Answers,
    rows: LabelledRows,
    origin: Origin,
    order_seed: int,
    *,
    cells: Cells | None = None,
    mask_given: bool = False,
    bound_by: str = "candidate",
) -> Callable[[float], SafetyCertificate]:
    """The safety test of a model, as a function of the share of each delta.

    Parameters
    ----------
    specification : BoundSpecification
    answers : Answers
    rows : LabelledRows
    origin : Origin
    order_seed : int
        The seed of the order in which tests use rows one after another.
    cells : Cells, default=None
        The cells of the rows. None: they are computed.
    mask_given : bool, default=False
        Whether the user chose which rows to test.
    bound_by : str, default="candidate"
        Which rows gave the specification its meaning: "candidate" or "tested".
    """
    source = specification.source
    cells = cells or specification.cells(rows.columns, len(rows.y))
    unseen = ""
    if specification.levels:
        levels = SeenLevels.of(rows.columns, source.constraints)
        unseen = unseen_levels(source.constraints, specification.levels, levels)
    unseen = unseen or "; ".join(answers.unknown_groups(cells))
    if unseen:
        reason = f"the tested rows include a group that no {bound_by} row has: {unseen}"
        return partial(untested_certificate, specification, reason, len(rows.y), origin)
    if rows.units is not None:
        lacking = missing_levels(rows.units.shift, rows.units.levels)
        if lacking:
            reason = f"shift gives {lacking} a share, and no tested row has it"
            return partial(untested_certificate, specification, reason, len(rows.y), origin)
    measures = distinct_values(distinct_estimands(specification.constraints))
    seen = answers.observe(rows, cells, measures)
    statistics = seen.statistics.in_drawn_order(order_seed)
    if rows.units is not None and not statistics.account_for(rows.units):
        raise RuntimeError(
            "The statistics of the tested rows leave out their groups, weights or shift, so they "
            "cannot be tested. Answers.observe must pass rows.units on."
        )
    columns = {name: rows.columns[name] for name in sorted(source.columns)}
    of_units: tuple[str, ...] = ()
    if rows.sampling is not None:
        columns, of_units = columns | rows.sampling.columns, rows.sampling.assumptions
    sums = row_sums(rows.inputs(), rows.y, columns, **seen.answers)
    return lambda share: certificate_of_statistics(
        specification,
        statistics,
        origin,
        share=share,
        of_the_model=(*answers.assumptions, *seen.assumptions),
        unrecorded_values=unrecorded(rows.columns, source.columns),
        of_units=of_units,
        mask_given=mask_given,
        bound_by=bound_by,
        loss=seen.loss,
        n_safety=len(rows.y),
        remarks=answers.remarks(statistics),
        fingerprints={**fingerprints_of(sums, columns), **seen.fingerprints},
    )


def certificate_of_statistics(
    specification: BoundSpecification,
    statistics: Statistics,
    origin: Origin,
    *,
    share: float = 1.0,
    of_the_model: Iterable[str] = (),
    unrecorded_values: Mapping[str, int],
    of_units: Iterable[str] = (),
    mask_given: bool = False,
    bound_by: str = "candidate",
    n_safety: int,
    **others: Any,
) -> SafetyCertificate:
    """The certificate that follows from the statistics of the tested rows.

    Parameters
    ----------
    specification : BoundSpecification
    statistics : Statistics
        If rows are kept, they are in an order that was drawn at random.
    origin : Origin
    share, mask_given, bound_by
        As in `safety_test_at`, and the share of each delta.
    of_the_model : iterable of str
        Assumptions about the model, in addition to those of every certificate.
    unrecorded_values : mapping of str to int
        For each column with missing values, the number of rows without a value.
    of_units : iterable of str, default=()
        As in `assumptions`.
    n_safety : int
    **others
        More fields of the certificate.
    """
    mutually_exclusive_columns = specification.mutually_exclusive_columns & exclusive_columns(
        statistics.stratification
    )
    of_columns = (
        *levels_in_words(specification.levels, bound_by),
        *unrecorded_in_words(unrecorded_values, n_safety),
    )
    method = specification.source.method
    results = tuple(
        certify_constraint(
            constraint, statistics, share * delta, method, mutually_exclusive_columns
        )
        for constraint, delta in specification.parts
    )
    is_normal = any(result.guarantee == "asymptotic" for result in results)
    record = _recorded(specification, share, mutually_exclusive_columns, statistics.shift)
    seen = None
    if record is not None:
        seen = recorded_statistics(statistics, specification.constraints, is_normal)
    return SafetyCertificate(
        results=results,
        assumptions=assumptions(
            (*of_the_model, *of_columns), mutually_exclusive_columns, mask_given, of_units
        ),
        n_safety=n_safety,
        created_at=now(),
        versions=versions(),
        order_seed=statistics.order_seed,
        specification=record,
        statistics=seen,
        **others,
        **vars(origin),
    )


def _recorded(
    specification: BoundSpecification,
    share: float,
    mutually_exclusive_columns: ExclusiveColumns,
    shift: Shift | None,
) -> SpecificationRecord | None:
    """The record of a specification for the certificate; None if JSON cannot express it."""
    if specification.record is None:
        return None
    tested = specification.record, specification.constraints
    return recorded_test(*tested, share, mutually_exclusive_columns, shift)


def untested_certificate(
    specification: BoundSpecification,
    reason: str,
    n_rows: int,
    origin: Origin,
    share: float = 1.0,
) -> SafetyCertificate:
    """The certificate if no test used the rows, with the reason."""
    return SafetyCertificate(
        results=tuple(
            untested(constraint, share * delta, reason) for constraint, delta in specification.parts
        ),
        loss=math.nan,
        n_safety=n_rows,
        created_at=now(),
        versions=versions(),
        specification=_recorded(specification, share, frozenset(), None),
        **vars(origin),
    )

"""What is certified: as the parameters state it, and with the meaning that rows give to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_seldonian.certification._evidence import exclusive_columns
from sklearn_seldonian.certification._levels import levels_elsewhere, quantified_levels
from sklearn_seldonian.certification._record import SpecificationRecord
from sklearn_seldonian.certification._recording import recorded_names
from sklearn_seldonian.constraints import (
    HAS_LABEL,
    LABEL,
    Cells,
    Choice,
    Condition,
    Constraint,
    ExclusiveColumns,
    Grouping,
    ResolvedConstraint,
    Schema,
    SeenLevels,
    assign_cells,
    bind,
    columns_of,
    distinct_estimands,
)
from sklearn_seldonian.data._arguments import check_measures
from sklearn_seldonian.data._targets import Targets

# The ways to handle rows that have no value in a column that constraints name.
MISSING = ("error", "exclude")
Levels = Mapping[tuple[Grouping, ...], frozenset[tuple[Any, ...]]]


@dataclass(frozen=True)
class Specification:
    """Constraints as the parameters state them.

    Parameters
    ----------
    constraints : tuple of Constraint
    deltas : tuple of float
        One per constraint.
    method : str
        Which methods of testing are allowed, as in the estimators.
    missing : {"error", "exclude"}, default="error"
        Whether rows without a value in a column that a constraint names are refused, or meet no
        condition on it. Whether rows without a label are refused, or count in no measure that uses
        labels.
    """

    constraints: tuple[Constraint, ...]
    deltas: tuple[float, ...]
    method: str
    missing: str = "error"

    @property
    def columns(self) -> set[str]:
        """Names of the columns that the constraints need."""
        return {name for constraint in self.constraints for name in columns_of(constraint)}

    def bound_to(
        self,
        columns: Mapping[str, Any],
        n_rows: int,
        targets: Targets,
        measures: Any,
        named: Mapping[str, Any],
    ) -> tuple[BoundSpecification, Cells]:
        """The constraints with the meaning that some rows give to their names, and the rows' cells.

        Parameters
        ----------
        columns : mapping of str to array of shape (n_rows,)
            The columns of these rows.
        n_rows : int
        targets : Labels or Numbers
        measures : sequence of RowMeasure
            The user-defined measures.
        named : mapping of str to array
            The columns of all rows whose levels constraints may name, including these rows.
        """
        seen = SeenLevels.of(columns, self.constraints)
        known = seen if named is columns else SeenLevels.of(named, self.constraints)
        elsewhere = levels_elsewhere(self.constraints, known)
        bound = self.bound_by(seen, targets, measures, elsewhere)
        cells = bound.cells(columns, n_rows)
        mutually_exclusive_columns = exclusive_columns(cells.stratification)
        return replace(bound, mutually_exclusive_columns=mutually_exclusive_columns), cells

    def bound_by(
        self,
        seen: SeenLevels,
        targets: Targets,
        measures: Any,
        elsewhere: Mapping[str, tuple[Any, ...]],
    ) -> BoundSpecification:
        """The constraints with the meaning that the levels of some rows give to their names.

        Parameters
        ----------
        seen : SeenLevels
            The levels of these rows.
        targets, measures
            As in `bound_to`.
        elsewhere : mapping of str to tuple
            Further levels that constraints may name.

        Returns
        -------
        BoundSpecification
            Its `mutually_exclusive_columns` are empty.
        """
        own = check_measures(measures)
        schema = Schema.of_levels(seen, **targets.schema, elsewhere=elsewhere, measures=own)
        resolved = tuple(bind(constraint, schema) for constraint in self.constraints)
        asked = self.constraints, self.deltas, self.method, self.missing
        record = recorded_names(*asked, seen, targets, own)
        levels = quantified_levels(self.constraints, seen)
        return BoundSpecification(self, resolved, levels, record=record)


@dataclass(frozen=True)
class BoundSpecification:
    """What a model is tested for, with the meaning of all names.

    Parameters
    ----------
    source : Specification
    constraints : tuple of ResolvedConstraint
    levels : mapping of tuple of Grouping to frozenset of tuple
        The combinations of levels in the columns of each quantifier, among the rows that gave the
        names their meaning.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1 in these rows.
    record : SpecificationRecord or None
        The record for the certificate. None: JSON cannot express it.
    """

    source: Specification
    constraints: tuple[ResolvedConstraint, ...]
    levels: Levels
    mutually_exclusive_columns: ExclusiveColumns = frozenset()
    record: SpecificationRecord | None = field(default=None, compare=False, repr=False)

    @property
    def parts(self) -> tuple[tuple[ResolvedConstraint, float], ...]:
        """Each constraint with its delta."""
        return tuple(zip(self.constraints, self.source.deltas, strict=True))

    def opened(self) -> BoundSpecification:
        """The same, but the candidate data will choose which alternative of an OR is tested."""
        return replace(self, constraints=tuple(c.opened() for c in self.constraints))

    def with_choices(self, choices: Sequence[Choice] | None) -> BoundSpecification:
        """The same with one choice per constraint; None means that all alternatives share delta."""
        made = choices if choices is not None else [None] * len(self.constraints)
        pairs = zip(self.constraints, made, strict=True)
        return replace(self, constraints=tuple(c.with_choice(one) for c, one in pairs))

    def cells(
        self, columns: Mapping[str, Any], n_rows: int, also: tuple[Condition, ...] = ()
    ) -> Cells:
        """The cells of some rows, by the conditions of each constraint and those in `also`.

        Raises
        ------
        ValueError
            If rows lack a label, and measures that use labels were not told.
        """
        own = distinct_estimands(self.constraints)
        told = all(HAS_LABEL in mean.conditions for mean in own if mean.quantity.uses_labels)
        if not told and np.isnan(columns.get(LABEL, np.zeros(0))).any():
            raise ValueError(
                "y has missing labels, and the constraints got their meaning from rows that had to "
                "have one. Leave those rows out, or fit again."
            )
        together = [(*constraint.conditions, *also) for constraint in self.constraints]
        return assign_cells(columns, together or [also], n_rows)

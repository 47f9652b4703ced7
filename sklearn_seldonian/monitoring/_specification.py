"""The constraints of a monitor, whose meaning is fixed before the first row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.certification._requests import check_choice, check_deltas
from sklearn_seldonian.certification._specification import MISSING
from sklearn_seldonian.constraints import (
    ColumnIs,
    Condition,
    Constraint,
    Estimand,
    ExclusiveColumns,
    Quantified,
    ResolvedConstraint,
    Schema,
    bind,
    distinct_conditions,
    distinct_estimands,
    literals_of,
    parse_all,
    quantifiers_of,
    walk,
)
from sklearn_seldonian.data import _arguments
from sklearn_seldonian.data._targets import Labels, Targets, targets_of
from sklearn_seldonian.measures import BuiltInMeasure, Expectation, Rate, RowMeasure

Levels = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class MonitorSpecification:
    """Constraints, and the meaning of their names in all future rows.

    Parameters
    ----------
    constraints : tuple of ResolvedConstraint
    deltas : tuple of float
        One per constraint.
    targets : Labels or Numbers
    measures : tuple of RowMeasure
        The user's own measures.
    levels : mapping of str to tuple
        The only values that some columns may have.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    missing : {"error", "exclude"}
        Whether rows without a value in a named column are refused, or meet no condition on it.
    """

    constraints: tuple[ResolvedConstraint, ...]
    deltas: tuple[float, ...]
    targets: Targets
    measures: tuple[RowMeasure, ...]
    levels: Levels
    mutually_exclusive_columns: ExclusiveColumns
    missing: str

    @classmethod
    def of(
        cls,
        constraints: Any,
        delta: Any,
        *,
        classes: Any,
        pos_label: Any,
        levels: Any,
        mutually_exclusive: Any,
        measures: Any,
        target_range: Any,
        prediction_range: Any,
        missing: Any,
    ) -> MonitorSpecification:
        """The specification with the parameters of a `SafetyMonitor`.

        Raises
        ------
        ValueError, TypeError
            If a parameter is invalid, or a constraint cannot be monitored.
        """
        parsed = parse_all(constraints)
        if not parsed:
            raise ValueError(
                "constraints is empty, so there is nothing to monitor. Give at least one, such as "
                "'ACC >= 0.9'."
            )
        check_choice("missing", missing, MISSING)
        own, known = _arguments.check_measures(measures), check_levels(levels)
        targets = targets_of(classes, pos_label, target_range, prediction_range)
        _check_quantifiers(parsed, known)
        schema = Schema(**targets.schema, **_columns(parsed, known), measures=own)
        resolved = tuple(bind(constraint, schema) for constraint in parsed)
        for constraint in resolved:
            _check_monitored(constraint, targets.range_remedy)
        mutually_exclusive_columns = check_exclusive(mutually_exclusive)
        deltas = check_deltas(delta, len(parsed))
        return cls(resolved, deltas, targets, own, known, mutually_exclusive_columns, missing)

    @cached_property
    def estimands(self) -> tuple[Estimand, ...]:
        """The distinct means of all constraints."""
        return distinct_estimands(self.constraints)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The distinct conditions of all means."""
        return distinct_conditions(self.estimands)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have, in order."""
        named = {condition.column for condition in self.conditions}
        return tuple(sorted(named.union(self.levels, *self.mutually_exclusive_columns)))

    @property
    def texts(self) -> tuple[str, ...]:
        """The constraints in the user's words."""
        return tuple(c.source.text or str(c.source) for c in self.constraints)

    @cached_property
    def waiting_for_labels(self) -> frozenset[Estimand]:
        """The means that count a row when its label is known.

        If one mean of a constraint needs labels, all means of that constraint wait for them.
        """
        waiting = [c for c in self.constraints if any(map(needs_label, c.estimands))]
        return frozenset(distinct_estimands(waiting))


def needs_label(estimand: Estimand) -> bool:
    """Whether the contribution of a row to a mean depends on its label, not only its prediction."""
    quantity = estimand.quantity
    if not isinstance(quantity, Rate):
        return True
    entries = (quantity.denominator, quantity.numerator)
    return any(bool((entry != entry[:1]).any()) for entry in entries)


# -- parameters ------------------------------------------------------------------------------------


def check_levels(levels: Any) -> dict[str, tuple[Any, ...]]:
    """The values that columns may have, by column, checked."""
    if levels is None:
        return {}
    problem = "levels must map columns to lists of their values, as {'race': ['A', 'B']}"
    if not isinstance(levels, Mapping):
        raise TypeError(f"{problem}; got {short(levels)}.")
    found = {}
    for name, values in levels.items():
        is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
        if not isinstance(name, str) or not is_list:
            raise TypeError(f"{problem}; got {short(values)} for {short(name)}.")
        plain = [v.item() if isinstance(v, np.generic) else v for v in values]
        if not plain or not all(isinstance(v, str | int | float | bool) for v in plain):
            raise ValueError(f"{problem}; got {short(values)} for {short(name)}.")
        found[name] = tuple(dict.fromkeys(plain))
    return found


def check_exclusive(pairs: Any) -> ExclusiveColumns:
    """Pairs of names of columns, checked."""
    problem = "mutually_exclusive must be pairs of names of 0/1 columns, as [('M', 'F')]"
    if isinstance(pairs, str | bytes | Mapping) or not isinstance(pairs, Iterable):
        raise TypeError(f"{problem}; got {short(pairs)}.")
    found = set()
    for pair in pairs:
        names = [] if isinstance(pair, str) or not isinstance(pair, Iterable) else list(pair)
        if len(names) != 2 or len({*names}) < 2 or not all(isinstance(n, str) for n in names):
            raise ValueError(f"{problem}; got {short(pair)}.")
        found.add(frozenset(names))
    return frozenset(found)


# -- constraints -----------------------------------------------------------------------------------


def _check_quantifiers(constraints: Sequence[Constraint], levels: Levels) -> None:
    """Refuse quantifiers over a column whose values are not known beforehand."""
    for constraint in constraints:
        for grouping in (g for by in quantifiers_of([constraint]) for g in by):
            if not grouping.levels and grouping.column not in levels:
                raise ValueError(
                    f"{constraint.text or str(constraint)!r} ranges over the values of column "
                    f"{grouping.column!r}, which must be known before the first row. Write "
                    f"by={grouping.column} in (...), or give levels="
                    f"{{{grouping.column!r}: [...]}}."
                )


def _columns(constraints: Sequence[Constraint], levels: Levels) -> dict[str, Any]:
    """The columns for the schema: those with listed values, and others that are named."""
    named = literals_of(constraints)
    bare = {n.column for c in constraints for n in walk(c) if isinstance(n, ColumnIs)}
    ranged = {
        g.column: g.levels
        for c in constraints
        for n in walk(c)
        if isinstance(n, Quantified)
        for g in n.by
    }
    found = {
        name: levels.get(name) or named.get(name) or ((0, 1) if name in bare else ())
        for name in dict.fromkeys((*named, *bare, *ranged, *levels))
    }
    return {"levels": found, "elsewhere": {n: v for n, v in named.items() if n not in levels}}


def _check_monitored(constraint: ResolvedConstraint, remedy: str) -> None:
    """Refuse a constraint about which a finite number of rows can never prove anything."""
    text = constraint.source.text or str(constraint.source)
    if not constraint.tested_means:
        raise ValueError(
            f"{text!r} is decided by arithmetic alone, for any rows, so there is nothing to "
            "monitor. Leave it out."
        )
    if constraint.is_impossible:
        raise ValueError(
            f"{text!r} is violated for any rows, so there is nothing to monitor. Leave it out."
        )
    if constraint.has_tail:
        raise ValueError(
            f"{text!r} cannot be monitored: there is no lower bound on a CVaR, so a violation can "
            "never be proved. Constrain the mean of the same measure, or certify new rows."
        )
    for estimand in constraint.estimands:
        quantity = estimand.quantity
        if not isinstance(quantity, Expectation):
            continue
        measure = quantity.measure
        if isinstance(measure, BuiltInMeasure) and measure.output != "prediction":
            raise ValueError(
                f"{text!r} cannot be monitored: {estimand.label} is computed from probabilities, "
                "and a monitor gets decisions. Constrain rates of decisions, such as ACC or PPV, "
                "or your own RowMeasure of label and decision."
            )
        if not all(map(math.isfinite, quantity.range)):
            raise ValueError(
                f"{text!r} cannot be monitored: {estimand.label} has no finite range, so no number "
                f"of rows proves anything. {remedy}."
            )


def label_list(targets: Targets) -> str:
    """The labels, for messages."""
    return listed(targets.classes) if isinstance(targets, Labels) else "numbers"

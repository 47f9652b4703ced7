"""What is monitored: constraints that have their meaning before the first row comes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from sklearn_seldonian.data._targets import Labels, Numbers, Targets, check_range
from sklearn_seldonian.measures import BuiltInMeasure, Expectation, Rate, RowMeasure

Levels = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class MonitorSpecification:
    """Constraints, and how their names are to be understood in all rows to come.

    Parameters
    ----------
    constraints : tuple of ResolvedConstraint
    deltas : tuple of float
        One per constraint.
    targets : Labels or Numbers
    measures : tuple of RowMeasure
        The user's own.
    levels : mapping of str to tuple
        The only values that some columns may have.
    exclusive : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    missing : {"error", "exclude"}
        Whether rows without a value in a column that is named are refused, or meet no condition
        on it.
    """

    constraints: tuple[ResolvedConstraint, ...]
    deltas: tuple[float, ...]
    targets: Targets
    measures: tuple[RowMeasure, ...]
    levels: Levels
    exclusive: ExclusiveColumns
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
        """From the parameters of a `SafetyMonitor`.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not what it must be, or a constraint cannot be monitored.
        """
        parsed = parse_all(constraints)
        if not parsed:
            raise ValueError(
                "There is nothing to monitor: constraints must hold at least one, such as "
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
        exclusive = check_exclusive(mutually_exclusive)
        deltas = check_deltas(delta, len(parsed))
        return cls(resolved, deltas, targets, own, known, exclusive, missing)

    @cached_property
    def estimands(self) -> tuple[Estimand, ...]:
        """Every mean of any of the constraints, once."""
        return distinct_estimands(self.constraints)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition of any of the means, once."""
        return distinct_conditions(self.estimands)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must come with, in order."""
        named = {condition.column for condition in self.conditions}
        return tuple(sorted(named.union(self.levels, *self.exclusive)))

    @property
    def texts(self) -> tuple[str, ...]:
        """The constraints as they were written."""
        return tuple(c.source.text or str(c.source) for c in self.constraints)

    @cached_property
    def waiting_for_labels(self) -> frozenset[Estimand]:
        """The means that count a row once its label is known: all those of a constraint, if one."""
        waiting = [c for c in self.constraints if any(map(needs_label, c.estimands))]
        return frozenset(distinct_estimands(waiting))


def needs_label(estimand: Estimand) -> bool:
    """Whether what a row adds to a mean depends on its label, and not on its prediction alone."""
    quantity = estimand.quantity
    if not isinstance(quantity, Rate):
        return True
    entries = (quantity.denominator, quantity.numerator)
    return any(bool((entry != entry[:1]).any()) for entry in entries)


# -- parameters ------------------------------------------------------------------------------------


def targets_of(classes: Any, pos_label: Any, target_range: Any, prediction_range: Any) -> Targets:
    """What is predicted: one of some labels, or a number where `classes` is None."""
    ranges = {"target_range": target_range, "prediction_range": prediction_range}
    if classes is None:
        if pos_label is not None:
            raise ValueError("pos_label needs classes: with classes=None numbers are predicted.")
        target, prediction = (check_range(name, given) for name, given in ranges.items())
        return Numbers(target, prediction, clipped=False)
    given = [name for name, value in ranges.items() if value is not None]
    if given:
        raise ValueError(
            f"{given[0]} is for predictions that are numbers: write classes=None for them."
        )
    return Labels.of(_check_labels(classes), pos_label, "argmax")


def _check_labels(classes: Any) -> NDArray[Any]:
    """Two or more different labels."""
    if isinstance(classes, str | bytes | Mapping) or not isinstance(classes, Iterable):
        raise TypeError(f"classes must list the labels, such as (0, 1); got {short(classes)}.")
    labels = [c.item() if isinstance(c, np.generic) else c for c in classes]
    wrong = [label for label in labels if not isinstance(label, str | int | float | bool)]
    if wrong or any(label != label for label in labels):
        raise ValueError(f"classes must be texts or numbers, got {short(classes)}.")
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"classes must be two or more different labels, got {short(classes)}.")
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def check_levels(levels: Any) -> dict[str, tuple[Any, ...]]:
    """The values that columns may have, by column."""
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
    """Pairs of names of columns."""
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
    """Refuse quantifiers that range over whatever values rows will have."""
    for constraint in constraints:
        for grouping in (g for by in quantifiers_of([constraint]) for g in by):
            if not grouping.levels and grouping.column not in levels:
                raise ValueError(
                    f"{constraint.text or str(constraint)!r} ranges over the values of column "
                    f"{grouping.column!r}, and which ones there are must be known before rows "
                    f"come: write by={grouping.column} in (...), or give levels="
                    f"{{{grouping.column!r}: [...]}}."
                )


def _columns(constraints: Sequence[Constraint], levels: Levels) -> dict[str, Any]:
    """What the schema says of columns: the values that are listed, and others that are named."""
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
    """Refuse a constraint of which rows will never prove anything for a finite number of rows."""
    text = constraint.source.text or str(constraint.source)
    if not constraint.tested_means:
        raise ValueError(
            f"{text!r} is settled by arithmetic, whatever rows come: there is nothing to monitor."
        )
    if constraint.is_impossible:
        raise ValueError(f"{text!r} is violated by every model, whatever rows come.")
    for estimand in constraint.estimands:
        quantity = estimand.quantity
        if not isinstance(quantity, Expectation):
            continue
        measure = quantity.measure
        if isinstance(measure, BuiltInMeasure) and measure.output != "prediction":
            raise ValueError(
                f"{text!r} cannot be monitored: {estimand.label} is made of probabilities, and a "
                "monitor is given decisions. Constrain rates of decisions, such as ACC or PPV, or "
                "a RowMeasure of your own of label and decision."
            )
        if not all(map(math.isfinite, quantity.range)):
            raise ValueError(
                f"{text!r} cannot be monitored: {estimand.label} has no finite range, and then no "
                f"number of rows proves anything. {remedy}."
            )


def label_list(targets: Targets) -> str:
    """The labels there are, for messages."""
    return listed(targets.classes) if isinstance(targets, Labels) else "numbers"

"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from sklearn_seldonian.certification._certificate import ConstraintResult
from sklearn_seldonian.certification._safety_test import safety_test
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    And,
    Atom,
    Constraint,
    Mean,
    Or,
    ResolvedConstraint,
    Tree,
    constant_value,
    estimate,
)

__all__ = ["certify_constraint"]


class _Units(NamedTuple):
    """How g reads in the user's units: ``sign * g + limit``."""

    operator: str
    sign: int
    limit: float


def certify_constraint(
    constraint: ResolvedConstraint, statistics: Statistics, delta: float
) -> ConstraintResult:
    """Run the safety test of one constraint and say what came of it.

    Parameters
    ----------
    constraint : ResolvedConstraint
    statistics : Statistics
        Of the safety rows.
    delta : float in (0, 1)
    """
    samples = {mean: statistics.rate(mean) for mean in constraint.means}
    values = {mean: sample.estimate for mean, sample in samples.items()}
    g = _value(constraint.tree, values)
    verdict = safety_test(constraint.tree, statistics, delta)
    units = _units(constraint.source)
    rows = {str(mean): round(sample.trials) for mean, sample in samples.items()}
    return ConstraintResult(
        constraint=constraint.source.text or str(constraint.source),
        operator=units.operator,
        estimate=units.sign * g + units.limit,
        bound=units.sign * verdict.g_upper + units.limit,
        limit=units.limit,
        g=g,
        g_upper=verdict.g_upper,
        p_value=verdict.p_value,
        delta=delta,
        method=verdict.method,
        guarantee=verdict.guarantee,
        rows=rows,
        reason="" if verdict.passed else _reason(g, rows, statistics),
    )


def _value(tree: Tree, values: Mapping[Mean, float]) -> float:
    """g at the estimates, by the tree: the largest of an AND, the smallest of an OR."""
    match tree:
        case Atom(expression=expression):
            return estimate(expression, values)
        case And(children=children):
            parts, extreme = [_value(child, values) for child in children], max
        case Or(children=children):
            parts, extreme = [_value(child, values) for child in children], min
    return math.nan if any(map(math.isnan, parts)) else extreme(parts)


def _units(constraint: Constraint) -> _Units:
    sign = 1 if constraint.operator == "<=" else -1
    left, right = constant_value(constraint.left), constant_value(constraint.right)
    if right is not None:
        return _Units(constraint.operator, sign, right)
    if left is not None:
        return _Units(">=" if constraint.operator == "<=" else "<=", -sign, left)
    return _Units("<=", 1, 0.0)


def _reason(g: float, rows: dict[str, int], statistics: Statistics) -> str:
    empty = [name for name, n in rows.items() if n == 0]
    if statistics.n_invalid:
        return f"{statistics.n_invalid} of {statistics.n_rows} safety rows have NaN or infinite outputs"
    if empty:
        return f"no rows for {', '.join(empty)} among the safety rows"
    if math.isnan(g):
        return "its value on the safety rows is undefined"
    if g > 0:
        return "the estimate itself violates the limit"
    return "the estimate meets the limit, but not by enough for so few safety rows"

"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from sklearn_seldonian.certification._certificate import UNTOUCHED, ConstraintResult
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._planning import (
    DRAWS_IN_PASSING,
    projected_rows,
    sufficient_rows,
)
from sklearn_seldonian.certification._safety_test import Verdict, passes, safety_test
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    Constraint,
    ExclusiveColumns,
    Mean,
    ResolvedConstraint,
    constant_value,
    estimate,
)
from sklearn_seldonian.measures import Rate

__all__ = ["Units", "certify_constraint", "units_of", "untested"]

# Probability of passing for which a failed constraint is told how many rows it needs.
POWER_OF_PLANS = 0.9
VIOLATED = "the estimate itself violates the limit"


class Units(NamedTuple):
    """How g reads in the user's units: ``value <operator> limit``."""

    operator: str
    sign: int
    limit: float

    def value(self, g: float) -> float:
        """The constraint's varying side where g is `g`."""
        return self.sign * g + self.limit


def certify_constraint(
    constraint: ResolvedConstraint,
    statistics: Statistics,
    delta: float,
    bound: str = "auto",
    exclusive: ExclusiveColumns = frozenset(),
) -> ConstraintResult:
    """Run the safety test of one constraint and say what came of it.

    Parameters
    ----------
    constraint : ResolvedConstraint
    statistics : Statistics
        Of the safety rows.
    delta : float in (0, 1)
    bound : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
    exclusive : frozenset of frozenset of str
        Pairs of 0/1 columns known never to be both 1.
    """
    evidence = statistics.evidence(constraint.means, exclusive)
    g = estimate(constraint.g, evidence.estimates(constraint.means))
    verdict = safety_test(constraint.tree, evidence, delta, bound)
    verdict = verdict._replace(g_upper=_g_upper(constraint, evidence, delta, bound, verdict))
    without_rows = not all(sample.trials for sample in evidence.samples.values())
    violated = g > ROUNDING  # a second look: no test passes what its own estimate refutes
    if statistics.n_invalid or without_rows or (violated and verdict.passed):
        verdict = verdict._replace(g_upper=math.inf, p_value=1.0)
    units = units_of(constraint.source)
    rows = {str(mean): round(sample.trials) for mean, sample in evidence.samples.items()}
    reason = "" if verdict.passed else _reason(g, rows, statistics, verdict.reason)
    if reason == VIOLATED and not passes(constraint.opposite, evidence, delta, bound):
        reason = f"{VIOLATED}, but by no more than sampling error explains"
    return ConstraintResult(
        constraint=constraint.source.text or str(constraint.source),
        operator=units.operator,
        estimate=units.value(g),
        bound=units.value(verdict.g_upper),
        limit=units.limit,
        g=g,
        g_upper=verdict.g_upper,
        p_value=verdict.p_value,
        delta=delta,
        method=verdict.method,
        guarantee=verdict.guarantee,
        rows=rows,
        rates={str(mean): evidence.samples[mean].estimate for mean in _counted(evidence)},
        reason=reason,
        rows_needed=_rows_needed(constraint, evidence, delta, bound) if reason else None,
    )


def _counted(evidence: Evidence) -> list[Mean]:
    """The means that are rates of decisions, and have rows."""
    return [
        mean
        for mean, sample in evidence.samples.items()
        if evidence.hard and isinstance(mean.quantity, Rate) and sample.trials
    ]


def _rows_needed(
    constraint: ResolvedConstraint, evidence: Evidence, delta: float, bound: str
) -> int | None:
    """How many fresh safety rows would have let it pass, if its estimates were the truth."""
    means = constraint.means
    if not all(sample.trials for sample in evidence.samples.values()):
        return None
    if len(_counted(evidence)) < len(means):
        return projected_rows(constraint.tree, evidence, delta, POWER_OF_PLANS, bound)
    shares = {mean: evidence.samples[mean].trials / evidence.n_rows for mean in means}
    return sufficient_rows(
        [(constraint.tree, delta)],
        evidence.estimates(means),
        shares,
        POWER_OF_PLANS,
        bound,
        evidence.exclusive,
        DRAWS_IN_PASSING,
    )


def untested(constraint: ResolvedConstraint, delta: float, reason: str) -> ConstraintResult:
    """The result of a constraint whose test was not run: not passed."""
    units = units_of(constraint.source)
    return ConstraintResult(
        constraint=constraint.source.text or str(constraint.source),
        operator=units.operator,
        estimate=math.nan,
        bound=units.value(math.inf),
        limit=units.limit,
        g=math.nan,
        g_upper=math.inf,
        p_value=1.0,
        delta=delta,
        method=UNTOUCHED,
        guarantee="none",
        rows={},
        rates={},
        reason=reason,
    )


def _g_upper(
    constraint: ResolvedConstraint,
    evidence: Evidence,
    delta: float,
    bound: str,
    verdict: Verdict,
) -> float:
    """The upper bound on g, in the constraint's own units.

    Where the test was one of an equivalent statement in other units, the bound is the
    smallest margin with which ``g <= margin`` would pass. It is at most zero exactly where
    the test itself has passed.
    """
    drawn = any(mean.quantity.conditions_on_prediction for mean in constraint.means)
    if constraint.in_units and (evidence.hard or not drawn):
        return verdict.g_upper

    def passes_with(margin: float) -> bool:
        return passes(constraint.with_margin(margin), evidence, delta, bound)

    return _smallest_margin(passes_with, verdict.passed)


def _smallest_margin(passes_with: Callable[[float], bool], passes_at_zero: bool) -> float:
    """The smallest margin that passes, from above; infinite where none is found."""
    step = -SMALLEST_MARGIN if passes_at_zero else SMALLEST_MARGIN
    near, far = 0.0, step
    while passes_with(far) == passes_at_zero:
        if abs(far) > LARGEST_MARGIN:
            return -LARGEST_MARGIN if passes_at_zero else math.inf
        near, far = far, 4 * far
    failing, passing = (far, near) if passes_at_zero else (near, far)
    while passing - failing > MARGIN_ACCURACY * max(abs(failing), abs(passing), SMALLEST_MARGIN):
        middle = (failing + passing) / 2
        failing, passing = (failing, middle) if passes_with(middle) else (middle, passing)
    return passing


ROUNDING = 1e-9
SMALLEST_MARGIN = 1e-6
LARGEST_MARGIN = 1e6
MARGIN_ACCURACY = 1e-3


def units_of(constraint: Constraint) -> Units:
    """The units of the constraint's varying side; of the difference where both sides vary."""
    sign = 1 if constraint.operator == "<=" else -1
    left, right = constant_value(constraint.left), constant_value(constraint.right)
    if right is not None:
        return Units(constraint.operator, sign, right)
    if left is not None:
        return Units(">=" if constraint.operator == "<=" else "<=", -sign, left)
    return Units("<=", 1, 0.0)


def _reason(g: float, rows: dict[str, int], statistics: Statistics, obstacle: str) -> str:
    empty = [name for name, n in rows.items() if n == 0]
    if statistics.n_invalid:
        return (
            f"the outputs for {statistics.n_invalid} of {statistics.n_rows} safety rows "
            "are NaN or infinite"
        )
    if empty:
        return f"no rows for {', '.join(empty)} among the safety rows"
    if obstacle:
        return obstacle
    if math.isnan(g):
        return "its value on the safety rows is undefined"
    if g > 0:
        return VIOLATED
    return "the estimate meets the limit, but not by enough for so few safety rows"

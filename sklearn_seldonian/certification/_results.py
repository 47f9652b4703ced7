"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from sklearn_seldonian.certification._certificate import UNTOUCHED, ConstraintResult
from sklearn_seldonian.certification._evidence import Evidence, Sample
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
    if not verdict.passed:
        # Some limit that is easier to meet may fail where the one that was asked does not.
        verdict = verdict._replace(p_value=max(verdict.p_value, math.nextafter(delta, 1.0)))
    units = units_of(constraint.source)
    rows = {mean.label: round(sample.trials) for mean, sample in evidence.samples.items()}
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
        rates={m.label: _rate(m, evidence.samples[m]) for m in _counted(evidence)},
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


def _rate(mean: Mean, sample: Sample) -> float:
    """The share seen of what the constraint names, as one quotient of two counts."""
    counted = sample.trials - sample.successes if mean.is_complement else sample.successes
    return counted / sample.trials


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

    Where the test was one of an equivalent statement in other units, the bound is the tightest
    limit that would pass. It does not depend on the limit that was asked, and the tests of such
    statements pass with every limit that is easier to keep than one that passes.
    """
    drawn = any(mean.quantity.conditions_on_prediction for mean in constraint.means)
    if constraint.in_units and (evidence.hard or not drawn):
        return verdict.g_upper
    units = units_of(constraint.source)
    asked = units.sign * units.limit

    def passes_at(step: int) -> bool:
        margin = _limit_at(step) - asked
        return passes(constraint.with_margin(margin), evidence, delta, bound)

    tightest = _tightest_limit(passes_at) - asked
    if verdict.passed:
        return min(tightest, 0.0)
    return tightest if tightest > 0.0 else math.inf


def _tightest_limit(passes_at: Callable[[int], bool]) -> float:
    """The least of a fixed set of limits on g that passes; infinite where none does."""
    failing, passing = -N_LIMITS, N_LIMITS
    if not passes_at(passing):
        return math.inf
    while passing - failing > 1:
        middle = (failing + passing) // 2
        failing, passing = (failing, middle) if passes_at(middle) else (middle, passing)
    return _limit_at(passing)


def _limit_at(step: int) -> float:
    """Even steps below `FINE_BELOW`, and steps of a fixed share of the limit above."""
    return FINE_BELOW * math.sinh(step * LIMIT_ACCURACY)


ROUNDING = 1e-9
# Bounds are told apart by this share of them, and by so much of `FINE_BELOW` where they are small.
LIMIT_ACCURACY = 2.0**-13
FINE_BELOW = 1e-3
# Steps from zero to beyond 10**6.
N_LIMITS = 180_000


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

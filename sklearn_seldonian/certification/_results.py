"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from typing import NamedTuple

from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._fields import UNTOUCHED, ConstraintResult
from sklearn_seldonian.certification._limits import tightest_limit
from sklearn_seldonian.certification._planning import DRAWS_IN_PASSING, Plan, projected_rows
from sklearn_seldonian.certification._safety_test import Verdict, passes, safety_test
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    Constraint,
    Estimand,
    ExclusiveColumns,
    ResolvedConstraint,
    constant_value,
    estimate,
)
from sklearn_seldonian.measures import Rate

# Probability of passing for which a failed constraint is told how many rows it needs.
POWER_OF_PLANS = 0.9
# Orders of the rows of which the widest bound is planned with.
ORDERS_OF_PLANS = 3
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
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
) -> ConstraintResult:
    """Run the safety test of one constraint and say what came of it.

    Parameters
    ----------
    constraint : ResolvedConstraint
    statistics : Statistics
        Of the safety rows.
    delta : float in (0, 1)
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns known never to be both 1.
    """
    evidence = statistics.evidence(constraint.estimands, mutually_exclusive_columns)
    g = estimate(constraint.g, evidence.estimates(constraint.estimands))
    verdict = safety_test(constraint.tree, evidence, delta, method)
    verdict = verdict._replace(g_upper=_g_upper(constraint, evidence, delta, method, verdict))
    without_rows = not all(sample.trials for sample in evidence.samples.values())
    violated = g > ROUNDING  # a second look: no test passes what its own estimate refutes
    if statistics.n_invalid or without_rows or (violated and verdict.passed):
        verdict = verdict._replace(g_upper=math.inf, p_value=1.0)
    if not verdict.passed:
        # Some limit that is easier to meet may fail where the one that was asked does not.
        verdict = verdict._replace(p_value=max(verdict.p_value, math.nextafter(delta, 1.0)))
    units = units_of(constraint.source)
    rows = {estimand.label: round(sample.trials) for estimand, sample in evidence.samples.items()}
    reason = "" if verdict.passed else _reason(g, rows, statistics, verdict.reason)
    if reason == VIOLATED and not passes(constraint.opposite, evidence, delta):
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
        rows_needed=_rows_needed(constraint, statistics, evidence, delta, method)
        if reason
        else None,
    )


def _counted(evidence: Evidence) -> list[Estimand]:
    """The means that are rates of decisions, and have rows."""
    return [
        estimand
        for estimand, sample in evidence.samples.items()
        if evidence.deterministic and isinstance(estimand.quantity, Rate) and sample.trials
    ]


def _rate(estimand: Estimand, sample: Sample) -> float:
    """The share seen of what the constraint names, as one quotient of two counts."""
    counted = sample.trials - sample.successes if estimand.is_complement else sample.successes
    return counted / sample.trials


def _rows_needed(
    constraint: ResolvedConstraint,
    statistics: Statistics,
    evidence: Evidence,
    delta: float,
    method: str,
) -> int | None:
    """How many fresh safety rows would have let it pass, if its estimates were the truth."""
    estimands = constraint.estimands
    if not all(sample.trials for sample in evidence.samples.values()):
        return None
    if len(_counted(evidence)) < len(estimands):
        # The order of the rows makes a bound wider or narrower by chance.
        found = [
            projected_rows(
                constraint.tree,
                statistics.in_drawn_order(seed).evidence(
                    estimands, evidence.mutually_exclusive_columns
                ),
                delta,
                POWER_OF_PLANS,
                method,
            )
            for seed in range(ORDERS_OF_PLANS)
        ]
        return max((n for n in found if n is not None), default=None)
    shares = {
        estimand: evidence.samples[estimand].trials / evidence.n_rows for estimand in estimands
    }
    plan = Plan(
        [(constraint.tree, delta)],
        evidence.estimates(estimands),
        shares,
        method,
        evidence.mutually_exclusive_columns,
        DRAWS_IN_PASSING,
    )
    return plan.sufficient_rows(POWER_OF_PLANS)


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
    method: str,
    verdict: Verdict,
) -> float:
    """The upper bound on g, in the constraint's own units.

    Where the test was one of an equivalent statement in other units, the bound is the tightest
    limit that would pass.
    """
    drawn = any(estimand.quantity.conditions_on_prediction for estimand in constraint.estimands)
    if constraint.in_units and (evidence.deterministic or not drawn):
        return verdict.g_upper
    units = units_of(constraint.source)
    asked = units.sign * units.limit
    tightest = tightest_limit(constraint, evidence, delta, method, asked) - asked
    if verdict.passed:
        return min(tightest, 0.0)
    return tightest if tightest > 0.0 else math.inf


ROUNDING = 1e-9


def units_of(constraint: Constraint) -> Units:
    """The units of the constraint's varying side; of the difference where both sides vary."""
    constraint = constraint.as_ratio
    sign = 1 if constraint.operator == "<=" else -1
    left, right = constant_value(constraint.left), constant_value(constraint.right)
    if right is not None:
        return Units(constraint.operator, sign, right)
    if left is not None:
        return Units(">=" if constraint.operator == "<=" else "<=", -sign, left)
    return Units("<=", 1, 0.0)


def _reason(g: float, rows: dict[str, int], statistics: Statistics, failure_reason: str) -> str:
    empty = [name for name, n in rows.items() if n == 0]
    if statistics.n_invalid:
        return (
            f"the outputs for {statistics.n_invalid} of {statistics.n_rows} safety rows "
            "are NaN or infinite"
        )
    if empty:
        return f"no rows for {', '.join(empty)} among the safety rows"
    if failure_reason:
        return failure_reason
    if math.isnan(g):
        return "its value on the safety rows is undefined"
    if g > 0:
        return VIOLATED
    return "the estimate meets the limit, but not by enough for so few safety rows"

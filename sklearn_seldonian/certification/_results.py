"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sklearn_seldonian.certification._certificate import ConstraintResult
from sklearn_seldonian.certification._safety_test import Verdict, passes, safety_test
from sklearn_seldonian.certification._statistics import RateSample, Statistics
from sklearn_seldonian.constraints import (
    And,
    Constraint,
    Mean,
    Or,
    ResolvedConstraint,
    Tree,
    constant_value,
    estimate,
)

__all__ = ["certify_constraint", "rows_needed", "untested"]


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
    g = estimate(constraint.g, {mean: sample.estimate for mean, sample in samples.items()})
    verdict = safety_test(constraint.tree, samples, delta, hard=statistics.hard)
    verdict = verdict._replace(g_upper=_g_upper(constraint, samples, statistics, delta, verdict))
    if statistics.n_invalid or not all(sample.trials for sample in samples.values()):
        verdict = verdict._replace(g_upper=math.inf, p_value=1.0)
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
        reason="" if verdict.passed else _reason(g, rows, statistics, verdict.reason),
    )


def untested(constraint: ResolvedConstraint, delta: float, reason: str) -> ConstraintResult:
    """The result of a constraint whose test was not run: not passed."""
    units = _units(constraint.source)
    return ConstraintResult(
        constraint=constraint.source.text or str(constraint.source),
        operator=units.operator,
        estimate=math.nan,
        bound=units.sign * math.inf,
        limit=units.limit,
        g=math.nan,
        g_upper=math.inf,
        p_value=1.0,
        delta=delta,
        method="none: the safety rows were not touched",
        guarantee="none",
        rows={},
        reason=reason,
    )


def rows_needed(
    constraint: ResolvedConstraint, delta: float, shares: Mapping[Mean, float], n_safety: int
) -> int | None:
    """How many safety rows it takes before any sample at all could pass, if `n_safety` is too few.

    `shares` says which share of the rows each mean is over. Looks at the most favourable
    counts for each atom, so that no model passes with fewer rows. None where `n_safety`
    rows are enough.
    """

    def could_pass(n_rows: int) -> bool:
        return _best_case(constraint.tree, delta, {m: int(n_rows * s) for m, s in shares.items()})

    if could_pass(n_safety) or not could_pass(MOST_ROWS):
        return None
    low, high = n_safety, MOST_ROWS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if could_pass(middle) else (middle, high)
    return high


MOST_ROWS = 10**9


def _best_case(tree: Tree, delta: float, trials: Mapping[Mean, int]) -> bool:
    """Whether some counts would pass, taking each atom on its own."""
    if isinstance(tree, And):
        return all(_best_case(child, delta, trials) for child in tree.children)
    if isinstance(tree, Or):
        share = delta / len(tree.children)
        return any(_best_case(child, share, trials) for child in tree.children)
    if tree.linear is None:
        return True
    best = {}
    for mean, weight in zip(tree.means, tree.linear.weights, strict=True):
        value = mean.quantity.range[weight < 0]
        if not math.isfinite(value):
            return True
        best[mean] = RateSample(value * trials[mean], trials[mean], trials[mean])
    return passes(tree, best, delta)


def _g_upper(
    constraint: ResolvedConstraint,
    samples: Mapping[Mean, RateSample],
    statistics: Statistics,
    delta: float,
    verdict: Verdict,
) -> float:
    """The upper bound on g, in the constraint's own units.

    Where the test was one of an equivalent statement in other units, the bound is the
    smallest margin with which ``g <= margin`` would pass. It is at most zero exactly where
    the test itself has passed.
    """
    drawn = any(mean.quantity.conditions_on_prediction for mean in constraint.means)
    if constraint.in_units and (statistics.hard or not drawn):
        return verdict.g_upper

    def passes_with(margin: float) -> bool:
        return passes(constraint.with_margin(margin), samples, delta, hard=statistics.hard)

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


SMALLEST_MARGIN = 1e-6
LARGEST_MARGIN = 1e6
MARGIN_ACCURACY = 1e-4


def _units(constraint: Constraint) -> _Units:
    sign = 1 if constraint.operator == "<=" else -1
    left, right = constant_value(constraint.left), constant_value(constraint.right)
    if right is not None:
        return _Units(constraint.operator, sign, right)
    if left is not None:
        return _Units(">=" if constraint.operator == "<=" else "<=", -sign, left)
    return _Units("<=", 1, 0.0)


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
        return "the estimate itself violates the limit"
    return "the estimate meets the limit, but not by enough for so few safety rows"

"""From statistics of the safety rows to results in the user's own units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sklearn_seldonian.bounds import Totals
from sklearn_seldonian.certification._decide import Verdict, passes, safety_test
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._fields import GUARANTEES, UNTOUCHED, ConstraintResult
from sklearn_seldonian.certification._limits import tightest_limit
from sklearn_seldonian.certification._method import BETTING, GUARANTEE_OF, ON_UNITS
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.certification._planning import DRAWS_IN_PASSING, Plan, projected_rows
from sklearn_seldonian.certification._statistics import RowsNeededError, Statistics
from sklearn_seldonian.constraints import (
    Atom,
    Constraint,
    Estimand,
    ExclusiveColumns,
    ResolvedConstraint,
    atoms_of,
    constant_value,
    fold_numbers,
)

# The probability of passing that `rows_needed` of a failed constraint is computed for.
POWER_OF_PLANS = 0.9
# `rows_needed` is the largest number found with this many random orders of the rows.
ORDERS_OF_PLANS = 3
ROUNDING = 1e-9


class Units(NamedTuple):
    """How g reads in the user's units: ``value <operator> limit``."""

    operator: str
    sign: int
    limit: float

    def value(self, g: float) -> float:
        """The constraint's varying side where g is `g`."""
        return self.sign * g + self.limit

    def excess(self, value: Any) -> Any:
        """The g at which the varying side is `value`: a number or an array."""
        return self.sign * (value - self.limit)


def certify_constraint(
    constraint: ResolvedConstraint,
    statistics: Statistics,
    delta: float,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
) -> ConstraintResult:
    """Run the safety test of one constraint.

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
    return _test(constraint, statistics, delta, method, mutually_exclusive_columns).result()


def certify_by_sums(
    constraint: ResolvedConstraint,
    statistics: Statistics,
    delta: float,
    method: str,
    mutually_exclusive_columns: ExclusiveColumns,
) -> dict[str, Any]:
    """The fields of a result that can be computed from sums over the rows, without the rows.

    Parameters
    ----------
    constraint, statistics, delta, method, mutually_exclusive_columns
        As in `certify_constraint`; the statistics keep no rows.
    """
    units = units_of(constraint.source)
    known = {
        "constraint": constraint.source.text or str(constraint.source),
        "operator": units.operator,
        "limit": units.limit,
        "delta": delta,
        "chosen": constraint.chosen_alternatives,
    }
    try:
        test = _test(constraint, statistics, delta, method, mutually_exclusive_columns)
        known.update(test.seen(), g=test.g, estimate=units.value(test.g))
        known.update(test.named_method())
        verdict = test.verdict()
        of_test = verdict._asdict()
        del of_test["reason"]
        known.update(of_test, bound=units.value(verdict.g_upper))
        known["rows_needed"] = None if verdict.passed else test.rows_needed()
        known["reason"] = "" if verdict.passed else test.reason(verdict)
    except RowsNeededError:
        pass
    return known


def _test(
    constraint: ResolvedConstraint,
    statistics: Statistics,
    delta: float,
    method: str,
    mutually_exclusive_columns: ExclusiveColumns,
) -> _ConstraintTest:
    evidence = statistics.evidence(constraint.estimands, mutually_exclusive_columns)
    evidence = evidence.of(constraint.estimands)
    return _ConstraintTest(constraint, statistics, evidence, delta, method)


def untested(constraint: ResolvedConstraint, delta: float, reason: str) -> ConstraintResult:
    """The result of a constraint whose test was not run: not passed."""
    verdict = Verdict(math.inf, 1.0, UNTOUCHED, "none", reason)
    return _result(constraint, delta, math.nan, verdict, rows={}, rates={})


def _result(
    constraint: ResolvedConstraint, delta: float, g: float, verdict: Verdict, **others: Any
) -> ConstraintResult:
    """The result for a verdict, in the constraint's units."""
    units = units_of(constraint.source)
    return ConstraintResult(
        constraint=constraint.source.text or str(constraint.source),
        operator=units.operator,
        estimate=units.value(g),
        bound=units.value(verdict.g_upper),
        limit=units.limit,
        g=g,
        delta=delta,
        **verdict._asdict(),
        **others,
    )


@dataclass(frozen=True)
class _ConstraintTest:
    """The safety test of one constraint at `delta`, on the statistics of the safety rows."""

    constraint: ResolvedConstraint
    statistics: Statistics
    evidence: Evidence
    delta: float
    method: str

    def result(self) -> ConstraintResult:
        """The result, with a reason and the rows needed if the constraint did not pass."""
        verdict, needed, reason = self.verdict(), None, ""
        if not verdict.passed:
            needed, reason = self.rows_needed(), self.reason(verdict)
        verdict = verdict._replace(reason=reason)
        return _result(
            self.constraint, self.delta, self.g, verdict, **self.seen(), rows_needed=needed
        )

    @cached_property
    def g(self) -> float:
        """The estimate, in canonical form."""
        return self.evidence.worst_estimate(self.constraint.g, self.constraint.estimands)

    def verdict(self) -> Verdict:
        """The outcome of the test; its `reason` says why there is no bound."""
        verdict = safety_test(self.constraint.tree, self.evidence, self.delta, self.method)
        verdict = verdict._replace(g_upper=self.g_upper(verdict))
        without_rows = not all(sample.trials for sample in self.evidence.samples.values())
        violated = self.g > ROUNDING  # a safeguard: a violated estimate never passes
        if self.statistics.n_invalid or without_rows or (violated and verdict.passed):
            verdict = verdict._replace(g_upper=math.inf, p_value=1.0)
        if verdict.passed:
            return verdict
        # The tests of easier limits can give a p-value below delta although this limit failed.
        return verdict._replace(p_value=max(verdict.p_value, math.nextafter(self.delta, 1.0)))

    def named_method(self) -> dict[str, str]:
        """The method and its guarantee, if they are known without the rows."""

        def totals(estimand: Estimand) -> Totals:
            return Totals([math.nan], [math.nan], *self.evidence.range_of(estimand), 1.0)

        of_rows = self.evidence.row_values and (lambda *_: np.zeros(0))
        of_units = self.evidence.totals and totals
        evidence = replace(self.evidence, row_values=of_rows, totals=of_units)
        methods = {
            method_for(a, evidence, self.method).name for a in atoms_of(self.constraint.tree)
        }
        if not methods & {BETTING, *ON_UNITS}:
            return {}
        weakest = min((GUARANTEE_OF[name] for name in methods), key=GUARANTEES.index)
        return {"method": " + ".join(sorted(methods)), "guarantee": weakest}

    def seen(self) -> dict[str, Any]:
        """The rows and rates behind the result, and the alternatives that were chosen."""
        samples = self.evidence.samples
        return {
            "rows": {m.label: round(sample.rows) for m, sample in samples.items()},
            "rates": {m.label: _rate(m, samples[m]) for m in self.counted()},
            "chosen": self.constraint.chosen_alternatives,
        }

    def g_upper(self, verdict: Verdict) -> float:
        """The upper bound on g, in the constraint's own units.

        If the test was of an equivalent statement in other units, the bound is the tightest limit
        that would pass.
        """
        ratios = [m for m in self.constraint.estimands if m.quantity.conditions_on_prediction]
        if self.constraint.in_units and (self.evidence.deterministic or not ratios):
            return verdict.g_upper
        units = units_of(self.constraint.source)
        asked = units.sign * units.limit
        tests = self.constraint, self.evidence, self.delta, self.method
        tightest = tightest_limit(*tests, asked) - asked
        if verdict.passed:
            return min(tightest, 0.0)
        return tightest if tightest > 0.0 else math.inf

    def counted(self) -> list[Estimand]:
        """The estimands that are rates of decisions over independent rows, and have rows."""
        samples = self.evidence.samples.items()
        return [mean for mean, sample in samples if self.evidence.is_count(mean) and sample.trials]

    def rows_needed(self) -> int | None:
        """How many fresh safety rows would let it pass, if its estimates were the true values."""
        tree, estimands = self.constraint.tree, self.constraint.estimands
        samples = self.evidence.samples
        mutually_exclusive_columns = self.evidence.mutually_exclusive_columns
        if not all(sample.trials for sample in samples.values()):
            return None
        if len(self.counted()) < len(estimands):
            # Such a bound depends on the random order of the rows, so several orders are tried.
            orders = (self.statistics.in_drawn_order(seed) for seed in range(ORDERS_OF_PLANS))
            seen = (
                rows.evidence(estimands, mutually_exclusive_columns).of(estimands)
                for rows in orders
            )
            asked = self.delta, POWER_OF_PLANS, self.method
            found = [projected_rows(tree, evidence, *asked) for evidence in seen]
            return max((n for n in found if n is not None), default=None)
        plan = Plan(
            [(tree, self.delta)],
            self.evidence.estimates(estimands),
            {m: sample.trials / self.evidence.n_rows for m, sample in samples.items()},
            self.method,
            mutually_exclusive_columns,
            DRAWS_IN_PASSING,
        )
        return plan.sufficient_rows(POWER_OF_PLANS)

    def reason(self, verdict: Verdict) -> str:
        """Why the constraint did not pass."""
        g = self.g
        if self.statistics.n_invalid:
            return (
                f"the outputs for {self.statistics.n_invalid} of {self.statistics.n_rows} safety "
                "rows are NaN or infinite"
            )
        samples = self.evidence.samples
        empty = [m.label for m, sample in samples.items() if not sample.trials]
        if empty:
            return f"no rows for {', '.join(empty)} among the safety rows"
        if verdict.reason:
            return verdict.reason
        if math.isnan(g):
            return "its value on the safety rows is undefined"
        if not g > 0 and self.misses_choice():
            return (
                "the estimate meets the limit, but not through the alternative that was tested, "
                "which the candidate data had chosen"
            )
        if not g > 0:
            return "the estimate meets the limit, but not by enough for so few safety rows"
        if self.constraint.has_tail or passes(self.constraint.opposite, self.evidence, self.delta):
            return "the estimate itself violates the limit"
        return "the estimate itself violates the limit, but by no more than sampling error explains"

    def misses_choice(self) -> bool:
        """Whether the estimate violates the constraint with the alternatives that were chosen."""

        def value(atom: Atom, _delta: float) -> float:
            return self.evidence.worst_estimate(atom.expression, atom.estimands)

        return bool(self.constraint.choice) and fold_numbers(self.constraint.tree, value) > 0


def _rate(estimand: Estimand, sample: Sample) -> float:
    """The observed rate that the constraint names, as one quotient of two counts."""
    counted = sample.trials - sample.successes if estimand.is_complement else sample.successes
    return counted / sample.trials


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

"""The choice of an atom's test: the strongest method whose assumptions hold by the atom's text.

The methods, strongest first: Clopper-Pearson for one rate; the exact unconditional test for two
independent rates; the inverse normal method for functions of a few rates; the joint Chernoff bound
for sums of more rates; betting for bounded means; the box of one-sided bounds for everything else
with finite ranges; the delta method, which is asymptotic, if a range is not finite. The choice
depends on the atom's text, on the kind of decisions of `predict`, and on the number of rows, but
never on the values in the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds._chernoff import chernoff_p_values
from sklearn_seldonian.certification._edges import Edge, edge_of_rates
from sklearn_seldonian.certification._evidence import Evidence, has_finite_ranges
from sklearn_seldonian.certification._function_of_rates import FEW_CELLS, function_of_rates
from sklearn_seldonian.certification._method import (
    ARITHMETIC,
    CLOPPER_PEARSON,
    EXACT_TWO_RATE_TEST,
    INVERSE_NORMAL,
    JOINT_CHERNOFF,
    PART_RATIO,
    SCORE_TEST,
    Method,
)
from sklearn_seldonian.certification._methods_betting import betting
from sklearn_seldonian.certification._methods_boxes import box, t_box
from sklearn_seldonian.certification._methods_normal import delta_method
from sklearn_seldonian.certification._part_ratio import part_ratio
from sklearn_seldonian.certification._ratios import (
    approximate_excess,
    quotient,
    ratio_of_two,
    varying_part,
)
from sklearn_seldonian.constraints import Atom, interval

# With more rows than this, the exact test of two rates takes tenths of a second. The inverse normal
# method takes as long for any number of rows, and is then within a few thousandths of it.
MAX_ROWS_OF_EXACT_TEST = 100_000
# With more rows than this, the exact test of a part and the whole takes a second.
MAX_ROWS_OF_PART_TEST = 1000
# From this many rows per rate on, a normal approximation replaces the score test.
ROWS_OF_NORMAL_RATES = 1000
# From this many rows per rate on, the inverse normal method is sharper for a sum than Chernoff's.
ROWS_OF_TAILS = 25

Rung = Callable[[Atom, Evidence], Method | None]
# The weights of a sum; None for any other function of means.
Weights = NDArray[np.float64] | None
Means = Sequence[bounds.MeanBounds] | bounds.RateCounts


def method_for(atom: Atom, evidence: Evidence, method: str = "auto") -> Method:
    """The method that tests `atom`: the first that applies in the ladder named `method`."""
    if not atom.estimands:
        value = interval(atom.expression, {}).high
        return Method(ARITHMETIC, lambda _: value, lambda _: float(not value <= 0))
    evidence = evidence.of(atom.estimands)
    reason = _failure_reason(atom, evidence)
    found = (rung(atom, evidence) for rung in METHODS[method]) if not reason else iter(())
    taken = next((method for method in found if method is not None), None)
    reason = reason or _unbounded(atom)
    return taken or Method("none", lambda _: math.inf, lambda _: 1.0, reason=reason)


def approximate_upper(atom: Atom, evidence: Evidence, delta: float, method: str = "auto") -> float:
    """A fast approximation (milliseconds) of the safety test's upper bound on h."""
    test = method_for(atom, evidence, method)
    return (test.approximate_upper or test.upper)(delta)


def _unbounded(atom: Atom) -> str:
    """Why no method of the ladder applies."""
    names = [estimand.label for estimand in atom.estimands if not has_finite_ranges([estimand])]
    if not names:
        return "there are too few rows to see how the estimate varies"
    return f"{', '.join(names)} has no finite range, so that no finite-sample bound exists"


def _failure_reason(atom: Atom, evidence: Evidence) -> str:
    """Why no method can test the atom; empty if one can."""
    for estimand in atom.estimands:
        sample = evidence.samples[estimand]
        if not sample.trials:
            return f"no rows for {estimand.label} among the safety rows"
        if not math.isfinite(sample.successes):
            return f"{estimand.label} is not finite on the safety rows"
    ratios = [m for m in atom.estimands if m.quantity.conditions_on_prediction]
    is_alone = atom.linear is not None and len(atom.estimands) == 1
    if ratios and not evidence.deterministic and not is_alone:
        return (
            f"which rows count for {ratios[0].label} is drawn at random, and this constraint "
            "combines it with other terms"
        )
    return ""


# -- the rungs: rates ----------------------------------------------------------------------


class _Rates(NamedTuple):
    """The independent binomial rates of a linear atom."""

    k: list[float]
    n: list[float]
    weights: tuple[float, ...]
    constant: float

    @property
    def edge(self) -> Callable[[float], Edge]:
        """A function from delta to the edge of the passing counts, for one or two rates."""
        return partial(edge_of_rates, self.n, self.weights, self.constant)


def _independent_rates(atom: Atom, evidence: Evidence) -> _Rates | None:
    """The rates of an atom that is a sum of independent rates; otherwise None."""
    if atom.linear is None or not all(evidence.is_count(m) for m in atom.estimands):
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    samples = [evidence.samples[estimand] for estimand in atom.estimands]
    k = [float(round(sample.successes)) for sample in samples]
    n = [float(round(sample.trials)) for sample in samples]
    return _Rates(k, n, atom.linear.weights, atom.linear.constant)


def _one_rate(atom: Atom, evidence: Evidence) -> Method | None:
    rates = _independent_rates(atom, evidence)
    if rates is None or len(rates.n) != 1:
        return None
    (k,), (n,), (weight,), constant = rates
    return Method(
        CLOPPER_PEARSON,
        lambda delta: bounds.rate_upper(k, n, weight, delta) + constant,
        lambda _: bounds.rate_p_value(k, n, weight, -constant),
        lambda limit, delta: bounds.rate_certified(k, n, weight, limit - constant, delta),
        acceptance_region=rates.edge,
    )


def _two_rates(atom: Atom, evidence: Evidence) -> Method | None:
    rates = _independent_rates(atom, evidence)
    if rates is None or len(rates.n) != 2 or sum(rates.n) > MAX_ROWS_OF_EXACT_TEST:
        return None
    k, n, weights, constant = rates
    method = Method(
        EXACT_TWO_RATE_TEST,
        lambda delta: bounds.two_rate_upper(k, n, weights, delta) + constant,
        lambda delta: bounds.two_rate_p_value(k, n, weights, -constant, delta),
        lambda limit, delta: bounds.two_rate_certified(k, n, weights, limit - constant, delta),
        acceptance_region=rates.edge,
        approximate_upper=partial(_two_rate_upper_in_milliseconds, atom, evidence),
    )
    return _ratio_of_rates(atom, rates, method) if atom.is_ratio else method


def _two_rate_upper_in_milliseconds(atom: Atom, evidence: Evidence, delta: float) -> float:
    """A fast approximation of the exact test's bound for two rates.

    The score test orders samples by the same statistic, and its bound differs by a few hundredths
    of the width. With many rows the delta method differs as little from the score test.
    """
    fewest = min(evidence.samples[estimand].trials for estimand in atom.estimands)
    normal = delta_method(atom, evidence) if fewest >= ROWS_OF_NORMAL_RATES else None
    return (normal or method_for(atom, evidence, "asymptotic")).upper(delta)


def _ratio_of_rates(atom: Atom, rates: _Rates, of_difference: Method) -> Method | None:
    """The exact test of two rates, for a limit on their ratio.

    A bound on ``a - c b`` for one c is not a bound on ``a / b``, so there is only a verdict.
    """
    ratio = ratio_of_two(atom)
    if ratio is None:
        return None
    limit, order = ratio.limit, ratio.order
    k = [rates.n[i] - rates.k[i] if ratio.complemented[i] else rates.k[i] for i in order]
    n = [rates.n[i] for i in order]
    return replace(
        of_difference,
        upper=lambda delta: 0.0 if bounds.rate_ratio_certified(k, n, limit, delta) else math.inf,
        p_value=lambda delta: bounds.two_rate_p_value(k, n, (1.0, -limit), 0.0, delta),
        is_below=None,
    )


def _part_ratio(atom: Atom, evidence: Evidence) -> Method | None:
    """The exact test of the ratio of a part's rate and the rate of all rows."""
    test = part_ratio(atom, evidence)
    if test is None or test.n_rows > MAX_ROWS_OF_PART_TEST:
        return None
    limit = test.limit
    return Method(
        PART_RATIO,
        # a bound on a quotient is not one on ``a - limit * b``
        lambda delta: 0.0 if test.test(delta).certified(limit) else math.inf,
        lambda delta: test.test(delta).p_value(limit),
        passing_tables=test.passing_tables,
        approximate_upper=lambda delta: approximate_excess(
            atom, test.ratio, test.test(delta).approximate_upper, evidence
        ),
    )


def _function_of_rates(atom: Atom, evidence: Evidence) -> Method | None:
    """The inverse normal test that a smooth function of a few rates is below a limit."""
    if not all(evidence.is_count(estimand) for estimand in atom.estimands):
        return None
    expression, limit = varying_part(atom.expression)
    ratio = ratio_of_two(atom) if atom.is_ratio else None
    if ratio is not None:
        expression, limit = quotient(atom, ratio), ratio.limit
    elif atom.is_ratio:
        return None
    function = function_of_rates(expression, atom.estimands, evidence)
    is_sum = _independent_rates(atom, evidence) is not None and not atom.is_ratio
    if function is None or (is_sum and min(function.given_sizes) < ROWS_OF_TAILS):
        return None

    @cache
    def result(delta: float) -> tuple[float, float]:
        """The bound and the p-value, so that the test, of megabytes, need not be kept."""
        test = function.test(delta)
        excess = test.upper - limit
        if ratio is not None:  # a bound on a quotient is not one on ``a - limit * b``
            excess = 0.0 if excess <= 0.0 else math.inf
        return excess, test.p_value(limit)

    def approximate(delta: float) -> float:
        upper = function.test(delta, FEW_CELLS).upper
        return upper - limit if ratio is None else approximate_excess(atom, ratio, upper, evidence)

    return Method(
        INVERSE_NORMAL,
        lambda delta: result(delta)[0],
        lambda delta: result(delta)[1],
        passing_tables=lambda tables, delta: function.passing_tables(tables, limit, delta),
        approximate_upper=approximate,
    )


def _several_rates(atom: Atom, evidence: Evidence) -> Method | None:
    rates = _independent_rates(atom, evidence)
    if rates is None or atom.is_ratio:
        return None
    k, n, weights, constant = rates
    p_value = partial(bounds.chernoff_p_value, k, n, weights)
    return Method(
        JOINT_CHERNOFF,
        lambda delta: bounds.chernoff_upper(k, n, weights, delta) + constant,
        lambda delta: p_value(-constant, delta),
        lambda limit, delta: p_value(limit - constant, delta) <= delta,
        passing_tables=lambda tables, delta: (
            chernoff_p_values(tables, n, weights, -constant, delta) <= delta
        ),
    )


def _score(atom: Atom, evidence: Evidence) -> Method | None:
    rates = _independent_rates(atom, evidence)
    if rates is None or len(rates.n) > 2:
        return None
    k, n, weights, constant = rates
    return Method(
        SCORE_TEST,
        lambda delta: bounds.score_upper(k, n, weights, delta) + constant,
        lambda _: bounds.score_p_value(k, n, weights, -constant),
        acceptance_region=rates.edge,
    )


# -- the rungs: a normal approximation -----------------------------------------------------


_LADDER = (_one_rate, _two_rates, _part_ratio, _function_of_rates, _several_rates, betting, box)
METHODS: Mapping[str, tuple[Rung, ...]] = MappingProxyType(
    {
        "auto": (*_LADDER, delta_method),
        "exact": _LADDER,
        "asymptotic": (_score, delta_method),
        "ttest": (t_box,),
    }
)

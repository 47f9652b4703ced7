"""How an atom is tested: the strongest method whose assumptions the text grants.

The ladder, strongest first: Clopper-Pearson for one rate; the exact unconditional test for two
independent rates; the inverse normal method for functions of a few rates; the joint Chernoff bound
for sums of more; betting for bounded means; the box of one-sided bounds for everything else with
finite ranges; the delta method, asymptotic, where a range is not finite. Which one is taken depends
on the atom's text, on what `predict` does, and on how many rows there are: never on what they say.
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
from sklearn_seldonian.bounds._betting import betting_test
from sklearn_seldonian.bounds._capital import FEW_LIMITS
from sklearn_seldonian.bounds._chernoff import chernoff_p_values
from sklearn_seldonian.bounds._inverse_normal import MAX_CELLS
from sklearn_seldonian.certification._edges import Edge, edge_of_rates
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._function_of_rates import FEW_CELLS, function_of_rates
from sklearn_seldonian.certification._method import (
    ARITHMETIC,
    BETTING,
    CLOPPER_PEARSON,
    EXACT_TWO_RATE_TEST,
    INVERSE_NORMAL,
    JOINT_CHERNOFF,
    SCORE_TEST,
    Method,
)
from sklearn_seldonian.certification._ratios import quotient, ratio_of_two, varying_part
from sklearn_seldonian.constraints import Atom, Estimand, exact_dual, interval
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.measures import Rate

# Beyond so many rows the exact test of two rates takes tenths of a second, and the inverse normal
# method, which takes as long for any number of rows, is within a few thousandths of it.
MAX_ROWS_OF_EXACT_TEST = 100_000
# From so many rows a rate on, its normal approximation is taken for the score test's.
ROWS_OF_NORMAL_RATES = 1000
# From so many rows a rate on, tails of each rate tell more of a sum of rates than Chernoff's bound.
ROWS_OF_TAILS = 40

Rung = Callable[[Atom, Evidence], Method | None]
# Of a sum; None for any other function of means.
Weights = NDArray[np.float64] | None
Means = Sequence[bounds.MeanBounds] | bounds.RateCounts


def method_for(atom: Atom, evidence: Evidence, method: str = "auto") -> Method:
    """The method that tests `atom`: the first of the ladder called `method` that applies."""
    if not atom.estimands:
        value = interval(atom.expression, {}).high
        return Method(ARITHMETIC, lambda _: value, lambda _: float(not value <= 0))
    reason = _failure_reason(atom, evidence)
    found = (rung(atom, evidence) for rung in METHODS[method]) if not reason else iter(())
    taken = next((method for method in found if method is not None), None)
    reason = reason or _unbounded(atom)
    return taken or Method("none", lambda _: math.inf, lambda _: 1.0, reason=reason)


def approximate_upper(atom: Atom, evidence: Evidence, delta: float, method: str = "auto") -> float:
    """About the upper bound on h that the safety test would give on `evidence`, in milliseconds."""
    test = method_for(atom, evidence, method)
    return (test.approximate_upper or test.upper)(delta)


def has_finite_ranges(estimands: Sequence[Estimand]) -> bool:
    """Whether each of the `estimands` is known to lie between two finite numbers."""
    return all(math.isfinite(end) for estimand in estimands for end in estimand.quantity.range)


def _unbounded(atom: Atom) -> str:
    """Why no method of a ladder applies."""
    names = [estimand.label for estimand in atom.estimands if not has_finite_ranges([estimand])]
    if not names:
        return "there are too few rows to see how the estimate varies"
    return f"{', '.join(names)} has no finite range, so that no finite-sample bound exists"


def _failure_reason(atom: Atom, evidence: Evidence) -> str:
    """What stands in the way of any method; empty where nothing does."""
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
    """Independent binomial rates that an atom is linear in."""

    k: list[float]
    n: list[float]
    weights: tuple[float, ...]
    constant: float

    @property
    def edge(self) -> Callable[[float], Edge]:
        """From a delta to the edge of the counts that pass, of one or two rates."""
        return partial(edge_of_rates, self.n, self.weights, self.constant)


def _independent_rates(atom: Atom, evidence: Evidence) -> _Rates | None:
    """The rates that an atom is a sum of; None where it is anything else."""
    if atom.linear is None or not all(_is_count(m, evidence) for m in atom.estimands):
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    samples = [evidence.samples[estimand] for estimand in atom.estimands]
    k = [float(round(sample.successes)) for sample in samples]
    n = [float(round(sample.trials)) for sample in samples]
    return _Rates(k, n, atom.linear.weights, atom.linear.constant)


def _is_count(estimand: Estimand, evidence: Evidence) -> bool:
    """Whether the mean's successes are binomial."""
    return evidence.deterministic and isinstance(estimand.quantity, Rate)


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
    """The bound of another test of two rates, beside the exact one.

    The score test orders samples by the same statistic, and differs by a few hundredths of the
    bound's width. With many rows the delta method differs as little from the score test.
    """
    fewest = min(evidence.samples[estimand].trials for estimand in atom.estimands)
    normal = _delta_method(atom, evidence) if fewest >= ROWS_OF_NORMAL_RATES else None
    return (normal or method_for(atom, evidence, "asymptotic")).upper(delta)


def _ratio_of_rates(atom: Atom, rates: _Rates, of_difference: Method) -> Method | None:
    """The exact test of two rates for every limit on their ratio at once.

    A bound on ``a - c b`` at one c says nothing about ``a / b``, so there is only a verdict.
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


def _function_of_rates(atom: Atom, evidence: Evidence) -> Method | None:
    """A smooth function of a few rates, which may share rows, is at most a number."""
    if not all(_is_count(estimand, evidence) for estimand in atom.estimands):
        return None
    expression, limit = varying_part(atom.expression)
    if atom.is_ratio:
        ratio = ratio_of_two(atom)
        if ratio is None:
            return None
        expression, limit = quotient(atom, ratio), ratio.limit
    function = function_of_rates(expression, atom.estimands, evidence)
    is_sum = _independent_rates(atom, evidence) is not None and not atom.is_ratio
    if function is None or (is_sum and function.fewest < ROWS_OF_TAILS):
        return None

    def upper(delta: float, max_cells: int = MAX_CELLS) -> float:
        excess = function.test(delta, max_cells).upper - limit
        if atom.is_ratio:  # a bound on a quotient is not one on ``a - limit * b``
            return 0.0 if excess <= 0.0 else math.inf
        return excess

    return Method(
        INVERSE_NORMAL,
        upper,
        lambda delta: function.test(delta).p_value(limit),
        passing_tables=lambda tables, delta: function.passing_tables(tables, limit, delta),
        approximate_upper=partial(upper, max_cells=FEW_CELLS),
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


# -- the rungs: betting --------------------------------------------------------------------


def _betting(atom: Atom, evidence: Evidence) -> Method | None:
    if atom.linear is None or not has_finite_ranges(atom.estimands) or evidence.row_values is None:
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    if any(estimand.quantity.conditions_on_prediction for estimand in atom.estimands):
        # Such a mean is a ratio of two means over rows. Where it is drawn it is alone in its atom.
        return None if evidence.deterministic else _betting_on_a_drawn_ratio(atom, evidence)
    weights, constant = atom.linear.weights, atom.linear.constant
    values = [evidence.row_values(estimand, 1.0, 0.0) for estimand in atom.estimands]
    ranges = [evidence.range_of(estimand) for estimand in atom.estimands]
    if atom.is_ratio:
        ratio = ratio_of_two(atom)
        if ratio is None or min(low for low, _ in ranges) < 0.0:
            return None
        of = ratio.complemented
        top, bottom = (1.0 - values[i] if of[i] else values[i] for i in ratio.order)
        highest, largest = (1.0 if of[i] else ranges[i][1] for i in ratio.order)
        return _betting_on_a_ratio(top, bottom, (highest, largest), ratio.limit)
    test = partial(betting_test, values, weights, ranges)
    tested = cache(test)  # one look at the rows for both answers
    return Method(
        BETTING,
        lambda delta: tested(delta).upper + constant,
        lambda delta: tested(delta).p_value(-constant),
        approximate_upper=lambda delta: test(delta, FEW_LIMITS).upper + constant,
    )


def _betting_on_a_drawn_ratio(atom: Atom, evidence: Evidence) -> Method | None:
    """Betting on a ratio E[success] / E[trial] of drawn decisions, at most or at least a number.

    Where it is at least c, trials are at most 1 / c of successes.
    """
    assert atom.linear is not None
    assert evidence.row_values is not None
    (estimand,), (weight,), constant = atom.estimands, atom.linear.weights, atom.linear.constant
    if weight * constant >= 0.0:
        return None  # not at all, or whatever the ratio is
    parts = evidence.row_values(estimand, 1.0, 0.0), evidence.row_values(estimand, 0.0, 1.0)
    successes, trials = (np.clip(values, 0.0, 1.0) for values in parts)  # a row's sum may round
    share = -constant / weight
    if weight > 0.0:
        return _betting_on_a_ratio(successes, trials, (1.0, 1.0), share)
    return _betting_on_a_ratio(trials, successes, (1.0, 1.0), 1.0 / share)


def _betting_on_a_ratio(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    highest: tuple[float, float],
    limit: float,
) -> Method:
    """Whether a ratio is at most `limit`; as for rates, there is only a verdict."""
    p_value = partial(bounds.ratio_betting_p_value, numerator, denominator, highest, limit)
    return Method(BETTING, lambda delta: 0.0 if p_value(delta) <= delta else math.inf, p_value)


# -- the rungs: boxes ----------------------------------------------------------------------


def _box(atom: Atom, evidence: Evidence) -> Method | None:
    if not has_finite_ranges(atom.estimands):
        return None
    counted = {_is_count(estimand, evidence) for estimand in atom.estimands}
    names = [CLOPPER_PEARSON] * (True in counted) + ["Chernoff-Hoeffding"] * (False in counted)
    return _box_of(f"box of {' and '.join(names)} bounds", _finite_sample, atom, evidence)


def _t_box(atom: Atom, evidence: Evidence) -> Method | None:
    return _box_of("box of Student t bounds", partial(_each, _t_bounds), atom, evidence)


def _box_of(
    name: str,
    means_of: Callable[[Sequence[Estimand], Evidence, Weights], Means],
    atom: Atom,
    evidence: Evidence,
) -> Method:
    """The largest value of the atom over a product of intervals, one for each mean."""
    weights = None if atom.linear is None else np.array(atom.linear.weights)
    means = means_of(atom.estimands, evidence, weights)

    def highest(ends: Sequence[tuple[float, float]]) -> float:
        box = {m: Interval(*pair) for m, pair in zip(atom.estimands, ends, strict=True)}
        return interval(atom.expression, box).high

    return Method(
        name,
        lambda delta: bounds.box_upper(highest, means, delta),
        lambda _: bounds.box_p_value(highest, means, 0.0),
    )


def _finite_sample(estimands: Sequence[Estimand], evidence: Evidence, weights: Weights) -> Means:
    """The bounds that hold for any number of rows; each end's, or one of each mean of a sum."""
    if not all(_is_count(estimand, evidence) for estimand in estimands):
        return _each(_mean_bounds, estimands, evidence, weights)
    samples = [evidence.samples[estimand] for estimand in estimands]
    return bounds.RateCounts(
        np.round([sample.successes for sample in samples]),
        np.round([sample.trials for sample in samples]),
        *(np.full((2, len(samples)), True) if weights is None else (weights < 0, weights > 0)),
    )


def _each(
    bounds_of: Callable[[Estimand, Evidence], bounds.MeanBounds],
    estimands: Sequence[Estimand],
    evidence: Evidence,
    weights: Weights,
) -> list[bounds.MeanBounds]:
    means = [bounds_of(estimand, evidence) for estimand in estimands]
    if weights is None:
        return means
    return [
        mean._replace(needs_lower=weight < 0, needs_upper=weight > 0)
        for mean, weight in zip(means, weights.tolist(), strict=True)
    ]


def _mean_bounds(estimand: Estimand, evidence: Evidence) -> bounds.MeanBounds:
    sample, support = evidence.samples[estimand], evidence.range_of(estimand)
    n = round(sample.trials)
    if _is_count(estimand, evidence):
        k = round(sample.successes)
        lower, upper = partial(bounds.binomial_lower, k, n), partial(bounds.binomial_upper, k, n)
    else:
        seen = sample.estimate, n, *support
        lower = partial(bounds.bounded_mean_lower, *seen)
        upper = partial(bounds.bounded_mean_upper, *seen)
    return bounds.MeanBounds(lower, upper, support)


def _t_bounds(estimand: Estimand, evidence: Evidence) -> bounds.MeanBounds:
    sample = evidence.samples[estimand]
    n = int(sample.trials)
    variance = _sample_variance(evidence, [estimand], [1.0], n)
    return bounds.MeanBounds(
        lambda delta: -bounds.t_upper(-sample.estimate, variance, n, delta),
        lambda delta: bounds.t_upper(sample.estimate, variance, n, delta),
        estimand.quantity.range,
    )


# -- the rungs: a normal approximation -----------------------------------------------------


def _delta_method(atom: Atom, evidence: Evidence) -> Method | None:
    """A normal approximation for whatever varies; None where nothing does."""
    point = exact_dual(atom.expression, evidence.estimates(atom.estimands))
    # The smallest sample decides how far the normal approximation can be trusted.
    n = int(min(evidence.samples[estimand].trials for estimand in atom.estimands))
    variance = _sample_variance(evidence, atom.estimands, point.gradient.tolist(), n)
    if not math.isfinite(variance):
        return None
    return Method(
        "delta method",
        lambda delta: bounds.delta_method_upper(point.value, variance, n, delta),
        lambda _: bounds.delta_method_p_value(point.value, variance, n, 0.0),
    )


def _sample_variance(
    evidence: Evidence, estimands: Sequence[Estimand], slopes: Sequence[float], n: int
) -> float:
    """The variance of ``sum(slopes * means)`` times n, with n - 1 degrees of freedom.

    Of one mean of n rows it is their sample variance.
    """
    if n < 2 or not evidence.n_rows:
        return math.nan
    of_all_rows = evidence.influence_variance(estimands, slopes) * n / evidence.n_rows
    return of_all_rows * (1.0 - 1.0 / evidence.n_rows) / (1.0 - 1.0 / n)


_LADDER = (_one_rate, _two_rates, _function_of_rates, _several_rates, _betting, _box)
METHODS: Mapping[str, tuple[Rung, ...]] = MappingProxyType(
    {
        "auto": (*_LADDER, _delta_method),
        "exact": _LADDER,
        "asymptotic": (_score, _delta_method),
        "ttest": (_t_box,),
    }
)

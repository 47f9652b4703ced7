"""The tests that bound each mean on its own: the box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds._box import ends_of, rate_ends
from sklearn_seldonian.certification._evidence import Evidence, has_finite_ranges
from sklearn_seldonian.certification._method import BOX_ON_UNITS, CLOPPER_PEARSON, Method
from sklearn_seldonian.certification._methods_normal import normal_upper
from sklearn_seldonian.constraints import Atom, Estimand, Jet, interval, jet, n_ends
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._tails import limit_on_least

# The weights of a sum; None for any other function of means.
Weights = NDArray[np.float64] | None
Means = Sequence[bounds.MeanBounds] | bounds.RateCounts


def box(atom: Atom, evidence: Evidence) -> Method | None:
    """The box of finite-sample bounds; None unless each mean has a finite range."""
    if not has_finite_ranges(atom.estimands):
        return None
    if evidence.totals is not None or evidence.populations:
        return _box_on_units(atom, evidence)
    counted = {evidence.is_count(estimand) for estimand in atom.estimands}
    names = [CLOPPER_PEARSON] * (True in counted) + ["Chernoff-Hoeffding"] * (False in counted)
    name = f"box of {' and '.join(names)} bounds"
    return _box_of(name, _finite_sample, atom, evidence, n_ends(atom.expression))


def t_box(atom: Atom, evidence: Evidence) -> Method | None:
    """The box of Student's t bounds, for any ranges; delta is divided among all ends.

    A conditional value at risk is one mean: that of the threshold with the smallest estimate.
    """
    least = limit_on_least(atom)
    if least is not None:
        estimates = [a * evidence.samples[mean].estimate + c for mean, a, c in least.means]
        atom = least.at(least.means[int(np.argmin(estimates))])
    return _box_of("box of Student t bounds", partial(_each, _t_bounds), atom, evidence)


def _box_of(
    name: str,
    means_of: Callable[[Sequence[Estimand], Evidence, Weights], Means],
    atom: Atom,
    evidence: Evidence,
    n: int | None = None,
) -> Method:
    """The largest value of the atom over a product of intervals, one for each mean.

    Delta is divided among `n` of their ends, or among all that are needed.
    """
    means, highest = means_of(atom.estimands, evidence, _weights_of(atom)), _highest_of(atom)
    return Method(
        name,
        lambda delta: bounds.box_upper(highest, means, delta, n),
        lambda _: bounds.box_p_value(highest, means, 0.0, n),
        passing_tables=partial(_passing_tables, atom, means, n)
        if isinstance(means, bounds.RateCounts)
        else None,
    )


def _passing_tables(
    atom: Atom, rates: bounds.RateCounts, n: int | None, tables: NDArray[np.float64], delta: float
) -> NDArray[np.bool_]:
    """Which tables pass; each row has the successes of all rates.

    It is the test of each table, except that ends are rounded to the nearest float.
    """
    lows, highs = rate_ends(rates, tables, delta / ends_of(rates, n))
    no_slopes = (np.zeros((len(tables), 0)),) * 2
    boxes = zip(lows.T, highs.T, strict=True)
    jets = (Jet(ends, no_slopes) for ends in boxes)
    return jet(atom.expression, dict(zip(atom.estimands, jets, strict=True))).high <= 0.0


def _box_on_units(atom: Atom, evidence: Evidence) -> Method:
    """The box of betting bounds on units; its p-value is that of bets tuned to delta."""
    weights, highest, n = _weights_of(atom), _highest_of(atom), n_ends(atom.expression)

    @cache
    def bets(estimand: Estimand, sign: float, delta: float) -> bounds.LimitsTest:
        one, *others = (each.totals_of([estimand]) for each in evidence.populations or [evidence])
        return bounds.totals_test(one, [sign], delta, others=others)

    def means(tuned_to: float | None) -> list[bounds.MeanBounds]:
        def bounds_of(estimand: Estimand, evidence: Evidence) -> bounds.MeanBounds:
            def upper(sign: float, delta: float) -> float:
                return bets(estimand, sign, tuned_to or delta).upper_at(delta)

            lower = partial(upper, -1.0)
            support = evidence.range_of(estimand)
            return bounds.MeanBounds(lambda d: -lower(d), partial(upper, 1.0), support)

        return _each(bounds_of, atom.estimands, evidence, weights)

    def p_value(delta: float) -> float:
        return bounds.box_p_value(highest, means(delta / ends_of(means(None), n)), 0.0, n)

    return Method(
        BOX_ON_UNITS,
        lambda delta: bounds.box_upper(highest, means(None), delta, n),
        p_value,
        approximate_upper=partial(normal_upper, atom, evidence),
    )


def _weights_of(atom: Atom) -> Weights:
    return None if atom.linear is None else np.array(atom.linear.weights)


def _highest_of(atom: Atom) -> Callable[[Sequence[tuple[float, float]]], float]:
    """The function from an interval for each mean to the largest value of the atom."""

    def highest(ends: Sequence[tuple[float, float]]) -> float:
        box = {m: Interval(*pair) for m, pair in zip(atom.estimands, ends, strict=True)}
        return interval(atom.expression, box).high

    return highest


def _finite_sample(estimands: Sequence[Estimand], evidence: Evidence, weights: Weights) -> Means:
    """The finite-sample bounds on each mean; for a sum, only the needed end of each."""
    if not all(evidence.is_count(estimand) for estimand in estimands):
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
    if evidence.is_count(estimand):
        k = round(sample.successes)
        lower, upper = partial(bounds.binomial_lower, k, n), partial(bounds.binomial_upper, k, n)
    else:
        seen = sample.estimate, n, *support
        lower = partial(bounds.bounded_mean_lower, *seen)
        upper = partial(bounds.bounded_mean_upper, *seen)
    return bounds.MeanBounds(lower, upper, support)


def _t_bounds(estimand: Estimand, evidence: Evidence) -> bounds.MeanBounds:
    def upper(sign: float, delta: float) -> float:
        def of(each: Evidence) -> float:
            n, variance = each.sample_variance([estimand], [1.0])
            return bounds.t_upper(sign * each.samples[estimand].estimate, variance, n, delta)

        return evidence.worst(of)

    return bounds.MeanBounds(
        lambda delta: -upper(-1.0, delta), partial(upper, 1.0), estimand.quantity.range
    )

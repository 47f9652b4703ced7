"""How an atom is tested: the strongest method whose assumptions the text grants.

The ladder, strongest first: Clopper-Pearson for one rate; the exact unconditional test
for two independent rates; the joint Chernoff bound for more of them; betting for bounded
means; the box of one-sided bounds for everything else with finite ranges; the delta
method, asymptotic, where a range is not finite. Which one is taken depends on the atom's
text, on what `predict` does, and on how many rows there are: never on what they say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds import (
    MeanBounds,
    betting_p_value,
    betting_upper,
    binomial_lower,
    binomial_upper,
    bounded_mean_lower,
    bounded_mean_upper,
    box_p_value,
    box_upper,
    chernoff_p_value,
    chernoff_upper,
    delta_method_p_value,
    delta_method_upper,
    rate_p_value,
    rate_ratio_certified,
    rate_upper,
    ratio_betting_p_value,
    score_p_value,
    score_upper,
    t_upper,
    two_rate_certified,
    two_rate_p_value,
    two_rate_upper,
)
from sklearn_seldonian.bounds._chernoff import chernoff_p_values
from sklearn_seldonian.certification._edges import Edge, edge_of_rates
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.constraints import Atom, Estimand, exact_dual, interval
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.measures import Rate

# Beyond so many rows the exact test of two rates takes tenths of a second, and the joint
# Chernoff bound, which takes milliseconds, is within a few thousandths of it.
MAX_ROWS_OF_EXACT_TEST = 100_000
# From so many rows a rate on, its normal approximation is taken for the score test's.
ROWS_OF_NORMAL_RATES = 1000
CLOPPER_PEARSON = "Clopper-Pearson"
EXACT_TWO_RATE_TEST = "exact unconditional test"
SCORE_TEST = "score test"
BETTING = "betting"
# A constant of a ratio that is this share of its weights is rounding.
ROUNDING = 1e-12
ARITHMETIC = "arithmetic"
JOINT_CHERNOFF = "joint Chernoff bound"


@dataclass(frozen=True)
class Method:
    """A test of ``h <= 0`` for one atom on given evidence.

    Attributes
    ----------
    name : str
    guarantee : {"exact", "finite-sample", "asymptotic"}
    upper : callable
        From a delta to an upper bound on h that is wrong with at most that probability.
    p_value : callable
        From the delta that a test is tuned to, to its p-value against ``h > 0``.
    is_below : callable, default=None
        ``is_below(limit, delta)``: whether ``upper(delta) <= limit``, where there is a
        faster way to tell. None: by comparing.
    reason : str
        Why there is no bound; empty where there is one.
    acceptance_region : callable, default=None
        From a delta to the edge of the counts that pass where each rate has as many rows as in
        the evidence, as `edge_of_rates` returns it. None: the test is not of one or two
        independent rates, and which results pass is only known by running it.
    passing_tables : callable, default=None
        ``passing_tables(tables, delta)``: which of many tables, one a row, of as many rows as in
        the evidence pass. None: as for `acceptance_region`.
    approximate_upper : callable, default=None
        As `upper`, in milliseconds and about as high. None: `upper` itself is as fast.
    """

    name: str
    guarantee: str
    upper: Callable[[float], float]
    p_value: Callable[[float], float]
    is_below: Callable[[float, float], bool] | None = None
    reason: str = ""
    acceptance_region: Callable[[float], Edge] | None = None
    passing_tables: Callable[[NDArray[np.float64], float], NDArray[np.bool_]] | None = None
    approximate_upper: Callable[[float], float] | None = None

    def at_most(self, limit: float, delta: float) -> bool:
        """Whether the upper bound is at most `limit`."""
        if self.is_below is not None:
            return self.is_below(limit, delta)
        return self.upper(delta) <= limit


Rung = Callable[[Atom, Evidence], Method | None]


def method_for(atom: Atom, evidence: Evidence, method: str = "auto") -> Method:
    """The method that tests `atom`: the first of the ladder called `method` that applies."""
    if not atom.estimands:
        value = interval(atom.expression, {}).high
        return Method(ARITHMETIC, "exact", lambda _: value, lambda _: float(not value <= 0))
    reason = _failure_reason(atom, evidence)
    found = (rung(atom, evidence) for rung in METHODS[method]) if not reason else iter(())
    taken = next((method for method in found if method is not None), None)
    return taken or _no_method(reason or _unbounded(atom))


def approximate_upper(atom: Atom, evidence: Evidence, delta: float, method: str = "auto") -> float:
    """About the upper bound on h that the safety test would give on `evidence`, in milliseconds."""
    test = method_for(atom, evidence, method)
    return (test.approximate_upper or test.upper)(delta)


def _no_method(reason: str) -> Method:
    """Never passes, and says why."""
    return Method("none", "none", lambda _: math.inf, lambda _: 1.0, None, reason)


def _unbounded(atom: Atom) -> str:
    names = [estimand.label for estimand in atom.estimands if not has_finite_ranges([estimand])]
    if not names:
        return "there are too few rows to see how the estimate varies"
    return f"{', '.join(names)} has no finite range, so that no finite-sample bound exists"


def has_finite_ranges(estimands: Sequence[Estimand]) -> bool:
    """Whether each of the `estimands` is known to lie between two finite numbers."""
    return all(math.isfinite(end) for estimand in estimands for end in estimand.quantity.range)


def _failure_reason(atom: Atom, evidence: Evidence) -> str:
    """What stands in the way of any method; empty where nothing does."""
    for estimand in atom.estimands:
        sample = evidence.samples[estimand]
        if not sample.trials:
            return f"no rows for {estimand.label} among the safety rows"
        if not math.isfinite(sample.successes):
            return f"{estimand.label} is not finite on the safety rows"
    drawn = [
        m
        for m in atom.estimands
        if not evidence.deterministic and m.quantity.conditions_on_prediction
    ]
    if drawn and not _is_drawn_ratio(atom, evidence):
        return (
            f"which rows count for {drawn[0].label} is drawn at random, and this constraint "
            "combines it with other terms"
        )
    return ""


# -- the rungs ---------------------------------------------------------------------------


def _one_rate(atom: Atom, evidence: Evidence) -> Method | None:
    if not _is_linear_in_rates(atom, evidence) or len(atom.estimands) != 1:
        return None
    (k,), (n,), (weight,), constant = _counts(atom, evidence)
    return Method(
        CLOPPER_PEARSON,
        "exact",
        lambda delta: rate_upper(k, n, weight, delta) + constant,
        lambda _: rate_p_value(k, n, weight, -constant),
        acceptance_region=partial(edge_of_rates, [n], [weight], constant),
    )


def _two_rates(atom: Atom, evidence: Evidence) -> Method | None:
    if not _is_linear_in_rates(atom, evidence) or len(atom.estimands) != 2:
        return None
    k, n, weights, constant = _counts(atom, evidence)
    if (
        not atom.has_independent_estimands(evidence.mutually_exclusive_columns)
        or sum(n) > MAX_ROWS_OF_EXACT_TEST
    ):
        return None
    method = Method(
        EXACT_TWO_RATE_TEST,
        "exact",
        lambda delta: two_rate_upper(k, n, weights, delta) + constant,
        lambda delta: two_rate_p_value(k, n, weights, -constant, delta),
        lambda limit, delta: two_rate_certified(k, n, weights, limit - constant, delta),
        acceptance_region=partial(edge_of_rates, n, weights, constant),
        approximate_upper=partial(_two_rate_upper_in_milliseconds, atom, evidence),
    )
    return _ratio_of_rates(atom, k, n, method) if atom.is_ratio else method


def _two_rate_upper_in_milliseconds(atom: Atom, evidence: Evidence, delta: float) -> float:
    """The bound of another test of two rates, beside the exact one.

    The score test orders samples by the same statistic, and differs by a few hundredths of the
    bound's width. With many rows the delta method differs as little from the score test.
    """
    fewest = min(evidence.samples[estimand].trials for estimand in atom.estimands)
    normal = delta_method(atom, evidence) if fewest >= ROWS_OF_NORMAL_RATES else None
    return (normal or method_for(atom, evidence, "asymptotic")).upper(delta)


def _ratio_of_rates(
    atom: Atom, counts: list[float], trials: list[float], of_difference: Method
) -> Method | None:
    """The exact test of two rates for every limit on their ratio at once.

    A bound on ``a - c b`` at one c says nothing about ``a / b``, so there is only a verdict.
    """
    ratio = _ratio_of_two(atom)
    if ratio is None:
        return None
    order, limit = (ratio.numerator, ratio.denominator), ratio.limit
    k = [trials[i] - counts[i] if ratio.complemented[i] else counts[i] for i in order]
    n = [trials[i] for i in order]
    return replace(
        of_difference,
        upper=lambda delta: 0.0 if rate_ratio_certified(k, n, limit, delta) else math.inf,
        p_value=lambda delta: two_rate_p_value(k, n, (1.0, -limit), 0.0, delta),
        is_below=None,
    )


def _several_rates(atom: Atom, evidence: Evidence) -> Method | None:
    if not _is_linear_in_rates(atom, evidence) or atom.is_ratio:
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    k, n, weights, constant = _counts(atom, evidence)
    return Method(
        JOINT_CHERNOFF,
        "finite-sample",
        lambda delta: chernoff_upper(k, n, weights, delta) + constant,
        lambda delta: chernoff_p_value(k, n, weights, -constant, delta),
        lambda limit, delta: chernoff_p_value(k, n, weights, limit - constant, delta) <= delta,
        passing_tables=lambda tables, delta: (
            chernoff_p_values(tables, n, weights, -constant, delta) <= delta
        ),
    )


def _betting(atom: Atom, evidence: Evidence) -> Method | None:
    if atom.linear is None or not has_finite_ranges(atom.estimands) or evidence.row_values is None:
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    if _is_drawn_ratio(atom, evidence):
        return _betting_on_a_drawn_ratio(atom, evidence)
    if any(estimand.quantity.conditions_on_prediction for estimand in atom.estimands):
        return None  # such a mean is a ratio of two means over rows, not one of them
    weights, constant = atom.linear.weights, atom.linear.constant
    values = [evidence.row_values(estimand, 1.0, 0.0) for estimand in atom.estimands]
    ranges = [evidence.range_of(estimand) for estimand in atom.estimands]
    if atom.is_ratio:
        ratio = _ratio_of_two(atom)
        if ratio is None or min(low for low, _ in ranges) < 0.0:
            return None
        order = ratio.numerator, ratio.denominator
        top, bottom = (1.0 - values[i] if ratio.complemented[i] else values[i] for i in order)
        highest, largest = (1.0 if ratio.complemented[i] else ranges[i][1] for i in order)
        return _betting_on_a_ratio(top, bottom, (highest, largest), ratio.limit)
    return Method(
        BETTING,
        "finite-sample",
        lambda delta: betting_upper(values, weights, ranges, delta) + constant,
        lambda delta: betting_p_value(values, weights, ranges, -constant, delta),
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

    def p_value(delta: float) -> float:
        return ratio_betting_p_value(numerator, denominator, highest, limit, delta)

    return Method(
        BETTING,
        "finite-sample",
        lambda delta: 0.0 if p_value(delta) <= delta else math.inf,
        p_value,
    )


def _box(atom: Atom, evidence: Evidence) -> Method | None:
    if not has_finite_ranges(atom.estimands):
        return None
    estimands = [
        _mean_bounds(estimand, evidence, sides)
        for estimand, sides in zip(atom.estimands, _sides_needed(atom), strict=True)
    ]
    counted = {_is_count(estimand, evidence) for estimand in atom.estimands}
    names = [CLOPPER_PEARSON] * (True in counted) + ["Chernoff-Hoeffding"] * (False in counted)
    return Method(
        f"box of {' and '.join(names)} bounds",
        "finite-sample",
        lambda delta: box_upper(_highest(atom), estimands, delta),
        lambda _: box_p_value(_highest(atom), estimands, 0.0),
    )


def _score(atom: Atom, evidence: Evidence) -> Method | None:
    if not _is_linear_in_rates(atom, evidence) or len(atom.estimands) > 2:
        return None
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    k, n, weights, constant = _counts(atom, evidence)
    return Method(
        SCORE_TEST,
        "asymptotic",
        lambda delta: score_upper(k, n, weights, delta) + constant,
        lambda _: score_p_value(k, n, weights, -constant),
        acceptance_region=partial(edge_of_rates, n, weights, constant),
    )


def delta_method(atom: Atom, evidence: Evidence) -> Method | None:
    """A normal approximation for whatever varies; None where nothing does."""
    point = exact_dual(atom.expression, evidence.estimates(atom.estimands))
    # The smallest sample decides how far the normal approximation can be trusted.
    n = int(min(evidence.samples[estimand].trials for estimand in atom.estimands))
    variance = _sample_variance(evidence, atom.estimands, point.gradient.tolist(), n)
    if not math.isfinite(variance):
        return None
    return Method(
        "delta method",
        "asymptotic",
        lambda delta: delta_method_upper(point.value, variance, n, delta),
        lambda _: delta_method_p_value(point.value, variance, n, 0.0),
    )


def _t_box(atom: Atom, evidence: Evidence) -> Method | None:
    estimands = [
        _t_bounds(estimand, evidence, sides)
        for estimand, sides in zip(atom.estimands, _sides_needed(atom), strict=True)
    ]
    return Method(
        "box of Student t bounds",
        "asymptotic",
        lambda delta: box_upper(_highest(atom), estimands, delta),
        lambda _: box_p_value(_highest(atom), estimands, 0.0),
    )


_LADDER = (_one_rate, _two_rates, _several_rates, _betting, _box)
METHODS: Mapping[str, tuple[Rung, ...]] = MappingProxyType(
    {
        "auto": (*_LADDER, delta_method),
        "exact": _LADDER,
        "asymptotic": (_score, delta_method),
        "ttest": (_t_box,),
    }
)


# -- what the rungs are made of ------------------------------------------------------------


def _is_count(estimand: Estimand, evidence: Evidence) -> bool:
    """Whether the mean's successes are binomial."""
    return evidence.deterministic and isinstance(estimand.quantity, Rate)


def _is_linear_in_rates(atom: Atom, evidence: Evidence) -> bool:
    return atom.linear is not None and all(
        _is_count(estimand, evidence) for estimand in atom.estimands
    )


class _Ratio(NamedTuple):
    """``numerator <= limit * denominator``: positions of two means, and whose complement counts."""

    numerator: int
    denominator: int
    complemented: tuple[bool, bool]
    limit: float


def _ratio_of_two(atom: Atom) -> _Ratio | None:
    """The atom as a bound on the ratio of two means, or of complements of rates."""
    linear = atom.linear
    if linear is None or len(atom.estimands) != 2:
        return None
    may_be = [(False, True) if isinstance(m.quantity, Rate) else (False,) for m in atom.estimands]
    for first, second in itertools.product(*may_be):
        w1, w2 = linear.weights
        constant = linear.constant + w1 * first + w2 * second
        weights = (-w1 if first else w1), (-w2 if second else w2)
        if abs(constant) <= ROUNDING * max(abs(w1), abs(w2)) and min(weights) < 0.0 < max(weights):
            top = int(weights[1] > 0.0)
            return _Ratio(top, 1 - top, (first, second), -weights[1 - top] / weights[top])
    return None


def _is_drawn_ratio(atom: Atom, evidence: Evidence) -> bool:
    """Whether the atom bounds one ratio of soft means, such as PPV with drawn decisions."""
    if evidence.deterministic or atom.linear is None or len(atom.estimands) != 1:
        return False
    return atom.estimands[0].quantity.conditions_on_prediction


def _counts(
    atom: Atom, evidence: Evidence
) -> tuple[list[float], list[float], tuple[float, ...], float]:
    assert atom.linear is not None
    samples = [evidence.samples[estimand] for estimand in atom.estimands]
    counts = [round(sample.successes) for sample in samples]
    trials = [round(sample.trials) for sample in samples]
    return [*map(float, counts)], [*map(float, trials)], atom.linear.weights, atom.linear.constant


def _sides_needed(atom: Atom) -> tuple[str, ...]:
    """For each mean, which of its bounds the atom's upper bound rests on: "u", "l" or "lu"."""
    if atom.linear is None:
        return ("lu",) * len(atom.estimands)
    return tuple("u" if weight > 0 else "l" for weight in atom.linear.weights)


def _highest(atom: Atom) -> Callable[[Sequence[tuple[float, float]]], float]:
    """The largest value of the atom over a product of intervals."""

    def evaluate(ends: Sequence[tuple[float, float]]) -> float:
        box = {
            estimand: Interval(*pair) for estimand, pair in zip(atom.estimands, ends, strict=True)
        }
        return interval(atom.expression, box).high

    return evaluate


def _mean_bounds(estimand: Estimand, evidence: Evidence, sides: str) -> MeanBounds:
    sample, (low, high) = evidence.samples[estimand], evidence.range_of(estimand)
    needs = {"needs_lower": "l" in sides, "needs_upper": "u" in sides}
    n = round(sample.trials)
    if _is_count(estimand, evidence):
        k = round(sample.successes)
        return MeanBounds(
            lambda d: binomial_lower(k, n, d),
            lambda d: binomial_upper(k, n, d),
            (low, high),
            **needs,
        )
    return MeanBounds(
        lambda d: bounded_mean_lower(sample.estimate, n, low, high, d),
        lambda d: bounded_mean_upper(sample.estimate, n, low, high, d),
        (low, high),
        **needs,
    )


def _sample_variance(
    evidence: Evidence, estimands: Sequence[Estimand], slopes: Sequence[float], n: int
) -> float:
    """The variance of ``sum(slopes * means)`` times n, with n - 1 degrees of freedom; of the one
    mean of n rows it is their sample variance."""
    if n < 2 or not evidence.n_rows:
        return math.nan
    of_all_rows = evidence.influence_variance(estimands, slopes) * n / evidence.n_rows
    return of_all_rows * (1.0 - 1.0 / evidence.n_rows) / (1.0 - 1.0 / n)


def _t_bounds(estimand: Estimand, evidence: Evidence, sides: str) -> MeanBounds:
    sample = evidence.samples[estimand]
    n = int(sample.trials)
    variance = _sample_variance(evidence, [estimand], [1.0], n)
    return MeanBounds(
        lambda d: -t_upper(-sample.estimate, variance, n, d),
        lambda d: t_upper(sample.estimate, variance, n, d),
        estimand.quantity.range,
        needs_lower="l" in sides,
        needs_upper="u" in sides,
    )

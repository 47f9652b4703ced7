"""The betting tests: means of bounded values, over rows or over units of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds._betting import betting_test
from sklearn_seldonian.bounds._capital import FEW_LIMITS
from sklearn_seldonian.bounds._least import least_mean_test
from sklearn_seldonian.bounds._search import halve
from sklearn_seldonian.certification._evidence import Evidence, has_finite_ranges
from sklearn_seldonian.certification._method import BETTING, BETTING_ON_UNITS, Method
from sklearn_seldonian.certification._methods_normal import normal_upper
from sklearn_seldonian.certification._ratios import Ratio, approximate_excess, ratio_of_two
from sklearn_seldonian.constraints import Atom
from sklearn_seldonian.constraints._tails import ShiftedMean, limit_on_least

# This share of the units only chooses which of several means is bet on.
FIRST_UNITS = 1 / 8
# The number of halvings in the search for an approximate bound on a ratio.
HALVINGS = 8


def betting(atom: Atom, evidence: Evidence) -> Method | None:
    """Test by betting that a linear combination of means, or a ratio of two, is below a limit."""
    if evidence.totals is not None or evidence.populations:
        return _betting_on_units(atom, evidence)
    if not has_finite_ranges(atom.estimands) or evidence.row_values is None:
        return None
    if atom.linear is None:
        return _betting_on_the_least(atom, evidence)
    if not atom.has_independent_estimands(evidence.mutually_exclusive_columns):
        return None
    if any(estimand.quantity.conditions_on_prediction for estimand in atom.estimands):
        # Such an estimand is a ratio of two means over rows. If drawn, it is the atom's only
        # estimand.
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
        at_most = partial(_betting_on_a_ratio, top, bottom, (highest, largest))

        def approximate_upper(delta: float) -> float:
            if not bottom.any():
                return math.inf
            ends = top.mean() / bottom.mean(), highest / bottom.mean()
            upper = halve(lambda limit: at_most(limit).upper(delta) <= 0.0, *ends, HALVINGS)
            return approximate_excess(atom, ratio, upper, evidence)

        return replace(at_most(ratio.limit), approximate_upper=approximate_upper)
    test = partial(betting_test, values, weights, ranges)
    tested = cache(test)  # bound and p-value share one pass over the rows
    return Method(
        BETTING,
        lambda delta: tested(delta).upper + constant,
        lambda delta: tested(delta).p_value(-constant),
        approximate_upper=lambda delta: test(delta, FEW_LIMITS).upper + constant,
    )


def _betting_on_the_least(atom: Atom, evidence: Evidence) -> Method | None:
    """Betting on the smallest of several means over the same rows: an upper limit on a CVaR."""
    found = limit_on_least(atom)
    if found is None or len({mean.estimand.conditions for mean in found.means}) > 1:
        return None
    weight, constant, means = found
    assert evidence.row_values is not None
    samples = [c + a * evidence.row_values(mean, 1.0, 0.0) for mean, a, c in means]
    ranges = [[c + a * end for end in evidence.range_of(mean)] for mean, a, c in means]
    test = partial(least_mean_test, samples, ranges)
    tested = cache(test)
    return Method(
        BETTING,
        lambda delta: weight * tested(delta).upper + constant,
        lambda delta: tested(delta).p_value(-constant / weight),
        approximate_upper=lambda delta: weight * test(delta, FEW_LIMITS).upper + constant,
    )


def _betting_on_a_drawn_ratio(atom: Atom, evidence: Evidence) -> Method | None:
    """Betting on a ratio E[success] / E[trial] of drawn decisions, with an upper or lower limit.

    A ratio of at least c is tested as E[trial] / E[success] of at most 1 / c.
    """
    assert atom.linear is not None
    assert evidence.row_values is not None
    (estimand,), (weight,), constant = atom.estimands, atom.linear.weights, atom.linear.constant
    if weight * constant >= 0.0:
        return None  # the constraint holds for no ratio, or for every ratio
    parts = evidence.row_values(estimand, 1.0, 0.0), evidence.row_values(estimand, 0.0, 1.0)
    successes, trials = (
        np.clip(values, 0.0, 1.0) for values in parts
    )  # sums may exceed 1 by rounding

    def at_most(excess: float) -> Method:
        """The test of ``weight * ratio + constant <= excess``."""
        share = (excess - constant) / weight
        if weight > 0.0:
            return _betting_on_a_ratio(successes, trials, (1.0, 1.0), share)
        return _betting_on_a_ratio(trials, successes, (1.0, 1.0), 1.0 / share)

    def approximate_upper(delta: float) -> float:
        """The smallest excess that the test certifies, up to a small part of the possible ones."""
        estimate = weight * float(successes.sum() / trials.sum()) + constant
        largest = max(weight, 0.0) + constant
        return halve(lambda e: at_most(e).upper(delta) <= 0.0, estimate, largest, HALVINGS)

    return replace(at_most(0.0), approximate_upper=approximate_upper)


def _betting_on_a_ratio(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    highest: tuple[float, float],
    limit: float,
) -> Method:
    """Whether a ratio is at most `limit`; as for ratios of rates, there is only a verdict."""
    p_value = partial(bounds.ratio_betting_p_value, numerator, denominator, highest, limit)
    return Method(BETTING, lambda delta: 0.0 if p_value(delta) <= delta else math.inf, p_value)


# -- units of several rows, or of rows with weights ------------------------------------------


def _betting_on_units(atom: Atom, evidence: Evidence) -> Method | None:
    """Betting on the contributions of independent units to one or two means."""
    if atom.linear is None and has_finite_ranges(atom.estimands):
        return _betting_on_the_least_of_units(atom, evidence)
    if atom.linear is None or not has_finite_ranges(atom.estimands) or len(atom.estimands) > 2:
        return None
    weights, constant = atom.linear.weights, atom.linear.constant
    known, *others = (each.totals_of(atom.estimands) for each in evidence.populations or [evidence])
    if atom.is_ratio:
        ratio = ratio_of_two(atom)
        if ratio is None:
            return None
        pair, *pairs = (_pair(each, ratio) for each in (known, *others))
        means, limit = [atom.estimands[i] for i in ratio.order], ratio.limit
        test = partial(bounds.quotient_of_totals_test, *pair, others=pairs)
        of_ratio = evidence.answered.setdefault((*means, ratio.complemented), cache(test))
        return Method(
            BETTING_ON_UNITS,
            lambda delta: 0.0 if of_ratio(delta).p_value(limit) <= delta else math.inf,
            lambda delta: of_ratio(delta).p_value(limit),
            approximate_upper=partial(normal_upper, atom, evidence),
        )
    tested = cache(partial(bounds.totals_test, known, weights, others=others))
    return Method(
        BETTING_ON_UNITS,
        lambda delta: tested(delta).upper + constant,
        lambda delta: tested(delta).p_value(-constant),
        approximate_upper=partial(normal_upper, atom, evidence),
    )


def _betting_on_the_least_of_units(atom: Atom, evidence: Evidence) -> Method | None:
    """Betting on one of several means: the smallest on the first units, which are not bet on."""
    least = limit_on_least(atom)
    if least is None:
        return None
    parts = [each.totals_of(atom.estimands) for each in evidence.populations or [evidence]]
    n_first = math.ceil(FIRST_UNITS * len(np.asarray(parts[0][0].numerators)))
    first, rest = (
        [
            dict(zip(atom.estimands, (_units(t, part) for t in totals), strict=True))
            for totals in parts
        ]
        for part in (slice(n_first), slice(n_first, None))
    )

    def highest(mean: ShiftedMean) -> float:
        """The largest estimate over the populations, from the first units."""
        sums = [
            (np.sum(each[mean.estimand].numerators), np.sum(each[mean.estimand].denominators))
            for each in first
        ]
        return max(
            mean.weight * top / size + mean.constant if size else math.inf for top, size in sums
        )

    chosen = least.means[int(np.argmin([highest(mean) for mean in least.means]))]
    totals = [[each[chosen.estimand]] for each in rest]
    weight, constant = least.weight * chosen.weight, least.weight * chosen.constant + least.constant
    tested = cache(partial(bounds.totals_test, totals[0], [weight], others=totals[1:]))
    return Method(
        BETTING_ON_UNITS,
        lambda delta: tested(delta).upper + constant,
        lambda delta: tested(delta).p_value(-constant),
        approximate_upper=partial(normal_upper, atom, evidence),
    )


def _units(totals: bounds.Totals, part: slice) -> bounds.Totals:
    """The totals of some units."""
    return totals._replace(
        numerators=np.asarray(totals.numerators)[part],
        denominators=np.asarray(totals.denominators)[part],
    )


def _pair(totals: Sequence[bounds.Totals], ratio: Ratio) -> tuple[bounds.Totals, bounds.Totals]:
    """The two means of a ratio, or their complements."""
    first, second = (
        totals[i].complement if ratio.complemented[i] else totals[i] for i in ratio.order
    )
    return first, second

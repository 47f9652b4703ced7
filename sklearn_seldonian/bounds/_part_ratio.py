"""The rate of a part of the rows against the rate of all rows: an exact test of their ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import Numbers, check_delta, two_rates_usable
from sklearn_seldonian.bounds._part_ratio_largest import Rates, Worst
from sklearn_seldonian.bounds._part_ratio_tables import (
    FirstTables,
    asymptotic_limit,
    quantile,
    smoothed,
)
from sklearn_seldonian.bounds._score import Floats

# The part of delta that is spent on the box of the three rates (Berger and Boos).
BOX_SHARE = 1.0 / 100.0
# The search for the bound first aims at a probability this share of the level. Then the bound is
# raised in steps of this share of its distance from the estimate.
AIM, STEP, MAX_STEPS, ROUNDS = 0.97, 0.01, 40, 4
# The part of the level that a bound of the largest probability may be too large.
SLACK_SHARE = 0.01


@dataclass(frozen=True)
class PartRatioTest:
    """The test of all limits on the ratio of a part's rate and the rate of all rows.

    Made by `part_ratio_test`.

    Attributes
    ----------
    delta : float
    part_on_top : bool
        Whether the ratio is that of the part's rate to the rate of all rows.
    limits : object or None
        None if the ratio has no bound.
    """

    delta: float
    part_on_top: bool
    limits: _Limits | None = None

    @cached_property
    def upper(self) -> float:
        """Upper confidence bound on the ratio, wrong at most `delta` of the time."""
        return self._ratio(self.limits.limit if self.limits else math.inf)

    @cached_property
    def approximate_upper(self) -> float:
        """About the `upper` bound, found several times faster."""
        return self._ratio(self.limits.approximate_limit if self.limits else math.inf)

    def certified(self, limit: float) -> bool:
        """Whether ``upper <= limit``; a no is often found without the bound."""
        if self.limits is None or not limit > 0.0:
            return self.upper <= limit
        at = 1.0 / limit if self.part_on_top else limit
        # A probability above the level at this limit rules out a bound at or below it.
        return self.limits.worst.largest_seen(at) <= self.limits.level and self.upper <= limit

    def p_value(self, limit: float) -> float:
        """The p-value against a ratio above `limit`, from the test that is tuned to `delta`.

        It is at most `delta` if and only if the `upper` bound is at most `limit`, and at least
        delta / 100.
        """
        if self.limits is None or not limit > 0.0:
            return 1.0
        at = 1.0 / limit if self.part_on_top else limit
        slack = SLACK_SHARE * (2.0 * self.delta + 5.0 * self.limits.worst.largest_seen(at))
        own = self.limits.worst.largest(at, 0.0, slack)
        p_value = min(1.0, BOX_SHARE * self.delta + own)
        if self.upper <= limit:
            return min(p_value, self.delta)
        return max(p_value, math.nextafter(self.delta, 1.0))

    def _ratio(self, limit: float) -> float:
        """The bound on this ratio, from one on the ratio of all rows to the part."""
        if not self.part_on_top:
            return limit
        return 1.0 / limit if 0.0 < limit < math.inf else math.inf


@dataclass(frozen=True)
class _Limits:
    """The bound on the ratio of the rate of all rows to that of the part."""

    worst: Worst
    estimate: float

    @property
    def level(self) -> float:
        return (1.0 - BOX_SHARE) * self.worst.tables.delta

    @cached_property
    def approximate_limit(self) -> float:
        """The limit at which the largest probability is about that at which the search aims."""
        aim, limit = quantile(AIM * self.level), self.worst.tables.at
        for _ in range(ROUNDS):
            seen = quantile(self.worst.largest_seen(limit))
            moved = self.estimate + (limit - self.estimate) * aim / max(seen, 0.5 * aim)
            if abs(moved - limit) <= STEP * abs(limit - self.estimate):
                break
            limit = moved if moved > 0.0 else limit / 2.0
        return limit

    @cached_property
    def limit(self) -> float:
        """A limit with a largest probability of at most the level; infinite or 0 without one."""
        limit = self.approximate_limit
        step = STEP * (limit - self.estimate)
        for number in range(MAX_STEPS):
            if not 0.0 < limit < math.inf:
                break
            if self.worst.largest(limit, self.level, SLACK_SHARE * self.level) <= self.level:
                return limit
            limit += step * 2.0 ** (number // 4)
        return math.inf if self.worst.tables.sign > 0 else 0.0


def part_ratio_test(
    successes: Numbers, trials: Numbers, delta: float, *, part_on_top: bool
) -> PartRatioTest:
    r"""Test of limits on the ratio of the rate of a part of the rows and the rate of all rows.

    Parameters
    ----------
    successes, trials : sequence of two numbers
        Events and rows in the part, and in the rest.
    delta : float
        Probability of error, strictly between 0 and 1.
    part_on_top : bool
        Whether the ratio is that of the part's rate to the rate of all rows, or the inverse.

    Returns
    -------
    PartRatioTest
        Its bound is infinite if the part or the rest has no rows, or with a number that is not
        finite.

    Raises
    ------
    ValueError
        If the counts are impossible, there are not two of each, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes n independent rows. Each belongs to the part with the same probability :math:`\pi`. Its
    event has probability a in the part and b in the rest. So :math:`n_a`, the number of rows of the
    part, is binomial, and given it so are both counts of events. The source is Buehler's bound
    [2]_, with rates restricted to a confidence set as by Berger and Boos [1]_.

    Let R be the ratio of the rate of all rows to that of the part. Tables y are ordered by an
    asymptotic upper bound S(y) on R: the largest root of

    .. math:: (\hat t - s \hat a)^2 = z^2 [\hat\pi (1 - \hat\pi) (\hat a - \hat b)^2
              + (s - \hat\pi)^2 \hat a (1 - \hat a) / \hat\pi
              + (1 - \hat\pi) \hat b (1 - \hat b)] / n

    in s, where :math:`\hat t = \hat\pi \hat a + (1 - \hat\pi) \hat b`, and each outcome of a count
    has half a row added. The order does not depend on the limit. Let x be the observed table, A a
    set that contains :math:`\{y : S(y) \le S(x)\}`, and B the Clopper-Pearson box of
    :math:`\pi`, a and b at :math:`\gamma = \delta / 100`. The p-value of the limit r is

    .. math:: \gamma + \sup_{B,\; R \ge r} P(A).

    If the true rates are in B and the p-value of the true R is at most delta, then the probability
    of all tables that are ordered as low as x is at most :math:`\delta - \gamma`. Such tables have
    at most this probability in total. The rates are outside B with probability at most
    :math:`\gamma`. The p-value never increases with r, so the bound is the smallest r whose p-value
    is at most delta, or slightly more.

    A is closed downwards: with a table, it contains those with fewer events in the rest, and those
    with more events in the part. So the supremum is attained where R = r. There, the probabilities
    of the four kinds of rows are

    .. math:: \pi a, \quad \pi (1 - a), \quad a (r - \pi), \quad 1 - \pi - a (r - \pi).

    They are linear in :math:`\pi` for each a, and linear in a for each :math:`\pi`. So the
    derivatives of :math:`F(\pi, a) = P(A)` along each of both are bounded as in `worst_case`:
    :math:`|F''''| \le \sqrt{24 F}\, I^2`, where I is the Fisher information of the n rows, which is
    convex along each of both. In a rectangle of width w and height h, F is interpolated by cubics
    through four values along a, and then along :math:`\pi`. With M the largest F, the interpolation
    is wrong by at most

    .. math:: \sqrt{24 M}\, (I_\pi^2 w^4 + 1.64\, I_a^2 h^4) / 1944,

    because cubic interpolation is wrong by at most :math:`|F''''| w^4 / 1944`, and enlarges errors
    in its values by at most 1.64. The interpolation is at most its largest Bernstein coefficient C.
    So :math:`M \le C + \kappa \sqrt M`, which bounds M. Where b may be next to 0 or 1, a second
    bound is used. It is the largest F at the worst corner (a, b) of the rectangle, bounded along
    :math:`\pi` by linear interpolation. Rectangles are quartered until their bounds suffice.

    For an upper bound on 1 / R, the smallest root is used, and the inequalities are reversed.

    If this were wrong, the probabilities of all tables with a bound below the true ratio would sum
    to more than delta for some rates.

    References
    ----------
    .. [1] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set for the
       nuisance parameter. Journal of the American Statistical Association 89(427), 1012-1016.
    .. [2] Buehler, R. J. (1957). Confidence intervals for the product of two binomial parameters.
       Journal of the American Statistical Association 52(280), 482-493.

    Examples
    --------
    Of 101 rows in a group, 77 have the event, and 81 of 101 other rows. How much larger than the
    rate of the group may the rate of all rows be?

    >>> test = part_ratio_test([77, 81], [101, 101], delta=0.05, part_on_top=False)
    >>> round(test.upper, 2)
    1.1
    """
    check_delta(delta)
    if not two_rates_usable(successes, trials, (1.0, 1.0)):
        return PartRatioTest(delta, part_on_top)
    (k, j), (m, rest) = (map(float, pair) for pair in (successes, trials))
    sign = -1 if part_on_top else 1
    at = float(asymptotic_limit((k, j), (m, rest), delta, sign))
    if not 0.0 < at < math.inf:
        return PartRatioTest(delta, part_on_top)
    counts, sizes = np.array([m, k, j]), np.array([m + rest, m, rest])
    low, high = interval_each(counts, sizes, BOX_SHARE * delta / 6.0)
    box = Rates(*low.tolist()), Rates(*high.tolist())
    share, part, other = smoothed(m, m + rest), smoothed(k, m), smoothed(j, rest)
    estimate = share + (1.0 - share) * other / part
    shares = box[0].share, box[1].share
    tables = FirstTables(int(m + rest), sign, at, delta, shares)
    return PartRatioTest(delta, part_on_top, _Limits(Worst(tables, *box), estimate))


def part_ratio_asymptotic_upper(
    successes: tuple[ArrayLike, ArrayLike],
    trials: tuple[ArrayLike, ArrayLike],
    delta: float,
    *,
    part_on_top: bool,
) -> Floats:
    """The asymptotic bounds by which `part_ratio_test` orders tables; its bounds are wider.

    Parameters
    ----------
    successes, trials, delta, part_on_top
        As in `part_ratio_test`, with arrays for counts.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> upper = part_ratio_asymptotic_upper((77, 81), (101, 101), 0.05, part_on_top=False)
    >>> round(float(upper), 3)
    1.096
    """
    limit = asymptotic_limit(successes, trials, delta, -1 if part_on_top else 1)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / limit if part_on_top else limit)

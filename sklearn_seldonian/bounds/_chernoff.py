"""A linear combination of several independent rates: joint Chernoff bound inside a box."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._checks import Numbers, check_delta, finite, rates_usable
from sklearn_seldonian.bounds._score import Floats, positive_form

# The part of delta that is spent on the box: small compared with delta, and enough to exclude rates
# that the counts contradict.
BOX_SHARE = 1.0 / 50.0

# Slack on the log scale, so that rounding errors cannot lower a bound.
ROUNDING = 1e-9


def chernoff_p_value(
    successes: Numbers, trials: Numbers, weights: Numbers, limit: float, delta: float
) -> float:
    r"""Finite-sample p-value against ``sum(weights * rates) > limit``; small means certified.

    Parameters
    ----------
    successes, trials, weights : sequence of K numbers
        Events, rows and factor of each rate.
    limit : float
        The largest value of the combination allowed.
    delta : float
        The level at which the p-value will be used; delta / 50 is spent on the box and
        is the smallest p-value returned for a limit that can be exceeded at all.

    Returns
    -------
    float
        In [0, 1]. 1.0 (not certified) with a rate that has no rows or a number that is
        not finite.

    Raises
    ------
    ValueError
        If the counts are impossible, the lengths differ, or `delta` is not inside (0, 1).

    Notes
    -----
    Assumes independent rates, without shared rows, each of which is a binomial count of independent
    rows. The source is Chernoff's bound [1]_. The rates are restricted to a confidence set, as by
    Berger and Boos [2]_. A rate with a negative weight is replaced by its complement, so that all
    weights are positive. Let :math:`t = a \cdot \hat p`, and let :math:`c` be the limit. Let
    :math:`B` be the joint Clopper-Pearson box at :math:`\gamma = \delta / 50`, with
    :math:`\gamma / 2K` per side. The p-value is

    .. math::
        \gamma + \sup_{p \in B,\, a \cdot p \ge c}\; \inf_{\lambda \ge 0}\;
            \exp F(\lambda, p), \qquad
        F = \lambda t + \sum_k n_k \log(1 - p_k + p_k e^{-\lambda a_k / n_k}).

    At the true rates, :math:`\exp F` is Markov's bound on :math:`P(a \cdot \hat p \le t)` for every
    :math:`\lambda`. Its infimum is monotone in t, so it is a p-value. The true rates are outside
    the box with probability at most :math:`\gamma`, which is added.

    A numerical error cannot lower the p-value, by weak duality. For any :math:`\lambda, \nu \ge 0`,

    .. math::
        \sup_{p} \inf_{\lambda'} F(\lambda', p)
        \le \sup_{p \in B,\, a \cdot p \ge c} F(\lambda, p)
        \le \sum_k \max_{p_k \in B_k} \bigl[ n_k \log(1 - p_k (1 - e^{-\lambda a_k/n_k}))
            + \nu a_k p_k \bigr] + \lambda t - \nu c.

    Each one-dimensional maximum is that of a concave function and has a closed form. So the value
    at any pair :math:`(\lambda, \nu)` at which the search stops is a valid bound. A poor pair costs
    power only. F is concave in p and convex in lambda, so at the best pair the bound is exact.

    If this were wrong, the probabilities of all counts that are certified would sum to more than
    delta at some rates with :math:`a \cdot p > c`.

    References
    ----------
    .. [1] Chernoff, H. (1952). A measure of asymptotic efficiency for tests of a
       hypothesis based on the sum of observations. Annals of Mathematical Statistics
       23(4), 493-507.
    .. [2] Berger, R. L. and Boos, D. D. (1994). P values maximized over a confidence set
       for the nuisance parameter. Journal of the American Statistical Association
       89(427), 1012-1016.

    Examples
    --------
    Gaps of two error rates between two groups, ``|FNR gap| + |FPR gap|`` on one side:

    >>> p = chernoff_p_value(
    ...     [10, 12, 8, 11], [200, 200, 200, 200], [1, -1, 1, -1], limit=0.1, delta=0.05
    ... )
    >>> round(p, 4)
    0.0125
    """
    check_delta(delta)
    if not rates_usable(successes, trials, weights) or not finite(limit):
        return 1.0
    table = np.array([successes], dtype=np.float64)
    return float(chernoff_p_values(table, trials, weights, limit, delta)[0])


def chernoff_p_values(
    tables: Floats, trials: Numbers, weights: Numbers, limit: float, delta: float
) -> Floats:
    """`chernoff_p_value` of many tables, one per row, with the same trials; all must be usable."""
    problem = _problem(tables, trials, weights, delta)
    c = limit - problem.offset
    if c >= problem.weights.sum():  # no rates exceed the limit
        return np.zeros(len(tables))
    gamma = BOX_SHARE * delta
    p_values = np.where(problem.largest <= c, gamma, 1.0)
    open_ = (problem.largest > c) & (problem.estimate < c)
    if open_.any():
        rates, low, high = (part[open_] for part in (problem.rates, problem.low, problem.high))
        log_tail, _ = _log_tail(
            problem._replace(rates=rates, low=low, high=high), np.full(len(rates), c)
        )
        p_values[open_] = np.minimum(1.0, gamma + np.exp(log_tail))
    return p_values


def chernoff_upper(successes: Numbers, trials: Numbers, weights: Numbers, delta: float) -> float:
    r"""Upper confidence bound on ``sum(weights * rates)``, wrong at most `delta` of the time.

    Parameters
    ----------
    successes, trials, weights : sequence of K numbers
        Events, rows and factor of each rate.
    delta : float
        Probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with a rate that has no rows or a number that is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible, the lengths differ, or `delta` is not inside (0, 1).

    Notes
    -----
    The bound is the smallest limit whose `chernoff_p_value` is at most `delta`. The box does not
    depend on the limit, and the null region shrinks as the limit increases. So the p-value
    decreases as the limit increases. The logarithm of the p-value's second term is the minimum over
    :math:`(\lambda, \nu)` of functions that are linear in the limit, so it is concave. Each of
    these functions is a valid bound, and Newton's step from any limit ends where one of them
    reaches the level. Therefore every iterate is a valid bound, and the iterates decrease to the
    root. ``upper <= c`` implies ``p_value(c) <= delta``.

    Examples
    --------
    >>> upper = chernoff_upper([10, 12, 8, 11], [200, 200, 200, 200], [1, -1, 1, -1], 0.05)
    >>> round(upper, 3)
    0.08
    """
    check_delta(delta)
    if not rates_usable(successes, trials, weights):
        return math.inf
    problem = _problem(np.array([successes], dtype=np.float64), trials, weights, delta)
    upper = _upper_positive(problem, math.log(delta - BOX_SHARE * delta) - 2.0 * ROUNDING)
    rounded = upper + problem.offset + 1e-15 * float(problem.weights.sum())
    return min(rounded, math.fsum(a for a in weights if a > 0.0))


def _upper_positive(problem: _Problem, level: float) -> float:
    """Newton's iteration of `chernoff_upper` for the combination with positive weights."""
    estimate, upper = float(problem.estimate[0]), float(problem.largest[0])
    if estimate >= upper:
        return upper
    beyond = estimate + (1.0 - 1e-9) * (upper - estimate)
    c = (estimate + upper) / 2.0
    for _ in range(30):
        log_tail, multiplier = _log_tail(problem, np.array([c]))
        root = c + (float(log_tail[0]) - level) / float(multiplier[0])
        upper = min(upper, root) if root > estimate else upper
        step, c = root - c, min(max(root, estimate + 1e-3 * (c - estimate)), beyond)
        if abs(step) <= 1e-13 * problem.weights.sum():
            break
    return upper


class _Problem(NamedTuple):
    """Tables (rows) of K rates with positive weights, and the box of each."""

    rates: Floats
    low: Floats
    high: Floats
    trials: Floats
    weights: Floats
    offset: float

    @property
    def estimate(self) -> Floats:
        return self.rates @ self.weights

    @property
    def largest(self) -> Floats:
        return self.high @ self.weights


def _problem(tables: Floats, trials: Numbers, weights: Numbers, delta: float) -> _Problem:
    """Complement the events of negative weights, drop weights of zero, bound each rate."""
    form = positive_form([0.0] * len(weights), trials, weights)
    a, n = np.asarray(weights, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    k = np.where(a < 0.0, n - tables, tables)[:, a != 0.0]
    kept = np.array(form.trials, dtype=np.float64)
    tail = BOX_SHARE * delta / max(2 * kept.size, 1)
    low, high = interval_each(k, np.broadcast_to(kept, k.shape), tail)
    return _Problem(k / kept, low, high, kept, np.array(form.weights), form.offset)


def _log_tail(problem: _Problem, c: Floats) -> tuple[Floats, Floats]:
    """Valid upper bound on the log of the supremum, and its multiplier, for estimate < c."""
    n, a = problem.trials, problem.weights
    gap = c - problem.estimate
    # The tilted sum has at most the variance of rates of one half, so the slope in lambda is still
    # negative at the lower end. Beyond the upper end, more tilting changes nothing.
    low = np.log(gap / np.sum(a * a / (4.0 * n)))
    high = np.maximum(low, math.log(60.0 * float(np.max(n / a))))
    for _ in range(32):
        middle = (low + high) / 2.0
        rates, _ = _worst_rates(problem, np.exp(middle), c)
        tilted = expit(logit(rates) - np.exp(middle)[:, None] * a / n)  # odds times exp(-w)
        falling = problem.estimate < tilted @ a
        low, high = np.where(falling, middle, low), np.where(falling, high, middle)
    lam = np.exp(high)
    rates, multiplier = _worst_rates(problem, lam, c)
    terms = n * _log_generating(rates, lam[:, None] * a / n)
    total = lam * problem.estimate + terms.sum(axis=1) + multiplier * (rates @ a - c)
    size = lam * problem.estimate + np.abs(terms).sum(axis=1) + multiplier * a.sum()
    return np.minimum(0.0, total + 1e-14 * size) + ROUNDING, multiplier


def _log_generating(rates: Floats, w: Floats) -> Floats:
    """``log(1 - p + p exp(-w))`` without cancellation or early underflow."""
    change = rates * np.expm1(-w)
    with np.errstate(divide="ignore"):
        far = np.logaddexp(np.log1p(-rates), np.log(rates) - w)
        return np.where(change > -0.5, np.log1p(np.maximum(change, -0.5)), far)


def _worst_rates(problem: _Problem, lam: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Maximise F(lam, p) over the box with ``a p >= c``; the rates and their multiplier.

    With x = 1 / multiplier, each maximiser is ``clip(-1 / b - x n / a, low, high)``: linear
    in x between two breakpoints. So ``a p`` is piecewise linear and falling in x, and the
    root of ``a p = c`` lies on the segment between two neighbouring breakpoints.
    """
    n, a = problem.trials, problem.weights
    start = -1.0 / np.expm1(-lam[:, None] * a / n)
    breaks = np.concatenate([(start - problem.high) * a / n, (start - problem.low) * a / n], axis=1)
    breaks.sort(axis=1)
    free = start[:, None, :] - breaks[:, :, None] * (n / a)
    sums = np.clip(free, problem.low[:, None, :], problem.high[:, None, :]) @ a
    last = np.clip((sums >= c[:, None]).sum(axis=1), 1, breaks.shape[1] - 1)
    row = np.arange(len(c))
    drop = sums[row, last - 1] - sums[row, last]
    share = np.where(drop > 0.0, (sums[row, last - 1] - c) / np.where(drop > 0.0, drop, 1.0), 0.0)
    x = breaks[row, last - 1] + share * (breaks[row, last] - breaks[row, last - 1])
    x = np.maximum(x, 1e-12 * float(np.min(a / n)))
    rates = np.clip(start - x[:, None] * (n / a), problem.low, problem.high)
    return rates, 1.0 / x

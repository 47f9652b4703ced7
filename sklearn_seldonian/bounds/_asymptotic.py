"""Asymptotic bounds: approximations whose error probability may exceed delta.

They are provided for means without a finite range, for comparison with the literature, and for
teaching. A result that relies on one of them is labelled ``asymptotic``.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from sklearn_seldonian.bounds._checks import Numbers, check_delta, finite, rates_usable
from sklearn_seldonian.bounds._score import positive_form, score_statistic
from sklearn_seldonian.bounds._search import smallest_certified


def t_upper(mean: float, variance: float, n: int, delta: float) -> float:
    r"""Asymptotic upper confidence bound on a mean (Student t).

    Parameters
    ----------
    mean, variance : float
        Sample mean and sample variance (divided by n - 1).
    n : int
        Number of rows.
    delta : float
        Nominal probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with fewer than two rows, a number that is not finite, or a variance that is not
        positive, because equal values do not show the size of the error.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1).

    Notes
    -----
    The bound is :math:`\bar x + t_{n-1, 1-\delta} \sqrt{s^2 / n}` [1]_. It is exact for normal
    values. For other values its error probability may exceed delta, most of all for rates near 0 or
    1. The benchmark's table shows this excess for a rate, by enumeration.

    References
    ----------
    .. [1] Student (1908). The probable error of a mean. Biometrika 6(1), 1-25.

    Examples
    --------
    >>> round(t_upper(0.0, 1.0, 30, 0.05), 3)
    0.31
    """
    check_delta(delta)
    if not _moments_usable(mean, variance, n):
        return math.inf
    return float(mean + stdtrit(n - 1, 1.0 - delta) * math.sqrt(variance / n))


def delta_method_upper(estimate: float, influence_variance: float, n: int, delta: float) -> float:
    r"""Asymptotic upper confidence bound on a smooth function of means (delta method).

    Parameters
    ----------
    estimate : float
        The function at the sample means.
    influence_variance : float
        Sample variance (divided by n - 1) of the per-row influence values.
    n : int
        Number of all rows, including those that no mean counts.
    delta : float
        Nominal probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite with fewer than two rows, a number that is not finite, or a variance
        that is not positive.

    Raises
    ------
    ValueError
        If `delta` is not inside (0, 1).

    Notes
    -----
    Assumes independent rows and a function h that is differentiable at the true means. The source
    is the delta method [1]_. Let the means be :math:`\mu_k = E[z_k m_k] / E[m_k]` over masks
    :math:`m_k`. The influence of a row on :math:`h(\mu)` is

    .. math:: \psi = \sum_k \partial_k h \, \frac{m_k (z_k - \mu_k)}{P(m_k)}.

    This sum accounts for rows that are shared between means. The distribution of :math:`\sqrt n
    (h(\hat\mu) - h(\mu))` tends to a normal one with variance :math:`\mathrm{Var}\,\psi`. Student's
    quantile with n - 1 degrees of freedom replaces the normal one. The approximation fails if the
    gradient vanishes, or if the function is far from linear over the range of the sampling error.

    References
    ----------
    .. [1] van der Vaart, A. W. (1998). Asymptotic Statistics. Cambridge University
       Press, chapters 3 and 20.

    Examples
    --------
    >>> round(delta_method_upper(0.0, 1.0, 30, 0.05), 3)
    0.31
    """
    return t_upper(estimate, influence_variance, n, delta)


def delta_method_p_value(estimate: float, influence_variance: float, n: int, limit: float) -> float:
    r"""Asymptotic p-value against "the function of means exceeds `limit`".

    Parameters
    ----------
    estimate : float
        The function at the sample means.
    influence_variance : float
        Sample variance (divided by n - 1) of the per-row influence values.
    n : int
        Number of all rows, including those that no mean counts.
    limit : float
        The largest value allowed.

    Returns
    -------
    float
        In [0, 1]. 1.0 with fewer than two rows, a number that is not finite, or a
        variance that is not positive.

    Notes
    -----
    This is Student's t test of the linearised function, :math:`F_{n-1}((\hat h - c) / \sqrt{s^2 /
    n})`. `delta_method_upper` states its assumptions.

    Examples
    --------
    >>> round(delta_method_p_value(0.0, 1.0, 30, 0.31), 3)
    0.05
    """
    if not _moments_usable(estimate, influence_variance, n) or not finite(limit):
        return 1.0
    return float(stdtr(n - 1, (estimate - limit) / math.sqrt(influence_variance / n)))


def score_p_value(successes: Numbers, trials: Numbers, weights: Numbers, limit: float) -> float:
    r"""Asymptotic p-value against ``sum(weights * rates) > limit`` for one or two rates.

    Parameters
    ----------
    successes, trials, weights : sequence of one or two numbers
        Number of events, number of rows, and factor of each independent rate.
    limit : float
        The largest value of the combination allowed.

    Returns
    -------
    float
        In [0, 1]. It is 1.0 if a rate has no rows or a number is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible or the lengths differ or exceed two.

    Notes
    -----
    Assumes independent rates, without shared rows. The p-value is :math:`\Phi(T)`, where T is the
    score statistic with the restricted maximum likelihood variance. For one rate it is Wilson's
    statistic [1]_. For two rates it is that of Miettinen and Nurminen [2]_, for any weights and
    without their factor N / (N - 1), which makes it Mee's. The error probability tends to delta as
    the number of rows grows. It may exceed delta for any finite number of rows.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and
       statistical inference. Journal of the American Statistical Association 22, 209-212.
    .. [2] Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates.
       Statistics in Medicine 4(2), 213-226.

    Examples
    --------
    >>> round(score_p_value([70, 75], [200, 200], [1, -1], 0.1), 4)
    0.0045
    """
    usable = rates_usable(successes, trials, weights)
    if len(weights) > 2:
        raise ValueError(
            f"the score test is for one or two rates, got {len(weights)}. Use the delta method."
        )
    if not usable or not finite(limit):
        return 1.0
    form = positive_form(successes, trials, weights)
    c = limit - form.offset
    if c >= math.fsum(form.weights):
        return 0.0
    if c <= 0.0:
        return 1.0
    if len(form.weights) == 1:
        (k,), (n,), (a,) = form.successes, form.trials, form.weights
        return float(ndtr((k / n - c / a) / math.sqrt(c / a * (1.0 - c / a) / n)))
    x1, x2 = (np.array([float(count)]) for count in form.successes)
    pair, a_pair = (form.trials[0], form.trials[1]), (form.weights[0], form.weights[1])
    return float(ndtr(score_statistic(x1, x2, pair, a_pair, c)[0]))


def score_upper(successes: Numbers, trials: Numbers, weights: Numbers, delta: float) -> float:
    """Asymptotic upper confidence bound on ``sum(weights * rates)`` for one or two rates.

    Parameters
    ----------
    successes, trials, weights : sequence of one or two numbers
        Number of events, number of rows, and factor of each independent rate.
    delta : float
        Nominal probability of error, strictly between 0 and 1.

    Returns
    -------
    float
        Infinite if a rate has no rows or a number is not finite.

    Raises
    ------
    ValueError
        If the counts are impossible, the lengths differ or exceed two, or `delta` is
        not inside (0, 1).

    Notes
    -----
    The bound is the smallest limit whose `score_p_value` is at most `delta`. It exists because the
    statistic decreases with the limit.

    Examples
    --------
    >>> round(score_upper([70, 75], [200, 200], [1, -1], 0.05), 4)
    0.054
    """
    check_delta(delta)
    if not rates_usable(successes, trials, weights):
        return math.inf
    if not any(weights):
        return 0.0
    rates = [k / n for k, n in zip(successes, trials, strict=True)]
    estimate = math.fsum(a * rate for a, rate in zip(weights, rates, strict=True))
    width = math.fsum(abs(a) for a in weights) / max(trials)
    return smallest_certified(
        lambda limit: score_p_value(successes, trials, weights, limit), estimate, width, delta
    )


def _moments_usable(mean: float, variance: float, n: int) -> bool:
    return n >= 2 and finite(mean, variance) and variance > 0.0

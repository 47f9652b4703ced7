"""The two-sample test on every table at once, for checks of its validity and its power."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy

from sklearn_seldonian.bounds._binomial import interval_each
from sklearn_seldonian.bounds._pair import BOX_SHARE, TIE
from sklearn_seldonian.bounds._score import Floats, score_statistic

# The number of points of the line of rates per unit of information distance.
POINTS = 8


def two_rate_p_values(
    trials: tuple[int, int], weights: tuple[float, float], limit: float, delta: float
) -> Floats:
    """Lower bounds on the p-values of all tables: the largest probability over a grid of rates.

    The ordering of tables and the box of rates are those of `two_rate_p_value`. That function adds
    the error of its search, so its p-values are never smaller. Therefore the tables that it
    certifies are among those certified here. The p-values here are up to 5% smaller; the difference
    is largest next to the ends of a table's segment. They are for checks and power calculations,
    never for a certificate.

    Returns
    -------
    ndarray of shape (n1 + 1, n2 + 1)
    """
    flip = [a < 0.0 for a in weights]
    a1, a2 = (abs(a) for a in weights)
    c = limit - math.fsum(a for a in weights if a < 0.0)
    n1, n2 = trials
    x1, x2 = np.meshgrid(np.arange(n1 + 1.0), np.arange(n2 + 1.0), indexing="ij")
    if c >= a1 + a2 or c <= 0.0:
        p = np.full(x1.shape, 0.0 if c > 0.0 else 1.0)
    else:
        statistic = score_statistic(x1, x2, trials, (a1, a2), c)
        first, last = _segments(trials, (a1, a2), c, delta)
        p2 = _grid(trials, (a1, a2), c)
        p1 = np.clip((c - a2 * p2) / a1, 0.0, 1.0)
        p = BOX_SHARE * delta + _largest(
            statistic, binomial_masses(n1, p1), binomial_masses(n2, p2), p2, first, last
        )
        p = np.where(a1 * x1 / n1 + a2 * x2 / n2 >= c, 1.0, np.minimum(p, 1.0))
    return p[:: -1 if flip[0] else 1, :: -1 if flip[1] else 1]


def binomial_masses(n: int, p: Floats) -> Floats:
    """Binomial probabilities of the counts 0 to n (columns) at each rate (rows)."""
    x = np.arange(n + 1.0)
    ways = gammaln(n + 1.0) - gammaln(x + 1.0) - gammaln(n - x + 1.0)
    return np.asarray(np.exp(ways + xlogy(x, p[:, None]) + xlog1py(n - x, -p[:, None])))


def _segments(
    trials: tuple[int, int], weights: tuple[float, float], c: float, delta: float
) -> tuple[Floats, Floats]:
    """The first and the last p2 of the null line within the box of each table."""
    tail = BOX_SHARE * delta / 4.0
    low, high = zip(
        *(interval_each(np.arange(n + 1.0), np.full(n + 1, float(n)), tail) for n in trials),
        strict=True,
    )
    first = np.maximum(low[1], ((c - weights[0] * high[0]) / weights[1])[:, None])
    last = np.minimum(high[1], ((c - weights[0] * low[0]) / weights[1])[:, None])
    return first, last


def _grid(trials: tuple[int, int], weights: tuple[float, float], c: float) -> Floats:
    """Points of the whole line, evenly spaced for either rate by information distance."""
    (n1, n2), (a1, a2) = trials, weights
    first, last = max(0.0, (c - a1) / a2), min(1.0, c / a2)
    ends = np.array([first, last])
    other = np.clip((c - a2 * ends) / a1, 0.0, 1.0)
    angle1, angle2 = np.arcsin(np.sqrt(other)), np.arcsin(np.sqrt(ends))

    def even(n: int, angle: Floats) -> Floats:
        steps = math.ceil(POINTS * math.sqrt(n) * abs(float(angle[1] - angle[0])))
        return np.asarray(np.sin(np.linspace(float(angle[0]), float(angle[1]), steps + 3)) ** 2)

    p2 = np.concatenate([(c - a1 * even(n1, angle1)) / a2, even(n2, angle2)])
    return np.unique(np.clip(p2, first, last))


def _largest(
    statistic: Floats, mass1: Floats, mass2: Floats, p2: Floats, first: Floats, last: Floats
) -> Floats:
    """For each table, the largest probability of the tables not above it, over its own segment."""
    flat = statistic.ravel()
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    upto = np.searchsorted(ranked, flat + TIE * (1.0 + np.abs(flat)), side="right") - 1
    largest = np.zeros(flat.shape)
    for j in range(p2.size):
        mass = np.cumsum((mass1[j][:, None] * mass2[j]).ravel()[order])
        within = ((first <= p2[j]) & (p2[j] <= last)).ravel()
        largest[within] = np.maximum(largest[within], mass[upto[within]])
    return largest.reshape(statistic.shape)

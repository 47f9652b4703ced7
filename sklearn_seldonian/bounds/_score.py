"""The score statistic of two rates under a linear restriction, shared by two tests."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sklearn_seldonian.bounds._checks import Numbers

Floats = npt.NDArray[np.float64]

# The number of points of a test's edge, evenly spaced by the angle of the second rate.
EDGE_POINTS = 257


class PositiveForm(NamedTuple):
    """The same combination with positive weights; events with negative weights are complemented."""

    successes: tuple[float, ...]
    trials: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float  # the original combination is offset + this one


def positive_form(successes: Numbers, trials: Numbers, weights: Numbers) -> PositiveForm:
    """Write ``a p = a + |a| (1 - p)`` for negative weights and leave out weights of zero."""
    kept = [(k, n, a) for k, n, a in zip(successes, trials, weights, strict=True) if a != 0.0]
    return PositiveForm(
        successes=tuple(k if a > 0.0 else n - k for k, n, a in kept),
        trials=tuple(n for _, n, _ in kept),
        weights=tuple(abs(a) for _, _, a in kept),
        offset=math.fsum(a for _, _, a in kept if a < 0.0),
    )


class _Restriction(NamedTuple):
    """The lines ``a1 p1 + a2 p2 = c`` of two samples, and their slope equation."""

    trials: tuple[float, float]
    weights: tuple[float, float]
    c: Floats

    def ends(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Both ends within [0, 1]^2, the smaller p2 first, with exact zeros and ones."""
        (a1, a2), c = self.weights, self.c
        first = np.where(c >= a1, 1.0, c / a1), clipped((c - a1) / a2, 0.0, 1.0)
        last = clipped((c - a2) / a1, 0.0, 1.0), np.where(c >= a2, 1.0, c / a2)
        return first, last

    def p1(self, p2: Floats) -> Floats:
        return (self.c - self.weights[1] * p2) / self.weights[0]

    def slope(
        self, x1: Floats, x2: Floats, p1: Floats | float, p2: Floats | float
    ) -> tuple[Floats, Floats]:
        """The slope of the log-likelihood in p2, times a1 p1 q1 p2 q2: a cubic, and its slope."""
        (n1, n2), (a1, a2) = self.trials, self.weights
        v1, v2 = p1 * (1.0 - p1), p2 * (1.0 - p2)
        r1, r2 = x1 - n1 * p1, x2 - n2 * p2
        bend = r1 * (1.0 - 2.0 * p2) + r2 * (1.0 - 2.0 * p1)
        change = -(a1 * n2 * v1 + a2 * (a2 / a1) * n1 * v2 + a2 * bend)
        return a1 * r2 * v1 - a2 * r1 * v2, change


def restricted_mle(
    x1: Floats,
    x2: Floats,
    trials: tuple[float, float],
    weights: tuple[float, float],
    c: float | Floats,
) -> tuple[Floats, Floats]:
    """Maximise the likelihood of both counts over ``a1 p1 + a2 p2 = c`` within [0, 1]^2.

    The log-likelihood is concave along the line. Its maximum is at an end of the line if the
    log-likelihood is finite there and decreases inwards. At an end, one rate is 0 or 1. So the
    log-likelihood is finite there only if that rate's count is no row or all rows. In all other
    cases, the root of the slope is found by Newton steps in a bracket.
    """
    if not any(((x == 0.0) | (x == n)).any() for x, n in zip((x1, x2), trials, strict=True)):
        line = _Restriction(trials, weights, np.asarray(c))  # not broadcast: less to compute
        root = _root(line, x1, x2)
        return clipped(line.p1(root), 0.0, 1.0), root
    x1, x2, c = np.broadcast_arrays(x1, x2, c)
    line = _Restriction(trials, weights, c)
    p1, p2 = np.empty(x1.shape), np.empty(x1.shape)
    inner = np.ones(x1.shape, dtype=np.bool_)
    for end in line.ends():
        slope, change = line.slope(x1, x2, *end)
        # The cubic is zero at an end if and only if the log-likelihood is finite there, and next to
        # the end it has the sign of the log-likelihood's slope.
        here = inner & (slope == 0.0) & (change <= 0.0)
        p1[here], p2[here] = end[0][here], end[1][here]
        inner &= ~here
    within = line._replace(c=c[inner])
    p2[inner] = _root(within, x1[inner], x2[inner])
    p1[inner] = clipped(within.p1(p2[inner]), 0.0, 1.0)
    return p1, p2


def _root(line: _Restriction, x1: Floats, x2: Floats) -> Floats:
    """The root of the slope between the ends of the line."""
    (_, first), (_, last) = line.ends()
    low, high, p2 = first, last, clipped(_middle_root(line, x1, x2), first, last)
    for _ in range(100):
        slope, change = line.slope(x1, x2, line.p1(p2), p2)
        low, high = np.where(slope >= 0.0, p2, low), np.where(slope <= 0.0, p2, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = p2 - slope / change
        inside = (newton >= low) & (newton <= high) & (newton > first) & (newton < last)
        moved = np.where(inside, newton, low + (high - low) / 2.0)
        # Convergence is quadratic, so a step this small leaves rounding only.
        done = bool(np.all(np.abs(moved - p2) <= 1e-7 * np.minimum(moved - first, last - moved)))
        p2 = moved
        if done:
            break
    return p2


def _middle_root(line: _Restriction, x1: Floats, x2: Floats) -> Floats:
    """The same root by Viete's formula, as a start for Newton steps; inaccurate near the ends.

    The cubic has a positive leading coefficient, and a root beyond each of the two ends.
    """
    (n1, n2), (a1, a2) = line.trials, line.weights
    u, s = line.c / a1, a2 / a1
    e0, e1, e2 = u * (1.0 - u), s * (2.0 * u - 1.0), -s * s
    g0, g1 = x1 - n1 * u, n1 * s
    a = s * s * (n1 + n2)
    shift = (x2 * e2 - n2 * e1 - s * (g1 - g0)) / (3.0 * a)
    c, d = (x2 * e1 - n2 * e0 - s * g0) / a, x2 * e0 / a
    radius = np.sqrt(np.maximum(shift * shift - c / 3.0, 1e-60))
    cosine = (shift * (c / 2.0 - shift * shift) - d / 2.0) / (radius * radius * radius)
    angle = np.arccos(clipped(cosine, -1.0, 1.0)) / 3.0
    return np.asarray(2.0 * radius * np.cos(angle - 2.0 * math.pi / 3.0) - shift)


def clipped(values: Floats | float, low: Floats | float, high: Floats | float) -> Floats:
    """As `numpy.clip`, but several times faster to call."""
    return np.minimum(np.maximum(values, low), high)


def score_statistic(
    x1: Floats,
    x2: Floats,
    trials: tuple[float, float],
    weights: tuple[float, float],
    c: float | Floats,
) -> Floats:
    r"""Signed distance of the estimate from the limit `c` in restricted standard errors.

    .. math:: T = \frac{a_1 \hat p_1 + a_2 \hat p_2 - c}
                       {\sqrt{a_1^2 \tilde p_1 \tilde q_1 / n_1
                            + a_2^2 \tilde p_2 \tilde q_2 / n_2}}

    where :math:`\tilde p` are the restricted maximum likelihood estimates of `restricted_mle`. T is
    0 where numerator and variance are both 0.

    For positive weights, T increases with both counts and decreases with c. Proof: the maximum of
    the log-likelihood on the line :math:`a \cdot p = c` is a concave function of c. Let
    :math:`\mu(c)` be its slope, which is the Lagrange multiplier of the restriction, and V the
    variance under the root. The estimating equations give :math:`a \cdot \hat p - c = \mu V`. Hence
    :math:`T^2 = (a \cdot \hat p - c)\, \mu`. Both factors have the sign of T. Both increase with
    each count and decrease with c.
    """
    (n1, n2), (a1, a2) = trials, weights
    p1, p2 = restricted_mle(x1, x2, trials, weights, c)
    excess = a1 * x1 / n1 + a2 * x2 / n2 - c
    variance = a1 * a1 * p1 * (1.0 - p1) / n1 + a2 * a2 * p2 * (1.0 - p2) / n2
    flat = np.where(np.abs(excess) <= 1e-12 * (a1 + a2), 0.0, np.copysign(np.inf, excess))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0.0, excess / np.sqrt(variance), flat)


def score_edge(
    trials: Numbers, weights: Numbers, limit: float, statistic: float
) -> tuple[Floats, Floats]:
    r"""Counts of two rates whose score statistic at the limit c of ``a1 p1 + a2 p2`` is given.

    Parameters
    ----------
    trials, weights : sequence of two numbers
        Number of rows and positive factor a_k of each rate.
    limit, statistic : float
        The limit, and the value of `score_statistic`, below zero.

    Returns
    -------
    first, second : ndarray of shape (n_points,)
        Points of the edge, not rounded, by ascending count of the second rate. If the second count
        is that of a point and the first count is smaller, the statistic is smaller. If the first
        count of a point is below zero, no first count has a smaller statistic. The arrays are empty
        if at most one pair of rates is on the line.

    Notes
    -----
    Each point p of the line :math:`a \cdot p = c` is the restricted estimate of one pair of counts
    on the edge. The estimating equations :math:`\hat p_k = p_k + \mu a_k p_k q_k / n_k` give these
    counts. In them, :math:`\mu = T / \sqrt V`, where V is the variance of the estimate at p.

    If this were wrong, the result would differ from a search for the counts at which
    `score_statistic` crosses T.
    """
    (n1, n2), (a1, a2) = trials, weights
    ends = np.array([max(0.0, (limit - a1) / a2), min(1.0, limit / a2)])
    if not ends[0] < ends[1]:
        return np.empty(0), np.empty(0)
    start, stop = np.arcsin(np.sqrt(ends)).tolist()
    p2 = np.sin(np.linspace(start, stop, EDGE_POINTS)) ** 2
    p1 = clipped((limit - a2 * p2) / a1, 0.0, 1.0)
    move1, move2 = a1 * p1 * (1.0 - p1) / n1, a2 * p2 * (1.0 - p2) / n2
    variance = a1 * move1 + a2 * move2
    varies = variance > 0.0
    mu = statistic / np.sqrt(np.where(varies, variance, np.inf))
    first, second = n1 * (p1 + mu * move1), n2 * (p2 + mu * move2)
    # If a count falls below zero, the curve turns back; beyond that crossing it is not the edge.
    below1, below2 = np.flatnonzero(first < 0.0), np.flatnonzero(second < 0.0)
    begin = below2[-1] if below2.size else 0
    end = below1[below1 >= begin].min(initial=EDGE_POINTS - 1) + 1
    edge = np.arange(begin, end)
    edge = edge[varies[edge]]
    return first[edge], second[edge]

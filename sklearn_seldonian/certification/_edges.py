"""The edge between the counts of one or two rates that pass their test and those that fail it.

The counts are in positive form: the successes of a rate with a positive weight, and the failures of
a rate with a negative weight. So lower counts are always better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_seldonian.bounds import rate_upper, score_edge
from sklearn_seldonian.certification._search import halved

Array = NDArray[np.float64]
# Counts of the second rate, and for each of them the highest count of the first that passes.
Edge = tuple[Array, Array]

# The number of counts of the second rate for which the edge is stored, evenly spaced by angle.
EDGE_COUNTS = 1025


def edge_of_rates(
    trials: Sequence[float], weights: Sequence[float], constant: float, delta: float
) -> Edge:
    """The counts with which ``sum(weights * rates) + constant <= 0`` passes at level `delta`.

    One rate is tested by Clopper and Pearson's bound. Two rates are tested by the score test,
    which orders tables as the exact unconditional test does: the edges of the two are at most one
    count apart.

    Parameters
    ----------
    trials, weights : sequence of one or two floats
        Number of rows of each rate, and its weight.
    constant : float
    delta : float in (0, 1)

    Returns
    -------
    counts : ndarray of shape (n_counts,)
        Counts of the second rate, ascending. A single zero if there is one rate.
    highest : ndarray of shape (n_counts,)
        For each of these counts, the highest count of the first rate that passes; -1 if none does.
    """
    rows, signed = np.array(trials, dtype=float), np.array(weights, dtype=float)
    limit = -constant - float(signed[signed < 0].sum())  # of the positive form
    if len(rows) == 1:
        return np.zeros(1), _highest_of_one(rows[0], abs(signed[0]), limit, delta)
    others = counts_by_angle(rows[1], EDGE_COUNTS)
    first, second = score_edge(rows.tolist(), np.abs(signed).tolist(), limit, float(ndtri(delta)))
    if not second.size:  # no rates satisfy the limit
        return others, np.full(others.shape, -1.0)
    beyond = first[-1] if second[-1] >= rows[1] * (1.0 - 1e-9) else -1.0
    edge = np.interp(others, second, first, right=beyond)
    return others, np.clip(np.floor(edge + 1e-9), -1.0, rows[0])


def counts_by_angle(trials: float, n_counts: int) -> Array:
    """At most `n_counts` counts of so many trials, ascending and evenly spaced by angle."""
    angles = np.linspace(0.0, math.pi / 2.0, n_counts)
    return np.asarray(np.unique(np.round(trials * np.sin(angles) ** 2)))


def _highest_of_one(trials: float, weight: float, limit: float, delta: float) -> Array:
    def fails(count: int) -> bool:
        return not rate_upper(count, trials, weight, delta) <= limit

    return np.array([halved(fails, -1, int(trials) + 1) - 1.0])

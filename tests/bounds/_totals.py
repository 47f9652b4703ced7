"""Totals of units of rows, for several test files."""

import math

import numpy as np

from sklearn_seldonian.bounds import Totals


def totals(numerators, denominators, low=0.0, high=1.0, largest=None):
    most = max(denominators, default=1.0) if largest is None else largest
    return Totals(np.array(numerators, float), np.array(denominators, float), low, high, most)


def people(n=300, seed=0, rate=0.3):
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 8, n)
    return totals(rng.binomial(rows, rate), rows, largest=7.0)


UNUSABLE = {
    "no units": totals([], []),
    "no rows": totals([0.0, 0.0], [0.0, 0.0], largest=1.0),
    "NaN": totals([math.nan, 1.0], [1.0, 1.0]),
    "above its range": totals([1.5, 0.0], [1.0, 1.0]),
    "below its range": totals([-0.5, 0.0], [1.0, 1.0]),
    "a unit larger than the largest": totals([1.0, 0.0], [2.0, 1.0], largest=1.0),
    "no finite range": totals([1.0, 0.0], [1.0, 1.0], 0.0, math.inf),
    "no largest unit": totals([1.0, 0.0], [1.0, 1.0], largest=math.inf),
}

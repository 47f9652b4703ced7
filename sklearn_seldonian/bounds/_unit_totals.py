"""Contributions of independent units of rows to means, and the variance of the means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sklearn_seldonian.bounds._checks import Numbers


class Totals(NamedTuple):
    """The contributions of each unit to a mean ``E[numerator] / E[denominator]``.

    Attributes
    ----------
    numerators, denominators : array-like of shape (n_units,)
        One entry per unit, in an order drawn at random. A numerator is between `low` and `high`
        times its denominator.
    low, high : float
        The smallest and the largest possible value behind the mean.
    largest : float
        An upper limit on all denominators.
    """

    numerators: npt.ArrayLike
    denominators: npt.ArrayLike
    low: float
    high: float
    largest: float

    @property
    def opposite(self) -> Totals:
        """The totals of ``low + high - mean``."""
        highest = (self.low + self.high) * np.asarray(self.denominators, float)
        return self._replace(numerators=highest - np.asarray(self.numerators, float))

    @property
    def complement(self) -> Totals:
        """The totals of one minus the mean of values in [0, 1], with the full range [0, 1]."""
        return self._replace(low=0.0, high=1.0).opposite


def variance_of_totals(totals: Sequence[Totals], slopes: Numbers) -> float:
    """The variance of ``sum(slopes * means)``, estimated from totals of the same units.

    It uses the linearisation of a ratio of totals, with n - 1 degrees of freedom (Cochran's chapter
    6, see `totals_test`). NaN with fewer than two units, or if a mean has no units.

    Examples
    --------
    Ten units of four equal rows contain as much information as ten rows:

    >>> hits = Totals(np.repeat([0.0, 4.0], 5), np.full(10, 4.0), 0.0, 1.0, 4.0)
    >>> round(variance_of_totals([hits], [1.0]), 5)
    0.02778
    """
    influence, n = 0.0, len(np.asarray(totals[0].denominators))
    for each, slope in zip(totals, slopes, strict=True):
        numerators, denominators = np.asarray(each.numerators), np.asarray(each.denominators)
        total = denominators.sum()
        if n < 2 or not total:
            return math.nan
        mean = numerators.sum() / total
        influence = influence + slope * (numerators - mean * denominators) / total
    return float((np.asarray(influence) ** 2).sum() * n / (n - 1.0))

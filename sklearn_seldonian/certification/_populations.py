"""Evidence about other populations, in which the levels of a column have other shares.

The distribution within a level stays the same. So E[N] and E[D] of an estimand E[N] / E[D] are sums
over the levels of a level's share times its own mean. The rows of each level are divided into the
same number of blocks. A sum over one block of each level has these means, and different sums are
independent: they are the units of such a population.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds import Totals
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._kept_rows import KeptRows
from sklearn_seldonian.constraints import Condition, Estimand
from sklearn_seldonian.measures import Range

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShiftedRows:
    """Rows, and the populations of interest, which are other mixtures of the rows' levels.

    Parameters
    ----------
    kept : KeptRows
        The rows, in an order drawn at random.
    column : str
        The column whose shares of levels shift.
    corners : ndarray of shape (n_populations, n_levels)
        The shares of the levels in the extreme populations, of which all others are mixtures.
    largest : float
        As in `SamplingUnits`.
    parts : callable
        The contribution of each row to the numerator and the denominator of an estimand, without
        its weight.
    inside : callable
        Says which rows meet some conditions.
    range_of : callable
        The smallest and the largest possible contribution of a row to an estimand.
    """

    kept: KeptRows
    column: str
    corners: Array
    largest: float
    parts: Callable[[Estimand], tuple[Array, Array]]
    inside: Callable[[frozenset[Condition]], NDArray[np.bool_]]
    range_of: Callable[[Estimand], Range]

    def evidence(self, estimands: Sequence[Estimand], like: Evidence) -> tuple[Evidence, ...]:
        """The evidence about each population; everything else is as in `like`."""
        return tuple(
            Evidence(
                {mean: self._sample(shares, mean) for mean in estimands},
                like.deterministic,
                like.mutually_exclusive_columns,
                like.n_rows,
                partial(self._influence_variance, shares),
                ranges=like.ranges,
                totals=partial(self._totals, shares),
            )
            for shares in self.corners
        )

    def shifted(self, estimands: Sequence[Estimand]) -> frozenset[Estimand]:
        """The estimands over rows of several levels, which differ between populations."""
        return frozenset(mean for mean in estimands if self._own_level(mean) is None)

    def _own_level(self, estimand: Estimand) -> int | None:
        """The only level that an estimand's conditions leave; None if there are several."""
        own = frozenset(c for c in estimand.conditions if c.column == self.column)
        if not own:
            return None
        left = np.unique(self.kept.levels[self.inside(own)])
        return int(left[0]) if len(left) == 1 else None

    def _shares(self, shares: Array, estimand: Estimand) -> Array:
        """The shares of the levels of an estimand, up to a factor that does not matter."""
        level = self._own_level(estimand)
        return shares if level is None else np.eye(len(shares))[level]

    def _of_units(self, estimand: Estimand) -> tuple[Array, Array, NDArray[np.int64]]:
        """Numerator, denominator and level of each unit, in the order drawn."""
        numerators, denominators = self.parts(estimand)
        units, weights = self.kept.units, self.kept.weights
        levels = np.zeros(units.max(initial=-1) + 1, dtype=np.int64)
        levels[units] = self.kept.levels
        sums = np.zeros((2, len(levels)))
        for total, part in zip(sums, (numerators, denominators), strict=True):
            total += np.bincount(units, weights * part, minlength=len(levels))
        return sums[0], sums[1], levels

    def _totals(self, shares: Array, estimand: Estimand) -> Totals:
        """As `Evidence.totals`; NaN if a level has a share but no rows."""
        numerators, denominators, levels = self._of_units(estimand)
        n_units = np.bincount(levels, minlength=len(shares))
        n_blocks = int(n_units[self.corners.max(axis=0) > 0].min(initial=len(levels)))
        low, high = self.range_of(estimand)
        if not n_blocks:
            return Totals([math.nan], [math.nan], low, high, self.largest)
        totals = np.zeros((2, n_blocks))
        for level, share in enumerate(self._shares(shares, estimand)):
            if share:
                own = np.stack([numerators, denominators])[:, levels == level]
                if own.shape[1] < n_blocks:  # the level has no share in any population
                    return Totals([math.nan], [math.nan], low, high, self.largest)
                starts = np.arange(n_blocks) * own.shape[1] // n_blocks
                sizes = np.diff(starts, append=own.shape[1])
                totals += share * np.add.reduceat(own, starts, axis=1) / sizes
        return Totals(totals[0], totals[1], low, high, self.largest)

    def _means_of_levels(self, parts: Array, levels: NDArray[np.int64], n_levels: int) -> Array:
        counts = np.bincount(levels, minlength=n_levels)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.bincount(levels, parts, minlength=n_levels) / counts)

    def _sample(self, shares: Array, estimand: Estimand) -> Sample:
        """The sample of an estimand in a population, scaled to the number of units here."""
        numerators, denominators, levels = self._of_units(estimand)
        own = self._shares(shares, estimand)

        def total(parts: Array) -> float:
            means = self._means_of_levels(parts, levels, len(shares))
            return float(own @ np.nan_to_num(means)) * len(levels)

        rows = float(self.parts(estimand)[1].sum())
        return Sample(total(numerators), total(denominators), rows)

    def _influence_variance(
        self, shares: Array, estimands: Sequence[Estimand], slopes: Sequence[float]
    ) -> float:
        """As `Evidence.variance`; differences between levels do not count."""
        influence, n_rows, n_levels = np.zeros(1), len(self.kept.codes), len(shares)
        for estimand, slope in zip(estimands, slopes, strict=True):
            numerators, denominators, levels = self._of_units(estimand)
            own, sample = self._shares(shares, estimand), self._sample(shares, estimand)
            if not sample.trials:
                return math.nan
            deviations = numerators - sample.estimate * denominators
            influence = influence + slope * own[levels] * deviations * len(levels) / sample.trials
        means = self._means_of_levels(influence, levels, n_levels)
        counts = np.bincount(levels, minlength=n_levels)
        spread = (influence - means[levels]) ** 2
        of_levels = np.bincount(levels, spread, minlength=n_levels) / np.maximum(counts - 1, 1)
        return n_rows * float((of_levels / np.maximum(counts, 1)).sum())

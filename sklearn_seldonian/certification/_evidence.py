"""What the tests of atoms look at: samples of means, and how estimates vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds import Totals
from sklearn_seldonian.constraints import (
    ColumnIs,
    Estimand,
    ExclusiveColumns,
    Node,
    Stratification,
    estimate,
)
from sklearn_seldonian.measures import Range, Rate

Array = NDArray[np.float64]
# What rows are to each of some rates: 0 where they do not count, 1 where they count, 2 where they
# are successes.
Kind = tuple[int, ...]


class Sample(NamedTuple):
    """`successes` among `trials` rows.

    Successes are counts, but sums for averages and for soft decisions. Soft trials are a
    sum too where the mean is over predictions. Both are sums of weights where rows have some;
    `rows` is what the trials would be without.
    """

    successes: float
    trials: float
    rows: float = float("nan")

    @property
    def estimate(self) -> float:
        return self.successes / self.trials if self.trials else float("nan")


@dataclass(frozen=True)
class Evidence:
    """All that a safety test may look at.

    Attributes
    ----------
    samples : mapping of Estimand to Sample
    deterministic : bool
        Whether successes of rates count decisions; else they are sums of probabilities.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    n_rows : int
        Of all samples together.
    variance : callable, default=None
        ``variance(means, slopes)``: the variance over rows of the influence that one row has on
        ``sum(slopes * means)``. None: from the rates, as if no two means shared rows.
    row_values : callable, default=None
        ``row_values(mean, weight, constant)``: for each row that `mean` may be over, weight times
        what it adds to the successes plus constant times what it adds to the trials, in an order
        drawn at random. None where rows are not kept or their order was not drawn.
    ranges : mapping of Estimand to pair of numbers
        Between which each row's part in a mean is known to lie, whatever the row is like; where
        there is none, what the mean's quantity says.
    table : callable, default=None
        ``table(estimands)``: how many rows there are of each `Kind` of row that the rates make.
        None: not known, as in plans, which take the table that the samples make likeliest.
    totals : callable, default=None
        ``totals(mean)``: what each unit of rows adds to a mean, the units in an order drawn at
        random. None: each row is a unit and counts once, so that other tests are sharper.
    populations : tuple of Evidence, default=()
        Of the populations that all of interest are mixtures of, where that is not the one that rows
        are drawn from: each with its own samples and totals.
    shifted : frozenset of Estimand, default=frozenset()
        The means that differ between populations.
    answered : dict
        What tests have found, for limits that they are asked about later.
    """

    samples: Mapping[Estimand, Sample]
    deterministic: bool = True
    mutually_exclusive_columns: ExclusiveColumns = frozenset()
    n_rows: int = 0
    variance: Callable[[Sequence[Estimand], Sequence[float]], float] | None = None
    row_values: Callable[[Estimand, float, float], Array] | None = None
    ranges: Mapping[Estimand, Range] = field(default_factory=dict)
    table: Callable[[Sequence[Estimand]], Mapping[Kind, float]] | None = None
    totals: Callable[[Estimand], Totals] | None = None
    populations: tuple[Evidence, ...] = ()
    shifted: frozenset[Estimand] = frozenset()
    answered: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def estimates(self, estimands: Sequence[Estimand]) -> dict[Estimand, float]:
        """The sample mean of each of the `estimands`."""
        return {estimand: self.samples[estimand].estimate for estimand in estimands}

    def totals_of(self, estimands: Sequence[Estimand]) -> list[Totals]:
        """What each unit adds to each of some means; they must be known."""
        assert self.totals is not None
        return [self.totals(estimand) for estimand in estimands]

    def worst(self, function: Callable[[Evidence], float]) -> float:
        """The largest value of a function of the evidence in any of the populations."""
        return max(map(function, self.populations or (self,)))

    def worst_estimate(self, expression: Node, estimands: Sequence[Estimand]) -> float:
        """The largest value of an expression over `estimands` at the estimates."""
        return self.worst(lambda each: estimate(expression, each.estimates(estimands)))

    def of(self, estimands: Sequence[Estimand]) -> Evidence:
        """What is to be looked at for these means: no populations where none of them differs."""
        return self if self.shifted.intersection(estimands) else replace(self, populations=())

    def range_of(self, estimand: Estimand) -> Range:
        """Between which numbers each row's part in `mean` lies."""
        return self.ranges.get(estimand, estimand.quantity.range)

    def is_count(self, estimand: Estimand) -> bool:
        """Whether the mean's successes are binomial."""
        is_drawn_by_row = self.totals is None and estimand not in self.shifted
        return self.deterministic and is_drawn_by_row and isinstance(estimand.quantity, Rate)

    def sample_variance(
        self, estimands: Sequence[Estimand], slopes: Sequence[float]
    ) -> tuple[int, float]:
        """How many units the mean over fewest is over, and by how much they vary.

        The variance is that of ``sum(slopes * means)`` times this number, with as many degrees of
        freedom but one. Of one mean of rows it is their sample variance.
        """
        of_means, n_units = [self.samples[mean].trials for mean in estimands], self.n_rows
        if self.totals is not None:
            denominators = [np.asarray(self.totals(mean).denominators) for mean in estimands]
            of_means, n_units = [float((d > 0).sum()) for d in denominators], len(denominators[0])
        n = int(min(of_means))
        if n < 2 or not n_units:
            return n, math.nan
        of_all_rows = self.influence_variance(estimands, slopes) * n / self.n_rows
        return n, of_all_rows * (1.0 - 1.0 / n_units) / (1.0 - 1.0 / n)

    def influence_variance(self, estimands: Sequence[Estimand], slopes: Sequence[float]) -> float:
        """Variance over rows of the influence that one row has on ``sum(slopes * means)``."""
        if self.variance is not None:
            return self.variance(estimands, slopes)
        total = 0.0
        for estimand, slope in zip(estimands, slopes, strict=True):
            sample = self.samples[estimand]
            spread = sample.estimate * (1.0 - sample.estimate)
            total += slope**2 * spread * self.n_rows / sample.trials if sample.trials else math.nan
        return total


def has_finite_ranges(estimands: Sequence[Estimand]) -> bool:
    """Whether each of the `estimands` is known to lie between two finite numbers."""
    return all(math.isfinite(end) for estimand in estimands for end in estimand.quantity.range)


def exclusive_columns(stratification: Stratification) -> ExclusiveColumns:
    """The pairs of bare 0/1 columns of one family that are never both 1 in any row."""
    conditions = enumerate(stratification.conditions)
    bare = [(c.column, i) for i, c in conditions if isinstance(c, ColumnIs) and c.value]
    return frozenset(
        frozenset({one, other})
        for (one, i), (other, j) in combinations(bare, 2)
        if any({one, other} <= columns for columns in stratification.columns)
        and not (stratification.membership[:, i] & stratification.membership[:, j]).any()
    )

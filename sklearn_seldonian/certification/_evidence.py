"""The evidence for tests of atoms: samples of estimands, and the variance of estimates."""

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
# The role of a row in each of some rates: 0 if it does not count, 1 if it counts, 2 if it is a
# success.
Kind = tuple[int, ...]


class Sample(NamedTuple):
    """`successes` among `trials` rows.

    Successes are counts of rows, or sums for averages and for drawn decisions. With drawn
    decisions, trials are sums too if the estimand conditions on the prediction. If rows have
    weights, both are sums of weights, and `rows` is the number of rows behind the trials.
    """

    successes: float
    trials: float
    rows: float = float("nan")

    @property
    def estimate(self) -> float:
        return self.successes / self.trials if self.trials else float("nan")


@dataclass(frozen=True)
class Evidence:
    """Everything that a safety test may use.

    Attributes
    ----------
    samples : mapping of Estimand to Sample
    deterministic : bool
        Whether successes of rates count decisions. Otherwise they are sums of probabilities.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.
    n_rows : int
        Number of rows of all samples together.
    variance : callable, default=None
        ``variance(means, slopes)``: the variance over rows of the influence of one row on
        ``sum(slopes * means)``. None: it is computed from the rates, as if no two means shared
        rows.
    row_values : callable, default=None
        ``row_values(mean, weight, constant)``: one number per row that `mean` may be over, in an
        order drawn at random. It is weight times the row's contribution to the successes, plus
        constant times its contribution to the trials. None if rows are not kept or their order was
        not drawn.
    ranges : mapping of Estimand to pair of numbers
        The smallest and the largest possible contribution of a row to an estimand. If an estimand
        is missing, the range of its quantity.
    table : callable, default=None
        ``table(estimands)``: the number of rows of each `Kind`. None: not known, as in plans, which
        use the most likely table for the samples.
    totals : callable, default=None
        ``totals(mean)``: the contribution of each unit of rows to a mean, with the units in an
        order drawn at random. None: each row is a unit with weight 1, and sharper tests exist.
    populations : tuple of Evidence, default=()
        If the test is about other populations than the one that rows are drawn from: the evidence
        about the extreme populations, of which all others are mixtures. Each has its own samples
        and totals.
    shifted : frozenset of Estimand, default=frozenset()
        The estimands that differ between populations.
    answered : dict
        A cache of test results, for later limits.
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
        """The contributions of each unit to each of some means; `totals` must be given."""
        assert self.totals is not None
        return [self.totals(estimand) for estimand in estimands]

    def worst(self, function: Callable[[Evidence], float]) -> float:
        """The largest value of a function of the evidence over all populations."""
        return max(map(function, self.populations or (self,)))

    def worst_estimate(self, expression: Node, estimands: Sequence[Estimand]) -> float:
        """The largest value of an expression at the estimates, over all populations."""
        return self.worst(lambda each: estimate(expression, each.estimates(estimands)))

    def of(self, estimands: Sequence[Estimand]) -> Evidence:
        """The evidence for these estimands; without populations if none of them differs."""
        return self if self.shifted.intersection(estimands) else replace(self, populations=())

    def range_of(self, estimand: Estimand) -> Range:
        """The smallest and the largest possible contribution of a row to an estimand."""
        return self.ranges.get(estimand, estimand.quantity.range)

    def is_count(self, estimand: Estimand) -> bool:
        """Whether the estimand's successes are binomial."""
        is_drawn_by_row = self.totals is None and estimand not in self.shifted
        return self.deterministic and is_drawn_by_row and isinstance(estimand.quantity, Rate)

    def sample_variance(
        self, estimands: Sequence[Estimand], slopes: Sequence[float]
    ) -> tuple[int, float]:
        """The number of units of the smallest estimand, and the variance between units.

        The variance is the variance of ``sum(slopes * means)`` times this number n, with n - 1
        degrees of freedom. For one mean of rows it is their sample variance.
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
        """Variance over rows of the influence of one row on ``sum(slopes * means)``."""
        if self.variance is not None:
            return self.variance(estimands, slopes)
        total = 0.0
        for estimand, slope in zip(estimands, slopes, strict=True):
            sample = self.samples[estimand]
            spread = sample.estimate * (1.0 - sample.estimate)
            total += slope**2 * spread * self.n_rows / sample.trials if sample.trials else math.nan
        return total


def has_finite_ranges(estimands: Sequence[Estimand]) -> bool:
    """Whether each of the `estimands` has a finite range."""
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

"""Prediction of the safety test's bounds on a model, and of its probability of passing.

A `Forecast` predicts these for any model from the statistics of candidate rows, without running
the test. It assumes that estimates are normally distributed and that bounds are as wide as its
`Margins` say. `calibrated_on` adjusts the margins to the bounds of the actual tests. Some tests of
one or two rates pass exactly if the counts are in a known region. For these, the probability of
such counts replaces the normal approximation. `forecast_for` finds the regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sklearn_seldonian.certification import (
    PassingRegion,
    PassingRegions,
    Statistics,
    has_random_size,
    is_minimum,
    passing_region,
    passing_region_of_share,
)
from sklearn_seldonian.constraints import Choice, bonferroni
from sklearn_seldonian.selection._margins import (
    Margins,
    calibrated_margins,
    normal_margins,
    relative_widths,
)
from sklearn_seldonian.selection._problem import ConstrainedProblem

Array = NDArray[np.float64]


class Prediction(NamedTuple):
    """The predicted result of the safety test.

    Attributes
    ----------
    bounds : ndarray of shape (..., n_constraints)
        Expected upper bounds on g. A bound is in units of g if the constraint's atoms are;
        otherwise only its sign is meaningful.
    probabilities : ndarray of shape (..., n_constraints)
        The probability that each constraint passes.
    """

    bounds: Array
    probabilities: Array

    @property
    def pass_probability(self) -> Array:
        """A lower bound on the probability that all constraints pass: shape (...)."""
        return bonferroni(np.moveaxis(self.probabilities, -1, 0))

    @property
    def feasibility_score(self) -> Array:
        """The `pass_probability`, if it is above zero: shape (...).

        Otherwise a number below zero that is larger the lower the bounds are, so that models that
        do not pass yet can be compared.
        """
        probability, excess = self.pass_probability, np.maximum(self.bounds, 0.0).sum(axis=-1)
        return np.asarray(np.where(probability > 0, probability, -excess))


class Forecast:
    """Predicts the safety test of one problem for models evaluated on candidate rows.

    Parameters
    ----------
    problem : ConstrainedProblem
    n_rows : int
        The number of rows that models are evaluated on.
    margins : Margins, default=None
        The amounts by which bounds exceed estimates. None: `normal_margins`.
    regions : mapping of int to PassingRegion, default=()
        The counts with which an atom's test passes, by the atom's position.
    kinds : mapping of int to ndarray of shape (2, n_cells, K, K + V), default=()
        For the regions of rates of random size: the entries that count for the region's two rates.
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        n_rows: int,
        margins: Margins | None = None,
        regions: Mapping[int, PassingRegion] = MappingProxyType({}),
        kinds: Mapping[int, Array] = MappingProxyType({}),
    ) -> None:
        self.problem, self.n_rows, self.regions, self._kinds = problem, n_rows, regions, kinds
        self.margins = margins or normal_margins(problem)
        self._passing = PassingRegions(tuple(regions.values()))
        own = problem.linearisation.means_of_atoms
        self._means = [(own[a][0], own[a][-1]) for a in regions]

    @property
    def needs_calibration(self) -> bool:
        """Whether `calibrated_on` is needed to know the width of any test's bound."""
        return len(self.regions) < len(self.problem.atoms)

    def predict(self, seen: Statistics, weight: float = 0.0) -> Prediction:
        """The prediction for a model.

        Parameters
        ----------
        seen : Statistics
            The model's statistics on the rows that models are evaluated on, all of them. The arrays
            may have leading axes, for several models at once.
        weight : float in [0, 1], default=0.0
            As in `PassingRegions.probabilities`.
        """
        bounds, passing = self._of_atoms(seen, weight)
        problem = self.problem
        return Prediction(problem.highest(bounds), problem.pass_probabilities(passing))

    def choices(self, seen: Statistics, weight: float = 0.0) -> tuple[Choice, ...]:
        """For each constraint, the alternatives that `predict` assumes to be tested."""
        if not self.problem.is_open:
            return ((),) * len(self.problem.constraints)
        bounds, passing = self._of_atoms(seen, weight)
        return self.problem.choices(passing, bounds)

    def _of_atoms(self, seen: Statistics, weight: float) -> tuple[Array, Array]:
        """Expected bounds of the atoms, and their probabilities of passing: (..., n_atoms)."""
        problem = self.problem
        near = problem.linearisation.at(seen.confusion, seen.products)
        test = self.margins.standard_errors(near, problem.n_safety)
        both = np.hypot(test, self.margins.standard_errors(near, self.n_rows))
        widths = relative_widths(problem.atoms, seen)
        bounds = near.values + self.margins.widths_of_bounds(near, widths)
        certain = np.where(bounds <= 0, np.inf, -np.inf)
        passing = ndtr(np.divide(-bounds, both, out=certain, where=both > 0))
        if self.regions:
            passing[..., list(self.regions)] = self._known(seen.confusion, near.means, weight)
        return np.where(np.isnan(bounds), np.inf, bounds), passing

    def feasibility_scores(self, seen: Statistics, weight: float = 0.0) -> Array:
        """Scores for choosing the best of several models: shape (...).

        These are the models' `Prediction.feasibility_score`. If some models have a probability of
        passing above zero, the scores of the others are arbitrary numbers below zero.
        """
        if self.regions and not self.needs_calibration:
            means = self.problem.linearisation.means(seen.confusion)
            known = self._known(seen.confusion, means, weight)
            scores = bonferroni(np.moveaxis(self.problem.pass_probabilities(known), -1, 0))
            if (scores > 0).any():  # the bounds, which take longer, are not needed then
                return np.where(scores > 0, scores, -np.inf)
        return self.predict(seen, weight).feasibility_score

    def calibrated_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> Forecast:
        """The forecast with bounds as wide as on samples; see `calibrated_margins`."""
        margins = calibrated_margins(self.problem, samples, constant, self.regions)
        return Forecast(self.problem, self.n_rows, margins, self.regions, self._kinds)

    def _known(self, confusion: Array, means: Array, weight: float) -> Array:
        """The probability that each atom with a region passes: shape (..., n_regions)."""
        rates = means[..., self._means]
        for i, (a, region) in enumerate(self.regions.items()):
            if a in self._kinds:
                counts = np.tensordot(confusion, self._kinds[a], axes=((-3, -2, -1), (1, 2, 3)))
                rates[..., i, :] = counts / region.seen
        return self._passing.probabilities(rates, weight)


def forecast_for(problem: ConstrainedProblem, counts: Array, by_counts: bool = True) -> Forecast:
    """The forecast from rows that `counts` (n_cells, K, K) counts by cell, label and decision.

    The decisions do not matter. The safety rows are expected to have the same proportions of cells
    and labels. If the tests are not `by_counts`, as with units of several rows, no regions are
    known.
    """
    linear = problem.linearisation
    table = linear.without_values(counts)
    n_rows = round(float(linear.n_rows(table)))
    if not (problem.deterministic and by_counts):
        return Forecast(problem, n_rows)
    seen, per_row = linear.trials(table), problem.n_safety / max(n_rows, 1)
    regions, kinds = dict[int, PassingRegion](), dict[int, Array]()
    parts = zip(problem.atoms, linear.means_of_atoms, problem.atom_deltas, strict=True)
    for a, (atom, own, delta) in enumerate(parts):
        region = None
        if len(own) == 1 and has_random_size(atom):
            entries = linear.successes_and_others(own[0])
            of_label = entries.any(axis=-1)
            if of_label.all(axis=0).any():  # as for Jaccard, whose two kinds of rows overlap
                continue
            rows = (of_label * table.sum(axis=-1)).sum(axis=(1, 2))
            region = passing_region_of_share(atom, rows, rows * per_row, delta, problem.method)
            kinds[a] = entries[::-1] if is_minimum(atom) else entries
        elif own:
            tested = seen[own] * per_row
            asked = problem.method, problem.mutually_exclusive_columns
            region = passing_region(atom, seen[own], tested, delta, *asked)
        if region is not None:
            regions[a] = region
    return Forecast(problem, n_rows, regions=regions, kinds=kinds)

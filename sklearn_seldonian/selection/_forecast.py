"""What the safety test is expected to say of a model, and how probable it is to pass.

A `Forecast` answers for any model from the statistics of candidate rows, without running the test.
It takes estimates for normal, and bounds for as wide as its `Margins` have it. `calibrated_on`
adjusts these to the tests' own bounds. Some tests of one or two rates pass with counts in a known
region. For these, the probability of such counts replaces the normal approximation.
`forecast_for` finds the regions.
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
    passing_region,
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
    """What the safety test is expected to say.

    Attributes
    ----------
    bounds : ndarray of shape (..., n_constraints)
        Expected upper bounds on g. A bound is in units of g if the constraint's atoms are;
        otherwise only its sign is meaningful.
    probabilities : ndarray of shape (..., n_constraints)
        How probable each constraint is to pass.
    """

    bounds: Array
    probabilities: Array

    @property
    def pass_probability(self) -> Array:
        """At least how probable it is that all constraints pass: shape (...)."""
        return bonferroni(np.moveaxis(self.probabilities, -1, 0))

    @property
    def feasibility_score(self) -> Array:
        """The `pass_probability`, if it is above zero: shape (...).

        Otherwise a number below zero that grows as the bounds come down, so that models on the
        way to a solution can be told apart.
        """
        probability, excess = self.pass_probability, np.maximum(self.bounds, 0.0).sum(axis=-1)
        return np.asarray(np.where(probability > 0, probability, -excess))


class Forecast:
    """What the safety test of one problem would say of models seen on candidate rows.

    Parameters
    ----------
    problem : ConstrainedProblem
    n_rows : int
        How many rows models are judged on.
    margins : Margins, default=None
        By how much bounds exceed estimates; None: `normal_margins`.
    regions : mapping of int to PassingRegion, default=()
        By the position of the atom, the counts with which its test passes.
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        n_rows: int,
        margins: Margins | None = None,
        regions: Mapping[int, PassingRegion] = MappingProxyType({}),
    ) -> None:
        self.problem, self.n_rows, self.regions = problem, n_rows, regions
        self.margins = margins or normal_margins(problem)
        self._passing = PassingRegions(tuple(regions.values()))
        own = problem.linearisation.means_of_atoms
        self._means = [(own[a][0], own[a][-1]) for a in regions]

    @property
    def needs_calibration(self) -> bool:
        """Whether the width of any test's bound is known only by `calibrated_on`."""
        return len(self.regions) < len(self.problem.atoms)

    def predict(self, seen: Statistics, weight: float = 0.0) -> Prediction:
        """The prediction for the model of which the rows judged on show these statistics.

        Parameters
        ----------
        seen : Statistics
            The arrays may have leading axes, for several models at once.
        weight : float in [0, 1], default=0.0
            As in `PassingRegions.probabilities`.
        """
        bounds, passing = self._of_atoms(seen, weight)
        problem = self.problem
        return Prediction(problem.highest(bounds), problem.pass_probabilities(passing))

    def choices(self, seen: Statistics, weight: float = 0.0) -> tuple[Choice, ...]:
        """For each constraint, the alternatives that `predict` takes to be the ones tested."""
        if not self.problem.is_open:
            return ((),) * len(self.problem.constraints)
        bounds, passing = self._of_atoms(seen, weight)
        return self.problem.choices(passing, bounds)

    def _of_atoms(self, seen: Statistics, weight: float) -> tuple[Array, Array]:
        """Expected bounds of the atoms, and how probable each is to pass: shape (..., n_atoms)."""
        problem = self.problem
        near = problem.linearisation.at(seen.confusion, seen.products)
        test = self.margins.standard_errors(near, problem.n_safety)
        both = np.hypot(test, self.margins.standard_errors(near, self.n_rows))
        widths = relative_widths(problem.atoms, seen)
        bounds = near.values + self.margins.widths_of_bounds(near, widths)
        certain = np.where(bounds <= 0, np.inf, -np.inf)
        passing = ndtr(np.divide(-bounds, both, out=certain, where=both > 0))
        if self.regions:
            passing[..., list(self.regions)] = self._known(near.means, weight)
        return np.where(np.isnan(bounds), np.inf, bounds), passing

    def feasibility_scores(self, seen: Statistics, weight: float = 0.0) -> Array:
        """Scores for choosing the best of several models: shape (...).

        They are each model's `Prediction.feasibility_score`, but if some models are predicted to
        pass with a probability above zero, the scores of the others may be any below zero.
        """
        if self.regions and not self.needs_calibration:
            known = self._known(self.problem.linearisation.means(seen.confusion), weight)
            scores = bonferroni(np.moveaxis(self.problem.pass_probabilities(known), -1, 0))
            if (scores > 0).any():  # bounds, which take longer, would tell nothing more
                return np.where(scores > 0, scores, -np.inf)
        return self.predict(seen, weight).feasibility_score

    def calibrated_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> Forecast:
        """The forecast with bounds as wide as on samples, as `calibrated_margins` takes them."""
        margins = calibrated_margins(self.problem, samples, constant, self.regions)
        return Forecast(self.problem, self.n_rows, margins, self.regions)

    def _known(self, means: Array, weight: float) -> Array:
        """How probable each atom with a region is to pass: shape (..., n_regions)."""
        return self._passing.probabilities(means[..., self._means], weight)


def forecast_for(problem: ConstrainedProblem, counts: Array, by_counts: bool = True) -> Forecast:
    """The forecast from rows of which `counts` (n_cells, K, K) is the table.

    What was decided about the rows does not matter: the test is expected to see as many rows of
    each kind, in proportion. Of tests that are not `by_counts`, as those of units of rows, no
    regions are known.
    """
    linear = problem.linearisation
    table = linear.without_values(counts)
    n_rows = round(float(linear.n_rows(table)))
    if not (problem.deterministic and by_counts):
        return Forecast(problem, n_rows)
    seen = linear.trials(table)
    tested = seen * (problem.n_safety / max(n_rows, 1))
    regions = {}
    parts = zip(problem.atoms, linear.means_of_atoms, problem.atom_deltas, strict=True)
    asked = problem.method, problem.mutually_exclusive_columns
    for a, (atom, own, delta) in enumerate(parts):
        if not atom.estimands:
            continue
        region = passing_region(atom, seen[own], tested[own], delta, *asked)
        if region is not None:
            regions[a] = region
    return Forecast(problem, n_rows, regions=regions)

"""What the safety test is expected to say of a model, and how probable it is to pass.

A `Forecast` answers for any model from the statistics of candidate rows, without running the test.
There are two. `NormalForecast` takes estimates for normal and the bounds for as wide as its
`Margins` have it, which `calibrated_on` adjusts to the tests' own bounds. `RegionForecast` knows
the counts with which tests of one or two rates pass, and how probable such counts are; what
remains is left to a `NormalForecast`. `forecast_for` chooses between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sklearn_seldonian.certification import (
    PassingRegion,
    PassingRegions,
    Statistics,
    passing_region,
)
from sklearn_seldonian.constraints import bonferroni
from sklearn_seldonian.selection._linearisation import Linearised
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


class Forecast(Protocol):
    """What the safety test of one problem would say of models seen on candidate rows."""

    @property
    def margins(self) -> Margins:
        """How wide bounds are expected to be."""

    @property
    def needs_calibration(self) -> bool:
        """Whether the width of any test's bound is known only by `calibrated_on`."""

    def predict(self, seen: Statistics, weight: float = 0.0) -> Prediction:
        """The prediction for the model of which the rows judged on show these statistics.

        Parameters
        ----------
        seen : Statistics
            The arrays may have leading axes, for several models at once.
        weight : float in [0, 1], default=0.0
            As in `PassingRegions.probabilities`.
        """

    def feasibility_scores(self, seen: Statistics, weight: float = 0.0) -> Array:
        """Scores for choosing the best of several models: shape (...).

        They are each model's `Prediction.feasibility_score`, but if some models are predicted to
        pass with a probability above zero, the scores of the others may be any below zero.
        """

    def calibrated_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> Forecast:
        """The forecast with bounds as wide as on samples, as `calibrated_margins` takes them."""


class NormalForecast:
    """Estimates are normal, and bounds exceed them by the `margins`.

    Parameters
    ----------
    problem : ConstrainedProblem
    n_rows : int
        How many rows models are judged on.
    margins : Margins, default=None
        None: `normal_margins`.
    """

    def __init__(
        self, problem: ConstrainedProblem, n_rows: int, margins: Margins | None = None
    ) -> None:
        self.problem, self.n_rows = problem, n_rows
        self.margins = margins or normal_margins(problem)

    @property
    def needs_calibration(self) -> bool:
        return bool(self.problem.atoms)

    def predict(self, seen: Statistics, weight: float = 0.0) -> Prediction:
        return self.prediction(seen, self.problem.linearisation.at(seen.confusion, seen.products))

    def prediction(
        self, seen: Statistics, near: Linearised, known: Array | None = None
    ) -> Prediction:
        """The prediction from the atoms `near` what was seen.

        Probabilities of passing that are `known` (..., n_atoms), and not NaN, replace the normal
        approximation's.
        """
        problem = self.problem
        test = near.standard_errors(problem.n_safety)
        both = np.hypot(test, near.standard_errors(self.n_rows))
        widths = relative_widths(problem.atoms, seen)
        bounds = near.values + self.margins.widths_of_bounds(near, widths)
        certain = np.where(bounds <= 0, np.inf, -np.inf)
        passing = ndtr(np.divide(-bounds, both, out=certain, where=both > 0))
        if known is not None:
            passing = np.where(np.isnan(known), passing, known)
        worst = np.where(np.isnan(bounds), np.inf, bounds)
        return Prediction(problem.highest(worst), problem.pass_probabilities(passing))

    def feasibility_scores(self, seen: Statistics, weight: float = 0.0) -> Array:
        return self.predict(seen).feasibility_score

    def calibrated_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> NormalForecast:
        margins = calibrated_margins(self.problem, samples, constant)
        return NormalForecast(self.problem, self.n_rows, margins)


class RegionForecast:
    """Some tests pass with counts in a region, and how probable these are is integrated.

    Parameters
    ----------
    normal : NormalForecast
        For the other atoms' probabilities, and for all bounds.
    regions : mapping of int to PassingRegion
        By the position of the atom.
    """

    def __init__(self, normal: NormalForecast, regions: Mapping[int, PassingRegion]) -> None:
        self._normal, self._by_atom = normal, dict(regions)
        self._regions = PassingRegions(tuple(regions.values()))
        own = normal.problem.linearisation.means_of_atoms
        self._means = [(own[a][0], own[a][-1]) for a in regions]

    @property
    def margins(self) -> Margins:
        return self._normal.margins

    @property
    def needs_calibration(self) -> bool:
        return len(self._by_atom) < len(self._normal.problem.atoms)

    def predict(self, seen: Statistics, weight: float = 0.0) -> Prediction:
        near = self._normal.problem.linearisation.at(seen.confusion, seen.products)
        return self._normal.prediction(seen, near, self._known(near.means, weight))

    def feasibility_scores(self, seen: Statistics, weight: float = 0.0) -> Array:
        problem = self._normal.problem
        if not self.needs_calibration:
            known = self._known(problem.linearisation.means(seen.confusion), weight)
            scores = bonferroni(np.moveaxis(problem.pass_probabilities(known), -1, 0))
            if (scores > 0).any():  # bounds, which take longer, would tell nothing more
                return np.where(scores > 0, scores, -np.inf)
        return self.predict(seen, weight).feasibility_score

    def calibrated_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> RegionForecast:
        normal = self._normal
        margins = calibrated_margins(normal.problem, samples, constant, self._by_atom.keys())
        calibrated = NormalForecast(normal.problem, normal.n_rows, margins)
        return RegionForecast(calibrated, self._by_atom)

    def _known(self, means: Array, weight: float) -> Array:
        """How probable each atom is to pass (..., n_atoms); NaN if it has no region."""
        found = np.full((*means.shape[:-1], len(self._normal.problem.atoms)), np.nan)
        of_regions = self._regions.probabilities(means[..., self._means], weight)
        found[..., list(self._by_atom)] = of_regions
        return found


def forecast_for(problem: ConstrainedProblem, counts: Array) -> Forecast:
    """The forecast from rows of which `counts` (n_cells, K, K) is the table.

    What was decided about the rows does not matter: the test is expected to see as many rows of
    each kind, in proportion.
    """
    linear = problem.linearisation
    table = np.zeros(linear.confusion_shape)
    table[..., : problem.shape[1]] = counts
    n_rows = round(float(linear.n_rows(table)))
    normal = NormalForecast(problem, n_rows)
    if not problem.deterministic:
        return normal
    seen = linear.trials(table)
    tested = seen * (problem.n_safety / max(n_rows, 1))
    found = {
        a: passing_region(
            atom, seen[own], tested[own], delta, problem.method, problem.mutually_exclusive_columns
        )
        for a, (atom, own, delta) in enumerate(
            zip(problem.atoms, linear.means_of_atoms, problem.atom_deltas, strict=True)
        )
        if atom.estimands
    }
    regions = {a: region for a, region in found.items() if region is not None}
    return RegionForecast(normal, regions) if regions else normal

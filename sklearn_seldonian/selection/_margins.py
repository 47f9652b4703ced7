"""How far below its limit a constraint's estimate must be for the safety test to pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_seldonian.certification import Statistics, approximate_upper, has_finite_ranges
from sklearn_seldonian.constraints import Atom, Estimand, distinct_estimands, dual
from sklearn_seldonian.measures import Range
from sklearn_seldonian.selection._linearisation import HUGE, Linearised
from sklearn_seldonian.selection._problem import ConstrainedProblem

Array = NDArray[np.float64]

# A test's bound is assumed to be at most this many times wider than the normal approximation.
# Training therefore has a direction even if a test has no bound.
WIDEST = 10.0


@dataclass(frozen=True, eq=False)
class Margins:
    """The predicted widths of the safety test's bounds.

    A bound exceeds h by ``floors * widths`` plus `factors` times the normal approximation's width.

    Attributes
    ----------
    problem : ConstrainedProblem
    floors, factors : ndarray of shape (n_atoms,)
    widths : ndarray of shape (n_atoms,)
        The `relative_widths` of the model that they were calibrated on.
    spreads : float or ndarray of shape (n_atoms,), default=1.0
        The ratio of a standard error to that of independent rows with the same weight.
    """

    problem: ConstrainedProblem
    floors: Array
    factors: Array
    widths: Array
    spreads: Array | float = 1.0

    @cached_property
    def _quantiles(self) -> Array:
        """The normal quantile of each atom's confidence level."""
        return np.asarray(ndtri(1.0 - np.array(self.problem.atom_deltas)))

    def normal_widths(self, near: Linearised, n_rows: int) -> Array:
        """The amount by which a normal approximation's bound from `n_rows` rows exceeds each h."""
        return np.asarray(self._quantiles * self.standard_errors(near, n_rows))

    def standard_errors(self, near: Linearised, n_rows: int) -> Array:
        """The standard error of each h on `n_rows` rows."""
        return np.asarray(self.spreads * near.standard_errors(n_rows))

    def widths_of_bounds(self, near: Linearised, widths: Array | None = None) -> Array:
        """The predicted amount by which the safety test's bound on each h exceeds h.

        `widths` are those of the model, if the margins were calibrated on another one.
        """
        widths = self.widths if widths is None else widths
        normal = self.normal_widths(near, self.problem.n_safety)
        return np.asarray(self.floors * widths + self.factors * normal)

    def below_zero(self, near: Linearised, n_rows: int) -> Array:
        """How far below zero each h must be on `n_rows` rows to pass with the problem's power.

        This accounts for the sampling errors of these rows and of the safety rows.
        """
        test = self.standard_errors(near, self.problem.n_safety)
        both = np.hypot(test, self.standard_errors(near, n_rows))
        return np.asarray(self.widths_of_bounds(near) + ndtri(self.problem.power) * both)


def normal_margins(problem: ConstrainedProblem) -> Margins:
    """The margins with bounds as wide as those of normal approximations."""
    n_atoms = len(problem.atoms)
    return Margins(problem, np.zeros(n_atoms), np.ones(n_atoms), np.ones(n_atoms))


def calibrated_margins(
    problem: ConstrainedProblem,
    samples: Sequence[Statistics],
    constant: Sequence[Statistics] = (),
    excepted: Collection[int] = (),
) -> Margins:
    """The margins with bounds as wide as the tests' own bounds on samples of candidate rows.

    Finite-sample bounds are wider than normal approximations, by an amount that depends on the
    method and on the data. Bounds on means of probabilities are wider by a factor, plus a part of
    the range of the probabilities.

    Parameters
    ----------
    problem : ConstrainedProblem
    samples : sequence of Statistics
        The statistics of one model on several samples.
    constant : sequence of Statistics
        The statistics of a model with the same probabilities for all rows, whose range is
        nevertheless the full one. The width of its bounds is due to this range alone.
    excepted : collection of int
        Positions of atoms whose bounds are not needed.
    """
    margins = replace(normal_margins(problem), spreads=_spreads(problem, samples[0]))
    floors = margins.floors
    if constant:
        asked = [_widths_of_tests(problem, sample, excepted) for sample in constant]
        widest = np.max(asked, axis=0)  # infinite if a test has only a verdict, and fails
        finite = np.where(widest < HUGE, widest, 0.0)
        floors = finite * (constant[0].n_rows / problem.n_safety)
    widths, factors = relative_widths(problem.atoms, samples[0]), []
    for sample in samples:
        near = problem.linearisation.at(sample.confusion, sample.products)
        normal = margins.normal_widths(near, sample.n_rows)
        of_range = floors * widths * problem.n_safety / sample.n_rows
        rest = _widths_of_tests(problem, sample, excepted) - of_range
        factors.append(np.divide(rest, normal, out=np.ones(len(rest)), where=normal > 0))
    least = 0.0 if constant else 1.0
    largest = np.clip(np.max(factors, axis=0), least, WIDEST)
    return replace(margins, floors=floors, factors=largest, widths=widths)


def _widths_of_tests(
    problem: ConstrainedProblem, sample: Statistics, excepted: Collection[int]
) -> Array:
    """The amount by which the test's bound on each h exceeds h; zero for those `excepted`."""
    values = problem.linearisation.at(sample.confusion, sample.products).values
    evidence = sample.evidence(
        distinct_estimands(problem.constraints), problem.mutually_exclusive_columns
    )
    uppers = [
        values[a] if a in excepted else approximate_upper(atom, evidence, delta, problem.method)
        for a, (atom, delta) in enumerate(zip(problem.atoms, problem.atom_deltas, strict=True))
    ]
    return np.nan_to_num(np.array(uppers) - values, posinf=HUGE)


def _spreads(problem: ConstrainedProblem, sample: Statistics) -> Array | float:
    """The ratio of each standard error to that of independent rows with the same weight."""
    if sample.largest is None:
        return 1.0
    near = problem.linearisation.at(sample.confusion, sample.products)
    alike, spreads = near.standard_errors(sample.n_rows), np.ones(len(problem.atoms))
    evidence = sample.evidence(distinct_estimands(problem.constraints))
    for a, atom in enumerate(problem.atoms):
        if atom.estimands and alike[a] > 0:
            point = dual(atom.expression, evidence.estimates(atom.estimands))
            variance = evidence.influence_variance(atom.estimands, point.gradient.tolist())
            spreads[a] = np.sqrt(max(variance, 0.0) / sample.n_rows) / alike[a]
    return np.where(np.isfinite(spreads) & (spreads > 0), spreads, 1.0)


def relative_widths(atoms: Sequence[Atom], seen: Statistics) -> Array:
    """The width of the range of a row's contribution to each h, relative to the widest possible.

    It is 1 if the atom is not linear, or if it depends on no means and needs no test.
    """
    widths = np.ones(len(atoms))
    if seen.ends is None:
        return widths
    for a, atom in enumerate(atoms):
        if atom.linear is not None and has_finite_ranges(atom.estimands):
            most = _width(atom, lambda mean: mean.quantity.range)
            widths[a] = _width(atom, seen.range_of) / most if most else 1.0
    return widths


def _width(atom: Atom, range_of: Callable[[Estimand], Range]) -> float:
    """The width of the range of a linear atom, given the ranges of its means."""
    assert atom.linear is not None
    ends = map(range_of, atom.estimands)
    pairs = zip(atom.linear.weights, ends, strict=True)
    return sum(abs(weight) * (high - low) for weight, (low, high) in pairs)

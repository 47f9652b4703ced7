"""How far below its limit a constraint must be seen for the safety test to pass."""

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

# At most so many times wider than the normal approximation is a test's bound taken to be. Where a
# test has no bound, training then still has a direction.
WIDEST = 10.0


@dataclass(frozen=True, eq=False)
class Margins:
    """How wide the bounds of the safety test will be.

    A bound exceeds h by ``floors * widths`` plus `factors` times the normal approximation's width.

    Attributes
    ----------
    problem : ConstrainedProblem
    floors, factors : ndarray of shape (n_atoms,)
    widths : ndarray of shape (n_atoms,)
        The `relative_widths` of the model that they were calibrated on.
    spreads : float or ndarray of shape (n_atoms,), default=1.0
        How many times larger a standard error is than of independent rows that count the same.
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
        """By how much a normal approximation's bound from `n_rows` rows exceeds each h."""
        return np.asarray(self._quantiles * self.standard_errors(near, n_rows))

    def standard_errors(self, near: Linearised, n_rows: int) -> Array:
        """Of each h, as `n_rows` rows estimate it."""
        return np.asarray(self.spreads * near.standard_errors(n_rows))

    def widths_of_bounds(self, near: Linearised, widths: Array | None = None) -> Array:
        """By how much the safety test's bound on each h will exceed h.

        `widths` are the model's own, if it is not the one that was calibrated on.
        """
        widths = self.widths if widths is None else widths
        normal = self.normal_widths(near, self.problem.n_safety)
        return np.asarray(self.floors * widths + self.factors * normal)

    def below_zero(self, near: Linearised, n_rows: int) -> Array:
        """How far below zero each h must be seen on `n_rows` rows to pass with the power wanted.

        Both samples vary, that of the rows seen and that of the safety test.
        """
        test = self.standard_errors(near, self.problem.n_safety)
        both = np.hypot(test, self.standard_errors(near, n_rows))
        return np.asarray(self.widths_of_bounds(near) + ndtri(self.problem.power) * both)


def normal_margins(problem: ConstrainedProblem) -> Margins:
    """Bounds are expected to be as wide as normal approximations'."""
    n_atoms = len(problem.atoms)
    return Margins(problem, np.zeros(n_atoms), np.ones(n_atoms), np.ones(n_atoms))


def calibrated_margins(
    problem: ConstrainedProblem,
    samples: Sequence[Statistics],
    constant: Sequence[Statistics] = (),
    excepted: Collection[int] = (),
) -> Margins:
    """Bounds are expected to be as wide as the tests' own bounds on samples of candidate rows.

    Finite-sample bounds are wider than normal approximations. By how much depends on the method
    and on the data. Bounds on means of probabilities are wider by a factor, and by a part of the
    range of the probabilities.

    Parameters
    ----------
    problem : ConstrainedProblem
    samples : sequence of Statistics
        Of one model.
    constant : sequence of Statistics
        Of a model whose probabilities are the same for all rows although they could be any, so
        that the width of its bounds is due to their range alone.
    excepted : collection of int
        Positions of atoms whose bounds are not asked for.
    """
    margins = replace(normal_margins(problem), spreads=_spreads(problem, samples[0]))
    floors = margins.floors
    if constant:
        asked = [_widths_of_tests(problem, sample, excepted) for sample in constant]
        floors = np.max(asked, axis=0) * (constant[0].n_rows / problem.n_safety)
    widths, factors = relative_widths(problem.atoms, samples[0]), []
    for sample in samples:
        near = problem.linearisation.at(sample.confusion, sample.products)
        normal = margins.normal_widths(near, sample.n_rows)
        of_range = floors * widths * problem.n_safety / sample.n_rows
        rest = _widths_of_tests(problem, sample, excepted) - of_range
        factors.append(np.divide(rest, normal, out=np.ones(len(rest)), where=normal > 0))
    least = 0.0 if constant else 1.0
    widest = np.clip(np.max(factors, axis=0), least, WIDEST)
    return replace(margins, floors=floors, factors=widest, widths=widths)


def _widths_of_tests(
    problem: ConstrainedProblem, sample: Statistics, excepted: Collection[int]
) -> Array:
    """By how much the test's bound on each h exceeds h on a sample; zero for those `excepted`."""
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
    """How much larger standard errors are than of independent rows that count the same."""
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
    """How wide the range of what a row adds to each h is, relative to any model's.

    One where the atom is not linear, and where it is over no means, so that no test is needed.
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
    """How wide the range of a linear atom is, its means being in their ranges."""
    assert atom.linear is not None
    ends = map(range_of, atom.estimands)
    pairs = zip(atom.linear.weights, ends, strict=True)
    return sum(abs(weight) * (high - low) for weight, (low, high) in pairs)

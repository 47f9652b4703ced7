"""Estimates and expected bounds in the units of the constraints, as certificates show them."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification import units_of
from sklearn_seldonian.constraints import Atom, ResolvedConstraint, atoms_of, estimate
from sklearn_seldonian.selection._problem import ConstrainedProblem

Array = NDArray[np.float64]

# The step of a constraint's limit in the numerical derivative of an atom.
LIMIT_STEP = 2.0**-20


class ConstraintUnits:
    """Converts values and bounds of a problem's atoms to the units of its constraints.

    An atom of a rewritten constraint, such as ``a - c b`` for ``a / b <= c``, has the sign of g but
    not its size. A bound on the atom is converted to a bound on g to first order: it is divided by
    the rate at which the atom decreases as the constraint's limit increases. For a ratio this rate
    is `b`, and the result is exact.

    Parameters
    ----------
    problem : ConstrainedProblem
    """

    def __init__(self, problem: ConstrainedProblem) -> None:
        self._problem, constraints = problem, problem.constraints
        units = [units_of(constraint.source) for constraint in constraints]
        self._signs = np.array([each.sign for each in units], dtype=float)
        self._limits = np.array([each.limit for each in units], dtype=float)
        ends = np.cumsum([0, *(sum(1 for _ in atoms_of(c.tree)) for c in constraints)])
        self._atoms = [slice(*pair) for pair in itertools.pairwise(ends)]
        self._moved = {i: _with_moved_limit(c) for i, c in enumerate(constraints) if not c.in_units}

    def of_constraints(self, values: Array, means: Array, bounds: Array) -> tuple[Array, Array]:
        """Each constraint's varying side, and the bound expected on it.

        Parameters
        ----------
        values : ndarray of shape (n_atoms,)
        means : ndarray of shape (n_means,)
            As `Linearisation.at` has both.
        bounds : ndarray of shape (n_constraints,)
            Expected bounds on the deciding atom of each constraint.

        Returns
        -------
        estimates, bounds : ndarray of shape (n_constraints,)
        """
        decisive, on_g = self._problem.highest(values), np.array(bounds)
        estimates = decisive.copy()
        for i in self._moved:
            estimates[i] = self._problem.linearisation.estimate(i, means)
            slope = self._slope(i, values[self._atoms[i]], decisive[i], means)
            on_g[i] = on_g[i] / slope if slope > 0 else math.copysign(math.inf, on_g[i])
        return self._in_units(estimates), self._in_units(on_g)

    def _slope(self, i: int, values: Array, decisive: float, means: Array) -> float:
        """The rate at which the deciding atom of constraint `i` decreases with the limit.

        NaN if another limit gives other atoms.
        """
        if not self._moved[i]:
            return math.nan
        a = int(np.argmax(values == decisive))
        known = self._problem.linearisation.known(i, means)
        return (float(values[a]) - estimate(self._moved[i][a].expression, known)) / LIMIT_STEP

    def _in_units(self, g: Array) -> Array:
        return np.asarray(self._signs * g + self._limits)


def _with_moved_limit(constraint: ResolvedConstraint) -> tuple[Atom, ...]:
    """The atoms for a slightly higher limit; none if their number differs."""
    moved = tuple(atoms_of(constraint.with_margin(LIMIT_STEP)))
    return moved if len(moved) == sum(1 for _ in atoms_of(constraint.tree)) else ()

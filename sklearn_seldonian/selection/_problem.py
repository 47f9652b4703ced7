"""The constraints of a model, each with its delta, and the safety test that they will meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints import (
    Choice,
    ExclusiveColumns,
    ResolvedConstraint,
    Stratification,
    bonferroni,
    choice,
    fold,
    leaves,
)
from sklearn_seldonian.selection._linearisation import Linearisation

Array = NDArray[np.float64]
Fold = Callable[[Iterable[Array]], Array]
# The value of a tree, and for each atom of the tree whether the value depends on it.
Chosen = tuple[float, list[bool]]

_largest: Fold = partial(reduce, np.maximum)
_smallest: Fold = partial(reduce, np.minimum)
_total: Fold = partial(reduce, np.add)


class ConstrainedProblem:
    """All constraints of one fit, and the parameters of their safety test.

    Parameters
    ----------
    constraints : sequence of ResolvedConstraint
    deltas : sequence of float
        One delta per constraint.
    stratification : Stratification
        The cells of the candidate rows. All conditions of a constraint are in one family.
    n_classes, n_safety : int
        The numbers of classes and of safety rows.
    power : float in (0, 1)
        The probability of passing that training aims for.
    deterministic : bool, default=True
        Whether decisions are the most probable class. Otherwise they are drawn.
    method : str, default="auto"
        How the constraints will be tested.
    mutually_exclusive_columns : frozenset of frozenset of str, default=frozenset()
        Pairs of 0/1 columns that are known never to be both 1.
    by_group : bool, default=False
        Whether each group has its own threshold.

    Attributes
    ----------
    linearisation : Linearisation
        The constraints' atoms as functions of a table of rows.
    atoms : tuple of Atom
        The atoms of all constraints, one constraint after the other.
    atom_deltas : tuple of float
        The delta that each atom is tested at.
    values : tuple of RowMeasure
        The constraints' distinct row measures.
    shape : (n_cells, n_classes)
    is_open : bool
        Whether any constraint has alternatives, of which one has to be chosen.
    """

    def __init__(
        self,
        constraints: Sequence[ResolvedConstraint],
        deltas: Sequence[float],
        stratification: Stratification,
        n_classes: int,
        n_safety: int,
        power: float,
        deterministic: bool = True,
        method: str = "auto",
        mutually_exclusive_columns: ExclusiveColumns = frozenset(),
        by_group: bool = False,
    ) -> None:
        self.by_group = by_group
        self.constraints, self.stratification = tuple(constraints), stratification
        self.n_safety, self.power = n_safety, power
        self.deterministic, self.method = deterministic, method
        self.mutually_exclusive_columns = mutually_exclusive_columns
        self.linearisation = Linearisation(constraints, stratification, n_classes, deterministic)
        self.shape, self.values = self.linearisation.shape, self.linearisation.values
        self.atoms = self.linearisation.atoms
        self.is_open = any(constraint.is_open for constraint in self.constraints)
        tested = zip(constraints, deltas, strict=True)
        self.atom_deltas = tuple(own for c, delta in tested for _, own in leaves(c.tree, delta))

    def n_smallest_group(self, counts: Array) -> float:
        """The smallest number of rows that a mean is over, assuming that all decisions are right.

        `counts` (n_cells, K, K) are the rows of each (cell, label, decision).
        """
        trials = self.linearisation.trials(self.linearisation.without_values(counts))
        return float(trials.min(initial=counts.sum()))

    def per_constraint(self, per_atom: Array) -> Array:
        """The sum over each constraint's atoms: shape (n_constraints,)."""
        return self._folded(per_atom, _total, _total)

    def highest(self, per_atom: Array) -> Array:
        """The largest value of an AND, the smallest of an OR: shape (..., n_constraints)."""
        return self._folded(per_atom, _largest, _smallest)

    def pass_probabilities(self, of_atoms: Array) -> Array:
        """A lower bound on each constraint's probability of passing, from those of its atoms.

        Shape (..., n_constraints). An atom with an unknown probability (NaN) does not pass.
        """
        return self._folded(np.nan_to_num(of_atoms), bonferroni, _largest)

    def choices(self, probabilities: Array, bounds: Array) -> tuple[Choice, ...]:
        """For each constraint, the alternatives that are most likely to pass.

        They are chosen by the probabilities and expected bounds of the atoms, in the form that
        `pass_probabilities` and `highest` take. For a constraint with open alternatives, these two
        return the values of the chosen one.
        """
        prospects = zip(np.nan_to_num(probabilities).tolist(), bounds.tolist(), strict=True)
        return tuple(choice(constraint.tree, prospects) for constraint in self.constraints)

    def active(self, values: Array) -> NDArray[np.bool_]:
        """The atoms that training should improve: all of an AND, the nearest one of an OR.

        `values` (n_atoms,) are the values of the atoms.
        """
        known, active = iter(values.tolist()), list[bool]()
        for constraint in self.constraints:
            active += fold(constraint.tree, lambda *_: (next(known), [True]), _all, _nearest)[1]
        return np.array(active, dtype=np.bool_)

    def _folded(self, per_atom: Array, all_of: Fold, any_of: Fold) -> Array:
        """One value per constraint, from the values of its atoms."""
        folded = np.empty((*per_atom.shape[:-1], len(self.constraints)))
        atoms = iter(np.moveaxis(per_atom, -1, 0))
        for i, constraint in enumerate(self.constraints):
            folded[..., i] = fold(constraint.tree, lambda *_: next(atoms), all_of, any_of)
        return folded


def _all(children: Iterable[Chosen]) -> Chosen:
    values, chosen = zip(*children, strict=True)
    return max(values), [atom for child in chosen for atom in child]


def _nearest(children: Iterable[Chosen]) -> Chosen:
    """The child that is nearest to being satisfied. No atom of the other children is active."""
    values, chosen = zip(*children, strict=True)
    nearest = int(np.argmin(values))
    return values[nearest], [atom and i == nearest for i, c in enumerate(chosen) for atom in c]

"""The constraints as functions of a table of rows, and their gradients in the table's entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from sklearn_seldonian.certification import estimand_entries
from sklearn_seldonian.constraints import (
    Estimand,
    ResolvedConstraint,
    Stratification,
    atoms_of,
    distinct_values,
    dual,
    estimate,
)
from sklearn_seldonian.measures import Expectation

Array = NDArray[np.float64]

# Replaces a sum that is not finite, which would otherwise make other means NaN as well.
HUGE = 1e18
# Each atom depends on few of the means and cells. This many atoms are computed together, with only
# the means and cells that they depend on.
ATOMS_AT_ONCE = 64


class Influence(NamedTuple):
    """The gradients of some atoms in the entries of some cells; in other cells' they are zero.

    Attributes
    ----------
    atoms : slice
    cells : ndarray of int
    of_atoms : ndarray of shape (n_atoms, n_cells, K, K + V)
    """

    atoms: slice
    cells: NDArray[np.intp]
    of_atoms: Array


class _Block(NamedTuple):
    """Some atoms, with the means and the cells that they depend on.

    Attributes
    ----------
    atoms : slice
    means, cells : ndarray of int
    denominators, numerators : ndarray of shape (n_means, n_entries)
        The entries of these cells in the denominator and in the numerator of each mean.
    weights, involved : ndarray of shape (n_atoms, n_means)
        Weights of the linear atoms, and which means each atom depends on.
    """

    atoms: slice
    means: NDArray[np.intp]
    cells: NDArray[np.intp]
    denominators: Array
    numerators: Array
    weights: Array
    involved: Array


class Linearised(NamedTuple):
    """The atoms, linearised at the means of one table of rows, or of several (leading axes).

    Attributes
    ----------
    values : ndarray of shape (..., n_atoms)
        Each atom's h, which should not be above zero. NaN if one of its rates has no rows.
    means : ndarray of shape (..., n_means)
        The means that the atoms were computed from. NaN if there were no rows.
    influence : tuple of Influence
        The gradients of h in the share of rows in each entry (cell, label, prediction) of the
        table. They are the weights that training gives to a row's outputs, and the spread of h is
        computed from them. Empty for several tables.
    second_moments, largest : ndarray of shape (..., n_atoms)
        Mean square of one row's contribution to each h, and the largest possible contribution.
    """

    values: Array
    means: Array
    influence: tuple[Influence, ...]
    second_moments: Array
    largest: Array

    def gradient(self, weights: Array, shape: tuple[int, ...]) -> Array:
        """The gradient of the weighted sum of all h in the entries of a table.

        Parameters
        ----------
        weights : ndarray of shape (n_atoms,)
        shape : tuple of int
            The shape of the table.
        """
        gradient = np.zeros(shape)
        for atoms, cells, of_atoms in self.influence:
            gradient[cells] += np.tensordot(weights[atoms], of_atoms, axes=1)
        return gradient

    def standard_errors(self, n_rows: int) -> Array:
        """The standard error of each h, estimated from `n_rows` rows; above zero if h can vary.

        It is the standard error of the delta method, but at least the effect of one row more or
        less in the entry with the largest influence, because a rate that is 0 on these rows need
        not be 0 in the population.
        """
        one_row = self.largest / n_rows
        return np.asarray(np.sqrt(np.maximum(self.second_moments / n_rows, one_row**2)))


class Linearisation:
    """All atoms of one fit's constraints, over the cells of the candidate rows.

    Parameters
    ----------
    constraints : sequence of ResolvedConstraint
    stratification : Stratification
        The cells. All conditions of a constraint are in one family.
    n_classes : int
    deterministic : bool, default=True
        Whether decisions are the most probable class. Otherwise they are drawn.

    Attributes
    ----------
    atoms : tuple of Atom
        The atoms of all constraints, one constraint after the other.
    means_of_atoms : list of list of int
        For each atom, the positions of its means in arrays of shape (..., n_means).
    values : tuple of RowMeasure
        The constraints' distinct row measures.
    shape : (n_cells, n_classes)
    """

    def __init__(
        self,
        constraints: Sequence[ResolvedConstraint],
        stratification: Stratification,
        n_classes: int,
        deterministic: bool = True,
    ) -> None:
        self.constraints, self.stratification = tuple(constraints), stratification
        self.deterministic = deterministic
        self.shape = stratification.n_cells, n_classes
        # The contributions of rows to an atom are known within one family. A mean that two
        # constraints use in two families therefore has two columns in every array.
        family_of = [stratification.family_of(constraint.conditions) for constraint in constraints]
        placed = list(zip(family_of, constraints, strict=True))
        atoms = [(family, atom) for family, c in placed for atom in atoms_of(c.tree)]
        self.atoms = tuple(atom for _, atom in atoms)
        self._means = list(dict.fromkeys((family, m) for family, c in placed for m in c.estimands))
        self.values = distinct_values(mean for _, mean in self._means)
        position = {placed_mean: i for i, placed_mean in enumerate(self._means)}
        self.means_of_atoms = [
            [position[family, mean] for mean in atom.estimands] for family, atom in atoms
        ]
        self._means_of_constraints = [
            [position[family, mean] for mean in c.estimands] for family, c in placed
        ]
        self._constants = np.array(
            [0.0 if atom.linear is None else atom.linear.constant for atom in self.atoms]
        )
        self._denominators, self._numerators = self._flat_tables()
        starts = range(0, len(self.atoms), ATOMS_AT_ONCE)
        self._blocks = [self._block(slice(start, start + ATOMS_AT_ONCE)) for start in starts]

    def _flat_tables(self) -> tuple[csr_array, csr_array]:
        """The entries in the denominator and numerator of each mean: (n_means, n_entries)."""
        found: tuple[list[csr_array], list[csr_array]] = [], []
        width = math.prod(self.confusion_shape[1:])
        for family, mean in self._means:
            span = self.stratification.spans[family]
            entries = estimand_entries(mean, self.stratification, family, self.values)
            for tables, own in zip(found, entries, strict=True):
                at = np.flatnonzero(own)
                columns = at + (span.start or 0) * width
                flat = own.reshape(-1)[at], (np.zeros(len(at), np.intp), columns)
                tables.append(csr_array(flat, (1, self.shape[0] * width)))
        if not self._means:
            empty = csr_array((0, self.shape[0] * width))
            return empty, empty
        denominators, numerators = (vstack(tables, format="csr") for tables in found)
        return denominators, numerators

    def _block(self, atoms: slice) -> _Block:
        """The atoms of a slice, with the means and cells that they depend on."""
        of_atoms = self.means_of_atoms[atoms]
        means = np.unique([mean for own in of_atoms for mean in own]).astype(np.intp)
        tables = self._denominators[means], self._numerators[means]
        width = math.prod(self.confusion_shape[1:])
        cells = np.unique(np.concatenate([table.indices for table in tables]) // width)
        entries = (cells[:, None] * width + np.arange(width)).ravel()
        weights = np.zeros((len(of_atoms), len(means)))
        involved = np.zeros_like(weights)
        for a, (atom, own) in enumerate(zip(self.atoms[atoms], of_atoms, strict=True)):
            at = np.searchsorted(means, own)
            involved[a, at] = 1.0
            if atom.linear is not None:
                weights[a, at] = atom.linear.weights
        denominators, numerators = (table[:, entries].toarray() for table in tables)
        return _Block(atoms, means, cells, denominators, numerators, weights, involved)

    def without_values(self, counts: Array) -> Array:
        """The table of rows, if only their `counts` (n_cells, K, K) are known."""
        table = np.zeros(self.confusion_shape)
        table[..., : self.shape[1]] = counts
        return table

    def n_rows(self, confusion: Array) -> Array:
        """The number of rows counted in `confusion`, which may have leading axes."""
        once = confusion[..., self.stratification.spans[0], :, : self.shape[1]]
        return np.asarray(once.sum(axis=(-3, -2, -1)))

    @property
    def confusion_shape(self) -> tuple[int, int, int]:
        """The shape of the tables of counts and sums: (n_cells, K, K + V)."""
        n_cells, n_classes = self.shape
        return n_cells, n_classes, n_classes + len(self.values)

    @property
    def products_shape(self) -> tuple[int, int, int, int]:
        """The shape of the sums of products.

        (n_cells, K, V, K + V) with deterministic decisions, otherwise (n_cells, K, K + V, K + V).
        """
        n_cells, n_classes, n_columns = self.confusion_shape
        return n_cells, n_classes, len(self.values) if self.deterministic else n_columns, n_columns

    def at(self, confusion: Array, products: Array | None = None) -> Linearised:
        """The atoms, linearised at the means of a table.

        Parameters
        ----------
        confusion, products : ndarray
            As in `Statistics`. Both may have leading axes, for several tables at once. `products`
            are not used if decisions are deterministic and there are no row measures.
        """
        confusion, products = _bounded(confusion), self._products(confusion, products)
        trials, means = self._trials_and_means(confusion)
        n_rows = self.n_rows(confusion)[..., None]
        found = [
            self._block_at(block, confusion, products, trials, means, n_rows)
            for block in self._blocks
        ]
        empty = np.zeros((*confusion.shape[:-3], 0))
        values, moments, largest = (
            np.concatenate([empty, *(parts[i] for parts in found)], axis=-1) for i in range(3)
        )
        influence = () if confusion.ndim > 3 else tuple(parts[3] for parts in found)
        return Linearised(values, means, influence, moments, largest)

    def _products(self, confusion: Array, products: Array | None) -> Array | None:
        """The products of a table; None if decisions are deterministic without row measures."""
        if self.deterministic and not self.values:
            return None
        if products is None:
            return np.zeros((*confusion.shape[:-3], *self.products_shape))
        return _bounded(products)

    def _block_at(
        self,
        block: _Block,
        confusion: Array,
        products: Array | None,
        trials: Array,
        means: Array,
        n_rows: Array,
    ) -> tuple[Array, Array, Array, Influence]:
        """Values, second moments, largest contributions and influence of a block's atoms."""
        trials, means = trials[..., block.means], means[..., block.means]
        seen = trials > 0
        values, slopes = self._slopes(block, means)
        per_row = np.divide(n_rows, trials, out=np.zeros(trials.shape), where=seen)
        scaled = slopes * per_row[..., None, :]
        known = np.where(seen, means, 0.0)[..., None, :]
        flat = scaled @ block.numerators - (scaled * known) @ block.denominators
        shape = len(block.cells), *self.confusion_shape[1:]
        influence = flat.reshape(*flat.shape[:-1], *shape)
        seen_rows = np.maximum(n_rows, 1.0)
        spread = self._spread(influence, block, confusion, products, seen_rows)
        return values, *spread, Influence(block.atoms, block.cells, influence)

    def means(self, confusion: Array) -> Array:
        """The means that the atoms are computed from: shape (..., n_means)."""
        return self._trials_and_means(_bounded(confusion))[1]

    def trials(self, confusion: Array) -> Array:
        """The number of rows of `confusion` in each mean's denominator: shape (..., n_means)."""
        return self._trials_and_means(_bounded(confusion))[0]

    def _trials_and_means(self, confusion: Array) -> tuple[Array, Array]:
        """The means' numbers of rows, and the means: each of shape (..., n_means)."""
        leading = confusion.shape[:-3]
        flat = confusion.reshape(math.prod(leading), -1).T
        trials, sums = (
            (table @ flat).T.reshape(*leading, len(self._means))
            for table in (self._denominators, self._numerators)
        )
        unknown = np.full(trials.shape, math.nan)
        return trials, np.divide(sums, trials, out=unknown, where=trials > 0)

    def successes_and_others(self, mean: int) -> Array:
        """The entries of a rate's successes and of its other rows: (2, n_cells, K, K + V)."""
        successes, every = (
            table[[mean]].toarray().astype(float)
            for table in (self._numerators, self._denominators)
        )
        return np.reshape([successes, every - successes], (2, *self.confusion_shape))

    def _spread(
        self,
        influence: Array,
        block: _Block,
        confusion: Array,
        products: Array | None,
        n_rows: Array,
    ) -> tuple[Array, Array]:
        """Mean square of a row's contribution to each h of a block, and the largest contribution.

        A row contributes the weight of its decision's entry, plus for each row measure its value
        times the weight of that column. The largest value is taken as three times the root mean
        square. Drawn decisions do not contribute to it, because their probabilities are observed
        exactly.
        """
        k, own = self.shape[1], confusion[..., block.cells, :, :]
        if products is None:
            flat = influence.reshape(*influence.shape[:-3], -1)
            moments = (flat**2 @ own.reshape(*own.shape[:-3], -1, 1))[..., 0]
            return moments / n_rows, np.abs(flat).max(axis=-1, initial=0.0)
        of_cells = products[..., block.cells, :, :, :]
        decided, valued = influence[..., :k], influence[..., k:]
        doubted = decided if self.deterministic else np.zeros_like(decided)
        largest = np.abs(doubted).max(axis=(-3, -2, -1), initial=0.0)
        if self.values:
            once = products[..., self.stratification.spans[0], :, -len(self.values) :, k:]
            mean_squares = np.einsum("...cyvv->...v", once)
            most = np.abs(valued).max(axis=(-3, -2), initial=0.0)
            largest += 3 * np.einsum("...av,...v->...a", most, np.sqrt(mean_squares / n_rows))
        if self.deterministic:
            moments = np.einsum("...acyj,...cyj->...a", decided**2, own[..., :k])
            between, among = of_cells[..., :k], of_cells[..., k:]
            moments += 2 * np.einsum("...acyv,...acyj,...cyvj->...a", valued, decided, between)
            moments += np.einsum("...acyv,...acyw,...cyvw->...a", valued, valued, among)
        else:
            moments = np.einsum("...acyv,...acyw,...cyvw->...a", influence, influence, of_cells)
        return np.maximum(moments, 0.0) / n_rows, largest

    def _slopes(self, block: _Block, rates: Array) -> tuple[Array, Array]:
        """Value of each atom of a block (..., n_atoms), and its slope in each rate, finite.

        Slopes have shape (..., n_atoms, n_means), or (n_atoms, n_means) if they are the same
        everywhere.
        """
        unknown, atoms = np.isnan(rates), self.atoms[block.atoms]
        values = np.where(unknown, 0.0, rates) @ block.weights.T + self._constants[block.atoms]
        if unknown.any():
            values[unknown @ block.involved.T > 0] = math.nan
        curved = [a for a, atom in enumerate(atoms) if atom.linear is None]
        if not curved:
            return values, block.weights
        slopes = np.broadcast_to(block.weights, (*values.shape, rates.shape[-1])).copy()
        own_means = self.means_of_atoms[block.atoms]
        for a in curved:
            atom, own = atoms[a], np.searchsorted(block.means, own_means[a])
            for index in np.ndindex(rates.shape[:-1]):
                known = dict(zip(atom.estimands, rates[*index, own].tolist(), strict=True))
                point = dual(atom.expression, known)
                values[*index, a], slopes[*index, a, own] = point.value, point.gradient
        return values, np.nan_to_num(slopes)

    def values_at(self, means: Array) -> Array:
        """The atoms at these `means` of shape (n_means,): shape (n_atoms,)."""
        parts = [self._slopes(block, means[block.means])[0] for block in self._blocks]
        return np.concatenate([np.zeros(0), *parts])

    def known(self, i: int, means: Array) -> dict[Estimand, float]:
        """The means of constraint `i`, of all `means` of shape (n_means,)."""
        own = means[self._means_of_constraints[i]].tolist()
        return dict(zip(self.constraints[i].estimands, own, strict=True))

    def estimate(self, i: int, means: Array) -> float:
        """The g of constraint `i` at these `means` of shape (n_means,)."""
        return estimate(self.constraints[i].g, self.known(i, means))

    def violation_scale(self, confusion: Array, spreads: Array) -> Array:
        """The scale on which each h varies near the means of `confusion`; 1 if it is constant.

        `spreads` are the standard deviations of the row measures' `values`.
        """
        spread_of = dict(zip(self.values, spreads.tolist(), strict=True))
        own = [
            spread_of[mean.quantity.measure] if isinstance(mean.quantity, Expectation) else 1.0
            for _, mean in self._means
        ]
        means, spread_of_means, scale = self.means(confusion), np.array(own), [np.zeros(0)]
        for block in self._blocks:
            slopes = np.abs(self._slopes(block, means[..., block.means])[1])
            known = np.where(slopes < HUGE, slopes, 0.0)
            scale.append(known @ spread_of_means[block.means])
        of_atoms = np.concatenate(scale)
        return np.where(of_atoms > 0, of_atoms, 1.0)


def _bounded(sums: Array) -> Array:
    """The sums, with a huge number in place of each that is not finite."""
    if math.isfinite(float(sums.sum())):
        return sums
    return np.nan_to_num(sums, nan=HUGE, posinf=HUGE)

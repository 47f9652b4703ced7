"""The constraints as functions of a table of rows, and how they move with each entry of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification import estimand_entries
from sklearn_seldonian.constraints import (
    ResolvedConstraint,
    Stratification,
    atoms_of,
    distinct_values,
    dual,
    estimate,
)
from sklearn_seldonian.measures import Expectation

Array = NDArray[np.float64]

# Stands for a sum that is not finite, so that it spoils no mean but its own.
HUGE = 1e18


class Linearised(NamedTuple):
    """The atoms near the means of a table of rows, or of several tables: with leading axes.

    Attributes
    ----------
    values : ndarray of shape (..., n_atoms)
        Each atom's h, which should not be above zero; NaN where one of its rates has no rows.
    means : ndarray of shape (..., n_means)
        The means that the atoms were computed from; NaN where there were no rows.
    influence : ndarray of shape (..., n_atoms, n_entries)
        How h moves with the share of rows in each entry (cell, label, prediction) of the table.
        It is the weight that training puts on a row's outputs, and the spread of h comes from it.
    second_moments, largest : ndarray of shape (..., n_atoms)
        Mean square of what one row adds to each h, and the most that one can add.
    """

    values: Array
    means: Array
    influence: Array
    second_moments: Array
    largest: Array

    def standard_errors(self, n_rows: int) -> Array:
        """Of each h, estimated from `n_rows` rows; never zero where h varies at all.

        Standard errors are those of the delta method, but at least that of one row more or less
        in the entry with the most influence: a rate that was 0 on these rows need not be 0.
        """
        one_row = self.largest / n_rows
        return np.asarray(np.sqrt(np.maximum(self.second_moments / n_rows, one_row**2)))


class Linearisation:
    """All atoms of one fit's constraints, over the cells of the candidate rows.

    Parameters
    ----------
    constraints : sequence of ResolvedConstraint
    stratification : Stratification
        The cells, with each constraint's conditions in some family.
    n_classes : int
    deterministic : bool, default=True
        Whether decisions are the most probable class; otherwise they are drawn.

    Attributes
    ----------
    atoms : tuple of Atom
        Those of all constraints, one constraint after the other.
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
        # What the rows add to an atom is known within one family: a mean that two constraints
        # use in two families is two columns of every array.
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
        self._weights, self._involved, self._constants = self._linear_parts()
        self._curved = [a for a, atom in enumerate(self.atoms) if atom.linear is None]
        self._denominators, self._numerators = self._flat_tables()

    def _linear_parts(self) -> tuple[Array, Array, Array]:
        """Weights of the linear atoms, which means any atom is over, and the constants.

        The first two have shape (n_atoms, n_means).
        """
        weights = np.zeros((len(self.atoms), len(self._means)))
        involved, constants = np.zeros_like(weights), np.zeros(len(self.atoms))
        for a, (atom, own) in enumerate(zip(self.atoms, self.means_of_atoms, strict=True)):
            involved[a, own] = 1.0
            if atom.linear is not None:
                weights[a, own], constants[a] = atom.linear.weights, atom.linear.constant
        return weights, involved, constants

    def _flat_tables(self) -> tuple[Array, Array]:
        """The entries that count and those summed up, for each mean: (n_means, n_entries)."""
        denominators, numerators = np.zeros((2, len(self._means), *self.confusion_shape))
        flat = len(self._means), math.prod(self.confusion_shape)
        for i, (family, mean) in enumerate(self._means):
            span = self.stratification.spans[family]
            denominators[i, span], numerators[i, span] = estimand_entries(
                mean, self.stratification, family, self.values
            )
        return denominators.reshape(flat), numerators.reshape(flat)

    def without_values(self, counts: Array) -> Array:
        """The table of rows of which only the `counts` (n_cells, K, K) are known."""
        table = np.zeros(self.confusion_shape)
        table[..., : self.shape[1]] = counts
        return table

    def n_rows(self, confusion: Array) -> Array:
        """How many rows are counted in `confusion`, which may have leading axes."""
        once = confusion[..., self.stratification.spans[0], :, : self.shape[1]]
        return np.asarray(once.sum(axis=(-3, -2, -1)))

    @property
    def confusion_shape(self) -> tuple[int, int, int]:
        """Of the tables of counts and sums: (n_cells, K, K + V)."""
        n_cells, n_classes = self.shape
        return n_cells, n_classes, n_classes + len(self.values)

    @property
    def products_shape(self) -> tuple[int, int, int, int]:
        """Of the sums of products: (n_cells, K, V, K + V), (n_cells, K, K + V, K + V) if soft."""
        n_cells, n_classes, n_columns = self.confusion_shape
        return n_cells, n_classes, len(self.values) if self.deterministic else n_columns, n_columns

    def at(self, confusion: Array, products: Array | None = None) -> Linearised:
        """The atoms near the means of a table.

        Parameters
        ----------
        confusion, products : ndarray
            As in `Statistics`. Both may have leading axes, for several tables at once. `products`
            are not used where decisions are hard and there are no row measures.
        """
        flat, trials, means = self._flat_means(confusion)
        seen = trials > 0
        values, slopes = self._slopes(means)
        n_rows = self.n_rows(confusion)[..., None]
        per_row = np.divide(n_rows, trials, out=np.zeros(trials.shape), where=seen)
        scaled = slopes * per_row[..., None, :]
        known = np.where(seen, means, 0.0)[..., None, :]
        influence = scaled @ self._numerators - (scaled * known) @ self._denominators
        spread = self._spread(influence, flat, products, np.maximum(n_rows, 1.0))
        return Linearised(values, means, influence, *spread)

    def means(self, confusion: Array) -> Array:
        """The means that the atoms are computed from: shape (..., n_means)."""
        return self._flat_means(confusion)[-1]

    def trials(self, confusion: Array) -> Array:
        """How many rows of `confusion` each mean is over: shape (..., n_means)."""
        return self._flat_means(confusion)[1]

    def _flat_means(self, confusion: Array) -> tuple[Array, Array, Array]:
        """The table with its entries in a line, the means' numbers of rows, and the means."""
        flat = _bounded(confusion).reshape(*confusion.shape[:-3], -1)
        trials = flat @ self._denominators.T
        unknown = np.full(trials.shape, math.nan)
        return (
            flat,
            trials,
            np.divide(flat @ self._numerators.T, trials, out=unknown, where=trials > 0),
        )

    def _spread(
        self, influence: Array, flat: Array, products: Array | None, n_rows: Array
    ) -> tuple[Array, Array]:
        """Mean square of what a row adds to each h, and the most that one can add.

        A row adds the weight of its decision's entry, plus for each row measure its value
        times the weight of that column. The most that a value can be is taken as three
        times its root mean square. Drawn decisions do not contribute to it, because their
        probabilities are observed exactly.
        """
        if self.deterministic and not self.values:  # a row has one decision: no products
            moments = (influence**2 @ flat[..., None])[..., 0]
            return moments / n_rows, np.abs(influence).max(axis=-1, initial=0.0)
        if products is None:
            products = np.zeros((*flat.shape[:-1], *self.products_shape))
        k, products = self.shape[1], _bounded(products)
        weights = influence.reshape(*influence.shape[:-1], *self.confusion_shape)
        confusion = flat.reshape(*flat.shape[:-1], *self.confusion_shape)
        decided, valued = weights[..., :k], weights[..., k:]
        doubted = decided if self.deterministic else np.zeros_like(decided)
        largest = np.abs(doubted).max(axis=(-3, -2, -1), initial=0.0)
        if self.values:
            once = products[..., self.stratification.spans[0], :, -len(self.values) :, k:]
            mean_squares = np.einsum("...cyvv->...v", once)
            most = np.abs(valued).max(axis=(-3, -2), initial=0.0)
            largest += 3 * np.einsum("...av,...v->...a", most, np.sqrt(mean_squares / n_rows))
        if self.deterministic:
            moments = np.einsum("...acyj,...cyj->...a", decided**2, confusion[..., :k])
            between, among = products[..., :k], products[..., k:]
            moments += 2 * np.einsum("...acyv,...acyj,...cyvj->...a", valued, decided, between)
            moments += np.einsum("...acyv,...acyw,...cyvw->...a", valued, valued, among)
        else:
            moments = np.einsum("...acyv,...acyw,...cyvw->...a", weights, weights, products)
        return np.maximum(moments, 0.0) / n_rows, largest

    def _slopes(self, rates: Array) -> tuple[Array, Array]:
        """Value of each atom (..., n_atoms), and its slope in each rate, finite.

        Slopes have shape (..., n_atoms, n_means), or (n_atoms, n_means) if they are the same
        everywhere.
        """
        unknown = np.isnan(rates)
        values = np.where(unknown, 0.0, rates) @ self._weights.T + self._constants
        if unknown.any():
            values[unknown @ self._involved.T > 0] = math.nan
        if not self._curved:
            return values, self._weights
        slopes = np.broadcast_to(self._weights, (*values.shape, rates.shape[-1])).copy()
        for a in self._curved:
            atom, own = self.atoms[a], self.means_of_atoms[a]
            for index in np.ndindex(rates.shape[:-1]):
                known = dict(zip(atom.estimands, rates[*index, own].tolist(), strict=True))
                point = dual(atom.expression, known)
                values[*index, a], slopes[*index, a, own] = point.value, point.gradient
        return values, np.nan_to_num(slopes)

    def estimates(self, means: Array) -> Array:
        """The g of each constraint, in its own units, at these `means` of shape (n_means,)."""
        known = {mean: x for (_, mean), x in zip(self._means, means.tolist(), strict=True)}
        own = ({mean: known[mean] for mean in c.estimands} for c in self.constraints)
        pairs = zip(self.constraints, own, strict=True)
        return np.array([estimate(constraint.g, values) for constraint, values in pairs])

    def violation_scale(self, confusion: Array, spreads: Array) -> Array:
        """How much each h varies with its measures near the means of `confusion`; one if it cannot.

        `spreads` are the standard deviations of the row measures' `values`.
        """
        spread_of = dict(zip(self.values, spreads.tolist(), strict=True))
        own = [
            spread_of[mean.quantity.measure] if isinstance(mean.quantity, Expectation) else 1.0
            for _, mean in self._means
        ]
        slopes = np.abs(self._slopes(self.means(confusion))[1])
        scale = np.where(slopes < HUGE, slopes, 0.0) @ np.array(own)
        return np.where(scale > 0, scale, 1.0)


def _bounded(sums: Array) -> Array:
    """The sums, with a huge one for each that is not finite; themselves if all are."""
    if math.isfinite(float(sums.sum())):
        return sums
    return np.nan_to_num(sums, nan=HUGE, posinf=HUGE)

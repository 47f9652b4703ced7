"""The constraints as training sees them: arrays over all atoms and all rates."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_seldonian.certification import (
    PassingRegions,
    Statistics,
    approximate_upper,
    has_finite_ranges,
    mean_tables,
    passing_region,
)
from sklearn_seldonian.constraints import (
    And,
    Atom,
    ExclusiveColumns,
    Families,
    Mean,
    Or,
    ResolvedConstraint,
    Tree,
    distinct_means,
    distinct_values,
    dual,
    estimate,
)
from sklearn_seldonian.measures import Average, Range

__all__ = ["ConstrainedProblem", "Linearised", "Prediction"]

Array = NDArray[np.float64]


# Stands for a sum that is not finite, so that it spoils no mean but its own.
HUGE = 1e18
# So many times wider than the normal approximation's is a test's bound taken to be, at most:
# where it has none, so that training still has a direction.
WIDEST = 10.0


class Linearised(NamedTuple):
    """The atoms near the rates of some table of rows, or of several: all with leading axes.

    Attributes
    ----------
    values : ndarray of shape (..., n_atoms)
        Each atom's h, which should not be above zero; NaN where one of its rates has no rows.
    means : ndarray of shape (..., n_means)
        What the atoms were computed from; NaN where there were no rows.
    influence : ndarray of shape (..., n_atoms, n_squares)
        How h moves with the share of rows in each square (cell, label, prediction). It is
        the weight that training puts on a row's outputs, and the spread of h comes from it.
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

        The delta method's, but at least that of one row more or less in the square with the
        most influence, since a rate seen to be 0 or 1 is not known to be.
        """
        one_row = self.largest / n_rows
        return np.asarray(np.sqrt(np.maximum(self.second_moments / n_rows, one_row**2)))


class Prediction(NamedTuple):
    """What the safety test is expected to say: arrays of shape (..., n_constraints).

    The expected upper `bounds` on g, and the probabilities of passing. A bound is in units
    of g where the constraint's atoms are; else its sign counts.
    """

    bounds: Array
    probabilities: Array

    @property
    def likelihood(self) -> Array:
        """At least how probable it is that all constraints pass: shape (...).

        Where that says nothing, a number below zero that grows as the bounds come down, so
        that models on the way to a solution can be told apart.
        """
        all_pass = _all_pass(self.probabilities)
        excess = np.maximum(self.bounds, 0.0).sum(axis=-1)
        return np.asarray(np.where(all_pass > 0, all_pass, -excess))


def _all_pass(probabilities: Array) -> Array:
    """At least how probable several events are together; not above zero where nothing is known."""
    return np.asarray(1.0 - (1.0 - probabilities).sum(axis=-1))


class ConstrainedProblem:
    """All constraints of one fit, over the cells of the candidate rows.

    Parameters
    ----------
    constraints : sequence of ResolvedConstraint
    deltas : sequence of float
        One a constraint.
    families : Families
        The cells, with each constraint's conditions in some family.
    n_classes, n_safety : int
    power : float in (0, 1)
        Probability of passing that training aims for.
    hard : bool, default=True
        Whether decisions are the most probable class; else they are drawn.
    bound : str, default="auto"
        How the constraints will be tested.
    exclusive : frozenset of frozenset of str, default=frozenset()
        Pairs of 0/1 columns known never to be both 1.

    Attributes
    ----------
    atoms : tuple of Atom
        Those of all constraints, one constraint after the other.
    values : tuple of RowMeasure
        The constraints' distinct row measures.
    shape : (n_cells, n_classes)
    """

    def __init__(
        self,
        constraints: Sequence[ResolvedConstraint],
        deltas: Sequence[float],
        families: Families,
        n_classes: int,
        n_safety: int,
        power: float,
        hard: bool = True,
        bound: str = "auto",
        exclusive: ExclusiveColumns = frozenset(),
    ) -> None:
        self.constraints = tuple(constraints)
        self.n_safety, self.power, self.hard = n_safety, power, hard
        self._bound, self._exclusive = bound, exclusive
        self.families, self.shape = families, (families.n_cells, n_classes)
        leaves = [_leaves(c.tree, d) for c, d in zip(constraints, deltas, strict=True)]
        self.atoms = tuple(atom for group in leaves for atom, _ in group)
        self._deltas = [delta for group in leaves for _, delta in group]
        self._quantiles = ndtri(1.0 - np.array(self._deltas))
        self._floors, self._factors, self._widths = _before_any_test(len(self.atoms))
        self._with_edge, self._regions = list[int](), PassingRegions()
        self._has_alternatives = any(_has_or(constraint.tree) for constraint in constraints)
        self._ends = np.cumsum([len(group) for group in leaves])
        # What the rows add to an atom is known within one family: a mean that two constraints
        # ask of two families is two columns of every array.
        asked = [families.family_of(constraint.conditions) for constraint in constraints]
        placed = list(zip(asked, constraints, leaves, strict=True))
        self._families = [family for family, _, group in placed for _ in group]
        self._means = list(dict.fromkeys((family, m) for family, c, _ in placed for m in c.means))
        self.values = distinct_values(mean for _, mean in self._means)
        position = {placed: i for i, placed in enumerate(self._means)}
        self._own = [
            [position[family, mean] for mean in atom.means]
            for family, atom in zip(self._families, self.atoms, strict=True)
        ]
        self._weights, self._involved, self._constants, self._curved = self._linear_parts()
        self._mask, self._value = self._flat_tables()

    def _linear_parts(self) -> tuple[Array, Array, Array, list[tuple[int, list[int]]]]:
        """Weights of the linear atoms (n_atoms, n_means), which means any atom is over, the
        constants, and the other atoms with the positions of their means.
        """
        weights = np.zeros((len(self.atoms), len(self._means)))
        involved, constants, curved = np.zeros_like(weights), np.zeros(len(self.atoms)), []
        for a, (atom, own) in enumerate(zip(self.atoms, self._own, strict=True)):
            involved[a, own] = 1.0
            if atom.linear is None:
                curved.append((a, own))
            else:
                weights[a, own], constants[a] = atom.linear.weights, atom.linear.constant
        return weights, involved, constants, curved

    def _flat_tables(self) -> tuple[Array, Array]:
        """The squares that count and those summed up, for each mean: (n_means, n_squares)."""
        mask, value = np.zeros((2, len(self._means), *self.table_shape))
        flat = len(self._means), math.prod(self.table_shape)
        for i, (family, mean) in enumerate(self._means):
            own = mean_tables([mean], self.families, family, self.values)
            span = self.families.spans[family]
            mask[i, span], value[i, span] = own.mask[0], own.value[0]
        return mask.reshape(flat), value.reshape(flat)

    def n_rows(self, table: Array) -> Array:
        """How many rows are counted in `table`, which may have leading axes."""
        once = table[..., self.families.spans[0], :, : self.shape[1]]
        return np.asarray(once.sum(axis=(-3, -2, -1)))

    @property
    def table_shape(self) -> tuple[int, int, int]:
        """Of the tables of counts and sums: (n_cells, K, K + V)."""
        n_cells, n_classes = self.shape
        return n_cells, n_classes, n_classes + len(self.values)

    @property
    def products_shape(self) -> tuple[int, int, int, int]:
        """Of the sums of products: (n_cells, K, V, K + V), (n_cells, K, K + V, K + V) if soft."""
        n_cells, n_classes, n_columns = self.table_shape
        return n_cells, n_classes, len(self.values) if self.hard else n_columns, n_columns

    def linearise(self, table: Array, products: Array | None = None) -> Linearised:
        """The atoms near the means of `table` and `products`, as `Statistics` has them.

        Both may have leading axes, for several tables at once. There need not be `products`
        where decisions are hard and there are no row measures.
        """
        flat, trials, means = self._flat_means(table)
        seen = trials > 0
        values, slopes = self._slopes(means)
        n_rows = self.n_rows(table)[..., None]
        per_row = np.divide(n_rows, trials, out=np.zeros(trials.shape), where=seen)
        scaled = slopes * per_row[..., None, :]
        known = np.where(seen, means, 0.0)[..., None, :]
        influence = scaled @ self._value - (scaled * known) @ self._mask
        spread = self._spread(influence, flat, products, np.maximum(n_rows, 1.0))
        return Linearised(values, means, influence, *spread)

    def means(self, table: Array) -> Array:
        """What the atoms are over (..., n_means), where rows are as in `table`."""
        return self._flat_means(table)[-1]

    def _flat_means(self, table: Array) -> tuple[Array, Array, Array]:
        """The table with its squares in a line, the means' numbers of rows, and the means."""
        flat = _bounded(table).reshape(*table.shape[:-3], -1)
        trials = flat @ self._mask.T
        unknown = np.full(trials.shape, math.nan)
        return flat, trials, np.divide(flat @ self._value.T, trials, out=unknown, where=trials > 0)

    def _spread(
        self, influence: Array, flat: Array, products: Array | None, n_rows: Array
    ) -> tuple[Array, Array]:
        """Mean square of what a row adds to each h, and the most that one can add.

        A row adds the weight of its decision's square, plus for each row measure its value
        times the weight of that column. The most that a value can be is taken as three
        times its root mean square. Drawn decisions add nothing to it: their probabilities
        are known, and vary as little as they seem to.
        """
        if self.hard and not self.values:  # a row has one decision: no products
            squares = (influence**2 @ flat[..., None])[..., 0]
            return squares / n_rows, np.abs(influence).max(axis=-1, initial=0.0)
        if products is None:
            products = np.zeros((*flat.shape[:-1], *self.products_shape))
        k, products = self.shape[1], _bounded(products)
        weights = influence.reshape(*influence.shape[:-1], *self.table_shape)
        table = flat.reshape(*flat.shape[:-1], *self.table_shape)
        decided, valued = weights[..., :k], weights[..., k:]
        doubted = decided if self.hard else np.zeros_like(decided)
        largest = np.abs(doubted).max(axis=(-3, -2, -1), initial=0.0)
        if self.values:
            once = products[..., self.families.spans[0], :, -len(self.values) :, k:]
            mean_squares = np.einsum("...cyvv->...v", once)
            most = np.abs(valued).max(axis=(-3, -2), initial=0.0)
            largest += 3 * np.einsum("...av,...v->...a", most, np.sqrt(mean_squares / n_rows))
        if self.hard:
            squares = np.einsum("...acyj,...cyj->...a", decided**2, table[..., :k])
            between, among = products[..., :k], products[..., k:]
            squares += 2 * np.einsum("...acyv,...acyj,...cyvj->...a", valued, decided, between)
            squares += np.einsum("...acyv,...acyw,...cyvw->...a", valued, valued, among)
        else:
            squares = np.einsum("...acyv,...acyw,...cyvw->...a", weights, weights, products)
        return np.maximum(squares, 0.0) / n_rows, largest

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
        for a, own in self._curved:
            atom = self.atoms[a]
            for index in np.ndindex(rates.shape[:-1]):
                known = dict(zip(atom.means, rates[*index, own].tolist(), strict=True))
                point = dual(atom.expression, known)
                values[*index, a], slopes[*index, a, own] = point.value, point.gradient
        return values, np.nan_to_num(slopes)

    def judged_on(self, counts: Array) -> ConstrainedProblem:
        """The same problem, with the edges of the tests of one or two rates of decisions.

        `counts` (n_cells, K, K) are of the rows that models will be judged on, whatever was
        decided about them: the test is expected to see as many of each kind in proportion.
        """
        judged = copy.copy(self)
        if not self.hard:
            return judged
        table = np.zeros(self.table_shape)
        table[..., : self.shape[1]] = counts
        seen = self._mask @ table.ravel()
        tested = seen * (self.n_safety / max(float(self.n_rows(table)), 1.0))
        regions = {
            a: passing_region(atom, seen[own], tested[own], delta, self._bound, self._exclusive)
            for a, (atom, own, delta) in enumerate(
                zip(self.atoms, self._own, self._deltas, strict=True)
            )
            if atom.means
        }
        known = {a: region for a, region in regions.items() if region is not None}
        judged._with_edge, judged._regions = list(known), PassingRegions(tuple(known.values()))
        return judged

    @property
    def needs_trial(self) -> bool:
        """Whether any test's bound is known only by `tested_on`."""
        return len(self._regions) < len(self.atoms)

    def tested_on(
        self, samples: Sequence[Statistics], constant: Sequence[Statistics] = ()
    ) -> ConstrainedProblem:
        """The same problem, with bounds as wide as those of the tests themselves on `samples`.

        Until then bounds are taken to be normal quantiles times standard errors. Finite-sample
        bounds are wider, by how much depends on the method and on the data: those of means of
        probabilities by a factor and by part of the probabilities' range, which shows on rows
        with `constant` ones that might have been any.
        """
        tested = copy.copy(self)
        tested._floors, tested._factors, _ = _before_any_test(len(self.atoms))
        if constant:
            tested._floors = np.max([self._room_asked(s) for s in constant], axis=0)
            tested._floors *= constant[0].n_rows / self.n_safety
        tested._widths = self.widths(samples[0])
        factors = []
        for sample in samples:
            near = self.linearise(sample.table, sample.products)
            normal = self._quantiles * near.standard_errors(sample.n_rows)
            fixed = tested._floors * tested._widths * self.n_safety / sample.n_rows
            room = self._room_asked(sample) - fixed
            factors.append(np.divide(room, normal, out=np.ones(len(room)), where=normal > 0))
        least = 0.0 if constant else 1.0
        tested._factors = np.clip(np.max(factors, axis=0), least, WIDEST)
        return tested

    def widths(self, seen: Statistics) -> Array:
        """How wide the range of what a row adds to each h is, in that of any probabilities.

        One where the atom is not linear or is over no means, so that arithmetic settles it.
        """
        widths = np.ones(len(self.atoms))
        if seen.ends is None:
            return widths
        for a, atom in enumerate(self.atoms):
            if atom.linear is not None and has_finite_ranges(atom.means):
                most = _width(atom, lambda mean: mean.quantity.range)
                widths[a] = _width(atom, seen.range_of) / most if most else 1.0
        return widths

    def _room_asked(self, sample: Statistics) -> Array:
        """By how much the test's bound on each h exceeds h on a sample."""
        values = self.linearise(sample.table, sample.products).values
        evidence = sample.evidence(distinct_means(self.constraints), self._exclusive)
        uppers = [
            values[a]
            if a in self._with_edge
            else approximate_upper(atom, evidence, delta, self._bound)
            for a, (atom, delta) in enumerate(zip(self.atoms, self._deltas, strict=True))
        ]
        return np.nan_to_num(np.array(uppers) - values, posinf=HUGE)

    def _room(self, near: Linearised, widths: Array | None = None) -> Array:
        """By how much the safety test's bound on each h will exceed h."""
        normal = self._quantiles * near.standard_errors(self.n_safety)
        widths = self._widths if widths is None else widths
        return np.asarray(self._floors * widths + self._factors * normal)

    def margins(self, near: Linearised, n_rows: int) -> Array:
        """How far below zero each h must be seen on `n_rows` rows to pass with `power`."""
        test = near.standard_errors(self.n_safety)
        both = np.hypot(test, near.standard_errors(n_rows))
        return np.asarray(self._room(near) + ndtri(self.power) * both)

    def chances(self, means: Array, weight: float = 0.0) -> Array:
        """How probable each atom is to pass with these `means`: shape (..., n_atoms).

        NaN where its test has no edge that is known. `weight` as in
        `PassingRegions.probabilities`.
        """
        found = np.full((*means.shape[:-1], len(self.atoms)), math.nan)
        if self._with_edge:
            own = [(self._own[a][0], self._own[a][-1]) for a in self._with_edge]
            found[..., self._with_edge] = self._regions.probabilities(means[..., own], weight)
        return found

    def likelihoods(self, chances: Array) -> Array:
        """At least how probable it is that all constraints pass, from what `chances` found."""
        return _all_pass(self._passing(chances))

    def predict(
        self,
        near: Linearised,
        n_rows: int,
        chances: Array | None = None,
        widths: Array | None = None,
    ) -> Prediction:
        """What the safety test will say of a model that `near` was seen of on `n_rows` rows.

        `chances` are those of its means, if they were asked for already; `widths` its own, if
        they are not those of the model that the test was tried on.
        """
        test = near.standard_errors(self.n_safety)
        both = np.hypot(test, near.standard_errors(n_rows))
        bounds = near.values + self._room(near, widths)
        certain = np.where(bounds <= 0, np.inf, -np.inf)
        passing = ndtr(np.divide(-bounds, both, out=certain, where=both > 0))
        if chances is None:
            chances = self.chances(near.means)
        passing = np.where(np.isnan(chances), passing, chances)
        worst = np.where(np.isnan(bounds), np.inf, bounds)
        bounds = self._over_trees(worst, np.maximum.reduce, np.minimum.reduce)
        return Prediction(bounds, self._passing(passing))

    def _passing(self, chances: Array) -> Array:
        """How probable each constraint is to pass, from its atoms' probabilities."""
        return self._over_trees(np.nan_to_num(chances), _all_of, np.maximum.reduce)

    def estimates(self, means: Array) -> Array:
        """g of each constraint, in its own units, where its means are `means`."""
        known = {mean: x for (_, mean), x in zip(self._means, means.tolist(), strict=True)}
        return np.array([estimate(constraint.g, known) for constraint in self.constraints])

    def units(self, table: Array, spreads: Array) -> Array:
        """How much each h varies with its measures near the means of `table`; one where it cannot.

        `spreads` are the standard deviations of the row measures' `values`.
        """
        spread_of = dict(zip(self.values, spreads.tolist(), strict=True))
        own = [
            spread_of[mean.quantity.measure] if isinstance(mean.quantity, Average) else 1.0
            for _, mean in self._means
        ]
        flat = table.ravel()
        with np.errstate(invalid="ignore"):  # a mean may have no rows
            means = (self._value @ flat) / (self._mask @ flat)
        slopes = np.abs(self._slopes(means)[1])
        units = np.where(slopes < HUGE, slopes, 0.0) @ np.array(own)
        return np.where(units > 0, units, 1.0)

    def active(self, near: Linearised) -> NDArray[np.bool_]:
        """Which atoms training should push on: all of an AND, the nearest of an OR."""
        chosen = np.ones(len(self.atoms), dtype=np.bool_)
        if not self._has_alternatives:
            return chosen
        for constraint, start, end in self._spans():
            _choose(constraint.tree, near.values[start:end], chosen[start:end])
        return chosen

    def per_constraint(self, per_atom: Array) -> Array:
        """The sum over each constraint's atoms."""
        return np.array([per_atom[start:end].sum() for _, start, end in self._spans()])

    def _spans(self) -> list[tuple[ResolvedConstraint, int, int]]:
        """Each constraint with the positions of its atoms."""
        ends = self._ends.tolist()
        return list(zip(self.constraints, [0, *ends][: len(ends)], ends, strict=True))

    def _over_trees(self, per_atom: Array, conjunction: Fold, disjunction: Fold) -> Array:
        columns = np.moveaxis(per_atom, -1, 0)
        folded = np.empty((*per_atom.shape[:-1], len(self.constraints)))
        for i, (constraint, start, end) in enumerate(self._spans()):
            own = list(columns[start:end])
            folded[..., i] = _folded(constraint.tree, own, conjunction, disjunction)
        return folded


Fold = Callable[[list[Array]], Array]


def _before_any_test(n_atoms: int) -> tuple[Array, Array, Array]:
    """Floors, factors and widths with which bounds are normal quantiles times standard errors."""
    return np.zeros(n_atoms), np.ones(n_atoms), np.ones(n_atoms)


def _bounded(sums: Array) -> Array:
    """The sums, with a huge one for each that is not finite; themselves if all are."""
    if math.isfinite(float(sums.sum())):
        return sums
    return np.nan_to_num(sums, nan=HUGE, posinf=HUGE)


def _leaves(tree: Tree, delta: float) -> list[tuple[Atom, float]]:
    """The atoms of `tree`, left to right, each with the delta that its test gets."""
    match tree:
        case Atom():
            return [(tree, delta)]
        case And(children=children):
            return [leaf for child in children for leaf in _leaves(child, delta)]
        case Or(children=children):
            return [leaf for child in children for leaf in _leaves(child, delta / len(children))]


def _width(atom: Atom, range_of: Callable[[Mean], Range]) -> float:
    """How wide the range of a linear atom is where its means lie in theirs."""
    assert atom.linear is not None
    ends = map(range_of, atom.means)
    pairs = zip(atom.linear.weights, ends, strict=True)
    return sum(abs(weight) * (high - low) for weight, (low, high) in pairs)


def _has_or(tree: Tree) -> bool:
    return not isinstance(tree, Atom) and (
        isinstance(tree, Or) or any(_has_or(child) for child in tree.children)
    )


def _folded(tree: Tree, values: list[Array], conjunction: Fold, disjunction: Fold) -> Array:
    """Fold the values of the leaves, taken from the front of `values`, up the tree."""
    if isinstance(tree, Atom):
        return values.pop(0)
    parts = [_folded(child, values, conjunction, disjunction) for child in tree.children]
    return conjunction(parts) if isinstance(tree, And) else disjunction(parts)


def _all_of(probabilities: list[Array]) -> Array:
    """At least how probable all of several events are, whatever their dependence."""
    return np.maximum(0.0, 1.0 - sum(1.0 - p for p in probabilities))


def _choose(tree: Tree, values: Array, chosen: NDArray[np.bool_]) -> float:
    """Unmark the leaves of every OR's child but the nearest to satisfied; the tree's value."""
    if isinstance(tree, Atom):
        return float(values[0])
    results, start = [], 0
    slices = []
    for child in tree.children:
        size = len(_leaves(child, 1.0))
        slices.append(slice(start, start + size))
        results.append(_choose(child, values[slices[-1]], chosen[slices[-1]]))
        start += size
    if isinstance(tree, And):
        return max(results)
    nearest = int(np.argmin(results))
    for i, part in enumerate(slices):
        if i != nearest:
            chosen[part] = False
    return results[nearest]

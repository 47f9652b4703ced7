"""Sufficient statistics of the rows: one confusion matrix per cell, and sums of row measures.

A row counts in the entry (cell, label y, prediction ŷ) of the confusion matrices. Its cell says
which conditions hold. With several families of cells, it counts in one entry per family. Each row
measure adds a column: the sum of its values over the rows of (cell, label). Every estimand is a
ratio of two sums over the entries of one family, for any number of constraints. The statistics of
disjoint sets of rows add up. With ``decision="sample"`` each row adds its probability of class j to
the entry (cell, y, j).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sklearn_seldonian.bounds import Totals, variance_of_totals
from sklearn_seldonian.certification._evidence import Evidence, Kind, Sample
from sklearn_seldonian.certification._kept_rows import KeptRows
from sklearn_seldonian.certification._populations import ShiftedRows
from sklearn_seldonian.constraints import Condition, Estimand, ExclusiveColumns, Stratification
from sklearn_seldonian.measures import Expectation, Range, Rate, RowMeasure

if TYPE_CHECKING:
    from sklearn_seldonian.data._shift import Shift
    from sklearn_seldonian.data._units import SamplingUnits

Array = NDArray[np.float64]
Entries = NDArray[np.bool_]


ROUNDING = 1e-24
# Relative rounding error of a sum of squares that is computed from sums of products.
ROUNDING_OF_SUMS = 1e-12
# The largest rounding error of a probability, beyond the range that its scores allow.
PROBABILITY_ROUNDING = 1e-5

# The lowest and the highest score of each class, up to a constant that all classes of a row share.
ScoreEnds = tuple[tuple[float, ...], tuple[float, ...]]


class RowsNeededError(Exception):
    """The request needs the rows themselves, which are not kept."""


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of a set of rows for any set of estimands.

    Attributes
    ----------
    confusion : ndarray of shape (n_cells, K, K + V)
        The number of rows per entry (cell, label, prediction), or the sum of their probabilities if
        decisions are drawn. The last V columns are the sums of each row measure over the rows of
        (cell, label).
    stratification : Stratification
        The definition of the cells.
    deterministic : bool
        Whether `confusion` counts decisions.
    n_invalid : int
        Number of rows whose outputs were NaN or infinite. They are not in any entry.
    values : tuple of RowMeasure
        The measures of the last V columns.
    products : ndarray of shape (n_cells, K, R, K + V)
        Sums over the rows of (cell, label) of the product of two of a row's entries; variances and
        covariances are computed from them. The first factor is the value of each measure (R = V).
        If decisions are drawn, each probability comes before (R = K + V). Products of decisions are
        `confusion` itself. Empty if R = 0.
    kept : KeptRows or None
        The rows themselves, if a test needs more than sums.
    ends : pair of tuples of K numbers, or None
        The smallest and the largest possible score of each class, if the probabilities of drawn
        decisions are the softmax of scores. None: not known.
    order_seed : int or None
        The seed from which the order of the kept rows was drawn. None: they are in the order in
        which they came.
    largest : float or None
        An upper limit on the sum of the weights in one unit. The tables are then sums of weights,
        and the rows are kept. None: each row is a unit with weight 1.
    shift : Shift or None
        The populations that the test is about. If given, the rows are kept. None: the population
        that the rows are drawn from.
    counts : ndarray of shape (n_cells, K, K) or None
        If rows have weights and are not kept: `confusion` without the weights.
    """

    confusion: Array
    stratification: Stratification
    deterministic: bool
    n_invalid: int = 0
    values: tuple[RowMeasure, ...] = ()
    products: Array = field(default_factory=lambda: np.zeros(0))
    kept: KeptRows | None = None
    ends: ScoreEnds | None = None
    order_seed: int | None = None
    largest: float | None = None
    shift: Shift | None = None
    counts: Array | None = None

    @property
    def n_classes(self) -> int:
        return int(self.confusion.shape[1])

    @property
    def n_rows(self) -> int:
        if self.kept is not None:
            return len(self.kept.codes) + self.n_invalid
        sums = self.confusion if self.counts is None else self.counts
        once = sums[self.stratification.spans[0]]
        return round(float(once[..., : self.n_classes].sum())) + self.n_invalid

    @property
    def needs_rows(self) -> bool:
        """Whether tests need more than sums: for drawn decisions and for row measures."""
        return not self.deterministic or bool(self.values)

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both sets of rows, which must be disjoint."""
        if (self.largest, self.shift) != (other.largest, other.shift):
            raise ValueError(
                "Statistics of rows with different units or shifts cannot be added. Give both "
                "parts the same groups, weights and shift."
            )
        return replace(
            self,
            confusion=self.confusion + other.confusion,
            n_invalid=self.n_invalid + other.n_invalid,
            products=self.products + other.products,
            kept=self.kept and other.kept and self.kept.followed_by(other.kept),
            ends=self.ends if self.ends == other.ends else None,
            order_seed=None,
        )

    def in_drawn_order(self, seed: int) -> Statistics:
        """The same statistics, with the kept rows in an order drawn from `seed`.

        Tests that use one row after another rely on this order. Rows may come in any order, even
        sorted: in the drawn order, independent rows are independent again, over the draw of the
        seed. Rows are sorted by everything that is kept before they are put into the drawn order.
        So the outcome depends on the rows and the seed only.

        Parameters
        ----------
        seed : int
            At least 0 and below 2**32.
        """
        if self.kept is None:
            return self
        return replace(self, kept=self.kept.in_drawn_order(seed), order_seed=seed)

    def account_for(self, units: SamplingUnits) -> bool:
        """Whether the statistics take these units and their shift into account."""
        return (self.largest, self.shift) == (units.largest, units.shift)

    def shares(self, estimands: Sequence[Estimand]) -> dict[Estimand, float]:
        """For each estimand, the largest share of all rows that any decisions can give it."""
        return {estimand: self._rows(estimand) / self.n_rows for estimand in estimands}

    def evidence(
        self,
        estimands: Sequence[Estimand],
        mutually_exclusive_columns: ExclusiveColumns = frozenset(),
    ) -> Evidence:
        """The evidence about the `estimands` for a safety test.

        `mutually_exclusive_columns` are pairs of 0/1 columns known never to be both 1.
        """
        evidence = Evidence(
            {estimand: self.rate(estimand) for estimand in estimands},
            self.deterministic,
            mutually_exclusive_columns,
            self.n_rows - self.n_invalid,
            self._influence_variance,
            self._row_values if self.order_seed is not None else None,
            {estimand: self.range_of(estimand) for estimand in estimands},
            self._rows_of_kinds,
            self._totals if self.largest is not None else None,
        )
        if self.shift is None:
            return evidence
        shifted = self._shifted_rows(self.shift)
        populations = shifted.evidence(estimands, evidence)
        return replace(evidence, populations=populations, shifted=shifted.shifted(estimands))

    @property
    def _rows_kept(self) -> KeptRows:
        """The rows themselves.

        Raises
        ------
        RowsNeededError
            If they are not kept, as in a certificate.
        """
        if self.kept is None:
            raise RowsNeededError
        return self.kept

    def _shifted_rows(self, shift: Shift) -> ShiftedRows:
        return ShiftedRows(
            self._rows_kept,
            shift.column,
            shift.corners,
            self.largest or 1.0,
            self._parts_of_rows,
            self._rows_inside,
            self.range_of,
        )

    def range_of(self, estimand: Estimand) -> Range:
        """The smallest and the largest possible contribution of a row to `estimand`."""
        quantity = estimand.quantity
        if self.deterministic or self.ends is None or not isinstance(quantity, Rate):
            return quantity.range
        if quantity.conditions_on_prediction:  # a ratio of two means
            return quantity.range
        low, high = self.ends
        # For each label: the classes whose probabilities are summed.
        chosen = quantity.numerator[quantity.denominator.any(axis=1)]
        least = _share(np.where(chosen, low, high), chosen).min() - PROBABILITY_ROUNDING
        most = _share(np.where(chosen, high, low), chosen).max() + PROBABILITY_ROUNDING
        return max(0.0, float(least)), min(1.0, float(most))

    def _row_values(self, estimand: Estimand, weight: float, constant: float) -> Array:
        """As `Evidence.row_values`."""
        kept = self._rows_kept
        denominator, numerator = _entries(estimand.quantity, self.values)
        inside = self._rows_inside(estimand.conditions)
        inside &= np.asarray(denominator.any(axis=1))[kept.labels]
        per_entry = (weight * numerator + constant * denominator)[kept.labels[inside]]
        return np.asarray((kept.entries[inside] * per_entry).sum(axis=1))

    def _totals(self, estimand: Estimand) -> Totals:
        """As `Evidence.totals`."""
        assert self.largest is not None
        numerators, denominators = self._parts_of_rows(estimand)
        units, weights = self._rows_kept.units, self._rows_kept.weights
        low, high = self.range_of(estimand)
        return Totals(
            np.bincount(units, weights * numerators),
            np.bincount(units, weights * denominators),
            low,
            high,
            self.largest,
        )

    def _parts_of_rows(self, estimand: Estimand) -> tuple[Array, Array]:
        """What each kept row adds to the estimand's numerator and denominator."""
        kept = self._rows_kept
        denominator, numerator = _entries(estimand.quantity, self.values)
        inside = self._rows_inside(estimand.conditions)

        def part(entries: Entries) -> Array:
            return np.asarray(inside * (kept.entries * entries[kept.labels]).sum(axis=1))

        return part(numerator), np.minimum(part(denominator), 1.0)

    def _rows_inside(self, conditions: frozenset[Condition]) -> NDArray[np.bool_]:
        """Which kept rows meet all `conditions`."""
        family = self.stratification.family_of(conditions)
        inside = self.stratification.inside(conditions, family)
        return np.asarray(inside[self._kept_cells(family)])

    def _rows_of_kinds(self, estimands: Sequence[Estimand]) -> dict[Kind, float]:
        """As `Evidence.table`."""
        family, confusion = self._family(*estimands)
        parts = [
            estimand_entries(estimand, self.stratification, family, self.values)
            for estimand in estimands
        ]
        kinds = np.stack([1 * denominator + numerator for denominator, numerator in parts], axis=-1)
        kinds = kinds[..., : self.n_classes, :].astype(np.uint8).reshape(-1, len(estimands))
        # Each row of bytes is viewed as one text, which sorts fast.
        texts = np.ascontiguousarray(kinds).view(f"S{len(estimands)}").ravel()
        distinct, where = np.unique(texts, return_inverse=True)
        counts = np.bincount(where, confusion[..., : self.n_classes].ravel())
        kinds = distinct.view(np.uint8).reshape(-1, len(estimands))
        return dict(zip(map(tuple, kinds.tolist()), counts.tolist(), strict=True))

    def _influence_variance(self, estimands: Sequence[Estimand], slopes: Sequence[float]) -> float:
        """As `Evidence.variance`, divided by the number of rows minus 1."""
        n_rows = self.n_rows - self.n_invalid
        if n_rows < 2:
            return math.nan
        if self.kept is None and self.needs_rows and not self.products.size:
            raise RowsNeededError  # or sums of products
        if self.largest is not None:
            totals = [self._totals(estimand) for estimand in estimands]
            return n_rows * variance_of_totals(totals, slopes)
        family, confusion = self._family(*estimands)
        entries = [
            estimand_entries(estimand, self.stratification, family, self.values)
            for estimand in estimands
        ]
        denominator, numerator = map(np.array, zip(*entries, strict=True))
        trials = (denominator * confusion).sum(axis=(1, 2, 3))
        rates = (numerator * confusion).sum(axis=(1, 2, 3)) / trials
        factors = np.asarray(slopes) * n_rows / trials
        weights = np.einsum(
            "m,mcyj->cyj", factors, numerator - rates[:, None, None, None] * denominator
        )
        if self.kept is None:
            products = self.products[self.stratification.spans[family]]
            return _sum_of_squares(weights, confusion, products) / (n_rows - 1)
        influences = self.kept.entries * weights[self._kept_cells(family), self.kept.labels]
        total = float((influences.sum(axis=1) ** 2).sum())
        # A tiny remainder after equal values cancel is a rounding error, not variance.
        rounding = ROUNDING * float((influences**2).sum())
        return total / (n_rows - 1) if total > rounding else 0.0

    def _kept_cells(self, family: int) -> NDArray[np.integer[Any]]:
        """Each kept row's cell, counted from the first of its family."""
        cells = self.stratification.cell_of_code[self._rows_kept.codes, family]
        return np.asarray(cells - self.stratification.spans[family].start)

    def rate(self, estimand: Estimand) -> Sample:
        """Successes and trials of one estimand."""
        table = self._table(estimand)
        denominator, numerator = _entries(estimand.quantity, self.values)
        successes, trials = (float(table[part].sum()) for part in (numerator, denominator))
        return Sample(successes, trials, self._rows_of(estimand, trials))

    def _rows_of(self, estimand: Estimand, trials: float) -> float:
        """The number of rows behind the `trials`, without weights."""
        if self.largest is None:
            return trials
        if self.kept is not None or self.counts is None:
            return float(self._parts_of_rows(estimand)[1].sum())
        family, counts = self._family(estimand, sums=self.counts)
        inside = self.stratification.inside(estimand.conditions, family)
        denominator, _ = _entries(estimand.quantity, self.values)
        return float(counts[inside].sum(axis=0)[denominator[:, : self.n_classes]].sum())

    def _rows(self, estimand: Estimand) -> float:
        """The number of rows whose cell and label allow them to count."""
        labels = estimand.quantity.denominator.any(axis=1)
        return float(self._table(estimand)[labels, : self.n_classes].sum())

    def _table(self, estimand: Estimand) -> Array:
        """The entries of the rows that meet the conditions of an `estimand`: (K, K + V)."""
        family, confusion = self._family(estimand)
        inside = self.stratification.inside(estimand.conditions, family)
        return np.asarray(confusion[np.flatnonzero(inside)].sum(axis=0))

    def _family(self, *estimands: Estimand, sums: Array | None = None) -> tuple[int, Array]:
        """The first family that has all conditions of the `estimands`, and its `confusion`.

        If other `sums` over the cells are given, the family's part of them is returned.
        """
        family = self.stratification.family_of(
            condition for estimand in estimands for condition in estimand.conditions
        )
        return family, (self.confusion if sums is None else sums)[self.stratification.spans[family]]


def _sum_of_squares(weights: Array, confusion: Array, products: Array) -> float:
    """The sum over rows of the squares of their weighted entries, from sums of products.

    `weights` and `confusion` have shape (n_cells, K, K + V), `products` (n_cells, K, R, K + V); it
    is empty if R = 0.
    """
    n_factors = products.shape[2] if products.size else 0
    n_counted = weights.shape[-1] - n_factors  # entries that are 0 or 1, one of them 1
    terms = weights[..., :n_counted] ** 2 * confusion[..., :n_counted]
    total, size = float(terms.sum()), float(terms.sum())
    if n_factors:
        pairs = weights[..., n_counted:, None] * weights[..., None, :] * products
        pairs[..., :n_counted] *= 2.0
        total, size = total + float(pairs.sum()), size + float(np.abs(pairs).sum())
    return total if total > ROUNDING_OF_SUMS * size else 0.0


def _share(scores: Array, chosen: NDArray[np.bool_]) -> Array:
    """The probability of the chosen classes in each row of scores."""
    return np.asarray((softmax(scores, axis=1) * chosen).sum(axis=1))


def estimand_entries(
    estimand: Estimand,
    stratification: Stratification,
    family: int,
    values: Sequence[RowMeasure] = (),
) -> tuple[Entries, Entries]:
    """The entries in the `estimand`'s denominator and numerator, of shape (n_cells, K, K + V).

    The cells are those of one family.
    """
    inside = stratification.inside(estimand.conditions, family)[:, None, None]
    denominator, numerator = _entries(estimand.quantity, values)
    return inside & denominator, inside & numerator


def _entries(quantity: Rate | Expectation, values: Sequence[RowMeasure]) -> tuple[Entries, Entries]:
    """The entries in a quantity's denominator and numerator, of shape (K, K + V)."""
    k = quantity.n_classes
    denominator = np.zeros((k, k + len(values)), dtype=np.bool_)
    numerator = denominator.copy()
    denominator[:, :k] = quantity.denominator
    if isinstance(quantity, Rate):
        numerator[:, :k] = quantity.numerator
    else:
        numerator[:, k + list(values).index(quantity.measure)] = quantity.labels
    return denominator, numerator

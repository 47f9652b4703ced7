"""The ratio of a group's rate to the rate of all rows, tested exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds import PartRatioTest
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._ratios import Ratio, ratio_of_two
from sklearn_seldonian.certification._splits import kinds_of
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns

Floats = NDArray[np.float64]
# Kinds of rows, by their state in the rate of a part and in the rate of all: a row that counts for
# the part counts for all, with the same outcome.
PART_AND_WHOLE = frozenset({(1, 1), (2, 2), (0, 1), (0, 2)})


@dataclass(frozen=True)
class PartRatio:
    """A limit on the ratio of the rate of a part of the rows and the rate of all rows.

    Attributes
    ----------
    ratio : Ratio
    part : int
        The position of the part's rate among the estimands of the atom.
    successes, trials : ndarray of shape (2,)
        Of both rates, in the order of the estimands.
    """

    ratio: Ratio
    part: int
    successes: Floats
    trials: Floats

    @property
    def limit(self) -> float:
        return self.ratio.limit

    @property
    def part_on_top(self) -> bool:
        return self.ratio.order[0] == self.part

    @property
    def n_rows(self) -> float:
        return float(self.trials.max())

    def test(self, delta: float) -> PartRatioTest:
        """The test of every limit on the ratio."""
        (k,), sizes = self._part_and_rest(self.successes[None].round()), self._sizes
        return _test(tuple(k.tolist()), sizes, delta, self.part_on_top)

    def passing_tables(self, tables: Floats, delta: float) -> NDArray[np.bool_]:
        """Approximately which tables pass; each row has the successes of both rates.

        The bound at the mean of the tables is some distance above the asymptotic bound. A table
        passes if its asymptotic bound is at least as far below the limit.
        """
        mean = self._part_and_rest(tables.mean(axis=0, keepdims=True).round())
        test = _test(tuple(mean[0].tolist()), self._sizes, delta, self.part_on_top)
        counts = np.concatenate([self._part_and_rest(tables), mean])
        asymptotic = bounds.part_ratio_asymptotic_upper(
            (counts[:, 0], counts[:, 1]), self._sizes, delta, part_on_top=self.part_on_top
        )
        if not np.isfinite(asymptotic[-1]) or not np.isfinite(test.approximate_upper):
            return np.zeros(len(tables), dtype=np.bool_)
        excess = test.approximate_upper - asymptotic[-1]
        return np.asarray(asymptotic[:-1] + excess <= self.limit)

    @property
    def _sizes(self) -> tuple[float, float]:
        n_part = float(self.trials[self.part])
        return n_part, float(self.trials[1 - self.part]) - n_part

    def _part_and_rest(self, tables: Floats) -> Floats:
        """The events in the part and in the rest, of tables of shape (n, 2)."""
        events = np.where(self.ratio.complemented, self.trials - tables, tables)
        part, whole = events[:, self.part], events[:, 1 - self.part]
        return np.column_stack([part, np.clip(whole - part, 0.0, self._sizes[1])])


def part_ratio(atom: Atom, evidence: Evidence) -> PartRatio | None:
    """The `atom` as a limit on the ratio of a part and the whole; None if it is not one."""
    ratio = ratio_of_two(atom) if atom.is_ratio else None
    if ratio is None or not all(evidence.is_count(estimand) for estimand in atom.estimands):
        return None
    part = _part(atom.estimands, evidence.mutually_exclusive_columns)
    if part is None or len(set(ratio.complemented)) != 1:
        return None
    samples = [evidence.samples[estimand] for estimand in atom.estimands]
    successes, trials = np.array([(s.successes, round(s.trials)) for s in samples], dtype=float).T
    return PartRatio(ratio, part, successes, trials)


@lru_cache(maxsize=256)
def _part(
    estimands: Sequence[Estimand], mutually_exclusive_columns: ExclusiveColumns
) -> int | None:
    """The position of the rate over a part of the rows of the other rate; None without one."""
    for part, order in enumerate((estimands, estimands[::-1])):
        if kinds_of(order, mutually_exclusive_columns) == PART_AND_WHOLE:
            return part
    return None


@lru_cache(maxsize=256)
def _test(
    counts: tuple[float, ...], sizes: tuple[float, float], delta: float, part_on_top: bool
) -> PartRatioTest:
    return bounds.part_ratio_test(counts, sizes, delta, part_on_top=part_on_top)

"""Functions of rates that may share rows, tested by the inverse normal method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds import InverseNormalTest, Splits
from sklearn_seldonian.bounds._inverse_normal import MAX_CELLS, MAX_SPLITS
from sklearn_seldonian.certification._evidence import Evidence, Kind
from sklearn_seldonian.certification._splits import (
    Kinds,
    Split,
    counted,
    function_of,
    kinds_of,
    splits_of,
)
from sklearn_seldonian.constraints import Estimand, ExclusiveColumns, Jet, Node, jet

Floats = NDArray[np.float64]

# With this many cells a test takes a third to two thirds of the time. Its bound is up to .016 of
# its width wider, or .01 with 20,000 rows. Tests of many rows can spare that.
FEW_CELLS = 4000
MANY_ROWS = 100_000
# Rounds of fitting a table to its rates.
ROUNDS = 50


@dataclass(frozen=True)
class FunctionOfRates:
    """A function of rates, and the number of rows of each kind.

    Attributes
    ----------
    expression : Node
    estimands : tuple of Estimand
    splits : tuple of Split
    table : mapping of Kind to float
    """

    expression: Node
    estimands: tuple[Estimand, ...]
    splits: tuple[Split, ...]
    table: Mapping[Kind, float]

    @property
    def given_sizes(self) -> list[float]:
        """The numbers of rows of the groups whose sizes are not random."""
        counts = counted(self.splits, self.table)
        pairs = zip(counts.trials, counts.parents, strict=True)
        return [n for n, parent in pairs if parent < 0]

    def test(self, delta: float, max_cells: int = MAX_CELLS) -> InverseNormalTest:
        """The test of every limit on the function.

        If the groups of given sizes have `MANY_ROWS`, it has `FEW_CELLS`. So the choice of cells
        depends on nothing that is random given these sizes, as the proof of the test requires.
        """
        if sum(self.given_sizes) >= MANY_ROWS:
            max_cells = min(max_cells, FEW_CELLS)
        counts = counted(self.splits, self.table)
        return _test(self.expression, self.estimands, self.splits, counts, delta, max_cells)

    def passing_tables(self, tables: Floats, limit: float, delta: float) -> NDArray[np.bool_]:
        """Approximately which tables pass, with as many rows as here.

        Each row of `tables` has the successes of each rate. The bound at the mean of the tables is
        some number of standard errors above the estimate. A table passes if its estimate is at
        least as many standard errors below the limit.
        """
        trials = np.array(list(self.table.values())) @ (np.array(list(self.table)) >= 1)
        mean = tables.mean(axis=0)
        values, errors = self._estimates(np.vstack([tables, mean]) / trials, trials)
        at_mean = replace(self, table=fitted_table(self.table, mean, trials))
        excess = at_mean.test(delta, FEW_CELLS).upper - values[-1]
        if not np.isfinite(excess):
            return np.zeros(len(tables), dtype=np.bool_)
        # At an extreme of the function, such as a product of two rates that are 0, there is no
        # standard error, and the bound is taken to be as far above each estimate.
        scale = errors[:-1] / errors[-1] if errors[-1] > 0.0 else np.ones(len(tables))
        return np.asarray(values[:-1] + excess * scale <= limit)

    def _estimates(self, rates: Floats, trials: Floats) -> tuple[Floats, Floats]:
        """Values of the function at `rates` of shape (N, n_rates), and their standard errors."""
        means = [Jet.coordinate(rates, rates, j) for j in range(len(trials))]
        value = jet(self.expression, dict(zip(self.estimands, means, strict=True)))
        smoothed = np.clip((rates * trials + 0.5) / (trials + 1.0), 0.0, 1.0)
        moves = value.slope_low * np.sqrt(smoothed * (1.0 - smoothed) / trials)
        variances = np.einsum("ni,ij,nj->n", moves, self._correlations(), moves)
        return value.high, np.sqrt(np.maximum(variances, 0.0))

    def _correlations(self) -> Floats:
        """The correlations between the estimates of the rates."""
        kinds, counts = np.array(list(self.table)), np.array(list(self.table.values()))
        inside, successes = kinds >= 1, kinds == 2
        shares = counts @ successes / np.maximum(counts @ inside, 1.0)
        influences = np.sqrt(counts)[:, None] * (successes - shares * inside)
        sizes = np.linalg.norm(influences, axis=0)
        scaled = influences / np.where(sizes > 0.0, sizes, 1.0)
        return np.asarray(scaled.T @ scaled)


def function_of_rates(
    expression: Node, estimands: Sequence[Estimand], evidence: Evidence
) -> FunctionOfRates | None:
    """The `expression` over rates of decisions; None if it has too many parts to be tested."""
    kinds, splits = _kinds_and_splits(tuple(estimands), evidence.mutually_exclusive_columns)
    if not 0 < len(splits) <= MAX_SPLITS:
        return None
    if evidence.table is not None:
        table = evidence.table(estimands)
    else:
        samples = [evidence.samples[estimand] for estimand in estimands]
        successes, trials = np.array([(s.successes, s.trials) for s in samples]).T
        table = fitted_table(dict.fromkeys(kinds, 1.0), successes, trials)
    return FunctionOfRates(expression, tuple(estimands), splits, table)


@lru_cache(maxsize=256)
def _kinds_and_splits(
    estimands: tuple[Estimand, ...], mutually_exclusive_columns: ExclusiveColumns
) -> tuple[Kinds, tuple[Split, ...]]:
    """The possible kinds of rows, and their splits; empty if they are too many."""
    kinds = kinds_of(estimands, mutually_exclusive_columns) or frozenset()
    return kinds, tuple(splits_of(kinds))


def fitted_table(
    table: Mapping[Kind, float], successes: Floats, trials: Floats
) -> dict[Kind, float]:
    """The table nearest to `table` with these successes and rows of each rate.

    This is iterative proportional fitting (Deming and Stephan 1940). Where the rates do not
    determine how many rows they share, the proportions of `table` are kept.
    """
    kinds, counts = np.array(list(table)), np.maximum(list(table.values()), 1e-9)
    for _ in range(ROUNDS):
        for own, k, n in zip(kinds.T, successes, trials, strict=True):
            failures = max(n - k, 0.0)  # below 0 by rounding, or if no table has these numbers
            for state, rows in ((1, failures), (2, k)):
                chosen = own == state
                counts[chosen] *= rows / max(counts[chosen].sum(), 1e-300)
    return dict(zip(table, counts.tolist(), strict=True))


@lru_cache(maxsize=32)
def _test(
    expression: Node,
    estimands: tuple[Estimand, ...],
    splits: tuple[Split, ...],
    counts: Splits,
    delta: float,
    max_cells: int,
) -> InverseNormalTest:
    function = function_of(expression, estimands, splits)
    return bounds.inverse_normal_test(counts, function, delta, max_cells)

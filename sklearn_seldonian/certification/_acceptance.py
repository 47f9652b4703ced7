"""Which tables of counts pass a constraint's test, for many tables of the same rows at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.bounds._chernoff import chernoff_p_values
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._methods import (
    ARITHMETIC,
    EXACT_TWO_RATE_TEST,
    JOINT_CHERNOFF,
    SCORE_TEST,
    method_for,
)
from sklearn_seldonian.certification._passing import acceptance_edge
from sklearn_seldonian.certification._safety_test import passes
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, Or, Tree, shares
from sklearn_seldonian.measures import Rate

Array = NDArray[np.float64]
Verdicts = NDArray[np.bool_]
Counts = Mapping[Estimand, Array]
Variance = Callable[[Sequence[Estimand], Sequence[float]], float]
Variances = Callable[[Evidence], Variance]

# Where a rate has fewer rows, one count more or less matters, and the exact test is asked where its
# edge is: beside so many counts of the second rate, at the quantiles of those in question. With
# more rows the score test's edge has a probability of passing that is within .01 of its own.
FEW_ROWS = 60
CORRECTIONS = 5
TESTED_AT_ONCE = {ARITHMETIC, EXACT_TWO_RATE_TEST, JOINT_CHERNOFF, SCORE_TEST}


@dataclass(frozen=True)
class AcceptanceSet:
    """The counts with which constraints over rates of decisions pass, for fixed numbers of rows.

    The edge of a limit on one rate is found by halving. Two independent rates have the edge of
    `acceptance_edge`, corrected by the exact test where rows are few. Several independent rates
    have their p-values computed for all tables at once. Whatever remains is tested once for each
    distinct table.

    Attributes
    ----------
    trials : mapping of Estimand to int
        Rows of each rate.
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    n_rows : int
        Of all rates together.
    corrected : bool, default=True
        Whether the exact test of two rates is asked at all.
    variance : callable, default=None
        From the evidence of a table to its `variance`: how rates that share rows vary together.
    """

    trials: Mapping[Estimand, int]
    method: str
    mutually_exclusive_columns: ExclusiveColumns
    n_rows: int
    corrected: bool = True
    variance: Variances | None = None
    _edges: dict[tuple[object, ...], tuple[Array, Array]] = field(default_factory=dict)

    def passes(self, tree: Tree, counts: Counts, delta: float) -> Verdicts:
        """The verdict of the test of `tree` at each table.

        Parameters
        ----------
        tree : And, Or or Atom
        counts : mapping of Estimand to ndarray of shape (n_tables,)
        delta : float in (0, 1)
        """
        if isinstance(tree, Atom):
            return self._atom_passes(tree, counts, delta)
        # One child that passes settles an OR, and one that fails an AND.
        settled = isinstance(tree, Or)
        passed = np.full(len(next(iter(counts.values()))), not settled)
        for child, share in shares(tree, delta):
            open_ = passed != settled
            left = {estimand: k[open_] for estimand, k in counts.items()}
            passed[open_] = self.passes(child, left, share)
        return passed

    def accepts(self, tree: Tree, table: Mapping[Estimand, float], delta: float) -> bool:
        """The verdict of the safety test itself at one table."""
        return passes(tree, self._evidence(table), delta, self.method)

    def asks_each_table(self, atom: Atom) -> bool:
        """Whether there is no quicker way than to test each table of `atom` on its own."""
        return not is_rate_limit(atom) and self._method(atom) not in TESTED_AT_ONCE

    def _method(self, atom: Atom) -> str:
        evidence = self._evidence(
            {estimand: self.trials[estimand] / 2 for estimand in atom.estimands}
        )
        return method_for(atom, evidence, self.method).name

    def _atom_passes(self, atom: Atom, counts: Counts, delta: float) -> Verdicts:
        columns = [counts[estimand] for estimand in atom.estimands]
        n_tables = len(next(iter(counts.values())))
        if not n_tables or not atom.estimands:
            return np.full(n_tables, bool(n_tables) and self.accepts(atom, {}, delta))
        if is_rate_limit(atom):
            return self._within_limit(atom, columns[0], delta)
        if self._method(atom) in {EXACT_TWO_RATE_TEST, SCORE_TEST}:
            first, second = self._in_positive_form(atom, columns)
            edge = self._edge(atom, second, delta)
            return np.asarray(first <= np.floor(np.interp(second, *edge) + 1e-9))
        tables = np.stack(columns, axis=1)
        if self._method(atom) == JOINT_CHERNOFF:
            assert atom.linear is not None
            trials = [float(self.trials[estimand]) for estimand in atom.estimands]
            limit = -atom.linear.constant
            p_values = chernoff_p_values(tables, trials, atom.linear.weights, limit, delta)
            return np.asarray(p_values <= delta)
        distinct, position = np.unique(tables, axis=0, return_inverse=True)
        verdicts = [
            self.accepts(atom, dict(zip(atom.estimands, table, strict=True)), delta)
            for table in distinct.tolist()
        ]
        return np.array(verdicts, dtype=np.bool_)[position.reshape(-1)]

    def _within_limit(self, atom: Atom, successes: Array, delta: float) -> Verdicts:
        """The verdicts of a limit on one rate, which are those of counts up to an edge.

        Where nothing varies Student's t has a verdict of its own, so that both ends are asked.
        """
        (estimand,), n = atom.estimands, self.trials[atom.estimands[0]]
        assert atom.linear is not None
        rises = atom.linear.weights[0] > 0
        events = successes if rises else n - successes

        def accepted(k: int) -> bool:
            return self.accepts(atom, {estimand: float(k if rises else n - k)}, delta)

        edge = _last(accepted, 0, n - 1)
        passed = np.asarray((events > 0) & (events <= edge))
        for end in (0, n):
            passed[events == end] = accepted(end)
        return passed

    def _edge(self, atom: Atom, seconds: Array, delta: float) -> tuple[Array, Array]:
        """Counts of the second rate, and the highest of the first that pass beside them."""
        trials = [self.trials[estimand] for estimand in atom.estimands]
        key = (tuple(trials), atom.linear, delta)
        if key not in self._edges:
            found = acceptance_edge(
                atom, trials, delta, self.method, self.mutually_exclusive_columns
            )
            assert found is not None
            exact = self._method(atom) == EXACT_TWO_RATE_TEST
            if self.corrected and exact and min(trials) < FEW_ROWS:
                found = self._corrected(atom, found, seconds, delta)
            self._edges[key] = found
        return self._edges[key]

    def _corrected(
        self, atom: Atom, edge: tuple[Array, Array], seconds: Array, delta: float
    ) -> tuple[Array, Array]:
        """The edge moved by as much as the exact test's own is from it."""
        n = self.trials[atom.estimands[0]]
        asked = np.unique(np.quantile(seconds, np.linspace(0.01, 0.99, CORRECTIONS)).round())

        def accepted(second: float, first: float) -> bool:
            columns = [np.array([first]), np.array([second])]
            table = [float(k[0]) for k in self._in_positive_form(atom, columns)]
            return self.accepts(atom, dict(zip(atom.estimands, table, strict=True)), delta)

        near = np.floor(np.interp(asked, *edge) + 1e-9)
        own = [
            _moved_edge(int(start), n, partial(accepted, second))
            for second, start in zip(asked.tolist(), near.tolist(), strict=True)
        ]
        return edge[0], edge[1] + np.interp(edge[0], asked, own - near).round()

    def _in_positive_form(self, atom: Atom, columns: list[Array]) -> list[Array]:
        """Successes of rates with positive weights, and of the complements of others."""
        assert atom.linear is not None
        return [
            k if weight > 0 else self.trials[estimand] - k
            for estimand, weight, k in zip(
                atom.estimands, atom.linear.weights, columns, strict=True
            )
        ]

    def _evidence(self, table: Mapping[Estimand, float]) -> Evidence:
        samples = {m: Sample(k, self.trials[m], self.trials[m]) for m, k in table.items()}
        evidence = Evidence(
            samples, mutually_exclusive_columns=self.mutually_exclusive_columns, n_rows=self.n_rows
        )
        if self.variance is None:
            return evidence
        return replace(evidence, variance=self.variance(evidence))


def is_rate_limit(tree: Tree) -> bool:
    """Whether `tree` is a limit on one rate, so that it passes up to a count or from one on."""
    if not isinstance(tree, Atom) or tree.linear is None or len(tree.estimands) != 1:
        return False
    return isinstance(tree.estimands[0].quantity, Rate)


def _moved_edge(edge: int, n: int, accepted: Callable[[float], bool]) -> int:
    """The last count that is accepted, looked for from a count near it; -1 where none is."""
    start = edge
    while edge < n and accepted(edge + 1):
        edge += 1
    while edge == start and edge >= 0 and not accepted(edge):
        start = edge = edge - 1
    return edge


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last number from `low` to `high` that `holds`, which holds up to some number."""
    high += 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

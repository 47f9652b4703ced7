"""Which tables of counts pass a constraint's test, for many tables of the same rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._decide import passes
from sklearn_seldonian.certification._draws import binomial_cdf
from sklearn_seldonian.certification._edges import Edge
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.certification._search import halved
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, Or, Tree, shares
from sklearn_seldonian.measures import Rate

Array = NDArray[np.float64]
Verdicts = NDArray[np.bool_]
Counts = Mapping[Estimand, Array]
# A constraint and its delta.
Test = tuple[Tree, float]
# Limits on one rate.
RateLimits = Sequence[tuple[Atom, float]]

# If a rate has fewer rows than this, one count matters, and the exact test is run to find its own
# edge. That is done for this many counts of the second rate, at quantiles of the given ones. With
# more rows, the probability of passing by the score test's edge is within .01.
FEW_ROWS = 60
CORRECTIONS = 5
# The edges of the two tests are at most one count apart; the search covers two counts.
APART = 2


@dataclass(frozen=True)
class AcceptanceSet:
    """The counts with which constraints over rates of decisions pass, for fixed numbers of rows.

    Attributes
    ----------
    trials : mapping of Estimand to int
        Number of rows of each rate.
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    n_rows : int, default=0
        Number of rows of all rates together. 0: the sum of the `trials`.
    corrected : bool, default=False
        Whether the exact test of two rates is run to find its edge if rows are few.
    correlation : ndarray of shape (n_rates, n_rates), default=None
        Correlations between the estimates of the rates, in the order of `trials`. None: no two
        rates share rows.
    """

    trials: Mapping[Estimand, int]
    method: str = "auto"
    mutually_exclusive_columns: ExclusiveColumns = frozenset()
    n_rows: int = 0
    corrected: bool = False
    correlation: Array | None = None
    _edges: dict[tuple[object, ...], Edge] = field(default_factory=dict)
    _limits: dict[tuple[object, ...], tuple[int, bool, bool]] = field(default_factory=dict)

    def accepts(self, tree: Tree, table: Mapping[Estimand, float], delta: float) -> bool:
        """The verdict of the safety test itself at one table."""
        return passes(tree, self._evidence(table), delta, self.method)

    def method_of(self, atom: Atom) -> Method:
        """The test of `atom` with these numbers of rows."""
        middle = {estimand: self.trials[estimand] / 2 for estimand in atom.estimands}
        return method_for(atom, self._evidence(middle), self.method)

    def is_slow(self, atom: Atom) -> bool:
        """Whether tables of `atom` are tested on their own, or by a box of all their rates."""
        if is_rate_limit(atom) or not atom.estimands:
            return False
        test = self.method_of(atom)
        is_box = test.name.startswith("box")
        return test.acceptance_region is None and (test.passing_tables is None or is_box)

    def passes(self, tests: Iterable[Test], counts: Counts, *, any_of: bool = False) -> Verdicts:
        """Which tables pass all `tests`, or any of them.

        The edge of a limit on one rate is found by bisection. For two independent rates the
        `acceptance_region` of their test is used, and for several rates its `passing_tables`.
        Otherwise each distinct table is tested once.

        Parameters
        ----------
        tests : sequence of (Tree, float)
        counts : mapping of Estimand to ndarray of shape (n_tables,)
        any_of : bool, default=False
        """
        passed = np.full(len(next(iter(counts.values()), [0])), not any_of)
        for tree, delta in tests:
            open_ = passed != any_of  # the verdict on the others is settled
            left = {estimand: k[open_] for estimand, k in counts.items()}
            if not open_.any():
                break
            if isinstance(tree, Atom):
                passed[open_] = self._atom_passes(tree, left, delta)
            else:
                children = shares(tree, delta)
                passed[open_] = self.passes(children, left, any_of=isinstance(tree, Or))
        return passed

    def _atom_passes(self, atom: Atom, counts: Counts, delta: float) -> Verdicts | bool:
        if not atom.estimands:
            return self.accepts(atom, {}, delta)
        columns = [counts[estimand] for estimand in atom.estimands]
        if is_rate_limit(atom):
            (events,) = self._in_positive_form(atom, columns)
            return self._within_limit(atom, events, delta)
        test = self.method_of(atom)
        if test.acceptance_region is not None:
            first, second = self._in_positive_form(atom, columns)
            return np.asarray(first <= _highest(self._edge(atom, test, second, delta), second))
        tables = np.stack(columns, axis=1)
        if test.passing_tables is not None:
            return test.passing_tables(tables, delta)
        distinct, position = np.unique(tables, axis=0, return_inverse=True)
        verdicts = [
            self.accepts(atom, dict(zip(atom.estimands, table, strict=True)), delta)
            for table in distinct.tolist()
        ]
        return np.array(verdicts)[position.reshape(-1)]

    def _within_limit(self, atom: Atom, events: Array, delta: float) -> Verdicts:
        """The verdicts of a limit on one rate: counts up to an edge pass.

        Student's t test is different if nothing varies, so both ends are tested separately.
        """
        n, (failing, fails_at_none, fails_at_all) = self._limit(atom, delta)
        passed = events < failing
        passed[events == 0] = not fails_at_none
        passed[events == n] = not fails_at_all
        return np.asarray(passed)

    def _limit(self, atom: Atom, delta: float) -> tuple[int, tuple[int, bool, bool]]:
        """The trials; the fewest events, above none, that fail; whether none and all events fail.

        The events are in positive form.
        """
        n = self.trials[atom.estimands[0]]
        key = n, atom.linear, delta  # the same for groups of the same size
        if key not in self._limits:
            fails = partial(self._fails, atom, delta, [])
            self._limits[key] = halved(fails, 0, n), fails(0), fails(n)
        return n, self._limits[key]

    def limits_pass(self, blocks: Sequence[RateLimits], rates: Mapping[Estimand, float]) -> Array:
        """The probability that each of some blocks passes, with these true rates.

        A block has limits on one rate, of which all must pass.
        """
        if not blocks:
            return np.ones(0)
        rate = np.array([rates[block[0][0].estimands[0]] for block in blocks])
        n, low, high, none, every = np.array([self._accepted(block) for block in blocks]).T
        inside = binomial_cdf(high, n, rate) - binomial_cdf(low - 1, n, rate)
        at_ends = none * (1.0 - rate) ** n + every * rate**n
        return np.asarray(np.clip(np.where(low <= high, inside, 0.0) + at_ends, 0.0, 1.0))

    def _accepted(self, block: RateLimits) -> tuple[int, int, int, bool, bool]:
        """The trials n, the first and last of 1 to n - 1 that pass, and whether 0 and n pass."""
        n = self.trials[block[0][0].estimands[0]]
        low, high, none, every = 1, n - 1, True, True
        for atom, delta in block:
            _, (failing, fails_at_none, fails_at_all) = self._limit(atom, delta)
            assert atom.linear is not None
            if atom.linear.weights[0] > 0:
                high = min(high, failing - 1)
                none, every = none and not fails_at_none, every and not fails_at_all
            else:
                low = max(low, n - failing + 1)
                none, every = none and not fails_at_all, every and not fails_at_none
        return n, low, high, none, every

    def _edge(self, atom: Atom, test: Method, seconds: Array, delta: float) -> Edge:
        """Counts of the second rate, and for each the highest count of the first that passes."""
        trials = [self.trials[estimand] for estimand in atom.estimands]
        key = (*trials, atom.linear, delta)
        if key not in self._edges:
            assert test.acceptance_region is not None
            edge = test.acceptance_region(delta)
            few = self.corrected and test.guarantee == "exact" and min(trials) < FEW_ROWS
            self._edges[key] = self._corrected(atom, edge, seconds, delta) if few else edge
        return self._edges[key]

    def _corrected(self, atom: Atom, edge: Edge, seconds: Array, delta: float) -> Edge:
        """The edge, moved by its distance from the exact test's own edge."""
        n = self.trials[atom.estimands[0]]
        asked = np.unique(np.quantile(seconds, np.linspace(0.01, 0.99, CORRECTIONS)).round())
        near = _highest(edge, asked)
        moved = [
            halved(
                partial(self._fails, atom, delta, [second]),
                max(first - APART, -1),
                min(first + APART, n) + 1,
            )
            for second, first in zip(asked.tolist(), near.astype(int).tolist(), strict=True)
        ]
        return edge[0], edge[1] + np.interp(edge[0], asked, np.array(moved) - 1 - near).round()

    def _fails(self, atom: Atom, delta: float, others: Sequence[float], first: int) -> bool:
        """Whether the table of `first` and `others`, in positive form, fails the test."""
        table = self._in_positive_form(atom, [float(first), *others])
        return not self.accepts(atom, dict(zip(atom.estimands, table, strict=True)), delta)

    def _in_positive_form(self, atom: Atom, columns: Sequence[Any]) -> list[Any]:
        """Successes of rates with positive weights, and failures of rates with negative weights."""
        assert atom.linear is not None
        weights = zip(atom.estimands, atom.linear.weights, strict=True)
        return [
            k if weight > 0 else self.trials[estimand] - k
            for (estimand, weight), k in zip(weights, columns, strict=True)
        ]

    def _evidence(self, table: Mapping[Estimand, float]) -> Evidence:
        samples = {m: Sample(k, self.trials[m], self.trials[m]) for m, k in table.items()}
        n_rows = self.n_rows or sum(self.trials.values())
        evidence = Evidence(
            samples, mutually_exclusive_columns=self.mutually_exclusive_columns, n_rows=n_rows
        )
        if self.correlation is None:
            return evidence
        return replace(evidence, variance=partial(self._variance, evidence))

    def _variance(
        self, evidence: Evidence, estimands: Sequence[Estimand], slopes: Sequence[float]
    ) -> float:
        """The `variance` of `evidence` for correlated estimates."""
        assert self.correlation is not None
        position = [list(self.trials).index(estimand) for estimand in estimands]
        samples = [evidence.samples[estimand] for estimand in estimands]
        spreads = np.array([s.estimate * (1.0 - s.estimate) / s.trials for s in samples])
        moves = np.array(slopes) * np.sqrt(np.clip(spreads, 0.0, None))
        of_estimate = float(moves @ self.correlation[np.ix_(position, position)] @ moves)
        return of_estimate * evidence.n_rows


def is_rate_limit(tree: Tree) -> TypeGuard[Atom]:
    """Whether `tree` is a limit on one rate, so that a largest or smallest count passes."""
    if not isinstance(tree, Atom) or tree.linear is None or len(tree.estimands) != 1:
        return False
    return isinstance(tree.estimands[0].quantity, Rate)


def _highest(edge: Edge, seconds: Array) -> Array:
    """The highest counts of the first rate that pass with the counts `seconds`."""
    return np.floor(np.interp(seconds, *edge) + 1e-9)

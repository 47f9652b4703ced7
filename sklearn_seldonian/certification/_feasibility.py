"""Whether any decisions at all could pass a safety test on so many rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._planning import MAX_ROWS, rows_of, smallest
from sklearn_seldonian.certification._safety_test import passes
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, Tree, fold, parts_of_and
from sklearn_seldonian.measures import Rate

# A table of counts is ruled out only where the test fails at so much of delta, since verdicts that
# are inferred from those of other tables need not follow to the last digit.
ROOM = 1.25
# Tests run before the search for a table that passes is given up; with so many rows of both rates
# it is not begun, since only very narrow limits are hopeless there.
MAX_TESTS = 200
MANY_ROWS = 100

Table = tuple[int, ...]


def minimum_rows(
    tree: Tree,
    delta: float,
    shares: Mapping[Estimand, float],
    n_rows: int,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
) -> int | None:
    """How many rows it takes before decisions could pass, if `n_rows` is too few for any.

    Parameters
    ----------
    tree : And, Or or Atom
    delta : float in (0, 1)
    shares : mapping of Estimand to float
        The largest share of the rows that any decisions can give each mean.
    n_rows : int
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.

    Returns
    -------
    int or None
        About how many. None where decisions might pass on `n_rows` rows, or where no number of
        rows is known to be enough.

    Notes
    -----
    Each atom alone must pass at its most favourable counts. Atoms of an AND over the same rates
    must also pass at the same counts, and what is favourable to ``a - b`` is not to ``b - a``.
    All tables of counts are divided into boxes. A box is ruled out where one atom fails even at the
    corner that is most favourable to it, and is halved otherwise; if all are ruled out, no
    decisions pass. Labels and decisions that no model could bring together are not excluded, so
    the tables looked at are more than there are.

    That a corner speaks for its box rests on the test's monotonicity. The edge of Clopper and
    Pearson's test is monotone in the count. The exact test of two rates orders tables by a
    statistic that rises in both counts (proved in `score_statistic`), and so do its p-values
    wherever the worst rates are the same. What its box of likely rates may change from one table
    to the next is allowed for by testing corners at 1.25 delta. Constraints with other tests, over
    two rates that both have 100 rows, or for which 200 tests do not suffice, are never said to be
    hopeless on that account.
    """
    searches = _searches(tree, delta, method, mutually_exclusive_columns)

    def trials_in(n: int) -> dict[Estimand, int]:
        return {estimand: rows_of(n, share) for estimand, share in shares.items()}

    def could_pass(n: int) -> bool:
        leaf = partial(_best_case_passes, trials=trials_in(n), method=method)
        return fold(tree, leaf, all, any, delta)

    def constants_could_pass(n: int) -> bool:
        return could_pass(n) and all(search.constant_passes(trials_in(n)) for search in searches)

    suffices = could_pass
    if could_pass(n_rows):
        if all(search.might_pass(trials_in(n_rows)) for search in searches):
            return None
        suffices = constants_could_pass
    return smallest(suffices, n_rows) if suffices(MAX_ROWS) else None


def _best_case_passes(
    atom: Atom, delta: float, trials: Mapping[Estimand, int], method: str
) -> bool:
    """Whether an atom passes at its most favourable counts."""
    if atom.linear is None or len(atom.estimands) != 1:
        return True
    (estimand,), (weight,) = atom.estimands, atom.linear.weights
    value = estimand.quantity.range[weight < 0]
    if not math.isfinite(value):
        return True
    n = trials[estimand]
    return passes(atom, Evidence({estimand: Sample(value * n, n, n)}, n_rows=n), delta, method)


# -- atoms over the same two rates -------------------------------------------------------


def _searches(
    tree: Tree, delta: float, method: str, mutually_exclusive_columns: ExclusiveColumns
) -> list[_TableSearch]:
    """For each pair of rates that an AND is over, the atoms that are over both."""
    if method not in ("auto", "exact"):
        return []
    pairs: dict[frozenset[Estimand], list[Atom]] = {}
    for part, _ in parts_of_and(tree, delta):
        if isinstance(part, Atom) and _is_of_two_rates(part, mutually_exclusive_columns):
            pairs.setdefault(frozenset(part.estimands), []).append(part)
    return [
        _TableSearch(atoms, delta, method, mutually_exclusive_columns) for atoms in pairs.values()
    ]


def _is_of_two_rates(atom: Atom, mutually_exclusive_columns: ExclusiveColumns) -> bool:
    """Whether the exact test tests it, on rows whose number no decisions change."""
    return (
        atom.linear is not None
        and len(atom.estimands) == 2
        and atom.has_independent_estimands(mutually_exclusive_columns)
        and all(
            isinstance(estimand.quantity, Rate) and not estimand.quantity.conditions_on_prediction
            for estimand in atom.estimands
        )
    )


@dataclass
class _TableSearch:
    """Looks for a table of two rates with which all of some atoms pass."""

    atoms: Sequence[Atom]
    delta: float
    method: str
    mutually_exclusive_columns: ExclusiveColumns
    n_tests: int = field(default=0)

    @property
    def estimands(self) -> tuple[Estimand, ...]:
        return self.atoms[0].estimands

    def constant_passes(self, trials: Mapping[Estimand, int]) -> bool:
        """Whether the decisions that are the same for all rows pass."""
        return any(
            all(self._accepts(atom, table, trials, self.delta) for atom in self.atoms)
            for table in ((0, 0), tuple(trials[estimand] for estimand in self.estimands))
        )

    def might_pass(self, trials: Mapping[Estimand, int]) -> bool:
        """Whether any table might pass; True where that cannot be told soon enough."""
        ends = tuple(trials[estimand] for estimand in self.estimands)
        # What a group without rows means is said by the test.
        if not min(ends) or min(ends) >= MANY_ROWS or self.constant_passes(trials):
            return True
        boxes: list[tuple[Table, Table]] = [((0, 0), ends)]
        while boxes:
            low, high = boxes.pop()
            if not all(self._best_corner_passes(atom, low, high, trials) for atom in self.atoms):
                continue
            if low == high or self.n_tests > MAX_TESTS:
                return True
            boxes += _halves(low, high, ends)
        return False

    def _best_corner_passes(
        self, atom: Atom, low: Table, high: Table, trials: Mapping[Estimand, int]
    ) -> bool:
        assert atom.linear is not None
        of_mean = dict(zip(self.estimands, zip(low, high, strict=True), strict=True))
        corner = {
            estimand: of_mean[estimand][weight < 0]
            for estimand, weight in zip(atom.estimands, atom.linear.weights, strict=True)
        }
        table = tuple(corner[estimand] for estimand in self.estimands)
        return self._accepts(atom, table, trials, min(ROOM * self.delta, 0.999))

    def _accepts(
        self, atom: Atom, table: Table, trials: Mapping[Estimand, int], delta: float
    ) -> bool:
        self.n_tests += 1
        counts = dict(zip(self.estimands, table, strict=True))
        samples = {
            estimand: Sample(k, trials[estimand], trials[estimand])
            for estimand, k in counts.items()
        }
        n_rows = sum(trials[estimand] for estimand in self.estimands)
        evidence = Evidence(
            samples, mutually_exclusive_columns=self.mutually_exclusive_columns, n_rows=n_rows
        )
        return passes(atom, evidence, delta, self.method)


def _halves(low: Table, high: Table, ends: Table) -> list[tuple[Table, Table]]:
    """The box of tables from `low` to `high` in two, across its longest side."""
    sides = [(last - first) / n for first, last, n in zip(low, high, ends, strict=True)]
    side = sides.index(max(sides))
    middle = (low[side] + high[side]) // 2
    below, above = list(high), list(low)
    below[side], above[side] = middle, middle + 1
    return [(low, tuple(below)), (tuple(above), high)]

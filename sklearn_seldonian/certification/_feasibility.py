"""Whether any decisions at all could pass a safety test with a given number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from sklearn_seldonian.certification._acceptance import AcceptanceSet
from sklearn_seldonian.certification._planning import rows_in
from sklearn_seldonian.certification._search import MAX_ROWS, smallest
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, Tree, fold, parts_of_and
from sklearn_seldonian.measures import Rate

# A table of counts is ruled out only if the test fails at this multiple of delta. Verdicts that are
# inferred from other tables may be slightly off.
ROOM = 1.25
# The search for a table that passes stops after this many boxes. If both rates have at least
# `MANY_ROWS` rows it is not started, because only very narrow limits are infeasible there.
MAX_BOXES = 130
MANY_ROWS = 100

# The lowest and the highest count of each rate.
Box = dict[Estimand, tuple[int, int]]


def minimum_rows(
    tree: Tree,
    delta: float,
    shares: Mapping[Estimand, float],
    n_rows: int,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
) -> int | None:
    """The number of rows from which any decisions can pass, if `n_rows` is too few.

    Parameters
    ----------
    tree : And, Or or Atom
    delta : float in (0, 1)
    shares : mapping of Estimand to float
        The largest share of the rows that any decisions can give each estimand.
    n_rows : int
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.

    Returns
    -------
    int or None
        About how many. None if decisions might pass with `n_rows` rows, or if no number of rows is
        known to be enough.

    Notes
    -----
    Each atom must pass at its most favourable counts. Atoms of an AND over the same rates must also
    pass at the same counts, and counts that are favourable to ``a - b`` are unfavourable to ``b -
    a``. All tables of counts are divided into boxes. A box is ruled out if one atom fails even at
    the corner that is most favourable to it; otherwise the box is halved. If all boxes are ruled
    out, no decisions pass. The search includes tables that no model can produce, so it errs on the
    side of feasible.

    A corner represents its box because the tests are monotone. The edge of Clopper and Pearson's
    test is monotone in the count. The exact test of two rates orders tables by a statistic that
    rises in both counts (proved in `score_statistic`), and its p-values rise too wherever the worst
    rates are the same. Its box of likely rates may change from one table to the next; to allow for
    that, corners are tested at 1.25 delta. The function never reports infeasibility for constraints
    with other tests, for two rates that both have 100 rows, or if 130 boxes do not suffice.
    """
    pairs = _atoms_by_pair(tree, mutually_exclusive_columns)
    if method not in ("auto", "exact"):
        pairs = []

    def on(n: int) -> AcceptanceSet:
        return AcceptanceSet(rows_in(shares, n), method, mutually_exclusive_columns)

    def could_pass(n: int) -> bool:
        return fold(tree, partial(_best_case_passes, on(n)), all, any, delta)

    def constants_could_pass(n: int) -> bool:
        return could_pass(n) and all(_constant_passes(atoms, on(n), delta) for atoms in pairs)

    suffices = could_pass
    if could_pass(n_rows):
        if all(_might_pass(atoms, on(n_rows), delta) for atoms in pairs):
            return None
        suffices = constants_could_pass
    return smallest(suffices, n_rows) if suffices(MAX_ROWS) else None


def _best_case_passes(acceptance: AcceptanceSet, atom: Atom, delta: float) -> bool:
    """Whether an atom passes at the counts that are most favourable to it."""
    if atom.linear is None or len(atom.estimands) != 1:
        return True
    (estimand,), (weight,) = atom.estimands, atom.linear.weights
    value = estimand.quantity.range[weight < 0]
    table = {estimand: value * acceptance.trials[estimand]}
    return not math.isfinite(value) or acceptance.accepts(atom, table, delta)


# -- atoms over the same two rates -------------------------------------------------------


def _atoms_by_pair(tree: Tree, mutually_exclusive_columns: ExclusiveColumns) -> list[list[Atom]]:
    """For each pair of rates, the atoms of an AND that are over both."""
    pairs: dict[frozenset[Estimand], list[Atom]] = {}
    for part, _ in parts_of_and(tree, 1.0):
        if isinstance(part, Atom) and _is_of_two_rates(part, mutually_exclusive_columns):
            pairs.setdefault(frozenset(part.estimands), []).append(part)
    return list(pairs.values())


def _is_of_two_rates(atom: Atom, mutually_exclusive_columns: ExclusiveColumns) -> bool:
    """Whether the exact test of two rates applies, with numbers of rows that are fixed."""
    return (
        atom.linear is not None
        and len(atom.estimands) == 2
        and atom.has_independent_estimands(mutually_exclusive_columns)
        and all(
            isinstance(estimand.quantity, Rate) and not estimand.quantity.conditions_on_prediction
            for estimand in atom.estimands
        )
    )


def _constant_passes(atoms: Sequence[Atom], acceptance: AcceptanceSet, delta: float) -> bool:
    """Whether decisions that are the same for all rows pass all of the `atoms`."""
    everything = {estimand: acceptance.trials[estimand] for estimand in atoms[0].estimands}
    return any(
        all(acceptance.accepts(atom, table, delta) for atom in atoms)
        for table in (dict.fromkeys(everything, 0), everything)
    )


def _might_pass(atoms: Sequence[Atom], acceptance: AcceptanceSet, delta: float) -> bool:
    """Whether any table might pass all `atoms`; True if the search would take too long."""
    trials = {estimand: acceptance.trials[estimand] for estimand in atoms[0].estimands}
    fewest = min(trials.values())
    # Groups without rows are handled by the test itself.
    if not fewest or fewest >= MANY_ROWS or _constant_passes(atoms, acceptance, delta):
        return True
    boxes: list[Box] = [{estimand: (0, n) for estimand, n in trials.items()}]
    for _ in range(MAX_BOXES):
        box = boxes.pop()
        corners = ((atom, _best_corner(atom, box)) for atom in atoms)
        lenient = min(ROOM * delta, 0.999)
        if all(acceptance.accepts(atom, corner, lenient) for atom, corner in corners):
            if all(low == high for low, high in box.values()):
                return True
            boxes += _halves(box, trials)
        if not boxes:
            return False
    return True


def _best_corner(atom: Atom, box: Box) -> dict[Estimand, float]:
    """The table of a box that is most favourable to an atom."""
    assert atom.linear is not None
    weights = zip(atom.estimands, atom.linear.weights, strict=True)
    return {estimand: box[estimand][weight < 0] for estimand, weight in weights}


def _halves(box: Box, trials: Mapping[Estimand, int]) -> list[Box]:
    """The two halves of a box, cut across its longest side."""
    side = max(box, key=lambda estimand: (box[estimand][1] - box[estimand][0]) / trials[estimand])
    low, high = box[side]
    middle = (low + high) // 2
    return [box | {side: (low, middle)}, box | {side: (middle + 1, high)}]

"""Whether any decisions at all could pass a safety test on so many rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from sklearn_seldonian.certification._acceptance import AcceptanceSet
from sklearn_seldonian.certification._planning import rows_in
from sklearn_seldonian.certification._search import MAX_ROWS, smallest
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, Tree, fold, parts_of_and
from sklearn_seldonian.measures import Rate

# A table of counts is ruled out only where the test fails at so much of delta, since verdicts that
# are inferred from those of other tables need not follow to the last digit.
ROOM = 1.25
# Boxes looked at before the search for a table that passes is given up; with so many rows of both
# rates it is not begun, since only very narrow limits are hopeless there.
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
    two rates that both have 100 rows, or for which 130 boxes do not suffice, are never said to be
    hopeless on that account.
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
    """Whether an atom passes at its most favourable counts."""
    if atom.linear is None or len(atom.estimands) != 1:
        return True
    (estimand,), (weight,) = atom.estimands, atom.linear.weights
    value = estimand.quantity.range[weight < 0]
    table = {estimand: value * acceptance.trials[estimand]}
    return not math.isfinite(value) or acceptance.accepts(atom, table, delta)


# -- atoms over the same two rates -------------------------------------------------------


def _atoms_by_pair(tree: Tree, mutually_exclusive_columns: ExclusiveColumns) -> list[list[Atom]]:
    """For each pair of rates that an AND is over, the atoms that are over both."""
    pairs: dict[frozenset[Estimand], list[Atom]] = {}
    for part, _ in parts_of_and(tree, 1.0):
        if isinstance(part, Atom) and _is_of_two_rates(part, mutually_exclusive_columns):
            pairs.setdefault(frozenset(part.estimands), []).append(part)
    return list(pairs.values())


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


def _constant_passes(atoms: Sequence[Atom], acceptance: AcceptanceSet, delta: float) -> bool:
    """Whether decisions that are the same for all rows pass all of the `atoms`."""
    everything = {estimand: acceptance.trials[estimand] for estimand in atoms[0].estimands}
    return any(
        all(acceptance.accepts(atom, table, delta) for atom in atoms)
        for table in (dict.fromkeys(everything, 0), everything)
    )


def _might_pass(atoms: Sequence[Atom], acceptance: AcceptanceSet, delta: float) -> bool:
    """Whether any table might pass all `atoms`; True where that cannot be told soon enough."""
    trials = {estimand: acceptance.trials[estimand] for estimand in atoms[0].estimands}
    fewest = min(trials.values())
    # What a group without rows means is said by the test.
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
    """A box in two, across its longest side."""
    side = max(box, key=lambda estimand: (box[estimand][1] - box[estimand][0]) / trials[estimand])
    low, high = box[side]
    middle = (low + high) // 2
    return [box | {side: (low, middle)}, box | {side: (middle + 1, high)}]

"""The tightest limit with which a constraint passes, where that is not its atoms' own bound.

A constraint such as ``a / b <= c`` is tested as ``a - c b <= 0``. Its bound is the least limit in
place of c that passes. The limits looked at are a fixed set, so that the bound does not depend on
the limit that was asked.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import cache, partial

from sklearn_seldonian.certification._decide import passes, worst_first
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._search import halved
from sklearn_seldonian.constraints import ResolvedConstraint, Tree, parts_of_and, shape

# Limits are told apart by this share of them, and by so much of `FINE_BELOW` where they are small.
ACCURACY = 2.0**-13
FINE_BELOW = 1e-3
# Steps from zero to beyond 10**6.
N_STEPS = 180_000


def tightest_limit(
    constraint: ResolvedConstraint, evidence: Evidence, delta: float, method: str, asked: float
) -> float:
    """The least limit on g that would pass, where zero is as good as `asked`; infinite if none.

    Rests on tests that pass with every limit that is easier to meet than one that passes. That is
    proved for exact and finite-sample tests, and assumed for asymptotic ones. The parts of an AND
    are looked at one by one; the whole has to pass in the end.
    """

    @cache
    def tree_at(step: int) -> Tree:
        return constraint.with_margin(_limit_at(step) - asked)

    def part_passes(key: Hashable, step: int) -> bool:
        """Whether a part passes at a limit; where it has no counterpart there, whether all do."""
        part = _parts(tree_at(step)).get(key, tree_at(step))
        return passes(part, evidence, delta, method)

    in_order = [shape(part) for part in worst_first(_parts(constraint.tree).values(), evidence)]
    step, done = -N_STEPS, set[Hashable]()
    while True:
        waiting = [key for key in (*in_order, *_parts(tree_at(step))) if key not in done]
        failing = next((key for key in waiting if not part_passes(key, step)), None)
        if failing is None:
            holds = passes(tree_at(step), evidence, delta, method)
            return _limit_at(step) if holds else math.inf
        if not part_passes(failing, N_STEPS):
            return math.inf
        done.update(waiting[: waiting.index(failing) + 1])
        step = halved(partial(part_passes, failing), step, N_STEPS)


def _limit_at(step: int) -> float:
    """Even steps below `FINE_BELOW`, and steps of a fixed share of the limit above."""
    return FINE_BELOW * math.sinh(step * ACCURACY)


def _parts(tree: Tree) -> dict[Hashable, Tree]:
    """What all has to pass, by what it has in common with the parts at other limits."""
    return {shape(part): part for part, _ in parts_of_and(tree, 1.0)}

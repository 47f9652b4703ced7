"""The tightest limit with which a constraint passes, for constraints without a direct bound.

A constraint such as ``a / b <= c`` is tested as ``a - c b <= 0``. Its bound is the smallest limit
that passes in place of c. The limits come from a fixed set, so the bound does not depend on the
limit in the constraint.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import cache, partial

from sklearn_seldonian.certification._decide import passes, worst_first
from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._search import halved
from sklearn_seldonian.constraints import ResolvedConstraint, Tree, parts_of_and, shape

# Neighbouring limits differ by this share of themselves; below FINE_BELOW, by this share of it.
ACCURACY = 2.0**-13
FINE_BELOW = 1e-3
# The number of steps from zero to beyond 10**6.
N_STEPS = 180_000


def tightest_limit(
    constraint: ResolvedConstraint, evidence: Evidence, delta: float, method: str, asked: float
) -> float:
    """The smallest limit on g that would pass, for a constraint with the limit `asked`.

    The result is infinite if no limit passes. The search relies on monotone tests: if a limit
    passes, every easier limit passes. That is proved for exact and finite-sample tests, and assumed
    for asymptotic ones. The parts of an AND are searched one by one; in the end the whole must
    pass.
    """

    @cache
    def tree_at(step: int) -> Tree:
        return constraint.with_margin(_limit_at(step) - asked)

    def part_passes(key: Hashable, step: int) -> bool:
        """Whether a part passes at a limit; without a counterpart there, whether all parts pass."""
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
    """The limit at a step: even steps below `FINE_BELOW`, above it a fixed share of the limit."""
    return FINE_BELOW * math.sinh(step * ACCURACY)


def _parts(tree: Tree) -> dict[Hashable, Tree]:
    """The parts that must all pass, keyed by the shape that they share at all limits."""
    return {shape(part): part for part, _ in parts_of_and(tree, 1.0)}

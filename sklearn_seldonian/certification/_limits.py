"""The tightest limit with which a constraint passes, where that is not its atoms' own bound.

A constraint such as ``a / b <= c`` is tested as ``a - c b <= 0``. Its bound is the least limit in
place of c that passes. The limits looked at are a fixed set, so that the bound does not depend on
the limit that was asked.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._safety_test import passes, worst_first
from sklearn_seldonian.constraints import ResolvedConstraint, Tree, atoms_of, parts_of_and

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
    tests = _Tests(constraint, evidence, delta, method, asked)
    step, done = -N_STEPS, set[Hashable]()
    in_order = tests.worst_first()
    while True:
        waiting = [key for key in (*in_order, *tests.at(step)) if key not in done]
        failing = next((key for key in waiting if not tests.passes(key, step)), None)
        if failing is None:
            return _limit_at(step) if tests.pass_at(step) else math.inf
        if not tests.passes(failing, N_STEPS):
            return math.inf
        done.update(waiting[: waiting.index(failing) + 1])
        step = tests.least_passing(failing, step)


def _limit_at(step: int) -> float:
    """Even steps below `FINE_BELOW`, and steps of a fixed share of the limit above."""
    return FINE_BELOW * math.sinh(step * ACCURACY)


def _key(part: Tree) -> Hashable:
    """What a part has in common with the same part at another limit."""
    return tuple(
        (atom.estimands, atom.linear and tuple(weight > 0 for weight in atom.linear.weights))
        for atom in atoms_of(part)
    )


@dataclass(frozen=True)
class _Tests:
    """The tests of the parts of a constraint at each limit; zero margin is the limit `asked`."""

    constraint: ResolvedConstraint
    evidence: Evidence
    delta: float
    method: str
    asked: float
    _trees: dict[int, Tree] = field(default_factory=dict)

    def tree(self, step: int) -> Tree:
        if step not in self._trees:
            margin = _limit_at(step) - self.asked
            self._trees[step] = self.constraint.with_margin(margin)
        return self._trees[step]

    def at(self, step: int) -> dict[Hashable, Tree]:
        """The parts at a limit, by what they have in common with those at others."""
        return {_key(part): part for part in self.parts(self.tree(step))}

    def parts(self, tree: Tree) -> list[Tree]:
        """What all has to pass."""
        return [part for part, _ in parts_of_and(tree, self.delta)]

    def pass_at(self, step: int) -> bool:
        """Whether all parts pass."""
        return passes(self.tree(step), self.evidence, self.delta, self.method)

    def worst_first(self) -> list[Hashable]:
        """The parts at the limit that was asked, the least likely to pass first."""
        return list(map(_key, worst_first(self.parts(self.constraint.tree), self.evidence)))

    def passes(self, key: Hashable, step: int) -> bool:
        """Whether a part passes; where it has no counterpart, whether all do."""
        part = self.at(step).get(key, self.tree(step))
        return passes(part, self.evidence, self.delta, self.method)

    def least_passing(self, key: Hashable, failing: int) -> int:
        """The least step above one that fails with which the part passes."""
        passing = N_STEPS
        while passing - failing > 1:
            middle = (failing + passing) // 2
            if self.passes(key, middle):
                passing = middle
            else:
                failing = middle
        return passing

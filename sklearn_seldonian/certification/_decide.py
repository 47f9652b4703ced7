"""The safety test: is a constraint satisfied, with confidence 1 - delta?

Each atom gets an upper confidence bound. An AND passes if all its children pass at the full delta.
An OR of k children passes if one child passes at delta / k. If other rows have chosen one child of
an OR beforehand, the tree contains only that child (`constraints._choice`).

Why the joint promise holds. Suppose the constraint is violated. If it is an AND, one
child is violated, and the AND passes only if that child passes, which by induction has
probability at most delta (the intersection-union test [1]_). If it is an OR, all its
children are violated, and by Bonferroni's inequality the probability that any passes is
at most k * delta / k. All constraints of one fit are an AND too, so the probability that
all pass while any is violated is at most the largest of their deltas. None of this needs
the tests to be independent.

References
----------
.. [1] R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling",
   Technometrics 24(4), 1982.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.certification._fields import GUARANTEES
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.constraints import (
    Atom,
    Or,
    Tree,
    atoms_of,
    fold_numbers,
    shares,
)


class Verdict(NamedTuple):
    """Outcome of testing one constraint.

    Attributes
    ----------
    g_upper : float
        Upper bound, which holds with probability at least 1 - delta, on the tree's value: g where
        its atoms are in g's units, otherwise a value of the same sign.
    p_value : float
        At most delta where the constraint passed; the smallest level at which the tests,
        tuned to delta, would have rejected that it is violated.
    method : str
        How the bound was computed.
    guarantee : {"exact", "finite-sample", "asymptotic", "none"}
    reason : str
        Why there is no bound; empty if there is one.
    """

    g_upper: float
    p_value: float
    method: str
    guarantee: str
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.g_upper <= 0


def safety_test(tree: Tree, evidence: Evidence, delta: float, method: str = "auto") -> Verdict:
    """Test the constraint `tree` on evidence from rows that nothing was fitted to.

    Parameters
    ----------
    tree : And, Or or Atom
    evidence : Evidence
        Has a sample for each estimand in `tree`.
    delta : float in (0, 1)
        Probability with which a violated constraint may pass.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
    """
    test = _Test(evidence, method, {})
    leaves = [test.method_of(atom) for atom in atoms_of(tree)]
    g_upper = test.upper(tree, delta)
    return Verdict(
        math.inf if math.isnan(g_upper) else g_upper,
        test.p_value(tree, delta),
        " + ".join(sorted({method.name for method in leaves})),
        min((method.guarantee for method in leaves), key=GUARANTEES.index),
        "; ".join(dict.fromkeys(method.reason for method in leaves if method.reason)),
    )


def passes(tree: Tree, evidence: Evidence, delta: float, method: str = "auto") -> bool:
    """Whether `safety_test` passes, without computing its bound."""
    return _Test(evidence, method, {}).is_below(tree, 0.0, delta)


def worst_first(trees: Iterable[Tree], evidence: Evidence) -> list[Tree]:
    """The trees sorted by their values at the estimates, the highest first."""
    return sorted(trees, key=_Test(evidence, "auto", {}).estimate, reverse=True)


@dataclass(frozen=True)
class _Test:
    """The tests of a tree's atoms on some evidence, with a cache of each atom's method."""

    evidence: Evidence
    method: str
    methods: dict[Atom, Method]

    def method_of(self, atom: Atom) -> Method:
        if atom not in self.methods:
            self.methods[atom] = method_for(atom, self.evidence, self.method)
        return self.methods[atom]

    def upper(self, tree: Tree, delta: float) -> float:
        if isinstance(tree, Atom):
            return self.method_of(tree).upper(delta)
        if isinstance(tree, Or):
            return min(self.upper(child, share) for child, share in _alternatives(tree, delta))
        # An atom that holds for all values of the means cannot make the constraint fail.
        highest = max((min(0.0, self.upper(a, delta)) for a in tree.implied), default=-math.inf)
        # The bound of a child is computed only if it is above the highest one so far.
        in_order = sorted(shares(tree, delta), key=lambda t: self.estimate(t[0]), reverse=True)
        for child, share in in_order:
            if not self.is_below(child, highest, share):
                upper = self.upper(child, share)
                highest = math.inf if math.isnan(upper) else max(highest, upper)
        return highest

    def is_below(self, tree: Tree, limit: float, delta: float) -> bool:
        """Whether the tree's upper bound is at most `limit`."""
        if not math.isfinite(limit):
            return limit > 0
        if isinstance(tree, Atom):
            return self.method_of(tree).at_most(limit, delta)
        if isinstance(tree, Or):
            children = _alternatives(tree, delta)
            return any(self.is_below(child, limit, share) for child, share in children)
        below = (self.is_below(child, limit, share) for child, share in shares(tree, delta))
        held = limit >= 0 or all(self.is_below(atom, limit, delta) for atom in tree.implied)
        return held and all(below)

    def p_value(self, tree: Tree, delta: float) -> float:
        if isinstance(tree, Atom):
            p_value = self.method_of(tree).p_value(delta)
            return 1.0 if math.isnan(p_value) else p_value
        if isinstance(tree, Or):
            children = _alternatives(tree, delta)
            return min(1.0, len(children) * min(self.p_value(*each) for each in children))
        return max(self.p_value(child, share) for child, share in shares(tree, delta))

    def estimate(self, tree: Tree) -> float:
        """The tree's value at the estimates, for sorting; infinite if it is undefined."""
        return fold_numbers(tree, self._atom_estimate)

    def _atom_estimate(self, atom: Atom, _delta: float) -> float:
        value = self.evidence.worst_estimate(atom.expression, atom.estimands)
        return math.inf if math.isnan(value) else value


def _alternatives(tree: Or, delta: float) -> tuple[tuple[Tree, float], ...]:
    """The children of an OR, each with its share of delta.

    Raises
    ------
    ValueError
        If one of them should have been chosen before the test.
    """
    if tree.is_open:
        raise ValueError(
            "No alternative of an OR was chosen before the test. Choose one with with_choices, or "
            "with_choices(None) to share delta."
        )
    return shares(tree, delta)

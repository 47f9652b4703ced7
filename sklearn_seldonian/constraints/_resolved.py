"""Constraints over estimands, which training and the safety test use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints._choice import Choice, alternatives_in_words, chosen, opened
from sklearn_seldonian.constraints._nodes import (
    Condition,
    Constraint,
    Negative,
    Node,
    Number,
)
from sklearn_seldonian.constraints._parse import parse
from sklearn_seldonian.constraints._resolve import Estimand, means_of, resolve
from sklearn_seldonian.constraints._schema import Schema
from sklearn_seldonian.constraints._split import atom_range, shifted, split
from sklearn_seldonian.constraints._tails import has_tail, refuse_lower_limits
from sklearn_seldonian.constraints._tree import And, Or, Tree, atoms_of, fold_numbers, subtrees
from sklearn_seldonian.measures import Expectation, RowMeasure

NOT_LISTS = (Mapping, Set, bytes, pd.DataFrame)


@dataclass(frozen=True)
class ResolvedConstraint:
    """A constraint over estimands.

    Attributes
    ----------
    source : Constraint
        The constraint as the user wrote it.
    g : Node
        The resolved expression of the canonical form ``g <= 0``.
    tree : And, Or or Atom
        ``g <= 0`` as AND and OR over atoms.
    estimands : tuple of Estimand
        The distinct estimands in `g`.
    choice : Choice or None, default=None
        The child of each OR that is tested, if it was chosen beforehand. None: all children are
        tested, each at its share of delta, or the choice is still open.
    """

    source: Constraint
    g: Node
    tree: Tree
    estimands: tuple[Estimand, ...]
    choice: Choice | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The distinct conditions of its estimands."""
        return distinct_conditions(self.estimands)

    @property
    def tested_means(self) -> tuple[Estimand, ...]:
        """The distinct estimands that need a test; arithmetic may settle the others."""
        return tuple(dict.fromkeys(m for atom in atoms_of(self.tree) for m in atom.estimands))

    @property
    def is_impossible(self) -> bool:
        """Whether no model can satisfy it, because the smallest possible g is above zero."""
        return fold_numbers(self.tree, lambda atom, _: atom_range(atom).low) > 0

    @property
    def in_units(self) -> bool:
        """Whether all atoms of the tree have the units of g, and not only its sign."""
        ands = (tree for tree in subtrees(self.tree) if isinstance(tree, And))
        trees = self.tree, *(implied for tree in ands for implied in tree.implied)
        return all(atom.in_units for tree in trees for atom in atoms_of(tree))

    @property
    def has_tail(self) -> bool:
        """Whether g contains a conditional value at risk, of which there are upper bounds only."""
        return has_tail(self.g)

    @property
    def opposite(self) -> Tree:
        """The tree of ``g >= 0``; if it passes, g is violated with confidence 1 - delta.

        It never passes if that needs a lower bound on a conditional value at risk.
        """
        return split(Number(1.0) if self.has_tail else Negative(self.g))

    def with_margin(self, margin: float) -> Tree:
        """The tree of ``g <= margin``, with the same choice."""
        tree = split(shifted(self.g, margin))
        return tree if self.choice is None else chosen(tree, self.choice)

    @property
    def is_open(self) -> bool:
        """Whether there are open ORs, of which one child must be chosen."""
        return any(isinstance(tree, Or) and tree.is_open for tree in subtrees(self.tree))

    def opened(self) -> ResolvedConstraint:
        """The same with open ORs, of which one child must be chosen before the test."""
        return replace(self, tree=opened(self.tree))

    def with_choice(self, made: Choice | None) -> ResolvedConstraint:
        """The same with the chosen children instead of open ORs; None means all children."""
        if not self.is_open:
            return self
        tree = split(self.g)
        return replace(self, tree=tree if made is None else chosen(tree, made), choice=made)

    @property
    def chosen_alternatives(self) -> tuple[str, ...]:
        """The alternatives that were chosen for the test, as inequalities."""
        return alternatives_in_words(split(self.g), self.choice) if self.choice else ()


def parse_all(constraints: str | Constraint | Iterable[str | Constraint]) -> tuple[Constraint, ...]:
    """The constraints in an estimator's parameter: one or several, as text or parsed.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(constraints, np.ndarray | np.generic):
        constraints = constraints.tolist()
    alone = isinstance(constraints, str | Constraint)
    several: object = (constraints,) if alone else constraints
    if not isinstance(several, Iterable) or isinstance(several, NOT_LISTS):
        raise TypeError(
            "constraints must be a string, a Constraint, or a sequence of them (() for none); "
            f"got {short(constraints)}."
        )
    return tuple(c if isinstance(c, Constraint) else parse(c) for c in several)


def bind(constraint: Constraint, schema: Schema) -> ResolvedConstraint:
    """Look up every name of `constraint` in `schema`.

    Raises
    ------
    ConstraintNameError
        If a measure, column, level or class does not exist, or if the constraint needs a lower
        bound on a conditional value at risk.

    Examples
    --------
    >>> from sklearn_seldonian.constraints import Schema, bind, parse
    >>> schema = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1)})
    >>> resolved = bind(parse("abs(PR | [M] - 0.5) <= 0.1"), schema)
    >>> [str(estimand) for estimand in resolved.estimands]
    ['PR | [M]']
    """
    g = resolve(constraint, schema)
    tree = split(g)
    refuse_lower_limits(constraint, tree)
    return ResolvedConstraint(constraint, g, tree, means_of(g))


def distinct_estimands(constraints: Sequence[ResolvedConstraint]) -> tuple[Estimand, ...]:
    """The estimands of all constraints, each once."""
    return tuple(
        dict.fromkeys(estimand for constraint in constraints for estimand in constraint.estimands)
    )


def distinct_conditions(estimands: Iterable[Estimand]) -> tuple[Condition, ...]:
    """The conditions of all estimands, each once."""
    conditions = (c for estimand in estimands for c in sorted(estimand.conditions, key=str))
    return tuple(dict.fromkeys(conditions))


def distinct_values(estimands: Iterable[Estimand]) -> tuple[RowMeasure, ...]:
    """The row measures that the estimands average, each once."""
    quantities = (estimand.quantity for estimand in estimands)
    return tuple(dict.fromkeys(q.measure for q in quantities if isinstance(q, Expectation)))

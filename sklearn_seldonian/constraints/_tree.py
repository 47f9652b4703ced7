"""The AND/OR tree of a constraint, and the one rule by which delta is spent on it.

An AND passes where all of its children pass, each tested at the full delta: the intersection-union
test [1]_. An OR passes where any of its k children passes at delta / k: Bonferroni's inequality.
Where one child will be chosen before the test, by rows that the test does not see, the OR is open,
and each child has the full delta: only the one that is chosen is tested (`_choice`).
`shares` is this rule. All code that walks down a tree with a delta gets the children from it.

References
----------
.. [1] R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling",
   Technometrics 24(4), 1982.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints._conditions import are_disjoint
from sklearn_seldonian.constraints._nodes import ColumnIs, Condition, Node
from sklearn_seldonian.constraints._resolve import Estimand

T = TypeVar("T")
Array = NDArray[np.float64]

ExclusiveColumns = frozenset[frozenset[str]]


@dataclass(frozen=True)
class Linear:
    """``sum(weights * means) + constant``, the weights in the order of the atom's means."""

    weights: tuple[float, ...]
    constant: float


@dataclass(frozen=True)
class Atom:
    """``expression <= 0``, smooth in its means as far as it could be made so.

    Attributes
    ----------
    expression : Node
    estimands : tuple of Estimand
        Those that `expression` depends on.
    linear : Linear or None
        `expression` once more, where it is linear; its weights are not zero.
    in_units : bool
        Whether `expression` is a value of the constraint's g. Otherwise only its sign says
        something about g.
    is_ratio : bool
        Whether the limit that was asked multiplies a mean, as c does in ``a - c b``, which
        stands for ``a / b - c``.
    """

    expression: Node
    estimands: tuple[Estimand, ...]
    linear: Linear | None
    in_units: bool = True
    is_ratio: bool = False

    def has_independent_estimands(
        self, mutually_exclusive_columns: ExclusiveColumns = frozenset()
    ) -> bool:
        """Whether the means are pairwise `independent`."""
        pairs = itertools.combinations(self.estimands, 2)
        return all(independent(one, other, mutually_exclusive_columns) for one, other in pairs)


@dataclass(frozen=True)
class And:
    """Satisfied where every child is.

    `implied` are trees that are satisfied whatever the means. They need no test; they
    matter where g is wanted, which is the largest of all.
    """

    children: tuple[Tree, ...]
    implied: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Or:
    """Satisfied where some child is.

    `is_open` says that one child is to be chosen before the test, by rows that it does not see.
    The OR cannot be tested until then.
    """

    children: tuple[Tree, ...]
    is_open: bool = False


Tree = And | Or | Atom


# -- walks -------------------------------------------------------------------------------


def shares(tree: And | Or, delta: float) -> tuple[tuple[Tree, float], ...]:
    """The children of a tree that is tested at `delta`, each with the delta of its own test."""
    is_split = isinstance(tree, Or) and not tree.is_open
    share = delta / len(tree.children) if is_split else delta
    return tuple((child, share) for child in tree.children)


def fold(
    tree: Tree,
    leaf: Callable[[Atom, float], T],
    all_of: Callable[[Iterable[T]], T],
    any_of: Callable[[Iterable[T]], T],
    delta: float = 1.0,
) -> T:
    """Fold a tree from its leaves up.

    Parameters
    ----------
    tree : And, Or or Atom
    leaf : callable
        Takes an atom and the delta that its test gets.
    all_of, any_of : callable
        Take the values of the children of an AND, and of an OR. These are computed when they are
        asked for, so that ``all`` and ``any`` stop early.
    delta : float, default=1.0
        What the whole tree is tested at.

    Returns
    -------
    object
        What `leaf`, `all_of` and `any_of` return.

    Examples
    --------
    >>> from sklearn_seldonian.constraints import Schema, bind, fold, parse
    >>> schema = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1)})
    >>> tree = bind(parse("min(FPR, FNR) <= 0.1"), schema).tree
    >>> fold(tree, lambda atom, delta: delta, max, min, delta=0.05)
    0.025
    """
    if isinstance(tree, Atom):
        return leaf(tree, delta)
    combine = any_of if isinstance(tree, Or) else all_of
    return combine(fold(child, leaf, all_of, any_of, own) for child, own in shares(tree, delta))


def fold_numbers(tree: Tree, leaf: Callable[[Atom, float], float], delta: float = 1.0) -> float:
    """Fold numbers of which the largest counts for an AND, and the smallest for an OR."""
    return fold(tree, leaf, lambda values: max(values), lambda values: min(values), delta)


def leaves(tree: Tree, delta: float) -> tuple[tuple[Atom, float], ...]:
    """The atoms of `tree`, left to right, each with the delta that its test gets."""
    if isinstance(tree, Atom):
        return ((tree, delta),)
    return tuple(leaf for child, own in shares(tree, delta) for leaf in leaves(child, own))


def atoms_of(tree: Tree) -> tuple[Atom, ...]:
    """The atoms of `tree`, left to right."""
    return tuple(atom for atom, _ in leaves(tree, 1.0))


def parts_of_and(tree: Tree, delta: float) -> tuple[tuple[Tree, float], ...]:
    """What has to pass for `tree` to pass: the ORs and atoms under its ANDs."""
    if not isinstance(tree, And):
        return ((tree, delta),)
    return tuple(part for child, own in shares(tree, delta) for part in parts_of_and(child, own))


def bonferroni(probabilities: Iterable[Array | float]) -> Array:
    """A lower bound on the probability that all of some events happen, whatever their dependence.

    By Bonferroni's inequality one minus the sum of the probabilities that each fails.
    """
    missed = sum((1.0 - np.asarray(p) for p in probabilities), start=np.zeros(()))
    return np.maximum(0.0, 1.0 - missed)


def subtrees(tree: Tree) -> Iterator[Tree]:
    """The tree and all trees in it, parents first."""
    yield tree
    if not isinstance(tree, Atom):
        for child in tree.children:
            yield from subtrees(child)


# -- what can be said of two means -----------------------------------------------------


def independent(
    one: Estimand, other: Estimand, mutually_exclusive_columns: ExclusiveColumns = frozenset()
) -> bool:
    """Whether the text says that no row counts for both means.

    Then, given how many rows count for each, what happens in the ones says nothing about
    the others. Rows cannot count for both where two conditions exclude each other, or
    where the labels or predictions that count do.

    Parameters
    ----------
    one, other : Estimand
    mutually_exclusive_columns : frozenset of frozenset of str
        Names of 0/1 columns of which at most one is 1 in any row, as far as the data's
        owner says.
    """
    pairs = list(itertools.product(one.conditions, other.conditions))
    if any(are_exclusive(a, b, mutually_exclusive_columns) for a, b in pairs):
        return True
    return not bool((one.quantity.denominator & other.quantity.denominator).any())


def are_exclusive(
    one: Condition, other: Condition, mutually_exclusive_columns: ExclusiveColumns = frozenset()
) -> bool:
    """Whether no row meets both, by their text or by `mutually_exclusive_columns`."""
    match one, other:
        case ColumnIs(column=a, value=True), ColumnIs(column=b, value=True) if a != b:
            return any({a, b} <= names for names in mutually_exclusive_columns)
    return are_disjoint(one, other)

"""The AND/OR tree of a constraint, and the rule by which delta is divided over it.

An AND passes if all of its children pass, each tested at the full delta: the intersection-union
test [1]_. An OR passes if any of its k children passes at delta / k: Bonferroni's inequality. An OR
is open if other rows will choose one child before the test. Each child then has the full delta,
because only the chosen one is tested (`_choice`). `shares` implements this rule. All code that
descends a tree with a delta gets the children from it.

References
----------
.. [1] R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling",
   Technometrics 24(4), 1982.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.constraints._conditions import are_disjoint
from sklearn_seldonian.constraints._nodes import ColumnIs, Comparison, Condition, Literal, Node
from sklearn_seldonian.constraints._resolve import Estimand

T = TypeVar("T")
Array = NDArray[np.float64]

ExclusiveColumns = frozenset[frozenset[str]]


@dataclass(frozen=True)
class Linear:
    """``sum(weights * estimands) + constant``, with the weights in the order of the estimands."""

    weights: tuple[float, ...]
    constant: float


@dataclass(frozen=True)
class Atom:
    """``expression <= 0``, a leaf of the tree; smooth in its estimands where that is possible.

    Attributes
    ----------
    expression : Node
    estimands : tuple of Estimand
        The estimands that `expression` depends on.
    linear : Linear or None
        `expression` as a weighted sum with nonzero weights. None if it is not linear.
    in_units : bool
        Whether `expression` has the value and units of the constraint's g. Otherwise only its sign
        agrees with g.
    is_ratio : bool
        Whether the constraint's limit multiplies an estimand, as c does in ``a - c b``, which
        represents ``a / b - c``.
    """

    expression: Node
    estimands: tuple[Estimand, ...]
    linear: Linear | None
    in_units: bool = True
    is_ratio: bool = False

    def has_independent_estimands(
        self, mutually_exclusive_columns: ExclusiveColumns = frozenset()
    ) -> bool:
        """Whether the estimands are pairwise `independent`."""
        return are_independent(self.estimands, mutually_exclusive_columns)


@dataclass(frozen=True)
class And:
    """Satisfied if every child is satisfied.

    `implied` are trees that are satisfied for all values of the estimands. They need no test, but
    they count in the value of g, which is the largest of all.
    """

    children: tuple[Tree, ...]
    implied: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Or:
    """Satisfied if any child is satisfied.

    `is_open` says that other rows must choose one child before the test. Until then the OR cannot
    be tested.
    """

    children: tuple[Tree, ...]
    is_open: bool = False


Tree = And | Or | Atom


# -- walks -------------------------------------------------------------------------------


def shares(tree: And | Or, delta: float) -> tuple[tuple[Tree, float], ...]:
    """The children of a tree that is tested at `delta`, each with the delta of its test."""
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
    """Combine values of the atoms from the leaves to the root.

    Parameters
    ----------
    tree : And, Or or Atom
    leaf : callable
        Called with an atom and the delta of its test.
    all_of, any_of : callable
        Called with the values of the children of an AND, and of an OR. The values are computed
        lazily, so ``all`` and ``any`` stop early.
    delta : float, default=1.0
        The delta of the whole tree.

    Returns
    -------
    object
        The value of the root.

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
    """As `fold`, with the largest number for an AND and the smallest for an OR."""
    return fold(tree, leaf, lambda values: max(values), lambda values: min(values), delta)


def leaves(tree: Tree, delta: float) -> tuple[tuple[Atom, float], ...]:
    """The atoms of `tree`, left to right, each with the delta of its test."""
    if isinstance(tree, Atom):
        return ((tree, delta),)
    return tuple(leaf for child, own in shares(tree, delta) for leaf in leaves(child, own))


def atoms_of(tree: Tree) -> tuple[Atom, ...]:
    """The atoms of `tree`, left to right."""
    return tuple(atom for atom, _ in leaves(tree, 1.0))


def parts_of_and(tree: Tree, delta: float) -> tuple[tuple[Tree, float], ...]:
    """The parts that must all pass for `tree` to pass: the ORs and atoms under its ANDs."""
    if not isinstance(tree, And):
        return ((tree, delta),)
    return tuple(part for child, own in shares(tree, delta) for part in parts_of_and(child, own))


def bonferroni(probabilities: Iterable[Array | float]) -> Array:
    """A lower bound on the probability that all events happen, for any dependence between them.

    By Bonferroni's inequality it is one minus the sum of the probabilities that each one fails.
    """
    missed = sum((1.0 - np.asarray(p) for p in probabilities), start=np.zeros(()))
    return np.maximum(0.0, 1.0 - missed)


def subtrees(tree: Tree) -> Iterator[Tree]:
    """The tree and all trees in it, parents first."""
    yield tree
    if not isinstance(tree, Atom):
        for child in tree.children:
            yield from subtrees(child)


# -- relations between estimands ---------------------------------------------------------


def are_independent(
    estimands: Sequence[Estimand], mutually_exclusive_columns: ExclusiveColumns = frozenset()
) -> bool:
    """Whether the estimands are pairwise `independent`.

    Estimands over different levels of one column are, so only those over the same level are
    compared. The time then grows with the number of levels and not with its square.
    """
    pairs = itertools.chain.from_iterable(
        itertools.combinations(group, 2) for group in _with_same_level(estimands)
    )
    return all(independent(one, other, mutually_exclusive_columns) for one, other in pairs)


def _with_same_level(estimands: Sequence[Estimand]) -> list[list[Estimand]]:
    """The estimands grouped by the level of one column; in one group if no column fits them all.

    Of several columns, the one with the most levels is taken.
    """
    levels = [levels_in(estimand) for estimand in estimands]
    columns = set.intersection(*map(set, levels)) if levels else set()
    if not columns:
        return [list(estimands)]
    column = max(sorted(columns), key=lambda name: len({own[name] for own in levels}))
    groups: dict[Literal, list[Estimand]] = {}
    for estimand, own in zip(estimands, levels, strict=True):
        groups.setdefault(own[column], []).append(estimand)
    return list(groups.values())


def levels_in(estimand: Estimand) -> dict[str, Literal]:
    """For each column that the estimand's conditions compare by ``==``, the level they name."""
    return {
        condition.column: condition.literal
        for condition in estimand.conditions
        if isinstance(condition, Comparison) and condition.operator == "=="
    }


def independent(
    one: Estimand, other: Estimand, mutually_exclusive_columns: ExclusiveColumns = frozenset()
) -> bool:
    """Whether no row can count for both estimands, by their text.

    Given the number of rows of each, their estimates are then independent. No row counts for both
    if two of their conditions exclude each other, or if the labels or predictions that count do.

    Parameters
    ----------
    one, other : Estimand
    mutually_exclusive_columns : frozenset of frozenset of str
        Sets of 0/1 columns of which at most one is assumed to be 1 in any row.
    """
    pairs = list(itertools.product(one.conditions, other.conditions))
    if any(are_exclusive(a, b, mutually_exclusive_columns) for a, b in pairs):
        return True
    return not bool((one.quantity.denominator & other.quantity.denominator).any())


def are_exclusive(
    one: Condition, other: Condition, mutually_exclusive_columns: ExclusiveColumns = frozenset()
) -> bool:
    """Whether no row meets both conditions, by their text or by `mutually_exclusive_columns`."""
    match one, other:
        case ColumnIs(column=a, value=True), ColumnIs(column=b, value=True) if a != b:
            return any({a, b} <= names for names in mutually_exclusive_columns)
    return are_disjoint(one, other)

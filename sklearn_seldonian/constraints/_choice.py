"""The choice of the alternative of an OR that is tested, made on other rows than the tested ones.

``min(a, b) <= 0`` says that ``a <= 0`` or ``b <= 0``. Without further data both are tested, each at
half of delta. But `fit` has candidate data, which show which alternative is more likely to pass.
Only that alternative is tested, at the full delta.

This is valid for the following reason. The choice is a function of the candidate rows, and the
safety rows are independent of them. So given the candidate rows, which also determine the model,
the alternative is fixed. Suppose this model violates the constraint. By induction over the tree,
the chosen tree is violated too: all children of a violated OR are violated, and one child of a
violated AND. The chosen tree has no OR, so its test is an intersection-union test and passes with
probability at most delta. This holds for all candidate rows, and so it holds unconditionally. The
same argument covers any later test of the same model on rows that neither training nor the choice
has used.

A choice is stored as positions of children, so it can be applied to the tree of any other limit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from fractions import Fraction

from sklearn_seldonian.constraints._nodes import Number
from sklearn_seldonian.constraints._tree import (
    And,
    Atom,
    Linear,
    Or,
    Tree,
    atoms_of,
    bonferroni,
    subtrees,
)

# For each OR, its shape, which is the same at all limits, and the position of the chosen child.
Choice = tuple[tuple[Hashable, int], ...]
# The probability that the test of a tree passes, and its expected bound.
Prospect = tuple[float, float]

# It replaces an OR without a choice, and never passes.
NEVER = Atom(Number(1.0), (), Linear((), 1.0))


def opened(tree: Tree) -> Tree:
    """The same tree with open ORs, of which one child must be chosen."""
    if isinstance(tree, Atom):
        return tree
    children = tuple(map(opened, tree.children))
    return Or(children, is_open=True) if isinstance(tree, Or) else And(children, tree.implied)


def choice(tree: Tree, prospects: Iterator[Prospect]) -> Choice:
    """Choose the child with the best prospect in each OR; of equal ones, the first.

    Parameters
    ----------
    tree : And, Or or Atom
    prospects : iterator of (float, float)
        The prospects of the atoms, left to right.
    """
    return _best(tree, prospects)[1]


def chosen(tree: Tree, made: Choice) -> Tree:
    """The tree with each OR replaced by its chosen child.

    ORs that differ only in the limit are identified by their order. If their number differs from
    the number in the choice, they never pass.
    """
    positions: dict[Hashable, list[int]] = {}
    for key, position in made:
        positions.setdefault(key, []).append(position)
    counts: dict[Hashable, int] = {}
    for key in (shape(each) for each in subtrees(tree) if isinstance(each, Or)):
        counts[key] = counts.get(key, 0) + 1
    known = {key: iter(found) for key, found in positions.items() if len(found) == counts.get(key)}
    return _taken(tree, known)


def shape(tree: Tree) -> Hashable:
    """The features of a tree that do not depend on its limit."""
    return tuple(
        (atom.estimands, atom.linear and tuple(weight > 0 for weight in atom.linear.weights))
        for atom in atoms_of(tree)
    )


def alternatives_in_words(tree: Tree, made: Choice) -> tuple[str, ...]:
    """The inequalities that are tested instead of each outermost OR, as text."""
    if isinstance(tree, And):
        texts = (alternatives_in_words(child, made) for child in tree.children)
        return tuple(text for several in texts for text in several)
    return (in_words(chosen(tree, made)),) if isinstance(tree, Or) else ()


def in_words(tree: Tree) -> str:
    """A tree without ORs as text: inequalities joined by "and"."""
    return " and ".join(map(_inequality, atoms_of(tree)))


def _inequality(atom: Atom) -> str:
    if atom.linear is None or len(atom.estimands) != 1:
        return f"{atom.expression} <= 0"
    (mean,), (weight,) = atom.estimands, atom.linear.weights
    limit, is_upper = -Fraction(atom.linear.constant) / Fraction(weight), weight > 0
    if mean.is_complement:  # the label names its complement
        limit, is_upper = 1 - limit, not is_upper
    return f"{mean.label} {'<=' if is_upper else '>='} {float(limit):.10g}"


def _best(tree: Tree, prospects: Iterator[Prospect]) -> tuple[Prospect, Choice]:
    if isinstance(tree, Atom):
        return next(prospects), ()
    found = [_best(child, prospects) for child in tree.children]
    made = tuple(one for _, of_child in found for one in of_child)
    if isinstance(tree, And):
        probabilities, bounds = zip(*(prospect for prospect, _ in found), strict=True)
        return (float(bonferroni(probabilities)), max(bounds)), made
    best = min(range(len(found)), key=lambda i: (-found[i][0][0], found[i][0][1]))
    return found[best][0], ((shape(tree), best), *made)


def _taken(tree: Tree, known: dict[Hashable, Iterator[int]]) -> Tree:
    if isinstance(tree, Atom):
        return tree
    position = next(known.get(shape(tree), iter(())), None) if isinstance(tree, Or) else None
    children = tuple(_taken(child, known) for child in tree.children)
    if isinstance(tree, And):
        return And(children, tree.implied)
    return NEVER if position is None else children[position]

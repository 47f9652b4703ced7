"""Which alternative of an OR is tested, where other rows than the tested ones can choose it.

``min(a, b) <= 0`` says that ``a <= 0`` or ``b <= 0``. Without knowing more, both are tested, each
at half of delta. But `fit` has candidate rows, and these show which alternative is likelier to
pass. It is then tested alone, at the full delta, and the other is not looked at.

Why that is valid. The choice is a function of the candidate rows, and the safety rows are
independent of these. So given the candidate rows, and with them the model, the alternative is a
fixed one. Suppose the constraint is violated by this model. By induction over the tree, the chosen
tree is violated too: of an OR all children are, of an AND one is. The chosen tree has no OR, so its
test, an intersection-union test, passes with probability at most delta. This holds whatever the
candidate rows are, and so without the condition as well. The same argument covers any later test of
the same model on rows that neither training nor the choice has seen.

A choice is kept as positions of children, so that it can be made in the tree of any other limit.
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

# For each OR, what it has in common with the same OR at another limit, and the child's position.
Choice = tuple[tuple[Hashable, int], ...]
# How probable the test of a tree is to pass, and its expected bound.
Prospect = tuple[float, float]

# What stands for an OR about which nothing was chosen: it never passes.
NEVER = Atom(Number(1.0), (), Linear((), 1.0))


def opened(tree: Tree) -> Tree:
    """The same tree, where one child of each OR is to be chosen."""
    if isinstance(tree, Atom):
        return tree
    children = tuple(map(opened, tree.children))
    return Or(children, is_open=True) if isinstance(tree, Or) else And(children, tree.implied)


def choice(tree: Tree, prospects: Iterator[Prospect]) -> Choice:
    """The choice of the child with the best prospect in each OR, the first of equal ones.

    Parameters
    ----------
    tree : And, Or or Atom
    prospects : iterator of (float, float)
        Those of the atoms, left to right.
    """
    return _best(tree, prospects)[1]


def chosen(tree: Tree, made: Choice) -> Tree:
    """The tree with the chosen child in the place of each OR.

    ORs that have everything but the limit in common are told apart by their order. Where the tree
    has another number of them than the choice was made for, they never pass.
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
    """What a tree has in common with the same tree at another limit."""
    return tuple(
        (atom.estimands, atom.linear and tuple(weight > 0 for weight in atom.linear.weights))
        for atom in atoms_of(tree)
    )


def alternatives_in_words(tree: Tree, made: Choice) -> tuple[str, ...]:
    """What is tested in the place of each OR that is not inside another, as inequalities."""
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
    if mean.is_complement:  # it is called by its complement's name
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

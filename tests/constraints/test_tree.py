"""The division of delta over a tree, and the folds of a tree."""

import itertools

import numpy as np
import pytest

from sklearn_seldonian.constraints import (
    And,
    Atom,
    Linear,
    Number,
    Or,
    atoms_of,
    bonferroni,
    fold,
    fold_numbers,
    leaves,
    parts_of_and,
    shares,
    subtrees,
)

A, B, C, D = (Atom(Number(float(i)), (), Linear((), float(i))) for i in range(4))
TREE = And((A, Or((B, And((C, D))))))


def value(atom, _delta=1.0):
    return atom.linear.constant


def test_an_and_hands_on_its_delta_and_an_or_splits_it():
    assert shares(And((A, B)), 0.05) == ((A, 0.05), (B, 0.05))
    assert shares(Or((A, B, C, D)), 0.2) == ((A, 0.05), (B, 0.05), (C, 0.05), (D, 0.05))
    assert leaves(TREE, 0.2) == ((A, 0.2), (B, 0.1), (C, 0.1), (D, 0.1))
    assert leaves(Or((A, Or((B, C)))), 0.4) == ((A, 0.2), (B, 0.1), (C, 0.1))


def test_the_deltas_of_an_or_add_up():
    """All alternatives are violated, so the probabilities that one passes must add up to delta."""
    for sizes in itertools.product((1, 2, 3), repeat=2):
        tree = Or(tuple(Or((A,) * size) for size in sizes))
        assert sum(delta for _, delta in leaves(tree, 0.05)) == pytest.approx(0.05)


def test_folds():
    assert fold(TREE, value, sum, max) == 0 + max(1, 2 + 3)
    assert fold_numbers(TREE, value) == max(0, min(1, max(2, 3)))
    assert fold_numbers(TREE, lambda _, delta: delta, 0.2) == 0.2
    assert fold(A, value, sum, max) == 0


def test_folds_stop_early():
    seen = []

    def fails(atom, _delta):
        seen.append(atom)
        return False

    assert not fold(TREE, fails, all, any)
    assert seen == [A]


def test_parts():
    assert atoms_of(TREE) == (A, B, C, D)
    assert parts_of_and(And((TREE, D)), 0.2) == ((A, 0.2), (TREE.children[1], 0.2), (D, 0.2))
    assert list(subtrees(TREE)) == [TREE, A, TREE.children[1], B, And((C, D)), C, D]


def test_bonferroni_is_a_lower_bound():
    """For all joint distributions of three events with known probabilities."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        masses = rng.dirichlet(np.full(8, 0.3)).reshape(2, 2, 2)
        own = [masses.sum(axis=tuple(j for j in range(3) if j != i))[1] for i in range(3)]
        assert bonferroni(own) <= masses[1, 1, 1] + 1e-12
    assert bonferroni([0.9, 0.8]) == pytest.approx(0.7)
    assert bonferroni([0.2, 0.3]) == 0.0
    assert bonferroni([np.array([1.0, 0.5]), np.array([0.9, 0.2])]) == pytest.approx([0.9, 0.0])

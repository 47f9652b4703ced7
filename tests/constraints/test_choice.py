"""The choice of one alternative of an OR: the alternative, its words, and other limits."""

from __future__ import annotations

import pytest

from sklearn_seldonian.constraints import Or, atoms_of, choice, leaves, shape, subtrees
from sklearn_seldonian.constraints._choice import NEVER, chosen, opened
from tests.constraints._trees import drawn, resolved

EITHER = "min(PR, FPR) <= 0.2"
NESTED = "max(min(PR, max(FPR, FNR)), min(TPR, ERR)) <= 0.2"


def prospects(tree, probabilities, bounds=None):
    bounds = [0.0] * len(probabilities) if bounds is None else bounds
    assert len(atoms_of(tree)) == len(probabilities)
    return iter(zip(probabilities, bounds, strict=True))


def made(text, probabilities, bounds=None):
    tree = resolved(text).tree
    return choice(tree, prospects(tree, probabilities, bounds))


@pytest.mark.parametrize(
    ("probabilities", "bounds", "tree"),
    [
        ([0.9, 0.8], None, "PR - 0.2"),
        ([0.8, 0.9], None, "FPR - 0.2"),
        ([0.9, 0.9], None, "PR - 0.2"),
        ([0.0, 0.0], [0.2, 0.1], "FPR - 0.2"),
        ([0.1, 0.0], [0.2, 0.1], "PR - 0.2"),
        ([0.0, 0.0], [float("inf")] * 2, "PR - 0.2"),
    ],
)
def test_the_likeliest_is_chosen_or_the_one_with_the_lowest_bound(probabilities, bounds, tree):
    assert drawn(chosen(resolved(EITHER).tree, made(EITHER, probabilities, bounds))) == tree


@pytest.mark.parametrize(
    ("probabilities", "tree"),
    [
        # PR, FPR, FNR (as 1 - TPR), TPR, ERR (as 1 - ACC)
        ([0.5, 0.9, 0.9, 0.1, 0.2], "AND(AND(FPR - 0.2, -TPR + 0.8), -ACC + 0.8)"),
        ([0.9, 0.9, 0.9, 0.3, 0.2], "AND(PR - 0.2, TPR - 0.2)"),
        ([0.5, 0.7, 0.7, 0.1, 0.2], "AND(PR - 0.2, -ACC + 0.8)"),
    ],
)
def test_an_and_is_as_likely_as_all_of_it(probabilities, tree):
    assert drawn(chosen(resolved(NESTED).tree, made(NESTED, probabilities))) == tree


def test_open_alternatives_have_the_full_delta_each():
    tree = resolved(NESTED).tree
    assert {delta for _, delta in leaves(tree, 0.05)} == {0.025}
    assert {delta for _, delta in leaves(opened(tree), 0.05)} == {0.05}
    assert [atom for atom, _ in leaves(opened(tree), 1.0)] == list(atoms_of(tree))
    assert resolved(NESTED).opened().is_open
    assert not resolved(NESTED).is_open
    assert not resolved("max(PR, FPR) <= 0.2").opened().is_open


@pytest.mark.parametrize(
    ("text", "probabilities", "words"),
    [
        (EITHER, [1, 0], ("PR <= 0.2",)),
        ("min(ERR, FNR) <= 0.1", [0, 1], ("FNR <= 0.1",)),
        ("max(ACC, TNR) >= 0.9", [1, 0], ("ACC >= 0.9",)),
        ("max(ERR, TNR) >= 0.9", [1, 0], ("ERR >= 0.9",)),
        ("abs(PR|[M] - PR|[F]) >= 0.2", [0, 1], ("PR | [M] - PR | [F] + 0.2 <= 0",)),
        ("(PR - 0.5) ** 2 >= 0.04", [0, 1], ("PR <= 0.3",)),
        ("max(PR / FPR, TPR) >= 0.8", [1, 0], ("0.8 * FPR - PR <= 0",)),
        (NESTED, [0, 1, 1, 1, 0], ("FPR <= 0.2 and FNR <= 0.2", "TPR <= 0.2")),
        ("PR <= 0.2", [1], ()),
    ],
)
def test_what_was_chosen_in_words(text, probabilities, words):
    constraint = resolved(text).opened()
    assert constraint.with_choice(made(text, probabilities)).chosen_alternatives == words
    assert constraint.chosen_alternatives == ()
    assert constraint.with_choice(None).chosen_alternatives == ()


def test_without_a_choice_the_alternatives_share_delta():
    constraint = resolved(EITHER)
    assert constraint.opened().with_choice(None) == constraint
    assert leaves(constraint.tree, 0.05)[0][1] == 0.025


@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.05, 0.5])
@pytest.mark.parametrize("text", [EITHER, NESTED, "max(PR / FPR, TPR / FPR) >= 0.8"])
@pytest.mark.parametrize("last", [0, 1])
def test_at_another_limit_the_same_alternatives_are_tested(text, margin, last):
    constraint = resolved(text)
    n_atoms = len(atoms_of(constraint.tree))
    one = constraint.opened().with_choice(made(text, [0.5] * (n_atoms - 1) + [last]))
    moved = one.with_margin(margin)
    assert not any(isinstance(tree, Or) for tree in subtrees(moved))
    assert shape(moved) == shape(one.tree)
    assert set(atoms_of(moved)) <= set(atoms_of(constraint.with_margin(margin)))
    assert one.with_margin(0.0) == one.tree


def test_equal_ors_are_distinguished_by_their_order():
    text = "max(min(PR, FPR) - 0.1, min(2 * PR, FPR) - 0.3) <= 0"
    one = resolved(text).opened().with_choice(made(text, [1, 0, 0, 1]))
    assert drawn(one.tree) == "AND(PR - 0.1, FPR - 0.3)"
    assert drawn(one.with_margin(0.125)) == "AND(PR - 0.225, FPR - 0.425)"


def test_where_nothing_was_chosen_nothing_passes():
    tree = resolved(EITHER).tree
    assert chosen(tree, ()) == NEVER
    assert chosen(tree, made(EITHER, [1, 0]) * 2) == NEVER
    assert chosen(tree, made("min(TPR, FPR) <= 0.2", [1, 0])) == NEVER


def test_where_another_limit_leaves_nothing_out_nothing_is_chosen():
    text = "max(ERR / TPR, ACC / TPR) >= 0.6"
    one = resolved(text).opened().with_choice(made(text, [1, 0]))
    assert one.with_margin(0.6).children[0].estimands == ()

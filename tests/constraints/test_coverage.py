"""Alternatives leave nothing out exactly if no point violates all of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from sklearn_seldonian.constraints import And, Or, atoms_of
from sklearn_seldonian.constraints._coverage import leave_nothing_out
from sklearn_seldonian.constraints._split import TRUE
from tests.constraints._trees import resolved

M, F = "PR | [M]", "PR | [F]"

# A limit with which one of the alternatives always holds, and a limit with which all can be
# violated.
EITHER = [
    ("max(ERR, ACC) >= {}", "0.5", "0.5000001"),
    ("max(PR, NR) >= {}", "0.5", "0.50000000000000001"),
    ("min(PR, NR) <= {}", "0.5", "0.49999999999999999999"),
    ("max(3 * PR, 2 * NR) >= {}", "1.2", "1.2000000001"),
    ("max(PR | [M], NR | [M]) >= {}", "0.5", "0.51"),
    (f"abs({M} - {F}) >= {{}}", "0", "1e-300"),
    (f"max({M} - {F}, {F} - {M}, PR - 0.1) >= {{}}", "0", "0.001"),
    (f"min({M} + {F}, 2 - {M} - {F}) <= {{}}", "1", "0.9999999"),
    (f"max({M}, {F}, 1 - {M} / 2 - {F} / 2) >= {{}}", "0.5", "0.5000000000001"),
    ("max(min(PR, FPR), min(NR, FPR), TNR) >= {}", "0.5", "0.5001"),
    ("max(exp(ERR), exp(ACC)) >= {}", "1.6487", "1.6488"),
    ("max(ERR ** 2, ACC ** 2) >= {}", "0.25", "0.2500001"),
    ("max(PR / FPR, FPR / PR) >= {}", "1", "1.0000001"),
    ("max(Cost, 5 - Cost) >= {}", "2.5", "2.500001"),
]


@pytest.mark.parametrize(("text", "on", "beyond"), EITHER, ids=[text for text, *_ in EITHER])
def test_what_always_holds_is_not_tested(text, on, beyond):
    always, sometimes = resolved(text.format(on)).tree, resolved(text.format(beyond)).tree
    assert isinstance(always, And)
    assert always.children == (TRUE,)
    (alternatives,) = always.implied
    assert isinstance(alternatives, Or)
    assert isinstance(sometimes, Or)
    assert len(sometimes.children) == len(alternatives.children)


def test_with_others_it_is_decided_by_arithmetic():
    tree = resolved("max(PR - 0.1, 0.5 - max(ERR, ACC)) <= 0").tree
    assert [str(atom.expression) for atom in tree.children] == ["PR - 0.1"]
    assert isinstance(tree.implied[0], Or)
    assert resolved("min(PR - 0.1, 0.5 - max(ERR, ACC)) <= 0").tree.children == (TRUE,)


def test_nonlinear_alternatives_never_leave_nothing_out():
    """The expression may be undefined: 0 / 0 and the logarithm of zero are not above zero and not
    below.
    """
    assert isinstance(resolved("max(PR / FPR - PR / TPR, PR / TPR - PR / FPR) >= 0").tree, Or)
    assert isinstance(resolved("max(PR * FPR, -PR * FPR, 0.1 - ERR) >= 0.05").tree, Or)


def test_too_many_inequalities_are_given_up():
    tree = resolved("max(PR, by=many) - min(PR, by=many) >= 0.5").tree
    assert not leave_nothing_out(atoms_of(tree))


def test_agrees_with_a_linear_program():
    """The largest t for which a point has every h at least t, by scipy's simplex method."""
    rng, means = np.random.default_rng(0), resolved(f"{M} + {F} + TPR <= 1").estimands
    seen = {True: 0, False: 0}
    for _ in range(60):
        n_atoms, n_means = rng.integers(2, 5), rng.integers(1, 4)
        weights = rng.integers(-2, 3, size=(n_atoms, n_means))
        constants = rng.integers(-3, 4, size=n_atoms) / 2
        sides = [
            " + ".join([f"{w} * ({m})" for w, m in zip(row, means, strict=False)] + [str(c)])
            for row, c in zip(weights.tolist(), constants.tolist(), strict=True)
        ]
        tree = resolved(f"min({', '.join(sides)}) <= 0").tree
        found = linprog(
            c=[-1.0] + [0.0] * n_means,
            A_ub=np.c_[np.ones(n_atoms), -weights],
            b_ub=constants,
            bounds=[(None, None)] + [(0.0, 1.0)] * n_means,
        )
        always = -found.fun <= 1e-9  # the data are halves of small whole numbers
        is_true = isinstance(tree, And) and tree.children == (TRUE,)
        if all(atom.estimands for atom in atoms_of(tree)) or is_true:
            assert is_true == always, sides
            seen[always] += 1
    assert min(seen.values()) > 10


def test_fractions_are_not_rounded():
    third = Fraction(1, 3)
    tree = resolved(f"max(PR, {M}, 1 - PR - {M}) >= 1 / 3").tree
    assert tree.children == (TRUE,)
    assert float(third) < third  # rounding would have made the limit easier
    assert isinstance(resolved(f"max(PR, {M}, 1 - PR - {M}) >= 1 / 3 + 1e-30").tree, Or)

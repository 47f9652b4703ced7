"""Ratios of two means, and expressions without their constant, found from atoms."""

import pytest

from sklearn_seldonian.certification._ratios import quotient, ratio_of_two, varying_part
from sklearn_seldonian.constraints import Negative, Schema, atoms_of, bind, parse
from sklearn_seldonian.constraints import estimate as value_of

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)})
M, F = 0.3, 0.6


def atom_of(text):
    (atom,) = atoms_of(bind(parse(text), SCHEMA).tree)
    return atom


def rates_of(atom):
    """Positive rates of M and F; negative rates are their complements."""
    return {estimand: M if "M" in str(estimand) else F for estimand in atom.estimands}


@pytest.mark.parametrize(
    ("text", "value", "limit"),
    [
        ("PR | [M] / PR | [F] <= 0.8", M / F, 0.8),
        ("PR | [M] / PR | [F] >= 0.8", F / M, 1 / 0.8),
        ("PR | [M] <= 0.8 * PR | [F]", M / F, 0.8),
        ("NR | [M] / NR | [F] <= 0.8", (1 - M) / (1 - F), 0.8),
        ("NR | [M] / PR | [F] <= 0.8", (1 - M) / F, 0.8),
        ("2 * PR | [M] - PR | [F] <= 0", M / F, 0.5),
    ],
)
def test_a_ratio_and_its_limit(text, value, limit):
    atom = atom_of(text)
    ratio = ratio_of_two(atom)
    assert ratio.limit == pytest.approx(limit)
    assert value_of(quotient(atom, ratio), rates_of(atom)) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "PR | [M] - PR | [F] <= 0.1",
        "PR | [M] * PR | [F] <= 0.1",
        "PR | [M] + PR | [F] <= 0.5",
        "PR <= 0.5",
        "(PR | [M] + FPR) / PR | [F] <= 2",
    ],
)
def test_what_is_no_ratio_of_two(text):
    assert ratio_of_two(atom_of(text)) is None


@pytest.mark.parametrize(
    ("text", "value", "limit"),
    [
        ("PR | [M] * PR | [F] <= 0.5", M * F, 0.5),
        ("PR | [M] * PR | [F] >= 0.5", -M * F, -0.5),
        ("PR | [M] * PR | [F] - 0.2 <= 0.5", M * F, 0.7),
    ],
)
def test_the_constant_is_put_on_the_other_side(text, value, limit):
    atom = atom_of(text)
    varying, found = varying_part(atom.expression)
    assert found == pytest.approx(limit)
    assert value_of(varying, rates_of(atom)) == pytest.approx(value)


def test_what_has_no_constant_stays():
    (estimand,) = atom_of("PR <= 0.5").estimands
    assert varying_part(estimand) == (estimand, 0.0)
    assert varying_part(Negative(estimand)) == (Negative(estimand), 0.0)

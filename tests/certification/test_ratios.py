"""Ratios of two means, and expressions without their constant, found from atoms."""

import math

import pytest

from sklearn_seldonian.certification import Evidence, Sample
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.certification._ratios import (
    approximate_excess,
    quotient,
    ratio_of_two,
    varying_part,
)
from sklearn_seldonian.constraints import Negative, Schema, atoms_of, bind, parse
from sklearn_seldonian.constraints import estimate as value_of
from tests.certification._atoms import atom_and_evidence

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


@pytest.mark.parametrize(
    ("text", "upper", "excess"),
    [
        ("PR | [M] / PR | [F] <= 0.8", 0.7, (0.7 - 0.8) * F),
        ("PR | [M] / PR | [F] <= 0.8", 0.8, 0.0),
        ("PR | [M] / PR | [F] <= 0.8", math.inf, math.inf),
        ("PR | [M] / PR | [F] >= 0.8", 1.5, (1.5 - 1 / 0.8) * 0.8 * M),
        ("NR | [M] / NR | [F] <= 0.8", 0.7, (0.7 - 0.8) * (1 - F)),
        ("NR | [M] / PR | [F] <= 0.8", 0.9, (0.9 - 0.8) * F),
        ("2 * PR | [M] - PR | [F] <= 0", 0.6, (0.6 - 0.5) * 2 * F),
    ],
)
def test_a_bound_on_a_ratio_as_a_bound_on_h(text, upper, excess):
    atom = atom_of(text)
    samples = {mean: Sample(100 * rate, 100) for mean, rate in rates_of(atom).items()}
    found = approximate_excess(atom, ratio_of_two(atom), upper, Evidence(samples))
    assert found == pytest.approx(excess)


def test_a_denominator_of_zero_gives_no_bound():
    atom = atom_of("PR | [M] / PR | [F] <= 0.8")
    samples = {mean: Sample(0.0, 100) for mean in atom.estimands}
    assert approximate_excess(atom, ratio_of_two(atom), 0.5, Evidence(samples)) == math.inf


@pytest.mark.parametrize(
    ("name", "text", "given"),
    [
        ("betting", "PR | [M] / PR | [F] >= {}", {"deterministic": False}),
        ("betting", "PR | [M] / PR | [F] <= 1 / {}", {"deterministic": False}),
        ("betting", "Brier | [M] <= Brier | [F] / {}", {}),
        ("exact part-to-whole test", "PR | [M] / PR >= {}", {}),
        ("exact unconditional test", "PR | [M] / PR | [F] >= {}", {}),
        ("inverse normal combination", "PR | [race == 'A'] / PR >= {}", {"n": 3000}),
    ],
)
def test_the_fast_bound_is_at_the_tightest_limit_that_passes(name, text, given):
    """Its distance from h does not depend on how far the limit is from the estimate."""

    def at(limit):
        atom, seen = atom_and_evidence(text.format(limit), **given)
        method = method_for(atom, seen)
        assert name in method.name
        h = value_of(atom.expression, seen.estimates(atom.estimands))
        return method.upper(0.05) <= 0.0, method.approximate_upper(0.05), h

    failing, passing = 0.99, 0.3
    for _ in range(10):
        middle = (failing + passing) / 2
        failing, passing = (failing, middle) if at(middle)[0] else (middle, passing)
    _, bound, h = at(passing)
    assert h < 0.0
    assert bound == pytest.approx(0.0, abs=-0.1 * h)
    passed, bound_of_loose, h_of_loose = at(0.75 * passing)
    assert passed
    assert h_of_loose < bound_of_loose < 0.0
    assert bound_of_loose - h_of_loose == pytest.approx(bound - h, rel=0.4)

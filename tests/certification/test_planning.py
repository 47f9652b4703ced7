"""Bounds foreseen in training are about those of the safety test."""

import pytest

from sklearn_seldonian.certification import Evidence, Sample, anticipated_upper, safety_test
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})


@pytest.mark.parametrize("rates", [(0.1, 0.12), (0.45, 0.4), (0.9, 0.93)])
@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize(
    "text", ["PR | [M] - PR | [F] <= 0.1", "0.8 * PR | [M] - PR | [F] <= 0", "PR | [M] <= 0.5"]
)
def test_anticipated_bounds(text, n, rates):
    constraint = bind(parse(text), SCHEMA)
    (atom,) = atoms_of(constraint.tree)
    samples = {
        mean: Sample(round(rate * n), n, n) for mean, rate in zip(atom.means, rates, strict=False)
    }
    evidence = Evidence(samples, exclusive=EXCLUSIVE, n_rows=2 * n)
    estimate = atom.linear.constant + sum(
        weight * samples[mean].estimate
        for weight, mean in zip(atom.linear.weights, atom.means, strict=True)
    )
    upper = safety_test(atom, evidence, 0.05).g_upper
    anticipated = anticipated_upper(atom, evidence, 0.05)
    assert anticipated - estimate == pytest.approx(upper - estimate, rel=0.12)

"""Tests by betting: which atoms they apply to, and that bounds and p-values agree."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian import bounds
from sklearn_seldonian.bounds._betting import betting_test
from sklearn_seldonian.certification._methods_betting import betting
from sklearn_seldonian.constraints._tree import Linear
from tests.certification._atoms import atom_and_evidence, in_pairs, in_two_populations

DELTA = 0.05


@pytest.mark.parametrize(
    ("text", "given", "name"),
    [
        ("PR <= 0.9", {"deterministic": False}, "betting"),
        ("PR | [M] - PR | [F] <= 0.9", {"deterministic": False}, "betting"),
        ("PR | [M] / PR | [F] >= 0.8", {"deterministic": False}, "betting"),
        ("PPV >= 0.1", {"deterministic": False}, "betting"),
        ("PPV <= 0.9", {"deterministic": False}, "betting"),
        ("CVaR(Brier, 0.9) <= 1", {}, "betting"),
        ("Cost <= 1.5", {}, "betting"),
        ("PPV >= 0.1", {}, None),  # a count, for the binomial test
        ("PPV - PR <= 0.1", {"deterministic": False}, None),
        ("PR - PR | [M] <= 0.3", {"deterministic": False}, None),  # both count the same rows
        ("PR * TPR <= 0.5", {"deterministic": False}, None),
        ("(PR | [M] + 1) / (PR | [F] + 1) <= 1.5", {"deterministic": False}, None),
        ("Price <= 1.5", {}, None),
        ("PR <= 0.9", {"units_of_rows": in_pairs}, "betting on units"),
        ("PR - PR | [M] <= 0.3", {"units_of_rows": in_pairs}, "betting on units"),
        ("PR | [M] / PR >= 0.3", {"units_of_rows": in_pairs}, "betting on units"),
        ("CVaR(Brier, 0.9) <= 1", {"units_of_rows": in_pairs}, "betting on units"),
        ("PR <= 0.9", {"units_of_rows": in_two_populations}, "betting on units"),
        ("PR + TPR + TNR <= 2", {"units_of_rows": in_pairs}, None),  # three means
        ("PR * TPR <= 0.5", {"units_of_rows": in_pairs}, None),
        ("(PR | [M] + 1) / (PR | [F] + 1) <= 1.5", {"units_of_rows": in_pairs}, None),
        ("Price <= 1.5", {"units_of_rows": in_pairs}, None),
    ],
)
def test_atoms_that_betting_applies_to(text, given, name):
    method = betting(*atom_and_evidence(text, **given))
    assert (method and method.name) == name


@pytest.mark.parametrize("text", ["PR <= 0.9", "Cost <= 1.5", "CVaR(Brier, 0.9) <= 1"])
def test_rows_in_an_order_that_was_not_drawn_are_not_bet_on(text):
    atom, seen = atom_and_evidence(text, deterministic=False)
    assert betting(atom, seen) is not None
    assert betting(atom, replace(seen, row_values=None)) is None


def test_a_sum_gets_the_bound_of_its_rows():
    atom, seen = atom_and_evidence("2 * PR | [M] - PR | [F] <= 0.7", deterministic=False)
    method = betting(atom, seen)
    values = [seen.row_values(mean, 1.0, 0.0) for mean in atom.estimands]
    test = betting_test(values, atom.linear.weights, [(0.0, 1.0)] * 2, DELTA)
    assert method.upper(DELTA) == pytest.approx(test.upper - 0.7)
    assert method.p_value(DELTA) == test.p_value(0.7)
    assert method.approximate_upper(DELTA) == pytest.approx(method.upper(DELTA), abs=0.02)


BOUNDED = [
    ("PR <= {}", {"deterministic": False}),
    ("PR | [M] - PR | [F] <= {}", {"deterministic": False}),
    ("Cost <= {}", {}),
    ("CVaR(Brier, 0.9) <= {}", {}),
    ("PR <= {}", {"units_of_rows": in_pairs}),
    ("PR | [M] - PR <= {}", {"units_of_rows": in_pairs}),
    ("CVaR(Brier, 0.9) <= {}", {"units_of_rows": in_pairs}),
    ("PR <= {}", {"units_of_rows": in_two_populations}),
]


@pytest.mark.parametrize(("text", "given"), BOUNDED)
def test_limits_above_the_bound_have_p_values_below_delta(text, given):
    bound = betting(*atom_and_evidence(text.format(0), **given)).upper(DELTA)
    assert math.isfinite(bound)
    for limit, passes in ((bound - 0.02, False), (bound + 0.001, True)):
        method = betting(*atom_and_evidence(text.format(limit), **given))
        assert method.upper(DELTA) == pytest.approx(bound - limit)
        assert (method.p_value(DELTA) <= DELTA) is passes
        assert method.upper(DELTA) < method.upper(DELTA / 10)


def test_a_cvar_is_bet_on_by_its_smallest_mean():
    """Its bound is at least the estimate of the smallest, and at most the bound of any."""
    atom, seen = atom_and_evidence("CVaR(Brier, 0.9) <= 0", n=2000)
    upper = betting(atom, seen).upper(DELTA)
    smallest = seen.worst_estimate(atom.expression, atom.estimands)
    assert smallest < upper < smallest + 0.1


def test_the_first_units_choose_the_mean_of_a_cvar_and_are_not_bet_on(monkeypatch):
    atom, seen = atom_and_evidence("CVaR(Brier, 0.9) <= 1", units_of_rows=in_pairs)
    totals_test, n_units = bounds.totals_test, []

    def spy(totals, *others, **more):
        n_units.append([len(each.numerators) for each in totals])
        return totals_test(totals, *others, **more)

    monkeypatch.setattr(bounds, "totals_test", spy)
    betting(atom, seen).upper(DELTA)
    assert n_units == [[200 - 25]]


RATIOS = [
    ("PR | [M] / PR | [F] <= {}", 3.0, {"deterministic": False}),
    ("PPV <= {}", 0.99, {"deterministic": False}),
    ("PR | [M] / PR | [F] <= {}", 3.0, {"units_of_rows": in_pairs}),
]


@pytest.mark.parametrize(("text", "loose", "given"), RATIOS)
def test_a_limit_on_a_ratio_gets_a_verdict_and_no_bound(text, loose, given):
    method = betting(*atom_and_evidence(text.format(loose), **given))
    assert method.upper(DELTA) == 0.0
    assert method.p_value(DELTA) <= DELTA
    method = betting(*atom_and_evidence(text.format(0.02), **given))
    assert method.upper(DELTA) == math.inf
    assert method.p_value(DELTA) > DELTA


@pytest.mark.parametrize(
    "linear", [Linear((1.0,), 0.1), Linear((-1.0,), -0.1), Linear((1.0,), 0.0)]
)
def test_a_limit_that_no_ratio_or_every_ratio_meets_is_not_tested(linear):
    atom, seen = atom_and_evidence("PPV <= 0.5", deterministic=False)
    assert betting(atom, seen) is not None
    assert betting(replace(atom, linear=linear), seen) is None


@pytest.mark.parametrize("limit", [0.3, 0.45, 0.9])
def test_a_drawn_ratio_is_that_of_its_sums(limit):
    """A lower limit is an upper limit of the inverse."""
    atom, seen = atom_and_evidence(f"PPV <= {limit}", deterministic=False)
    (mean,) = atom.estimands
    hits, all_ = seen.row_values(mean, 1.0, 0.0), seen.row_values(mean, 0.0, 1.0)
    if atom.linear.weights[0] < 0:  # the atom is about the complement
        hits = all_ - hits
    expected = bounds.ratio_betting_p_value(hits, all_, (1.0, 1.0), limit, DELTA)
    assert betting(atom, seen).p_value(DELTA) == pytest.approx(expected)
    atom, seen = atom_and_evidence(f"PPV >= {limit}", deterministic=False)
    expected = bounds.ratio_betting_p_value(all_, hits, (1.0, 1.0), 1.0 / limit, DELTA)
    assert betting(atom, seen).p_value(DELTA) == pytest.approx(expected)
    assert not np.array_equal(hits, all_)

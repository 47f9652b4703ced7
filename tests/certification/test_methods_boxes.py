"""Boxes of one bound for each mean: their names, and their bounds by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.dummy import DummyClassifier

from sklearn_seldonian import certify
from sklearn_seldonian.bounds import (
    binomial_lower,
    binomial_upper,
    bounded_mean_lower,
    totals_test,
)
from sklearn_seldonian.certification._methods_boxes import box, t_box
from sklearn_seldonian.constraints._tails import limit_on_least
from tests.certification._atoms import atom_and_evidence, in_pairs, in_two_populations

DELTA = 0.05
COUNTS, MEANS = "box of Clopper-Pearson bounds", "box of Chernoff-Hoeffding bounds"
BOTH, ON_UNITS = "box of Clopper-Pearson and Chernoff-Hoeffding bounds", "box of betting bounds"


@pytest.mark.parametrize(
    ("text", "given", "name"),
    [
        ("PR * TPR <= 0.5", {}, COUNTS),
        ("PR * TPR <= 0.5", {"deterministic": False}, MEANS),
        ("Cost <= 1.5", {}, MEANS),
        ("Cost * ERR <= 1.5", {}, BOTH),
        ("PR * TPR <= 0.5", {"units_of_rows": in_pairs}, ON_UNITS),
        ("PR * TPR <= 0.5", {"units_of_rows": in_two_populations}, ON_UNITS),
        ("Price <= 1.5", {}, None),
        ("Price * ERR <= 1.5", {}, None),
        ("Price <= 1.5", {"units_of_rows": in_pairs}, None),
    ],
)
def test_a_box_has_the_names_of_its_bounds(text, given, name):
    atom, seen = atom_and_evidence(text, **given)
    method = box(atom, seen)
    assert (method and method.name) == name
    assert t_box(atom, seen).name == "box of Student t bounds"


def test_a_product_of_counts_has_the_upper_ends_of_both():
    atom, seen = atom_and_evidence("PR | [M] * PR | [F] <= 0.5")
    samples = [seen.samples[mean] for mean in atom.estimands]
    ends = [binomial_upper(round(s.successes), round(s.trials), DELTA / 4) for s in samples]
    assert box(atom, seen).upper(DELTA) == pytest.approx(math.prod(ends) - 0.5)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_the_largest_and_the_smallest_of_many_groups_have_one_end_each(factor):
    """With 20 levels, the constraint is not split into pairs."""
    rng = np.random.default_rng(0)
    g, y = np.arange(800) % 20, (rng.random(800) < 0.3).astype(int)
    model = DummyClassifier(strategy="constant", constant=0).fit([[0], [0]], [0, 1])
    text, groups = f"max(ERR, by=g) - {factor} * min(ERR, by=g) <= 0.99", pd.DataFrame({"g": g})
    certificate = certify(model, np.zeros((800, 1)), y, text, sensitive_features=groups)
    (result,) = certificate.results
    high = [binomial_upper(int(y[g == i].sum()), 40, DELTA / 2) for i in range(20)]
    low = [binomial_lower(int(y[g == i].sum()), 40, DELTA / 2) for i in range(20)]
    assert result.method == COUNTS
    assert result.bound == pytest.approx(max(high) - factor * min(low))
    assert result.passed
    assert result.p_value < DELTA


def test_a_sum_spends_delta_on_the_needed_ends_only():
    atom, seen = atom_and_evidence("PR | [M] - 0.5 * Cost <= 0.3")
    rate, cost = (seen.samples[mean] for mean in atom.estimands)
    upper = binomial_upper(round(rate.successes), round(rate.trials), DELTA / 2)
    lower = bounded_mean_lower(cost.estimate, round(cost.trials), 0.0, 2.0, DELTA / 2)
    assert box(atom, seen).upper(DELTA) == pytest.approx(upper - 0.5 * lower - 0.3)


@pytest.mark.parametrize(
    ("text", "given", "make"),
    [
        ("PR * TPR <= {}", {}, box),
        ("Cost * ERR <= {}", {}, box),
        ("PR + Cost <= {}", {}, box),
        ("PR * TPR <= {}", {}, t_box),
        ("Price * ERR <= {}", {}, t_box),
        ("PR + Price <= {}", {"units_of_rows": in_pairs}, t_box),
        ("PR * TPR <= {}", {"units_of_rows": in_two_populations}, t_box),
    ],
)
def test_limits_above_the_bound_have_p_values_below_delta(text, given, make):
    bound = make(*atom_and_evidence(text.format(0), **given)).upper(DELTA)
    for limit, passes in ((bound - 1e-3, False), (bound + 1e-3, True)):
        method = make(*atom_and_evidence(text.format(limit), **given))
        assert method.upper(DELTA) == pytest.approx(bound - limit)
        assert (method.p_value(DELTA) <= DELTA) is passes


def test_a_box_on_units_has_the_ends_of_bets():
    atom, seen = atom_and_evidence("PR | [M] * PR | [F] <= 0.5", units_of_rows=in_pairs)
    ends = [totals_test(seen.totals_of([m]), [1.0], DELTA / 4).upper for m in atom.estimands]
    assert box(atom, seen).upper(DELTA) == pytest.approx(math.prod(ends) - 0.5)


@pytest.mark.parametrize(("limit", "passes"), [(0.2, False), (0.9, True)])
def test_the_p_value_of_a_box_on_units_is_below_delta_where_the_bound_passes(limit, passes):
    text = f"PR | [M] * PR | [F] <= {limit}"
    method = box(*atom_and_evidence(text, units_of_rows=in_pairs))
    assert (method.upper(DELTA) <= 0.0) is passes
    assert (method.p_value(DELTA) <= DELTA) is passes


def test_a_box_covers_both_populations():
    """Its upper end is that of the population with the larger mean."""
    text = "Cost * Cost <= 1"
    atom, seen = atom_and_evidence(text, units_of_rows=in_two_populations)
    upper = box(atom, seen).upper(DELTA)
    assert upper >= seen.worst_estimate(atom.expression, atom.estimands)
    ((mean,),) = [atom.estimands]
    one, *others = (each.totals_of([mean]) for each in seen.populations)
    end = totals_test(one, [1.0], DELTA / 2, others=others).upper
    assert upper == pytest.approx(end**2 - 1.0)


def test_students_bounds_of_a_sum():
    """One-sided, with delta divided between the means."""
    atom, seen = atom_and_evidence("Price | [M] + Price | [F] <= 3")
    total = -3.0
    for mean in atom.estimands:
        n, variance = seen.sample_variance([mean], [1.0])
        error = math.sqrt(variance / n)
        total += seen.samples[mean].estimate + error * stats.t.ppf(1 - DELTA / 2, n - 1)
    assert t_box(atom, seen).upper(DELTA) == pytest.approx(total)


def test_students_bound_of_a_cvar_is_that_of_its_smallest_mean():
    atom, seen = atom_and_evidence("CVaR(Brier, 0.9) <= 1")
    estimates, uppers = [], []
    for mean, weight, constant in limit_on_least(atom).means:
        n, variance = seen.sample_variance([mean], [1.0])
        error = math.sqrt(variance / n) * stats.t.ppf(1 - DELTA, n - 1)
        estimates.append(weight * seen.samples[mean].estimate + constant)
        uppers.append(estimates[-1] + weight * error)
    upper = t_box(atom, seen).upper(DELTA) + 1.0
    assert upper == pytest.approx(uppers[np.argmin(estimates)])
    assert len(set(uppers)) == len(uppers) > 5

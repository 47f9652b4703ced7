"""The number of rows, and the probability of passing: design effects, and means of numbers."""

import math

import numpy as np
import pytest

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.bounds import Totals, totals_test
from sklearn_seldonian.certification import _planning

GAP = "PR | [M] - PR | [F] <= 0.15"
HALVES = {"PR | [M]": 0.5, "PR | [F]": 0.5}
GAP_RATES = {"PR | [M]": 0.4, "PR | [F]": 0.35}


def test_a_design_effect_multiplies_the_rows():
    alone = required_safety_rows(GAP, GAP_RATES, HALVES)
    grouped = required_safety_rows(GAP, GAP_RATES, HALVES, design_effect=2.0)
    assert grouped == math.ceil(alone * 2.0 * 1.3)
    assert required_safety_rows(GAP, GAP_RATES, HALVES, design_effect=1) == alone
    assert required_safety_rows("PR <= 0.1", {"PR": 0.2}, design_effect=2.0) is None
    passing = probability_of_passing("PR <= 0.5", {"PR": 0.4}, 260, design_effect=2.0)
    assert passing == probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100)


@pytest.mark.parametrize("effect", [0.9, math.inf, math.nan, "2"])
def test_design_effects_that_are_none_are_refused(effect):
    with pytest.raises((ValueError, TypeError), match="design_effect"):
        probability_of_passing("PR <= 0.5", {"PR": 0.4}, 100, design_effect=effect)


def units(rng, n_units, size, rate, correlation):
    """Groups whose rows are positive together, with this correlation (beta-binomial)."""
    total = 1 / correlation - 1
    rates = rng.beta(rate * total, (1 - rate) * total, n_units)
    hits = rng.binomial(size, rates).astype(float)
    return Totals(hits, np.full(n_units, float(size)), 0.0, 1.0, float(size))


@pytest.mark.parametrize(
    ("n_trials", "lowest"), [(20, 0.7), pytest.param(300, 0.85, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("constraint", "rates", "shares", "slopes", "limit"),
    [
        ("PR <= 0.15", {"PR": 0.1}, None, [1.0], 0.15),
        (GAP, GAP_RATES, HALVES, [1.0, -1.0], 0.15),
    ],
)
def test_planned_groups_pass_with_about_the_requested_power(
    constraint, rates, shares, slopes, limit, n_trials, lowest
):
    size, correlation, rng = 5, 0.3, np.random.default_rng(0)
    effect = 1 + (size - 1) * correlation
    n_units = required_safety_rows(constraint, rates, shares, design_effect=effect) // size

    def passes():
        of_each = [
            units(rng, n_units // len(rates), size, rate, correlation) for rate in rates.values()
        ]
        return totals_test(of_each, slopes, 0.05).upper <= limit

    # If .9 were the truth, a share below `lowest` would have a probability of at most .003.
    assert np.mean([passes() for _ in range(n_trials)]) >= lowest


# -- means of numbers ------------------------------------------------------------------------------

BRIER = {"standard_deviations": {"Brier": 0.2}}


def test_the_number_of_rows_has_the_power_asked_for():
    n = required_safety_rows("Brier <= 0.2", {"Brier": 0.17}, **BRIER)
    assert 450 < n < 600
    assert probability_of_passing("Brier <= 0.2", {"Brier": 0.17}, n, **BRIER) >= 0.88
    assert probability_of_passing("Brier <= 0.2", {"Brier": 0.17}, n // 2, **BRIER) < 0.75
    assert probability_of_passing("Brier <= 0.2", {"Brier": 0.17}, 0, **BRIER) == 0.0


def test_numbers_that_vary_less_take_fewer_rows():
    """Numbers at both ends of the range are zeros and ones."""
    rows = [
        required_safety_rows("ACC >= 0.7", {"ACC": 0.8}, standard_deviations={"ACC": deviation})
        for deviation in (0.1, 0.2, 0.4)
    ]
    assert rows == sorted(rows)
    assert rows[-1] == pytest.approx(required_safety_rows("ACC >= 0.7", {"ACC": 0.8}), rel=0.1)


@pytest.mark.parametrize(
    ("mean", "shares"), [(0.2, None), (0.21, None), (0.1, {"Brier": 0.0}), (0.2 + 1e-12, None)]
)
def test_no_number_of_rows_suffices(mean, shares):
    assert required_safety_rows("Brier <= 0.2", {"Brier": mean}, shares, **BRIER) is None


def test_without_a_finite_range_only_a_normal_approximation_is_planned():
    asked = "LogLoss <= 1", {"LogLoss": 0.5}
    spread = {"standard_deviations": {"LogLoss": 1.0}}
    assert required_safety_rows(*asked, method="exact", **spread) is None
    assert 20 < required_safety_rows(*asked, **spread) < 80


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
def test_other_methods_need_about_as_many_rows_as_the_normal_formula(method):
    found = required_safety_rows("Brier <= 0.2", {"Brier": 0.17}, method=method, **BRIER)
    assert found == pytest.approx(((1.645 + 1.282) * 0.2 / 0.03) ** 2, rel=0.1)


def test_constraints_without_a_common_mean_pass_on_their_own():
    constraints, rates = ["Brier <= 0.2", "ACC >= 0.7"], {"Brier": 0.17, "ACC": 0.77}
    both = probability_of_passing(constraints, rates, 300, **BRIER)
    each = [probability_of_passing(one, rates, 300, **BRIER) for one in constraints]
    assert both == pytest.approx(math.prod(each))
    assert all(0.2 < one < 0.95 for one in each)


BY_GROUP = {'Brier | [g == "a"]': 0.2, 'Brier | [g == "b"]': 0.2}


@pytest.mark.parametrize(
    ("text", "rates", "spread"),
    [
        ("max(Brier, by=g) <= 0.3", BY_GROUP, BY_GROUP),
        ("abs(PR | [M] - PR | [F]) <= 0.1", dict.fromkeys(HALVES, 0.4), dict.fromkeys(HALVES, 0.2)),
        ("min(Brier, ERR) <= 0.3", {"Brier": 0.2, "ERR": 0.2}, {"Brier": 0.2}),
    ],
)
def test_quantifiers_gaps_and_alternatives_have_plans(text, rates, spread):
    shares = {name: share for name, share in HALVES.items() if name in rates}
    n = required_safety_rows(text, rates, shares, power=0.8, standard_deviations=spread)
    assert 20 < n < 1000
    found = probability_of_passing(text, rates, n, shares, standard_deviations=spread)
    assert found == pytest.approx(0.8, abs=0.06)


def test_equal_groups_are_simulated_once(monkeypatch):
    groups = {f"Brier | [g == {i}]": 0.15 for i in range(6)}
    calls = []
    share_of = _planning.SimulatedSamples.passing_share
    monkeypatch.setattr(
        _planning.SimulatedSamples,
        "passing_share",
        lambda self, *asked: calls.append(asked) or share_of(self, *asked),
    )
    shares, spread = dict.fromkeys(groups, 0.1), dict.fromkeys(groups, 0.2)
    limit = "max(Brier, by=g) <= 0.2"
    found = probability_of_passing(limit, groups, 1500, shares, standard_deviations=spread)
    (one,) = {probability_of_passing("Brier <= 0.2", {"Brier": 0.15}, 150, **BRIER)}
    assert found == pytest.approx(one**6)
    assert len(calls) == 2

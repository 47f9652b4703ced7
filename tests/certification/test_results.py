"""The verdicts of the safety test, and their wording in the constraint's units."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sklearn_seldonian import required_safety_rows
from sklearn_seldonian.bounds import (
    betting_upper,
    binomial_lower,
    binomial_upper,
    bounded_mean_upper,
    rate_ratio_upper,
)
from sklearn_seldonian.certification import (
    Statistics,
    certify_constraint,
    summarise,
)
from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    assign_cells,
    bind,
    parse,
)
from tests.certification._rows import COST, DATA, SOFT, SQUARES, Data


@pytest.mark.parametrize(
    ("text", "estimate", "bound"),
    [
        ("ACC >= 0.85", 1270 / 1400, binomial_lower(1270, 1400, 0.05)),
        ("ERR <= 0.15", 130 / 1400, binomial_upper(130, 1400, 0.05)),
        ("0.85 <= ACC", 1270 / 1400, binomial_lower(1270, 1400, 0.05)),
        ("PPV >= 0.8", 690 / 790, binomial_lower(690, 790, 0.05)),
        ("CM_[1,0] <= 0.1", 30 / 720, binomial_upper(30, 720, 0.05)),
        ("ERR ** 2 <= 0.0225", (130 / 1400) ** 2, binomial_upper(130, 1400, 0.05) ** 2),
        ("log(ERR) <= -2", math.log(130 / 1400), math.log(binomial_upper(130, 1400, 0.05))),
    ],
)  # fmt: skip
def test_bounds_in_units_of_the_constraint(text, estimate, bound):
    result = DATA.certify(text)
    assert result.passed
    assert result.estimate == pytest.approx(estimate)
    assert result.bound == pytest.approx(bound, rel=1e-3)
    assert result.passed == (result.g_upper <= 0)
    assert result.p_value < 0.05


def test_f1_is_a_bound_on_one_rate():
    result = DATA.certify("F1 >= 0.8")
    share = binomial_lower(690, 820, 0.05)
    assert result.method == "Clopper-Pearson"
    assert result.guarantee == "exact"
    assert result.bound == pytest.approx(2 * share / (1 + share), rel=1e-3)
    assert result.rows == {"Jaccard": 820}


def test_a_ratio_of_complements_is_tested_as_exactly_as_one_of_rates():
    result = DATA.certify("NR|[M] / NR|[not M] >= 0.5")
    assert (result.method, result.guarantee) == ("exact unconditional test", "exact")
    rejected = (300 + 10, 280 + 20)  # of 700 each
    assert result.bound == pytest.approx(1 / rate_ratio_upper(rejected, (700, 700), 0.05), rel=3e-4)


@pytest.mark.parametrize("text", ["PR|[M] >= 0.8 * PR|[not M]", "0.8 * PR|[not M] <= PR|[M]"])
def test_disparate_impact_is_a_ratio_however_it_is_written(text):
    result = DATA.certify(text)
    as_ratio = DATA.certify("PR|[M] / PR|[not M] >= 0.8")
    assert (result.operator, result.limit) == (">=", 0.8)
    assert result.estimate == pytest.approx((60 + 340) / (40 + 350))
    assert result.bound == pytest.approx(as_ratio.bound)


@pytest.mark.parametrize("text", ["-0.2 * TPR <= 0", "PR - PR <= 0", "min(-PR, FPR - 2) <= 0"])
def test_what_holds_anyway_passes(text):
    result = DATA.certify(text)
    assert result.passed
    assert result.p_value < 1e-9
    assert (result.method, result.guarantee) == ("arithmetic", "exact")


def test_what_holds_anyway_does_not_hide_the_value_of_g():
    result = DATA.certify("max(-0.2 * TPR, ERR - 0.5) <= 0")
    assert result.g == pytest.approx(-0.2 * 690 / 720)
    assert result.g <= result.g_upper <= 0


NO_POSITIVES = Data({(0, 0, 0): 200, (0, 1, 0): 10, (1, 0, 0): 190, (1, 1, 0): 12})


def test_zero_by_zero_is_not_a_certificate_by_itself():
    # Both observed rates are 0. The ratio then counts as satisfied, but the true rates may not be
    # 0.
    result = NO_POSITIVES.certify("PR|[M] / PR|[not M] >= 0.8")
    assert math.isnan(result.g)
    assert not result.passed
    assert result.reason == "its value on the safety rows is undefined"


@pytest.mark.parametrize("text", ["PPV >= 0.1", "PPV <= 0.9", "F1 / PPV >= 0"])
def test_no_rows_fail_closed(text):
    result = NO_POSITIVES.certify(text)
    assert not result.passed
    assert result.reason == "no rows for PPV among the safety rows"


def test_a_level_without_safety_rows_fails_closed():
    constraint = parse("max(FPR, by=group) <= 0.9")
    resolved = bind(constraint, Schema((0, 1), 1, {"group": ("a", "b")}))
    columns = {"group": np.array(["a"] * 100)}
    codes, stratification = assign_cells(columns, [resolved.conditions], 100)
    labels = np.zeros(100, dtype=np.int64)
    statistics = summarise(codes, labels, np.tile([1.0, 0.0], (100, 1)), stratification)
    result = certify_constraint(resolved, statistics, 0.05)
    assert not result.passed
    assert result.g_upper == math.inf
    assert result.reason == 'no rows for FPR | [group == "b"] among the safety rows'


# -- averages ------------------------------------------------------------------------------


def test_a_bounded_average():
    result = DATA.certify("Cost <= 0.6")
    mean = (100 + 5 * 30) / 1400
    assert result.passed
    assert result.estimate == pytest.approx(mean)
    costs = DATA.statistics("Cost <= 0.6").kept.entries[:, -1]
    assert sorted(costs) == sorted(COST[DATA.y, DATA.p.argmax(axis=1)])
    assert result.bound == pytest.approx(betting_upper([costs], [1.0], [(0.0, 5.0)], 0.05))
    assert result.bound < bounded_mean_upper(mean, 1400, 0.0, 5.0, 0.05)
    assert (result.method, result.guarantee) == ("betting", "finite-sample")


def test_averages_with_rates():
    result = DATA.certify("Cost + ERR <= 1")
    assert result.passed
    assert result.method == "box of Clopper-Pearson and Chernoff-Hoeffding bounds"


@pytest.mark.parametrize("name", ["Unbounded", "LogLoss"])
def test_an_average_without_a_finite_range_is_called_asymptotic(name):
    result = SOFT.certify(f"{name} <= 100")
    assert result.passed
    assert (result.method, result.guarantee) == ("delta method", "asymptotic")
    assert "(asymptotic)" in result.explain(None)


@pytest.mark.parametrize("name", ["Unbounded", "LogLoss"])
def test_an_average_without_a_finite_range_has_no_exact_test(name):
    statistics = SOFT.statistics(f"{name} <= 100")
    result = certify_constraint(SOFT.bind(f"{name} <= 100"), statistics, 0.05, "exact")
    assert not result.passed
    assert result.p_value == 1.0
    assert result.reason == f"{name} has no finite range, so that no finite-sample bound exists"


@pytest.mark.parametrize("name", ["Unbounded", "LogLoss"])
def test_values_that_are_all_equal_prove_nothing_about_what_is_unbounded(name):
    result = Data({(0, 0, 0): 5000}, sharpness=0.9).certify(f"{name} <= 100")
    assert not result.passed
    assert result.g_upper == math.inf


def test_an_infinite_value_fails_closed():
    result = Data({(0, 0, 1): 1, (0, 1, 1): 999}).certify("LogLoss <= 100")
    assert not result.passed
    assert "LogLoss" in result.reason


# -- drawn decisions -----------------------------------------------------------------------


def test_precision_of_drawn_decisions():
    result = SOFT.certify("PPV >= 0.7", deterministic=False)
    positive = SOFT.p[:, 1]
    assert result.estimate == pytest.approx(positive[SOFT.y == 1].sum() / positive.sum())
    assert result.passed
    assert 0.7 <= result.bound < result.estimate
    assert not SOFT.certify(f"PPV >= {result.bound + 1e-3:.6f}", deterministic=False).passed
    assert SOFT.certify(f"PPV >= {result.bound - 1e-3:.6f}", deterministic=False).passed
    assert SOFT.certify("F1 >= 0.7", deterministic=False).passed


def test_precision_of_drawn_decisions_among_other_terms_fails_closed():
    result = SOFT.certify("PPV - PR >= -1", deterministic=False)
    assert result.passed  # it holds for all values of the means
    result = SOFT.certify("PPV - PR >= -0.5", deterministic=False)
    assert not result.passed
    assert result.reason == (
        "which rows count for PPV is drawn at random, and this constraint combines it with other "
        "terms"
    )


# -- advice after a failure ----------------------------------------------------------------

GAP = "PR | [not M] - PR | [M] <= 0.1"


@pytest.mark.parametrize(
    ("few", "noise"),
    [({(1, 1, 0): 7}, True), ({(1, 1, 0): 250, (1, 1, 1): 40}, False)],
)
def test_a_violation_within_sampling_error_is_described_as_such(few, noise):
    data = Data({(0, 1, 0): 200, (0, 1, 1): 100, **few})
    result = data.certify(GAP)
    assert not result.passed
    reason = "the estimate itself violates the limit"
    assert result.reason == reason + noise * ", but by no more than sampling error explains"
    n = sum(few.values())
    assert (
        f"{result.reason}; if the estimate were the true value, no number of rows would suffice "
        f"(the measure with the fewest rows is PR | [M]: {n})"
    ) in result.explain(None)
    assert "no amount" not in result.explain(None)


@pytest.mark.parametrize("name", ["Cost", "Unbounded"])
@pytest.mark.parametrize(("limit", "noise"), [(0.17, True), (0.08, False)])
def test_violations_by_averages_are_described_as_such_too(name, limit, noise):
    result = DATA.certify(f"{name} <= {limit}")
    assert ("sampling error" in result.reason) == noise


@pytest.mark.parametrize(
    ("text", "deterministic"),
    [
        ("Cost <= 0.22", True),
        ("Cost <= 0.4", False),
        ("ERR <= 0.16", False),
        ("Brier <= 0.11", True),
        ("Unbounded <= 0.22", True),
        ("max(Cost, Brier) <= 0.22", True),
    ],
)
@pytest.mark.thinned(2)
def test_rows_needed_of_averages_have_about_the_power(text, deterministic):
    rng, shares = np.random.default_rng(0), {s: n / 1400 for s, n in SQUARES.items()}
    tenth = Data({square: n // 10 for square, n in SQUARES.items()}, sharpness=0.9)
    result = tenth.certify(text, deterministic=deterministic)
    assert not result.passed
    assert result.rows_needed > 140
    passed = []
    for seed in range(30):
        counts = rng.multinomial(result.rows_needed, list(shares.values()))
        drawn = Data(dict(zip(shares, counts, strict=True)), sharpness=0.9)
        statistics = drawn.statistics(text, deterministic=deterministic).in_drawn_order(seed)
        passed.append(certify_constraint(drawn.bind(text), statistics, 0.05).passed)
    assert np.mean(passed) >= 0.7


def test_rows_needed_grow_with_confidence_and_shrink_with_the_distance():
    tenth = Data({square: n // 10 for square, n in SQUARES.items()})
    needed = [tenth.certify(f"Cost <= {limit}").rows_needed for limit in (0.19, 0.2, 0.22)]
    assert needed == sorted(needed, reverse=True)
    assert tenth.certify("Cost <= 0.2", 0.01).rows_needed > needed[1]
    assert tenth.certify("Cost <= 0.1").rows_needed is None


class TestLabels:
    """Measures have the names of the constraint, although one of two complementary rates is
    counted.
    """

    SCHEMA = Schema(classes=("no", "yes"), positive=0, levels={"region": ("N", "S")})
    # 100 rows of region S: of 40 "no" 30 are given it, of 60 "yes" 12 are given "no".
    STATISTICS = Statistics(
        np.array([[[30.0, 10.0], [12.0, 48.0]]]), Stratification.single(), deterministic=True
    )

    def result(self, text, statistics=STATISTICS):
        return certify_constraint(bind(parse(text), self.SCHEMA), statistics, 0.05)

    @pytest.mark.parametrize(
        ("text", "rates"),
        [
            ("PR <= 0.9", {"PR": 0.42}),
            ("NR <= 0.9", {"NR": 0.58}),
            ("TPR >= 0.5", {"TPR": 0.75}),
            ("FNR <= 0.9", {"FNR": 0.25}),
            ("FPR <= 0.9", {"FPR": 0.2}),
            ("TNR >= 0.1", {"TNR": 0.8}),
            ("ERR <= 0.9", {"ERR": 0.22}),
            ("ACC >= 0.1", {"ACC": 0.78}),
            ('PR_["yes"] <= 0.9', {'PR_["yes"]': 0.58}),
            ('NR_["yes"] <= 0.9', {'NR_["yes"]': 0.42}),
            ("Precision >= 0.1", {"Precision": 30 / 42}),
            ("FDR <= 0.9", {"FDR": 12 / 42}),
            ("FOR <= 0.9", {"FOR": 10 / 58}),
            ("F1 >= 0.1", {"Jaccard": 30 / 52}),
            ("TPR - FPR >= 0.1", {"TPR": 0.75, "FPR": 0.2}),
            ("PR - (1 - NR) <= 0.5", {"PR": 0.42}),
        ],
    )
    def test_rates_are_of_what_was_written(self, text, rates):
        result = self.result(text)
        assert result.rates == pytest.approx(rates, abs=1e-15)
        assert result.rows.keys() == rates.keys()

    def test_reasons_name_what_was_written(self):
        nothing = Statistics(np.zeros((1, 2, 2)), Stratification.single(), deterministic=True)
        for name in ("PR", "NR", "TPR", "FNR", "PPV", "FDR"):
            assert self.result(f"{name} <= 0.5", nothing).reason.startswith(f"no rows for {name} ")

    def test_a_plan_can_be_made_of_the_rates(self):
        for text in ("PR <= 0.6", "NR <= 0.8", "FNR <= 0.5"):
            rates = self.result(text).rates
            n = required_safety_rows(text, rates, classes=("no", "yes"), pos_label="no")
            assert n > 10

"""The method of each kind of atom. It does not depend on the outcomes."""

import numpy as np
import pytest
from scipy import stats

from sklearn_seldonian.certification import (
    Evidence,
    Sample,
    safety_test,
    summarise_predictions,
)
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_values,
    parse,
)
from tests.certification._atoms import MF, SCHEMA, THREE, evidence

EO = "abs(FNR | [M] - FNR | [F]) + abs(FPR | [M] - FPR | [F]) <= 0.35"
INVERSE = "inverse normal combination"
PART = "exact part-to-whole test"
# Twelve rates.
GROUPS = [f"M == {m}, race == '{race}'" for m in (0, 1) for race in "ABC"]
MANY = " + ".join(f"{rate} | [{group}]" for rate in ("TPR", "FPR") for group in GROUPS)
CHOICES = [
    # text, schema, hard, method, test, guarantee
    ("ACC >= 0.9", SCHEMA, True, "auto", "Clopper-Pearson", "exact"),
    ("F1 >= 0.5", SCHEMA, True, "auto", "Clopper-Pearson", "exact"),
    ("PPV >= 0.5", SCHEMA, True, "auto", "Clopper-Pearson", "exact"),
    ("ERR ** 2 <= 0.3", SCHEMA, True, "auto", "Clopper-Pearson", "exact"),
    ("abs(PR | [M] - PR | [F]) <= 0.1", SCHEMA, True, "auto", "exact unconditional test", "exact"),
    ("PR | [M] / PR | [F] >= 0.8", SCHEMA, True, "exact", "exact unconditional test", "exact"),
    ("FPR - FNR <= 0.3", SCHEMA, True, "auto", "exact unconditional test", "exact"),
    ("exp(PR | [M] - PR | [F]) <= 1.3", SCHEMA, True, "auto", "exact unconditional test", "exact"),
    # if the limit is in the weights, the exact test and betting apply to ratios of two means only
    ("(PR | [M] + 1) / (PR | [F] + 1) <= 1.5", SCHEMA, True, "auto", "box", "finite-sample"),
    ("(FPR | [M] + FNR | [M]) / FPR | [F] <= 2", SCHEMA, True, "auto", "box", "finite-sample"),
    ("PR | [M] / PR | [F] >= 0.8", SCHEMA, False, "auto", "betting", "finite-sample"),
    ("(PR | [M] + 1) / (PR | [F] + 1) <= 1.5", SCHEMA, False, "auto", "box", "finite-sample"),
    (EO, SCHEMA, True, "auto", INVERSE, "finite-sample"),
    ("PR - PR | [M] <= 0.3", SCHEMA, True, "auto", INVERSE, "finite-sample"),
    ("PR | [M] / PR >= 0.3", SCHEMA, True, "auto", PART, "exact"),
    ("PPV / PPV | [M] <= 1.3", SCHEMA, True, "exact", PART, "exact"),
    ("FNR | [M, race == 'A'] / FNR | [M] <= 1.3", SCHEMA, True, "auto", PART, "exact"),
    ("TPR | [M] / (1 - FNR) >= 0.3", SCHEMA, True, "auto", PART, "exact"),
    ("TPR | [M] / PPV >= 0.3", SCHEMA, True, "auto", INVERSE, "finite-sample"),
    ("PR | [M] - PR | [race == 'A'] <= 0.3", SCHEMA, True, "auto", INVERSE, "finite-sample"),
    ("PR_[0] - PR_[1] <= 0.3", THREE, True, "auto", INVERSE, "finite-sample"),
    ("PPV - FPR <= 0.9", SCHEMA, True, "auto", INVERSE, "finite-sample"),
    ("PR | [M] * PR | [F] <= 0.5", SCHEMA, True, "auto", INVERSE, "finite-sample"),
    (f"{MANY} <= 8", SCHEMA, True, "auto", "joint Chernoff bound", "finite-sample"),
    (f"({MANY}) ** 3 * ACC <= 900", SCHEMA, True, "auto", "box", "finite-sample"),
    ("PR <= 0.9", SCHEMA, False, "auto", "betting", "finite-sample"),
    ("abs(PR | [M] - PR | [F]) <= 0.4", SCHEMA, False, "auto", "betting", "finite-sample"),
    ("PPV >= 0.1", SCHEMA, False, "auto", "betting", "finite-sample"),
    ("PPV - PR <= 0.1", SCHEMA, False, "auto", "none", "none"),
    ("Brier <= 0.9", SCHEMA, True, "auto", "betting", "finite-sample"),
    ("Cost <= 1.5", SCHEMA, True, "auto", "betting", "finite-sample"),
    ("Cost * ERR <= 1.5", SCHEMA, True, "auto", "box of Clopper-Pearson and", "finite-sample"),
    ("Price <= 1.5", SCHEMA, True, "auto", "delta method", "asymptotic"),
    ("LogLoss <= 5", SCHEMA, True, "auto", "delta method", "asymptotic"),
    ("LogLoss <= 5", SCHEMA, True, "exact", "none", "none"),
    ("ACC >= 0.9", SCHEMA, True, "asymptotic", "score test", "asymptotic"),
    (EO, SCHEMA, True, "asymptotic", "delta method", "asymptotic"),
    ("ACC >= 0.9", SCHEMA, True, "ttest", "box of Student t bounds", "asymptotic"),
]


@pytest.mark.parametrize(
    ("text", "schema", "deterministic", "method", "test", "guarantee"), CHOICES
)
def test_choice(text, schema, deterministic, method, test, guarantee):
    constraint, seen = evidence(text, schema, deterministic=deterministic)
    verdict = safety_test(constraint.tree, seen, 0.05, method)
    assert verdict.method.startswith(test)
    assert verdict.guarantee == guarantee


@pytest.mark.parametrize(
    ("text", "schema", "deterministic", "method", "test", "guarantee"), CHOICES
)
@pytest.mark.thinned(4)
def test_outcomes_do_not_choose_the_method(text, schema, deterministic, method, test, guarantee):
    methods = set()
    for seed in range(5):
        constraint, seen = evidence(text, schema, deterministic=deterministic, seed=seed)
        methods.add(safety_test(constraint.tree, seen, 0.05, method).method)
    assert len(methods) == 1


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
@pytest.mark.parametrize("n", [2, 6, 50])
def test_one_mean_gets_students_bound_on_the_rows_of_its_group(method, n):
    rng = np.random.default_rng(0)
    male = (np.arange(200) < n) * 1
    schema = Schema((), None, {"M": (0, 1)})
    constraint = bind(parse("Mean_Error | [M] <= 1"), schema)
    codes, stratification = assign_cells({"M": male}, [constraint.conditions], 200)
    y, predicted = rng.normal(size=(2, 200))
    values = distinct_values(constraint.estimands)
    seen = summarise_predictions(codes, y, predicted, stratification, values, keep=True)
    verdict = safety_test(constraint.tree, seen.evidence(constraint.estimands), 0.05, method)
    errors = (predicted - y)[:n]
    mean, error = errors.mean(), errors.std(ddof=1) / np.sqrt(n)
    assert verdict.g_upper + 1 == pytest.approx(mean + error * stats.t.ppf(0.95, n - 1))


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
@pytest.mark.parametrize("errors", [[0.1], [0.5, 0.5], [0.0] * 5])
@pytest.mark.parametrize("text", ["Mean_Error | [M] <= 1", "Mean_Error | [M] >= -1"])
def test_a_group_of_one_row_or_of_equal_errors_passes_nothing(method, errors, text):
    rng = np.random.default_rng(0)
    n = len(errors)
    constraint = bind(parse(text), Schema((), None, {"M": (0, 1)}))
    male = (np.arange(200) < n) * 1
    codes, stratification = assign_cells({"M": male}, [constraint.conditions], 200)
    predicted = np.r_[errors, rng.normal(size=200 - n)]
    values = distinct_values(constraint.estimands)
    seen = summarise_predictions(codes, np.zeros(200), predicted, stratification, values, keep=True)
    verdict = safety_test(constraint.tree, seen.evidence(constraint.estimands), 0.05, method)
    assert not verdict.passed
    assert verdict.g_upper == np.inf
    assert verdict.p_value == 1.0


def test_columns_not_known_to_be_exclusive_may_share_rows():
    constraint, seen = evidence(
        "abs(PR | [M] - PR | [F]) <= 0.1", mutually_exclusive_columns=frozenset()
    )
    assert safety_test(constraint.tree, seen, 0.05).method == INVERSE


def test_few_rows_of_several_rates_get_chernoffs_bound():
    """With few rows, single tail probabilities have less power for a sum than its bound."""
    methods, fewest = [], []
    for n in (80, 140, 400):
        constraint, seen = evidence(EO, n=n)
        fewest.append(min(sample.trials for sample in seen.samples.values()))
        methods.append(safety_test(constraint.tree, seen, 0.05).method)
    assert fewest[0] < 25 <= fewest[1] < 40
    assert methods == ["joint Chernoff bound", INVERSE, INVERSE]


def test_many_rows_get_the_fast_bound():
    constraint = bind(parse("abs(PR | [M] - PR | [F]) <= 0.1"), SCHEMA)
    samples = {mean: Sample(200_000, 500_000, 500_000) for mean in constraint.estimands}
    seen = Evidence(samples, mutually_exclusive_columns=MF, n_rows=1_000_000)
    verdict = safety_test(constraint.tree, seen, 0.05)
    assert verdict.method == INVERSE
    assert verdict.passed


@pytest.mark.parametrize("method", ["auto", "exact", "asymptotic", "ttest"])
@pytest.mark.parametrize(
    "counts",
    [[(0, 0), (5, 10)], [(0, 0), (0, 0)], [(float("nan"), 10), (5, 10)]],
    ids=["one empty", "both empty", "NaN"],
)
@pytest.mark.parametrize(
    "text", ["PR | [M] + PR | [F] <= 1.99", "abs(PR | [M] - PR | [F]) <= 0.99"]
)
def test_no_rows_and_nan_fail_closed_with_a_reason(text, counts, method):
    constraint = bind(parse(text), SCHEMA)
    samples = {m: Sample(*pair) for m, pair in zip(constraint.estimands, counts, strict=True)}
    verdict = safety_test(
        constraint.tree, Evidence(samples, mutually_exclusive_columns=MF), 0.05, method
    )
    assert not verdict.passed
    assert verdict.p_value == 1.0
    assert verdict.reason


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
def test_values_that_are_all_equal_never_get_a_bound_of_zero_width(method):
    constraint = bind(parse("PR <= 0.001"), SCHEMA)
    (mean,) = constraint.estimands
    seen = Evidence({mean: Sample(0, 5, 5)}, n_rows=5)
    assert not safety_test(constraint.tree, seen, 0.05, method).passed

from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.certification import (
    Statistics,
    certify_constraint,
    passes,
    summarise,
    tabulate,
)
from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    assign_cells,
    bind,
    distinct_estimands,
    distinct_values,
    parse,
)
from tests.certification._rows import DATA

SCHEMA = Schema(classes=(0, 1, 2), positive=None, levels={"M": (0, 1), "age": tuple(range(9))})
BINARY = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "age": tuple(range(9))})


def rows(n_classes, n=500, seed=0):
    rng = np.random.default_rng(seed)
    y, predicted = rng.integers(0, n_classes, size=(2, n))
    probabilities = rng.dirichlet(np.ones(n_classes), size=n)
    columns = {"M": rng.integers(0, 2, size=n), "age": rng.integers(0, 9, size=n)}
    return y, predicted, probabilities, columns


def statistics(mean, y, decisions, columns, n_classes):
    codes, stratification = assign_cells(columns, [mean.conditions], len(y))
    return summarised(codes, y, decisions, stratification, n_classes)


def summarised(codes, y, decisions, stratification, n_classes):
    """Statistics of decisions, or of the probabilities of each class."""
    if decisions.ndim == 2:
        return summarise(codes, y, decisions, stratification, deterministic=False)
    table = tabulate(codes, y, decisions, stratification, n_classes)
    return Statistics(table, stratification, deterministic=True)


# The successes of each measure and the rows that it counts, with numpy alone.
BINARY_RATES = {
    "PR": lambda y, p: (p == 1, p == p),
    "NR": lambda y, p: (p == 0, p == p),
    "TPR": lambda y, p: (p == 1, y == 1),
    "FNR": lambda y, p: (p == 0, y == 1),
    "FPR": lambda y, p: (p == 1, y == 0),
    "TNR": lambda y, p: (p == 0, y == 0),
    "ACC": lambda y, p: (p == y, p == p),
    "ERR": lambda y, p: (p != y, p == p),
}


@pytest.mark.parametrize("name", BINARY_RATES)
@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("", lambda c: np.ones(500, bool)),
        (" | [M]", lambda c: c["M"] == 1),
        (" | [not M, age >= 3]", lambda c: (c["M"] == 0) & (c["age"] >= 3)),
        (" | [age in (1, 2, 5)]", lambda c: np.isin(c["age"], [1, 2, 5])),
    ],
)
def test_rates_equal_numpy(name, condition, chosen):
    y, predicted, probabilities, columns = rows(2)
    success, counted = BINARY_RATES[name](y, predicted)
    counted &= chosen(columns)
    expected = success[counted].mean()
    soft_value = probabilities[np.arange(500), y] if name in ("ACC", "ERR") else probabilities[:, 1]
    soft = soft_value[counted].mean()
    constraint = bind(parse(f"{name}{condition} <= 0.5"), BINARY)
    (mean,) = constraint.estimands
    flipped = str(mean).partition(" ")[0] != name
    for decisions, value in ((predicted, expected), (probabilities, soft)):
        sample = statistics(mean, y, decisions, columns, 2).rate(mean)
        assert sample.trials == pytest.approx(counted.sum())
        shown = 1 - sample.estimate if flipped else sample.estimate
        if decisions is probabilities and name in ("NR", "FNR", "TNR", "ERR"):
            shown = 1 - shown
        assert shown == pytest.approx(value)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_multiclass_rates_equal_numpy(label):
    y, predicted, _, columns = rows(3)
    (mean,) = bind(parse(f"TPR_[{label}] >= 0.5"), SCHEMA).estimands
    sample = statistics(mean, y, predicted, columns, 3).rate(mean)
    assert sample.trials == (y == label).sum()
    assert sample.successes == ((predicted == label) & (y == label)).sum()


@pytest.mark.parametrize("deterministic", [True, False])
def test_parts_add_up_in_any_order(deterministic):
    y, predicted, probabilities, columns = rows(2)
    (mean,) = bind(parse("FPR | [M] <= 0.5"), BINARY).estimands
    decisions = predicted if deterministic else probabilities
    codes, stratification = assign_cells(columns, [mean.conditions], len(y))

    def part(index):
        return summarised(codes[index], y[index], decisions[index], stratification, 2)

    whole = part(np.arange(500))
    pieces = [part(index) for index in np.array_split(np.random.default_rng(1).permutation(500), 7)]
    total = sum(pieces[1:], start=pieces[0])
    assert np.allclose(total.confusion, whole.confusion, rtol=0, atol=0 if deterministic else 1e-9)
    assert total.n_rows == 500


def test_empty_group_has_no_estimate():
    y, predicted, _, columns = rows(2)
    columns["M"][:] = 0
    (mean,) = bind(parse("PR | [M] <= 0.5"), BINARY).estimands
    sample = statistics(mean, y, predicted, columns, 2).rate(mean)
    assert sample.trials == 0
    assert np.isnan(sample.estimate)


def soft_statistics(text, schema, low, high, n=400):
    """Statistics of probabilities whose scores are drawn between `low` and `high`, and their
    means.
    """
    resolved, rng = bind(parse(text), schema), np.random.default_rng(0)
    k = len(schema.classes)
    scores = rng.uniform(low, high, size=(n, k))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    codes, stratification = assign_cells({}, [resolved.conditions], n)
    y = rng.integers(0, k, size=n)
    seen = summarise(codes, y, probabilities, stratification, deterministic=False, keep=True)
    ends = tuple(map(float, low)), tuple(map(float, high))
    return replace(seen, ends=ends).in_drawn_order(0), list(distinct_estimands([resolved]))


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("PR <= 0.5", logistic(-1 - 0.5), logistic(2 - 0)),
        ("TPR >= 0.5", logistic(-1 - 0.5), logistic(2 - 0)),
        ("TNR >= 0.5", logistic(0 - 2), logistic(0.5 + 1)),
        ("ACC >= 0.5", logistic(0 - 2), logistic(2 - 0)),
        ("PPV >= 0.5", 0.0, 1.0),
    ],
)
def test_range_of_a_mean_is_what_the_ends_of_the_scores_leave(text, least, most):
    seen, (mean,) = soft_statistics(text, BINARY, (0.0, -1.0), (0.5, 2.0))
    complement = {mean.quantity.name} & {"NR", "FNR", "FPR", "ERR"}
    ends = (1 - most, 1 - least) if complement else (least, most)
    assert seen.range_of(mean) == pytest.approx(ends, abs=2e-5)
    if not mean.quantity.conditions_on_prediction:
        values = seen.evidence([mean]).row_values(mean, 1.0, 0.0)
        assert ends[0] <= values.min() < ends[0] + 0.05
        assert ends[1] - 0.05 < values.max() <= ends[1]
    assert replace(seen, ends=None).range_of(mean) == (0.0, 1.0)
    assert replace(seen, deterministic=True).range_of(mean) == (0.0, 1.0)


def test_range_of_one_class_of_several():
    low, high = (0.0, -1.0, -0.5), (0.5, 2.0, 0.0)
    seen, (mean,) = soft_statistics("PR_[2] <= 0.5", SCHEMA, low, high)
    least = np.exp(-0.5) / (np.exp(-0.5) + np.exp(0.5) + np.exp(2.0))
    most = 1.0 / (1.0 + 1.0 + np.exp(-1.0))
    assert seen.range_of(mean) == pytest.approx((least, most), abs=2e-5)


def test_statistics_of_differing_ends_have_none():
    seen, _ = soft_statistics("PR <= 0.5", BINARY, (0.0, -1.0), (0.5, 2.0))
    assert (seen + seen).ends == seen.ends
    assert (seen + replace(seen, ends=None)).ends is None


def test_a_narrow_range_is_certified_with_fewer_rows_and_a_wrong_one_never():
    seen, means = soft_statistics("PR <= 0.515", BINARY, (0.0, 0.0), (0.1, 0.1), n=60)
    resolved = bind(parse("PR <= 0.515"), BINARY)
    assert certify_constraint(resolved, seen, 0.05).passed
    assert not certify_constraint(resolved, replace(seen, ends=None), 0.05).passed
    wrong = replace(seen, ends=((0.0, 0.0), (0.02, 0.02)))
    assert certify_constraint(resolved, wrong, 0.05).g_upper == np.inf
    assert wrong.range_of(means[0])[1] < seen.range_of(means[0])[1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.thinned(2)
def test_narrow_probabilities_on_the_limit_are_certified_at_most_delta_of_the_time(share, whole):
    """Two-point values at both ends of their range, which are the worst case."""
    n_trials = 1500 if whole else 300
    low, high = (0.0, -0.5), (0.0, 0.3)
    ends = logistic(np.array([-0.5, 0.3]))
    limit = float(share * ends[1] + (1 - share) * ends[0] - ends[0])
    resolved = bind(parse(f"PR | [M] - PR | [not M] <= {limit!r}"), BINARY)
    means, rng, n = list(distinct_estimands([resolved])), np.random.default_rng(1), 120
    male = np.arange(n) % 2
    codes, stratification = assign_cells({"M": male}, [resolved.conditions], n)
    certified = 0
    for trial in range(n_trials):
        probability = np.where((male == 1) & (rng.random(n) < share), ends[1], ends[0])
        probabilities = np.c_[1 - probability, probability]
        seen = summarise(
            codes, np.zeros(n, int), probabilities, stratification, deterministic=False, keep=True
        )
        evidence = replace(seen, ends=(low, high)).in_drawn_order(trial).evidence(means)
        assert evidence.range_of(means[0])[1] < 0.6
        certified += passes(resolved.tree, evidence, 0.05)
    error = np.sqrt(0.05 * 0.95 / n_trials)  # .006 and .013
    assert 0 < certified <= (0.05 + 3 * error) * n_trials


def kept_rows(n=60):
    """Statistics of drawn decisions, with the rows in one order and in another."""
    rng = np.random.default_rng(7)
    y, codes = rng.integers(0, 2, n), np.zeros(n, np.int32)
    probabilities = np.stack([1 - (p := rng.choice([0.2, 0.4, 0.9], n)), p], axis=1)
    rows = codes, y, probabilities
    order = np.lexsort(probabilities.T)
    other = (part[order] for part in rows)
    return tuple(
        summarise(*r, Stratification.single(), deterministic=False, keep=True)
        for r in (rows, other)
    )


def test_the_drawn_order_depends_on_the_rows_and_the_seed_alone():
    one, other = kept_rows()
    assert not np.array_equal(one.kept.entries, other.kept.entries)
    drawn = [s.in_drawn_order(3).kept for s in (one, other, one.in_drawn_order(8))]
    for rows in drawn[1:]:
        assert all(map(np.array_equal, rows, drawn[0]))
    assert not np.array_equal(one.in_drawn_order(4).kept.entries, drawn[0].entries)
    for column, before in zip(drawn[0].entries.T, one.kept.entries.T, strict=True):
        assert sorted(column) == sorted(before)


def test_rows_are_tested_one_by_one_only_in_a_drawn_order():
    one, other = kept_rows()
    assert one.evidence(()).row_values is None
    assert one.in_drawn_order(0).evidence(()).row_values is not None
    assert (one.in_drawn_order(0) + other.in_drawn_order(0)).evidence(()).row_values is None


def test_counts_have_no_order():
    n = 50
    seen = summarise(
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.tile([0.4, 0.6], (n, 1)),
        Stratification.single(),
    )
    assert seen.in_drawn_order(0) is seen
    assert seen.order_seed is None


# -- averages ------------------------------------------------------------------------------


@pytest.mark.parametrize("deterministic", [True, False])
def test_statistics_add_up(deterministic):
    text = "Cost | [M] + Brier + PR <= 3"
    resolved = DATA.bind(text)
    values = distinct_values(resolved.estimands)
    codes, stratification = assign_cells(DATA.columns, [resolved.conditions], len(DATA.y))
    order = np.random.default_rng(0).permutation(len(DATA.y))

    def of(rows):
        return summarise(
            codes[rows],
            DATA.y[rows],
            DATA.p[rows],
            stratification,
            values,
            deterministic=deterministic,
        )

    whole, parts = of(order), of(order[:300]) + of(order[300:])
    np.testing.assert_allclose(parts.confusion, whole.confusion)
    np.testing.assert_allclose(parts.products, whole.products)
    assert parts.n_rows == whole.n_rows == len(DATA.y)
    assert isinstance(parts, Statistics)


def test_shares_of_averages_need_no_values():
    y, predicted, _, columns = rows(2)
    (mean,) = bind(parse("Brier | [M] <= 0.2"), BINARY).estimands
    counted = statistics(mean, y, predicted, columns, 2)
    assert counted.shares([mean]) == {mean: pytest.approx(columns["M"].mean())}

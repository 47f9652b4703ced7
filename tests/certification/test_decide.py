"""The safety test is wrong with probability at most delta, summed over the whole sample space."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from sklearn_seldonian.certification import (
    Evidence,
    Sample,
    Statistics,
    passes,
    safety_test,
    summarise,
)
from sklearn_seldonian.constraints import (
    ColumnIs,
    Comparison,
    Schema,
    Stratification,
    bind,
    choice,
    distinct_conditions,
    distinct_values,
    parse,
)
from tests.certification._rows import DATA

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)})
MF = frozenset({frozenset({"M", "F"})})


def resolved(text):
    return bind(parse(text), SCHEMA)


def evidence(constraint, counts, trials, **others):
    pairs = zip(counts, trials, strict=True)
    samples = {m: Sample(k, n, n) for m, (k, n) in zip(constraint.estimands, pairs, strict=True)}
    return Evidence(samples, mutually_exclusive_columns=MF, n_rows=sum(trials), **others)


def passing_counts(constraint, trials, delta):
    """All counts of the sample space that pass."""
    spaces = [range(n + 1) for n in trials]
    return [
        c
        for c in itertools.product(*spaces)
        if passes(constraint.tree, evidence(constraint, c, trials), delta)
    ]


def probability(all_counts, trials, rates):
    """The exact probability of observing one of `all_counts` if the means are `rates`."""
    masses = [binom.pmf(range(n + 1), n, p) for n, p in zip(trials, rates, strict=True)]
    return sum(
        math.prod(mass[k] for mass, k in zip(masses, counts, strict=True)) for counts in all_counts
    )


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 2, 5, 30, 100])
@pytest.mark.parametrize(("text", "limit"), [("PR <= 0.3", 0.3), ("PR >= 0.8", 0.8)])
def test_one_rate_on_and_beyond_the_limit(text, limit, n, delta):
    constraint = resolved(text)
    passing = passing_counts(constraint, (n,), delta)
    for rate in np.linspace(limit, 1.0 if "<=" in text else 0.0, 7):
        assert probability(passing, (n,), (rate,)) <= delta * (1 + 1e-9)


# The means of each constraint, in order, and pairs of rates that violate it or just satisfy it.
TWO_RATES = [
    ("abs(PR | [M] - PR | [F]) <= 0.1", [(0.3, 0.4), (0.45, 0.55), (0.9, 1.0), (0.2, 0.6)]),
    ("PR | [M] / PR | [F] >= 0.8", [(0.4, 0.5), (0.08, 0.1), (0.8, 1.0), (0.1, 0.5)]),
    ("min(PR | [M], PR | [F]) <= 0.2", [(0.2, 0.2), (0.2, 0.9), (0.5, 0.5)]),
    ("max(PR | [M], PR | [F]) <= 0.5", [(0.5, 0.0), (0.5, 0.5), (0.1, 0.6)]),
    ("PR | [M] * PR | [F] <= 0.25", [(0.5, 0.5), (0.25, 1.0), (0.6, 0.6)]),
]


@pytest.mark.parametrize("delta", [0.05, 0.1])
@pytest.mark.parametrize("trials", [(1, 2), (6, 9), pytest.param((12, 12), marks=pytest.mark.slow)])
@pytest.mark.parametrize(("text", "violations"), TWO_RATES, ids=[t for t, _ in TWO_RATES])
@pytest.mark.thinned(2)
def test_two_rates_on_and_beyond_the_limit(text, violations, trials, delta):
    constraint = resolved(text)
    passing = passing_counts(constraint, trials, delta)
    for rates in violations:
        assert probability(passing, trials, rates) <= delta * (1 + 1e-9)


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        ("PR <= 0.3", (10,), True),
        ("PR <= 0.3", (30,), False),
        ("PR >= 0.3", (60,), True),
        ("abs(PR | [M] - PR | [F]) <= 0.5", (50, 50), True),
        ("abs(PR | [M] - PR | [F]) <= 0.1", (50, 50), False),
        ("min(PR | [M], PR | [F]) <= 0.2", (5, 90), True),
        ("PR - PR <= 0", (50,), True),
        ("PR - PR <= -0.01", (50,), False),
    ],
)
def test_both_outcomes(text, counts, expected):
    constraint = resolved(text)
    seen = evidence(constraint, counts, [100] * len(counts))
    assert passes(constraint.tree, seen, 0.05) is expected
    assert safety_test(constraint.tree, seen, 0.05).passed is expected


@pytest.mark.parametrize("k", [0, 3, 50, 99, 100])
def test_one_rate_is_clopper_pearson(k):
    constraint = resolved("PR >= 0.4")
    verdict = safety_test(constraint.tree, evidence(constraint, [k], [100]), 0.05)
    reference = binomtest(k, 100, 0.4, alternative="greater")
    lower = reference.proportion_ci(0.95, method="exact").low
    assert verdict.g_upper == pytest.approx(0.4 - lower)
    assert verdict.p_value == pytest.approx(reference.pvalue, rel=2e-3, abs=2e-12)
    assert (verdict.method, verdict.guarantee) == ("Clopper-Pearson", "exact")


@pytest.mark.parametrize("text", [text for text, _ in TWO_RATES])
@pytest.mark.parametrize("counts", [(22, 24), (5, 90), (45, 50), (40, 30)])
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.3])
@pytest.mark.thinned(4)
def test_passing_is_a_bound_at_or_below_zero_and_a_p_value_at_most_delta(text, counts, delta):
    constraint = resolved(text)
    seen = evidence(constraint, counts, (100, 100))
    verdict = safety_test(constraint.tree, seen, delta)
    assert verdict.passed == (verdict.g_upper <= 0) == passes(constraint.tree, seen, delta)
    assert verdict.p_value <= delta or not verdict.passed


def test_only_bounds_that_matter_are_computed_to_the_digit():
    """The bound of an AND is the largest bound of its children."""
    parity = resolved("abs(PR | [M] - PR | [F]) <= 0.2")
    seen = evidence(parity, (30, 40), (100, 100))
    sides = [safety_test(child, seen, 0.05).g_upper for child in parity.tree.children]
    assert safety_test(parity.tree, seen, 0.05).g_upper == max(sides)


@pytest.mark.parametrize("text", ["PR | [M] <= 0.99", "abs(PR | [M] - PR | [F]) <= 0.99"])
def test_no_rows_never_pass(text):
    constraint = resolved(text)
    nothing = [0] * len(constraint.estimands)
    assert not passes(constraint.tree, evidence(constraint, nothing, nothing), 0.05)


def test_soft_test_holds_its_level_in_simulation(whole):
    """Mean probabilities of a two-point distribution exactly at the limit."""
    constraint = resolved("PR <= 0.3")
    rng, n_trials = np.random.default_rng(0), 2000 if whole else 400
    values = np.where(rng.random((n_trials, 100)) < 1 / 3, 0.9, 0.0)

    def certified(row):
        seen = evidence(
            constraint,
            [row.sum()],
            [100],
            deterministic=False,
            row_values=lambda mean, w, c: w * row,
        )
        return passes(constraint.tree, seen, 0.05)

    n_certified = sum(map(certified, values))
    assert binomtest(n_certified, n_trials, 0.05, alternative="greater").pvalue > 0.01
    assert certified(values[0] * 0.1)


def test_opposite_constraints_pass_where_a_violation_is_proved():
    resolved = DATA.bind("max(PR | [M], PR | [not M]) - ACC <= -0.7")
    evidence = DATA.statistics("max(PR | [M], PR | [not M]) - ACC <= -0.7").evidence(
        resolved.estimands
    )
    assert passes(resolved.opposite, evidence, 0.05)
    assert not passes(resolved.tree, evidence, 0.05)


PROMISES = [
    # Probabilities of the entries (y, ŷ) = 00, 01, 10, 11; the limit is the true value.
    ("F1 >= {}", [0.4, 0.1, 0.1, 0.4], lambda q: 2 * q[3] / (2 * q[3] + q[1] + q[2])),
    ("PPV >= {}", [0.3, 0.2, 0.1, 0.4], lambda q: q[3] / (q[1] + q[3])),
    ("PR / FPR >= {}", [0.3, 0.2, 0.1, 0.4], lambda q: (q[1] + q[3]) / (q[1] / (q[0] + q[1]))),
    ("Cost <= {}", [0.3, 0.2, 0.1, 0.4], lambda q: q[1] + 5 * q[2]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "probabilities", "limit"), PROMISES)
def test_a_violated_constraint_passes_at_most_delta_of_the_time(text, probabilities, limit, whole):
    probabilities = np.array(probabilities)
    true = limit(probabilities)
    just_violated = true + 1e-9 if ">=" in text else true - 1e-9
    text = text.format(f"{just_violated:.12f}")
    rng, n_trials, n_passed = np.random.default_rng(0), 1000 if whole else 200, 0
    data = DATA.bind(text)
    values = distinct_values(data.estimands)
    corners = np.arange(4)
    for _ in range(n_trials):
        square = np.repeat(corners, rng.multinomial(200, probabilities))
        codes, chances_ = np.zeros(200, np.int32), np.eye(2)[square % 2]
        statistics = summarise(
            codes, square // 2, chances_, Stratification.single(), values, keep=True
        )
        n_passed += passes(data.tree, statistics.evidence(data.estimands), 0.1)
    # Three standard errors above delta = 0.1.
    assert n_passed / n_trials <= 0.1 + 3 * math.sqrt(0.09 / n_trials)


# -- false certificates are at most delta ----------------------------------------------------------

TWO = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1), "race": ("A", "B", "C")})


THREE = Schema((0, 1, 2), None, {})


DELTA = 0.05


@pytest.fixture
def n_trials(whole):
    """The standard error of a share of .05 is .004, and .01 in the short form."""
    return 3000 if whole else 500


def holds(condition, group):
    """Whether a condition is true in the cell of a group: M, F or a race."""
    if isinstance(condition, ColumnIs):
        return (condition.column == group) == condition.value
    assert isinstance(condition, Comparison)
    return condition.literal == group


def share_certified(texts, groups, n_trials, schema=TWO):
    """The share of `n_trials` samples in which all `texts` pass; verdicts are cached by counts.

    `groups` maps the name of each group to its number of rows and the probabilities of the entries
    (label, prediction), row by row.
    """
    constraints = [bind(parse(text), schema) for text in texts]
    means = list(dict.fromkeys(mean for c in constraints for mean in c.estimands))
    conditions = distinct_conditions(means)
    membership = np.array(
        [[holds(condition, group) for condition in conditions] for group in groups], dtype=bool
    )
    stratification = Stratification.single(conditions, membership)

    @cache
    def all_pass(samples):
        evidence = Evidence(dict(zip(means, samples, strict=True)), mutually_exclusive_columns=MF)
        return all(passes(c.tree, evidence, DELTA) for c in constraints)

    rng, k = np.random.default_rng(0), len(schema.classes)
    draws = [rng.multinomial(n, probabilities, n_trials) for n, probabilities in groups.values()]
    tables = np.stack(draws, axis=1).reshape(n_trials, len(groups), k, k)
    wrong = 0
    for table in tables.astype(float):
        statistics = Statistics(table, stratification, deterministic=True)
        wrong += all_pass(tuple(Sample(*statistics.rate(mean)[:2]) for mean in means))
    return wrong / n_trials


def rates(n, tpr, fpr, positive=0.5):
    """A group of n rows: probabilities of (label, prediction) 00, 01, 10, 11."""
    negative = 1 - positive
    probabilities = [negative * (1 - fpr), negative * fpr, positive * (1 - tpr), positive * tpr]
    return n, np.array(probabilities)


# With the last numbers, each constraint is just violated or exactly at its limit.
ON_THE_LIMIT = {
    "precision": (["PPV >= 0.8"], {"all": rates(60, 0.8, 0.2)}),
    "precision of few": (["PPV >= 0.9"], {"all": rates(200, 0.9, 0.1)}),
    "F1": (["F1 >= 0.8"], {"all": rates(60, 0.8, 0.2)}),
    "F1 of a rare class": (["F1 >= 0.5"], {"all": rates(60, 0.5, 0.05, 1 / 11)}),
    "either group": (
        ["min(PR | [M], PR | [F]) <= 0.2"],
        {"M": rates(40, 0.2, 0.2), "F": rates(60, 0.2, 0.2)},
    ),
    "every pair of levels": (
        ["max(FPR, by=race) - min(FPR, by=race) <= 0.4"],
        {"A": rates(10, 0, 0, 0), "B": rates(10, 0, 0.4, 0), "C": rates(10, 0, 0, 0)},
    ),
    "a ratio": (
        ["min(PR | [M] / PR | [F], PR | [F] / PR | [M]) >= 0.8"],
        {"M": rates(30, 0.8, 0.8), "F": rates(30, 1, 1)},
    ),
    "rates of the same rows": (["PPV - FPR >= 0.6"], {"all": rates(150, 0.8, 0.2)}),
    "a product": (
        ["PR | [M] * PR | [F] <= 0.25"],
        {"M": rates(60, 0.5, 0.5), "F": rates(60, 0.5, 0.5)},
    ),
    "one of several": (
        ["ACC >= 0.5", "TPR >= 0.5", "FPR <= 0.2"],
        {"all": rates(150, 0.95, 0.2)},
    ),
    "all of several": (
        ["TPR >= 0.9", "FPR <= 0.1", "ACC >= 0.9", "PPV >= 0.9"],
        {"all": rates(150, 0.9, 0.1)},
    ),
}


@pytest.mark.parametrize(("texts", "groups"), ON_THE_LIMIT.values(), ids=ON_THE_LIMIT)
@pytest.mark.thinned(2)
def test_a_constraint_on_its_limit_passes_at_most_delta_of_the_time(texts, groups, n_trials):
    share = share_certified(texts, groups, n_trials)
    assert share <= DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / n_trials)


def test_classes_that_share_rows_on_the_limit(n_trials):
    probabilities = np.outer([0.4, 0.3, 0.3], [0.4, 0.3, 0.3]).ravel()
    share = share_certified(
        ["PR_[0] - PR_[1] <= 0.1"], {"all": (60, probabilities)}, n_trials, THREE
    )
    assert share <= DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / n_trials)


def test_certificates_are_given_where_there_is_room():
    """The share is .92 by enumeration; the share of 50 samples has a standard error of .04."""
    groups = {"M": rates(60, 0.4, 0.4), "F": rates(60, 0.4, 0.4)}
    assert share_certified(["abs(PR | [M] - PR | [F]) <= 0.3"], groups, 50) > 0.8


# -- one alternative of an OR, chosen by other rows ----------------------------------------

EITHER = "min(PR | [M], PR | [F]) <= 0.3"
# Both alternatives are violated or exactly at their limits.
VIOLATED = [(0.3, 0.3), (0.3, 0.9), (0.35, 0.3), (0.5, 0.6)]


def choice_by(rates):
    """The choice of the alternative with the lower rate."""
    tree = resolved(EITHER).tree
    return choice(tree, iter([(0.0, rate) for rate in rates]))


def all_counts(trials):
    return list(itertools.product(*[range(n + 1) for n in trials]))


def chance_of(counts, trials, rates):
    return math.prod(binom.pmf(k, n, p) for k, n, p in zip(counts, trials, rates, strict=True))


@pytest.mark.parametrize("delta", [0.05, 0.1])
@pytest.mark.parametrize("trials", [(5, 7), (12, 9)])
@pytest.mark.parametrize("rates", VIOLATED)
@pytest.mark.thinned(3)
def test_alternatives_chosen_by_other_rows_pass_at_most_delta_of_the_time(rates, trials, delta):
    """All counts of the choosing rows and of the tested rows, with their probabilities."""
    constraint, choosing = resolved(EITHER).opened(), (3, 4)
    chosen = {rates: constraint.with_choice(choice_by(rates)) for rates in ((0.0, 1.0), (1.0, 0.0))}
    of_each = {
        low: sum(
            chance_of(counts, trials, rates)
            for counts in all_counts(trials)
            if passes(one.tree, evidence(one, counts, trials), delta)
        )
        for low, one in chosen.items()
    }
    total = 0.0
    for counts in all_counts(choosing):
        first, second = (k / n for k, n in zip(counts, choosing, strict=True))
        low = (0.0, 1.0) if first <= second else (1.0, 0.0)
        total += chance_of(counts, choosing, rates) * of_each[low]
    assert total <= delta * (1 + 1e-9)
    assert max(of_each.values()) <= delta * (1 + 1e-9)


def test_alternatives_chosen_by_the_tested_rows_would_pass_too_often():
    """A check that the test above can fail: .108 at a delta of .06."""
    first, trials = resolved(EITHER).opened().with_choice(choice_by((0.0, 1.0))), (40, 40)
    passing = {k for k in range(41) if passes(first.tree, evidence(first, (k, 40), trials), 0.06)}
    lowest_passes = (counts for counts in all_counts(trials) if min(counts) in passing)
    total = sum(chance_of(counts, trials, (0.3, 0.3)) for counts in lowest_passes)
    assert total == pytest.approx(1 - (1 - binom.cdf(max(passing), 40, 0.3)) ** 2)
    assert total > 0.1


def test_a_chosen_alternative_has_all_of_delta_and_the_others_none():
    constraint = resolved(EITHER)
    seen = evidence(constraint, (30, 1), (100, 100))
    both = safety_test(constraint.tree, seen, 0.05)
    first, second = (
        safety_test(constraint.opened().with_choice(choice_by(rates)).tree, seen, 0.05)
        for rates in ((0.2, 0.4), (0.4, 0.2))
    )
    alone = safety_test(resolved("PR | [M] <= 0.3").tree, seen, 0.05)
    assert (first.g_upper, first.p_value) == (alone.g_upper, alone.p_value)
    assert second.g_upper < both.g_upper < 0
    assert second.p_value == pytest.approx(both.p_value / 2)
    assert not first.passed


def test_alternatives_that_are_still_open_are_not_tested():
    constraint = resolved(EITHER).opened()
    seen = evidence(constraint, (1, 1), (100, 100))
    for test in (safety_test, passes):
        with pytest.raises(ValueError, match="No alternative of an OR was chosen before the test"):
            test(constraint.tree, seen, 0.05)


ALWAYS = "max(PR | [M], NR | [M]) >= 0.5"


@pytest.mark.parametrize("n", [1, 7, 100])
def test_what_is_arithmetic_passes_with_any_counts(n):
    constraint, beyond = resolved(ALWAYS), resolved(ALWAYS.replace("0.5", "0.5000001"))
    verdicts = [
        safety_test(constraint.tree, evidence(constraint, (k,), (n,)), 0.05) for k in (0, n // 2, n)
    ]
    assert all(verdict.passed for verdict in verdicts)
    assert {(verdict.method, verdict.guarantee) for verdict in verdicts} == {
        ("arithmetic", "exact")
    }
    assert not passes(beyond.tree, evidence(beyond, (n // 2,), (n,)), 0.05)

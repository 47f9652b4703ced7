"""Plans against sums over all counts and against simulations of the safety test itself."""

import math
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.certification import (
    Evidence,
    Sample,
    _methods,
    approximate_upper,
    passes,
    safety_test,
)
from sklearn_seldonian.certification._acceptance import AcceptanceSet
from sklearn_seldonian.certification._draws import binomial_cdf, correlations, drawn_counts
from sklearn_seldonian.certification._methods import Method
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})


@pytest.mark.parametrize("rates", [(0.1, 0.12), (0.45, 0.4), (0.9, 0.93)])
@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize(
    "text", ["PR | [M] - PR | [F] <= 0.1", "0.8 * PR | [M] - PR | [F] <= 0", "PR | [M] <= 0.5"]
)
def test_approximate_bounds(text, n, rates):
    constraint = bind(parse(text), SCHEMA)
    (atom,) = atoms_of(constraint.tree)
    samples = {
        mean: Sample(round(rate * n), n, n)
        for mean, rate in zip(atom.estimands, rates, strict=False)
    }
    evidence = Evidence(samples, mutually_exclusive_columns=EXCLUSIVE, n_rows=2 * n)
    estimate = atom.linear.constant + sum(
        weight * samples[mean].estimate
        for weight, mean in zip(atom.linear.weights, atom.estimands, strict=True)
    )
    upper = safety_test(atom, evidence, 0.05).g_upper
    approximate = approximate_upper(atom, evidence, 0.05)
    assert approximate - estimate == pytest.approx(upper - estimate, rel=0.12)


# -- one rate --------------------------------------------------------------------------------------


def exact_power(text, rate, n, delta=0.05, method="auto"):
    """The binomial probability of all counts of one rate with which the test passes."""
    tree = bind(parse(text), SCHEMA).tree
    (mean,) = {mean for atom in atoms_of(tree) for mean in atom.estimands}
    passing = [
        k
        for k in range(n + 1)
        if passes(tree, Evidence({mean: Sample(k, n, n)}, n_rows=n), delta, method)
    ]
    return float(binom.pmf(passing, n, rate).sum())


ONE_RATE = [
    ("ERR <= 0.05", {"ERR": 0.001}, 0.999, 63),  # canonical is ACC
    ("ERR <= 0.05", {"ACC": 0.99}, 0.99, 63),
    ("ACC >= 0.9", {"ACC": 0.93}, 0.93, 150),
    ("TNR >= 0.6", {"FPR": 0.3}, 0.3, 40),
    ("F1 >= 0.8", {"Jaccard": 0.8}, 0.8, 50),
    ("abs(PR - 0.5) <= 0.15", {"PR": 0.45}, 0.45, 120),
    ("max(PR, 0.3) <= 0.5", {"PR": 0.4}, 0.4, 80),
    ("min(PR, 1 - PR) <= 0.2", {"PR": 0.1}, 0.1, 60),
    ("PR ** 2 + PR <= 0.5", {"PR": 0.2}, 0.2, 60),
    ("ERR <= 0.05", {"ERR": 0.0}, 1.0, 58),
    ("ERR <= 0.05", {"ERR": 0.0}, 1.0, 59),
    ("ERR <= 0.05", {"ERR": 1.0}, 0.0, 59),
]


@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
@pytest.mark.parametrize(("text", "rates", "rate", "n"), ONE_RATE)
def test_probability_of_one_rate_is_the_binomial_sum(text, rates, rate, n, method):
    found = probability_of_passing(text, rates, n, method=method)
    assert found == pytest.approx(exact_power(text, rate, n, method=method), abs=1e-12)


def test_share_of_the_rows_gives_the_trials():
    whole = probability_of_passing("TPR >= 0.8", {"TPR": 0.9}, 29)
    assert probability_of_passing("TPR >= 0.8", {"TPR": 0.9}, 100, {"TPR": 0.29}) == whole
    assert probability_of_passing("TPR >= 0.8", {"TPR": 0.9}, 100, {"TPR": 0.0}) == 0.0


@pytest.mark.parametrize(
    ("limit", "rate", "rows"),
    [
        (0.05, 0.001, 59),
        (0.05, 0.01, 153),
        (0.1, 0.03, 103),
        (0.02, 0.002, 236),
        (0.2, 0.1, 112),
        (0.1, 0.07, 748),
    ],
)
def test_rows_for_one_limit(limit, rate, rows):
    assert required_safety_rows(f"ERR <= {limit}", {"ERR": rate}) == rows
    assert required_safety_rows(f"ACC >= {1 - limit}", {"ACC": 1 - rate}) == rows
    assert required_safety_rows(f"ACC >= {1 - limit}", {"ERR": rate}) == rows
    assert required_safety_rows(f"TPR >= {1 - limit}", {"FNR": rate}, {"TPR": 0.5}) == 2 * rows


@pytest.mark.parametrize("power", [0.3, 0.8, 0.95])
@pytest.mark.parametrize(
    ("limit", "rate"), [(0.1, 0.05), (0.3, 0.2), (0.9, 0.83), (0.6, 0.5), (0.04, 0.0)]
)
def test_rows_for_one_limit_are_the_fewest_with_the_power(limit, rate, power):
    text = f"PR <= {limit}"
    rows = required_safety_rows(text, {"PR": rate}, power=power)
    powers = [probability_of_passing(text, {"PR": rate}, n) for n in range(1, rows + 1)]
    assert powers[-1] >= power > max(powers[:-1])


@pytest.mark.parametrize(("n", "rate"), [(1, 0.3), (40, 0.0), (40, 1.0), (40, 0.02), (3000, 0.4)])
def test_binomial_distribution(n, rate):
    counts = np.arange(-1, n + 1)
    np.testing.assert_allclose(
        binomial_cdf(counts, n, rate), binom.cdf(counts, n, rate), atol=1e-13
    )


# -- several rates ---------------------------------------------------------------------------------


def simulated(texts, counts, trials, delta=0.05):
    """The share of tables of independent counts, one row each, with which all `texts` pass."""
    rows = dict(zip(counts, trials, strict=True))
    schema = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1), "race": ("A", "B", "C")})
    trees = [bind(parse(text), schema).tree for text in texts]
    means = {str(m): m for tree in trees for atom in atoms_of(tree) for m in atom.estimands}

    @cache
    def all_pass(table):
        samples = {
            means[name]: Sample(k, n, n) for (name, n), k in zip(rows.items(), table, strict=True)
        }
        evidence = Evidence(samples, mutually_exclusive_columns=EXCLUSIVE, n_rows=sum(trials))
        return all(passes(tree, evidence, delta) for tree in trees)

    tables = np.stack(list(counts.values()), axis=1).tolist()
    return np.mean([all_pass(tuple(table)) for table in tables])


M_AND_F = ("PR | [M]", "PR | [F]")
RACES = tuple(f'TPR | [race == "{race}"]' for race in "ABC")
GAPS = ("TPR | [M]", "TPR | [F]", "FPR | [M]", "FPR | [F]")
SEVERAL = [
    (["abs(PR | [M] - PR | [F]) <= 0.2"], M_AND_F, (0.1, 0.12), (40, 60)),
    (["abs(PR | [M] - PR | [F]) <= 0.1"], M_AND_F, (0.1, 0.12), (150, 150)),
    (["PR | [M] / PR | [F] >= 0.8"], M_AND_F, (0.5, 0.5), (200, 300)),
    (["max(TPR, by=race) <= 0.9"], RACES, (0.8, 0.82, 0.84), (100, 150, 200)),
    (["max(TPR, by=race) - min(TPR, by=race) <= 0.3"], RACES, (0.8, 0.82, 0.84), (30, 40, 50)),
    (
        ["abs(TPR | [M] - TPR | [F]) + abs(FPR | [M] - FPR | [F]) <= 0.25"],
        GAPS,
        (0.8, 0.8, 0.2, 0.2),
        (145, 145, 145, 145),
    ),
    (["min(PR | [M], PR | [F]) <= 0.2"], M_AND_F, (0.1, 0.15), (60, 90)),
    (["PR | [M] * PR | [F] <= 0.4"], M_AND_F, (0.5, 0.6), (150, 150)),
    (["PR | [M] <= 0.3", "PR | [M] - PR | [F] <= 0.1"], M_AND_F, (0.2, 0.22), (120, 300)),
]


@pytest.mark.parametrize(("texts", "names", "rates", "trials"), SEVERAL)
def test_probability_of_several_rates_is_that_of_the_test(texts, names, rates, trials, whole):
    rng, n_draws = np.random.default_rng(1), 60
    if whole:
        n_draws = 120 if len(names) > 2 else 200
    counts = {
        name: rng.binomial(n, p, n_draws) for name, n, p in zip(names, trials, rates, strict=True)
    }
    expected = simulated(texts, counts, trials)
    total = sum(trials)
    found = probability_of_passing(
        texts,
        dict(zip(names, rates, strict=True)),
        total,
        {name: n / total for name, n in zip(names, trials, strict=True)},
    )
    assert 0.05 < expected < 0.97
    assert found == pytest.approx(expected, abs=0.02 + 2 * math.sqrt(0.25 / n_draws))


@pytest.mark.parametrize(("texts", "names", "rates", "trials"), [*SEVERAL[1:4], SEVERAL[5]])
def test_rows_for_several_rates_have_the_power(texts, names, rates, trials):
    expected, total = dict(zip(names, rates, strict=True)), sum(trials)
    shares = {name: n / total for name, n in zip(names, trials, strict=True)}
    rows = required_safety_rows(texts, expected, shares, power=0.8)
    assert probability_of_passing(texts, expected, rows, shares) == pytest.approx(0.8, abs=0.03)


def test_what_is_independent_is_multiplied():
    both = {"TPR": 0.9, "TNR": 0.88}
    alone = [probability_of_passing(f"{m} >= 0.8", {m: p}, 150) for m, p in both.items()]
    joint = probability_of_passing(["TPR >= 0.8", "TNR >= 0.8"], both, 150)
    assert joint == pytest.approx(math.prod(alone))
    assert probability_of_passing("min(TPR, TNR) >= 0.8", both, 150) == pytest.approx(joint)
    halves = [
        probability_of_passing(f"{m} >= 0.8", {m: p}, 150, delta=0.025) for m, p in both.items()
    ]
    either = probability_of_passing("max(TPR, TNR) >= 0.8", both, 150)
    assert either == pytest.approx(1 - math.prod(1 - half for half in halves))


def test_tables_that_pass_are_what_the_method_says_whatever_its_name(monkeypatch):
    first, second = bound_means("PR | [M]", "PR | [F]")
    mine = Method(
        "mine",
        "exact",
        lambda _: math.inf,
        lambda _: 1.0,
        passing_tables=lambda tables, delta: tables.sum(axis=1) < 100 * delta,
    )
    monkeypatch.setattr(_methods, "METHODS", {"mine": (lambda atom, evidence: mine,)})
    tree = bind(parse("PR | [M] - PR | [F] <= 0.1"), SCHEMA).tree
    acceptance = AcceptanceSet({first: 10, second: 20}, "mine", EXCLUSIVE)
    counts = {first: np.array([0, 2, 9]), second: np.array([4, 3, 20])}
    assert acceptance.passes([(tree, 0.05)], counts).tolist() == [True, False, False]
    assert acceptance.passes([(tree, 0.06)], counts).tolist() == [True, True, False]
    assert not acceptance.asks_each_table(tree)


# -- rates that share rows -------------------------------------------------------------------------


def bound_means(*texts, classes=(0, 1)):
    schema = Schema(classes, 1 if len(classes) == 2 else None, {"M": (0, 1), "F": (0, 1)})
    return [bind(parse(f"{text} <= 0.5"), schema).estimands[0] for text in texts]


def test_correlation_of_a_part_and_the_whole():
    part, whole = bound_means("PR | [M]", "PR")
    found = correlations({part: 0.3, whole: 0.4}, {part: 0.25, whole: 1.0}, frozenset())
    expected = math.sqrt(0.25 * 0.3 * 0.7 / (0.4 * 0.6))
    # In the most even distribution whether a row is of M is not known given its decision.
    assert found[0, 1] == pytest.approx(expected, abs=0.03)


def test_correlation_of_shares_that_exclude_each_other():
    one, other = bound_means("PR_[0]", "PR_[1]", classes=(0, 1, 2))
    found = correlations({one: 0.3, other: 0.5}, {one: 1.0, other: 1.0}, frozenset())
    assert found[0, 1] == pytest.approx(-math.sqrt(0.3 * 0.5 / (0.7 * 0.5)), abs=1e-4)


def test_correlation_of_a_rate_with_what_it_decides():
    accuracy, tpr, tnr = bound_means("ACC", "TPR", "FPR")
    shares = {accuracy: 1.0, tpr: 0.4, tnr: 0.6}
    found = correlations({accuracy: 0.84, tpr: 0.9, tnr: 0.2}, shares, frozenset())
    assert found[1, 2] == pytest.approx(0, abs=1e-6)
    assert found[0, 1] > 0.3
    assert found[0, 2] < -0.3


@pytest.mark.parametrize(
    ("names", "rates", "shares"),
    [
        (("PR | [M]", "PR | [F]"), (0.2, 0.3), (0.5, 0.5)),  # not of the same rows
        (("ACC", "TPR", "FPR"), (0.2, 0.9, 0.1), (1, 0.5, 0.5)),  # no distribution has these
        (("TPR", "FPR", "ACC"), (0.8, 0.1, 0.8), (1, 1, 1)),
    ],
)
def test_what_nothing_is_known_of_is_uncorrelated(names, rates, shares):
    means = bound_means(*names)
    own = dict(zip(means, rates, strict=True)), dict(zip(means, shares, strict=True))
    np.testing.assert_array_equal(correlations(*own, EXCLUSIVE), np.eye(len(means)))


def test_drawn_counts_have_their_distributions():
    one, other = bound_means("PR | [M]", "PR")
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    drawn = drawn_counts({one: 0.3, other: 0.01}, {one: 200, other: 90}, correlation, 4096)
    for mean, n, p in ((one, 200, 0.3), (other, 90, 0.01)):
        counts = np.arange(n + 1)
        seen = (drawn[mean][:, None] <= counts).mean(axis=0)
        np.testing.assert_allclose(seen, binom.cdf(counts, n, p), atol=0.015)
    assert np.corrcoef(drawn[one], drawn[other])[0, 1] == pytest.approx(0.55, abs=0.08)

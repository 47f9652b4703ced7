"""Plans compared with sums over all counts, and with simulations of the safety test."""

import math
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.bounds import binomial_lower
from sklearn_seldonian.certification import (
    Evidence,
    Sample,
    _planning,
    approximate_upper,
    passes,
    safety_test,
)
from sklearn_seldonian.certification._acceptance import AcceptanceSet
from sklearn_seldonian.certification._planning import Plan, _apart
from sklearn_seldonian.constraints import Schema, _tree, atoms_of, bind, parse

SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})


@pytest.mark.parametrize("rates", [(0.1, 0.12), (0.45, 0.4), (0.9, 0.93)])
@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize(
    "text", ["PR | [M] - PR | [F] <= 0.1", "0.8 * PR | [M] - PR | [F] <= 0", "PR | [M] <= 0.5"]
)
@pytest.mark.thinned(3)
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
    ("ERR <= 0.05", {"ERR": 0.001}, 0.999, 63),  # the canonical measure is ACC
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
@pytest.mark.thinned(5)
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
@pytest.mark.thinned(4)
def test_rows_for_one_limit_are_the_fewest_with_the_power(limit, rate, power):
    text = f"PR <= {limit}"
    rows = required_safety_rows(text, {"PR": rate}, power=power)
    powers = [probability_of_passing(text, {"PR": rate}, n) for n in range(1, rows + 1)]
    assert powers[-1] >= power > max(powers[:-1])


# -- one rate and two groups, with typical numbers of rows ----------------------------------------


@pytest.mark.parametrize("power", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("rate", [0.91, 0.92, 0.93, 0.95])
def test_rows_for_one_rate_have_the_requested_power(rate, power):
    n = required_safety_rows("ACC >= 0.9", {"ACC": rate}, power=power)
    fewest = int(binom.isf(0.05, n, 0.9)) + 1  # the smallest count that rejects a rate of .9 at .05
    assert binomial_lower(fewest, n, 0.05) >= 0.9 > binomial_lower(fewest - 1, n, 0.05)
    exact = float(binom.sf(fewest - 1, n, rate))
    # Counts are whole numbers, so the exact power with few rows is a little above the requested
    # one.
    assert power - 0.01 <= exact <= power + 0.06


def test_a_perfect_model_needs_what_clopper_pearson_needs():
    assert required_safety_rows("ACC >= 0.9", {"ACC": 1.0}) == math.ceil(math.log(0.05, 0.9))


SHARES = {"PR | [M]": 0.5, "PR | [F]": 0.5}


PARITY = "abs(PR | [M] - PR | [F]) <= 0.1"


def test_rows_decrease_with_the_distance_from_the_limit(whole):
    rows = [required_safety_rows("ACC >= 0.9", {"ACC": r}) for r in (0.91, 0.92, 0.94, 0.97, 1.0)]
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) == len(rows)
    gaps = [
        required_safety_rows(
            "abs(PR | [M] - PR | [F]) <= 0.3", {"PR | [M]": 0.4, "PR | [F]": 0.4 + gap}, SHARES
        )
        for gap in ((0.15, 0.1, 0.0) if whole else (0.1, 0.0))
    ]
    assert gaps == sorted(gaps, reverse=True)


def test_rows_grow_with_confidence_power_and_rarity():
    def rows(**others):
        return required_safety_rows("TPR >= 0.8", {"TPR": 0.85}, **others)

    assert rows() < rows(delta=0.01)
    assert rows() < rows(power=0.99)
    assert rows(group_shares={"TPR": 0.1}) == pytest.approx(10 * rows(), rel=0.05)


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("ACC >= 0.9", {"ACC": 0.85}),
        ("ACC >= 0.9", {"ACC": 0.9}),
        ("ACC >= 0.9", {"ERR": 0.2}),
        (PARITY, {"PR | [M]": 0.4, "PR | [F]": 0.55}),
        ("min(TPR, TNR) >= 0.8", {"TPR": 0.7, "TNR": 0.99}),
    ],
)
def test_no_number_of_rows_helps_rates_that_violate(text, rates):
    assert required_safety_rows(text, rates) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("ACC >= 0.9", {}),
            "rates has no value for ACC, which the constraints need. Add the value that you "
            "expect, as in rates={'ACC': 0.5}.",
        ),
        (
            (PARITY, {"PR | [M]": 0.4}),
            "rates has no value for PR | [F], which the constraints need. Add the value that you "
            "expect, as in rates={'PR | [F]': 0.5}.",
        ),
        (
            ("F1 >= 0.8", {"F1": 0.9}),
            "'F1' is not a single measure: it means 2 - 2 / (1 + Jaccard). Give the value that you "
            "expect of 'Jaccard'.",
        ),
        (("ACC >= 0.9", {"ACC": 1.5}), "rates['ACC'] must be between 0 and 1, got 1.5."),
        (("ACC >= 0.9", {"ACC": -0.1}), "rates['ACC'] must be between 0 and 1, got -0.1."),
        (("ACC >= 0.9", {"ACC": math.nan}), "rates['ACC'] must be between 0 and 1, got nan."),
        (
            ("TPR >= 0.9", {"TPR": 0.95}, {"TPR": 2}),
            "group_shares['TPR'] must be between 0 and 1, got 2.",
        ),
        (
            ("ACC >= 0.9", {"ACC": 0.95}, None, 1.0),
            "delta must be strictly between 0 and 1, got 1.0.",
        ),
        *(
            (
                ("ACC >= 0.9", {"ACC": 0.95}, None, 0.05, power),
                f"power must be strictly between 0 and 1, got {power!r}.",
            )
            for power in (0.0, 1.0, math.nan)
        ),
        (
            ("ACC >= 0.9", {"ACC": 0.95}, None, 0.05, 0.9, "t"),
            "method must be one of 'auto', 'exact', 'asymptotic', 'ttest', got 't'.",
        ),
    ],
)
def test_plans_refuse_bad_input(arguments, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        required_safety_rows(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("n", [150, 400, 900])
@pytest.mark.parametrize("rate", [0.88, 0.92, 0.95])
def test_probability_of_passing_with_one_rate(rate, n):
    fewest = int(binom.isf(0.05, n, 0.9)) + 1
    exact = float(binom.sf(fewest - 1, n, rate))
    # Counts are whole numbers, so a prediction can be wrong by half of a count's probability.
    slack = 0.01 + binom.pmf(fewest, n, rate)
    assert probability_of_passing("ACC >= 0.9", {"ACC": rate}, n) == pytest.approx(exact, abs=slack)


@pytest.mark.parametrize(("gap", "n"), [(0.0, 700), (0.05, 1200), (0.05, 4000)])
@pytest.mark.thinned(2)
def test_probability_of_passing_with_two_groups(gap, n, whole):
    rates = {"PR | [M]": 0.4, "PR | [F]": 0.4 + gap}
    predicted = probability_of_passing(PARITY, rates, n, SHARES)
    resolved = bind(parse(PARITY), Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)}))
    mutually_exclusive_columns = frozenset({frozenset({"M", "F"})})
    n_draws = 150 if whole else 40
    counts = np.random.default_rng(0).binomial(n // 2, list(rates.values()), size=(n_draws, 2))
    passed = []
    for pair in counts.tolist():
        samples = {
            m: Sample(k, n // 2, n // 2) for m, k in zip(resolved.estimands, pair, strict=True)
        }
        evidence = Evidence(
            samples, mutually_exclusive_columns=mutually_exclusive_columns, n_rows=n
        )
        passed.append(passes(resolved.tree, evidence, 0.05))
    assert predicted == pytest.approx(np.mean(passed), abs=4 * math.sqrt(0.25 / n_draws))


def test_probability_of_passing_agrees_with_the_rows_needed():
    n = required_safety_rows("ACC >= 0.9", {"ACC": 0.93}, power=0.8)
    assert probability_of_passing("ACC >= 0.9", {"ACC": 0.93}, n) == pytest.approx(0.8, abs=0.02)
    assert probability_of_passing("ACC >= 0.9", {"ACC": 1.0}, 1000) == 1.0
    assert probability_of_passing("ACC >= 0.9", {"ACC": 0.5}, 1000) < 1e-12


def test_probability_of_passing_either_of_two():
    rates = {"TPR": 0.85, "TNR": 0.6}
    either = probability_of_passing("max(TPR, TNR) >= 0.8", rates, 400)
    alone = probability_of_passing("TPR >= 0.8", rates, 400, delta=0.025)
    assert either == pytest.approx(alone)


# -- several rates ---------------------------------------------------------------------------------


def simulated(texts, counts, trials, delta=0.05):
    """The share of tables of independent counts with which all `texts` pass."""
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
@pytest.mark.thinned(3)
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
@pytest.mark.thinned(2)
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


# -- many groups -----------------------------------------------------------------------------------

LEVELS = Schema((0, 1), 1, {"g": tuple("ABCDE"), "h": (1, 2), "M": (0, 1)})


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        (["TPR | [g == 'A'] <= 0.2", "TPR | [g == 'B'] <= 0.2"], [[0], [1]]),
        (["TPR | [g == 'A'] <= 0.2", "FPR | [g == 'A'] <= 0.2"], [[0, 1]]),
        (
            [
                "PR | [g == 'A'] - PR | [g == 'B'] <= 0",
                "PR | [g == 'D'] <= 0.2",
                "PR | [g == 'C'] - PR | [g == 'E'] <= 0",
                "PR | [g == 'B'] - PR | [g == 'C'] <= 0",
            ],
            [[1], [0, 2, 3]],
        ),
        (["PR | [g == 'A', h == 1] <= 0.2", "PR | [g == 'A', h == 2] <= 0.2"], [[0, 1]]),
        (["PR | [h == 1] <= 0.2", "PR | [g == 'A', h == 2] <= 0.2"], [[0], [1]]),
        (["PR | [g == 'A'] <= 0.2", "PR | [g != 'A'] <= 0.2"], [[0, 1]]),
        (["PR | [g == 'A'] <= 0.2", "PR <= 0.2"], [[0, 1]]),
        (["PR | [M] <= 0.2", "PR | [not M] <= 0.2"], [[0, 1]]),
    ],
)
def test_parts_of_other_levels_are_apart(texts, groups):
    tests = [(bind(parse(text), LEVELS).tree, 0.05) for text in texts]
    assert _apart(tests) == [[tests[i] for i in group] for group in groups]


def test_no_parts_are_in_one_group():
    assert _apart([]) == [[]]


def test_each_of_many_groups_passes_on_its_own():
    """Groups of equal size have one common edge. Here, sizes and rates differ."""
    levels = tuple(f"level {i}" for i in range(40))
    constraint = bind(parse("min(TPR, by=g) >= 0.6"), Schema((0, 1), 1, {"g": levels}))
    means = constraint.estimands
    rates = {mean: 0.75 + 0.005 * i for i, mean in enumerate(means)}
    shares = {mean: 0.02 + 0.01 * (i % 2) for i, mean in enumerate(means)}
    plan = Plan([(constraint.tree, 0.05)], rates, shares)
    trials = {mean: int(10_000 * shares[mean]) for mean in means}
    expected = math.prod(
        binom.sf(min(k for k in range(n + 1) if binomial_lower(k, n, 0.05) >= 0.6) - 1, n, rates[m])
        for m, n in trials.items()
    )
    assert plan.passing_probability(10_000) == pytest.approx(expected)


@pytest.mark.parametrize("other", ["- min(PR, by=g)", "* max(PR, by=g)"])
def test_levels_of_one_column_are_not_compared_in_pairs(other, monkeypatch):
    """Of 300 levels there are 44,850 pairs, and none of them shares rows."""
    compared = []
    for module in (_tree, _planning):
        independent = module.independent
        monkeypatch.setattr(
            module, "independent", lambda *pair, f=independent: compared.append(pair) or f(*pair)
        )
    text = f"max(PR, by=g) {other} <= 0.9"
    tree = bind(parse(text), Schema((0, 1), 1, {"g": tuple(range(300))})).tree
    (atom,) = atoms_of(tree)
    plan = Plan(
        [(tree, 0.05)], dict.fromkeys(atom.estimands, 0.5), dict.fromkeys(atom.estimands, 1 / 300)
    )
    assert plan._correlation(atom.estimands) is None
    assert atom.has_independent_estimands()
    assert not compared


@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
@pytest.mark.parametrize(
    ("texts", "rate", "n"),
    [
        (["PR <= 0.5"], 0.3, 20),
        (["PR >= 0.2"], 0.4, 33),
        (["PR <= 0.99"], 0.95, 400),
        (["PR >= 0.01"], 0.02, 400),
        (["PR >= 0.2", "PR <= 0.6"], 0.4, 50),
        (["PR >= 0.2", "PR >= 0.1", "PR <= 0.6"], 0.4, 50),
        (["PR >= 0.4", "PR <= 0.6"], 0.5, 10),  # no count passes both
        (["PR <= 0.5"], 0.0, 1),
        (["PR >= 0.1"], 0.5, 1),
    ],
)
def test_limits_on_one_rate_pass_as_their_tables_do(texts, rate, n, method):
    block = [(bind(parse(text), LEVELS).tree, 0.05) for text in texts]
    ((estimand,),) = {atom.estimands for atom, _ in block}
    acceptance = AcceptanceSet({estimand: n}, method)
    counts = np.arange(n + 1.0)
    passed = acceptance.passes(block, {estimand: counts})
    (found,) = acceptance.limits_pass([block], {estimand: rate})
    assert found == pytest.approx(binom.pmf(counts, n, rate)[passed].sum(), abs=1e-12)

"""Verdicts on many tables of counts at once, compared with the safety test of each table."""

import itertools
import math

import numpy as np
import pytest

from sklearn_seldonian.certification import _methods
from sklearn_seldonian.certification._acceptance import AcceptanceSet, is_rate_limit
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse
from sklearn_seldonian.measures import RowMeasure

COST = RowMeasure("Cost", lambda y, decided, _: 1.0 * (y != decided), range=(0, 1))
SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)}, measures=(COST,))
EXCLUSIVE = frozenset({frozenset({"M", "F"})})
DELTA = 0.1


def all_tables(text, trials, **options):
    """The constraint's tree, an acceptance set with these trials, and all possible counts."""
    constraint = bind(parse(text), SCHEMA)
    rows = dict(zip(constraint.estimands, trials, strict=True))
    tables = list(itertools.product(*(range(n + 1) for n in trials)))
    counts = dict(zip(rows, np.array(tables, dtype=float).T, strict=True))
    options = {"mutually_exclusive_columns": EXCLUSIVE, **options}
    return constraint.tree, AcceptanceSet(rows, **options), counts


def each_alone(acceptance, tree, counts, delta=DELTA):
    """The verdicts of the safety test, one table at a time."""
    tables = np.stack(list(counts.values()), axis=1).tolist()
    return [acceptance.accepts(tree, dict(zip(counts, t, strict=True)), delta) for t in tables]


@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
@pytest.mark.parametrize(
    ("text", "trials"),
    [
        ("PR <= 0.6", (30,)),
        ("PR >= 0.6", (30,)),
        ("ERR <= 0.2", (30,)),
        ("2 * FNR <= 0.9", (30,)),
        ("abs(PR - 0.5) <= 0.3", (40,)),
        ("max(PR | [M], PR | [F]) <= 0.7", (14, 12)),
        ("min(PR | [M], PR | [F]) <= 0.4", (14, 12)),
        ("TPR | [M] + TPR | [F] - FPR <= 1.7", (5, 4, 3)),
    ],
)
@pytest.mark.thinned(4)
def test_every_table_has_the_verdict_of_the_safety_test(text, trials, method):
    tree, acceptance, counts = all_tables(text, trials, method=method)
    found = acceptance.passes([(tree, DELTA)], counts).tolist()
    assert found == each_alone(acceptance, tree, counts)
    assert set(found) == {True, False}


@pytest.mark.parametrize(
    ("text", "trials"),
    [("PR | [M] * PR | [F] <= 0.5", (14, 12)), ("PR | [F] <= 0.4 + (PR | [M]) ** 2", (16, 14))],
)
@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
def test_of_functions_of_rates_about_the_tables_pass_that_do(text, trials, method):
    tree, acceptance, counts = all_tables(text, trials, method=method)
    found = acceptance.passes([(tree, DELTA)], counts)
    expected = np.array(each_alone(acceptance, tree, counts))
    assert 0.1 < expected.mean() < 0.9
    assert (found != expected).mean() <= (0.1 if method == "auto" else 0.0)


@pytest.mark.parametrize(
    ("text", "trials", "method"),
    [
        ("PR | [M] - PR | [F] <= 0.2", (8, 6), "auto"),
        ("PR | [F] <= 0.4 + PR | [M]", (8, 6), "auto"),
        ("PR | [M] + PR | [F] <= 1", (8, 6), "auto"),
        ("PR | [F] <= 0.4 + PR | [M]", (5, 4), "asymptotic"),
    ],
)
@pytest.mark.thinned(2)
def test_two_rates_pass_up_to_a_count_that_is_at_most_one_off(text, trials, method):
    tree, acceptance, counts = all_tables(text, trials, method=method)
    shape = trials[0] + 1, trials[1] + 1
    found = acceptance.passes([(tree, DELTA)], counts).reshape(shape).sum(axis=0)
    expected = np.reshape(each_alone(acceptance, tree, counts), shape).sum(axis=0)
    assert np.abs(found - expected).max() <= (1 if method == "auto" else 0)
    assert 0 < found.sum() < np.prod(shape)


@pytest.mark.parametrize("second", [0, 3, 9, 14])
def test_the_exact_test_decides_if_it_is_requested(second):
    text, delta = "PR | [M] - PR | [F] <= 0.2", 0.05
    tree, acceptance, counts = all_tables(text, (16, 14), corrected=True)
    beside = {m: k[list(counts.values())[1] == second] for m, k in counts.items()}
    found = acceptance.passes([(tree, delta)], beside).tolist()
    assert found == each_alone(acceptance, tree, beside, delta)


def test_tests_together_pass_where_all_or_any_does():
    one, acceptance, counts = all_tables("PR | [M] - PR | [F] <= 0.2", (15, 12))
    (first, _) = counts
    other = bind(parse("PR | [M] <= 0.6"), SCHEMA).tree
    assert other.estimands == (first,)
    alone = [acceptance.passes([test], counts) for test in ((one, 0.1), (other, 0.05))]
    both = acceptance.passes([(one, 0.1), (other, 0.05)], counts)
    either = acceptance.passes([(one, 0.1), (other, 0.05)], counts, any_of=True)
    np.testing.assert_array_equal(both, alone[0] & alone[1])
    np.testing.assert_array_equal(either, alone[0] | alone[1])
    assert 0 < both.sum() < either.sum() < len(either)


@pytest.mark.parametrize(("text", "passed"), [("0 <= 1", True), ("1 <= 0", False)])
def test_tests_without_counts_have_one_verdict_for_all_tables(text, passed):
    tree = bind(parse(text), SCHEMA).tree
    _, acceptance, counts = all_tables("PR <= 0.6", (10,))
    assert acceptance.passes([(tree, 0.05)], counts).tolist() == [passed] * 11


def test_estimates_that_rise_together_leave_their_difference_surer():
    text, method = "TPR - PR <= 0.2", "asymptotic"
    passing = []
    for correlation in (None, np.eye(2), np.array([[1, 0.8], [0.8, 1]])):
        tree, acceptance, counts = all_tables(
            text, (40, 60), method=method, n_rows=100, correlation=correlation
        )
        counts = {m: k[::7] for m, k in counts.items()}
        passing.append(acceptance.passes([(tree, 0.05)], counts))
    unknown, uncorrelated, correlated = passing
    np.testing.assert_array_equal(unknown, uncorrelated)
    assert correlated[uncorrelated].all()
    assert correlated.sum() > uncorrelated.sum() > 0


@pytest.mark.parametrize(
    "text",
    [
        "max(PR, by=x) - min(PR, by=x) <= 0.5",
        "min(PR, by=x) / max(PR, by=x) >= 0.2",
        "max(PR, by=x) * max(FPR, by=x) <= 0.5",
    ],
)
def test_tables_of_a_box_pass_as_each_does_alone(text):
    tree = bind(parse(text), Schema((0, 1), 1, {"x": tuple(range(20))})).tree
    rng = np.random.default_rng(0)
    trials = {m: int(rng.integers(60, 120)) for m in tree.estimands}
    acceptance = AcceptanceSet(trials, "auto")
    assert acceptance.method_of(tree).name == "box of Clopper-Pearson bounds"
    assert acceptance.is_slow(tree)
    counts = {m: rng.binomial(n, rng.uniform(0.3, 0.5, 40)) * 1.0 for m, n in trials.items()}
    found = acceptance.passes([(tree, 0.05)], counts).tolist()
    assert found == each_alone(acceptance, tree, counts, 0.05)
    assert 0 < sum(found) < 40


def test_passing_tables_are_those_of_the_method_of_any_name(monkeypatch):
    mine = Method(
        "mine",
        lambda _: math.inf,
        lambda _: 1.0,
        passing_tables=lambda tables, delta: tables.sum(axis=1) < 100 * delta,
    )
    monkeypatch.setattr(_methods, "METHODS", {"mine": (lambda atom, evidence: mine,)})
    tree = bind(parse("PR | [M] - PR | [F] <= 0.1"), SCHEMA).tree
    first, second = tree.estimands
    acceptance = AcceptanceSet({first: 10, second: 20}, "mine", EXCLUSIVE)
    counts = {first: np.array([0, 2, 9]), second: np.array([4, 3, 20])}
    assert acceptance.passes([(tree, 0.05)], counts).tolist() == [True, False, False]
    assert acceptance.passes([(tree, 0.06)], counts).tolist() == [True, True, False]
    assert not acceptance.is_slow(tree)


@pytest.mark.parametrize(
    ("text", "method", "each"),
    [
        ("PR <= 0.5", "auto", False),
        ("PR <= 0.5", "ttest", False),  # one rate: found by bisection
        ("0 <= 1", "auto", False),
        ("PR | [M] - PR | [F] <= 0.1", "auto", False),
        ("PR | [M] - PR | [F] <= 0.1", "ttest", True),
        ("TPR | [M] + TPR | [F] - FPR <= 0.9", "auto", False),
        ("PR | [M] * PR | [F] <= 0.5", "auto", False),
        ("PR | [M] * PR | [F] <= 0.5", "asymptotic", True),
        ("PPV - TPR <= 0.6", "auto", False),
        ("(PR | [M] + 1) / (PR | [F] + 1) <= 1.5", "auto", True),
    ],
)
def test_tables_are_slow_to_test_if_there_is_no_faster_way(text, method, each):
    (atom,) = atoms_of(bind(parse(text), SCHEMA).tree)
    trials = dict.fromkeys(atom.estimands, 20)
    assert AcceptanceSet(trials, method, EXCLUSIVE).is_slow(atom) is each


@pytest.mark.parametrize(
    ("text", "is_limit"),
    [
        ("PR <= 0.5", True),
        ("0.8 <= 2 * ACC | [M]", True),
        ("PR | [M] - PR | [F] <= 0.1", False),
        ("max(PR, TPR) <= 0.5", False),
        ("exp(PR) <= 1.5", True),  # solved for the rate
        ("PR | [M] * PR | [F] <= 0.5", False),
        ("Cost <= 0.5", False),  # a mean of numbers
        ("0 <= 1", False),
    ],
)
def test_a_limit_on_one_rate_is_recognised(text, is_limit):
    assert is_rate_limit(bind(parse(text), SCHEMA).tree) is is_limit

"""Predicted probabilities of passing compared with sums over all counts, and edges with tests."""

import itertools

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import betabinom

from sklearn_seldonian.certification import (
    Evidence,
    PassingRegions,
    Sample,
    _methods,
    is_minimum,
    passes,
    passing_region,
    passing_region_of_share,
)
from sklearn_seldonian.certification._method import Method
from sklearn_seldonian.certification._passing import _relative_error
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

SCHEMA = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1)})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})
TWO_RATES = (
    "PR | [M] - PR | [F] <= 0.1",
    "PR | [M] - PR | [F] <= 0.03",
    "0.8 * PR | [M] - PR | [F] <= 0",
    "PR | [F] - 0.8 * PR | [M] >= 0",
    "PR | [M] + PR | [F] <= 0.3",
)


def atom_of(text):
    (atom,) = atoms_of(bind(parse(text), SCHEMA).tree)
    return atom


def certified(atom, counts, trials, method):
    """Whether the safety test itself passes."""
    samples = {
        m: Sample(float(k), float(n), n)
        for m, k, n in zip(atom.estimands, counts, trials, strict=True)
    }
    return passes(
        atom,
        Evidence(samples, mutually_exclusive_columns=EXCLUSIVE, n_rows=sum(trials)),
        0.05,
        method,
    )


def probability(region, rates, weight=0.0):
    """The probability of one region, with a rate for each of its samples."""
    rates = np.asarray(rates)[..., None, [0, -1]]
    return PassingRegions([region]).probabilities(rates, weight)[..., 0]


def given(region, counts):
    """The counts of the sample, from those of the positive form."""
    return [
        int(n - k) if s else int(k)
        for k, n, s in zip(counts, region.tested, region.negative, strict=True)
    ]


@pytest.mark.parametrize("method", ["auto", "asymptotic"])
@pytest.mark.parametrize("trials", [(40, 60), (150, 90)])
@pytest.mark.parametrize("text", TWO_RATES)
@pytest.mark.thinned(3)
def test_edge_of_two_rates(text, trials, method):
    atom = atom_of(text)
    region = passing_region(atom, trials, trials, 0.05, method, EXCLUSIVE)
    room = 1 if method == "auto" else 0  # the score test approximates the exact one
    assert len(region.counts) == trials[1] + 1
    for second, highest in zip(region.counts[::7], region.highest[::7], strict=True):
        inside, outside = highest - room, highest + room + 1
        if inside >= 0:
            assert certified(atom, given(region, (inside, second)), trials, method)
        if outside <= trials[0]:
            assert not certified(atom, given(region, (outside, second)), trials, method)


@pytest.mark.parametrize(
    "text", ["PR | [M] <= 0.3", "PR | [M] >= 0.7", "3 * ERR <= 0.1", "ACC >= 0.9"]
)
def test_edge_of_one_rate(text):
    atom = atom_of(text)
    region = passing_region(atom, [50], [80], 0.05)
    (highest,) = region.highest
    assert region.counts.tolist() == [0]
    if highest >= 0:
        assert certified(atom, given(region, [highest]), [80], "auto")
    assert not certified(atom, given(region, [highest + 1]), [80], "auto")


SHARES = [
    "PPV >= 0.75",
    "PPV >= 0.3",
    "PPV <= 0.4",
    "NPV >= 0.6",
    "2 * FDR <= 0.5",
    "PPV | [M] >= 0.6",
]


@pytest.mark.parametrize("tested", [(20, 30), (40, 160), (300, 900)])
@pytest.mark.parametrize("text", SHARES)
def test_edge_of_a_rate_of_random_size(text, tested):
    """With more than 60 rows the edge is interpolated, and at most three counts too low."""
    atom = atom_of(text)
    region = passing_region_of_share(atom, tested, tested, 0.05)
    n_first, n_second = tested[::-1] if is_minimum(atom) else tested
    assert region.tested.tolist() == [n_first, n_second]
    room, n_fails = 0 if sum(tested) < 60 else 3, 0
    for second in range(0, n_second + 1, max(1, n_second // 20)):
        highest = int(np.floor(np.interp(second, region.counts, region.highest) + 1e-9))
        for first, passes_test in ((highest, True), (highest + room + 1, False)):
            size = first + second
            if 0 <= first <= n_first and size:
                successes = second if is_minimum(atom) else first
                assert certified(atom, [successes], [size], "auto") == passes_test
                n_fails += not passes_test
    assert n_fails


@pytest.mark.parametrize(
    ("seen", "tested"), [((60, 90), (60, 90)), ((250, 250), (300, 200)), ((100, 900), (200, 1800))]
)
@pytest.mark.parametrize("text", SHARES)
def test_probability_of_passing_with_a_rate_of_random_size(text, seen, tested):
    """Every pair of counts is added up, with the two rates' Jeffreys posteriors."""
    atom = atom_of(text)
    region = passing_region_of_share(atom, seen, tested, 0.05)
    exact, shares = summed(region), np.array([0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1])
    counts = np.array(
        [
            [round(a * n) for a, n in zip(pair, region.seen, strict=True)]
            for pair in itertools.product(shares, shares)
        ]
    )
    found = probability(region, counts / region.seen)
    expected = np.array([exact(pair) for pair in counts])
    at_ends = ((counts < 2) | (counts > region.seen - 2)).any(axis=1)
    np.testing.assert_allclose(found[~at_ends], expected[~at_ends], atol=0.05)
    np.testing.assert_allclose(found[at_ends], expected[at_ends], atol=0.15)
    assert np.ptp(expected) > 0.9


def test_without_rows_that_may_count_there_is_no_region():
    atom = atom_of("PPV >= 0.75")
    assert passing_region_of_share(atom, [0, 40], [0, 40], 0.05) is None
    assert passing_region_of_share(atom, [1, 40], [0.5, 20], 0.05) is None
    assert passing_region_of_share(atom, [20, 40], [20, 40], 0.05, "ttest") is None


def summed(region):
    """The probability of passing by beta-binomial counts, for observed counts."""
    counts = np.arange(region.tested[-1] + 1)
    highest = np.floor(np.interp(counts, region.counts, region.highest))

    def probability(seen):
        posterior = [
            (n - k + 0.5, k + 0.5) if s else (k + 0.5, n - k + 0.5)
            for k, n, s in zip(seen, region.seen, region.negative, strict=True)
        ]
        first = betabinom.cdf(highest, region.tested[0], *posterior[0])
        if len(seen) == 1:
            return float(first[0])
        second = betabinom.pmf(counts, region.tested[1], *posterior[1])
        return float(second @ np.where(highest < 0, 0.0, first))

    return probability


@pytest.mark.parametrize(
    ("seen", "trials"), [((30, 40), (40, 60)), ((200, 180), (250, 250)), ((80, 120), (200, 90))]
)
@pytest.mark.parametrize("text", TWO_RATES)
@pytest.mark.thinned(4)
def test_probability_of_passing_with_two_rates(text, seen, trials):
    region = passing_region(atom_of(text), seen, trials, 0.05, "auto", EXCLUSIVE)
    exact = summed(region)
    shares = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 1])
    counts = np.array([[round(p * n) for n in seen] for p in shares])
    counts = np.concatenate([counts + np.array(gap) for gap in ((0, 0), (0, 3), (3, 0))])
    counts = counts[(counts <= seen).all(axis=1)]
    found = probability(region, counts / np.array(seen))
    expected = np.array([exact(pair) for pair in counts])
    at_ends = ((counts < 2) | (counts > np.array(seen) - 2)).any(axis=1)
    np.testing.assert_allclose(found[~at_ends], expected[~at_ends], atol=0.04)
    np.testing.assert_allclose(found[at_ends], expected[at_ends], atol=0.15)
    assert np.ptp(expected) > 0.3


@pytest.mark.parametrize("limit", [0.02, 0.05])
@pytest.mark.thinned(2)
def test_probability_of_passing_where_hardly_any_of_many_rows_are_missed(limit, whole):
    text, size = f"PR | [M] - PR | [F] <= {limit}", 2200 if whole else 550
    seen, tested = (3 * size, 2 * size), (10 * size // 2, 10 * size // 3)
    region = passing_region(atom_of(text), seen, tested, 0.05, "auto", EXCLUSIVE)
    exact = summed(region)
    missed = [
        (k, round((limit + room) * seen[1]))
        for k in (3, 5, 8, 20)
        for room in ((-0.01, 0, 0.002) if whole else (-0.01, 0.002))
    ]
    counts = np.array(seen) - missed
    found = probability(region, counts / np.array(seen))
    np.testing.assert_allclose(found, [exact(pair) for pair in counts], atol=0.06)
    assert np.ptp(found) > (0.2 if whole else 0.1)


@pytest.mark.parametrize("text", ["PR | [M] <= 0.3", "PR | [M] >= 0.7", "ERR <= 0.05"])
@pytest.mark.thinned(2)
def test_probability_of_passing_with_one_rate(text):
    region = passing_region(atom_of(text), [100], [150], 0.05)
    counts = np.arange(101)
    found = probability(region, counts[:, None] / 100)
    exact = summed(region)
    expected = [exact([k]) for k in counts]
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize(
    ("text", "seen", "method"),
    [
        ("PPV | [M] <= 0.3", [50], "auto"),  # its number of rows depends on the model
        ("PR | [M] - PR | [F] <= 0.1", [50, 0], "auto"),  # a rate has no rows
        ("PR | [M] - PR | [F] <= 0.1", [50, 50], "ttest"),
        ("PR - TPR <= 0.1", [50, 50], "auto"),  # the rates share rows
        ("PR | [M] * PR | [F] <= 0.1", [50, 50], "auto"),
        ("LogLoss <= 0.7", [50], "auto"),
    ],
)
def test_other_tests_have_no_region(text, seen, method):
    atom = atom_of(text)
    assert passing_region(atom, seen, [40] * len(seen), 0.05, method, EXCLUSIVE) is None


@pytest.mark.parametrize("region", [None, lambda delta: (np.zeros(1), np.array([7.0]))])
def test_the_region_is_that_of_the_method_of_any_name(region, monkeypatch):
    mine = Method("mine", lambda _: 0.0, lambda _: 1.0, acceptance_region=region)
    monkeypatch.setattr(_methods, "METHODS", {"mine": (lambda atom, evidence: mine,)})
    found = passing_region(atom_of("PR | [M] <= 0.3"), [50], [40], 0.05, "mine")
    assert found is None if region is None else found.highest.tolist() == [7.0]


def test_a_limit_that_no_rates_keep():
    atom = atom_of("PR | [M] + PR | [F] <= 0")
    region = passing_region(atom, [50, 50], [40, 40], 0.05, "auto", EXCLUSIVE)
    rates = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    assert probability(region, rates) == pytest.approx(0.0)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.8])
def test_error_of_a_rate_read_off_a_normal_distribution(rate):
    """Compared with a simulation of two groups whose scores have one standard deviation."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 2, 100)) + ndtri(rate)
    spread = np.sqrt(scores.var(axis=2, ddof=1).mean(axis=1))[:, None]
    fitted = ndtr(scores.mean(axis=2) / spread)
    counted = np.sqrt(rate * (1 - rate) / 100)
    of_gap = (fitted[:, 0] - fitted[:, 1]).std() / np.sqrt(2) / counted
    of_one = fitted[:, 0].std() / counted
    found = [_relative_error(np.array(rate), share) for share in (0.0, 0.25)]
    assert found == pytest.approx([of_gap, of_one], rel=0.06)


@pytest.mark.parametrize(("rate", "other"), [(0.001, 0.05), (0.0, 0.05), (0.99, 0.95)])
def test_tails_are_known_no_better_than_what_is_near_them(rate, other):
    beyond, near = _relative_error(np.array([rate, other]), 0.5)
    assert beyond == near


def test_rates_that_are_known_better_decide_more():
    region = passing_region(atom_of(TWO_RATES[0]), [200, 200], [300, 300], 0.05, "auto", EXCLUSIVE)
    passing, failing = np.array([[0.1, 0.1], [0.4, 0.1]])
    found = [[probability(region, r, w) for w in (0.0, 0.5, 1.0)] for r in (passing, failing)]
    assert (np.diff(found[0]) > 0).all()
    assert (np.diff(found[1]) < 0).all()
    assert found[0][0] == probability(region, passing)


def test_regions_together_are_as_each_alone():
    texts = (*TWO_RATES, "PR | [M] <= 0.3", "PR | [F] >= 0.2")
    regions = [
        passing_region(atom, (80, 60)[:n], (90, 70)[:n], 0.05, "auto", EXCLUSIVE)
        for atom, n in ((atom, len(atom.estimands)) for atom in map(atom_of, texts))
    ]
    rates = np.random.default_rng(1).uniform(size=(5, 3, len(regions), 2))
    rates[..., 5:, 1] = rates[..., 5:, 0]
    found = PassingRegions(regions).probabilities(rates, 0.5)
    assert found.shape == (5, 3, len(regions))
    for i, region in enumerate(regions):
        np.testing.assert_allclose(found[..., i], probability(region, rates[..., i, :], 0.5))
    assert PassingRegions().probabilities(np.zeros((4, 0, 2))).shape == (4, 0)

"""Several models on the same rows: false certificates, counted on a known population."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from sklearn_seldonian.certification import Evidence, Sample, fixed_sequence, holm, passes
from sklearn_seldonian.constraints import Schema, bind, parse

DELTA = 0.05
N_ROWS = 400


class TestFixedSequence:
    @pytest.mark.parametrize(
        ("verdicts", "certified"),
        [
            ([], []),
            ([True], [0]),
            ([False, True, True], []),
            ([True, True, False, True], [0, 1]),
            ([True, True, True], [0, 1, 2]),
        ],
    )
    def test_stops_at_the_first_failure(self, verdicts, certified):
        asked = []

        def passing(i):
            asked.append(i)
            return verdicts[i]

        assert fixed_sequence(len(verdicts), passing) == certified
        assert asked == list(range(min(len(certified) + 1, len(verdicts))))


class TestHolm:
    @pytest.mark.parametrize(
        ("p_values", "certified"),
        [
            ([], {}),
            ([0.04], {0: 1}),
            ([0.06], {}),
            ([0.04, 0.04], {}),
            ([0.02, 0.06], {0: 2}),
            ([0.04, 0.02], {0: 1, 1: 2}),
            ([0.02, 0.02], {0: 2, 1: 2}),
            ([0.01, 0.024, 0.04], {0: 3, 1: 2, 2: 1}),
            ([0.01, 0.03, 0.001], {0: 3, 1: 1, 2: 3}),
            ([0.02, 0.024, 0.001], {0: 2, 1: 2, 2: 3}),
            ([0.03, 0.03, 0.03], {}),
        ],
    )
    def test_is_holms_method_where_tests_reject_by_p_values(self, p_values, certified):
        assert holm(len(p_values), lambda i, k: p_values[i] <= DELTA / k) == certified

    def test_passing_at_a_small_level_alone_certifies_nothing(self):
        """If a test passes at delta / 2 but not at delta, nothing is certified at either."""
        assert holm(2, lambda i, k: k == 2) == {}

    def test_random_p_values_are_treated_as_in_the_textbook(self):
        rng = np.random.default_rng(0)
        for p_values in rng.random((200, 6)) * rng.choice([0.02, 0.1], size=(200, 6)):
            order = np.argsort(p_values)
            rejected = set()
            for k, i in zip(range(6, 0, -1), order, strict=True):
                if p_values[i] > DELTA / k:
                    break
                rejected.add(i)
            found = holm(6, lambda i, k, p=p_values: p[i] <= DELTA / k)
            assert set(found) == rejected


# -- the promise, on a population where the truth is known -----------------------------------------

TREES = {
    text: bind(parse(text), Schema((0, 1), 1, {})).tree for text in ("ACC >= 0.8", "PR <= 0.3")
}
MEANS = {text: tree.estimands[0] for text, tree in TREES.items()}


@cache
def constraint_passes(text, count, delta):
    evidence = Evidence({MEANS[text]: Sample(count, N_ROWS, N_ROWS)}, n_rows=N_ROWS)
    return passes(TREES[text], evidence, delta)


def correlated(rng, rates, shared):
    """For each row and model, whether the model is correct; models agree on a share of the rows."""
    together = rng.random((N_ROWS, 1)) < shared
    draws = np.where(together, rng.random((N_ROWS, 1)), rng.random((N_ROWS, len(rates))))
    return draws < rates


@pytest.fixture
def n_trials(whole):
    return 600 if whole else 150


def false_certificates(procedure, rates, n_trials, shared=0.5):
    """The share of draws that certify a model whose accuracy is not above the limit."""
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(n_trials):
        counts = correlated(rng, rates, shared).sum(axis=0).tolist()

        def passing(i, k=1, counts=counts):
            return constraint_passes("ACC >= 0.8", counts[i], DELTA / k)

        false += any(rates[i] <= 0.8 for i in procedure(len(rates), passing))
    return false


def retry(n_models, passing):
    """A search on the safety rows: any model that passes is returned."""
    return [i for i in range(n_models) if passing(i)]


BOUNDARY = np.full(30, 0.8)
SOME_GOOD = np.where(np.arange(30) % 2, 0.8, 0.9)


def test_the_best_of_thirty_is_certified_falsely_far_too_often(n_trials):
    false = false_certificates(retry, BOUNDARY, n_trials)
    assert false / n_trials > 4 * DELTA
    assert binomtest(false, n_trials, DELTA, alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("rates", [BOUNDARY, SOME_GOOD], ids=["all at the limit", "every other"])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("procedure", [fixed_sequence, holm])
@pytest.mark.thinned(2)
def test_several_models_share_one_delta(procedure, rates, shared, n_trials):
    false = false_certificates(procedure, rates, n_trials, shared)
    assert binomtest(false, n_trials, DELTA, alternative="greater").pvalue > 0.01


def test_the_fixed_sequence_uses_all_of_delta(n_trials):
    """The share of false certificates is the exact size of one test, so the test above can fail."""
    false = false_certificates(fixed_sequence, BOUNDARY, n_trials)
    fewest = next(k for k in range(N_ROWS) if constraint_passes("ACC >= 0.8", k, DELTA))
    assert binomtest(false, n_trials, binom.sf(fewest - 1, N_ROWS, 0.8)).pvalue > 0.01


@pytest.mark.parametrize("procedure", [fixed_sequence, holm])
def test_each_constraint_has_its_own_delta(procedure, n_trials):
    """Each model violates one of the constraints, and is falsely certified at that constraint's
    rate.
    """
    deltas = {"ACC >= 0.8": 0.02, "PR <= 0.3": 0.2}
    accuracies, positives = np.tile([0.8, 0.95], 5), np.tile([0.2, 0.3], 5)
    rng = np.random.default_rng(1)
    false = dict.fromkeys(deltas, 0)
    for _ in range(n_trials):
        counts = {
            "ACC >= 0.8": correlated(rng, accuracies, 0.5).sum(axis=0).tolist(),
            "PR <= 0.3": correlated(rng, positives, 0.5).sum(axis=0).tolist(),
        }

        def passing(i, k=1, counts=counts):
            return all(constraint_passes(c, counts[c][i], d / k) for c, d in deltas.items())

        certified = procedure(10, passing)
        false["ACC >= 0.8"] += any(accuracies[i] == 0.8 for i in certified)
        false["PR <= 0.3"] += any(positives[i] == 0.3 for i in certified)
    for text, delta in deltas.items():
        assert binomtest(false[text], n_trials, delta, alternative="greater").pvalue > 0.01

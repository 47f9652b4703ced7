"""Several models that are tested on the same rows."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from sklearn_seldonian import SafetyCertificate, SafetyDataReusedWarning, certify
from sklearn_seldonian.certification._several import ModelTest, certificates_of


class Threshold(ClassifierMixin, BaseEstimator):
    """Predicts 1 for numbers above a threshold."""

    classes_ = np.array([0, 1])

    def __init__(self, threshold):
        self.threshold = threshold

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return (np.asarray(X)[:, 0] > self.threshold).astype(int)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.random((400, 1))
    return X, (X[:, 0] + 0.1 * rng.standard_normal(400) > 0.5).astype(int)


GOOD, FAIR, BAD = Threshold(0.5), Threshold(0.45), Threshold(0.9)


@pytest.mark.parametrize(
    ("multiple", "order", "passed"),
    [
        ("fixed-sequence", ["good", "fair", "bad"], {"good", "fair"}),
        ("fixed-sequence", ["good", "bad", "fair"], {"good"}),
        ("fixed-sequence", ["bad", "good", "fair"], set()),
        ("holm", ["bad", "good", "fair"], {"good", "fair"}),
        ("holm", ["bad"], set()),
        ("holm", ["good"], {"good"}),
    ],
)
def test_which_models_are_certified(rows, multiple, order, passed):
    models = {"good": GOOD, "fair": FAIR, "bad": BAD}
    found = certify({name: models[name] for name in order}, *rows, "ACC >= 0.75", multiple=multiple)
    assert list(found) == order
    assert {name for name, each in found.items() if each.passed} == passed


def test_a_sequence_ends_with_the_first_failure(rows):
    models = {"good": GOOD, "bad": BAD, "fair": FAIR}
    found = certify(models, *rows, "ACC >= 0.75", multiple="fixed-sequence")
    assert [each.tested for each in found.values()] == [True, True, False]
    assert "'bad', which comes before it, was not certified" in found["fair"].explain(None)
    for each in found.values():
        assert each.assumptions[-1].endswith("up to the first failure. Tested: 2.")
    assert found["good"].results[0].delta == 0.05


def test_holm_tests_at_shares_of_delta(rows):
    models = {"bad": BAD, "good": GOOD, "fair": FAIR}
    found = certify(models, *rows, "ACC >= 0.75", multiple="holm")
    deltas = {name: each.results[0].delta for name, each in found.items()}
    assert deltas == pytest.approx({"bad": 0.05, "good": 0.05 / 3, "fair": 0.05 / 3})
    assert "tested at delta / 3" in found["good"].assumptions[-1]
    assert found["good"].verify(GOOD, *rows).same


@pytest.mark.parametrize("multiple", ["holm", "fixed-sequence"])
def test_each_certificate_is_read_back_and_verified(rows, multiple):
    models = {"good": GOOD, "bad": BAD, "fair": FAIR}
    found = certify(models, *rows, "ACC >= 0.75", multiple=multiple)
    for name, each in found.items():
        assert SafetyCertificate.from_json(each.to_json()) == each
        if each.tested:
            assert each.verify(models[name], *rows).same


def test_tables_and_rows_in_memory_give_the_same(rows):
    X, y = rows
    table = pd.DataFrame({"x": X[:, 0], "y": y})
    models = {"good": GOOD, "bad": BAD}
    for multiple in ("holm", "fixed-sequence"):
        of_table = certify(models, table, "y", "ACC >= 0.75", multiple=multiple)
        in_memory = certify(models, table[["x"]], y, "ACC >= 0.75", multiple=multiple)
        for name, each in of_table.items():
            assert each.results == in_memory[name].results


def test_thresholds_of_one_fitted_model(rows):
    X, y = rows
    fitted = LogisticRegression(C=100).fit(X[:200], y[:200])
    models = {
        str(t): FixedThresholdClassifier(FrozenEstimator(fitted), threshold=t).fit(X[:2], [0, 1])
        for t in (0.5, 0.3, 0.05)
    }
    found = certify(models, X[200:], y[200:], "TPR >= 0.7", multiple="fixed-sequence")
    assert [name for name, each in found.items() if each.passed] == ["0.5", "0.3", "0.05"]


def test_a_registry_counts_them_as_one_test(rows, tmp_path):
    models, registry = {"good": GOOD, "bad": BAD}, tmp_path / "tests"
    one = certify(models, *rows, "ACC >= 0.75", multiple="holm", registry=registry)
    assert not any("Not met" in text for each in one.values() for text in each.assumptions)
    with pytest.warns(SafetyDataReusedWarning, match="once before"):
        other = certify(models, *rows, "ACC >= 0.7", multiple="holm", registry=registry)
    assert all(any("Not met" in text for text in each.assumptions) for each in other.values())


@pytest.mark.parametrize(
    ("models", "multiple", "message"),
    [
        (GOOD, "holm", "Give a dict of models by name"),
        ({"a": GOOD}, None, 'multiple="fixed-sequence" to test them in the order'),
        ({}, "holm", "must have at least one model"),
        ({0.5: GOOD}, "holm", "all names must be strings"),
        ({"a": GOOD}, "bonferroni", "multiple must be one of"),
    ],
)
def test_what_is_refused(rows, models, multiple, message):
    with pytest.raises(ValueError, match=message):
        certify(models, *rows, "ACC >= 0.75", multiple=multiple)


@dataclass(frozen=True)
class Outcome:
    """The attributes of a certificate that the tested code uses."""

    passed: bool
    assumptions: tuple = ()


def passes_at(passing):
    """A test that passes at delta / k for the `passing` k."""

    def at(share):
        return Outcome(round(1 / share) in passing)

    return lambda: ModelTest(at, lambda reason: Outcome(False))


@pytest.mark.parametrize(
    ("passing", "certified"),
    [
        ([{1, 2}, {1}], [True, True]),
        ([{1}, {1}], [False, False]),
        ([{1, 2}, {2}], [True, False]),  # bounds fall with delta, and none at delta
        ([{1, 2}, set()], [True, False]),
    ],
)
def test_certified_models_are_certified_with_any_bounds(passing, certified):
    models = {str(i): passes_at(of_model) for i, of_model in enumerate(passing)}
    found = certificates_of(models, "holm")
    assert [each.passed for each in found.values()] == certified


# -- the promise over all of them --------------------------------------------------------------

# A row is one of four kinds (score, label). At threshold t it is correct if (score > t) == label.
KINDS = [(0.2, 0), (0.4, 1), (0.6, 0), (0.8, 1)]
MODELS = {"low": Threshold(0.3), "high": Threshold(0.7)}
N_ROWS, DELTA = 10, 0.3


@pytest.mark.parametrize("multiple", ["fixed-sequence", "holm"])
@pytest.mark.parametrize(
    "probabilities",
    [(0.34, 0.23, 0.23, 0.2), pytest.param((0.27, 0.23, 0.3, 0.2), marks=pytest.mark.slow)],
)
def test_a_violating_model_is_certified_at_most_delta_of_the_time(multiple, probabilities):
    """All tables of ten rows. If models are tested one by one, some model passes too often."""
    accuracy = {
        name: sum(
            p
            for p, (score, label) in zip(probabilities, KINDS, strict=True)
            if (score > model.threshold) == label
        )
        for name, model in MODELS.items()
    }
    limit = max(accuracy.values()) + 1e-9  # each model violates it, the best one only slightly
    wrong = certified_without_care = 0.0
    for counts in itertools.product(range(N_ROWS + 1), repeat=len(KINDS)):
        if sum(counts) != N_ROWS:
            continue
        weight = math.factorial(N_ROWS) * math.prod(
            p**n / math.factorial(n) for p, n in zip(probabilities, counts, strict=True)
        )
        if not weight:
            continue
        scores, labels = np.repeat(KINDS, counts, axis=0).T
        given = scores[:, None], labels.astype(int), f"ACC >= {limit!r}"
        found = certify(MODELS, *given, delta=DELTA, multiple=multiple, random_state=0)
        wrong += weight * any(each.passed for each in found.values())
        alone = (certify(m, *given, delta=DELTA, random_state=0) for m in MODELS.values())
        certified_without_care += weight * any(each.passed for each in alone)
    assert 0.05 < wrong <= DELTA
    assert certified_without_care > DELTA

"""Notes and warnings for a second test of the same rows."""

import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
    SeldonianClassifier,
)
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

LEARNING_RATES = {"lr": [1e-6, 0.02]}


def classifier(constraints="ACC >= 0.65", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, max_epochs=4, **{"module": MLP, **params}
    )


def search(estimator=None, parameters=None, **params):
    return SeldonianSearchCV(
        estimator or classifier(), parameters or LEARNING_RATES, **{"cv": 2, **params}
    )


class Mistaken(nn.Module):
    """Predicts labels with chosen errors.

    Rows are (sign of the label, u). Negatives with `low` <= u < `high` are predicted positive, and
    positives with u below `missed` negative.
    """

    def __init__(self, low, high, missed=0.0):
        super().__init__()
        self.low, self.high, self.missed = low, high, missed
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        sign, u = X[:, 0], X[:, 1]
        false_positive = (sign < 0) & (u >= self.low) & (u < self.high)
        false_negative = (sign > 0) & (u < self.missed)
        decided = torch.where(false_positive | false_negative, -sign, sign)
        return torch.stack([-decided, decided], dim=1) + 0 * self.unused


class TestReuse:
    NOTE = "Not met: Rows of these data were tested {} before by this estimator"

    @pytest.fixture(params=["classifier", "search"])
    def estimator(self, request):
        """A Seldonian estimator, and a function that gives it another seed."""
        return classifier() if request.param == "classifier" else search()

    @staticmethod
    def reseed(estimator, seed):
        name = "random_state" if hasattr(estimator, "power") else "estimator__random_state"
        return estimator.set_params(**{name: seed})

    def test_another_seed_is_another_test(self, blobs, estimator):
        first = estimator.fit(*blobs).certificate_
        assert "Not met" not in first.explain(None)
        for seed, times in ((1, "once"), (2, "2 times")):
            with pytest.warns(SafetyDataReusedWarning, match=f"were tested {times} before"):
                self.reseed(estimator, seed).fit(*blobs)
            assert self.NOTE.format(times) in estimator.certificate_.explain(None)

    def test_the_same_fit_again_is_the_same_test(self, blobs, estimator):
        one = estimator.fit(*blobs).certificate_
        assert estimator.fit(*blobs).certificate_ == one

    def test_clones_and_other_data_start_afresh(self, blobs, estimator):
        X, y = blobs
        estimator.fit(X[:600], y[:600])
        self.reseed(estimator, 1).fit(X[600:], y[600:])
        clone(estimator).fit(X[:600], y[:600])

    def test_the_winner_of_a_search_remembers(self, blobs):
        best = search().fit(*blobs).best_estimator_
        with pytest.warns(SafetyDataReusedWarning):
            best.set_params(random_state=1).fit(*blobs)

    def test_what_was_pickled_remembers(self, blobs, estimator):
        copied = pickle.loads(pickle.dumps(estimator.fit(*blobs)))
        with pytest.warns(SafetyDataReusedWarning):
            self.reseed(copied, 1).fit(*blobs)

    def test_a_larger_delta_is_another_test(self, blobs):
        model = classifier(
            module=Mistaken, module__low=9.0, module__high=9.1, constraints="PR <= 0.99"
        )
        first = model.fit(*blobs).certificate_
        with pytest.warns(SafetyDataReusedWarning):
            second = model.set_params(delta=0.2).fit(*blobs).certificate_
        assert first.fingerprints == second.fingerprints

    def test_fresh_rows_are_tested_as_often_as_one_model_likes(self, blobs):
        X, y = blobs
        model = classifier().fit(X[:600], y[:600])
        for _ in range(2):
            assert "Not met" not in model.certify(X[600:], y[600:]).explain(None)
        model.set_params(random_state=1)
        with pytest.warns(SafetyDataReusedWarning):
            model.fit(X[:600], y[:600])
        with pytest.warns(SafetyDataReusedWarning):
            model.certify(X[600:], y[600:])

    def test_rows_that_fit_was_given_are_not_fresh(self, blobs):
        model = classifier().fit(*blobs)
        with pytest.warns(SafetyDataReusedWarning):
            model.certify(*blobs)

    def test_what_was_never_tested_counts_for_nothing(self, blobs):
        model = classifier("ACC >= 1.5")
        with pytest.warns(NoSolutionFoundWarning):
            model.fit(*blobs)
        model.set_params(constraints="ACC >= 0.65").fit(*blobs)
        assert "Not met" not in model.certificate_.explain(None)

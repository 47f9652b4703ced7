"""The trainings of a search, each with one setting."""

import numpy as np
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.estimators._trials import refitted, run_trial, set_up
from sklearn_seldonian.modules import MLP

ARGUMENTS = 7  # of `fit`


@pytest.fixture
def data(blobs):
    return (*blobs, *[None] * (ARGUMENTS - len(blobs)))


def classifier(**parameters):
    settings = {"constraints": "ACC >= 0.6", "max_epochs": 2, "random_state": 0}
    return SeldonianClassifier(MLP, **{**settings, **parameters})


def test_a_setting_changes_a_copy_only_and_not_the_split(data):
    estimator = classifier()
    model, setup = set_up(estimator, {"lr": 0.5}, data)
    _, other = set_up(estimator, {"lr": 0.1}, data)
    assert (estimator.lr, model.lr) == (0.01, 0.5)
    assert np.array_equal(setup.split.safety_indices, other.split.safety_indices)


def test_a_trial_is_evaluated_on_the_held_out_rows(data):
    fold = np.arange(250), np.arange(250, 500)
    trial = run_trial(classifier(), {"lr": 0.01}, data, fold, None)
    assert 0 < trial.passing <= 1
    assert 0 <= trial.error < 0.5
    assert np.isnan(trial.score)
    assert 0 <= run_trial(classifier(), {}, data, fold, "accuracy").score <= 1


def test_a_trial_without_a_model_is_the_worst(data):
    trial = run_trial(classifier(constraints="ACC >= 90"), {}, data, ([0, 1], [2, 3]), None)
    assert (trial.passing, trial.error, trial.loss) == (-np.inf, np.inf, np.inf)


def test_a_finalist_is_trained_on_all_candidate_rows(data):
    finalist = refitted(classifier(), {"lr": 0.02}, data, 3)
    alone = classifier(lr=0.02).fit(*data)
    assert finalist.index == 3
    weights = finalist.outcome.model.fingerprint()
    assert weights == alone.certificate_.fingerprints["weights"]

"""The rows, the split and the problem of one model, and training on them."""

import dataclasses

import numpy as np
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.learners import NotTrained


class Recorder:
    """A learner that keeps the arguments of `train`, and returns an outcome of its own."""

    def __init__(self, outcome):
        self.outcome = outcome

    def train(self, *given):
        self.given = given
        return self.outcome


@pytest.fixture
def setup(blobs):
    model = SeldonianClassifier(constraints="ACC >= 0.6", random_state=0)
    mask = np.arange(1000) < 300
    return model._set_up(*blobs, None, mask, None, None, None)


@pytest.fixture
def outcome():
    return NotTrained("for a reason")


def test_the_safety_rows_are_those_of_the_split(setup):
    assert np.array_equal(setup.safety_mask, np.arange(1000) < 300)
    assert np.array_equal(setup.other_arguments[-1], np.arange(300))


def test_the_learner_gets_the_problem_and_these_rows_only(setup, outcome):
    learner = Recorder(outcome)
    assert setup.train(learner, setup.split.candidate) is outcome
    assert learner.given == (setup.problem, setup.split.candidate, setup.rng)


def test_an_interrupt_ends_the_fits_that_would_follow(setup, outcome, monkeypatch):
    learner = Recorder(dataclasses.replace(outcome, interrupted=True))
    assert setup.train(learner, setup.split.candidate).interrupted  # a single fit is kept
    among_others = "sklearn_seldonian.estimators._callers.fitted_among_others"
    monkeypatch.setattr(among_others, lambda: True)
    with pytest.raises(KeyboardInterrupt):
        setup.train(learner, setup.split.candidate)

"""The trainings of a search: one setting on a fold, or on all candidate rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.utils import _safe_indexing

from sklearn_seldonian.estimators._base import CertifiedEstimator
from sklearn_seldonian.estimators._groups_seen import with_groups
from sklearn_seldonian.learners import NotTrained, Trained


@dataclass(frozen=True)
class Finalist:
    """A model, and the outcome of its training on all candidate rows."""

    index: int
    model: CertifiedEstimator
    outcome: Trained | NotTrained


class Trial(NamedTuple):
    """The results of one setting on one fold; infinite if there was no model."""

    passing: float = -np.inf
    error: float = np.inf
    loss: float = np.inf
    score: float = -np.inf
    seconds: float = 0.0


def set_up(estimator, setting, data):
    """A model with one setting, and its rows and problem; `data` are arguments of `fit`."""
    model = clone(estimator).set_params(**clone(setting, safe=False))
    return model, model._set_up(*data)


def run_trial(estimator, setting, data, fold, scoring):
    """Train one setting on the training rows of a fold, and evaluate it on the held-out rows."""
    started = time.perf_counter()
    model, setup = set_up(estimator, setting, data)
    learning, held_out = (setup.split.candidate_indices[part] for part in fold)
    outcome = setup.train(model._learner(), setup.rows.take(learning))
    seconds = time.perf_counter() - started
    if isinstance(outcome, NotTrained):
        return Trial(seconds=seconds)
    problem = setup.problem.tested(outcome)
    predicted = outcome.model.predict_test_outcome(problem, setup.rows.take(held_out))
    passing, error = float(predicted.prediction.feasibility_score), float(predicted.error)
    score = np.nan
    if scoring is not None:
        X, y = (_safe_indexing(values, held_out) for values in data[:2])
        groups = None if data[2] is None else _safe_indexing(data[2], held_out)
        model = with_groups(model._without_test(outcome), groups)
        score = check_scoring(model, scoring)(model, X, y)
    return Trial(passing, error, predicted.loss, score, seconds)


def refitted(estimator, setting, data, index):
    """One setting, trained on all candidate rows."""
    model, setup = set_up(estimator, setting, data)
    outcome = setup.train(model._learner(), setup.split.candidate)
    return Finalist(index, model, outcome)

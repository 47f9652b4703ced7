"""The methods that `rivals.py` compares: each trains on candidate rows and is tested once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from _population import Config, Floats, Integers, draw, population
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sklearn_seldonian import (
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    certify,
)

DELTA = 0.05
N_THRESHOLDS = 40
THRESHOLD_FOLDS, MIXTURE_FOLDS = 5, 3
# Shares of what the limit allows that a mixture is trained to, the loosest first.
TIGHTER = (1.0, 0.8, 0.6, 0.4, 0.2, 0.05)

Decide = Callable[[Floats], Floats]


# -- rows ---------------------------------------------------------------------------------------


class Sample(NamedTuple):
    """Rows, and the 0/1 columns M and F of the groups they belong to."""

    X: Floats
    y: Integers
    groups: pd.DataFrame

    def take(self, rows: npt.NDArray[Any]) -> Sample:
        return Sample(self.X[rows], self.y[rows], self.groups.iloc[rows])


class Case(NamedTuple):
    """One draw: rows that train, rows that test, everyone, and a seed for what is random."""

    config: Config
    candidate: Sample
    safety: Sample
    everyone: Floats
    seed: int


def case_of(config: Config, m: int, trial: int, data: str) -> Case:
    """Rows are independent draws, so that one half is as good as the other."""
    people = population(config.dataset, data)
    drawn = draw(config.dataset, m, trial, data)
    whole = Sample(people.X, people.y, people.groups)
    candidate, safety = (whole.take(rows) for rows in np.split(drawn.rows, [m // 2]))
    return Case(config, candidate, safety, people.X, drawn.seed)


class Answer(NamedTuple):
    """What came of one fit.

    `positive` holds the probability that each row of the population is decided positively, 0 or
    1 where nothing is drawn; None where no model is returned. `passing` is what training
    predicted.
    """

    positive: Floats | None
    g_upper: float
    passing: float = math.nan


# -- ours ---------------------------------------------------------------------------------------


def ours_default(case: Case) -> Answer:
    return fitted(SeldonianClassifier(device="cpu"), case)


def ours_linear(case: Case) -> Answer:
    return fitted(SeldonianClassifier(module__hidden=(), device="cpu"), case)


def ours_trees(case: Case) -> Answer:
    trees = HistGradientBoostingClassifier(random_state=case.seed)
    return fitted(SeldonianMetaClassifier(trees), case)


def fitted(model: Any, case: Case) -> Answer:
    """An estimator of ours, which tests its model itself."""
    parts = case.candidate, case.safety
    is_safety = np.repeat([False, True], [len(part.y) for part in parts])
    X, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y"))
    groups = pd.concat([part.groups for part in parts])
    model.set_params(constraints=case.config.text, delta=DELTA, random_state=case.seed)
    model.fit(X, y, sensitive_features=groups, safety_mask=is_safety)
    found = model.solution_found_
    positive = np.asarray(model.predict(case.everyone), dtype=float) if found else None
    passing = predicted_passing(getattr(model, "history_", None))
    return Answer(positive, model.certificate_.results[0].g_upper, passing)


def predicted_passing(history: pd.DataFrame | None) -> float:
    """The predicted probability that all constraints pass, at the epoch that was kept."""
    if history is None or "kept" not in history:
        return math.nan
    kept = history[history["kept"].astype(bool)].filter(regex=r"^passing_\d+$")
    if kept.empty:
        return math.nan
    return max(0.0, float(1.0 - (1.0 - kept.iloc[-1]).sum()))


# -- rivals -------------------------------------------------------------------------------------


class Decided(ClassifierMixin, BaseEstimator):
    """Decisions that were made already, as a classifier whose only feature they are."""

    def fit(self, X: Any, y: Any) -> Decided:
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Floats) -> Integers:
        return X[:, 0].astype(np.int64)


def tested(positive: Floats, sample: Sample, case: Case) -> SafetyCertificate:
    """The test of decisions about a sample, drawn where they are not certain."""
    decisions = np.random.default_rng(case.seed).random((len(positive), 1)) < positive[:, None]
    return certify(
        Decided().fit(decisions, sample.y),
        decisions,
        sample.y,
        case.config.text,
        delta=DELTA,
        sensitive_features=sample.groups,
        random_state=case.seed,
    )


def answer(decide: Decide, case: Case) -> Answer:
    """What the one test on the safety rows says of a model."""
    certificate = tested(decide(case.safety.X), case.safety, case)
    positive = decide(case.everyone) if certificate.passed else None
    return Answer(positive, certificate.results[0].g_upper)


def rehearsed(options: Sequence[Any], decisions: Callable[[Any], Floats], case: Case) -> Any:
    """The first option whose decisions about candidate rows pass, or that with the lowest bound."""
    bounds = []
    for option in options:
        certificate = tested(decisions(option), case.candidate, case)
        if certificate.passed:
            return option
        bounds.append(certificate.results[0].g_upper)
    return options[int(np.argmin(bounds))]


def folds(n_splits: int, case: Case) -> StratifiedKFold:
    return StratifiedKFold(n_splits, shuffle=True, random_state=case.seed)


def logistic(case: Case) -> Answer:
    return with_threshold(LogisticRegression(max_iter=1000), case)


def trees(case: Case) -> Answer:
    return with_threshold(HistGradientBoostingClassifier(random_state=case.seed), case)


def with_threshold(model: Any, case: Case) -> Answer:
    """A fitted model that decides positively above a threshold, which is rehearsed."""
    X, y, _ = case.candidate
    cv = folds(THRESHOLD_FOLDS, case)
    scores = cross_val_predict(model, X, y, cv=cv, method="predict_proba")[:, 1]
    thresholds = np.append(0.5, np.quantile(scores, np.linspace(0, 1, N_THRESHOLDS)))
    accuracies = ((scores > thresholds[:, None]) == y).mean(axis=1)
    best_first = thresholds[np.argsort(-accuracies, kind="stable")]
    threshold = rehearsed(best_first, lambda t: (scores > t).astype(float), case)
    model.fit(X, y)
    return answer(lambda X: (model.predict_proba(X)[:, 1] > threshold).astype(float), case)


def fairlearn(case: Case) -> Answer:
    return answer(mixture(case.candidate, case.config, share=1.0), case)


def fairlearn_rehearsed(case: Case) -> Answer:
    """The loosest bound is taken for the most accurate."""
    X, y, _ = case.candidate

    def out_of_fold(share: float) -> Floats:
        positive = np.empty(len(y))
        for train, rest in folds(MIXTURE_FOLDS, case).split(X, y):
            positive[rest] = mixture(case.candidate.take(train), case.config, share)(X[rest])
        return positive

    share = rehearsed(TIGHTER, out_of_fold, case)
    return answer(mixture(case.candidate, case.config, share), case)


def mixture(sample: Sample, config: Config, share: float) -> Decide:
    """fairlearn's mixture of logistic models, held to a share of what the limit allows."""
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient

    bound = (
        {"ratio_bound": 1.0 - share * (1.0 - config.limit)}
        if config.family == "DI"
        else {"difference_bound": share * config.limit}
    )
    base = LogisticRegression(max_iter=1000)
    reduction = ExponentiatedGradient(base, DemographicParity(**bound))
    reduction.fit(sample.X, sample.y, sensitive_features=sample.groups["M"])
    weights, models = reduction.weights_, reduction.predictors_

    def positive(X: Floats) -> Floats:
        votes = [w * models[i].predict(X) for i, w in weights.items() if w > 0]
        return np.clip(np.sum(votes, axis=0), 0.0, 1.0)

    return positive


OURS: dict[str, Callable[[Case], Answer]] = {
    "ours, default": ours_default,
    "ours, linear": ours_linear,
    "ours, trees": ours_trees,
}
RIVALS: dict[str, Callable[[Case], Answer]] = {
    "logistic": logistic,
    "trees": trees,
    "fairlearn": fairlearn,
    "fairlearn, rehearsed": fairlearn_rehearsed,
}
METHODS = OURS | RIVALS


def enters(method: str, config: Config) -> bool:
    """Whether a method has a way to train for the constraint."""
    return not (method.startswith("fairlearn") and config.family == "PPV")

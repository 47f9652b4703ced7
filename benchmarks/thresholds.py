"""Which package certifies the better decision threshold of an existing model, this one or MAPIE?

A logistic model is fitted to 5,000 students of the GPA data. The other students are the population.
From it, m rows are drawn with replacement, the same for all methods. Each method has to return a
threshold for which ``FPR <= 0.25`` (or ``PPV >= 0.6``) holds with confidence level .95, with a TPR
as high as possible. The decisions are evaluated on the population: their TPR, and whether they
violate the constraint.

* MAPIE, Holm (its default) and fixed sequence: `BinaryClassificationController`.
* certify, Holm and fixed sequence: ``certify(models, ..., multiple=)``, one model per threshold.
* chosen on half: `SeldonianMetaClassifier` around the frozen model. It chooses the threshold on one
  half of the rows and tests it on the other half.

The first four test the same 100 thresholds, and fixed sequences begin with the highest. A draw
without a certified threshold counts with a TPR of 0.

MAPIE is not a dependency. In a separate environment:

    pip install --no-deps mapie
    python benchmarks/thresholds.py [--sizes 250 1000 4000] [--trials 10]

It ends in assertions: our methods do not violate the constraint significantly more often than
delta, and the mean TPR of our fixed sequence is at least that of MAPIE's minus .01.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianMetaClassifier, certify
from sklearn_seldonian.datasets import load_gpa

Floats = npt.NDArray[np.float64]

DELTA = 0.05
KNOWN = 5_000
N_THRESHOLDS = 100
RISKS = {"FPR <= 0.25": ("fpr", 0.25), "PPV >= 0.6": ("precision", 0.6)}

Decisions = npt.NDArray[np.bool_]


class Population(NamedTuple):
    """All rows of the population, the model, and its probability of the positive class."""

    model: Any
    X: Floats
    y: npt.NDArray[np.int64]
    probability: Floats
    thresholds: Floats

    def evaluate(self, positive: Decisions, constraint: str) -> tuple[float, bool]:
        """The TPR of decisions about all rows, and whether they violate the constraint."""
        kind, limit = RISKS[constraint]
        tpr = float(positive[self.y == 1].mean())
        if kind == "fpr":
            return tpr, bool(positive[self.y == 0].mean() > limit)
        return tpr, bool(positive.any() and self.y[positive].mean() < limit)


class Case(NamedTuple):
    """A draw of rows, for a constraint."""

    people: Population
    constraint: str
    X: Floats
    y: npt.NDArray[np.int64]
    seed: int


def population() -> Population:
    """The GPA data without the students that the model is fitted to.

    Thresholds are between the first and the last decile of the probabilities of those students, the
    highest first.
    """
    X, y = load_gpa(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:KNOWN], y[:KNOWN])
    known, rest = (model.predict_proba(part)[:, 1] for part in (X[:KNOWN], X[KNOWN:]))
    thresholds = np.linspace(*np.quantile(known, [0.9, 0.1]), N_THRESHOLDS)
    return Population(model, X[KNOWN:], y[KNOWN:], rest, thresholds)


def draw(people: Population, constraint: str, m: int, trial: int) -> Case:
    rows = np.random.default_rng([m, trial]).integers(len(people.y), size=m)
    return Case(people, constraint, people.X[rows], people.y[rows], trial)


# -- methods: decisions about the population, or None ---------------------------------------------


def by_mapie(case: Case, method: str) -> Decisions | None:
    from mapie.risk_control import BinaryClassificationController

    risk, limit = RISKS[case.constraint]
    controller = BinaryClassificationController(
        case.people.model.predict_proba,
        risk,
        limit,
        confidence_level=1.0 - DELTA,
        best_predict_param_choice="recall",
        list_predict_params=case.people.thresholds,
        fwer_method=method,
    )
    best = controller.calibrate(case.X, case.y).best_predict_param
    return None if best is None else case.people.probability >= best


def by_certify(case: Case, multiple: str) -> Decisions | None:
    """Decisions by the lowest threshold that is certified, which has the highest TPR."""
    frozen = FrozenEstimator(case.people.model)
    models = {
        str(t): FixedThresholdClassifier(frozen, threshold=t).fit(case.X, case.y)
        for t in case.people.thresholds.tolist()
    }
    found = certify(
        models, case.X, case.y, case.constraint, delta=DELTA, multiple=multiple, random_state=0
    )
    best = min((float(t) for t, tested in found.items() if tested.passed), default=None)
    return None if best is None else case.people.probability >= best


def chosen_on_half(case: Case) -> Decisions | None:
    model = SeldonianMetaClassifier(
        FrozenEstimator(case.people.model), case.constraint, delta=DELTA, random_state=case.seed
    ).fit(case.X, case.y)
    return model.predict(case.people.X) == 1 if model.solution_found_ else None


METHODS: dict[str, Callable[[Case], Decisions | None]] = {
    "MAPIE, Holm": lambda case: by_mapie(case, "bonferroni_holm"),
    "MAPIE, fixed sequence": lambda case: by_mapie(case, "fixed_sequence"),
    "certify, Holm": lambda case: by_certify(case, "holm"),
    "certify, fixed sequence": lambda case: by_certify(case, "fixed-sequence"),
    "chosen on half": chosen_on_half,
}
OURS = ("certify, Holm", "certify, fixed sequence", "chosen on half")


# -- trials and claims ----------------------------------------------------------------------------


def run(
    people: Population, sizes: Sequence[int], n_trials: int, methods: Sequence[str]
) -> pd.DataFrame:
    """A row per draw and method. Without a certified threshold no decision is positive: TPR 0."""
    found = []
    for constraint, m, trial in itertools.product(RISKS, sizes, range(n_trials)):
        case = draw(people, constraint, m, trial)
        for name in methods:
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                positive = METHODS[name](case)
            seconds = time.perf_counter() - start
            tpr, violates = (
                (0.0, False) if positive is None else people.evaluate(positive, constraint)
            )
            row = (constraint, m, trial, name, positive is not None, tpr, violates, seconds)
            found.append(row)
    columns = ["constraint", "m", "trial", "method", "certified", "tpr", "violates", "seconds"]
    return pd.DataFrame(found, columns=columns)


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """Shares, mean TPR with its standard error, and median seconds."""
    grouped = trials.groupby(["constraint", "m", "method"], sort=False)
    return grouped.agg(
        certified=("certified", "mean"),
        tpr=("tpr", "mean"),
        error=("tpr", "sem"),
        violations=("violates", "sum"),
        seconds=("seconds", "median"),
    ).reset_index()


def claims(trials: pd.DataFrame) -> dict[str, bool]:
    """Each claim in words, and whether it holds."""
    held = {}
    for name in OURS:
        violates = trials.loc[trials["method"] == name, "violates"]
        if len(violates):
            p_value = stats.binom.sf(violates.sum() - 1, len(violates), DELTA)
            held[f"{name}: violations are no more frequent than delta"] = bool(p_value > 0.001)
    tpr = trials.groupby(["constraint", "m", "method"])["tpr"].mean().unstack()
    if {"MAPIE, fixed sequence", "certify, fixed sequence"} <= set(tpr.columns):
        lead = tpr["certify, fixed sequence"] - tpr["MAPIE, fixed sequence"]
        held["fixed sequence: our mean TPR is at least MAPIE's minus .01"] = bool(
            lead.min() >= -0.01
        )
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[250, 1000, 4000])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    trials = run(population(), options.sizes, options.trials, options.methods)
    print(summary(trials).round(3).to_string(index=False))
    held = claims(trials)
    for claim, holds in held.items():
        print("holds" if holds else "FAILS", claim, sep="  ")
    assert all(held.values())


if __name__ == "__main__":
    main()

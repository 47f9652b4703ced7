"""Is a model as likely to pass the safety test as training predicts?

The prediction comes from candidate rows, and so does the model. It is honest only if it does not
flatter the model. The study varies what could flatter it:

* the model: linear, a 2x64 network, and boosted trees in `SeldonianMetaClassifier`;
* the number of features, of which five determine the label, and the number of rows;
* the share of positives;
* the constraint: rates of both classes, parity of two groups, or precision.

    python benchmarks/judging.py [--trials 20] [--models linear network] [--results DIR]

For each case it prints the rows of the constraint's smallest group per feature, the predicted
probability of passing, and the share that passed. When a fit ends, a row is added to judging.csv in
the results folder. A later run continues where an earlier one stopped. It asserts that both agree
to within .05 over all fits, and that no case differs by more than .1 significantly, at 1% for all
cases together.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from _population import TEXTS
from _rival_methods import predicted_passing
from _table import append, lacking, read
from joblib import Parallel, delayed
from scipy import special
from scipy.optimize import brentq
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier, SeldonianMetaClassifier

MODELS = ("linear", "network", "trees")
SIZES, FEATURES = (1000, 4000), (10, 80)
# By constraint and share of positives. With few rows, the best models meet these limits narrowly.
CONSTRAINTS = {
    ("rates", 0.5): ["TPR >= 0.65", "FPR <= 0.35"],
    ("rates", 0.1): ["TPR >= 0.5", "FPR <= 0.3"],
    ("parity", 0.5): [TEXTS["DP"].format(0.12)],
    ("parity", 0.1): [TEXTS["DP"].format(0.08)],
    ("precision", 0.5): [TEXTS["PPV"].format(0.75)],
    ("precision", 0.1): [TEXTS["PPV"].format(0.3)],
}
N_RELEVANT, SHARE_F = 5, 0.3
POOLED, EACH, SIGNIFICANCE = 0.05, 0.1, 0.01


class Case(NamedTuple):
    model: str
    constraint: str
    positives: float
    features: int
    m: int


class Trial(NamedTuple):
    """One fit of a case: what was predicted, and whether the test was passed."""

    model: str
    constraint: str
    positives: float
    features: int
    m: int
    trial: int
    predicted: float
    passed: bool


CASES = [
    Case(model, kind, positives, features, m)
    for kind, positives in CONSTRAINTS
    for features in FEATURES
    for m in SIZES
    for model in MODELS
]


def rows_of(
    case: Case, trial: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], pd.DataFrame]:
    """Independent rows: features, labels, and the 0/1 columns M and F."""
    rng = np.random.default_rng([case.features, case.m, trial])
    X = rng.normal(size=(case.m, case.features))
    male = (rng.random(case.m) >= SHARE_F).astype(np.int64)
    X[:, 0] += 0.8 * (male - 0.5)
    y = rng.random(case.m) < special.expit(
        X[:, :N_RELEVANT].sum(axis=1) + intercept(case.positives)
    )
    return X, y.astype(np.int64), pd.DataFrame({"M": male, "F": 1 - male})


def intercept(positives: float) -> float:
    """The intercept of the log-odds that gives this share of positives."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    line = math.sqrt(N_RELEVANT) * nodes

    def excess(at: float) -> float:
        of_women, of_men = (special.expit(line + shift + at) @ weights for shift in (-0.4, 0.4))
        share = (SHARE_F * of_women + (1.0 - SHARE_F) * of_men) / weights.sum()
        return float(share - positives)

    return float(brentq(excess, -10.0, 10.0))


def per_feature(case: Case) -> float:
    """Candidate rows of the constraint's smallest group per feature."""
    shares = {"rates": case.positives, "parity": SHARE_F, "precision": case.positives}
    return case.m / 2.0 * shares[case.constraint] / case.features


def run_trial(case: Case, trial: int) -> Trial:
    torch.set_num_threads(1)
    X, y, groups = rows_of(case, trial)
    model: SeldonianClassifier | SeldonianMetaClassifier
    if case.model == "trees":
        model = SeldonianMetaClassifier(HistGradientBoostingClassifier(random_state=trial))
    else:
        hidden = () if case.model == "linear" else (64, 64)
        model = SeldonianClassifier(module__hidden=hidden, device="cpu")
    model.set_params(constraints=CONSTRAINTS[case.constraint, case.positives], random_state=trial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        model.fit(X, y, sensitive_features=groups)
    return Trial(*case, trial, predicted_passing(model.history_), model.solution_found_)


def run(options: argparse.Namespace) -> pd.DataFrame:
    """The table of all fits asked for; those that it lacks are run."""
    path = options.results / "judging.csv"
    keys = [*Case._fields, "trial"]
    asked = [
        (*case, trial)
        for trial in range(options.trials)
        for case in CASES
        if case.model in options.models
    ]
    todo = lacking(read(path, Trial._fields), keys, asked)
    calls = (delayed(run_trial)(Case(*case), trial) for *case, trial in todo)
    for trial in Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(calls):
        append(path, trial)
    trials = read(path, Trial._fields)
    return trials[[row in asked for row in trials[keys].itertuples(index=False, name=None)]]


def chance(trials: pd.DataFrame) -> float:
    """How probable so many or so few passes are, if each prediction is wrong by at most `EACH`."""
    predicted, passed = trials["predicted"].to_numpy(), int(trials["passed"].sum())
    sign = 1.0 if passed > predicted.sum() else -1.0
    masses = np.ones(1)  # of the number of passes
    for right in np.clip(predicted + sign * EACH, 0.0, 1.0).tolist():
        masses = np.convolve(masses, [1.0 - right, right])
    return float(masses[passed:].sum() if sign > 0 else masses[: passed + 1].sum())


def table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per case."""
    grouped = trials.groupby(list(Case._fields), sort=False)
    found = grouped[["predicted", "passed"]].mean()
    return found.assign(
        n=grouped.size(),
        per_feature=[per_feature(Case(*key)) for key in found.index],
        chance=[chance(rows) for _, rows in grouped],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    trials = run(parser.parse_args())
    trials = trials.assign(predicted=trials["predicted"].fillna(0.0))
    found = table(trials)
    print(found.round(3).to_string())
    for name in Case._fields:
        print(trials.groupby(name)[["predicted", "passed"]].mean().round(3).to_string())
    difference = float(trials["predicted"].mean() - trials["passed"].mean())
    standard_error = math.sqrt(trials.eval("predicted * (1 - predicted)").mean() / len(trials))
    print(f"predicted minus passed: {difference:.3f}, standard error {standard_error:.3f}")
    assert abs(difference) <= POOLED
    assert found["chance"].min() >= SIGNIFICANCE / len(found), found["chance"].idxmin()


if __name__ == "__main__":
    main()

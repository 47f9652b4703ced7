"""By how much must another model be better than a linear one for the default to keep it?

Without a module, a linear model, an additive model and a network are trained. A later one is kept
if its error on candidate rows is lower by more than `MARGIN` standard errors of the difference. The
benchmark varies the margin, and also trains each model alone. Five populations are known in full.
In one of them the classes are best separated by a line, in one by bends (absolute values), in one
by a product, and in one by a line and a product. The fifth is GPA, with parity within 0.1.

    python benchmarks/default_module.py [--trials 12] [--sizes 1000 4000] [--results DIR]

It prints the accuracy of the kept model on the population, certified or not, its gain over the
linear model with a standard error, and how often each model was kept. It asserts that the package's
margin loses at most .005 against the best of the three, on average over the populations of a line,
of bends and of a product.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from _population import CONFIGS, Population, draw, population
from joblib import Parallel, delayed

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.learners.lagrangian import _comparison
from sklearn_seldonian.modules import AdditiveModel

ALONE: dict[str, dict[str, object]] = {
    "linear model": {"module__hidden": ()},
    "additive model": {"module": AdditiveModel},
    "network": {"module__hidden": (64, 64)},
}
MARGINS = {"0": 0.0, "0.5": 0.5, "1": 1.0, "2": 2.0}
OURS = "0.5"
PARITY = CONFIGS["gpa_DP_0.1"].text
# Of a line, of bends, and of a product.
WEIGHTS = {
    "line": (1.5, 0.0, 0.0),
    "bends": (0.0, 1.5, 0.0),
    "both": (1.0, 0.0, 1.0),
    "product": (0.0, 0.0, 3.0),
}
CLEAR = ["line", "bends", "product"]
N_PEOPLE, N_FEATURES = 100_000, 10


def people_of(name: str) -> Population:
    """A population whose log-odds are a line, bends, a product of two numbers, or a sum."""
    if name not in WEIGHTS:
        return population(name)
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, N_PEOPLE)
    X = rng.normal(size=(N_PEOPLE, N_FEATURES))
    X[:, 0] += 0.5 * male
    line, bends, product = WEIGHTS[name]
    log_odds = line * (X[:, 0] + X[:, 1]) + product * X[:, 2] * X[:, 3]
    log_odds += bends * (np.abs(X[:, 4:8]) - 0.8).sum(axis=1)
    y = (log_odds + rng.logistic(size=N_PEOPLE) > 0).astype(np.int64)
    return Population(name, X, y, pd.DataFrame({"M": male, "F": 1 - male}))


def run_trial(name: str, m: int, trial: int, choice: str) -> dict[str, object]:
    """One fit of a model alone or with a margin, scored on the population."""
    torch.set_num_threads(1)
    people = people_of(name)
    drawn = draw("gpa", m, trial) if name == "gpa" else None
    rows = drawn.rows if drawn else np.random.default_rng([m, trial]).integers(N_PEOPLE, size=m)
    model = SeldonianClassifier(
        constraints=PARITY,
        random_state=drawn.seed if drawn else trial,
        device="cpu",
        **ALONE.get(choice, {}),
    )
    margin = MARGINS.get(choice, MARGINS[OURS])
    with warnings.catch_warnings(), patch.object(_comparison, "MARGIN", margin):
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(people.X[rows], people.y[rows], people.groups.iloc[rows])
    everyone = torch.tensor(people.X, dtype=torch.float32)
    decided = torch.cat(list(model.net_.scores(everyone))).argmax(dim=1).numpy()
    kept = choice if choice in ALONE else model.history_["module"].iloc[-1]
    return {
        "population": name,
        "m": m,
        "trial": trial,
        "choice": choice,
        "accuracy": float((decided == people.y).mean()),
        **{other: kept == other for other in ALONE},
        "passed": model.solution_found_,
    }


def table(trials: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, its difference from the linear model's with a standard error, and shares."""
    keys = ["population", "m", "choice"]
    accuracy = trials.set_index([*keys, "trial"])["accuracy"].unstack("choice")
    gains = accuracy.sub(accuracy["linear model"], axis=0).stack().groupby(keys)
    shares = trials.groupby(keys)[["accuracy", *ALONE, "passed"]].mean()
    return shares.assign(gain=gains.mean(), error=gains.sem())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    options = parser.parse_args()
    cases = [
        (name, m, trial, choice)
        for trial in range(options.trials)
        for name in (*WEIGHTS, "gpa")
        for m in options.sizes
        for choice in (*ALONE, *MARGINS)
    ]
    trials = pd.DataFrame(Parallel(n_jobs=options.n_jobs)(delayed(run_trial)(*c) for c in cases))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        trials.to_csv(options.results / "default_module.csv", index=False)
    found = table(trials)
    print(found.round(4).to_string())
    clear = found["accuracy"].unstack("choice").loc[CLEAR]
    lost = clear[[*ALONE]].max(axis=1) - clear[OURS]
    assert lost.mean() <= 0.005, f"the margin loses {lost.mean():.4f}"


if __name__ == "__main__":
    main()

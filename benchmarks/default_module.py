"""By how much must a network be better than a linear model for the default to keep it?

Without a module both are trained, and the network is kept if its error on candidate rows is lower
by more than `MARGIN` standard errors of the difference. This benchmark varies the margin. If both
are predicted to pass, an infinite margin keeps the linear model, and minus infinity the network.
Four populations are known in full. In one of them the classes are best separated by a line, in one
by a product, and in one by both. The fourth is GPA, with parity within 0.1.

    python benchmarks/default_module.py [--trials 12] [--sizes 1000 4000] [--results DIR]

It prints the accuracy of the kept model on the population, certified or not, its gain over the
linear model with a standard error, and how often the network was kept. It asserts that the
package's margin loses at most .005 against the better of both, on average over the populations of a
line and of a product.
"""

from __future__ import annotations

import argparse
import math
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

MARGINS = {"linear": math.inf, "network": -math.inf, "0": 0.0, "0.5": 0.5, "1": 1.0, "2": 2.0}
OURS = "0.5"
PARITY = CONFIGS["gpa_DP_0.1"].text
WEIGHTS = {"line": (1.5, 0.0), "both": (1.0, 1.0), "product": (0.0, 3.0)}
N_PEOPLE, N_FEATURES = 100_000, 10


def people_of(name: str) -> Population:
    """A population whose log-odds are a line, a product of two numbers, or their sum."""
    if name not in WEIGHTS:
        return population(name)
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, N_PEOPLE)
    X = rng.normal(size=(N_PEOPLE, N_FEATURES))
    X[:, 0] += 0.5 * male
    line, product = WEIGHTS[name]
    log_odds = line * (X[:, 0] + X[:, 1]) + product * X[:, 2] * X[:, 3]
    y = (log_odds + rng.logistic(size=N_PEOPLE) > 0).astype(np.int64)
    return Population(name, X, y, pd.DataFrame({"M": male, "F": 1 - male}))


def run_trial(name: str, m: int, trial: int, margin: str) -> dict[str, object]:
    """One fit, scored on the population."""
    torch.set_num_threads(1)
    people = people_of(name)
    drawn = draw("gpa", m, trial) if name == "gpa" else None
    rows = drawn.rows if drawn else np.random.default_rng([m, trial]).integers(N_PEOPLE, size=m)
    model = SeldonianClassifier(
        constraints=PARITY, random_state=drawn.seed if drawn else trial, device="cpu"
    )
    with warnings.catch_warnings(), patch.object(_comparison, "MARGIN", MARGINS[margin]):
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(people.X[rows], people.y[rows], people.groups.iloc[rows])
    everyone = torch.tensor(people.X, dtype=torch.float32)
    decided = torch.cat(list(model.net_.scores(everyone))).argmax(dim=1).numpy()
    kept = model.history_["module"].iloc[-1]
    accuracy = float((decided == people.y).mean())
    row = {"population": name, "m": m, "trial": trial, "margin": margin}
    return row | {
        "accuracy": accuracy,
        "network": kept == "network",
        "passed": model.solution_found_,
    }


def table(trials: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, its difference from the linear model's with a standard error, and shares."""
    keys = ["population", "m", "margin"]
    accuracy = trials.set_index([*keys, "trial"])["accuracy"].unstack("margin")
    gains = accuracy.sub(accuracy["linear"], axis=0).stack().groupby(keys)
    shares = trials.groupby(keys)[["accuracy", "network", "passed"]].mean()
    return shares.assign(gain=gains.mean(), error=gains.sem())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    options = parser.parse_args()
    cases = [
        (name, m, trial, margin)
        for trial in range(options.trials)
        for name in (*WEIGHTS, "gpa")
        for m in options.sizes
        for margin in MARGINS
    ]
    trials = pd.DataFrame(Parallel(n_jobs=options.n_jobs)(delayed(run_trial)(*c) for c in cases))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        trials.to_csv(options.results / "default_module.csv", index=False)
    found = table(trials)
    print(found.round(4).to_string())
    clear = found["accuracy"].unstack("margin").loc[["line", "product"]]
    lost = clear[["linear", "network"]].max(axis=1) - clear[OURS]
    assert lost.mean() <= 0.005, f"the margin loses {lost.mean():.4f}"


if __name__ == "__main__":
    main()

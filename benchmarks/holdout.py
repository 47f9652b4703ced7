"""Does a network pass as predicted if it is evaluated on held-out candidate rows?

A network may memorise its training rows, so that its decisions about them say little about those
for safety rows. The default network of `SeldonianClassifier` and a linear model are fitted, with
all other settings at their defaults, to m rows drawn with replacement from populations known in
full. Epochs are evaluated on all candidate rows, or on a share of them held out from training: a
tenth, a third, a half, or the package's choice. For linear models the package holds out no rows.
"copies" evaluates them with copies that were not trained on the evaluated rows, as the package does
if there are few rows per feature.

    python benchmarks/holdout.py [--trials 12] [--sizes 1000 2000 8000 32000] [--results DIR]

It prints how often the safety test was passed, how often that was predicted, how much nearer to its
limit the constraint is on the population than on candidate rows, and the accuracy of solutions on
the population. It asserts that with the package's choice networks pass as often as predicted,
within two standard errors and .03, and more often than without held-out rows.
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
from _population import CONFIGS, population, truth
from _population import draw as drawn_from
from joblib import Parallel, delayed
from torch import nn

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.certification import units_of
from sklearn_seldonian.constraints import parse
from sklearn_seldonian.learners.lagrangian import _net
from sklearn_seldonian.learners.lagrangian._checkpoints import n_selection_rows
from sklearn_seldonian.learners.lagrangian._cross_fitting import linear_layer

NAMES = ("gpa_DP_0.1", "gpa_DP_0.05", "synthetic_DP_0.1")
HIDDEN = {"network": (64, 64), "linear": ()}
SHARES = {"none": 0.0, "tenth": 0.1, "third": 1 / 3, "half": 0.5, "chosen": math.nan}


def held_out(n_rows: int, n_smallest: float, module: nn.Module, share: float) -> int:
    """How many rows to hold out; a share that is NaN is what the package chooses."""
    if math.isnan(share):
        return n_selection_rows(n_rows, n_smallest, module)
    return int(share * n_rows)


def run_trial(model: str, name: str, rows: str, m: int, trial: int) -> dict[str, object]:
    """One fit, scored on the population."""
    torch.set_num_threads(1)
    config = CONFIGS[name]
    people, draw = population(config.dataset), drawn_from(config.dataset, m, trial)
    estimator = SeldonianClassifier(
        constraints=config.text, module__hidden=HIDDEN[model], random_state=draw.seed, device="cpu"
    )
    with (
        warnings.catch_warnings(),
        patch.object(_net, "n_selection_rows", lambda *of: held_out(*of, SHARES.get(rows, 0.0))),
        patch.object(_net, "linear_layer", linear_layer if rows == "copies" else lambda *_: None),
        patch.object(_net, "needs_cross_fitting", lambda *_: True),
    ):
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        estimator.fit(people.X[draw.rows], people.y[draw.rows], people.groups.iloc[draw.rows])
    (kept,) = estimator.history_[estimator.history_.kept.astype(bool)].tail(1).itertuples()
    everyone = torch.tensor(people.X, dtype=torch.float32)
    decisions = np.concatenate(
        [scores.argmax(dim=1).numpy() for scores in estimator.net_.scores(everyone)]
    )
    found = estimator.solution_found_
    accuracy = (decisions == people.y).mean() if found else np.nan
    predicted = units_of(parse(config.text)).excess(kept.estimate_0)
    optimism = truth(config).g(decisions) - predicted
    row = {"constraint": name, "m": m, "model": model, "held out": rows, "passed": found}
    return row | {"predicted": kept.passing_0, "optimism": optimism, "accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 8000, 32000])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    options = parser.parse_args()
    cases = [
        (model, name, rows, m, trial)
        for model, kinds in (("network", list(SHARES)), ("linear", ["none", "half", "copies"]))
        for name in NAMES
        for m in options.sizes
        for rows in kinds
        for trial in range(options.trials)
    ]
    trials = pd.DataFrame(Parallel(n_jobs=options.n_jobs)(delayed(run_trial)(*c) for c in cases))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        trials.to_csv(options.results / "holdout.csv", index=False)
    numbers = ["passed", "predicted", "optimism", "accuracy"]
    keys = ["constraint", "m", "model", "held out"]
    print(trials.groupby(keys, sort=False)[numbers].mean().round(3).to_string())
    pooled = trials.groupby(["model", "held out"], sort=False)[numbers].mean()
    print(f"\nAll together:\n{pooled.round(3).to_string()}")
    chosen = pooled.loc[("network", "chosen")]
    n_trials = options.trials * len(NAMES) * len(options.sizes)
    error = math.sqrt(chosen.predicted * (1 - chosen.predicted) / n_trials)
    assert chosen.passed >= chosen.predicted - 2 * error - 0.03, "passing is not what was predicted"
    assert chosen.passed > pooled.loc[("network", "none")].passed, "rows were held out for nothing"


if __name__ == "__main__":
    main()

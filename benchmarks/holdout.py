"""Does holding candidate rows out to judge epochs on pay for the rows that training loses?

A network may learn its rows by heart; what it decides about them then says little about what
it will decide about safety rows. On GPA data (the population; m rows drawn with replacement)
a network of two hidden layers is fitted under parity with epochs judged on all candidate
rows, and on a tenth of them held out. A linear model, which cannot overfit, stands beside it.

    python benchmarks/holdout.py [--trials 20] [--sizes 1000 4000 16000]

Prints solution rate, predicted probability of passing, and accuracy on the population, and
asserts that where the package holds rows out, it finds at least as many solutions by it.
"""

from __future__ import annotations

import argparse
import warnings
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from _population import CONFIGS, draw, population
from joblib import Parallel, delayed
from solution_rate import n_epochs, predicted_passing

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.training import _net
from sklearn_seldonian.training._selection import n_selection_rows

CONFIG = CONFIGS["gpa_DP_0.1"]
HIDDEN = {"linear": (), "2 x 64": (64, 64)}
SHARES = {"none": 0.0, "a tenth": 0.1}


def run_trial(network: str, held_out: str, m: int, trial: int) -> dict[str, object]:
    """One fit, scored on the population."""
    torch.set_num_threads(1)
    people, drawn = population("gpa"), draw("gpa", m, trial)
    share = SHARES[held_out]
    model = SeldonianClassifier(
        constraints=CONFIG.text,
        module__hidden=HIDDEN[network],
        safety_size=0.6,
        max_epochs=max(20, n_epochs(m) // 4),
        random_state=drawn.seed,
    )
    with (
        warnings.catch_warnings(),
        patch.object(_net, "n_selection_rows", lambda n_rows, _: int(share * n_rows)),
    ):
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        model.fit(people.X[drawn.rows], people.y[drawn.rows], people.groups.iloc[drawn.rows])
    found = model.solution_found_
    return {
        "network": network,
        "held out": held_out,
        "m": m,
        "solution rate": float(found),
        "predicted": predicted_passing(model.history_),
        "accuracy": model.score(people.X, people.y) if found else np.nan,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    trials = Parallel(n_jobs=options.n_jobs)(
        delayed(run_trial)(network, held_out, m, trial)
        for m in options.sizes
        for network in HIDDEN
        for held_out in SHARES
        for trial in range(options.trials)
    )
    table = pd.DataFrame(trials).groupby(["m", "network", "held out"], sort=False).mean()
    print(table.round(3).to_string())
    for m in options.sizes:
        n_parameters = 10 * 64 + 65 * 64 + 65 * 2
        if n_selection_rows(round(0.4 * m), n_parameters):
            rates = table.loc[(m, "2 x 64"), "solution rate"]
            assert rates["a tenth"] >= rates["none"] - 0.1, f"holding out costs solutions at {m}"


if __name__ == "__main__":
    main()

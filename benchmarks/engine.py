"""What does the Seldonian Engine do if a constraint on mean probabilities binds?

None of the constraints in ../shared/benchmarks/engine_baseline.csv binds at the optimum, so they
do not test its promise. This runs the Engine on constraints that bind, by the protocol of
`solution_rate.py` (the same draws) and the settings of its own GPA tutorial: logistic model,
60% safety data, Adam, lambda_init 0.5, both rates 0.01, 1,000 iterations, start at the
unconstrained fit, t bounds, delta split equally, inflation factor 2. The results are compared with
our fits with `decision="sample"` from `solution_rate_trials.csv.gz`.

The Engine is not a dependency, because it needs another version of matplotlib. In another
environment:

    pip install --no-deps seldonian-engine
    pip install autograd cma graphviz matplotlib pandas pytest scikit-learn tqdm
    python benchmarks/engine.py [--sizes 1000 4000] [--trials 20] [--results DIR]

It ends in an assertion, for points of at least ten trials: our solution rate is at least the
Engine's minus 0.05, and our mean log-loss at most the Engine's plus 0.015.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _population import CONFIGS, Config, draw, population, truth
from scipy.special import expit

BINDING = ("gpa_DP_0.03", "gpa_DP_0.02", "synthetic_DP_0.1")
ENOUGH = 10  # the number of trials that a point needs
OURS = Path(__file__).parent / "solution_rate_trials.csv.gz"
HYPERPARAMETERS: dict[str, Any] = {
    "lambda_init": 0.5,
    "alpha_theta": 0.01,
    "alpha_lamb": 0.01,
    "beta_velocity": 0.9,
    "beta_rmsprop": 0.95,
    "use_batches": False,
    "num_iters": 1000,
    "gradient_library": "autograd",
    "hyper_search": None,
    "verbose": False,
}


def specification(config: Config, rows: np.ndarray, data: str) -> Any:
    """The Engine's description of one fit."""
    from seldonian.dataset import SupervisedDataSet, SupervisedMetaData
    from seldonian.models import objectives
    from seldonian.models.models import BinaryLogisticRegressionModel
    from seldonian.parse_tree.parse_tree import ParseTree
    from seldonian.spec import SupervisedSpec

    people = population(config.dataset, data)
    features = [f"x{i}" for i in range(people.X.shape[1])]
    kind = "classification"
    meta = SupervisedMetaData(
        sub_regime=kind,
        all_col_names=["M", "F", *features, "label"],
        feature_col_names=features,
        label_col_names=["label"],
        sensitive_col_names=["M", "F"],
    )
    groups = people.groups[["M", "F"]].to_numpy()[rows]
    sample = SupervisedDataSet(people.X[rows], people.y[rows], groups, len(rows), meta)
    tree = ParseTree(0.05, regime="supervised_learning", sub_regime=kind, columns=["M", "F"])
    tree.build_tree(f"{config.text.partition(' <= ')[0]} - {config.limit}")
    return SupervisedSpec(
        dataset=sample,
        model=BinaryLogisticRegressionModel(),
        parse_trees=[tree],
        sub_regime=kind,
        frac_data_in_safety=0.6,
        primary_objective=objectives.binary_logistic_loss,
        use_builtin_primary_gradient_fn=True,
        initial_solution_fn=lambda model, X, y: model.fit(X, y),
        optimization_hyperparams=HYPERPARAMETERS,
    )


def run_trial(config: Config, m: int, trial: int, data: str) -> dict[str, Any]:
    """Fit, and score on the population."""
    from seldonian.seldonian_algorithm import SeldonianAlgorithm

    people, limits = population(config.dataset, data), truth(config, data)
    spec = specification(config, draw(config.dataset, m, trial, data).rows, data)
    start = time.perf_counter()
    passed, theta = SeldonianAlgorithm(spec).run()
    seconds = time.perf_counter() - start
    row = {
        "config": config.name,
        "m": m,
        "trial": trial,
        "passed": bool(passed),
        "seconds": seconds,
    }
    if not passed:
        return row | dict.fromkeys(("g_soft", "g_hard", "log_loss"), np.nan)
    p = expit(theta[0] + people.X @ np.asarray(theta[1:]).ravel())
    right = np.where(people.y == 1, p, 1.0 - p)
    return row | {
        "g_soft": limits.g(p),
        "g_hard": limits.g(p > 0.5),
        "log_loss": float(-np.log(np.maximum(right, 1e-300)).mean()),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """Solution rate, violations among the solutions, and their log-loss."""
    found = trials[trials["passed"]]
    point = ["config", "m"]
    return pd.DataFrame(
        {
            "trials": trials.groupby(point).size(),
            "rate": trials.groupby(point)["passed"].mean(),
            "soft": (found["g_soft"] > 0).groupby([found[name] for name in point]).sum(),
            "hard": (found["g_hard"] > 0).groupby([found[name] for name in point]).sum(),
            "log_loss": found.groupby(point)["log_loss"].mean(),
            "seconds": trials.groupby(point)["seconds"].median(),
        }
    )


def main(arguments: argparse.Namespace) -> None:
    warnings.simplefilter("ignore")
    trials = pd.DataFrame(
        run_trial(CONFIGS[name], m, trial, arguments.data)
        for trial in range(arguments.trials)
        for m in arguments.sizes
        for name in BINDING
    )
    ours = pd.read_csv(OURS)
    ours = ours[ours["decision"] == "sample"]
    both = summary(trials).join(summary(ours), how="left", rsuffix="_ours")
    print(both.to_string(float_format="%.4f"))
    if arguments.results:
        arguments.results.mkdir(parents=True, exist_ok=True)
        trials.to_csv(arguments.results / "engine_trials.csv", index=False)
    both = both[both["trials"] >= ENOUGH]
    seldom = both[both["rate_ours"] < both["rate"] - 0.05]
    worse = both[both["log_loss_ours"] > both["log_loss"] + 0.015]
    assert seldom.empty, f"solved too seldom:\n{seldom}"
    assert worse.empty, f"worse than the Engine's:\n{worse}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=(1000, 4000, 16000))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    return parser.parse_args()


if __name__ == "__main__":
    main(parsed())

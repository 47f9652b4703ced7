"""Are gaps estimated better from the distribution of scores than from counts?

Models of several kinds are fitted to the candidate rows (40%) of samples of populations known in
full, as in `solution_rate.py`. The decision threshold is such that a given share of the rows is
above it. The gap between the rates of M and F above the threshold is then estimated from the same
rows in two ways: by counting, and as candidate selection does (`selection/_smoothing.py`). Both
estimates are compared with the gap on the population.

    python benchmarks/smoothing.py [--draws 30] [--results DIR]

It ends in assertions: the root mean square error is at most 0.9 times that of counts on average
over all cases, and at most 1.5 times in any case.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _population import DATA, draw, population
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.learners.lagrangian._evaluation import N_OFFSETS
from sklearn_seldonian.selection import class_shifts

SHARES = (0.05, 0.1, 0.2, 0.5, 0.8)
MODELS: dict[str, Callable[[], Any]] = {
    "linear": lambda: LogisticRegression(max_iter=300),
    "network": lambda: MLPClassifier((32,), max_iter=40),
    "trees": lambda: HistGradientBoostingClassifier(max_iter=30),
}
CASES = (
    *(("gpa", "linear", m) for m in (1000, 4000, 16000, 32000)),
    *(("gpa", model, m) for model in ("network", "trees") for m in (2000, 8000)),
    ("german", "linear", 1000),
    *(("synthetic", "linear", m) for m in (1000, 4000, 32000)),
    ("synthetic", "trees", 4000),
)


def errors(dataset: str, model: str, m: int, trial: int, data: str) -> pd.DataFrame:
    """The errors of both estimates of the gap, at each share."""
    people, male = population(dataset, data), population(dataset, data).groups["M"].to_numpy() == 1
    rows = draw(dataset, m, trial, data).rows[: int(0.4 * m)]
    fitted = MODELS[model]().fit(people.X[rows], people.y[rows])
    everyone = np.log(np.maximum(fitted.predict_proba(people.X), 1e-12))
    codes, stratification = (
        male[rows].astype(np.int32),
        Stratification.single(membership=np.zeros((2, 0), bool)),
    )
    (shifts,) = class_shifts(everyone[rows], people.y[rows], codes, stratification, N_OFFSETS)
    found = shifts.decisions
    reached = found.tables[..., 1].sum(axis=(1, 2)) / len(rows)
    seen = []
    for share in SHARES:
        i = int(np.abs(reached - share).argmin())
        decided = everyone[:, 1] + found.offsets[i] > everyone[:, 0]
        gap = decided[male].mean() - decided[~male].mean()
        estimates = [_gap(tables[i]) - gap for tables in (found.tables, found.smoothed)]
        seen.append((share, *estimates, found.weight))
    return pd.DataFrame(seen, columns=["share", "counted", "smoothed", "weight"])


def _gap(table: np.ndarray) -> float:
    female, male = table[..., 1].sum(axis=1) / table.sum(axis=(1, 2))
    return float(male - female)


def measure(draws: int, data: str) -> pd.DataFrame:
    rows = []
    for dataset, model, m in CASES:
        every = pd.concat(errors(dataset, model, m, trial, data) for trial in range(draws))
        for share, own in every.groupby("share"):
            counted, smoothed = (np.sqrt((own[n] ** 2).mean()) for n in ("counted", "smoothed"))
            row = {"dataset": dataset, "model": model, "m": m, "share": share}
            row |= {"counted": counted, "smoothed": smoothed, "ratio": smoothed / counted}
            rows.append(row | {"weight": own["weight"].mean()})
    return pd.DataFrame(rows)


def main(arguments: argparse.Namespace) -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)  # the network is trained enough
    found = measure(arguments.draws, arguments.data)
    print(found.to_string(index=False, float_format="%.4f"))
    average, worst = float(np.exp(np.log(found["ratio"]).mean())), float(found["ratio"].max())
    print(
        f"\nratio of root mean square errors: {average:.3f} on average, {worst:.3f} at worst, "
        f"below one in {int((found['ratio'] < 1).sum())} of {len(found)} cases"
    )
    if arguments.results:
        arguments.results.mkdir(parents=True, exist_ok=True)
        found.to_csv(arguments.results / "smoothing.csv", index=False)
    assert average <= 0.9
    assert worst <= 1.5


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    return parser.parse_args()


if __name__ == "__main__":
    main(parsed())

"""How often is a solution found, how good is it, and how often does it violate a constraint?

This is the protocol "resample" (../shared/benchmarks/README.md). A full dataset is the population,
and m rows are drawn with replacement. All constraints share one draw for each (dataset, m, trial).
The returned model is scored on the full dataset. "Soft" values are of mean probabilities, which
`decision="sample"` certifies. "Hard" values are of decisions, which `decision="argmax"` certifies.
The results are compared with those of the Seldonian Engine, and with the best logistic model of the
population under the soft constraint. If that constraint binds, they are also compared with the most
accurate rule that passes (`_frontier.py`).

    python benchmarks/solution_rate.py                          # everything: many hours
    python benchmarks/solution_rate.py run --constraints gpa_DP_0.1 --sizes 500 --trials 10
    python benchmarks/solution_rate.py summary claims --no-assert

When a fit ends, a row is added to trials.csv in the results folder. A later run continues where an
earlier one stopped. It ends in assertions of the claims for which there are enough trials.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from _frontier import DELTA, SAFETY_SHARE, Rule, best_rule
from _population import CONFIGS, Config, Optimum, draw, population, population_optimum, truth
from _rate_summary import (
    LARGEST,
    SOFT_BINDING,
    claims,
    print_optima,
    print_summary,
    report,
    summarise,
)
from _table import append, lacking, read
from joblib import Parallel, delayed

import sklearn_seldonian
from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.modules import MLP

SIZES = (250, 500, 1000, 2000, 4000, 8000, 16000, 32000)

# -- settings: the same for every constraint, decision and size ---------------------------------

SETTINGS: dict[str, Any] = {
    "module": MLP,
    "module__hidden": (),  # a linear model
    "safety_size": SAFETY_SHARE,
    "delta": DELTA,
    "device": "cpu",
}
# One fit in twenty may fail its test. Drawn decisions get a higher power, which costs little loss.
POWER = {"argmax": 0.95, "sample": 0.96}


# -- one trial ----------------------------------------------------------------------------------


class Trial(NamedTuple):
    """One fit. Scores are of the returned model on the population, or NaN if there is no model.

    `g_soft` and `g_hard` above zero are violations. `accuracy` is of the most probable class, and
    `expected_accuracy` of a class drawn from the probabilities. `estimate` and `g_upper` are from
    the safety test. `passing` is the predicted probability of passing. `code` identifies the
    version of the code and the settings.
    """

    dataset: str
    config: str
    decision: str
    m: int
    trial: int
    passed: bool
    reason: str
    seconds: float
    epochs: int
    estimate: float
    g_upper: float
    passing: float
    code: str
    g_soft: float = math.nan
    g_hard: float = math.nan
    accuracy: float = math.nan
    log_loss: float = math.nan
    expected_accuracy: float = math.nan
    positive_rate: float = math.nan


def run_trial(config: Config, decision: str, m: int, trial: int, data: str) -> Trial:
    """Draw, fit, and score on the population."""
    torch.set_num_threads(1)
    people, drawn = population(config.dataset, data), draw(config.dataset, m, trial, data)
    model = SeldonianClassifier(
        constraints=config.text,
        decision=decision,
        power=POWER[decision],
        random_state=drawn.seed,
        **SETTINGS,
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(people.X[drawn.rows], people.y[drawn.rows], people.groups.iloc[drawn.rows])
    seconds = time.perf_counter() - start
    (result,) = model.certificate_.results
    return Trial(
        config.dataset,
        config.name,
        decision,
        m,
        trial,
        model.solution_found_,
        result.reason,
        round(seconds, 3),
        model.n_iter_,
        result.estimate,
        result.g_upper,
        predicted_passing(model.history_),
        code_version(),
        **scores(model, config, decision, data) if model.solution_found_ else {},
    )


def scores(model: SeldonianClassifier, config: Config, decision: str, data: str) -> dict[str, Any]:
    """The scores of the model on the population."""
    people, limits = population(config.dataset, data), truth(config, data)
    probabilities = model.predict_proba(people.X)
    drawn = decision == "sample"
    decisions = probabilities.argmax(axis=1) if drawn else model.predict(people.X)
    right = probabilities[np.arange(len(people.y)), people.y]
    return {
        "g_soft": limits.g(probabilities[:, 1]),
        "g_hard": limits.g(decisions),
        "accuracy": float((decisions == people.y).mean()),
        "log_loss": float(-np.log(np.maximum(right, 1e-300)).mean()),
        "expected_accuracy": float(right.mean()),
        "positive_rate": float(decisions.mean()),
    }


def predicted_passing(history: pd.DataFrame) -> float:
    """The predicted probability of passing, at the epoch whose weights were kept."""
    if not {"kept", "passing_0"} <= set(history):
        return math.nan
    kept = history.loc[history["kept"].astype(bool), "passing_0"]
    return float(kept.iloc[-1]) if len(kept) else math.nan


def code_version() -> str:
    """A fingerprint of the package's sources and of the settings."""
    sources = sorted(Path(sklearn_seldonian.__file__).parent.rglob("*.py"))
    text = b"".join(path.read_bytes() for path in sources)
    settings = SETTINGS, POWER
    return hashlib.sha1(text + repr(settings).encode()).hexdigest()[:8]


# -- all trials ---------------------------------------------------------------------------------


class Job(NamedTuple):
    config: str
    decision: str
    m: int
    trial: int


def jobs(options: argparse.Namespace) -> list[Job]:
    """The requested fits that are not in the table yet, ordered by trial."""
    asked = (
        Job(name, decision, m, trial)
        for trial in range(options.trials)
        for m in options.sizes
        for name in chosen(options)
        for decision in options.decision
        if m <= len(population(CONFIGS[name].dataset, options.data).y)
    )
    return lacking(read_trials(options.results), Job._fields, asked)


def chosen(options: argparse.Namespace) -> list[str]:
    """The names of the requested configurations."""
    wanted = [c for c in CONFIGS.values() if c.dataset in options.dataset]
    return [c.name for c in wanted if c.name in options.constraints]


def run(options: argparse.Namespace) -> None:
    todo = jobs(options)
    calls = (
        delayed(run_trial)(CONFIGS[job.config], job.decision, job.m, job.trial, options.data)
        for job in todo
    )
    parallel = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")
    for n_done, trial in enumerate(parallel(calls), start=1):
        append(options.results / "trials.csv", trial)
        if n_done % 50 == 0 or n_done == len(todo):
            print(f"{n_done} of {len(todo)} fits", flush=True)


def read_trials(results: Path) -> pd.DataFrame:
    return read(results / "trials.csv", Trial._fields)


# -- numbers for comparison -----------------------------------------------------------------------


def read_engine(path: Path) -> pd.DataFrame:
    """The Engine's fits, without those from the tutorial's start, which always fail."""
    table = pd.read_csv(path)
    return table[~table["config"].str.endswith("_zeroinit")]


def read_optima(names: Sequence[str], results: Path, data: str) -> dict[str, Optimum]:
    """The optimum of each configuration."""
    known = kept(results / "optima.json", names, lambda n: population_optimum(CONFIGS[n], data))
    return {name: Optimum(**known[name]) for name in names}


def read_frontier(names: Sequence[str], results: Path, data: str) -> dict[str, Rule]:
    """The most accurate rule that passes, for configurations whose soft constraint binds."""
    names, power = [name for name in names if name in SOFT_BINDING], POWER["argmax"]
    known = kept(
        results / f"frontier_{LARGEST}_{power:g}.json",
        names,
        lambda name: best_rule(CONFIGS[name], LARGEST, power, known=False, data=data),
    )
    return {name: Rule(**known[name]) for name in names}


def kept(path: Path, names: Sequence[str], compute: Callable[[str], Any]) -> dict[str, Any]:
    """The numbers of each name, computed once and stored in the results folder."""
    known = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in names if name not in known]
    for name in missing:
        known[name] = compute(name)._asdict()
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1))
    return known


# -- command line -------------------------------------------------------------------------------


def main() -> None:
    options = parse_options()
    if "run" in options.steps:
        run(options)
    table = read_trials(options.results)
    table = table[table["config"].isin(chosen(options)) & table["decision"].isin(options.decision)]
    if "optimum" in options.steps:
        print_optima(read_optima(chosen(options), options.results, options.data))
    if table.empty or not {"summary", "claims"} & set(options.steps):
        return
    if table["code"].nunique() > 1:
        print(f"These fits are by {table['code'].nunique()} versions of the code or settings.")
    optima = read_optima(table["config"].unique().tolist(), options.results, options.data)
    frontier = read_frontier(list(optima), options.results, options.data)
    summary = summarise(table, read_engine(options.engine), optima, frontier)
    if "summary" in options.steps:
        print_summary(summary)
        summary.to_csv(options.results / "summary.csv", index=False)
    if "claims" in options.steps:
        report(list(claims(summary)), options.no_assert)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = ("run", "optimum", "summary", "claims")
    parser.add_argument("steps", nargs="*", default=steps, help=f"of {', '.join(steps)}; all")
    parser.add_argument("--decision", choices=("argmax", "sample", "both"), default="both")
    datasets = sorted({config.dataset for config in CONFIGS.values()})
    parser.add_argument("--dataset", nargs="+", choices=datasets, default=datasets)
    parser.add_argument("--constraints", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of rows m")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument(
        "--engine", type=Path, default=Path("../shared/benchmarks/engine_baseline.csv")
    )
    parser.add_argument("--no-assert", action="store_true", help="print the claims only")
    options = parser.parse_args()
    if unknown := set(options.steps) - set(steps):
        parser.error(f"unknown step {', '.join(sorted(unknown))}; steps are {', '.join(steps)}")
    both = options.decision == "both"
    options.decision = ("argmax", "sample") if both else (options.decision,)
    return options


if __name__ == "__main__":
    main()

"""Which method gives the most accurate model with the same certificate?

A complete data set is the population. m rows are drawn from it with replacement. Each method trains
on one half of these rows, the candidate rows, and is tested once on the other half at delta .05.
The models that pass are evaluated on the population: how accurate they are, and whether they
violate the constraint. In one draw all methods have the same rows and the same halves. Decisions do
not depend on the group, except for the methods "by group".

Our methods are `SeldonianClassifier` with its defaults and as a linear model, and
`SeldonianMetaClassifier` with scikit-learn's boosted trees. The rivals are all tested by `certify`.
Some of them choose settings by a rehearsal: the test is run on candidate rows, with cross-validated
decisions.

* logistic, trees: fitted to the candidate rows, with one decision threshold. It is the most
  accurate threshold that passes the rehearsal. If none passes, it is the one with the lowest bound.
* fairlearn: `ExponentiatedGradient` with a logistic model, and the limit as its bound. The
  mixture's decisions are drawn once for the test. On the population their expectation is evaluated.
  Its bound is on the difference between a group's rate and the rate of all rows. So the rates of
  two groups can differ by more than the limit. It leaves no margin for sampling errors.
* fairlearn, rehearsed: the same with the loosest of several bounds that passes the rehearsal.
* cooper, rehearsed: a logistic model trained by Cooper's Lagrangian optimisation on all candidate
  rows at once, also with the loosest of several bounds that passes the rehearsal.

A method that passes less often can be more accurate when it passes, so read shares and accuracies
together. Our methods aim at passing nine times in ten. A method that just passes its rehearsal
passes the test about every other time. "ours, default, power .5" and "ours, trees, power .5" aim at
that too. They run only if they are named.

The methods "by group" have a threshold per group. They also run only if they are named:

* ours with ``group_thresholds=True``;
* logistic and trees with the best pair of thresholds that passes the rehearsal;
* fairlearn's `ThresholdOptimizer`, which aims at equality for any limit.
* "trees, by known group" is no rival: its thresholds are the best of the population that pass with
  probability .9, which no method can know. It shows how much the scores of trees allow.

If the constraint has no groups, these methods and fairlearn are left out.

    python benchmarks/rivals.py                              # everything: about an hour
    python benchmarks/rivals.py --methods "ours, linear, by group" "logistic, by group"
    python benchmarks/rivals.py --trials 2 --entries gpa_DP_0.1@1000 --methods logistic fairlearn

When a fit ends, a row is added to rivals.csv in the results folder. A later run continues where an
earlier one stopped. It ends in an assertion: our methods do not return models that violate their
constraint significantly more often than delta.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from _population import ADULT_CONFIGS, CONFIGS, RATE_CONFIGS, Config, population, truth
from _rival_methods import (
    BLIND,
    DELTA,
    METHODS,
    OURS,
    OURS_AT_EVEN_ODDS,
    OURS_BY_GROUP,
    RIVALS,
    RIVALS_BY_GROUP,
    case_of,
    enters,
)
from _table import append, lacking, read
from joblib import Parallel, delayed
from scipy.stats import binomtest

import sklearn_seldonian
from sklearn_seldonian import NoSolutionFoundWarning

SIGNIFICANCE = 0.01
ROUNDING = 1e-9  # a violation is a g above it
# Our methods, and the rivals to which the best of them is compared.
COMPARED = ((OURS, RIVALS), (OURS_AT_EVEN_ODDS, RIVALS), (OURS_BY_GROUP, RIVALS_BY_GROUP))


# -- entries ------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A constraint on a data set, and how many rows are drawn."""

    config: Config
    m: int

    @property
    def name(self) -> str:
        return f"{self.config.name}@{self.m}"


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(ADULT_CONFIGS["adult_DP_0.1"], 4000),
        Entry(ADULT_CONFIGS["adult_DP_0.1"], 16000),
        Entry(ADULT_CONFIGS["adult_PPV_0.75"], 1000),
        Entry(CONFIGS["gpa_DP_0.1"], 1000),
        Entry(CONFIGS["gpa_DP_0.05"], 4000),
        Entry(CONFIGS["german_DI_0.8"], 1000),
    )
}
# The additional entries run only if they are named.
ALL_ENTRIES = ENTRIES | {
    entry.name: entry for entry in (Entry(config, 4000) for config in RATE_CONFIGS.values())
}


# -- all trials ---------------------------------------------------------------------------------


class Trial(NamedTuple):
    """One fit. `accuracy` and `g` are of the returned model on the population, NaN without one.

    A `g` above zero is a violation. `g_upper` is the safety test's bound on it. `passing` is the
    predicted probability of passing. `code` identifies the version of the package.
    """

    entry: str
    trial: int
    method: str
    solved: bool
    accuracy: float
    g: float
    g_upper: float
    passing: float
    seconds: float
    code: str


class Job(NamedTuple):
    entry: str
    trial: int
    method: str


def run_trial(entry: Entry, trial: int, method: str, data: str) -> Trial:
    """Draw, fit, test, and evaluate on the population."""
    torch.set_num_threads(1)
    case = case_of(*entry, trial, data)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # fairlearn's
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        positive, g_upper, passing = METHODS[method](case)
    seconds = round(time.perf_counter() - start, 3)
    accuracy = g = math.nan
    if positive is not None:
        y = population(entry.config.dataset, data).y
        accuracy = float(np.where(y == 1, positive, 1.0 - positive).mean())
        g = truth(entry.config, data).g(positive)
    found = positive is not None, accuracy, g, g_upper, passing, seconds
    return Trial(entry.name, trial, method, *found, code_version())


def code_version() -> str:
    """A fingerprint of the package's sources."""
    sources = sorted(Path(sklearn_seldonian.__file__).parent.rglob("*.py"))
    return hashlib.sha1(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]


def jobs(options: argparse.Namespace) -> list[Job]:
    """The requested fits that are not in the table yet, ordered by trial."""
    asked = (
        Job(name, trial, method)
        for trial in range(options.trials)
        for name in options.entries
        for method in options.methods
        if enters(method, ALL_ENTRIES[name].config)
    )
    return lacking(read_trials(options.results), Job._fields, asked)


def run(options: argparse.Namespace) -> None:
    todo = jobs(options)
    calls = (
        delayed(run_trial)(ALL_ENTRIES[job.entry], job.trial, job.method, options.data)
        for job in todo
    )
    for trial in Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(calls):
        append(options.results / "rivals.csv", trial)


def read_trials(results: Path) -> pd.DataFrame:
    return read(results / "rivals.csv", Trial._fields)


# -- results ------------------------------------------------------------------------------------


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each entry and method; accuracies and violations are those of solved fits."""
    violating = (trials["g"] > ROUNDING).where(trials["solved"])
    grouped = trials.assign(violating=violating.astype(float)).groupby(
        ["entry", "method"], sort=False
    )
    return pd.DataFrame(
        {
            "n": grouped.size(),
            "solved": grouped["solved"].mean(),
            "accuracy": grouped["accuracy"].mean(),
            "error": grouped["accuracy"].sem(),
            "violating": grouped["violating"].mean(),
            "predicted": grouped["passing"].mean(),
            "seconds": grouped["seconds"].median(),
        }
    )


class Difference(NamedTuple):
    """The accuracy of our method minus that of a rival, in draws that both solved."""

    entry: str
    ours: str
    rival: str
    draws: int
    difference: float
    error: float


def differences(trials: pd.DataFrame) -> Iterator[Difference]:
    """Our best method of each entry and each rival; both use the group, or neither does."""
    for entry, rows in trials.groupby("entry", sort=False):
        accuracies = rows.pivot(index="trial", columns="method", values="accuracy")
        for methods, rivals in COMPARED:
            best = our_best(accuracies, methods)
            for rival in (name for name in rivals if best and name in accuracies):
                paired = (accuracies[best] - accuracies[rival]).dropna()
                if len(paired):
                    mean, error = float(paired.mean()), float(paired.sem())
                    yield Difference(str(entry), str(best), rival, len(paired), mean, error)


def our_best(accuracies: pd.DataFrame, methods: Iterable[str]) -> str | None:
    """Our most accurate method, of those that solve at least half as many draws as any of ours."""
    ours = accuracies[[name for name in methods if name in accuracies]]
    solved = ours.notna().sum()
    if not solved.any():
        return None
    return str(ours.loc[:, solved >= solved.max() / 2].mean().idxmax())


def check_violations(trials: pd.DataFrame) -> None:
    """The promise is about fits: a fit returns a violating model with probability at most delta."""
    for method in OURS | OURS_AT_EVEN_ODDS | OURS_BY_GROUP:
        fits = trials[trials["method"] == method]
        if fits.empty:
            continue
        n_violating, n_solved = int((fits["g"] > ROUNDING).sum()), int(fits["solved"].sum())
        p_value = binomtest(n_violating, len(fits), DELTA, alternative="greater").pvalue
        text = f"{method}: {n_violating} of {n_solved} solutions violate, in {len(fits)} fits"
        print(f"{text} (p = {p_value:.3g})")
        assert p_value >= SIGNIFICANCE, text


def report(trials: pd.DataFrame) -> None:
    if trials["code"].nunique() > 1:
        print(f"These fits are by {trials['code'].nunique()} versions of the package.")
    print(summary(trials).to_string(float_format="%.4f"))
    paired = pd.DataFrame(differences(trials), columns=list(Difference._fields))
    print("\nAccuracy of our best method less that of a rival, draw by draw:")
    print(paired.to_string(index=False, float_format="%.4f") if len(paired) else "no pairs")
    print()
    check_violations(trials)


# -- command line -------------------------------------------------------------------------------


def main() -> None:
    options = parsed()
    run(options)
    trials = read_trials(options.results)
    asked = trials["entry"].isin(options.entries) & trials["method"].isin(options.methods)
    report(in_order(trials[asked & (trials["trial"] < options.trials)]))


def in_order(trials: pd.DataFrame) -> pd.DataFrame:
    """Sorted as entries and methods are listed here."""
    ranks = {name: i for i, name in enumerate((*ALL_ENTRIES, *METHODS))}
    keys = list(Job._fields)
    return trials.sort_values(keys, key=lambda column: column.map(lambda v: ranks.get(v, v)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--entries", nargs="+", choices=ALL_ENTRIES, default=list(ENTRIES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(BLIND))
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--data", default="../shared/data")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Are tests of dependent rows and of other populations valid, and how many rows do they need?

1. False certificates at delta .05, for a limit that is just violated, by the test of groups and by
   that of independent rows. Groups have 1 to 50 rows. All rows of a group are alike, and large
   groups have more errors.
2. The distance from estimate to bound for one rate, a difference and a ratio, as a multiple of that
   of the normal bound (cluster-robust). Groups have 1 to 9 rows.
3. GPA data: the number of models certified for "PR >= limit" with and without `shift=`, and the
   number of these that violate it in the worst of the populations, which have 10% to 90% women (as
   in Giguere et al., ICLR 2022). They are evaluated on all rows that `fit` did not get.
4. What `groups=`, `sample_weight=` and `shift=` cost: how many times as many rows a bound on one
   error rate needs to be as far from the estimate as that of as many independent rows.

    python benchmarks/rows.py [--trials 4000] [--fits 20]

It ends in assertions about 1 and 3.
"""

from __future__ import annotations

import argparse
import math
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianMetaClassifier, certify
from sklearn_seldonian.bounds import (
    Totals,
    binomial_upper,
    quotient_of_totals_test,
    totals_test,
    variance_of_totals,
)
from sklearn_seldonian.bounds._capital import capital_after, steps
from sklearn_seldonian.bounds._totals import GUESS
from sklearn_seldonian.datasets import load_gpa

DELTA = 0.05
ALONE = 20_000  # trials of bets against the limit alone, which take less time
SIZES = np.arange(1, 51)
SHARES = 1 / SIZES / (1 / SIZES).sum()
ERRS = 0.05 + 0.15 * SIZES / 50
LIMIT = float((SHARES * SIZES * ERRS).sum() / (SHARES * SIZES).sum())
SHIFT = {"F": {1: (0.1, 0.9), 0: (0.1, 0.9)}}
PR_LIMIT = 0.45
ERR = 0.15
Array = NDArray[np.float64]


def false_certificates(n_units: int, trials: int) -> tuple[float, float]:
    """Shares of trials certified by the test of units and by that of independent rows."""
    rng, of_units, of_rows = np.random.default_rng(n_units), 0, 0
    for _ in range(trials):
        rows = rng.choice(SIZES, n_units, p=SHARES)
        hits = rows * (rng.random(n_units) < ERRS[rows - 1])
        totals = Totals(hits, rows, 0.0, 1.0, 50.0)
        of_units += totals_test([totals], [1.0], DELTA).upper < LIMIT
        of_rows += binomial_upper(int(hits.sum()), int(rows.sum()), DELTA) < LIMIT
    return of_units / trials, of_rows / trials


def reached(n_units: int, trials: int) -> float:
    """The share of trials in which bets against the limit, without a mesh, reach 1 / delta."""
    rng = np.random.default_rng(n_units)
    rows = rng.choice(SIZES, (trials, n_units), p=SHARES)
    hits = rows * (rng.random((trials, n_units)) < ERRS[rows - 1]) / 50.0
    rows = rows / 50.0
    parts = (hits, rows, hits * hits, hits * rows, rows * rows)
    sums = [np.concatenate([np.zeros((trials, 1)), np.cumsum(p, axis=1)], axis=1) for p in parts]
    capital = largest = np.ones(trials)
    for start, stop in steps(n_units):
        k, n, kk, kn, nn = (of_part[:, start] for of_part in sums)
        size = (GUESS / 2 + n) / (GUESS + start)
        mean = (GUESS / 4 + k) / (GUESS / 2 + n)
        variance = (0.25 * size**2 + kk - 2 * mean * kn + mean**2 * nn) / (start + 1)
        gains = LIMIT * rows[:, start:stop] - hits[:, start:stop]
        worst = np.full(trials, 1 - LIMIT)
        capital = capital_after(
            capital, gains, worst, np.maximum(variance, 1e-12), n_units - start, n_units, DELTA
        )
        largest = np.maximum(largest, capital)
    return float((largest >= 1 / DELTA).mean())


def widths(n_units: int, trials: int = 10) -> dict[str, float]:
    """The mean distance from estimate to bound, divided by that of normal bounds."""
    rng = np.random.default_rng(n_units)
    found: dict[str, list[float]] = {"one rate": [], "difference": [], "ratio": []}
    for _ in range(trials):
        rows = rng.integers(1, 10, (2, n_units))
        hits = rng.binomial(rows, np.stack([rng.beta(4, 6, n_units), rng.beta(5, 5, n_units)]))
        pair = [Totals(k, n, 0.0, 1.0, 9.0) for k, n in zip(hits, rows, strict=True)]
        a, b = hits.sum(axis=1) / rows.sum(axis=1)
        asked = {
            "one rate": (a, [1.0, 0.0], totals_test(pair, [1.0, 0.0], DELTA)),
            "difference": (a - b, [1.0, -1.0], totals_test(pair, [1.0, -1.0], DELTA)),
            "ratio": (a / b, [1 / b, -a / b**2], quotient_of_totals_test(*pair, DELTA)),
        }
        for name, (estimate, slopes, test) in asked.items():
            normal = -float(ndtri(DELTA)) * math.sqrt(variance_of_totals(pair, slopes))
            found[name].append((test.upper - estimate) / normal)
    return {name: float(np.mean(values)) for name, values in found.items()}


def worst_rate(positive: NDArray[np.bool_], F: Array) -> float:
    """PR in the worst of the populations of SHIFT, from rows that were not fitted to."""
    of_women, of_men = positive[F == 1].mean(), positive[F == 0].mean()
    return float(min(share * of_women + (1 - share) * of_men for share in (0.1, 0.9)))


def under_shift(fits: int, *, shifted: bool) -> tuple[int, int, float]:
    """The numbers of certified models and of violating ones, and the mean ACC of certified ones."""
    gpa = load_gpa(as_frame=True)
    X, y, F = gpa.data.to_numpy(), gpa.target.to_numpy(), gpa.sensitive_features["F"].to_numpy()
    certified, violating, accuracies = 0, 0, []
    for seed in range(fits):
        order = np.random.default_rng(seed).permutation(len(y))
        given, rest = order[:10_000], order[10_000:]
        model = SeldonianMetaClassifier(
            LogisticRegression(), f"PR >= {PR_LIMIT}", random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = gpa.sensitive_features.iloc[given]
            model.fit(X[given], y[given], groups, shift=SHIFT if shifted else None)
        if not model.solution_found_:
            continue
        certified += 1
        decided = model.predict(X[rest])
        accuracies.append((decided == y[rest]).mean())
        violating += worst_rate(decided == 1, F[rest]) < PR_LIMIT
    return certified, violating, float(np.mean(accuracies)) if accuracies else math.nan


def costs(n_rows: int, trials: int) -> dict[str, float]:
    """The squared ratio of the mean distance from estimate to bound to that of independent rows."""
    X, in_fives = np.zeros((n_rows, 1)), np.arange(n_rows) // 5
    model = DummyClassifier(strategy="constant", constant=0).fit(X[:2], [0, 1])
    found: dict[str, list[float]] = {}
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        alone, alike = rng.random(n_rows) < ERR, (rng.random(n_rows) < ERR)[in_fives]
        half = np.where(rng.random(n_rows) < 0.5, alike, alone)
        weights = np.where(rng.random(n_rows) < 0.5, 3.0, 1.0)
        race = pd.DataFrame({"race": np.where(rng.random(n_rows) < 0.7, "A", "B")})
        groups = {"groups": in_fives, "max_group_size": 5}
        asked: dict[str, tuple[NDArray[np.bool_], dict[str, object]]] = {
            "independent": (alone, {}),
            "weights 1 and 3": (alone, {"sample_weight": weights, "max_weight": 3}),
            "fives, independent": (alone, groups),
            "fives, half of the rows alike": (half, groups),
            "fives, all rows alike": (alike, groups),
            "shares as drawn": (alone, {"shift": {"race": {"A": 0.7, "B": 0.3}}}),
            "shares .3 to .7": (alone, {"shift": {"race": {"A": (0.3, 0.7), "B": (0.3, 0.7)}}}),
            "all shares": (alone, {"shift": {"race": {"A": (0, 1), "B": (0, 1)}}}),
        }
        for name, (y, given) in asked.items():
            given = {**given, "sensitive_features": race, "random_state": trial}
            (result,) = certify(model, X, y.astype(int), "ERR <= 0.5", **given).results
            found.setdefault(name, []).append(result.bound - result.estimate)
    distances = {name: float(np.mean(values)) for name, values in found.items()}
    return {name: (own / distances["independent"]) ** 2 for name, own in distances.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--fits", type=int, default=20)
    asked = parser.parse_args()
    most = DELTA + 4 * math.sqrt(DELTA * (1 - DELTA) / asked.trials)
    for n_units in (50, 200, 1000):
        of_units, of_rows = false_certificates(n_units, asked.trials)
        alone = reached(n_units, ALONE)
        print(
            f"{n_units:,} groups: false certificates {of_units:.3f}, of bets on the limit alone "
            f"{alone:.4f} ({ALONE:,} trials), of independent rows {of_rows:.3f}"
        )
        assert alone <= DELTA + 4 * math.sqrt(DELTA * (1 - DELTA) / ALONE)
        assert of_units <= most
        assert of_rows > 0.2
    for n_units in (100, 300, 1000, 3000, 10_000):
        of_kind = ", ".join(f"{name} {width:.2f}" for name, width in widths(n_units).items())
        print(f"{n_units:,} groups: width of bounds over normal: {of_kind}", flush=True)
    for shifted in (False, True):
        certified, violating, accuracy = under_shift(asked.fits, shifted=shifted)
        print(
            f"GPA, {'with' if shifted else 'without'} shift=: {certified} of {asked.fits} "
            f"certified, {violating} violate in the worst population, ACC {accuracy:.3f}"
        )
        assert not (shifted and violating)
    for n_rows in (1000, 4000):
        in_words = ", ".join(f"{name} {cost:.2f}" for name, cost in costs(n_rows, 25).items())
        print(f"{n_rows:,} rows: as many times the rows for the same bound: {in_words}", flush=True)


if __name__ == "__main__":
    main()

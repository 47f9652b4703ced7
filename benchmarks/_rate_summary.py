"""The results of `solution_rate.py`: a table that compares with the Engine, and claims on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd
from _frontier import DELTA, Rule
from _population import Optimum
from scipy.stats import binomtest

# -- summary ------------------------------------------------------------------------------------


POINT = ["config", "decision", "m"]
COUNTS = ["trials", "soft_violations", "hard_violations"]


def summarise(
    trials: pd.DataFrame,
    engine: pd.DataFrame,
    optima: Mapping[str, Optimum],
    frontier: Mapping[str, Rule],
) -> pd.DataFrame:
    """One row per (config, decision, m), with the figures of the Engine and of the best model.

    The best model is the optimum, or the rule of the `frontier` for `LARGEST` rows if there is one.
    """
    points = trials.groupby(POINT).apply(summary_of, include_groups=False).reset_index()
    points = points.astype({name: int for name in COUNTS})
    peers = engine.groupby(["config", "m"]).apply(engine_summary_of, include_groups=False)
    best = pd.DataFrame(
        [(n, best.accuracy, best.log_loss) for n, best in {**optima, **frontier}.items()],
        columns=["config", "best_accuracy", "best_log_loss"],
    )
    return points.merge(peers.reset_index(), how="left", on=["config", "m"]).merge(
        best, how="left", on="config"
    )


def summary_of(trials: pd.DataFrame) -> pd.Series:
    found = trials[trials["passed"]]
    interval = binomtest(len(found), len(trials)).proportion_ci(method="exact")
    return pd.Series(
        {
            "trials": len(trials),
            "rate": len(found) / len(trials),
            "low": interval.low,
            "high": interval.high,
            "soft_violations": int((found["g_soft"] > 0).sum()),
            "hard_violations": int((found["g_hard"] > 0).sum()),
            "accuracy": found["accuracy"].mean(),
            "expected_accuracy": found["expected_accuracy"].mean(),
            "log_loss": found["log_loss"].mean(),
            "constant": found["positive_rate"].isin([0.0, 1.0]).mean(),
            "seconds": trials["seconds"].median(),
        }
    )


def engine_summary_of(trials: pd.DataFrame) -> pd.Series:
    found = trials[trials["passed"] == 1]
    return pd.Series(
        {
            "engine_trials": len(trials),
            "engine_rate": len(found) / len(trials),
            "engine_soft": int((found["g_soft_true"] > 0).sum()),
            "engine_hard": int((found["g_hard_true"] > 0).sum()),
            "engine_accuracy": found["accuracy"].mean(),
            "engine_log_loss": found["log_loss"].mean(),
        }
    )


def print_optima(optima: Mapping[str, Optimum]) -> None:
    frame = pd.DataFrame({name: o._asdict() for name, o in optima.items()}).T
    print("\nThe best logistic model of each population under the soft constraint; free: without")
    print(frame.to_string(float_format="%.4f"))


def print_summary(summary: pd.DataFrame) -> None:
    shown = summary.copy()
    shown["rate"] = [
        f"{r:.2f} ({a:.2f}-{b:.2f})"
        for r, a, b in summary[["rate", "low", "high"]].itertuples(index=False)
    ]
    shown["violations"] = [
        f"{s:.0f}/{h:.0f}"
        for s, h in summary[["soft_violations", "hard_violations"]].itertuples(index=False)
    ]
    shown["engine"] = [
        "" if math.isnan(n) else f"{r:.2f} of {n:.0f}, {s:.0f}/{h:.0f}"
        for r, n, s, h in summary[
            ["engine_rate", "engine_trials", "engine_soft", "engine_hard"]
        ].itertuples(index=False)
    ]
    columns = ["trials", "rate", "violations", "accuracy", "log_loss", "constant", "seconds"]
    peers = ["engine", "engine_accuracy", "engine_log_loss"]
    print("\nViolations: soft/hard, in number of solutions, and the same for the Engine")
    print(
        shown.sort_values(["decision", "config", "m"])[[*POINT, *columns, *peers]].to_string(
            index=False, na_rep="", float_format="%.4f"
        )
    )


# -- claims -------------------------------------------------------------------------------------

ENOUGH, ENOUGH_FOR_VIOLATIONS, LARGEST = 20, 200, 32000
SOFT_BINDING = ("gpa_DP_0.02", "gpa_DP_0.03", "synthetic_DP_0.1")
PARITY_ACCURACY = {1000: 0.58, 2000: 0.61, 4000: 0.63, 16000: 0.637}


class Finding(NamedTuple):
    """A claim about some fits, the result, and whether the claim holds (None: too few trials)."""

    claim: str
    seen: str
    holds: bool | None

    def __str__(self) -> str:
        mark = {True: "holds", False: "NOT MET", None: "too few trials"}[self.holds]
        return f"{self.claim:84} {self.seen:28} {mark}"


def finding(row: Any, claim: str, value: float, limit: float, sense: str) -> Finding:
    """Compare a figure in a row of the summary with the limit that is claimed."""
    room = (value - limit if sense == ">=" else limit - value) + 1e-9  # for rounding

    where = f"{row.config} {row.decision} m = {row.m}: {claim} {sense} {limit:.4f}"
    seen = f"{value:.4f}, {row.trials:.0f} trials"
    return Finding(where, seen, bool(room >= 0) if row.trials >= ENOUGH else None)


def claims(summary: pd.DataFrame) -> Iterator[Finding]:
    """All claims, for a table of `summarise`."""
    drawn, decided = (summary[summary["decision"] == name] for name in ("sample", "argmax"))
    yield from as_good_as_the_engine(drawn)
    yield from violations(drawn[drawn["config"].isin(SOFT_BINDING)], "soft")
    yield from violations(decided, "hard")
    yield from solution_rates(decided)
    yield from parity_accuracy(decided)
    yield from near_the_best(decided)


def as_good_as_the_engine(summary: pd.DataFrame) -> Iterator[Finding]:
    """As good as the Engine by the Engine's own criteria, from 500 rows on."""
    compared = summary[(summary["m"] >= 500) & summary["engine_trials"].notna()]
    for row in compared.itertuples():
        yield finding(row, "solution rate", row.rate, row.engine_rate - 0.05, ">=")
        if not math.isnan(row.engine_log_loss):
            yield finding(row, "log-loss", row.log_loss, row.engine_log_loss + 0.015, "<=")


def violations(summary: pd.DataFrame, kind: str) -> Iterator[Finding]:
    """The promise: violations in at most a share delta of fits, tested one-sided at 1%, pooled."""
    for (config, decision), rows in summary.groupby(["config", "decision"]):
        hits, trials = int(rows[f"{kind}_violations"].sum()), int(rows["trials"].sum())
        p_value = binomtest(hits, trials, DELTA, alternative="greater").pvalue
        yield Finding(
            f"{config} {decision}: {kind} violations in at most {DELTA:g} of fits",
            f"{hits} of {trials}",
            bool(p_value >= 0.01) if trials >= ENOUGH_FOR_VIOLATIONS else None,
        )


def solution_rates(summary: pd.DataFrame) -> Iterator[Finding]:
    """Solution rates with the Engine's constraints on decisions."""
    for row in summary[summary["engine_trials"].notna()].itertuples():
        if row.config.startswith("gpa") and row.m >= 1000:
            yield finding(row, "solution rate", row.rate, 0.9, ">=")
        if row.config == "german_DI_0.8" and row.m == 1000:
            yield finding(row, "solution rate", row.rate, 0.8, ">=")


def parity_accuracy(summary: pd.DataFrame) -> Iterator[Finding]:
    for row in summary[summary["config"] == "gpa_DP_0.1"].itertuples():
        if row.m in PARITY_ACCURACY:
            yield finding(row, "accuracy", row.accuracy, PARITY_ACCURACY[row.m], ">=")


def near_the_best(summary: pd.DataFrame) -> Iterator[Finding]:
    """At 32,000 rows: as good as the best model of the population.

    The best model is the optimum with a shifted threshold. If the constraint binds the optimum's
    mean probabilities, it is the most accurate rule that passes with as many rows, because no rule
    that passes has the decision rates or the losses of the optimum.
    """
    for row in summary[summary["m"] == LARGEST].itertuples():
        yield finding(row, "accuracy", row.accuracy, row.best_accuracy - 0.005, ">=")
        yield finding(row, "log-loss", row.log_loss, row.best_log_loss + 0.01, "<=")


def report(findings: list[Finding], no_assert: bool) -> None:
    print()
    for finding in findings:
        print(finding)
    counts = [sum(f.holds is verdict for f in findings) for verdict in (True, False, None)]
    print("\n{} claims hold, {} are not met, {} have too few trials".format(*counts))
    missed = [finding.claim for finding in findings if finding.holds is False]
    assert no_assert or not missed, missed

"""Do plans predict how often the safety test passes?

`probability_of_passing` is compared with the share of simulated safety samples that pass the test
itself. Samples are rows drawn from a population: groups of random size, labels, and decisions with
the planned rates. So in the samples the groups have random numbers of rows, which the plan takes as
fixed. For one rate, planned numbers of rows are compared with the smallest ones by enumeration.

    python benchmarks/planning.py [--samples 1000] [--only TEXT]

It ends in assertions: no probability is wrong by more than .05 plus two standard errors of the
simulation, and the numbers of rows for one rate are exact.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.certification import Statistics, exclusive_columns, passes
from sklearn_seldonian.constraints import (
    ResolvedConstraint,
    Schema,
    Stratification,
    bind,
    distinct_conditions,
    distinct_estimands,
    parse,
)

DELTA, TOLERANCE = 0.05, 0.05
RACES = ("A", "B", "C", "D")
BY_RACE = "max(TPR, by=race) - min(TPR, by=race) <= {}"
ODDS = "abs(TPR | [M] - TPR | [F]) + abs(FPR | [M] - FPR | [F]) <= {}"

# The limit, the true rate, and the smallest number of rows by enumeration, at power .9.
ONE_RATE = (
    (0.05, 0.001, 59),
    (0.05, 0.01, 153),
    (0.1, 0.03, 103),
    (0.02, 0.002, 236),
    (0.2, 0.1, 112),
    (0.1, 0.07, 748),
)


class Group(NamedTuple):
    """A group: its share of the population, its positive labels, and the model's rates."""

    share: float
    positive: float
    tpr: float
    fpr: float

    @property
    def entries(self) -> list[float]:
        """Probabilities of (label, decision) 00, 01, 10, 11."""
        of_label = (1.0 - self.positive, self.fpr), (self.positive, self.tpr)
        return [self.share * p * q for p, rate in of_label for q in (1.0 - rate, rate)]


class Case(NamedTuple):
    """Constraints, the groups of the population in the order of their column's levels, and rows."""

    texts: tuple[str, ...]
    groups: tuple[Group, ...]
    n_rows: int


def races(shares: Sequence[float], tprs: Sequence[float]) -> tuple[Group, ...]:
    return tuple(Group(s, 0.5, t, 0.2) for s, t in zip(shares, tprs, strict=True))


def parity(m: float, f: float, share: float = 0.5) -> tuple[Group, ...]:
    """M and F with these rates of positive decisions, for both labels."""
    return Group(share, 0.5, m, m), Group(1.0 - share, 0.5, f, f)


CASES = (
    Case((BY_RACE.format(0.15),), races([0.25] * 4, [0.8] * 4), 1188),
    Case((ODDS.format(0.25),), (Group(0.5, 0.5, 0.8, 0.2), Group(0.5, 0.5, 0.8, 0.2)), 583),
    Case(("abs(PR | [M] - PR | [F]) <= 0.08",), parity(0.1, 0.12), 658),
    # Further cases.
    Case(("abs(PR | [M] - PR | [F]) <= 0.2",), parity(0.4, 0.45, 0.2), 500),
    Case(("abs(PR | [M] - PR | [F]) <= 0.3",), parity(0.5, 0.5, 0.1), 250),
    Case(("PR | [M] / PR | [F] >= 0.8",), parity(0.5, 0.5), 1500),
    Case((BY_RACE.format(0.3),), races([0.4, 0.3, 0.2, 0.1], [0.9, 0.85, 0.9, 0.85]), 500),
    Case(("min(TPR, by=race) >= 0.7",), races([0.4, 0.3, 0.2, 0.1], [0.8] * 4), 1500),
    Case(("min(PR | [M], PR | [F]) <= 0.2",), parity(0.15, 0.17), 400),
    Case((ODDS.format(0.4),), (Group(0.3, 0.4, 0.9, 0.1), Group(0.7, 0.6, 0.8, 0.15)), 500),
    Case(("ACC >= 0.75", "abs(PR | [M] - PR | [F]) <= 0.15"), races([0.5, 0.5], [0.8, 0.8]), 800),
    Case(("PPV >= 0.75", "TPR >= 0.75"), races([0.5, 0.5], [0.8, 0.82]), 800),
    Case(("abs(PR | [M] - PR) <= 0.15",), parity(0.3, 0.35), 1000),
    Case(("abs(PR | [M] - PR) <= 0.05",), parity(0.4, 0.46), 900),
    Case(("TPR * TNR >= 0.5",), races([0.5, 0.5], [0.8, 0.8]), 120),
    Case(("abs(F1 | [M] - F1 | [F]) <= 0.1",), races([0.5, 0.5], [0.8, 0.78]), 450),
    Case(("PPV - FPR >= 0.5",), races([0.5, 0.5], [0.8, 0.8]), 200),
    Case(("TPR | [M] / TPR >= 0.85",), races([0.5, 0.5], [0.76, 0.84]), 400),
)


def resolved(case: Case) -> tuple[list[ResolvedConstraint], Stratification]:
    """The constraints and the cells of a population with two groups, M and F, or four races."""
    two = len(case.groups) == 2
    levels = {"M": (0, 1), "F": (0, 1)} if two else {"race": RACES}
    constraints = [bind(parse(text), Schema((0, 1), 1, levels)) for text in case.texts]
    conditions = distinct_conditions(distinct_estimands(constraints))
    names = ("M", "F") if two else RACES
    membership = [[f"{c}" in (name, f'race == "{name}"') for c in conditions] for name in names]
    stratification = Stratification.single(conditions, np.array(membership, dtype=bool))
    return constraints, stratification


def simulated(case: Case, n_samples: int) -> float:
    """The share of samples that pass the test itself."""
    constraints, stratification = resolved(case)
    means, mutually_exclusive_columns = (
        distinct_estimands(constraints),
        exclusive_columns(stratification),
    )
    if len(case.groups) == 2:
        mutually_exclusive_columns = frozenset({frozenset({"M", "F"})})
    entries = [p for group in case.groups for p in group.entries]
    tables = np.random.default_rng(0).multinomial(case.n_rows, entries, n_samples)
    n_passed = 0
    for table in tables.astype(float).reshape(n_samples, len(case.groups), 2, 2):
        evidence = Statistics(table, stratification, deterministic=True).evidence(
            means, mutually_exclusive_columns
        )
        n_passed += all(passes(c.tree, evidence, DELTA) for c in constraints)
    return n_passed / n_samples


def planned(case: Case) -> float:
    """The planned probability of passing, from the rates and shares of the population."""
    constraints, stratification = resolved(case)
    entries = np.array([group.entries for group in case.groups]).reshape(-1, 2, 2)
    population = Statistics(1e9 * entries, stratification, deterministic=True)
    rates, shares = {}, {}
    for mean in distinct_estimands(constraints):
        sample = population.rate(mean)
        rates[str(mean)], shares[str(mean)] = sample.estimate, sample.trials / 1e9
    return probability_of_passing(list(case.texts), rates, case.n_rows, shares, DELTA)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases whose constraints contain this text")
    arguments = parser.parse_args()
    wrong = []
    print("| limit | rate | rows | by enumeration |\n|---|---|---|---|")
    for limit, rate, rows in ONE_RATE:
        found = required_safety_rows(f"ERR <= {limit}", {"ERR": rate})
        print(f"| {limit} | {rate} | {found} | {rows} |")
        if found != rows:
            wrong.append(f"ERR <= {limit}")
    print("\n| constraints | n | simulated | planned | seconds |\n|---|---|---|---|---|")
    for case in CASES:
        text = ", ".join(case.texts)
        if arguments.only not in text:
            continue
        start = time.perf_counter()
        plan = planned(case)
        seconds = time.perf_counter() - start
        share = simulated(case, arguments.samples)
        print(
            f"| `{text}` | {case.n_rows} | {share:.3f} | {plan:.3f} | {seconds:.2f} |", flush=True
        )
        error = 2.0 * (share * (1.0 - share) / arguments.samples) ** 0.5
        if abs(plan - share) > TOLERANCE + error:
            wrong.append(text)
    assert not wrong, f"Plans are off for {wrong}."
    print("\nAll plans are within .05 of the simulation.")


if __name__ == "__main__":
    main()

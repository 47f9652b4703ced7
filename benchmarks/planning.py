"""Do plans predict how often the safety test passes?

`probability_of_passing` is compared with the share of simulated safety samples that pass the test
itself. Samples are rows drawn from a population: groups of random size, labels, and decisions with
the planned rates. So in the samples the groups have random numbers of rows, which the plan takes as
fixed. For one rate, planned numbers of rows are compared with the smallest ones by enumeration.

For averages of numbers and for drawn decisions, samples have probabilities with a beta distribution
and calibrated labels, or normal errors. The plan knows only averages and standard deviations.

    python benchmarks/planning.py [--samples 1000] [--only TEXT]

It ends in assertions: no probability is wrong by more than .05 plus two standard errors of the
simulation, and the numbers of rows for one rate are exact.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian import probability_of_passing, required_safety_rows
from sklearn_seldonian.bounds import betting_upper
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
from sklearn_seldonian.measures import RowMeasure

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


# -- means of numbers ------------------------------------------------------------------------------

BY_COLUMN = "abs({0} | [M] - {0} | [F]) <= {1}"
OWN = RowMeasure("Cost", lambda *_: 0.0, range=(0.0, 5.0))
# The numbers of many rows, from which averages and standard deviations are computed.
MANY = 1_000_000
Values = dict[str, NDArray[np.float64]]


class OfNumbers(NamedTuple):
    """A constraint on means of numbers, and the numbers of random rows.

    `draws(rng, n_rows)` returns the numbers behind each mean, which are in `range`. The constraint
    holds if each of the weighted sums of means in `weights` is at most `limit`.
    """

    text: str
    n_rows: int
    draws: Callable[[np.random.Generator, int], Values]
    weights: tuple[tuple[float, ...], ...]
    limit: float
    range: tuple[float, float] = (0.0, 1.0)
    options: Mapping[str, Any] = MappingProxyType({})


def people(rng: np.random.Generator, n: int, a: float, b: float) -> tuple[Any, ...]:
    """Whether each of n people is in M, the probability of the positive class, and the label."""
    p = rng.beta(a, b, n)
    return rng.random(n) < 0.5, p, rng.random(n) < p


def drawn_rate(rng: np.random.Generator, n: int, a: float, b: float, only: bool | None) -> Values:
    is_m, p, y = people(rng, n, a, b)
    counts = np.ones(n, dtype=bool) if only is None else y == only
    name = "PR" if only is None else "TPR"
    return {f"{name} | [M]": p[is_m & counts], f"{name} | [F]": p[~is_m & counts]}


def of_people(name: str, rng: np.random.Generator, n: int) -> Values:
    """The Brier score, calibration error and cost of probabilities from a uniform distribution."""
    _, p, y = people(rng, n, 1.0, 1.0)
    of = {"Brier": (p - y) ** 2, "Calibration_Error": p - y, "Cost": 5.0 * y * (1.0 - p) + p * ~y}
    return {name: of[name]}


def squared_errors(high: float, rng: np.random.Generator, n: int) -> Values:
    """Squares of normal errors with variance 1.6, in a range that ends at `high`."""
    return {"MSE": np.minimum(1.6 * rng.standard_normal(n) ** 2, high)}


def of_range(end: float) -> dict[str, Any]:
    """The options of a regression whose squared errors are at most `end` squared."""
    return {"classes": None, "target_range": (0.0, end), "prediction_range": (0.0, end)}


GAP = (1.0, -1.0), (-1.0, 1.0)
UNIFORM = partial(drawn_rate, a=1.0, b=1.0, only=None)
BELL = partial(drawn_rate, a=2.0, b=3.0, only=None)
POSITIVE = partial(drawn_rate, a=1.0, b=1.0, only=True)
NUMBERS = (
    OfNumbers(BY_COLUMN.format("PR", 0.1), 300, UNIFORM, GAP, 0.1),
    OfNumbers(BY_COLUMN.format("PR", 0.1), 160, BELL, GAP, 0.1),
    OfNumbers(BY_COLUMN.format("TPR", 0.1), 450, POSITIVE, GAP, 0.1),
    OfNumbers(
        "abs(Calibration_Error) <= 0.05",
        600,
        partial(of_people, "Calibration_Error"),
        ((1.0,), (-1.0,)),
        0.05,
        (-1.0, 1.0),
    ),
    OfNumbers("Brier <= 0.2", 250, partial(of_people, "Brier"), ((1.0,),), 0.2),
    OfNumbers(
        "Cost <= 1.2",
        400,
        partial(of_people, "Cost"),
        ((1.0,),),
        1.2,
        OWN.range,
        {"measures": [OWN]},
    ),
    *(
        OfNumbers(
            text, 600, partial(squared_errors, e**2), weights, limit, (0.0, e**2), of_range(e)
        )
        for text, weights, limit in (
            ("MSE <= 2", ((1.0,),), 2.0),
            ("MSE >= 1.25", ((-1.0,),), -1.25),
        )
        for e in (6.0, 8.0)
    ),
)


def simulated_numbers(case: OfNumbers, n_samples: int) -> float:
    """The share of samples whose bounds are at most the limit."""
    rng, n_passed = np.random.default_rng(0), 0
    for _ in range(n_samples):
        values = list(case.draws(rng, case.n_rows).values())
        ranges = [case.range] * len(values)
        uppers = (betting_upper(values, weights, ranges, DELTA) for weights in case.weights)
        n_passed += all(upper <= case.limit for upper in uppers)
    return n_passed / n_samples


def planned_numbers(case: OfNumbers) -> float:
    """The planned probability of passing, from averages and standard deviations of many rows."""
    values = case.draws(np.random.default_rng(1), MANY)
    means = {name: float(of.mean()) for name, of in values.items()}
    spreads = {name: float(of.std()) for name, of in values.items()}
    shares = {name: len(of) / MANY for name, of in values.items()}
    asked = case.text, means, case.n_rows, shares, DELTA
    return probability_of_passing(*asked, standard_deviations=spreads, **case.options)


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
    tables = [(", ".join(case.texts), case, planned, simulated) for case in CASES]
    numbers = [(case.text, case, planned_numbers, simulated_numbers) for case in NUMBERS]
    for text, case, plan_of, share_of in [*tables, *numbers]:
        if arguments.only not in text:
            continue
        start = time.perf_counter()
        plan = plan_of(case)
        seconds = time.perf_counter() - start
        share = share_of(case, arguments.samples)
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

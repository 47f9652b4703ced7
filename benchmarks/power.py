"""How many rows do our tests need, compared with an asymptotic test and Student's t bounds?

Samples are drawn from a population with the rates of the table. If decisions are drawn, their
probabilities have a beta distribution and are calibrated: labels are drawn with the same
probabilities. Each sample is tested at delta .05 by three methods:

* `method="auto"`;
* `method="asymptotic"`: the score test or the delta method, with the same AND;
* `method="ttest"`: bounds as in the Seldonian Engine, with delta split over all bounds and interval
  arithmetic.

The number of rows for 80% power is found from the shares that pass at a few numbers of rows, with
the same seed for each method. The factor is the number of rows of our test divided by that of the
asymptotic test. The asymptotic test has a probability of error of only about delta.

    python benchmarks/power.py [--samples 300] [--only TEXT] [--no-ttest]

It ends in an assertion: no factor exceeds the claimed one by more than two standard errors.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_seldonian.certification import Statistics, passes, summarise
from sklearn_seldonian.constraints import (
    ResolvedConstraint,
    Schema,
    Stratification,
    bind,
    distinct_conditions,
    distinct_estimands,
    distinct_values,
    parse,
)

DELTA, POWER = 0.05, 0.8
Z_DELTA, Z_POWER = -float(ndtri(DELTA)), float(ndtri(POWER))
# The number of different sample sizes that are tested.
EVALUATIONS = 4
Array = NDArray[np.float64]


class Case(NamedTuple):
    """A constraint, the population's table (groups, labels, decisions), and the factor claimed.

    The groups are the levels of a column "g".
    """

    text: str
    table: Array
    claimed: float

    @property
    def name(self) -> str:
        return self.text

    @property
    def n_groups(self) -> int:
        return len(self.table)

    @property
    def n_classes(self) -> int:
        return self.table.shape[1]

    def samples(
        self, stratification: Stratification, n_rows: int, n_samples: int
    ) -> Iterator[Statistics]:
        rng = np.random.default_rng(0)
        tables = rng.multinomial(n_rows, self.table.ravel(), n_samples).astype(float)
        for table in tables.reshape(-1, *self.table.shape):
            yield Statistics(table, stratification, deterministic=True)


class Drawn(NamedTuple):
    """A constraint on drawn decisions, or on their probabilities, and the factor claimed.

    `shapes` are those of the probabilities' beta distributions in groups of equal size.
    """

    text: str
    shapes: tuple[tuple[float, float], ...]
    claimed: float

    @property
    def name(self) -> str:
        return f"{self.text}, drawn, beta({', '.join(map('{:g}'.format, self.shapes[0]))})"

    @property
    def n_groups(self) -> int:
        return len(self.shapes)

    @property
    def n_classes(self) -> int:
        return 2

    def samples(
        self, stratification: Stratification, n_rows: int, n_samples: int
    ) -> Iterator[Statistics]:
        values = distinct_values(bound_constraint(self).estimands)
        for seed in range(n_samples):
            rng = np.random.default_rng(seed)
            codes = rng.integers(self.n_groups, size=n_rows).astype(np.int32)
            p = rng.beta(*np.array(self.shapes)[codes].T)
            labels = (rng.random(n_rows) < p).astype(np.int64)
            probabilities = np.column_stack([1.0 - p, p])
            yield summarise(
                codes, labels, probabilities, stratification, values, deterministic=False, keep=True
            ).in_drawn_order(seed)


def groups(*rates: tuple[float, float], positive: float = 0.5) -> Array:
    """Groups of equal size with these TPR and FPR."""
    tables = [
        [[(1 - positive) * (1 - fpr), (1 - positive) * fpr], [positive * (1 - tpr), positive * tpr]]
        for tpr, fpr in rates
    ]
    return np.array(tables) / len(rates)


def overall(*rates: float) -> Array:
    """Groups of equal size with these rates of positive decisions, for both labels."""
    return groups(*((rate, rate) for rate in rates))


def classes(shares: tuple[float, ...], accuracy: float = 0.8) -> Array:
    """One group with these shares of decisions, and the same shares of labels."""
    k = len(shares)
    others = np.outer(shares, shares) * (1.0 - accuracy)
    return (others + np.diag(shares) * accuracy).reshape(1, k, k)


FOUR_TO_ONE = np.array([1.6, 0.4])[:, None, None]
TO_ALL = "max(max(PR, by=g) - PR, PR - min(PR, by=g)) <= 0.07"
ODDS = 'abs(TPR | [g == "a"] - TPR | [g == "b"]) + abs(FPR | [g == "a"] - FPR | [g == "b"]) <= 0.2'
CASES = (
    # Four fifths of the rows are in group a, and 43% of all decisions are positive.
    Case('abs(PR | [g == "a"] - PR) <= 0.05', overall(0.40, 0.55) * FOUR_TO_ONE, 1.3),
    Case(TO_ALL, overall(0.40, 0.42, 0.44), 1.5),
    Case('abs(F1 | [g == "a"] - F1 | [g == "b"]) <= 0.1', groups((0.8, 0.2), (0.78, 0.2)), 1.5),
    Case("TPR * TNR >= 0.5", groups((0.8, 0.2)), 1.4),
    Case("0.5 * TPR + 0.5 * TNR >= 0.7", groups((0.8, 0.2)), 1.4),
    Case("PPV * TPR >= 0.5", groups((0.8, 0.2)), 1.4),
    Case('TPR | [g == "a"] / TPR >= 0.85', groups((0.76, 0.2), (0.8, 0.2)), 1.2),
    Case(ODDS, groups((0.8, 0.1), (0.78, 0.12)), 1.3),
    Case("PR_[0] - PR_[1] <= 0.1", classes((0.35, 0.35, 0.3)), 1.5),
    Case("PPV - FPR >= 0.5", groups((0.8, 0.2)), 1.5),
    Drawn('abs(PR | [g == "a"] - PR | [g == "b"]) <= 0.1', ((1.0, 1.0), (1.0, 1.0)), 1.35),
    Drawn('abs(PR | [g == "a"] - PR | [g == "b"]) <= 0.1', ((2.0, 3.0), (2.0, 3.0)), 1.35),
    Drawn('abs(TPR | [g == "a"] - TPR | [g == "b"]) <= 0.1', ((1.0, 1.0), (1.0, 1.0)), 1.35),
    Drawn("abs(Calibration_Error) <= 0.05", ((1.0, 1.0),), 1.35),
    Drawn("Brier <= 0.2", ((1.0, 1.0),), 1.35),
)


def bound_constraint(case: Case | Drawn) -> ResolvedConstraint:
    positive = 1 if case.n_classes == 2 else None
    schema = Schema(tuple(range(case.n_classes)), positive, {"g": tuple("abc"[: case.n_groups])})
    return bind(parse(case.text), schema)


class Samples:
    """Samples of one case; the seed is the same for all methods and numbers of rows."""

    def __init__(self, case: Case | Drawn, n_samples: int) -> None:
        self.case, self.n_samples = case, n_samples
        self.constraint = bound_constraint(case)
        self.estimands = distinct_estimands([self.constraint])
        conditions = distinct_conditions(self.estimands)
        names = "abc"[: case.n_groups]
        membership = [[str(c) == f'g == "{name}"' for c in conditions] for name in names]
        self.stratification = Stratification.single(conditions, np.array(membership, dtype=bool))

    def power(self, n_rows: int, method: str) -> float:
        """The share of samples of `n_rows` that pass."""
        samples = self.case.samples(self.stratification, n_rows, self.n_samples)
        evidence = (statistics.evidence(self.estimands) for statistics in samples)
        tree = self.constraint.tree
        return sum(passes(tree, seen, DELTA, method) for seen in evidence) / self.n_samples

    def rows(self, method: str, near: float) -> int:
        """The rows with which `POWER` is reached.

        The search uses that the normal quantile z of the power is linear in the root of the rows.
        The line is fitted to all powers, each weighted by the inverse variance of its z, and to the
        power delta of a test without rows, with a small weight.
        """
        root, least = math.sqrt(near), 0.5 / self.n_samples
        points = [(0.0, -Z_DELTA, 0.05 * self.n_samples)]
        for _ in range(EVALUATIONS):
            power = min(max(self.power(round(root**2), method), least), 1.0 - least)
            z = float(ndtri(power))
            density = math.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
            points.append((root, z, self.n_samples * density**2 / (power * (1.0 - power))))
            x, zs, weights = np.array(points).T
            slope, start = np.polyfit(x, zs, 1, w=np.sqrt(weights))
            root = min(max((Z_POWER - start) / max(slope, 1e-3), 0.5 * root), 2.0 * root)
        return round(root**2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("--no-ttest", action="store_true", help="leave Student's t bounds out")
    arguments = parser.parse_args()
    # Power increases by about .35 if the rows are multiplied by e.
    error = math.sqrt(POWER * (1.0 - POWER) / arguments.samples) / 0.35
    wrong = []
    print("| constraint | rows | asymptotic | factor | claimed | t bounds | seconds |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        if arguments.only not in case.name:
            continue
        start = time.perf_counter()
        samples = Samples(case, arguments.samples)
        asymptotic = samples.rows("asymptotic", 400)
        ours = samples.rows("auto", 1.3 * asymptotic)
        student = "" if arguments.no_ttest else samples.rows("ttest", 3.0 * asymptotic)
        factor = ours / asymptotic
        seconds = f"{time.perf_counter() - start:.0f}"
        cells = case.name, ours, asymptotic, f"{factor:.2f}", case.claimed, student, seconds
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        if factor > case.claimed + 2.0 * error * factor:
            wrong.append(case.name)
    assert not wrong, f"More rows than claimed for {wrong}."


if __name__ == "__main__":
    main()

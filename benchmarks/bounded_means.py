"""How many rows do tests of a mean of bounded values need, compared with the normal test?

For several distributions, this finds the number of rows with which a test certifies
``mean <= limit`` in 80% of samples. It is given as a multiple of the rows of Student's t test:

* hedge: the package's bets against one limit, which aim at 1 / delta after the last row;
* star: the same, with bets that are log-optimal for the missing capital (Voracek, Orabona 2025);
* plain: bets that aim at 1 / delta at any time (Waudby-Smith and Ramdas 2024);
* mixture: 20 constant bets with equal shares, which do not depend on the order of rows;
* Chernoff: Hoeffding's bound, from the sample mean alone;
* Bentkus: with the true variance, and with so many rows that sums are normal, its lowest number;
* Dirichlet: the (1 - delta)-quantile of the mean under Dirichlet weights on the rows and the upper
  end. It is not proved to be valid. No bound of Phan, Thomas and Learned-Miller (2021) is lower;
* any: a lower bound on the rows of every test that is valid for all distributions in the range.

    python benchmarks/bounded_means.py [--trials 400] [--csv FILE]

Numbers that are in FILE already are not computed again. It ends in assertions of the claims.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from certificates_bounds import largest_capital
from scipy.special import ndtr, ndtri, stdtrit

from sklearn_seldonian.bounds._capital import MAX_STAKE, running_moments, steps

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DELTA = 0.05
GOAL = 1.0 / DELTA
POWER = 0.8
MAX_ROWS = 6000


class Case(NamedTuple):
    """Values on the scale where their range is [0, 1]."""

    name: str
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats]
    mean: float
    limit: float


def parity(gap: float, a: float, b: float) -> Case:
    """Probabilities of two groups whose means differ by `gap`; a difference of at most .1."""

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        first = gap + (1.0 - gap) * rng.beta(a, b, size)
        second = (1.0 - gap) * rng.beta(a, b, size)
        return np.asarray((first - second + 1.0) / 2.0)

    return Case(f"parity .1, beta({a:g}, {b:g}), gap {gap:g}", draw, 0.5 + gap / 2.0, 0.55)


def calibration(a: float, b: float) -> Case:
    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        p = rng.beta(a, b, size)
        return np.asarray((p - (rng.random(size) < p) + 1.0) / 2.0)

    return Case(f"calibration .05, beta({a:g}, {b:g})", draw, 0.5, 0.525)


def brier(a: float, b: float, limit: float) -> Case:
    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        p = rng.beta(a, b, size)
        return np.asarray((p - (rng.random(size) < p)) ** 2)

    mean = a * b / ((a + b) * (a + b + 1.0))
    return Case(f"Brier {mean:.3f} <= {limit:g}, beta({a:g}, {b:g})", draw, mean, limit)


def squared_error(mean: float, limit: float, highest: float) -> Case:
    """Squares of normal errors; at least the limit where that is below the mean."""
    at_least = limit < mean

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        unit = np.minimum(mean * rng.standard_normal(size) ** 2 / highest, 1.0)
        return 1.0 - unit if at_least else unit

    sign = ">=" if at_least else "<="
    ends = (1.0 - mean / highest, 1.0 - limit / highest)
    unit_mean, unit_limit = ends if at_least else (mean / highest, limit / highest)
    return Case(f"MSE {mean:g} {sign} {limit:g} of {highest:g}", draw, unit_mean, unit_limit)


def zero_one(rate: float, limit: float) -> Case:
    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        return (rng.random(size) < rate) * 1.0

    return Case(f"zeros and ones, {rate:g} <= {limit:g}", draw, rate, limit)


CASES = [
    parity(0.0, 1, 1),
    parity(0.0, 3, 4),
    parity(0.0, 0.3, 0.3),
    parity(0.03, 1, 3),
    calibration(1, 1),
    calibration(2, 6),
    brier(1, 1, 0.2),
    brier(0.3, 1, 0.14),
    squared_error(1, 1.25, 16),
    squared_error(1.6, 1.25, 36),
    squared_error(1.6, 2, 36),
    squared_error(0.34, 0.4, 56.25),
    zero_one(0.3, 0.4),
    zero_one(0.05, 0.1),
]

# -- tests: which samples (rows of x) they certify -------------------------------------------

Test = Callable[[Floats, Case], Bools]


def student(x: Floats, case: Case) -> Bools:
    n = x.shape[1]
    quantile = float(stdtrit(n - 1, 1.0 - DELTA))
    return np.asarray(
        x.mean(axis=1) + quantile * x.std(axis=1, ddof=1) / math.sqrt(n) <= case.limit
    )


def hedge(x: Floats, case: Case) -> Bools:
    return np.asarray(largest_capital(x, case.limit, DELTA) >= GOAL)


def star(x: Floats, case: Case) -> Bools:
    n, capital = x.shape[1], np.ones(len(x))
    _, variances = running_moments(x)
    for start, stop in steps(n):
        lacking = np.log(1.1 * GOAL / np.clip(capital, 1e-9, GOAL))
        stakes = np.sqrt(2.0 * lacking / ((n - start) * variances[:, start]))
        stakes = np.where(capital >= GOAL, 0.0, np.minimum(stakes, MAX_STAKE / (1.0 - case.limit)))
        gains = stakes[:, None] * (case.limit - x[:, start:stop])
        capital = capital * np.prod(1.0 + gains, axis=1)
    return np.asarray(capital >= GOAL)


def plain(x: Floats, case: Case) -> Bools:
    n = x.shape[1]
    stakes = np.sqrt(2.0 * math.log(GOAL) / (n * running_moments(x)[1][:, :-1]))
    stakes = np.minimum(stakes, 0.75 / (1.0 - case.limit))
    growth = np.cumsum(np.log1p(stakes * (case.limit - x)), axis=1)
    return np.asarray(growth.max(axis=1) >= math.log(GOAL))


def mixture(x: Floats, case: Case) -> Bools:
    stakes = np.geomspace(0.01, MAX_STAKE, 20) / (1.0 - case.limit)
    growth = [np.log1p(stake * (case.limit - x)).sum(axis=1) for stake in stakes]
    return np.asarray(np.mean(np.exp(np.minimum(growth, 100.0)), axis=0) >= GOAL)


def chernoff(x: Floats, case: Case) -> Bools:
    mean = np.clip(x.mean(axis=1), 1e-12, 1.0 - 1e-12)
    limit = case.limit
    kl = mean * np.log(mean / limit) + (1.0 - mean) * np.log((1.0 - mean) / (1.0 - limit))
    return np.asarray((mean < limit) & (x.shape[1] * kl >= math.log(GOAL)))


def bentkus_quantile() -> float:
    """The x with ``min_t E(Z - t)_+^2 / (x - t)^2 = delta`` for a standard normal Z."""
    t = np.linspace(-3.0, 6.0, 4001)
    moment = (1.0 + t**2) * ndtr(-t) - t * np.exp(-(t**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return float(np.min(t + np.sqrt(moment / DELTA)))


def bentkus(x: Floats, case: Case) -> Bools:
    deviation = case.draw(np.random.default_rng(0), (1, 400_000)).std()
    bound = x.mean(axis=1) + bentkus_quantile() * deviation / math.sqrt(x.shape[1])
    return np.asarray(bound <= case.limit)


def dirichlet(x: Floats, case: Case) -> Bools:
    rng, n = np.random.default_rng(1), x.shape[1]
    weights = rng.standard_exponential((400, n + 1))
    weights /= weights.sum(axis=1, keepdims=True)
    means = x @ weights[:, :-1].T + weights[:, -1]
    return np.asarray(np.quantile(means, 1.0 - DELTA, axis=1) <= case.limit)


TESTS: dict[str, Test] = {
    "hedge": hedge,
    "star": star,
    "plain": plain,
    "mixture": mixture,
    "Chernoff": chernoff,
    "Bentkus": bentkus,
    "Dirichlet": dirichlet,
}


# -- rows ------------------------------------------------------------------------------------


def rows_of_any_test(case: Case) -> float:
    """A lower bound on the number of rows of every valid test.

    Replace each row by the upper end with the probability e that raises the mean to the limit. With
    probability (1 - e)^n no row is replaced, and the sample does not change. A test that certifies
    .8 of the samples before therefore certifies at least .8 (1 - e)^n of them afterwards, and this
    share must be at most delta.
    """
    share = (case.limit - case.mean) / (1.0 - case.mean)
    return math.log(POWER / DELTA) / -math.log1p(-share)


def rows_for_power(test: Test, case: Case, trials: int, least: int) -> float:
    """Rows with which the share certified is .8, from a line through probits near it."""

    def share(n: int) -> float:
        x = case.draw(np.random.default_rng([7, n]), (trials, n))
        return float(np.mean(test(x, case)))

    n = least
    while share(n) < POWER:
        n = math.ceil(1.25 * n)
        if n > MAX_ROWS:
            return math.inf
    near = [max(2, round(n * factor)) for factor in (0.75, 0.82, 0.9, 1.0)]
    probits = [float(ndtri(min(max(share(m), 1e-3), 1.0 - 1e-3))) for m in near]
    slope, height = np.polyfit(np.sqrt(near), probits, 1)
    return float(((float(ndtri(POWER)) - height) / slope) ** 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--csv", type=Path, help="read and extend this table of rows")
    options = parser.parse_args()
    known: dict[tuple[str, str], float] = {}
    if options.csv and options.csv.exists():
        with options.csv.open(newline="") as file:
            known = {(case, test): float(rows) for case, test, rows in csv.reader(file)}

    def rows(case: Case, name: str, test: Test, least: int) -> float:
        if (case.name, name) not in known:
            found = rows_for_power(test, case, options.trials, least)
            known[case.name, name] = found
            if options.csv:
                with options.csv.open("a", newline="") as file:
                    csv.writer(file).writerow([case.name, name, found])
        return known[case.name, name]

    print(f"{'case':40} {'Student':>8}", *(f"{name:>9}" for name in (*TESTS, "any")))
    ratios = {}
    for case in CASES:
        normal = rows(case, "Student", student, 10)
        found = {name: rows(case, name, test, round(normal)) for name, test in TESTS.items()}
        found["any"] = rows_of_any_test(case)
        ratios[case.name] = {name: n / normal for name, n in found.items()}
        print(f"{case.name:40} {normal:8.0f}", *(f"{n / normal:9.2f}" for n in found.values()))
    for name, r in ratios.items():
        assert r["hedge"] <= r["plain"], name
        assert r["hedge"] >= 0.95 * r["any"], name
        assert r["hedge"] <= 1.15 * max(r["Dirichlet"], r["any"]) or "MSE" in name, name


if __name__ == "__main__":
    main()

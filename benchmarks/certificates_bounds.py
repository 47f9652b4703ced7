"""Are the bounds as strong as the data allow, and wrong with probability at most delta?

There are three parts, with one row per result:

* validity: the largest probability of a false certificate. For one and two rates it is exact:
  binomial probabilities are summed over the whole sample space, for true rates on and beyond the
  limit. The grid of rates is finer than that of the test, and offset from it. For betting it is
  summed over all counts of zeros and ones, in six orders. For the other tests it is simulated;
* power: the share of samples that are certified if the constraint holds;
* speed: seconds on one core of this machine.

    python benchmarks/certificates_bounds.py [--quick] [--csv FILE]

It ends in assertions of the requirements of all rows. It writes nothing but the table.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from exhaustive import binomial_masses, two_rate_p_values
from scipy.special import ndtr, stdtr

from sklearn_seldonian.bounds import (
    binomial_lower,
    binomial_upper,
    bounded_mean_upper,
    chernoff_p_value,
    chernoff_upper,
    rate_p_value,
    rate_ratio_upper,
    two_rate_certified,
    two_rate_p_value,
    two_rate_upper,
)
from sklearn_seldonian.bounds._capital import capital_after, running_moments, steps
from sklearn_seldonian.bounds._chernoff import chernoff_p_values
from sklearn_seldonian.bounds._score import score_statistic
from sklearn_seldonian.certification._kept_rows import KeptRows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DELTAS = (0.01, 0.05, 0.1)
PARITY = (1.0, -1.0)
PROBLEMS = [
    *((PARITY, margin) for margin in (-0.3, 0.0, 0.05, 0.1, 0.3)),
    ((-1.0, 1.0), 0.1),
    ((0.8, -1.0), 0.0),
    ((0.9, -1.0), 0.0),
    ((-1.0, 0.8), 0.0),
    ((1.0, 0.4), 0.5),
]
TRIALS = 20_000


class Row(NamedTuple):
    """One result and its requirement; a result for information has none."""

    part: str
    case: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    def holds(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def requirement(self) -> str:
        low = "" if self.at_least is None else f">= {self.at_least:.4g}"
        return low + ("" if self.at_most is None else f"<= {self.at_most:.4g}")


def one_rate_validity(sizes: tuple[int, ...]) -> Iterator[Row]:
    for delta in DELTAS:
        exact, student = 0.0, 0.0
        for n in sizes:
            counts = np.arange(n + 1)
            upper = np.array([binomial_upper(k, n, delta) for k in counts])
            lower = np.array([binomial_lower(k, n, delta) for k in counts])
            rates = np.linspace(0.0, 1.0, 2003)
            mass = binomial_masses(n, rates)
            too_low, too_high = upper < rates[:, None], lower > rates[:, None]
            exact = max(exact, (mass * too_low).sum(1).max(), (mass * too_high).sum(1).max())
            for limit in (0.05, 0.1, 0.3, 0.9):
                certified = np.array([rate_p_value(k, n, 1.0, limit) <= delta for k in counts])
                beyond = binomial_masses(n, np.linspace(limit, 1.0, 301))
                exact = max(exact, beyond[:, certified].sum(1).max())
                student = max(
                    student, binomial_masses(n, np.array([limit]))[0] @ by_t(n, limit, delta)
                )
        yield Row("validity", f"one rate, Clopper-Pearson, delta {delta}", exact, at_most=delta)
        yield Row("validity", f"one rate, Student t (asymptotic), delta {delta}", student)


def by_t(n: int, limit: float, delta: float) -> Bools:
    """Counts that Student's t test certifies to have a rate of at most the limit."""
    counts = np.arange(n + 1)
    variance = counts * (n - counts) / n / max(n - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (counts / n - limit) / np.sqrt(variance / n)
    return np.asarray((variance > 0.0) & (stdtr(max(n - 1, 1), t) <= delta))


def two_rate_validity(sizes: tuple[int, ...]) -> Iterator[Row]:
    for (weights, limit), delta in product(PROBLEMS, DELTAS):
        exact, score = 0.0, 0.0
        for trials in product(sizes, repeat=2):
            exact = max(exact, two_rate_false_certificates(trials, weights, limit, delta))
            if max(trials) <= 30:
                by_score = score_certified(trials, weights, limit, delta)
                score = max(score, false_certificates(by_score, trials, weights, limit))
        name = f"{weights[0]:g} p1 {weights[1]:+g} p2 <= {limit:g}, delta {delta}"
        yield Row("validity", f"two rates, exact: {name}", exact, at_most=delta)
        yield Row("validity", f"two rates, score (asymptotic), n <= 30: {name}", score)


def ratio_validity(sizes: Iterable[int]) -> Iterator[Row]:
    for delta in (0.05, 0.2):
        worst = max(ratio_coverage(trials, delta) for trials in product(sizes, repeat=2))
        name = f"ratio of two rates, bound below the truth, sizes {min(sizes)} to {max(sizes)}"
        yield Row("validity", f"{name}, delta {delta}", worst, at_most=delta)


def ratio_coverage(trials: tuple[int, int], delta: float) -> float:
    """The largest probability, over a grid of rates, that the bound on a ratio is below it."""
    rates = np.linspace(0.0, 1.0, 101)[1:]
    mass1, mass2 = (binomial_masses(n, rates) for n in trials)
    bounds = np.array(
        [[rate_ratio_upper((i, j), trials, delta) for j in range(trials[1] + 1)]
         for i in range(trials[0] + 1)]
    )  # fmt: skip
    wrong = [
        float(mass1[i] @ (bounds < p1 / p2 * (1.0 - 1e-12)) @ mass2[j])
        for (i, p1), (j, p2) in product(enumerate(rates), enumerate(rates))
    ]
    return max(wrong)


def two_rate_false_certificates(
    trials: tuple[int, int], weights: tuple[float, float], limit: float, delta: float
) -> float:
    """The largest probability of a false certificate, or a number that is not smaller.

    `two_rate_p_values` are up to 5% too small, so that they certify too many tables. If these have
    a probability above delta, the test itself is run for the tables whose p-values are within 5%
    of delta.
    """
    p = two_rate_p_values(trials, weights, limit, delta)
    certified = p <= delta
    wrong = false_certificates(certified, trials, weights, limit)
    if wrong <= delta:
        return wrong
    for i, j in np.argwhere(certified & (p > 0.95 * delta)):
        certified[i, j] = two_rate_p_value((i, j), trials, weights, limit, delta) <= delta
    return false_certificates(certified, trials, weights, limit)


def false_certificates(
    certified: Bools, trials: tuple[int, int], weights: tuple[float, float], limit: float
) -> float:
    """The largest probability of the certified tables, over rates on and beyond the limit."""
    a1, a2 = (abs(a) for a in weights)
    c, worst = limit - sum(a for a in weights if a < 0.0), 0.0
    for beyond in (0.0, 0.001, 0.01, 0.05, 0.2, 0.5):
        level = c + beyond * (a1 + a2 - c)
        first, last = max(0.0, (level - a1) / a2), min(1.0, level / a2)
        angle = np.linspace(math.asin(math.sqrt(first)), math.asin(math.sqrt(last)), 977)
        p2 = np.clip(np.sin(angle) ** 2, first, last)
        p1 = np.clip((level - a2 * p2) / a1, 0.0, 1.0)
        mass1 = binomial_masses(trials[0], p1 if weights[0] > 0.0 else 1.0 - p1)
        mass2 = binomial_masses(trials[1], p2 if weights[1] > 0.0 else 1.0 - p2)
        worst = max(worst, float(((mass1 @ certified) * mass2).sum(axis=1).max()))
    return worst


def score_certified(
    trials: tuple[int, int], weights: tuple[float, float], limit: float, delta: float
) -> Bools:
    x1, x2 = np.meshgrid(np.arange(trials[0] + 1.0), np.arange(trials[1] + 1.0), indexing="ij")
    y1 = x1 if weights[0] > 0.0 else trials[0] - x1
    y2 = x2 if weights[1] > 0.0 else trials[1] - x2
    positive = (abs(weights[0]), abs(weights[1]))
    c = limit - sum(a for a in weights if a < 0.0)
    return np.asarray(ndtr(score_statistic(y1, y2, trials, positive, c)) <= delta)


def chernoff_validity() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    cases = {
        "gaps .2 + .15 <= .35, n = 150": ((0.3, 0.1, 0.2, 0.35), (150,) * 4, 0.35),
        "gaps .35 + 0 <= .35, n = 40": ((0.36, 0.01, 0.02, 0.02), (40,) * 4, 0.35),
        "gaps .1 + .1 <= .2, n = 20 to 2000": ((0.15, 0.05, 0.9, 0.8), (20, 2000, 200, 50), 0.2),
    }
    for name, (rates, trials, limit) in cases.items():
        tables = rng.binomial(trials, rates, (TRIALS, 4)).astype(float)
        p = np.max([chernoff_p_values(tables, trials, w, limit, 0.05) for w in SIGNS], axis=0)
        yield simulated(f"Chernoff, sum of {name}", np.mean(p <= 0.05), 0.05)
    trials3, weights3 = (4, 6, 5), (1.0, -1.0, 0.5)
    tables = np.array(list(product(*(range(n + 1) for n in trials3))), dtype=float)
    certified = chernoff_p_values(tables, trials3, weights3, 0.3, 0.05) <= 0.05
    grid = np.array(list(product(np.linspace(0, 1, 31), repeat=3)))
    grid = grid[grid @ np.array(weights3) > 0.3]
    masses = [
        binomial_masses(n, grid[:, k])[:, tables[:, k].astype(int)] for k, n in enumerate(trials3)
    ]
    exact = np.prod(masses, axis=0)[:, certified].sum(axis=1).max()
    yield Row("validity", "three rates, Chernoff, all tables of n = 4, 6, 5", exact, at_most=0.05)


SIGNS = [(s, -s, r, -r) for s, r in product((1.0, -1.0), repeat=2)]

VALUES: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], Floats], float]] = {
    "uniform": (lambda rng, s: rng.random(s), 0.5),
    "heavy-tailed": (
        lambda rng, s: np.minimum(rng.pareto(1.1, s) / 50.0, 1.0),
        (51.0**-0.1 - 1.0) / -0.1 / 50.0,
    ),
    "skewed beta": (lambda rng, s: rng.beta(0.1, 0.9, s), 0.1),
    "two-point .05": (lambda rng, s: (rng.random(s) < 0.05) * 1.0, 0.05),
    "two-point .5": (lambda rng, s: (rng.random(s) < 0.5) * 1.0, 0.5),
    "two-point .95": (lambda rng, s: (rng.random(s) < 0.95) * 1.0, 0.95),
    "near-zero variance": (lambda rng, s: 0.3 + 1e-3 * rng.random(s), 0.3005),
}


def mean_validity(sizes: tuple[int, ...]) -> Iterator[Row]:
    rng = np.random.default_rng(1)
    for name, (draw, mean) in VALUES.items():
        wrong, wrong_box = 0.0, 0.0
        for n in sizes:
            x = draw(rng, (TRIALS, n))
            wrong = max(wrong, bet_share(x, mean, 0.05))
            upper = [bounded_mean_upper(m, n, 0.0, 1.0, 0.05) for m in x.mean(axis=1)]
            wrong_box = max(wrong_box, float(np.mean(np.array(upper) <= mean)))
        yield simulated(f"betting, {name}", wrong, 0.05)
        yield simulated(f"Chernoff-Hoeffding, {name}", wrong_box, 0.05)


# -- rows in every order ---------------------------------------------------------------------

RATES = (0.02, 0.05, 0.1, 0.2, 0.5)
ORDERS: dict[str, Callable[[Floats], Floats]] = {
    "ascending": np.sort,
    "descending": lambda x: np.sort(x)[::-1],
    "one long block": lambda x: np.roll(np.sort(x), len(x) // 3),
    "alternating": lambda x: np.sort(x)[np.argsort(np.arange(len(x)) % 2, kind="stable")],
    "by halves": lambda x: np.concatenate([np.sort(x[::2]), np.sort(x[1::2])[::-1]]),
    "shuffled": lambda x: np.random.default_rng(5).permutation(x),
}


def as_tested(values: Floats, seed: int, codes: npt.NDArray[np.int32] | None = None) -> KeptRows:
    """Rows with these values, in the order in which a test uses them."""
    n = len(values)
    codes = np.zeros(n, np.int32) if codes is None else codes
    return KeptRows.of(codes, np.zeros(n, np.int64), values[:, None]).in_drawn_order(seed)


def order_validity(sizes: Iterable[int], seeds: int) -> Iterator[Row]:
    """Zeros and ones in six orders: the largest probability of a false certificate over all sizes.

    The requirement is delta plus five of its standard errors, because it is the largest of
    hundreds. For comparison, there is also the largest probability if all samples are sorted and
    then put into one common order. It has no requirement.
    """
    worst = {case: (0.0, -math.inf, 0.0) for case in product(RATES, DELTAS)}
    for n in sizes:
        for case, found in false_certificates_of_orders(n, seeds).items():
            excess = (found.share - case[1]) / found.error
            before = worst[case]
            worst[case] = (
                max(before[0], found.share),
                max(before[1], excess),
                max(before[2], found.in_one_order),
            )
    for (rate, delta), (share, excess, in_one_order) in worst.items():
        name = f"betting, zeros and ones in any order, rate {rate}, delta {delta}"
        yield Row("validity", name, share)
        yield Row("validity", f"{name}: beyond delta, in standard errors", excess, at_most=5.0)
        name = f"betting, sorted rows in one and the same order (not allowed), {rate}, {delta}"
        yield Row("validity", name, in_one_order)


class OrderedRows(NamedTuple):
    """The share of samples that are certified falsely, and its standard error.

    `in_one_order` is the share if all samples are sorted and then put into one common order.
    """

    share: float
    error: float
    in_one_order: float


def false_certificates_of_orders(
    n: int, seeds: int, rates: tuple[float, ...] = RATES, deltas: tuple[float, ...] = DELTAS
) -> dict[tuple[float, float], OrderedRows]:
    """By rate and delta, the probability that ``mean <= rate`` is certified for n zeros and ones.

    It is a sum over all counts, and an average over the seeds of the order of rows. Each count with
    a probability above 1e-6 is given in all `ORDERS`, whose results must not differ. It is then
    tested once with each seed.
    """
    found: dict[tuple[float, float], OrderedRows] = {}
    mass = binomial_masses(n, np.array(rates))
    counts = np.flatnonzero(mass.max(axis=0) > 1e-6)
    shares = np.zeros((len(rates), len(deltas), n + 1))
    fixed = np.zeros_like(shares)
    for count in counts:
        ones = (np.arange(n) < count) * 1.0
        first = 1000 * int(count)
        drawn = np.stack([as_tested(ones, first + s).entries[:, 0] for s in range(seeds)])
        for order in ORDERS.values():
            assert np.array_equal(as_tested(order(ones), first).entries[:, 0], drawn[0])
        same = as_tested(ones, 0).entries.T
        for (i, rate), (j, delta) in product(enumerate(rates), enumerate(deltas)):
            if mass[i, count] > 1e-6:
                shares[i, j, count] = bet_share(drawn, rate, delta)
                fixed[i, j, count] = bet_share(same, rate, delta)
    for (i, rate), (j, delta) in product(enumerate(rates), enumerate(deltas)):
        share = float(mass[i] @ shares[i, j])
        # With a share of 0 or 1, the usual standard error would be 0, so shares are smoothed.
        smoothed = (shares[i, j] * seeds + 1.0) / (seeds + 2.0)
        variance = float(mass[i] ** 2 @ (smoothed * (1.0 - smoothed))) / seeds
        found[rate, delta] = OrderedRows(share, math.sqrt(variance), float(mass[i] @ fixed[i, j]))
    return found


def ordered_samples() -> Iterator[Row]:
    """Two sorted samples whose means differ by exactly the limit, and samples of three values."""
    rng, n, trials = np.random.default_rng(4), 300, TRIALS // 4
    codes = np.repeat(np.array([0, 1], np.int32), n)
    differences = np.empty((trials, n))
    for trial, row in enumerate(differences):
        x = np.sort(rng.beta(4, 5, (2, n)), axis=1).ravel()
        tested = as_tested(x, trial, codes)
        first, second = (tested.entries[tested.codes == code, 0] for code in (0, 1))
        row[:] = (first - second + 1.0) / 2.0
    yield simulated("betting, two sorted samples", bet_share(differences, 0.5, 0.05), 0.05, trials)
    three = np.sort(rng.choice([0.0, 0.3, 1.0], (trials, n), p=[0.7, 0.2, 0.1]), axis=1)
    rows = np.stack([as_tested(x, seed).entries[:, 0] for seed, x in enumerate(three)])
    yield simulated("betting, three values, sorted", bet_share(rows, 0.16, 0.05), 0.05, trials)


def box_validity() -> Iterator[Row]:
    """Two shares of the same rows, .4 and .3, whose difference is exactly the limit."""
    n, limit, delta = 60, 0.1, 0.05
    counts = np.random.default_rng(3).multinomial(n, [0.4, 0.3, 0.3], TRIALS)
    high = np.array([binomial_upper(k, n, delta / 2.0) for k in range(n + 1)])
    low = np.array([binomial_lower(k, n, delta / 2.0) for k in range(n + 1)])
    # The bound of a box on a difference; the tests of `box_upper` show that it is this number.
    by_box = high[counts[:, 0]] - low[counts[:, 1]] <= limit
    yield simulated("box, difference of two shares of the same rows", np.mean(by_box), delta)
    apart = two_rate_p_values((n, n), PARITY, limit, delta) <= delta
    wrong = np.mean(apart[counts[:, 0], counts[:, 1]])
    yield Row("validity", "the same rows taken for two samples (not allowed)", float(wrong))


def bet_share(unit: Floats, limit: float, delta: float) -> float:
    """The share of the samples (rows of values in [0, 1]) that bets against one limit certify.

    The package's test bets against a mesh of limits, and keeps the smallest capital of the limits
    above. This loss could hide an error. Here the mesh is one limit, so that nothing is lost.
    """
    return float(np.mean(largest_capital(unit, limit, delta) >= 1.0 / delta))


def largest_capital(unit: Floats, limit: float, delta: float) -> Floats:
    """The largest capital of bets against one limit, for each sample of the last axis."""
    n = unit.shape[-1]
    _, variances = running_moments(unit)
    capital = np.ones(unit.shape[:-1])
    largest = capital
    for start, stop in steps(n):
        gains, variance = limit - unit[..., start:stop], variances[..., start]
        capital = capital_after(capital, gains, 1.0 - limit, variance, n - start, n, delta)
        largest = np.maximum(largest, capital)
    return largest


def simulated(case: str, share: float, delta: float, trials: int = TRIALS) -> Row:
    """A simulated share; it may exceed delta by four binomial standard errors."""
    error = math.sqrt(delta * (1.0 - delta) / trials)
    return Row("validity", f"{case} (s.e. {error:.4f})", float(share), at_most=delta + 4.0 * error)


def power(quick: bool) -> Iterator[Row]:
    for n, least in ((200, 0.27), (400, 0.77), (800, 0.98)):
        if quick and n == 800:
            continue
        p = two_rate_p_values((n, n), PARITY, 0.1, 0.05)
        mass = binomial_masses(n, np.array([0.4]))[0]
        share = float(mass @ ((p <= 0.05) & (p.T <= 0.05)) @ mass)
        yield Row("power", f"parity .1 at .4/.4, {n} rows per group, exact", share, at_least=least)
    rng = np.random.default_rng(2)
    samples = 60 if quick else 300
    yield from verdicts(rng, samples)
    for rates, n, least in [
        ((0.05, 0.1, 0.05, 0.1), 100, 0.80),
        ((0.05, 0.1, 0.1, 0.05), 100, 0.80),
        ((0.2, 0.25, 0.2, 0.25), 200, 0.84),
        ((0.2, 0.25, 0.25, 0.3), 200, 0.84),
        ((0.25, 0.3, 0.25, 0.3), 200, 0.84),
    ]:
        tables = rng.binomial(n, rates, (TRIALS // 2, 4)).astype(float)
        p = np.max([chernoff_p_values(tables, (n,) * 4, w, 0.35, 0.05) for w in SIGNS], axis=0)
        case = f"FNR gap + FPR gap <= .35 at {rates}, {n} rows each, Chernoff"
        yield Row("power", case, float(np.mean(p <= 0.05)), at_least=least)
    z = (rng.beta(4, 5, (TRIALS, 300)) - rng.beta(4, 5, (TRIALS, 300)) + 1.0) / 2.0
    both = [largest_capital(v, 0.525, 0.05) >= 20.0 for v in (z, 1.0 - z)]
    share = float(np.mean(both[0] & both[1]))
    yield Row("power", "soft parity .05, beta(4,5), 300 per group, betting", share, at_least=0.93)


def verdicts(rng: np.random.Generator, samples: int) -> Iterator[Row]:
    """The share of samples in which the verdict by the bound differs from that by the p-value."""
    for n in (200, 400):
        lost = 0
        for table in rng.binomial(n, 0.4, (samples, 2)):
            by_p = two_rate_p_value(table, (n, n), PARITY, 0.1, 0.05) <= 0.05
            lost += by_p != two_rate_certified(table, (n, n), PARITY, 0.1, 0.05)
        case = f"parity, {n} rows: share of {samples} samples where bound and p-value differ"
        yield Row("power", case, lost / samples, at_most=0.02)


def speed() -> Iterator[Row]:
    n = 35_000
    near = (14_000 + 2_950, 14_000), (n, n), PARITY
    clear = (14_000 + 2_000, 14_000), (n, n), PARITY
    gaps = [10, 12, 8, 11], [200] * 4, [1, -1, 1, -1]
    cases: list[tuple[str, Callable[[], object], float | None]] = [
        ("binomial_upper, 35,000 rows", lambda: binomial_upper(14_000, n, 0.05), None),
        ("p-value near the limit", lambda: two_rate_p_value(*near, 0.1, 0.05), 0.2),
        ("verdict near the limit, passed", lambda: two_rate_certified(*near, 0.0906, 0.05), 0.2),
        ("verdict near the limit, failed", lambda: two_rate_certified(*near, 0.0900, 0.05), 0.2),
        ("verdict far from the limit", lambda: two_rate_certified(*clear, 0.1, 0.05), 0.2),
        ("bound", lambda: two_rate_upper(*near, 0.05), 2.0),
        ("chernoff_p_value, 4 rates", lambda: chernoff_p_value(*gaps, 0.1, 0.05), None),
        ("chernoff_upper, 4 rates", lambda: chernoff_upper(*gaps, 0.05), None),
    ]
    for name, call, limit in cases:
        label = f"two rates, 35,000 rows per group: {name}" if limit else name
        yield Row("speed", f"{label} (s)", best_of_three(call), at_most=limit)


def best_of_three(call: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: under a minute")
    parser.add_argument("--csv", help="also write the table to this file")
    options = parser.parse_args()
    sizes = (1, 2, 5, 10, 30) if options.quick else (1, 2, 5, 10, 30, 100, 300)
    parts = [
        one_rate_validity(sizes),
        two_rate_validity(sizes),
        ratio_validity((3, 5) if options.quick else range(3, 13)),
        chernoff_validity(),
        box_validity(),
        mean_validity((10, 60) if options.quick else (2, 10, 60, 300)),
        order_validity((117, 363) if options.quick else range(20, 601), 40),
        ordered_samples(),
        power(options.quick),
        speed(),
    ]
    rows = []
    for row in (row for part in parts for row in part):
        rows.append(row)
        mark = "" if row.holds() else "  <-- NOT MET"
        print(f"{row.part:9} {row.case:88} {row.value:9.5f} {row.requirement()}{mark}", flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            csv.writer(file).writerows([Row._fields, *rows])
    missed = [row.case for row in rows if not row.holds()]
    assert not missed, missed
    print(f"{len(rows)} findings, every requirement met.")


if __name__ == "__main__":
    main()

"""Does a monitor keep its level for any length of time, and how many rows does it need?

False alarms: the constraint holds with equality in streams of 100,000 rows, which are monitored for
the whole time. One rate is monitored after every row, also with a restart after each 1,000 rows and
``windows="unlimited"``. Gaps, ratios and means are monitored at 150 times, most of them at the
beginning. A share of streams above delta by more than three standard errors would be a bug.

Rows: the number of rows until a violation is proved at delta .05 (median and 80% quantile of
streams). The violations are large, for example a rate of .6 with a limit of .3. The monitor is
compared with

* a single test, at a number of rows that is fixed beforehand and gives a power of 80%;
* one-sided mixture boundaries of Howard, Ramdas, McAuliffe and Sekhon (2021, Annals of Statistics
  49(2), Propositions 5 and 7), implemented here from the paper. The normal mixture assumes rows in
  [0, 1], and the beta-binomial mixture assumes rows that are 0 or 1. Both are tuned to about the
  number of rows that they need, which is unknown in practice, and to a tenth of it. A gap is the
  difference of two beta-binomial bounds at delta / 2.

    python benchmarks/monitoring.py [--streams 400] [--steps 100000]

It ends in an assertion: no share of false alarms is above delta by more than three standard errors,
and no monitor needs more rows at the median than 1.2 times the number claimed here.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, log_ndtr, ndtri
from scipy.stats import binom

from sklearn_seldonian.bounds import (
    MeanStream,
    RateStream,
    divided_between_edges,
    time_uniform_sum_lower,
)
from sklearn_seldonian.monitoring._windows import share_of_window

DELTA, POWER = 0.05, 0.8
WINDOW = 1000
Counts = NDArray[np.int64]


# -- false alarms ----------------------------------------------------------------------------------


def alarm_counts(limit: float, delta: float, n: int) -> Counts:
    """The smallest numbers of successes in 1, 2, ..., n rows that prove a rate above `limit`."""
    needed, found, k = math.log(1.0 / delta), np.empty(n, dtype=np.int64), 0
    for rows in range(1, n + 1):
        while k <= rows:
            at = RateStream(k, rows).log_capital(np.array([limit]))[0] if k <= rows else math.inf
            if at >= needed:
                break
            k += 1
        found[rows - 1] = k
    return found


def alarms_of_a_rate(limit: float, n: int, n_streams: int, seed: int) -> int:
    """The number of streams of rate `limit` with an alarm, monitored after every row."""
    fewest, rng = alarm_counts(limit, DELTA, n), np.random.default_rng(seed)
    return sum(bool((np.cumsum(rng.random(n) < limit) >= fewest).any()) for _ in range(n_streams))


def alarms_of_windows(limit: float, n: int, n_streams: int, seed: int) -> int:
    """The number of streams with an alarm in any window, with a restart after each 1,000 rows."""
    rng, n_windows = np.random.default_rng(seed), n // WINDOW
    shares = [share_of_window("unlimited", position) for position in range(n_windows)]
    fewest = np.array([alarm_counts(limit, DELTA * share, WINDOW) for share in shares])
    rows = (rng.random((n_windows, WINDOW)) < limit for _ in range(n_streams))
    return sum(bool((np.cumsum(each, axis=1) >= fewest).any()) for each in rows)


def moments(n: int, first: int = 20, n_looks: int = 150) -> Counts:
    return np.unique(np.geomspace(first, n, n_looks).astype(np.int64))


def alarms_of_a_sum(
    rates: tuple[float, float], factors: tuple[float, float], n: int, n_streams: int, seed: int
) -> int:
    """The number of streams of two groups that prove a sum of rates above its true value."""
    rng, truth = np.random.default_rng(seed), float(np.dot(rates, factors))
    alarms = 0
    for _ in range(n_streams):
        counts = np.cumsum(rng.random((2, n)) < np.array(rates)[:, None], axis=1)
        for look in moments(n):
            seen = counts[:, look - 1]
            if np.dot(seen / look, factors) > truth:  # no bound is above the estimate
                streams = [RateStream(int(k), int(look)) for k in seen]
                if time_uniform_sum_lower(streams, factors, DELTA) > truth:
                    alarms += 1
                    break
    return alarms


def alarms_of_a_mean(
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]],
    truth: float,
    n: int,
    n_streams: int,
    seed: int,
) -> int:
    """The number of streams of numbers from 0 to 1 that prove a mean above its true value."""
    rng, alarms = np.random.default_rng(seed), 0
    for _ in range(n_streams):
        parts = np.split(draw(rng, n), moments(n))[:-1]
        weights = np.cumsum([divided_between_edges(part) for part in parts], axis=0)
        needed, limit = math.log(1.0 / DELTA), np.array([truth])
        alarms += any(MeanStream(each).log_capital(limit)[0] >= needed for each in weights)
    return alarms


# -- boundaries of the literature ------------------------------------------------------------------


def rho_of(v_opt: float, delta: float) -> float:
    """The scale of a one-sided mixture that is tuned to the variance `v_opt`."""
    z = math.log(1.0 / (2.0 * delta))
    return v_opt / (2.0 * z + math.log1p(2.0 * z))


def log_normal_mixture(s: float, v: float, v_opt: float, delta: float) -> float:
    """One-sided normal mixture of a sum `s` that is sub-Gaussian with variance `v`."""
    rho = rho_of(v_opt, delta)
    scale = 0.5 * math.log(4.0 * rho / (v + rho)) + s * s / (2.0 * (v + rho))
    return float(scale + log_ndtr(s / math.sqrt(v + rho)))


def log_beta_binomial(k: float, n: float, p: float, v_opt: float, delta: float) -> float:
    """One-sided beta-binomial mixture of k successes of n against a rate of at most p."""
    g, h = p, 1.0 - p
    r = max(rho_of(v_opt, delta) - g * h, 1e-3 * g * h)

    def log_incomplete(a: float, b: float) -> float:
        share = float(betainc(a, b, h))
        return float(betaln(a, b)) + math.log(share) if share > 0.0 else -math.inf

    mixed = log_incomplete(r / g + n - k, r / h + k) - log_incomplete(r / g, r / h)
    return mixed - k * math.log(p) - (n - k) * math.log1p(-p)


def beta_binomial_lower(k: int, n: int, v_opt_of: Callable[[float], float], delta: float) -> float:
    """The lower bound of a rate, found by bisection."""
    low, high = 1e-9, max(k / n, 2e-9)
    for _ in range(40):
        middle = (low + high) / 2.0
        is_refuted = log_beta_binomial(k, n, middle, v_opt_of(middle), delta) >= -math.log(delta)
        low, high = (middle, high) if is_refuted else (low, middle)
    return low


# -- rows until a violation is proved --------------------------------------------------------------


class Case(NamedTuple):
    """The rates of one or two groups, their factors, and the limit on the weighted sum.

    `claimed` is the largest median of the number of rows per group that is claimed.
    """

    name: str
    rates: tuple[float, ...]
    factors: tuple[float, ...]
    limit: float
    claimed: int

    @property
    def excess(self) -> float:
        return float(np.dot(self.rates, self.factors)) - self.limit


CASES = (
    Case("PR <= .3, is .6", (0.6,), (1.0,), 0.3, 25),
    Case("PR <= .1, is .2", (0.2,), (1.0,), 0.1, 100),
    Case("PR <= .02, is .04", (0.04,), (1.0,), 0.02, 550),
    Case("gap <= .1, is .2 (.5, .3)", (0.5, 0.3), (1.0, -1.0), 0.1, 600),
    Case("gap <= .05, is .1 (.35, .25)", (0.35, 0.25), (1.0, -1.0), 0.05, 2100),
    Case("ratio >= .8, is .6 (.5, .3)", (0.5, 0.3), (0.8, -1.0), 0.0, 500),
)


def by_monitor(case: Case) -> Callable[[Counts, int], bool]:
    def proves(counts: Counts, n: int) -> bool:
        streams = [RateStream(int(k), n) for k in counts]
        return time_uniform_sum_lower(streams, case.factors, DELTA) > case.limit

    return proves


def by_normal_mixture(case: Case, n_opt: float) -> Callable[[Counts, int], bool]:
    """One row of each group at a time; their weighted sum is sub-Gaussian by Hoeffding's lemma."""
    variance = sum(factor * factor for factor in case.factors) / 4.0

    def proves(counts: Counts, n: int) -> bool:
        s = float(np.dot(counts, case.factors)) - n * case.limit
        return log_normal_mixture(s, n * variance, n_opt * variance, DELTA) >= -math.log(DELTA)

    return proves


def by_beta_binomial(case: Case, n_opt: float) -> Callable[[Counts, int], bool]:
    share = DELTA / len(case.rates)

    @cache
    def lower(k: int, n: int) -> float:
        return beta_binomial_lower(k, n, lambda p: n_opt * p * (1.0 - p), share)

    def proves(counts: Counts, n: int) -> bool:
        total = 0.0
        for k, factor in zip(counts.tolist(), case.factors, strict=True):
            end = lower(k, n) if factor > 0 else 1.0 - lower(n - k, n)
            total += factor * end
        return total > case.limit

    return proves


def rows_proved(
    case: Case, proves: Callable[[Counts, int], bool], n_streams: int, most: int
) -> tuple[float, float]:
    """The median and 80% quantile of the rows per group until a violation is proved."""
    rng, found = np.random.default_rng(0), []
    looks = np.unique(np.geomspace(5, most, 200).astype(np.int64))
    for _ in range(n_streams):
        counts = np.cumsum(rng.random((len(case.rates), most)) < np.array(case.rates)[:, None], 1)
        seen = ((int(look), counts[:, look - 1]) for look in looks)
        beyond = ((n, k) for n, k in seen if np.dot(k / n, case.factors) > case.limit)
        found.append(next((n for n, k in beyond if proves(k, n)), math.inf))
    return float(np.quantile(found, 0.5, method="higher")), float(
        np.quantile(found, POWER, method="higher")
    )


def rows_of_one_test(case: Case) -> float:
    """Rows per group of a single test: exact for one rate, by the normal distribution for two."""
    if len(case.rates) == 1:
        n = 5
        while True:
            k = binom.isf(DELTA, n, case.limit) + 1
            if binom.sf(k - 1, n, case.rates[0]) >= POWER:
                return float(n)
            n += 1
    variance = sum(f * f * p * (1 - p) for f, p in zip(case.factors, case.rates, strict=True))
    z = -float(ndtri(DELTA)) + float(ndtri(POWER))
    return math.ceil(z * z * variance / case.excess**2)


class MeanCase(NamedTuple):
    """Numbers of a beta distribution whose mean is above its limit."""

    shapes: tuple[float, float]
    limit: float
    claimed: int

    @property
    def mean(self) -> float:
        return self.shapes[0] / sum(self.shapes)

    @property
    def name(self) -> str:
        return f"mean <= {self.limit}, is {self.mean:g} of beta{self.shapes}"

    @property
    def variance(self) -> float:
        return self.mean * (1.0 - self.mean) / (1.0 + sum(self.shapes))


MEANS = (MeanCase((0.4, 3.6), 0.05, 40), MeanCase((4.0, 6.0), 0.2, 10))


def rows_of_a_mean(case: MeanCase, n_streams: int) -> tuple[float, list[float], list[float]]:
    """Rows of a single test (by a normal distribution), of the monitor, and of normal mixtures."""
    z = -float(ndtri(DELTA)) + float(ndtri(POWER))
    once = math.ceil(z * z * case.variance / (case.mean - case.limit) ** 2)
    rng, most, needed = np.random.default_rng(0), 60 * once + 200, -math.log(DELTA)
    looks = np.unique(np.geomspace(5, most, 200).astype(np.int64))
    found: list[tuple[float, float, float]] = []
    for _ in range(n_streams):
        rows = rng.beta(*case.shapes, most)
        sums = np.cumsum(rows - case.limit)
        weights = np.cumsum(
            [divided_between_edges(part) for part in np.split(rows, looks)[:-1]], axis=0
        )
        limit = np.array([case.limit])
        proved = (MeanStream(each).log_capital(limit)[0] >= needed for each in weights)
        ours = next((n for n, p in zip(looks, proved, strict=True) if p), math.inf)
        rivals = []
        for n_opt in (2.0 * once, 0.2 * once):
            logs = (log_normal_mixture(sums[n - 1], n / 4.0, n_opt / 4.0, DELTA) for n in looks)
            rivals.append(
                next((n for n, log in zip(looks, logs, strict=True) if log >= needed), math.inf)
            )
        found.append((float(ours), *map(float, rivals)))
    columns = np.array(found).T
    ours_at = [float(np.quantile(columns[0], q, method="higher")) for q in (0.5, POWER)]
    return once, ours_at, [float(np.median(column)) for column in columns[1:]]


# -- report ----------------------------------------------------------------------------------------


def report_alarms(n: int, n_streams: int) -> None:
    fewer = max(20, n_streams // 4)

    def skewed(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        return rng.beta(0.2, 3.8, size)

    runs = [
        ("rate .02, every row", n_streams, lambda s: alarms_of_a_rate(0.02, n, s, 1)),
        ("rate .5, every row", n_streams, lambda s: alarms_of_a_rate(0.5, n, s, 2)),
        ("rate .3, windows of 1,000", n_streams, lambda s: alarms_of_windows(0.3, n, s, 3)),
        ("gap .1 (.4, .3)", fewer, lambda s: alarms_of_a_sum((0.4, 0.3), (1, -1), n, s, 4)),
        ("gap .1 (.1, .0)", fewer, lambda s: alarms_of_a_sum((0.1, 0.0), (1, -1), n, s, 5)),
        ("ratio .8 (.3, .24)", fewer, lambda s: alarms_of_a_sum((0.3, 0.24), (0.8, -1), n, s, 6)),
        ("mean .05, beta(.2, 3.8)", n_streams, lambda s: alarms_of_a_mean(skewed, 0.05, n, s, 7)),
    ]
    print(f"False alarms at delta {DELTA}, streams of {n:,} rows (per group)")
    for name, streams, alarms in runs:
        share = alarms(streams) / streams
        error = math.sqrt(DELTA * (1.0 - DELTA) / streams)
        print(f"  {name:28} {share:.3f} of {streams} (delta + 3 errors: {DELTA + 3 * error:.3f})")
        assert share <= DELTA + 3.0 * error, name


def report_rows(n_streams: int) -> None:
    print(f"Rows per group until a violation is proved at delta {DELTA}: median / 80% quantile")
    print(f"  {'':30} {'one test':>9} {'monitor':>15} {'beta-binomial':>24} {'normal mixture':>24}")
    for case in CASES:
        once = rows_of_one_test(case)
        most = int(30 * once)
        median, tenth = rows_proved(case, by_monitor(case), n_streams, most)
        cells = [f"{once:9.0f}", f"{median:7.0f} /{tenth:6.0f}"]
        for rival in (by_beta_binomial, by_normal_mixture):
            found = [
                rows_proved(case, rival(case, tuned * 2 * once), n_streams, most)[0]
                for tuned in (1.0, 0.1)
            ]
            cells.append(f"{found[0]:9.0f}, mistuned {found[1]:5.0f}")
        print(f"  {case.name:30} {' '.join(cells)}")
        assert median <= 1.2 * case.claimed, case.name
    for mean in MEANS:
        once, (median, tenth), normal = rows_of_a_mean(mean, n_streams)
        rival = f"{normal[0]:9.0f}, mistuned {normal[1]:5.0f}"
        print(f"  {mean.name:46} {once:5.0f} {median:7.0f} /{tenth:6.0f} {rival}")
        assert median <= 1.2 * mean.claimed, mean.name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--steps", type=int, default=100_000)
    given = parser.parse_args()
    report_rows(max(20, given.streams // 4))
    report_alarms(given.steps, given.streams)

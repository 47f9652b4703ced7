"""The share of simulated samples of numbers that pass a test, for plans of safety rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._acceptance import Test
from sklearn_seldonian.certification._decide import passes
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.constraints import Atom, Estimand, ExclusiveColumns, fold, leaves
from sklearn_seldonian.measures import Range

Array = NDArray[np.float64]
# For each mean, its estimates in some samples and the variances of its numbers there.
Moments = Mapping[Estimand, tuple[Array, Array]]

# The smallest and the largest number of samples that a test is run on to learn its margin, and the
# number of rows that they have together. With many rows, all samples have about the same margin.
FEWEST_PILOTS, MOST_PILOTS = 8, 24
ROWS_OF_PILOTS = 50_000
# Margins are not learned if an estimate's distribution has a larger skewness, as with rare events.
SKEWED = 0.2
# With more rows of a mean than this, margins are learned from this many. They are as large, in
# standard errors.
ROWS_OF_A_PILOT = 100_000
# Where the margin is not learned, the test is run on this many samples, or on fewer if they have
# more rows than this together.
FEWEST_SAMPLES, MOST_SAMPLES, ROWS_OF_SAMPLES = 16, 256, 1_000_000
# The largest number of numbers that are drawn for one mean. If samples have more rows, their means
# and variances are those of fewer rows, moved nearer to the true ones.
MOST_NUMBERS = 2_000_000
# A beta distribution whose two shapes sum to less than the first of these is that of two points. If
# they sum to more than the second, all numbers are alike.
TWO_POINTS, ONE_POINT = 1e-6, 1e15


class Distribution(NamedTuple):
    """The distribution of numbers that a plan assumes: two moments, and a range.

    It is a beta distribution over the range, a gamma distribution if the range has one finite end,
    and a normal distribution if it has none.
    """

    mean: float
    deviation: float
    range: Range

    @classmethod
    def of_decisions(cls, rate: float) -> Distribution:
        """The distribution of zeros and ones."""
        return cls(rate, math.sqrt(rate * (1.0 - rate)), (0.0, 1.0))

    @property
    def largest_deviation(self) -> float:
        """The largest standard deviation of numbers in this range with this mean."""
        below, above = self.mean - self.range[0], self.range[1] - self.mean
        return math.sqrt(below * above) if below and above else 0.0

    @property
    def skewness(self) -> float:
        """The third moment of the numbers, in cubes of the standard deviation."""
        (low, high), variance = self.range, self.deviation**2
        if not variance or (math.isinf(low) and math.isinf(high)):
            return 0.0
        if math.isinf(low) or math.isinf(high):
            return 2.0 * self.deviation / (self.mean - (high if math.isinf(low) else low))
        leaning = (high - self.mean) - (self.mean - low)
        return 2.0 * leaning / self.deviation / (self._concentration + 2.0)

    @property
    def _concentration(self) -> float:
        """The sum of the two shapes of a beta distribution with these moments."""
        below, above = self.mean - self.range[0], self.range[1] - self.mean
        return below * above / self.deviation**2 - 1.0

    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Independent random numbers."""
        (low, high), variance = self.range, self.deviation**2
        if not variance:
            return np.full(shape, self.mean)
        if math.isinf(low) and math.isinf(high):
            return rng.normal(self.mean, self.deviation, shape)
        if math.isfinite(low) and math.isfinite(high):
            share = (self.mean - low) / (high - low)
            total = self._concentration
            if total > ONE_POINT:
                return np.full(shape, self.mean)
            if total < TWO_POINTS:
                return np.where(rng.random(shape) < share, high, low)
            return low + (high - low) * rng.beta(share * total, (1.0 - share) * total, shape)
        end, sign = (low, 1.0) if math.isfinite(low) else (high, -1.0)
        distance = abs(self.mean - end)
        if distance**2 / variance > ONE_POINT:
            return np.full(shape, self.mean)
        return end + sign * rng.gamma(distance**2 / variance, variance / distance, shape)


class Margin(NamedTuple):
    """The distance from an estimate to its bound: a linear function of the standard error."""

    slope: float
    constant: float
    residuals: Array

    @classmethod
    def fitted(cls, errors: Array, distances: Array) -> Margin:
        """The line by least squares, through the mean if the errors are all alike."""
        deviations, center = errors - errors.mean(), float(distances.mean())
        spread = float(deviations @ deviations)
        slope = float(deviations @ distances) / spread if spread else 0.0
        return cls(
            slope, center - slope * float(errors.mean()), distances - center - slope * deviations
        )

    def scaled(self, factor: float) -> Margin:
        """The margin of more rows: the same multiple of the standard error."""
        return Margin(self.slope, factor * self.constant, factor * self.residuals)

    def draws(self, errors: Array, rng: np.random.Generator) -> Array:
        """Random distances at some standard errors."""
        scatter = rng.choice(self.residuals, len(errors))
        return np.asarray(self.slope * errors + self.constant + scatter)


@dataclass(frozen=True)
class SimulatedSamples:
    """Random samples of safety rows, for means that share no rows.

    Attributes
    ----------
    means : mapping of Estimand to Distribution
        The means, with the distribution of the numbers behind them. Decisions are zeros and ones.
    trials : mapping of Estimand to int
        The number of rows of each mean.
    n_rows : int
        The number of safety rows.
    deterministic, method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    """

    means: Mapping[Estimand, Distribution]
    trials: Mapping[Estimand, int]
    n_rows: int
    deterministic: bool = True
    method: str = "auto"
    mutually_exclusive_columns: ExclusiveColumns = frozenset()

    def passing_share(self, tests: Sequence[Test], n_draws: int) -> float:
        """The share of samples that pass all `tests`.

        The tests themselves are run on a few samples. They show the margin between the estimate of
        a sum of means and its bound, as a linear function of the estimate's standard error. With
        this margin, the share is that of `n_draws` samples. If the margin varies much, because
        estimates are skewed, and for tests of other functions, the tests are run on all samples, of
        which there are fewer.
        """
        rng, most_rows = np.random.default_rng(0), max(self.trials.values())
        tested = dict.fromkeys(leaf for tree, delta in tests for leaf in leaves(tree, delta))
        skews = (of.skewness / math.sqrt(self.trials[mean]) for mean, of in self.means.items())
        are_sums = all(atom.linear is not None and not atom.is_ratio for atom, _ in tested)
        if not are_sums or max(map(abs, skews)) > SKEWED:
            n_samples = min(MOST_SAMPLES, max(FEWEST_SAMPLES, ROWS_OF_SAMPLES // most_rows))
            samples = (self._evidence(rng) for _ in range(n_samples))
            passed = [all(passes(t, seen, d, self.method) for t, d in tests) for seen in samples]
            return float(np.mean(passed))
        margins, moments = self._margins(list(tested), rng), self._moments(n_draws, rng)

        def atom_passes(atom: Atom, delta: float) -> NDArray[np.bool_]:
            value, error = self._value(atom, moments)
            return np.asarray(value + margins[atom, delta].draws(error, rng) <= 0.0)

        each = [fold(tree, atom_passes, _all_of, _any_of, delta) for tree, delta in tests]
        return float(np.mean(np.logical_and.reduce(each)))

    def _margins(
        self, tested: Sequence[tuple[Atom, float]], rng: np.random.Generator
    ) -> dict[tuple[Atom, float], Margin]:
        """The margin of each test, from a few samples."""
        fewer = {mean: min(n, ROWS_OF_A_PILOT) for mean, n in self.trials.items()}
        pilot = replace(self, trials=fewer, n_rows=max(fewer.values()))
        few = ROWS_OF_PILOTS // max(self.trials.values())
        n_pilots = min(max(few, FEWEST_PILOTS), MOST_PILOTS)
        samples = [pilot._evidence(rng) for _ in range(n_pilots)]
        seen = pilot._moments_of(samples)
        true = {mean: (of.mean, of.deviation**2) for mean, of in self.means.items()}
        once = {mean: (np.array([m]), np.array([v])) for mean, (m, v) in true.items()}
        found = {}
        for atom, delta in tested:
            (error,), (error_of_pilot,) = self._value(atom, once)[1], pilot._value(atom, once)[1]
            factor = error / error_of_pilot if error_of_pilot else 1.0
            methods = (method_for(atom, sample, self.method) for sample in samples)
            uppers = np.array([method.upper(delta) for method in methods])
            margin = Margin(0.0, math.inf, np.zeros(1))
            if np.isfinite(uppers).all():  # otherwise no test exists
                value, errors = pilot._value(atom, seen)
                margin = Margin.fitted(errors, uppers - value)
            found[atom, delta] = margin.scaled(float(factor))
        return found

    def _value(self, atom: Atom, moments: Moments) -> tuple[Array, Array]:
        """The estimate of a sum of means in each sample, and its standard error."""
        assert atom.linear is not None
        nothing = np.zeros(len(next(iter(moments.values()))[0]))
        of_each = list(zip(atom.estimands, atom.linear.weights, strict=True))
        value = sum((w * moments[m][0] for m, w in of_each), start=nothing + atom.linear.constant)
        variance = sum((w**2 * moments[m][1] / self.trials[m] for m, w in of_each), start=nothing)
        return value, np.sqrt(variance)

    def _moments(self, n_draws: int, rng: np.random.Generator) -> Moments:
        """The moments of `n_draws` samples."""
        moments = {}
        for mean, of in self.means.items():
            n = self.trials[mean]
            n_drawn = min(n, max(2, MOST_NUMBERS // n_draws))
            values = of.draws((n_draws, n_drawn), rng)
            nearer, true = math.sqrt(n_drawn / n), (of.mean, of.deviation**2)
            seen = values.mean(axis=1), values.var(axis=1)
            estimate, variance = (t + nearer * (s - t) for s, t in zip(seen, true, strict=True))
            moments[mean] = estimate, np.maximum(variance, 0.0)
        return moments

    def _evidence(self, rng: np.random.Generator) -> Evidence:
        """The evidence of one sample."""
        values = {mean: of.draws((self.trials[mean],), rng) for mean, of in self.means.items()}

        def variance(estimands: Sequence[Estimand], slopes: Sequence[float]) -> float:
            pairs = zip(estimands, slopes, strict=True)
            return sum(
                a**2 * float(values[m].var()) * self.n_rows / len(values[m]) for m, a in pairs
            )

        return Evidence(
            {mean: Sample(float(x.sum()), len(x), len(x)) for mean, x in values.items()},
            deterministic=self.deterministic,
            mutually_exclusive_columns=self.mutually_exclusive_columns,
            n_rows=self.n_rows,
            variance=variance,
            row_values=lambda mean, weight, constant: weight * values[mean] + constant,
            ranges={mean: of.range for mean, of in self.means.items()},
        )

    def _moments_of(self, samples: Sequence[Evidence]) -> Moments:
        """The moments of some samples."""

        def of(mean: Estimand, n: int) -> tuple[Array, Array]:
            variances = [seen.influence_variance([mean], [1.0]) for seen in samples]
            estimates = [seen.samples[mean].estimate for seen in samples]
            return np.array(estimates), np.array(variances) * n / self.n_rows

        return {mean: of(mean, n) for mean, n in self.trials.items()}


def _all_of(verdicts: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce(list(verdicts)))


def _any_of(verdicts: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce(list(verdicts)))

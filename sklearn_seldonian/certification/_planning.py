"""The probability of passing a safety test, and the number of safety rows that it takes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import product, starmap
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_seldonian.certification._acceptance import (
    AcceptanceSet,
    Counts,
    RateLimits,
    Test,
    is_rate_limit,
)
from sklearn_seldonian.certification._draws import (
    binomial_cdf,
    correlations,
    drawn_counts,
    weighted_counts,
)
from sklearn_seldonian.certification._evidence import Evidence, has_finite_ranges
from sklearn_seldonian.certification._method import BETTING, ON_UNITS
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.certification._search import MAX_ROWS, smallest, smallest_near
from sklearn_seldonian.certification._simulated_samples import Distribution, SimulatedSamples
from sklearn_seldonian.constraints import (
    Atom,
    Estimand,
    ExclusiveColumns,
    Or,
    Tree,
    are_independent,
    atoms_of,
    dual,
    estimate,
    fold,
    fold_numbers,
    independent,
    levels_in,
    parts_of_and,
    shares,
)
from sklearn_seldonian.measures import Rate

Array = NDArray[np.float64]

# The largest distance from a whole number that counts as a rounding error.
ROUNDING = 1e-9
# For groups with fewer rows than this, the number of rows is treated as random.
SMALL_GROUP = 100
# The number of tables drawn for a probability, for a number of rows, and for a number of rows that
# accompanies a result. The standard error of a probability is at most .008, .016 and .03.
DRAWS = 4096
DRAWS_FOR_ROWS = 1024
DRAWS_IN_PASSING = 256
# If tests of tables are slow, the number of draws is divided by this.
SLOWER = 4


@dataclass(frozen=True)
class Plan:
    """Constraints over rates of decisions, and the rates that the tested model is expected to have.

    Attributes
    ----------
    tests : sequence of (Tree, float)
        The constraints, each with its delta.
    rates : mapping of Estimand to float
        The true rates, or estimates of them.
    shares : mapping of Estimand to float
        The share of the safety rows that each rate is over.
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    n_draws : int, default=4096
        How many random tables are drawn.
    means : mapping of Estimand to Distribution, default={}
        The means of numbers among the rates, with the distribution of the numbers.
    """

    tests: Sequence[Test]
    rates: Mapping[Estimand, float]
    shares: Mapping[Estimand, float]
    method: str = "auto"
    mutually_exclusive_columns: ExclusiveColumns = frozenset()
    n_draws: int = DRAWS
    means: Mapping[Estimand, Distribution] = field(default_factory=dict)
    _shares: dict[Hashable, float] = field(default_factory=dict)
    _correlations: dict[tuple[Estimand, ...], Array | None] = field(default_factory=dict)

    def passing_probability(self, n_rows: int) -> float:
        """The probability that all constraints pass together on `n_rows` safety rows.

        Each rate is over ``int(n_rows * share)`` rows. With several rates, the number of rows of
        the smallest group is random if it is small. The constraints are divided into parts whose
        estimates are independent, and the probabilities of the parts are multiplied. The
        probability of a part over one rate is the binomial probability of the counts that its test
        accepts. The probability of a part over several rates is the share of random tables that
        pass. The tables are drawn with a fixed seed; rates that share rows vary together as
        `correlations` says. If a part has means of numbers, it is tested on `SimulatedSamples`;
        different means, and means and rates, are taken as independent.
        """
        return sum(
            weight * self._probability(trials, n_rows) for weight, trials in self._sizes(n_rows)
        )

    def sufficient_rows(self, power: float) -> int | None:
        """The number of safety rows with which all constraints pass with probability `power`.

        For one limit on one rate, it is the smallest number whose `passing_probability` is at least
        `power`. A larger number may have a smaller probability, because counts are whole. For all
        other constraints the result is accurate to two parts in a hundred, and if tables are drawn,
        to within their error.

        Returns
        -------
        int or None
            None if no number of rows suffices, because the rates violate a constraint or meet it
            exactly, or the method is "exact" and a range is not finite, or if the number is above
            100 million.
        """
        estimands = _means_of(self.tests)
        has_test = self.method != "exact" or has_finite_ranges(estimands)
        has_rows = all(self.shares[estimand] for estimand in estimands)
        if not (has_test and has_rows) or not all(self._holds(tree) for tree, _ in self.tests):
            return None
        parts = _parts(self.tests)
        if len(parts) == 1 and self._is_rate_limit(parts[0][0]) and self.method != "ttest":
            return self._rows_for_one_limit(*parts[0], power)
        normal = partial(self._normal_rows, power=power)
        guess = max(fold_numbers(tree, normal, delta) for tree, delta in parts)
        return smallest_near(
            min(guess, MAX_ROWS), lambda n_rows: self.passing_probability(n_rows) >= power
        )

    def _sizes(self, n_rows: int) -> Iterator[tuple[float, dict[Estimand, int]]]:
        """The number of rows of each estimand, with its probability.

        The size of a small group is random, which costs power if there are other rates. The three
        sizes have the moments of a normal number of rows (Gauss-Hermite quadrature).
        """
        trials = rows_in(self.shares, n_rows)
        estimands = _means_of(self.tests)
        least = min((self.shares[estimand] for estimand in estimands), default=1.0)
        is_small = n_rows * least < SMALL_GROUP and least < 1.0
        if len(estimands) < 2 or not is_small or self.n_draws < DRAWS_FOR_ROWS:
            yield 1.0, trials
            return
        spread = math.sqrt(3.0 * n_rows * least * (1.0 - least))
        smallest_groups = [m for m, share in self.shares.items() if share == least]
        for weight, deviation in ((1 / 6, -spread), (2 / 3, 0.0), (1 / 6, spread)):
            rows = min(n_rows, max(0, round(n_rows * least + deviation)))
            yield weight, trials | dict.fromkeys(smallest_groups, rows)

    def _probability(self, trials: Mapping[Estimand, int], n_rows: int) -> float:
        """The probability that all tests pass if each estimand has this number of rows."""
        if not all(trials[estimand] for estimand in _means_of(self.tests)):
            return 0.0
        acceptance = AcceptanceSet(
            trials,
            self.method,
            self.mutually_exclusive_columns,
            n_rows,
            corrected=self.n_draws >= DRAWS_FOR_ROWS,
        )
        limits, blocks = self._own_blocks
        of_blocks = (self._block_passes(block, acceptance) for block in blocks)
        return math.prod([*acceptance.limits_pass(limits, self.rates).tolist(), *of_blocks])

    @cached_property
    def _own_blocks(self) -> tuple[list[RateLimits], list[list[Test]]]:
        """The parts of all constraints in independent blocks: of limits on one rate, and others."""
        limits, others = list[RateLimits](), []
        for block in self._blocks(_parts(self.tests)):
            own = [(tree, d) for tree, d in block if self._is_rate_limit(tree)]
            if len(own) == len(block) and len({tree.estimands for tree, _ in own}) == 1:
                limits.append(own)
            else:
                others.append(block)
        return limits, others

    def _is_rate_limit(self, tree: Tree) -> TypeGuard[Atom]:
        """Whether `tree` is a limit on one rate of decisions."""
        return is_rate_limit(tree) and not self.means.keys() & tree.estimands

    def _variance_of(self, estimand: Estimand) -> float:
        """The variance of the numbers behind a mean, or of the zeros and ones behind a rate."""
        if estimand in self.means:
            return self.means[estimand].deviation ** 2
        return self.rates[estimand] * (1.0 - self.rates[estimand])

    def _block_passes(self, block: Sequence[Test], acceptance: AcceptanceSet) -> float:
        tree, delta = block[0]
        if len(block) == 1 and isinstance(tree, Or):
            children = shares(tree, delta)
            if len(self._blocks(children)) == len(children):
                parts = (self._blocks(_parts([child])) for child in children)
                passed = (math.prod(self._block_passes(b, acceptance) for b in of) for of in parts)
                return 1.0 - math.prod(1.0 - probability for probability in passed)
        estimands = _means_of(block)
        trials = {estimand: acceptance.trials[estimand] for estimand in estimands}
        if self.means.keys() & estimands:
            return self._numbers_pass(block, trials, acceptance.n_rows)
        acceptance = replace(
            acceptance,
            trials=trials,
            correlation=self._correlation(estimands),
        )
        counts, weights = self._tables(block, acceptance)
        return min(1.0, math.fsum(weights[acceptance.passes(block, counts)]))

    def _numbers_pass(
        self, block: Sequence[Test], trials: Mapping[Estimand, int], n_rows: int
    ) -> float:
        """The probability that a block with means of numbers passes; the same for equal groups."""
        means = {
            mean: self.means.get(mean) or Distribution.of_decisions(self.rates[mean])
            for mean in trials
        }
        deterministic = not any(isinstance(mean.quantity, Rate) for mean in self.means)
        samples = SimulatedSamples(
            means, trials, n_rows, deterministic, self.method, self.mutually_exclusive_columns
        )
        (tree, delta), *others = block
        test: Hashable = tuple(block)
        if not others and isinstance(tree, Atom) and tree.linear is not None:
            test = tree.linear, tree.is_ratio, delta  # the same in each of some equal groups
        key = test, *means.values(), *trials.values(), n_rows, self.n_draws
        if key not in self._shares:
            self._shares[key] = samples.passing_share(block, self.n_draws)
        return self._shares[key]

    def _blocks(self, tests: Sequence[Test]) -> list[list[Test]]:
        """The tests in groups that share no rates and no rows."""
        blocks: list[list[Test]] = []
        for group in _apart(tests):
            found: list[list[Test]] = []
            for test in group:
                own = [block for block in found if self._are_connected(block, [test])]
                joined = [other for block in own for other in block] + [test]
                found = [block for block in found if block not in own] + [joined]
            blocks += found
        return blocks

    def _are_connected(self, some: Sequence[Test], others: Sequence[Test]) -> bool:
        def are_connected(one: Estimand, other: Estimand) -> bool:
            are_counts = one not in self.means and other not in self.means
            shares_rows = not independent(one, other, self.mutually_exclusive_columns)
            return one == other or (are_counts and shares_rows)

        return any(starmap(are_connected, product(_means_of(some), _means_of(others))))

    def _tables(self, block: Sequence[Test], acceptance: AcceptanceSet) -> tuple[Counts, Array]:
        """Tables of counts of a block's rates, and their probabilities."""
        atoms = [atom for tree, _ in block for atom in atoms_of(tree)]
        is_slow = any(acceptance.is_slow(atom) for atom in atoms)
        n_draws = self.n_draws // SLOWER if is_slow else self.n_draws
        rates = {estimand: self.rates[estimand] for estimand in acceptance.trials}
        if not rates:
            return {}, np.ones(1)
        if len(rates) == 1:
            ((estimand, rate),) = rates.items()
            n_most = n_draws if is_slow else MAX_ROWS
            counts, weights = weighted_counts(acceptance.trials[estimand], rate, n_most)
            return {estimand: counts}, weights
        drawn = drawn_counts(rates, acceptance.trials, acceptance.correlation, n_draws)
        return drawn, np.full(n_draws, 1.0 / n_draws)

    def _correlation(self, estimands: tuple[Estimand, ...]) -> Array | None:
        """The correlations between the estimates of these rates; None if they are independent."""
        if estimands not in self._correlations:
            rates = {estimand: self.rates[estimand] for estimand in estimands}
            exclusive = self.mutually_exclusive_columns
            are_apart = are_independent(estimands, exclusive)
            self._correlations[estimands] = (
                None if are_apart else correlations(rates, self.shares, exclusive)
            )
        return self._correlations[estimands]

    def _holds(self, tree: Tree) -> bool:
        """Whether a constraint holds strictly at the rates themselves."""

        def atom_holds(atom: Atom, _delta: float) -> bool:
            rates = {estimand: self.rates[estimand] for estimand in atom.estimands}
            return not rates or estimate(atom.expression, rates) < 0

        return fold(tree, atom_holds, all, any)

    def _normal_rows(self, atom: Atom, delta: float, power: float) -> float:
        """How many rows an atom needs, by a normal approximation."""
        if not atom.estimands:
            return 0.0
        rates = {estimand: self.rates[estimand] for estimand in atom.estimands}
        point = dual(atom.expression, rates)
        variance = sum(
            slope**2 * self._variance_of(estimand) / self.shares[estimand]
            for estimand, slope in zip(rates, point.gradient.tolist(), strict=True)
        )
        return _rows_for_width(point.value, variance, float(ndtri(1.0 - delta) + ndtri(power)))

    def _rows_for_one_limit(self, atom: Tree, delta: float, power: float) -> int | None:
        """The smallest number of rows with which a limit on one rate passes with this `power`.

        Call the successes events, or the failures if the rate must not be too low. A sample with k
        events passes if it has at least n(k) trials. All numbers of trials from n(k) to n(k + 1) -
        1 pass with up to k events, and n(k) makes that most likely. So the smallest number is some
        n(k), and the first k is wanted whose n(k) has enough power. n(k) is rounded to a whole
        number, so its power need not rise with k. Therefore smaller k than the one found by
        bisection are tried too, down to where the rounding of n(k) matters less than one event.
        """
        assert isinstance(atom, Atom)
        assert atom.linear is not None
        (estimand,), (weight,) = atom.estimands, atom.linear.weights
        rate, limit = self.rates[estimand], -atom.linear.constant / weight
        if weight < 0:
            rate, limit = 1.0 - rate, 1.0 - limit

        def passes_in(events: int, trials: int) -> bool:
            table = {estimand: float(events if weight > 0 else trials - events)}
            return AcceptanceSet({estimand: trials}, self.method).accepts(atom, table, delta)

        @cache
        def trials_for(events: int) -> int | None:
            near = max(events, math.floor(events / min(limit, 1.0)))
            return smallest(partial(passes_in, events), near)

        def suffices(events: int) -> bool:
            trials = trials_for(events)
            return trials is None or bool(binomial_cdf(np.array(events), trials, rate) >= power)

        most = smallest(suffices, -1)
        if most is None:
            return None
        room = math.ceil(2.0 * rate * limit / max(limit - rate, 1e-12)) + 3
        trials = trials_for(next(filter(suffices, range(max(0, most - room), most + 1))))
        return None if trials is None else math.ceil((trials - ROUNDING) / self.shares[estimand])


def projected_rows(
    tree: Tree, evidence: Evidence, delta: float, power: float, method: str = "auto"
) -> int | None:
    r"""About how many rows `tree` needs to pass with probability `power`, by what `evidence` shows.

    This is for means of numbers, whose tests have no closed form. The estimate h is below zero, one
    row has the standard deviation s, and n rows gave a bound of width w. The width with m rows is
    then approximated by

    .. math:: c s / \sqrt m + (w n - c s \sqrt n)_+ / m,

    For betting and for asymptotic tests, c is the normal quantile: with many rows a betting bound
    is about as wide as a normal one. For other tests c is :math:`\sqrt{2 \log(1 / \delta)}`, as in
    Bernstein's bounds. An AND needs the largest number of rows among its children, an OR the
    smallest.

    Parameters
    ----------
    tree, evidence, delta, method
        As in `safety_test`.
    power : float in (0, 1)

    Returns
    -------
    int or None
        None if no number of rows suffices, or if the number is not known.
    """

    def projected(atom: Atom, delta: float) -> float:
        if not atom.estimands:
            return 0.0 if estimate(atom.expression, {}) <= 0 else math.inf
        seen = evidence.of(atom.estimands)
        points = [
            (dual(atom.expression, each.estimates(atom.estimands)), each)
            for each in seen.populations or (seen,)
        ]
        point, worst = max(points, key=lambda pair: pair[0].value)
        if not point.value < 0:
            return math.inf
        test, n = method_for(atom, evidence, method), evidence.n_rows
        variance = worst.influence_variance(atom.estimands, point.gradient.tolist())
        is_normal = test.name in (BETTING, *ON_UNITS) or test.guarantee == "asymptotic"
        deviations = float(-ndtri(delta)) if is_normal else math.sqrt(-2.0 * math.log(delta))
        upper = test.upper if test.name not in ON_UNITS else test.approximate_upper or test.upper
        rest = (upper(delta) - point.value) * n - deviations * _root(variance) * math.sqrt(n)
        return _rows_for_width(point.value, variance, deviations + float(ndtri(power)), rest)

    rows = fold_numbers(tree, projected, delta)
    return math.ceil(rows) if rows <= MAX_ROWS else None


def _rows_for_width(value: float, variance: float, deviations: float, rest: float = 0.0) -> float:
    """The rows m in which ``deviations * sqrt(variance / m) + rest / m`` is as wide as -`value`."""
    if not (value < 0 and math.isfinite(variance) and math.isfinite(rest)):
        return math.inf
    spread, rest = deviations * _root(variance), max(rest, 0.0)
    # The larger root of m value + sqrt(m) spread + rest = 0.
    root = (spread + math.sqrt(spread**2 - 4.0 * value * rest)) / (-2.0 * value)
    return root**2


def _root(variance: float) -> float:
    """The square root, where a variance that rounding made negative counts as 0."""
    return math.sqrt(max(variance, 0.0))


def rows_in(shares: Mapping[Estimand, float], n_rows: int) -> dict[Estimand, int]:
    """The number of whole rows in each share of `n_rows`, safe against rounding errors."""
    return {estimand: int(n_rows * share + ROUNDING) for estimand, share in shares.items()}


def _apart(tests: Sequence[Test]) -> list[list[Test]]:
    """The tests in groups that concern different levels of one column, and so share no rows.

    All tests form one group if there is no column that fixes a level in each of their estimands.
    """
    levels = [_levels_of(test) for test in tests]
    columns = set.intersection(*(set(own) for own in levels)) if levels else set()
    if not columns:
        return [list(tests)]
    column = min(columns)
    groups: dict[int, set[int]] = {}
    group_of: dict[object, int] = {}
    for position, own in enumerate(levels):
        near = {group_of[level] for level in own[column] if level in group_of}
        groups[position] = {position}.union(*(groups.pop(one) for one in near))
        joined = {level for i in groups[position] for level in levels[i][column]}
        group_of.update(dict.fromkeys(joined, position))
    return [[tests[i] for i in sorted(members)] for members in groups.values()]


def _levels_of(test: Test) -> dict[str, set[object]]:
    """For each column that all estimands of a test compare by ``==``, the levels they name."""
    found = [levels_in(estimand) for estimand in _means_of([test])]
    common = set.intersection(*map(set, found)) if found else set()
    return {column: {own[column] for own in found} for column in common}


def _means_of(tests: Sequence[Test]) -> tuple[Estimand, ...]:
    atoms = (atom for tree, _ in tests for atom in atoms_of(tree))
    return tuple(dict.fromkeys(estimand for atom in atoms for estimand in atom.estimands))


def _parts(tests: Sequence[Test]) -> list[Test]:
    """The parts that must all pass for all `tests` to pass."""
    return [part for tree, delta in tests for part in parts_of_and(tree, delta)]

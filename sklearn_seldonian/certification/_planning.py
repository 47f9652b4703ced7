"""How probable it is to pass a safety test, and how many safety rows that takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_seldonian.certification._acceptance import (
    AcceptanceSet,
    Variance,
    Variances,
    is_rate_limit,
)
from sklearn_seldonian.certification._draws import (
    binomial_cdf,
    correlations,
    drawn_counts,
    likely_counts,
)
from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.certification._safety_test import passes
from sklearn_seldonian.constraints import (
    Atom,
    Estimand,
    ExclusiveColumns,
    Or,
    Tree,
    atoms_of,
    dual,
    estimate,
    fold,
    fold_numbers,
    independent,
    parts_of_and,
    shares,
)

Array = NDArray[np.float64]
# A constraint and its delta.
Test = tuple[Tree, float]

MAX_ROWS = 10**8
# Numbers of rows are worth knowing to within two parts in a hundred.
ACCURACY = 1.02
# By how much rounding may take a product from a whole number.
ROUNDING = 1e-9
# Groups of fewer rows are taken to have a random number of them.
SMALL_GROUP = 100
# Tables drawn for a probability, for a number of rows, and for one that is told in passing: the
# standard error of a probability is at most .008, .016 and .03.
DRAWS = 4096
DRAWS_FOR_ROWS = 1024
DRAWS_IN_PASSING = 256
# By how much fewer are drawn where each has to be tested on its own.
SLOWER = 4
# By how much numbers of rows are changed in a search before they are halved.
STEP = 1.5


def passing_probability(
    tests: Sequence[Test],
    rates: Mapping[Estimand, float],
    shares: Mapping[Estimand, float],
    n_rows: int,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
    n_draws: int = DRAWS,
) -> float:
    """How probable it is that constraints pass all together on `n_rows` safety rows.

    Each rate is over ``int(n_rows * share)`` rows; of several, the smallest group has a random
    number of rows where these are few. Parts of the constraints that no rates of
    dependent estimates connect pass independently of each other, and their probabilities are
    multiplied. A part over one rate has the binomial probability of the counts that its test
    accepts, summed up. A part over several has the share of tables that pass among tables drawn
    with a fixed seed, by the edges of `AcceptanceSet`; rates that share rows vary together as
    `correlations` has it.

    Parameters
    ----------
    tests : sequence of (Tree, float)
        Constraints over rates of decisions, each with its delta.
    rates : mapping of Estimand to float
        The true rates, or estimates of them.
    shares : mapping of Estimand to float
        Which share of the safety rows each mean is over.
    n_rows : int
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    n_draws : int, default=4096
        How many tables are drawn.

    Returns
    -------
    float
    """
    return _Plan(rates, shares, method, mutually_exclusive_columns, n_draws).probability(
        tests, n_rows
    )


def sufficient_rows(
    tests: Sequence[Test],
    rates: Mapping[Estimand, float],
    shares: Mapping[Estimand, float],
    power: float,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
    n_draws: int = DRAWS_FOR_ROWS,
) -> int | None:
    """How many safety rows let constraints pass all together with probability `power`.

    For one limit on one rate it is the smallest number whose `passing_probability` is at least
    `power`; more rows may have less, since counts are whole. For anything else it is found to
    within two parts in a hundred, and where tables are drawn to within their error.

    Parameters
    ----------
    tests, rates, shares, method, mutually_exclusive_columns, n_draws
        As in `passing_probability`.
    power : float in (0, 1)

    Returns
    -------
    int or None
        None where no number of rows suffices, since the rates violate a constraint or leave it no
        room, or where it is more than 100 million.
    """
    if not all(_holds(tree, rates) for tree, _ in tests):
        return None
    if not all(shares[estimand] for estimand in _means_of(tests)):
        return None
    plan = _Plan(rates, shares, method, mutually_exclusive_columns, n_draws)
    parts = _parts(tests)
    if len(parts) == 1 and is_rate_limit(parts[0][0]) and method != "ttest":
        return _rows_for_one_limit(parts[0], plan, power)
    needed = partial(plan.normal_rows, power=power)
    guess = max(fold_numbers(tree, needed, delta) for tree, delta in parts)
    return _smallest_near(
        min(guess, MAX_ROWS), lambda n_rows: plan.probability(parts, n_rows) >= power
    )


def projected_rows(
    tree: Tree, evidence: Evidence, delta: float, power: float, method: str = "auto"
) -> int | None:
    r"""About how many rows let `tree` pass with probability `power`, if `evidence` were the truth.

    For means of numbers, whose tests have no closed form: from n rows, estimate h below zero, one
    row's standard deviation s and the width w of the bound, the width in m rows is taken for

    .. math:: c s / \sqrt m + (w n - c s \sqrt n)_+ / m,

    where c is :math:`\sqrt{2 \log(1 / \delta)}` for finite-sample tests and the normal quantile for
    asymptotic ones: what a bound of Bernstein's kind is wide. An AND takes what its neediest child
    does, an OR what its easiest.

    Parameters
    ----------
    tree, evidence, delta, method
        As in `safety_test`.
    power : float in (0, 1)

    Returns
    -------
    int or None
        None where no number of rows suffices or it cannot be said.
    """
    projected = partial(_projected, evidence=evidence, power=power, method=method)
    rows = fold_numbers(tree, projected, delta)
    return math.ceil(rows) if rows <= MAX_ROWS else None


def _projected(atom: Atom, delta: float, evidence: Evidence, power: float, method: str) -> float:
    if not atom.estimands:
        return 0.0 if estimate(atom.expression, {}) <= 0 else math.inf
    point = dual(atom.expression, evidence.estimates(atom.estimands))
    test = method_for(atom, evidence, method)
    width = test.upper(delta) - point.value
    if not (point.value < 0 and math.isfinite(width)):
        return math.inf
    variance = evidence.influence_variance(atom.estimands, point.gradient.tolist())
    if not math.isfinite(variance):
        return math.inf
    finite = test.guarantee != "asymptotic"
    deviations = math.sqrt(-2.0 * math.log(delta)) if finite else float(ndtri(1.0 - delta))
    spread, n = math.sqrt(max(variance, 0.0)), evidence.n_rows
    rest = max(0.0, width * n - deviations * spread * math.sqrt(n))
    shared = (deviations + float(ndtri(power))) * spread
    # The larger root of m h + sqrt(m) shared + rest = 0.
    root = (shared + math.sqrt(shared**2 - 4.0 * point.value * rest)) / (-2.0 * point.value)
    return float(root**2)


def smallest(suffices: Callable[[int], bool], start: int) -> int | None:
    """The smallest number above `start` that `suffices`, if all larger ones do.

    None where it is above `MAX_ROWS`.
    """
    low, high = start, 2 * start + 16
    while not suffices(high):
        low, high = high, 2 * high
        if high > MAX_ROWS:
            return None
    return _halved(suffices, low, high, 1.0)


def _smallest_near(guess: float, suffices: Callable[[int], bool]) -> int | None:
    """About the smallest number that `suffices`, which may be near `guess`."""
    low = high = max(math.ceil(guess), 8)
    if not suffices(high):
        while True:
            low, high = high, math.ceil(high * STEP)
            if high > MAX_ROWS:
                return None
            if suffices(high):
                return _halved(suffices, low, high, ACCURACY)
    while high > 1:
        low = int(high / STEP)
        if not suffices(low):
            return _halved(suffices, low, high, ACCURACY)
        high = low
    return high


def _halved(suffices: Callable[[int], bool], low: int, high: int, accuracy: float) -> int:
    """The smallest number that suffices, between one that does not and one that does."""
    while high > low * accuracy and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


class _Plan:
    """What is expected of a model, and how it will be tested."""

    def __init__(
        self,
        rates: Mapping[Estimand, float],
        shares: Mapping[Estimand, float],
        method: str,
        mutually_exclusive_columns: ExclusiveColumns,
        n_draws: int,
    ) -> None:
        self.rates, self.shares = rates, shares
        self.method, self.mutually_exclusive_columns, self.n_draws = (
            method,
            mutually_exclusive_columns,
            n_draws,
        )
        self._correlations: dict[tuple[Estimand, ...], Array] = {}

    def probability(self, tests: Sequence[Test], n_rows: int) -> float:
        """That all `tests` pass on `n_rows` rows."""
        sizes = self._sizes(_means_of(tests), n_rows)
        return sum(weight * self._with_trials(tests, n_rows, trials) for weight, trials in sizes)

    def _sizes(
        self, estimands: Sequence[Estimand], n_rows: int
    ) -> Iterator[tuple[float, dict[Estimand, int]]]:
        """The rows of each mean, and how probable they are.

        A small group is larger or smaller by chance, which costs power beside other rates. The
        three sizes have the moments of a normal number of rows (Gauss and Hermite).
        """
        trials = {estimand: rows_of(n_rows, share) for estimand, share in self.shares.items()}
        least = min((self.shares[estimand] for estimand in estimands), default=1.0)
        is_small = n_rows * least < SMALL_GROUP and least < 1.0
        if len(estimands) < 2 or not is_small or self.n_draws < DRAWS_FOR_ROWS:
            yield 1.0, trials
            return
        spread = math.sqrt(3.0 * n_rows * least * (1.0 - least))
        for weight, deviations in ((1 / 6, -spread), (2 / 3, 0.0), (1 / 6, spread)):
            rows = min(n_rows, max(0, round(n_rows * least + deviations)))
            is_least = {estimand for estimand in trials if self.shares[estimand] == least}
            yield (
                weight,
                {estimand: rows if estimand in is_least else n for estimand, n in trials.items()},
            )

    def _with_trials(
        self, tests: Sequence[Test], n_rows: int, trials: Mapping[Estimand, int]
    ) -> float:
        """That all `tests` pass where each mean has so many rows."""
        if not all(trials[estimand] for estimand in _means_of(tests)):
            return 0.0
        corrected = self.n_draws >= DRAWS_FOR_ROWS
        acceptance = AcceptanceSet(
            trials, self.method, self.mutually_exclusive_columns, n_rows, corrected
        )
        return self._all_pass(tests, acceptance)

    def _all_pass(self, tests: Sequence[Test], acceptance: AcceptanceSet) -> float:
        blocks = self._blocks(_parts(tests))
        return math.prod(self._block_passes(block, acceptance) for block in blocks)

    def _block_passes(self, block: Sequence[Test], acceptance: AcceptanceSet) -> float:
        estimands = _means_of(block)
        if len(estimands) <= 1:
            return self._summed(block, acceptance)
        tree, delta = block[0]
        if len(block) == 1 and isinstance(tree, Or):
            children = shares(tree, delta)
            if len(self._blocks(children)) == len(children):
                fails = (1.0 - self._all_pass([child], acceptance) for child in children)
                return 1.0 - math.prod(fails)
        return self._simulated(block, acceptance)

    def _blocks(self, tests: Sequence[Test]) -> list[list[Test]]:
        """The tests in groups that share no rates and no rows."""
        blocks: list[list[Test]] = []
        for test in tests:
            own = [block for block in blocks if self._are_connected(block, [test])]
            joined = [other for block in own for other in block] + [test]
            blocks = [block for block in blocks if block not in own] + [joined]
        return blocks

    def _are_connected(self, some: Sequence[Test], others: Sequence[Test]) -> bool:
        return any(
            one == other or not independent(one, other, self.mutually_exclusive_columns)
            for one in _means_of(some)
            for other in _means_of(others)
        )

    def _summed(self, block: Sequence[Test], acceptance: AcceptanceSet) -> float:
        """The probability of the counts of one rate that pass."""
        estimands = _means_of(block)
        if not estimands:
            return float(all(acceptance.accepts(tree, {}, delta) for tree, delta in block))
        (estimand,) = estimands
        n, rate = acceptance.trials[estimand], self.rates[estimand]
        counts = likely_counts(n, rate)
        asked = counts
        if self._is_slow(block, acceptance):  # what lies between is taken to pass as its neighbour
            asked = counts[
                np.linspace(0, len(counts) - 1, self.n_draws // SLOWER).round().astype(int)
            ]
        nearest = np.searchsorted((asked[1:] + asked[:-1]) / 2.0, counts)
        passed = np.ones(len(counts), dtype=np.bool_)
        for tree, delta in block:
            passed &= acceptance.passes(tree, {estimand: asked}, delta)[nearest]
        # Counts beyond the likely ones are taken to pass where the last of those does.
        changes = np.diff(np.concatenate([[False], passed, [False]]).astype(int))
        first, last = (
            counts[np.flatnonzero(changes == 1)],
            counts[np.flatnonzero(changes[1:] == -1)],
        )
        below = np.where(first == counts[0], 0.0, binomial_cdf(first - 1.0, n, rate))
        up_to = np.where(last == counts[-1], 1.0, binomial_cdf(last, n, rate))
        return float(min(1.0, max(0.0, (up_to - below).sum())))

    def _simulated(self, block: Sequence[Test], acceptance: AcceptanceSet) -> float:
        estimands = _means_of(block)
        rates = {estimand: self.rates[estimand] for estimand in estimands}
        if estimands not in self._correlations:
            self._correlations[estimands] = correlations(
                rates, self.shares, self.mutually_exclusive_columns
            )
        correlation = self._correlations[estimands]
        acceptance = replace(acceptance, variance=_varying_together(estimands, correlation))
        n_draws = self.n_draws // (SLOWER if self._is_slow(block, acceptance) else 1)
        counts = drawn_counts(rates, acceptance.trials, correlation, n_draws)
        passed = np.ones(len(counts[estimands[0]]), dtype=np.bool_)
        for tree, delta in block:
            left = {estimand: k[passed] for estimand, k in counts.items()}
            passed[passed] = acceptance.passes(tree, left, delta)
        return float(passed.mean())

    def _is_slow(self, block: Sequence[Test], acceptance: AcceptanceSet) -> bool:
        return any(acceptance.asks_each_table(atom) for tree, _ in block for atom in atoms_of(tree))

    def normal_rows(self, atom: Atom, delta: float, power: float) -> float:
        """How many rows an atom needs, by a normal approximation."""
        point = dual(
            atom.expression, {estimand: self.rates[estimand] for estimand in atom.estimands}
        )
        if not point.value < 0:
            return 0.0 if not atom.estimands else math.inf
        variance = 0.0
        for estimand, slope in zip(atom.estimands, point.gradient.tolist(), strict=True):
            spread = self.rates[estimand] * (1.0 - self.rates[estimand])
            variance += slope**2 * spread / max(self.shares[estimand], ROUNDING)
        deviations = float(ndtri(1.0 - delta) + ndtri(power)) / point.value
        return float(variance * deviations**2)


def rows_of(n_rows: int, share: float) -> int:
    """The whole rows in a share of `n_rows`, whatever rounding does to their product."""
    return int(n_rows * share + ROUNDING)


def _means_of(tests: Sequence[Test]) -> tuple[Estimand, ...]:
    atoms = (atom for tree, _ in tests for atom in atoms_of(tree))
    return tuple(dict.fromkeys(estimand for atom in atoms for estimand in atom.estimands))


def _parts(tests: Iterable[Test]) -> list[Test]:
    """What has to pass for all `tests` to pass."""
    return [part for tree, delta in tests for part in parts_of_and(tree, delta)]


def _varying_together(estimands: Sequence[Estimand], correlation: Array) -> Variances:
    """The variance of Evidence, for rates whose estimates have this `correlation`."""

    def of(evidence: Evidence) -> Variance:
        def variance(asked: Sequence[Estimand], slopes: Sequence[float]) -> float:
            position = [estimands.index(estimand) for estimand in asked]
            samples = [evidence.samples[estimand] for estimand in asked]
            spreads = np.array([s.estimate * (1.0 - s.estimate) / s.trials for s in samples])
            moves = np.array(slopes) * np.sqrt(np.clip(spreads, 0.0, None))
            of_estimate = float(moves @ correlation[np.ix_(position, position)] @ moves)
            return of_estimate * evidence.n_rows

        return variance

    return of


# -- one limit on one rate ---------------------------------------------------------------


def _rows_for_one_limit(test: Test, plan: _Plan, power: float) -> int | None:
    """The smallest number of rows with which one limit on one rate is met with this `power`.

    With k events of the kind that there must not be too many of, a sample passes from some
    number of trials on, n(k). Among the numbers of trials from n(k) to n(k + 1) - 1, which all
    pass up to k events, n(k) makes that likeliest. So the smallest number is some n(k), and the
    first k is looked for whose n(k) is good enough. Since n(k) is whole, its power need not rise
    from each k to the next: those below the first one found by halving are tried too, down to
    where the rounding of n(k) cannot outweigh one event more.
    """
    tree, delta = test
    assert isinstance(tree, Atom)
    assert tree.linear is not None
    (estimand,), (weight,) = tree.estimands, tree.linear.weights
    rises, share = weight > 0, plan.shares[estimand]
    rate = plan.rates[estimand] if rises else 1.0 - plan.rates[estimand]
    limit = -tree.linear.constant / weight
    limit = limit if rises else 1.0 - limit

    def passes_in(events: int, trials: int) -> bool:
        successes = events if rises else trials - events
        sample = Sample(float(successes), trials, trials)
        evidence = Evidence(
            {estimand: sample},
            mutually_exclusive_columns=plan.mutually_exclusive_columns,
            n_rows=trials,
        )
        return passes(tree, evidence, delta, plan.method)

    @cache
    def trials_for(events: int) -> int | None:
        near = max(events, math.floor(events / min(limit, 1.0)))
        return smallest(partial(passes_in, events), near)

    def suffices(events: int) -> bool:
        trials = trials_for(events)
        if trials is None:
            return True
        return float(binomial_cdf(np.array(float(events)), trials, rate)) >= power

    most = smallest(suffices, -1)
    if most is None:
        return None
    room = math.ceil(2.0 * rate * limit / max(limit - rate, 1e-12)) + 3
    events = next(k for k in range(max(0, most - room), most + 1) if suffices(k))
    trials = trials_for(events)
    return None if trials is None else math.ceil((trials - ROUNDING) / share)


def _holds(tree: Tree, rates: Mapping[Estimand, float]) -> bool:
    """Whether the constraint holds with room to spare at the rates themselves."""

    def atom_holds(atom: Atom, _delta: float) -> bool:
        value = estimate(
            atom.expression, {estimand: rates[estimand] for estimand in atom.estimands}
        )
        return value < 0 or not atom.estimands

    return fold(tree, atom_holds, all, any)

"""How many safety rows a constraint asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from scipy.special import ndtr, ndtri

from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._methods import EXACT_TWO_RATE_TEST, delta_method, method_for
from sklearn_seldonian.certification._safety_test import passes
from sklearn_seldonian.constraints import (
    And,
    Atom,
    ExclusiveColumns,
    Mean,
    Or,
    Tree,
    dual,
    estimate,
)

__all__ = [
    "anticipated_upper",
    "passing_probability",
    "rows_even_perfection_needs",
    "sufficient_rows",
]

MOST_ROWS = 10**8
# From so many rows a rate on, its normal approximation is taken for the score test's.
ROWS_OF_NORMAL_RATES = 1000
# Numbers of rows are worth knowing to within two parts in a hundred.
ACCURACY = 1.02
# Probabilities of passing are told apart up to so many standard normal deviations.
FARTHEST_DEVIATION = 4.0
HALVINGS = 11


def sufficient_rows(
    tree: Tree,
    rates: Mapping[Mean, float],
    shares: Mapping[Mean, float],
    delta: float,
    power: float,
    bound: str = "auto",
    exclusive: ExclusiveColumns = frozenset(),
) -> int | None:
    """How many safety rows let the constraint `tree` pass with probability `power`.

    Each atom is tested at the counts that its own sampling makes it see in the worst
    1 - power of cases, so the number is approximate, and for an AND of several atoms that are
    all close it is for each of them.

    Parameters
    ----------
    tree : And, Or or Atom
        Over rates of decisions only.
    rates : mapping of Mean to float
        The true rates, or estimates of them.
    shares : mapping of Mean to float
        Which share of the safety rows each mean is over.
    delta, power : float in (0, 1)
    bound, exclusive
        As in `safety_test` and `Evidence`.

    Returns
    -------
    int or None
        None where no number of rows suffices, since the rates violate the constraint.
    """

    def suffices(n_rows: int) -> bool:
        return _passes_at_unlucky_counts(
            tree, _Plan(rates, shares, n_rows, power, bound, exclusive), delta
        )

    if not _holds(tree, rates):
        return None
    return _smallest(suffices, 1)


def passing_probability(
    tree: Tree,
    rates: Mapping[Mean, float],
    shares: Mapping[Mean, float],
    n_rows: int,
    delta: float,
    bound: str = "auto",
    exclusive: ExclusiveColumns = frozenset(),
) -> float:
    """About how probable it is that the constraint `tree` passes on `n_rows` safety rows.

    An atom passes unless sampling moves its counts, in the likeliest way, past the worst that
    the test itself accepts. Of an AND it is what Bonferroni's inequality leaves, of an OR the
    likeliest child's: both are lower bounds.

    Parameters
    ----------
    tree, rates, shares, delta, bound, exclusive
        As in `sufficient_rows`.
    n_rows : int
    """
    match tree:
        case Atom():

            def passes_with(deviation: float) -> bool:
                plan = _Plan(rates, shares, n_rows, float(ndtr(deviation)), bound, exclusive)
                return passes(tree, plan.unlucky(tree), delta, bound)

            return float(ndtr(_farthest(passes_with)))
        case And(children=children):
            parts = (
                passing_probability(child, rates, shares, n_rows, delta, bound, exclusive)
                for child in children
            )
            return max(0.0, 1.0 - sum(1.0 - part for part in parts))
        case Or(children=children):
            share = delta / len(children)
            return max(
                passing_probability(child, rates, shares, n_rows, share, bound, exclusive)
                for child in children
            )


def _farthest(passes_with: Callable[[float], bool]) -> float:
    """How many standard deviations of bad luck still pass; infinite beyond the farthest."""
    low, high = -FARTHEST_DEVIATION, FARTHEST_DEVIATION
    if passes_with(high):
        return math.inf
    if not passes_with(low):
        return -math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if passes_with(middle) else (low, middle)
    return (low + high) / 2


def anticipated_upper(atom: Atom, evidence: Evidence, delta: float, bound: str = "auto") -> float:
    """The upper bound on h that the safety test would give on `evidence`, in milliseconds.

    For the exact unconditional test of two rates stands the score test, which orders samples by
    the same statistic and differs by a few hundredths of the bound's width, and for large
    samples the delta method, which differs as little from that.
    """
    method = method_for(atom, evidence, bound)
    if method.name == EXACT_TWO_RATE_TEST:
        fewest = min(evidence.samples[mean].trials for mean in atom.means)
        normal = delta_method(atom, evidence) if fewest >= ROWS_OF_NORMAL_RATES else None
        method = normal or method_for(atom, evidence, "asymptotic")
    return method.upper(delta)


def rows_even_perfection_needs(
    tree: Tree, delta: float, shares: Mapping[Mean, float], n_rows: int, bound: str = "auto"
) -> int | None:
    """How many rows it takes before any sample at all could pass, if `n_rows` is too few.

    Looks at the most favourable counts for each atom on its own, so no model passes with
    fewer rows. None where `n_rows` may be enough.
    """

    def could_pass(n: int) -> bool:
        return _best_case_passes(tree, delta, {m: int(n * s) for m, s in shares.items()}, bound)

    if could_pass(n_rows) or not could_pass(MOST_ROWS):
        return None
    return _smallest(could_pass, n_rows, accuracy=1.0)


def _smallest(
    suffices: Callable[[int], bool], start: int, accuracy: float = ACCURACY
) -> int | None:
    low, high = start, 2 * start + 16
    while not suffices(high):
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high > low * accuracy and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


class _Plan:
    """Rates, shares and a number of rows that stand in for a sample."""

    def __init__(
        self,
        rates: Mapping[Mean, float],
        shares: Mapping[Mean, float],
        n_rows: int,
        power: float,
        bound: str,
        exclusive: ExclusiveColumns,
    ) -> None:
        self.rates, self.shares, self.n_rows = rates, shares, n_rows
        self.power, self.bound, self.exclusive = power, bound, exclusive

    def unlucky(self, atom: Atom) -> Evidence:
        """The likeliest counts with which the atom's value is as bad as in 1 - power of cases."""
        rates = {mean: self.rates[mean] for mean in atom.means}
        slopes = dict(zip(atom.means, dual(atom.expression, rates).gradient.tolist(), strict=True))
        trials = {mean: int(self.n_rows * self.shares[mean]) for mean in atom.means}
        spreads = {m: p * (1 - p) / max(trials[m], 1) for m, p in rates.items()}
        error = math.sqrt(sum(slopes[m] ** 2 * spreads[m] for m in atom.means))
        samples = {}
        for mean, rate in rates.items():
            move = ndtri(self.power) * slopes[mean] * spreads[mean] / error if error else 0.0
            count = trials[mean] * (rate + float(move))
            worse = math.ceil(count - 1e-9) if slopes[mean] > 0 else math.floor(count + 1e-9)
            samples[mean] = Sample(min(max(worse, 0), trials[mean]), trials[mean], trials[mean])
        return Evidence(samples, exclusive=self.exclusive, n_rows=self.n_rows)


def _passes_at_unlucky_counts(tree: Tree, plan: _Plan, delta: float) -> bool:
    match tree:
        case Atom():
            return passes(tree, plan.unlucky(tree), delta, plan.bound)
        case And(children=children):
            return all(_passes_at_unlucky_counts(child, plan, delta) for child in children)
        case Or(children=children):
            share = delta / len(children)
            return any(_passes_at_unlucky_counts(child, plan, share) for child in children)


def _holds(tree: Tree, rates: Mapping[Mean, float]) -> bool:
    """Whether the constraint holds with room to spare at the rates themselves."""
    match tree:
        case Atom(expression=expression, means=means):
            return estimate(expression, {m: rates[m] for m in means}) < 0 or not means
        case And(children=children):
            return all(_holds(child, rates) for child in children)
        case Or(children=children):
            return any(_holds(child, rates) for child in children)


def _best_case_passes(tree: Tree, delta: float, trials: Mapping[Mean, int], bound: str) -> bool:
    if isinstance(tree, And):
        return all(_best_case_passes(child, delta, trials, bound) for child in tree.children)
    if isinstance(tree, Or):
        share = delta / len(tree.children)
        return any(_best_case_passes(child, share, trials, bound) for child in tree.children)
    if tree.linear is None or len(tree.means) != 1:
        return True
    (mean,), (weight,) = tree.means, tree.linear.weights
    value = mean.quantity.range[weight < 0]
    if not math.isfinite(value):
        return True
    n = trials[mean]
    return passes(tree, Evidence({mean: Sample(value * n, n, n)}, n_rows=n), delta, bound)

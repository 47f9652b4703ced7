"""Counts of successes as sampling gives them, for rates that may share rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr, ndtri

from sklearn_seldonian.constraints import (
    Condition,
    Estimand,
    ExclusiveColumns,
    are_exclusive,
    distinct_conditions,
    independent,
)
from sklearn_seldonian.measures import Rate

Array = NDArray[np.float64]

# So many standard deviations around its mean hold a count, but for a part in 10^16.
MAX_DEVIATION = 9.0
# Patterns of conditions beyond so many are not told apart.
MAX_PATTERNS = 512
# Rounds of iterative proportional fitting, and by how much of a rate's rows its own part, and
# that of its successes, may be missed in the end.
ROUNDS = 200
MISSED = 0.02


def binomial_cdf(k: Array, n: int, rate: float) -> Array:
    """The probability of at most `k` successes in `n` trials."""
    inside = np.clip(k, 0, n - 1)
    below = betainc(n - inside, inside + 1.0, 1.0 - rate)
    return np.where(k < 0, 0.0, np.where(k >= n, 1.0, below))


def likely_counts(n: int, rate: float) -> Array:
    """All counts of `n` trials that are likelier than rounding errors."""
    center = n * rate
    room = MAX_DEVIATION * (center * (1.0 - rate)) ** 0.5 + MAX_DEVIATION**2
    return np.arange(max(0.0, np.floor(center - room)), min(n, np.ceil(center + room)) + 1.0)


def weighted_counts(n: int, rate: float, n_most: int) -> tuple[Array, Array]:
    """The likely counts of `n` trials and their probabilities.

    Where there are more than `n_most`, as many of them, each for all that are nearest to it.
    """
    counts = likely_counts(n, rate)
    if len(counts) > n_most:
        counts = counts[np.linspace(0, len(counts) - 1, n_most).round().astype(int)]
    ends = np.floor((counts[1:] + counts[:-1]) / 2.0)
    return counts, np.diff(binomial_cdf(ends, n, rate), prepend=0.0, append=1.0)


def drawn_counts(
    rates: Mapping[Estimand, float],
    trials: Mapping[Estimand, int],
    correlation: Array,
    n_draws: int,
) -> dict[Estimand, Array]:
    """Binomial counts of each rate, which vary together as `correlation` says.

    Each count is the binomial quantile of one of several normal numbers with these correlations
    (a Gaussian copula). The numbers are a Latin hypercube sample [1]_ with a fixed seed: the
    draws of each rate alone are spread evenly.

    Parameters
    ----------
    rates : mapping of Estimand to float
    trials : mapping of Estimand to int
    correlation : ndarray of shape (n_means, n_means)
        In the order of `rates`.
    n_draws : int

    Returns
    -------
    mapping of Estimand to ndarray of shape (n_draws,)

    References
    ----------
    .. [1] M. D. McKay, R. J. Beckman and W. J. Conover, "A comparison of three methods for
       selecting values of input variables in the analysis of output from a computer code",
       Technometrics 21(2), 1979.
    """
    rng = np.random.default_rng(0)
    shape = n_draws, len(rates)
    ranks = rng.random(shape).argsort(axis=0)
    normal = ndtri((ranks + rng.random(shape)) / n_draws)
    values, vectors = np.linalg.eigh(correlation)
    levels = ndtr(normal @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T)
    drawn = {}
    for (estimand, rate), level in zip(rates.items(), levels.T, strict=True):
        counts = likely_counts(trials[estimand], rate)
        position = np.searchsorted(binomial_cdf(counts, trials[estimand], rate), level)
        drawn[estimand] = counts[np.minimum(position, len(counts) - 1)]
    return drawn


def correlations(
    rates: Mapping[Estimand, float],
    shares: Mapping[Estimand, float],
    mutually_exclusive_columns: ExclusiveColumns,
) -> Array:
    """How the estimates of the `rates` are correlated, as far as the text says it.

    Estimates of rates that share no rows are not. For others, the distribution of conditions,
    labels and decisions is taken that has these rates and shares of the rows, and is otherwise as
    even as it can be: of largest entropy, found by iterative proportional fitting [1]_. Where no
    distribution has them, all are taken as uncorrelated.

    Parameters
    ----------
    rates, shares : mapping of Estimand to float
        Each rate, and over which share of the rows it is.
    mutually_exclusive_columns : frozenset of frozenset of str
        Pairs of 0/1 columns that are never both 1.

    Returns
    -------
    ndarray of shape (n_means, n_means)

    References
    ----------
    .. [1] I. Csiszár, "I-divergence geometry of probability distributions and minimization
       problems", The Annals of Probability 3(1), 1975.
    """
    estimands, alone = list(rates), np.eye(len(rates))
    pairs = itertools.combinations(estimands, 2)
    if all(independent(one, other, mutually_exclusive_columns) for one, other in pairs):
        return alone
    patterns = _patterns(distinct_conditions(estimands), mutually_exclusive_columns)
    if not patterns:
        return alone
    # Each rate divides all kinds of rows in three: successes, failures, and those not counted.
    members = np.stack([_membership(estimand, patterns) for estimand in estimands])
    rate, rows = np.array([(rates[m], shares[m]) for m in estimands]).T
    found = _fitted(members, np.stack([rate * rows, rows - rate * rows, 1.0 - rows], axis=1))
    if found is None:
        return alone
    influences = (1.0 - rate)[:, None] * members[:, 0] - rate[:, None] * members[:, 1]
    covariance = (influences * found) @ influences.T
    spread = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.where(alone > 0, 1.0, covariance * scale * scale[:, None])


def _patterns(
    conditions: Sequence[Condition], mutually_exclusive_columns: ExclusiveColumns
) -> list[frozenset[Condition]]:
    """The sets of conditions that a row can meet; empty where there are too many."""
    patterns = [frozenset[Condition]()]
    for new in conditions:
        patterns += [
            pattern | {new}
            for pattern in patterns
            if not any(are_exclusive(new, met, mutually_exclusive_columns) for met in pattern)
        ]
        if len(patterns) > MAX_PATTERNS:
            return []
    return patterns


def _membership(estimand: Estimand, patterns: Sequence[frozenset[Condition]]) -> Array:
    """Which kinds of rows, by pattern, label and decision, are successes, failures and neither."""
    assert isinstance(estimand.quantity, Rate)
    inside = [estimand.conditions <= pattern for pattern in patterns]
    successes = np.outer(inside, estimand.quantity.numerator).reshape(-1)
    counted = np.outer(inside, estimand.quantity.denominator).reshape(-1)
    return np.array([successes, counted & ~successes, ~counted], dtype=float)


def _fitted(members: Array, wanted: Array) -> Array | None:
    """The most even distribution with the `wanted` sums of successes and others; None if none is.

    `members` are of shape (n_rates, 3, n_kinds), and `wanted` (n_rates, 3).
    """
    n_kinds = members.shape[-1]
    found = np.full(n_kinds, 1.0 / n_kinds)
    for _ in range(ROUNDS):
        worst = 0.0
        for own, sums in zip(members, wanted, strict=True):
            seen = own @ found
            worst = max(worst, float(np.abs(seen - sums).max()) / max(1.0 - sums[2], 1e-12))
            found = found * (np.divide(sums, seen, out=np.zeros(3), where=seen > 0) @ own)
        if worst < MISSED * 1e-3:
            return found
    return found if worst < MISSED else None

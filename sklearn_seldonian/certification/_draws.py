"""Random counts of successes, for rates that may share rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr, ndtri

from sklearn_seldonian.constraints import (
    Condition,
    Estimand,
    ExclusiveColumns,
    are_exclusive,
    are_independent,
    distinct_conditions,
)
from sklearn_seldonian.measures import Rate

Array = NDArray[np.float64]

# A count is within this many standard deviations of its mean, except with probability 1e-16.
MAX_DEVIATION = 9.0
# With more combinations of conditions than this, rates are taken as independent.
MAX_COMBINATIONS = 512
# Rounds of iterative proportional fitting. The share of a rate's rows by which the fit may miss in
# the end.
ROUNDS = 200
MISSED = 0.02


def binomial_cdf(k: Array, n: Array | int, rate: Array | float) -> Array:
    """The probability of at most `k` successes in `n` trials."""
    inside = np.clip(k, 0, n - 1)
    below = betainc(n - inside, inside + 1.0, 1.0 - rate)
    return np.where(k < 0, 0.0, np.where(k >= n, 1.0, below))


def likely_counts(n: int, rate: float) -> Array:
    """All counts of `n` trials whose probability is larger than rounding errors."""
    center = n * rate
    room = MAX_DEVIATION * (center * (1.0 - rate)) ** 0.5 + MAX_DEVIATION**2
    return np.arange(max(0.0, np.floor(center - room)), min(n, np.ceil(center + room)) + 1.0)


def weighted_counts(n: int, rate: float, n_most: int) -> tuple[Array, Array]:
    """The likely counts of `n` trials and their probabilities.

    If there are more than `n_most`, that many of them are returned, each with the probability of
    all counts nearest to it.
    """
    counts = likely_counts(n, rate)
    if len(counts) > n_most:
        counts = counts[np.linspace(0, len(counts) - 1, n_most).round().astype(int)]
    ends = np.floor((counts[1:] + counts[:-1]) / 2.0)
    return counts, np.diff(binomial_cdf(ends, n, rate), prepend=0.0, append=1.0)


def drawn_counts(
    rates: Mapping[Estimand, float],
    trials: Mapping[Estimand, int],
    correlation: Array | None,
    n_draws: int,
) -> dict[Estimand, Array]:
    """Random binomial counts of each rate, with the given `correlation`.

    Each count is the binomial quantile of a normal number; the normal numbers have these
    correlations (a Gaussian copula). They are a Latin hypercube sample [1]_ with a fixed seed, so
    the draws of each single rate are spread evenly.

    Parameters
    ----------
    rates : mapping of Estimand to float
    trials : mapping of Estimand to int
    correlation : ndarray of shape (n_means, n_means), or None
        In the order of `rates`. None: no two are correlated.
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
    if correlation is not None:
        values, vectors = np.linalg.eigh(correlation)
        normal = normal @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    levels = ndtr(normal)
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
    """The correlations between the estimates of the `rates`, as far as their text determines them.

    Estimates of rates that share no rows are uncorrelated. For other rates, the function uses the
    distribution of conditions, labels and decisions that has these rates and shares and is
    otherwise as even as possible. It is the distribution of largest entropy, found by iterative
    proportional fitting [1]_. If no distribution has these rates and shares, all estimates are
    taken as uncorrelated.

    Parameters
    ----------
    rates, shares : mapping of Estimand to float
        The rates, and the share of the rows that each rate is over.
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
    if are_independent(estimands, mutually_exclusive_columns):
        return alone
    combinations = _possible_combinations(
        distinct_conditions(estimands), mutually_exclusive_columns
    )
    if not combinations:
        return alone
    # Each rate divides the kinds of rows into successes, failures, and rows that do not count.
    members = np.stack([_membership(estimand, combinations) for estimand in estimands])
    rate, rows = np.array([(rates[m], shares[m]) for m in estimands]).T
    found = _fitted(members, np.stack([rate * rows, rows - rate * rows, 1.0 - rows], axis=1))
    if found is None:
        return alone
    influences = (1.0 - rate)[:, None] * members[:, 0] - rate[:, None] * members[:, 1]
    covariance = (influences * found) @ influences.T
    spread = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.where(alone > 0, 1.0, covariance * scale * scale[:, None])


def _possible_combinations(
    conditions: Sequence[Condition], mutually_exclusive_columns: ExclusiveColumns
) -> list[frozenset[Condition]]:
    """The sets of conditions that a row can meet; empty if there are too many."""
    combinations = [frozenset[Condition]()]
    for new in conditions:
        combinations += [
            combination | {new}
            for combination in combinations
            if not any(are_exclusive(new, met, mutually_exclusive_columns) for met in combination)
        ]
        if len(combinations) > MAX_COMBINATIONS:
            return []
    return combinations


def _membership(estimand: Estimand, combinations: Sequence[frozenset[Condition]]) -> Array:
    """Which kinds of rows (combination, label, decision) are successes, failures, or neither."""
    assert isinstance(estimand.quantity, Rate)
    inside = [estimand.conditions <= combination for combination in combinations]
    successes = np.outer(inside, estimand.quantity.numerator).reshape(-1)
    counted = np.outer(inside, estimand.quantity.denominator).reshape(-1)
    return np.array([successes, counted & ~successes, ~counted], dtype=float)


def _fitted(members: Array, wanted: Array) -> Array | None:
    """The most even distribution with the `wanted` sums; None if there is none.

    `members` has shape (n_rates, 3, n_kinds), and `wanted` has shape (n_rates, 3).
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

"""The counts with which a test of one or two rates passes, and their probability.

Candidate selection needs this for many models in every epoch. So the test itself is run once, to
find its edge, and the rest is arithmetic on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_seldonian.certification._acceptance import AcceptanceSet
from sklearn_seldonian.certification._edges import counts_by_angle, edge_of_rates
from sklearn_seldonian.constraints import Atom, ExclusiveColumns

Array = NDArray[np.float64]

# An angle larger than all possible ones.
FAR = 10.0
# Rates outside this range lie in the tails, whose shape is a guess. Their error is taken from the
# nearer end of the range.
RATES_OF_KNOWN_SHAPE = (0.05, 0.95)
# Nodes of the integral over the second rate; with 31 nodes it differs by less than .001.
NODES, _shares = np.polynomial.hermite_e.hermegauss(15)
SHARES = _shares / _shares.sum()
# The numbers of rows for which the edge of a rate of random size is found: each up to 60, and
# larger ones a twentieth apart. It is stored for so many counts, evenly spaced by angle.
SIZES = np.unique(np.append(np.arange(1.0, 60.0), np.geomspace(60.0, 1e9, 350).round()))
N_OTHERS = 513


@dataclass(frozen=True)
class PassingRegion:
    r"""The counts with which an atom of one or two independent rates passes its test.

    Attributes
    ----------
    seen, tested : ndarray of shape (n_rates,)
        Number of rows of each rate in the data on which candidates are evaluated, and in the test.
    negative : ndarray of bool, of shape (n_rates,)
        The rates with negative weights. Their complements are used, so that low counts pass.
    counts : ndarray of shape (n_counts,)
        Counts of the second rate, ascending. A single zero if there is one rate.
    highest : ndarray of shape (n_counts,)
        For each of these counts, the highest count of the first rate that passes; -1 if none does.
    """

    seen: Array
    tested: Array
    negative: NDArray[np.bool_]
    counts: Array
    highest: Array

    @cached_property
    def edge(self) -> tuple[Array, Array]:
        """Angles of the second rate's counts, and half a count beyond the highest of the first."""
        first, last = self.tested[0], self.tested[-1]
        edge = _angle(self.highest + 0.5, first)
        edge = np.where(self.highest < 0, -FAR, np.where(self.highest >= first, FAR, edge))
        return _angle(self.counts, last), edge


class PassingRegions:
    r"""The probabilities of passing some tests.

    Parameters
    ----------
    regions : sequence of PassingRegion

    Notes
    -----
    `probabilities` treats the angle :math:`\arcsin\sqrt{(x + 3/8) / (n + 3/4)}` of each rate as
    normal with variance :math:`1 / (4n + 2)` (Anscombe [1]_). So the angle in the test differs from
    the observed one by a normal number whose variance is the sum of both variances, for any true
    rate. The accuracy was measured by sums over beta-binomial counts (Jeffreys' prior) with 40 to
    1,000 rows per rate. The probability is within .04 of this sum if each observed count is at
    least two above 0 and two below the number of rows. It is within .15 otherwise.

    References
    ----------
    .. [1] F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial
       data", Biometrika 35, 1948.
    """

    def __init__(self, regions: Sequence[PassingRegion] = ()) -> None:
        self.regions = tuple(regions)
        # A single rate is used in both places: its edge does not depend on the second count.
        self._seen = _both(region.seen for region in regions)
        self._tested = _both(region.tested for region in regions)
        self._negative = _both(region.negative for region in regions) > 0
        # All groups share one standard deviation, which nearly cancels in a gap between two groups.
        is_gap = self._negative[:, :1] != self._negative[:, 1:]
        self._spread = np.where(is_gap, 0.0, 0.5)

    def probabilities(self, rates: Array, weight: float = 0.0) -> Array:
        """The probability of passing, for models with these observed `rates`.

        Parameters
        ----------
        rates : ndarray of shape (..., n_regions, 2)
            The two rates of each region; a single rate is given twice.
        weight : float in [0, 1], default=0.0
            The weight of an estimate from a normal distribution of scores with its own mean, which
            is more accurate than a count.

        Returns
        -------
        ndarray of shape (..., n_regions)
        """
        counted = np.where(self._negative, 1.0 - rates, rates) * self._seen
        angles = _angle(counted, self._seen)
        relative = _relative_error(rates, self._spread)
        known = (1.0 - weight + weight * relative) ** 2
        errors = np.sqrt(0.25 * known / (self._seen + 0.5) + 0.25 / (self._tested + 0.5))
        reached = angles[..., 1:] + errors[..., 1:] * NODES
        allowed = np.empty_like(reached)
        for i, region in enumerate(self.regions):
            allowed[..., i, :] = np.interp(reached[..., i, :], *region.edge)
        return np.asarray(ndtr((allowed - angles[..., :1]) / errors[..., :1]) @ SHARES)


def passing_region(
    atom: Atom,
    seen: npt.ArrayLike,
    tested: npt.ArrayLike,
    delta: float,
    method: str = "auto",
    mutually_exclusive_columns: ExclusiveColumns = frozenset(),
) -> PassingRegion | None:
    """The counts with which `atom` passes; None if its test has no `acceptance_region`.

    The edge of the exact unconditional test is at most one count away from this one.

    Parameters
    ----------
    atom : Atom
        An atom over rates of decisions.
    seen, tested : array-like of shape (n_means,)
        Number of rows of each of the atom's estimands in the data on which candidates are
        evaluated, and in the test.
    delta : float in (0, 1)
    method, mutually_exclusive_columns
        As in `safety_test` and `Evidence`.
    """
    rows, counts = np.array(seen, dtype=float), np.floor(np.array(tested, dtype=float))
    trials = dict(zip(atom.estimands, counts.astype(int).tolist(), strict=True))
    test = AcceptanceSet(trials, method, mutually_exclusive_columns).method_of(atom)
    if test.acceptance_region is None or has_random_size(atom) or not rows.all():
        return None
    assert atom.linear is not None
    return PassingRegion(
        rows, counts, np.array(atom.linear.weights) < 0, *test.acceptance_region(delta)
    )


def has_random_size(atom: Atom) -> bool:
    """Whether the number of rows of one of the rates depends on decisions, as for PPV."""
    return any(estimand.quantity.conditions_on_prediction for estimand in atom.estimands)


def passing_region_of_share(
    atom: Atom, seen: npt.ArrayLike, tested: npt.ArrayLike, delta: float, method: str = "auto"
) -> PassingRegion | None:
    """The counts with which a limit on one rate of random size passes, such as ``PPV >= 0.8``.

    The rows of such a rate are of two kinds: those that count as successes, and the others. If no
    label has rows of both kinds, each kind is a part of its own known number of rows, which gives
    two independent rates. For PPV these are TPR and FPR.

    Parameters
    ----------
    atom : Atom
        An atom over one rate.
    seen, tested : array-like of shape (2,)
        As in `passing_region`: the number of rows of which some are successes, and of which some
        are the other rows of the rate.
    delta : float in (0, 1)
    method : str, default="auto"
        As in `safety_test`.

    Returns
    -------
    PassingRegion or None
        Its first rate is that of which low counts pass: of the others if the limit is a minimum.
    """
    rows, counts = np.array(seen, dtype=float), np.floor(np.array(tested, dtype=float))
    if atom.linear is None or not rows.all() or not counts.all():
        return None
    if is_minimum(atom):
        rows, counts = rows[::-1], counts[::-1]
    test = AcceptanceSet({atom.estimands[0]: int(counts.sum())}, method).method_of(atom)
    if test.acceptance_region is None:
        return None
    sizes = SIZES[: np.searchsorted(SIZES, counts.sum()) + 1]
    highest = [
        _highest_passing(size, atom.linear.weights, atom.linear.constant, delta)
        for size in sizes.tolist()
    ]
    others = counts_by_angle(counts[1], N_OTHERS)
    # With more rows of the first kind, more of the second are needed.
    needed = np.maximum.accumulate(sizes - highest)
    most = _largest_with(needed, sizes, others)
    edge = np.clip(np.floor(most - others + 1e-9), -1.0, counts[0])
    return PassingRegion(rows, counts, np.zeros(2, dtype=bool), others, edge)


def is_minimum(atom: Atom) -> bool:
    """Whether a linear atom over one rate is a lower limit."""
    assert atom.linear is not None
    return atom.linear.weights[0] < 0


@lru_cache(maxsize=4096)
def _highest_passing(
    size: float, weights: tuple[float, ...], constant: float, delta: float
) -> float:
    """The highest count of so many rows that passes a limit on one rate; -1 if none does."""
    (highest,) = edge_of_rates([size], weights, constant, delta)[1]
    return float(highest)


def _largest_with(needed: Array, sizes: Array, others: Array) -> Array:
    """The largest size for which `others` reach the number that is needed; -1 if none.

    `needed` has the numbers for the ascending `sizes`, which are interpolated.
    """
    last = np.searchsorted(needed, others, side="right") - 1
    low, high = np.maximum(last, 0), np.minimum(last + 1, len(sizes) - 1)
    step = np.maximum(needed[high] - needed[low], 1.0)
    part = np.clip((others - needed[low]) / step, 0.0, 1.0)
    return np.where(last < 0, -1.0, sizes[low] + part * (sizes[high] - sizes[low]))


def _both(values: Iterable[NDArray[Any]]) -> Array:
    """The values of the first and of the last rate of each region, of shape (n_regions, 2)."""
    return np.array([(of[0], of[-1]) for of in values], dtype=float).reshape(-1, 2)


def _angle(counts: Array, trials: Array | float) -> Array:
    share = (counts + 0.375) / (trials + 0.75)
    return np.asarray(np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))))


def _relative_error(rates: Array, spread: Array | float) -> Array:
    """Standard error of ``ndtr(z)`` for a fitted z, relative to that of a count over the same rows.

    `spread` times z squared is added to the variance, because the standard deviation of the scores
    is fitted too.
    """
    rates = np.clip(rates, *RATES_OF_KNOWN_SHAPE)
    z = ndtri(rates)
    density = np.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)
    return np.asarray(density * np.sqrt((1.0 + spread * z * z) / (rates * (1.0 - rates))))

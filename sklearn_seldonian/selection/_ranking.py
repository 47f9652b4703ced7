"""The choice among models: the best of those that are predicted to pass the safety test."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
SelectionKey = tuple[float, float, float]

# A model is preferred to one that is simpler, less moved or trained for longer if its error is
# lower by more than this many standard errors of the difference. The lowest of many estimated
# errors is too low, so without a margin the choice favours models whose estimates vary most.
MARGIN = 0.5
# Or if its predicted probability of passing is larger by more than this.
LIKELIER = 0.1
# So many neighbours on each side are averaged to judge the error at one of many thresholds.
N_NEIGHBOURS = 3


def selection_key(
    feasibility_score: float, error: float, loss: float, power: float
) -> SelectionKey:
    """The key by which models are ordered; the best model has the largest.

    Among the models predicted to pass with `power`, the best has the lowest error, and among equal
    errors the lowest primary loss. If there are none, the most probable to pass is the best.

    Parameters
    ----------
    feasibility_score : float
        As in `Prediction`. Differences below a hundredth are ignored, because the score is not
        known more precisely.
    error, loss : float
        The error and the primary loss of the model on candidate rows.
    power : float in (0, 1)
        The predicted probability of passing from which on a model is predicted to pass.

    Returns
    -------
    tuple of float
        Keys of two models are compared like tuples.

    Examples
    --------
    >>> from sklearn_seldonian.selection import selection_key
    >>> accurate, safe = selection_key(0.5, 0.1, 0.4, power=0.9), selection_key(0.95, 0.2, 0.6, 0.9)
    >>> max(accurate, safe) == safe
    True
    """
    return float(_coarse(np.asarray(feasibility_score), power)), -error, -loss


def position_of_best(
    feasibility_scores: Array, errors: Array, distances: Array, power: float
) -> int:
    """The position of the best of several models; among equal ones, that at the least distance."""
    scores = _coarse(feasibility_scores, power)
    return int(np.lexsort((-distances, -errors, scores))[-1])


def averaged(errors: Array) -> Array:
    """The mean of each error and those of its neighbours; the first and the last are repeated.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        The errors at ascending thresholds.

    Returns
    -------
    ndarray of shape (n,)
    """
    padded = np.pad(errors, N_NEIGHBOURS, mode="edge")
    return np.asarray(sliding_window_view(padded, 2 * N_NEIGHBOURS + 1).mean(axis=1))


def _coarse(scores: Array, power: float) -> Array:
    """The scores, with `power` for those that reach it; below it, in hundredths if positive."""
    coarse = np.where(scores > 0, np.floor(100.0 * scores) / 100.0, scores)
    return np.where(scores >= power, power, coarse)

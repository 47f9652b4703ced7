"""The knots of an additive model, at quantiles of the distinct values of each feature."""

from __future__ import annotations

import numpy as np
import torch

from sklearn_seldonian.learners.lagrangian._batches import Inputs

KNOTS_PER_FEATURE = 4
# With fewer labelled rows per knot, or with more features than this, an additive model is not
# compared with others.
ROWS_PER_KNOT, MAX_FEATURES = 10, 1000
# Quantiles come from at most this many rows, evenly spaced.
MAX_ROWS = 2000
# The standard deviation of each hinge function. The smaller it is, the nearer to a linear model is
# the model that training ends with. With 1 instead, parity 0.05 on GPA costs .004 in accuracy
# instead of .002, and on Adult the gain is the same.
DEVIATION = 0.5


def knots_of(X: Inputs) -> list[list[float]]:
    """The `knots` of an `AdditiveModel` of these rows.

    A feature with at most one value more than `KNOTS_PER_FEATURE` has no knots. Quantiles are those
    of distinct values, so that a value that most rows have does not take all knots.
    """
    rows = torch.linspace(0, len(X) - 1, min(len(X), MAX_ROWS)).round().long()
    knots: list[list[float]] = []
    for position, values in enumerate(X[rows].flatten(1).double().numpy().T):
        distinct = np.unique(values)
        if len(distinct) <= KNOTS_PER_FEATURE + 1 or not np.isfinite(distinct).all():
            continue
        levels = np.arange(1, KNOTS_PER_FEATURE + 1) / (KNOTS_PER_FEATURE + 1)
        for knot in np.quantile(distinct, levels).tolist():
            hinges = np.maximum(values - knot, 0.0)
            knots.append([position, knot, float(hinges.mean()), float(hinges.std()) / DEVIATION])
    return knots


def knots_to_compare(X: Inputs, n_labelled: int) -> list[list[float]]:
    """The same for a comparison with other models; empty if it should be left out."""
    if len(X.shape) != 2 or X.shape[1] > MAX_FEATURES:
        return []
    knots = knots_of(X)
    return knots if ROWS_PER_KNOT * len(knots) <= n_labelled else []

"""Rows with shifted decisions, for several test files."""

import numpy as np

from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.selection._thresholds import class_shifts


def cells(n):
    """The families of rows whose codes are their cells."""
    return Stratification.single(membership=np.zeros((n, 0), bool))


def rows(n_classes, n=300, seed=0):
    """Scores, labels, codes and families of rows in four cells."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_classes))
    return scores, rng.integers(0, n_classes, n), rng.integers(0, 4, n), cells(4)


def shifted(*arguments):
    """The decisions about rows of two classes, by offset of the second class's score."""
    (shifts,) = class_shifts(*arguments)
    return shifts.decisions

"""Rows of two classes with a column that constraints name, for several test files."""

import numpy as np

from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._split import LabelledRows, split_rows
from sklearn_seldonian.data._targets import Labels
from sklearn_seldonian.learners import Problem

GROUPS = np.array(["A", "B", "A", "B", "A", "A", "C", "C"])
MASK = np.arange(8) >= 5  # C occurs in safety rows only, and B in candidate rows only
TARGETS = Labels.of(np.array([0, 1]), None, "argmax")


def rows_of(X, group):
    """Rows whose class is the sign of their first number."""
    y = (X[:, 0] > 0).astype(int)
    return LabelledRows(X, y, y, {"group": np.asarray(group)}, X)


def problem_and_split(constraints, rows, mask, measures=(), power=0.9, delta=0.05):
    """The problem of training on the rows outside the mask, and the split of the rows."""
    constraints = parse_all(constraints)
    specification = Specification(constraints, (delta,) * len(constraints), "auto")
    split = split_rows(rows, 0.5, mask, np.random.RandomState(0))
    return Problem.of(specification, TARGETS, measures, split, power), split


def means_of(problem):
    return [str(mean) for mean in problem.specification.constraints[0].estimands]

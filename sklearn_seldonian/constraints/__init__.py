"""The constraint language: from text to a tree of testable statements about means."""

from sklearn_seldonian.constraints._atoms import And, Atom, Linear, Or, Tree, atoms_of
from sklearn_seldonian.constraints._conditions import Cells, assign_cells
from sklearn_seldonian.constraints._evaluate import constant_value, dual, estimate, interval
from sklearn_seldonian.constraints._nodes import Condition, Constraint, Node
from sklearn_seldonian.constraints._parse import parse
from sklearn_seldonian.constraints._resolve import Mean, Schema, columns_of
from sklearn_seldonian.constraints._resolved import (
    ResolvedConstraint,
    bind,
    distinct_conditions,
    distinct_means,
    parse_all,
)

__all__ = [
    "And",
    "Atom",
    "Cells",
    "Condition",
    "Constraint",
    "Linear",
    "Mean",
    "Node",
    "Or",
    "ResolvedConstraint",
    "Schema",
    "Tree",
    "assign_cells",
    "atoms_of",
    "bind",
    "columns_of",
    "constant_value",
    "distinct_conditions",
    "distinct_means",
    "dual",
    "estimate",
    "interval",
    "parse",
    "parse_all",
]

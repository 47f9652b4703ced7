"""The constraint language: from text to a tree of testable statements about means."""

from sklearn_seldonian.constraints._atoms import (
    And,
    Atom,
    ExclusiveColumns,
    Linear,
    Or,
    Tree,
    atoms_of,
    independent,
)
from sklearn_seldonian.constraints._builders import (
    accuracy,
    demographic_parity,
    disparate_impact,
    equal_opportunity,
    equalized_odds,
    false_positive_rate,
    precision,
    predictive_equality,
    predictive_parity,
    true_positive_rate,
)
from sklearn_seldonian.constraints._conditions import Cells, assign_cells
from sklearn_seldonian.constraints._evaluate import constant_value, dual, estimate, interval
from sklearn_seldonian.constraints._nodes import (
    ColumnIs,
    Comparison,
    Condition,
    Constraint,
    Membership,
    Node,
)
from sklearn_seldonian.constraints._parse import parse
from sklearn_seldonian.constraints._resolve import Mean, Schema, columns_of, walk
from sklearn_seldonian.constraints._resolved import (
    ResolvedConstraint,
    bind,
    distinct_conditions,
    distinct_means,
    distinct_values,
    parse_all,
)

__all__ = [
    "And",
    "Atom",
    "Cells",
    "ColumnIs",
    "Comparison",
    "Condition",
    "Constraint",
    "ExclusiveColumns",
    "Linear",
    "Mean",
    "Membership",
    "Node",
    "Or",
    "ResolvedConstraint",
    "Schema",
    "Tree",
    "accuracy",
    "assign_cells",
    "atoms_of",
    "bind",
    "columns_of",
    "constant_value",
    "demographic_parity",
    "disparate_impact",
    "distinct_conditions",
    "distinct_means",
    "distinct_values",
    "dual",
    "equal_opportunity",
    "equalized_odds",
    "estimate",
    "false_positive_rate",
    "independent",
    "interval",
    "parse",
    "parse_all",
    "precision",
    "predictive_equality",
    "predictive_parity",
    "true_positive_rate",
    "walk",
]

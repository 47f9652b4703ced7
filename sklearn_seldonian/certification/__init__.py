"""The safety test and its certificate; numpy and scipy only."""

from sklearn_seldonian.certification._certificate import ConstraintResult, SafetyCertificate
from sklearn_seldonian.certification._evidence import Evidence, Sample, exclusive_columns
from sklearn_seldonian.certification._methods import BOUNDS, has_finite_ranges
from sklearn_seldonian.certification._planning import (
    anticipated_upper,
    rows_even_perfection_needs,
    sufficient_rows,
)
from sklearn_seldonian.certification._results import certify_constraint, untested
from sklearn_seldonian.certification._safety_test import Verdict, passes, safety_test
from sklearn_seldonian.certification._statistics import (
    Statistics,
    mean_tables,
    summarise,
    summarise_predictions,
    tabulate,
)

__all__ = [
    "BOUNDS",
    "ConstraintResult",
    "Evidence",
    "SafetyCertificate",
    "Sample",
    "Statistics",
    "Verdict",
    "anticipated_upper",
    "certify_constraint",
    "exclusive_columns",
    "has_finite_ranges",
    "mean_tables",
    "passes",
    "rows_even_perfection_needs",
    "safety_test",
    "sufficient_rows",
    "summarise",
    "summarise_predictions",
    "tabulate",
    "untested",
]

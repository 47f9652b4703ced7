"""The safety test and its certificate; numpy and scipy only."""

from sklearn_seldonian.certification._certificate import ConstraintResult, SafetyCertificate
from sklearn_seldonian.certification._results import certify_constraint, rows_needed, untested
from sklearn_seldonian.certification._safety_test import Verdict, safety_test, upper_bound
from sklearn_seldonian.certification._statistics import (
    RateSample,
    Statistics,
    mean_tables,
    summarise,
    tabulate,
)

__all__ = [
    "ConstraintResult",
    "RateSample",
    "SafetyCertificate",
    "Statistics",
    "Verdict",
    "certify_constraint",
    "mean_tables",
    "rows_needed",
    "safety_test",
    "summarise",
    "tabulate",
    "untested",
    "upper_bound",
]

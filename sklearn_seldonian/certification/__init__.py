"""The safety test and its certificate, based on numpy and scipy only."""

from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._decide import Verdict, passes, safety_test
from sklearn_seldonian.certification._display import CertificateDisplay
from sklearn_seldonian.certification._evidence import (
    Evidence,
    Sample,
    exclusive_columns,
    has_finite_ranges,
)
from sklearn_seldonian.certification._feasibility import minimum_rows
from sklearn_seldonian.certification._fields import ConstraintResult
from sklearn_seldonian.certification._method import ARITHMETIC
from sklearn_seldonian.certification._methods import METHODS, approximate_upper
from sklearn_seldonian.certification._multiplicity import fixed_sequence, holm
from sklearn_seldonian.certification._passing import (
    PassingRegion,
    PassingRegions,
    has_random_size,
    is_minimum,
    passing_region,
    passing_region_of_share,
)
from sklearn_seldonian.certification._recompute import Recomputation
from sklearn_seldonian.certification._record import (
    CellRecord,
    Combinations,
    MeasureRecord,
    ShiftRecord,
    SpecificationRecord,
    StatisticsRecord,
    TableRecord,
)
from sklearn_seldonian.certification._results import (
    Units,
    certify_constraint,
    units_of,
    untested,
)
from sklearn_seldonian.certification._statistics import ScoreEnds, Statistics, estimand_entries
from sklearn_seldonian.certification._summarise import summarise, summarise_predictions, tabulate
from sklearn_seldonian.certification._verify import Agreement, Verification

__all__ = [
    "ARITHMETIC",
    "METHODS",
    "Agreement",
    "CellRecord",
    "CertificateDisplay",
    "Combinations",
    "ConstraintResult",
    "Evidence",
    "MeasureRecord",
    "PassingRegion",
    "PassingRegions",
    "Recomputation",
    "SafetyCertificate",
    "Sample",
    "ScoreEnds",
    "ShiftRecord",
    "SpecificationRecord",
    "Statistics",
    "StatisticsRecord",
    "TableRecord",
    "Units",
    "Verdict",
    "Verification",
    "approximate_upper",
    "certify_constraint",
    "estimand_entries",
    "exclusive_columns",
    "fixed_sequence",
    "has_finite_ranges",
    "has_random_size",
    "holm",
    "is_minimum",
    "minimum_rows",
    "passes",
    "passing_region",
    "passing_region_of_share",
    "safety_test",
    "summarise",
    "summarise_predictions",
    "tabulate",
    "units_of",
    "untested",
]

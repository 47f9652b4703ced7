"""Pure functions from statistics and delta to confidence bounds and p-values.

Each function certifies an upper limit on a combination of means: by a small p-value against "the
combination exceeds the limit", or by an upper bound at or below the limit. A lower bound is an
upper bound with negated weights. If the data contain no information (no rows, or a number that is
not finite), the p-value is 1 and the bound is infinite.
"""

from sklearn_seldonian.bounds._asymptotic import (
    delta_method_p_value,
    delta_method_upper,
    score_p_value,
    score_upper,
    t_upper,
)
from sklearn_seldonian.bounds._betting import (
    betting_p_value,
    betting_upper,
    ratio_betting_p_value,
)
from sklearn_seldonian.bounds._binomial import (
    binomial_lower,
    binomial_upper,
    rate_certified,
    rate_p_value,
    rate_upper,
)
from sklearn_seldonian.bounds._bounded import (
    bounded_mean_lower,
    bounded_mean_upper,
)
from sklearn_seldonian.bounds._box import MeanBounds, RateCounts, box_p_value, box_upper
from sklearn_seldonian.bounds._capital import LimitsTest
from sklearn_seldonian.bounds._chernoff import chernoff_p_value, chernoff_upper
from sklearn_seldonian.bounds._inverse_normal import (
    Function,
    InverseNormalTest,
    inverse_normal_test,
)
from sklearn_seldonian.bounds._part_ratio import (
    PartRatioTest,
    part_ratio_asymptotic_upper,
    part_ratio_test,
)
from sklearn_seldonian.bounds._rate_cells import Splits
from sklearn_seldonian.bounds._ratio import rate_ratio_certified, rate_ratio_upper
from sklearn_seldonian.bounds._score import score_edge
from sklearn_seldonian.bounds._streams import (
    MeanStream,
    RateStream,
    Stream,
    divided_between_edges,
)
from sklearn_seldonian.bounds._time_uniform import time_uniform_lower, time_uniform_sum_lower
from sklearn_seldonian.bounds._totals import quotient_of_totals_test, totals_test
from sklearn_seldonian.bounds._two_sample import (
    two_rate_certified,
    two_rate_p_value,
    two_rate_upper,
)
from sklearn_seldonian.bounds._unit_totals import Totals, variance_of_totals

__all__ = [
    "Function",
    "InverseNormalTest",
    "LimitsTest",
    "MeanBounds",
    "MeanStream",
    "PartRatioTest",
    "RateCounts",
    "RateStream",
    "Splits",
    "Stream",
    "Totals",
    "betting_p_value",
    "betting_upper",
    "binomial_lower",
    "binomial_upper",
    "bounded_mean_lower",
    "bounded_mean_upper",
    "box_p_value",
    "box_upper",
    "chernoff_p_value",
    "chernoff_upper",
    "delta_method_p_value",
    "delta_method_upper",
    "divided_between_edges",
    "inverse_normal_test",
    "part_ratio_asymptotic_upper",
    "part_ratio_test",
    "quotient_of_totals_test",
    "rate_certified",
    "rate_p_value",
    "rate_ratio_certified",
    "rate_ratio_upper",
    "rate_upper",
    "ratio_betting_p_value",
    "score_edge",
    "score_p_value",
    "score_upper",
    "t_upper",
    "time_uniform_lower",
    "time_uniform_sum_lower",
    "totals_test",
    "two_rate_certified",
    "two_rate_p_value",
    "two_rate_upper",
    "variance_of_totals",
]

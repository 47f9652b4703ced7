"""The builders by the kind of their arguments, for several test files."""

from sklearn_seldonian.constraints._builders import (
    accuracy,
    balanced_accuracy,
    calibration_error,
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

PAIR = ("M", "F")


RATES = [
    accuracy,
    balanced_accuracy,
    calibration_error,
    precision,
    true_positive_rate,
    false_positive_rate,
]
GAPS = [
    demographic_parity,
    disparate_impact,
    equal_opportunity,
    equalized_odds,
    predictive_equality,
    predictive_parity,
]

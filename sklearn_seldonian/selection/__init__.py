"""Prediction of the safety test's outcome, and the choice of the model; numpy and scipy only."""

from sklearn_seldonian.selection._constraint_units import ConstraintUnits
from sklearn_seldonian.selection._forecast import Forecast, Prediction, forecast_for
from sklearn_seldonian.selection._group_thresholds import (
    GroupDecisions,
    GroupOffsets,
    group_shifts,
)
from sklearn_seldonian.selection._linearisation import Linearised
from sklearn_seldonian.selection._margins import normal_margins
from sklearn_seldonian.selection._problem import ConstrainedProblem
from sklearn_seldonian.selection._ranking import (
    LIKELIER,
    MARGIN,
    SelectionKey,
    averaged,
    position_of_best,
    selection_key,
)
from sklearn_seldonian.selection._thresholds import ClassShifts, ShiftedDecisions, class_shifts

__all__ = [
    "LIKELIER",
    "MARGIN",
    "ClassShifts",
    "ConstrainedProblem",
    "ConstraintUnits",
    "Forecast",
    "GroupDecisions",
    "GroupOffsets",
    "Linearised",
    "Prediction",
    "SelectionKey",
    "ShiftedDecisions",
    "averaged",
    "class_shifts",
    "forecast_for",
    "group_shifts",
    "normal_margins",
    "position_of_best",
    "selection_key",
]

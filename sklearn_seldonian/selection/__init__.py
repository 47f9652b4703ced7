"""What the safety test would say of a model, and which model to keep; numpy and scipy only."""

from sklearn_seldonian.selection._forecast import (
    Forecast,
    NormalForecast,
    Prediction,
    RegionForecast,
    forecast_for,
)
from sklearn_seldonian.selection._linearisation import Linearisation, Linearised
from sklearn_seldonian.selection._margins import (
    Margins,
    calibrated_margins,
    normal_margins,
    relative_widths,
)
from sklearn_seldonian.selection._problem import ConstrainedProblem
from sklearn_seldonian.selection._ranking import SelectionKey, position_of_best, selection_key
from sklearn_seldonian.selection._thresholds import ClassShifts, ShiftedDecisions, class_shifts

__all__ = [
    "ClassShifts",
    "ConstrainedProblem",
    "Forecast",
    "Linearisation",
    "Linearised",
    "Margins",
    "NormalForecast",
    "Prediction",
    "RegionForecast",
    "SelectionKey",
    "ShiftedDecisions",
    "calibrated_margins",
    "class_shifts",
    "forecast_for",
    "normal_margins",
    "position_of_best",
    "relative_widths",
    "selection_key",
]

"""Experiments with more or less data: trials of estimators, a table of them, and three plots."""

from sklearn_seldonian.experiments._baselines import FairlearnClassifier
from sklearn_seldonian.experiments._plots import ExperimentDisplay, plot_experiment
from sklearn_seldonian.experiments._run import run_experiment
from sklearn_seldonian.experiments._summary import summarise_results
from sklearn_seldonian.experiments._table import load_results

__all__ = [
    "ExperimentDisplay",
    "FairlearnClassifier",
    "load_results",
    "plot_experiment",
    "run_experiment",
    "summarise_results",
]

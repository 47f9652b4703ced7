"""Names of measures in other libraries and in everyday speech, with their names here."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPELLINGS = {
    "ACC": "accuracy acc accuracy_score",
    "ERR": "error error_rate err misclassification_rate zero_one_loss",
    "TPR": "recall recall_score sensitivity tpr true_positive_rate hit_rate tp true_positives",
    "TNR": "specificity tnr true_negative_rate tn true_negatives",
    "FPR": "fpr false_positive_rate fall_out false_alarm_rate fp false_positives",
    "FNR": "fnr false_negative_rate miss_rate fn false_negatives",
    "PPV": "precision precision_score ppv positive_predictive_value",
    "NPV": "npv negative_predictive_value",
    "FDR": "fdr false_discovery_rate",
    "FOR": "for false_omission_rate",
    "PR": "pr positive_rate selection_rate acceptance_rate approval_rate",
    "NR": "nr negative_rate",
    "F1": "f1 f1_score f_score fscore",
    "Jaccard": "jaccard jaccard_score iou",
    "LogLoss": "logloss log_loss cross_entropy bce loss",
    "Brier": "brier brier_score brier_score_loss",
    "Calibration_Error": "calibration calibration_in_the_large mean_calibration_error",
    "MSE": "mse mean_squared_error squared_error",
    "MAE": "mae mean_absolute_error absolute_error",
    "sqrt(MSE)": "rmse root_mean_squared_error",
    "CVaR(MSE, 0.9)": "cvar conditional_value_at_risk expected_shortfall superquantile",
    "BACC": "balanced_accuracy balanced_accuracy_score bacc",
}
_FAIRNESS = {
    "demographic_parity": "statistical_parity demographic_parity_difference",
    "disparate_impact": "four_fifths_rule demographic_parity_ratio",
    "equal_opportunity": "equal_opportunity_difference",
    "equalized_odds": "equalised_odds equalized_odds_difference",
    "predictive_equality": "",
    "predictive_parity": "",
}
_NO_MEAN = (
    "it is not a mean over rows, so it cannot be certified. Constrain rates such as TPR and FPR, "
    "or a measure of your own (RowMeasure)"
)
_OTHERS = {
    _NO_MEAN: (
        "auc auroc roc_auc roc_auc_score average_precision ap gini mcc matthews_corrcoef kappa "
        "cohen_kappa ece expected_calibration_error"
    ),
    "it is not a mean over rows. Bound MSE by (1 - limit) times the variance of the target": (
        "r2 r2_score r_squared explained_variance"
    ),
    "write it as a measure of your own (RowMeasure)": "mape smape huber pinball quantile_loss msle",
    "a limit must be a finite number": "inf infinity nan none null",
}


def _advice() -> dict[str, str]:
    found = {}
    for name, spellings in _SPELLINGS.items():
        found.update(dict.fromkeys(spellings.split(), f"write {name}"))
    for name, spellings in _FAIRNESS.items():
        text = f"use sklearn_seldonian.constraints.{name}(...)"
        found.update(dict.fromkeys([name, *spellings.split()], text))
    for text, spellings in _OTHERS.items():
        found.update(dict.fromkeys(spellings.split(), text))
    return found


_ADVICE = _advice()
_WORDS = re.compile(r"[^\W\d]\w*(?:[ -]+[^\W\d]\w*)*")


def advice_on_measure(name: str, known: Iterable[str] = ()) -> str | None:
    """Advice for the name of a measure that is not `known`; None if there is none."""
    in_other_case = [measure for measure in known if measure.lower() == name.lower()]
    if in_other_case:
        return f"write {in_other_case[0]}"
    return _ADVICE.get("_".join(re.split(r"[\s_-]+", name.lower())))


def advice_on_phrase(text: str, start: int) -> str | None:
    """Advice for a name of several words that begins at `start`; None if there is none."""
    found = _WORDS.match(text, start)
    words = re.split("[ -]+", found[0]) if found else []
    phrases = (" ".join(words[:n]) for n in range(len(words), 1, -1))
    return next(
        (f"{phrase!r}: {advice}." for phrase in phrases if (advice := advice_on_measure(phrase))),
        None,
    )

"""Advice on measures by their names in other packages and in everyday language."""

from __future__ import annotations

import pytest

from sklearn_seldonian.constraints import Schema, bind, parse
from sklearn_seldonian.constraints._names import advice_on_measure, advice_on_phrase
from sklearn_seldonian.exceptions import ConstraintNameError


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("accuracy", "write ACC"),
        ("acc", "write ACC"),
        ("Recall", "write TPR"),
        ("precision", "write PPV"),
        ("specificity", "write TNR"),
        ("sensitivity", "write TPR"),
        ("selection_rate", "write PR"),
        ("f1_score", "write F1"),
        ("FP", "write FPR"),
        ("balanced_accuracy", "write BACC"),
        ("calibration", "write Calibration_Error"),
        ("ECE", "it is not a mean over rows, so it cannot be certified"),
        ("AUC", "it is not a mean over rows, so it cannot be certified"),
        ("roc_auc", "it is not a mean over rows, so it cannot be certified"),
        ("MCC", "it is not a mean over rows, so it cannot be certified"),
        ("RMSE", "write sqrt(MSE)"),
        ("demographic_parity", "use sklearn_seldonian.constraints.demographic_parity"),
        ("equalised_odds", "use sklearn_seldonian.constraints.equalized_odds"),
        ("inf", "a limit must be a finite number"),
    ],
)
def test_measures_by_their_other_names(name, advice):
    with pytest.raises(ConstraintNameError) as error:
        bind(parse(f"{name} <= 0.5"), Schema((0, 1), 1))
    assert str(error.value).startswith(f"Unknown measure '{name}'; {advice}")


@pytest.mark.parametrize("name", ["RMSE", "rmse"])
def test_the_root_of_a_mean_is_what_is_said(name):
    with pytest.raises(ConstraintNameError, match=r"write sqrt\(MSE\)"):
        bind(parse(f"{name} <= 0.5"), Schema((), None))
    assert bind(parse("sqrt(MSE) <= 0.5"), Schema((), None)).estimands


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Balanced Accuracy", "write BACC"),
        ("true-positive rate", "write TPR"),
        ("LOG  LOSS", "write LogLoss"),
        ("four_fifths_rule", "use sklearn_seldonian.constraints.disparate_impact(...)"),
        ("predictive_parity", "use sklearn_seldonian.constraints.predictive_parity(...)"),
        ("mape", "write it as a measure of your own (RowMeasure)"),
        ("widgets", None),
        ("", None),
        ("accuracyscore", None),
    ],
)
def test_a_name_is_known_however_it_is_written(name, advice):
    assert advice_on_measure(name) == advice


@pytest.mark.parametrize(
    ("name", "known", "advice"),
    [
        ("tpr", ["FPR", "TPR"], "write TPR"),
        ("COST", ["Cost"], "write Cost"),
        ("recall", ["Recall", "TPR"], "write Recall"),  # a measure of the user's own
        ("cost", ["Costs"], None),
    ],
)
def test_a_known_measure_in_another_case_is_meant(name, known, advice):
    assert advice_on_measure(name, known) == advice


@pytest.mark.parametrize(
    ("text", "start", "advice"),
    [
        ("true positive rate >= 0.5", 0, "'true positive rate': write TPR."),
        ("False-Positive Rate | [M]", 0, "'False Positive Rate': write FPR."),
        ("PR - selection rate <= 0", 5, "'selection rate': write PR."),
        # the longest of the known phrases
        ("log loss of all rows", 0, "'log loss': write LogLoss."),
        ("brier score loss here", 0, "'brier score loss': write Brier."),
        ("accuracy >= 0.5", 0, None),  # one word is not a phrase
        ("some words >= 0.5", 0, None),
        ("0.5 <= selection rate", 0, None),
        ("0.5 <= selection rate", 7, "'selection rate': write PR."),
    ],
)
def test_measures_as_people_speak(text, start, advice):
    assert advice_on_phrase(text, start) == advice

"""Measures and conditions of the language, from text to certificate, through the estimator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.modules import MLP

N = 2000
X, Y = make_classification(N, class_sep=1.5, flip_y=0.1, random_state=0)
GROUPS = pd.DataFrame(
    {"race": np.resize(["A", "B", "B", "C"], N), "M": np.resize([True, False, False], N)}
)
COST = np.array([[0.0, 1.0], [5.0, 0.0]])


def cost(y, prediction, probabilities):
    return COST[y, prediction]


MEASURE = RowMeasure("Cost", cost, range=(0, 5))


def model(constraints, **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, measures=[MEASURE], random_state=0, max_epochs=5, **params
    )


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("Cost <= 0.8", "argmax"),
        ("Cost <= 1", "sample"),
        ("max(Cost, by=(race, M)) <= 2", "argmax"),
        ("Brier <= 0.3", "argmax"),
        ("abs(Calibration_Error) <= 0.1", "argmax"),
        ("max(abs(Calibration_Error), by=race) <= 0.2", "sample"),
        ("PPV >= 0.6", "argmax"),
        ("PPV >= 0.6", "sample"),
        ("F1 >= 0.6", "argmax"),
        ("F1 >= 0.6", "sample"),
        ("CM_[0, 1] <= 0.3", "argmax"),
        ("BACC >= 0.6", "argmax"),
        ("min(BACC, by=race) >= 0.6", "sample"),
        ("max(abs(PR - 0.5), by=race) <= 0.3", "argmax"),
        ("max(Cost - 5 * ERR | [race == 'A'], by=race) <= 1.5", "argmax"),
        ("min(PR|[M] / PR|[not M], PR|[not M] / PR|[M]) >= 0.5", "argmax"),
        ("min(TPR, by=race) >= 0.5 * max(TPR, by=race)", "argmax"),
    ],
)
@pytest.mark.thinned(3)
def test_certified(text, decision):
    fitted = model(text, decision=decision).fit(X, Y, sensitive_features=GROUPS)
    assert fitted.solution_found_
    (result,) = fitted.certificate_.results
    assert result.g <= result.g_upper <= 0
    assert np.isfinite(fitted.history_["estimate_0"]).all()


def test_the_estimate_is_that_of_the_safety_rows():
    fitted = model("Cost <= 0.8").fit(X, Y)
    rows = fitted.safety_indices_
    expected = COST[Y[rows], fitted.predict(X[rows])].mean()
    assert fitted.certificate_.results[0].estimate == pytest.approx(expected)


def test_without_a_finite_range_the_guarantee_is_asymptotic():
    with pytest.warns(UserWarning, match="LogLoss has no finite range"):
        fitted = model("LogLoss <= 2").fit(X, Y)
    assert fitted.certificate_.guarantee == "asymptotic"
    assert "Asymptotic: at least one bound" in fitted.certificate_.explain(None)


def test_without_a_finite_range_exact_methods_are_refused():
    with pytest.raises(ValueError, match="test, because LogLoss has no finite range"):
        model("LogLoss <= 2", method="exact").fit(X, Y)


def test_clones_and_parameters():
    estimator = model("Cost <= 0.8")
    assert clone(estimator).get_params()["measures"] == [MEASURE]


def test_mistakes_are_found_before_training():
    with pytest.raises(ConstraintNameError, match="Unknown measure 'Costs'; did you mean 'Cost'"):
        model("Costs <= 0.8").fit(X, Y)
    with pytest.raises(ValueError, match="The name 'ACC' is already taken"):
        SeldonianClassifier(MLP, constraints="ACC >= 0.5", measures=[RowMeasure("ACC", cost)]).fit(
            X, Y
        )
    with pytest.raises(ValueError, match=r"'Cost' returned 5, which is outside its range \(0, 1\)"):
        SeldonianClassifier(
            MLP, constraints="Cost <= 0.5", measures=[RowMeasure("Cost", cost, range=(0, 1))]
        ).fit(X, Y)

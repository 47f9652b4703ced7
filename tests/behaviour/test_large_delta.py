"""A confidence level given as delta causes a warning in all functions, once for each call."""

import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import (
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
    probability_of_passing,
    required_safety_rows,
)
from sklearn_seldonian.experiments import plot_experiment, run_experiment
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import PowerDisplay, TradeoffDisplay

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 200)
X = RNG.normal(size=(200, 2)) + 2.0 * Y[:, None]


def classifier(delta, constraints="ACC >= 0.6"):
    return SeldonianClassifier(
        MLP, constraints=constraints, delta=delta, max_epochs=2, random_state=0, device="cpu"
    )


def regressor(delta):
    ranges = {"target_range": (0, 1), "prediction_range": (0, 1)}
    return SeldonianRegressor(
        MLP, constraints="MSE <= 0.9", delta=delta, max_epochs=2, random_state=0, **ranges
    )


def run(estimator):
    return run_experiment(
        {"a": estimator, "logistic": LogisticRegression()},
        X,
        Y,
        "ACC >= 0.6",
        sample_sizes=[100],
        n_trials=2,
        verbose=0,
    )


def certificate(delta=0.05):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certify(LogisticRegression().fit(X, Y), X, Y, "ACC >= 0.6", delta=delta)


CALLS = {
    "fit": lambda delta: classifier(delta).fit(X, Y),
    "fit, a list": lambda delta: classifier([0.05, delta], ["ACC >= 0.6", "PR <= 1"]).fit(X, Y),
    "fit, an array": lambda delta: classifier(np.array([delta])).fit(X, Y),
    "fit of a regressor": lambda delta: regressor(delta).fit(X, Y),
    "search": lambda delta: SeldonianSearchCV(classifier(delta), {"lr": [0.01, 0.1]}, cv=2).fit(
        X, Y
    ),
    "certify": lambda delta: certify(
        LogisticRegression().fit(X, Y), X, Y, ["ACC >= 0.6", "PR <= 1"], delta=[0.05, delta]
    ),
    "certify a regressor": lambda delta: certify(
        LinearRegression().fit(X, Y),
        X,
        Y,
        "ME <= 0.9",
        delta=delta,
        target_range=(0, 1),
        prediction_range=(-9, 9),
    ),
    "required_safety_rows": lambda delta: required_safety_rows(
        "ACC >= 0.8", {"ACC": 0.9}, None, delta
    ),
    "probability_of_passing": lambda delta: probability_of_passing(
        "ACC >= 0.8", {"ACC": 0.9}, 100, None, delta
    ),
    "experiment": lambda delta: run(classifier(delta)),
    "experiment, in a pipeline": lambda delta: run(
        make_pipeline(StandardScaler(), classifier(delta, ()))
    ),
    "plot of an experiment": lambda delta: plot_experiment(run(classifier(0.05)), delta=delta),
    "trade-off": lambda delta: TradeoffDisplay.from_estimator(classifier(delta), X, Y, [0.5, 0.6]),
}


@pytest.mark.parametrize("delta", [0.5, 0.95])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.thinned(4)
def test_half_and_more_is_warned_of_once(call, delta):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        call(delta)
    texts = [str(w.message) for w in given if "probability of error" in str(w.message)]
    assert len(texts) == 1
    assert f"delta={delta:g} is the probability of error" in texts[0]
    assert f"confidence level is 1 - delta, here {1 - delta:.4g}" in texts[0]
    assert f"write delta={1 - delta:.4g}" in texts[0]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.thinned(3)
def test_less_than_half_is_not(call):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        call(0.49)
    assert not [w for w in given if "probability of error" in str(w.message)]


def test_a_picture_of_a_certificate_does_not_repeat_it():
    PowerDisplay.from_certificate(certificate(0.6), n_rows=[10, 100])

"""Invalid parameters of the estimators are refused before training."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.constraints import demographic_parity
from sklearn_seldonian.modules import MLP


def unfitted(module=None, **params):
    params = {"constraints": "ACC >= 0.1", "max_epochs": 2, "random_state": 0, **params}
    return SeldonianClassifier(module, **params)


def two_outputs(bias=True):
    return nn.Linear(3, 2, bias=bias)


class Noting(Callback):
    """Counts epochs."""

    def __init__(self, start=0):
        self.start = start

    def on_train_begin(self, net, **kwargs):
        self.n_epochs_ = self.start

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, **{"module": MLP, **params}
    ).fit(*blobs)


REFUSED = [
    ({"module": nn.Linear(3, 2), "module__bais": True}, "Did you mean 'module__bias'?"),
    ({"module": two_outputs, "module__bais": True}, "Did you mean 'module__bias'?"),
    ({"criterion__label_smooth": 0.1}, "Did you mean 'criterion__label_smoothing'?"),
    ({"callbacks__LRSchedular": None}, "Unknown parameter 'callbacks__LRSchedular'"),
    (
        {"callbacks": [LRScheduler()], "callbacks__LRSchedular": None},
        "Did you mean 'callbacks__LRScheduler'?",
    ),
    ({"callbacks__print_log": None}, "Did you mean 'callbacks__falling_rate'?"),
    ({"iterator_trian__num_workers": 1}, "Did you mean 'iterator_train__num_workers'?"),
    ({"module": 3}, "The 'module' parameter of SeldonianClassifier must be"),
    ({"criterion": "mse"}, "The 'criterion' parameter of SeldonianClassifier must be"),
    ({"optimizer": "adam"}, "The 'optimizer' parameter of SeldonianClassifier must be"),
    ({"callbacks": Noting}, "The 'callbacks' parameter of SeldonianClassifier must be"),
    ({"warm_start": True}, "There is no warm_start: a model that is trained further"),
]


@pytest.mark.parametrize(
    ("params", "message"),
    REFUSED,
    ids=lambda p: " ".join(p) if isinstance(p, dict) else "",
)
def test_wrong_names_and_kinds_are_refused_before_training(blobs, params, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        unfitted(**params).fit(*blobs)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "first", ["PR >= 0.1", ["PR >= 0.1", "ACC >= 0.5"], demographic_parity("sex", 0.1)]
)
@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
def test_a_constraint_in_the_place_of_the_module(blobs, estimator, first):
    with pytest.raises(TypeError, match=r"Give constraints by name, as in .*constraints="):
        estimator(first).fit(*blobs)


class Contrary(SeldonianClassifier):
    def predict(self, X):
        return 1 - super().predict(X)


class Sure(SeldonianClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X).round()


class Mixin:
    def decision_function(self, X):
        return np.zeros(len(X))


class Mixed(Mixin, SeldonianClassifier):
    pass


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Contrary, "Contrary overrides predict,"),
        (Sure, "Sure overrides predict_proba,"),
        (Mixed, "Mixin overrides decision_function,"),
    ],
)
def test_decisions_of_a_subclass_are_not_those_tested(blobs, kind, message):
    params = {"max_epochs": 1, "random_state": 0}
    with pytest.raises(TypeError, match=message):
        kind(constraints="ACC >= 0.1", **params).fit(*blobs)
    model = kind(**params).fit(*blobs)
    with pytest.warns(SafetyDataReusedWarning, match=rf"given to {kind.__name__}\.fit"):
        assert not certify(model, *blobs, "ACC >= 0.99").passed


WRONG_KINDS = [
    ({"constraints": 3}, "constraints must be a string, a Constraint, or a sequence of them"),
    ({"constraints": None}, "(() for none); got None"),
    ({"constraints": {"ACC >= 0.1"}}, "constraints must be a string"),
    ({"constraints": {"ACC >= 0.1": 0.05}}, "constraints must be a string"),
    ({"constraints": [3]}, "A constraint must be a string, such as 'ACC >= 0.95'; got int."),
    ({"preprocessor": StandardScaler}, "class StandardScaler was given. Write StandardScaler()"),
    (
        {"fallback": LogisticRegression},
        "class LogisticRegression was given. Write LogisticRegression()",
    ),
]


@pytest.mark.parametrize(("params", "message"), WRONG_KINDS, ids=str)
def test_wrong_kinds(blobs, params, message):
    with pytest.raises(TypeError) as error:
        SeldonianClassifier(**{"module": MLP, "constraints": "ACC >= 0.1", **params}).fit(*blobs)
    assert message in str(error.value)


def test_frozen_fallback_is_used_as_it_is(blobs):
    X, y = blobs
    frozen = FrozenEstimator(LogisticRegression().fit(X[:50], y[:50]))
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(blobs, "ACC >= 0.99", fallback=frozen)
    assert model.fallback_ is frozen

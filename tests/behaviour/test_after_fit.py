"""What is certified stays what `predict` does, whatever is done to an estimator after `fit`."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.learners.lagrangian import TrainedNet
from sklearn_seldonian.metrics import solution_found


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture
def model(blobs):
    return unfitted().fit(*blobs)


# -- the model is changed ------------------------------------------------------------------


@torch.no_grad()
def negate(model):
    for parameter in model.module_.parameters():
        parameter.neg_()


def train_on(model):
    optimizer = torch.optim.SGD(model.module_.parameters(), lr=1.0)
    model.module_(torch.ones(4, 3)).sum().backward()
    optimizer.step()


def load_others(model):
    model.module_.load_state_dict({n: 0 * w for n, w in model.module_.state_dict().items()})


def replace_a_layer(model):
    model.module_.layers[1] = nn.Linear(3, 64)


def add_a_layer(model):
    model.module_.layers.append(nn.Linear(2, 2))


def move_offsets(model):
    model.net_.adjustment_ = model.net_.adjustment_._replace(offsets=(0.0, 5.0))


def clip_scores(model):
    model.net_.adjustment_ = model.net_.adjustment_._replace(
        offsets=(0.0, 0.0), low=(-1.0, -1.0), high=(-0.5, -0.5)
    )


CHANGES = [negate, train_on, load_others, replace_a_layer, add_a_layer, move_offsets, clip_scores]
ANSWERS = ["predict", "predict_proba", "decision_function"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("answer", ANSWERS)
def test_another_model_than_the_certified_one_does_not_answer(model, blobs, change, answer):
    X, y = blobs
    change(model)
    for _ in range(2):
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            getattr(model, answer)(X)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        certify(model, X, y, "ACC >= 0.1")
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.certify(X + 0.01, y)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nor_is_it_saved_or_loaded(model, change, tmp_path):
    change(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.save_params(tmp_path / "weights")
    pickled = pickle.dumps(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        pickle.loads(pickled)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        copy.deepcopy(model)


def test_labels_are_part_of_what_is_certified(model, blobs):
    model.classes_ = model.classes_[::-1]
    with pytest.raises(ValueError, match=r"The class labels \('1', '0'\) are not those"):
        model.predict(blobs[0])
    with pytest.raises(ValueError, match="The class labels"):
        pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize(
    "harmless",
    [
        lambda model: model.module_.train(),
        lambda model: model.module_.to(torch.float32),
        lambda model: model.module_.load_state_dict(copy.deepcopy(model.module_.state_dict())),
        lambda model: model.module_.requires_grad_(False),
    ],
    ids=["train mode", "moved", "the same weights", "frozen"],
)
def test_what_changes_no_decision_is_no_change(model, blobs, harmless):
    X, _ = blobs
    expected = model.predict(X)
    harmless(model)
    assert np.array_equal(model.predict(X), expected)


@pytest.mark.parametrize("where", ["fit", "predict"])
def test_decisions_do_not_depend_on_the_precision_around_them(blobs, where):
    """Half precision would decide some rows otherwise."""
    X, y = blobs
    X = X.round(1)
    model, expected = unfitted("ACC >= 0.5"), unfitted("ACC >= 0.5").fit(X, y)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=where == "fit"):
        model.fit(X, y)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=where == "predict"):
        probabilities = model.predict_proba(X)
    if where == "predict":
        assert np.array_equal(probabilities, expected.predict_proba(X))
    rows = model.safety_indices_
    estimate = (probabilities.argmax(axis=1) == y)[rows].mean()
    assert model.certificate_.results[0].estimate == pytest.approx(estimate)
    assert np.array_equal(probabilities, model.predict_proba(X))


def test_weights_are_not_digested_for_each_prediction(model, blobs, monkeypatch):
    monkeypatch.setattr(TrainedNet, "fingerprint", lambda model: "digested")
    model.predict(blobs[0])
    negate(model)
    with pytest.raises(ValueError, match="fingerprint digested"):
        model.predict(blobs[0])


@pytest.mark.parametrize("constraints", ["ACC >= 0.6", ()])
def test_without_a_certificate_weights_are_the_users_own(blobs, constraints):
    model = unfitted(constraints).fit(*blobs)
    before = model.predict(blobs[0])
    negate(model)
    if constraints:
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            model.predict(blobs[0])
    else:
        assert not np.array_equal(model.predict(blobs[0]), before)


def test_a_regressor_is_watched_as_well(blobs):
    X, y = blobs
    model = SeldonianRegressor(
        constraints="MAE <= 0.9",
        prediction_range=(0, 1),
        target_range=(0, 1),
        max_epochs=2,
        random_state=0,
    ).fit(X, y)
    negate(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.predict(X)


# -- the verdict is changed ----------------------------------------------------------------


@pytest.fixture
def unsolved(blobs):
    with pytest.warns(NoSolutionFoundWarning):
        return unfitted("ACC >= 0.99").fit(*blobs)


def test_the_verdict_is_the_certificates_alone(unsolved, blobs):
    with pytest.raises(AttributeError):
        unsolved.solution_found_ = True
    with pytest.raises(AttributeError):
        unsolved.constraints_ = ()
    assert solution_found(unsolved) == 0.0
    with pytest.raises(NoSolutionFoundError):
        unsolved.predict(blobs[0])


def test_a_certificate_of_something_else_certifies_nothing(unsolved, blobs):
    X, y = blobs
    unsolved.certificate_ = certify(LogisticRegression().fit(X, y), X, y, "ACC >= 0.6")
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        unsolved.predict(X)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        pickle.loads(pickle.dumps(unsolved))


def test_taking_the_certificate_away_leaves_no_model(model, blobs):
    model.certificate_ = None
    assert not model.solution_found_
    with pytest.raises(AttributeError):
        model.predict(blobs[0])


# -- parameters are changed ----------------------------------------------------------------


def test_certify_tests_and_tells_what_fit_promised(blobs):
    X, y = blobs
    first = unfitted("FPR <= 0.5").fit(X[:500], y[:500])
    expected = first.certify(X[500:], y[500:])
    other = unfitted("FPR <= 0.5").fit(X[:500], y[:500])
    other.set_params(
        constraints="ACC >= 0.9", delta=0.5, method="ttest", pos_label=0, decision="sample"
    )
    assert other.certify(X[500:], y[500:]) == expected
    assert expected.positive == "1"
    assert expected.parameters["delta"] == "0.05"
    assert expected.procedure == "SeldonianClassifier.certify"


@pytest.mark.parametrize("then", [StandardScaler(), None], ids=["added", "removed"])
def test_rows_are_checked_and_preprocessed_as_in_fit(blobs, then):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = unfitted(preprocessor=None if then else StandardScaler()).fit(frame, y)
    expected = model.predict(frame)
    model.set_params(preprocessor=then)
    assert np.array_equal(model.predict(frame), expected)
    with pytest.raises(ValueError, match="NaN"):
        model.predict(frame.where(frame < 1))


# -- subclasses ------------------------------------------------------------------------------


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


class Named(SeldonianClassifier):
    """Adds a parameter and hands on all others."""

    def __init__(self, label="", **kwargs):
        super().__init__(**kwargs)
        self.label = label

    def describe(self):
        return f"{self.label}: {self.certificate_.verdict}"


class Small(SeldonianClassifier):
    """Has two parameters of its own and none of its base's."""

    def __init__(self, constraints=(), random_state=None):
        super().__init__(constraints=constraints, random_state=random_state, max_epochs=1)


def test_subclasses_that_add_to_a_model_are_certified(blobs):
    model = Named("mine", constraints="ACC >= 0.6", max_epochs=3, module__hidden=(8,))
    model.set_params(random_state=0, optimizer__weight_decay=0.1).fit(*blobs)
    assert model.describe().startswith("mine: ")
    assert model.solution_found_
    assert {"label", "delta", "module__hidden"} <= set(model.get_params())
    with pytest.raises(ValueError, match="Did you mean 'module__hidden'"):
        model.set_params(module__hiden=3).fit(*blobs)


def test_subclasses_with_fewer_parameters_can_be_cloned(blobs):
    from sklearn.base import clone

    model = clone(Small("ACC >= 0.2", random_state=0)).fit(*blobs)
    assert model.solution_found_
    assert set(model.get_params()) == {"constraints", "random_state"}

"""A model is the one that its certificate is about, or it does not answer."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian import (
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.learners.lagrangian import TrainedNet
from sklearn_seldonian.modules import MLP


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture
def model(blobs):
    return unfitted().fit(*blobs)


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
        MLP,
        constraints="MAE <= 0.9",
        prediction_range=(0, 1),
        target_range=(0, 1),
        max_epochs=2,
        random_state=0,
    ).fit(X, y)
    negate(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.predict(X)


def test_weights_made_for_inference_are_watched(model, blobs):
    X, _ = blobs
    model = pickle.loads(pickle.dumps(model))
    weights = model.module_.layers[1]
    with torch.inference_mode():
        made = torch.nn.Parameter(weights.weight.clone(), requires_grad=False)
    weights.weight = made
    expected = model.predict(X)
    with torch.inference_mode():
        made.neg_()
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.predict(X)
    assert len(expected) == len(X)

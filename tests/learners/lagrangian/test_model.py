"""A trained net is tested and predicts, and its remarks say how it was chosen."""

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianRegressor,
)
from sklearn_seldonian.exceptions import SafetyDataReusedWarning
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, **{"module": MLP, **params}
    ).fit(*blobs)


class TestRemarksOnConstantDecisions:
    """If all rows get one label, the stated reason is the one that training had."""

    def test_predicted_to_pass(self, blobs):
        X, y = blobs
        model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
        remark, *price = model.certificate_.remarks
        assert price == ([] if model.price_ is None else [str(model.price_)])
        assert model.history_["passing_0"].max() >= model.power
        assert remark.endswith(
            "Among the epochs and decision thresholds predicted to pass, none had a clearly lower "
            "error on the candidate rows."
        )

    def test_not_predicted_to_pass(self, blobs):
        X, y = blobs
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted((np.zeros_like(X), y), ["PR <= 0.3", "TPR >= 0.9"], max_epochs=2)
        assert model.history_[["passing_0", "passing_1"]].min(axis=1).max() < 0.1
        remark, *_ = model.certificate_.remarks
        assert remark.endswith(
            "No epoch was predicted to pass with probability 0.9, so one was kept "
            "that is about as likely to pass as the likeliest."
        )


def test_a_constant_prediction_is_the_last_resort_and_said_so(blobs):
    X, y = blobs
    model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
    remark = "The model gave every safety row the label 0"
    assert model.solution_found_
    assert remark in model.certificate_.explain(None)
    assert SafetyCertificate.from_json(model.certificate_.to_json()) == model.certificate_
    assert "every safety row" not in fitted(blobs, "PR <= 0.9").certificate_.explain(None)


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), nn.BatchNorm1d(16)], ids=["dropout", "batch norm"]
)
def test_same_certificate_twice(blobs, layer):
    X, y = blobs
    module = nn.Sequential(nn.Linear(3, 16), layer, nn.ReLU(), nn.Linear(16, 2))
    model = fitted(blobs, module=module)
    rows = model.safety_indices_
    with pytest.warns(SafetyDataReusedWarning, match="were given to SeldonianClassifier.fit"):
        again = model.certify(X[rows], y[rows])
    assert again.results == model.certificate_.results
    assert again.fingerprints == model.certificate_.fingerprints


def test_candidate_rows_get_predictions_of_the_kept_epoch(blobs):
    X, y = blobs
    model = fitted(blobs, module__hidden=())  # evaluated on all of them
    rows = model.candidate_indices_
    kept = model.history_.set_index("epoch").loc[model.net_.kept_epoch_]
    accuracy = (model.predict(X[rows]) == y[rows]).mean()
    assert kept["estimate_0"] == pytest.approx(accuracy)


CONSTANT_RATES = {"multiplier_lr": 0.01, "callbacks__falling_rate": None}


class Weights(Callback):
    """Stores the weights of every epoch."""

    def on_train_begin(self, net, **kwargs):
        self.of_epoch = {}

    def on_epoch_end(self, net, **kwargs):
        state = net.module_.state_dict()
        weights = {name: tensor.clone() for name, tensor in state.items()}
        self.of_epoch[len(net.history)] = weights


def linear(rows, constraints, kind=SeldonianClassifier, **params):
    """A linear model, which is evaluated on all candidate rows."""
    return kind(
        constraints=constraints,
        random_state=0,
        module__hidden=(),
        callbacks=[("weights", Weights())],
        **params,
    ).fit(*rows)


def outputs(model, epoch, X):
    """The module's outputs for rows after an epoch."""
    (weights,) = (c.of_epoch for _, c in model.net_.callbacks_ if isinstance(c, Weights))
    weight, bias = weights[epoch].values()
    return torch.as_tensor(X, dtype=torch.float32) @ weight.T + bias


def three_classes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=1000)
    return rng.normal(size=(1000, 3)) + 1.2 * np.eye(3)[y], np.array(["a", "b", "c"])[y]


@pytest.mark.parametrize(("constraint", "label"), [("PR <= 0.3", 1), ('PR_["b"] <= 0.2', "b")])
def test_the_price_of_a_moved_threshold(blobs, constraint, label):
    data = blobs if label == 1 else three_classes()
    model = linear(data, constraint, max_epochs=5, batch_size=128, lr=0.05, **CONSTANT_RATES)
    rows = model.candidate_indices_
    X, y = (each[rows] for each in data)
    kept = model.predict(X)
    accuracies = {
        epoch: (model.classes_[outputs(model, epoch, X).argmax(dim=1)] == y).mean()
        for epoch in range(1, 6)
    }
    best = max(accuracies.values())
    price = model.price_
    assert model.net_.kept_epoch_ == price.epoch
    assert price.is_moved
    assert model.offsets_.any()
    assert accuracies[price.epoch_without] == best > (kept == y).mean()
    free = model.classes_[outputs(model, price.epoch_without, X).argmax(dim=1)]
    (remark,) = model.certificate_.remarks
    assert remark.endswith(
        f"On the 500 candidate rows that epochs are evaluated on, the accuracy is "
        f"{(kept == y).mean():.4f} instead of {best:.4f}. The label {label!r} is given to "
        f"{(kept == label).mean():.1%} of these rows instead of {(free == label).mean():.1%}. "
        "What the constraints cost during training is not included."
    )
    assert remark in model.certificate_.explain(None)


def test_the_price_of_moved_probabilities(blobs):
    model = linear(blobs, "PR <= 0.3", max_epochs=5, decision="sample")
    X, y = (each[model.candidate_indices_] for each in blobs)
    kept = model.predict_proba(X)
    losses = {
        epoch: nn.functional.cross_entropy(outputs(model, epoch, X), torch.as_tensor(y)).item()
        for epoch in range(1, 6)
    }
    best = min(losses, key=losses.get)
    free = torch.softmax(outputs(model, best, X), dim=1)[:, 1].mean()
    (remark,) = model.certificate_.remarks
    assert "probabilities were moved towards those of a constant prediction." in remark
    loss = -np.log(kept[np.arange(len(y)), y]).mean()
    assert f"the loss is {loss:.4f} instead of {losses[best]:.4f}. The label 1 is" in remark
    assert f"expected for {kept[:, 1].mean():.1%} of these rows instead of {free:.1%}." in remark


@pytest.mark.parametrize(("lr", "is_best"), [(0.01, True), (0.1, False)])
def test_the_price_of_another_epoch(lr, is_best):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 1000)
    X = rng.normal(size=(1000, 3)) + 2.0 * first[:, None] * [1.0, 0.0, 0.0]
    y = np.clip(X @ [1.0, 0.5, 0.0] + rng.normal(size=1000), -9.0, 9.0)
    model = SeldonianRegressor(
        constraints="abs(ME | [first] - ME | [not first]) >= 0.5",
        prediction_range=(-9, 9),
        target_range=(-9, 9),
        module__hidden=(),
        max_epochs=8,
        batch_size=128,
        lr=lr,
        **CONSTANT_RATES,
        random_state=0,
    ).fit(X, y, sensitive_features=pd.DataFrame({"first": first}))
    losses = model.history_.set_index("epoch")["candidate_loss"]
    kept, best = model.net_.kept_epoch_, losses.idxmin()
    assert (kept == best) == is_best, (kept, best)
    if is_best:
        assert model.price_ is None
        assert model.certificate_.remarks == ()
        return
    rows = model.candidate_indices_
    loss = ((model.predict(X[rows]) - y[rows]) ** 2).mean()
    (remark,) = model.certificate_.remarks
    assert remark == str(model.price_)
    assert remark.startswith(
        f"Because of the constraints, epoch {kept} was kept instead of epoch {best}. On the 500 "
        f"candidate rows that epochs are evaluated on, the loss is {loss:.4f} instead of "
        f"{losses[best]:.4f}. What"
    )


def test_without_constraints_there_is_no_price(blobs):
    assert SeldonianClassifier(max_epochs=1).fit(*blobs).price_ is None

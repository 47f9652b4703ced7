"""Accelerators that this machine does not have: what is sent to them, in which precision, and read
back.
"""

import pickle

import numpy as np
import pytest
import torch
from skorch.exceptions import DeviceWarning

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.learners.lagrangian import LagrangianNet, _devices
from sklearn_seldonian.modules import MLP

# -- one without float64, as Apple's ----------------------------------------------------------


class OnAccelerator(torch.Tensor):
    """Computes in single precision, and is only read through the CPU."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func is torch.Tensor.numpy:
            raise TypeError("can't convert device type tensor to numpy")
        if func is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if isinstance(result, torch.Tensor) and result.dtype is torch.float64:
            raise TypeError("Cannot convert a tensor to float64: there is none on this device")
        return result


@pytest.fixture
def single_precision(monkeypatch):
    """The module's outputs are on such a device, and targets are sent to it."""
    infer = LagrangianNet.infer
    monkeypatch.setattr(
        LagrangianNet, "infer", lambda net, X, **k: infer(net, X, **k).as_subclass(OnAccelerator)
    )
    monkeypatch.setattr(_devices, "SINGLE_PRECISION", frozenset({"cpu"}))


PROBLEMS = {
    "free": {},
    "rates": {"constraints": ["abs(PR | [M] - PR | [F]) <= 0.9", "ACC >= 0.2"]},
    "offsets": {"constraints": "PR <= 0.45", "max_epochs": 6},
    "losses": {"constraints": "Brier <= 0.9"},
    "drawn": {"constraints": "ACC >= 0.1", "decision": "sample"},
    "weighted": {
        "constraints": "ACC >= 0.1",
        "criterion": torch.nn.CrossEntropyLoss(torch.tensor([1.0, 2.0])),
    },
    "one logit": {"constraints": "ACC >= 0.1", "criterion": torch.nn.BCEWithLogitsLoss},
}


@pytest.mark.usefixtures("single_precision")
class TestSinglePrecision:
    @pytest.mark.parametrize("params", PROBLEMS.values(), ids=PROBLEMS)
    @pytest.mark.thinned(2)
    def test_classes(self, blobs, groups, params):
        X, y = blobs
        params = {"max_epochs": 2, "random_state": 0, "verbose": 1, **params}
        model = SeldonianClassifier(MLP, **params).fit(X, y, sensitive_features=groups)
        assert model.solution_found_
        assert model.predict(X).shape == (1000,)
        assert model.predict_proba(X).dtype == np.float64
        assert model.decision_function(X).shape == (1000,)

    @pytest.mark.parametrize("constraints", [(), "MAE <= 0.9", "abs(ME | [M]) <= 0.9"])
    def test_numbers(self, blobs, groups, constraints):
        X, y = blobs
        model = SeldonianRegressor(
            MLP,
            constraints=constraints,
            prediction_range=(0, 1),
            target_range=(0, 1),
            max_epochs=2,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        assert model.solution_found_
        assert model.predict(X).dtype == np.float64


# -- which devices there are ---------------------------------------------------------------


# -- loading without the device of training ---------------------------------------------------


def pickled_on(model, device, monkeypatch):
    """A pickle according to which everything that was trained was on `device`."""
    on_cpu = torch.serialization.location_tag
    trained = {t.untyped_storage().data_ptr() for t in model.module_.state_dict().values()}
    with monkeypatch.context() as patch:
        patch.setattr(
            torch.serialization,
            "location_tag",
            lambda storage: device if storage.data_ptr() in trained else on_cpu(storage),
        )
        patch.setattr(model.net_, "device", device)
        pickled = pickle.dumps(model)
    assert device.encode() in pickled
    return pickled


@pytest.mark.parametrize("device", ["cuda:0", "cuda:3", "mps"])
@pytest.mark.parametrize("constraints", ["ACC >= 0.2", ()])
@pytest.mark.thinned(2)
def test_a_pickle_is_loaded_where_its_device_is_not(blobs, device, constraints, monkeypatch):
    X, _ = blobs
    model = SeldonianClassifier(MLP, constraints=constraints, max_epochs=2, random_state=0).fit(
        *blobs
    )
    pickled = pickled_on(model, device, monkeypatch)
    with pytest.warns(DeviceWarning):
        loaded = pickle.loads(pickled)
    assert str(loaded.net_.device) == "cpu"
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.certificate_ == model.certificate_

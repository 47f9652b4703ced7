"""Accelerators that this machine lacks: what is sent where, in what precision, and read back."""

import pickle

import numpy as np
import pytest
import torch
from skorch.exceptions import DeviceWarning

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.learners.lagrangian import LagrangianNet, _devices
from sklearn_seldonian.learners.lagrangian._devices import resolve_device

# -- one without float64, as Apple's ----------------------------------------------------------


class OnAccelerator(torch.Tensor):
    """Computes in single precision, and is read by way of the CPU only."""

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
    """What modules return is on such a device, and targets are sent to it."""
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
    def test_classes(self, blobs, groups, params):
        X, y = blobs
        params = {"max_epochs": 2, "random_state": 0, "verbose": 1, **params}
        model = SeldonianClassifier(**params).fit(X, y, sensitive_features=groups)
        assert model.solution_found_
        assert model.predict(X).shape == (1000,)
        assert model.predict_proba(X).dtype == np.float64
        assert model.decision_function(X).shape == (1000,)

    @pytest.mark.parametrize("constraints", [(), "MAE <= 0.9", "abs(ME | [M]) <= 0.9"])
    def test_numbers(self, blobs, groups, constraints):
        X, y = blobs
        model = SeldonianRegressor(
            constraints=constraints,
            prediction_range=(0, 1),
            target_range=(0, 1),
            max_epochs=2,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        assert model.solution_found_
        assert model.predict(X).dtype == np.float64


@pytest.mark.parametrize(
    ("device", "dtype"), [("mps", torch.float32), ("cuda:1", torch.float64), ("cpu", torch.float64)]
)
def test_targets_are_as_precise_as_the_device_allows(device, dtype):
    assert _devices.dtype_on(device, torch.float64) is dtype
    assert _devices.dtype_on(device, torch.int64) is torch.int64


# -- which devices there are ---------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have so many CUDA devices, and Apple's."""

    def pretend(n_cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("there", "device", "resolved"),
    [
        ({"n_cuda": 2, "mps": True}, "auto", "cuda"),
        ({"mps": True}, "auto", "mps"),
        ({}, "auto", "cpu"),
        ({"n_cuda": 2}, "cuda:1", "cuda:1"),
        ({"n_cuda": 2}, torch.device("cuda", 0), "cuda:0"),
        ({"n_cuda": 1}, "cpu", "cpu"),
    ],
)
def test_devices_that_are_there(machine, there, device, resolved):
    machine(**there)
    assert resolve_device(device) == resolved


@pytest.mark.parametrize(
    ("there", "device", "message"),
    [
        ({"n_cuda": 2}, "cuda:2", "there are cuda, cuda:1, cpu"),
        ({"n_cuda": 1}, "mps", "there are cuda, cpu"),
        ({"mps": True}, "cuda", "there are mps, cpu"),
        ({}, "meta", "there are cpu"),
    ],
)
def test_devices_that_are_not(machine, there, device, message):
    machine(**there)
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


# -- what was trained on one, where there is none ---------------------------------------------


def pickled_on(model, device, monkeypatch):
    """A pickle that says of all that was trained that it lay on `device`."""
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
def test_a_pickle_is_loaded_where_its_device_is_not(blobs, device, constraints, monkeypatch):
    X, _ = blobs
    model = SeldonianClassifier(constraints=constraints, max_epochs=2, random_state=0).fit(*blobs)
    pickled = pickled_on(model, device, monkeypatch)
    with pytest.warns(DeviceWarning):
        loaded = pickle.loads(pickled)
    assert str(loaded.net_.device) == "cpu"
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.certificate_ == model.certificate_


@pytest.mark.parametrize(
    ("there", "trained_on", "loaded_on"),
    [
        ({}, "cuda", "cpu"),
        ({"n_cuda": 1}, "cuda:3", "cuda"),
        ({"n_cuda": 4}, "cuda:3", "cuda:3"),
        ({"n_cuda": 1}, "mps", "cpu"),
        ({"mps": True}, "mps", "mps"),
        ({"mps": True}, "cuda", "cpu"),
        ({"n_cuda": 1}, "cpu", "cpu"),
    ],
)
def test_what_takes_the_place_of_a_device(machine, there, trained_on, loaded_on):
    machine(**there)
    assert _devices.present_device(trained_on) == loaded_on

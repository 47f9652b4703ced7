"""A fitted estimator can be pickled, copied, and saved without pickle."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from skorch.exceptions import DeviceWarning
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianClassifier,
)
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.2", **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    return SeldonianClassifier(constraints=constraints, **{"module": MLP, **params}).fit(*blobs)


def by_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib", compress=3)
    return joblib.load(folder / "model.joblib")


WAYS = {
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "joblib": by_joblib,
    "deepcopy": lambda model, folder: copy.deepcopy(model),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


class TestPickles:
    @each_way
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"constraints": ()},
            {"preprocessor": StandardScaler()},
            {"module": nn.Linear(3, 2), "criterion": nn.CrossEntropyLoss(torch.tensor([1.0, 2.0]))},
            {"decision": "sample", "constraints": "ACC >= 0.1"},
        ],
        ids=["plain", "free", "preprocessor", "instances", "drawn"],
    )
    @pytest.mark.thinned(4)
    def test_models_travel(self, blobs, way, params, tmp_path):
        X, y = blobs
        model = fitted(blobs, **params)
        other = way(model, tmp_path)
        assert other.certificate_ == model.certificate_
        assert np.array_equal(other.predict_proba(X), model.predict_proba(X))
        assert other.history_.equals(model.history_)
        for name in ("candidate_indices_", "safety_indices_"):
            assert np.array_equal(getattr(other, name), getattr(model, name))
        if model.certificate_:
            fresh = X + 0.01, y
            first = other.certify(*fresh)
            assert model.certify(*fresh, random_state=first.order_seed or 0) == first
        assert clone(other).fit(X, y).solution_found_

    @each_way
    @pytest.mark.parametrize("fallback", [None, "majority"])
    def test_no_solution_travels(self, blobs, way, fallback, tmp_path):
        X, _ = blobs
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted(blobs, "ACC >= 0.99", fallback=fallback)
        other = way(model, tmp_path)
        assert other.solution_found_ is False
        assert other.certificate_ == model.certificate_
        if fallback:
            assert np.array_equal(other.predict(X), model.predict(X))
        else:
            with pytest.raises(NoSolutionFoundError, match=r"ACC >= 0\.99: NOT passed"):
                other.predict(X)

    @pytest.mark.parametrize("n_hidden", [4, 600])
    @pytest.mark.thinned(2)
    def test_no_rows_and_no_optimizer_travel(self, n_hidden):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(100_000, 20)).astype(np.float32)
        y = (X[:, 0] > 0).astype(int)
        groups = rng.choice(list("abcdefgh"), 100_000)
        model = SeldonianClassifier(
            constraints=["ACC >= 0.2", "min(TPR, by=sensitive_feature_0) >= 0.001"],
            module__hidden=(n_hidden, n_hidden // 4),
            max_epochs=1,
            batch_size=5_000,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        weights = sum(p.numel() * p.element_size() for p in model.module_.parameters())
        assert len(pickle.dumps(model)) < 1.2 * weights + 50_000

    @pytest.mark.parametrize("module", [None, nn.Linear(3, 2)], ids=["class", "instance"])
    def test_what_cuda_trained_is_loaded_without_cuda(self, blobs, module, monkeypatch):
        """According to the pickle, everything that was trained was on a CUDA device."""
        X, _ = blobs
        model = fitted(blobs, module=module)
        on_cpu = torch.serialization.location_tag
        trained = {t.untyped_storage().data_ptr() for t in model.module_.state_dict().values()}
        with monkeypatch.context() as patch:
            patch.setattr(
                torch.serialization,
                "location_tag",
                lambda storage: "cuda:0" if storage.data_ptr() in trained else on_cpu(storage),
            )
            patch.setattr(model.net_, "device", "cuda")
            pickled = pickle.dumps(model)
        assert b"cuda:0" in pickled
        with pytest.warns(DeviceWarning):
            loaded = pickle.loads(pickled)
        assert str(loaded.net_.device) == "cpu"
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))

    def test_weights_that_were_not_certified_are_refused(self, blobs):
        model = fitted(blobs)
        with torch.no_grad():
            model.module_.layers[1].bias += 1.0
        pickled = pickle.dumps(model)
        with pytest.raises(ValueError, match="not those that the certificate is about"):
            pickle.loads(pickled)

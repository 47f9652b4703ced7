"""Weights without pickle: load_params restores the model that save_params has written."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianClassifier,
    certify,
)
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.2", **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    return SeldonianClassifier(constraints=constraints, **{"module": MLP, **params}).fit(*blobs)


class Signed(nn.Module):
    """A module with options that are not part of its weights."""

    n_outputs = 2

    def __init__(self, sign=1.0, activation=None):
        super().__init__()
        self.layer, self.sign, self.activation = nn.Linear(3, self.n_outputs), sign, activation

    def forward(self, X):
        scores = self.sign * self.layer(X)
        return scores if self.activation is None else self.activation(scores)


class Other(Signed):
    pass


class TestWeightsAlone:
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"constraints": ()},
            {"constraints": "PR <= 0.3"},
            {"module": nn.Linear(3, 2)},
            {"criterion": nn.BCEWithLogitsLoss, "module__hidden": (5,)},
            {"constraints": ["ACC >= 0.2", "PR <= 0.95"], "delta": [0.05, 0.1]},
        ],
        ids=["plain", "free", "moved", "instance", "one logit", "two"],
    )
    @pytest.mark.thinned(2)
    def test_round_trip(self, blobs, params, tmp_path):
        X, y = blobs
        model = fitted(blobs, **params)
        model.save_params(tmp_path / "weights.safetensors")
        loaded = clone(model).load_params(tmp_path / "weights.safetensors")
        assert loaded.solution_found_
        assert loaded.certificate_ == model.certificate_
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert np.array_equal(loaded.predict(X), model.predict(X))
        assert np.array_equal(loaded.offsets_, model.offsets_)
        assert np.array_equal(pickle.loads(pickle.dumps(loaded)).predict(X), model.predict(X))
        assert certify(loaded, X, y, "ACC >= 0.2").passed
        assert "history_" not in vars(loaded)

    def test_drawn_decisions_keep_their_probabilities(self, blobs, tmp_path):
        X, _ = blobs
        model = fitted(blobs, "PR <= 0.45", decision="sample")
        model.save_params(tmp_path / "weights")
        loaded = clone(model).load_params(tmp_path / "weights")
        assert np.array_equal(loaded.predict_proba(100 * X), model.predict_proba(100 * X))
        assert np.array_equal(loaded.probability_range_, model.probability_range_)

    def test_names_and_labels_come_along(self, blobs, tmp_path):
        import pandas as pd

        X, y = blobs
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        model = fitted((frame, np.where(y == 1, "yes", "no")))
        model.save_params(tmp_path / "weights")
        loaded = clone(model).load_params(tmp_path / "weights")
        assert loaded.predict(frame).tolist() == model.predict(frame).tolist()
        assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="feature names should match"):
            loaded.predict(frame.rename(columns={"a": "z"}))

    def test_damaged_weights_are_repaired(self, blobs, tmp_path):
        X, _ = blobs
        model = fitted(blobs)
        expected = model.predict_proba(X)
        model.save_params(tmp_path / "weights")
        with torch.no_grad():
            model.module_.layers[1].bias += 1.0
        with pytest.raises(ValueError, match="not those that the certificate is about"):
            model.predict_proba(X)
        assert np.array_equal(model.load_params(tmp_path / "weights").predict_proba(X), expected)

    @staticmethod
    def changed_weights(path):
        tensors = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors["layers.1.bias"] += 1e-6
        safetensors.torch.save_file(tensors, path, metadata=metadata)

    @staticmethod
    def changed_offsets(path):
        TestWeightsAlone.changed_facts(path, adjustment=[1.0, [0.0, 5.0]])

    @staticmethod
    def changed_facts(path, **changes):
        tensors = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["sklearn_seldonian"])
        metadata = {"sklearn_seldonian": json.dumps({**facts, **changes})}
        safetensors.torch.save_file(tensors, path, metadata=metadata)

    @classmethod
    def changed_classes(cls, path):
        cls.changed_facts(path, classes=["<i8", [1, 0]])

    @classmethod
    def without_certificate(cls, path):
        cls.changed_facts(path, certificate=None)

    @classmethod
    def with_a_failed_certificate(cls, path, **others):
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["sklearn_seldonian"])
        certificate = SafetyCertificate.from_json(facts["certificate"])
        (result,) = certificate.results
        missed = {"g_upper": 0.1, "bound": -0.1 + result.limit, "p_value": 0.5, "reason": "chance"}
        failed = replace(certificate, results=(replace(result, **missed),), **others)
        cls.changed_facts(path, certificate=failed.to_json())

    @classmethod
    def with_a_failure_that_nobody_can_recompute(cls, path):
        cls.with_a_failed_certificate(path, specification=None, statistics=None)

    @staticmethod
    def without_metadata(path):
        safetensors.torch.save_file(safetensors.torch.load_file(path), path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("changed_weights", "not those that the certificate is about"),
            ("changed_offsets", "entry 'adjustment' of the file was changed"),
            ("without_metadata", "was not written by save_params"),
            ("changed_classes", r"The class labels \('1', '0'\) are not those"),
            ("without_certificate", "has no certificate that passed"),
            ("with_a_failed_certificate", r"results\[0\].g_upper is 0.1, but the statistics give"),
            ("with_a_failure_that_nobody_can_recompute", "has no certificate that passed"),
        ],
    )
    @pytest.mark.parametrize("is_fitted", [True, False])
    @pytest.mark.thinned(3)
    def test_a_changed_file_is_refused_and_changes_nothing(
        self, blobs, change, message, is_fitted, tmp_path
    ):
        X, _ = blobs
        model = fitted(blobs)
        path = tmp_path / "weights"
        model.save_params(path)
        getattr(self, change)(path)
        target = model if is_fitted else clone(model)
        before, attributes = model.predict_proba(X), set(vars(target))
        with pytest.raises(ValueError, match=message):
            target.load_params(path)
        assert set(vars(target)) == attributes
        assert hasattr(target, "solution_found_") == is_fitted
        assert np.array_equal(model.predict_proba(X), before)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"constraints": "ACC >= 0.9"}, r"The file says .*ACC >= 0\.2.*the estimator .*0\.9"),
            ({"delta": 0.01}, r"'delta': \[0\.05\].*'delta': \[0\.01\]"),
            ({"decision": "sample"}, "'decision': 'argmax'.*'decision': 'sample'"),
            ({"module__hidden": (7,)}, r"'module__hidden': '\(7,\)'"),
        ],
    )
    def test_the_parameters_must_be_those_of_the_file(self, blobs, params, message, tmp_path):
        model = fitted(blobs)
        model.save_params(tmp_path / "weights")
        with pytest.raises(ValueError, match=message):
            clone(model).set_params(**params).load_params(tmp_path / "weights")

    def test_the_same_weights_in_another_module_are_another_model(self, blobs, tmp_path):
        X, _ = blobs
        model = fitted(blobs, module=Signed, module__activation=torch.tanh)
        model.save_params(tmp_path / "weights")
        loaded = clone(model).load_params(tmp_path / "weights")
        assert np.array_equal(loaded.predict(X), model.predict(X))
        for params in (
            {"module__sign": -1.0},
            {"module__activation": torch.relu},
            {"module": Other},
        ):
            with pytest.raises(ValueError, match="with other parameters than"):
                clone(model).set_params(**params).load_params(tmp_path / "weights")

    def test_weights_of_another_shape_do_not_fit(self, blobs, tmp_path, monkeypatch):
        model = fitted(blobs, module=Signed)
        model.save_params(tmp_path / "weights")
        monkeypatch.setattr(Signed, "n_outputs", 3)
        with pytest.raises(ValueError, match="do not fit the module"):
            clone(model).load_params(tmp_path / "weights")

    def test_a_preprocessor_would_not_be_that_of_the_file(self, blobs, tmp_path):
        fitted(blobs).save_params(tmp_path / "weights")
        other = SeldonianClassifier(MLP, constraints="ACC >= 0.2", preprocessor=StandardScaler())
        with pytest.raises(ValueError, match=r"has a preprocessor, and the model in .* has none"):
            other.load_params(tmp_path / "weights")

    def test_another_certificate_is_kept(self, blobs, tmp_path):
        model, other = fitted(blobs), fitted(blobs, random_state=1)
        other.save_params(tmp_path / "weights")
        before = model.certificate_
        with pytest.raises(ValueError, match="another model than the one that its certificate"):
            model.load_params(tmp_path / "weights")
        assert model.certificate_ is before

    def test_what_is_not_made_of_weights_is_refused(self, blobs, tmp_path):
        model = fitted(blobs, preprocessor=StandardScaler())
        with pytest.raises(ValueError, match="predict needs the preprocessor StandardScaler"):
            model.save_params(tmp_path / "weights")
        with pytest.warns(NoSolutionFoundWarning):
            unsolved = fitted(blobs, "ACC >= 0.99", fallback="majority")
        with pytest.raises(NoSolutionFoundError):
            unsolved.save_params(tmp_path / "weights")

    def test_loaded_weights_name_the_way_to_certify(self, blobs, tmp_path):
        model = fitted(blobs)
        model.save_params(tmp_path / "weights")
        loaded = clone(model).load_params(tmp_path / "weights")
        with pytest.raises(ValueError, match=r"Use sklearn_seldonian\.certify\(estimator"):
            loaded.certify(*blobs)

    def test_loading_draws_no_random_numbers(self, blobs, tmp_path):
        model = fitted(blobs)
        model.save_params(tmp_path / "weights")
        state = torch.get_rng_state()
        clone(model).load_params(tmp_path / "weights")
        assert torch.equal(state, torch.get_rng_state())


def test_weights_keep_their_precision_with_any_default(blobs, tmp_path):
    model = fitted(blobs)
    model.save_params(tmp_path / "weights")
    torch.set_default_dtype(torch.float64)
    try:
        loaded = clone(model).load_params(tmp_path / "weights")
        assert np.array_equal(loaded.predict_proba(blobs[0]), model.predict_proba(blobs[0]))
    finally:
        torch.set_default_dtype(torch.float32)

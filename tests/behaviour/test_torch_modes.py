"""`fit` trains and `predict` predicts in all modes and precisions that the caller has set in
torch.
"""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP


def classifier(**params):
    params = {"constraints": "ACC >= 0.6", "max_epochs": 5, "random_state": 0, **params}
    return SeldonianClassifier(**{"module": MLP, **params})


MODES = [torch.inference_mode, torch.no_grad, torch.enable_grad]


class TestModes:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("decision", ["argmax", "sample"])
    @pytest.mark.parametrize("constraints", [(), "ACC >= 0.6"], ids=["free", "certified"])
    @pytest.mark.thinned(5)
    def test_fit_and_predict(self, blobs, mode, decision, constraints):
        params = {"constraints": constraints, "decision": decision}
        expected = classifier(**params).fit(*blobs).predict_proba(blobs[0])
        with mode():
            model = classifier(**params).fit(*blobs)
            inside = model.predict_proba(blobs[0])
        assert np.array_equal(inside, expected)
        assert np.array_equal(model.predict_proba(blobs[0]), expected)
        assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(blobs[0]), expected)

    @pytest.mark.parametrize("mode", MODES)
    def test_what_was_made_in_the_mode_trains(self, blobs, mode):
        X, y = blobs
        with mode():
            model = classifier(
                lr=0.1,
                module=nn.Linear(3, 2),
                criterion=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])),
            )
            model.fit(torch.from_numpy(X), torch.from_numpy(y))
        assert model.solution_found_
        assert all(not parameter.is_inference() for parameter in model.module_.parameters())

    @pytest.mark.parametrize("mode", MODES)
    def test_regression(self, blobs, mode):
        with mode():
            model = SeldonianRegressor(MLP, constraints="MSE >= 0", max_epochs=2).fit(*blobs)
        assert model.predict(blobs[0]).shape == (1000,)

    def test_the_mode_stays_what_it_was(self, blobs):
        with torch.inference_mode():
            classifier().fit(*blobs)
            assert torch.is_inference_mode_enabled()
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_by_default")
class TestDoubleByDefault:
    @pytest.mark.parametrize("decision", ["argmax", "sample"])
    @pytest.mark.parametrize("constraints", [(), "ACC >= 0.6", "Brier <= 0.9"], ids=str)
    @pytest.mark.thinned(4)
    def test_default_module(self, blobs, decision, constraints):
        model = classifier(constraints=constraints, decision=decision).fit(*blobs)
        assert model.predict(blobs[0]).shape == (1000,)
        torch.set_default_dtype(torch.float32)
        assert model.predict(blobs[0]).shape == (1000,)

    @pytest.mark.parametrize("criterion", [nn.BCEWithLogitsLoss, nn.CrossEntropyLoss])
    def test_criteria(self, blobs, criterion):
        assert classifier(criterion=criterion).fit(*blobs).solution_found_

    def test_regression(self, blobs):
        model = SeldonianRegressor(MLP, constraints="MSE >= 0", max_epochs=2).fit(*blobs)
        assert np.isfinite(model.predict(blobs[0])).all()


class TestPrecisionOfTheModule:
    @pytest.mark.parametrize(
        "of_module", [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    )
    @pytest.mark.parametrize("of_weights", [torch.float64, torch.float32, torch.float16])
    @pytest.mark.thinned(5)
    def test_any_goes_with_any_of_the_class_weights(self, blobs, of_module, of_weights):
        model = classifier(
            lr=0.1,
            module=nn.Linear(3, 2).to(of_module),
            criterion__weight=torch.tensor([1.0, 1.5], dtype=of_weights),
        ).fit(*blobs)
        assert model.solution_found_
        assert model.module_.weight.dtype is of_module
        assert np.array_equal(model.predict(blobs[0][:7]), model.predict(blobs[0])[:7])

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_one_logit_and_regression(self, blobs, dtype):
        X, y = blobs
        module, params = nn.Linear(3, 1).to(dtype), {"max_epochs": 5, "lr": 0.1}
        one_logit = classifier(
            module=module,
            criterion=nn.BCEWithLogitsLoss,
            criterion__pos_weight=torch.tensor(2.0, dtype=torch.float64),
            **params,
        )
        assert one_logit.fit(X, y).predict(X).shape == (1000,)
        numbers = SeldonianRegressor(module=module, constraints="MSE >= 0", **params).fit(X, y)
        assert np.isfinite(numbers.predict(X)).all()

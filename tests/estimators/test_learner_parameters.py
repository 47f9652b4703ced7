"""The parameters of all estimators, and skorch's additional double-underscore names."""

import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from sklearn_seldonian import (
    SeldonianClassifier,
)
from sklearn_seldonian.modules import MLP


def unfitted(module=None, **params):
    params = {"constraints": "ACC >= 0.1", "max_epochs": 2, "random_state": 0, **params}
    return SeldonianClassifier(module, **params)


def two_outputs(bias=True):
    return nn.Linear(3, 2, bias=bias)


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, **{"module": MLP, **params}
    ).fit(*blobs)


class Noting(Callback):
    """Counts epochs."""

    def __init__(self, start=0):
        self.start = start

    def on_train_begin(self, net, **kwargs):
        self.n_epochs_ = self.start

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1


class TestNamesReachTheirTargets:
    @pytest.mark.parametrize(
        ("params", "seen", "value"),
        [
            ({"module__hidden": (4, 5)}, lambda m: m.module_.layers[3].out_features, 5),
            ({"module": MLP, "module__hidden": ()}, lambda m: len(m.module_.layers), 2),
            ({"module": nn.Linear(3, 2)}, lambda m: m.module_.in_features, 3),
            (
                {"module": nn.Linear, "module__in_features": 3, "module__out_features": 2},
                lambda m: m.module_.out_features,
                2,
            ),
            ({"module": two_outputs, "module__bias": False}, lambda m: m.module_.bias, None),
            (
                {"criterion__label_smoothing": 0.25},
                lambda m: m.net_.criterion_.label_smoothing,
                0.25,
            ),
            (
                {"criterion": nn.CrossEntropyLoss(label_smoothing=0.5)},
                lambda m: m.net_.criterion_.label_smoothing,
                0.5,
            ),
            ({"iterator_train__num_workers": 0}, lambda m: m.n_iter_, 2),
            (
                {"callbacks": [("notes", Noting())], "callbacks__notes__start": 7},
                lambda m: dict(m.net_.callbacks_)["notes"].n_epochs_,
                9,
            ),
            (
                {"callbacks": [Noting, Noting()], "callbacks__Noting_2__start": 5},
                lambda m: dict(m.net_.callbacks_)["Noting_2"].n_epochs_,
                7,
            ),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
    )
    @pytest.mark.thinned(3)
    def test_values_are_used(self, blobs, params, seen, value):
        assert seen(unfitted(**params).fit(*blobs)) == value

    def test_groups_of_parameters(self, blobs):
        still = [("layers.1.*", {"lr": 1e-12})]
        model = unfitted(optimizer__param_groups=still, module__hidden=(4,)).fit(*blobs)
        moved = unfitted(module__hidden=(4,)).fit(*blobs)
        first, last = (
            [layers[1].weight, layers[3].weight]
            for layers in (model.module_.layers, moved.module_.layers)
        )
        assert not torch.allclose(first[0], last[0], atol=1e-3)

    def test_they_are_searched_and_cloned(self, blobs):
        model = unfitted(module__hidden=(4,), optimizer__weight_decay=0.1)
        grid = {"module__hidden": [(3,), (2,)], "optimizer__lr": [0.02], "lr": [0.1]}
        search = GridSearchCV(model, grid, cv=2).fit(*blobs)
        assert search.best_estimator_.module_.layers[1].out_features in (2, 3)
        copy = clone(search.best_estimator_)
        assert copy.get_params()["optimizer__lr"] == 0.02
        assert copy.get_params()["optimizer__weight_decay"] == 0.1
        assert not hasattr(copy, "solution_found_")

    def test_nested_estimators_have_their_names_too(self):
        model = unfitted(preprocessor=StandardScaler(), fallback=LogisticRegression())
        assert {"preprocessor__with_std", "fallback__C"} <= set(model.get_params())
        with pytest.raises(ValueError, match="Invalid parameter 'D'"):
            model.set_params(fallback__D=1)

    def test_a_module_instance_is_cloned_with_its_weights(self, blobs):
        module = nn.Linear(3, 2)
        before = module.weight.detach().clone()
        copy = clone(unfitted(module, lr=1e-9)).fit(*blobs)
        assert copy.module_ is not module
        assert torch.allclose(copy.module_.weight, before, atol=1e-6)
        assert torch.equal(module.weight, before)


@pytest.mark.parametrize("is_fitted", [False, True])
def test_training_is_not_continued(blobs, is_fitted):
    model = unfitted().fit(*blobs) if is_fitted else unfitted()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="no partial_fit: a model that is trained further"):
        model.partial_fit(*blobs)
    with pytest.raises(ValueError, match="Invalid parameter 'warm_start'"):
        model.set_params(warm_start=True)


class Named(SeldonianClassifier):
    """Adds a parameter and passes all others on."""

    def __init__(self, label="", **kwargs):
        super().__init__(**kwargs)
        self.label = label

    def describe(self):
        return f"{self.label}: {self.certificate_.verdict}"


class Small(SeldonianClassifier):
    """Has two parameters of its own and none of its base class."""

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


def test_double_underscore_names_are_cloned_and_set():
    model = SeldonianClassifier(module__hidden=(4,), optimizer__weight_decay=0.1)
    assert model.get_params()["module__hidden"] == (4,)
    copy = clone(model).set_params(module__hidden=(5,), iterator_train__num_workers=0)
    assert copy.get_params()["module__hidden"] == (5,)
    assert copy.get_params()["optimizer__weight_decay"] == 0.1
    assert copy.get_params()["iterator_train__num_workers"] == 0
    assert model.get_params()["module__hidden"] == (4,)


def test_weights_and_options_reach_their_targets(blobs):
    params = {"optimizer__weight_decay": 0.25, "module__hidden": (4,)}
    weights = torch.tensor([1.0, 2.0])
    model = fitted(blobs, criterion__weight=weights, iterator_train__drop_last=True, **params)
    assert model.module_.layers[1].out_features == 4
    assert torch.equal(model.net_.criterion_.weight, weights)


def test_parameters_of_nested_estimators_are_set():
    model = SeldonianClassifier(preprocessor=StandardScaler(), fallback=LogisticRegression())
    model.set_params(preprocessor__with_mean=False, fallback__C=2.0)
    assert model.preprocessor.with_mean is False
    assert model.fallback.C == 2.0

"""skorch's double-underscore names and its modules, criteria, optimisers and callbacks."""

import inspect

import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler
from torch import nn

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor, certify
from sklearn_seldonian.constraints import demographic_parity
from sklearn_seldonian.model_selection import SeldonianSearchCV
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


REFUSED = [
    ({"module": nn.Linear(3, 2), "module__bais": True}, "Did you mean 'module__bias'?"),
    ({"module": two_outputs, "module__bais": True}, "Did you mean 'module__bias'?"),
    ({"criterion__label_smooth": 0.1}, "Did you mean 'criterion__label_smoothing'?"),
    ({"callbacks__LRSchedular": None}, "Unknown parameter 'callbacks__LRSchedular'"),
    (
        {"callbacks": [LRScheduler()], "callbacks__LRSchedular": None},
        "Did you mean 'callbacks__LRScheduler'?",
    ),
    ({"callbacks__print_log": None}, "Did you mean 'callbacks__epoch_timer'?"),
    ({"iterator_trian__num_workers": 1}, "Did you mean 'iterator_train__num_workers'?"),
    ({"module": 3}, "The 'module' parameter of SeldonianClassifier must be"),
    ({"criterion": "mse"}, "The 'criterion' parameter of SeldonianClassifier must be"),
    ({"optimizer": "adam"}, "The 'optimizer' parameter of SeldonianClassifier must be"),
    ({"callbacks": Noting}, "The 'callbacks' parameter of SeldonianClassifier must be"),
    ({"warm_start": True}, "There is no warm_start: the safety test would be run again on rows"),
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


PARAMETERS = [
    ("epochs", "Did you mean 'max_epochs'?"),
    ("n_epochs", "Did you mean 'max_epochs'?"),
    ("max_iter", "Did you mean 'max_epochs'?"),
    ("learning_rate", "Did you mean 'lr'?"),
    ("batch", "Did you mean 'batch_size'?"),
    ("seed", "Did you mean 'random_state'?"),
    ("constraint", "Did you mean 'constraints'?"),
    ("test_size", "Did you mean 'safety_size'?"),
    ("patience", "Did you mean 'n_iter_no_change'?"),
    ("hidden_layer_sizes", "Did you mean 'module__hidden'?"),
    ("weight_decay", "Did you mean 'optimizer__weight_decay'?"),
    ("class_weight", "write criterion__weight=torch.tensor([...])"),
    ("threshold", "fit chooses the threshold together with the model"),
    ("n_jobs", "SeldonianSearchCV, which takes cv= and n_jobs="),
    ("cv", "SeldonianSearchCV, which takes cv= and n_jobs="),
    ("sensitive_features", "sensitive_features is an argument of fit"),
    ("safety_mask", "safety_mask is an argument of fit"),
    ("groups", "given by sensitive_features="),
    ("sample_weight", "Rows have no weights"),
    ("shift", "certify the model on rows of that population"),
]


@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
@pytest.mark.parametrize(("name", "advice"), PARAMETERS)
def test_parameters_of_other_libraries(blobs, estimator, name, advice):
    with pytest.raises(ValueError, match="Unknown parameter") as error:
        estimator(constraints=(), **{name: None}).fit(*blobs)
    assert advice in str(error.value)
    assert "CertifiedEstimator" not in str(error.value)


ARGUMENTS = [
    ("sample_weight", "Rows have no weights"),
    ("groups", "given by sensitive_features="),
    ("class_weight", "write criterion__weight=torch.tensor([...])"),
    ("eval_set", "fit keeps rows apart by itself"),
    ("fit_params", "Write arguments of fit by name"),
    ("sensitive_feature", "Did you mean 'sensitive_features'?"),
    ("protected_attributes", "Did you mean 'sensitive_features'?"),
    ("shift", "certify the model on rows of that population"),
    ("epochs", "max_epochs is a parameter of the estimator"),
    ("nonsense", "sensitive_features"),
]


@pytest.mark.parametrize("call", ["fit", "certify", "search", "function"])
@pytest.mark.parametrize(("name", "advice"), ARGUMENTS)
def test_arguments_of_other_libraries(blobs, call, name, advice):
    model = SeldonianClassifier(constraints="ACC >= 0.1")
    calls = {
        "fit": model.fit,
        "certify": model.certify,
        "search": SeldonianSearchCV(model, {"lr": [0.01]}).fit,
        "function": lambda X, y, **given: certify(model, X, y, "ACC >= 0.1", **given),
    }
    with pytest.raises(TypeError, match=f"takes no '{name}'") as error:
        calls[call](*blobs, **{name: None})
    assert advice in str(error.value)
    assert "CertifiedEstimator" not in str(error.value)


def test_a_parameter_given_to_fit(blobs):
    with pytest.raises(TypeError, match=r"fit takes no 'constraints'\. constraints is a parameter"):
        SeldonianClassifier().fit(*blobs, constraints="ACC >= 0.5")


def test_signatures_stay_what_they_are():
    assert list(inspect.signature(certify).parameters)[:4] == ["estimator", "X", "y", "constraints"]
    assert has_fit_parameter(SeldonianClassifier(), "sensitive_features")
    assert not has_fit_parameter(SeldonianClassifier(), "sample_weight")


@pytest.mark.parametrize(
    "first", ["PR >= 0.1", ["PR >= 0.1", "ACC >= 0.5"], demographic_parity("sex", 0.1)]
)
@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
def test_a_constraint_in_the_place_of_the_module(blobs, estimator, first):
    with pytest.raises(TypeError, match=r"constraints are given by name, as in .*constraints="):
        estimator(first).fit(*blobs)


@pytest.mark.parametrize("is_fitted", [False, True])
def test_training_is_not_continued(blobs, is_fitted):
    model = unfitted().fit(*blobs) if is_fitted else unfitted()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="There is no partial_fit: the safety test would be"):
        model.partial_fit(*blobs)
    with pytest.raises(ValueError, match="Invalid parameter 'warm_start'"):
        model.set_params(warm_start=True)


def test_callbacks_that_skorch_brings(blobs, tmp_path):
    """The schedule is followed, checkpoints are written, training stops early."""
    callbacks = [
        ("schedule", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1)),
        ("checkpoint", Checkpoint(monitor=None, dirname=tmp_path, f_optimizer=None)),
        ("stop", EarlyStopping(monitor="loss", patience=2, threshold=0.5)),
    ]
    model = unfitted(callbacks=callbacks, max_epochs=9).fit(*blobs)
    assert model.solution_found_
    assert 2 <= model.n_iter_ < 9
    assert model.history_["event_lr"].tolist() == pytest.approx(
        [0.01 * 0.1**epoch for epoch in range(model.n_iter_)]
    )
    assert (tmp_path / "params.pt").exists()

"""Modules and criteria that are refused before training."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from sklearn_seldonian import SeldonianClassifier

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


@pytest.fixture(autouse=True)
def same_modules():
    """Modules in these tests always have the same initial weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def classifier(module, **params):
    params = {"constraints": "ACC >= 0.5", "lr": 0.1, "max_epochs": 15, "random_state": 0, **params}
    return SeldonianClassifier(module, **params)


class Returning(nn.Module):
    """A linear layer, and a function of its outputs."""

    def __init__(self, change, n_outputs=2):
        super().__init__()
        self.layer, self.change = nn.Linear(3, n_outputs), change

    def forward(self, X):
        return self.change(self.layer(X))


class AlwaysDropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, X):
        return nn.functional.dropout(self.linear(X), training=True)


@pytest.mark.parametrize("constraints", ["ACC >= 0.01", ()])
@pytest.mark.parametrize(
    ("module", "is_refused"),
    [
        (nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2)), True),
        (AlwaysDropping, True),
        (nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)), False),
        (nn.Sequential(nn.Dropout(), nn.Linear(3, 2)), False),
    ],
    ids=["batch statistics", "dropout in eval mode", "running statistics", "dropout"],
)
def test_decisions_must_be_functions_of_the_row(blobs, module, is_refused, constraints):
    model = SeldonianClassifier(module, constraints, max_epochs=1, random_state=0)
    if is_refused:
        with pytest.raises(ValueError, match="output for a row changes"):
            model.fit(*blobs)
    else:
        assert model.fit(*blobs).n_iter_ == 1


class Pair(NamedTuple):
    outputs: torch.Tensor
    state: object


@each_goal
@pytest.mark.parametrize(
    "change", [lambda o: (o, 1), lambda o: [o], lambda o: Pair(o, None)], ids=range(3)
)
@pytest.mark.thinned(2)
def test_the_first_of_several_outputs_counts(blobs, change, constraints):
    model = classifier(Returning(change), constraints=constraints).fit(*blobs)
    assert model.score(*blobs) > 0.7


@each_goal
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda o: {"logits": o}, "dict"),
        (lambda o: (), "tuple"),
        (lambda o: None, "NoneType"),
        (lambda o: o.detach().numpy(), "ndarray"),
        (lambda o: o.long(), "a tensor of int64"),
        (lambda o: o > 0, "a tensor of bool"),
        (lambda o: o + 1j, "a tensor of complex64"),
        (lambda o: o.argmax(dim=1), "a tensor of int64"),
    ],
)
def test_outputs_that_are_no_floating_point_tensor_are_refused(blobs, change, found, constraints):
    with pytest.raises(TypeError, match=f"returns {found}.* must return a floating-point"):
        classifier(Returning(change), constraints=constraints).fit(*blobs)


@each_goal
def test_a_module_without_parameters_is_refused(blobs, constraints):
    X, y = blobs
    with pytest.raises(ValueError, match=r"no parameters.*sklearn_seldonian\.certify"):
        classifier(nn.Sequential(), constraints=constraints).fit(X[:, :2], y)


@each_goal
@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.zeros(2, 3))]
)
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_is_refused(blobs, make, constraints):
    with pytest.raises(ValueError, match="module is TorchScript"):
        classifier(make(nn.Linear(3, 2)), constraints=constraints).fit(*blobs)


@each_goal
@pytest.mark.parametrize(
    ("criterion", "problem"),
    [
        (nn.MSELoss, "raises RuntimeError"),
        (nn.CosineEmbeddingLoss, "missing 1 required positional argument"),
        (nn.CrossEntropyLoss(reduction="none"), r"returns shape \(32,\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
def test_a_criterion_that_makes_no_loss_is_named(blobs, criterion, problem, constraints):
    model = classifier(nn.Linear(3, 2), constraints=constraints, criterion=criterion)
    with pytest.raises(ValueError, match=f"cannot compute a loss.*{problem}"):
        model.fit(*blobs)

"""The net that trains under constraints: its batches, steps, end of training, and outputs."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklearn_seldonian import (
    SeldonianClassifier,
    SeldonianRegressor,
)
from sklearn_seldonian.modules import MLP

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


def fitted(blobs, constraints, **params):
    params = {"max_epochs": 3, "random_state": 0, "safety_size": 600, **params}
    return SeldonianClassifier(constraints=constraints, **{"module": MLP, **params}).fit(*blobs)


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


class Normalised(nn.Sequential):
    def __init__(self, hidden=4):
        super().__init__(nn.Linear(3, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 2))


@each_goal
@pytest.mark.parametrize(
    "option",
    [
        {},
        {"num_workers": 0},
        {"shuffle": False},
        {"shuffle": True},
        {"drop_last": True},
        {"pin_memory": False},
        {"sampler": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("hidden", [4, 512], ids=["all rows", "rows held out"])
@pytest.mark.thinned(5)
def test_batch_norm_never_gets_a_single_last_row(blobs, constraints, option, hidden):
    """With 1,000, 400 or 200 rows, one row remains after the full batches."""
    options = {f"iterator_train__{name}": value for name, value in option.items()}
    n_trained = 1000 if constraints == () else 200 if hidden == 512 else 400
    for batch_size in (n_trained - 1, (n_trained - 1) // 3):
        model = fitted(
            blobs,
            constraints,
            module=Normalised,
            module__hidden=hidden,
            batch_size=batch_size,
            **options,
        )
        assert np.isfinite(model.history_.loss).all()


@each_goal
def test_single_rows_are_batches_on_request(blobs, constraints):
    X, y = blobs
    steps = []

    class Counts(Callback):
        def on_batch_end(self, net, **kwargs):
            steps.append(net)

    model = fitted(
        (X[:650], y[:650]),
        constraints,
        module=nn.Linear(3, 2),
        max_epochs=1,
        batch_size=1,
        iterator_train__shuffle=False,
        callbacks=[Counts()],
    )
    assert len(steps) == len(model.candidate_indices_)


@each_goal
def test_fewer_rows_than_a_batch_and_none_left(blobs, constraints):
    options = {"batch_size": 5000, "iterator_train__drop_last": True}
    with pytest.raises(ValueError, match=r"There is no batch to train on: .*drop_last"):
        fitted(blobs, constraints, **options)
    assert fitted(blobs, constraints, batch_size=5000).n_iter_ == 3


def test_training_ends_when_nothing_better_was_found_for_long(blobs):
    params = {"module": MLP, "constraints": "ACC >= 0.7", "random_state": 0}
    params["callbacks__falling_rate"] = None  # else it depends on max_epochs
    model = SeldonianClassifier(max_epochs=90, n_iter_no_change=5, **params).fit(*blobs)
    # The best epoch is the fifth before the last. A later one that is about as good is kept.
    assert model.n_iter_ - 5 <= model.net_.kept_epoch_ <= model.n_iter_ < 90
    whole = SeldonianClassifier(max_epochs=model.n_iter_, **params).fit(*blobs)
    assert whole.net_.kept_epoch_ == model.net_.kept_epoch_
    assert whole.certificate_.fingerprints == model.certificate_.fingerprints
    free = SeldonianClassifier(max_epochs=9, n_iter_no_change=2, random_state=0).fit(*blobs)
    assert free.n_iter_ == 9


@each_goal
def test_a_frozen_module_has_nothing_to_train(blobs, constraints):
    module = nn.Linear(3, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="have no gradient, so there is nothing to train"):
        classifier(module, constraints=constraints).fit(*blobs)


@each_goal
def test_detached_outputs_have_nothing_to_train(blobs, constraints):
    with pytest.raises(ValueError, match="have no gradient, so there is nothing to train"):
        classifier(Returning(torch.detach), constraints=constraints).fit(*blobs)


@each_goal
@pytest.mark.parametrize(
    ("change", "n_outputs", "message"),
    [
        (torch.mean, 2, "one row of outputs per row of inputs"),
        (torch.flatten, 2, "one row of outputs per row of inputs"),
        (lambda o: o, 3, r"With 2 classes it must return shape \(32, 2\)"),
        (lambda o: o, 1, "criterion=BCEWithLogitsLoss"),
        (lambda o: o[:, :, None], 2, r"With 2 classes it must return shape \(32, 2\)"),
    ],
)
def test_outputs_of_another_shape_are_refused(blobs, change, n_outputs, message, constraints):
    with pytest.raises(ValueError, match=message):
        classifier(Returning(change, n_outputs), constraints=constraints).fit(*blobs)


def test_two_numbers_a_row_are_no_regression(blobs):
    with pytest.raises(ValueError, match="one row of outputs per row of inputs"):
        SeldonianRegressor(Returning(torch.flatten)).fit(*blobs)

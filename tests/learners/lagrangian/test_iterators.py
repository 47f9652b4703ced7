"""Options of the iterator over the rows that train: they work, or `fit` says what to do instead."""

import numpy as np
import pytest
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import (
    BatchSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from sklearn_seldonian import SeldonianClassifier

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


def fitted(blobs, constraints, **params):
    params = {"max_epochs": 3, "random_state": 0, "safety_size": 600, **params}
    return SeldonianClassifier(constraints=constraints, **params).fit(*blobs)


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
def test_batch_norm_never_gets_a_single_last_row(blobs, constraints, option, hidden):
    """Of 1,000, 400 or 200 rows one is left over after the others."""
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
def test_single_rows_are_batches_where_they_are_asked_for(blobs, constraints):
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
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("sampler", SubsetRandomSampler(range(400)), "criterion__weight, or draw rows with"),
        ("sampler", WeightedRandomSampler([1.0] * 400, 400), "names rows by their position"),
        ("batch_sampler", BatchSampler(SequentialSampler(range(9)), 3, False), "by their position"),
        ("collate_fn", list, "keep the groups that rows come with"),
        ("batch_size", None, "use batch_size=1"),
        ("dataset", [1], "Unknown parameter 'iterator_train__dataset'"),
        ("shufle", True, "Did you mean 'iterator_train__shuffle'"),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("shuffle", [{}, {"iterator_train__shuffle": False}], ids=["", "in order"])
def test_what_cannot_be_asked_is_refused_before_training(
    blobs, constraints, option, value, message, shuffle
):
    options = {f"iterator_train__{option}": value, **shuffle}
    with pytest.raises(ValueError, match=message):
        fitted(blobs, constraints, preprocessor=NotFitted(), **options)


class NotFitted:
    """A preprocessor that must not be reached."""

    def fit(self, X, y=None):
        raise AssertionError

    def get_params(self, deep=True):
        return {}


@each_goal
def test_fewer_rows_than_a_batch_and_none_left(blobs, constraints):
    options = {"batch_size": 5000, "iterator_train__drop_last": True}
    with pytest.raises(ValueError, match="No batch is left to train on: with drop_last"):
        fitted(blobs, constraints, **options)
    assert fitted(blobs, constraints, batch_size=5000).n_iter_ == 3

"""skorch's double-underscore names that are accepted, and values that are refused."""

import pytest
from torch.utils.data import (
    BatchSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import MLP

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


def fitted(blobs, constraints, **params):
    params = {"max_epochs": 3, "random_state": 0, "safety_size": 600, **params}
    return SeldonianClassifier(MLP, constraints=constraints, **params).fit(*blobs)


class NotFitted:
    """A preprocessor that must not be fitted."""

    def fit(self, X, y=None):
        raise AssertionError

    def get_params(self, deep=True):
        return {}


@each_goal
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("sampler", SubsetRandomSampler(range(400)), "criterion__weight, or give a sampler"),
        ("sampler", WeightedRandomSampler([1.0] * 400, 400), "it selects rows by their position"),
        ("batch_sampler", BatchSampler(SequentialSampler(range(9)), 3, False), "by their position"),
        ("collate_fn", list, "keep the groups of the rows"),
        ("batch_size", None, "Use batch_size=1"),
        ("dataset", [1], "Unknown parameter 'iterator_train__dataset'"),
        ("shufle", True, "Did you mean 'iterator_train__shuffle'"),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("shuffle", [{}, {"iterator_train__shuffle": False}], ids=["", "in order"])
def test_impossible_requests_are_refused_before_training(
    blobs, constraints, option, value, message, shuffle
):
    options = {f"iterator_train__{option}": value, **shuffle}
    with pytest.raises(ValueError, match=message):
        fitted(blobs, constraints, preprocessor=NotFitted(), **options)


@pytest.mark.parametrize(
    "given",
    ["EarlyStopping", 3, ("name", 3), object()],
    ids=["text", "number", "pair", "object"],
)
def test_what_is_no_callback(blobs, given):
    with pytest.raises(TypeError, match="It must be a list of skorch callbacks"):
        SeldonianClassifier(callbacks=[given], max_epochs=4, random_state=0).fit(*blobs)

"""After `fit`, an estimator is either completely fitted or unfitted."""

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP


def classifier(*callbacks, **params):
    defaults = {"constraints": "ACC >= 0.6", "max_epochs": 2, "random_state": 0}
    return SeldonianClassifier(MLP, callbacks=list(callbacks), **{**defaults, **params})


@pytest.mark.parametrize(
    "params", [{"delta": 2}, {"method": "none"}, {"constraints": "ACC >="}, {"module__hiden": 3}]
)
def test_a_fit_that_fails_forgets_the_last_one(blobs, params):
    model = classifier().fit(*blobs).set_params(**params)
    with pytest.raises(ValueError, match=r".+"):
        model.fit(*blobs)
    assert not [name for name in vars(model) if name.endswith("_")]
    assert not hasattr(model, "solution_found_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test", "nonsense"),
        ("estimator", None),
        ("estimator", make_pipeline(StandardScaler(), classifier())),
        ("parameters", {"delta": [0.1]}),
        ("parameters", {"lrr": [0.1]}),
        ("cv", 10**6),
        ("n_iter", 0),
    ],
)
@pytest.mark.thinned(3)
def test_a_search_that_fails_forgets_the_last_one(blobs, name, value):
    search = SeldonianSearchCV(classifier(), {"lr": [0.01]}, cv=2).fit(*blobs)
    search.set_params(**{name: value})
    with pytest.raises((ValueError, TypeError)):
        search.fit(*blobs)
    for attribute in ("solution_found_", "certificate_", "best_estimator_", "cv_results_"):
        assert not hasattr(search, attribute)
    with pytest.raises(AttributeError):  # NotFittedError is one
        search.predict(blobs[0])


class Breaks(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, X):
        raise RuntimeError("out of order")


def test_a_refit_that_fails_leaves_nothing_of_the_first(blobs):
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0).fit(*blobs)
    with pytest.raises(RuntimeError, match="out of order"):
        model.set_params(module=Breaks).fit(*blobs)
    assert not hasattr(model, "solution_found_")
    assert not hasattr(model, "certificate_")
    with pytest.raises(NotFittedError):
        model.predict(blobs[0])


def test_a_search_whose_refit_fails_leaves_nothing_of_the_first(blobs):
    found = SeldonianSearchCV(classifier(), {"lr": [0.02]}, cv=2).fit(*blobs)
    with pytest.raises(ValueError, match="lrr"):
        found.set_params(parameters={"lrr": [1]}).fit(*blobs)
    assert not hasattr(found, "best_estimator_")
    assert not hasattr(found, "certificate_")

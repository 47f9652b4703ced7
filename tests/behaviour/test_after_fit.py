"""`predict` uses the certified model, also if an estimator is changed after `fit`."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianClassifier,
    certify,
)
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.modules import MLP


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture
def model(blobs):
    return unfitted().fit(*blobs)


# -- torch is changed ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["fit", "predict"])
def test_decisions_do_not_depend_on_the_precision_around_them(blobs, where):
    """In half precision, some rows would be decided differently."""
    X, y = blobs
    X = X.round(1)
    model, expected = unfitted("ACC >= 0.5"), unfitted("ACC >= 0.5").fit(X, y)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=where == "fit"):
        model.fit(X, y)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=where == "predict"):
        probabilities = model.predict_proba(X)
    if where == "predict":
        assert np.array_equal(probabilities, expected.predict_proba(X))
    rows = model.safety_indices_
    estimate = (probabilities.argmax(axis=1) == y)[rows].mean()
    assert model.certificate_.results[0].estimate == pytest.approx(estimate)
    assert np.array_equal(probabilities, model.predict_proba(X))


# -- the verdict is changed ----------------------------------------------------------------


@pytest.fixture
def unsolved(blobs):
    with pytest.warns(NoSolutionFoundWarning):
        return unfitted("ACC >= 0.99").fit(*blobs)


def test_the_verdict_is_the_certificates_alone(unsolved, blobs):
    with pytest.raises(AttributeError):
        unsolved.solution_found_ = True
    with pytest.raises(AttributeError):
        unsolved.constraints_ = ()
    assert solution_found(unsolved) == 0.0
    with pytest.raises(NoSolutionFoundError):
        unsolved.predict(blobs[0])


def test_a_certificate_of_something_else_certifies_nothing(unsolved, blobs):
    X, y = blobs
    unsolved.certificate_ = certify(LogisticRegression().fit(X, y), X, y, "ACC >= 0.6")
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        unsolved.predict(X)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        pickle.loads(pickle.dumps(unsolved))


def test_taking_the_certificate_away_leaves_no_model(model, blobs):
    model.certificate_ = None
    assert not model.solution_found_
    with pytest.raises(AttributeError):
        model.predict(blobs[0])


# -- parameters are changed ----------------------------------------------------------------

"""Errors name arguments that are not a fitted Seldonian estimator or not a certificate."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.metrics import bound_margin, solution_found
from sklearn_seldonian.plotting import CertificateDisplay, PowerDisplay, TrainingDisplay

matplotlib.use("Agg")

OF_ESTIMATORS = [
    solution_found,
    bound_margin,
    CertificateDisplay.from_estimator,
    PowerDisplay.from_estimator,
    TrainingDisplay.from_estimator,
]
each_reader = pytest.mark.parametrize("read", OF_ESTIMATORS, ids=lambda read: read.__qualname__)


@pytest.fixture
def unconstrained(blobs):
    return SeldonianClassifier(max_epochs=1, random_state=0).fit(*blobs)


@each_reader
@pytest.mark.parametrize(
    "estimator",
    [None, 3, "model", [], pd.DataFrame(), np.zeros(3), LogisticRegression(), SeldonianClassifier],
    ids=repr,
)
def test_other_things_are_no_estimator(read, estimator):
    with pytest.raises(TypeError, match="estimator must be a fitted Seldonian estimator"):
        read(estimator)


@each_reader
def test_estimators_must_be_fitted(read):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        read(SeldonianClassifier())


@pytest.mark.parametrize("display", [CertificateDisplay, PowerDisplay])
def test_without_constraints_there_is_no_certificate(display, unconstrained):
    with pytest.raises(ValueError, match="The estimator was fitted without constraints"):
        display.from_estimator(unconstrained)


@pytest.mark.parametrize("display", [CertificateDisplay, PowerDisplay])
@pytest.mark.parametrize("given", [None, 3, "certificate", pd.DataFrame()], ids=type)
def test_other_things_are_no_certificate(display, given):
    with pytest.raises(TypeError, match="certificate must be a SafetyCertificate"):
        display.from_certificate(given)


@pytest.mark.parametrize(
    "name", ["module_", "constraints_", "solution_found_", "scale_", "offsets_"]
)
def test_attributes_of_an_unfitted_estimator(name):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(SeldonianClassifier(), name)
    assert not hasattr(SeldonianClassifier(), name)

"""The model that a fit stores, its certificate, and the rows that it predicts."""

import logging

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SeldonianClassifier,
)
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(MLP, constraints=constraints, random_state=0, **params).fit(*blobs)


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


def test_certificate_is_about_what_predict_returns(blobs):
    X, y = blobs
    model = fitted(blobs)
    (result,) = model.certificate_.results
    rows = model.safety_indices_
    assert result.estimate == pytest.approx((model.predict(X[rows]) == y[rows]).mean())
    assert result.bound < result.estimate
    assert result.rows == {"ACC": 500}


def test_nothing_was_fitted_where_nothing_was_trained(blobs):
    with pytest.warns(NoSolutionFoundWarning, match="nothing was trained"):
        model = fitted(blobs, "ACC >= 90")
    text = model.certificate_.explain(None)
    assert "fitted to" not in text
    assert "500 safety rows were not touched; 500 others were for training." in text
    assert "fitted to" not in model.certificate_._repr_html_()


@pytest.mark.parametrize("then", [StandardScaler(), None], ids=["added", "removed"])
def test_rows_are_checked_and_preprocessed_as_in_fit(blobs, then):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = unfitted(preprocessor=None if then else StandardScaler()).fit(frame, y)
    expected = model.predict(frame)
    model.set_params(preprocessor=then)
    assert np.array_equal(model.predict(frame), expected)
    with pytest.raises(ValueError, match="NaN"):
        model.predict(frame.where(frame < 1))


def test_which_rows_were_tested_is_stored(blobs):
    X, _ = blobs
    mask = np.arange(len(X)) % 3 == 0
    model = unfitted().fit(*blobs, safety_mask=mask)
    assert np.array_equal(model.safety_indices_, np.flatnonzero(mask))
    assert np.array_equal(model.candidate_indices_, np.flatnonzero(~mask))


def test_the_verdict_is_logged(blobs, caplog):
    with caplog.at_level(logging.INFO, logger="sklearn_seldonian"):
        model = unfitted().fit(*blobs)
    assert model.certificate_.verdict in caplog.messages

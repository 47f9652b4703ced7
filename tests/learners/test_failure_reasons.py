"""Reasons why no safety test can pass, as far as the candidate rows show them."""

import numpy as np
import pytest

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SeldonianClassifier,
)
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(MLP, constraints=constraints, random_state=0, **params).fit(*blobs)


def test_impossible_limit_is_refused_before_training(blobs):
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(blobs, "ACC >= 1.5")
    assert "no model can satisfy 'ACC >= 1.5'" in model.certificate_.explain(None)
    assert not hasattr(model, "net_")


def test_too_few_safety_rows_are_noticed_before_training(blobs):
    with (
        pytest.warns(NoSolutionFoundWarning),
        pytest.warns(UserWarning, match="even a model without errors needs about 29956"),
    ):
        model = fitted(blobs, "ACC >= 0.9999")
    assert "limit 0.9999" in model.certificate_.explain(None)


def test_no_model_is_said_to_need_rows_that_probabilities_do_not(blobs):
    X, y = blobs
    mask = np.arange(len(y)) < 6
    model = SeldonianClassifier(
        MLP, constraints="PR <= 0.7", decision="sample", max_epochs=2, random_state=0
    ).fit(X, y, safety_mask=mask)
    assert model.solution_found_

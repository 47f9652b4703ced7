"""A trained net is what is tested and what predict asks, and says how it was chosen."""

import numpy as np
import pytest
from torch import nn

from sklearn_seldonian import NoSolutionFoundWarning, SafetyCertificate, SeldonianClassifier
from sklearn_seldonian.exceptions import SafetyDataReusedWarning
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(MLP, constraints=constraints, random_state=0, **params).fit(*blobs)


class TestRemarksOnConstantDecisions:
    """The reason for one label for all rows is the one that training had."""

    def test_predicted_to_pass(self, blobs):
        X, y = blobs
        model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
        (remark,) = model.certificate_.remarks
        assert model.history_["passing_0"].max() >= model.power
        assert remark.endswith(
            "Among the epochs and decision thresholds predicted to pass, none had a lower error on "
            "the candidate rows."
        )

    def test_not_predicted_to_pass(self, blobs):
        X, y = blobs
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted((np.zeros_like(X), y), ["PR <= 0.3", "TPR >= 0.9"], max_epochs=2)
        assert model.history_[["passing_0", "passing_1"]].min(axis=1).max() < 0.1
        (remark,) = model.certificate_.remarks
        assert remark.endswith(
            "No epoch was predicted to pass with probability 0.9, so the one likeliest to pass was "
            "kept."
        )


def test_a_constant_prediction_is_the_last_resort_and_said_so(blobs):
    X, y = blobs
    model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
    remark = "The model gave every safety row the label 0"
    assert model.solution_found_
    assert remark in model.certificate_.explain()
    assert SafetyCertificate.from_json(model.certificate_.to_json()) == model.certificate_
    assert fitted(blobs, "PR <= 0.9").certificate_.remarks == ()


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), nn.BatchNorm1d(16)], ids=["dropout", "batch norm"]
)
def test_same_certificate_twice(blobs, layer):
    X, y = blobs
    module = nn.Sequential(nn.Linear(3, 16), layer, nn.ReLU(), nn.Linear(16, 2))
    model = fitted(blobs, module=module)
    rows = model.safety_indices_
    with pytest.warns(SafetyDataReusedWarning, match="were given to SeldonianClassifier.fit"):
        again = model.certify(X[rows], y[rows])
    assert again.results == model.certificate_.results
    assert again.fingerprints == model.certificate_.fingerprints


def test_candidate_rows_get_predictions_of_the_kept_epoch(blobs):
    X, y = blobs
    model = fitted(blobs, module__hidden=())  # judged on all of them
    rows = model.candidate_indices_
    kept = model.history_.set_index("epoch").loc[model.net_.kept_epoch_]
    accuracy = (model.predict(X[rows]) == y[rows]).mean()
    assert 0.7 - kept["estimate_0"] == pytest.approx(accuracy)

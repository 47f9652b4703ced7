"""The parameters of certify without rows: what they specify, and what the certificate lists."""

from threading import Lock

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_seldonian.certification._certify_parameters import CertifyParameters
from sklearn_seldonian.constraints import parse
from sklearn_seldonian.data._targets import Labels, Numbers

X, Y = np.arange(6.0)[:, None], np.array(["no", "yes"] * 3)
CLASSIFIER, REGRESSOR = LogisticRegression().fit(X, Y), LinearRegression().fit(X, X[:, 0])
LABELS = Labels.of(np.array(["no", "yes"]), None, "argmax")
NUMBERS = Numbers((0.0, 5.0), (0.0, 5.0))


def parameters(**given):
    usual = {
        "estimator": CLASSIFIER,
        "constraints": "ACC >= 0.9",
        "delta": 0.05,
        "method": "auto",
        "decision": "argmax",
        "pos_label": None,
        "measures": (),
        "target_range": None,
        "prediction_range": None,
        "missing": "error",
    }
    return CertifyParameters(**{**usual, **given})


@pytest.mark.parametrize(
    ("given", "n_constraints", "deltas"),
    [
        ({}, 1, (0.05,)),
        ({"constraints": parse("ACC >= 0.9")}, 1, (0.05,)),
        ({"constraints": ["ACC >= 0.9", "PR <= 0.5"]}, 2, (0.05, 0.05)),
        ({"constraints": ["ACC >= 0.9", "PR <= 0.5"], "delta": [0.05, 0.1]}, 2, (0.05, 0.1)),
        ({"delta": np.float32(0.5)}, 1, (0.5,)),
    ],
)
def test_each_constraint_has_a_delta(given, n_constraints, deltas):
    found = parameters(**given).specification
    assert (len(found.constraints), found.deltas) == (n_constraints, deltas)


@pytest.mark.parametrize("name", ["method", "missing"])
def test_choices_are_those_of_the_specification(name):
    for value in {"method": ("auto", "exact", "ttest"), "missing": ("error", "exclude")}[name]:
        assert getattr(parameters(**{name: value}).specification, name) == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"constraints": ()}, "No constraints were given, so there is nothing to certify."),
        ({"constraints": []}, "No constraints were given, so there is nothing to certify."),
        ({"method": "hoeffding"}, "method must be one of 'auto', 'exact', 'asymptotic', 'ttest',"),
        ({"missing": "drop"}, "missing must be one of 'error', 'exclude'"),
        ({"delta": 0}, "delta must be strictly between 0 and 1, got 0."),
        ({"delta": [0.1, 0.1]}, r"delta must be one number, or one per constraint \(here 1\)"),
    ],
)
def test_a_parameter_that_is_out_of_range_is_refused(given, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        _ = parameters(**given).specification


def test_the_model_is_known_by_its_content():
    same, other = LogisticRegression().fit(X, Y), LogisticRegression().fit(X, Y[::-1])
    assert parameters(estimator=same).model == parameters().model
    assert parameters(estimator=other).model != parameters().model
    assert parameters().model is not None
    assert parameters(estimator=Lock()).model is None  # which pickle refuses as well


def test_answers_are_those_of_the_kind_of_estimator():
    found = parameters(pos_label="no", decision="sample").answers(None)
    assert (found.targets.schema["positive"], found.targets.decision) == (0, "sample")
    found = parameters(estimator=REGRESSOR, target_range=(0, 5)).answers(None)
    assert found.targets.target_range == (0.0, 5.0)
    with pytest.raises(ValueError, match="target_range"):
        parameters(target_range=(0, 5)).answers(None)


OF_BOTH = {"constraints", "delta", "estimator", "measures", "method", "missing"}


def test_the_origin_of_a_classification_lists_its_parameters():
    origin = parameters(constraints=parse(" ACC>=0.9 ")).origin(LABELS)
    assert (origin.procedure, origin.estimator) == ("certify", "LogisticRegression")
    assert (origin.classes, origin.positive) == (("no", "yes"), "yes")
    assert set(origin.parameters) == OF_BOTH | {"decision", "pos_label"}
    assert origin.parameters["constraints"] == "[' ACC>=0.9 ']"
    assert origin.parameters["delta"] == "0.05"


def test_the_origin_of_a_regression_lists_its_ranges():
    given = parameters(estimator=REGRESSOR, constraints="MSE <= 1", target_range=(0, 5))
    origin = given.origin(NUMBERS)
    assert set(origin.parameters) == OF_BOTH | {"target_range", "prediction_range"}
    assert (origin.classes, origin.positive) == ((), None)
    assert origin.parameters["target_range"] == "(0, 5)"


def test_parameters_of_rows_are_listed_if_they_were_given():
    of_rows = {"max_group_size": np.int64(5), "max_weight": None, "shift": {"M": {0: 1.0}}}
    origin = parameters(of_rows={**of_rows, "max_group_size": 5}).origin(LABELS)
    assert origin.parameters["max_group_size"] == "5"
    assert origin.parameters["shift"] == "{'M': {0: 1.0}}"
    assert "max_weight" not in origin.parameters
    origin = parameters(of_rows=of_rows).origin(LABELS)
    assert origin.parameters["max_group_size"] == "5.0"  # as a plain number

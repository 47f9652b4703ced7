"""The parameters of a monitor are taken from a certificate."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_seldonian import SafetyCertificate, certify
from sklearn_seldonian.certification._provenance import assumptions
from sklearn_seldonian.monitoring import SafetyMonitor
from sklearn_seldonian.monitoring._from_certificate import EXCLUSIVE, label_of, parameters_of
from tests.monitoring._people import people


def certified(constraints, relabel=None, **parameters):
    y_pred, y_true, columns = people(1200)
    X = columns[["age"]].assign(decided=y_pred)
    if relabel:
        y_true = [relabel[label] for label in y_true]
    model = LogisticRegression().fit(X[:400], y_true[:400])
    rest = slice(400, 1200)
    rows = X[rest], y_true[rest]
    certificate = certify(
        model, *rows, constraints, sensitive_features=columns[rest], random_state=0, **parameters
    )
    return model, certificate, X[rest], y_true[rest], columns[rest]


def test_constraints_deltas_classes_levels_and_pairs_are_taken():
    texts = ["abs(PR | [M] - PR | [F]) <= 0.3", "min(TPR, by=race) >= 0.3"]
    model, certificate, X, y, columns = certified(texts, delta=[0.1, 0.05])
    found = parameters_of(certificate)
    assert found["constraints"] == texts
    assert found["delta"] == [0.1, 0.05]
    assert (found["classes"], found["pos_label"]) == ((0, 1), 1)
    assert found["levels"] == {"race": ["A", "B", "C"]}
    assert found["mutually_exclusive"] == [("F", "M")]
    read = SafetyCertificate.from_json(certificate.to_json())
    monitor = SafetyMonitor.from_certificate(read).update(model.predict(X), y, columns)
    assert monitor.n_rows_ == 800
    estimates = [result.estimate for result in certificate.results]
    assert monitor.estimate_ == pytest.approx(estimates)


def test_labels_that_are_texts_stay_texts():
    model, certificate, X, y, columns = certified("ACC >= 0.6", {0: "no", 1: "yes"}, pos_label="no")
    monitor = SafetyMonitor.from_certificate(certificate, delta=0.01)
    monitor.update(model.predict(X), y, columns)
    assert (monitor.pos_label, monitor.delta) == ("no", 0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-1", -1),
        ("0.5", 0.5),
        ("True", True),
        ("yes", "yes"),
        ("01", "01"),
        ("[1]", "[1]"),
    ],
)
def test_labels_are_read_as_they_are_written(text, expected):
    assert label_of(text) == expected
    assert type(label_of(text)) is type(expected)


@pytest.mark.parametrize("form", [tuple, np.array])
def test_ranges_of_a_regression_are_taken(form):
    _, y_true, columns = people(600)
    model = LinearRegression().fit(columns[["age"]][:200], y_true[:200])
    ranges = {"target_range": form((0, 1)), "prediction_range": form((-0.5, 1.5))}
    rest = columns[["age"]][200:], y_true[200:]
    certificate = certify(model, *rest, "MAE <= 0.9", random_state=0, **ranges)
    monitor = SafetyMonitor.from_certificate(certificate)
    monitor.update(model.predict(rest[0]), rest[1])
    assert monitor.estimate_ == pytest.approx([certificate.results[0].estimate])


@pytest.mark.parametrize(
    "parameters",
    [
        {"groups": [i // 2 for i in range(800)]},
        {"sample_weight": [1.0, 2.0] * 400},
        {"shift": {"sex": {"M": (0.2, 0.4), "F": (0.6, 0.8)}}},
    ],
)
def test_certificates_of_other_populations_are_refused(parameters):
    _, certificate, *_ = certified("PR <= 0.9", **parameters)
    with pytest.raises(ValueError, match="needs rows that are independent draws and count once"):
        SafetyMonitor.from_certificate(certificate)


def test_what_is_no_certificate_is_refused():
    with pytest.raises(TypeError, match="certificate must be a SafetyCertificate, got 'x'"):
        SafetyMonitor.from_certificate("x")
    with pytest.raises(ValueError, match="The certificate has no results"):
        SafetyMonitor.from_certificate(SafetyCertificate((), 0.0, 0, 0))


def test_the_sentence_on_pairs_is_the_one_that_certificates_have():
    *_, sentence = assumptions((), frozenset({frozenset({"M", "F"})}))
    assert EXCLUSIVE.fullmatch(sentence).groups() == ("F", "M")

"""Certificates as JSON: what is written is read back, and what cannot be true is refused."""

import copy
import json
import math
import pickle
import warnings
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor, certify
from sklearn_seldonian.certification import ConstraintResult, SafetyCertificate
from sklearn_seldonian.certification._json import TYPES
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.model_selection import SeldonianSearchCV

RNG = np.random.default_rng(0)
N = 200
Y = RNG.integers(0, 2, N)
P = np.where(RNG.random(N) < 0.9, (0.5 + Y) / 2, (1.5 - Y) / 2).clip(0.01, 0.99).round(3)
DATA = pd.DataFrame(
    {
        "p": P,
        "M": np.arange(N) % 2,
        "F": 1 - np.arange(N) % 2,
        "race": np.array(["A", "B", "C"])[np.arange(N) % 3],
        "age": RNG.integers(20, 60, N),
    }
)
COST = RowMeasure("Cost", lambda y, decided, _: 2.0 * (y != decided), range=(0, 2))


class Given(ClassifierMixin, BaseEstimator):
    """Its probabilities are the column p."""

    def __init__(self, classes=(0, 1)):
        self.classes = classes

    def fit(self, X=None, y=None):
        self.classes_ = np.array(self.classes)
        return self

    def predict_proba(self, X):
        return np.c_[1 - X["p"], X["p"]]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class GivenNumbers(RegressorMixin, BaseEstimator):
    def fit(self, X=None, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return X["p"].to_numpy()


def certified(constraints, rows=slice(None), **options):
    labels = np.array(options.pop("classes", (0, 1)))
    model = Given(labels.tolist()).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certify(model, DATA[rows], labels[Y][rows], constraints, measures=[COST], **options)


def certified_numbers(constraints, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certify(GivenNumbers().fit(), DATA, Y, constraints, **options)


def fitted(**options):
    given = {"constraints": "ACC >= 0.6", "max_epochs": 2, "random_state": 0, "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SeldonianClassifier(**{**given, **options}).fit(P[:, None], Y)


def searched():
    model = SeldonianClassifier(constraints="ACC >= 0.6", max_epochs=2, random_state=0)
    search = SeldonianSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, test="holm", n_candidates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(P[:, None], Y).certificate_


def strict(text):
    """What a reader that keeps to the standard gets."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


CERTIFICATES = {
    "one rate": lambda: certified("ACC >= 0.8"),
    "one rate, too few rows": lambda: certified("ACC >= 0.8", rows=slice(0, 20)),
    "violated": lambda: certified("ACC >= 0.99"),
    "two rates": lambda: certified("abs(PR | [M] - PR | [F]) <= 0.3"),
    "a ratio": lambda: certified("PR | [M] / PR | [F] >= 0.5"),
    "both sides vary": lambda: certified("min(PR, by=race) >= 0.5 * max(PR, by=race)"),
    "a limit on the left": lambda: certified("0.5 >= ERR"),
    "groups": lambda: certified("max(FPR, by=race) - min(FPR, by=race) <= 0.5"),
    "mean of groups": lambda: certified("mean(TPR, by=(race, M)) >= 0.5"),
    "levels": lambda: certified('max(PR, by=race in ("A", "B")) <= 0.9'),
    "another positive class": lambda: certified(
        ["max(PR, by=race) <= 0.9", "FNR <= 0.5"], pos_label="no", classes=("no", "yes")
    ),
    "one rate under two names": lambda: certified("abs(TPR_[0] - TNR_[1]) <= 0.1"),
    "complements": lambda: certified("PR - (1 - NR) <= 0.1"),
    "F1": lambda: certified("F1 | [M] - F1 | [F] <= 0.5"),
    "alias": lambda: certified("Precision >= 0.5"),
    "a product": lambda: certified("FNR <= 0.3 * PPV"),
    "a class": lambda: certified("CM_[0, 1] <= 0.3"),
    "conditions": lambda: certified('PR | [age >= 30, not M, `race` != "B"] <= 0.9'),
    "arithmetic": lambda: certified("PR <= 1"),
    "no value": lambda: certified("log(PR - 2) <= 0"),
    "no group": lambda: certified("FPR | [M] <= 0.5", rows=Y == 1),
    "own measure": lambda: certified("Cost <= 0.9"),
    "probabilities": lambda: certified("Brier <= 0.5"),
    "no finite range": lambda: certified("LogLoss <= 0.9"),
    "drawn decisions": lambda: certified(["PR <= 0.9", "PPV >= 0.3"], decision="sample"),
    "asymptotic": lambda: certified("abs(PR | [M] - PR | [F]) <= 0.3", method="asymptotic"),
    "Student": lambda: certified("TPR >= 0.5", method="ttest"),
    "several": lambda: certified(["ACC >= 0.8", "PR <= 0.9"], delta=[0.05, 0.1]),
    "spaces": lambda: certified("  PR\n   <=  0.9 "),
    "numbers": lambda: certified_numbers(
        "MSE <= 0.5", target_range=(0, 1), prediction_range=(0, 1)
    ),
    "numbers without range": lambda: certified_numbers(["ME <= 0.5", "MAE | [M] <= 0.5"]),
    "fit": lambda: fitted().certificate_,
    "fit, certified again": lambda: fitted().certify(P[:, None] / 2, Y),
    "fit, impossible": lambda: fitted(constraints="ACC >= 90").certificate_,
    "fit of numbers": lambda: (
        SeldonianRegressor(
            constraints="MSE <= 0.9",
            target_range=(0, 1),
            prediction_range=(0, 1),
            max_epochs=2,
            random_state=0,
        )
        .fit(P[:, None], Y)
        .certificate_
    ),
    "search": searched,
}


@pytest.mark.parametrize("make", CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_what_is_written_is_read_back(make):
    before = make()
    document = before.to_json()
    strict(document)
    after = SafetyCertificate.from_json(document)
    assert after == before
    assert hash(after) == hash(before)
    assert after.to_json() == document
    for copied in (pickle.loads(pickle.dumps(before)), copy.deepcopy(before), copy.copy(before)):
        assert copied == before
        assert hash(copied) == hash(before)
    for one, other in zip(before.results, after.results, strict=True):
        assert one == other
        assert hash(one) == hash(other)
        assert one.passed == other.passed


def test_numbers_that_json_does_not_have():
    failed = certified("log(PR - 2) <= 0")
    document = strict(failed.to_json())
    assert document["loss"] is None
    assert document["results"][0]["estimate"] is None
    assert document["results"][0]["bound"] == "Infinity"
    assert strict(certified("FPR | [M] >= 0.5", rows=Y == 1).to_json())["results"][0]["bound"] == (
        "-Infinity"
    )
    assert math.isnan(failed.loss)


def test_every_field_is_checked():
    for kind in (SafetyCertificate, ConstraintResult):
        assert TYPES.keys() >= set(get_type_hints(kind).values())


# -- forgeries ---------------------------------------------------------------------------------

PASSED = certified(["ACC >= 0.8", "abs(PR | [M] - PR | [F]) <= 0.3"], delta=[0.05, 0.1])
FAILED = certified(["ACC >= 0.86", "PR <= 0.1"])
UNTESTED = fitted(constraints="ACC >= 90").certificate_
FITTED = fitted().certificate_
TWO_CLASSES = certified("PR <= 0.9", classes=("no", "yes"))
NORMAL = certified("LogLoss <= 0.9")
# Of which certificate, which field to what, and the field that the message names.
FORGERIES = [
    (PASSED, "results.0.constraint", "ACC >= 0.99", "operator|limit"),
    (PASSED, "results.0.constraint", "ACC <= 0.8", "operator"),
    (PASSED, "results.0.constraint", "PR >= 0.8", "rows"),
    (PASSED, "results.0.constraint", "ACC | [M] >= 0.8", "rows"),
    (PASSED, "results.1.constraint", "abs(PR | [M] - PR | [race]) <= 0.3", "rows"),
    (PASSED, "results.1.constraint", "PR | [M] - PR | [F] <= 0.3", "g|parameters"),
    (PASSED, "results.0.constraint", "ACC", "operator"),
    (PASSED, "results.0.constraint", "no words of ours", "constraint"),
    (PASSED, "results.0.constraint", "", "constraint"),
    (PASSED, "results.0.constraint", 3, "constraint"),
    (PASSED, "results.0.operator", "<=", "operator"),
    (PASSED, "results.0.operator", "==", "operator"),
    (PASSED, "results.0.estimate", 0.99, "estimate"),
    (PASSED, "results.0.estimate", None, "estimate"),
    (PASSED, "results.0.bound", 0.95, "bound"),
    (PASSED, "results.0.bound", "Infinity", "bound"),
    (PASSED, "results.0.bound", None, "bound"),
    (PASSED, "results.0.limit", 0.9, "limit"),
    (PASSED, "results.0.g", -0.5, "estimate"),
    (PASSED, "results.0.g", True, "g"),
    (PASSED, "results.0.g_upper", -0.5, "bound"),
    (PASSED, "results.0.g_upper", 0.5, "bound"),
    (FAILED, "results.0.g_upper", -1, "bound"),
    (FAILED, "results.0.g_upper", "small", "g_upper"),
    (PASSED, "results.0.p_value", 7, "p_value"),
    (PASSED, "results.0.p_value", 0.5, "p_value"),
    (PASSED, "results.0.p_value", -0.1, "p_value"),
    (FAILED, "results.0.p_value", 0.001, "p_value"),
    (PASSED, "results.0.delta", -3, "delta"),
    (PASSED, "results.0.delta", 0, "delta"),
    (PASSED, "results.0.delta", 1, "delta"),
    (PASSED, "results.0.delta", "0.05", "delta"),
    (PASSED, "results.0.delta", 1e-6, "p_value|delta|parameters"),
    (PASSED, "results.0.delta", 0.06, "parameters"),
    (PASSED, "results.1.delta", 0.05, "parameters"),
    (PASSED, "results.0.method", "prayer", "method"),
    (PASSED, "results.0.method", "Clopper-Pearson + prayer", "method"),
    (PASSED, "results.0.method", "score test", "guarantee"),
    (PASSED, "results.0.method", "none", "guarantee"),
    (PASSED, "results.0.guarantee", "divine", "guarantee"),
    (PASSED, "results.0.guarantee", "finite-sample", "guarantee"),
    (PASSED, "results.0.guarantee", ["exact"], "guarantee"),
    (PASSED, "results.0.rows", {"ACC": -200}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 200.5}, "rows"),
    (PASSED, "results.0.rows", {"ACC": True}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 10**9}, "n_safety|rates"),
    (PASSED, "results.0.rows", {"ACC": 10**400}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 150}, "n_safety|rates"),
    (PASSED, "results.0.rows", {"TPR": 200}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 200, "TPR": 100}, "rows"),
    (PASSED, "results.0.rows", {}, "rows"),
    (PASSED, "results.0.rows", [], "rows"),
    (PASSED, "results.0.rates", {"ACC": 1.5}, "rates"),
    (PASSED, "results.0.rates", {"ACC": 0.9001}, "rates"),
    (PASSED, "results.0.rates", {"ACC": 0.5}, "g"),
    (PASSED, "results.0.rates", {"TPR": 0.5}, "rates"),
    (PASSED, "results.0.rates", {}, "rates"),
    (PASSED, "results.0.rates", {"ACC": "many"}, "rates"),
    (PASSED, "results.0.reason", "there were few rows", "reason"),
    (FAILED, "results.0.reason", "", "reason"),
    (PASSED, "results.0.reason", None, "reason"),
    (PASSED, "results.0.rows_needed", 100, "rows_needed"),
    (FAILED, "results.0.rows_needed", -5, "rows_needed"),
    (FAILED, "results.0.rows_needed", 0, "rows_needed"),
    (FAILED, "results.0.rows_needed", 10.5, "rows_needed"),
    (FAILED, "results.1.rows_needed", 500, "rows_needed"),
    (UNTESTED, "results.0.method", "Clopper-Pearson", "guarantee"),
    (UNTESTED, "results.0.rows", {"ACC": 40}, "method"),
    (UNTESTED, "results.0.g_upper", -1.0, "bound"),
    (UNTESTED, "results.0.p_value", 0.5, "method"),
    (UNTESTED, "loss", 0.1, "loss"),
    (PASSED, "results", [], "results"),
    (PASSED, "results", {}, "results"),
    (PASSED, "results.0", "passed", r"results\[0\]"),
    (PASSED, "loss", 0.1, "loss"),
    (FITTED, "loss", "NaN", "loss"),
    (PASSED, "n_candidate", 500, "n_candidate"),
    (FITTED, "n_candidate", 0, "n_candidate"),
    (FITTED, "n_candidate", -1, "n_candidate"),
    (FITTED, "n_candidate", 10.0, "n_candidate"),
    (PASSED, "n_safety", 100, "n_safety"),
    (PASSED, "n_safety", 10**9, "n_safety"),
    (PASSED, "n_safety", -1, "n_safety"),
    (PASSED, "n_safety", "200", "n_safety"),
    (PASSED, "assumptions", [], "assumptions"),
    (PASSED, "assumptions", "The rows are independent.", "assumptions"),
    (PASSED, "remarks", [3], "remarks"),
    (PASSED, "procedure", "an oracle", "procedure"),
    (PASSED, "procedure", "", "procedure"),
    (PASSED, "procedure", "SeldonianClassifier.fit", "n_candidate"),
    (FITTED, "procedure", "certify", "loss|n_candidate"),
    (PASSED, "parameters", {"delta": 0.05}, "parameters"),
    (PASSED, "parameters.delta", "0.01", "parameters"),
    (PASSED, "parameters.constraints", "['ACC >= 0.99', 'PR <= 1']", "parameters"),
    (FITTED, "parameters.constraints", "'ACC >= 0.99'", "parameters"),
    (FITTED, "parameters.delta", "0.001", "parameters"),
    (FITTED, "parameters.delta", "1e999", "parameters"),
    (TWO_CLASSES, "classes", ["no"], "positive"),
    (TWO_CLASSES, "classes", ["no", "no"], "classes"),
    (TWO_CLASSES, "classes", [0, 1], "classes"),
    (TWO_CLASSES, "positive", "maybe", "positive"),
    (TWO_CLASSES, "positive", None, "positive"),
    (TWO_CLASSES, "positive", "no", "positive"),
    (TWO_CLASSES, "parameters.pos_label", "'no'", "positive"),
    (TWO_CLASSES, "classes", ["no", "sometimes"], "positive"),
    (NORMAL, "parameters.method", "'exact'", "parameters"),
    (PASSED, "versions", {"torch": 2}, "versions"),
    (PASSED, "fingerprints", {"data": "no digest"}, "fingerprints"),
    (PASSED, "fingerprints", {}, "assumptions"),
]


def forged(certificate, path, value):
    document = json.loads(certificate.to_json())
    *owners, name = path.split(".")
    place = document
    for owner in owners:
        place = place[int(owner)] if owner.isdigit() else place[owner]
    if isinstance(place, list):
        place[int(name)] = value
    else:
        assert place[name] != value or type(place[name]) is not type(value)
        place[name] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("certificate", "path", "value", "named"),
    FORGERIES,
    ids=[f"{path}={value!r}"[:60] for _, path, value, _ in FORGERIES],
)
def test_a_forgery_is_refused_with_the_fields_name(certificate, path, value, named):
    SafetyCertificate.from_json(certificate.to_json())
    with pytest.raises(ValueError, match=rf"^(results\[\d\]\.)?({named})(?!\w)"):
        SafetyCertificate.from_json(forged(certificate, path, value))


def test_the_forged_certificates_are_of_all_kinds():
    assert PASSED.passed
    assert FAILED.results[0].rows_needed is not None
    assert FAILED.results[1].rows_needed is None
    assert not UNTESTED.tested
    assert FITTED.passed


def test_swapped_constraints_are_refused():
    certificate = certified(["PR | [M] <= 0.9", "PR | [F] <= 0.9"])
    document = json.loads(certificate.to_json())
    one, other = document["results"]
    one["constraint"], other["constraint"] = other["constraint"], one["constraint"]
    with pytest.raises(ValueError, match="rows"):
        SafetyCertificate.from_json(json.dumps(document))


def test_results_that_disagree_are_refused():
    certificate = certified(["PR | [M] <= 0.9", "PR | [M] >= 0.1"])
    document = json.loads(certificate.to_json())
    document["results"][1]["rows"] = {"PR | [M]": 50}
    document["results"][1]["rates"] = {"PR | [M]": 0.5}
    with pytest.raises(ValueError, match=r"results"):
        SafetyCertificate.from_json(json.dumps(document))


@pytest.mark.parametrize("field", [field.name for field in fields(SafetyCertificate)])
def test_a_missing_field_is_named(field):
    document = json.loads(PASSED.to_json())
    del document[field]
    with pytest.raises(ValueError, match=f"^{field} is missing"):
        SafetyCertificate.from_json(json.dumps(document))


@pytest.mark.parametrize("field", [field.name for field in fields(ConstraintResult)])
def test_a_missing_field_of_a_result_is_named(field):
    document = json.loads(PASSED.to_json())
    del document["results"][1][field]
    with pytest.raises(ValueError, match=rf"^results\[1\]\.{field} is missing"):
        SafetyCertificate.from_json(json.dumps(document))


def test_an_unknown_field_is_named():
    document = json.loads(PASSED.to_json())
    with pytest.raises(ValueError, match=r"^passed is unknown"):
        SafetyCertificate.from_json(json.dumps({**document, "passed": True}))
    document["results"][0]["passed"] = True
    with pytest.raises(ValueError, match=r"^results\[0\]\.passed is unknown"):
        SafetyCertificate.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"n_safety": ' + "9" * 5000 + "}",
        PASSED.to_json().replace('"n_safety": 200', '"n_safety": 1e999'),
        PASSED.to_json().replace('"loss": null', '"loss": NaN'),
        PASSED.to_json().replace('"loss": null', '"loss": -Infinity'),
        PASSED.to_json().replace('"n_safety": 200', '"n_safety": 5, "n_safety": 200'),
        PASSED.to_json().replace('"operator": ">="', '"operator": "<=", "operator": ">="'),
    ],
    ids=range(9),
)
def test_what_is_no_document_is_refused(text):
    with pytest.raises(ValueError, match="not the JSON document of a certificate"):
        SafetyCertificate.from_json(text)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"passed"'])
def test_a_certificate_is_an_object(text):
    with pytest.raises(ValueError, match="A certificate must be a JSON object"):
        SafetyCertificate.from_json(text)


def test_duplicate_fields_are_named():
    text = PASSED.to_json().replace('"n_safety": 200', '"n_safety": 5, "n_safety": 200')
    with pytest.raises(ValueError, match="the field 'n_safety' is there twice"):
        SafetyCertificate.from_json(text)


def test_huge_whole_numbers_are_refused():
    for path in ("results.0.g", "results.0.delta", "loss"):
        with pytest.raises(ValueError, match=path.rpartition(".")[2]):
            SafetyCertificate.from_json(forged(PASSED, path, 10**400))

"""Certificates as JSON: written documents can be read, and other documents are refused."""

import copy
import json
import math
import pickle
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import get_type_hints

import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.certification import ConstraintResult, SafetyCertificate, _json
from sklearn_seldonian.certification._json import VERSION, schema
from sklearn_seldonian.certification._types import kind_of
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP
from tests.certification._certificates import (
    FAILED,
    FITTED,
    PASSED,
    TWO_CLASSES,
    P,
    Y,
    certified,
    certified_numbers,
    fitted,
    forged,
)


def searched():
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=0)
    search = SeldonianSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, test="holm", n_candidates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(P[:, None], Y).certificate_


def strict(text):
    """The document as a strict JSON reader reads it."""

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
    "expressions of groups": lambda: certified("max(abs(PR - 0.5), by=(race, M)) <= 0.4"),
    "groups beside one": lambda: certified("mean(abs(PR - PR | [race == 'A']), by=race) <= 0.4"),
    "levels beside one": lambda: certified(
        "max(PR, by=race in ('A', 'B')) - PR | [race == 'C'] <= 0.5"
    ),
    "balanced accuracy": lambda: certified(["BACC >= 0.7", "min(BACC, by=race) >= 0.7"]),
    "two names of a recall": lambda: certified("TNR_[0] - BACC | [M] <= 0.5"),
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
    "calibration": lambda: certified(
        ["max(abs(Calibration_Error), by=race) <= 0.5", "Calibration_Error_[0] <= 0.5"]
    ),
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
            MLP,
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
@pytest.mark.thinned(3)
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
        assert all(kind_of(hint).words for hint in get_type_hints(kind).values())


# -- documents that are none ---------------------------------------------------------------------

# The certificate, the field and its new value, and the field that the message names.
OF_OTHER_TYPES = [
    (PASSED, "results.0.constraint", 3, "constraint"),
    (PASSED, "results.0.g", True, "g"),
    (FAILED, "results.0.g_upper", "small", "g_upper"),
    (PASSED, "results.0.delta", "0.05", "delta"),
    (PASSED, "results.0.guarantee", ["exact"], "guarantee"),
    (PASSED, "results.0.rows", {"ACC": -200}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 200.5}, "rows"),
    (PASSED, "results.0.rows", {"ACC": True}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 10**400}, "rows"),
    (PASSED, "results.0.rows", [], "rows"),
    (PASSED, "results.0.rates", {"ACC": 1.5}, "rates"),
    (PASSED, "results.0.rates", {"ACC": "many"}, "rates"),
    (PASSED, "results.0.reason", None, "reason"),
    (FAILED, "results.0.rows_needed", -5, "rows_needed"),
    (FAILED, "results.0.rows_needed", 10.5, "rows_needed"),
    (PASSED, "results", [], "results"),
    (PASSED, "results", {}, "results"),
    (PASSED, "results.0", "passed", r"results\[0\]"),
    (FITTED, "loss", "NaN", "loss"),
    (FITTED, "n_candidate", -1, "n_candidate"),
    (FITTED, "n_candidate", 10.0, "n_candidate"),
    (PASSED, "n_safety", -1, "n_safety"),
    (PASSED, "n_safety", "200", "n_safety"),
    (PASSED, "assumptions", "The rows are independent.", "assumptions"),
    (PASSED, "remarks", [3], "remarks"),
    (PASSED, "parameters", {"delta": 0.05}, "parameters"),
    (TWO_CLASSES, "classes", [0, 1], "classes"),
    (PASSED, "versions", {"torch": 2}, "versions"),
]


@pytest.mark.parametrize(
    ("certificate", "path", "value", "named"),
    OF_OTHER_TYPES,
    ids=[f"{path}={value!r}"[:60] for _, path, value, _ in OF_OTHER_TYPES],
)
def test_a_value_of_another_type_is_refused_with_the_fields_name(certificate, path, value, named):
    SafetyCertificate.from_json(certificate.to_json())
    with pytest.raises(ValueError, match=rf"^(results\[\d\]\.)?({named})(?!\w)"):
        SafetyCertificate.from_json(forged(certificate, path, value))


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
    with pytest.raises(ValueError, match="the field 'n_safety' occurs twice"):
        SafetyCertificate.from_json(text)


def test_huge_whole_numbers_are_refused():
    for path in ("results.0.g", "results.0.delta", "loss"):
        with pytest.raises(ValueError, match=path.rpartition(".")[2]):
            SafetyCertificate.from_json(forged(PASSED, path, 10**400))


# -- files of all versions -----------------------------------------------------------------------

FILES = sorted((Path(__file__).parent / "files").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_of_all_versions_are_read(path):
    certificate = SafetyCertificate.from_json(path)
    content = json.loads(path.read_text())
    version = content.get("schema_version", 1)
    assert path.name.startswith(f"version_{version}_")
    assert certificate.verdict
    assert certificate.n_safety == content["n_safety"]
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    assert SafetyCertificate.from_json(str(path)) == certificate
    if certificate.tested:
        says_so = "nothing can be recomputed" in certificate.explain(None)
        assert says_so == (version == 1)


def test_there_is_a_file_of_each_version():
    assert {path.name.split("_")[1] for path in FILES} == set(map(str, range(1, VERSION + 1)))


@pytest.mark.parametrize("version", [0, 3, "2", 2.0, True, None])
def test_other_versions_are_refused(version):
    content = {**json.loads(PASSED.to_json()), "schema_version": version}
    with pytest.raises(ValueError, match=r"^schema_version must be 1 or 2, got"):
        SafetyCertificate.from_json(json.dumps(content))


@pytest.mark.parametrize("name", ["digests", "estimator", "created_at", "statistics"])
def test_version_1_has_nothing_that_came_later(name):
    content = json.loads((Path(__file__).parent / "files" / "version_1_counts.json").read_text())
    content[name] = json.loads(PASSED.to_json())[name]
    with pytest.raises(ValueError, match=f"^{name} is unknown in a certificate's document of v"):
        SafetyCertificate.from_json(json.dumps(content))


def test_a_document_of_version_2_does_not_pass_for_one_of_version_1():
    content = json.loads(PASSED.to_json())
    del content["schema_version"]
    with pytest.raises(ValueError, match=r"^created_at is unknown"):
        SafetyCertificate.from_json(json.dumps(content))


# -- digests, files and the schema ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["created_at", "remarks", "versions", "parameters", "digests"])
def test_a_field_that_was_changed_is_named_by_its_digest(name):
    content = json.loads(PASSED.to_json())
    content[name] = {
        "created_at": "2020-01-01T00:00:00Z",
        "remarks": ["All is well."],
        "versions": {**content["versions"], "torch": "1.0"},
        "parameters": {**content["parameters"], "estimator": "Oracle()"},
        "digests": {**content["digests"], "loss": "0" * 16},
    }[name]
    changed = "loss" if name == "digests" else name
    with pytest.raises(ValueError, match=f"^{changed} was changed after the document was written"):
        SafetyCertificate.from_json(json.dumps(content))


def test_spaces_and_the_order_of_fields_have_no_meaning():
    content = json.loads(PASSED.to_json())
    turned = {name: content[name] for name in reversed(content)}
    turned["results"] = [{n: r[n] for n in reversed(r)} for r in content["results"]]
    for text in (json.dumps(turned), json.dumps(content, indent=7), f"\n {json.dumps(content)} "):
        assert SafetyCertificate.from_json(text) == PASSED


def test_time_does_not_count_in_comparisons():
    again = replace(PASSED, created_at="2020-01-01T00:00:00Z")
    assert again == PASSED
    assert hash(again) == hash(PASSED)
    assert SafetyCertificate.from_json(again.to_json()).created_at == again.created_at


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01", "2026-01-01T00:00:00+01:00"])
def test_times_are_in_utc(time):
    with pytest.raises(ValueError, match=r"^created_at must be a time in UTC"):
        SafetyCertificate.from_json(replace(PASSED, created_at=time).to_json())


def test_a_file_is_written_whole_and_read_by_its_path(tmp_path):
    path = tmp_path / "certificate.json"
    assert PASSED.to_json(path) is None
    assert path.read_text() == PASSED.to_json() + "\n"
    assert SafetyCertificate.from_json(path) == PASSED
    assert SafetyCertificate.from_json(str(path)) == PASSED
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match="is not a text in UTF-8"):
        SafetyCertificate.from_json(path)
    with pytest.raises(FileNotFoundError):
        SafetyCertificate.from_json(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError):
        SafetyCertificate.from_json("none.json")
    with pytest.raises(ValueError, match="not the JSON document of a certificate"):
        SafetyCertificate.from_json("no document")
    with pytest.raises(TypeError, match="from a JSON text or the path of a file, not from dict"):
        SafetyCertificate.from_json({})


def test_the_schema_in_the_package_is_that_of_the_types():
    path = Path(_json.__file__).with_name("certificate.schema.json")
    expected = json.dumps(schema(SafetyCertificate), indent=2) + "\n"
    assert path.read_text() == expected, (
        "Write it anew: json.dumps(_json.schema(SafetyCertificate), indent=2)"
    )


def test_an_independent_validator_agrees_with_the_reader():
    jsonschema = pytest.importorskip("jsonschema")
    content = schema(SafetyCertificate)
    jsonschema.Draft202012Validator.check_schema(content)
    validator = jsonschema.Draft202012Validator(content)
    for certificate in (PASSED, FAILED, FITTED, certified("LogLoss <= 0.9")):
        assert not list(validator.iter_errors(json.loads(certificate.to_json())))
    for certificate, path, value, _ in OF_OTHER_TYPES:
        if type(value) is float and value.is_integer():
            continue  # JSON Schema accepts 10.0 as a whole number
        assert list(validator.iter_errors(json.loads(forged(certificate, path, value))))

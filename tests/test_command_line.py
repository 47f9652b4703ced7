"""The commands, as a shell runs them."""

import json
import pickle
import re
import shlex
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SafetyCertificate, SeldonianMetaClassifier
from sklearn_seldonian._command_line import main


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(size=1500), "income": rng.normal(size=1500)})
    table["sex"] = rng.choice(["M", "F"], 1500)
    table["person"] = np.arange(1500) // 2
    table["weight"] = rng.uniform(0.5, 1.5, 1500)
    table["label"] = (table["age"] + 0.5 * rng.normal(size=1500) > 0).astype(int)
    return table


@pytest.fixture
def folder(frame, tmp_path, monkeypatch):
    """A folder with a model and rows in every form."""
    monkeypatch.chdir(tmp_path)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(frame[["age", "income"]][:500], frame["label"][:500])
    skops.io.dump(model, "model.skops")
    joblib.dump(model, "model.joblib")
    tested = frame[500:]
    tested.to_csv("rows.csv", index=False)
    tested.to_parquet("rows.parquet")
    Path("rows").mkdir()
    for i, part in enumerate((tested[:600], tested[600:])):
        part.to_parquet(f"rows/{i}.parquet")
    return tmp_path


NAMES = ["--target", "label", "--sensitive", "sex"]
PARITY = "abs(PR | [sex == 'M'] - PR | [sex == 'F']) <= 0.2"


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet", "rows"])
def test_certify_and_verify(folder, capsys, data):
    asked = ["--constraint", "ACC >= 0.75", "--constraint", PARITY]
    assert main(["certify", "model.skops", data, *NAMES, *asked]) == 0
    printed = capsys.readouterr().out
    assert printed == (
        "Safety test passed: all 2 constraints are certified. "
        "See certificate.json and certificate.html.\n"
    )
    certificate = SafetyCertificate.from_json(Path("certificate.json"))
    assert certificate.passed
    assert certificate.n_safety == 1000
    page = Path("certificate.html").read_text()
    assert f"sklearn_seldonian verify certificate.json model.skops {data}<" in page
    assert main(["verify", "certificate.json", "model.skops", data]) == 0
    assert capsys.readouterr().out.startswith("Verified: model, data, statistics and verdict")


@pytest.mark.parametrize(
    ("given", "method"),
    [
        (["--groups", "person", "--max-group-size", "2"], "betting on units"),
        (["--weights", "weight", "--max-weight", "2"], "betting on units"),
        (["--method", "asymptotic"], "(asymptotic)"),
        (["--decision", "sample", "--seed", "3"], "betting (finite-sample)"),
        (["--registry", "tests"], "Clopper-Pearson"),
    ],
)
def test_what_can_be_said_of_rows_and_tests(folder, capsys, given, method):
    asked = ["--constraint", "ACC >= 0.6", "--pos-label", "1", *given]
    assert main(["certify", "model.skops", "rows.parquet", *NAMES, *asked, "--out", "my"]) == 0
    certificate = SafetyCertificate.from_json(Path("my.json"))
    assert method in certificate.explain(None)
    assert main(["verify", "my.json", "model.skops", "rows.csv"]) == 0, capsys.readouterr().out


def test_what_is_not_certified_or_not_the_same_ends_with_1(folder, frame, capsys):
    files = ["model.skops", "rows.csv"]
    assert main(["certify", *files, *NAMES, "--constraint", "ACC >= 0.99"]) == 1
    assert capsys.readouterr().out.startswith("Not certified: 0 of 1 constraints passed.")
    changed = frame[500:].copy()
    changed.iloc[3, changed.columns.get_loc("label")] ^= 1
    changed.to_csv("changed.csv", index=False)
    assert main(["verify", "certificate.json", "model.skops", "changed.csv"]) == 1
    assert "data: not the same" in capsys.readouterr().out


def test_a_certificate_of_fit_is_verified_with_the_rows_of_fit(folder, frame, capsys):
    X = frame[["age", "income"]]
    model = SeldonianMetaClassifier(LogisticRegression(), "ACC >= 0.7", random_state=0)
    model.fit(X, frame["label"])
    joblib.dump(model, "fitted.joblib")
    model.certificate_.to_json("fitted.json")
    frame.drop(columns=["person", "weight", "sex"]).to_csv("all.csv", index=False)
    given = ["verify", "fitted.json", "fitted.joblib", "all.csv", "--trust-pickle"]
    assert main(given) == 2
    assert "Name it with --target" in capsys.readouterr().err
    assert main([*given, "--target", "label"]) == 0


def test_a_fit_with_groups_is_verified_from_parquet(folder, frame, capsys):
    """The model is in a pickle, because skops does not write the frames that it has."""
    model = SeldonianMetaClassifier(LogisticRegression(), ["ACC >= 0.7", PARITY], random_state=0)
    model.fit(frame[["age", "income"]], frame["label"], sensitive_features=frame[["sex"]])
    joblib.dump(model, "fitted.joblib")
    model.certificate_.to_json("fitted.json")
    frame.to_parquet("all.parquet")
    given = ["verify", "fitted.json", "fitted.joblib", "all.parquet", *NAMES]
    assert main(given) == 2
    assert "add --trust-pickle" in capsys.readouterr().err
    assert main([*given, "--trust-pickle"]) == 0
    with pytest.raises(TypeError):
        skops.io.dumps(model)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 1})])
def test_files_that_hold_no_model(folder, capsys, content):
    Path("bad.pkl").write_bytes(content)
    given = ["certify", "bad.pkl", "rows.csv", *NAMES, "--constraint", "ACC >= 0.5"]
    assert main([*given, "--trust-pickle"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert len(printed) > len("error: \n")


def test_levels_and_labels_that_look_like_something_else_are_texts(folder, capsys):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(size=600)})
    table["label"] = np.where(table["age"] > 0, "00", "None")
    model = LogisticRegression().fit(table[["age"]][:200], table["label"][:200])
    joblib.dump(model, "texts.joblib")
    table["region"] = rng.choice(["NA", "EU"], 600)
    table[200:].to_csv("texts.csv", index=False)
    asked = ["--constraint", "max(ERR, by=region) <= 0.2", "--trust-pickle"]
    names = ["--target", "label", "--sensitive", "region"]
    assert main(["certify", "texts.joblib", "texts.csv", *names, *asked]) == 0
    certificate = SafetyCertificate.from_json(Path("certificate.json"))
    assert set(certificate.results[0].rows) == {
        'ERR | [region == "EU"]',
        'ERR | [region == "NA"]',
    }
    page = Path("certificate.html").read_text()
    assert "verify certificate.json texts.joblib texts.csv --trust-pickle<" in page


def test_types_in_a_skops_file_that_are_not_known_are_named(folder, capsys):
    skops.io.dump(Constant().fit(None, None), "own.skops")
    given = ["certify", "own.skops", "rows.csv", *NAMES, "--constraint", "PR <= 0.5"]
    assert main(given) == 2
    name = f"{Constant.__module__}.Constant"
    assert f"If you trust them, add --trust {name}" in capsys.readouterr().err
    assert main([*given, "--trust", name]) == 0


class Constant(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


LIMITS = ["--target-range", "0", "6", "--prediction-range", "0", "6"]
MSE = ["--constraint", "MSE <= 2", "--standard-deviation", "MSE=2.3"]
CERTIFY = ["certify", "model.skops", "rows.csv", *NAMES, "--constraint"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["certify", "model.joblib", *CERTIFY[2:], "ACC >= 0.5"], "a pickle can run any program"),
        (["certify", "no.skops", *CERTIFY[2:], "ACC >= 0.5"], "The file no.skops does not exist"),
        (["verify", "no.json", "no.skops", "no.csv"], "The file no.json does not exist"),
        (["certify", "rows.csv", *CERTIFY[2:], "ACC >= 0.5"], "neither a skops file"),
        (
            ["certify", "model.skops", "no.csv", *CERTIFY[3:], "ACC >= 0.5"],
            "The file no.csv does not exist",
        ),
        ([*CERTIFY, "ACC >= "], "Expected a number"),
        ([*CERTIFY, "ACC >= 0.5", "--groups", "school"], "--groups names the column 'school'"),
        ([*CERTIFY, "ACC >= 0.5", "--pos-label", "2"], "--pos-label must be one of '0', '1'"),
        ([*CERTIFY, "ACC >= 0.5", "--delta", "2"], "delta must be strictly between"),
        (
            [*CERTIFY, "ACC >= 0.5", "--out", "rows.csv/x"],
            "--out must be a name in an existing folder",
        ),
        ([*CERTIFY, "ACC >= 0.5", "--out", ""], "--out must be a name"),
        ([*CERTIFY[:2], "model.skops", *CERTIFY[3:], "ACC >= 0.5"], "neither a CSV file"),
        (
            ["plan", "--constraint", "ACC >= 0.5", *["--rate", "ACC=0.6"] * 2],
            "--rate was given twice for ACC",
        ),
        (["plan", "--constraint", "ACC >= 0.5", "--rate", "ACC=0.6", "--power", "7"], "--power"),
        (
            ["plan", "--constraint", "PR >= 0.5", "--rate", "PR=0.6", "--pos-label", "1"],
            "--pos-label was given without --classes",
        ),
        (["verify", "rows.csv", "model.skops", "rows.csv"], "not the JSON document"),
        (["plan", "--constraint", "ACC >= 0.5", "--rate", "ACC"], '--rate must be like "PR'),
        (
            ["plan", "--constraint", "ACC >= 0.5", "--rate", "PR=0.5"],
            "--rate has no value for ACC, which the constraints need. Add the value that you "
            "expect, as in --rate ACC=0.5.",
        ),
        (
            ["plan", "--constraint", "Brier <= 0.5", "--rate", "Brier=0.2"],
            "Add the standard deviation that you expect, as in --standard-deviation Brier=0.1.",
        ),
        (
            ["plan", "--constraint", "MSE <= 2", "--rate", "MSE=1", *LIMITS, "--classes", "0", "1"],
            "--classes was given with the range of a regression. Leave one out.",
        ),
        (
            ["plan", "--constraint", "PR | [M] >= 0.5", "--rate", "PR=0.5"],
            "as in --rate 'PR | [M]=0.5'.",
        ),
    ],
)
def test_without_a_result_it_ends_with_2_and_a_reason(folder, capsys, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert printed.out == ""


def test_a_certificate_that_is_there_is_not_written_over(folder, capsys):
    Path("certificate.html").write_text("of yesterday")
    assert main([*CERTIFY, "ACC >= 0.5"]) == 2
    assert (
        "certificate.html exists already. Give another name with --out" in capsys.readouterr().err
    )
    assert not Path("certificate.json").exists()


def test_an_edited_certificate_is_refused(folder, capsys):
    assert main([*CERTIFY, "ACC >= 0.99"]) == 1
    content = json.loads(Path("certificate.json").read_text())
    content["results"][0]["bound"] = 0.995
    Path("certificate.json").write_text(json.dumps(content))
    assert main(["verify", "certificate.json", "model.skops", "rows.csv"]) == 2
    assert "bound" in capsys.readouterr().err


RATES = ["--rate", "PR | [M]=0.4", "--rate", "PR | [F]=0.42"]
SHARES = ["--share", "PR | [M]=0.5", "--share", "PR | [F]=0.5"]
GAP = ["plan", "--constraint", "abs(PR | [M] - PR | [F]) <= 0.1"]


@pytest.mark.parametrize(
    ("arguments", "status", "printed"),
    [
        (
            ["plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.93"],
            0,
            "With 748 safety rows, the constraint passes",
        ),
        (
            ["plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.9"],
            1,
            "There is no number of safety rows",
        ),
        (
            [*GAP, *RATES, *SHARES, "--rows", "2000"],
            0,
            "With 2,000 safety rows, the constraint passes",
        ),
        (
            [*GAP, *RATES, *SHARES, "--rows", "500"],
            1,
            "With 500 safety rows, the constraint passes",
        ),
        ([*GAP, *RATES, "--design-effect", "2", "--power", "0.5"], 0, "with probability 0.5."),
        (
            ["plan", *MSE, *LIMITS, "--rate", "MSE=1.6", "--rows", "300"],
            1,
            "With 300 safety rows, the constraint passes with probability 0.",
        ),
        (
            [
                "plan",
                "--constraint",
                'PR_["a"] <= 0.5',
                "--rate",
                'PR_["a"]=0.3',
                "--classes",
                *"abc",
            ],
            0,
            "safety rows, the constraint passes",
        ),
    ],
)
def test_plan(capsys, arguments, status, printed):
    assert main(arguments) == status
    assert printed in capsys.readouterr().out


PAGE = Path(__file__).parent.parent / "docs" / "from_a_shell.md"


def test_the_manual_shows_what_is_printed(capsys):
    text = PAGE.read_text().replace("\\\n", "")
    shown = re.findall(r"^\$ seldonian (plan .*)\n(.*)$", text, re.M)
    assert len(shown) == 2
    for arguments, printed in shown:
        main(shlex.split(arguments))
        assert capsys.readouterr().out == f"{printed}\n"

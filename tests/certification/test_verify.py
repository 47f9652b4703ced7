"""Verification of a certificate with a model and rows: what agrees, and what differs."""

import json
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_seldonian import SafetyDataReusedWarning, SeldonianClassifier, certify
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._multiplicity import fixed_sequence_in_words, holm_in_words
from sklearn_seldonian.certification._verify import Agreement, compared
from tests.certification._certificates import COST, DATA, UNTESTED, Given, Y

RNG = np.random.default_rng(7)
N = 600
SEX = np.array(["F", "M"])[RNG.integers(0, 2, N)]
LABELS = RNG.integers(0, 2, N)
ROWS = (RNG.normal(size=(N, 3)) + 1.5 * LABELS[:, None]).round(3).astype(np.float32)
WEIGHTS = RNG.integers(1, 4, N).astype(float)
MODEL = LogisticRegression().fit(ROWS[:100], LABELS[:100])
CONSTRAINTS = ["ACC >= 0.7", "max(PR, by=sex) - min(PR, by=sex) <= 0.4"]
FRAME = pd.DataFrame({"sex": SEX})
TESTED = slice(100, None)


def certified(constraints=tuple(CONSTRAINTS), model=MODEL, **options):
    X, y, sex = ROWS[TESTED], LABELS[TESTED], FRAME[TESTED]
    return certify(model, X, y, constraints, sensitive_features=sex, random_state=0, **options)


CERTIFICATE = certified()


def without(name):
    """All fingerprints except one."""
    return {key: value for key, value in CERTIFICATE.fingerprints.items() if key != name}


def rows(**changed):
    """The tested rows, some of them changed."""
    given = {"X": ROWS[TESTED], "y": LABELS[TESTED], "sensitive_features": FRAME[TESTED]}
    return {**given, **changed}


def with_value(values, at, value):
    values = values.copy()
    values[at] = value
    return values


def flipped(y):
    return with_value(y, 5, 1 - y[5])


def swapped(y):
    """The first labels of both kinds exchanged."""
    first = [int(np.flatnonzero(y == k)[0]) for k in (0, 1)]
    return with_value(y, first, [1, 0])


def moved_to_the_other_sex(frame):
    frame = frame.reset_index(drop=True).copy()
    frame.loc[3, "sex"] = "M" if frame.loc[3, "sex"] == "F" else "F"
    return frame


ORDER = RNG.permutation(N - 100)
THE_SAME = {
    "as they were": rows(),
    "in another order": rows(
        X=ROWS[TESTED][ORDER], y=LABELS[TESTED][ORDER], sensitive_features=FRAME[TESTED].iloc[ORDER]
    ),
    "in double precision": rows(X=ROWS[TESTED].astype(float)),
    "labels as numbers": rows(y=LABELS[TESTED].astype(float)),
    "labels as a Series": rows(y=pd.Series(LABELS[TESTED])),
    "sex as a column of polars": rows(sensitive_features=pl.DataFrame({"sex": SEX[TESTED]})),
    "sex as a Categorical": rows(sensitive_features=FRAME[TESTED].astype("category")),
}


@pytest.mark.parametrize("given", THE_SAME.values(), ids=THE_SAME)
def test_the_same_rows_in_any_form_are_the_same(given):
    found = CERTIFICATE.verify(MODEL, **given)
    assert found.same, found.explain(None)
    assert repr(found) == "<Verification: the same>"
    assert found.explain(None).startswith("Verified")


X, y = ROWS[TESTED], LABELS[TESTED]
OTHERS = {
    "one feature, which changes no decision": (
        rows(X=with_value(X, (0, 0), X[0, 0] + 0.001)),
        ["model", "data"],
        "differ in X, or rows are combined differently; y, column sex have the same values",
    ),
    "one label": (rows(y=flipped(y)), ["model", "data", "statistics"], "values differ in y\n"),
    "one label, by its cell": (rows(y=flipped(y)), ["model", "data", "statistics"], "with label"),
    "one group": (
        rows(sensitive_features=moved_to_the_other_sex(FRAME[TESTED])),
        ["model", "data", "statistics", "verdict"],
        "values differ in column sex\n",
    ),
    "two labels that changed places": (
        rows(y=swapped(y)),
        ["model", "data", "statistics"],
        "differ in X, or rows are combined differently; y, column sex",
    ),
    "a row less": (
        rows(X=X[1:], y=y[1:], sensitive_features=FRAME[TESTED][1:]),
        ["model", "data", "statistics", "verdict"],
        "there are 499 rows, but 500 were tested",
    ),
    "a row twice": (
        rows(
            X=np.r_[X[:1], X[:-1]],
            y=np.r_[y[:1], y[:-1]],
            sensitive_features=pd.DataFrame({"sex": np.r_[SEX[100:101], SEX[100:-1]]}),
        ),
        ["model", "data"],
        "values differ in ",
    ),
}


@pytest.mark.parametrize(("given", "parts", "message"), OTHERS.values(), ids=OTHERS)
def test_other_rows_are_noticed(given, parts, message):
    found = CERTIFICATE.verify(MODEL, **given)
    assert not found.same
    differing = [name for name, part in found.parts.items() if part.same is not True]
    assert differing[: len(parts)] == parts
    assert found.data.same is False
    assert found.model.same is None  # its decisions are known for the tested rows only
    assert message in found.explain(None)
    assert repr(found).startswith("<Verification: not the same: model, data")


def test_another_model_is_noticed():
    other = LogisticRegression(C=1e-4).fit(ROWS[:100], LABELS[:100])
    found = CERTIFICATE.verify(other, **rows())
    assert found.model.same is False
    assert found.data.same is True
    assert "decisions: the fingerprint is" in found.explain(None)


class Renamed(LogisticRegression):
    """Another kind of model with the same decisions."""


def test_a_model_of_another_kind_is_noticed():
    other = Renamed().fit(ROWS[:100], LABELS[:100])
    found = CERTIFICATE.verify(other, **rows())
    assert [name for name, part in found.parts.items() if not part.same] == ["model"]
    assert found.model.differences == ("it is a Renamed, but was a LogisticRegression",)


def test_one_weight_is_noticed():
    weights = WEIGHTS[TESTED]
    certificate = certified("PR <= 0.9", sample_weight=weights, max_weight=5)
    assert certificate.verify(MODEL, **rows(), sample_weight=weights).same
    heavier = with_value(weights, 0, weights[0] + 1)
    found = certificate.verify(MODEL, **rows(), sample_weight=heavier)
    assert found.data.same is False
    assert found.data.differences[0].endswith("values differ in column sample_weight=")
    assert found.statistics.same is False
    assert certificate.verify(MODEL, **rows()).same is False


@pytest.mark.parametrize(
    "largest",
    [3.0, 4, np.float64(3), np.float32(4.1), np.int64(4), np.array(4.0), Fraction(7, 2)],
    ids=repr,
)
def test_limits_of_any_type_are_verified(largest):
    """For example `weights.max()`, which is a numpy number."""
    weights = WEIGHTS[TESTED]
    certificate = certified("PR <= 0.9", sample_weight=weights, max_weight=largest)
    read = SafetyCertificate.from_json(certificate.to_json())
    assert read.verify(MODEL, **rows(sample_weight=weights)).same
    groups = np.arange(len(weights)) // 2
    certificate = certified("PR <= 0.9", groups=groups, max_group_size=np.int64(3))
    read = SafetyCertificate.from_json(certificate.to_json())
    assert read.verify(MODEL, **rows(groups=groups)).same


def test_rows_beyond_the_limits_are_other_rows():
    """The caller gets a result, instead of the error of a test with these rows."""
    weights, groups = WEIGHTS[TESTED], np.arange(N - 100) // 2
    certificate = certified("PR <= 0.9", sample_weight=weights, max_weight=5)
    found = certificate.verify(MODEL, **rows(sample_weight=2.0 * weights))
    assert (found.data.same, found.statistics.same, found.verdict.same) == (False, False, False)
    certificate = certified("PR <= 0.9", groups=groups, max_group_size=3)
    found = certificate.verify(MODEL, **rows(groups=groups // 3))
    assert (found.data.same, found.statistics.same, found.verdict.same) == (False, False, False)


def test_groups_that_part_otherwise_are_noticed():
    groups = np.arange(500) // 2
    certificate = certified("ACC >= 0.6", groups=groups)
    assert certificate.verify(MODEL, **rows(), groups=groups[::-1].copy()[::-1]).same
    assert certificate.verify(MODEL, **rows(), groups=(groups + 7) * 3).data.same is False
    found = certificate.verify(MODEL, **rows(), groups=np.roll(groups, 1))
    assert found.data.same is False
    assert "values: the digest" in found.explain(None)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ({"constraint": "ACC >= 0.75", "limit": 0.75}, "results[0].g "),
        ({"delta": 0.1}, "results[0].bound "),
        ({"reason": "no reason"}, "results[0].reason "),
        ({"rows": {"ACC": 499}}, "results[0].rows "),
        ({"rates": {"ACC": 0.1}}, "results[0].rates "),
        ({"p_value": 0.01}, "results[0].p_value "),
        ({"method": "betting"}, "results[0].method "),
    ],
)
def test_another_constraint_or_delta_in_the_certificate_is_noticed(edit, named):
    first, second = CERTIFICATE.results
    forged = replace(CERTIFICATE, results=(replace(first, **edit), second))
    found = forged.verify(MODEL, **rows())
    assert not found.same
    assert any(text.startswith(named) for text in found.verdict.differences)


@pytest.mark.parametrize(
    ("field", "value", "part", "message"),
    [
        (
            "fingerprints",
            {"decisions": CERTIFICATE.fingerprints["decisions"]},
            "data",
            "no fingerp",
        ),
        ("fingerprints", without("decisions"), "model", "no fingerprint of the model"),
        ("fingerprints", without("data: y"), "data", "but None in the certificate"),
        ("fingerprints", {**CERTIFICATE.fingerprints, "data": "0" * 32}, "data", "0" * 32),
        ("estimator", "Oracle", "model", "was a Oracle"),
        ("n_candidate", 10, "model", "n_candidate is 10"),
        ("assumptions", CERTIFICATE.assumptions[1:], "verdict", "do not include: The rows"),
        ("assumptions", (*CERTIFICATE.assumptions, "It rains."), "verdict", "It rains."),
        *(
            ("assumptions", (*CERTIFICATE.assumptions, text), "verdict", text)
            for text in (
                "No row of the population has ever been treated unfairly by this model.",
                "12 models were tested, and all are perfect.",
                "Which rows were kept for the safety test was decided by an angel.",
            )
        ),
    ],
)
def test_a_changed_field_is_named(field, value, part, message):
    found = replace(CERTIFICATE, **{field: value}).verify(MODEL, **rows())
    assert [name for name, each in found.parts.items() if each.same is False] == [part]
    assert message in found.explain(None)


def test_assumptions_are_compared_across_versions():
    found = replace(CERTIFICATE, versions={"sklearn-seldonian": "0"}, assumptions=("None.",))
    assert found.verify(MODEL, **rows()).verdict.same is False


@pytest.mark.parametrize(
    "text",
    [
        "Not met: these rows were tested before.",
        "Which rows were kept for the safety test did not depend on outcomes.",
        "9 settings were compared by cross-validation inside the candidate rows, and one model was "
        "tested.",
        "9 settings were compared by cross-validation inside the candidate rows; "
        f"{holm_in_words(3, 2)}",
        holm_in_words(3, 1),
        fixed_sequence_in_words(3, 2, "candidate rows"),
        fixed_sequence_in_words(3, 2, "the order that they were given in"),
    ],
)
def test_what_was_before_the_test_is_taken_at_its_word(text):
    noted = (*CERTIFICATE.assumptions, text)
    assert replace(CERTIFICATE, assumptions=noted).verify(MODEL, **rows()).same


def test_rows_that_the_model_was_fitted_to_are_no_news():
    model = SeldonianClassifier(constraints="ACC >= 0.5", max_epochs=1, random_state=0)
    seldonian = model.fit(ROWS, LABELS)
    with pytest.warns(SafetyDataReusedWarning, match="given to"):
        certificate = certify(seldonian, ROWS, LABELS, "ACC >= 0.5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert certificate.verify(seldonian, ROWS, LABELS).same


def test_values_in_an_order_are_tested_in_that_order():
    model = Given().fit()
    certificate = certify(model, DATA, Y, ["Cost <= 0.9", "Brier <= 0.5"], measures=[COST])
    assert certificate.statistics.values is not None
    assert certificate.verify(model, DATA, Y, measures=[COST]).same
    other = replace(certificate, order_seed=certificate.order_seed ^ 1)
    found = other.verify(model, DATA, Y, measures=[COST])
    assert found.statistics.same is True
    assert found.verdict.same is False
    with pytest.raises(ValueError, match="Cost"):
        certificate.verify(model, DATA, Y)


def test_drawn_decisions():
    certificate = certified("PR | [sex == 'F'] <= 0.9", decision="sample")
    again = certificate.verify(MODEL, **rows())
    assert again.same, again.explain(None)
    other = LogisticRegression(C=0.9).fit(ROWS[:100], LABELS[:100])
    again = certificate.verify(other, **rows())
    assert [name for name, part in again.parts.items() if part.same] == ["data"]
    assert "give the rows in the order in which they were tested" in again.explain(None)


def test_another_positive_class():
    names = np.array(["no", "yes"])[LABELS]
    model = LogisticRegression().fit(ROWS[:100], names[:100])
    certificate = certify(model, ROWS[100:], names[100:], "PR <= 0.9", pos_label="no")
    assert certificate.verify(model, ROWS[100:], names[100:]).same


def test_numbers():
    target = (ROWS[:, 0] / 10).clip(0, 1)
    model = LinearRegression().fit(ROWS[:100], target[:100])
    with pytest.warns(UserWarning, match="MSE has no finite range"):
        certificate = certify(model, ROWS[100:], target[100:], "MSE <= 0.5", target_range=(0, 1))
    assert certificate.verify(model, ROWS[100:], target[100:]).same
    found = certificate.verify(model, ROWS[100:], with_value(target[100:], 0, 0.987))
    assert not found.same
    assert found.data.same is False


def test_shifted_populations():
    shift = {"sex": {"F": (0.3, 0.6), "M": (0.4, 0.7)}}
    certificate = certified("PR <= 0.9", shift=shift)
    assert certificate.verify(MODEL, **rows()).same


def test_a_table_by_the_names_of_its_columns():
    frame = pd.DataFrame(ROWS[TESTED], columns=list("abc")).assign(sex=SEX[TESTED], label=y)
    model = LogisticRegression().fit(pd.DataFrame(ROWS[:100], columns=list("abc")), LABELS[:100])
    certificate = certify(model, frame, "label", CONSTRAINTS, sensitive_features=["sex"])
    assert certificate.verify(model, frame, "label", ["sex"]).same
    others = frame.assign(label=flipped(y))
    assert certificate.verify(model, others, "label", ["sex"]).data.same is False


def test_a_document_of_version_1_is_verified_as_far_as_it_goes():
    path = Path(__file__).parent / "files" / "version_1_counts.json"
    certificate = SafetyCertificate.from_json(path)
    found = certificate.verify(Given().fit(), DATA, Y)
    assert found.model.same is True
    assert found.data.same is True
    assert found.verdict.same is True
    assert found.statistics == Agreement(None, ("the certificate has no statistics",))
    assert not found.same


def test_what_was_not_tested_cannot_be_verified():
    with pytest.raises(ValueError, match="there is nothing to verify"):
        UNTESTED.verify(MODEL, **rows())


def test_a_certificate_is_the_same_as_itself():
    assert compared(CERTIFICATE, CERTIFICATE).same
    read = SafetyCertificate.from_json(json.dumps(json.loads(CERTIFICATE.to_json())))
    assert compared(read, CERTIFICATE).same

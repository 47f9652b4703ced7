"""Rows without a label: they count in measures of decisions, and in no measure that uses labels."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import (
    SeldonianClassifier,
    SeldonianMetaClassifier,
    SeldonianMetaRegressor,
    SeldonianRegressor,
    certify,
    collect,
)
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.data._targets import Labels, Numbers
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.model_selection import SeldonianSearchCV
from tests.certification._people import CLASSIFIER, FEATURES, GROUPS, REGRESSOR, people

ROWS = people(2000, 2)
# Whether the label is recorded depends on the label and on the sex.
OFTEN = np.where((ROWS["label"] == "yes") & (ROWS["sex"] == "F"), 0.7, 0.3)
KNOWN = np.random.default_rng(0).random(2000) < OFTEN
GAPS = ROWS.assign(
    label=ROWS["label"].where(KNOWN).astype(object), outcome=ROWS["outcome"].where(KNOWN)
)
OF_LABELS = [
    "ACC >= 0.5",
    "TPR | [sex == 'F'] >= 0.4",
    "PPV >= 0.4",
    "abs(FPR | [sex == 'F'] - FPR | [sex == 'M']) <= 0.2",
    "max(F1, by=sex) >= 0.2",
    "BACC >= 0.4",
    "CM_['yes', 'no'] <= 0.9",
]
OF_DECISIONS = [
    "PR >= 0.3",
    "NR | [race == 'A'] >= 0.2",
    "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.2",
]


def certified(rows, constraints, model=CLASSIFIER, target="label", **options):
    options = {
        "missing": "exclude",
        "random_state": 0,
        "sensitive_features": rows[GROUPS],
    } | options
    return certify(model, rows[FEATURES], rows[target], constraints, **options)


# -- what is certified -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "asymptotic"])
def test_a_measure_that_uses_labels_is_tested_as_on_the_labelled_rows_alone(method):
    found, alone = (certified(rows, OF_LABELS, method=method) for rows in (GAPS, ROWS[KNOWN]))
    for one, other in zip(found.results, alone.results, strict=True):
        assert one.rows == other.rows
        assert one.rates == other.rates
        assert one.bound == pytest.approx(other.bound, abs=1e-9 if method == "auto" else 1e-4)


@pytest.mark.parametrize("method", ["auto", "asymptotic"])
def test_a_measure_of_decisions_is_tested_as_on_all_rows(method):
    found, all_rows = (certified(rows, OF_DECISIONS, method=method) for rows in (GAPS, ROWS))
    assert found.results == all_rows.results


def test_one_constraint_may_have_measures_of_both_kinds():
    (result,) = certified(GAPS, "PR - ACC <= 0.1").results
    assert result.rows == {"PR": 2000, "ACC": KNOWN.sum()}
    alone = certified(ROWS[KNOWN], "ACC >= 0.1").results[0].estimate
    assert result.estimate == pytest.approx(
        certified(ROWS, "PR >= 0.1").results[0].estimate - alone
    )


def test_errors_of_a_regression_are_those_of_rows_with_a_number():
    options = {"model": REGRESSOR, "target": "outcome", "method": "asymptotic"}
    found, alone = (certified(rows, "MSE <= 3", **options) for rows in (GAPS, ROWS[KNOWN]))
    assert found.results[0].rows == alone.results[0].rows == {"MSE": KNOWN.sum()}
    assert found.results[0].bound == pytest.approx(alone.results[0].bound, rel=1e-3)


UNITS = {
    "groups": lambda rows: {"groups": rows.index // 2},
    "sample_weight": lambda rows: {"sample_weight": 1.0 + rows["age"] % 3},
    "shift": lambda rows: {"shift": {"sex": {"F": (0.3, 0.6), "M": (0.4, 0.7)}}},
    "decision": lambda rows: {"decision": "sample"},
}


@pytest.mark.parametrize("kind", UNITS)
def test_it_is_so_for_other_kinds_of_rows_and_decisions(kind):
    constraints = ["TPR >= 0.3", "ACC | [race == 'A'] >= 0.4", "Brier <= 0.4"]
    found, alone = (certified(r, constraints, **UNITS[kind](r)) for r in (GAPS, ROWS[KNOWN]))
    for one, other in zip(found.results[:2], alone.results[:2], strict=True):
        assert one.rows == other.rows
        shares_of_sex_differ = 0.05 * (kind == "shift")  # among all rows, and with a label
        assert one.estimate == pytest.approx(other.estimate, abs=1e-9 + shares_of_sex_differ)
        assert one.bound == pytest.approx(other.bound, abs=0.05)


BOTH = {
    "ACC - PR >= 0.1": "ACC | [known] - PR >= 0.1",
    "PR / TPR <= 0.9": "PR / TPR | [known] <= 0.9",
}


@pytest.mark.parametrize(
    ("kind", "constraint"),
    [
        *(("exact", constraint) for constraint in BOTH),
        *(("normal", constraint) for constraint in BOTH),
        *((kind, "ACC - PR >= 0.1") for kind in UNITS),
    ],
)
def test_it_is_a_condition_like_any_other(kind, constraint):
    """The test is that of measures with a condition on a column that says who has a label."""
    options = {"normal": lambda rows: {"method": "asymptotic"}, "exact": lambda rows: {}} | UNITS
    named = GAPS.assign(label=GAPS["label"].fillna("no"), known=1 * KNOWN)
    (found,) = certified(GAPS, constraint, **options[kind](GAPS)).results
    groups = named[[*GROUPS, "known"]]
    asked = named, BOTH[constraint]
    (other,) = certified(*asked, sensitive_features=groups, **options[kind](GAPS)).results
    assert [*found.rows.values()] == [*other.rows.values()]
    assert (found.estimate, found.bound, found.method) == (
        other.estimate,
        other.bound,
        other.method,
    )


def test_without_any_label_decisions_can_be_certified():
    none = GAPS.assign(label=None)
    test = certified(none, ["PR >= 0.3", "ACC >= 0.1"])
    assert [result.passed for result in test.results] == [True, False]
    assert test.results[1].rows == {"ACC": 0}


# -- the certificate -------------------------------------------------------------------------


def test_the_certificate_counts_rows_without_a_label_and_says_what_that_means():
    test = certified(GAPS, [*OF_LABELS, *OF_DECISIONS])
    (text,) = [text for text in test.assumptions if "no label" in text]
    assert text.startswith(f"{2000 - KNOWN.sum():,} of the 2,000 tested rows have no label.")
    assert "about the rows of the population whose label is recorded" in text
    assert not any("no label" in text for text in certified(ROWS, OF_LABELS).assumptions)
    names = {name for result in test.results for name in result.rows}
    assert {"ACC", "PR", 'TPR | [sex == "F"]'} <= names
    assert "a label" not in test.explain().replace(text, "").replace("whether a label", "")


def test_it_is_read_again_recomputed_and_verified():
    test = certified(GAPS, [*OF_LABELS, *OF_DECISIONS])
    assert SafetyCertificate.from_json(test.to_json()) == test
    again = test.recompute()
    assert again.same
    assert again.complete
    rows = GAPS[FEATURES], GAPS["label"]
    assert test.verify(CLASSIFIER, *rows, sensitive_features=GAPS[GROUPS]).same
    others = GAPS.assign(label=GAPS["label"].fillna("no"))
    found = test.verify(CLASSIFIER, *rows[:1], others["label"], sensitive_features=GAPS[GROUPS])
    assert not found.same


def test_a_forged_number_of_rows_is_noticed():
    """A measure of decisions has to be over all rows, also if others need not be."""
    document = json.loads(certified(GAPS, "PR >= 0.3").to_json())
    assert document["results"][0]["rows"] == {"PR": 2000}
    document["n_safety"] += 1
    with pytest.raises(ValueError, match="n_safety"):
        SafetyCertificate.from_json(json.dumps(document))


FORMS = {
    "None": lambda y: y,
    "NaN": lambda y: y.where(y.notna(), np.nan).to_numpy(),
    "NA": lambda y: y.astype("string"),
    "category": lambda y: y.astype("category"),
    "list": lambda y: y.where(y.notna(), None).tolist(),
    "text": lambda y: y.where(y.notna(), np.nan).to_numpy().astype(str),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_gap_is_a_gap_however_it_is_written(form):
    y = FORMS[form](GAPS["label"])
    options = {"sensitive_features": GAPS[GROUPS], "missing": "exclude", "random_state": 0}
    test = certify(CLASSIFIER, GAPS[FEATURES], y, [*OF_LABELS, "Brier <= 0.4"], **options)
    assert test == certified(GAPS, [*OF_LABELS, "Brier <= 0.4"])


def test_parts_give_the_same_certificate_as_all_rows_together():
    constraints, total = ["ACC >= 0.5", "PR >= 0.3", "Brier <= 0.4"], 0
    for part in (GAPS[:500], ROWS[500:600].assign(label="no"), GAPS[600:]):
        X, y = part[FEATURES], part["label"]
        total += collect(CLASSIFIER, X, y, constraints, missing="exclude")
    whole = pd.concat([GAPS[:500], ROWS[500:600].assign(label="no"), GAPS[600:]])
    found, alone = (
        total.certify(random_state=0),
        certified(whole, constraints, sensitive_features=None),
    )
    assert found.assumptions == alone.assumptions
    assert found.fingerprints == alone.fingerprints
    assert found.statistics.values == alone.statistics.values
    for one, other in zip(found.results, alone.results, strict=True):
        assert one.rows == other.rows
        assert one.bound == pytest.approx(other.bound)


@pytest.mark.parametrize(("model", "target"), [(CLASSIFIER, "label"), (REGRESSOR, "outcome")])
def test_measures_of_your_own_see_no_row_without_a_label(model, target):
    seen = []

    def value(y, prediction, probabilities):
        seen.append(len(y))
        return np.zeros(len(y))

    own = RowMeasure("Own", value, range=(0, 1))
    test = certified(GAPS, "Own <= 0.5", model, target, measures=[own])
    assert set(seen) <= {KNOWN.sum(), 0}
    assert test.results[0].rows == {"Own": KNOWN.sum()}


# -- training --------------------------------------------------------------------------------

CONSTRAINTS = ["ACC >= 0.55", "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.3"]
SETTINGS = {"constraints": CONSTRAINTS, "missing": "exclude", "random_state": 0}
QUICK = {"module__hidden": (), "max_epochs": 3}
MODELS = {
    "linear": SeldonianClassifier(**SETTINGS, **QUICK),
    "default": SeldonianClassifier(**SETTINGS, max_epochs=3),
    "sample": SeldonianClassifier(**SETTINGS, **QUICK, decision="sample"),
    "decisions only": SeldonianClassifier(**SETTINGS | {"constraints": CONSTRAINTS[1]}, **QUICK),
    "preprocessor": SeldonianClassifier(**SETTINGS, **QUICK, preprocessor=StandardScaler()),
    "meta": SeldonianMetaClassifier(LogisticRegression(), **SETTINGS),
    "regressor": SeldonianRegressor(
        **SETTINGS | {"constraints": "MAE <= 2"}, **QUICK, method="asymptotic"
    ),
    "meta regressor": SeldonianMetaRegressor(
        LinearRegression(), **SETTINGS | {"constraints": "MAE <= 2"}, method="asymptotic"
    ),
}
TARGET = {"regressor": "outcome", "meta regressor": "outcome"}


def fitted(name, rows=GAPS, **options):
    X, y = rows[FEATURES].to_numpy(), rows[TARGET.get(name, "label")]
    return MODELS[name].__sklearn_clone__().fit(X, y, rows[GROUPS], **options)


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.exceptions.SafetyDataReusedWarning")
@pytest.mark.parametrize("name", MODELS)
def test_fit_uses_rows_without_a_label(name):
    model = fitted(name)
    assert model.solution_found_
    certificate, safety = model.certificate_, model.safety_indices_
    n_known = int(KNOWN[safety].sum())
    rows = {key: n for result in certificate.results for key, n in result.rows.items()}
    assert [n for key, n in rows.items() if key in ("ACC", "MAE")] in ([n_known], [])
    assert sum(n for key, n in rows.items() if key.startswith("PR")) in (len(safety), 0)
    assert any(
        f"{len(safety) - n_known:,} of the {len(safety):,}" in a for a in certificate.assumptions
    )
    assert np.isfinite(certificate.loss)
    X, y = GAPS[FEATURES].to_numpy(), GAPS[TARGET.get(name, "label")]
    assert certificate.verify(model, X, y, GAPS[GROUPS]).same
    if hasattr(model, "classes_"):
        assert model.classes_.tolist() == ["no", "yes"]
    # The function gives the same results for the same rows.
    if name == "linear":
        tested = GAPS.iloc[safety]
        given = tested[FEATURES].to_numpy(), tested["label"], CONSTRAINTS
        alone = certify(model, *given, sensitive_features=tested[GROUPS], missing="exclude")
        assert [r.bound for r in alone.results] == [r.bound for r in certificate.results]


OTHER_FILLS = {
    "other class": (Labels, lambda y, targets: 1 - targets),
    "random class": (Labels, lambda y, targets: np.random.default_rng(5).integers(2, size=len(y))),
    "number": (Numbers, lambda y, targets: targets + 7.0),
}


@pytest.mark.parametrize(
    ("name", "fill"),
    [
        *((name, "other class") for name in MODELS if name not in TARGET),
        ("linear", "random class"),
        ("regressor", "number"),
        ("meta regressor", "number"),
    ],
)
def test_what_stands_in_for_a_missing_label_changes_nothing(name, fill, monkeypatch):
    first = fitted(name)
    kind, other = OTHER_FILLS[fill]
    check, changed = kind.check, []

    def with_another(self, y, missing="error"):
        y, targets = check(self, y, missing)
        gaps = pd.isna(y)
        changed.append(gaps.sum())
        return y, np.where(gaps, other(y, targets), targets)

    monkeypatch.setattr(kind, "check", with_another)
    second = fitted(name)
    assert 2000 - KNOWN.sum() in changed
    state, again = (model.module_.state_dict() for model in (first, second))
    assert all(torch.equal(state[key], again[key]) for key in state)
    if fill != "random class":  # which divides a stratum in two, so that rates are smoothed less
        one, two = (model.history_.drop(columns="seconds") for model in (first, second))
        pd.testing.assert_frame_equal(one, two, rtol=1e-9)
    fields = ["assumptions", "fingerprints", "loss", "remarks"]
    if name != "sample":  # its test takes rows in an order that depends on all that is kept
        fields.append("results")
    for field in fields:
        one, two = (getattr(model.certificate_, field) for model in (first, second))
        assert one == two


def test_a_preprocessor_is_fitted_to_labelled_candidate_rows():
    model = fitted("preprocessor")
    n_seen = model.preprocessor_.n_samples_seen_
    assert n_seen == KNOWN[model.candidate_indices_].sum()


def test_a_model_is_certified_on_fresh_rows_with_and_without_labels():
    model, fresh = fitted("linear"), people(1000, 9)
    few = fresh.assign(label=fresh["label"].where(fresh["a"] > 0).astype(object))
    for rows, n in ((fresh, 1000), (few, int((fresh["a"] > 0).sum()))):
        test = model.certify(rows[FEATURES].to_numpy(), rows["label"], rows[GROUPS])
        assert test.results[0].rows == {"ACC": n}


def test_labels_have_the_type_that_they_have_alone():
    y = pd.Series(np.where(GAPS["label"] == "yes", 1, 0)).astype(object).where(KNOWN, None)
    model = SeldonianClassifier(**SETTINGS | {"constraints": "ACC >= 0.5"}, **QUICK)
    assert model.fit(GAPS[FEATURES].to_numpy(), y).classes_.dtype.kind == "i"


def test_the_fallback_is_fitted_to_labelled_rows():
    constraints = ["ACC >= 0.999", "PR >= 0.01"]
    model = SeldonianClassifier(
        **SETTINGS | {"constraints": constraints}, **QUICK, fallback="majority"
    )
    with pytest.warns(NoSolutionFoundWarning), pytest.warns(match="no model can pass"):
        model.fit(GAPS[FEATURES].to_numpy(), GAPS["label"])
    assert model.fallback_.n_outputs_ == 1
    assert set(model.fallback_.classes_) == {"no", "yes"}


def test_units_and_weights_are_trained_with():
    for options in ({"groups": GAPS.index // 2}, {"sample_weight": 1.0 + GAPS["age"] % 3}):
        assert fitted("linear", **options).certificate_.results[0].rows["ACC"] < 1000


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (SeldonianClassifier(constraints="ACC >= 0.5"), {}, 'missing labels.*missing="exclude"'),
        (
            MODELS["linear"],
            {"shift": {"sex": {"F": 0.5, "M": 0.5}}},
            "shift= was given, and y has missing labels",
        ),
        (
            SeldonianSearchCV(MODELS["linear"], {"lr": [0.01, 0.1]}),
            {},
            "a search compares settings by their errors",
        ),
    ],
)
def test_combinations_that_are_not_supported_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.fit(GAPS[FEATURES].to_numpy(), GAPS["label"], GAPS[GROUPS], **options)


def test_a_sampler_is_refused():
    samplers = pytest.importorskip("imblearn.under_sampling")
    model = SeldonianClassifier(**SETTINGS, preprocessor=samplers.RandomUnderSampler())
    with pytest.raises(ValueError, match="A sampler was given as preprocessor=, and y has missing"):
        model.fit(GAPS[FEATURES].to_numpy(), GAPS["label"], GAPS[GROUPS])


def test_fit_needs_rows_with_a_label():
    with pytest.raises(ValueError, match="No row to train on has a label"):
        fitted("linear", GAPS.assign(label=None))
    with pytest.raises(ValueError, match="No row to train on has a label"):
        fitted("regressor", GAPS.assign(outcome=np.nan))


def test_the_name_of_the_internal_column_is_reserved():
    with pytest.raises(ValueError, match="'a label', and with missing='exclude'"):
        certified(GAPS, "PR >= 0.1", sensitive_features=GAPS[["sex"]].assign(**{"a label": 1}))


def test_a_constraint_cannot_name_the_internal_column():
    with pytest.raises(ValueError, match="Unknown column") as error:
        certified(GAPS, "PR | [colour == 'red'] >= 0.1")
    assert "a label" not in str(error.value)

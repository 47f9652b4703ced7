"""`fit` tests the alternative of an OR that the candidate rows chose, and reports it everywhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import (
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    certify,
)
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

EITHER = "min(FPR, FNR) <= 0.1"
FPR, FNR = "FPR <= 0.1", "FNR <= 0.1"


def classifier(constraints=EITHER, **options):
    return SeldonianClassifier(
        MLP, constraints, **{"max_epochs": 3, "lr": 0.01, "random_state": 0, **options}
    )


def rare(blobs, label):
    """Rows in which one of the two classes is rare, so that few of its rows are misclassified."""
    X, y = blobs
    kept = (y != label) | (np.arange(len(y)) % 4 == 0)
    return X[kept], y[kept]


@pytest.mark.parametrize(("label", "chosen"), [(1, FPR), (0, FNR)])
def test_one_is_tested_at_the_full_delta(blobs, label, chosen):
    model = classifier().fit(*rare(blobs, label))
    (result,) = model.certificate_.results
    assert result.passed
    assert result.chosen == (chosen,)
    text = model.certificate_.explain(None)
    assert f"  tested alternative: {chosen}, chosen by the candidate data" in text
    name = chosen.split()[0]
    n, rate = result.rows[name], result.rates[name]
    assert result.bound == pytest.approx(beta.ppf(0.95, round(n * rate) + 1, n - round(n * rate)))
    assert result.estimate == pytest.approx(min(result.rates.values()))
    assert result.method == "Clopper-Pearson"


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_safety_rows_do_not_choose(blobs):
    X, y = rare(blobs, 1)
    model = classifier().fit(X, y)
    safety, rng = model.safety_indices_, np.random.default_rng(0)
    X2, y2 = X.copy(), y.copy()
    X2[safety], y2[safety] = (
        1e3 * rng.normal(size=(len(safety), 3)),
        rng.integers(0, 2, len(safety)),
    )
    opposite = y.copy()
    opposite[safety] = 1 - y[safety]
    for poisoned in (classifier().fit(X2, y2), classifier().fit(X, opposite)):
        (result,) = poisoned.certificate_.results
        assert result.chosen == (FPR,)
        assert not result.passed
        assert result.rates != model.certificate_.results[0].rates


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_candidate_rows_do(blobs):
    """A check that the test above can fail."""
    X, y = rare(blobs, 1)
    model = classifier().fit(X, y)
    candidate = model.candidate_indices_
    y2 = y.copy()
    y2[candidate] = 1 - y2[candidate]
    mask = np.isin(np.arange(len(y)), model.safety_indices_)
    other = classifier().fit(-X, y2, safety_mask=mask)
    assert other.certificate_.results[0].chosen == (FNR,)


def test_fresh_rows_test_the_same(blobs):
    """The same alternative is tested, even if the fresh rows would have chosen another one."""
    model = classifier().fit(*rare(blobs, 1))
    X, y = rare(blobs, 0)
    fresh = X + 1e-6, y
    for estimator in (model, pickle.loads(pickle.dumps(model))):
        (result,) = estimator.certify(*fresh).results
        assert result.chosen == (FPR,)
        assert result.method == "Clopper-Pearson"
        n = result.rows["FPR"]
        k = round(n * result.rates["FPR"])
        assert result.bound == pytest.approx(beta.ppf(0.95, k + 1, n - k))


def test_without_candidate_rows_the_alternatives_share_delta(blobs):
    X, y = rare(blobs, 1)
    model = LogisticRegression().fit(X[:100], y[:100])
    (result,) = certify(model, X[100:], y[100:], EITHER).results
    assert result.chosen == ()
    n, k = (round(result.rows["FPR"] * share) for share in (1, result.rates["FPR"]))
    assert result.bound == pytest.approx(beta.ppf(0.975, k + 1, n - k))
    assert "tested alternative" not in result.explain(None)


@pytest.mark.parametrize("kind", ["linear model", "meta", "search", "drawn", "groups"])
def test_any_kind_of_training_is_accepted(blobs, groups, kind):
    X, y = blobs
    kept = (y != 1) | (np.arange(len(y)) % 4 == 0)
    rows = {"sensitive_features": groups[kept]}
    text, chosen = EITHER, FPR
    if kind == "meta":
        model = SeldonianMetaClassifier(LogisticRegression(), EITHER, random_state=0)
    elif kind == "search":
        model = SeldonianSearchCV(classifier(), {"lr": [0.01, 0.02]}, cv=2, test="holm")
    elif kind == "drawn":
        text, chosen = "min(FPR, FNR) <= 0.3", "FPR <= 0.3"
        model = classifier(text, decision="sample")
    elif kind == "groups":
        text, chosen = "min(FPR | [M], FNR | [M]) <= 0.2", "FPR | [M] <= 0.2"
        model = classifier(text, group_thresholds=True)
    else:
        model = SeldonianClassifier(constraints=EITHER, max_epochs=3, random_state=0)
    model.fit(X[kept], y[kept], **rows)
    certificate = model.certificate_
    assert certificate.passed
    assert certificate.results[0].chosen == (chosen,)
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    assert certificate.to_frame()["chosen"].tolist() == [(chosen,)]


def test_a_file_of_weights_keeps_what_was_chosen(blobs, tmp_path):
    model = classifier().fit(*rare(blobs, 1))
    model.save_params(tmp_path / "weights")
    loaded = classifier()
    loaded.load_params(tmp_path / "weights")
    assert loaded.certificate_ == model.certificate_
    assert loaded.certificate_.results[0].chosen == (FPR,)


@pytest.mark.parametrize("text", ["max(ERR, ACC) >= 0.5", "max(PR, NR) >= 0.5"])
def test_what_always_holds_is_certified_with_any_rows(text):
    X, y = np.random.default_rng(0).normal(size=(12, 2)), np.tile([0, 1], 6)
    model = SeldonianClassifier(MLP, text, max_epochs=1, random_state=0).fit(X, y)
    assert model.solution_found_
    (result,) = model.certificate_.results
    assert (result.method, result.guarantee, result.chosen) == ("arithmetic", "exact", ())
    assert SafetyCertificate.from_json(model.certificate_.to_json()) == model.certificate_
    assert certify(model, X + 1.0, y, text).passed


@pytest.mark.filterwarnings("ignore:With 6 safety rows")
@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_what_nearly_always_holds_is_not(blobs):
    X, y = np.random.default_rng(0).normal(size=(12, 2)), np.tile([0, 1], 6)
    text = "max(ERR, ACC) >= 0.5000001"
    model = SeldonianClassifier(MLP, text, max_epochs=1, random_state=0).fit(X, y)
    assert not model.solution_found_

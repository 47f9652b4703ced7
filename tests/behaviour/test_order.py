"""The order of the given rows changes nothing, and the order of the test is recorded."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from certificates_bounds import ORDERS
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SafetyCertificate, SeldonianClassifier, certify
from sklearn_seldonian.exceptions import SafetyDataReusedWarning
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

ZERO = DummyRegressor(strategy="constant", constant=0.0).fit([[0]], [0.0])
RANGES = {"target_range": (0, 1), "prediction_range": (0, 1)}
MISSED = RowMeasure("Missed", lambda y, prediction, _: (y != prediction) * 1.0, range=(0, 1))


def squared_error(values, **given):
    return certify(ZERO, np.zeros((len(values), 1)), values, "MSE <= 0.2", **RANGES, **given)


@pytest.fixture(scope="module")
def values():
    return (np.random.default_rng(0).random(150) < 0.1) * 1.0


def test_rows_in_any_order_give_the_same_certificate(values):
    certificates = [squared_error(order(values), random_state=6) for order in ORDERS.values()]
    assert certificates[0].results[0].method == "betting"
    for certificate in certificates[1:]:
        assert certificate.results == certificates[0].results


def test_the_order_is_drawn_anew_and_can_be_repeated(values):
    first, second = squared_error(values), squared_error(values)
    assert first.order_seed != second.order_seed
    assert first.results != second.results
    assert squared_error(values, random_state=first.order_seed).results == first.results
    assert str(first.order_seed) in first.explain(None)
    assert SafetyCertificate.from_json(first.to_json()).order_seed == first.order_seed


def test_a_random_state_gives_one_seed_after_the_other(values):
    draws = [np.random.RandomState(3) for _ in range(2)]
    seeds = [squared_error(values, random_state=draw).order_seed for draw in draws * 2]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", np.random.default_rng(0)])
def test_what_is_not_a_seed_is_refused(values, seed):
    with pytest.raises(ValueError, match="random_state must be None"):
        squared_error(values, random_state=seed)


def test_counts_have_no_order(blobs):
    model = LogisticRegression().fit(*blobs)
    certificate = certify(model, *blobs, "ACC >= 0.5")
    assert certificate.order_seed is None
    assert "order drawn" not in certificate.explain(None)


def test_fit_draws_the_order_from_its_random_state(blobs):
    X, y = blobs
    given = {"constraints": "Missed <= 0.3", "measures": [MISSED], "max_epochs": 3}
    model, again = (SeldonianClassifier(MLP, **given, random_state=1).fit(X, y) for _ in range(2))
    assert model.certificate_ == again.certificate_
    assert model.certificate_.results[0].method == "betting"
    safety, seed = model.safety_indices_[::-1], model.certificate_.order_seed
    with pytest.warns(SafetyDataReusedWarning, match="were given to SeldonianClassifier.fit"):
        repeated = certify(
            model, X[safety], y[safety], "Missed <= 0.3", measures=[MISSED], random_state=seed
        )
    assert repeated.results == model.certificate_.results


def test_a_second_test_in_another_order_is_noted(blobs):
    X, y = blobs
    given = {"constraints": "Missed <= 0.3", "measures": [MISSED], "max_epochs": 3}
    model = SeldonianClassifier(MLP, **given, random_state=1).fit(X, y)
    fresh = model.certify(X + 0.1, y)
    assert model.certify(X + 0.1, y, random_state=fresh.order_seed) == fresh
    with pytest.warns(SafetyDataReusedWarning, match="tested once before"):
        again = model.certify(X + 0.1, y)
    assert again.order_seed != fresh.order_seed


def test_a_search_draws_the_order_from_its_seed(blobs):
    model = SeldonianClassifier(
        MLP, constraints="ACC >= 0.6", decision="sample", max_epochs=2, random_state=1
    )
    fits = [
        SeldonianSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, test="holm").fit(*blobs)
        for _ in range(2)
    ]
    seeds = {test.certificate.order_seed for fit in fits for test in fit.tested_}
    assert seeds == {fits[0].certificate_.order_seed}
    assert fits[0].certificate_ == fits[1].certificate_


def test_drawn_decisions_of_sorted_groups():
    """Rows sorted by group and label, and the same rows shuffled."""
    rng = np.random.default_rng(2)
    X, group = rng.normal(size=(600, 2)), rng.integers(0, 2, 600)
    y = (X[:, 0] + rng.normal(size=600) > 0) * 1
    model = LogisticRegression().fit(X, y)
    constraints = ["abs(PR | [group == 1] - PR | [group == 0]) <= 0.2", "Brier <= 0.3"]
    found = []
    for order in (np.lexsort((y, group)), rng.permutation(600), np.argsort(X[:, 0])):
        certificate = certify(
            model,
            X[order],
            y[order],
            constraints,
            sensitive_features=pd.Series(group[order], name="group"),
            decision="sample",
            random_state=9,
        )
        found.append([dataclasses.astuple(result)[4:] for result in certificate.results])
    for results in found[1:]:
        for result, first in zip(results, found[0], strict=True):
            assert result[2:4] == pytest.approx(first[2:4], abs=1e-9)

"""Certificates of `fit` and of an estimator's `certify`, verified with the estimator."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier, SeldonianMetaClassifier, SeldonianRegressor
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

RNG = np.random.default_rng(3)
N = 400
Y = RNG.integers(0, 2, N)
X = (RNG.normal(size=(N, 2)) + 1.5 * Y[:, None]).astype(np.float32)
SEX = RNG.integers(0, 2, N)
GROUPS = np.arange(N) // 3
FRAME = pd.DataFrame({"s": SEX})
OF_SEX = {"sensitive_features": FRAME}
MASKED = {"sensitive_features": FRAME.where(np.arange(N)[:, None] % 9 > 0)}
WEIGHTS = RNG.integers(1, 4, N).astype(float)


def fitted(kind=SeldonianClassifier, *, arguments=None, **options):
    given = {"constraints": "ACC >= 0.5", "random_state": 0, **options}
    if kind is SeldonianClassifier:
        given = {"module": MLP, "max_epochs": 2, "device": "cpu", **given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**given).fit(X, Y, **(arguments or {}))


def regressor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SeldonianRegressor(
            MLP,
            constraints="MSE <= 0.9",
            target_range=(0, 1),
            prediction_range=(0, 1),
            max_epochs=2,
            random_state=0,
        ).fit(X, Y.astype(float))


def wrong(y, decided, _):
    return 1.0 * (y != decided)


def own_measure():
    return fitted(
        constraints=["Wrong <= 0.99", "PR_[0] <= 0.999"],
        measures=[RowMeasure("Wrong", wrong, (0, 1))],
    )


def meta():
    return fitted(SeldonianMetaClassifier, estimator=LogisticRegression(), cv=2)


KINDS = {
    "classifier": lambda: (fitted(), {}),
    "drawn decisions": lambda: (fitted(decision="sample", constraints="ACC >= 0.3"), {}),
    "alternatives": lambda: (fitted(constraints="min(FPR, FNR) <= 0.9"), {}),
    "preprocessor": lambda: (fitted(preprocessor=StandardScaler()), {}),
    "a failed one": lambda: (fitted(constraints="ACC >= 0.999"), {}),
    "groups": lambda: (fitted(arguments={"groups": GROUPS}), {"groups": GROUPS}),
    "weights": lambda: (
        fitted(constraints="PR <= 0.99", arguments={"sample_weight": WEIGHTS}),
        {"sample_weight": WEIGHTS},
    ),
    "shift": lambda: (
        fitted(
            constraints="PR <= 0.99",
            arguments={"shift": {"s": {0: (0.4, 0.6), 1: (0.4, 0.6)}}, **OF_SEX},
        ),
        OF_SEX,
    ),
    "group thresholds": lambda: (
        fitted(
            constraints="max(PR, by=s) - min(PR, by=s) <= 0.5",
            arguments=OF_SEX,
            group_thresholds=True,
        ),
        OF_SEX,
    ),
    "groups that are not recorded": lambda: (
        fitted(constraints="PR | [s == 1] <= 0.99", missing="exclude", arguments=MASKED),
        MASKED,
    ),
    "own measure": lambda: (own_measure(), {}),
    "conditions": lambda: (
        fitted(
            constraints="abs(PR | [s == 1] - PR | [s == 0]) <= 0.9",
            arguments=OF_SEX,
        ),
        OF_SEX,
    ),
    "regressor": lambda: (regressor(), {}),
    "stacked": lambda: (meta(), {}),
}


def of_rows(given, index):
    return {
        name: values.iloc[index] if hasattr(values, "iloc") else values[index]
        for name, values in given.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_all_rows_of_fit_or_the_tested_ones_are_the_same(kind):
    model, given = KINDS[kind]()
    tested, certificate = model.safety_indices_, model.certificate_
    assert certificate.tested
    tests_run = model._tests_run
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in (
            certificate.verify(model, X, Y, **given),
            certificate.verify(model, X[tested], Y[tested], **of_rows(given, tested)),
            certificate.verify(pickle.loads(pickle.dumps(model)), X, Y, **given),
        ):
            assert found.same, found.explain(None)
    assert model._tests_run == tests_run
    assert certificate.recompute().same


def test_rows_in_another_order_are_the_same():
    model = fitted()
    tested = model.safety_indices_[::-1]
    assert model.certificate_.verify(model, X[tested].astype(float), Y[tested]).same


def test_a_certificate_of_certify_is_verified_with_its_rows():
    model = fitted()
    fresh_y = RNG.integers(0, 2, 300)
    fresh = (RNG.normal(size=(300, 2)) + 1.5 * fresh_y[:, None]).astype(np.float32)
    certificate = model.certify(fresh, fresh_y)
    assert certificate.verify(model, fresh, fresh_y).same
    assert not certificate.verify(model, fresh[1:], fresh_y[1:]).same


def test_a_search_is_verified_with_its_best_model():
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.5", max_epochs=2, random_state=0)
    search = SeldonianSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, test="holm", n_candidates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, Y)
    certificate = search.certificate_
    assert certificate.verify(search, X, Y).same
    assert certificate.verify(search.best_estimator_, X, Y).same
    assert certificate.specification.n_tests in (1, 2)


def test_loaded_parameters_are_verified_with_the_tested_rows(tmp_path):
    model = fitted(constraints="max(PR, by=s) <= 0.99", arguments={"sensitive_features": FRAME})
    model.save_params(tmp_path / "weights")
    loaded = clone(model).load_params(tmp_path / "weights")
    tested = model.safety_indices_
    found = loaded.certificate_.verify(loaded, X[tested], Y[tested], FRAME.iloc[tested])
    assert found.same, found.explain(None)


def changed_weights(model):
    with torch.no_grad():
        next(model.module_.parameters()).add_(1e-3)


def changed_threshold(model):
    adjustment = model.net_.adjustment_
    model.net_.adjustment_ = adjustment._replace(offsets=(0.0, 0.25))


@pytest.mark.parametrize("change", [changed_weights, changed_threshold])
def test_a_changed_model_is_named(change):
    model = fitted()
    certificate = model.certificate_
    change(model)
    found = certificate.verify(model, X, Y)
    assert found.model.same is False
    assert found.data.same is True
    assert found.model.differences[0].startswith("weights: the fingerprint is")


def test_another_preprocessor_is_named():
    model = fitted(preprocessor=StandardScaler())
    certificate = model.certificate_
    model.preprocessor_.mean_ += 0.01
    found = certificate.verify(model, X, Y)
    assert found.model.same is False
    assert "preprocessor: the fingerprint is" in found.explain(None)


@pytest.mark.parametrize("of", ["label", "feature"])
def test_one_changed_row_is_named_and_the_model_is_the_same(of):
    model = fitted()
    first = model.safety_indices_[0]
    x, y = X.copy(), Y.copy()
    if of == "label":
        y[first] = 1 - y[first]
    else:
        x[first, 0] += 0.5
    found = model.certificate_.verify(model, x, y)
    assert found.model.same is True
    assert found.data.same is False


def test_a_changed_candidate_row_is_not_part_of_the_test():
    model = fitted()
    x = X.copy()
    x[model.candidate_indices_[0]] += 1
    assert model.certificate_.verify(model, x, Y).same


def test_rows_of_fit_in_another_order_are_other_rows():
    model = fitted()
    found = model.certificate_.verify(model, X[::-1].copy(), Y[::-1])
    assert found.data.same is False


def test_another_estimator_with_the_same_constraints_is_another_model():
    one, other = fitted(), fitted(random_state=1)
    found = one.certificate_.verify(other, X, Y)
    assert found.model.same is False
    assert found.data.same is False


def test_other_constraints_are_named():
    one, other = fitted(), fitted(constraints="ACC >= 0.6")
    found = one.certificate_.verify(other, X, Y)
    assert "results[0].constraint is 'ACC >= 0.5'" in found.explain(None)
    several = fitted(constraints=["ACC >= 0.5", "PR <= 0.99"])
    with pytest.raises(ValueError, match="has 1 constraints and the estimator 2"):
        one.certificate_.verify(several, X, Y)


@pytest.mark.parametrize("give", [lambda m: make_pipeline(StandardScaler(), m), lambda m: type(m)])
def test_what_is_no_seldonian_estimator_is_refused(give):
    model = fitted()
    with pytest.raises(TypeError, match=r"The certificate is of SeldonianClassifier\.fit"):
        model.certificate_.verify(give(model), X, Y)


def test_n_candidate_is_that_of_the_estimator():
    model = fitted()
    other = replace(model.certificate_, n_candidate=7)
    found = other.verify(model, X, Y)
    assert found.model.differences == (
        "it was fitted to 200 rows, but n_candidate is 7 in the certificate",
    )


def test_the_loss_is_that_of_the_test():
    model = fitted()
    other = replace(model.certificate_, loss=model.certificate_.loss + 0.01)
    found = other.verify(model, X, Y)
    assert [text.partition(" ")[0] for text in found.verdict.differences] == ["loss"]


def test_parameters_that_were_set_since_do_not_count():
    model = fitted(arguments={"groups": GROUPS}, max_group_size=5)
    certificate = model.certificate_
    assert certificate.verify(model, X, Y, groups=GROUPS).same
    model.set_params(max_group_size=9, constraints="ACC >= 0.9", delta=0.3)
    assert certificate.verify(model, X, Y, groups=GROUPS).same

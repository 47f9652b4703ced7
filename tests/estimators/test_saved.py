"""A file of weights is accepted only if it agrees with itself and with the estimator."""

import json
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.base import clone

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.estimators import _saved
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP


def classifier(constraints="ACC >= 0.2", **params):
    return SeldonianClassifier(
        constraints=constraints, **{"module": MLP, "max_epochs": 2, "random_state": 0, **params}
    )


def regressor():
    return SeldonianRegressor(
        MLP,
        constraints="MAE <= 9",
        prediction_range=(-9, 9),
        target_range=(-9, 9),
        max_epochs=1,
        random_state=0,
    )


def edited(path, change):
    """The file with facts that `change` has edited in place."""
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["sklearn_seldonian"])
    change(facts)
    metadata = {"sklearn_seldonian": json.dumps(facts)}
    safetensors.torch.save_file(tensors, path, metadata=metadata)


def in_certificate(**fields):
    def change(facts):
        certificate = json.loads(facts["certificate"])
        certificate.update(fields)
        facts["certificate"] = json.dumps(certificate)

    return change


def in_result(**fields):
    def change(facts):
        certificate = json.loads(facts["certificate"])
        certificate["results"][0].update(fields)
        facts["certificate"] = json.dumps(certificate)

    return change


def fact(name, value):
    return lambda facts: facts.update({name: value})


def part(name, **fields):
    return lambda facts: facts[name].update(fields)


def without(name):
    return lambda facts: facts.pop(name)


def with_two_results(facts):
    certificate = json.loads(facts["certificate"])
    certificate["results"] *= 2
    facts["certificate"] = json.dumps(certificate)


def in_statistics(facts):
    certificate = json.loads(facts["certificate"])
    certificate["statistics"]["tables"][0]["cells"][0]["sums"][0][-1] += 1
    facts["certificate"] = json.dumps(certificate)


CHANGES = {
    "constraint": (in_result(constraint="ACC >= 0.99"), "constraint"),
    "no constraint": (in_result(constraint="ACC >="), "."),
    "delta": (in_result(delta=1e-6), "delta"),
    "limit": (in_result(limit=0.1), "limit"),
    "operator": (in_result(operator="<="), "operator"),
    "bound": (in_result(bound=0.99), "bound"),
    "estimate": (in_result(estimate=0.99), "estimate"),
    "p-value": (in_result(p_value=1e-9), "p_value"),
    "method": (in_result(method="divination"), "method"),
    "guarantee": (in_result(guarantee="asymptotic"), "guarantee"),
    "rows": (in_result(rows={"ACC": 10**9}), "rows"),
    "two results": (with_two_results, "results"),
    "no results": (in_certificate(results=[]), "no certificate that passed|results"),
    "n_safety": (in_certificate(n_safety=10**9), "n_safety"),
    "n_candidate": (in_certificate(n_candidate=10**9), "n_candidate"),
    "loss": (in_certificate(loss=0.0), "loss"),
    "assumptions": (in_certificate(assumptions=[]), "assumptions"),
    "procedure": (in_certificate(procedure="SeldonianRegressor.fit"), "procedure"),
    "parameters": (in_certificate(parameters={}), "parameters"),
    "versions": (in_certificate(versions={}), "versions"),
    "positive": (in_certificate(positive="0"), "positive"),
    "fingerprints": (in_certificate(fingerprints={}), "fingerprint"),
    "labels as texts": (fact("classes", ["<U1", ["0", "1"]]), "classes"),
    "labels of another type": (fact("classes", ["<i8", ["0", "1"]]), "classes"),
    "one label": (fact("classes", ["<i8", [0]]), "classes"),
    "no labels": (fact("classes", None), "task"),
    "labels of no type": (fact("classes", ["<zz", [0, 1]]), "classes"),
    "n_features_in": (fact("n_features_in", 4), "n_features_in"),
    "no features": (fact("n_features_in", -1), "n_features_in"),
    "names": (fact("feature_names_in", ["a", "b"]), "feature_names_in"),
    "other names": (fact("feature_names_in", ["a", "b", "c"]), "feature_names_in"),
    "n_classes": (part("task", n_classes=3), "task"),
    "kind": (part("task", kind="oracle"), "task"),
    "drawn": (part("task", deterministic=False), "task"),
    "no task": (fact("task", {}), "task"),
    "scale": (fact("adjustment", [float("nan"), [0.0, 0.0], [], []]), "adjustment"),
    "offsets": (fact("adjustment", [1.0, [0.0], [], []]), "adjustment"),
    "offsets as text": (fact("adjustment", [1.0, ["0", "1"], [], []]), "adjustment"),
    "sizes": (part("sizes", module__n_features=4), "sizes"),
    "sizes that no memory holds": (part("sizes", module__n_features=4 * 10**7), "sizes"),
    "sizes beyond all numbers": (part("sizes", module__n_features=10**30), "sizes"),
    "sizes as text": (part("sizes", module__n_outputs="2"), "sizes"),
    "knots": (part("sizes", module__knots=[[0, 0, 0, 1]]), "sizes"),
    "knots beyond all numbers": (part("sizes", module__knots=[[10**400, 0, 0, 1]]), "sizes"),
    "no sizes": (fact("sizes", {}), "sizes"),
    "digests": (fact("digests", {}), "was changed"),
    "an unknown fact": (fact("more", 1), "'more'"),
    "no promise": (without("promise"), "'promise'"),
    "no digests": (without("digests"), "'digests'"),
    "no JSON": (fact("certificate", "{"), "certificate"),
    "no certificate": (fact("certificate", "[]"), "certificate"),
    "a path": (fact("certificate", __file__), "not the JSON document of a certificate"),
    "statistics": (in_statistics, "statistics.tables have"),
    "specification": (in_certificate(specification=None), "statistics"),
    "time": (in_certificate(created_at="2020-01-01T00:00:00Z"), "created_at was changed"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 100)
    X = rng.normal(size=(200, 3)) + 2.0 * y[:, None]
    model = classifier().fit(X, y)
    path = tmp_path_factory.mktemp("saved") / "weights"
    model.save_params(path)
    return model, path.read_bytes(), X


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_changed_is_refused_by_name(saved, change, message, tmp_path):
    model, content, _ = saved
    path = tmp_path / "weights"
    path.write_bytes(content)
    edited(path, change)
    loading = clone(model)
    with pytest.raises(ValueError, match=message):
        loading.load_params(path)
    assert not [name for name in vars(loading) if name.endswith("_")]


FORGED = [
    *("delta", "procedure", "parameters", "positive", "labels of another type", "n_classes"),
    *("drawn", "no features", "names", "sizes", "sizes that no memory holds", "no sizes"),
]


@pytest.mark.parametrize("name", FORGED)
def test_digests_that_were_made_anew_hide_no_contradiction(saved, name, tmp_path):
    model, content, _ = saved
    path, (change, _) = tmp_path / "weights", CHANGES[name]
    path.write_bytes(content)
    edited(path, change)
    edited(path, lambda facts: facts.update(digests=_saved._digests(facts)))
    with pytest.raises(ValueError, match=r"file|class|certificate"):
        clone(model).load_params(path)


def test_a_file_that_was_not_changed_is_loaded(saved, tmp_path):
    model, content, X = saved
    path = tmp_path / "weights"
    path.write_bytes(content)
    edited(path, lambda facts: None)
    assert (clone(model).load_params(path).predict(X) == model.predict(X)).all()


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x10\0\0\0\0\0\0\0{}"])
def test_what_is_no_file_of_weights_is_refused(content, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        classifier().load_params(path)


@pytest.mark.parametrize("facts", ["{", "[]", '"text"', "1"])
def test_facts_that_are_none_are_refused(saved, facts, tmp_path):
    path = tmp_path / "weights"
    tensors = {"weight": torch.zeros(2)}
    safetensors.torch.save_file(tensors, path, metadata={"sklearn_seldonian": facts})
    with pytest.raises(ValueError, match=r"is not JSON|is missing"):
        classifier().load_params(path)


@pytest.mark.parametrize(
    "make",
    [
        regressor,
        lambda: classifier("PR <= 0.95", decision="sample"),
        lambda: classifier(pos_label=0),
        lambda: classifier(module__hidden=(4,), module__dropout=0.1),
        lambda: classifier(criterion=torch.nn.BCEWithLogitsLoss),
        lambda: classifier(module=torch.nn.Linear(3, 2)),
        lambda: classifier(module=torch.nn.Linear, module__in_features=3, module__out_features=2),
        lambda: classifier(("ACC>=0.2", "PR<=0.99"), delta=[0.05, 0.1]),
        lambda: classifier(()),
    ],
)
@pytest.mark.thinned(3)
def test_models_of_all_kinds_are_loaded(blobs, make, tmp_path):
    X, y = blobs
    model = make()
    model.fit(X, X[:, 0] if isinstance(model, SeldonianRegressor) else y)
    model.save_params(tmp_path / "weights")
    loaded = clone(model).load_params(tmp_path / "weights")
    one, other = (
        m.predict_proba(X) if hasattr(m, "predict_proba") else m.predict(X) for m in (model, loaded)
    )
    assert np.array_equal(one, other)


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize("test", ["best", "holm"])
def test_the_winner_of_a_search_is_loaded(blobs, test, tmp_path):
    search = SeldonianSearchCV(
        classifier("ACC >= 0.6"), {"lr": [0.02, 0.03]}, cv=2, test=test, random_state=0
    ).fit(*blobs)
    best = search.best_estimator_
    best.save_params(tmp_path / "weights")
    assert clone(best).load_params(tmp_path / "weights").certificate_ == best.certificate_


def test_another_bound_is_another_promise(saved, tmp_path):
    model, content, _ = saved
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="parameters"):
        clone(model).set_params(method="ttest").load_params(path)


# -- inference mode --------------------------------------------------------------------------


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad])
def test_models_are_loaded_in_inference_mode(saved, context, tmp_path):
    model, content, X = saved
    path = tmp_path / "weights"
    path.write_bytes(content)
    with context():
        loaded = [clone(model).load_params(path), pickle.loads(pickle.dumps(model))]
    for each in loaded:
        assert np.array_equal(each.predict_proba(X), model.predict_proba(X))
        with torch.no_grad():
            next(each.module_.parameters()).neg_()
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            each.predict(X)

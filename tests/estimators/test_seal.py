"""A model predicts only if it is still the one that its certificate is about."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_seldonian import (
    SeldonianClassifier,
    SeldonianMetaClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.estimators import _seal
from sklearn_seldonian.learners.lagrangian import TrainedNet
from sklearn_seldonian.modules import MLP


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture
def model(blobs):
    return unfitted().fit(*blobs)


@torch.no_grad()
def negate(model):
    for parameter in model.module_.parameters():
        parameter.neg_()


def train_on(model):
    optimizer = torch.optim.SGD(model.module_.parameters(), lr=1.0)
    model.module_(torch.ones(4, 3)).sum().backward()
    optimizer.step()


def load_others(model):
    model.module_.load_state_dict({n: 0 * w for n, w in model.module_.state_dict().items()})


def replace_a_layer(model):
    model.module_.layers[1] = nn.Linear(3, 64)


def add_a_layer(model):
    model.module_.layers.append(nn.Linear(2, 2))


def move_offsets(model):
    model.net_.adjustment_ = model.net_.adjustment_._replace(offsets=(0.0, 5.0))


def clip_scores(model):
    model.net_.adjustment_ = model.net_.adjustment_._replace(
        offsets=(0.0, 0.0), low=(-1.0, -1.0), high=(-0.5, -0.5)
    )


CHANGES = [negate, train_on, load_others, replace_a_layer, add_a_layer, move_offsets, clip_scores]


ANSWERS = ["predict", "predict_proba", "decision_function"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.thinned(4)
def test_another_model_than_the_certified_one_does_not_answer(model, blobs, change, answer):
    X, y = blobs
    change(model)
    for _ in range(2):
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            getattr(model, answer)(X)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        certify(model, X, y, "ACC >= 0.1")
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.certify(X + 0.01, y)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.thinned(3)
def test_nor_is_it_saved_or_loaded(model, change, tmp_path):
    change(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.save_params(tmp_path / "weights")
    pickled = pickle.dumps(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        pickle.loads(pickled)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        copy.deepcopy(model)


def test_labels_are_part_of_what_is_certified(model, blobs):
    model.classes_ = model.classes_[::-1]
    with pytest.raises(ValueError, match=r"The class labels \('1', '0'\) are not those"):
        model.predict(blobs[0])
    with pytest.raises(ValueError, match="The class labels"):
        pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize(
    "harmless",
    [
        lambda model: model.module_.train(),
        lambda model: model.module_.to(torch.float32),
        lambda model: model.module_.load_state_dict(copy.deepcopy(model.module_.state_dict())),
        lambda model: model.module_.requires_grad_(False),
    ],
    ids=["train mode", "moved", "the same weights", "frozen"],
)
def test_what_changes_no_decision_is_no_change(model, blobs, harmless):
    X, _ = blobs
    expected = model.predict(X)
    harmless(model)
    assert np.array_equal(model.predict(X), expected)


def test_weights_are_not_digested_for_each_prediction(model, blobs, monkeypatch):
    monkeypatch.setattr(TrainedNet, "fingerprint", lambda model: "digested")
    model.predict(blobs[0])
    negate(model)
    with pytest.raises(ValueError, match="fingerprint digested"):
        model.predict(blobs[0])


@pytest.mark.parametrize("constraints", ["ACC >= 0.6", ()])
def test_without_a_certificate_weights_are_the_users_own(blobs, constraints):
    model = unfitted(constraints).fit(*blobs)
    before = model.predict(blobs[0])
    negate(model)
    if constraints:
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            model.predict(blobs[0])
    else:
        assert not np.array_equal(model.predict(blobs[0]), before)


def test_a_regressor_is_watched_as_well(blobs):
    X, y = blobs
    model = SeldonianRegressor(
        MLP,
        constraints="MAE <= 0.9",
        prediction_range=(0, 1),
        target_range=(0, 1),
        max_epochs=2,
        random_state=0,
    ).fit(X, y)
    negate(model)
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.predict(X)


def test_weights_made_for_inference_are_watched(model, blobs):
    X, _ = blobs
    model = pickle.loads(pickle.dumps(model))
    weights = model.module_.layers[1]
    with torch.inference_mode():
        made = torch.nn.Parameter(weights.weight.clone(), requires_grad=False)
    weights.weight = made
    expected = model.predict(X)
    with torch.inference_mode():
        made.neg_()
    with pytest.raises(ValueError, match="are not those that the certificate is about"):
        model.predict(X)
    assert len(expected) == len(X)


# -- what rows go through before the module ----------------------------------------------------


def scaled(blobs):
    steps = make_pipeline(StandardScaler(), FunctionTransformer(np.arctan))
    return unfitted(preprocessor=steps).fit(*blobs)


def stacked(blobs):
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    return SeldonianMetaClassifier(tree, "ACC >= 0.6", cv=2, random_state=0).fit(*blobs)


def frozen(blobs):
    existing = LogisticRegression().fit(*blobs)
    return SeldonianMetaClassifier(FrozenEstimator(existing), "ACC >= 0.6").fit(*blobs)


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture
def pickles(kept, blobs):
    if not kept:
        kept |= {make.__name__: pickle.dumps(make(blobs)) for make in (scaled, stacked, frozen)}
    return kept


def shift(model, X, y):
    model.preprocessor_[0].mean_[:] += 1


def scale_anew(model, X, y):
    model.preprocessor_[0].fit(X + 1)


def drop_a_step(model, X, y):
    model.preprocessor_.steps.pop()


def use_another_function(model, X, y):
    model.preprocessor_[1].func = np.abs


def leave_it_out(model, X, y):
    model.preprocessor_ = None


def fit_elsewhere(model, X, y):
    model.estimator_.fit(X[:100], 1 - y[:100])


def fit_what_is_frozen(model, X, y):
    model.estimator_.estimator.fit(X[:100], 1 - y[:100])


def write_coefficients(model, X, y):
    model.estimator_.estimator.coef_ *= -1


def write_the_scale_beside(model, X, y):
    model.preprocessor_.own_features_.named_transformers_["pipeline-1"][-1].scale_[:] = 100


CHANGES_BEFORE = [
    ("scaled", shift),
    ("scaled", scale_anew),
    ("scaled", drop_a_step),
    ("scaled", use_another_function),
    ("scaled", leave_it_out),
    ("stacked", fit_elsewhere),
    ("stacked", write_the_scale_beside),
    ("frozen", fit_what_is_frozen),
    ("frozen", write_coefficients),
]
BEFORE = "is not the one that the certificate is about"


@pytest.mark.parametrize(("name", "change"), CHANGES_BEFORE)
@pytest.mark.thinned(2)
def test_a_changed_preprocessor_does_not_answer(pickles, blobs, name, change):
    model = pickle.loads(pickles[name])
    X, y = blobs
    model.predict(X)
    change(model, X, y)
    for answer in (*ANSWERS, "predict"):
        with pytest.raises(ValueError, match=BEFORE):
            getattr(model, answer)(X)
    with pytest.raises(ValueError, match=BEFORE):
        model.certify(X + 0.01, y)
    with pytest.raises(ValueError, match=BEFORE):
        certify(model, X, y, "ACC >= 0.1")
    pickled = pickle.dumps(model)
    with pytest.raises(ValueError, match=BEFORE):
        pickle.loads(pickled)


def test_nor_does_one_that_was_not_there(model, blobs):
    model.preprocessor_ = StandardScaler().fit(blobs[0])
    with pytest.raises(ValueError, match=BEFORE):
        model.predict(blobs[0])


def write_into_a_tree(model):
    model.estimator_.tree_.value[...] = model.estimator_.tree_.value[:, :, ::-1].copy()


def test_changes_that_a_quick_summary_misses_are_found_by_digests(pickles, blobs):
    model = pickle.loads(pickles["stacked"])
    model.predict(blobs[0])
    write_into_a_tree(model)
    model.predict(blobs[0])
    with pytest.raises(ValueError, match=BEFORE):
        model.certify(blobs[0] + 0.01, blobs[1])
    with pytest.raises(ValueError, match=BEFORE):
        pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("name", ["scaled", "stacked", "frozen"])
def test_unchanged_it_answers_and_is_not_digested(pickles, blobs, name, monkeypatch):
    model = pickle.loads(pickles[name])
    expected = model.predict(blobs[0])
    monkeypatch.setattr(_seal, "check_labels", None)  # this check follows that of a digest
    np.testing.assert_array_equal(model.predict(blobs[0]), expected)
    assert "preprocessor" in model.certificate_.fingerprints
    assert not any(
        "is not changed after the test" in text for text in model.certificate_.assumptions
    )


def test_what_computes_alike_is_no_change(pickles, blobs):
    model = pickle.loads(pickles["stacked"])
    expected = model.predict(blobs[0])
    model.preprocessor_.own_features_.set_params(n_jobs=1, verbose=True)
    model.preprocessor_.estimator_ = copy.deepcopy(model.estimator_)
    np.testing.assert_array_equal(model.predict(blobs[0]), expected)


def test_without_a_certificate_a_preprocessor_is_the_users_own(blobs):
    model = unfitted((), preprocessor=StandardScaler()).fit(*blobs)
    model.preprocessor_.mean_[:] += 1
    assert len(model.predict(blobs[0])) == len(blobs[0])


class Counting(TransformerMixin, BaseEstimator):
    """Counts how often it was used."""

    def fit(self, X, y=None):
        self.n_asked_ = 0
        return self

    def transform(self, X):
        self.n_asked_ += 1
        return X


def test_objects_without_lasting_digest_are_named_and_identified_by_type(blobs):
    X, y = blobs
    model = unfitted(preprocessor=Counting()).fit(X, y)
    (said,) = (
        text for text in model.certificate_.assumptions if "is not changed after the test" in text
    )
    assert said.startswith("The fitted Counting is not changed after the test. No lasting digest")
    for _ in range(2):
        model.predict(X)
    assert pickle.loads(pickle.dumps(model)).solution_found_
    assert model.certify(X + 0.01, y).assumptions.count(said) == 1
    model.preprocessor_ = StandardScaler().fit(X)
    with pytest.raises(ValueError, match=BEFORE):
        model.predict(X)


def test_a_refusal_mentions_another_version(pickles, blobs, monkeypatch):
    model = pickle.loads(pickles["scaled"])
    monkeypatch.setattr(
        _seal, "versions", lambda: {**model.certificate_.versions, "scikit-learn": "9.9"}
    )
    model.predict(blobs[0])
    shift(model, *blobs)
    version = model.certificate_.versions["scikit-learn"]
    said = rf"The certified one was fitted with scikit-learn {version}\."
    with pytest.raises(ValueError, match=said):
        model.predict(blobs[0])

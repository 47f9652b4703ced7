"""Any classifier under constraints: what scikit-learn and its friends may do with it."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianMetaClassifier,
)
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.plotting import CertificateDisplay, TrainingDisplay

LINEAR, TREE = LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)
BOOSTED = HistGradientBoostingClassifier(
    max_iter=3, categorical_features="from_dtype", random_state=0
)


def meta(estimator=LINEAR, constraints="ACC >= 0.6", **params):
    return SeldonianMetaClassifier(estimator, constraints, **{"cv": 2, "random_state": 0, **params})


@pytest.fixture
def rows(blobs):
    X, y = blobs
    return X[:400], y[:400]


def frame_of(X):
    """Columns of every kind, with gaps."""
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["word"] = np.where(X[:, 0] > 0, "u", "v")
    frame["level"] = pd.Categorical(np.where(X[:, 1] > 0, "p", "q"))
    frame["flag"] = X[:, 2] > 0
    frame["whole"] = pd.array((10 * X[:, 0]).astype(int), dtype="Int64")
    frame["mixed"] = [1 if i % 2 else "one" for i in range(len(X))]
    for column in ("a", "level", "whole", "word"):
        frame.loc[frame.index[3], column] = None
    return frame


# -- parameters ----------------------------------------------------------------------------


def test_nested_parameters_are_got_and_set_and_survive_a_clone():
    model = clone(meta(clone(TREE)).set_params(estimator__max_depth=7, delta=0.1))
    assert model.get_params()["estimator__max_depth"] == model.estimator.max_depth == 7
    assert model.delta == 0.1
    assert TREE.max_depth == 3
    with pytest.raises(ValueError, match="Invalid parameter 'max_depht'"):
        model.set_params(estimator__max_depht=7)


REFUSED = [
    ({"estimator": SVC()}, ValueError, "SVC has no predict_proba"),
    ({"estimator": LinearSVC()}, ValueError, r"give CalibratedClassifierCV\(estimator\)"),
    ({"estimator": RidgeClassifier()}, ValueError, "RidgeClassifier has no predict_proba"),
    ({"estimator": make_pipeline(LinearSVC())}, ValueError, "CalibratedClassifierCV"),
    ({"estimator": LinearRegression()}, ValueError, "implementing 'fit' and 'predict_proba'"),
    ({"estimator": None}, ValueError, "implementing 'fit' and 'predict_proba'"),
    ({"estimator": LogisticRegression}, TypeError, r"write LogisticRegression\(\)"),
    ({"estimator": "ACC >= 0.9"}, TypeError, "'ACC >= 0.9' is a constraint"),
    ({"estimator": nn.Linear(3, 2)}, TypeError, "use SeldonianClassifier"),
    ({"estimator": nn.Linear}, TypeError, "use SeldonianClassifier"),
    ({"preprocessor": StandardScaler}, TypeError, r"write StandardScaler\(\)"),
    ({"cv": 1}, ValueError, r"'cv' .* int in the range \[2, inf\)"),
    ({"cv": 2.5}, ValueError, "'cv'"),
    ({"cv": None}, ValueError, "'cv'"),
    ({"cv": StratifiedKFold(3)}, ValueError, "'cv'"),
    ({"delta": 0.0}, ValueError, "delta"),
    ({"constraints": "ACCC >= 0.9"}, ValueError, "did you mean 'ACC'"),
]


@pytest.mark.parametrize(("params", "error", "message"), REFUSED)
def test_what_no_fit_can_take_is_refused_with_a_remedy(rows, params, error, message):
    with pytest.raises(error, match=message):
        meta().set_params(**params).fit(*rows)


def test_the_remedy_for_classifiers_without_probabilities_works(rows):
    assert meta(CalibratedClassifierCV(LinearSVC(), cv=2)).fit(*rows).solution_found_


def test_a_sampler_is_refused_as_preprocessor_and_taken_in_the_estimator(rows):
    sampling = pytest.importorskip("imblearn.over_sampling").RandomOverSampler(random_state=0)
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    with pytest.raises(ValueError, match="make it the first step of the estimator"):
        meta(preprocessor=sampling).fit(*rows)
    assert meta(make_sampling_pipeline(sampling, LINEAR)).fit(*rows).solution_found_


@pytest.mark.parametrize(
    ("keyword", "advice"),
    [
        ("sample_weight", "Rows have no weights"),
        ("eval_set", "fit keeps rows apart by itself"),
        ("cv", "cv is a parameter of the estimator"),
    ],
)
def test_keywords_of_other_libraries_are_refused_with_advice(rows, keyword, advice):
    with pytest.raises(TypeError, match=advice):
        meta().fit(*rows, **{keyword: None})


# -- what fit does -------------------------------------------------------------------------


def test_what_is_certified_is_what_predict_does(rows):
    X, y = rows
    model = meta(TREE).fit(X, y)
    safety = model.safety_indices_
    (result,) = model.certificate_.results
    assert result.estimate == pytest.approx(model.score(X[safety], y[safety]))


def test_what_is_certified_of_drawn_decisions_is_the_mean_probability(rows):
    X, y = rows
    model = meta(decision="sample").fit(X, y)
    safety = model.safety_indices_
    given = model.predict_proba(X[safety])[np.arange(len(safety)), y[safety]]
    assert model.certificate_.results[0].estimate == pytest.approx(given.mean())
    assert model.__sklearn_tags__().non_deterministic


def test_labels_of_safety_rows_change_the_verdict_and_not_the_model(rows):
    X, y = rows
    mask = np.arange(len(y)) % 2 == 0
    honest = meta(TREE).fit(X, y, safety_mask=mask)
    with pytest.warns(NoSolutionFoundWarning):
        poisoned = meta(TREE).fit(X, np.where(mask, 1 - y, y), safety_mask=mask)
    for a, b in zip(honest.module_.parameters(), poisoned.module_.parameters(), strict=True):
        assert np.array_equal(a.detach(), b.detach())
    assert np.array_equal(honest.offsets_, poisoned.offsets_)
    asked = [model.estimator_.predict_proba(X) for model in (honest, poisoned)]
    assert np.array_equal(*asked)
    assert honest.solution_found_
    assert not poisoned.solution_found_


def test_the_same_random_state_gives_the_same_probabilities(rows):
    X, _ = rows
    first, same, other = (meta(random_state=seed).fit(*rows).predict_proba(X) for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_fitted_classifier_is_cloned_and_given_back_unchanged(rows):
    X, y = rows
    given = LogisticRegression().fit(X[:50], 1 - y[:50])
    before = given.coef_.copy()
    model = meta(given).fit(X, y)
    assert model.estimator is given
    assert np.array_equal(given.coef_, before)
    assert not np.allclose(model.estimator_.coef_, before)


def test_without_a_solution_predict_raises(rows):
    with pytest.warns(NoSolutionFoundWarning):
        model = meta(constraints="ACC >= 0.97").fit(*rows)
    with pytest.raises(NoSolutionFoundError, match="No Solution Found"):
        model.predict(rows[0])


@pytest.mark.parametrize("fallback", ["majority", LINEAR])
def test_without_a_solution_the_fallback_answers(rows, fallback):
    with pytest.warns(NoSolutionFoundWarning):
        model = meta(constraints="ACC >= 0.97", fallback=fallback).fit(*rows)
    answers = model.predict(rows[0])
    assert len(np.unique(answers)) == (1 if fallback == "majority" else 2)
    assert np.array_equal(answers, model.fallback_.predict(rows[0]))


def test_certify_tests_fresh_rows(blobs, rows):
    X, y = blobs
    model = meta().fit(*rows)
    fresh = model.certify(X[400:], y[400:])
    assert fresh.passed
    assert fresh.results[0].estimate == pytest.approx(model.score(X[400:], y[400:]))
    with pytest.raises(ValueError, match="nothing to certify"):
        meta(constraints=()).fit(*rows).certify(X[400:], y[400:])


# -- a frozen classifier -------------------------------------------------------------------


@pytest.fixture
def frozen(blobs):
    X, y = blobs
    return FrozenEstimator(LogisticRegression().fit(X[400:], y[400:]))


@pytest.mark.parametrize(("constraints", "changes"), [("PR <= 0.4", {-1, 0}), ((), {0})])
def test_only_the_threshold_of_a_frozen_classifier_moves(rows, frozen, constraints, changes):
    X, y = rows
    before = frozen.estimator.coef_.copy()
    model = meta(frozen, constraints).fit(X, y)
    assert model.solution_found_
    assert set(model.predict(X) - frozen.predict(X)) == changes
    assert len(model.history_) == 1
    assert model.estimator_.estimator is frozen.estimator
    assert np.array_equal(frozen.estimator.coef_, before)


def test_a_frozen_classifier_may_lack_a_class_and_not_have_another(rows, frozen):
    X, y = rows
    three = np.where(np.arange(len(y)) < 20, 2, y)
    assert meta(frozen).fit(X, three).predict_proba(X).shape == (400, 3)
    with pytest.raises(ValueError, match=r"classes that y does not hold, \[0, 1\]"):
        meta(frozen).fit(X, np.where(y, "a", "b"))
    with pytest.raises(ValueError, match="not fitted yet"):
        meta(FrozenEstimator(LogisticRegression())).fit(X, y)


# -- kinds of rows -------------------------------------------------------------------------

WORDS = make_pipeline(
    make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["word", "level", "flag"])),
    LINEAR,
)
TEXTS = make_pipeline(TfidfVectorizer(), LINEAR)
TOKENS = make_pipeline(TfidfVectorizer(analyzer=list), LINEAR)


def texts_of(X):
    return [f"{'good' if a > 0.8 else 'bad'} word{i % 7}" for i, a in enumerate(X[:, 0])]


def polars_of(X):
    return pl.DataFrame(X, schema=["a", "b", "c"])


def with_gaps(value):
    return lambda X: np.where(np.arange(X.size).reshape(X.shape) == 7, value, X)


KINDS = {
    "frame of levels": (BOOSTED, lambda X: frame_of(X).drop(columns=["word", "mixed"])),
    "frame of words": (WORDS, frame_of),
    "lists": (LINEAR, lambda X: X.tolist()),
    "NaN": (BOOSTED, with_gaps(np.nan)),
    "infinity": (BOOSTED, with_gaps(np.inf)),
    "polars": (LINEAR, polars_of),
    "sparse": (LINEAR, sp.csr_array),
    "texts": (TEXTS, texts_of),
    "series of texts": (TEXTS, lambda X: pd.Series(texts_of(X))),
    "lists of tokens": (
        TOKENS,
        lambda X: [text.split()[: 1 + i % 2] for i, text in enumerate(texts_of(X))],
    ),
    "constants": (LINEAR, lambda X: np.hstack([X, np.ones((len(X), 2))])),
    "wide": (LINEAR, lambda X: np.hstack([X, np.zeros((len(X), 1100))])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind_that_the_classifier_takes(rows, kind):
    estimator, change = KINDS[kind]
    X, y = rows
    model = meta(estimator).fit(change(X), y)
    assert model.solution_found_
    assert model.score(change(X), y) > 0.6
    beside = model.module_.layers[-1].in_features - 1
    alone = {"sparse", "texts", "series of texts", "lists of tokens", "wide"}
    assert (beside == 0) == (kind in alone)


def test_levels_that_fit_did_not_see_get_an_answer(rows):
    X, y = rows
    model = meta(WORDS).fit(frame_of(X), y)
    assert model.predict(frame_of(X).assign(word="new", mixed="other")).shape == (400,)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_array_after_a_frame_is_taken_by_position(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=list("abc"))
    model = meta().fit(frame, y)
    assert np.array_equal(model.predict(X), model.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("cba")])


def test_the_preprocessor_makes_what_the_classifier_gets(rows):
    X, y = rows
    model = meta(preprocessor=StandardScaler()).fit(1000 * X, y)
    assert model.solution_found_
    assert np.abs(model.estimator_.coef_).max() > 0.1


@pytest.mark.parametrize("decision", ["argmax", "sample"])
def test_three_classes_of_strings(rows, decision):
    X, _ = rows
    y = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [0.3, 1.3])]
    model = meta(constraints="ACC >= 0.4", decision=decision).fit(X, y)
    assert model.solution_found_
    assert list(model.classes_) == ["high", "low", "mid"]
    assert set(model.predict(X)) <= set(model.classes_)
    assert model.decision_function(X).shape == (400, 3)


@pytest.mark.parametrize("mask", [None, np.arange(400) < 200], ids=["drawn", "no candidate"])
def test_a_class_of_three_rows_wherever_they_are(rows, mask):
    X, y = rows
    names = np.where(y == 1, "yes", "no")
    names[[1, 2, 3]] = "rare"
    model = meta(TREE).fit(X, names, safety_mask=mask)
    assert model.solution_found_
    assert model.predict_proba(X).shape == (400, 3)
    assert model.score(X, names) > 0.7


@pytest.mark.parametrize("y", [[0, 1], [1] + 9 * [0]])
def test_too_few_rows_to_leave_some_out_are_refused(y):
    X = np.arange(len(y))[:, None]
    with pytest.raises(ValueError, match="there must be two of at least 2 classes"):
        meta(constraints=()).fit(X, y)
    meta(constraints=()).fit(np.vstack([X, X]), 2 * y)


# -- in company ----------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_copies_answer_the_same(rows, copied):
    frame = frame_of(rows[0])
    model = meta(WORDS).fit(frame, rows[1])
    again = copied(model)
    assert np.array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert again.certificate_ == model.certificate_


def test_weights_are_neither_saved_nor_loaded(rows, tmp_path):
    model = meta().fit(*rows)
    for method in (model.save_params, model.load_params):
        with pytest.raises(ValueError, match=r"pickle the estimator, as by joblib\.dump"):
            method(tmp_path / "file")
    assert model.solution_found_


def test_it_is_a_step_of_a_pipeline_and_cross_validated(rows):
    scores = cross_validate(make_pipeline(StandardScaler(), meta()), *rows, cv=2)
    assert (scores["test_score"] > 0.7).all()


def test_a_search_chooses_among_parameters_of_the_classifier(rows):
    search = SeldonianSearchCV(meta(TREE), {"estimator__max_depth": [1, 3]}, cv=2).fit(*rows)
    assert (
        search.best_estimator_.estimator_.max_depth == search.best_params_["estimator__max_depth"]
    )
    assert search.certificate_.passed


def test_displays_draw_it(rows):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    model = meta().fit(*rows)
    assert TrainingDisplay.from_estimator(model).axes_ is not None
    assert CertificateDisplay.from_estimator(model).ax_ is not None
    pyplot.close("all")


def test_it_is_shown_with_its_classifier_and_verdict(rows):
    model = meta(TREE)
    assert repr(model).startswith("SeldonianMetaClassifier(")
    assert "DecisionTreeClassifier" in model._repr_html_()
    assert "passed" in model.fit(*rows)._repr_html_()

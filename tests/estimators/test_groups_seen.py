"""Decisions that depend on the group: the certified decisions are those of `predict`."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    certify,
)
from sklearn_seldonian.data._arguments import groups_for
from sklearn_seldonian.learners.lagrangian._batches import to_inputs
from sklearn_seldonian.metrics import constraint_values
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.12"
BY_RACE = "min(TPR, by=race) >= 0.5 * max(TPR, by=race)"
N = 3000


def people(n=N, seed=0):
    """Rows of two sexes, with labels that favour one of them by the first feature."""
    rng = np.random.default_rng(seed)
    groups = pd.DataFrame(
        {"sex": rng.choice(["F", "M"], n), "race": rng.choice(["A", "B", "C"], n)}
    )
    X = rng.normal(size=(n, 3))
    X[:, 0] += 1.2 * (groups["sex"] == "M")
    y = np.where(X[:, 0] + X[:, 1] + 0.7 * rng.normal(size=n) > 0.6, "yes", "no")
    return X, y, groups


DATA = people()
FRESH = people(4000, seed=1)


def unfitted(constraints=PARITY, **parameters):
    given = {"module__hidden": (), "max_epochs": 6, "random_state": 0, "group_thresholds": True}
    return SeldonianClassifier(MLP, constraints=constraints, **{**given, **parameters})


def fitted(data=DATA, **parameters):
    X, y, groups = data
    return unfitted(**parameters).fit(X, y, sensitive_features=groups)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def meta():
    tree = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    meta = SeldonianMetaClassifier(tree, PARITY, group_thresholds=True, random_state=0)
    return meta.fit(*DATA)


@pytest.fixture(params=["model", "meta"])
def either(request):
    return request.getfixturevalue(request.param)


def rates(decided, groups):
    return {sex: (decided[groups["sex"] == sex] == "yes").mean() for sex in ("F", "M")}


# -- what is certified ---------------------------------------------------------------------------


def test_what_is_certified_is_what_predict_does(either):
    X, _, groups = DATA
    rows = either.safety_indices_
    seen = groups.iloc[rows]
    (result,) = either.certificate_.results
    assert either.solution_found_
    assert result.guarantee == "exact"
    of = rates(either.predict(X[rows], sensitive_features=seen), seen)
    assert result.estimate == pytest.approx(abs(of["F"] - of["M"]))
    assert sorted(result.rows.values()) == sorted(seen["sex"].value_counts())


def test_decisions_are_those_of_each_groups_offsets(model):
    X, _, groups = DATA
    scores = torch.cat(list(model.net_.unadjusted_scores(to_inputs(X)))).double().numpy()
    offsets = model.group_offsets_
    assert offsets.columns.tolist() == ["no", "yes"]
    assert sorted(offsets.index) == ['sex == "F"', 'sex == "M"']
    assert (offsets["no"] == 0).all()
    assert offsets["yes"]['sex == "F"'] > offsets["yes"]['sex == "M"']
    own = offsets.loc[[f'sex == "{sex}"' for sex in groups["sex"]]].to_numpy()
    expected = model.classes_[(scores + own).argmax(axis=1)]
    assert (model.predict(X, sensitive_features=groups) == expected).all()


def test_probabilities_and_scores_agree_with_decisions(either):
    X, y, groups = FRESH
    decided = either.predict(X, groups)
    probabilities = either.predict_proba(X, sensitive_features=groups)
    assert (either.classes_[probabilities.argmax(axis=1)] == decided).all()
    assert ((either.decision_function(X, groups) > 0) == (decided == "yes")).all()
    assert either.score(X, y, sensitive_features=groups) == pytest.approx((decided == y).mean())
    alone = [either.predict(X[i : i + 1], groups[i : i + 1])[0] for i in range(20)]
    assert alone == decided[:20].tolist()


def test_it_is_more_accurate_where_groups_differ(model):
    blind = fitted(group_thresholds=False)
    X, y, groups = FRESH
    assert model.score(X, y, sensitive_features=groups) > blind.score(X, y) + 0.03


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_safety_rows_teach_nothing(model):
    X, y, groups = copy.deepcopy(DATA)
    rows = model.safety_indices_
    X[rows] = 0.0
    y[rows] = np.where(y[rows] == "yes", "no", "yes")
    groups.loc[rows, "sex"] = groups.loc[rows, "sex"].map({"F": "M", "M": "F"})
    other = fitted((X, y, groups))
    pd.testing.assert_frame_equal(model.group_offsets_, other.group_offsets_)


def test_the_certificate_says_that_decisions_use_the_columns(model):
    assert (
        "Decisions use the columns 'sex': each group has its own threshold."
        in model.certificate_.assumptions
    )
    assert model.certificate_.parameters["group_thresholds"] == "True"
    blind = fitted(group_thresholds=False).certificate_
    assert not any("use the columns" in text for text in blind.assumptions)


def test_fresh_rows_are_certified_by_the_method_and_by_the_function(either):
    X, y, groups = FRESH
    by_method = either.certify(X, y, groups)
    by_function = certify(either, X, y, PARITY, sensitive_features=groups)
    of = rates(either.predict(X, groups), groups)
    for certificate in (by_method, by_function):
        assert certificate.passed
        assert certificate.results[0].estimate == pytest.approx(abs(of["F"] - of["M"]))
    assert by_method.results[0].bound == by_function.results[0].bound
    (g,) = constraint_values(either, X, y, PARITY, sensitive_features=groups)
    assert g == pytest.approx(abs(of["F"] - of["M"]) - 0.12)


def test_more_groups_and_several_columns():
    X, _, groups = DATA
    model = fitted(constraints=[PARITY, BY_RACE])
    assert model.group_offsets_.shape == (6, 2)
    assert 'sex == "F", race == "A"' in model.group_offsets_.index
    with pytest.raises(ValueError, match=r"\['race'\] are neither"):
        model.predict(X, sensitive_features=groups[["sex"]])


def test_of_three_classes_one_is_moved_in_each_group():
    X, y, groups = DATA
    y = np.where(X[:, 2] > 0.8, "maybe", y)
    parity = "abs(PR_['yes'] | [sex == 'F'] - PR_['yes'] | [sex == 'M']) <= 0.2"
    model = fitted((X, y, groups), constraints=parity)
    assert model.group_offsets_.shape == (2, 3)
    assert ((model.group_offsets_ != 0).any() <= 1).all()
    assert (model.group_offsets_ != 0).any().sum() <= 1
    seen = groups.iloc[model.safety_indices_]
    of = rates(model.predict(X[model.safety_indices_], seen), seen)
    assert model.certificate_.results[0].estimate == pytest.approx(abs(of["F"] - of["M"]))


# -- the columns that are needed -----------------------------------------------------------------


def test_a_column_of_X_needs_not_be_given_again():
    X, y, groups = DATA
    frame = pd.DataFrame(X, columns=list("abc")).assign(sex=groups["sex"])
    numbers = make_column_transformer((StandardScaler(), list("abc")))
    model = unfitted(preprocessor=numbers).fit(frame, y)
    decided = model.predict(frame)
    given = model.predict(frame, sensitive_features=groups["sex"])
    assert (decided == given).all()
    assert model.score(frame, y) == pytest.approx((decided == y).mean())
    fresh = pd.DataFrame(FRESH[0], columns=list("abc")).assign(sex=FRESH[2]["sex"])
    assert certify(model, fresh, FRESH[1], PARITY).passed
    assert cross_val_score(clone(model), frame, y, cv=2).shape == (2,)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("given", [None, pd.DataFrame({"race": ["A"] * N})])
def test_missing_columns_are_named(either, method, given):
    with pytest.raises(ValueError, match=r"\['sex'\] are neither in sensitive_features nor in X"):
        getattr(either, method)(DATA[0], sensitive_features=given)


@pytest.mark.parametrize(
    ("sex", "message"),
    [
        (["X"] * N, 'none of sex == "F", sex == "M"'),
        (["F"] * (N - 1) + [None], "missing"),
        (["F"] * (N - 1), "has 2999 rows, but X has 3000"),
    ],
)
def test_rows_without_a_known_group_are_refused(either, sex, message):
    with pytest.raises(ValueError, match=message):
        either.predict(DATA[0], sensitive_features=pd.DataFrame({"sex": sex}))


def test_shuffled_groups_are_refused(model):
    X, _, groups = DATA
    frame = pd.DataFrame(X)
    with pytest.raises(ValueError, match="different orders"):
        model.predict(frame, sensitive_features=groups.iloc[::-1])


def test_safety_rows_of_a_group_that_no_candidate_row_is_in_are_no_solution():
    X, y, groups = copy.deepcopy(DATA)
    mask = np.arange(N) % 2 == 0
    groups.loc[0, "sex"] = "D"
    with pytest.warns(NoSolutionFoundWarning, match="no candidate row has: none of sex"):
        unfitted().fit(X, y, sensitive_features=groups, safety_mask=mask)
    groups.loc[[0, 1], "sex"] = "D"
    model = unfitted().fit(X, y, sensitive_features=groups, safety_mask=mask)
    assert len(model.group_offsets_) == 3
    assert model.solution_found_
    fresh, labels, seen = copy.deepcopy(FRESH)
    seen.loc[0, "sex"] = "E"
    assert model.certify(fresh, labels, seen).passed  # like D, E is neither F nor M
    certificate = fitted().certify(fresh, labels, seen)
    assert not certificate.passed
    assert "no candidate row has" in certificate.results[0].reason


def test_groups_are_not_used_with_one_threshold_for_all(model):
    X, _, groups = DATA
    blind = fitted(group_thresholds=False)
    assert (blind.predict(X, sensitive_features=groups) == blind.predict(X)).all()
    assert groups_for(blind, "predict", groups) == {}
    assert groups_for(model, "predict", groups) == {"sensitive_features": groups}
    assert "sensitive_features" in groups_for(blind, "fit", groups)
    with pytest.raises(AttributeError, match="They are in offsets_"):
        blind.group_offsets_  # noqa: B018
    with pytest.raises(AttributeError, match="They are in group_offsets_"):
        model.offsets_  # noqa: B018
    assert blind.offsets_.shape == (2,)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"decision": "sample"}, "group_thresholds=True was given with decision='sample'"),
        ({"constraints": "ACC >= 0.6"}, "give a constraint that names groups"),
        ({"constraints": ()}, "give a constraint that names groups"),
        ({"group_thresholds": "yes"}, "'group_thresholds' parameter"),
    ],
)
def test_what_does_not_go_together_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        fitted(**parameters)


# -- the model and its certificate ---------------------------------------------------------------


def test_offsets_moved_after_fit_are_refused():
    model = fitted()
    adjustment = model.net_.adjustment_
    by_group = adjustment.by_group
    changes = [
        replace(by_group, offsets=((0.0, 0.0), (0.0, 0.0))),
        replace(by_group, conditions_met=by_group.conditions_met[::-1]),
        None,
    ]
    for changed in changes:
        model.net_.adjustment_ = adjustment._replace(by_group=changed)
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            model.predict(*DATA[::2])
        with pytest.raises(ValueError, match="are not those that the certificate is about"):
            pickle.loads(pickle.dumps(model))
    model.net_.adjustment_ = adjustment
    model.predict(*DATA[::2])


def test_pickles_and_copies_decide_alike(either):
    X, _, groups = DATA
    for same in (pickle.loads(pickle.dumps(either)), copy.deepcopy(either)):
        assert (same.predict(X, groups) == either.predict(X, groups)).all()
        pd.testing.assert_frame_equal(same.group_offsets_, either.group_offsets_)


def test_saved_parameters_decide_alike(model, tmp_path):
    X, _, groups = FRESH
    path = tmp_path / "model"
    model.save_params(path)
    same = unfitted().load_params(path)
    assert (same.predict(X, groups) == model.predict(X, groups)).all()
    pd.testing.assert_frame_equal(same.group_offsets_, model.group_offsets_)
    with pytest.raises(ValueError, match=r"\['sex'\] are neither"):
        same.predict(X)
    with pytest.raises(ValueError, match="was fitted with other parameters"):
        unfitted(group_thresholds=False).load_params(path)


# -- scikit-learn's tools and ours ---------------------------------------------------------------


def test_a_frozen_classifier_gets_thresholds_of_groups():
    X, y, groups = DATA
    given = FrozenEstimator(LogisticRegression().fit(*people(2000, seed=5)[:2]))
    model = SeldonianMetaClassifier(given, PARITY, group_thresholds=True, random_state=0)
    model.fit(X, y, sensitive_features=groups)
    assert model.solution_found_
    blind = clone(model).set_params(group_thresholds=False).fit(X, y, sensitive_features=groups)
    fresh, labels, seen = FRESH
    assert model.score(fresh, labels, sensitive_features=seen) > blind.score(fresh, labels)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.thinned(2)
def test_the_search_sees_groups(scoring):
    X, y, groups = DATA
    search = SeldonianSearchCV(
        unfitted(), {"lr": [0.01, 0.1]}, cv=2, scoring=scoring, random_state=0
    ).fit(X, y, sensitive_features=groups)
    assert search.solution_found_
    fresh, labels, seen = FRESH
    decided = search.predict(fresh, sensitive_features=seen)
    assert (decided == search.best_estimator_.predict(fresh, seen)).all()
    score = search.score(fresh, labels, sensitive_features=seen)
    assert score == pytest.approx((decided == labels).mean())
    assert certify(search, fresh, labels, PARITY, sensitive_features=seen).passed
    with pytest.raises(ValueError, match="the value that promises least"):
        SeldonianSearchCV(unfitted(), {"group_thresholds": [False, True]}).fit(X, y, groups)


def test_a_pipeline_hands_groups_on_where_that_is_requested():
    X, y, groups = DATA
    with sklearn.config_context(enable_metadata_routing=True):
        model = unfitted().set_fit_request(sensitive_features=True)
        blind = clone(model).set_params(group_thresholds=False)
        model.set_predict_request(sensitive_features=True)
        model.set_score_request(sensitive_features=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y, sensitive_features=groups)
        decided = pipeline.predict(X, sensitive_features=groups)
        assert (decided == pipeline[-1].predict(pipeline[0].transform(X), groups)).all()
        routed = {"params": {"sensitive_features": groups}, "cv": 2, "error_score": "raise"}
        seen = cross_val_score(model, X, y, **routed)
        assert seen.shape == cross_val_score(blind, X, y, **routed).shape
        assert certify(pipeline, *FRESH[:2], PARITY, sensitive_features=FRESH[2]).passed


# -- the promise ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.filterwarnings("ignore:With .* safety rows")
def test_violations_stay_below_delta(whole):
    """The limit is so near that few rows often pass by chance, at a delta of 0.2."""
    X, y, groups = people(50_000, seed=9)
    n_fits, violating = 150 if whole else 15, 0
    for seed in range(n_fits):
        drawn = np.random.default_rng(seed).integers(len(y), size=400)
        model = unfitted(
            "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.2",
            delta=0.2,
            power=0.3,
            max_epochs=3,
            random_state=seed,
        )
        model.fit(X[drawn], y[drawn], sensitive_features=groups.iloc[drawn].reset_index(drop=True))
        if model.solution_found_:
            of = rates(model.predict(X, groups), groups)
            violating += abs(of["F"] - of["M"]) > 0.2
    assert binomtest(violating, n_fits, 0.2, alternative="greater").pvalue > 0.01

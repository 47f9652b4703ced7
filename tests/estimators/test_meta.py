"""Any classifier under constraints: the interface of SeldonianClassifier."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianMetaClassifier,
)
from sklearn_seldonian.model_selection import SeldonianSearchCV

PARITY = "abs(PR | [sex == 'M'] - PR | [sex == 'F']) <= 0.15"


@pytest.fixture(scope="module")
def people():
    """Rows whose labels trees predict better than lines, and groups that are correlated with a
    label.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 4))
    sex = pd.DataFrame({"sex": np.where(rng.random(3000) < 0.5, "M", "F")})
    X[:, 0] += 0.8 * (sex["sex"] == "M")
    y = (X[:, 0] + X[:, 1] ** 2 + 0.5 * rng.standard_normal(3000) > 1.4).astype(int)
    return X, y, sex


def tree(**parameters):
    return DecisionTreeClassifier(max_depth=5, random_state=0, **parameters)


def fitted(people, constraints=PARITY, estimator=None, **parameters):
    model = SeldonianMetaClassifier(estimator or tree(), constraints, random_state=0, **parameters)
    return model.fit(people[0], people[1], sensitive_features=people[2])


@pytest.fixture(scope="module")
def model(people):
    return fitted(people)


def gap(decided, sex):
    of_men = (sex["sex"] == "M").to_numpy()
    return abs(decided[of_men].mean() - decided[~of_men].mean())


# -- what is certified ---------------------------------------------------------------------------


def test_what_is_certified_is_what_predict_does(people, model):
    X, _, sex = people
    rows = model.safety_indices_
    (result,) = model.certificate_.results
    assert model.solution_found_
    assert result.guarantee == "exact"
    assert result.estimate == pytest.approx(gap(model.predict(X[rows]), sex.iloc[rows]))
    assert gap(tree().fit(X, people[1]).predict(X), sex) > 0.2


def test_drawn_decisions_are_certified_by_their_probabilities(people):
    model = fitted(people, "PR <= 0.6", decision="sample")
    (result,) = model.certificate_.results
    probabilities = model.predict_proba(people[0][model.safety_indices_])
    assert result.estimate == pytest.approx(probabilities[:, 1].mean())


def test_it_is_as_accurate_as_its_classifier_where_nothing_binds(people):
    X, y, _ = people
    model = fitted(people, "ACC >= 0.7")
    rows, candidates = model.safety_indices_, model.candidate_indices_
    own = tree().fit(X[candidates], y[candidates]).score(X[rows], y[rows])
    linear = LogisticRegression().fit(X[candidates], y[candidates]).score(X[rows], y[rows])
    assert own > linear + 0.05
    assert model.score(X[rows], y[rows]) > own - 0.02


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_safety_rows_teach_nothing(people, model):
    X, y, sex = people
    X, y = X.copy(), y.copy()
    rows, mask = model.safety_indices_, np.zeros(len(y), dtype=bool)
    mask[rows] = True
    X[rows], y[rows] = 0.0, 1 - y[rows]
    with pytest.warns(NoSolutionFoundWarning):
        poisoned = SeldonianMetaClassifier(tree(), [PARITY, "ACC >= 0.6"], random_state=0).fit(
            X, y, sensitive_features=sex, safety_mask=mask
        )
    untouched = SeldonianMetaClassifier(tree(), [PARITY, "ACC >= 0.6"], random_state=0).fit(
        *people, safety_mask=mask
    )
    np.testing.assert_array_equal(poisoned.offsets_, untouched.offsets_)
    for mine, other in zip(
        poisoned.module_.parameters(), untouched.module_.parameters(), strict=True
    ):
        np.testing.assert_array_equal(mine.detach(), other.detach())


def test_fresh_rows_are_certified_by_the_same_constraints(people, model):
    rng = np.random.default_rng(1)
    X = people[0] + 1e-3 * rng.standard_normal(people[0].shape)
    certificate = model.certify(X, people[1], people[2])
    assert certificate.passed
    assert certificate.results[0].constraint == model.certificate_.results[0].constraint


# -- scikit-learn's habits -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_model(people, model):
    again = fitted(people)
    np.testing.assert_array_equal(again.predict_proba(people[0]), model.predict_proba(people[0]))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_predict_the_same(people, model, copied):
    other = copied(model)
    np.testing.assert_array_equal(other.predict(people[0]), model.predict(people[0]))
    assert other.certificate_ == model.certificate_


def test_the_estimator_given_stays_unfitted(people):
    given = tree()
    model = fitted(people, "ACC >= 0.5", given)
    assert not hasattr(given, "tree_")
    assert model.estimator_.get_depth() == 5


def test_nested_parameters_are_searched(people):
    assert clone(fitted(people)).set_params(estimator__max_depth=2).estimator.max_depth == 2
    search = SeldonianSearchCV(
        SeldonianMetaClassifier(tree(), "ACC >= 0.6", cv=2, random_state=0),
        {"estimator__max_depth": [1, 5]},
        cv=2,
    )
    search.fit(people[0], people[1], sensitive_features=people[2])
    assert search.best_params_ == {"estimator__max_depth": 5}
    assert search.best_estimator_.solution_found_


def test_it_works_in_pipelines_and_validations(people):
    X, y, _ = people
    steps = make_pipeline(StandardScaler(), SeldonianMetaClassifier(tree(), "ACC >= 0.6"))
    scores = cross_validate(steps, X, y, cv=2)["test_score"]
    assert (scores > 0.75).all()


# -- no solution ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ACC >= 0.97", "ACC >= 1.5"])
def test_without_a_solution_it_refuses_to_predict(people, text):
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(people, text)
    assert not model.solution_found_
    with pytest.raises(NoSolutionFoundError):
        model.predict(people[0])


def test_without_a_solution_a_fallback_answers(people):
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(people, "ACC >= 0.97", fallback="majority")
    assert set(model.predict(people[0])) == {0}


# -- rows of all kinds ---------------------------------------------------------------------------


def table(people):
    X, _, _ = people
    frame = pd.DataFrame(X.copy(), columns=list("abcd"))
    frame["city"] = pd.Categorical(np.where(X[:, 2] > 0, "Rome", "Oslo"))
    frame["adult"] = X[:, 3] > 0
    frame.loc[::7, "d"] = np.nan
    return frame


def test_tables_with_categories_and_gaps(people):
    X = table(people)
    trees = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=20)
    model = fitted((X, *people[1:]), estimator=trees)
    assert model.solution_found_
    assert model.feature_names_in_.tolist() == list(X)
    new = X.head(3).assign(city=pd.Categorical(["Lima"] * 3))
    assert len(model.predict(new)) == 3


@pytest.mark.parametrize(
    ("rows", "estimator"),
    [
        (csr_array, LogisticRegression()),
        (list, tree()),
        (lambda X: X.astype(np.float32), tree()),
        (lambda X: np.hstack([X, np.zeros((len(X), 1000))]), tree()),
        (
            lambda X: [" ".join(f"w{i}" for i in np.flatnonzero(x > 0)) + " all" for x in X],
            make_pipeline(TfidfVectorizer(stop_words=["all"]), LogisticRegression()),
        ),
    ],
    ids=["sparse", "list", "float32", "wide", "text"],
)
@pytest.mark.thinned(2)
def test_whatever_rows_the_classifier_takes(people, rows, estimator):
    X = rows(people[0])
    model = SeldonianMetaClassifier(estimator, "ACC >= 0.5", random_state=0).fit(X, people[1])
    assert model.solution_found_
    predicted = model.predict(X)
    assert predicted.shape == (3000,)
    copied = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        assert np.array_equal(copied.predict(X), predicted)


def test_classes_of_any_name_and_number(people):
    X, _, _ = people
    y = np.array(["high", "low", "middle"])[np.digitize(X[:, 0], [-0.5, 0.8])]
    model = SeldonianMetaClassifier(tree(), "min(TPR_['low'], TPR_['high']) >= 0.5", random_state=0)
    model.fit(X, y)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.predict_proba(X).shape == (3000, 3)
    assert model.score(X, y) > 0.9


def test_a_preprocessor_makes_what_the_classifier_gets(people):
    X, y, sex = people
    model = fitted((100 * X, y, sex), estimator=LogisticRegression(), preprocessor=StandardScaler())
    candidates = 100 * X[model.candidate_indices_]
    np.testing.assert_allclose(model.preprocessor_.preprocessor_.mean_, candidates.mean(axis=0))


def test_a_column_of_nothing_but_gaps_is_for_trees_that_take_it(people):
    X = people[0].copy()
    X[:, 3] = np.nan
    for rows in (X, pd.DataFrame(X, columns=list("abcd"))):
        assert fitted((rows, *people[1:]), "ACC >= 0.5", cv=2).solution_found_


def test_candidate_rows_of_one_class_are_refused_with_what_to_do(people):
    X, y, _ = people
    with pytest.raises(ValueError, match="Leave rows of each class out of safety_mask"):
        SeldonianMetaClassifier(tree(), "ACC >= 0.5").fit(X, y, safety_mask=y == 1)


# -- a frozen model ------------------------------------------------------------------------------


def test_of_a_frozen_model_only_the_line_moves(people):
    X, y, sex = people
    existing = LogisticRegression().fit(X[:500], y[:500])
    coefficients = existing.coef_.copy()
    rest = (X[500:], y[500:], sex[500:])
    model = fitted(rest, "PR <= 0.3", FrozenEstimator(existing), power=0.99)
    scores, positive = existing.decision_function(rest[0]), model.predict(rest[0]) == 1
    assert scores[positive].min() > scores[~positive].max()
    assert 0.2 < positive.mean() < 0.3 < (scores > 0).mean()
    assert len(model.history_) == model.n_iter_ == 1
    np.testing.assert_array_equal(existing.coef_, coefficients)


def test_the_price_of_a_moved_line_is_what_the_frozen_model_does_better(people, tmp_path):
    X, y, _ = people
    existing = LogisticRegression().fit(X[:500], y[:500])
    rest = tuple(each[500:].copy() for each in people)
    model = fitted(rest, "PR <= 0.3", FrozenEstimator(existing), power=0.99)
    X, y = (each[model.candidate_indices_] for each in rest[:2])
    kept, free = model.predict(X), existing.predict(X)
    remark = (
        "Because of the constraints, the decision threshold was moved. On the 1,250 candidate rows "
        f"that the choice was made on, the accuracy is {(kept == y).mean():.4f} instead of "
        f"{(free == y).mean():.4f}. The label 1 is given to {kept.mean():.1%} of these rows "
        f"instead of {free.mean():.1%}."
    )
    assert (kept == y).mean() < (free == y).mean()
    certificate = model.certificate_
    assert certificate.remarks == (remark,)
    assert remark in certificate.explain(None)
    certificate.to_html(tmp_path / "report.html")
    assert remark in (tmp_path / "report.html").read_text()
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    assert pickle.loads(pickle.dumps(model)).price_ == model.price_


def test_a_frozen_model_whose_line_stays_pays_nothing(people):
    X, y, _ = people
    certain = FrozenEstimator(DecisionTreeClassifier(random_state=0).fit(X, y))
    model = fitted(people, "ACC >= 0.8", certain)
    assert model.price_ is None
    assert model.certificate_.remarks == ()


def test_a_frozen_model_without_constraints_decides_as_before(people):
    existing = FrozenEstimator(LogisticRegression().fit(people[0], people[1]))
    model = fitted(people, (), existing)
    np.testing.assert_array_equal(model.predict(people[0]), existing.predict(people[0]))


def test_a_frozen_model_may_lack_a_class_and_not_have_another(people):
    X, y, sex = people
    three = np.where(X[:, 2] > 1, 2, y)
    knows_two, knows_three = (LogisticRegression().fit(X, labels) for labels in (y, three))
    lacking = fitted((X, three, sex), "ACC >= 0.3", FrozenEstimator(knows_two))
    assert set(lacking.predict(X)) <= {0, 1, 2}
    with pytest.raises(ValueError, match=r"classifier has classes that fit did not see, \[2\]"):
        fitted(people, "ACC >= 0.5", FrozenEstimator(knows_three))


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "parameters", "error", "message"),
    [
        (LinearSVC(), {}, ValueError, "CalibratedClassifierCV"),
        (RidgeClassifier(), {}, ValueError, "CalibratedClassifierCV"),
        (tree(), {"delta": 1.5}, ValueError, "delta"),
        (tree(), {"decision": "best"}, ValueError, "decision"),
    ],
)
def test_what_cannot_be_trained_is_refused(people, estimator, parameters, error, message):
    with pytest.raises(error, match=message):
        SeldonianMetaClassifier(estimator, "ACC >= 0.5", **parameters).fit(people[0], people[1])

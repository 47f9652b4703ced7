"""Any regressor under constraints: the interface of SeldonianRegressor."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianMetaRegressor,
)
from sklearn_seldonian.learners.stacking import _learner
from sklearn_seldonian.model_selection import SeldonianSearchCV

GAP = "abs((Mean_Error | [sex == 'M']) - (Mean_Error | [sex == 'F'])) <= 0.25"
RANGES = {"prediction_range": (-1.0, 2.0), "target_range": (-1.0, 2.0)}


@pytest.fixture(scope="module", autouse=True)
def short_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_learner, "MAX_EPOCHS", 10)
        yield


@pytest.fixture(scope="module")
def people():
    """Rows whose targets trees predict better than lines; for men they are higher."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(2000, 3))
    sex = pd.DataFrame({"sex": np.where(rng.random(2000) < 0.5, "M", "F")})
    X[:, 2] += 0.5 * (sex["sex"] == "M")
    noise = rng.uniform(-0.3, 0.3, size=2000)
    return X, X[:, 0] ** 2 + 0.4 * (sex["sex"] == "M").to_numpy() + noise, sex


def tree(**parameters):
    return DecisionTreeRegressor(max_depth=5, min_samples_leaf=20, random_state=0, **parameters)


def fitted(people, constraints=GAP, estimator=None, **parameters):
    given = {**RANGES, "random_state": 0, "cv": 3, **parameters}
    model = SeldonianMetaRegressor(estimator or tree(), constraints, **given)
    return model.fit(people[0], people[1], sensitive_features=people[2])


@pytest.fixture(scope="module")
def model(people):
    return fitted(people)


def gap(errors, sex):
    of_men = (sex["sex"] == "M").to_numpy()
    return abs(errors[of_men].mean() - errors[~of_men].mean())


# -- what is certified ---------------------------------------------------------------------------


def test_what_is_certified_is_what_predict_does(people, model):
    X, y, sex = people
    rows = model.safety_indices_
    (result,) = model.certificate_.results
    assert model.solution_found_
    assert result.guarantee == "finite-sample"
    errors = model.predict(X[rows]) - y[rows]
    assert result.estimate == pytest.approx(gap(errors, sex.iloc[rows]), abs=1e-6)
    unconstrained = tree().fit(X[:, :2], y).predict(X[:, :2]) - y
    assert gap(unconstrained, sex) > 0.3


def test_it_is_as_good_as_its_regressor_where_nothing_binds(people):
    X, y, _ = people
    model = fitted(people, "MAE <= 0.6")
    rows, candidates = model.safety_indices_, model.candidate_indices_
    own = tree().fit(X[candidates], y[candidates]).score(X[rows], y[rows])
    linear = LinearRegression().fit(X[candidates], y[candidates]).score(X[rows], y[rows])
    assert own > linear + 0.2
    assert model.score(X[rows], y[rows]) > own - 0.02


def test_predictions_are_clipped_to_their_range(people):
    model = fitted(people, "MAE <= 0.9", prediction_range=(0.3, 0.5))
    predicted = model.predict(people[0])
    assert (predicted.min(), predicted.max()) == (0.3, 0.5)


def test_without_ranges_it_is_certified_approximately(people):
    with pytest.warns(UserWarning, match="is tested by a normal approximation"):
        model = fitted(people, "MAE <= 0.6", prediction_range=None, target_range=None)
    assert model.certificate_.guarantee == "asymptotic"


def test_safety_rows_teach_nothing(people, model):
    X, y, sex = people
    X, y = X.copy(), y.copy()
    rows, mask = model.safety_indices_, np.zeros(len(y), dtype=bool)
    mask[rows] = True
    X[rows], y[rows] = 0.0, 1.0
    poisoned = clone(model).set_params(constraints=[GAP, "MAE <= 0.6"])
    untouched = clone(poisoned)
    with pytest.warns(NoSolutionFoundWarning):
        poisoned.fit(X, y, sensitive_features=sex, safety_mask=mask)
    untouched.fit(*people, safety_mask=mask)
    both = zip(poisoned.module_.parameters(), untouched.module_.parameters(), strict=True)
    for mine, other in both:
        np.testing.assert_array_equal(mine.detach(), other.detach())


def test_fresh_rows_are_certified_by_the_same_constraints(people, model):
    certificate = model.certify(people[0] + 1e-3, people[1], people[2])
    assert certificate.passed
    assert certificate.results[0].constraint == model.certificate_.results[0].constraint


def test_another_regressor_than_the_certified_one_does_not_answer(people, model):
    changed = copy.deepcopy(model)
    changed.estimator_.fit(people[0][:100], people[1][:100])
    with pytest.raises(ValueError, match="is not the one that the certificate is about"):
        changed.predict(people[0])


# -- scikit-learn's habits -----------------------------------------------------------------------


def test_copies_predict_the_same(people, model):
    assert is_regressor(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(people[0]), model.predict(people[0]))


def test_the_same_seed_gives_the_same_model(people, model):
    np.testing.assert_array_equal(fitted(people).predict(people[0]), model.predict(people[0]))


@pytest.mark.slow
def test_nested_parameters_are_searched(people):
    search = SeldonianSearchCV(
        SeldonianMetaRegressor(tree(), "MAE <= 0.6", cv=2, random_state=0, **RANGES),
        {"estimator__max_depth": [1, 5]},
        cv=2,
    )
    search.fit(people[0], people[1])
    assert search.best_params_ == {"estimator__max_depth": 5}
    assert search.best_estimator_.solution_found_


def test_tables_with_categories_and_a_preprocessor(people):
    X = pd.DataFrame(people[0], columns=list("abc"))
    X["city"] = pd.Categorical(np.where(X["a"] > 0, "Rome", "Oslo"))
    trees = HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=5)
    assert fitted((X, *people[1:]), "MAE <= 0.9", trees).predict(X.head(3)).shape == (3,)
    scaled = fitted(people, "MAE <= 0.9", LinearRegression(), preprocessor=StandardScaler())
    candidates = people[0][scaled.candidate_indices_]
    np.testing.assert_allclose(scaled.preprocessor_.preprocessor_.mean_, candidates.mean(axis=0))


# -- no solution ---------------------------------------------------------------------------------


def test_without_a_solution_a_fallback_answers_if_there_is_one(people):
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(people, "MAE <= 0.1")
    with pytest.raises(NoSolutionFoundError):
        model.predict(people[0])
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(people, "MAE <= 0.1", fallback="mean")
    assert len(set(model.predict(people[0]))) == 1


# -- a frozen model ------------------------------------------------------------------------------


def test_of_a_frozen_model_shift_and_scale_are_chosen(people):
    X, y, sex = people
    existing = tree().fit(X[:500], y[:500] + 0.2)
    rest = (X[500:], y[500:], sex[500:])
    model = fitted(rest, "MAE <= 0.6", FrozenEstimator(existing), prediction_range=(-5, 5))
    assert model.solution_found_
    own, found = existing.predict(X), model.predict(X)
    assert abs(np.corrcoef(own, found)[0, 1]) == pytest.approx(1)
    assert abs(np.mean(found - y)) < 0.1 < np.mean(own - y)


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "parameters", "error", "message"),
    [
        (LogisticRegression(), {}, ValueError, "use SeldonianMetaClassifier"),
        (tree(), {"prediction_range": (1, 0)}, ValueError, "prediction_range must be"),
        (tree(), {"fallback": "majority"}, ValueError, "fallback"),
    ],
)
def test_what_cannot_be_trained_is_refused(people, estimator, parameters, error, message):
    with pytest.raises(error, match=message):
        SeldonianMetaRegressor(estimator, "MAE <= 0.5", **parameters).fit(people[0], people[1])

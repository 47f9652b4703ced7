"""Groups and masks are passed through scikit-learn's pipelines, validators and searches."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.metrics import bound_margin, solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

GAP = "abs(PR | [M] - PR | [F]) <= 0.5"
SEARCHED = "Not met: A search outside the estimator, such as GridSearchCV, chose the settings"


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data(blobs, groups):
    """X as a DataFrame, y, the routed arguments, and a mask that identifies the split."""
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    routed = {"sensitive_features": groups, "safety_mask": np.arange(1000) % 4 == 0}
    return frame, y, routed


def classifier(**params):
    model = SeldonianClassifier(MLP, constraints=GAP, random_state=0, max_epochs=2, **params)
    return model.set_fit_request(sensitive_features=True, safety_mask=True)


def columns():
    return ColumnTransformer([("scaled", StandardScaler(), ["a", "b"])], remainder="passthrough")


def pipeline():
    return Pipeline([("columns", columns()), ("model", classifier())])


def test_through_a_pipeline(data):
    X, y, routed = data
    model = pipeline().fit(X, y, **routed)[-1]
    assert model.solution_found_
    assert model.safety_indices_.tolist() == list(range(0, 1000, 4))
    (result,) = model.certificate_.results
    male = routed["sensitive_features"]["M"][::4]
    assert result.rows == {"PR | [M]": male.sum(), "PR | [F]": (1 - male).sum()}


def test_a_resampler_with_a_column_transformer_inside(data):
    X, y, routed = data
    model = classifier(preprocessor=columns()).fit(X, y, **routed)
    assert model.preprocessor_.transformers_[0][1].n_samples_seen_ == 750
    assert model.solution_found_


@pytest.mark.parametrize("make", [classifier, pipeline])
def test_cross_validate_slices_what_it_passes(data, make):
    X, y, routed = data
    folds = list(KFold(2, shuffle=True, random_state=0).split(X))
    scores = cross_validate(
        make(),
        X,
        y,
        cv=folds,
        params=routed,
        return_estimator=True,
        scoring={"found": solution_found, "margin": bound_margin, "accuracy": "accuracy"},
    )
    assert (scores["test_found"] == 1).all()
    for (train, _), found in zip(folds, scores["estimator"], strict=True):
        model = found if make is classifier else found[-1]
        expected = np.flatnonzero(routed["safety_mask"][train])
        np.testing.assert_array_equal(model.safety_indices_, expected)
        male = routed["sensitive_features"]["M"].to_numpy()[train][expected]
        assert model.certificate_.results[0].rows["PR | [M]"] == male.sum()
        assert "Not met" not in model.certificate_.explain(None)


def test_what_was_not_requested_is_refused(data):
    X, y, routed = data
    model = SeldonianClassifier(MLP, constraints=GAP)
    with pytest.raises(UnsetMetadataPassedError, match="sensitive_features"):
        cross_validate(model, X, y, cv=2, params=routed)


@pytest.mark.parametrize("make", [classifier, pipeline])
@pytest.mark.parametrize(
    "searching",
    [
        lambda model, grid, **others: GridSearchCV(model, grid, **others),
        lambda model, grid, **others: RandomizedSearchCV(model, grid, n_iter=1, **others),
    ],
    ids=["grid", "randomized"],
)
@pytest.mark.thinned(2)
def test_searches_pass_it_on_and_their_refit_is_noted(data, make, searching):
    X, y, routed = data
    name = "lr" if make is classifier else "model__lr"
    found = searching(make(), {name: [0.02]}, cv=2, scoring=solution_found).fit(X, y, **routed)
    fresh = clone(found.best_estimator_).fit(X, y, **routed)
    model, fresh = (m if make is classifier else m[-1] for m in (found.best_estimator_, fresh))
    assert found.cv_results_["mean_test_score"].tolist() == [1.0]
    assert model.safety_indices_.tolist() == list(range(0, 1000, 4))
    assert SEARCHED in model.certificate_.explain(None)
    assert fresh.certificate_.results == model.certificate_.results
    assert SEARCHED not in fresh.certificate_.explain(None)


def test_the_search_inside_passes_through_validation(data):
    X, y, routed = data
    search = SeldonianSearchCV(classifier(), {"lr": [0.02]}, cv=2)
    search.set_fit_request(sensitive_features=True, safety_mask=True)
    scores = cross_validate(
        search, X, y, cv=2, params=routed, scoring=bound_margin, return_estimator=True
    )
    for found in scores["estimator"]:
        assert found.certificate_.n_safety == 125
        assert "Not met" not in found.certificate_.explain(None)
    assert (scores["test_score"] > 0).all()


def test_a_search_around_the_search_is_noted(data):
    X, y, routed = data
    search = SeldonianSearchCV(classifier(), {"lr": [0.02]}, cv=2)
    search.set_fit_request(sensitive_features=True, safety_mask=True)
    around = GridSearchCV(search, {"test": ["best"]}, cv=2, scoring=solution_found)
    around.fit(X, y, **routed)
    assert SEARCHED in around.best_estimator_.certificate_.explain(None)

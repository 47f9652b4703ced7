"""Fits inside searches are recognised, with any code in between."""

import numpy as np
import pytest
import sklearn.pipeline
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.estimators._callers import (
    REPEATING,
    SEARCHES,
    SINGLE_FIT,
    fitted_among_others,
    fitted_inside,
)
from sklearn_seldonian.estimators._reuse import Reuse
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

SEARCHED = "Not met: A search outside the estimator"


def classifier(**params):
    return SeldonianClassifier(
        MLP, constraints="ACC >= 0.6", **{"max_epochs": 2, "random_state": 0, **params}
    )


@pytest.fixture
def certificates(monkeypatch):
    """The certificates of all fits, in their order."""
    found = []

    def noted(reuse, certificate):
        found.append(with_notes(reuse, certificate))
        return found[-1]

    with_notes = Reuse.with_notes
    monkeypatch.setattr(Reuse, "with_notes", noted)
    return found


WRAPPERS = {
    "bare": (lambda model: model, ""),
    "pipeline": (
        lambda model: make_pipeline(StandardScaler(), model),
        "seldonianclassifier__",
    ),
    "fixed threshold": (FixedThresholdClassifier, "estimator__"),
    "tuned threshold": (lambda model: TunedThresholdClassifierCV(model, cv=2), "estimator__"),
    "calibrated": (lambda model: CalibratedClassifierCV(model, cv=2), "estimator__"),
    "one vs rest": (OneVsRestClassifier, "estimator__"),
    "bag": (lambda model: BaggingClassifier(model, n_estimators=1), "estimator__"),
    "vote": (lambda model: VotingClassifier([("model", model)]), "model__"),
    "threshold in a pipeline": (
        lambda model: make_pipeline(StandardScaler(), FixedThresholdClassifier(model)),
        "fixedthresholdclassifier__estimator__",
    ),
    "own search": (lambda model: SeldonianSearchCV(model, {"lr": [0.02]}, cv=2), "estimator__"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("wrap", "prefix"), WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.thinned(3)
def test_a_search_around_any_estimator_is_noted_in_the_certificate(
    blobs, certificates, wrap, prefix
):
    model = wrap(classifier(fallback="majority")).fit(*blobs)
    assert SEARCHED not in certificates[-1].explain(None)
    GridSearchCV(model, {f"{prefix}lr": [0.02]}, cv=2).fit(*blobs)
    assert SEARCHED in certificates[-1].explain(None)


@pytest.mark.parametrize(
    "search",
    [
        lambda model: GridSearchCV(model, {"estimator__lr": [0.02]}, cv=2),
        pytest.param(
            lambda model: GridSearchCV(model, {"estimator__lr": [0.02]}, cv=2, n_jobs=2),
            marks=pytest.mark.slow,
        ),
        lambda model: RandomizedSearchCV(model, {"estimator__lr": [0.02]}, n_iter=1, cv=2),
        lambda model: HalvingGridSearchCV(model, {"estimator__lr": [0.02]}, cv=2),
        lambda model: HalvingRandomSearchCV(model, {"estimator__lr": [0.02, 0.03]}, cv=2),
        lambda model: GridSearchCV(
            GridSearchCV(model, {"estimator__lr": [0.02]}, cv=2), {"cv": [2]}, cv=2
        ),
    ],
    ids=["grid", "grid of two", "randomized", "halving", "halving random", "nested"],
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.thinned(2)
def test_all_searches_are_noted(blobs, search):
    found = search(FixedThresholdClassifier(classifier(fallback="majority"))).fit(*blobs)
    best = getattr(found.best_estimator_, "best_estimator_", found.best_estimator_)
    assert SEARCHED in best.estimator_.certificate_.explain(None)


def importances(model):
    return np.abs(next(iter(model.module_.parameters())).detach().numpy()).sum(axis=0)


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize(
    "select",
    [
        lambda model: RFE(model, n_features_to_select=2, importance_getter=importances),
        lambda model: RFECV(model, cv=2, importance_getter=importances),
    ],
    ids=["RFE", "RFECV"],
)
def test_features_chosen_by_fits_to_the_same_rows_are_noted(blobs, select):
    model = classifier(module__hidden=(), fallback="majority")
    found = select(model).fit(*blobs)
    assert SEARCHED in found.estimator_.certificate_.explain(None)


def test_features_chosen_after_the_fit_are_no_search(blobs):
    model = classifier(module__hidden=())
    found = SelectFromModel(model, importance_getter=importances).fit(*blobs)
    assert SEARCHED not in found.estimator_.certificate_.explain(None)


def test_validation_and_ensembles_are_no_search(blobs):
    scores = cross_validate(
        classifier(), *blobs, cv=2, return_estimator=True, scoring=solution_found
    )
    assert all(SEARCHED not in m.certificate_.explain(None) for m in scores["estimator"])
    stack = StackingClassifier([("model", classifier())], LogisticRegression(), cv=2).fit(*blobs)
    assert SEARCHED not in stack.estimators_[0].certificate_.explain(None)


def test_a_search_for_a_regression(blobs):
    X, _ = blobs
    model = SeldonianRegressor(
        MLP,
        constraints="MAE <= 6",
        prediction_range=(-6, 6),
        target_range=(-6, 6),
        max_epochs=2,
        random_state=0,
    )
    found = GridSearchCV(model, {"lr": [0.02]}, cv=2).fit(X, X[:, 0])
    assert SEARCHED in found.best_estimator_.certificate_.explain(None)


BOOSTED = "Not met: A boosting ensemble, such as AdaBoostClassifier, chose which rows count more"


@pytest.mark.parametrize(
    ("ensemble", "is_boosted"), [(AdaBoostClassifier, True), (BaggingClassifier, False)]
)
@pytest.mark.filterwarnings("ignore")
def test_weights_by_the_errors_of_earlier_members(blobs, certificates, ensemble, is_boosted):
    ensemble(classifier(fallback="majority"), n_estimators=2, random_state=0).fit(*blobs)
    assert certificates
    assert all((BOOSTED in found.explain(None)) == is_boosted for found in certificates)
    assert not any(SEARCHED in found.explain(None) for found in certificates)


@pytest.mark.filterwarnings("ignore")
def test_draws_by_the_errors_of_earlier_members(blobs, certificates):
    X, _ = blobs
    ranges = {"prediction_range": (-6, 6), "target_range": (-6, 6)}
    settings = {"constraints": "MAE <= 6", "max_epochs": 2, "random_state": 0, **ranges}
    model = SeldonianRegressor(MLP, **settings)
    AdaBoostRegressor(model, n_estimators=2, random_state=0).fit(X, X[:, 0])
    assert all(BOOSTED in found.explain(None) for found in certificates)
    assert certificates


# -- properties of scikit-learn that the package relies on ------------------------------------


class Asks(BaseEstimator):
    def fit(self, X, y=None):
        self.inside_, self.among_ = fitted_inside(SEARCHES), fitted_among_others()
        self.coef_ = np.ones(np.shape(X)[1])
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y=None):
        return 0.0


def test_the_base_class_of_searches_is_still_there():
    searches = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
    assert all(issubclass(search, SEARCHES[0]) for search in searches)
    assert issubclass(RFECV, SEARCHES)
    assert SEARCHES[0] not in (BaseEstimator, object)
    for other in (Asks, sklearn.pipeline.Pipeline, CalibratedClassifierCV, SeldonianSearchCV):
        assert not issubclass(other, SEARCHES)


@pytest.mark.parametrize(
    ("around", "is_inside", "is_among"),
    [
        (lambda model: model, False, False),
        (lambda model: make_pipeline(StandardScaler(), model), False, False),
        (lambda model: make_pipeline(make_pipeline(model)), False, False),
        (SelectFromModel, False, True),
        (lambda model: RFE(model), True, True),
        (lambda model: GridSearchCV(model, {}, cv=2), True, True),
    ],
)
def test_callers_are_classified(blobs, around, is_inside, is_among):
    fitted = around(Asks()).fit(*blobs)
    while not isinstance(fitted, Asks):
        steps = getattr(fitted, "steps", [(None, None)])
        fitted = getattr(fitted, "best_estimator_", getattr(fitted, "estimator_", steps[-1][1]))
    assert (fitted.inside_, fitted.among_) == (is_inside, is_among)


def test_selection_forwards(blobs):
    asked = []

    class Notes(Asks):
        def fit(self, X, y=None):
            super().fit(X, y)
            asked.append(self.inside_)
            return self

    SequentialFeatureSelector(clone(Notes()), n_features_to_select=1, cv=2).fit(*blobs)
    assert all(asked)


def test_the_names_of_modules_are_those_of_scikit_learn():
    for name in (*SINGLE_FIT, *REPEATING):
        __import__(name)

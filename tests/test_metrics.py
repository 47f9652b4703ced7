import math
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_seldonian import NoSolutionFoundError, NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.metrics import bound_margin, solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV


def test_inside_pipelines_and_searches(blobs):
    model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0, max_epochs=5)
    pipeline = make_pipeline(StandardScaler(), model)
    assert solution_found(pipeline.fit(*blobs)) == 1.0
    search = GridSearchCV(pipeline, {"seldonianclassifier__lr": [0.01]}, scoring=solution_found)
    assert solution_found(search.fit(*blobs)) == 1.0


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize(("limit", "found"), [(0.7, 1.0), (0.985, 0.0)])
def test_in_cross_validation(blobs, limit, found):
    model = SeldonianClassifier(constraints=f"ACC >= {limit}", random_state=0, max_epochs=5)
    scores = cross_validate(model, *blobs, cv=2, scoring=solution_found)
    assert (scores["test_score"] == found).all()


@pytest.mark.parametrize("scorer", [solution_found, bound_margin])
def test_other_estimators_are_refused(blobs, scorer):
    with pytest.raises(AttributeError):
        scorer(LogisticRegression().fit(*blobs))


class TestBoundMargin:
    @pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
    @pytest.mark.parametrize(("limit", "sign"), [(0.7, 1), (0.985, -1)])
    def test_is_the_distance_of_the_bound_from_the_limit(self, blobs, limit, sign):
        model = SeldonianClassifier(
            constraints=[f"ACC >= {limit}", "PR <= 0.99"], random_state=0, max_epochs=5
        ).fit(*blobs)
        accuracy, _ = model.certificate_.results
        margin = bound_margin(model)
        assert margin == pytest.approx(accuracy.bound - limit)
        assert np.sign(margin) == sign
        assert solution_found(model) == (margin >= 0)

    def test_inside_pipelines_and_searches(self, blobs):
        model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0, max_epochs=2)
        search = SeldonianSearchCV(model, {"lr": [0.1]}, cv=2)
        pipeline = make_pipeline(FunctionTransformer(), search).fit(*blobs)
        inside = pipeline[-1].best_estimator_
        assert bound_margin(pipeline) == bound_margin(inside) > 0

    def test_no_constraints_have_no_margin(self, blobs):
        assert math.isnan(bound_margin(SeldonianClassifier(max_epochs=1).fit(*blobs)))

    def test_what_was_not_tested_is_infinitely_far_off(self, blobs):
        model = SeldonianClassifier(constraints="ACC >= 1.5")
        with pytest.warns(NoSolutionFoundWarning):
            model.fit(*blobs)
        assert bound_margin(model) == -math.inf


# -- cross-validation over settings of the constraints ---------------------------------------------

SCORERS = {"found": solution_found, "margin": bound_margin, "accuracy": "accuracy"}


def cross_validated(model, blobs, **others):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        return cross_validate(model, *blobs, cv=2, scoring=SCORERS, **others)


@pytest.mark.parametrize(("limit", "found"), [(0.6, True), (0.7, True), (0.985, False)])
def test_over_limits(blobs, limit, found):
    model = SeldonianClassifier(
        constraints=f"ACC >= {limit}", random_state=0, max_epochs=5, fallback="majority"
    )
    scores = cross_validated(model, blobs)
    assert (scores["test_found"] == found).all()
    assert ((scores["test_margin"] >= 0) == found).all()
    assert ((scores["test_accuracy"] > 0.7) == found).all()  # else the fallback's, about a half


@pytest.mark.filterwarnings("ignore:Scoring failed")
@pytest.mark.parametrize("error_score", [math.nan, -1.0])
def test_without_a_fallback_folds_score_as_told(blobs, error_score):
    model = SeldonianClassifier(constraints="ACC >= 0.985", random_state=0, max_epochs=5)
    scores = cross_validated(model, blobs, error_score=error_score)
    assert (scores["test_found"] == 0).all()
    assert (scores["test_margin"] < 0).all()
    np.testing.assert_array_equal(scores["test_accuracy"], [error_score] * 2)


def test_without_a_fallback_no_solution_is_an_error_where_errors_are_asked_for(blobs):
    model = SeldonianClassifier(constraints="ACC >= 0.985", random_state=0, max_epochs=5)
    with pytest.raises(NoSolutionFoundError, match="No Solution Found"):
        cross_validated(model, blobs, error_score="raise")

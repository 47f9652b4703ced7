import math
import warnings

import numpy as np
import pytest
from _population import TEXTS, Config, population, truth
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_seldonian import (
    ConstraintSyntaxError,
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianClassifier,
    certify,
)
from sklearn_seldonian.metrics import bound_margin, constraint_values, solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP


def test_inside_pipelines_and_searches(blobs):
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0, max_epochs=5)
    pipeline = make_pipeline(StandardScaler(), model)
    assert solution_found(pipeline.fit(*blobs)) == 1.0
    search = GridSearchCV(pipeline, {"seldonianclassifier__lr": [0.01]}, scoring=solution_found)
    assert solution_found(search.fit(*blobs)) == 1.0


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize(("limit", "found"), [(0.7, 1.0), (0.985, 0.0)])
def test_in_cross_validation(blobs, limit, found):
    model = SeldonianClassifier(MLP, constraints=f"ACC >= {limit}", random_state=0, max_epochs=5)
    scores = cross_validate(model, *blobs, cv=2, scoring=solution_found)
    assert (scores["test_score"] == found).all()


@pytest.mark.parametrize("scorer", [solution_found, bound_margin])
def test_other_estimators_are_refused(blobs, scorer):
    with pytest.raises(TypeError, match="must be a fitted Seldonian estimator"):
        scorer(LogisticRegression().fit(*blobs))


GAP = "abs(PR | [M] - PR | [F]) <= 0.1"


class TestConstraintValues:
    def test_of_decisions_and_of_probabilities(self, blobs, groups):
        X, y = blobs
        model = LogisticRegression().fit(X, y)
        male = (groups["M"] == 1).to_numpy()
        answers = {"argmax": model.predict(X), "sample": model.predict_proba(X)[:, 1]}
        for decision, positive in answers.items():
            gap = abs(positive[male].mean() - positive[~male].mean()) - 0.1
            share = 0.7 - (positive * y + (1 - positive) * (1 - y)).mean()
            values = constraint_values(
                model, X, y, [GAP, "ACC >= 0.7"], sensitive_features=groups, decision=decision
            )
            assert values == pytest.approx([gap, share])

    def test_is_what_certify_estimates(self, blobs, groups):
        X, y = blobs
        model = LogisticRegression().fit(X, y)
        certificate = certify(model, X, y, GAP, sensitive_features=groups)
        values = constraint_values(model, X, y, GAP, sensitive_features=groups)
        assert values.tolist() == [result.g for result in certificate.results]

    @pytest.mark.parametrize("family", TEXTS)
    def test_as_the_benchmark_counts_without_the_package(self, family):
        people = population("synthetic")
        model = LogisticRegression().fit(people.X[:500], people.y[:500])
        config = Config("synthetic", family, {"DI": 0.8, "PPV": 0.9}.get(family, 0.1))
        (g,) = constraint_values(
            model, people.X, people.y, config.text, sensitive_features=people.groups
        )
        expected = truth(config).g(model.predict(people.X))
        assert g > 0
        assert expected > 0
        if family not in ("DI", "PPV"):  # a ratio there, a difference here
            assert g == pytest.approx(expected)

    def test_the_positive_class_can_be_chosen(self, blobs):
        model = DummyClassifier(strategy="constant", constant=1).fit(*blobs)
        assert constraint_values(model, *blobs, "PR <= 0.5").tolist() == [0.5]
        assert constraint_values(model, *blobs, "PR <= 0.5", pos_label=0).tolist() == [-0.5]

    def test_nothing_over_nothing_is_nan(self, blobs):
        model = DummyClassifier(strategy="constant", constant=0).fit(*blobs)
        assert np.isnan(constraint_values(model, *blobs, ["PPV >= 0.5"])).all()

    def test_answers_that_are_no_class_satisfy_nothing(self, blobs):
        class Mute(DummyClassifier):
            def predict(self, X):
                return np.full(len(X), 7)

        model = Mute().fit(*blobs)
        assert constraint_values(model, *blobs, ["PR <= 1", "ACC >= 0"]).tolist() == [np.inf] * 2

    def test_unknown_column(self, blobs):
        with pytest.raises(ConstraintSyntaxError, match="'M'"):
            constraint_values(DummyClassifier().fit(*blobs), *blobs, GAP)


class TestBoundMargin:
    @pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
    @pytest.mark.parametrize(("limit", "sign"), [(0.7, 1), (0.985, -1)])
    def test_is_the_distance_of_the_bound_from_the_limit(self, blobs, limit, sign):
        model = SeldonianClassifier(
            MLP, constraints=[f"ACC >= {limit}", "PR <= 0.99"], random_state=0, max_epochs=5
        ).fit(*blobs)
        accuracy, _ = model.certificate_.results
        margin = bound_margin(model)
        assert margin == pytest.approx(accuracy.bound - limit)
        assert np.sign(margin) == sign
        assert solution_found(model) == (margin >= 0)

    def test_inside_pipelines_and_searches(self, blobs):
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0, max_epochs=2)
        search = SeldonianSearchCV(model, {"lr": [0.1]}, cv=2)
        pipeline = make_pipeline(FunctionTransformer(), search).fit(*blobs)
        inside = pipeline[-1].best_estimator_
        assert bound_margin(pipeline) == bound_margin(inside) > 0

    def test_no_constraints_have_no_margin(self, blobs):
        assert math.isnan(bound_margin(SeldonianClassifier(max_epochs=1).fit(*blobs)))

    def test_what_was_not_tested_is_infinitely_far_off(self, blobs):
        model = SeldonianClassifier(MLP, constraints="ACC >= 1.5")
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
        MLP, constraints=f"ACC >= {limit}", random_state=0, max_epochs=5, fallback="majority"
    )
    scores = cross_validated(model, blobs)
    assert (scores["test_found"] == found).all()
    assert ((scores["test_margin"] >= 0) == found).all()
    assert ((scores["test_accuracy"] > 0.7) == found).all()  # otherwise about .5


@pytest.mark.filterwarnings("ignore:Scoring failed")
@pytest.mark.parametrize("error_score", [math.nan, -1.0])
def test_without_a_fallback_folds_have_the_given_score(blobs, error_score):
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.985", random_state=0, max_epochs=5)
    scores = cross_validated(model, blobs, error_score=error_score)
    assert (scores["test_found"] == 0).all()
    assert (scores["test_margin"] < 0).all()
    np.testing.assert_array_equal(scores["test_accuracy"], [error_score] * 2)


def test_without_a_fallback_no_solution_is_an_error_on_request(blobs):
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.985", random_state=0, max_epochs=5)
    with pytest.raises(NoSolutionFoundError, match="No Solution Found"):
        cross_validated(model, blobs, error_score="raise")

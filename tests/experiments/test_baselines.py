import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import certify
from sklearn_seldonian.experiments import FairlearnClassifier

METHODS = {
    "reduction": ExponentiatedGradient(
        LogisticRegression(), DemographicParity(difference_bound=0.02), max_iter=5
    ),
    "thresholds": ThresholdOptimizer(
        estimator=LogisticRegression(), predict_method="predict_proba"
    ),
}


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


@pytest.fixture
def unequal(blobs, groups):
    """Rows whose first feature favours men, with labels that are texts."""
    X, y = blobs
    shifted = X + 1.5 * groups[["M"]].to_numpy() * np.array([1.0, 0.0, 0.0])
    return shifted, np.array(["no", "yes"])[y], groups[["M", "F"]]


def gap(decisions, groups):
    positive = decisions == "yes"
    return abs(positive[groups["M"] == 1].mean() - positive[groups["M"] == 0].mean())


def test_labels_of_any_kind_and_less_of_a_gap(method, unequal):
    X, y, groups = unequal
    plain = LogisticRegression().fit(X, y)
    model = FairlearnClassifier(method, random_state=0).fit(X, y, sensitive_features=groups)
    decisions = model.predict(X, sensitive_features=groups)
    assert set(decisions) == {"no", "yes"}
    assert gap(decisions, groups) < 0.1 < gap(plain.predict(X), groups)


@pytest.mark.thinned(2)
def test_drawn_decisions_follow_the_seed(method, unequal):
    X, y, groups = unequal
    models = [
        FairlearnClassifier(method, random_state=seed).fit(X, y, sensitive_features=groups)
        for seed in (0, 0, 1)
    ]
    first, same, other = (model.predict(X, sensitive_features=groups) for model in models)
    assert (first == same).all()
    assert (first != other).any()


def test_the_given_estimator_stays_as_it_was(method, unequal):
    X, y, groups = unequal
    given = clone(method)
    FairlearnClassifier(given).fit(X, y, sensitive_features=groups)
    assert not any(name.endswith("_") for name in vars(given) if not name.startswith("_"))


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "b", "c", "a"]])
def test_two_classes_only(labels):
    model = FairlearnClassifier(METHODS["reduction"])
    with pytest.raises(ValueError, match="classes, and FairlearnClassifier needs two"):
        model.fit(np.zeros((4, 1)), labels, sensitive_features=[0, 1, 0, 1])


def test_decisions_by_group_are_certified_as_predict_makes_them(method, unequal):
    X, y, groups = unequal
    half = len(y) // 2
    model = FairlearnClassifier(method)
    model.fit(X[:half], y[:half], sensitive_features=groups[:half])
    texts = ["abs(PR | [M] - PR | [F]) <= 0.3", "PR <= 0.99"]
    certificate = certify(
        model, X[half:], y[half:], texts, sensitive_features=groups[half:], pos_label="yes"
    )
    assert certificate.passed
    decided = [
        (model.predict(X[half:], sensitive_features=groups[half:]) == "yes").mean()
        for _ in range(20)
    ]
    assert certificate.results[1].estimate == pytest.approx(np.mean(decided), abs=0.05)
    assert "Predict draws at random, anew for every row." in certificate.assumptions
    assert "Predict is given the sensitive features, as in this test." in certificate.assumptions


def test_missing_groups_are_requested(unequal):
    X, y, groups = unequal
    model = FairlearnClassifier(METHODS["thresholds"]).fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="ThresholdOptimizer depend on the group"):
        model.predict(X)
    with pytest.raises(ValueError, match="ThresholdOptimizer depend on the group"):
        certify(model, X, y, "ACC >= 0.5")


def test_a_fitted_model_inside_stays_fitted(unequal):
    X, y, groups = unequal
    fitted = LogisticRegression().fit(X, y)
    thresholds = ThresholdOptimizer(estimator=fitted, prefit=True, predict_method="predict_proba")
    given = FairlearnClassifier(thresholds, random_state=0)
    for model in (given, clone(given), clone(clone(given))):
        model.fit(X, y, sensitive_features=groups)
        inside = model.estimator_.estimator_
        np.testing.assert_array_equal(inside.coef_, fitted.coef_)
    assert not hasattr(thresholds, "interpolated_thresholder_")

import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

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
    """Rows whose first feature favours men, with labels that are words."""
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
    with pytest.raises(ValueError, match="takes two classes; y holds"):
        model.fit(np.zeros((4, 1)), labels, sensitive_features=[0, 1, 0, 1])

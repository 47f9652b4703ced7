"""Limits on the conditional value at risk, in everything that a constraint goes through."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_seldonian import SafetyCertificate, SeldonianRegressor, certify, collect
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.monitoring import SafetyMonitor

N = 2000
RANGES = {"target_range": (0, 4), "prediction_range": (0, 4)}
LIMIT = "CVaR(MSE, 0.9) <= 3"
rng = np.random.default_rng(0)
X, GROUP = rng.normal(size=(2 * N, 1)), rng.integers(0, 2, 2 * N)
Y = (2 + 0.5 * X[:, 0] + rng.normal(0, 0.3 + 0.5 * GROUP)).clip(0, 4)
GROUPS = pd.DataFrame({"M": GROUP})
TESTED = slice(N, None)


# It always predicts zero.
ZERO = DummyRegressor(strategy="constant", constant=0.0).fit([[0.0]], [0.0])


@pytest.fixture(scope="module")
def model():
    return LinearRegression().fit(X[:N], Y[:N])


def certified(model, constraint=LIMIT, rows=TESTED, **others):
    given = {"sensitive_features": GROUPS[rows], "random_state": 0, **RANGES, **others}
    return certify(model, X[rows], Y[rows], constraint, **given)


def largest_tenth(model, rows=TESTED, of=None):
    losses = (model.predict(X[rows]).clip(0, 4) - Y[rows]) ** 2
    losses = losses if of is None else losses[of]
    return np.sort(losses)[round(0.9 * len(losses)) :].mean()


def test_certify(model):
    (result,) = certified(model).results
    assert (result.method, result.guarantee, result.passed) == ("betting", "finite-sample", True)
    assert result.estimate == pytest.approx(largest_tenth(model), rel=0.02)
    assert result.estimate >= largest_tenth(model)
    assert result.estimate < result.bound < 3
    assert result.rows == {"MSE": N}
    assert (result.p_value <= result.delta) == result.passed


def test_the_bound_does_not_depend_on_the_limit(model):
    bounds = {
        certified(model, f"CVaR(MSE, 0.9) <= {limit}").results[0].bound for limit in (1, 2, 3)
    }
    assert len(bounds) == 1
    (bound,) = bounds
    passed = [
        certified(model, f"CVaR(MSE, 0.9) <= {limit}").passed
        for limit in (bound - 1e-6, bound + 1e-6)
    ]
    assert passed == [False, True]


def test_every_group(model):
    (result,) = certified(model, "max(CVaR(MSE, 0.9), by=M) <= 3.5").results
    worst = max(largest_tenth(model, of=GROUP[TESTED] == level) for level in (0, 1))
    assert result.passed
    assert worst <= result.estimate < worst * 1.02


def test_a_violated_limit_is_explained(model):
    (result,) = certified(model, "CVaR(MSE, 0.9) <= 0.2").results
    assert not result.passed
    assert result.reason == "the estimate itself violates the limit"


@pytest.mark.parametrize(
    ("text", "method", "others"),
    [
        (LIMIT, "delta method", {"method": "asymptotic"}),
        (LIMIT, "box of Student t bounds", {"method": "ttest"}),
        (LIMIT, "betting", {"method": "exact"}),
        (LIMIT, "betting on units", {"groups": np.arange(N) // 2}),
        (LIMIT, "betting on units", {"sample_weight": 1.0 - GROUP[TESTED] / 2, "max_weight": 1.0}),
        (
            "CVaR(MSE, 0.9) <= 3.3",
            "betting on units",
            {"shift": {"M": {0: (0.3, 0.6), 1: (0.4, 0.7)}}},
        ),
        ("mean(CVaR(MSE, 0.9), by=M) <= 8", "box of Chernoff-Hoeffding bounds", {}),
    ],
)
def test_methods(model, text, method, others):
    (result,) = certified(model, text, **others).results
    assert (result.method, result.passed) == (method, True)
    assert result.estimate < result.bound


def test_parts_add_up(model):
    parts = [slice(N, N + 700), slice(N + 700, None)]
    total = sum(collect(model, X[part], Y[part], LIMIT, **RANGES) for part in parts)
    assert (
        total.certify(random_state=0).results == certified(model, sensitive_features=None).results
    )


def test_saved_and_verified(model):
    certificate = certified(model, "max(CVaR(MSE, 0.9), by=M) <= 3.5")
    read = SafetyCertificate.from_json(certificate.to_json())
    assert read == certificate
    assert read.verify(model, X[TESTED], Y[TESTED], sensitive_features=GROUPS[TESTED]).same
    assert not read.verify(
        model, X[TESTED], Y[TESTED] * 0.9, sensitive_features=GROUPS[TESTED]
    ).same


def test_words(model):
    text = certified(model, LIMIT).explain()
    assert "CVaR(MSE, 0.9) <= 3: passed" in text
    assert "2,000 for MSE" in text


def test_probabilities_and_costs():
    y = (X[:, 0] + rng.normal(0, 1, 2 * N) > 0).astype(int)
    model = LogisticRegression().fit(X[:N], y[:N])
    costs = np.array([[0.0, 1.0], [5.0, 0.0]])
    cost = RowMeasure("Cost", lambda y, prediction, _: costs[y, prediction], range=(0, 5))
    given = {"measures": [cost], "random_state": 0}
    constraints = ["CVaR(Brier, 0.8) <= 0.8", "CVaR(Cost, 0.8) <= 4.5"]
    brier, own = certify(model, X[TESTED], y[TESTED], constraints, **given).results
    p, labels = model.predict_proba(X[TESTED])[:, 1], y[TESTED]
    expected = np.sort((p - labels) ** 2)[-N // 5 :].mean()
    assert brier.passed
    assert brier.estimate == pytest.approx(expected, rel=0.02)
    expected = np.sort(costs[labels, (p > 0.5).astype(int)])[-N // 5 :].mean()
    assert own.passed
    assert own.estimate == pytest.approx(expected, rel=0.02)
    drawn = certify(model, X[TESTED], y[TESTED], constraints[1], decision="sample", **given)
    # A drawn decision has each cost with its probability.
    values = np.concatenate([costs[labels, k] for k in (0, 1)])
    order = np.argsort(-values)
    shares = np.concatenate([1 - p, p])[order] / N
    kept = np.diff(np.minimum(np.cumsum(shares), 0.2), prepend=0.0)
    expected = (values[order] * kept).sum() / 0.2
    assert drawn.results[0].estimate == pytest.approx(expected, rel=0.02)


def test_values_outside_the_range_of_a_measure():
    wrong = RowMeasure("Wrong", lambda y, prediction, _: prediction - y, range=(0, 1))
    with pytest.raises(ValueError, match=r"'Wrong' returned -?\d.*outside its range \(0, 1\)"):
        certify(ZERO, X[:9], Y[:9], "CVaR(Wrong, 0.9) <= 1", measures=[wrong], **RANGES)


@pytest.mark.parametrize(("units", "n_rows"), [(False, 20), (False, 200), (True, 40), (True, 400)])
def test_false_certificates_at_the_boundary(units, n_rows, whole):
    """Half of the worst tenth have error 1, half 2; with units, two rows each are the same."""
    trials, delta = 600 if whole else 60, 0.2
    draws, found = np.random.default_rng(1), []
    for seed in range(trials):
        y = draws.choice([0.0, 1.0, 2.0], n_rows // (1 + units), p=[0.9, 0.05, 0.05])
        y = np.repeat(y, 1 + units)
        rows = {"groups": np.arange(n_rows) // 2, "max_group_size": 2} if units else {}
        given = {"target_range": (0, 2), "prediction_range": (0, 2), "random_state": seed, **rows}
        features = np.zeros((n_rows, 1))
        # The mean of the largest tenth is (1 + 4) / 2.
        found.append(
            certify(ZERO, features, y, "CVaR(MSE, 0.9) <= 2.5", delta=delta, **given).passed
        )
    assert np.mean(found) <= delta + 4 * math.sqrt(delta * (1 - delta) / trials)


def test_training_meets_a_limit():
    """A tenth of the rows are far above the others with the same feature.

    The squared loss alone predicts little more than the others. The limit moves the prediction up.
    """
    n = 6000
    far = np.arange(n) % 2 == 0
    y = np.where(np.arange(n) % 10 == 0, 4.0, 1.0) + np.random.default_rng(2).uniform(-0.3, 0.3, n)
    features, limit = far[:, None] * 1.0, "CVaR(MSE, 0.9) <= 4.6"
    ranges = {"target_range": (0, 5), "prediction_range": (0, 5)}

    def fitted(*constraints):
        return SeldonianRegressor(
            MLP,
            constraints,
            module__hidden=(),
            safety_size=0.6,
            max_epochs=20,
            random_state=0,
            **ranges,
        ).fit(features, y)

    plain, limited = fitted(), fitted(limit)

    def worst_tenth(model):
        return np.sort((model.predict(features) - y) ** 2)[round(0.9 * n) :].mean()

    assert limited.solution_found_
    assert worst_tenth(limited) < 0.85 * worst_tenth(plain)


def test_no_solution_is_returned_for_an_impossible_limit():
    with pytest.warns(NoSolutionFoundWarning):
        model = SeldonianRegressor(
            constraints="CVaR(MSE, 0.9) <= 0.001", random_state=0, max_epochs=2, **RANGES
        ).fit(X[:400], Y[:400])
    assert not model.solution_found_


def test_monitors_refuse():
    monitor = SafetyMonitor("CVaR(MSE, 0.9) <= 3", delta=0.05, classes=None, **RANGES)
    with pytest.raises(ValueError, match="cannot be monitored: there is no lower bound on a CVaR"):
        monitor.update(Y[:9], Y[:9])

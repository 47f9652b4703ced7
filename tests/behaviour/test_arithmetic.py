"""Constraints that arithmetic decides, alone and with others, for all kinds of decisions."""

import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP

SLOW = pytest.mark.slow

NO_MODEL_VIOLATES = [
    "ACC >= 0",
    "ACC >= -1",
    "PR <= 1",
    "PR <= 5",
    "abs(PR) <= 1",
    "abs(PR | [M]) <= 1",
    "abs(PR | [M] - PR | [F]) <= 1",
    "max(PR, by=race) <= 1",
    "max(PR, by=race) - min(PR, by=race) <= 1",
    "min(PR, ACC) >= 0",
    "PR - PR <= 0",
    "Brier <= 1",
    "PPV <= 1",
]


def results_of(blobs, groups, constraints, decision, **params):
    model = SeldonianClassifier(
        MLP, constraints=constraints, decision=decision, max_epochs=1, random_state=0, **params
    )
    return model.fit(*blobs, sensitive_features=groups).certificate_.results


@pytest.mark.parametrize("decision", ["argmax", "sample"])
class TestClassification:
    @pytest.mark.parametrize(
        "method",
        [
            "auto",
            "asymptotic",
            *(pytest.param(b, marks=pytest.mark.slow) for b in ("exact", "ttest")),
        ],
    )
    @pytest.mark.parametrize("constraint", NO_MODEL_VIOLATES)
    @pytest.mark.thinned(5)
    def test_alone(self, blobs, groups, constraint, method, decision):
        (result,) = results_of(blobs, groups, constraint, decision, method=method)
        assert (result.passed, result.method, result.guarantee) == (True, "arithmetic", "exact")

    def test_all_together(self, blobs, groups, decision):
        results = results_of(blobs, groups, NO_MODEL_VIOLATES, decision)
        assert {result.method for result in results} == {"arithmetic"}

    @pytest.mark.parametrize("constraint", ["ACC >= 0", "abs(PR | [M]) <= 1"])
    @pytest.mark.parametrize("is_first", [True, False])
    @pytest.mark.thinned(3)
    def test_with_another_constraint_that_is_tested(
        self, blobs, groups, constraint, is_first, decision
    ):
        other = "ACC >= 0.6"
        texts = [constraint, other] if is_first else [other, constraint]
        methods = {r.constraint: r.method for r in results_of(blobs, groups, texts, decision)}
        assert methods.pop(constraint) == "arithmetic"
        assert methods == {other: "betting" if decision == "sample" else "Clopper-Pearson"}

    def test_just_inside_the_range_it_is_tested(self, blobs, groups, decision):
        (result,) = results_of(blobs, groups, "ACC >= 0.01", decision)
        assert result.passed
        assert result.method != "arithmetic"


@pytest.mark.parametrize("constraint", ["MSE >= 0", "MAE >= -1", "MSE | [M] >= 0", "MAE <= 20"])
@pytest.mark.parametrize("others", [[], ["MAE <= 5"]], ids=["alone", "with another"])
@pytest.mark.thinned(3)
def test_regression(blobs, groups, constraint, others):
    X, y = blobs
    model = SeldonianRegressor(
        MLP,
        constraints=[constraint, *others],
        target_range=(-10, 10),
        prediction_range=(-10, 10),
        max_epochs=1,
        random_state=0,
    ).fit(X, y, sensitive_features=groups)
    assert model.solution_found_
    assert model.certificate_.results[0].method == "arithmetic"


@pytest.mark.parametrize("method", ["auto", "exact"])
def test_no_range_is_required_if_nothing_is_tested(blobs, method):
    model = SeldonianRegressor(MLP, constraints="MSE >= 0", method=method, max_epochs=1).fit(*blobs)
    assert model.solution_found_
    with pytest.warns(UserWarning, match="'LogLoss <= 9' is tested by a normal approximation"):
        SeldonianClassifier(MLP, constraints=["LogLoss >= 0", "LogLoss <= 9"], max_epochs=1).fit(
            *blobs
        )

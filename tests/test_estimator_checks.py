"""scikit-learn's own contract, for every state that an estimator can be in."""

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor

# Each compares two answers of `predict` for the same rows, or one with the most probable class,
# and with decision="sample" `predict` draws anew each time.
DRAWN = {
    "check_classifiers_train": "predict is compared with the largest decision_function",
    "check_supervised_y_2d": "predictions of two fits are compared",
    "check_fit_idempotent": "predictions of two fits are compared",
}


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.filterwarnings("ignore:'MAE <= 1e9' is tested by a normal approximation")
@parametrize_with_checks(
    [
        SeldonianClassifier(),
        SeldonianClassifier(constraints="ACC >= 0"),
        SeldonianClassifier(constraints="ACC >= 1.5", fallback=LogisticRegression()),
        SeldonianRegressor(),
        SeldonianRegressor(constraints="MAE <= 1e9"),
        SeldonianRegressor(constraints="MSE <= -1", fallback=LinearRegression()),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_drawn_decisions_fail_only_where_decisions_are_compared():
    estimator = SeldonianClassifier(decision="sample")
    assert estimator.__sklearn_tags__().non_deterministic
    outcomes = check_estimator(estimator, expected_failed_checks=DRAWN, on_fail=None, on_skip=None)
    by_status = {status: set() for status in ("passed", "failed", "xfail", "skipped")}
    for outcome in outcomes:
        by_status[outcome["status"]].add(outcome["check_name"])
    assert by_status["failed"] == set()
    assert by_status["xfail"] == set(DRAWN)
    assert len(by_status["passed"]) > 30

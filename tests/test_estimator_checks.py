"""scikit-learn's own contract, for every state that an estimator can be in."""

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor

ANYTHING = {"prediction_range": (-1e9, 1e9), "target_range": (-1e9, 1e9)}


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@parametrize_with_checks(
    [
        SeldonianClassifier(),
        SeldonianClassifier(constraints="ACC >= 0"),
        SeldonianClassifier(constraints="ACC >= 1.5", fallback=LogisticRegression()),
        SeldonianRegressor(),
        SeldonianRegressor(constraints="MAE <= 2e9", **ANYTHING),
        SeldonianRegressor(constraints="MSE <= -1", fallback=LinearRegression()),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)

"""A search has one safety test."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP


# Some checks have a class with one row among the candidate rows.
@pytest.mark.filterwarnings("ignore:The least populated class")
@parametrize_with_checks(
    [
        SeldonianSearchCV(
            SeldonianClassifier(MLP, constraints="ACC >= -1", max_epochs=1), {"lr": [0.02]}, cv=2
        )
    ],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "it gives splits of all rows as cv"
    },
)
@pytest.mark.thinned(3)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize("test", ["best", "fixed-sequence", "holm"])
@pytest.mark.thinned(2)
def test_garbage_over_the_safety_rows_changes_only_the_certificate(blobs, groups, test):
    X, y = blobs
    constraints = ["ACC >= 0.65", "PR | [M] <= 0.95"]
    model = SeldonianClassifier(MLP, constraints=constraints, random_state=0, max_epochs=4)
    settings = {"lr": [0.01, 0.02]}
    found = SeldonianSearchCV(model, settings, cv=2, test=test).fit(X, y, sensitive_features=groups)

    rng = np.random.default_rng(7)
    safety = found.best_estimator_.safety_indices_
    X2, y2, groups2 = X.copy(), y.copy(), groups.copy()
    X2[safety] = 1e3 * rng.normal(size=(len(safety), 3))
    y2[safety] = rng.integers(0, 2, size=len(safety))
    groups2.loc[safety, "M"] = 1
    groups2.loc[safety, "F"] = 0
    poisoned = SeldonianSearchCV(model, settings, cv=2, test=test).fit(
        X2, y2, sensitive_features=groups2
    )

    for name, values in found.cv_results_.items():
        if name != "mean_fit_time":
            np.testing.assert_array_equal(values, poisoned.cv_results_[name])
    weights = [
        {t.index: t.certificate.fingerprints["weights"] for t in each.tested_}
        for each in (found, poisoned)
    ]
    assert all(weights[0][index] == digest for index, digest in weights[1].items())
    assert found.solution_found_
    assert not poisoned.solution_found_

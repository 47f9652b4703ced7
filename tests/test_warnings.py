"""Warnings point at the user's own line, from any depth of the package."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import sklearn_seldonian
from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SafetyDataReusedWarning,
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian._warnings import each_warning_once, warn_user
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP


def classifier(constraints="ACC >= 0.6", **params):
    defaults = {"max_epochs": 2, "random_state": 0, "fallback": "majority"}
    return SeldonianClassifier(MLP, constraints=constraints, **{**defaults, **params})


def warned(call):
    """The warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert found
    return found


AROUND = {
    "fit": lambda model: model,
    "own search": lambda model: SeldonianSearchCV(model, {"lr": [0.01, 0.02]}, cv=2),
    "grid search": lambda model: GridSearchCV(model, {"lr": [0.01]}, cv=2, scoring=solution_found),
    "pipeline": lambda model: make_pipeline(StandardScaler(), model),
    "threshold": FixedThresholdClassifier,
    "vote": lambda model: VotingClassifier([("model", model)]),
    "bag": lambda model: BaggingClassifier(model, n_estimators=2, random_state=0),
    "one vs rest": OneVsRestClassifier,
}
EACH_WAY = pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
CONSTRAINTS = {
    "unsolved": "ACC >= 0.999",
    "few rows": ["ACC >= 0.6", "TPR >= 0.997"],
    "asymptotic": "LogLoss <= 9",
}


@EACH_WAY
@pytest.mark.parametrize("constraints", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.thinned(4)
def test_warnings_of_a_fit_point_at_the_call(blobs, around, constraints):
    estimator = around(classifier(constraints))
    found = warned(lambda: estimator.fit(*blobs))
    assert {warning.filename for warning in found} == {__file__}


def test_so_do_others(blobs, groups):
    X, y = blobs
    model = classifier().fit(X, y)
    calls = [
        lambda: model.set_params(random_state=1).fit(X, y),  # rows that were tested before
        lambda: model.certify(X, y),
        lambda: cross_validate(classifier("ACC >= 0.999"), X, y, cv=2),
        lambda: certify(model, X, y, "LogLoss <= 9"),
        lambda: classifier(lr=1e30, criterion=nn.CrossEntropyLoss).fit(1e6 * X, y),
        lambda: SeldonianRegressor(MLP, constraints="MSE <= 9", max_epochs=1).fit(X, X[:, 0]),
    ]
    for call in calls:
        assert {warning.filename for warning in warned(call)} == {__file__}


def test_a_search_gives_each_warning_once(blobs):
    X, y = blobs
    search = SeldonianSearchCV(
        classifier(["ACC >= 0.6", "TPR >= 0.997"]), {"lr": [0.01, 0.02]}, cv=3, test="holm"
    )
    few = [w for w in warned(lambda: search.fit(X, y)) if "even a model" in str(w.message)]
    assert len(few) == 1


def test_every_search_starts_afresh(blobs):
    search = SeldonianSearchCV(classifier("ACC >= 0.999"), {"lr": [0.01]}, cv=2)
    for _ in range(2):
        found = warned(lambda: search.fit(*blobs))
        assert sum(warning.category is NoSolutionFoundWarning for warning in found) == 1


def test_one_subject_is_warned_of_once():
    def say():
        warn_user("one")
        warn_user("another", subject="one")
        warn_user("one", SafetyDataReusedWarning)
        warn_user("three", subject="three")

    def twice():
        with each_warning_once():
            say()
            with each_warning_once():
                say()

    assert [str(w.message) for w in warned(twice)] == ["one", "one", "three"]
    assert len(warned(lambda: [say(), say()])) == 8


def test_without_a_line_of_the_users_it_is_the_outermost():
    with ThreadPoolExecutor(1) as pool:
        (found,) = warned(lambda: pool.submit(warn_user, "said").result())
    assert found.filename.endswith("threading.py") or "concurrent" in found.filename


def test_ordinary_filters_apply():
    with pytest.raises(UserWarning, match="said"):
        warn_user("said")


def test_no_other_module_counts_levels_of_the_stack():
    package = Path(sklearn_seldonian.__file__).parent
    users = {path.name for path in package.rglob("*.py") if "warnings.warn(" in path.read_text()}
    assert users == {"_warnings.py"}

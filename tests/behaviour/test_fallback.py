"""The fallback predicts if there is no solution, and it is never presented as certified."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import TensorDataset

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianClassifier,
    SeldonianRegressor,
)
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.modules import MLP

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")


def unsolved(X, y=None, fallback="majority", **params):
    params = {"constraints": "ACC >= 0.99", "max_epochs": 1, "random_state": 0, **params}
    model = SeldonianClassifier(MLP, fallback=fallback, **params)
    with pytest.warns(NoSolutionFoundWarning, match="No Solution Found"):
        return model.fit(X, y)


def frozen(X, y):
    return FrozenEstimator(LogisticRegression().fit(X, y))


def test_majority_of_the_candidate_rows(blobs):
    X, _ = blobs
    labels = np.where(np.arange(1000) % 10 < 7, "often", "seldom")
    model = unsolved(X, labels)
    assert set(model.predict(X)) == {"often"}
    assert model.predict_proba(X[:1]).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    "fallback", ["majority", LogisticRegression(), frozen], ids=["majority", "estimator", "frozen"]
)
@pytest.mark.parametrize("constraint", ["ACC >= 0.99", "ACC >= 1.5"], ids=["tested", "impossible"])
def test_nothing_reads_as_if_it_were_certified(blobs, fallback, constraint, tmp_path):
    X, y = blobs
    fallback = fallback(X, y) if fallback is frozen else fallback
    model = unsolved(X, y, fallback, constraints=constraint)
    assert model.predict(X).shape == (1000,)
    assert not model.solution_found_
    assert not model.certificate_.passed
    assert "passed: all" not in model.certificate_.explain(None)
    assert solution_found(model) == 0.0
    with pytest.raises(NoSolutionFoundError):
        model.certify(X, y)
    with pytest.raises(NoSolutionFoundError):
        model.save_params(tmp_path / "weights")


def test_it_gets_what_fit_was_given(blobs):
    """The fallback gets a frame as a frame, without preprocessing."""
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    by_name = make_pipeline(make_column_transformer((StandardScaler(), ["a"])), Perceptron())
    for preprocessor in (None, make_column_transformer((StandardScaler(), ["b"]))):
        model = unsolved(frame, y, by_name, preprocessor=preprocessor)
        rows = model.candidate_indices_
        expected = by_name.fit(frame.iloc[rows], y[rows])
        assert np.array_equal(model.predict(frame), expected.predict(frame))


def test_tensors_and_datasets_become_arrays(blobs):
    X, y = blobs
    tensor = torch.from_numpy(X).requires_grad_()
    rows = TensorDataset(tensor.detach(), torch.from_numpy(y))
    model = unsolved(rows, None, LogisticRegression())
    assert np.array_equal(model.predict(rows), model.predict(X))
    assert np.array_equal(model.predict(tensor), model.predict(X))
    assert np.array_equal(model.predict_proba(tensor), model.predict_proba(X))


def test_without_probabilities_there_are_none(blobs):
    model = unsolved(*blobs, Perceptron())
    assert model.predict(blobs[0]).shape == (1000,)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "decision_function")


@pytest.mark.parametrize("names", [["a0", "b"], ["a", "c"], ["a", "b", "c"]])
def test_probabilities_of_labels_that_fit_did_not_see_are_refused(blobs, names):
    X, y = blobs
    others = np.resize(names, 1000)
    model = unsolved(X, np.array(["a", "b"])[y], frozen(X, others))
    assert set(model.predict(X)) <= set(names)
    for answer in (model.predict_proba, model.decision_function):
        with pytest.raises(ValueError, match="The fallback has classes that fit did not see"):
            answer(X)


UNFIT = {
    "fewer features": (lambda X: X[:, :2], "X has 2 features, but .* is expecting 3 features"),
    "more features": (lambda X: np.c_[X, X], "X has 6 features, but .* is expecting 3 features"),
    "NaN": (lambda X: np.where(X > 2, np.nan, X), "contains NaN"),
    "infinite": (lambda X: np.where(X > 2, np.inf, X), "contains infinity"),
    "text": (lambda X: np.full(X.shape, "a"), "could not convert string|arrays of bytes/strings"),
    "no rows": (lambda X: X[:0], "0 sample"),
    "one dimension": (lambda X: X[0], "Reshape your data"),
}


@pytest.mark.parametrize("answer", ["predict", "predict_proba", "decision_function", "score"])
@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("preprocessor", [None, StandardScaler()], ids=["raw", "preprocessed"])
@pytest.mark.parametrize("constraint", ["ACC >= 0.99", "ACC >= 1.5"], ids=["tested", "impossible"])
@pytest.mark.thinned(7)
def test_rows_that_a_model_would_refuse_are_refused(
    blobs, answer, change, message, preprocessor, constraint
):
    X, y = blobs
    model = unsolved(X, y, constraints=constraint, preprocessor=preprocessor)
    changed = change(X)
    labels = [y[: len(changed)]] if answer == "score" else []
    with pytest.raises(ValueError, match=message):
        getattr(model, answer)(changed, *labels)
    assert len(model.predict(X)) == len(X)


@pytest.mark.parametrize("preprocessor", [None, StandardScaler()], ids=["raw", "preprocessed"])
@pytest.mark.parametrize("fallback", ["majority", LogisticRegression()], ids=str)
def test_frames_with_other_columns_are_refused(blobs, preprocessor, fallback):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = unsolved(frame, y, fallback, preprocessor=preprocessor)
    for other in (frame[["b", "a", "c"]], frame.rename(columns={"a": "d"})):
        with pytest.raises(ValueError, match="The feature names should match"):
            model.predict(other)


@pytest.mark.parametrize("change", [UNFIT["fewer features"], UNFIT["NaN"]], ids=["few", "NaN"])
def test_a_constant_regressor_refuses_what_a_model_would(blobs, change):
    X, y = blobs
    model = SeldonianRegressor(MLP, constraints="MSE <= -1", fallback="mean").fit(X, y)
    with pytest.raises(ValueError, match=change[1]):
        model.predict(change[0](X))
    assert model.predict(X[:2]).tolist() == [y[model.candidate_indices_].mean()] * 2


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.parametrize(("fallback", "is_scored"), [(None, False), ("majority", True)])
def test_folds_without_solution_are_scored_by_the_fallback_or_not_at_all(
    blobs, fallback, is_scored
):
    model = SeldonianClassifier(
        MLP, constraints="ACC >= 0.95", fallback=fallback, max_epochs=1, random_state=0
    )
    scores = cross_validate(model, *blobs, cv=2)["test_score"]
    assert (np.isfinite(scores) == is_scored).all()


@pytest.mark.parametrize("wrong", ["minority", 3, StandardScaler()], ids=str)
@pytest.mark.parametrize("constraint", ["ACC >= 0.1", "ACC >= 1.5"])
def test_what_cannot_answer_is_refused_before_training(blobs, wrong, constraint):
    model = SeldonianClassifier(MLP, constraints=constraint, fallback=wrong, max_epochs=1)
    with pytest.raises(ValueError, match="The 'fallback' parameter of SeldonianClassifier must be"):
        model.fit(*blobs)

"""Who answers where no solution was found, and that nobody takes it for certified."""

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

from sklearn_seldonian import NoSolutionFoundError, NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.metrics import solution_found

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")


def unsolved(X, y=None, fallback="majority", **params):
    params = {"constraints": "ACC >= 0.99", "max_epochs": 1, "random_state": 0, **params}
    model = SeldonianClassifier(fallback=fallback, **params)
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
    assert "passed: all" not in model.certificate_.explain()
    assert solution_found(model) == 0.0
    with pytest.raises(NoSolutionFoundError):
        model.certify(X, y)
    with pytest.raises(NoSolutionFoundError):
        model.save_params(tmp_path / "weights")


def test_it_gets_what_fit_was_given(blobs):
    """A frame stays a frame, preprocessed by nobody."""
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


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.parametrize(("fallback", "is_scored"), [(None, False), ("majority", True)])
def test_folds_without_solution_are_scored_by_the_fallback_or_not_at_all(
    blobs, fallback, is_scored
):
    model = SeldonianClassifier(
        constraints="ACC >= 0.95", fallback=fallback, max_epochs=1, random_state=0
    )
    scores = cross_validate(model, *blobs, cv=2)["test_score"]
    assert (np.isfinite(scores) == is_scored).all()


@pytest.mark.parametrize("wrong", ["minority", 3, StandardScaler()], ids=str)
@pytest.mark.parametrize("constraint", ["ACC >= 0.1", "ACC >= 1.5"])
def test_what_cannot_answer_is_refused_before_training(blobs, wrong, constraint):
    model = SeldonianClassifier(constraints=constraint, fallback=wrong, max_epochs=1)
    with pytest.raises(ValueError, match="The 'fallback' parameter of SeldonianClassifier must be"):
        model.fit(*blobs)

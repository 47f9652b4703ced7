"""Rows that a model was fitted to are recognised, and other rows are not."""

import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_seldonian import (
    SafetyDataReusedWarning,
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.data._row_sketch import SKETCHED, RowSketch, row_hashes
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

# -- hashes --------------------------------------------------------------------------------

NUMBERS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
NUMBERS[0] = 0.0
SAME = {
    "double": NUMBERS.astype(np.float64),
    "list": NUMBERS.tolist(),
    "frame": pd.DataFrame(NUMBERS, columns=list("abc")),
    "frame of nullable numbers": pd.DataFrame(NUMBERS).convert_dtypes(),
    "another index": pd.DataFrame(NUMBERS, index=np.arange(50)[::-1]),
    "tensor": torch.from_numpy(NUMBERS),
    "sparse": csr_matrix(NUMBERS),
    "column by column": np.asfortranarray(NUMBERS),
    "negative zero": np.where(NUMBERS == 0, -0.0, NUMBERS),
    "images": NUMBERS.reshape(50, 1, 3),
}


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
def test_the_same_numbers_have_the_same_hashes(same):
    np.testing.assert_array_equal(row_hashes(same), row_hashes(NUMBERS))


def test_rows_differ_by_any_value_and_by_its_place():
    hashes = row_hashes(NUMBERS)
    assert len(np.unique(hashes)) == 50
    np.testing.assert_array_equal(row_hashes(NUMBERS[::-1]), hashes[::-1])
    assert not np.isin(row_hashes(NUMBERS[1:, ::-1]), hashes).any()
    assert not np.isin(row_hashes(NUMBERS + 1e-3), hashes).any()


RAGGED = [[1, 2], [3], [1, 2]]
ODD = {
    "texts": np.array([["a", "b"], ["c", "d"], ["a", "b"]]),
    "objects": np.array([["a", 1], ["c", None], ["a", 1]], dtype=object),
    "frame": pd.DataFrame({"a": [1, 2, 1], "b": pd.Categorical(["x", "y", "x"])}),
    "dates": np.array([["2020-01-01"], ["2021-01-01"], ["2020-01-01"]], dtype="M8[D]"),
    "missing": pd.DataFrame({"a": pd.array([1, None, 1], dtype="Int64"), "b": ["x", None, "x"]}),
    "ragged": RAGGED,
    "arrays of several sizes": [np.ones(2), np.ones(3), np.ones(2)],
    "objects that are arrays": pd.DataFrame({"a": RAGGED}),
    "records": np.array([(1, 2.0), (2, 2.0), (1, 2.0)], dtype=[("a", int), ("b", float)]),
    "long doubles": np.array([[1.0], [2.0], [1.0]], dtype=np.longdouble),
    "halves": np.array([[1.0], [2.0], [1.0]], dtype=np.float16),
    "complex": np.array([[1j], [2j], [1j]]),
    "enormous": np.array([[1e300], [2.0], [1e300]]),
    "not a number": np.array([[np.nan], [2.0], [np.nan]]),
    "bytes": np.array([[b"a"], [b"b"], [b"a"]]),
    "one dimension": np.array([1, 2, 1]),
}


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
def test_rows_of_any_kind_have_hashes(rows):
    first, second, third = row_hashes(rows)
    assert first == third != second


def test_rows_without_columns_are_all_alike():
    assert len(set(row_hashes(np.zeros((3, 0))))) == 1


# -- sketches ------------------------------------------------------------------------------


def hashes_of(n, seed=0, n_values=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) if n_values is None else rng.integers(0, n_values, size=(n, 1))
    return row_hashes(X)


@pytest.mark.parametrize("n", [5, 100, SKETCHED, 100_000])
def test_all_rows_and_a_fair_part_are_known_again(n):
    hashes = hashes_of(n)
    sketch = RowSketch.of(hashes)
    assert sketch.share_of(hashes[::-1]) == 1.0
    part = hashes[: max(5, n // 20)]
    assert sketch.share_of(part) == pytest.approx(1.0)
    assert sketch.share_of(np.r_[part, hashes_of(len(part), seed=1)]) == pytest.approx(0.5, abs=0.2)
    assert len(sketch.smallest) <= SKETCHED


@pytest.mark.parametrize("n_values", [None, 2, 10, 1000, 100_000])
@pytest.mark.parametrize("n", [3, 20, 200, 5000])
@pytest.mark.thinned(4)
def test_other_rows_are_not(n, n_values):
    sketch = RowSketch.of(hashes_of(1000, n_values=n_values), np.arange(500), np.arange(500, 1000))
    assert all(sketch.share_of(hashes_of(n, seed, n_values)) == 0.0 for seed in range(1, 30))


@pytest.mark.parametrize("n_values", [10, 30])
def test_the_halves_of_discrete_data_are_known_again(n_values):
    hashes = hashes_of(1000, n_values=n_values)
    candidate, safety = np.arange(0, 1000, 2), np.arange(1, 1000, 2)
    sketch = RowSketch.of(hashes, candidate, safety)
    for rows in (hashes, hashes[candidate][::-1], hashes[safety]):
        assert sketch.share_of(rows) == 1.0


def test_constant_rows_have_no_information():
    hashes = row_hashes(np.zeros((200, 2)))
    assert RowSketch.of(hashes).share_of(hashes) == 0.0


# -- certify ---------------------------------------------------------------------------------

GIVEN = "were given to SeldonianClassifier.fit"
OTHER = "The model was fitted to other rows, and chosen by other rows."


def classifier(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 2, "random_state": 0, **params}
    )


AROUND = {
    "alone": lambda model: model,
    "own search": lambda model: SeldonianSearchCV(model, {"lr": [0.01]}, cv=2),
    "pipeline": lambda model: make_pipeline(StandardScaler(), PolynomialFeatures(), model),
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "threshold": FixedThresholdClassifier,
    "tuned threshold": lambda model: TunedThresholdClassifierCV(model, cv=2),
    "grid search": lambda model: GridSearchCV(model, {"lr": [0.01]}, cv=2),
    "vote": lambda model: VotingClassifier([("a", LogisticRegression()), ("b", model)]),
    "stack": lambda model: StackingClassifier([("a", model)], LogisticRegression(), cv=2),
    "bag": lambda model: BaggingClassifier(model, n_estimators=1, random_state=0),
    "one vs rest": OneVsRestClassifier,
}


@pytest.mark.filterwarnings("ignore:.*exact copies")
@pytest.mark.parametrize("constraints", ["ACC >= 0.1", ()], ids=["constrained", "free"])
@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.thinned(4)
def test_rows_of_fit_are_known_again(blobs, around, constraints):
    X, y = blobs
    fitted = around(classifier(constraints)).fit(X[:500], y[:500])
    fitted = pickle.loads(pickle.dumps(fitted))
    order = np.random.default_rng(0).permutation(500)
    for rows in (np.arange(500), order, np.arange(100, 300), np.arange(300, 700)):
        with pytest.warns(SafetyDataReusedWarning, match="given to SeldonianClassifier.fit"):
            certificate = certify(fitted, X[rows], y[rows], "ACC >= 0.1")
        assert [a for a in certificate.assumptions if "Not met" in a and GIVEN in a]
        assert OTHER not in certificate.assumptions
    fresh = certify(fitted, X[500:], y[500:], "ACC >= 0.1")
    assert OTHER in fresh.assumptions
    assert "Not met" not in fresh.explain(None)


@pytest.mark.parametrize(
    "around",
    [FrozenEstimator, lambda model: CalibratedClassifierCV(FrozenEstimator(model))],
)
def test_rows_of_frozen_models_are_recognised(blobs, around):
    X, y = blobs
    model = classifier().fit(X[:400], y[:400])
    whole = around(model).fit(X[400:700], y[400:700])
    with pytest.warns(SafetyDataReusedWarning):
        certify(whole, X[:400], y[:400], "ACC >= 0.1")
    certify(whole, X[700:], y[700:], "ACC >= 0.1")


@pytest.mark.parametrize(
    "given",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.tolist(),
        lambda X: torch.from_numpy(X),
        lambda X: np.asfortranarray(X),
    ],
    ids=["single", "list", "tensor", "fortran"],
)
def test_rows_are_known_again_in_another_container(blobs, given):
    X, y = blobs
    model = classifier().fit(X, y)
    with pytest.warns(SafetyDataReusedWarning):
        certify(model, given(X), y, "ACC >= 0.1")


def test_frames_with_texts_are_known_again(blobs):
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    X, y = blobs
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "high", "low")})
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["b"]), remainder="passthrough"
    )
    model = classifier(preprocessor=encode).fit(frame[:500], y[:500])
    with pytest.warns(SafetyDataReusedWarning):
        certify(model, frame[200:400], y[200:400], "ACC >= 0.1")
    certify(model, frame[500:], y[500:], "ACC >= 0.1")


def test_rows_of_a_regressor_are_recognised(blobs):
    X, _ = blobs
    model = SeldonianRegressor(max_epochs=1, random_state=0).fit(X, X[:, 0])
    ranges = {"target_range": (-9, 9), "prediction_range": (-99, 99)}
    with pytest.warns(SafetyDataReusedWarning, match="given to SeldonianRegressor.fit"):
        certify(model, X, X[:, 0], "MAE <= 50", **ranges)


@pytest.mark.parametrize("rows", [slice(None, None, -1), slice(100, 300), slice(0, 500)])
def test_the_method_recognises_them_too(blobs, rows):
    X, y = blobs
    model = classifier().fit(X[:500], y[:500])
    with pytest.warns(SafetyDataReusedWarning):
        certificate = model.certify(X[:500][rows], y[:500][rows])
    assert "Not met" in certificate.explain(None)
    assert "Not met" not in model.certify(X[500:], y[500:]).explain(None)


def test_the_same_rows_in_another_order_are_the_same_data(blobs):
    X, y = blobs
    model = classifier().fit(X, y)
    with pytest.warns(SafetyDataReusedWarning, match="tested once before"):
        model.fit(X[::-1], y[::-1])


def test_a_certificate_of_another_model_has_an_assumption(blobs):
    X, y = blobs
    certificate = certify(LogisticRegression().fit(X, y), X, y, "ACC >= 0.1")
    assert OTHER in certificate.assumptions


def test_loaded_parameters_have_no_record_of_rows(blobs, tmp_path):
    X, y = blobs
    model = classifier().fit(X, y)
    model.save_params(tmp_path / "weights")
    loaded = clone(model).load_params(tmp_path / "weights")
    explained = certify(loaded, X, y, "ACC >= 0.1").explain(None)
    assert f"{OTHER} This was not checked: the file that SeldonianClassifier loaded" in explained
    with pytest.warns(SafetyDataReusedWarning):
        certify(model.load_params(tmp_path / "weights"), X, y, "ACC >= 0.1")


def test_threads_do_not_hear_each_other(blobs):
    X, y = blobs
    model = classifier().fit(X[:500], y[:500])
    listening, asked = threading.Event(), threading.Event()

    class Waits(LogisticRegression):
        def predict(self, X):
            listening.set()
            assert asked.wait(10)
            return super().predict(X)

    other, found = Waits().fit(X, y), []
    thread = threading.Thread(
        target=lambda: found.append(certify(other, X[:500], y[:500], "ACC >= 0.1"))
    )
    thread.start()
    assert listening.wait(10)
    model.predict(X[:500])
    asked.set()
    thread.join()
    assert OTHER in found[0].assumptions


def test_a_refit_forgets_the_rows(blobs):
    X, y = blobs
    model = classifier().fit(X[:500], y[:500])
    model.fit(X[500:], y[500:])
    certify(model, X[:500], y[:500], "ACC >= 0.1")

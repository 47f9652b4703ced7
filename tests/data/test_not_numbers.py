"""Values that are not numbers are refused; the message names their columns and the next step."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.data import _columns
from sklearn_seldonian.modules import MLP


def fitted(X, y, constraints="ACC >= 0.6", **params):
    params = {"max_epochs": 3, "random_state": 0, **params}
    return SeldonianClassifier(MLP, constraints=constraints, **params).fit(X, y)


def with_nan():
    X = np.arange(300.0).reshape(100, 3) / 300
    X[3, 1] = X[4, 2] = X[5, 2] = np.nan
    return X


NOT_NUMBERS = {
    "array": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "lists": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "None": lambda X: np.where(np.isnan(X), None, X.astype(object)),
    "pandas' NA": lambda X: np.where(np.isnan(X), pd.NA, X.astype(object)),
    "tensor": torch.from_numpy,
    "frame": lambda X: pd.DataFrame(X, columns=list("abc")),
    "nullable": lambda X: pd.DataFrame(X, columns=list("abc")).convert_dtypes(),
    "objects in a frame": lambda X: pd.DataFrame(X, columns=list("abc")).astype(object),
    "polars": lambda X: pl.DataFrame(X, schema=list("abc")),
    "polars null": lambda X: pl.DataFrame(X, schema=list("abc")).fill_nan(None),
    "arrow": lambda X: pa.table(pd.DataFrame(X, columns=list("abc"))),
}


@pytest.mark.parametrize("kind", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_nan_is_refused_with_the_columns_and_the_remedy(kind):
    X, y = kind(with_nan()), np.arange(100) % 2
    b, c = ("'b'", "'c'") if hasattr(X, "columns") else (1, 2)
    message = f"Input X contains NaN: 1 in column {b}, 2 in column {c} .of 100 rows.*preprocessor="
    with pytest.raises(ValueError, match=message) as caught:
        fitted(X, y, ())
    assert "make_pipeline" not in str(caught.value)
    model = fitted(kind(np.nan_to_num(with_nan())), y, ())
    with pytest.raises(ValueError, match=message):
        model.predict(X)


def test_an_imputer_inside_is_a_remedy():
    X, y = with_nan(), np.arange(100) % 2
    for table in (
        X,
        pd.DataFrame(X),
        pl.DataFrame(X),
        pa.table(pd.DataFrame(X, columns=list("abc"))),
    ):
        assert fitted(table, y, (), preprocessor=SimpleImputer()).predict(table).shape == (100,)


def test_other_shapes_and_values_that_are_no_numbers():
    X, y = with_nan(), np.arange(100) % 2
    with pytest.raises(ValueError, match="contains NaN: in 3 rows"):
        fitted(X.reshape(100, 1, 3), y, ())
    with pytest.raises(ValueError, match="contains masked values: 1 in column 1, 2 in column 2"):
        fitted(np.ma.masked_invalid(X), y, ())
    X[3, 1] = np.inf
    with pytest.raises(ValueError, match="contains NaN: 2 in column 2"):
        fitted(X, y, ())
    with pytest.raises(ValueError, match=r"contains infinity .*: 1 in column 1 "):
        fitted(X[:4], y[:4], ())
    many = np.full((10, 9), np.nan)
    with pytest.raises(ValueError, match="10 in column 4, and some in 4 more columns"):
        fitted(many, y[:10], ())


@pytest.mark.parametrize(
    ("preprocessor", "columns"),
    [
        (StandardScaler(), "1 in column 'b', 2 in column 'c'"),
        (FunctionTransformer(), "1 in column 'b', 2 in column 'c'"),
        (FunctionTransformer(lambda X: np.asarray(X)[:, :2]), "1 in column 1"),
        (make_pipeline(StandardScaler(), FunctionTransformer(np.asarray)), "1 in column 1"),
    ],
)
def test_nan_that_a_preprocessor_returns_is_said_to_be_its_own(preprocessor, columns):
    frame = pd.DataFrame(with_nan(), columns=list("abc"))
    name = type(preprocessor).__name__
    message = f"the preprocessor {name} contains NaN: {columns}.*imputer to its steps"
    with pytest.raises(ValueError, match=message):
        fitted(frame, np.arange(100) % 2, (), preprocessor=preprocessor)


WHEN = pd.Series(pd.date_range("2020-01-01", periods=100), name="when")
DATES = {
    "times": WHEN,
    "time zone": WHEN.dt.tz_localize("UTC"),
    "durations": WHEN - WHEN[0],
    "days": WHEN.dt.date,
    "periods": WHEN.dt.to_period("D"),
    "arrow": WHEN.convert_dtypes(dtype_backend="pyarrow"),
    "category": WHEN.astype("category"),
}


@pytest.mark.parametrize("when", DATES.values(), ids=DATES)
@pytest.mark.parametrize(
    ("table", "name"),
    [
        (lambda when: when.to_frame(), "'when'"),
        (lambda when: pd.DataFrame({"a": 1.0, "when": when}), "'when'"),
        (lambda when: when.to_numpy()[:, None], "0"),
        (lambda when: when.to_numpy()[:, None].tolist(), "0"),
        (lambda when: pd.DataFrame({"a": 1.0, "when": when}).to_numpy(), "1"),
    ],
    ids=["alone", "beside a number", "array", "lists", "objects"],
)
def test_dates_are_no_numbers(when, table, name):
    X, y = table(when), np.arange(100) % 2
    if isinstance(X, list) and not isinstance(X[0][0], tuple(_columns.DATES)):
        pytest.skip("numpy makes integers of nanoseconds")
    with pytest.raises(ValueError, match=f"dates or durations, in column {name}, and modules need"):
        fitted(X, y, ())
    with pytest.raises(ValueError, match="the preprocessor FunctionTransformer contains"):
        fitted(X, y, (), preprocessor=FunctionTransformer())


def test_dates_in_frames_of_other_libraries_and_in_targets():
    y = np.arange(100) % 2
    for frame in (pl.DataFrame({"when": WHEN.dt.date.tolist()}), pa.table({"when": WHEN})):
        with pytest.raises(ValueError, match="dates or durations, in column 'when'"):
            fitted(frame, y, ())
    for target in (WHEN, WHEN.astype(object), WHEN.to_numpy(), WHEN - WHEN[0]):
        with pytest.raises(ValueError, match="y contains dates or durations"):
            SeldonianRegressor(max_epochs=1).fit(np.zeros((100, 1)), target)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        SeldonianRegressor(max_epochs=1).fit(
            np.zeros((100, 1)), pd.Series([1, None] * 50, dtype="Int64")
        )


def test_whole_numbers_that_no_float_holds_are_refused(blobs):
    X, y = blobs
    large = np.array(X, dtype=object)
    large[3, 1] = 10**400
    with pytest.raises(ValueError, match="a value too large for float64: 1 in column 1"):
        fitted(large, y)


@pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns:UserWarning")
def test_sparse_columns_of_a_frame(blobs):
    X, y = blobs
    frame = pd.DataFrame(np.where(X > 1, X, 0), columns=list("abc"))
    sparse = frame.astype({"b": pd.SparseDtype(float, 0.0)})
    model = SeldonianClassifier(max_epochs=1, random_state=0).fit(sparse, y)
    assert np.array_equal(model.predict(sparse), model.predict(frame))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        SeldonianClassifier().fit(sparse.mask(frame > 3), y)
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense data is required"):
        SeldonianClassifier().fit(frame.astype(pd.SparseDtype(float, 0.0)), y)

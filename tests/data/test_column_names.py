"""Names of columns, in frames of any library, and texts that are not Unicode."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_seldonian import SeldonianClassifier, SeldonianMetaClassifier, certify
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

REUSED = pytest.mark.filterwarnings("ignore::sklearn_seldonian.exceptions.SafetyDataReusedWarning")


def fitted(X, y, constraints, groups, **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    model = SeldonianClassifier(MLP, constraints=constraints, **params)
    return model.fit(X, y, sensitive_features=groups)


TABLES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}


@pytest.fixture
def table(blobs):
    X, y = blobs
    sex = np.where(np.arange(1000) % 2 == 0, "F", "M")
    return {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}, y, sex


@REUSED
@pytest.mark.parametrize("frame", TABLES.values(), ids=TABLES)
def test_frames_of_any_library_keep_their_names(table, frame):
    numbers, y, sex = table
    X, groups = frame(numbers), frame({"sex": sex})
    expected = fitted(
        pd.DataFrame(numbers), y, "max(PR, by=sex) <= 0.9", pd.DataFrame({"sex": sex})
    )
    model = fitted(X, y, "max(PR, by=sex) <= 0.9", groups)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.certificate_.results == expected.certificate_.results
    assert np.array_equal(model.predict(X), expected.predict(pd.DataFrame(numbers)))
    again = model.certify(X, y, sensitive_features=groups)
    assert again.results[0].rows == {'PR | [sex == "F"]': 500, 'PR | [sex == "M"]': 500}
    with pytest.raises(ValueError, match="Unknown column 'sexx'; did you mean 'sex'"):
        fitted(X, y, "PR | [sexx == 'F'] <= 0.9", groups)


@pytest.mark.parametrize("frame", TABLES.values(), ids=TABLES)
def test_columns_of_X_in_frames_of_any_library(table, frame):
    numbers, y, _ = table
    model = fitted(
        frame(numbers), y, "PR | [a >= 0.5] <= 0.99", None, preprocessor=StandardScaler()
    )
    (result,) = model.certificate_.results
    assert sum(result.rows.values()) == (numbers["a"][model.safety_indices_] >= 0.5).sum()
    foreign = FunctionTransformer(np.asarray), LogisticRegression()
    foreign = make_pipeline(*foreign).fit(pd.DataFrame(numbers), y)
    (result,) = certify(foreign, frame(numbers), y, "PR | [a >= 0.5] <= 0.99").results
    assert sum(result.rows.values()) == (numbers["a"] >= 0.5).sum()


@pytest.mark.parametrize("frame", TABLES.values(), ids=TABLES)
def test_searches_over_frames_of_any_library(table, frame):
    numbers, y, sex = table
    model = SeldonianClassifier(
        MLP, constraints="max(PR, by=sex) <= 0.95", max_epochs=1, random_state=0
    )
    search = SeldonianSearchCV(model, {"lr": [0.01]}, cv=2)
    search.fit(frame(numbers), y, sensitive_features=frame({"sex": sex}))
    assert search.feature_names_in_.tolist() == ["a", "b", "c"]
    assert len(search.certificate_.results[0].rows) == 2


@pytest.mark.parametrize(
    "series",
    [
        lambda v: pl.Series("sex", v),
        lambda v: pd.Series(v, name="sex"),
        lambda v: pd.Index(v, name="sex"),
    ],
)
def test_series_keep_their_names(table, series):
    numbers, y, sex = table
    model = fitted(pl.DataFrame(numbers), pl.Series(y), "max(PR, by=sex) <= 0.95", series(sex))
    assert len(model.certificate_.results[0].rows) == 2


SURROGATES = np.array(["a\ud800", "b"] * 100, dtype=object)


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        (list(SURROGATES), "sensitive_feature_0"),
        (SURROGATES, "sensitive_feature_0"),
        (pd.DataFrame({"g": pd.Series(SURROGATES, dtype=object)}), "g"),
    ],
    ids=["list", "array", "frame"],
)
def test_texts_that_are_not_unicode_are_texts(groups, name):
    X, y = np.zeros((200, 1)), np.tile([0, 1], 100)
    model = LogisticRegression().fit(X, y)
    certificate = certify(model, X, y, f"max(ACC, by={name}) >= 0.4", sensitive_features=groups)
    assert len(certificate.results[0].rows) == 2
    certificate.explain(None).encode()


def test_labels_that_are_not_unicode_are_trained_on():
    y = np.tile([0, 1], 100)
    X = np.random.default_rng(0).normal(size=(200, 2)) + 3.0 * y[:, None]
    labels = np.where(y == 1, "a\ud800", "b")
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.1", random_state=0)
    assert model.fit(X, labels).solution_found_


def arrow(columns, names):
    return pa.Table.from_arrays([pa.array(column) for column in columns.T], names=names)


def frame(columns, names):
    return pd.DataFrame(columns, columns=names)


@pytest.mark.parametrize("twice", [arrow, frame])
@pytest.mark.parametrize(
    "model",
    [
        SeldonianClassifier(),
        SeldonianClassifier(preprocessor=StandardScaler()),
        SeldonianMetaClassifier(LogisticRegression()),
    ],
    ids=["module", "preprocessor", "meta"],
)
def test_several_columns_of_one_name_are_refused(model, blobs, twice):
    X = twice(blobs[0], ["a", "b", "a"])
    with pytest.raises(
        ValueError, match="X has several columns named 'a', and a model identifies columns"
    ):
        model.fit(X, blobs[1])


def test_of_rows_to_predict_as_well(blobs):
    X, y = blobs
    model = fitted(frame(X, ["a", "b", "c"]), y, "ACC >= 0.5", None)
    for ask in (model.predict, model.predict_proba, lambda rows: model.certify(rows, y)):
        with pytest.raises(ValueError, match="X has several columns named 'b'"):
            ask(frame(X, ["a", "b", "b"]))

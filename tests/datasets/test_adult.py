import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.datasets import load_adult

SOURCE = Path(__file__).parents[3] / "shared" / "data" / "adult" / "adult.csv.gz"


@pytest.fixture(scope="module")
def adult():
    return load_adult()


def test_shapes_and_names(adult):
    assert adult.data.shape == (48842, 12)
    assert adult.target.shape == (48842,)
    assert list(adult.data.columns) == adult.feature_names
    assert list(adult.sensitive_features.columns) == ["sex", "race"]
    assert not {"sex", "race", "income"} & set(adult.feature_names)
    assert adult.frame.shape == (48842, 15)


def test_target_is_the_published_share(adult):
    assert set(adult.target) == {0, 1}
    assert adult.target.mean() == pytest.approx(0.2393, abs=5e-5)
    assert adult.target[:32561].sum() == 7841  # of the training rows of the source
    assert len(adult.target_names) == 2


def test_missing_values_are_nan(adult):
    missing = adult.frame.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "workclass": 2799,
        "occupation": 2809,
        "native_country": 857,
    }
    assert not (adult.frame == "?").any(axis=None)


def test_columns_have_their_types(adult):
    numbers = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    assert list(adult.data.select_dtypes("number").columns) == numbers
    assert set(adult.sensitive_features["sex"]) == {"Female", "Male"}
    assert adult.sensitive_features["race"].nunique() == 5
    assert adult.data.groupby("education")["education_num"].nunique().eq(1).all()


def test_arrays(adult):
    arrays = load_adult(as_frame=False)
    assert isinstance(arrays.data, np.ndarray)
    assert arrays.data.dtype == object
    assert arrays.frame is None
    assert pd.DataFrame(arrays.data).isna().sum().sum() == 2799 + 2809 + 857
    X, y = load_adult(return_X_y=True)
    assert X.equals(adult.data)
    assert y.equals(adult.target)
    X, y = load_adult(as_frame=False, return_X_y=True)
    assert X.shape == (48842, 12)
    assert (y == adult.target).all()


def test_names_source_and_licence(adult):
    for text in (adult.DESCR, load_adult.__doc__):
        assert "Becker" in text
        assert "Kohavi" in text
        assert "CC BY 4.0" in text


@pytest.mark.skipif(not SOURCE.exists(), reason="the source's file is not on this machine")
def test_nothing_of_the_source_is_lost(adult):
    with gzip.open(SOURCE, "rt") as stream:
        source = pd.read_csv(stream, dtype=str, keep_default_na=False)
    shipped = adult.frame[source.columns].astype(object)
    assert shipped.where(shipped.notna(), "?").astype(str).equals(source.astype(object).astype(str))

"""Rows that were copied before the split are noticed, and other rows are not."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from sklearn.datasets import load_breast_cancer, load_digits
from torchvision.datasets import MNIST

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.data import _copies
from sklearn_seldonian.data._copies import remark_on_copies
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.modules import MLP

DATA = "../shared/data"


def halves(X, y):
    """The rows in two random halves, each in the original order."""
    order = np.random.default_rng(3).permutation(len(y))
    rows = LabelledRows(X, np.asarray(y), np.asarray(y), {})
    return [rows.take(np.sort(part)) for part in np.array_split(order, 2)]


def german():
    table = pd.read_csv(f"{DATA}/german/german.csv")
    return table.drop(columns="credit_rating"), table["credit_rating"]


NATURAL = {
    "continuous": lambda: (np.random.default_rng(0).normal(size=(900, 4)), np.arange(900) % 2),
    "gpa": lambda: load_gpa(as_frame=True, return_X_y=True),
    "german": german,
    "digits": lambda: load_digits(return_X_y=True),
    "mnist": lambda: (np.concatenate([MNIST(DATA).data[:4000]]), MNIST(DATA).targets[:4000]),
    "bits": lambda: (np.random.default_rng(0).integers(0, 2, (900, 5)), np.arange(900) % 2),
    "one whole number": lambda: (
        np.random.default_rng(0).integers(18, 80, (900, 1)),
        np.random.default_rng(1).integers(0, 2, 900),
    ),
    "missing numbers beside a category": lambda: (
        pd.DataFrame(
            {
                "a": np.where(np.arange(900) % 5, np.random.default_rng(0).normal(size=900), 0.0),
                "b": np.where(np.arange(900) % 5, np.random.default_rng(1).random(900), np.nan),
                "c": ["x", "y", "z"] * 300,
            }
        ),
        np.arange(900) % 2,
    ),
    "all the same": lambda: (np.zeros((900, 3)), np.arange(900) % 2),
    "few copies": lambda: (
        np.random.default_rng(0).normal(size=(900, 2))[np.r_[:880, :20]],
        np.arange(900) % 2,
    ),
}
COPIED = {
    "continuous": NATURAL["continuous"],
    "german": german,
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "text beside numbers": lambda: (
        pd.DataFrame({"a": np.random.default_rng(0).normal(size=900), "b": ["x", None, "z"] * 300}),
        np.arange(900) % 2,
    ),
}


STRANGE = {
    "ragged lists": lambda rng: [rng.normal(size=1 + i % 3).tolist() for i in range(100)],
    "images of several sizes": lambda rng: [rng.normal(size=(1 + i % 3, 2)) for i in range(100)],
    "tensors": lambda rng: [torch.from_numpy(rng.normal(size=1 + i % 3)) for i in range(100)],
    "texts": lambda rng: [f"text {number}" for number in rng.normal(size=100)],
    "long doubles": lambda rng: rng.normal(size=(100, 2)).astype(np.longdouble),
    "complex": lambda rng: rng.normal(size=(100, 2)) + 1j,
    "lists in pandas": lambda rng: pd.DataFrame({"a": list(rng.normal(size=(100, 2)))}),
    "arrow lists": lambda rng: pa.table({"a": rng.normal(size=(100, 2)).tolist()}).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "polars": lambda rng: pl.DataFrame({"a": rng.normal(size=(100, 2)).tolist()}),
    "structured": lambda rng: np.array(
        list(enumerate(rng.normal(size=100))), dtype=[("n", int), ("x", float)]
    ),
    "times": lambda rng: pd.DataFrame(
        {"t": pd.to_datetime(rng.integers(0, 10**15, size=100)), "p": ["x", None] * 50}
    ),
    "objects": lambda rng: np.array([Decimal(x) for x in rng.normal(size=100)])[:, None],
}


class TestCopies:
    @pytest.mark.parametrize("data", NATURAL.values(), ids=NATURAL)
    def test_rows_as_nature_has_them_are_not_remarked_on(self, data):
        assert remark_on_copies(*halves(*data())) is None

    @pytest.mark.parametrize("data", COPIED.values(), ids=COPIED)
    def test_a_resampler_in_front_is(self, data):
        X, y = data()
        rare = np.flatnonzero(np.asarray(y) == 1)[:60]
        rows = np.r_[np.flatnonzero(np.asarray(y) == 0), np.tile(rare, 5)]
        copied = X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
        remark = remark_on_copies(*halves(copied, np.asarray(y)[rows]))
        assert "% of the compared safety rows are exact copies of candidate rows" in remark
        assert "Resample inside the estimator, with preprocessor=." in remark

    @pytest.mark.parametrize("rows", STRANGE.values(), ids=STRANGE)
    def test_rows_of_any_kind_are_compared(self, rows):
        """A function that only warns must not raise."""
        X = rows(np.random.default_rng(0))
        y = np.arange(100) % 2
        one, other = (LabelledRows(X, y, y, {}).take(np.arange(k, 100, 2)) for k in (0, 1))
        assert remark_on_copies(one, other) is None
        assert "100% of the compared safety rows" in remark_on_copies(one, one)

    def test_large_data_are_sampled(self, monkeypatch):
        read = []

        def indexing(X, index):
            read.append(len(index))
            return X[index]

        monkeypatch.setattr(_copies, "_safe_indexing", indexing)
        rng = np.random.default_rng(0)
        X, y = RandomOverSampler(random_state=0).fit_resample(
            rng.normal(size=(100_000, 3)), rng.random(100_000) < 0.02
        )
        assert remark_on_copies(*halves(X, y)) is not None
        assert read == [5000, 5000]

    def test_training_is_the_same_with_the_warning(self, blobs):
        X, y = blobs
        copied = np.concatenate([X, X])
        labels = np.concatenate([y, y])
        mask = np.arange(2000) >= 1000
        with pytest.warns(UserWarning, match="100% of the compared safety rows"):
            model = SeldonianClassifier(
                MLP, constraints="ACC >= 0.6", random_state=0, max_epochs=2
            ).fit(copied, labels, safety_mask=mask)
        copied[1000:] += 1e-6
        expected = SeldonianClassifier(
            MLP, constraints="ACC >= 0.6", random_state=0, max_epochs=2
        ).fit(copied, labels, safety_mask=mask)
        one, other = model.certificate_, expected.certificate_
        assert one.fingerprints["weights"] == other.fingerprints["weights"]
        (copies,) = set(one.remarks) - set(other.remarks)
        assert copies.startswith("100% of the compared safety rows")

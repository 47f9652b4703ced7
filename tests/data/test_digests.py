"""Fingerprints are equal for equal rows in any container, and differ for other rows."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.certification._provenance import fingerprint, fingerprints_of, row_sums
from sklearn_seldonian.modules import MLP


def data_of(X, y=(0, 1, 1), columns=None):
    columns = columns or {}
    return fingerprints_of(row_sums(X, np.asarray(y), columns), columns)["data"]


NUMBERS = np.array([[1.0, 2.5, 0.0], [3.0, np.nan, -1.0], [1.0, 2.5, 0.0]])
SAME = {
    "float32": NUMBERS.astype(np.float32),
    "float16": NUMBERS.astype(np.float16),
    "long double": NUMBERS.astype(np.longdouble),
    "objects": NUMBERS.astype(object),
    "lists": NUMBERS.tolist(),
    "None for NaN": np.where(np.isnan(NUMBERS), None, NUMBERS.astype(object)),
    "negative zero": NUMBERS * np.array([1, 1, -1]) * np.array([1, 1, -1.0]),
    "Fortran": np.asfortranarray(NUMBERS),
    "more dimensions": NUMBERS.reshape(3, 1, 3),
    "masked": np.ma.masked_invalid(NUMBERS),
    "tensor": torch.from_numpy(NUMBERS),
    "pandas": pd.DataFrame(NUMBERS),
    "nullable": pd.DataFrame(NUMBERS).convert_dtypes(),
    "arrow in pandas": pd.DataFrame(NUMBERS, columns=list("abc")).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "category": pd.DataFrame(NUMBERS).astype({0: "category"}),
    "polars": pl.DataFrame(NUMBERS, schema=list("abc")),
    "arrow": pa.table(pd.DataFrame(NUMBERS, columns=list("abc"))),
}


@pytest.mark.parametrize("X", SAME.values(), ids=SAME)
def test_equal_numbers_have_one_fingerprint(X):
    assert data_of(X) == data_of(NUMBERS)


def changed(X, place, value):
    X = X.copy()
    X[place] = value
    return X


OTHER = [
    changed(NUMBERS, (0, 0), np.nextafter(1.0, 2.0)),
    changed(NUMBERS, (1, 1), 0.0),
    NUMBERS[:, [1, 0, 2]],
    NUMBERS[:, :2],
    np.c_[NUMBERS, np.zeros(3)],
    NUMBERS[[0, 1, 1]],
    NUMBERS.astype(str),
]


@pytest.mark.parametrize("X", OTHER, ids=range(len(OTHER)))
def test_other_numbers_have_another(X):
    assert data_of(X) != data_of(NUMBERS)


@pytest.mark.parametrize("width", [4, 40], ids=["narrow", "wide"])
def test_the_order_of_rows_does_not_matter_and_what_belongs_together_does(width):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, width)), rng.integers(0, 2, 50)
    columns = {"a": rng.integers(0, 2, 50), "b": rng.choice(["x", "y"], 50).astype(object)}
    own = data_of(X, y, columns)
    order = rng.permutation(50)
    assert own == data_of(X[order], y[order], {n: v[order] for n, v in columns.items()})
    assert own != data_of(X[order], y, columns)
    assert own != data_of(X, y[order], columns)
    assert own != data_of(X, y, {**columns, "a": columns["a"][order]})
    assert own != data_of(X, y, {"a": columns["a"], "c": columns["b"]})
    twice = np.r_[:50, 0]
    assert own != data_of(X[twice], y[twice], {n: v[twice] for n, v in columns.items()})


def test_large_integers_are_distinguished():
    ids = np.array([[2**60], [2**60 + 1], [5]])
    assert data_of(ids) != data_of(np.array([[2**60], [2**60], [5]]))
    assert data_of(ids) == data_of(pd.DataFrame(ids)) == data_of(ids.astype(object))
    assert data_of(ids.astype(object) * 10**300) != data_of(ids)


RAGGED = [[1, 2, 3], [4], [5, 6]]
IMAGES = [np.zeros((2, 3)), np.ones((3, 2)), np.zeros((1, 1))]
STRANGE = {
    "texts": ["a", "b", "c"],
    "text array": np.array(["a", "b", "c"]),
    "table of texts and numbers": [["a", 1], ["b", 2], ["c", 3]],
    "mixed frame": pd.DataFrame({"a": ["x", None, "z"], "b": [1.0, 2.0, 3.0]}),
    "ragged": RAGGED,
    "ragged objects": pd.Series(RAGGED).to_numpy(),
    "images": IMAGES,
    "tensors": [torch.zeros(2), torch.ones(3), torch.zeros(1)],
    "dicts": [{"a": 1}, {"b": 2}, {"a": 2}],
    "arrow lists": pa.table({"a": RAGGED}),
    "arrow lists in pandas": pa.table({"a": RAGGED}).to_pandas(types_mapper=pd.ArrowDtype),
    "polars lists": pl.DataFrame({"a": RAGGED}),
    "structured": np.array([(1, "a"), (2, "b"), (3, "c")], dtype=[("n", int), ("t", "U1")]),
    "times": np.array(["2020-01-01", "2020-01-02", "NaT"], dtype="datetime64[D]"),
    "bytes": np.array([b"a", b"b", b"c"]),
    "complex": np.array([[1j], [2j], [3j]]),
    "sparse": csr_array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]),
    "dataset": torch.utils.data.TensorDataset(torch.arange(3), torch.ones(3)),
    "objects": [object(), object(), object()],
    "unpicklable": [lambda: 1, lambda: 2, lambda: 3],
}


@pytest.mark.parametrize("X", STRANGE.values(), ids=STRANGE)
def test_rows_of_any_kind_have_a_fingerprint(X):
    y = np.arange(len(X) if not hasattr(X, "shape") else X.shape[0])
    own = data_of(X, y)
    assert own == data_of(X, y)
    assert len(own) == 32
    assert len(fingerprint(X)) == 32
    assert own != data_of(NUMBERS, y)


@pytest.mark.parametrize("name", ["texts", "ragged", "images", "tensors", "dicts", "bytes"])
def test_one_other_row_is_noticed(name):
    X = list(STRANGE[name])
    own = data_of(X)
    assert own == data_of([X[1], X[0], X[2]], (1, 0, 1))
    assert own != data_of([X[0], X[1], X[0]])


def test_sparse_rows_count_what_is_not_zero():
    X = csr_array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    stored = csr_array((np.array([1.0, 2.0, 0.0]), ([0, 1, 2], [1, 0, 0])), shape=(3, 2))
    assert data_of(X) == data_of(stored) == data_of(X.tocsc())
    assert data_of(X) != data_of(X * 2)


# -- sums over parts -------------------------------------------------------------------------------

PARTS = {
    "numbers": pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}),
    "texts and missing ones": pd.DataFrame({"a": ["x", "y", None, "y"], "b": [1, 2, 3, 4]}),
    "numbers, then texts": pd.DataFrame({"a": [1, 2, "x", None]}, dtype=object),
    "large integers": pd.DataFrame({"a": [1, 2, 2**60, 2**60 + 1], "b": list("xyxz")}),
    "nothing, then texts": pd.DataFrame({"a": [None, None, "x", "y"], "b": [0.5, None, 1, 2]}),
}


@pytest.mark.parametrize("frame", PARTS.values(), ids=PARTS)
def test_sums_of_parts_add_up_to_those_of_the_whole(frame):
    y, scores = np.arange(4), np.array([0.1, 0.2, 0.3, 0.4])
    groups = np.array(["F", "M", "M", 3], dtype=object)

    def sums(rows):
        return row_sums(frame[rows], y[rows], {"sex": groups[rows]}, scores=scores[rows])

    whole, parts = sums(slice(None)), [sums(slice(2)), sums(slice(2, 4))]
    for order in (parts, parts[::-1]):
        assert {name: order[0][name] + order[1][name] for name in whole} == whole
    assert parts[0]["data"] + parts[0]["data"] != whole["data"]
    texts = fingerprints_of(whole, ["sex"])
    assert texts != fingerprints_of(whole, ["race"])
    assert {len(text) for text in texts.values()} == {32}


class TestCertificates:
    """The fingerprints that `certify` and the estimators put into a certificate."""

    CONSTRAINT = 'PR | [race == "A"] <= 0.99'

    def prints(self, model, X, y, groups, **options):
        certificate = certify(model, X, y, self.CONSTRAINT, sensitive_features=groups, **options)
        return certificate.fingerprints

    def test_the_data(self, blobs, groups):
        X, y = blobs
        X = X.astype(np.float32)
        model = LogisticRegression().fit(X, y)
        own = self.prints(model, X, y, groups)
        assert set(own) == {"data", "data: y", "data: column race", "decisions"}
        order = np.random.default_rng(0).permutation(1000)
        same = [
            (X.astype(np.float64), y, groups),
            (X, y, groups.iloc[:, ::-1]),
            (X, y, groups.astype({"race": "category"})),
            (X[order], y[order], groups.iloc[order]),
        ]
        for rows in same:
            assert self.prints(model, *rows) == own
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        on_frames = LogisticRegression().fit(frame, y)
        assert self.prints(on_frames, frame, y, groups) == own
        others = [
            (changed(X, (5, 2), 9.0), y, groups),
            (X, changed(y, 5, 1 - y[5]), groups),
            (X, y, groups.assign(race=changed(groups["race"].to_numpy(), 5, "Z"))),
            (X[1:], y[1:], groups[1:]),
            (np.r_[X, X[:1]], np.r_[y, y[:1]], pd.concat([groups, groups[:1]])),
        ]
        for rows in others:
            assert self.prints(model, *rows)["data"] != own["data"]

    def test_columns_that_do_not_decide_count(self, blobs, groups):
        X, y = blobs
        model = DummyClassifier().fit(X, y)
        other = X.copy()
        other[:, 1:] = 999
        assert self.prints(model, X, y, groups) != self.prints(model, other, y, groups)

    def test_answers_have_their_own_names(self, blobs, groups):
        X, y = blobs
        model = LogisticRegression().fit(X, y)
        drawn = self.prints(model, X, y, groups, decision="sample")
        assert set(drawn) == {"data", "data: y", "data: column race", "probabilities"}
        order = np.random.default_rng(0).permutation(1000)
        again = self.prints(model, X[order], y[order], groups.iloc[order], decision="sample")
        assert again == drawn
        other = self.prints(LogisticRegression(C=0.01).fit(X, y), X, y, groups, decision="sample")
        assert other["data"] == drawn["data"]
        assert other["probabilities"] != drawn["probabilities"]
        numbers = LinearRegression().fit(X, X[:, 0])
        options = {"target_range": (-9, 9), "prediction_range": (-9, 9)}
        certificate = certify(numbers, X, X[:, 0], "MAE <= 1", **options)
        assert set(certificate.fingerprints) == {"data", "data: y", "predictions"}

    def test_texts(self):
        texts, y = ["good day", "bad day", "good", "bad"] * 20, np.array([1, 0, 1, 0] * 20)
        model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, y)
        own = certify(model, texts, y, "ACC >= 0.5").fingerprints
        assert own == certify(model, np.array(texts), y, "ACC >= 0.5").fingerprints
        assert own == certify(model, pd.Series(texts[::-1]), y[::-1], "ACC >= 0.5").fingerprints
        assert own != certify(model, ["good  day", *texts[1:]], y, "ACC >= 0.5").fingerprints

    @pytest.mark.filterwarnings("ignore::sklearn_seldonian.exceptions.SafetyDataReusedWarning")
    def test_method_and_function_agree_on_the_data(self, blobs, groups):
        X, y = blobs
        model = SeldonianClassifier(MLP, constraints=self.CONSTRAINT, max_epochs=1, random_state=0)
        model.fit(X, y, sensitive_features=groups)
        tested = model.safety_indices_
        for rows in ((X, y, groups), (X[tested], y[tested], groups.iloc[tested])):
            by_method = model.certify(rows[0], rows[1], sensitive_features=rows[2])
            assert by_method.fingerprints["data"] == self.prints(model, *rows)["data"]
        assert by_method.fingerprints["data"] == model.certificate_.fingerprints["data"]

"""Columns of any library, type and container: the values for conditions, or the error."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.constraints import levels_of, order_of
from sklearn_seldonian.data._groups import column_values
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.modules import MLP
from tests.data._schooling import LEVELS, ordered


def values_of(given, name="sensitive_feature_0", n_rows=None):
    n_rows = len(given) if n_rows is None else n_rows
    return column_values({name}, np.zeros((n_rows, 1)), given, n_rows)[name]


def fitted(X, y, constraints, groups, **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    model = SeldonianClassifier(MLP, constraints=constraints, **params)
    return model.fit(X, y, sensitive_features=groups)


# -- missing values ------------------------------------------------------------------------

NAN = float("nan")
MISSING = {
    "list": ["F", NAN, "M", None],
    "tuple": ("F", NAN, "M", NAN),
    "list of numbers": [1.0, NAN, 2.0, None],
    "pandas' NA": ["F", pd.NA, "M", pd.NaT],
    "objects": np.array(["F", None, "M", NAN], dtype=object),
    "text array": np.array(["F", NAN, "M", NAN]),
    "floats": np.array([1.0, NAN, 2.0, NAN]),
    "tensor": torch.tensor([1.0, NAN, 2.0, NAN]),
    "list of rows": [["F", 1], [NAN, 2], ["M", 3], [None, 4]],
    "list of tuples": [("F", 1), (NAN, 2), ("M", 3), (None, 4)],
    "list of arrays": [np.array(v, dtype=object) for v in (["F"], [None], ["M"], [NAN])],
    "series": pd.Series(["F", None, "M", NAN]),
    "category": pd.Series(["F", None, "M", NAN], dtype="category"),
    "nullable": pd.Series([1, None, 2, None], dtype="Int64"),
    "string": pd.Series(["F", None, "M", None], dtype="string"),
    "arrow in pandas": pd.Series(["F", None, "M", None], dtype=pd.ArrowDtype(pa.string())),
    "masked": np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 1]),
    "masked text": np.ma.array(["F", "M", "F", "M"], mask=[0, 1, 0, 1]),
    "list with masked": [1, np.ma.masked, 2, np.ma.masked],
    "Decimal": [Decimal(1), Decimal("NaN"), Decimal(2), None],
    "times": np.array(["2020-01-01", "NaT", "2020-01-02", "NaT"], dtype="datetime64[D]"),
    "categorical": pd.Categorical(["F", None, "M", None]),
    "index": pd.Index(["F", None, "M", None]),
    "polars": pl.Series(["F", None, "M", None]),
    "polars numbers": pl.Series([1, None, 2, None]),
    "polars NaN": pl.Series([1.0, NAN, 2.0, None]),
    "polars enum": pl.Series(["F", None, "M", None], dtype=pl.Enum(["F", "M"])),
    "arrow": pa.array(["F", None, "M", None]),
    "arrow chunks": pa.chunked_array([["F", None], ["M", None]]),
    "arrow dictionary": pa.array(["F", None, "M", None]).dictionary_encode(),
}


@pytest.mark.parametrize("given", MISSING.values(), ids=MISSING)
def test_missing_values_are_refused_with_name_and_count(given):
    with pytest.raises(ValueError, match="sensitive_feature_0' of sensitive_features has 2 miss"):
        values_of(given)


FRAMES = {
    "pandas": lambda d: pd.DataFrame(d),
    "polars": lambda d: pl.DataFrame(d),
    "arrow": lambda d: pa.table(d),
    "record batch": lambda d: pa.RecordBatch.from_pydict(d),
    "arrow in pandas": lambda d: pa.table(d).to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("place", ["X", "sensitive_features"])
def test_missing_values_of_frames(frame, place):
    given = frame({"sex": ["F", None, "M"], "a": [1, 2, 3]})
    X, groups = (given, None) if place == "X" else (np.zeros((3, 1)), given)
    with pytest.raises(ValueError, match=f"Column 'sex' of {place} has 1 missing"):
        column_values({"sex"}, X, groups, 3)
    assert column_values({"a"}, X, groups, 3)["a"].tolist() == [1, 2, 3]


def test_numbers_among_texts_stay_numbers():
    for rows in ([["F", 3], ["M", 5]], (("F", 3), ("M", 5)), [np.array(["F", 3], object)] * 2):
        columns = column_values({"sensitive_feature_1"}, [[0], [1]], rows, 2)
        assert columns["sensitive_feature_1"].dtype.kind == "i"
        assert columns["sensitive_feature_0"].tolist()[0] == "F"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["F", 3], ["M"]], "row 0 has 2 values, row 1 has 1 value"),
        ([["F", 3], ["M", 5, 6]], "row 0 has 2 values, row 1 has 3 values"),
        (["F", ["M", 5]], "row 0 has no list, row 1 has 2 values"),
        ([[], ["M"]], "row 0 has 0 values, row 1 has 1 value"),
        ([[["F"]], [["M"]]], "has values of type list"),
        ("FM", "1 or 2 dimensions, got 0"),
        ({"F": 1, "M": 2}, "not a dict"),
        ([{"sex": "F"}, {"sex": "M"}], "has values of type dict"),
        (np.zeros((2, 1, 1)), "1 or 2 dimensions, got 3"),
        (pl.LazyFrame({"sex": ["F", "M"]}), r"Write frame.collect\(\)"),
    ],
    ids=str,
)
def test_rows_that_are_no_table(rows, message):
    with pytest.raises(ValueError, match=message):
        values_of(rows, n_rows=2)


# -- kinds of values -----------------------------------------------------------------------

BIN = pd.Interval(0, 10)
PLAIN = {
    "float32": (np.array([0.1, 0.3], np.float32), (0.1, 0.3)),
    "float16": (np.array([0.1, 0.3], np.float16), (0.1, 0.3)),
    "long double": (np.array([0.1, 0.3]).astype(np.longdouble), (0.1, 0.3)),
    "objects of float32": (np.array([np.float32(0.1), 3], dtype=object), (0.1, 3)),
    "nullable float32": (pd.Series([0.1, 0.3], dtype="Float32"), (0.1, 0.3)),
    "arrow float32": (pd.Series([0.1, 0.3], dtype=pd.ArrowDtype(pa.float32())), (0.1, 0.3)),
    "polars float32": (pl.Series([0.1, 0.3], dtype=pl.Float32), (0.1, 0.3)),
    "tensor": (torch.tensor([0.1, 0.3]), (0.1, 0.3)),
    "bfloat16": (torch.tensor([0.5, 2.0], dtype=torch.bfloat16), (0.5, 2.0)),
    "category of float32": (
        pd.Series(np.array([0.1, 0.3], np.float32)).astype("category"),
        (0.1, 0.3),
    ),
    "Decimal": ([Decimal("0.1"), Decimal("0.30")], (0.1, 0.3)),
    "polars Decimal": (pl.Series([Decimal("0.1"), Decimal("0.3")]), (0.1, 0.3)),
    "arrow decimal": (pa.array([Decimal("0.1"), Decimal("0.3")]), (0.1, 0.3)),
    "Fraction": ([Fraction(1, 4), 3], (0.25, 3)),
    "numpy texts": ([np.str_("a"), "b"], ("a", "b")),
    "text array": (np.array(["b", "a"]), ("a", "b")),
    "string": (pd.Series(["b", "a"], dtype="string"), ("a", "b")),
    "arrow string": (pd.Series(["b", "a"], dtype=pd.ArrowDtype(pa.string())), ("a", "b")),
    "polars categorical": (pl.Series(["b", "a"], dtype=pl.Categorical), ("a", "b")),
    "bool": ([True, False], (False, True)),
    "bool beside 0": ([True, 0, 1.0], (0, 1)),
    "nullable bool": (pd.Series([True, False], dtype="boolean"), (False, True)),
    "polars bool": (pl.Series([True, False]), (False, True)),
    "arrow bool": (pa.array([True, False]), (False, True)),
    "nullable": (pd.Series([2, 1], dtype="Int8"), (1, 2)),
    "arrow int": (pd.Series([2, 1], dtype=pd.ArrowDtype(pa.int8())), (1, 2)),
    "category of int": (pd.Series([2, 1], dtype="category"), (1, 2)),
    "sparse": (pd.Series(pd.arrays.SparseArray([0, 1])), (0, 1)),
    "scipy's sparse": (csr_array([[0.0], [1.0]]), (0.0, 1.0)),
    "huge": ([10**400, 3], (3, 10**400)),
    "mixed": ([2, "a", 1], (1, 2, "a")),
    "intervals": (pd.Series([BIN, pd.Interval(10, 20)]), ("(0, 10]", "(10, 20]")),
    "index": (pd.Index(["b", "a"]), ("a", "b")),
    "records": (
        np.array([("a", 1)] * 2, dtype=[("sensitive_feature_0", "U1"), ("b", int)]),
        ("a",),
    ),
}


@pytest.mark.parametrize(("given", "levels"), PLAIN.values(), ids=PLAIN)
def test_values_are_what_literals_are(given, levels):
    n_rows = given.shape[0] if hasattr(given, "shape") else len(given)
    found = levels_of(values_of(given, n_rows=n_rows))
    assert found == levels
    assert {type(level) for level in found} <= {bool, int, float, str}


REFUSED = {
    "tuples": (pd.Series([("a", 1)] * 2), r"type tuple.*by=\(a, b\)"),
    "lists": (pd.Series([["a"]] * 2), r"type list.*column.map\(str\)"),
    "arrow lists": (pa.array([["a"], ["b"]]), r"column.map\(str\)"),
    "polars lists": (pl.Series([["a"], ["b"]]), "type list"),
    "sets": (pd.Series([{"a"}] * 2), "type set"),
    "bytes": ([b"a", b"b"], 'decode."utf-8".'),
    "byte array": (np.array([b"a", b"b"]), 'decode."utf-8".'),
    "days": (np.array(["2020-01-01"] * 2, "datetime64[D]"), r"column.dt.year"),
    "times": (pd.Series(pd.to_datetime(["2020-01-01"] * 2)), r"column.astype\(str\)"),
    "time zone": (pd.Series(pd.to_datetime(["2020-01-01"] * 2, utc=True)), "column.dt.year"),
    "category of times": (
        pd.Series(pd.to_datetime(["2020-01-01"] * 2)).astype("category"),
        "column.dt.year",
    ),
    "dates": ([datetime.date(2020, 1, 1)] * 2, "type date.*column.dt.year"),
    "durations": (np.array([1, 2], "timedelta64[s]"), "column.dt.year"),
    "objects of durations": (np.array([np.timedelta64(1, "s")] * 2, object), "column.dt.year"),
    "periods": (pd.Series(pd.period_range("2020", periods=2)), "type Period.*column.astype"),
    "polars dates": (pl.Series([datetime.date(2020, 1, 1)] * 2), "column.dt.year"),
    "complex": (np.array([1j, 2j]), "complex"),
    "own": ([object(), object()], r"type object.*column.map\(str\)"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_values_that_no_literal_equals_are_refused(given, message):
    with pytest.raises(ValueError, match=f"'sensitive_feature_0' of sensitive_features.*{message}"):
        values_of(given)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("s == 0.1", 300),
        ("s != 0.1", 700),
        ("s <= 0.1", 300),
        ("s < 0.1", 0),
        ("s > 0.1", 700),
        ("s in (0.1, 0.7)", 700),
    ],
)
def test_decimals_match_in_every_precision(blobs, dtype, condition, count):
    s = pd.Series(np.repeat([0.1, 0.3, 0.7], [300, 300, 400]).astype(dtype), name="s")
    model = LogisticRegression().fit(*blobs)
    (result,) = certify(model, *blobs, f"PR | [{condition}] <= 1", sensitive_features=s).results
    assert sum(result.rows.values()) == count


# -- order ---------------------------------------------------------------------------------

HOLDS = [
    ("edu == 'mid'", {"mid"}),
    ("edu != 'mid'", {"low", "high"}),
    ("edu >= 'mid'", {"mid", "high"}),
    ("edu > 'mid'", {"high"}),
    ("edu <= 'mid'", {"low", "mid"}),
    ("edu < 'high'", {"low", "mid"}),
    ("edu in ('low', 'high')", {"low", "high"}),
]
ORDERED = {
    "pandas": lambda v: ordered(v),
    "frame": lambda v: ordered(v).to_frame(),
    "unused category": lambda v: ordered(v, ["none", *LEVELS, "top"]),
    "string categories": lambda v: ordered(v, pd.Index(LEVELS, dtype="string")),
    "polars": lambda v: pl.DataFrame({"edu": pl.Series(v, dtype=pl.Enum(LEVELS))}),
    "arrow": lambda v: pa.Table.from_pandas(ordered(v).to_frame()),
    "arrow in pandas": lambda v: pa.Table.from_pandas(ordered(v).to_frame()).to_pandas(
        types_mapper=lambda t: pd.ArrowDtype(t)
    ),
}


@pytest.mark.parametrize("table", ORDERED.values(), ids=ORDERED)
@pytest.mark.thinned(2)
def test_ordered_columns_go_by_their_own_order(schooling, table):
    X, y, level = schooling
    model = LogisticRegression().fit(X, y)
    decided = model.predict(X)
    for condition, meant in HOLDS:
        constraint = f"PR | [{condition}] <= 0.99"
        (result,) = certify(model, X, y, constraint, sensitive_features=table(level)).results
        inside = np.isin(level, list(meant))
        assert result.estimate == pytest.approx(decided[inside].mean()), condition
        assert sum(result.rows.values()) == inside.sum()


@pytest.mark.parametrize(
    ("condition", "groups", "message"),
    [
        ("edu >= 'midd'", ordered, "'midd' is not a category of column 'edu'; did you mean 'mid'?"),
        ("edu == 'midd'", ordered, "did you mean 'mid'?"),
        ("edu in ('low', 'midd')", ordered, "did you mean 'mid'?"),
        ("edu == 'midd'", lambda v: pd.Series(v, name="edu"), "did you mean 'mid'? It is one of"),
        ("edu > 3", ordered, "3 is not a category of column 'edu'"),
        ("edu < 'mid'", lambda v: ordered(v).cat.as_unordered(),
         "is a Categorical without an order"),
        ("edu >= 1", lambda v: pd.Series(v == "mid", name="edu").astype(int).astype("category"),
         "is a Categorical without an order"),
    ],
)  # fmt: skip
def test_values_outside_an_order(schooling, condition, groups, message):
    X, y, level = schooling
    with pytest.raises(ConstraintNameError) as caught:
        fitted(X, y, f"PR | [{condition}] <= 0.9", groups(level))
    assert message in str(caught.value)


def test_quantifiers_over_an_ordered_column(schooling):
    X, y, level = schooling
    model = LogisticRegression().fit(X, y)
    edu = ordered(level, ["none", *LEVELS])
    (result,) = certify(model, X, y, "max(PR, by=edu) <= 1", sensitive_features=edu).results
    assert set(result.rows) == {f'PR | [edu == "{value}"]' for value in LEVELS}
    with pytest.raises(ConstraintNameError, match="did you mean 'low'"):
        certify(model, X, y, "max(PR, by=edu in ('lo',)) <= 1", sensitive_features=edu)


def test_ages_that_were_cut_into_intervals(blobs, groups):
    X, y = blobs
    model = LogisticRegression().fit(X, y)
    band = pd.cut(groups["age"], [0, 9, 30, 60, 100]).rename("band")
    (result,) = certify(
        model, X, y, 'PR | [band >= "(30, 60]"] <= 1', sensitive_features=band
    ).results
    assert sum(result.rows.values()) == (groups["age"] > 30).sum()
    (result,) = certify(model, X, y, "max(PR, by=band) <= 1", sensitive_features=band).results
    assert set(result.rows) == {
        f'PR | [band == "{b}"]' for b in ("(9, 30]", "(30, 60]", "(60, 100]")
    }


def test_an_unnamed_series_keeps_its_order(schooling):
    _, _, level = schooling
    for given in (ordered(level).rename(None), ordered(level).array):
        assert order_of(values_of(given)) == tuple(LEVELS)


def test_categories_of_polars_without_an_order_have_none():
    values = pl.Series("edu", ["low", "mid", "high"] * 20, dtype=pl.Categorical)
    columns = column_values({"edu"}, None, values, 60)
    assert order_of(columns["edu"]) == ()

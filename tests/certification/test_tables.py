"""Tables that are read part by part, with columns given by name."""

import sys

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import certify, collect
from sklearn_seldonian.certification import _tables
from tests.certification._people import CLASSIFIER, FEATURES, GROUPS, OTHERS, people

CONSTRAINTS = [
    "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.1",
    "max(TPR, by=race) - min(TPR, by=race) <= 0.5",
    "PR | [age >= 40] <= 0.9",
]
ROWS = people(4000, 1)
ROWS.loc[:1500, "race"] = "A"  # the first parts have one level
NAMED = {"y": "label", "constraints": CONSTRAINTS, "sensitive_features": GROUPS}


def whole(model=CLASSIFIER, rows=ROWS):
    groups = rows[GROUPS]
    return certify(model, rows[FEATURES], rows["label"], CONSTRAINTS, sensitive_features=groups)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Parquet files with 1,000 rows each.

    One of them is empty, and some have several row groups.
    """
    path = tmp_path_factory.mktemp("people")
    for i in range(4):
        part = ROWS[1000 * i : 1000 * (i + 1)]
        part.to_parquet(path / f"{i}.parquet", row_group_size=300)
    ROWS[:0].to_parquet(path / "5.parquet")
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(_tables, "VALUES_AT_ONCE", 700 * 7)


TABLES = {
    "dataset": ds.dataset,
    "folder": lambda folder: folder,
    "folder as text": str,
    "arrow table": lambda folder: ds.dataset(folder).to_table(),
    "reader": lambda folder: ds.dataset(folder).scanner().to_reader(),
    "pandas": pd.read_parquet,
    "polars": lambda folder: pl.read_parquet(folder / "*.parquet"),
    "dask": dd.read_parquet,
    "dask, many partitions": lambda folder: dd.read_parquet(folder).repartition(npartitions=20),
}


@pytest.mark.parametrize("opened", TABLES.values(), ids=TABLES)
def test_a_table_leads_to_the_certificate_of_its_rows_in_memory(folder, opened):
    certificate = certify(CLASSIFIER, opened(folder), **NAMED)
    assert certificate == whole()
    assert certificate.n_safety == 4000


def test_one_part_is_in_memory_at_a_time(folder, monkeypatch):
    sizes = []
    apart = _tables.Columns.apart

    def noted(self, frame):
        sizes.append(frame.shape)
        return apart(self, frame)

    monkeypatch.setattr(_tables.Columns, "apart", noted)
    certify(CLASSIFIER, ds.dataset(folder), **NAMED)
    assert sum(n_rows for n_rows, _ in sizes) == 4000
    assert max(n_rows for n_rows, _ in sizes) <= 2 * 700
    assert {n_columns for _, n_columns in sizes} == {7}


def test_parts_of_a_table_can_be_collected_anywhere(folder):
    files = [ds.dataset(path) for path in ds.dataset(folder).files[:4]]
    assert sum(collect(CLASSIFIER, part, **NAMED) for part in files).certify() == whole()


def test_drawn_decisions_keep_their_rows_over_many_parts(folder):
    options = {"decision": "sample", "random_state": 3}
    found = certify(CLASSIFIER, folder, **NAMED, **options)
    rows = ROWS[FEATURES], ROWS["label"], CONSTRAINTS
    expected = certify(CLASSIFIER, *rows, sensitive_features=ROWS[GROUPS], **options)
    assert found.fingerprints == expected.fingerprints
    assert [r.bound for r in found.results] == pytest.approx([r.bound for r in expected.results])


def test_categories_are_unified_over_parts(tmp_path):
    for i, (start, stop) in enumerate([(0, 1500), (1500, 4000)]):
        part = ROWS[start:stop]
        part.astype({"race": "category", "sex": "category"}).to_parquet(tmp_path / f"{i}.parquet")
    assert certify(CLASSIFIER, tmp_path, **NAMED).results == whole().results


# -- columns -----------------------------------------------------------------------------------


class TakesAll(ClassifierMixin, BaseEstimator):
    """A classifier that does not record its features, and finds one of them by its name."""

    classes_ = np.array(["no", "yes"])

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        self.seen = list(X.columns)
        return self.classes_[1 * (X["a"] > 0)]


def test_the_estimator_gets_its_features_in_its_own_order(folder):
    turned = LogisticRegression().fit(OTHERS[FEATURES[::-1]], OTHERS["label"])
    rows = ROWS[FEATURES[::-1]], ROWS["label"], CONSTRAINTS
    assert certify(turned, folder, **NAMED) == certify(
        turned, *rows, sensitive_features=ROWS[GROUPS]
    )


def test_features_without_names_are_all_other_columns():
    table = ROWS.drop(columns="outcome")
    on_arrays = LogisticRegression().fit(OTHERS[FEATURES].to_numpy(), OTHERS["label"])
    rows = ROWS[FEATURES].to_numpy(), ROWS["label"], CONSTRAINTS
    expected = certify(on_arrays, *rows, sensitive_features=ROWS[GROUPS])
    assert certify(on_arrays, table, **NAMED) == expected
    with pytest.raises(ValueError, match=r"3 features without names, but X has 4 columns"):
        certify(on_arrays, ROWS, **NAMED)
    model = TakesAll()
    certify(model, table, **NAMED)
    assert model.seen == FEATURES


@pytest.mark.parametrize("index", [None, "person", "a"], ids=["no name", "name", "of features"])
@pytest.mark.parametrize("kind", ["file", "folder", "arrow table"])
def test_the_index_of_a_frame_is_no_feature(index, kind, tmp_path):
    """For a model without names of features, the index of a frame may be anything."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    frame["label"] = (frame["a"] > 0).astype(int)
    X = frame[["b"]] if index == "a" else frame[["a", "b"]]
    model = LogisticRegression().fit(X.to_numpy(), frame["label"])
    expected = certify(model, X.to_numpy(), frame["label"], "ACC >= 0.2")
    if index == "a":
        frame = frame.set_index("a")
    else:
        frame.index = pd.Index(rng.permutation(300) + 5, name=index)
    frame.to_parquet(tmp_path / "0.parquet")
    X = {
        "file": tmp_path / "0.parquet",
        "folder": tmp_path,
        "arrow table": pa.Table.from_pandas(frame),
    }[kind]
    assert certify(model, X, "label", "ACC >= 0.2").results == expected.results
    if index == "person":
        parity = "PR | [person >= 100] <= 0.99"
        found = certify(model, X, "label", parity, sensitive_features=["person"])
        assert found.results[0].rows == {"PR | [person >= 100]": 205}


@pytest.mark.parametrize("name", ["max_weight", "max_group_size"])
def test_limits_of_what_is_not_given_are_refused(folder, name):
    with pytest.raises(ValueError, match=f"{name} has no effect without"):
        certify(CLASSIFIER, folder, **NAMED, **{name: 3})


def test_a_sensitive_feature_may_be_a_feature(folder):
    model = LogisticRegression().fit(OTHERS[[*FEATURES, "age"]], OTHERS["label"])
    rows = ROWS[[*FEATURES, "age"]], ROWS["label"], CONSTRAINTS
    assert certify(model, folder, **NAMED) == certify(model, *rows, sensitive_features=ROWS[GROUPS])
    alone = certify(model, folder, "label", "PR | [age >= 40] <= 0.9")  # age is a column of X
    assert alone == certify(model, *rows[:2], "PR | [age >= 40] <= 0.9")


def test_one_sensitive_feature_may_be_a_text():
    text = "PR | [sex == 'F'] <= 0.9"
    one, other = (
        certify(CLASSIFIER, ROWS, "label", text, sensitive_features=given)
        for given in ("sex", ["sex"])
    )
    assert one == other


# -- refusals ----------------------------------------------------------------------------------


def with_missing(column):
    table = ROWS.copy()
    table[column] = table[column].astype(object)
    table.loc[3000, column] = None
    return table


REFUSED = {
    "no label": (ROWS, {"y": "lable"}, r"Column 'lable' \(y\) is not in X, whose columns are 'a'"),
    "no group": (
        ROWS,
        {"sensitive_features": ["sex", "rase"]},
        r"Column 'rase' \(sensitive_features\) is not in X",
    ),
    "no feature": (
        ROWS.drop(columns="b"),
        {},
        r"Column 'b' \(feature_names_in_ of the estimator\) is not in X",
    ),
    "forgotten group": (
        ROWS,
        {"sensitive_features": ["sex", "age"]},
        r"name column 'race', which is neither a feature nor a sensitive feature\. Add it: "
        r"sensitive_features=\['race'\]",
    ),
    "missing group": (
        with_missing("sex"),
        {},
        "Column 'sex' of .* has 1 missing",
    ),
    "missing label": (with_missing("label"), {}, "y contains 1 missing labels"),
    "unknown label": (ROWS.assign(label="perhaps"), {}, "does not know: 'perhaps'"),
    "no rows": (ROWS[:0], {}, "X has no rows"),
    "two columns": (
        pd.concat([ROWS, ROWS[["sex"]]], axis=1),
        {},
        "X has several columns named 'sex'. Rename all but one",
    ),
    "unknown column": (
        ROWS,
        {"constraints": "PR | [income > 3] <= 0.5"},
        "Unknown column 'income'",
    ),
}


@pytest.mark.parametrize("kind", ["pandas", "arrow", "dask"])
@pytest.mark.parametrize(("table", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_tested_is_refused(table, options, message, kind):
    if kind == "dask":
        if not table.columns.is_unique:
            pytest.skip("dask has no such frames")
        table = dd.from_pandas(table, npartitions=2)
    elif kind == "arrow":
        arrays = [pa.array(table.iloc[:, i]) for i in range(table.shape[1])]
        table = ds.dataset(pa.Table.from_arrays(arrays, names=list(table.columns)))
    with pytest.raises(ValueError, match=message):
        certify(CLASSIFIER, table, **NAMED | options)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (ROWS, {"sensitive_features": ROWS[GROUPS]}, "must be a list of names too; got"),
        (ROWS[FEATURES].to_numpy(), {}, "y must contain rows, or be the name of a column of X"),
        (ds.dataset(pa.table({"a": [1]})), {"y": ["no"]}, "Give the name of the label column as y"),
        (
            dd.from_pandas(ROWS, npartitions=2),
            {"y": ROWS["label"]},
            "X is a DataFrame, which is read part by part",
        ),
    ],
    ids=["groups in memory", "array", "labels beside a dataset", "labels beside dask"],
)
def test_names_and_rows_are_not_mixed(X, options, message):
    with pytest.raises(TypeError, match=message):
        certify(CLASSIFIER, X, **NAMED | options)


def test_without_pyarrow_the_error_names_what_to_install(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(ImportError, match="install pyarrow"):
        certify(CLASSIFIER, folder, **NAMED)


@pytest.mark.parametrize("lacking", ["b", "sex", "label"])
def test_a_file_that_lacks_a_column_is_refused(lacking, tmp_path):
    ROWS[:500].to_parquet(tmp_path / "0.parquet")
    ROWS[500:1000].drop(columns=lacking).to_parquet(tmp_path / "1.parquet")
    some = ds.dataset(tmp_path)
    for table in (tmp_path, some.filter(ds.field("age") > 0), ds.dataset([some, some])):
        with pytest.raises(ValueError, match=f"Column '{lacking}' is in some files .* not in .*1"):
            certify(CLASSIFIER, table, **NAMED)


def test_a_column_in_the_names_of_folders_is_there(tmp_path):
    ds.write_dataset(
        pa.Table.from_pandas(ROWS, preserve_index=False),
        tmp_path,
        format="parquet",
        partitioning=ds.partitioning(pa.schema([("sex", pa.string())]), flavor="hive"),
    )
    named = ds.dataset(tmp_path, partitioning="hive")
    assert certify(CLASSIFIER, named, **NAMED).results == whole().results


def test_files_that_are_not_parquet_are_refused(tmp_path):
    ROWS.to_csv(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match=r"could not be read as Parquet: .* Read files of other"):
        certify(CLASSIFIER, tmp_path / "rows.csv", **NAMED)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no Parquet file with columns. Check the path"):
        certify(CLASSIFIER, tmp_path / "empty", **NAMED)

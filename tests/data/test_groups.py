"""The columns that constraints name: found once, in the order of the rows, as in `fit`."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.constraints import ColumnIs, Comparison, Membership, order_of
from sklearn_seldonian.data._groups import (
    check_fresh_columns,
    check_same_order,
    column_values,
)
from sklearn_seldonian.modules import MLP
from tests.data._schooling import LEVELS, ordered

REUSED = pytest.mark.filterwarnings("ignore::sklearn_seldonian.exceptions.SafetyDataReusedWarning")


def fitted(X, y, constraints, groups, **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    model = SeldonianClassifier(MLP, constraints=constraints, **params)
    return model.fit(X, y, sensitive_features=groups)


def test_same_column_twice(blobs, groups):
    X, y = blobs
    model = SeldonianClassifier(MLP, constraints="PR | [M] <= 0.99", max_epochs=1)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(M=groups["M"])
    model.fit(frame, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="in X and in sensitive_features with different values"):
        model.fit(frame, y, sensitive_features=groups.assign(M=1 - groups["M"]))


def test_two_columns_of_one_name(blobs, groups):
    twice = pd.concat([groups, groups[["M"]]], axis=1)
    with pytest.raises(ValueError, match="sensitive_features has several columns named 'M'"):
        SeldonianClassifier(MLP, constraints="PR | [M] <= 0.99").fit(
            *blobs, sensitive_features=twice
        )
    model = SeldonianClassifier(MLP, constraints="PR | [F] <= 0.99", max_epochs=1, random_state=0)
    assert model.fit(*blobs, sensitive_features=twice).certificate_ is not None


@pytest.mark.parametrize("place", ["X", "sensitive_features"])
def test_levels_of_an_index_are_no_columns(blobs, place):
    X, y = blobs
    sex = np.where(np.arange(1000) % 2 == 0, "F", "M")
    indexed = pd.DataFrame(X, columns=["a", "b", "c"]).assign(sex=sex).set_index("sex")
    X, groups = (indexed, None) if place == "X" else (X, indexed)
    with pytest.raises(ValueError, match=rf"index of {place}.*Write {place}.reset_index\('sex'\)"):
        fitted(X, y, "max(PR, by=sex) <= 0.95", groups)


# -- the order of rows -----------------------------------------------------------------------

HOURS = pd.date_range("2020-01-01", periods=4, freq="h", tz="UTC")


INDEXES = {
    "range and integers": (pd.RangeIndex(4), pd.Index([0, 1, 2, 3])),
    "range and nullable": (pd.RangeIndex(4), pd.Index([0, 1, 2, 3], dtype="Int64")),
    "range and arrow": (pd.RangeIndex(4), pd.Index([0, 1, 2, 3], dtype="int64[pyarrow]")),
    "integers and floats": (pd.Index([0, 1, 2, 3]), pd.Index([0.0, 1.0, 2.0, 3.0])),
    "integers and objects": (pd.Index([0, 1, 2, 3]), pd.Index([0, 1, 2, 3], dtype=object)),
    "texts and objects": (
        pd.Index(list("abcd"), dtype="string"),
        pd.Index(list("abcd"), dtype=object),
    ),
    "texts and category": (pd.Index(list("abcd")), pd.CategoricalIndex(list("abcd"))),
    "two time zones": (HOURS, HOURS.tz_convert("Asia/Tokyo")),
    "times and objects": (HOURS, HOURS.astype(object)),
    "levels": (
        pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
        pd.MultiIndex.from_product([[1.0, 2.0], pd.Index(["a", "b"], dtype="string")]),
    ),
    "missing": (pd.Index([0.0, 1.0, 2.0, np.nan]), pd.Index([0, 1, 2, None], dtype="Int64")),
    "with duplicates": (pd.Index([7, 7, 8, 8]), pd.Index([7, 7, 8, 8], dtype="Int64")),
}


@pytest.mark.parametrize(("one", "other"), INDEXES.values(), ids=INDEXES)
def test_indexes_are_compared_by_their_labels(one, other):
    X, groups = pd.DataFrame({"a": range(4)}, index=one), pd.Series(range(4), index=other)
    check_same_order(X=X, sensitive_features=groups)
    check_same_order(X=groups, sensitive_features=X)
    remedy = r"\.loc\[X.index\]" if one.is_unique else "Bring their rows into one order, then reset"
    with pytest.raises(ValueError, match=f"X and y have the same index in different.*{remedy}"):
        check_same_order(X=X, y=groups.iloc[::-1])
    check_same_order(X=X, y=groups.iloc[:3])


def test_indexes_that_merely_differ_are_accepted():
    labels = ([0, 1, 2], [0, 1, 3], [1, 0, 1], ["a", "b", 0], [0, 0, 1])
    for one, other in itertools.combinations(labels, 2):
        tables = (pd.Series(range(3), index=index) for index in (one, other))
        check_same_order(**dict(zip("Xy", tables, strict=True)))


def test_rows_that_were_shuffled_without_their_groups_are_refused(blobs, groups):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).sample(frac=1.0, random_state=0)
    model = SeldonianClassifier(MLP, constraints="PR | [M] <= 0.9", max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="the same index in different orders"):
        model.fit(frame, y, sensitive_features=groups)
    model.fit(frame, y, sensitive_features=groups.loc[frame.index])


# -- fresh rows ------------------------------------------------------------------------------


@REUSED
def test_fit_and_fresh_rows_go_by_the_order_too(schooling):
    X, y, level = schooling
    edu = ordered(level)
    model = fitted(X, y, 'PR | [edu >= "mid"] <= 0.9', edu)
    tested, above = model.safety_indices_, np.isin(level, ["mid", "high"])
    assert model.certificate_.results[0].estimate == pytest.approx(
        model.predict(X)[tested][above[tested]].mean()
    )
    fresh = {
        "same": edu,
        "plain text": pd.Series(level, name="edu"),
        "unordered": pd.Series(level, name="edu", dtype="category"),
        "fewer categories": ordered(np.where(level == "low", "mid", level), ["mid", "high"]),
    }
    for groups in fresh.values():
        inside = np.isin(np.asarray(groups), ["mid", "high"])
        (result,) = model.certify(X, y, sensitive_features=groups).results
        assert result.estimate == pytest.approx(model.predict(X)[inside].mean())


@pytest.mark.parametrize(
    ("constraint", "groups", "fresh", "message"),
    [
        (
            'PR | [edu >= "mid"] <= 0.99',
            ordered,
            lambda v: ordered(v, LEVELS[::-1]),
            "has the order",
        ),
        (
            'PR | [edu >= "mid"] <= 0.99',
            ordered,
            lambda v: pd.Series(np.where(v == "low", "phd", v), name="edu"),
            "contains 'phd', which is not among the categories of fit",
        ),
        (
            'PR | [edu >= "mid"] <= 0.99',
            lambda v: pd.Series(v, name="edu"),
            ordered,
            "has the order 'low', 'mid', 'high', which differs from the order in fit",
        ),
        (
            'PR | [edu != "mid"] <= 0.99',
            ordered,
            lambda v: pd.Series(np.unique(v, return_inverse=True)[1], name="edu"),
            "which cannot be compared with 'mid'",
        ),
        (
            'PR | [edu < "mid"] <= 0.99',
            lambda v: pd.Series(v, name="edu"),
            lambda v: pd.Series(np.unique(v, return_inverse=True)[1], name="edu"),
            "which cannot be compared with 'mid'",
        ),
        (
            "PR | [not edu] <= 0.99",
            lambda v: pd.Series(v == "mid", name="edu"),
            lambda v: pd.Series(np.where(v == "mid", 2, 0), name="edu"),
            "must be bool or 0/1, but contains 2",
        ),
    ],
)
def test_fresh_columns_that_mean_something_else_are_refused(
    schooling, constraint, groups, fresh, message
):
    X, y, level = schooling
    model = fitted(X, y, constraint, groups(level), max_epochs=1)
    with pytest.raises(ValueError, match=message):
        model.certify(X, y, sensitive_features=fresh(level))


def test_an_order_is_kept_where_a_column_is_in_both_places(schooling):
    _, y, level = schooling
    frame = pd.DataFrame({"edu": level})
    for one, other in ((frame, ordered(level)), (ordered(level).to_frame(), frame)):
        assert order_of(column_values({"edu"}, one, other, len(y))["edu"]) == tuple(LEVELS)
    with pytest.raises(ValueError, match="different orders of its categories"):
        column_values({"edu"}, ordered(level).to_frame(), ordered(level, LEVELS[::-1]), len(y))


TEXTS = np.array(["A", "B"])
FRESH = [
    (ColumnIs("c"), np.array([0, 1]), None),
    (ColumnIs("c"), np.array([True]), None),
    (ColumnIs("c", False), np.array([0, 2]), "must be bool or 0/1, but contains 2"),
    (ColumnIs("c"), TEXTS, "must be bool or 0/1, but contains 'A'"),
    # a missing value is in no group
    (Comparison("c", "==", 3), TEXTS, None),
    (Membership("c", ("A", "B")), np.array([1, 2]), None),
    (Comparison("c", "!=", "A"), TEXTS, None),
    (Comparison("c", "!=", "A"), np.array([1, "A"], dtype=object), None),
    (Comparison("c", "!=", "A"), np.array([1, 2]), "contains 1, which cannot be compared with 'A'"),
    (Comparison("c", "<=", 3), np.array([1.5, 7]), None),
    (Comparison("c", "<=", 3), TEXTS, "contains 'A', which cannot be compared with 3"),
    (Comparison("c", "<", "B"), np.array(["A", 1], dtype=object), "which cannot be compared"),
    (Comparison("c", "<", "B"), pd.Categorical(["A"], ["A", "B"], ordered=True), None),
    (Comparison("c", "<", "B"), pd.Categorical(["A"], ["B", "A"], ordered=True),
     "has the order 'B', 'A', which differs from the order in fit"),
    (Comparison("c", "<", "mid", tuple(LEVELS)), np.array(["mid", "low"]), None),
    (Comparison("c", "<", "mid", tuple(LEVELS)), np.array(["mid", "top"]),
     "contains 'top', which is not among the categories of fit"),
    (Comparison("c", "<", "mid", tuple(LEVELS)), ordered(["low"], LEVELS[1:] + LEVELS[:1]).array,
     "has the order 'mid', 'high', 'low', which differs from the order in fit"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "values", "problem"), FRESH)
def test_a_fresh_column_is_refused_where_its_condition_would_mean_another_thing(
    condition, values, problem
):
    columns = {"c": values, "other": np.array([None])}
    if problem is None:
        assert check_fresh_columns([condition], columns) is None
        return
    with pytest.raises(
        ValueError, match="Give the column in the form that fit was given"
    ) as caught:
        check_fresh_columns([condition], columns)
    assert f"'{condition}' would have another meaning than in fit" in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("n_rows", "is_refused"), [(3, False), (2, True), (4, True)])
def test_as_many_rows_of_groups_as_of_X(n_rows, is_refused):
    given = {"wanted": {"a"}, "X": np.zeros((3, 1)), "n_rows": 3}
    given["sensitive_features"] = pd.Series(range(n_rows), name="a")
    if is_refused:
        message = f"sensitive_features has {n_rows} rows, but X has 3"
        with pytest.raises(ValueError, match=message):
            column_values(**given)
    else:
        assert column_values(**given)["a"].tolist() == [0, 1, 2]


def test_only_the_columns_that_are_wanted_are_checked():
    X = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    groups = pd.DataFrame({"c": [[1], [2]], "a": [1, 2]})
    found = column_values({"a"}, X, groups, 2)
    assert set(found) == {"a", "b", "c"}
    assert found["a"].tolist() == [1, 2]
    for wanted in ("b", "c"):
        with pytest.raises(ValueError, match=f"Column '{wanted}' of"):
            column_values({wanted}, X, groups, 2)

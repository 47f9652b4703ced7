"""The names that constraints can use, and the levels that occur in rows."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.constraints import Schema, SeenLevels, _schema, parse_all
from sklearn_seldonian.constraints._schema import (
    columns_of,
    literals_of,
    named_levels,
    quantifiers_of,
)
from sklearn_seldonian.measures import RowMeasure

COSTS = RowMeasure("Cost", lambda y, prediction, probabilities: y, range=(0, 5))
MISSED_CATS = RowMeasure(
    "Missed_cats", lambda y, prediction, probabilities: y, range=(0, 1), rows=("cat",)
)

TEXTS = (
    "max(PR, by=(sex, race in ('B', 'A'))) <= 0.5",
    "min(TPR, by=race in ('A', 'C')) >= 0.1",
    "PR | [age >= 40, sex == 'F'] - PR | [old, age in (7, 40)] <= 0.2",
)
CONSTRAINTS = parse_all(TEXTS)


# -- the names in constraints ------------------------------------------------------------------


def test_columns_are_those_of_conditions_and_quantifiers():
    assert [columns_of(constraint) for constraint in CONSTRAINTS] == [
        ("sex", "race"),
        ("race",),
        ("age", "sex", "old"),
    ]


def test_quantifiers_are_listed_once():
    found = quantifiers_of((*CONSTRAINTS, *CONSTRAINTS))
    assert [[(g.column, g.levels) for g in by] for by in found] == [
        [("sex", ()), ("race", ("B", "A"))],
        [("race", ("A", "C"))],
    ]


def test_named_levels_are_those_of_quantifiers():
    assert named_levels(CONSTRAINTS) == {"sex": (), "race": ("B", "A", "C")}
    assert named_levels(CONSTRAINTS[2:]) == {}


def test_literals_are_those_of_conditions_and_quantifiers():
    assert literals_of(CONSTRAINTS) == {
        "sex": ("F",),
        "race": ("B", "A", "C"),
        "age": (40, 7),
    }


# -- the levels in rows ------------------------------------------------------------------------

ROWS = {
    "sex": np.array(["M", "F", "M"]),
    "race": np.array(["B", "A", "A"]),
    "age": np.array([50, 40, 50]),
    "old": np.array([1, 0, 1]),
    "city": np.array(["Rome", "Oslo", "Rome"]),
    "grade": pd.Categorical(["low", "high", "low"], ["low", "middle", "high"], ordered=True),
}


def seen(texts=TEXTS, **columns):
    return SeenLevels.of({**ROWS, **columns}, parse_all(texts))


def test_levels_are_those_of_the_columns_that_constraints_name():
    found = seen()
    assert found.levels == {
        "sex": ("F", "M"),
        "race": ("A", "B"),
        "age": (40, 50),
        "old": (0, 1),
        "city": (),
        "grade": (),
    }
    assert found.combinations == {("sex", "race"): {("M", "B"), ("F", "A"), ("M", "A")}}
    assert found.orders == {}
    assert seen("PR | [grade >= 'middle'] <= 1").orders == {"grade": ("low", "middle", "high")}


def test_the_levels_of_two_parts_are_those_of_all_rows():
    one, other = seen(), seen(sex=np.array(["F", "X", "X"]), race=np.array(["C", "A", "A"]))
    both = {name: np.concatenate([ROWS[name]] * 2) for name in ROWS if name != "grade"}
    both["sex"][3:], both["race"][3:] = ["F", "X", "X"], ["C", "A", "A"]
    whole = SeenLevels.of({**both, "grade": ROWS["grade"]}, CONSTRAINTS)
    assert one.joined(other, CONSTRAINTS) == other.joined(one, CONSTRAINTS) == whole
    assert one.joined(one, CONSTRAINTS) is one


def test_parts_with_other_columns_are_not_joined():
    others = SeenLevels.of({**ROWS, "new": np.ones(3)}, CONSTRAINTS)
    with pytest.raises(ValueError, match=r"^Column 'new' is in some parts only"):
        seen().joined(others, CONSTRAINTS)


def test_parts_with_other_orders_are_not_joined():
    text = "PR | [grade >= 'middle'] <= 1"
    turned = pd.Categorical(["low"] * 3, ["high", "middle", "low"], ordered=True)
    for other in (turned, np.array(["low"] * 3)):
        with pytest.raises(ValueError, match=r"^The categories of column 'grade' differ"):
            seen(text).joined(seen(text, grade=other), parse_all(text))


def test_a_column_of_a_quantifier_keeps_all_its_levels(monkeypatch):
    monkeypatch.setattr(_schema, "MAX_LEVELS", 4)
    text = "max(PR, by=age) <= 0.5"
    other = seen(text, age=np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="column 'age', which has more than 4 levels"):
        seen(text).joined(other, parse_all(text))
    few = seen(text, age=np.array([1, 2, 2]))
    assert seen(text).joined(few, parse_all(text)).levels["age"] == (1, 2, 40, 50)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("PR | [age == 50] <= 0.5", (1, 2, 50)),
        ("PR | [age == 40, age != 50] <= 0.5", (1, 40, 50)),
        ("max(PR, by=age in (50, 1)) <= 0.5", (1, 50)),
    ],
)
def test_another_column_keeps_the_levels_that_constraints_name(monkeypatch, text, kept):
    monkeypatch.setattr(_schema, "MAX_LEVELS", 3)
    other = seen(text, age=np.array([1, 2, 3]))
    assert seen(text).joined(other, parse_all(text)).levels["age"] == kept


# -- the schema --------------------------------------------------------------------------------


def test_a_schema_of_rows_has_their_levels_combinations_and_orders():
    text = ("PR | [grade >= 'middle'] <= 1", *TEXTS)
    schema = Schema.from_columns(ROWS, parse_all(text), (0, 1), 1, elsewhere={"sex": ("X", "F")})
    found = seen(text)
    assert (schema.levels, schema.combinations, schema.orders) == (
        found.levels,
        found.combinations,
        found.orders,
    )
    assert schema.known_levels["sex"] == ("F", "M", "X")
    assert schema.known_levels["race"] == ("A", "B")
    assert schema.is_known["sex"] == {"F", "M", "X"}


@pytest.mark.parametrize(
    ("classes", "n_classes", "names", "rate", "average"),
    [
        ((0, 1), 2, ["0", "1"], True, "Brier"),
        (("no", "yes", "maybe"), 3, ["no", "yes", "maybe"], True, "Brier"),
        ((), 1, [], False, "Mean_Squared_Error"),
    ],
)
def test_measures_and_classes_of_a_schema(classes, n_classes, names, rate, average):
    schema = Schema(classes, None, measures=(COSTS,))
    assert (schema.n_classes, schema.class_names) == (n_classes, names)
    assert ("ACC" in schema.known_measures) is rate
    assert {"Cost", average} <= set(schema.known_measures)
    assert {"Mean_Squared_Error", "Brier"} & set(schema.averages) == {average}
    assert schema.averages["Cost"] is COSTS


@pytest.mark.parametrize(
    "name", ["ACC", "F1", "BACC", "MSE", "Brier", "abs", "mean", "e", "not", "Cost"]
)
def test_names_that_are_taken(name):
    measures = [COSTS, RowMeasure(name, COSTS.value)]
    with pytest.raises(
        ValueError, match=f"^The name '{name}' is already taken. Give the measure another"
    ):
        Schema((0, 1), 1, measures=measures)


def test_measures_that_do_not_fit():
    with pytest.raises(
        ValueError, match="'Missed_cats' counts rows of class 'cat', which does not exist"
    ):
        Schema((0, 1), 1, measures=[MISSED_CATS])
    with pytest.raises(ValueError, match="measures must be RowMeasure objects, got 'Cost'"):
        Schema((0, 1), 1, measures=["Cost"])

"""Rows without a recorded group: conditions on the group are false for them, and they count
elsewhere.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor, certify, collect
from sklearn_seldonian.constraints import ColumnIs, Comparison, Membership, assign_cells
from tests.certification._people import CLASSIFIER, FEATURES, GROUPS, people

ROWS = people(3000, 2)
# Whether the sex is recorded depends on the label, and the certificate warns of this.
KNOWN = np.random.default_rng(0).random(3000) < np.where(ROWS["label"] == "yes", 0.5, 0.2)
MASKED = ROWS.assign(sex=ROWS["sex"].where(KNOWN).astype(object))
ON_SEX = [
    "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.1",
    "PR | [sex != 'F'] <= 0.9",
    "max(TPR, by=sex) - min(TPR, by=sex) <= 0.2",
    "max(ACC, by=(sex, race)) <= 0.99",
    "PR | [sex in ('M',)] / PR | [sex == 'F'] >= 0.7",
]


def certified(rows, constraints, **options):
    groups = rows[GROUPS]
    options = {"missing": "exclude", **options}
    return certify(
        CLASSIFIER, rows[FEATURES], rows["label"], constraints, sensitive_features=groups, **options
    )


@pytest.mark.parametrize("options", [{}, {"method": "asymptotic"}, {"decision": "sample"}])
def test_statements_about_groups_are_those_of_rows_with_a_record(options):
    """These tests are as valid as without missing values, because those rows are independent
    draws.
    """
    options = {"random_state": 0, **options}
    found, alone = (certified(rows, ON_SEX, **options) for rows in (MASKED, MASKED[KNOWN]))
    for one, other in zip(found.results, alone.results, strict=True):
        assert one.rows == other.rows
        if "decision" not in options:  # in drawn decisions, the rows have another order
            assert one.bound == pytest.approx(other.bound, abs=2e-3 * ("method" in options))
        assert one.estimate == pytest.approx(other.estimate)


MIXED = [
    "PR | [sex == 'F'] - PR <= 0.2",
    "ACC >= 0.5",
    "PR | [sex in ('F', 'M')] - PR | [race == 'A'] <= 0.5",
    "TPR | [sex == 'M', race == 'A'] >= 0.2",
]


def test_missing_values_are_a_level_that_no_constraint_can_name():
    """Rates of all rows count the rows without a record, like those of a third sex."""
    found, named = (certified(rows, MIXED) for rows in (MASKED, MASKED.fillna({"sex": "?"})))
    assert found.results == named.results
    assert found.n_safety == 3000


GAPS = {
    "None": lambda sex: sex,
    "NaN": lambda sex: sex.where(sex.notna(), np.nan),
    "NA": lambda sex: sex.astype("string"),
    "category": lambda sex: sex.astype("category"),
}


@pytest.mark.parametrize("kind", GAPS)
def test_a_gap_is_a_gap_however_it_is_written(kind):
    masked = MASKED.assign(sex=GAPS[kind](MASKED["sex"]))
    assert certified(masked, ON_SEX) == certified(MASKED, ON_SEX)


@pytest.mark.parametrize(
    ("values", "conditions", "met"),
    [
        (["F", None, "M"], [Comparison("c", "==", "F"), Comparison("c", "!=", "F")], [1, 0, 2]),
        (["F", None, "M"], [Membership("c", ("F", "M"))], [1, 0, 1]),
        ([1.0, np.nan, 0.0], [ColumnIs("c"), ColumnIs("c", False)], [1, 0, 2]),
        ([30.0, np.nan, 50.0], [Comparison("c", "<", 40), Comparison("c", ">=", 40)], [1, 0, 2]),
        ([True, None, False], [ColumnIs("c"), ColumnIs("c", False)], [1, 0, 2]),
        ([None, None, None], [Comparison("c", "!=", "F")], [0, 0, 0]),
    ],
    ids=["texts", "lists of levels", "0 and 1", "numbers", "truth values", "nothing recorded"],
)
def test_a_missing_value_meets_neither_a_condition_nor_its_opposite(values, conditions, met):
    dtype = float if isinstance(values[0], float) else object
    cells = assign_cells({"c": np.array(values, dtype=dtype)}, [conditions], 3)
    held = cells.stratification.conditions_of_code[cells.codes]
    numbers = (held * (1 << np.arange(len(conditions)))).sum(axis=1)
    assert numbers.tolist() == met


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pd.Series([1, None, 0] * 1000, dtype="Int64"), "PR | [d] - PR | [not d] <= 0.5"),
        (pd.Series([True, None, False] * 1000, dtype=object), "PR | [d] - PR | [not d] <= 0.5"),
        (pd.Series([20.5, np.nan, 60] * 1000), "PR | [d >= 40] - PR | [d < 40] <= 0.5"),
        (
            pd.Series(pd.Categorical(["lo", None, "hi"] * 1000, ["lo", "hi"], ordered=True)),
            'PR | [d >= "hi"] - PR | [d < "hi"] <= 0.5',
        ),
    ],
    ids=["nullable", "truth values", "numbers", "ordered"],
)
def test_columns_of_any_kind_may_have_gaps(column, text):
    rows = ROWS[FEATURES], ROWS["label"]
    found = certify(
        CLASSIFIER, *rows, text, sensitive_features=column.rename("d"), missing="exclude"
    )
    assert set(found.results[0].rows.values()) == {1000}
    assert any("Column d has no value in 1,000 of the 3,000" in text for text in found.assumptions)
    with pytest.raises(ValueError, match=r"Column 'd' .* has 1000 missing values"):
        certify(CLASSIFIER, *rows, text, sensitive_features=column.rename("d"))


def test_a_column_may_be_in_two_places_with_the_same_gaps():
    X = MASKED[[*FEATURES, "sex"]]
    model = make_pipeline(make_column_transformer(("passthrough", FEATURES)), clone(CLASSIFIER))
    model.fit(X.iloc[:500].assign(sex="F"), MASKED["label"][:500])
    options = {"sensitive_features": MASKED["sex"], "missing": "exclude"}
    assert certify(model, X, MASKED["label"], ON_SEX[0], **options).tested
    options["sensitive_features"] = MASKED["sex"].fillna("F")
    with pytest.raises(ValueError, match="with different values"):
        certify(model, X, MASKED["label"], ON_SEX[0], **options)


# -- statements of the certificate -------------------------------------------------------------


def test_the_certificate_counts_the_rows_and_states_the_assumption():
    n_missing = int((~KNOWN).sum())
    certificate = certified(MASKED, [*ON_SEX, "PR | [race == 'A'] <= 0.9"])
    (said,) = (text for text in certificate.assumptions if "has no value in" in text)
    assert said == (
        f"Column sex has no value in {n_missing:,} of the 3,000 tested rows, which meet no "
        "condition on it. What is said under a condition on it is about the rows of the population "
        "in which it is recorded. It is true of all rows of a group if, within the group, whether "
        "it is recorded does not depend on labels and predictions."
    )
    assert certificate.parameters["missing"] == "'exclude'"
    complete = certified(ROWS, ON_SEX).assumptions
    assert not any("has no value" in text for text in complete)


def test_parts_add_up_to_the_rows_without_a_record():
    cuts = slice(0, 10), slice(10, 1000), slice(1000, 3000)
    options = {"constraints": ON_SEX, "missing": "exclude"}
    total = sum(
        collect(
            CLASSIFIER, part[FEATURES], part["label"], sensitive_features=part[GROUPS], **options
        )
        for part in (MASKED[cut] for cut in cuts)
    )
    assert total.certify() == certified(MASKED, ON_SEX)
    assert certify(CLASSIFIER, MASKED, "label", ON_SEX, sensitive_features=GROUPS,
                   missing="exclude") == certified(MASKED, ON_SEX)  # fmt: skip


@pytest.mark.parametrize("missing", ["ignore", None, True])
def test_other_words_are_refused(missing):
    with pytest.raises(ValueError, match="missing must be one of 'error', 'exclude'"):
        certified(ROWS, ON_SEX, missing=missing)


# -- estimators ----------------------------------------------------------------------------------


def test_rows_without_a_record_train_and_are_tested():
    model = SeldonianClassifier(
        constraints=["ACC >= 0.6", ON_SEX[0].replace("0.1", "0.3")],
        missing="exclude",
        max_epochs=2,
        random_state=0,
    )
    model.fit(MASKED[FEATURES], MASKED["label"], sensitive_features=MASKED[GROUPS])
    certificate = model.certificate_
    assert certificate.passed
    assert certificate.n_candidate + certificate.n_safety == 3000
    assert certificate.results[0].rows == {"ACC": 1500}
    assert sum(certificate.results[1].rows.values()) == KNOWN[model.safety_indices_].sum()
    assert any("Column sex has no value" in text for text in certificate.assumptions)
    fresh = people(1000, 9)
    fresh.loc[::2, "sex"] = None
    again = model.certify(fresh[FEATURES], fresh["label"], sensitive_features=fresh[GROUPS])
    assert any("no value in 500 of the 1,000" in text for text in again.assumptions)
    model.set_params(missing="error")  # this has an effect in the next fit
    model.certify(fresh[FEATURES], fresh["label"], sensitive_features=fresh[GROUPS])
    with pytest.raises(ValueError, match="missing values"):
        model.fit(MASKED[FEATURES], MASKED["label"], sensitive_features=MASKED[GROUPS])


def test_regressors_take_them_too():
    model = SeldonianRegressor(
        constraints="MAE | [sex == 'F'] <= 5", missing="exclude", max_epochs=1, random_state=0,
        target_range=(-3, 3), prediction_range=(-3, 3),
    )  # fmt: skip
    model.fit(MASKED[FEATURES], MASKED["outcome"], sensitive_features=MASKED["sex"])
    assert model.solution_found_


def test_thresholds_of_groups_need_a_group():
    model = SeldonianClassifier(
        constraints=ON_SEX[0], missing="exclude", group_thresholds=True, random_state=0
    )
    with pytest.raises(ValueError, match="is for rows whose group is not recorded"):
        model.fit(MASKED[FEATURES], MASKED["label"], sensitive_features=MASKED["sex"])
    model.set_params(missing="error", max_epochs=1)
    model.fit(ROWS[FEATURES], ROWS["label"], sensitive_features=ROWS["sex"])
    with pytest.raises(ValueError, match="has 1 missing values"):
        model.predict(ROWS[FEATURES][:1], sensitive_features=pd.Series([None], name="sex"))

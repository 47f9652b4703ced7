"""The conversion of a test to the records of its certificate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import certify
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._record import MAX_PRODUCTS, Combinations
from tests.certification._certificates import (
    CHOSEN,
    COST,
    DATA,
    Given,
    GivenNumbers,
    Y,
    certified,
)
from tests.certification._fixed import Fixed

P = DATA["p"].to_numpy()
DECIDED = (P > 0.5).astype(int)


def counted(rows):
    """Independent counts of rows by label and decision."""
    pairs = [(y, d, int(((y == Y) & (d == DECIDED))[rows].sum())) for y in (0, 1) for d in (0, 1)]
    return tuple(pair for pair in pairs if pair[2])


def test_counts_are_those_of_the_groups():
    (table,) = certified("PR | [M] - PR | [F] <= 0.5").statistics.tables
    assert table.columns == ("F", "M")
    assert table.groups == ("F", "M")
    assert [(cell.groups, cell.sums) for cell in table.cells] == [
        ((0,), counted(DATA["F"].to_numpy() == 1)),
        ((1,), counted(DATA["M"].to_numpy() == 1)),
    ]
    assert all(type(n) is int for cell in table.cells for entry in cell.sums for n in entry)


def test_rows_outside_all_groups_are_a_cell_of_their_own():
    (table,) = certified("PR | [M, age >= 40] <= 0.95").statistics.tables
    inside = (DATA["M"] == 1) & (DATA["age"] >= 40)
    assert table.groups == ("M, age >= 40",)
    assert [(cell.groups, cell.sums) for cell in table.cells] == [
        ((), counted(~inside.to_numpy())),
        ((0,), counted(inside.to_numpy())),
    ]


def test_each_set_of_columns_has_a_table_with_all_rows():
    seen = certified(["PR | [M] <= 0.95", "max(ACC, by=race) <= 1", "ERR <= 0.9"]).statistics
    assert [table.columns for table in seen.tables] == [("M",), ("race",)]
    for table in seen.tables:
        assert sum(n for cell in table.cells for *_, n in cell.sums) == len(Y)


def test_what_gives_names_their_meaning():
    record = certified(
        ["max(PR, by=race) <= 0.95", "max(PR, by=(race in ('A', 'B'), M)) <= 0.95", "Cost <= 2"],
        delta=[0.05, 0.1, 0.2],
    ).specification
    assert record.levels == {"race": ("A", "B", "C"), "M": (0, 1)}
    (together,) = record.combinations
    assert isinstance(together, Combinations)
    assert together.columns == ("race", "M")
    assert set(together.levels) == set(zip(DATA["race"], DATA["M"], strict=True))
    (measure,) = record.measures
    assert (measure.name, measure.range, measure.labels) == ("Cost", (0.0, 2.0), None)
    assert record.deltas == (0.05, 0.1, 0.2)
    assert (record.method, record.missing, record.decision) == ("auto", "error", "argmax")


def test_levels_that_no_quantifier_ranges_over_are_not_kept():
    record = certified(["PR | [age >= 40] <= 0.95", "PR | [race == 'A'] <= 0.95"]).specification
    assert record.levels == {}
    assert record.measures == ()  # measures that no constraint names are not recorded either
    assert record.orders == {}


def test_the_order_of_categories_is_kept_where_it_counts():
    ages = pd.Categorical(
        np.array(["young", "old"])[(DATA["age"] >= 40).astype(int)], ["young", "old"], ordered=True
    )
    data = DATA.assign(stage=ages)
    model = Given().fit()
    of_order = certify(model, data, Y, "PR | [stage >= 'old'] <= 0.95")
    assert of_order.specification.orders == {"stage": ("young", "old")}
    assert of_order.recompute().complete
    of_level = certify(model, data, Y, "PR | [stage == 'old'] <= 0.95")
    assert of_level.specification.orders == {}
    assert of_level.recompute().same


def test_levels_that_json_does_not_have_are_not_kept():
    ends = np.array([1.0, np.inf])[np.arange(len(Y)) % 2]
    certificate = certify(Given().fit(), DATA.assign(end=ends), Y, "max(PR, by=end) <= 0.95")
    assert certificate.specification is None
    assert certificate.statistics is None
    read = SafetyCertificate.from_json(certificate.to_json())
    assert read == certificate
    assert not read.recompute().complete


def test_choices_of_alternatives_are_kept():
    ((position,),) = CHOSEN.specification.choices
    assert position in (0, 1)
    assert certified("PR <= 0.9").specification.choices == (None,)


def test_sums_of_weights_and_the_counts_of_rows():
    weights = np.arange(len(Y)) % 3 + 1.0
    certificate = certified("PR <= 0.95", sample_weight=weights, max_weight=4)
    seen = certificate.statistics
    assert seen.largest_unit == 4.0
    ((cell,),) = (table.cells for table in seen.tables)
    assert sum(n for *_, n in cell.counts) == len(Y)
    assert sum(n for *_, n in cell.sums) == weights.sum()
    assert cell.counts == counted(slice(None))


@pytest.mark.parametrize("scale", [1e-300, 1e15, 1e300])
def test_sums_of_weights_of_any_size_are_read_back(scale):
    """Floats beyond 2**53 are whole numbers, and are written as floats."""
    certificate = certified("PR <= 0.95", sample_weight=(np.arange(200) % 3 + 1) * scale)
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    assert certificate.recompute().same


@pytest.mark.parametrize(
    ("constraints", "options", "has_values", "has_products"),
    [
        ("PR <= 0.9", {}, False, False),
        ("PR <= 0.9", {"decision": "sample"}, True, False),
        ("PR <= 0.9", {"decision": "sample", "method": "asymptotic"}, True, True),
        ("Cost <= 1.9", {}, True, False),
        ("LogLoss <= 0.9", {}, True, True),
        ("PR <= 0.9", {"method": "asymptotic"}, False, False),
    ],
)
def test_the_record_has_what_the_test_used(constraints, options, has_values, has_products):
    certificate = certified(constraints, **options)
    seen = certificate.statistics
    assert (seen.values is not None) == (certificate.order_seed is not None) == has_values
    assert seen.has_products == has_products
    assert any(cell.products for table in seen.tables for cell in table.cells) == has_products


def test_the_digest_of_values_is_that_of_the_rows_in_any_order():
    model, order = Given().fit(), np.random.default_rng(2).permutation(len(Y))
    asked = {"constraints": "max(Cost, by=race) <= 1.9", "measures": [COST], "random_state": 0}

    def digest(data, y, **changed):
        return certify(model, data, y, **{**asked, **changed}).statistics.values

    first = digest(DATA, Y)
    assert digest(DATA.iloc[order], Y[order]) == first
    assert digest(DATA, Y, random_state=1) == first
    other = Y.copy()
    other[0] = 1 - other[0]
    assert digest(DATA, other) != first
    assert digest(DATA.assign(race=DATA["race"].to_numpy()[::-1]), Y) != first
    assert digest(DATA, Y, groups=np.arange(len(Y)) // 2) != first
    assert digest(DATA, Y, sample_weight=np.arange(len(Y)) % 2 + 1) != first


def test_numbers_have_one_label():
    certificate = certify(
        GivenNumbers().fit(), DATA, Y, "MAE <= 1", target_range=(0, 1), prediction_range=(0, 1)
    )
    assert certificate.specification.decision is None
    assert certificate.specification.target_range == (0.0, 1.0)
    ((cell,),) = (table.cells for table in certificate.statistics.tables)
    assert cell.sums[0] == (0, 0, len(Y))
    assert cell.sums[1][:2] == (0, 1)
    assert cell.sums[1][2] == pytest.approx(np.abs(P - Y).sum())


def test_500_constraints_on_500_groups_stay_small():
    rng = np.random.default_rng(0)
    n = 20_000
    data = pd.DataFrame({"p": rng.random(n), "g": rng.integers(0, 500, n)})
    y = rng.integers(0, 2, n)
    constraints = [f"PR | [g == {i}] <= 0.99" for i in range(500)]
    certificate = certify(Given().fit(), data, y, constraints)
    record = len(certificate.to_json()) - len(_without_record(certificate).to_json())
    assert record < 150_000
    assert certificate.recompute().same


def _without_record(certificate):
    return replace(certificate, specification=None, statistics=None)


def test_too_many_sums_of_products_are_left_out():
    n_classes = 30
    rng = np.random.default_rng(0)
    scores = rng.random((300, n_classes))
    labels = np.arange(300) % n_classes
    model = Fixed(labels, scores / scores.sum(axis=1, keepdims=True), tuple(range(n_classes)))
    certificate = certify(
        model, np.zeros((300, 1)), labels, "ACC >= 0.01", decision="sample", method="asymptotic"
    )
    assert n_classes**3 > MAX_PRODUCTS
    assert not certificate.statistics.has_products
    again = certificate.recompute()
    assert again.same
    assert not again.complete

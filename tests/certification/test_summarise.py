"""Statistics of rows: sums that equal those of numpy, with and without families of cells."""

import numpy as np
import pytest

from sklearn_seldonian.certification import (
    certify_constraint,
    exclusive_columns,
    summarise,
    summarise_predictions,
    tabulate,
)
from sklearn_seldonian.constraints import (
    HAS_LABEL,
    Schema,
    Stratification,
    assign_cells,
    atoms_of,
    bind,
    distinct_conditions,
    distinct_estimands,
    distinct_values,
    parse,
)
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.measures import RowMeasure
from tests.certification._rows import DATA

# -- families ------------------------------------------------------------------------------


COST = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [1.0, 3.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
MANY = [
    "abs(PR_[1] | [a] - PR_[1] | [not a]) <= 0.1",
    "TPR_[0] | [b, n >= 3] / TPR_[0] | [b] >= 0.7",
    "ACC >= 0.3",
    "PPV_[1] | [c] * TPR_[1] | [not c] - ACC <= 0.4",
    "max(PR_[0], by=n) - min(PR_[0], by=n) <= 0.4",
    "ACC | [b] - 0.5 * PR_[1] | [d] <= 0.3",
]
VALUED = ["Cost | [a] - Cost | [not a] <= 0.3", "Cost | [b, d] + PR_[0] | [b] + Cost <= 6"]


def with_and_without_families(n_classes, valued, deterministic, n=700):
    """The same rows in the constraints' families, and in one family of all conditions."""
    rng = np.random.default_rng(n_classes)
    y, p = rng.integers(0, n_classes, n), rng.dirichlet(np.ones(n_classes), n)
    columns = {name: rng.integers(0, 2, n) for name in "abcd"} | {"n": rng.integers(0, 5, n)}
    constraints = [parse(text) for text in (*MANY, *(VALUED if valued else ()))]
    classes = tuple(range(n_classes))
    positive = 1 if n_classes == 2 else None
    schema = Schema.from_columns(columns, constraints, classes, positive, measures=(COSTS,))
    bound = [bind(constraint, schema) for constraint in constraints]
    together = [constraint.conditions for constraint in bound]
    everything = [distinct_conditions(distinct_estimands(bound))]
    values = distinct_values(distinct_estimands(bound))
    parted, whole = (
        summarise(codes, y, p, stratification, values, deterministic=deterministic, keep=True)
        for codes, stratification in (assign_cells(columns, t, n) for t in (together, everything))
    )
    assert len(parted.stratification.columns) > 1
    assert len(whole.stratification.columns) == 1
    return bound, parted, whole


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.thinned(3)
def test_families_give_the_result_of_all_conditions_together(n_classes, valued, deterministic):
    constraints, parted, whole = with_and_without_families(n_classes, valued, deterministic)
    assert parted.n_rows == whole.n_rows == 700
    means = distinct_estimands(constraints)
    assert parted.shares(means) == pytest.approx(whole.shares(means))
    some, all_ = parted.evidence(means), whole.evidence(means)
    for mean in means:
        assert some.samples[mean] == pytest.approx(all_.samples[mean], rel=1e-12)
        if some.row_values is not None:
            found, expected = (e.row_values(mean, 2.0, -0.5) for e in (some, all_))
            np.testing.assert_array_equal(found, expected)
    for atom in (atom for constraint in constraints for atom in atoms_of(constraint.tree)):
        slopes = np.random.default_rng(0).normal(size=len(atom.estimands)).tolist()
        found, expected = (e.influence_variance(atom.estimands, slopes) for e in (some, all_))
        assert found == pytest.approx(expected, rel=1e-9)
    for constraint in constraints:
        found, expected = (
            certify_constraint(
                constraint, seen, 0.05, "auto", exclusive_columns(seen.stratification)
            )
            for seen in (parted, whole)
        )
        assert found.passed == expected.passed
        assert found.method == expected.method
        assert found.g_upper == pytest.approx(expected.g_upper, rel=1e-9)
        assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)


def test_products_are_second_moments():
    statistics = DATA.statistics("Cost + Brier <= 3")
    costs = COST[DATA.y, DATA.p.argmax(axis=1)]
    brier = (DATA.p[:, 1] - DATA.y) ** 2
    total = statistics.products.sum(axis=(0, 1))
    decided = np.eye(2)[DATA.p.argmax(axis=1)]
    rows = np.column_stack([decided, costs, brier])
    np.testing.assert_allclose(total, np.column_stack([costs, brier]).T @ rows)


def test_invalid_rows_are_counted_apart():
    probabilities = np.array([[0.2, 0.8], [np.nan, 0.5], [np.inf, 0.0]])
    zeros = np.zeros(3, np.int64)
    statistics = summarise(zeros, zeros, probabilities, Stratification.single())
    assert (statistics.n_invalid, statistics.n_rows) == (2, 3)


# -- rows --------------------------------------------------------------------------------------

N = 60
RNG = np.random.default_rng(5)
Y, DECIDED = RNG.integers(0, 3, size=(2, N))
PROBABILITIES = RNG.dirichlet(np.ones(3), N)
SCHEMA = Schema((0, 1, 2), None, {"a": (0, 1), "b": (0, 1, 2)})
TOGETHER = [
    bind(parse(f"PR_[1] | [{condition}] <= 0.5"), SCHEMA).conditions
    for condition in ("a", "b == 2")
]
CODES, CELLS = assign_cells({"a": np.arange(N) % 2, "b": np.arange(N) % 3}, TOGETHER, N)


def of_cell(cell):
    """Which rows are in a cell."""
    return (CELLS.cell_of_code[CODES] == cell).any(axis=1)


def test_entries_count_rows_of_a_cell_with_a_label_and_a_decision():
    table = tabulate(CODES, Y, DECIDED, CELLS, 3)
    assert table.shape == (CELLS.n_cells, 3, 3) == (4, 3, 3)
    for cell, label, decision in np.ndindex(table.shape):
        rows = of_cell(cell) & (label == Y) & (decision == DECIDED)
        assert table[cell, label, decision] == rows.sum()
    assert table.sum() == 2 * N  # each row is in a cell of each family


@pytest.mark.parametrize("decided", [None, DECIDED])
def test_decisions_are_those_given_or_the_most_probable(decided):
    found = summarise(CODES, Y, PROBABILITIES, CELLS, decisions=decided)
    expected = PROBABILITIES.argmax(axis=1) if decided is None else decided
    np.testing.assert_array_equal(found.confusion, tabulate(CODES, Y, expected, CELLS, 3))
    assert found.kept is None


@pytest.mark.parametrize("decided", [None, DECIDED])
def test_row_measures_are_of_the_decisions(decided):
    found = summarise(CODES, Y, PROBABILITIES, CELLS, (COSTS,), decisions=decided, keep=True)
    costs = COST[Y, PROBABILITIES.argmax(axis=1) if decided is None else decided]
    for cell, label in np.ndindex(4, 3):
        rows = of_cell(cell) & (label == Y)
        assert found.confusion[cell, label, 3] == costs[rows].sum()
    np.testing.assert_array_equal(found.kept.entries[:, 3], costs)


def test_rows_are_kept_only_if_they_are_asked_for_or_belong_together():
    drawn = {"deterministic": False}
    assert summarise(CODES, Y, PROBABILITIES, CELLS, **drawn).kept is None
    kept = summarise(CODES, Y, PROBABILITIES, CELLS, **drawn, keep=True).kept
    np.testing.assert_array_equal(kept.entries, PROBABILITIES)
    units = units_of(np.arange(N) // 2, None, N)
    assert summarise(CODES, Y, PROBABILITIES, CELLS, units=units).kept is not None


@pytest.mark.parametrize("deterministic", [True, False])
def test_weighted_rows_count_by_their_weights(deterministic):
    weights = RNG.choice([0.5, 1.0, 2.0], N)
    units = units_of(None, weights, N)
    found = summarise(CODES, Y, PROBABILITIES, CELLS, deterministic=deterministic, units=units)
    entries = np.eye(3)[PROBABILITIES.argmax(axis=1)] if deterministic else PROBABILITIES
    for cell, label in np.ndindex(4, 3):
        rows = of_cell(cell) & (label == Y)
        np.testing.assert_allclose(found.confusion[cell, label], weights[rows] @ entries[rows])
    assert found.largest == 2.0


def test_an_invalid_row_is_left_out_with_its_unit():
    probabilities = PROBABILITIES.copy()
    probabilities[7, 1] = np.nan
    units = units_of(np.arange(N) // 2, 1.0 + np.arange(N), N)
    found = summarise(CODES, Y, probabilities, CELLS, units=units)
    assert (found.n_invalid, len(found.kept.codes)) == (1, N - 1)
    np.testing.assert_array_equal(found.kept.weights, np.delete(1.0 + np.arange(N), 7))


SQUARES = RowMeasure("Squares", lambda y, prediction, _: (y - prediction) ** 2, range=(0, 99))


def test_a_regression_has_sums_and_products_of_its_measures():
    targets, predictions = RNG.normal(size=(2, N))
    predictions[3] = np.inf
    found = summarise_predictions(CODES, targets, predictions, CELLS, (SQUARES,), keep=True)
    squares = (targets - predictions) ** 2
    valid = np.arange(N) != 3
    assert (found.n_invalid, found.n_rows) == (1, N)
    for cell in range(4):
        rows = of_cell(cell) & valid
        np.testing.assert_allclose(found.confusion[cell, 0], [rows.sum(), squares[rows].sum()])
        products = [squares[rows].sum(), (squares[rows] ** 2).sum()]
        np.testing.assert_allclose(found.products[cell, 0, 0], products)
    np.testing.assert_allclose(found.kept.entries[:, 1], squares[valid])


def test_rows_without_a_label_have_no_measures():
    """The measure is not computed for them, because their label is a placeholder."""
    n_rows = []

    def cost(y, prediction, _):
        n_rows.append(len(y))
        return 1.0 + (y == prediction)

    values = (RowMeasure("Mine", cost, range=(0, 2)),)
    has_label = np.arange(N) % 4 != 0
    columns = {HAS_LABEL.column: np.where(has_label, 1.0, np.nan)}
    codes, cells = assign_cells(columns, [(HAS_LABEL,)], N)
    labels = np.where(has_label, Y, 0)
    kept = summarise(codes, labels, PROBABILITIES, cells, values, keep=True).kept
    expected = np.where(has_label, 1.0 + (PROBABILITIES.argmax(axis=1) == Y), 0.0)
    np.testing.assert_array_equal(kept.entries[:, 3], expected)
    kept = summarise_predictions(codes, labels, DECIDED, cells, values, keep=True).kept
    expected = np.where(has_label, 1.0 + (Y == DECIDED), 0.0)
    np.testing.assert_array_equal(kept.entries[:, 1], expected)
    assert n_rows == [45, 45]

import numpy as np
import pytest

from sklearn_seldonian.certification import Statistics, tabulate
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_conditions,
    parse,
)

SCHEMA = Schema(classes=(0, 1, 2), positive=None, levels={"M": (0, 1), "age": tuple(range(9))})
BINARY = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "age": tuple(range(9))})


def rows(n_classes, n=500, seed=0):
    rng = np.random.default_rng(seed)
    y, predicted = rng.integers(0, n_classes, size=(2, n))
    chances = rng.dirichlet(np.ones(n_classes), size=n)
    columns = {"M": rng.integers(0, 2, size=n), "age": rng.integers(0, 9, size=n)}
    return y, predicted, chances, columns


def statistics(mean, y, decisions, columns, n_classes):
    conditions = distinct_conditions([mean])
    cells = assign_cells(columns, conditions, len(y))
    table = tabulate(cells.codes, y, decisions, (len(cells.membership), n_classes))
    return Statistics(table, cells.membership, conditions, hard=decisions.ndim == 1)


# Each measure's success and the rows it is over, written with numpy alone.
BINARY_RATES = {
    "PR": lambda y, p: (p == 1, p == p),
    "NR": lambda y, p: (p == 0, p == p),
    "TPR": lambda y, p: (p == 1, y == 1),
    "FNR": lambda y, p: (p == 0, y == 1),
    "FPR": lambda y, p: (p == 1, y == 0),
    "TNR": lambda y, p: (p == 0, y == 0),
    "ACC": lambda y, p: (p == y, p == p),
    "ERR": lambda y, p: (p != y, p == p),
}


@pytest.mark.parametrize("name", BINARY_RATES)
@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("", lambda c: np.ones(500, bool)),
        (" | [M]", lambda c: c["M"] == 1),
        (" | [not M, age >= 3]", lambda c: (c["M"] == 0) & (c["age"] >= 3)),
        (" | [age in (1, 2, 5)]", lambda c: np.isin(c["age"], [1, 2, 5])),
    ],
)
def test_rates_equal_numpy(name, condition, chosen):
    y, predicted, chances, columns = rows(2)
    success, counted = BINARY_RATES[name](y, predicted)
    counted &= chosen(columns)
    expected = success[counted].mean()
    soft_value = chances[np.arange(500), y] if name in ("ACC", "ERR") else chances[:, 1]
    soft = soft_value[counted].mean()
    constraint = bind(parse(f"{name}{condition} <= 0.5"), BINARY)
    (mean,) = constraint.means
    flipped = str(mean).partition(" ")[0] != name
    for decisions, value in ((predicted, expected), (chances, soft)):
        sample = statistics(mean, y, decisions, columns, 2).rate(mean)
        assert sample.trials == pytest.approx(counted.sum())
        shown = 1 - sample.estimate if flipped else sample.estimate
        if decisions is chances and name in ("NR", "FNR", "TNR", "ERR"):
            shown = 1 - shown
        assert shown == pytest.approx(value)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_multiclass_rates_equal_numpy(label):
    y, predicted, _, columns = rows(3)
    (mean,) = bind(parse(f"TPR_[{label}] >= 0.5"), SCHEMA).means
    sample = statistics(mean, y, predicted, columns, 3).rate(mean)
    assert sample.trials == (y == label).sum()
    assert sample.successes == ((predicted == label) & (y == label)).sum()


@pytest.mark.parametrize("hard", [True, False])
def test_parts_add_up_in_any_order(hard):
    y, predicted, chances, columns = rows(2)
    (mean,) = bind(parse("FPR | [M] <= 0.5"), BINARY).means
    decisions = predicted if hard else chances
    conditions = distinct_conditions([mean])
    cells = assign_cells(columns, conditions, len(y))

    def part(index):
        table = tabulate(cells.codes[index], y[index], decisions[index], (len(cells.membership), 2))
        return Statistics(table, cells.membership, conditions, hard)

    whole = part(np.arange(500))
    pieces = [part(index) for index in np.array_split(np.random.default_rng(1).permutation(500), 7)]
    total = sum(pieces[1:], start=pieces[0])
    assert np.allclose(total.table, whole.table, rtol=0, atol=0 if hard else 1e-9)
    assert total.n_rows == 500


def test_empty_group_has_no_estimate():
    y, predicted, _, columns = rows(2)
    columns["M"][:] = 0
    (mean,) = bind(parse("PR | [M] <= 0.5"), BINARY).means
    sample = statistics(mean, y, predicted, columns, 2).rate(mean)
    assert sample.trials == 0
    assert np.isnan(sample.estimate)

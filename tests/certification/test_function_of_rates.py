"""Functions of rates that may share rows: their tables, tests and predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian import certify
from sklearn_seldonian.certification import Evidence, Sample
from sklearn_seldonian.certification._function_of_rates import (
    FEW_CELLS,
    MANY_ROWS,
    fitted_table,
    function_of_rates,
)
from sklearn_seldonian.certification._method import INVERSE_NORMAL
from sklearn_seldonian.certification._methods import method_for
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"sex": ("F", "M"), "old": (0, 1)})


class Decided(ClassifierMixin, BaseEstimator):
    """A model whose decision is the first column."""

    def fit(self, X, y):
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(int)


def certificate(text, n_rows, agreement=0.85, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_rows)
    decided = np.where(rng.random(n_rows) < agreement, y, 1 - y).astype(float)[:, None]
    frame = pd.DataFrame({"sex": rng.choice(["F", "M"], n_rows), "old": rng.integers(0, 2, n_rows)})
    model = Decided().fit(decided, y)
    return certify(model, decided, y, text, sensitive_features=frame)


@pytest.mark.parametrize(
    "text",
    [
        "abs(PR | [sex == 'M'] - PR) <= 0.06",
        "TPR * TNR >= 0.64",
        "abs(F1 | [sex == 'M'] - F1 | [sex == 'F']) <= 0.11",
        "PPV - FPR >= 0.6",
        "TPR | [sex == 'M'] - TPR | [old] <= 0.1",
    ],
)
def test_functions_of_rates_are_certified_on_few_rows(text):
    result = certificate(text, 1000).results[0]
    assert result.method == INVERSE_NORMAL
    assert result.guarantee == "finite-sample"
    assert result.passed
    assert result.p_value <= 0.05
    few = certificate(text, 60).results[0]
    assert not few.passed
    assert few.p_value > 0.05


def test_many_rates_are_left_to_the_box():
    many = "PR | [sex == 'M'] * PR | [old] * TPR * TNR"
    assert certificate(f"{many} >= 0.01", 600).results[0].method.startswith("box")


def evidence(counts):
    """The evidence of the rates of one constraint, from (successes, trials), without a table."""
    return lambda estimands: Evidence(
        {m: Sample(*counts[m.label], counts[m.label][1]) for m in estimands}
    )


def test_a_table_is_found_where_the_rates_determine_it():
    atom = next(iter(atoms_of(bind(parse("PR | [sex == 'M'] - PR <= .05"), SCHEMA).tree)))
    counts = {'PR | [sex == "M"]': (40, 100), "PR": (110, 250)}
    function = function_of_rates(atom.expression, atom.estimands, evidence(counts)(atom.estimands))
    order = [m.label for m in atom.estimands]
    inside = order.index('PR | [sex == "M"]')
    found = {kind if inside == 0 else kind[::-1]: rows for kind, rows in function.table.items()}
    assert found == pytest.approx({(2, 2): 40, (1, 1): 60, (0, 2): 70, (0, 1): 80})


def test_the_overlap_of_groups_is_that_of_the_table():
    """Two groups that may overlap: the overlap is as large as in the given table."""
    given = {(2, 2): 10.0, (1, 1): 10.0, (2, 0): 30.0, (1, 0): 30.0, (0, 2): 20.0, (0, 1): 20.0}
    table = fitted_table(given, np.array([44.0, 33.0]), np.array([80.0, 60.0]))
    assert sum(n for kind, n in table.items() if kind[0] == 2) == pytest.approx(44)
    assert sum(n for kind, n in table.items() if kind[1]) == pytest.approx(60)
    assert table[2, 2] + table[1, 1] == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize(
    ("successes", "trials"),
    [([102.0, 102.0], [104.0, 102.0]), ([5.0, 5.0], [4.9, 5.0]), ([0.0, 50.0], [100.0, 50.0])],
)
def test_a_table_is_finite_even_if_no_table_has_these_numbers(successes, trials):
    """Planned tables are fitted to means of random tables, which need not agree exactly."""
    part_and_whole = dict.fromkeys([(1, 0), (1, 1), (2, 0), (2, 2)], 10.0)
    table = fitted_table(part_and_whole, np.array(successes), np.array(trials))
    assert all(0.0 <= rows <= max(trials) for rows in table.values())


def test_tables_at_an_extreme_of_the_function_can_pass():
    """A product of two rates that are 0 has no standard error."""
    result = certified_decisions("PR | [M] * PR <= 0.3", np.zeros(2, dtype=int)).results[0]
    assert not result.passed
    assert certified_decisions("PR | [M] * PR <= 0.3", np.zeros(result.rows_needed, int)).passed


def certified_decisions(text, y):
    """The certificate of a model that is always right, for a group M of all rows."""
    model, frame = Decided().fit(y[:, None], [0, 1]), pd.DataFrame({"M": np.ones_like(y)})
    return certify(model, y[:, None], y, text, sensitive_features=frame)


@pytest.mark.parametrize(
    ("text", "labels", "rows_needed"),
    [
        ("PR | [M] / PR >= 0.5", np.ones(30, dtype=int), 1009),
        ("TPR | [M] / TPR >= 0.5", np.ones(30, dtype=int), 1009),
        ("TPR | [M] / TPR >= 0.5", np.arange(30) % 2, 2022),
    ],
)
def test_a_group_of_all_rows_has_a_number_of_rows_needed(text, labels, rows_needed):
    """The exact test of a part and the whole gives no bound here; the test of many rows does."""
    (result,) = certified_decisions(text, labels).results
    assert not result.passed
    assert result.bound == 0.0
    assert result.rows_needed == pytest.approx(rows_needed, rel=0.02)
    assert certified_decisions(text, np.tile(labels, -(-rows_needed // 30))).passed


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (
            "TPR | [old] * TPR | [not old] >= .5",
            {"TPR | [old]": (160, 200), "TPR | [not old]": (150, 200)},
        ),
        ("PR | [sex == 'M'] - PR <= .05", {'PR | [sex == "M"]': (300, 600), "PR": (560, 1200)}),
    ],
)
def test_passing_tables_are_approximately_those_that_pass(text, counts):
    """The verdict changes as one count grows, at the predicted count to within four counts."""
    atom = next(iter(atoms_of(bind(parse(text), SCHEMA).tree)))
    labels = [m.label for m in atom.estimands]
    rng = np.arange(-30, 31, 2)
    tables = np.array([[counts[label][0] for label in labels]] * len(rng), dtype=float)
    tables[:, 0] += rng
    method = method_for(atom, evidence(counts)(atom.estimands))
    about = method.passing_tables(tables, 0.05)
    passed = []
    for table in tables:
        moved = {
            label: (k, counts[label][1]) for label, k in zip(labels, table.tolist(), strict=True)
        }
        passed.append(method_for(atom, evidence(moved)(atom.estimands)).upper(0.05) <= 0.0)
    assert 0 < sum(passed) < len(passed)
    assert np.sum(about != np.array(passed)) <= 2


@pytest.mark.parametrize("n", [99_999, 100_001])
def test_with_many_rows_the_cells_are_fewer_and_the_bound_is_about_as_tight(n):
    counts = {'PR | [sex == "M"]': (0.2 * n, 0.5 * n), "PR": (0.43 * n, n)}
    counts = {label: (round(k), round(rows)) for label, (k, rows) in counts.items()}
    (atom,) = atoms_of(bind(parse("PR | [sex == 'M'] - PR <= .05"), SCHEMA).tree)
    seen = evidence(counts)(atom.estimands)
    function = function_of_rates(atom.expression, atom.estimands, seen)
    test, few = function.test(0.05), function.test(0.05, FEW_CELLS)
    estimate = 0.4 - 0.43
    assert test.upper - estimate == pytest.approx(few.upper - estimate, rel=0.02)
    assert (test.upper == few.upper) == (n > MANY_ROWS)
    assert test.upper <= few.upper


def test_rows_that_count_in_no_rate_do_not_change_the_test():
    """How many of them there are is random given the sizes that the proof of the test fixes."""
    (atom,) = atoms_of(bind(parse("TPR | [sex == 'M'] - TPR <= 0.05"), SCHEMA).tree)
    counts = {'TPR | [sex == "M"]': (20_000, 30_000), "TPR": (41_000, 60_000)}
    function = function_of_rates(atom.expression, atom.estimands, evidence(counts)(atom.estimands))
    assert sum(function.given_sizes) < MANY_ROWS
    others = {(0,) * len(atom.estimands): float(MANY_ROWS)}
    with_others = replace(function, table={**function.table, **others})
    assert with_others.test(0.05).upper == function.test(0.05).upper
    assert function.test(0.05).upper < function.test(0.05, FEW_CELLS).upper

"""The atoms and their slopes, compared with direct evaluation and sums over the rows."""

import numpy as np
import pytest
from scipy.special import softmax

from sklearn_seldonian.certification import Statistics, summarise
from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    assign_cells,
    bind,
    estimate,
    parse,
)
from sklearn_seldonian.selection import ConstrainedProblem, _linearisation
from tests.selection._problems import problem_and_table, problems

TEXTS = [
    "ACC >= 0.6",
    "abs(PR | [M] - PR | [F]) <= 0.1",
    "PR | [M] / PR | [F] >= 0.8",
    "TPR | [M] * TPR <= 0.3",
]


def values_of(problem, table):
    """Each atom's value by direct evaluation."""
    seen = Statistics(table, problem.stratification, deterministic=True)
    rates = {m: seen.rate(m).estimate for c in problem.constraints for m in c.estimands}
    return np.array([estimate(atom.expression, rates) for atom in problem.atoms])


def test_values_equal_direct_evaluation():
    problem, table = problem_and_table(TEXTS)
    assert np.allclose(problem.linearisation.at(table).values, values_of(problem, table))


def dense(near, table):
    """The slope of each atom in each entry of a table."""
    ones = np.eye(len(near.values))
    return np.array([near.gradient(one, table.shape).ravel() for one in ones])


def test_influence_is_the_derivative_in_each_entry():
    problem, table = problem_and_table(TEXTS)
    near = problem.linearisation.at(table)
    influence, step = dense(near, table), 1e-4 * table.sum()
    for entry in range(table.size):
        bumped = table.copy()
        bumped.flat[entry] += step
        slope = (values_of(problem, bumped) - near.values) / (step / table.sum())
        assert np.allclose(influence[:, entry], slope, atol=2e-3)


def test_standard_error_of_a_rate():
    problem, table = problem_and_table(["PR | [M] <= 0.5"])
    near = problem.linearisation.at(table)
    rate = near.values[0] + 0.5
    share = 1 / np.abs(dense(near, table)).max() * max(rate, 1 - rate)
    n = 500 * share
    expected = np.sqrt(rate * (1 - rate) / n)
    assert near.standard_errors(500)[0] == pytest.approx(expected, rel=1e-6)


def test_a_rate_of_zero_still_has_a_standard_error():
    problem, table = problem_and_table(["PR <= 0.5"])
    table[..., 0] += table[..., 1]
    table[..., 1] = 0
    assert problem.linearisation.at(table).standard_errors(100)[0] == pytest.approx(1 / 100)


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_spread_is_that_of_the_rows(deterministic, n_classes):
    rng = np.random.default_rng(0)
    n = 3000
    male, y = rng.integers(0, 2, n), rng.integers(0, n_classes, n)
    probabilities = rng.dirichlet(np.full(n_classes, 5.0), n)
    schema = Schema(tuple(range(n_classes)), None, {"M": (0, 1), "F": (0, 1)})
    constraint = bind(parse("PR_[0] | [M] - 2 * TPR_[1] | [F] + NR_[1] <= 0.1"), schema)
    columns = {"M": male, "F": 1 - male}
    codes, stratification = assign_cells(columns, [constraint.conditions], n)
    seen = summarise(codes, y, probabilities, stratification, deterministic=deterministic)
    problem = ConstrainedProblem(
        [constraint], [0.05], stratification, n_classes, 500, 0.9, deterministic
    )
    near = problem.linearisation.at(seen.confusion, seen.products)

    given = np.eye(n_classes)[probabilities.argmax(axis=1)] if deterministic else probabilities
    men, women = male == 1, (male == 0) & (y == 1)
    influence = (given[:, 0] - given[men, 0].mean()) * men / men.mean()
    influence -= 2 * (given[:, 1] - given[women, 1].mean()) * women / women.mean()
    influence -= given[:, 1] - given[:, 1].mean()
    assert near.second_moments[0] == pytest.approx((influence**2).mean())


@pytest.mark.parametrize(
    ("text", "g"),
    [
        ("F1 >= 0.7", 0.7 - 2 * 40 / (2 * 40 + 10 + 20)),
        ("PR / FPR <= 2", 0.5 / (10 / 40) - 2),
        ("max(-PR, ERR - 0.9) <= 0", -0.5),
        ("abs(PR - 0.4) <= 0.3", -0.2),
    ],
)
def test_estimates_are_in_units_of_the_constraint_however_it_is_tested(text, g):
    resolved = bind(parse(text), Schema((0, 1), 1))
    problem = ConstrainedProblem([resolved], [0.05], Stratification.single(), 2, 100, 0.95)
    near = problem.linearisation.at(np.array([[[30.0, 10.0], [20.0, 40.0]]]))
    assert problem.linearisation.estimate(0, near.means) == pytest.approx(g)


# -- families ------------------------------------------------------------------------------


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_move_the_atoms_as_all_conditions_together_do(n_classes, valued, deterministic):
    found = []
    for problem, codes, y, scores in problems(n_classes, valued, deterministic):
        of_rows = y, softmax(scores, axis=1), problem.stratification, problem.values
        seen = summarise(codes, *of_rows, deterministic=deterministic, keep=True)
        near = problem.linearisation.at(seen.confusion, seen.products)
        estimates = [
            problem.linearisation.estimate(i, near.means) for i in range(len(problem.constraints))
        ]
        found.append((near.values, near.standard_errors(500), estimates))
        assert problem.linearisation.n_rows(seen.confusion) == pytest.approx(600)
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9)


def test_many_columns_make_few_entries():
    rng = np.random.default_rng(0)
    columns = {f"g{i}": rng.integers(0, 2, 5000) for i in range(20)}
    schema = Schema(classes=(0, 1), positive=1, levels=dict.fromkeys(columns, (0, 1)))
    texts = [f"abs(PR | [{name}] - PR | [not {name}]) <= 0.1" for name in columns]
    constraints = [bind(parse(text), schema) for text in texts]
    stratification = assign_cells(columns, [c.conditions for c in constraints], 5000).stratification
    problem = ConstrainedProblem(constraints, [0.05] * 20, stratification, 2, 500, 0.9)
    assert problem.linearisation.confusion_shape == (40, 2, 2)


def test_rows_of_each_mean():
    problem, table = problem_and_table(["PR | [M] - TPR <= 0.1"])
    male = problem.stratification.membership[:, 0]
    expected = [table[male].sum(), table[:, 1].sum()]
    assert problem.linearisation.trials(table).tolist() == expected


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
def test_atoms_are_the_same_however_many_are_computed_together(valued, deterministic, monkeypatch):
    found = []
    for at_once in (1, 2, 64):
        monkeypatch.setattr(_linearisation, "ATOMS_AT_ONCE", at_once)
        problem, codes, y, scores = next(iter(problems(3, valued, deterministic)))
        linear = problem.linearisation
        of_rows = y, softmax(scores, axis=1), problem.stratification, problem.values
        seen = summarise(codes, *of_rows, deterministic=deterministic, keep=True)
        near = linear.at(seen.confusion, seen.products)
        several = linear.at(np.stack([seen.confusion] * 2), np.stack([seen.products] * 2))
        np.testing.assert_allclose(several.values[1], near.values)
        weights = np.arange(1.0, 1.0 + len(problem.atoms))
        gradient = near.gradient(weights, linear.confusion_shape)
        scale = linear.violation_scale(seen.confusion, np.ones(len(problem.values)))
        found.append((near.values, near.standard_errors(500), near.means, gradient, scale))
    for other in found[1:]:
        for mine, others in zip(found[0], other, strict=True):
            np.testing.assert_allclose(mine, others, rtol=1e-9, atol=1e-12)


def test_many_atoms_take_memory_for_their_own_cells_alone():
    n_levels = 300
    columns = {"level": np.arange(3000) % n_levels}
    schema = Schema(classes=(0, 1), positive=1, levels={"level": tuple(range(n_levels))})
    constraints = [bind(parse(f"PR | [level == {i}] <= 0.9"), schema) for i in range(n_levels)]
    stratification = assign_cells(columns, [c.conditions for c in constraints], 3000).stratification
    deltas = [0.05] * n_levels
    problem = ConstrainedProblem(constraints, deltas, stratification, 2, 500, 0.9)
    table = np.random.default_rng(0).integers(0, 9, (n_levels, 2, 2)).astype(float)
    near = problem.linearisation.at(table)
    assert sum(each.of_atoms.size for each in near.influence) <= 64 * table.size
    assert np.allclose(near.values, values_of(problem, table), equal_nan=True)

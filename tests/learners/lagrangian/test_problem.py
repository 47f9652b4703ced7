import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import norm

from sklearn_seldonian.certification import Statistics, summarise, tabulate
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_conditions,
    distinct_means,
    estimate,
    parse,
)
from sklearn_seldonian.learners.lagrangian import Classification, ConstrainedProblem
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from sklearn_seldonian.measures import RowMeasure

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)})
TEXTS = [
    "ACC >= 0.6",
    "abs(PR | [M] - PR | [F]) <= 0.1",
    "PR | [M] / PR | [F] >= 0.8",
    "TPR | [M] * TPR <= 0.3",
]


def problem_and_table(texts, n=2000, seed=0):
    rng = np.random.default_rng(seed)
    male = rng.integers(0, 2, size=n)
    y = rng.integers(0, 2, size=n)
    predicted = (rng.random(n) < 0.4 + 0.2 * y).astype(int)
    constraints = [bind(parse(text), SCHEMA) for text in texts]
    columns = {"M": male, "F": 1 - male}
    codes, families = assign_cells(columns, [c.conditions for c in constraints], n)
    problem = ConstrainedProblem(constraints, [0.05] * len(texts), families, 2, 500, 0.9)
    return problem, tabulate(codes, y, predicted, families, 2)


def values_of(problem, table):
    """Each atom's value by direct evaluation."""
    seen = Statistics(table, problem.families, hard=True)
    rates = {m: seen.rate(m).estimate for c in problem.constraints for m in c.means}
    return np.array([estimate(atom.expression, rates) for atom in problem.atoms])


def test_values_equal_direct_evaluation():
    problem, table = problem_and_table(TEXTS)
    assert np.allclose(problem.linearise(table).values, values_of(problem, table))


def test_influence_is_the_derivative_in_each_square():
    problem, table = problem_and_table(TEXTS)
    near = problem.linearise(table)
    step = 1e-4 * table.sum()
    for square in range(table.size):
        bumped = table.copy()
        bumped.flat[square] += step
        slope = (values_of(problem, bumped) - near.values) / (step / table.sum())
        assert np.allclose(near.influence[:, square], slope, atol=2e-3)


def test_standard_error_of_a_rate():
    problem, table = problem_and_table(["PR | [M] <= 0.5"])
    near = problem.linearise(table)
    rate = near.values[0] + 0.5
    share = 1 / np.abs(near.influence).max() * max(rate, 1 - rate)
    n = 500 * share
    expected = np.sqrt(rate * (1 - rate) / n)
    assert near.standard_errors(500)[0] == pytest.approx(expected, rel=1e-6)


def test_a_rate_of_zero_still_has_a_standard_error():
    problem, table = problem_and_table(["PR <= 0.5"])
    table[..., 0] += table[..., 1]
    table[..., 1] = 0
    assert problem.linearise(table).standard_errors(100)[0] == pytest.approx(1 / 100)


def test_predicted_probability_of_passing():
    problem, table = problem_and_table(["PR <= 0.5"])
    near = problem.linearise(table)
    n = round(table.sum())
    prediction = problem.predict(near, n)
    test, candidate = near.standard_errors(500)[0], near.standard_errors(n)[0]
    bound = near.values[0] + norm.ppf(0.95) * test
    assert prediction.bounds[0] == pytest.approx(bound)
    assert prediction.probabilities[0] == pytest.approx(
        norm.cdf(-bound / np.hypot(test, candidate))
    )
    margin = problem.margins(near, n)[0]
    assert margin == pytest.approx(
        norm.ppf(0.95) * test + norm.ppf(0.9) * np.hypot(test, candidate)
    )


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("max(PR, TPR) <= 0.1", [True, True]),
        ("min(PR - 0.8, TPR) <= 0.1", [True, False]),
        ("min(max(PR, TPR), PR - 0.8) <= 0.1", [False, False, True]),
    ],
)
def test_training_pushes_on_the_nearest_of_an_or(text, active):
    problem, table = problem_and_table([text])
    assert problem.active(problem.linearise(table)).tolist() == active


def test_and_of_probabilities_is_at_least_what_bonferroni_says():
    problem, table = problem_and_table(["abs(PR | [M] - PR | [F]) <= 0.1"])
    near = problem.linearise(table)
    single = [
        problem_and_table([text])[0].predict(problem_and_table([text])[0].linearise(t), 2000)
        for text, t in (
            ("PR | [M] - PR | [F] <= 0.1", problem_and_table(["PR | [M] - PR | [F] <= 0.1"])[1]),
            ("PR | [F] - PR | [M] <= 0.1", problem_and_table(["PR | [F] - PR | [M] <= 0.1"])[1]),
        )
    ]
    both = problem.predict(near, 2000).probabilities[0]
    expected = max(0.0, 1 - sum(1 - p.probabilities[0] for p in single))
    assert both == pytest.approx(expected)


@pytest.mark.parametrize("beside", [[], ["min(PR, TPR) <= 0.5"]], ids=["ANDs", "and an OR"])
def test_all_pass_where_no_atom_fails(beside):
    texts = ["max(PR, TPR, FPR) <= 0.5", "PR >= 0.1", "abs(PR | [M] - PR | [F]) <= 0.1"]
    problem, _ = problem_and_table([*texts, *beside])
    chances = np.random.default_rng(0).uniform(0.6, 1.0, (50, len(problem.atoms)))
    chances[0, 3] = np.nan
    failing = 1.0 - np.nan_to_num(chances)
    of_each = [failing[:, :3].sum(axis=1), failing[:, 3], failing[:, 4:6].sum(axis=1)]
    of_each += [failing[:, 6:].min(axis=1)] if beside else []
    expected = 1.0 - np.minimum(of_each, 1.0).sum(axis=0)
    np.testing.assert_allclose(problem.likelihoods(chances), expected, atol=1e-12)


def test_a_rate_without_rows_is_not_predicted_to_pass():
    problem, table = problem_and_table(["PR | [M] <= 0.9", "ACC >= 0.1"])
    table[problem.families.membership[:, 0]] = 0
    near = problem.linearise(table)
    assert np.isnan(near.values[0])
    assert np.isfinite(near.influence).all()
    prediction = problem.predict(near, 1000)
    assert prediction.probabilities[0] == 0.0
    assert prediction.bounds[0] == np.inf
    assert prediction.probabilities[1] > 0.99


def test_what_is_always_true_passes_for_sure():
    problem, table = problem_and_table(["0 * PR <= 1", "0 * PR >= 1"])
    prediction = problem.predict(problem.linearise(table), 1000)
    assert prediction.probabilities.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_spread_is_that_of_the_rows(hard, n_classes):
    rng = np.random.default_rng(0)
    n = 3000
    male, y = rng.integers(0, 2, n), rng.integers(0, n_classes, n)
    chances = rng.dirichlet(np.full(n_classes, 5.0), n)
    schema = Schema(tuple(range(n_classes)), None, {"M": (0, 1), "F": (0, 1)})
    constraint = bind(parse("PR_[0] | [M] - 2 * TPR_[1] | [F] + NR_[1] <= 0.1"), schema)
    columns = {"M": male, "F": 1 - male}
    codes, families = assign_cells(columns, [constraint.conditions], n)
    seen = summarise(codes, y, chances, families, hard=hard)
    problem = ConstrainedProblem([constraint], [0.05], families, n_classes, 500, 0.9, hard)
    near = problem.linearise(seen.table, seen.products)

    given = np.eye(n_classes)[chances.argmax(axis=1)] if hard else chances
    men, women = male == 1, (male == 0) & (y == 1)
    influence = (given[:, 0] - given[men, 0].mean()) * men / men.mean()
    influence -= 2 * (given[:, 1] - given[women, 1].mean()) * women / women.mean()
    influence -= given[:, 1] - given[:, 1].mean()
    assert near.second_moments[0] == pytest.approx((influence**2).mean())


# -- families ------------------------------------------------------------------------------

COST = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [1.0, 3.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
MANY = [
    "ACC >= 0.3",
    "abs(PR_[1] | [a] - PR_[1] | [not a]) <= 0.1",
    "PPV_[1] | [c] * TPR_[1] | [not c] - ACC <= 0.4",
    "min(PR_[0] | [b, c], ERR | [b]) <= 0.4",
    "TPR_[0] | [d] / TPR_[0] | [not d] >= 0.7",
]
VALUED = ["Cost | [a] - Cost | [not a] <= 0.3", "Cost | [b] + PR_[0] | [b] + Cost <= 6"]


def problems(n_classes, valued, hard, n=600):
    """The problem over the constraints' families, and over one family of all conditions."""
    rng = np.random.default_rng(n_classes)
    columns = {name: rng.integers(0, 2, n) for name in "abcd"}
    texts = [parse(text) for text in (*MANY, *(VALUED if valued else ()))]
    positive = 1 if n_classes == 2 else None
    schema = Schema.of(columns, texts, tuple(range(n_classes)), positive, measures=(COSTS,))
    constraints = [bind(text, schema) for text in texts]
    everything = distinct_conditions(distinct_means(constraints))
    y, scores = rng.integers(0, n_classes, n), rng.normal(size=(n, n_classes))
    for together in ([c.conditions for c in constraints], [everything]):
        codes, families = assign_cells(columns, together, n)
        deltas = [0.05] * len(constraints)
        problem = ConstrainedProblem(constraints, deltas, families, n_classes, 500, 0.9, hard)
        yield problem, codes, y, scores


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_move_the_atoms_as_all_conditions_together_do(n_classes, valued, hard):
    found, tested = [], []
    for problem, codes, y, scores in problems(n_classes, valued, hard):
        chances = softmax(scores, axis=1)
        seen = summarise(codes, y, chances, problem.families, problem.values, hard=hard, keep=True)
        near = problem.linearise(seen.table, seen.products)
        prediction = problem.predict(near, 600)
        estimates = problem.estimates(near.means)
        found.append((near.values, near.standard_errors(500), *prediction, estimates))
        tested.append(problem.tested_on([seen]).margins(near, 600))
        assert problem.n_rows(seen.table) == pytest.approx(600)
    parted, whole = found
    for mine, other in zip(parted, whole, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9)
    np.testing.assert_allclose(*tested, rtol=1e-6)


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_train_as_all_conditions_together_do(n_classes, valued, hard, pulled):
    found = []
    for problem, codes, y, scores in problems(n_classes, valued, hard):
        state = Lagrangian(problem, Classification(2), 600, 1.0, 0.1, "cpu")
        y, codes = torch.from_numpy(y), torch.from_numpy(codes)
        for part in (slice(0, 350), slice(350, 600)):
            pulled(state, torch.tensor(scores[part]).float(), y[part], codes[part])
            state.batch_done()
        state.step()
        found.append((state.multipliers, pulled(state, torch.tensor(scores).float(), y, codes)))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-7)


def test_many_columns_make_few_squares():
    rng = np.random.default_rng(0)
    columns = {f"g{i}": rng.integers(0, 2, 5000) for i in range(20)}
    schema = Schema(classes=(0, 1), positive=1, levels=dict.fromkeys(columns, (0, 1)))
    texts = [f"abs(PR | [{name}] - PR | [not {name}]) <= 0.1" for name in columns]
    constraints = [bind(parse(text), schema) for text in texts]
    families = assign_cells(columns, [c.conditions for c in constraints], 5000).families
    problem = ConstrainedProblem(constraints, [0.05] * 20, families, 2, 500, 0.9)
    assert problem.table_shape == (40, 2, 2)

"""Row measures in training: the same numbers as in the test, and a gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sklearn_seldonian.certification import summarise
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_values,
    parse,
)
from sklearn_seldonian.learners.lagrangian import Classification
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from sklearn_seldonian.measures import CLASSIFICATION_VALUES, RowMeasure, row_values
from sklearn_seldonian.selection import ConstrainedProblem
from tests.learners.lagrangian._gradient import gradient_of_weights

COST = np.array([[0.0, 1.0], [5.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
SQUARED = RowMeasure(
    "Squared",
    lambda y, _, p: (p[:, 1] - y) ** 2,
    range=(0, 1),
    surrogate=lambda p, y: (p[:, 1] - y) ** 2,
)
TASK = Classification(2)
N = 300
rng = np.random.default_rng(0)
SCORES = torch.tensor(rng.normal(size=(N, 2)))
Y = torch.tensor(rng.integers(0, 2, N))
P = torch.softmax(SCORES, dim=1).numpy()
MALE = rng.integers(0, 2, N)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_built_in_surrogates_are_the_values(n_classes):
    task = Classification(n_classes)
    scores = torch.tensor(rng.normal(size=(N, n_classes)))
    y = torch.tensor(rng.integers(0, n_classes, N))
    measures = tuple(
        replace(measure, indices=(1,) * measure.n_indices)
        for measure in CLASSIFICATION_VALUES.values()
    )
    p = torch.softmax(scores, dim=1).numpy()
    expected = row_values(measures, y.numpy(), p.argmax(axis=1), p)
    np.testing.assert_allclose(task.soft_values(measures, scores, y), expected, atol=1e-12)
    np.testing.assert_allclose(task.decision_values(measures, scores, y), expected, atol=1e-12)


def test_without_a_surrogate_the_gradient_is_that_of_the_expected_value():
    scores = SCORES.clone().requires_grad_()
    TASK.soft_values((COSTS,), scores, Y).sum().backward()
    again = SCORES.clone().requires_grad_()
    (torch.softmax(again, dim=1) * torch.tensor(COST)[Y]).sum().backward()
    np.testing.assert_allclose(scores.grad, again.grad)
    np.testing.assert_allclose(
        TASK.decision_values((COSTS,), SCORES, Y)[:, 0], COST[Y.numpy(), P.argmax(axis=1)]
    )


def test_a_surrogate_is_used():
    scores = SCORES.clone().requires_grad_()
    values = TASK.soft_values((SQUARED,), scores, Y)
    values.sum().backward()
    assert scores.grad.abs().sum() > 0
    np.testing.assert_allclose(values.detach()[:, 0], (P[:, 1] - Y.numpy()) ** 2)


def problem_and_statistics(text):
    constraint = parse(text)
    columns = {"M": MALE}
    schema = Schema.from_columns(columns, [constraint], (0, 1), 1, measures=(COSTS, SQUARED))
    resolved = bind(constraint, schema)
    codes, stratification = assign_cells(columns, [resolved.conditions], N)
    problem = ConstrainedProblem([resolved], [0.05], stratification, 2, N, 0.95)
    statistics = summarise(codes, Y.numpy(), P, stratification, distinct_values(resolved.estimands))
    return problem, statistics, torch.from_numpy(codes)


@pytest.mark.parametrize(
    ("text", "per_row"),
    [
        ("Cost <= 0.5", lambda d, c, s: c - c.mean()),
        ("Cost + PR <= 0.5", lambda d, c, s: c - c.mean() + d - d.mean()),
        ("Cost - 2 * Squared <= 0.5", lambda d, c, s: c - c.mean() - 2 * (s - s.mean())),
        ("Cost | [M] <= 0.5", lambda d, c, s: (c - c[MALE == 1].mean()) * MALE / MALE.mean()),
    ],
)
def test_spread_is_that_of_the_rows(text, per_row):
    problem, statistics, _ = problem_and_statistics(text)
    near = problem.linearisation.at(statistics.confusion, statistics.products)
    decided = P.argmax(axis=1)
    influence = per_row(decided, COST[Y.numpy(), decided], (P[:, 1] - Y.numpy()) ** 2)
    np.testing.assert_allclose(near.second_moments, (influence**2).mean())
    assert near.standard_errors(N)[0] >= np.sqrt((influence**2).mean() / N)


def test_training_counts_what_the_test_counts():
    problem, statistics, codes = problem_and_statistics("Cost | [M] + Squared + PR <= 0.5")
    lagrangian = Lagrangian(problem, Classification(2), N, 0.0, 0.1, "cpu")
    for part in (slice(0, 100), slice(100, N)):
        gradient_of_weights(lagrangian, SCORES[part].float(), Y[part], codes[part])
        lagrangian.batch_done()
    lagrangian.step()
    np.testing.assert_allclose(lagrangian._memory.confusion, statistics.confusion, rtol=1e-5)
    np.testing.assert_allclose(lagrangian._memory.products, statistics.products, rtol=1e-5)


def test_the_gradient_lowers_a_value():
    problem, _, _ = problem_and_statistics("Cost <= 0.1")
    lagrangian = Lagrangian(problem, Classification(2), N, 0.0, 1.0, "cpu")
    codes = torch.zeros(N, dtype=torch.int64)
    gradient_of_weights(lagrangian, SCORES.float(), Y, codes)
    lagrangian.batch_done()
    lagrangian.step()
    gradient = gradient_of_weights(lagrangian, SCORES.float(), Y, codes)
    # A false negative costs most, so the scores of positives must increase for class 1.
    assert (gradient[Y == 1, 1] < 0).all()


def test_a_value_that_is_not_finite_spoils_no_other_mean():
    problem, statistics, _ = problem_and_statistics("max(Cost - 4, PR - 0.9) <= 0")
    table = statistics.confusion.copy()
    table[..., 2] = np.inf
    near = problem.linearisation.at(table, statistics.products)
    assert near.values[0] > 1
    assert near.values[1] == pytest.approx((P.argmax(axis=1) == 1).mean() - 0.9)


def test_gradient_is_that_of_the_weighted_constraints():
    problem, _, codes = problem_and_statistics("Cost | [M] + Squared + PR <= 0.1")
    lagrangian = Lagrangian(problem, Classification(2), N, 1.0, 1.0, "cpu")
    gradient_of_weights(lagrangian, SCORES.float(), Y, codes)
    lagrangian.batch_done()
    lagrangian.step()
    scores = SCORES.float().requires_grad_()
    soft = [torch.softmax(scores, dim=1), TASK.soft_values(problem.values, scores, Y)]
    groups = torch.from_numpy(problem.stratification.cell_of_code)[codes][:, 0] * 2 + Y
    ((torch.cat(soft, dim=1) * lagrangian._weights[groups]).sum() / N).backward()
    assert lagrangian._weights.abs().max() > 0
    assert torch.allclose(
        gradient_of_weights(lagrangian, SCORES.float(), Y, codes), scores.grad, atol=1e-7
    )

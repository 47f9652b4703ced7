"""The meaning of outputs: the same numbers in training and in the test, and a gradient."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.certification import summarise_predictions
from sklearn_seldonian.constraints import Schema, Stratification, assign_cells, bind, parse
from sklearn_seldonian.learners.lagrangian import (
    Classification,
    Regression,
    Rows,
)
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from sklearn_seldonian.learners.lagrangian._tasks import summarised
from sklearn_seldonian.measures import REGRESSION_VALUES, RowMeasure, row_values
from sklearn_seldonian.selection import ConstrainedProblem
from tests.learners.lagrangian._gradient import gradient_of_weights

N = 400
rng = np.random.default_rng(0)
Y = rng.normal(loc=50, scale=10, size=N)
SCORES = torch.tensor(rng.normal(size=(N, 1)), dtype=torch.float32)
MALE = rng.integers(0, 2, N)
TASK = Regression(50.0, 10.0, (40.0, 62.0))
MEASURES = tuple(REGRESSION_VALUES.values())
CUBE = RowMeasure("Cube", lambda y, p, _: (p - y) ** 3)


def test_predictions_are_scaled_and_clipped():
    scores = TASK.scores(torch.tensor([-3.0, 0.0, 1.0, 3.0]))
    assert scores.shape == (4, 1)
    assert TASK.predictions(scores).tolist() == [40.0, 50.0, 60.0, 62.0]


def test_the_objective_is_that_of_standardised_numbers_and_the_loss_that_of_predictions():
    scores, y = torch.tensor([[2.0], [0.0]]), torch.tensor([60.0, 55.0], dtype=torch.float64)
    assert TASK.objective(nn.MSELoss(), scores, y).item() == pytest.approx((1 + 0.25) / 2)
    assert TASK.loss(nn.MSELoss(), scores, y).item() == pytest.approx((4 + 25) / 2)


def test_what_is_clipped_still_learns_but_feels_no_constraint():
    scores = torch.tensor([[3.0]], requires_grad=True)
    y = torch.tensor([55.0], dtype=torch.float64)
    TASK.objective(nn.MSELoss(), scores, y).backward()
    assert scores.grad.item() > 0
    scores.grad = None
    TASK.soft_values(MEASURES, scores, y).sum().backward()
    assert scores.grad.item() == 0


def test_values_are_those_of_the_test():
    y = torch.tensor(Y)
    predictions = TASK.predictions(SCORES).numpy()
    expected = row_values((*MEASURES, CUBE), Y, predictions, None)
    soft = TASK.soft_values((*MEASURES, CUBE), SCORES, y)
    np.testing.assert_allclose(soft, expected)
    np.testing.assert_allclose(
        TASK.decision_values((*MEASURES, CUBE), SCORES, y), expected, rtol=1e-6
    )


def test_without_a_surrogate_the_slope_is_that_of_the_value():
    inner = torch.tensor([[-0.7], [0.3]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([45.0, 45.0], dtype=torch.float64)
    TASK.soft_values((CUBE,), inner, y).sum().backward()
    error = (TASK.predictions(inner) - y).detach().numpy()
    np.testing.assert_allclose(inner.grad[:, 0], 10 * 3 * error**2, rtol=0.05)


@pytest.mark.parametrize("shape", [(8, 2), (8, 0)])
def test_outputs_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"of shape \(8, .\) for 8 rows. For a regression"):
        TASK.with_output_kind(torch.zeros(shape), nn.MSELoss())


def test_probabilities_under_cross_entropy_are_noticed():
    with pytest.warns(UserWarning, match="The module returns probabilities, and"):
        task = Classification(2).with_output_kind(torch.tensor([[0.2, 0.8]]), nn.CrossEntropyLoss())
    assert task.scores(torch.tensor([[0.2, 0.8]])).exp().sum() == pytest.approx(1)


def problem_of(text, **ranges):
    constraint = parse(text)
    resolved = bind(constraint, Schema.from_columns({"M": MALE}, [constraint], (), None, **ranges))
    codes, stratification = assign_cells({"M": MALE}, [resolved.conditions], N)
    return ConstrainedProblem([resolved], [0.05], stratification, 1, N, 0.9), codes


def test_training_counts_what_the_test_counts():
    problem, codes = problem_of("(ME | [M]) + (MSE | [not M]) <= 0.5")
    lagrangian = Lagrangian(problem, TASK, N, 0.0, 0.1, "cpu")
    for part in (slice(0, 100), slice(100, N)):
        y = torch.tensor(Y[part])
        gradient_of_weights(lagrangian, SCORES[part], y, torch.from_numpy(codes[part]))
        lagrangian.batch_done()
    lagrangian.step()
    statistics = summarised(TASK, SCORES, Y, codes, problem.stratification, problem.values)
    np.testing.assert_allclose(lagrangian._memory.confusion, statistics.confusion, rtol=1e-4)
    np.testing.assert_allclose(lagrangian._memory.products, statistics.products, rtol=1e-4)


def test_the_pull_is_the_gradient_of_the_constraint():
    problem, codes = problem_of("(ME | [M]) - (ME | [not M]) <= -1000")
    y, codes = torch.tensor(Y), torch.from_numpy(codes)
    scale = TASK.violation_scale(problem, Rows(torch.zeros(N, 1), y, codes))
    lagrangian = Lagrangian(problem, TASK, N, 1.0, 1.0, "cpu", scale)
    gradient_of_weights(lagrangian, SCORES, y, codes)
    lagrangian.batch_done()
    lagrangian.step()
    scores = SCORES.clone().requires_grad_()
    predictions = TASK.predictions(scores)
    gap = predictions[MALE == 1].mean() - predictions[MALE == 0].mean()
    (lagrangian.multipliers[0] * gap / scale[0]).backward()
    torch.testing.assert_close(gradient_of_weights(lagrangian, SCORES, y, codes), scores.grad)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("ME <= 1", lambda e: e.std()),
        ("(ME | [M]) - 2 * (ME | [not M]) <= 1", lambda e: 3 * e.std()),
        ("MSE <= 1", lambda e: (e**2).std()),
        ("0 <= 1", lambda e: 1 / 0.25),
    ],
)
def test_violations_count_in_a_quarter_of_how_much_the_measures_vary(text, unit):
    problem, codes = problem_of(text)
    rows = Rows(torch.zeros(N, 1), torch.tensor(Y), torch.from_numpy(codes))
    assert TASK.violation_scale(problem, rows) == pytest.approx(0.25 * unit(50.0 - Y))


def test_the_scale_of_what_does_not_vary_is_one():
    problem, codes = problem_of("ME <= 1")
    rows = Rows(torch.zeros(N, 1), torch.full((N,), 50.0), torch.from_numpy(codes))
    assert TASK.violation_scale(problem, rows) == 1.0


def test_rows_without_a_finite_prediction_are_counted_apart():
    predictions = np.where(np.arange(N) < 3, np.nan, 50.0)
    codes = np.zeros(N, dtype=np.int32)
    statistics = summarise_predictions(
        codes, Y, predictions, Stratification.single(), MEASURES, keep=True
    )
    assert statistics.n_invalid == 3
    assert statistics.n_rows == N
    assert len(statistics.kept.codes) == N - 3
    np.testing.assert_allclose(statistics.confusion[0, 0, 1], (50 - Y[3:]).sum())


@pytest.mark.parametrize(
    ("output", "expected"), [(0.5, 0.0), (9.0, 25.0), (float("inf"), float("inf"))]
)
def test_the_loss_that_is_shown_is_in_the_target_s_unit_and_as_finite_as_the_objective(
    output, expected
):
    """A prediction is clipped to the range. An infinite output must not look like a finite loss."""
    task = Regression(centre=4.0, scale=2.0, range=(0.0, 10.0))
    scores, y = torch.tensor([[output]]), torch.tensor([5.0], dtype=torch.float64)
    objective = task.objective(nn.MSELoss(), scores, y)
    assert task.shown_loss(nn.MSELoss(), objective, scores, y).item() == expected

"""The loss and the statistics of rows, in batches of any size."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.constraints import HAS_LABEL, Schema, assign_cells, bind, parse
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.learners.lagrangian import Rows
from sklearn_seldonian.learners.lagrangian._observation import observe, truth_table
from sklearn_seldonian.learners.lagrangian._tasks import Classification, Regression
from sklearn_seldonian.measures import REGRESSION_VALUES
from tests.learners.lagrangian._evaluators import evaluator_of

N = 50
RNG = np.random.default_rng(0)
MALE, Y = RNG.integers(0, 2, size=(2, N))
SCORES = torch.from_numpy(RNG.normal(size=(N, 2)))
CODES, CELLS = assign_cells(
    {"M": MALE},
    [bind(parse("PR | [M] <= 0.5"), Schema((0, 1), 1, {"M": (0, 1)})).conditions],
    N,
)
TASK, LOSS = Classification(2), nn.CrossEntropyLoss()


def rows_of(y=Y, has_label=None):
    known = None if has_label is None else torch.from_numpy(has_label)
    X = torch.zeros(N, 1)
    return Rows(X, torch.from_numpy(y), torch.from_numpy(CODES), has_label=known)


def observed(scores, rows=None, cells=CELLS, **given):
    return observe(scores, rows or rows_of(), LOSS, TASK, cells, (), **given)


def test_decisions_are_counted_and_the_loss_is_the_mean():
    loss, seen = observed([SCORES])
    decided = SCORES.argmax(dim=1).numpy()
    for cell, label, decision in np.ndindex(seen.confusion.shape):
        rows = (CELLS.cell_of_code[CODES, 0] == cell) & (label == Y) & (decided == decision)
        assert seen.confusion[cell, label, decision] == rows.sum()
    expected = nn.functional.cross_entropy(SCORES, torch.from_numpy(Y)).item()
    assert loss == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 7, 49])
def test_batches_give_what_all_rows_give(size):
    units = units_of(np.arange(N) // 2, 1.0 + MALE, N)
    whole_loss, whole = observed([SCORES], keep=True, units=units)
    loss, seen = observed(SCORES.split(size), keep=True, units=units)
    assert loss == pytest.approx(whole_loss)
    np.testing.assert_allclose(seen.confusion, whole.confusion)
    for part, expected in zip(seen.kept, whole.kept, strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("keep", [False, True])
def test_rows_of_drawn_decisions_are_kept_if_they_are_asked_for(keep):
    drawn = Classification(2, deterministic=False)
    ends = ((0.0, 0.0), (1.0, 2.0))
    _, seen = observe([SCORES], rows_of(), LOSS, drawn, CELLS, (), ends, keep=keep)
    assert (seen.kept is not None) is keep
    assert seen.ends == ends
    assert observed([SCORES])[1].ends is None


@pytest.mark.parametrize("size", [5, N])
def test_the_loss_is_that_of_rows_with_a_label(size):
    has_label = np.arange(N) % 3 == 0
    columns = {HAS_LABEL.column: np.where(has_label, 1.0, np.nan)}
    codes, cells = assign_cells(columns, [(HAS_LABEL,)], N)
    rows = rows_of(np.where(has_label, Y, 0), has_label)
    rows.cells = torch.from_numpy(codes)
    loss, seen = observed(SCORES.split(size), rows, cells)
    known = torch.from_numpy(has_label)
    expected = nn.functional.cross_entropy(SCORES[known], torch.from_numpy(Y)[known]).item()
    assert loss == pytest.approx(expected)
    assert seen.n_rows == N


def test_without_a_label_there_is_no_loss():
    loss, seen = observed([SCORES], rows_of(has_label=np.zeros(N, dtype=bool)))
    assert math.isnan(loss)
    assert seen.n_rows == N


def test_numbers_have_their_errors():
    task, y = Regression(1.0, 2.0), RNG.normal(size=N)
    values = (REGRESSION_VALUES["Mean_Squared_Error"],)
    scores = torch.from_numpy(RNG.normal(size=(N, 1)))
    _, seen = observe(scores.split(9), rows_of(y), nn.MSELoss(), task, CELLS, values)
    squares = (1.0 + 2.0 * scores[:, 0].numpy() - y) ** 2
    for cell in range(CELLS.n_cells):
        rows = CELLS.cell_of_code[CODES, 0] == cell
        np.testing.assert_allclose(seen.confusion[cell, 0], [rows.sum(), squares[rows].sum()])


def test_a_model_that_is_always_right_decides_each_label():
    evaluator, _, y = evaluator_of("abs(PR | [M] - PR | [not M]) <= 0.1")
    problem = evaluator.problem
    table = truth_table(problem, evaluator.task, evaluator.rows)
    assert table.shape == (problem.stratification.n_cells, 2, 2)
    np.testing.assert_array_equal(table.sum(axis=0), np.diag(np.bincount(y)))
    codes = evaluator.rows.cells.numpy()
    for cell in range(2):
        rows = problem.stratification.cell_of_code[codes, 0] == cell
        np.testing.assert_array_equal(np.diag(table[cell]), np.bincount(y[rows]))

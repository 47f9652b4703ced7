import pytest
import torch

from sklearn_seldonian.constraints import Families, Schema, bind, parse
from sklearn_seldonian.training import Classification, ConstrainedProblem
from sklearn_seldonian.training._lagrangian import FEWEST_BATCHES, Lagrangian

SCHEMA = Schema(classes=(0, 1), positive=1, levels={})


def lagrangian(text, lr=0.1, init=0.0):
    constraint = bind(parse(text), SCHEMA)
    problem = ConstrainedProblem([constraint], [0.05], Families.single(), 2, 10_000, 0.9)
    return Lagrangian(problem, Classification(2), 10_000, init, lr, "cpu")


def see(state, share_positive, n=1000):
    """One batch of which `share_positive` is predicted positive."""
    positive = torch.arange(n) < share_positive * n
    scores = torch.stack([-positive.float(), positive.float()], dim=1)
    y, cells = torch.zeros(n, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    pull = state.pull(scores, y, cells)
    state.batch_done()
    return pull, scores


def test_multipliers_move_once_in_so_many_batches():
    state = lagrangian("PR <= 0.5")
    for _ in range(FEWEST_BATCHES - 1):
        see(state, 0.9)
    assert state.multipliers[0] == 0
    see(state, 0.9)
    assert state.multipliers[0] > 0


@pytest.mark.parametrize(("share", "grows"), [(0.9, True), (0.2, False)])
def test_violation_grows_the_multiplier_and_slack_shrinks_it(share, grows):
    state = lagrangian("PR <= 0.5", lr=0.01, init=0.5)
    for _ in range(FEWEST_BATCHES):
        see(state, share)
    assert (state.multipliers[0] > 0.5) == grows


def test_multipliers_stay_at_or_above_zero():
    state = lagrangian("PR <= 0.5", init=0.01)
    for _ in range(20 * FEWEST_BATCHES):
        see(state, 0.0)
    assert state.multipliers[0] == 0


def test_gradient_pushes_towards_the_constraint():
    state = lagrangian("PR <= 0.5", init=1.0)
    for _ in range(FEWEST_BATCHES):
        see(state, 0.9)
    pull, _ = see(state, 0.9)
    # Raising the score of the positive class raises PR, so descent must lower it.
    assert (pull[:, 1] > 0).all()


def test_pull_is_the_multiplier_times_the_constraints_gradient():
    """For one rate over all rows: multiplier * d(mean probability)/d(scores)."""
    state = lagrangian("PR <= 0.5", init=1.0)
    for _ in range(FEWEST_BATCHES):
        see(state, 0.9)
    pull, scores = see(state, 0.9)
    again = scores.requires_grad_()
    mean = torch.softmax(again, dim=1)[:, 1].mean()
    (expected,) = torch.autograd.grad(float(state.multipliers[0]) * mean, again)
    assert torch.allclose(pull, expected, atol=1e-7)


def test_step_without_batches_does_nothing():
    state = lagrangian("PR <= 0.5", init=0.3)
    state.step()
    assert state.multipliers[0] == 0.3


@pytest.mark.parametrize(("n_batches", "expected"), [(4, 8), (120, 10), (10_000, 32)])
def test_steps_are_a_dozen_an_epoch_within_limits(n_batches, expected):
    problem, task = lagrangian("PR <= 0.5").problem, Classification(2)
    state = Lagrangian(problem, task, 10_000, 0.0, 0.1, "cpu", n_batches=n_batches)
    done = 0
    while not state.multipliers.any():
        see(state, 0.9)
        done += 1
    assert done == expected

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    assign_cells,
    bind,
    distinct_conditions,
    distinct_estimands,
    parse,
)
from sklearn_seldonian.learners.lagrangian import Classification, Rows
from sklearn_seldonian.learners.lagrangian._lagrangian import (
    MIN_BATCHES,
    Lagrangian,
    RowStrata,
)
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem
from tests.learners.lagrangian._gradient import gradient_of_weights

SCHEMA = Schema(classes=(0, 1), positive=1, levels={})


def lagrangian(text, lr=0.1, init=0.0):
    constraint = bind(parse(text), SCHEMA)
    problem = ConstrainedProblem([constraint], [0.05], Stratification.single(), 2, 10_000, 0.9)
    return Lagrangian(problem, Classification(2), 10_000, init, lr, "cpu")


@pytest.fixture
def see():
    """One batch of which `share_positive` is predicted positive: its gradient, and its scores."""

    def seen(state, share_positive, n=1000):
        positive = torch.arange(n) < share_positive * n
        scores = torch.stack([-positive.float(), positive.float()], dim=1)
        y, cells = torch.zeros(n, dtype=torch.long), torch.zeros(n, dtype=torch.long)
        gradient = gradient_of_weights(state, scores, y, cells)
        state.batch_done()
        return gradient, scores

    return seen


def test_multipliers_move_once_in_so_many_batches(see):
    state = lagrangian("PR <= 0.5")
    for _ in range(MIN_BATCHES - 1):
        see(state, 0.9)
    assert state.multipliers[0] == 0
    see(state, 0.9)
    assert state.multipliers[0] > 0


@pytest.mark.parametrize(("share", "grows"), [(0.9, True), (0.2, False)])
def test_violation_grows_the_multiplier_and_slack_shrinks_it(share, grows, see):
    state = lagrangian("PR <= 0.5", lr=0.01, init=0.5)
    for _ in range(MIN_BATCHES):
        see(state, share)
    assert (state.multipliers[0] > 0.5) == grows


def test_multipliers_stay_at_or_above_zero(see):
    state = lagrangian("PR <= 0.5", init=0.01)
    for _ in range(20 * MIN_BATCHES):
        see(state, 0.0)
    assert state.multipliers[0] == 0


def test_gradient_pushes_towards_the_constraint(see):
    state = lagrangian("PR <= 0.5", init=1.0)
    for _ in range(MIN_BATCHES):
        see(state, 0.9)
    gradient, _ = see(state, 0.9)
    # A higher score of the positive class increases PR, so a descent step must lower it.
    assert (gradient[:, 1] > 0).all()


def test_gradient_is_the_multiplier_times_the_constraints_gradient(see):
    """For one rate over all rows: multiplier * d(mean probability)/d(scores)."""
    state = lagrangian("PR <= 0.5", init=1.0)
    for _ in range(MIN_BATCHES):
        see(state, 0.9)
    gradient, scores = see(state, 0.9)
    again = scores.requires_grad_()
    mean = torch.softmax(again, dim=1)[:, 1].mean()
    (expected,) = torch.autograd.grad(float(state.multipliers[0]) * mean, again)
    assert torch.allclose(gradient, expected, atol=1e-7)


def test_step_without_batches_does_nothing():
    state = lagrangian("PR <= 0.5", init=0.3)
    state.step()
    assert state.multipliers[0] == 0.3


@pytest.mark.parametrize(("n_batches", "expected"), [(4, 8), (120, 10), (10_000, 32)])
def test_steps_are_a_dozen_an_epoch_within_limits(n_batches, expected, see):
    problem, task = lagrangian("PR <= 0.5").problem, Classification(2)
    state = Lagrangian(problem, task, 10_000, 0.0, 0.1, "cpu", n_batches=n_batches)
    done = 0
    while not state.multipliers.any():
        see(state, 0.9)
        done += 1
    assert done == expected


@pytest.mark.parametrize(
    ("cell_of_code", "expected"),
    [
        (None, [1, 2, 4]),
        ([[0, 2], [1, 2], [0, 3]], [[1, 5], [2, 4], [0, 6]]),
    ],
)
def test_rows_come_with_their_groups_by_cell_and_label(cell_of_code, expected):
    """Two labels: the stratum is 2 * joint cell + label."""
    X, y = torch.zeros(3, 1), torch.tensor([1, 0, 0])
    state = lagrangian("PR <= 0.5")
    joint = SimpleNamespace(cell_of_code=np.array(cell_of_code or [[0], [1], [2]], dtype=np.uint8))
    problem = SimpleNamespace(shape=(4, 2), stratification=SimpleNamespace(joint=joint))
    rows = Rows(X, y, torch.arange(3, dtype=torch.int32))
    strata = RowStrata(rows, problem, state.task)
    _, (labels, positions) = next(iter(DataLoader(rows, batch_size=3)))
    assert labels.tolist() == [1, 0, 0]
    assert strata[positions].tolist() == expected
    assert strata[:].tolist() == expected


def weighted_batches(sizes, most, n_families, seed=0):
    """Batches of some sizes with the weights of each row, and a multiplier step in between."""
    rng = np.random.default_rng(seed)
    state = lagrangian("PR <= 0.5", init=1.0)
    n_groups = 2 * state._joint.n_cells
    shape = (sum(sizes), n_families)
    strata = torch.from_numpy(rng.integers(0, n_groups, shape).astype(np.int32))
    strata = strata[:, 0] if n_families == 1 else strata
    positions = torch.arange(sum(sizes)).split(sizes)
    batches = [(torch.zeros(len(at), 1), (torch.zeros_like(at), at)) for at in positions]
    found = []
    for X, (y, weights) in state.constraint_batches(batches, strata, most):
        scores = torch.from_numpy(rng.normal(size=(len(X), 2))).float()
        state.constraint_gradient(scores, y, weights)
        found.append(weights)
        state.batch_done()
    return state, [strata[at] for at in positions], found


@pytest.mark.parametrize("n_families", [1, 3])
@pytest.mark.parametrize("most", [3, MIN_BATCHES, 100])
def test_batches_of_one_lookup_equal_single_ones(most, n_families):
    sizes = [40] * (2 * MIN_BATCHES + 3) + [7]
    state, strata, together = weighted_batches(sizes, most, n_families)
    other, _, alone = weighted_batches(sizes, 1, n_families)
    assert len(together) == len(strata)
    assert (state.multipliers == other.multipliers).all()
    for a, b, expected in zip(together, alone, strata, strict=True):
        assert torch.equal(a.strata, expected)
        torch.testing.assert_close(a.gradient, b.gradient)
    # Weights are new after each step, and the mean is over the rows of the batch itself.
    totals = [float(w.gradient.sum()) for w in together]
    assert not any(totals[:MIN_BATCHES])
    assert all(totals[MIN_BATCHES:])
    weights = state._weights[strata[-1].long()].reshape(7, n_families, -1).sum(dim=1)
    torch.testing.assert_close(together[-1].gradient, weights / 7)


COST = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [1.0, 3.0, 0.0]])


COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))


TEXTS = [
    "abs(PR_[1] | [a] - PR_[1] | [not a]) <= 0.1",
    "PPV_[1] | [c] * TPR_[1] | [not c] - ACC <= 0.4",
    "min(PR_[0] | [b, c], ERR | [b]) <= 0.4",
]


VALUED = ["Cost | [a] - Cost | [not a] <= 0.3", "Cost | [b] + PR_[0] | [b] + Cost <= 6"]


def problems(n_classes, valued, deterministic, n=600):
    """The problem over the constraints' families, and over one family of all conditions."""
    rng = np.random.default_rng(n_classes)
    columns = {name: rng.integers(0, 2, n) for name in "abc"}
    texts = [parse(text) for text in (*TEXTS, *(VALUED if valued else ()))]
    positive = 1 if n_classes == 2 else None
    schema = Schema.from_columns(
        columns, texts, tuple(range(n_classes)), positive, measures=(COSTS,)
    )
    constraints = [bind(text, schema) for text in texts]
    everything = distinct_conditions(distinct_estimands(constraints))
    y, scores = rng.integers(0, n_classes, n), rng.normal(size=(n, n_classes))
    for together in ([c.conditions for c in constraints], [everything]):
        codes, stratification = assign_cells(columns, together, n)
        deltas = [0.05] * len(constraints)
        yield (
            ConstrainedProblem(
                constraints, deltas, stratification, n_classes, 500, 0.9, deterministic
            ),
            *map(torch.from_numpy, (codes, y, scores)),
        )


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_train_as_all_conditions_together_do(n_classes, valued, deterministic):
    found = []
    for problem, codes, y, scores in problems(n_classes, valued, deterministic):
        state = Lagrangian(problem, Classification(2), 600, 1.0, 0.1, "cpu")
        for part in (slice(0, 350), slice(350, 600)):
            gradient_of_weights(state, scores[part].float(), y[part], codes[part])
            state.batch_done()
        state.step()
        found.append((state.multipliers, gradient_of_weights(state, scores.float(), y, codes)))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-7)

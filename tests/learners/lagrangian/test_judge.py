import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.constraints import Schema, assign_cells, bind, parse
from sklearn_seldonian.learners.lagrangian import ConstrainedProblem, Rows
from sklearn_seldonian.learners.lagrangian._judge import Judge
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED, clipped
from sklearn_seldonian.learners.lagrangian._tasks import Classification

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1)})
GAP = "abs(PR | [M] - PR | [not M]) <= 0.1"
N = 2000


def judge(text, hard=True, n_safety=600, gap=1.0):
    """A judge, and scores of rows in which group M is favoured and the model is right."""
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, N)
    margin = rng.normal(size=N) + gap * (male - 0.5)
    y = (rng.random(N) < 1 / (1 + np.exp(-margin))).astype(np.int64)
    constraint = bind(parse(text), SCHEMA)
    codes, families = assign_cells({"M": male}, [constraint.conditions], N)
    problem = ConstrainedProblem([constraint], [0.05], families, 2, n_safety, 0.9, hard)
    rows = Rows(torch.zeros(N, 1), torch.from_numpy(y), torch.from_numpy(codes))
    scores = torch.from_numpy(np.c_[np.zeros(N), margin])
    return Judge(problem, rows, nn.CrossEntropyLoss(), Classification(2, hard)), scores, y


@pytest.mark.parametrize("hard", [True, False])
def test_what_passes_as_it_is_with_the_best_decisions_is_left_alone(hard):
    referee, scores, _ = judge(GAP, hard, gap=0.0, n_safety=100_000)
    best = referee.best(scores)
    assert best.prediction.likelihood > 0.9
    if not hard:
        assert torch.allclose(best.adjustment.of(scores), torch.log_softmax(scores, dim=1))
    assert abs(best.adjustment.offsets[1] if best.adjustment.offsets else 0.0) < 0.3


def test_offset_is_the_one_with_the_fewest_errors_of_those_that_pass():
    referee, scores, y = judge(GAP)
    unadjusted = referee._seen(scores, UNADJUSTED)
    best = referee.best(scores)
    assert unadjusted.prediction.likelihood < 0.9 <= best.prediction.likelihood
    decided = best.adjustment.of(scores).argmax(dim=1).numpy()
    assert best.error == pytest.approx((decided != y).mean())
    assert 0.0 < decided.mean() < 1.0
    loss = nn.functional.cross_entropy(best.adjustment.of(scores), torch.from_numpy(y)).item()
    assert best.loss == pytest.approx(loss)
    for offset in np.linspace(-3, 3, 61):
        moved = referee._seen(scores, best.adjustment._replace(offsets=(0.0, offset)))
        if moved.prediction.likelihood >= 0.9:
            assert moved.error >= best.error - 0.01


def test_probabilities_shrink_as_little_as_needed():
    referee, scores, _ = judge(GAP, hard=False)
    best = referee.best(scores)
    assert 0.1 < best.adjustment.scale < 1.0
    assert best.prediction.likelihood >= 0.9
    nearer = best.adjustment._replace(scale=best.adjustment.scale + 2**-4)
    assert referee._seen(scores, nearer).prediction.likelihood < 0.9


def test_the_narrower_probabilities_become_the_less_room_is_asked():
    referee, scores, _ = judge(GAP, hard=False, gap=0.0)
    full = clipped(scores)
    referee.try_test(scores, full)
    means, rooms = [], []
    for scale in (1.0, 0.5, 0.0):
        seen = referee._seen(scores, full._replace(scale=scale))
        means.append(referee.problem.estimates(seen.means)[0])
        rooms.append(seen.prediction.bounds[0] - means[-1])
    assert rooms[0] > 1.5 * rooms[1] > 3.0 * rooms[2] >= 0.0
    assert rooms[2] == pytest.approx(0.0, abs=1e-5)


def test_a_model_that_is_foreseen_keeps_its_own_adjustment():
    referee, scores, _ = judge(GAP, hard=False)
    own = referee.best(scores).adjustment
    few = scores[:3]
    assert clipped(few).ends != own.ends
    foreseen = referee.foreseen(scores, own)
    assert foreseen.adjustment == own
    assert foreseen.loss == pytest.approx(referee.best(scores).loss)


@pytest.mark.parametrize(("text", "share"), [("PR >= 0.7", 0.7), ("PR <= 0.3", 0.3)])
def test_where_the_shares_of_the_classes_fail_another_constant_is_approached(text, share):
    referee, scores, _ = judge(text, hard=False)
    best = referee.best(scores)
    assert best.prediction.likelihood >= 0.9
    chance = torch.softmax(best.adjustment.of(scores), dim=1)[:, 1].mean()
    assert chance == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("text", "hard"), [("ACC >= 0.99", False), ("Brier <= 0.01", False), ("Brier <= 0.01", True)]
)
def test_where_no_adjustment_helps_none_is_made(text, hard):
    referee, scores, _ = judge(text, hard)
    best = referee.best(scores)
    chances = (torch.softmax(s, dim=1) for s in (best.adjustment.of(scores), scores))
    assert torch.allclose(*chances)
    assert best.prediction.likelihood < 0.9


@pytest.mark.parametrize("hard", [True, False])
def test_trying_the_test_widens_the_bounds_expected(hard):
    text = (
        GAP if not hard else "abs(TPR | [M] - TPR | [not M]) + abs(FPR | [M] - FPR | [not M]) <= 1"
    )
    referee, scores, _ = judge(text, hard)
    before = referee._seen(scores, UNADJUSTED).prediction.bounds[0]
    referee.try_test(scores, UNADJUSTED)
    after = referee._seen(scores, UNADJUSTED).prediction.bounds[0]
    estimate = referee.problem.estimates(referee._seen(scores, UNADJUSTED).means)[0]
    assert 1.1 * (before - estimate) < after - estimate < 3 * (before - estimate)


@pytest.mark.parametrize("hard", [True, False])
def test_scores_that_are_not_finite_are_not_adjusted(hard):
    referee, scores, _ = judge(GAP, hard)
    assert referee.best(scores * torch.nan).adjustment == UNADJUSTED


def test_certain_decisions_shrink_as_well():
    referee, scores, _ = judge(GAP, hard=False)
    certain = scores.clone()
    certain[:5, 0] = -torch.inf
    best = referee.best(certain)
    assert best.adjustment.scale < 1.0
    assert best.prediction.likelihood >= 0.9


def test_two_rates_of_many_rows_ask_for_what_a_normal_approximation_does():
    referee, scores, _ = judge(GAP, n_safety=20_000)
    before = referee._seen(scores, UNADJUSTED).prediction.bounds[0]
    referee.try_test(scores, UNADJUSTED)
    after = referee._seen(scores, UNADJUSTED).prediction.bounds[0]
    assert after == pytest.approx(before, rel=1e-3)

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED, clipped
from sklearn_seldonian.learners.lagrangian._tasks import Classification
from tests.learners.lagrangian._evaluators import evaluator_of

GAP = "abs(PR | [M] - PR | [not M]) <= 0.1"


@pytest.mark.parametrize("deterministic", [True, False])
def test_what_passes_as_it_is_with_the_best_decisions_is_left_alone(deterministic):
    evaluator, scores, _ = evaluator_of(GAP, deterministic, gap=0.0, n_safety=100_000)
    best = evaluator.best(scores)
    assert best.prediction.feasibility_score > 0.9
    if not deterministic:
        assert torch.allclose(best.adjustment.apply(scores), torch.log_softmax(scores, dim=1))
    assert abs(best.adjustment.offsets[1] if best.adjustment.offsets else 0.0) < 0.3


def test_offset_is_the_one_with_the_fewest_errors_of_those_that_pass():
    evaluator, scores, y = evaluator_of(GAP)
    unadjusted = evaluator._seen(scores, UNADJUSTED)
    best = evaluator.best(scores)
    assert unadjusted.prediction.feasibility_score < 0.9 <= best.prediction.feasibility_score
    decided = best.adjustment.apply(scores).argmax(dim=1).numpy()
    assert best.outcome.value == pytest.approx((decided == y).mean())
    assert best.error == pytest.approx((decided != y).mean())
    assert 0.0 < decided.mean() < 1.0
    loss = nn.functional.cross_entropy(best.adjustment.apply(scores), torch.from_numpy(y)).item()
    assert best.loss == pytest.approx(loss)
    for offset in np.linspace(-3, 3, 61):
        moved = evaluator._seen(scores, best.adjustment._replace(offsets=(0.0, offset)))
        if moved.prediction.feasibility_score >= 0.9:
            assert moved.error >= best.error - 0.01


@pytest.mark.parametrize("deterministic", [True, False])
def test_decisions_are_reported_with_and_without_the_adjustment(deterministic):
    evaluator, scores, y = evaluator_of(GAP, deterministic)
    best = evaluator.best(scores)
    for outcome, adjustment in ((best.outcome, best.adjustment), (best.unadjusted, UNADJUSTED)):
        adjusted = adjustment.apply(scores)
        drawn = torch.softmax(adjusted, dim=1)[:, 1].numpy()
        loss = nn.functional.cross_entropy(adjusted, torch.from_numpy(y)).item()
        decided = adjusted.argmax(dim=1).numpy()
        positive = decided.mean() if deterministic else drawn.mean()
        assert outcome.measure == ("accuracy" if deterministic else "loss")
        expected = (decided == y).mean() if deterministic else loss
        assert outcome.value == pytest.approx(expected, rel=1e-5)
        assert outcome.shares == pytest.approx((1 - positive, positive), rel=1e-4)
    assert best.outcome.disadvantage > best.unadjusted.disadvantage


@pytest.mark.parametrize(("bias", "is_moved"), [(0.0, False), (0.05, False), (0.6, True)])
def test_a_threshold_is_moved_if_that_is_better_by_a_margin(bias, is_moved):
    evaluator, scores, _ = evaluator_of(GAP, gap=0.0, n_safety=100_000)
    scores = scores + torch.tensor([0.0, bias])
    best, unmoved = evaluator.best(scores), evaluator.predict_test_outcome(scores, UNADJUSTED)
    assert unmoved.prediction.feasibility_score > 0.9
    assert (best.adjustment != UNADJUSTED) == is_moved
    standard_error = np.linalg.norm(best.row_errors.adjusted - best.row_errors.unadjusted)
    assert unmoved.error - best.error >= 0.49 * standard_error  # without rounding, .5


def test_accuracy_is_weighted_as_errors_are():
    evaluator, scores, y = evaluator_of(GAP)
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)
    evaluator = CandidateEvaluator(
        evaluator.problem,
        evaluator.rows,
        nn.CrossEntropyLoss(weight=weights),
        Classification(2),
    )
    best = evaluator.best(scores)
    weight = weights.numpy()[y]
    right = (scores.argmax(dim=1).numpy() == y) * weight
    assert best.unadjusted.measure == "weighted accuracy"
    assert best.unadjusted.value == pytest.approx(right.sum() / weight.sum())
    right = (best.adjustment.apply(scores).argmax(dim=1).numpy() == y) * weight
    assert best.outcome.value == pytest.approx(right.sum() / weight.sum())
    assert best.error == pytest.approx(1.0 - best.outcome.value)
    errors = best.row_errors
    assert 1.0 - errors.adjusted.sum() == pytest.approx(best.outcome.value)
    assert 1.0 - errors.unadjusted.sum() == pytest.approx(best.unadjusted.value)


def test_probabilities_shrink_as_little_as_needed():
    evaluator, scores, _ = evaluator_of(GAP, deterministic=False)
    best = evaluator.best(scores)
    assert 0.1 < best.adjustment.scale < 1.0
    assert best.prediction.feasibility_score >= 0.9
    nearer = best.adjustment._replace(scale=best.adjustment.scale + 2**-4)
    assert evaluator._seen(scores, nearer).prediction.feasibility_score < 0.9


def test_narrower_probabilities_need_a_smaller_margin():
    evaluator, scores, _ = evaluator_of(GAP, deterministic=False, gap=0.0)
    full = clipped(scores)
    evaluator.calibrate_margins(scores, full)
    means, rooms = [], []
    for scale in (1.0, 0.5, 0.0):
        seen = evaluator._seen(scores, full._replace(scale=scale))
        means.append(evaluator.problem.linearisation.estimate(0, seen.means))
        rooms.append(seen.prediction.bounds[0] - means[-1])
    assert rooms[0] > 1.5 * rooms[1] > 3.0 * rooms[2] >= 0.0
    assert rooms[2] == pytest.approx(0.0, abs=1e-5)


def test_a_model_whose_outcome_is_predicted_keeps_its_own_adjustment():
    evaluator, scores, _ = evaluator_of(GAP, deterministic=False)
    own = evaluator.best(scores).adjustment
    few = scores[:3]
    assert clipped(few).ends != own.ends
    predicted = evaluator.predict_test_outcome(scores, own)
    assert predicted.adjustment == own
    assert predicted.loss == pytest.approx(evaluator.best(scores).loss)


@pytest.mark.parametrize(("text", "share"), [("PR >= 0.7", 0.7), ("PR <= 0.3", 0.3)])
def test_where_the_shares_of_the_classes_fail_another_constant_is_approached(text, share):
    evaluator, scores, _ = evaluator_of(text, deterministic=False)
    best = evaluator.best(scores)
    assert best.prediction.feasibility_score >= 0.9
    drawn = torch.softmax(best.adjustment.apply(scores), dim=1)[:, 1].mean()
    assert drawn == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("text", "deterministic"),
    [("ACC >= 0.99", False), ("Brier <= 0.01", False), ("Brier <= 0.01", True)],
)
def test_where_no_adjustment_helps_none_is_made(text, deterministic):
    evaluator, scores, _ = evaluator_of(text, deterministic)
    best = evaluator.best(scores)
    both = (torch.softmax(s, dim=1) for s in (best.adjustment.apply(scores), scores))
    assert torch.allclose(*both)
    assert best.prediction.feasibility_score < 0.9


@pytest.mark.parametrize("deterministic", [True, False])
def test_calibration_widens_the_bounds_expected(deterministic):
    text = (
        GAP
        if not deterministic
        else "abs(TPR | [M] - TPR | [not M]) + abs(FPR | [M] - FPR | [not M]) <= 1"
    )
    evaluator, scores, _ = evaluator_of(text, deterministic)
    before = evaluator._seen(scores, UNADJUSTED).prediction.bounds[0]
    evaluator.calibrate_margins(scores, UNADJUSTED)
    after = evaluator._seen(scores, UNADJUSTED).prediction.bounds[0]
    means = evaluator._seen(scores, UNADJUSTED).means
    estimate = evaluator.problem.linearisation.estimate(0, means)
    assert 1.1 * (before - estimate) < after - estimate < 3 * (before - estimate)


@pytest.mark.parametrize("deterministic", [True, False])
def test_scores_that_are_not_finite_are_not_adjusted(deterministic):
    evaluator, scores, _ = evaluator_of(GAP, deterministic)
    assert evaluator.best(scores * torch.nan).adjustment == UNADJUSTED


def test_certain_decisions_shrink_as_well():
    evaluator, scores, _ = evaluator_of(GAP, deterministic=False)
    certain = scores.clone()
    certain[:5, 0] = -torch.inf
    best = evaluator.best(certain)
    assert best.adjustment.scale < 1.0
    assert best.prediction.feasibility_score >= 0.9


def test_two_rates_of_many_rows_ask_for_what_a_normal_approximation_does():
    evaluator, scores, _ = evaluator_of(GAP, n_safety=20_000)
    before = evaluator._seen(scores, UNADJUSTED).prediction.bounds[0]
    evaluator.calibrate_margins(scores, UNADJUSTED)
    after = evaluator._seen(scores, UNADJUSTED).prediction.bounds[0]
    assert after == pytest.approx(before, rel=1e-3)


def test_offsets_of_groups_pass_with_fewer_errors_than_one_for_all():
    common, scores, _ = evaluator_of(GAP)
    evaluator, _, y = evaluator_of(GAP, by_group=True)
    alone, best = common.best(scores), evaluator.best(scores)
    assert best.prediction.feasibility_score >= 0.9
    assert best.error < alone.error - 0.02
    (favoured,) = (i for i, name in enumerate(best.adjustment.by_group.names) if name == "M")
    offsets = np.array(best.adjustment.by_group.offsets)
    assert (offsets[:, 0] == 0).all()
    assert offsets[favoured, 1] < offsets[1 - favoured, 1] - 0.5
    decided = evaluator._adjusted(scores, best.adjustment).argmax(dim=1).numpy()
    assert best.error == pytest.approx((decided != y).mean(), abs=0.01)
    means = best.means[~np.isnan(best.means)]
    assert sorted(means) == pytest.approx(
        sorted(decided[evaluator._codes == code].mean() for code in (0, 1))
    )


def test_a_model_with_groups_is_predicted_to_do_what_it_does():
    evaluator, scores, _ = evaluator_of(GAP, by_group=True)
    best = evaluator.best(scores)
    predicted = evaluator.predict_test_outcome(scores, best.adjustment)
    np.testing.assert_allclose(predicted.means, best.means)
    score = best.prediction.feasibility_score
    assert predicted.prediction.feasibility_score == pytest.approx(score, abs=0.05)


def test_where_groups_are_not_searched_they_have_the_common_offset():
    common, scores, _ = evaluator_of(GAP)
    evaluator, _, _ = evaluator_of(GAP, by_group=True)
    alone, shared = common.best(scores), evaluator.best(scores, searched=False)
    assert shared.adjustment.by_group.offsets == (alone.adjustment.offsets,) * 2
    assert shared.error == alone.error
    nothing = evaluator.best(scores * torch.nan)
    assert nothing.adjustment.by_group.offsets == ((0.0, 0.0),) * 2


@pytest.mark.parametrize(
    ("deterministic", "by_group", "expected"),
    [(True, False, (1, 1)), (False, False, (1, 5)), (True, True, (1, 10))],
)
def test_long_trainings_search_in_fewer_epochs(deterministic, by_group, expected):
    evaluator, _, _ = evaluator_of(GAP, deterministic, by_group=by_group)
    assert tuple(map(evaluator.epochs_per_search, (20, 500))) == expected

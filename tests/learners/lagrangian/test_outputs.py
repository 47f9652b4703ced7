import json

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian.constraints import ColumnIs
from sklearn_seldonian.learners.lagrangian import Classification
from sklearn_seldonian.learners.lagrangian._outputs import (
    UNADJUSTED,
    Adjustment,
    OutputKind,
    clipped,
    output_kind,
    probabilities,
)
from sklearn_seldonian.selection import GroupOffsets

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.0], [-3.0, 3.0]])
PROBABILITIES = torch.softmax(LOGITS, dim=1)
MARGIN = LOGITS[:, 1:] - LOGITS[:, :1]
Y = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("outputs", "criterion", "kind"),
    [
        (LOGITS, nn.CrossEntropyLoss(), OutputKind.LOGITS),
        (PROBABILITIES, nn.CrossEntropyLoss(), OutputKind.PROBABILITIES),
        (PROBABILITIES, nn.NLLLoss(), OutputKind.PROBABILITIES),
        (MARGIN, nn.BCEWithLogitsLoss(), OutputKind.BINARY_LOGIT),
        (MARGIN[:, 0], nn.BCEWithLogitsLoss(), OutputKind.BINARY_LOGIT),
    ],
)
def test_every_kind_gives_the_same_loss_and_probabilities(outputs, criterion, kind):
    assert output_kind(outputs, criterion, 2) is kind
    task = Classification(2, kind=kind)
    scores = task.scores(outputs)
    assert torch.allclose(torch.softmax(scores, dim=1), PROBABILITIES, atol=1e-6)
    loss = task.loss(criterion, scores, Y)
    assert torch.allclose(loss, nn.functional.cross_entropy(LOGITS, Y))


@pytest.mark.parametrize(
    ("outputs", "criterion", "message"),
    [
        (torch.zeros(3), nn.CrossEntropyLoss(), "must return"),
        (torch.zeros(3, 5), nn.CrossEntropyLoss(), "must return"),
        (torch.zeros(3, 2), nn.BCEWithLogitsLoss(), "one output per row"),
    ],
)
def test_wrong_shapes(outputs, criterion, message):
    with pytest.raises(ValueError, match=message):
        output_kind(outputs, criterion, 2)


def test_a_probability_of_zero_has_a_finite_score():
    task = Classification(2, kind=OutputKind.PROBABILITIES)
    scores = task.scores(torch.tensor([[0.0, 1.0]]))
    assert torch.isfinite(scores).all()


def test_nan_stays_nan():
    assert probabilities(torch.tensor([[float("nan"), 0.0]])).tolist()[0] != [0.0, 1.0]
    assert (probabilities(torch.full((1, 2), float("nan"))) != 0).all()


def test_clipping_changes_none_of_the_rows_that_it_was_read_off():
    adjustment = clipped(LOGITS)
    assert torch.allclose(torch.softmax(adjustment.apply(LOGITS), dim=1), PROBABILITIES)
    far = torch.tensor([[50.0, -50.0], [-50.0, 50.0], [0.0, 0.0]])
    probabilities = torch.softmax(adjustment.apply(far), dim=1)
    seen = PROBABILITIES[:, 1].min(), PROBABILITIES[:, 1].max(), torch.tensor(0.5)
    assert torch.allclose(probabilities[:, 1], torch.stack(seen))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 0.3, 0.0])
def test_scores_end_at_the_ends_of_the_adjustment(dtype, scale):
    generator = torch.Generator().manual_seed(0)
    adjustment = clipped(torch.randn(50, 3, generator=generator))._replace(
        scale=scale, offsets=(0.1, 0.0, -2.0)
    )
    low, high = (torch.tensor(end, dtype=torch.float64) for end in adjustment.ends)
    wild = torch.cat(
        [
            torch.randn(2000, 3, generator=generator)
            * 10.0 ** torch.arange(-2.0, 3.0).repeat(400)[:, None],
            torch.tensor([[0.0, -torch.inf, 1.0], [-1e30, 1e30, 0.0]]),
        ]
    ).to(dtype)
    probabilities = torch.softmax(adjustment.apply(wild).double(), dim=1)
    for k in range(3):
        least, most = (
            torch.softmax(torch.where(torch.arange(3) == k, own, others), dim=0)[k]
            for own, others in ((low, high), (high, low))
        )
        assert probabilities[:, k].min() >= least - 1e-6
        assert probabilities[:, k].max() <= most + 1e-6


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
    ],
)
def test_offsets_are_taken_in_single_precision_at_least(dtype, expected):
    assert Adjustment(1.0, (0.0, -1.0)).apply(LOGITS.to(dtype)).dtype == expected


@pytest.mark.parametrize("offset", [-1.5, -0.2, 0.4, 2.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_an_offset_decides_and_changes_no_other_probabilities(n_classes, offset):
    generator = torch.Generator().manual_seed(n_classes)
    scores = 2 * torch.randn(2000, n_classes, generator=generator)
    offsets = (*[0.0] * (n_classes - 1), offset)
    before, moved = scores.argmax(dim=1), scores + torch.tensor(offsets)
    adjusted = Adjustment(1.0, offsets).apply(scores)
    decided = adjusted.argmax(dim=1)
    assert torch.equal(decided, moved.argmax(dim=1))
    assert torch.equal(decided, Adjustment(1.0, offsets).moved(scores).argmax(dim=1))
    halved = Adjustment(0.5, tuple(offset / 2 for offset in offsets))
    torch.testing.assert_close(halved.apply(scores), adjusted)
    others = decided != before
    assert 20 < others.sum() < 1980
    unmoved = torch.log_softmax(scores, dim=1)
    assert (adjusted - unmoved)[~others].abs().max() < 0.02 * abs(offset)
    # In other rows, the new class is a little above the one that the model would have chosen.
    ahead = adjusted.gather(1, decided[:, None]) - adjusted.gather(1, before[:, None])
    lead = -torch.diff(moved.topk(2, dim=1).values, dim=1)
    torch.testing.assert_close(ahead[others], 0.01 * lead[others], atol=1e-6, rtol=1e-3)
    assert ahead[others].min() > 0
    assert ahead[others].max() <= 0.01 * abs(offset)
    assert torch.allclose(adjusted.exp().sum(dim=1), torch.tensor(1.0))


def test_an_offset_of_two_classes_keeps_the_order_of_rows():
    margins = torch.linspace(-3, 3, 601, dtype=torch.float64)
    scores = torch.stack([torch.zeros_like(margins), margins], dim=1)
    for offset in (-1.0, 1.0):
        adjusted = Adjustment(1.0, (0.0, offset)).apply(scores)
        assert (torch.diff(adjusted[:, 1] - adjusted[:, 0]) > 0).all()


def test_rows_without_a_number_stay_so_where_there_are_offsets():
    rows = torch.tensor([[torch.nan, 0.0], [0.0, torch.nan], [torch.inf, 0.0]])
    assert Adjustment(1.0, (0.0, 1.0)).apply(rows).isnan().all()
    certain = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0], [-1e30, 1e30]])
    assert Adjustment(1.0, (0.0, 1.0)).apply(certain).exp().tolist() == [[1, 0], [0, 1], [0, 1]]


def test_rows_without_a_number_stay_so_where_scores_are_clipped():
    adjusted = clipped(LOGITS).apply(torch.tensor([[torch.nan, 0.0], [torch.inf, 0.0]]))
    assert adjusted.isnan().all()


def test_only_clipped_scores_have_ends():
    assert UNADJUSTED.ends is None
    assert Adjustment(0.5, (0.0, 1.0)).ends is None
    assert Adjustment(0.5, (0.0, 1.0), (-2.0, -4.0), (0.0, 0.0)).ends == ((-1.0, -1.0), (0.0, 1.0))


def test_a_class_that_is_never_chosen_has_finite_ends():
    scores = torch.tensor([[0.0, 1.0, -torch.inf], [1.0, 0.0, -torch.inf]])
    adjustment = clipped(scores)
    assert np.isfinite(adjustment.ends).all()
    assert torch.allclose(
        torch.softmax(adjustment.apply(scores), dim=1), torch.softmax(scores, dim=1)
    )
    flat = adjustment._replace(scale=0.0, offsets=(0.0, 0.0, 0.0)).apply(scores)
    assert torch.allclose(flat.exp(), torch.full((2, 3), 1 / 3))


# -- offsets of groups ---------------------------------------------------------------------------

BY_GROUP = GroupOffsets((ColumnIs("M"),), ((True,), (False,)), ((0.0, 0.0, 0.5), (0.0, 0.0, -1.5)))


def test_rows_have_the_offsets_of_their_group():
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(400, 3, generator=generator)
    groups = np.arange(400) % 2
    by_group = Adjustment(1.0, (), by_group=BY_GROUP)
    adjusted = by_group.apply(scores, groups)
    for g, offsets in enumerate(BY_GROUP.offsets):
        own = groups == g
        torch.testing.assert_close(adjusted[own], Adjustment(1.0, offsets).apply(scores[own]))
    assert torch.equal(by_group.moved(scores, groups).argmax(dim=1), adjusted.argmax(dim=1))
    batches = by_group.apply_to_each(scores.split(64), groups)
    torch.testing.assert_close(torch.cat(list(batches)), adjusted)


def test_rows_of_no_group_get_no_numbers():
    scores = torch.zeros(3, 3)
    adjusted = Adjustment(1.0, (), by_group=BY_GROUP).apply(scores, np.array([0, -1, 1]))
    assert adjusted.isnan().all(dim=1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "adjustment",
    [
        UNADJUSTED,
        Adjustment(0.5, (0.0, 1.0), (-2.0, -4.0), (0.0, 0.0)),
        Adjustment(1.0, (), by_group=BY_GROUP),
    ],
)
def test_an_adjustment_comes_back_from_json(adjustment):
    fields = json.loads(json.dumps(adjustment.to_list()))
    assert len(fields) == 4 + (adjustment.by_group is not None)
    assert Adjustment.from_list(fields) == adjustment

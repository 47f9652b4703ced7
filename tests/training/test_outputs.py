import pytest
import torch
from torch import nn

from sklearn_seldonian.training._outputs import (
    OutputKind,
    output_kind,
    primary_loss,
    probabilities,
    to_scores,
)

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.0], [-3.0, 3.0]])
CHANCES = torch.softmax(LOGITS, dim=1)
MARGIN = LOGITS[:, 1:] - LOGITS[:, :1]
Y = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("outputs", "criterion", "kind"),
    [
        (LOGITS, nn.CrossEntropyLoss(), OutputKind.LOGITS),
        (CHANCES, nn.CrossEntropyLoss(), OutputKind.PROBABILITIES),
        (CHANCES, nn.NLLLoss(), OutputKind.PROBABILITIES),
        (MARGIN, nn.BCEWithLogitsLoss(), OutputKind.BINARY_LOGIT),
        (MARGIN[:, 0], nn.BCEWithLogitsLoss(), OutputKind.BINARY_LOGIT),
    ],
)
def test_every_kind_gives_the_same_loss_and_probabilities(outputs, criterion, kind):
    assert output_kind(outputs, criterion, 2) is kind
    scores = to_scores(outputs, kind)
    assert torch.allclose(torch.softmax(scores, dim=1), CHANCES, atol=1e-6)
    loss = primary_loss(criterion, scores, Y, kind)
    assert torch.allclose(loss, nn.functional.cross_entropy(LOGITS, Y))


@pytest.mark.parametrize(
    ("outputs", "criterion", "message"),
    [
        (torch.zeros(3), nn.CrossEntropyLoss(), "must return"),
        (torch.zeros(3, 5), nn.CrossEntropyLoss(), "must return"),
        (torch.zeros(3, 2), nn.BCEWithLogitsLoss(), "one output a row"),
    ],
)
def test_wrong_shapes(outputs, criterion, message):
    with pytest.raises(ValueError, match=message):
        output_kind(outputs, criterion, 2)


def test_a_probability_of_zero_has_a_finite_score():
    scores = to_scores(torch.tensor([[0.0, 1.0]]), OutputKind.PROBABILITIES)
    assert torch.isfinite(scores).all()


def test_nan_stays_nan():
    assert probabilities(torch.tensor([[float("nan"), 0.0]])).tolist()[0] != [0.0, 1.0]
    assert (probabilities(torch.full((1, 2), float("nan"))) != 0).all()

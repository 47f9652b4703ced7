"""The linear model starts as the classifier whose scores it gets."""

import pytest
import torch

from sklearn_seldonian.learners.stacking._head import Head


def test_of_two_classes_it_starts_with_the_log_odds():
    X = torch.tensor([[0.3, 5.0, -7.0], [-2.0, 1.0, 1.0]])
    outputs = Head(3, 2)(X)
    torch.testing.assert_close(outputs[:, 1] - outputs[:, 0], X[:, 0])


def test_of_more_classes_it_starts_with_the_log_probabilities():
    X = torch.randn(4, 5)
    torch.testing.assert_close(Head(5, 3)(X), X[:, :3])


@pytest.mark.parametrize("is_trained", [True, False])
def test_it_is_trained_unless_the_classifier_is_frozen(is_trained):
    head = Head(3, 2, is_trained)
    assert {parameter.requires_grad for parameter in head.parameters()} == {is_trained}

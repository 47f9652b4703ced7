"""The linear model on a classifier's scores."""

import pytest
import torch

from sklearn_seldonian.learners.stacking._head import Head


def test_untrained_it_passes_on_the_log_odds_of_two_classes():
    X = torch.tensor([[0.3, 5.0, -7.0], [-2.0, 1.0, 1.0]])
    outputs = Head(3, 2, is_trained=False)(X)
    torch.testing.assert_close(outputs[:, 1] - outputs[:, 0], X[:, 0])


def test_untrained_it_passes_on_the_log_probabilities_of_more():
    X = torch.randn(4, 5)
    torch.testing.assert_close(Head(5, 3, is_trained=False)(X), X[:, :3])


@pytest.mark.parametrize("is_trained", [True, False])
def test_it_is_trained_unless_the_classifier_is_frozen(is_trained):
    head = Head(3, 2, is_trained)
    assert {parameter.requires_grad for parameter in head.parameters()} == {is_trained}


@pytest.mark.parametrize("is_trained", [True, False])
def test_of_a_number_it_starts_as_the_prediction(is_trained):
    X = torch.randn(4, 3)
    head = Head(3, 1, is_trained)
    torch.testing.assert_close(head(X), X[:, :1])
    assert {parameter.requires_grad for parameter in head.parameters()} == {is_trained}

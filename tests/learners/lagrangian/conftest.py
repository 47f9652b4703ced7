import pytest
import torch

from sklearn_seldonian.learners.lagrangian import Rows
from sklearn_seldonian.learners.lagrangian._lagrangian import GroupedRows


@pytest.fixture
def pulled():
    """What a batch's constraints add to the gradient in its scores."""

    def gradient(state, scores, y, codes):
        rows = GroupedRows(Rows(scores, y, codes), state.problem, state.task)
        _, (y, groups) = rows[torch.arange(len(y))]
        scores = scores.detach().clone().requires_grad_()
        (weighed,) = state.weigh([groups])
        pull = state.pull(scores, y, weighed)
        return torch.autograd.grad(pull.entries, scores, pull.gradient)[0]

    return gradient

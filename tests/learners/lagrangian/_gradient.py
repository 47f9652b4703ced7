"""The part of the gradient in a batch's scores that its constraints add."""

import torch

from sklearn_seldonian.learners.lagrangian import Rows
from sklearn_seldonian.learners.lagrangian._lagrangian import RowStrata


def gradient_of_weights(state, scores, y, codes):
    strata = RowStrata(Rows(scores, y, codes), state.problem, state.task)
    scores = scores.detach().clone().requires_grad_()
    (weights,) = state.weights_of([torch.arange(len(y))], strata)
    entries, gradient = state.constraint_gradient(scores, y, weights)
    return torch.autograd.grad(entries, scores, gradient)[0]

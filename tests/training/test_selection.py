import numpy as np
import pytest
import torch

from sklearn_seldonian.training._problem import Prediction
from sklearn_seldonian.training._selection import Checkpoints, n_selection_rows


def prediction(probability, bound=0.1):
    return Prediction(np.array([0.0]), np.array([bound]), np.array([probability]))


@pytest.mark.parametrize(
    ("offers", "kept"),
    [
        # (loss, probability of passing, predicted bound)
        ([(0.5, 0.99, -1), (0.4, 0.98, -1), (0.6, 1.0, -1)], 2),
        ([(0.5, 0.5, 0), (0.9, 0.96, -1), (0.1, 0.6, 0)], 2),
        ([(0.5, 0.5, 0), (0.4, 0.7, 0), (0.3, 0.6, 0)], 2),
        ([(0.5, 0.0, 0.9), (0.6, 0.0, 0.5), (0.4, 0.0, 0.7)], 2),
        ([(float("nan"), 1.0, -1), (0.6, 0.0, 0.5)], 2),
        ([(float("nan"), 1.0, -1)], None),
    ],
)
def test_best_of_those_predicted_to_pass_else_the_likeliest(offers, kept):
    checkpoints = Checkpoints(power=0.95)
    module = torch.nn.Linear(1, 1)
    for epoch, (loss, probability, bound) in enumerate(offers, start=1):
        with torch.no_grad():
            module.weight.fill_(epoch)
        checkpoints.offer(epoch, module, loss, prediction(probability, bound))
    assert checkpoints.epoch == kept
    if kept:
        assert checkpoints.best["weight"].item() == kept


@pytest.mark.parametrize(
    ("n_candidate", "n_parameters", "held_out"),
    [(35_000, 28_938, 3_500), (20_000, 20, 0), (2_000, 5_000, 0), (1_000_000, 28_938, 0)],
)
def test_rows_held_out(n_candidate, n_parameters, held_out):
    assert n_selection_rows(n_candidate, n_parameters) == held_out

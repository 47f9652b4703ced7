"""Row measures in torch: differentiable for the gradient, exact for the counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_seldonian.learners.lagrangian._outputs import probabilities
from sklearn_seldonian.measures import BuiltInMeasure, RowMeasure, row_values

Array = NDArray[np.float64]


def soft_values(
    measures: Sequence[RowMeasure], scores: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Each measure's differentiable value of each row: (n_rows, n_measures)."""
    return torch.stack([_soft(measure, scores, y) for measure in measures], dim=1)


def decision_values(
    measures: Sequence[RowMeasure], scores: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Each measure's value of each row's decision: (n_rows, n_measures)."""
    if not measures:
        return scores.new_empty(len(scores), 0)
    return torch.stack([_hard(measure, scores, y) for measure in measures], dim=1)


def _soft(measure: RowMeasure, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if isinstance(measure, BuiltInMeasure):
        return _built_in(measure, scores, y)
    drawn = torch.softmax(scores, dim=1)
    if measure.surrogate is not None:
        values: torch.Tensor = measure.surrogate(drawn, y)
        return values
    plain = probabilities(scores.detach())
    by_class = [
        evaluated(measure, y, torch.full_like(y, k), plain).to(scores)
        for k in range(scores.shape[1])
    ]
    return (drawn * torch.stack(by_class, dim=1)).sum(dim=1)


def _hard(measure: RowMeasure, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if isinstance(measure, BuiltInMeasure):
        return _built_in(measure, scores, y)
    plain = probabilities(scores.detach())
    return evaluated(measure, y, scores.argmax(dim=1), plain).to(scores)


def _built_in(measure: BuiltInMeasure, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    logs = measure.output == "log_probabilities"
    output = torch.log_softmax(scores, dim=1) if logs else torch.softmax(scores, dim=1)
    values: torch.Tensor = measure.formula(y, output, torch)
    return values


def evaluated(
    measure: RowMeasure, y: torch.Tensor, prediction: torch.Tensor, probabilities: Array | None
) -> torch.Tensor:
    """The measure's own value; a number for each row, without a gradient."""
    y, prediction = y.cpu(), prediction.detach().cpu()
    values = row_values((measure,), y.numpy(), prediction.numpy(), probabilities)
    return torch.from_numpy(values[:, 0])

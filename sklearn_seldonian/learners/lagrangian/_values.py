"""Row measures in torch: differentiable for the gradient, exact for the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch.nn.functional import nll_loss, one_hot

from sklearn_seldonian.learners.lagrangian._outputs import probabilities
from sklearn_seldonian.measures import CLASSIFICATION_VALUES, RowMeasure, row_values

__all__ = ["hard_values", "soft_values"]


def _log_loss(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nll_loss(torch.log_softmax(scores, dim=1), y, reduction="none")


def _brier(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    n_classes = scores.shape[1]
    squares = ((torch.softmax(scores, dim=1) - one_hot(y, n_classes)) ** 2).sum(dim=1)
    return squares / 2 if n_classes == 2 else squares


_OF_SCORES: Mapping[RowMeasure, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = (
    MappingProxyType(
        {
            CLASSIFICATION_VALUES["LogLoss"]: _log_loss,
            CLASSIFICATION_VALUES["Brier"]: _brier,
        }
    )
)


def soft_values(
    measures: Sequence[RowMeasure], scores: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Each measure's differentiable value of each row: (n_rows, n_measures)."""
    return torch.stack([_soft(measure, scores, y) for measure in measures], dim=1)


def hard_values(
    measures: Sequence[RowMeasure], scores: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Each measure's value of each row's decision: (n_rows, n_measures)."""
    if not measures:
        return scores.new_empty(len(scores), 0)
    return torch.stack([_hard(measure, scores, y) for measure in measures], dim=1)


def _soft(measure: RowMeasure, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if measure in _OF_SCORES:
        return _OF_SCORES[measure](scores, y)
    probabilities = torch.softmax(scores, dim=1)
    if measure.surrogate is not None:
        values: torch.Tensor = measure.surrogate(probabilities, y)
        return values
    by_class = [
        _evaluated(measure, scores, y, torch.full_like(y, k)) for k in range(scores.shape[1])
    ]
    return (probabilities * torch.stack(by_class, dim=1)).sum(dim=1)


def _hard(measure: RowMeasure, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if measure in _OF_SCORES:
        return _OF_SCORES[measure](scores, y)
    return _evaluated(measure, scores, y, scores.argmax(dim=1))


def _evaluated(
    measure: RowMeasure, scores: torch.Tensor, y: torch.Tensor, prediction: torch.Tensor
) -> torch.Tensor:
    """The measure's own value; a number for each row, without a gradient."""
    values = row_values(
        (measure,), y.cpu().numpy(), prediction.cpu().numpy(), probabilities(scores.detach())
    )
    return torch.as_tensor(values[:, 0], dtype=scores.dtype, device=scores.device)

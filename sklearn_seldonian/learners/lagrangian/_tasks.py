"""What a module's outputs mean: the scores of classes, or a number.

A task turns outputs into *scores*, one column per label. A classification has one label per class.
A regression has one standardised number, and all its rows share one label.

Training and the safety test ask both tasks the same things. The methods of `Classification` say
what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import Statistics, summarise, summarise_predictions
from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.data._units import SamplingUnits
from sklearn_seldonian.learners.lagrangian._batches import Rows
from sklearn_seldonian.learners.lagrangian._outputs import (
    Adjustment,
    OutputKind,
    output_kind,
    probabilities,
)
from sklearn_seldonian.measures import ANY_NUMBER, BuiltInMeasure, Range, RowMeasure, row_values
from sklearn_seldonian.selection import ConstrainedProblem

Array = NDArray[np.float64]
Tensor = torch.Tensor
Values = Sequence[RowMeasure]

# The slope of a measure without a surrogate is that between predictions so far below and
# above, in standard deviations of the target: what counts errors beyond a limit has one too.
SLOPE_STEP = 0.05
# A violation counts in this share of its measure's standard deviation: as much beside the
# squared loss of a standardised number as a violated rate beside the cross-entropy. With a whole
# one multipliers are too slow for twenty epochs of 6,000 rows of the GPA data, with a tenth
# they overshoot.
VIOLATION_SHARE = 0.25


@dataclass(frozen=True)
class Classification:
    """Outputs are logits or probabilities, or one of them for two classes; `y` are class positions.

    Parameters
    ----------
    n_classes : int
    deterministic : bool, default=True
        Whether the decision is the most probable class; else it is drawn.
    kind : OutputKind, default=OutputKind.LOGITS
    """

    n_classes: int
    deterministic: bool = True
    kind: OutputKind = OutputKind.LOGITS

    def with_output_kind(self, outputs: Tensor, criterion: nn.Module) -> Classification:
        """The task as some `outputs` of the module show it; raises ValueError if they cannot be."""
        kind = output_kind(outputs, criterion, self.n_classes)
        if kind is OutputKind.PROBABILITIES and isinstance(criterion, nn.CrossEntropyLoss):
            warn_user(
                "The module returns probabilities while CrossEntropyLoss expects logits; their "
                "logarithm is used. Leave out the final Softmax, or use criterion=NLLLoss."
            )
        is_sigmoid = kind is OutputKind.BINARY_PROBABILITY
        if is_sigmoid and isinstance(criterion, nn.BCEWithLogitsLoss):
            warn_user(
                "The module returns probabilities while BCEWithLogitsLoss expects logits; their "
                "log-odds are used. Leave out the final Sigmoid, or use criterion=BCELoss."
            )
        return replace(self, kind=kind)

    def scores(self, outputs: Tensor) -> Tensor:
        """Shape (n_rows, n_classes), with the gradient of the outputs.

        Their softmax is the class probabilities.
        """
        if self.kind is OutputKind.LOGITS:
            return outputs
        if self.kind is OutputKind.PROBABILITIES:
            return _logarithm(outputs)
        column = outputs.reshape(-1, 1)
        if self.kind is OutputKind.BINARY_PROBABILITY:
            return torch.cat([_logarithm(1.0 - column), _logarithm(column)], dim=1)
        return torch.cat([torch.zeros_like(column), column], dim=1)

    def loss(self, criterion: nn.Module, scores: Tensor, y: Tensor) -> Tensor:
        """The criterion of what `predict` returns, on the form of output that it takes."""
        if self.kind in (OutputKind.BINARY_LOGIT, OutputKind.BINARY_PROBABILITY):
            scores, y = scores[:, 1] - scores[:, 0], y.to(scores.dtype)
            if isinstance(criterion, nn.BCELoss):
                scores = torch.sigmoid(scores)
        loss: Tensor = criterion(scores, y)
        return loss

    # What training minimises.
    objective = loss

    def shown_loss(
        self, criterion: nn.Module, objective: Tensor, scores: Tensor, y: Tensor
    ) -> Tensor:
        """The `loss` of a batch of which the objective is known, as histories have it."""
        return objective

    def labels(self, y: Tensor) -> Tensor:
        """Position of each row's label."""
        return y

    def answers(self, scores: Tensor) -> Array:
        """Probabilities (n_rows, n_classes); of a regression the numbers predicted (n_rows,)."""
        return probabilities(scores)

    def soft_values(self, measures: Values, scores: Tensor, y: Tensor) -> Tensor:
        """Each measure's differentiable value of each row: (n_rows, n_measures)."""
        return torch.stack([self._soft(measure, scores, y) for measure in measures], dim=1)

    def _soft(self, measure: RowMeasure, scores: Tensor, y: Tensor) -> Tensor:
        if isinstance(measure, BuiltInMeasure):
            return self._built_in(measure, scores, y)
        drawn = torch.softmax(scores, dim=1)
        if measure.surrogate is not None:
            values: Tensor = measure.surrogate(drawn, y)
            return values
        plain = probabilities(scores.detach())
        by_class = [
            _evaluated(measure, y, torch.full_like(y, k), plain).to(scores)
            for k in range(scores.shape[1])
        ]
        return (drawn * torch.stack(by_class, dim=1)).sum(dim=1)

    def decision_values(self, measures: Values, scores: Tensor, y: Tensor) -> Tensor:
        """Each measure's value of what is predicted of each row: (n_rows, n_measures)."""
        return torch.stack([self._decided(measure, scores, y) for measure in measures], dim=1)

    def _decided(self, measure: RowMeasure, scores: Tensor, y: Tensor) -> Tensor:
        if isinstance(measure, BuiltInMeasure):
            return self._built_in(measure, scores, y)
        plain = probabilities(scores.detach())
        return _evaluated(measure, y, scores.argmax(dim=1), plain).to(scores)

    def _built_in(self, measure: BuiltInMeasure, scores: Tensor, y: Tensor) -> Tensor:
        logs = measure.output == "log_probabilities"
        output = torch.log_softmax(scores, dim=1) if logs else torch.softmax(scores, dim=1)
        values: Tensor = measure.of_output(y, output, torch)
        return values

    def violation_scale(self, problem: ConstrainedProblem, rows: Rows) -> float:
        """What a violation of each atom is measured in: one number, or (n_atoms,)."""
        return 1.0

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[object, ...]:
        """What a model is made of beside its module, with this `adjustment` of the scores."""
        clip = (adjustment.low, adjustment.high) if adjustment.low else ()
        own = () if adjustment.by_group is None else (adjustment.by_group.to_json(),)
        return adjustment.scale, adjustment.offset_of_each(self.n_classes), *clip, *own


@dataclass(frozen=True)
class Regression:
    """The output is a standardised number: ``centre + scale * output``, clipped, is predicted.

    Parameters
    ----------
    centre, scale : float
        So that one learning rate does for targets of any size.
    range : tuple of float, default=(-inf, inf)
        Predictions are clipped to it.
    """

    centre: float = 0.0
    scale: float = 1.0
    range: Range = ANY_NUMBER
    n_classes: ClassVar[int] = 1
    deterministic: ClassVar[bool] = True

    def with_output_kind(self, outputs: Tensor, criterion: nn.Module) -> Regression:
        if outputs.numel() != len(outputs):
            raise ValueError(
                f"The module returns outputs of shape {tuple(outputs.shape)} for {len(outputs)} "
                "rows; for a regression it must return one number a row."
            )
        return self

    def scores(self, outputs: Tensor) -> Tensor:
        return outputs.reshape(-1, 1)

    def objective(self, criterion: nn.Module, scores: Tensor, y: Tensor) -> Tensor:
        """The criterion of standardised numbers; not clipped, since that has no gradient."""
        standardised = (y - self.centre) / self.scale
        loss: Tensor = criterion(scores[:, 0], standardised.to(scores.dtype))
        return loss

    def loss(self, criterion: nn.Module, scores: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = criterion(self.predictions(scores, y.dtype), y)
        return loss

    def shown_loss(
        self, criterion: nn.Module, objective: Tensor, scores: Tensor, y: Tensor
    ) -> Tensor:
        """In the target's unit; not finite where the objective is not."""
        loss = self.loss(criterion, scores, y)
        return torch.where(torch.isfinite(objective), loss, objective.to(loss.dtype))

    def predictions(self, scores: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """What `predict` returns, with the gradient of the scores."""
        return (self.centre + self.scale * scores[:, 0].to(dtype)).clamp(*self.range)

    def labels(self, y: Tensor) -> Tensor:
        return torch.zeros_like(y, dtype=torch.int64)

    def answers(self, scores: Tensor) -> Array:
        predictions: Array = self.predictions(scores.cpu()).numpy()
        return predictions

    def soft_values(self, measures: Values, scores: Tensor, y: Tensor) -> Tensor:
        predictions = self.predictions(scores, y.dtype)
        return torch.stack([self._soft(measure, predictions, y) for measure in measures], dim=1)

    def _soft(self, measure: RowMeasure, predictions: Tensor, y: Tensor) -> Tensor:
        if isinstance(measure, BuiltInMeasure):
            return _of_predictions(measure, predictions, y)
        if measure.surrogate is not None:
            values: Tensor = measure.surrogate(predictions, y)
            return values
        here, step = predictions.detach(), SLOPE_STEP * self.scale
        low, high = ((here + move).clamp(*self.range) for move in (-step, step))
        below, value, above = (_of_predictions(measure, at, y) for at in (low, here, high))
        return value + (above - below) / (high - low) * (predictions - here)

    def decision_values(self, measures: Values, scores: Tensor, y: Tensor) -> Tensor:
        predictions = self.predictions(scores, y.dtype)
        values = [_of_predictions(measure, predictions, y) for measure in measures]
        return torch.stack(values, dim=1).to(scores.dtype)

    def violation_scale(self, problem: ConstrainedProblem, rows: Rows) -> Array:
        """How much each h varies with its measures, were all predictions the mean target."""
        scores = torch.zeros(len(rows), 1)
        y, codes = rows.y.cpu().numpy(), rows.cells.cpu().numpy()
        seen = summarised(self, scores, y, codes, problem.stratification, problem.values, keep=True)
        assert seen.kept is not None
        spreads = seen.kept.entries[:, self.n_classes :].std(axis=0)
        return problem.linearisation.violation_scale(seen.confusion, VIOLATION_SHARE * spreads)

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[float, float, Range]:
        return self.centre, self.scale, self.range


Task = Classification | Regression


def summarised(
    task: Task,
    scores: Tensor,
    y: NDArray[Any],
    codes: NDArray[np.int32],
    stratification: Stratification,
    values: tuple[RowMeasure, ...],
    *,
    keep: bool = False,
    units: SamplingUnits | None = None,
) -> Statistics:
    """The statistics of what is predicted of some rows."""
    seen = codes, y, task.answers(scores), stratification, values
    if isinstance(task, Regression):
        return summarise_predictions(*seen, keep=keep, units=units)
    return summarise(*seen, deterministic=task.deterministic, keep=keep, units=units)


def from_dict(facts: Mapping[str, Any]) -> Task:
    """The task of which `facts` are the fields as JSON has them."""
    if "kind" in facts:
        return Classification(**{**facts, "kind": OutputKind(facts["kind"])})
    return Regression(**{**facts, "range": tuple(facts["range"])})


def _logarithm(chances: Tensor) -> Tensor:
    return chances.clamp(min=torch.finfo(chances.dtype).tiny).log()


def _of_predictions(measure: RowMeasure, predictions: Tensor, y: Tensor) -> Tensor:
    """The measure's values of numbers predicted; those of built-in measures have a gradient."""
    if isinstance(measure, BuiltInMeasure):
        values: Tensor = measure.of_output(y, predictions, torch)
        return values
    return _evaluated(measure, y, predictions, None).to(predictions)


def _evaluated(measure: RowMeasure, y: Tensor, prediction: Tensor, chances: Array | None) -> Tensor:
    """The measure's own value of each row, without a gradient."""
    y, prediction = y.cpu(), prediction.detach().cpu()
    values = row_values((measure,), y.numpy(), prediction.numpy(), chances)
    return torch.from_numpy(values[:, 0])

"""The tasks, which define the meaning of a module's outputs: scores of classes, or a number.

A task turns outputs into *scores*, one column per label. A classification has one label per class.
A regression has one standardised number, and all its rows share one label.

Training and the safety test use the same methods of both tasks. They are described in
`Classification`.
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

# The slope of a measure without a surrogate is computed between predictions this far below and
# above, in standard deviations of the target. A measure that counts errors above a limit therefore
# has a slope too.
SLOPE_STEP = 0.05
# The unit of violations is this share of the measure's standard deviation. A violation then has
# about the same effect relative to the squared loss of a standardised number as that of a rate
# relative to the cross-entropy. With a share of 1, multipliers grow too slowly in twenty epochs of
# 6,000 rows of the GPA data. With a tenth they overshoot.
VIOLATION_SHARE = 0.25


@dataclass(frozen=True)
class Classification:
    """The task of predicting classes. `y` are class positions.

    Outputs are logits or probabilities, one per class, or a single one for two classes.

    Parameters
    ----------
    n_classes : int
    deterministic : bool, default=True
        Whether the decision is the most probable class. Otherwise it is drawn.
    kind : OutputKind, default=OutputKind.LOGITS
    """

    n_classes: int
    deterministic: bool = True
    kind: OutputKind = OutputKind.LOGITS

    def with_output_kind(self, outputs: Tensor, criterion: nn.Module) -> Classification:
        """The task with the kind of these `outputs`; raises ValueError if they do not fit it."""
        kind = output_kind(outputs, criterion, self.n_classes)
        if kind is OutputKind.PROBABILITIES and isinstance(criterion, nn.CrossEntropyLoss):
            warn_user(
                "The module returns probabilities, and CrossEntropyLoss expects logits. The "
                "logarithm of the probabilities is used. Leave out the final Softmax, or use "
                "criterion=NLLLoss."
            )
        is_sigmoid = kind is OutputKind.BINARY_PROBABILITY
        if is_sigmoid and isinstance(criterion, nn.BCEWithLogitsLoss):
            warn_user(
                "The module returns probabilities, and BCEWithLogitsLoss expects logits. The "
                "log-odds of the probabilities are used. Leave out the final Sigmoid, or use "
                "criterion=BCELoss."
            )
        return replace(self, kind=kind)

    def scores(self, outputs: Tensor) -> Tensor:
        """The scores, of shape (n_rows, n_classes), with the gradient of the outputs.

        Their softmax gives the class probabilities.
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
        """The criterion's value of what `predict` returns, in the form that the criterion takes."""
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
        """The position of each row's label."""
        return y

    def answers(self, scores: Tensor) -> Array:
        """Probabilities (n_rows, n_classes); for a regression the predictions (n_rows,)."""
        return probabilities(scores)

    def soft_values(self, measures: Values, scores: Tensor, y: Tensor) -> Tensor:
        """The differentiable values of the measures for each row: (n_rows, n_measures)."""
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
        """The values of the measures for each row's prediction: (n_rows, n_measures)."""
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
        """The unit of violations of each atom: one number, or shape (n_atoms,)."""
        return 1.0

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[object, ...]:
        """What a model consists of in addition to its module, with this `adjustment`."""
        clip = (adjustment.low, adjustment.high) if adjustment.low else ()
        own = () if adjustment.by_group is None else (adjustment.by_group.to_json(),)
        return adjustment.scale, adjustment.offset_of_each(self.n_classes), *clip, *own


@dataclass(frozen=True)
class Regression:
    """The task of predicting a number: ``centre + scale * output``, clipped to `range`.

    Parameters
    ----------
    centre, scale : float
        They standardise the targets, so that one learning rate suits targets of any size.
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
                "rows. For a regression it must return one number per row."
            )
        return self

    def scores(self, outputs: Tensor) -> Tensor:
        return outputs.reshape(-1, 1)

    def objective(self, criterion: nn.Module, scores: Tensor, y: Tensor) -> Tensor:
        """The criterion of standardised numbers, not clipped because that has no gradient."""
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
        """The predictions, with the gradient of the scores."""
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
        """The scale on which each h varies, assuming that the mean target is predicted."""
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
    """The statistics of the predictions for some rows."""
    seen = codes, y, task.answers(scores), stratification, values
    if isinstance(task, Regression):
        return summarise_predictions(*seen, keep=keep, units=units)
    return summarise(*seen, deterministic=task.deterministic, keep=keep, units=units)


def from_dict(facts: Mapping[str, Any]) -> Task:
    """The task with these fields, given as JSON values."""
    if "kind" in facts:
        return Classification(**{**facts, "kind": OutputKind(facts["kind"])})
    return Regression(**{**facts, "range": tuple(facts["range"])})


def _logarithm(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def _of_predictions(measure: RowMeasure, predictions: Tensor, y: Tensor) -> Tensor:
    """The measure's values for predicted numbers, with a gradient for built-in measures."""
    if isinstance(measure, BuiltInMeasure):
        values: Tensor = measure.of_output(y, predictions, torch)
        return values
    return _evaluated(measure, y, predictions, None).to(predictions)


def _evaluated(
    measure: RowMeasure, y: Tensor, prediction: Tensor, probabilities: Array | None
) -> Tensor:
    """The measure's value for each row, without a gradient."""
    y, prediction = y.cpu(), prediction.detach().cpu()
    values = row_values((measure,), y.numpy(), prediction.numpy(), probabilities)
    return torch.from_numpy(values[:, 0])

"""What a module's outputs mean: the scores of classes, or a number.

A task turns outputs into *scores*, one column a label: those of the classes, or the one
standardised number of a regression, whose rows all share one label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import Statistics, summarise, summarise_predictions
from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.learners.lagrangian._batches import Rows
from sklearn_seldonian.learners.lagrangian._outputs import (
    Adjustment,
    OutputKind,
    output_kind,
    primary_loss,
    probabilities,
    to_scores,
)
from sklearn_seldonian.learners.lagrangian._values import decision_values, evaluated, soft_values
from sklearn_seldonian.measures import ANY_NUMBER, BuiltInMeasure, Range, RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem

Array = NDArray[np.float64]
Values = Sequence[RowMeasure]

# The slope of a measure without a surrogate is that between predictions so far below and
# above, in standard deviations of the target: what counts errors beyond a limit has one too.
SLOPE_STEP = 0.05
# A violation counts in this share of its measure's standard deviation: as much beside the
# squared loss of a standardised number as a violated rate beside the cross-entropy. With a whole
# one multipliers are too slow for twenty epochs of 6,000 rows of the GPA data, with a tenth
# they overshoot.
VIOLATION_SHARE = 0.25


class Task(Protocol):
    """What training and the safety test ask of a module's outputs."""

    @property
    def n_classes(self) -> int:
        """How many labels a row can have."""

    @property
    def deterministic(self) -> bool:
        """Whether each row gets one decision; else it is drawn."""

    def with_output_kind(self, outputs: torch.Tensor, criterion: nn.Module) -> Task:
        """The task as some `outputs` of the module show it; raises ValueError if they cannot be."""

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_classes), with the gradient of the outputs."""

    def objective(
        self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """What training minimises."""

    def loss(self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The criterion of what `predict` returns."""

    def labels(self, y: torch.Tensor) -> torch.Tensor:
        """Position of each row's label."""

    def answers(self, scores: torch.Tensor) -> Array:
        """Probabilities (n_rows, n_classes), or the numbers predicted (n_rows,)."""

    def soft_values(self, measures: Values, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Each measure's differentiable value of each row: (n_rows, n_measures)."""

    def decision_values(
        self, measures: Values, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """Each measure's value of what is predicted of each row: (n_rows, n_measures)."""

    def violation_scale(self, problem: ConstrainedProblem, rows: Rows) -> float | Array:
        """What a violation of each atom is measured in: one number, or (n_atoms,)."""

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[object, ...]:
        """What a model is made of beside its module, with this `adjustment` of the scores."""

    def summarise(
        self,
        scores: torch.Tensor,
        y: NDArray[Any],
        codes: NDArray[np.int32],
        stratification: Stratification,
        values: tuple[RowMeasure, ...],
        *,
        keep: bool = False,
    ) -> Statistics:
        """The statistics of what is predicted of some rows."""


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

    def with_output_kind(self, outputs: torch.Tensor, criterion: nn.Module) -> Classification:
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

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        return to_scores(outputs, self.kind)

    def objective(
        self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        return primary_loss(criterion, scores, y, self.kind)

    def loss(self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return primary_loss(criterion, scores, y, self.kind)

    def labels(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def answers(self, scores: torch.Tensor) -> Array:
        return probabilities(scores)

    def soft_values(self, measures: Values, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return soft_values(measures, scores, y)

    def decision_values(
        self, measures: Values, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        return decision_values(measures, scores, y)

    def violation_scale(self, problem: ConstrainedProblem, rows: Rows) -> float:
        return 1.0

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[object, ...]:
        clip = (adjustment.low, adjustment.high) if adjustment.low else ()
        return adjustment.scale, adjustment.offset_of_each(self.n_classes), *clip

    def summarise(
        self,
        scores: torch.Tensor,
        y: NDArray[Any],
        codes: NDArray[np.int32],
        stratification: Stratification,
        values: tuple[RowMeasure, ...],
        *,
        keep: bool = False,
    ) -> Statistics:
        drawn = probabilities(scores)
        return summarise(
            codes, y, drawn, stratification, values, deterministic=self.deterministic, keep=keep
        )


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

    def with_output_kind(self, outputs: torch.Tensor, criterion: nn.Module) -> Regression:
        if outputs.numel() != len(outputs):
            raise ValueError(
                f"The module returns outputs of shape {tuple(outputs.shape)} for {len(outputs)} "
                "rows; for a regression it must return one number a row."
            )
        return self

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.reshape(-1, 1)

    def objective(
        self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """The criterion of standardised numbers; not clipped, since that has no gradient."""
        standardised = (y - self.centre) / self.scale
        loss: torch.Tensor = criterion(scores[:, 0], standardised.to(scores.dtype))
        return loss

    def loss(self, criterion: nn.Module, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = criterion(self.predictions(scores, y.dtype), y)
        return loss

    def predictions(self, scores: torch.Tensor, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """What `predict` returns, with the gradient of the scores."""
        return (self.centre + self.scale * scores[:, 0].to(dtype)).clamp(*self.range)

    def labels(self, y: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(y, dtype=torch.int64)

    def answers(self, scores: torch.Tensor) -> Array:
        predictions: Array = self.predictions(scores.cpu()).numpy()
        return predictions

    def soft_values(self, measures: Values, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        predictions = self.predictions(scores, y.dtype)
        return torch.stack([self._soft(m, predictions, y) for m in measures], dim=1)

    def _soft(
        self, measure: RowMeasure, predictions: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        values: torch.Tensor
        if isinstance(measure, BuiltInMeasure):
            values = measure.formula(y, predictions, torch)
            return values
        if measure.surrogate is not None:
            values = measure.surrogate(predictions, y)
            return values
        here, step = predictions.detach(), SLOPE_STEP * self.scale
        low, high = ((here + move).clamp(*self.range) for move in (-step, step))
        below, value, above = (
            evaluated(measure, y, at, None).to(predictions) for at in (low, here, high)
        )
        return value + (above - below) / (high - low) * (predictions - here)

    def decision_values(
        self, measures: Values, scores: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        if not measures:
            return scores.new_empty(len(scores), 0)
        predictions = self.predictions(scores, y.dtype)
        values = [
            measure.formula(y, predictions, torch)
            if isinstance(measure, BuiltInMeasure)
            else evaluated(measure, y, predictions, None).to(predictions)
            for measure in measures
        ]
        return torch.stack(values, dim=1).to(scores.dtype)

    def violation_scale(self, problem: ConstrainedProblem, rows: Rows) -> Array:
        """How much each h varies with its measures, were all predictions the mean target."""
        scores = torch.zeros(len(rows), 1)
        y, codes = rows.y.cpu().numpy(), rows.cells.cpu().numpy()
        seen = self.summarise(scores, y, codes, problem.stratification, problem.values, keep=True)
        assert seen.kept is not None
        spreads = seen.kept.entries[:, self.n_classes :].std(axis=0)
        return problem.linearisation.violation_scale(seen.confusion, VIOLATION_SHARE * spreads)

    def fingerprint_parts(self, adjustment: Adjustment) -> tuple[float, float, Range]:
        return self.centre, self.scale, self.range

    def summarise(
        self,
        scores: torch.Tensor,
        y: NDArray[Any],
        codes: NDArray[np.int32],
        stratification: Stratification,
        values: tuple[RowMeasure, ...],
        *,
        keep: bool = False,
    ) -> Statistics:
        predictions = self.predictions(scores.cpu()).numpy()
        return summarise_predictions(codes, y, predictions, stratification, values, keep=keep)


# -- in a file -----------------------------------------------------------------------------


def to_dict(task: Task) -> dict[str, Any]:
    """The task as numbers and words that `from_dict` reads."""
    if isinstance(task, Classification):
        return {**asdict(task), "kind": task.kind.value}
    assert isinstance(task, Regression)
    return asdict(task)


def from_dict(facts: Mapping[str, Any]) -> Task:
    """The task that `to_dict` wrote."""
    if "kind" in facts:
        return Classification(**{**facts, "kind": OutputKind(facts["kind"])})
    return Regression(**{**facts, "range": tuple(facts["range"])})

"""What a module's outputs mean, and how they become scores that softmax applies to."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian.certification import ScoreEnds
from sklearn_seldonian.selection import GroupOffsets

# Where an offset makes another class win, this much of its lead is left, so that its probability is
# little above that of the class which had won. Rows of two classes keep their order.
LEAD_LEFT = 0.01


# The group of each row.
Groups = NDArray[np.intp]


class OutputKind(enum.StrEnum):
    """How a module's outputs are to be read."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    BINARY_LOGIT = "binary logit"
    BINARY_PROBABILITY = "binary probability"


class Adjustment(NamedTuple):
    """What is done to a trained model's scores.

    The class with the largest ``scale * score + offset`` is decided for, and only rows that this
    decides otherwise than the model get other probabilities: as near to the model's as the
    decision allows.

    With `low` and `high`, one number a class each, decisions are drawn: probabilities are the
    softmax of these sums. Log-probabilities are first clipped to between them, so that whatever a
    row is like, the probabilities that come out have a range known beforehand.

    With `by_group`, a row's offsets are those of its group. The methods that change scores then
    take the `groups` of the rows, as `GroupOffsets.positions` has them. Rows of no known group get
    no numbers, and so no decision.
    """

    scale: float
    offsets: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    by_group: GroupOffsets | None = None

    def apply(self, scores: torch.Tensor, groups: Groups | None = None) -> torch.Tensor:
        """The adjusted scores; they are log-probabilities unless nothing is adjusted."""
        if self == UNADJUSTED:
            return scores
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if self.low:
            low, high = scores.new_tensor(self.low), scores.new_tensor(self.high)
            logs = torch.log_softmax(scores, dim=1).clamp(low, high)
            return torch.log_softmax(self.scale * logs + scores.new_tensor(self.offsets), dim=1)
        below = scores - scores.amax(dim=1, keepdim=True)  # near zero small leads are not lost
        offsets = scores.new_tensor(self._offsets_of_rows(scores.shape[1], groups) / self.scale)
        return torch.log_softmax(_decided_by(offsets, below), dim=1)

    def apply_to_each(
        self, batches: Iterable[torch.Tensor], groups: Groups | None = None
    ) -> Iterator[torch.Tensor]:
        """The adjusted scores of one batch after another; `groups` are those of all rows."""
        start = 0
        for scores in batches:
            stop = start + len(scores)
            yield self.apply(scores, None if groups is None else groups[start:stop])
            start = stop

    def moved(self, scores: torch.Tensor, groups: Groups | None = None) -> torch.Tensor:
        """The sums of which the largest is decided for, where decisions are not drawn."""
        offsets = self._offsets_of_rows(scores.shape[1], groups)
        return self.scale * scores + scores.new_tensor(offsets)

    def _offsets_of_rows(self, n_classes: int, groups: Groups | None) -> NDArray[np.float64]:
        """Shape (n_rows, n_classes), or (n_classes,) where all rows have the same."""
        if self.by_group is None:
            return self.offset_of_each(n_classes)
        unknown = (math.nan,) * n_classes  # in the last place, which the position -1 stands for
        return np.array([*self.by_group.offsets, unknown])[groups]

    @property
    def ends(self) -> ScoreEnds | None:
        """Between which numbers the adjusted scores lie, but for what all of a row share."""
        if not self.low:
            return None

        def adjusted(end: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(self.scale * x + o for x, o in zip(end, self.offsets, strict=True))

        return adjusted(self.low), adjusted(self.high)

    def offset_of_each(self, n_classes: int) -> NDArray[np.float64]:
        """One offset a class, zero where nothing is adjusted."""
        return np.array(self.offsets or [0.0] * n_classes)

    def to_list(self) -> list[Any]:
        """Its fields as JSON has them; those that have their default in the end are left out."""
        own = [] if self.by_group is None else [self.by_group.to_json()]
        return [*self[:4], *own]

    @classmethod
    def from_list(cls, fields: list[Any]) -> Adjustment:
        """The inverse of `to_list`."""
        scale, offsets, low, high = fields[:4]
        by_group = [GroupOffsets.from_json(own) for own in fields[4:]]
        return cls(scale, tuple(offsets), tuple(low), tuple(high), *by_group)


def _decided_by(offsets: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The scores, of each row the one that is largest with `offsets` raised to be the largest."""
    leading, classes = (scores + offsets).topk(2, dim=1)
    decided = classes[:, :1]
    # Rows that are decided otherwise lead by no more; an infinite lead would leave no number.
    lead = (leading[:, :1] - leading[:, 1:]).minimum(2.0 * offsets.abs().amax(dim=-1, keepdim=True))
    others = scores.scatter(1, decided, -torch.inf).amax(dim=1, keepdim=True)
    raised = torch.maximum(scores.gather(1, decided), others + LEAD_LEFT * lead)
    return scores.scatter(1, decided, raised)


UNADJUSTED = Adjustment(1.0, ())


def clipped(scores: torch.Tensor) -> Adjustment:
    """Nothing is done to these `scores`; those of other rows are clipped to their range."""
    least = math.log(torch.finfo(torch.float32).tiny)  # of a class that has no chance
    logs = torch.log_softmax(scores, dim=1).float().clamp(min=least)
    low, high = (end.values.tolist() for end in (logs.min(dim=0), logs.max(dim=0)))
    return Adjustment(1.0, (0.0,) * scores.shape[1], tuple(low), tuple(high))


def output_kind(outputs: torch.Tensor, criterion: nn.Module, n_classes: int) -> OutputKind:
    """Read the kind off the criterion and some `outputs` of the module.

    `NLLLoss` takes probabilities (skorch's convention), `BCEWithLogitsLoss` one logit a
    row, `BCELoss` one probability. Otherwise rows of numbers >= 0 that sum to one are
    probabilities: linear layers do not produce those by chance. One number a row that comes
    out of a sigmoid is a probability.

    Raises
    ------
    ValueError
        If the number of columns does not fit the number of classes, or the numbers are not what
        the criterion takes.
    """
    if isinstance(criterion, nn.BCEWithLogitsLoss | nn.BCELoss):
        return _one_column_kind(outputs, criterion, n_classes)
    if outputs.ndim != 2 or outputs.shape[1] != n_classes:
        raise ValueError(
            f"The module returns outputs of shape {tuple(outputs.shape)} for {len(outputs)} rows; "
            f"with {n_classes} classes it must return {(len(outputs), n_classes)}. One output a "
            "row is for two classes with criterion=BCEWithLogitsLoss."
        )
    if isinstance(criterion, nn.NLLLoss) and bool((outputs < 0).any()):
        raise ValueError(
            "With NLLLoss the module must return probabilities, and it returns negative numbers; "
            "for log-probabilities or logits use CrossEntropyLoss."
        )
    sums_to_one = torch.allclose(outputs.sum(dim=1), torch.ones_like(outputs[:, 0]), atol=1e-4)
    if isinstance(criterion, nn.NLLLoss) or (bool((outputs >= 0).all()) and sums_to_one):
        return OutputKind.PROBABILITIES
    return OutputKind.LOGITS


def _one_column_kind(outputs: torch.Tensor, criterion: nn.Module, n_classes: int) -> OutputKind:
    name = "BCELoss" if isinstance(criterion, nn.BCELoss) else "BCEWithLogitsLoss"
    if n_classes != 2 or outputs.reshape(len(outputs), -1).shape[1] != 1:
        raise ValueError(
            f"{name} needs two classes and one output a row; there are {n_classes} "
            f"classes and outputs of shape {tuple(outputs.shape)}."
        )
    if name == "BCELoss" and bool(((outputs < 0) | (outputs > 1)).any()):
        raise ValueError(
            "With BCELoss the module must return probabilities, and it returns numbers outside "
            "[0, 1]; end it in a Sigmoid, or use criterion=BCEWithLogitsLoss for logits."
        )
    if name == "BCELoss" or _is_sigmoid(outputs):
        return OutputKind.BINARY_PROBABILITY
    return OutputKind.BINARY_LOGIT


# Operations that may follow on a sigmoid without changing its numbers.
RESHAPING = ("Squeeze", "Unsqueeze", "View", "UnsafeView", "Reshape", "Select", "Slice", "ToCopy")


def _is_sigmoid(outputs: torch.Tensor) -> bool:
    """Whether a sigmoid was the last to change the numbers, as their gradient's graph shows."""
    step = outputs.grad_fn
    while step is not None and step.name().startswith(RESHAPING):
        step = step.next_functions[0][0]
    return step is not None and step.name().startswith("Sigmoid")


def class_weights(criterion: nn.Module, n_classes: int) -> NDArray[np.float64]:
    """What a wrong decision about a row of each class weighs, as far as the criterion says."""
    weights = np.ones(n_classes)
    if isinstance(criterion, nn.BCELoss):  # its weights are those of rows
        return weights
    if isinstance(criterion, nn.BCEWithLogitsLoss):
        if criterion.pos_weight is not None:
            weights[1] = float(criterion.pos_weight.reshape(-1)[0])
        return weights
    given = getattr(criterion, "weight", None)
    if isinstance(given, torch.Tensor) and given.shape == (n_classes,):
        weights *= given.detach().cpu().double().numpy()
    return weights


def probabilities(scores: torch.Tensor) -> NDArray[np.float64]:
    """Class probabilities; `predict` is their argmax. NaN rows stay NaN."""
    values: NDArray[np.float64] = torch.softmax(scores.cpu().double(), dim=1).numpy()
    return values

"""The meaning of a module's outputs, and how they become scores that softmax applies to."""

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

# If an offset changes the predicted class, the new class leads by this share of its real lead, so
# that its probability is only a little above that of the old class. With two classes, rows keep
# their order.
LEAD_LEFT = 0.01


# The group of each row.
Groups = NDArray[np.intp]


class OutputKind(enum.StrEnum):
    """The kinds of a module's outputs."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    BINARY_LOGIT = "binary logit"
    BINARY_PROBABILITY = "binary probability"


class Adjustment(NamedTuple):
    """The adjustment of a trained model's scores.

    The decision is the class with the largest ``scale * score + offset``. Probabilities change
    only for rows whose decision changes, and only as far as the new decision needs.

    With `low` and `high`, which have one number per class, decisions are drawn: the probabilities
    are the softmax of these sums. Log-probabilities are first clipped to the range from `low` to
    `high`, so that the range of the resulting probabilities is known beforehand for any row.

    With `by_group`, a row's offsets are those of its group. The methods that change scores then
    take the `groups` of the rows, in the form of `GroupOffsets.positions`. Rows without a known
    group get NaN, and therefore no decision.
    """

    scale: float
    offsets: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    by_group: GroupOffsets | None = None

    def apply(self, scores: torch.Tensor, groups: Groups | None = None) -> torch.Tensor:
        """The adjusted scores: log-probabilities, or `scores` itself without an adjustment."""
        if self == UNADJUSTED:
            return scores
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if self.low:
            low, high = scores.new_tensor(self.low), scores.new_tensor(self.high)
            logs = torch.log_softmax(scores, dim=1).clamp(low, high)
            return torch.log_softmax(self.scale * logs + scores.new_tensor(self.offsets), dim=1)
        below = scores - scores.amax(dim=1, keepdim=True)  # near zero, small leads are not rounded
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
        """The sums of which the largest gives the decision, if decisions are not drawn."""
        offsets = self._offsets_of_rows(scores.shape[1], groups)
        return self.scale * scores + scores.new_tensor(offsets)

    def _offsets_of_rows(self, n_classes: int, groups: Groups | None) -> NDArray[np.float64]:
        """Offsets of shape (n_rows, n_classes), or (n_classes,) if they are the same for all."""
        if self.by_group is None:
            return self.offset_of_each(n_classes)
        unknown = (math.nan,) * n_classes  # the last entry, which the position -1 selects
        return np.array([*self.by_group.offsets, unknown])[groups]

    @property
    def ends(self) -> ScoreEnds | None:
        """The ends of the adjusted scores' range, up to a number that is the same in a row."""
        if not self.low:
            return None

        def adjusted(end: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(self.scale * x + o for x, o in zip(end, self.offsets, strict=True))

        return adjusted(self.low), adjusted(self.high)

    def offset_of_each(self, n_classes: int) -> NDArray[np.float64]:
        """One offset per class; zero without an adjustment."""
        return np.array(self.offsets or [0.0] * n_classes)

    def to_list(self) -> list[Any]:
        """The fields as JSON values; last fields with their default values are left out."""
        own = [] if self.by_group is None else [self.by_group.to_json()]
        return [*self[:4], *own]

    @classmethod
    def from_list(cls, fields: list[Any]) -> Adjustment:
        """The inverse of `to_list`."""
        scale, offsets, low, high = fields[:4]
        by_group = [GroupOffsets.from_json(own) for own in fields[4:]]
        return cls(scale, tuple(offsets), tuple(low), tuple(high), *by_group)


def _decided_by(offsets: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The scores; in each row, the one that is largest with `offsets` is raised to be largest."""
    leading, classes = (scores + offsets).topk(2, dim=1)
    decided = classes[:, :1]
    # New decisions lead by no more than this, because an infinite lead would result in NaN.
    lead = (leading[:, :1] - leading[:, 1:]).minimum(2.0 * offsets.abs().amax(dim=-1, keepdim=True))
    others = scores.scatter(1, decided, -torch.inf).amax(dim=1, keepdim=True)
    raised = torch.maximum(scores.gather(1, decided), others + LEAD_LEFT * lead)
    return scores.scatter(1, decided, raised)


UNADJUSTED = Adjustment(1.0, ())


def clipped(scores: torch.Tensor) -> Adjustment:
    """The adjustment that clips scores to the range of these `scores`, which it does not change."""
    least = math.log(torch.finfo(torch.float32).tiny)  # for a class with probability 0
    logs = torch.log_softmax(scores, dim=1).float().clamp(min=least)
    low, high = (end.values.tolist() for end in (logs.min(dim=0), logs.max(dim=0)))
    return Adjustment(1.0, (0.0,) * scores.shape[1], tuple(low), tuple(high))


def output_kind(outputs: torch.Tensor, criterion: nn.Module, n_classes: int) -> OutputKind:
    """The kind of a module's outputs, from the criterion and some `outputs`.

    `NLLLoss` takes probabilities (skorch's convention), `BCEWithLogitsLoss` one logit per row, and
    `BCELoss` one probability per row. For other criteria, rows of numbers >= 0 that sum to one are
    taken as probabilities, because linear layers do not produce these by chance. One number per
    row that comes from a sigmoid is taken as a probability.

    Raises
    ------
    ValueError
        If the number of columns does not fit the number of classes, or if the criterion cannot
        take the numbers.
    """
    if isinstance(criterion, nn.BCEWithLogitsLoss | nn.BCELoss):
        return _one_column_kind(outputs, criterion, n_classes)
    if outputs.ndim != 2 or outputs.shape[1] != n_classes:
        raise ValueError(
            f"The module returns outputs of shape {tuple(outputs.shape)} for {len(outputs)} rows. "
            f"With {n_classes} classes it must return shape {(len(outputs), n_classes)}. One "
            "output per row is for two classes with criterion=BCEWithLogitsLoss."
        )
    if isinstance(criterion, nn.NLLLoss) and bool((outputs < 0).any()):
        raise ValueError(
            "The module returns negative numbers, and with NLLLoss it must return probabilities. "
            "For log-probabilities or logits use CrossEntropyLoss."
        )
    sums_to_one = torch.allclose(outputs.sum(dim=1), torch.ones_like(outputs[:, 0]), atol=1e-4)
    if isinstance(criterion, nn.NLLLoss) or (bool((outputs >= 0).all()) and sums_to_one):
        return OutputKind.PROBABILITIES
    return OutputKind.LOGITS


def _one_column_kind(outputs: torch.Tensor, criterion: nn.Module, n_classes: int) -> OutputKind:
    name = "BCELoss" if isinstance(criterion, nn.BCELoss) else "BCEWithLogitsLoss"
    if n_classes != 2 or outputs.reshape(len(outputs), -1).shape[1] != 1:
        raise ValueError(
            f"There are {n_classes} classes and outputs of shape {tuple(outputs.shape)}, and "
            f"{name} needs two classes and one output per row. Use CrossEntropyLoss with one "
            "output per class."
        )
    if name == "BCELoss" and bool(((outputs < 0) | (outputs > 1)).any()):
        raise ValueError(
            "The module returns numbers outside [0, 1], and with BCELoss it must return "
            "probabilities. End it in a Sigmoid, or use criterion=BCEWithLogitsLoss for logits."
        )
    if name == "BCELoss" or _is_sigmoid(outputs):
        return OutputKind.BINARY_PROBABILITY
    return OutputKind.BINARY_LOGIT


# Operations that may follow a sigmoid without changing its numbers.
RESHAPING = ("Squeeze", "Unsqueeze", "View", "UnsafeView", "Reshape", "Select", "Slice", "ToCopy")


def _is_sigmoid(outputs: torch.Tensor) -> bool:
    """Whether a sigmoid was the last operation that changed the numbers, by the autograd graph."""
    step = outputs.grad_fn
    while step is not None and step.name().startswith(RESHAPING):
        step = step.next_functions[0][0]
    return step is not None and step.name().startswith("Sigmoid")


def class_weights(criterion: nn.Module, n_classes: int) -> NDArray[np.float64]:
    """The weight of a wrong decision for each class, by the criterion's class weights."""
    weights = np.ones(n_classes)
    if isinstance(criterion, nn.BCELoss):  # its weights are for rows, not for classes
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
    """Class probabilities, whose argmax `predict` returns. Rows with NaN stay NaN."""
    values: NDArray[np.float64] = torch.softmax(scores.cpu().double(), dim=1).numpy()
    return values

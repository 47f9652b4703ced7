"""The cost of choosing a model for its constraints, on the rows that it was chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn_seldonian._text import short


class Outcome(NamedTuple):
    """The results of a model on the candidate rows that epochs are evaluated on.

    Attributes
    ----------
    measure : {"accuracy", "weighted accuracy", "loss"}
        The meaning of `value`. The accuracy is weighted by the criterion's class weights. The loss
        is used for drawn decisions and for regressions.
    value : float
        The accuracy, in [0, 1], or the loss.
    shares : tuple of float
        For each class, the share of the rows that get its label, or the expected share if
        decisions are drawn. Empty for regressions.
    """

    measure: str
    value: float
    shares: tuple[float, ...] = ()

    @property
    def disadvantage(self) -> float:
        """A number that is smaller for a better model."""
        return self.value if self.measure == "loss" else -self.value


UNSEEN = Outcome("loss", math.inf)


@dataclass(frozen=True)
class Price:
    """The cost of choosing an epoch and a decision threshold for the constraints.

    The kept model is compared with the best epoch of the same training, without a moved threshold.
    What the constraints cost during training is not included. Only candidate rows are used.

    Attributes
    ----------
    kept, without : Outcome
        The results of the kept model, and of the epoch that would have been kept without
        constraints.
    epoch, epoch_without : int
        The numbers of these two epochs, from 1 on.
    is_moved : bool
        Whether the decision threshold of the kept epoch was moved, or its probabilities if
        decisions are drawn.
    n_rows : int
        The number of candidate rows that epochs are evaluated on.
    is_trained : bool
        Whether a model was trained. Otherwise only the decision was chosen.
    labels : tuple, default=()
        The class labels.
    positive : int or None, default=None
        The position of the positive label, if there are two.

    Examples
    --------
    >>> from sklearn_seldonian.learners import Outcome, Price
    >>> kept, free = Outcome("accuracy", 0.83, (0.8, 0.2)), Outcome("accuracy", 0.85, (0.7, 0.3))
    >>> print(Price(kept, free, 3, 5, True, 1000, True, ("no", "yes"), 1))
    Because of the constraints, epoch 3 was kept instead of epoch 5 and the decision threshold was
    moved. On the 1,000 candidate rows that epochs are evaluated on, the accuracy is 0.8300 instead
    of 0.8500. The label 'yes' is given to 20.0% of these rows instead of 30.0%. What the
    constraints cost during training is not included.
    """

    kept: Outcome
    without: Outcome
    epoch: int
    epoch_without: int
    is_moved: bool
    n_rows: int
    is_trained: bool
    labels: tuple[Any, ...] = ()
    positive: int | None = None

    def __str__(self) -> str:
        sentences = [f"{self._change}.", f"{self._values}.", *self._shares]
        if self.is_trained:
            sentences.append("What the constraints cost during training is not included.")
        return " ".join(sentences)

    @property
    def in_short(self) -> tuple[str, str]:
        """For a legend: the kept epoch, and the one that would be kept without constraints."""
        moved = f", {self._moved} moved" if self.is_moved else ""
        return (
            f"epoch {self.epoch} (kept{moved}): {self._numbers(self.kept)}",
            f"epoch {self.epoch_without} (best without constraints): {self._numbers(self.without)}",
        )

    def _numbers(self, outcome: Outcome) -> str:
        numbers, k = f"{outcome.measure} {outcome.value:.4f}", self._label
        if k is None:
            return numbers
        return f"{numbers}, {outcome.shares[k]:.1%} labelled {short(self.labels[k])}"

    @property
    def _moved(self) -> str:
        return "probabilities" if self.kept.measure == "loss" else "threshold"

    @property
    def _change(self) -> str:
        """The differences from the choice without constraints."""
        parts = []
        if self.epoch != self.epoch_without:
            parts.append(f"epoch {self.epoch} was kept instead of epoch {self.epoch_without}")
        if self.is_moved and self.kept.measure == "loss":
            parts.append("probabilities were moved towards those of a constant prediction")
        elif self.is_moved:
            parts.append("the decision threshold was moved")
        change = " and ".join(parts)
        if self.kept.disadvantage > self.without.disadvantage:
            return f"Because of the constraints, {change}"
        return f"{change[0].upper()}{change[1:]}, at no cost"

    @property
    def _values(self) -> str:
        rows = "epochs are evaluated on" if self.is_trained else "the choice was made on"
        return (
            f"On the {self.n_rows:,} candidate rows that {rows}, the {self.kept.measure} is "
            f"{self.kept.value:.4f} instead of {self.without.value:.4f}"
        )

    @property
    def _shares(self) -> list[str]:
        k = self._label
        if k is None:
            return []
        share, without = self.kept.shares[k], self.without.shares[k]
        given = "is expected for" if self.kept.measure == "loss" else "is given to"
        label = f"The label {short(self.labels[k])} {given}"
        return [f"{label} {share:.1%} of these rows instead of {without:.1%}."]

    @property
    def _label(self) -> int | None:
        """Position of the label whose share is stated: the positive one, or the most changed."""
        if self.positive is not None or not self.labels:
            return self.positive
        both = zip(self.kept.shares, self.without.shares, strict=True)
        changes = [abs(share - without) for share, without in both]
        return changes.index(max(changes))

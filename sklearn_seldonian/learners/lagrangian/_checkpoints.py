"""The weights of the chosen epoch so far, and the number of rows held out to compare epochs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian.constraints import Choice
from sklearn_seldonian.learners._price import UNSEEN, Outcome, Price
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED, Adjustment
from sklearn_seldonian.selection import LIKELIER, MARGIN, Prediction, SelectionKey, selection_key

Array = NDArray[np.float64]

# A network with fewer rows of the smallest group per parameter may memorise them. It is then
# evaluated on held-out rows: half of the candidate rows, up to a maximum, or a tenth if there are
# many rows. The number of rows of all groups does not matter. With 106 parameters, 3,000 rows and
# 6% positives, TPR >= 0.45 and FPR <= 0.3 were predicted to pass with probability .90 and passed in
# 3 of 8 fits. With half of the rows held out, .83 were predicted, and 7 of 8 passed. A few held-out
# rows are better than none: with 60 to 190 candidate rows, .51 were predicted and .47 passed if
# half were held out, and .99 and .37 if none were (240 fits of 8 constraints, equally accurate).
ROWS_PER_PARAMETER = 10
MAX_HELD_OUT, MIN_SHARE, MIN_HELD_OUT = 5000, 0.1, 20


def n_selection_rows(n_candidate: int, n_smallest: float, module: nn.Module) -> int:
    """The number of candidate rows to hold out from training, to evaluate checkpoints on.

    No rows are held out for a module with few trained parameters relative to `n_smallest`, the
    number of rows of the smallest group in the constraints, because its evaluation on training rows
    is then accurate enough.
    """
    n_parameters = sum(each.numel() for each in module.parameters() if each.requires_grad)
    if n_smallest >= ROWS_PER_PARAMETER * n_parameters:
        return 0
    held_out = max(min(n_candidate // 2, MAX_HELD_OUT), int(MIN_SHARE * n_candidate))
    return held_out if held_out >= MIN_HELD_OUT else 0


class RowErrors(NamedTuple):
    """The part of the error that is due to each row: arrays of shape (n_rows,).

    Attributes
    ----------
    adjusted, unadjusted : ndarray of shape (n_rows,)
        With the adjustment of the scores, and without it.
    """

    adjusted: Array
    unadjusted: Array


class Candidate(NamedTuple):
    """The evaluation of one epoch's weights with some adjustment of the scores.

    Attributes
    ----------
    means : ndarray of shape (n_means,)
        The means in the constraints, estimated on candidate rows.
    prediction : Prediction
        The predicted result of the safety test.
    error : float
        The share of wrong decisions, weighted by the criterion's class weights. Zero if
        decisions are drawn.
    loss : float
        The primary loss.
    adjustment : Adjustment
    outcome, unadjusted : Outcome
        The results with the adjustment and without it.
    choices : tuple of Choice
        For each constraint, the alternatives to test.
    row_errors : RowErrors or None
        None if decisions are drawn, and for regressions.
    """

    means: Array
    prediction: Prediction
    error: float
    loss: float = np.nan
    adjustment: Adjustment = UNADJUSTED
    outcome: Outcome = UNSEEN
    unadjusted: Outcome = UNSEEN
    choices: tuple[Choice, ...] = ()
    row_errors: RowErrors | None = None

    def selection_key(self, power: float) -> SelectionKey:
        """The key by which candidates are ordered; see `sklearn_seldonian.selection`."""
        score = float(self.prediction.feasibility_score)
        return selection_key(score, self.error, self.loss, power)


class LatestOfBest:
    """The choice among epochs: the latest that is about as good as the best.

    The learning rate falls, so later weights are nearer to the optimum. The best estimate is often
    that of an earlier epoch by chance. If epochs are predicted to pass, the latest is kept whose
    error is higher than that of the best by at most `MARGIN` standard errors of the difference.
    Otherwise the latest is kept whose probability of passing is lower by at most `LIKELIER`.

    Parameters
    ----------
    power : float
        As in `selection_key`.

    Attributes
    ----------
    improved : int
        The best epoch so far.
    """

    def __init__(self, power: float) -> None:
        self._power = power
        self.improved = 0
        self._key: SelectionKey = (-np.inf, -np.inf, -np.inf)
        self._errors: Array | None = None

    def offer(self, epoch: int, key: SelectionKey, errors: Array | None) -> bool:
        """Whether to keep an epoch with this key and these errors of rows."""
        if key > self._key:
            self.improved, self._key, self._errors = epoch, key, errors
            return True
        if 0 < key[0] < self._power and self._key[0] < self._power:
            return key[0] >= self._key[0] - LIKELIER
        if errors is None or self._errors is None or key[0] != self._key[0]:
            return False
        standard_error = float(np.linalg.norm(errors - self._errors))
        return key[1] >= self._key[1] - MARGIN * standard_error


class Checkpoints:
    """Keeps the weights of the chosen candidate so far, with its adjustment.

    Attributes
    ----------
    improved : int
        The epoch of the best candidate so far. The kept one may be later.
    """

    def __init__(self, power: float) -> None:
        self.power = power
        self.best: dict[str, Any] | None = None
        self.evaluated: tuple[Candidate, torch.Tensor] | None = None
        self.adjustment = UNADJUSTED
        self.epoch: int | None = None
        self._choice, self._choice_without = LatestOfBest(power), LatestOfBest(power)
        # The epoch that would be kept without constraints, and its results.
        self._without = 0, UNSEEN

    @property
    def improved(self) -> int:
        return self._choice.improved

    def offer(
        self, epoch: int, module: nn.Module, candidate: Candidate, scores: torch.Tensor
    ) -> bool:
        """Keep one epoch's weights if they are chosen; return whether they are."""
        adjusted, unadjusted = candidate.row_errors or (None, None)
        without = 0.0, -candidate.unadjusted.disadvantage, 0.0
        is_finite = np.isfinite(candidate.unadjusted.disadvantage)
        if is_finite and self._choice_without.offer(epoch, without, unadjusted):
            self._without = epoch, candidate.unadjusted
        key = candidate.selection_key(self.power)
        if not np.isfinite(candidate.loss) or not self._choice.offer(epoch, key, adjusted):
            return False
        self.evaluated = candidate, scores
        self.keep(epoch, module, candidate.adjustment)
        return True

    def keep(self, epoch: int, module: nn.Module, adjustment: Adjustment = UNADJUSTED) -> None:
        """Keep these weights instead of any earlier ones."""
        self.epoch, self.adjustment = epoch, adjustment
        self.best = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def price(self, n_rows: int, is_trained: bool) -> Price | None:
        """The cost of keeping this epoch with its adjustment; None if no other choice was better.

        Parameters
        ----------
        n_rows, is_trained
            As in `Price`.
        """
        if self.evaluated is None or self.epoch is None:
            return None
        kept, (epoch, without) = self.evaluated[0], self._without
        if kept.unadjusted.disadvantage <= without.disadvantage:  # if equal, the kept one
            epoch, without = self.epoch, kept.unadjusted
        if kept.outcome == without:
            return None
        is_moved = kept.outcome != kept.unadjusted
        return Price(kept.outcome, without, self.epoch, epoch, is_moved, n_rows, is_trained)

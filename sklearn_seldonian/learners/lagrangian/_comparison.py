"""The choice among several nets: the simplest, unless another is significantly better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.selection import MARGIN

# The number of parts of the rows whose differences between two nets give the standard error.
N_PARTS = 20
# If it is predicted to pass and the simple one is not, its probability of passing must be larger by
# this much.
LIKELIER = 0.1
# If neither is predicted to pass, by this much. With 500 candidate rows and PPV >= 0.75 on Adult,
# networks whose predicted probability was larger by .1 to .3 passed in 3 of 9 draws, and the linear
# models of the same draws in 6. The prediction for the network comes from half of the rows.
LIKELIER_OF_UNLIKELY = 0.3


class Evaluated(NamedTuple):
    """A net's kept epoch, and the rows and scores that it was evaluated with.

    Attributes
    ----------
    candidate : Candidate
    scores : tensor of shape (n_rows, n_classes)
        The scores before the adjustment.
    positions : tensor of shape (n_rows,) or None
        The candidate rows that the scores belong to. None: all.
    evaluator : CandidateEvaluator
        The evaluator of these rows.
    """

    candidate: Candidate
    scores: torch.Tensor
    positions: torch.Tensor | None
    evaluator: CandidateEvaluator

    def costs(self, parts: list[torch.Tensor]) -> list[float]:
        """The error or the loss on each part of the rows."""
        return self.evaluator.costs(self.scores, self.candidate.adjustment, parts)


def preferred(nets: Mapping[str, Evaluated | None], power: float) -> tuple[str, str]:
    """The name of the net to keep, and the reason in words.

    The net with the largest probability of passing is kept. Among nets with about the same
    probability the first is kept, unless the error of a later one is lower by more than `MARGIN`
    standard errors [1]_. Without a margin, networks are kept that are worse by .03. With a margin
    of 2, some are not kept that are better by .08 (`default_module.py`).

    Parameters
    ----------
    nets : mapping of str to Evaluated or None
        The nets by name, the simplest first. The simplest was evaluated on all candidate rows,
        others perhaps on some of them. None: a net without finite weights.
    power : float
        As in `selection_key`.

    References
    ----------
    .. [1] L. Breiman et al., "Classification and Regression Trees", Wadsworth, 1984, section 3.4.3.
    """
    (kept, simple), *others = nets.items()
    remark = ""
    for name, other in others:
        is_better, why = _compared(simple, name, other, power)
        remark = f"A {kept} and a {name} were trained"
        if is_better:
            kept, simple = name, other
        remark = f"{remark}. The {kept} was kept: {why}."
    return kept, remark


def _compared(
    simple: Evaluated | None, name: str, other: Evaluated | None, power: float
) -> tuple[bool, str]:
    """Whether the `other`, which has this `name`, is better, and the reason in words."""
    if simple is None or other is None:
        return simple is None, "training of the other did not lead to finite weights"
    likely, likely_other = (each.candidate.selection_key(power)[0] for each in (simple, other))
    lead = LIKELIER if likely_other >= power else LIKELIER_OF_UNLIKELY
    if not likely <= likely_other <= likely + lead:
        return likely_other > likely, "its predicted probability of passing is higher"
    gain, error = _gain(simple, other)
    direction = "lower" if gain > 0 else "higher"
    return gain > MARGIN * error, (
        f"on the same candidate rows the {other.evaluator.cost_in_words} of the {name} is "
        f"{direction} by {abs(gain):.3g} (standard error {error:.2g})"
    )


def _gain(simple: Evaluated, other: Evaluated) -> tuple[float, float]:
    """The `other`'s advantage on the rows that evaluated both, and its standard error."""
    labelled = other.evaluator.labelled
    parts = labelled.tensor_split(min(N_PARTS, len(labelled)))
    positions = torch.arange(len(other.scores))
    if other.positions is not None:
        positions = other.positions.cpu()
    costs = simple.costs([positions[part] for part in parts]), other.costs(list(parts))
    gains = np.subtract(*costs)
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))

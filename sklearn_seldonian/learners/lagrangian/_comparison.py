"""Which of several nets to keep: the simplest, unless another is better beyond chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator

# Differences between two nets are averaged over so many parts of the rows, to see how they vary.
N_PARTS = 20
# A net that is less simple must be better by so many standard errors. With none, networks are kept
# that are worse by .03; with two, some are not that are better by .08 (`default_module.py`).
MARGIN = 0.5
# Where neither is predicted to pass it must be likelier to by so much: with 500 candidate rows
# predictions for PPV >= 0.75 on Adult are wrong by more, and the network's, from half of the rows,
# by most.
LIKELIER = 0.1


class Judged(NamedTuple):
    """What a net's kept epoch was judged by.

    Attributes
    ----------
    candidate : Candidate
    scores : tensor of shape (n_rows, n_classes)
        Before they are adjusted.
    positions : tensor of shape (n_rows,) or None
        Which candidate rows the scores are of; None: all.
    evaluator : CandidateEvaluator
        Of these rows.
    """

    candidate: Candidate
    scores: torch.Tensor
    positions: torch.Tensor | None
    evaluator: CandidateEvaluator

    def costs(self, parts: list[torch.Tensor]) -> list[float]:
        """What each part of the rows costs."""
        return self.evaluator.costs(self.scores, self.candidate.adjustment, parts)


def preferred(nets: Mapping[str, Judged | None], power: float) -> tuple[str, str]:
    """The name of the net to keep, and in words why.

    The likeliest to pass is kept. Of about equally likely ones the first is, unless a later one
    errs less by more than `MARGIN` standard errors: the choice among models flatters those whose
    estimates vary most, which are not the simplest [1]_.

    Parameters
    ----------
    nets : mapping of str to Judged or None
        By name, the simplest first. It was judged by all candidate rows, others perhaps by some.
        None: a net without finite weights.
    power : float

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
    simple: Judged | None, name: str, other: Judged | None, power: float
) -> tuple[bool, str]:
    """Whether the `other`, which has this `name`, is better, and why or why not."""
    if simple is None or other is None:
        return simple is None, "training of the other gave no finite weights"
    likely, likely_other = (each.candidate.selection_key(power)[0] for each in (simple, other))
    if not likely <= likely_other <= likely + LIKELIER:
        return likely_other > likely, "it is predicted to pass more probably"
    gain, error = _gain(simple, other)
    direction = "lower" if gain > 0 else "higher"
    return gain > MARGIN * error, (
        f"on the same candidate rows the {other.evaluator.cost_in_words} of the {name} is "
        f"{direction} by {abs(gain):.3g} (standard error {error:.2g})"
    )


def _gain(simple: Judged, other: Judged) -> tuple[float, float]:
    """By how much the `other` errs less on the rows that judged both, and the standard error."""
    n_rows = len(other.scores)
    parts = torch.arange(n_rows).tensor_split(min(N_PARTS, n_rows))
    positions = torch.arange(n_rows) if other.positions is None else other.positions.cpu()
    costs = simple.costs([positions[part] for part in parts]), other.costs(list(parts))
    gains = np.subtract(*costs)
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))

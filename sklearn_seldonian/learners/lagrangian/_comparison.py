"""The choice among several nets: the simplest, unless another is significantly better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.selection import LIKELIER, MARGIN

# The number of parts of the rows whose differences between two nets give the standard error.
N_PARTS = 20
# If neither is predicted to pass, the probability of passing must be larger by this much. With 500
# candidate rows and PPV >= 0.75 on Adult, networks whose predicted probability was larger by .1 to
# .3 passed in 3 of 9 draws, and the linear models of the same draws in 6. The prediction for the
# network comes from half of the rows.
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
    (kept, best), *others = nets.items()
    reasons = []
    for name, other in others:
        is_better, why = _compared(kept, best, name, other, power)
        reasons.append(why)
        if is_better:
            kept, best = name, other
    if not reasons:
        return kept, ""
    compared = f"{_listed(nets)} were trained and compared on the same candidate rows."
    return kept, f"{compared} The {kept} was kept: {'; '.join(reasons)}."


def with_article(name: str) -> str:
    """The name with its indefinite article."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _listed(names: Iterable[str]) -> str:
    """The names as the beginning of a sentence."""
    *first, last = map(with_article, names)
    words = f"{', '.join(first)} and {last}"
    return words[0].upper() + words[1:]


def _compared(
    name: str, simple: Evaluated | None, name_other: str, other: Evaluated | None, power: float
) -> tuple[bool, str]:
    """Whether the `other` is better, and the reason in words."""
    if simple is None or other is None:
        failed = name if simple is None else name_other
        return simple is None, f"training of the {failed} did not lead to finite weights"
    likely, likely_other = (each.candidate.selection_key(power)[0] for each in (simple, other))
    lead = LIKELIER if likely_other >= power else LIKELIER_OF_UNLIKELY
    if not likely <= likely_other <= likely + lead:
        is_better = likely_other > likely
        likelier, rival = (name_other, name) if is_better else (name, name_other)
        return is_better, (
            f"the {likelier} has a higher predicted probability of passing than the {rival}"
        )
    gain, error = _gain(simple, other)
    direction = "lower" if gain > 0 else "higher"
    return gain > MARGIN * error, (
        f"the {other.evaluator.cost_in_words} of the {name_other} is {direction} than that of the "
        f"{name} by {abs(gain):.3g} (standard error {error:.2g})"
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

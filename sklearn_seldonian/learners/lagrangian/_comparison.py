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
# If neither is predicted to pass, the choice is stricter, because the best of many low
# probabilities is too high: the probability must be larger by this much if it comes from held-out
# rows, or the error lower by this many standard errors. With 500 candidate rows and PPV >= 0.75 on
# Adult, networks that were kept by the rule for those that are predicted to pass passed in 3 of 14
# draws (.62 predicted), and the additive models of the same draws in 8 (.48 predicted).
LIKELIER_OF_UNLIKELY = 0.3
MARGIN_OF_UNLIKELY = 2.0
# Two errors that are nearer to each other differ by rounding only.
ROUNDING = 1e-12


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

    A net that is clearly more likely to pass than the best before it is kept: by `LIKELIER`, or by
    `LIKELIER_OF_UNLIKELY` if held-out rows say so and it is not predicted to pass. Among nets with
    about the same probability the first is kept, unless the error of a later one is lower by more
    than `MARGIN` standard errors [1]_, or by `MARGIN_OF_UNLIKELY` if it is not predicted to pass.
    Without a margin, networks are kept that are worse by .03. With a margin of 2, some are not kept
    that are better by .08 (`default_module.py`).

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
    is_likely = likely_other >= power
    lead = LIKELIER if is_likely or other.positions is None else LIKELIER_OF_UNLIKELY
    if not likely <= likely_other <= likely + lead:
        is_better = likely_other > likely
        likelier, rival = (name_other, name) if is_better else (name, name_other)
        return is_better, (
            f"the {likelier} has a higher predicted probability of passing than the {rival}"
        )
    gain, error = _gain(simple, other)
    cost = other.evaluator.cost_in_words
    if abs(gain) < ROUNDING:
        return False, f"the {name} and the {name_other} have the same {cost}"
    direction = "lower" if gain > 0 else "higher"
    return gain > (MARGIN if is_likely else MARGIN_OF_UNLIKELY) * error, (
        f"the {cost} of the {name_other} is {direction} than that of the {name} by {abs(gain):.3g} "
        f"(standard error {error:.2g})"
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

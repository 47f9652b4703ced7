"""Whether any decisions at all could pass a safety test on so many rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sklearn_seldonian.certification._evidence import Evidence, Sample
from sklearn_seldonian.certification._planning import MOST_ROWS, smallest
from sklearn_seldonian.certification._safety_test import passes
from sklearn_seldonian.constraints import And, Mean, Or, Tree

__all__ = ["rows_even_perfection_needs"]


def rows_even_perfection_needs(
    tree: Tree, delta: float, shares: Mapping[Mean, float], n_rows: int, bound: str = "auto"
) -> int | None:
    """How many rows it takes before any sample at all could pass, if `n_rows` is too few.

    Looks at the most favourable counts for each atom on its own, so no model passes with
    fewer rows. None where `n_rows` may be enough.
    """

    def could_pass(n: int) -> bool:
        return _best_case_passes(tree, delta, {m: int(n * s) for m, s in shares.items()}, bound)

    if could_pass(n_rows) or not could_pass(MOST_ROWS):
        return None
    return smallest(could_pass, n_rows)


def _best_case_passes(tree: Tree, delta: float, trials: Mapping[Mean, int], bound: str) -> bool:
    if isinstance(tree, And):
        return all(_best_case_passes(child, delta, trials, bound) for child in tree.children)
    if isinstance(tree, Or):
        share = delta / len(tree.children)
        return any(_best_case_passes(child, share, trials, bound) for child in tree.children)
    if tree.linear is None or len(tree.means) != 1:
        return True
    (mean,), (weight,) = tree.means, tree.linear.weights
    value = mean.quantity.range[weight < 0]
    if not math.isfinite(value):
        return True
    n = trials[mean]
    return passes(tree, Evidence({mean: Sample(value * n, n, n)}, n_rows=n), delta, bound)

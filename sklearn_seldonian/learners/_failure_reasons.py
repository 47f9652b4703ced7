"""Reasons, visible in the candidate rows, why no safety test can pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import Statistics, minimum_rows, tabulate
from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.constraints import Cells, Estimand, distinct_estimands


def failure_reason(specification: BoundSpecification, cells: Cells) -> str:
    """Why no model can be certified, in words. Empty if a model may be certified."""
    impossible = [c.source.text for c in specification.constraints if c.is_impossible]
    if impossible:
        return f"no model can satisfy {', '.join(map(repr, impossible))}, so nothing was trained"
    unseen = _groups_without_rows(specification, cells)
    if unseen:
        return f"no candidate row has {', '.join(unseen)}, so nothing was trained"
    return ""


def _groups_without_rows(specification: BoundSpecification, cells: Cells) -> dict[str, None]:
    """The groups without rows that the constraints name, in words."""
    codes, stratification = cells
    has_rows = np.zeros(stratification.n_cells, dtype=bool)
    has_rows[stratification.cell_of_code[np.unique(codes)]] = True
    found = []
    for mean in distinct_estimands(specification.constraints):
        family = stratification.family_of(mean.conditions)
        inside = stratification.inside(mean.conditions, family)
        if not has_rows[stratification.spans[family]][inside].any():
            found.append(" and ".join(sorted(map(str, mean.conditions))))
    return dict.fromkeys(found)


def warn_of_few_rows(
    specification: BoundSpecification,
    labels: NDArray[np.int64],
    cells: Cells,
    n_classes: int,
    n_safety: int,
) -> None:
    """Warn if `n_safety` rows are too few even for a model without errors to pass."""
    counts = tabulate(cells.codes, labels, labels, cells.stratification, n_classes)
    seen = Statistics(counts, cells.stratification, deterministic=True)
    shares = seen.shares(distinct_estimands(specification.constraints))
    tested = specification.source.method, specification.mutually_exclusive_columns
    for constraint, delta in specification.parts:
        own = {mean: shares[mean] for mean in constraint.estimands}
        needed = minimum_rows(constraint.tree, delta, own, n_safety, *tested)
        if needed is not None:
            warn_user(
                f"With {n_safety} safety rows, no model can pass {constraint.source.text!r} at "
                f"delta={delta}: even a model without errors needs about {needed} safety rows."
                f"{_smallest_group(constraint.estimands, shares, n_safety)}",
                subject=f"few safety rows for {constraint.source.text}",
            )


def _smallest_group(
    means: tuple[Estimand, ...], shares: dict[Estimand, float], n_safety: int
) -> str:
    """The group with the fewest safety rows, and what the user can do about it."""
    rarest = min(means, key=lambda mean: shares[mean])
    if not rarest.written_conditions:
        return ""
    columns = ", ".join(sorted({condition.column for condition in rarest.written_conditions}))
    return (
        f" {rarest} is over the fewest safety rows, about {int(n_safety * shares[rarest])}. Leave "
        f"this group out, as with by={columns} in (...), merge it with another level of "
        f"{columns}, or collect more rows of it."
    )

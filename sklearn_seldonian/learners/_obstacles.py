"""What stands in the way of a safety test, as candidate rows show it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import Statistics, rows_even_perfection_needs, tabulate
from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.constraints import Cells, Mean, distinct_means

__all__ = ["obstacle", "warn_of_few_rows"]


def obstacle(specification: BoundSpecification, cells: Cells) -> str:
    """Why no model can be certified, in words; empty where one may be."""
    impossible = [c.source.text for c in specification.constraints if c.is_impossible]
    if impossible:
        return f"no model can satisfy {', '.join(map(repr, impossible))}; nothing was trained"
    unseen = _groups_without_rows(specification, cells)
    if unseen:
        return f"no candidate row has {', '.join(unseen)}; nothing was trained"
    return ""


def _groups_without_rows(specification: BoundSpecification, cells: Cells) -> dict[str, None]:
    """The groups that constraints are about and no row is in, in words."""
    codes, families = cells
    has_rows = np.zeros(families.n_cells, dtype=bool)
    has_rows[families.patterns[np.unique(codes)]] = True
    found = []
    for mean in distinct_means(specification.constraints):
        family = families.family_of(mean.conditions)
        inside = families.inside(mean.conditions, family)
        if not has_rows[families.spans[family]][inside].any():
            found.append(" and ".join(sorted(map(str, mean.conditions))))
    return dict.fromkeys(found)


def warn_of_few_rows(
    specification: BoundSpecification,
    labels: NDArray[np.int64],
    cells: Cells,
    n_labels: int,
    n_safety: int,
) -> None:
    """Say so where even the best conceivable safety rows could not pass."""
    counts = tabulate(cells.codes, labels, labels, cells.families, n_labels)
    seen = Statistics(counts, cells.families, hard=True)
    shares = seen.shares(distinct_means(specification.constraints))
    method, exclusive = specification.source.method, specification.exclusive
    for constraint, delta in specification.parts:
        needed = rows_even_perfection_needs(
            constraint.tree, delta, shares, n_safety, method, exclusive
        )
        if needed is not None:
            warn_user(
                f"With {n_safety} safety rows, no model can pass {constraint.source.text!r} at "
                f"delta={delta}: even a perfect one needs about {needed}."
                f"{_smallest_group(constraint.means, shares, n_safety)}",
                subject=f"few safety rows for {constraint.source.text}",
            )


def _smallest_group(means: tuple[Mean, ...], shares: dict[Mean, float], n_safety: int) -> str:
    """Which group has the fewest safety rows, and what can be done about it."""
    rarest = min(means, key=lambda mean: shares[mean])
    if not rarest.conditions:
        return ""
    columns = ", ".join(sorted({condition.column for condition in rarest.conditions}))
    return (
        f" The smallest group is that of {rarest}, with about {int(n_safety * shares[rarest])} "
        f"safety rows. Leave it out, as with by={columns} in (...), or merge it with another level "
        f"of {columns}, or collect more rows of it."
    )

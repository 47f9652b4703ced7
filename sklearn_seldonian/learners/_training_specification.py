"""The constraints that training uses if a model is tested for several populations.

The test uses the constraints that the user wrote. Training uses constraints on means within each
level, at the corners of the ranges of shares. It treats the share of each level's rows that a mean
counts as known, and takes it from the candidate rows. The test does not need this assumption.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.constraints import Cells, Comparison, Estimand
from sklearn_seldonian.constraints._mixture import Mixtures, in_populations
from sklearn_seldonian.data._split import LabelledRows

DIGITS = 6


def training_specification_of(
    specification: BoundSpecification, cells: Cells, rows: LabelledRows
) -> BoundSpecification:
    """The specification for training; `cells` are those of the candidate `rows`."""
    if rows.units is None or rows.units.shift is None:
        return specification
    shift, levels, weights = rows.units.shift, rows.units.levels, rows.units.weights
    stratification, n_levels = cells.stratification, len(rows.units.shift.levels)
    totals = np.bincount(levels, weights, minlength=n_levels)

    def mixtures_of(mean: Estimand) -> Mixtures | None:
        family = stratification.family_of(mean.conditions)
        own = stratification.cell_of_code[cells.codes, family] - stratification.spans[family].start
        counts = stratification.inside(mean.conditions, family)[own]
        labels = np.asarray(mean.quantity.denominator.any(axis=1))
        of_rows = rows.targets if len(labels) > 1 else np.zeros(len(own), dtype=np.int64)
        counts = counts & labels[of_rows]
        inside = np.bincount(levels, weights * counts, minlength=n_levels)
        if any(c.column == shift.column for c in mean.conditions) and (inside > 0).sum() < 2:
            return None
        shares = shift.corners * np.divide(inside, totals, out=np.zeros(n_levels), where=totals > 0)
        if not shares.sum(axis=1).all():
            return None
        shares = np.round(shares / shares.sum(axis=1, keepdims=True), DIGITS)
        of_levels = [Comparison(shift.column, "==", level) for level in shift.levels]
        return [dict(zip(of_levels, row.tolist(), strict=True)) for row in shares]

    constraints = tuple(in_populations(c, mixtures_of) for c in specification.constraints)
    return replace(specification, constraints=constraints)

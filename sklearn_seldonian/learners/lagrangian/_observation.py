"""The statistics of rows: of a model's scores, and of a model that is always right."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian.certification import ScoreEnds, Statistics, tabulate
from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.data._units import SamplingUnits
from sklearn_seldonian.learners.lagrangian._batches import Rows
from sklearn_seldonian.learners.lagrangian._devices import on_device
from sklearn_seldonian.learners.lagrangian._tasks import Task, summarised
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem

Array = NDArray[np.float64]


def truth_table(problem: ConstrainedProblem, task: Task, rows: Rows) -> Array:
    """The table of the rows with the decisions of a model that is always right."""
    labels, codes = task.labels(rows.y).cpu().numpy(), rows.cells.cpu().numpy()
    return tabulate(codes, labels, labels, problem.stratification, problem.shape[1])


def observe(
    scores: Iterable[torch.Tensor],
    rows: Rows,
    criterion: nn.Module,
    task: Task,
    stratification: Stratification,
    values: tuple[RowMeasure, ...],
    ends: ScoreEnds | None = None,
    *,
    keep: bool = False,
    units: SamplingUnits | None = None,
) -> tuple[float, Statistics]:
    """The mean primary loss of `rows` that have a label, and the statistics of all predictions.

    `scores` has the scores of the rows, batch by batch. `stratification` is that of the rows'
    cells. `ends`, `keep` and `units` are as in `Statistics` and `summarise`.
    """
    y, codes = rows.y.cpu().numpy(), rows.cells.cpu().numpy()
    parts, total, n_total, start = [], 0.0, 0, 0
    for batch in scores:
        part = slice(start, start + len(batch))
        own = None if units is None else units.take(part)
        known = slice(None) if rows.has_label is None else rows.has_label[part].to(batch.device)
        with_label = batch[known]
        if len(with_label):
            of_rows = on_device(rows.y[part], batch.device)[known]
            total += task.loss(criterion, with_label, of_rows).item() * len(with_label)
            n_total += len(with_label)
        seen = task, batch, y[part], codes[part], stratification, values
        parts.append(summarised(*seen, keep=keep, units=own))
        start = part.stop
    return total / n_total if n_total else math.nan, replace(_merged(parts), ends=ends)


def _merged(parts: list[Statistics]) -> Statistics:
    """The statistics of all parts, merged in pairs, so that kept rows are copied log(n) times."""
    while len(parts) > 1:
        parts = [reduce(operator.add, parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return parts[0]

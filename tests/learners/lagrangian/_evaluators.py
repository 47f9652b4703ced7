"""An evaluator of models of two groups, for several test files."""

import numpy as np
import torch
from torch import nn

from sklearn_seldonian.constraints import Schema, assign_cells, bind, parse
from sklearn_seldonian.learners.lagrangian import Rows
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.learners.lagrangian._tasks import Classification
from sklearn_seldonian.selection import ConstrainedProblem

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1)})


N = 2000


def evaluator_of(text, deterministic=True, n_safety=600, gap=1.0, by_group=False):
    """An evaluator, and scores of rows in which group M is favoured and the model is accurate."""
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, N)
    margin = rng.normal(size=N) + gap * (male - 0.5)
    y = (rng.random(N) < 1 / (1 + np.exp(-margin))).astype(np.int64)
    constraint = bind(parse(text), SCHEMA)
    codes, stratification = assign_cells({"M": male}, [constraint.conditions], N)
    problem = ConstrainedProblem(
        [constraint],
        [0.05],
        stratification,
        2,
        n_safety,
        0.9,
        deterministic,
        by_group=by_group,
    )
    rows = Rows(torch.zeros(N, 1), torch.from_numpy(y), torch.from_numpy(codes))
    scores = torch.from_numpy(np.c_[np.zeros(N), margin])
    evaluator = CandidateEvaluator(
        problem, rows, nn.CrossEntropyLoss(), Classification(2, deterministic)
    )
    return evaluator, scores, y

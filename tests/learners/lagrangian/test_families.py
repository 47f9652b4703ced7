import numpy as np
import pytest
import torch

from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_conditions,
    distinct_estimands,
    parse,
)
from sklearn_seldonian.learners.lagrangian import Classification
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem

COST = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [1.0, 3.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
TEXTS = [
    "abs(PR_[1] | [a] - PR_[1] | [not a]) <= 0.1",
    "PPV_[1] | [c] * TPR_[1] | [not c] - ACC <= 0.4",
    "min(PR_[0] | [b, c], ERR | [b]) <= 0.4",
]
VALUED = ["Cost | [a] - Cost | [not a] <= 0.3", "Cost | [b] + PR_[0] | [b] + Cost <= 6"]


def problems(n_classes, valued, deterministic, n=600):
    """The problem over the constraints' families, and over one family of all conditions."""
    rng = np.random.default_rng(n_classes)
    columns = {name: rng.integers(0, 2, n) for name in "abc"}
    texts = [parse(text) for text in (*TEXTS, *(VALUED if valued else ()))]
    positive = 1 if n_classes == 2 else None
    schema = Schema.from_columns(
        columns, texts, tuple(range(n_classes)), positive, measures=(COSTS,)
    )
    constraints = [bind(text, schema) for text in texts]
    everything = distinct_conditions(distinct_estimands(constraints))
    y, scores = rng.integers(0, n_classes, n), rng.normal(size=(n, n_classes))
    for together in ([c.conditions for c in constraints], [everything]):
        codes, stratification = assign_cells(columns, together, n)
        deltas = [0.05] * len(constraints)
        yield (
            ConstrainedProblem(
                constraints, deltas, stratification, n_classes, 500, 0.9, deterministic
            ),
            *map(torch.from_numpy, (codes, y, scores)),
        )


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_train_as_all_conditions_together_do(n_classes, valued, deterministic, pulled):
    found = []
    for problem, codes, y, scores in problems(n_classes, valued, deterministic):
        state = Lagrangian(problem, Classification(2), 600, 1.0, 0.1, "cpu")
        for part in (slice(0, 350), slice(350, 600)):
            pulled(state, scores[part].float(), y[part], codes[part])
            state.batch_done()
        state.step()
        found.append((state.multipliers, pulled(state, scores.float(), y, codes)))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-7)

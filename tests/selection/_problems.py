"""Problems for several test files."""

import numpy as np

from sklearn_seldonian.certification import tabulate
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_conditions,
    distinct_estimands,
    parse,
)
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "F": (0, 1)})
COST = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [1.0, 3.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
MANY = [
    "ACC >= 0.3",
    "abs(PR_[1] | [a] - PR_[1] | [not a]) <= 0.1",
    "PPV_[1] | [c] * TPR_[1] | [not c] - ACC <= 0.4",
    "min(PR_[0] | [b, c], ERR | [b]) <= 0.4",
    "TPR_[0] | [d] / TPR_[0] | [not d] >= 0.7",
]
VALUED = ["Cost | [a] - Cost | [not a] <= 0.3", "Cost | [b] + PR_[0] | [b] + Cost <= 6"]


def problem_and_table(texts, n=2000, seed=0, *, is_open=False):
    """The problem of some texts over M and F, and the table of rows with random decisions.

    With `is_open`, alternatives are still to be chosen.
    """
    rng = np.random.default_rng(seed)
    male = rng.integers(0, 2, size=n)
    y = rng.integers(0, 2, size=n)
    predicted = (rng.random(n) < 0.4 + 0.2 * y).astype(int)
    constraints = [bind(parse(text), SCHEMA) for text in texts]
    if is_open:
        constraints = [constraint.opened() for constraint in constraints]
    columns = {"M": male, "F": 1 - male}
    codes, stratification = assign_cells(columns, [c.conditions for c in constraints], n)
    problem = ConstrainedProblem(constraints, [0.05] * len(texts), stratification, 2, 500, 0.9)
    return problem, tabulate(codes, y, predicted, stratification, 2)


def problems(n_classes, valued, deterministic, n=600):
    """The problem over the constraints' families, and over one family of all conditions."""
    rng = np.random.default_rng(n_classes)
    columns = {name: rng.integers(0, 2, n) for name in "abcd"}
    texts = [parse(text) for text in (*MANY, *(VALUED if valued else ()))]
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
        problem = ConstrainedProblem(
            constraints, deltas, stratification, n_classes, 500, 0.9, deterministic
        )
        yield problem, codes, y, scores

"""Rows of two groups, given by the number of each kind."""

import numpy as np

from sklearn_seldonian.certification import certify_constraint, summarise
from sklearn_seldonian.constraints import Schema, assign_cells, bind, distinct_values, parse
from sklearn_seldonian.measures import RowMeasure

COST = np.array([[0.0, 1.0], [5.0, 0.0]])
COSTS = RowMeasure("Cost", lambda y, prediction, _: COST[y, prediction], range=(0, 5))
UNBOUNDED = RowMeasure("Unbounded", lambda y, prediction, _: COST[y, prediction])


class Data:
    """Rows given by the counts of the entries (M, y, ŷ) of the confusion matrices."""

    def __init__(self, counts, sharpness=1.0):
        rows = [(m, y, p) for (m, y, p), n in counts.items() for _ in range(n)]
        self.M, self.y, decision = np.array(rows).T
        self.p = np.where(np.eye(2)[decision] == 1, 0.5 + sharpness / 2, 0.5 - sharpness / 2)
        self.columns = {"M": self.M}

    def bind(self, text):
        constraint = parse(text)
        schema = Schema.from_columns(
            self.columns, [constraint], (0, 1), 1, measures=(COSTS, UNBOUNDED)
        )
        return bind(constraint, schema)

    def statistics(self, text, *, deterministic=True):
        resolved = self.bind(text)
        codes, stratification = assign_cells(self.columns, [resolved.conditions], len(self.y))
        values = distinct_values(resolved.estimands)
        rows = codes, self.y, self.p, stratification, values
        return summarise(*rows, deterministic=deterministic, keep=True).in_drawn_order(0)

    def certify(self, text, delta=0.05, *, deterministic=True):
        return certify_constraint(
            self.bind(text), self.statistics(text, deterministic=deterministic), delta
        )


SQUARES = {
    (0, 0, 0): 300, (0, 0, 1): 40, (0, 1, 0): 10, (0, 1, 1): 350,
    (1, 0, 0): 280, (1, 0, 1): 60, (1, 1, 0): 20, (1, 1, 1): 340,
}  # fmt: skip
DATA = Data(SQUARES)
SOFT = Data({(0, 0, 0): 3000, (0, 0, 1): 300, (0, 1, 0): 300, (0, 1, 1): 3000}, sharpness=0.8)

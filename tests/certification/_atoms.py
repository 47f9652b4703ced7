"""Rows of random labels and probabilities, and the evidence that they are, for several files."""

import numpy as np

from sklearn_seldonian.certification import summarise
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    atoms_of,
    bind,
    distinct_values,
    parse,
)
from sklearn_seldonian.data._shift import shift_of
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.measures import RowMeasure

COST = RowMeasure("Cost", lambda y, p, _: np.abs(y - p) * 2.0, range=(0, 2))
PRICE = RowMeasure("Price", lambda y, p, _: np.abs(y - p) * 2.0)
SCHEMA = Schema(
    classes=(0, 1),
    positive=1,
    levels={"M": (0, 1), "F": (0, 1), "race": ("A", "B", "C")},
    measures=(COST, PRICE),
)
THREE = Schema(classes=(0, 1, 2), positive=None, levels={})
MF = frozenset({frozenset({"M", "F"})})


def evidence(
    text,
    schema=SCHEMA,
    *,
    deterministic=True,
    seed=0,
    n=400,
    mutually_exclusive_columns=MF,
    units_of_rows=None,
):
    """A constraint, and the evidence of rows about its means."""
    rng = np.random.default_rng(seed)
    k = len(schema.classes)
    constraint = bind(parse(text), schema)
    male = rng.integers(0, 2, size=n)
    columns = {"M": male, "F": 1 - male, "race": rng.choice(["A", "B", "C"], size=n)}
    codes, stratification = assign_cells(columns, [constraint.conditions], n)
    statistics = summarise(
        codes,
        rng.integers(0, k, size=n),
        rng.dirichlet(np.ones(k), size=n),
        stratification,
        distinct_values(constraint.estimands),
        deterministic=deterministic,
        keep=True,
        units=None if units_of_rows is None else units_of_rows(columns),
    )
    return constraint, statistics.in_drawn_order(seed).evidence(
        constraint.estimands, mutually_exclusive_columns
    )


def in_pairs(columns):
    """Units of two rows each."""
    n = len(columns["M"])
    return units_of(np.arange(n) // 2, None, n)


def in_two_populations(columns):
    """Rows of populations with more men, and with fewer."""
    shift = shift_of({"M": {0: (0.2, 0.6), 1: (0.4, 0.8)}})
    return units_of(None, None, len(columns["M"]), shift=(shift, columns["M"]))


def atom_and_evidence(text, **given):
    """The only atom of a constraint, and the evidence about it."""
    constraint, seen = evidence(text, **given)
    (atom,) = atoms_of(constraint.tree)
    return atom, seen

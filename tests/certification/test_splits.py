"""Rates as binomial counts: the possible kinds of rows, and the division of groups."""

import numpy as np
import pytest

from sklearn_seldonian.certification._splits import (
    counted,
    function_of,
    kinds_of,
    splits_of,
)
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

SCHEMA = Schema(
    classes=(0, 1),
    positive=1,
    levels={"sex": ("F", "M"), "old": (0, 1), "M": (0, 1), "F": (0, 1), "race": ("a", "b", "c")},
)
THREE = Schema(classes=(0, 1, 2), positive=None, levels={"sex": ("F", "M")})
EXCLUSIVE = frozenset({frozenset({"M", "F"})})


def atom_of(text, schema=SCHEMA):
    return next(iter(atoms_of(bind(parse(text), schema).tree)))


# The number of kinds of rows that count, and the number of divisions.
SIZES = {
    "PR | [sex == 'M'] - PR <= .05": (4, 3),
    "PR | [sex == 'M'] - PR | [sex == 'F'] <= .05": (4, 2),
    "PR | [sex == 'M'] - PR | [old] <= .05": (6, 5),
    "PR | [old] - PR | [not old] + PR <= .05": (4, 3),
    "PR | [M] - PR | [F] + PR <= .05": (6, 5),
    "TPR * TNR >= .5": (4, 2),
    "PPV - FPR >= .5": (3, 2),
    "PPV * TPR >= .5": (3, 2),
    "F1 | [sex == 'M'] - F1 <= .1": (4, 3),
    "TPR | [sex == 'M'] - TPR + FPR | [sex == 'M'] - FPR <= .1": (8, 6),
}


@pytest.mark.parametrize("text", SIZES)
def test_number_of_kinds_and_divisions(text):
    kinds = kinds_of(atom_of(text).estimands, EXCLUSIVE)
    assert (len(kinds), len(splits_of(kinds))) == SIZES[text]


def test_two_classes_of_the_same_rows():
    kinds = kinds_of(atom_of("PR_[0] - PR_[1] <= .1", THREE).estimands, frozenset())
    assert kinds == {(2, 1), (1, 2), (1, 1)}
    assert len(splits_of(kinds)) == 2


def test_columns_exclude_each_other_only_where_that_is_known():
    estimands = atom_of("PR | [M] - PR | [F] <= .05").estimands
    assert len(kinds_of(estimands, EXCLUSIVE)) == 4
    assert len(kinds_of(estimands, frozenset())) == 6


def test_too_many_conditions_are_not_listed():
    conditions = [f"PR | [race == 'a', old, age{i} > 3]" for i in range(8)]
    schema = Schema(
        classes=(0, 1),
        positive=1,
        levels={**SCHEMA.levels, **{f"age{i}": (1, 5) for i in range(8)}},
    )
    atom = atom_of(f"{' - '.join(conditions)} <= .1", schema)
    assert kinds_of(atom.estimands, frozenset()) is None


@pytest.mark.parametrize("text", SIZES)
def test_each_group_is_divided_after_the_group_that_it_is_part_of(text):
    splits = splits_of(kinds_of(atom_of(text).estimands, EXCLUSIVE))
    for j, split in enumerate(splits):
        assert frozenset() < split.first < split.kinds
        if split.parent >= 0:
            parent = splits[split.parent]
            part = parent.first if split.of_successes else parent.kinds - parent.first
            assert split.parent < j
            assert split.kinds == part
    given = [split.kinds for split in splits if split.parent < 0]
    assert sum(map(len, given)) == len(frozenset().union(*given))


@pytest.mark.parametrize("text", SIZES)
def test_shares_of_parts_give_the_rates_back(text):
    """The function at the observed shares equals the expression at the observed rates."""
    atom = atom_of(text)
    kinds = kinds_of(atom.estimands, EXCLUSIVE)
    splits = splits_of(kinds)
    rng = np.random.default_rng(0)
    table = {kind: float(rng.integers(1, 50)) for kind in sorted(kinds)}
    counts = counted(splits, table)
    shares = (np.array(counts.successes) / np.array(counts.trials))[None]
    for position, estimand in enumerate(atom.estimands):
        rows = [sum(n for k, n in table.items() if k[position] >= least) for least in (1, 2)]
        value = function_of(estimand, atom.estimands, splits)(shares, shares)
        assert value.low[0] == pytest.approx(rows[1] / rows[0])

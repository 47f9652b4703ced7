"""Constraints with the meaning that rows give to their names."""

import numpy as np
import pytest

from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import Grouping, parse_all
from sklearn_seldonian.data._targets import Labels, Numbers
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure

LABELS = Labels(np.array(["no", "yes"]), positive=1)
NUMBERS = Numbers((0, 10), (0, 10))
# The columns M and F of six rows: no row is both, and the last one is neither.
COLUMNS = {
    "M": np.array([1, 1, 0, 0, 0, 0]),
    "F": np.array([0, 0, 1, 1, 1, 0]),
    "race": np.array(["A", "B", "A", "A", "B", "B"]),
}


def specified(*texts, delta=0.05):
    return Specification(parse_all(texts), (delta,) * len(texts), "auto")


def bound(*texts, columns=COLUMNS, targets=LABELS, measures=(), named=None):
    n_rows = len(next(iter(columns.values())))
    return specified(*texts).bound_to(columns, n_rows, targets, measures, named or columns)


@pytest.mark.parametrize(
    ("texts", "columns"),
    [
        (["ACC >= 0.5"], set()),
        (["PR | [M] - PR | [not F] <= 0.1"], {"M", "F"}),
        (["PR | [M] <= 0.1", "max(PR, by=(race, M)) <= 0.5"], {"M", "race"}),
        (["PR | [age >= 30] <= 0.1", "PR | [race in ('A', 'B')] <= 0.5"], {"age", "race"}),
    ],
)
def test_columns_are_those_that_any_constraint_names(texts, columns):
    assert specified(*texts).columns == columns


def test_each_constraint_keeps_its_delta():
    source = Specification(parse_all(["PR | [M] <= 0.1", "ACC >= 0.5"]), (0.01, 0.2), "exact")
    specification, _ = source.bound_to(COLUMNS, 6, LABELS, (), COLUMNS)
    assert specification.source is source
    of_m, of_all = specification.parts
    assert (of_m[0].source, of_m[1]) == (source.constraints[0], 0.01)
    assert (of_all[0].source, of_all[1]) == (source.constraints[1], 0.2)


@pytest.mark.parametrize(
    ("text", "columns", "means"),
    [
        ("max(PR, by=race) <= 0.5", COLUMNS, ['PR | [race == "A"]', 'PR | [race == "B"]']),
        ("max(PR, by=race) <= 0.5", {"race": COLUMNS["race"][2:4]}, ['PR | [race == "A"]']),
        ("max(PR, by=M) <= 0.5", COLUMNS, ["PR | [M == 0]", "PR | [M == 1]"]),
        ('PR_["no"] <= 0.5', COLUMNS, ['PR_["no"]']),
    ],
)
def test_names_mean_what_the_rows_have(text, columns, means):
    specification, _ = bound(text, columns=columns)
    ((constraint, _delta),) = specification.parts
    assert [mean.label for mean in constraint.estimands] == means


def test_levels_of_other_rows_may_be_named_and_are_not_ranged_over():
    elsewhere = {**COLUMNS, "race": np.array(["A", "B", "C"])}
    specification, _ = bound("PR | [race == 'C'] <= 0.5", named=elsewhere)
    assert [mean.label for mean in specification.constraints[0].estimands] == ['PR | [race == "C"]']
    with pytest.raises(ConstraintNameError, match="never equals"):
        bound("PR | [race == 'C'] <= 0.5")
    ranging, _ = bound("max(PR, by=race) <= 0.5", named=elsewhere)
    assert ranging.levels == {(Grouping("race"),): {("A",), ("B",)}}
    assert len(ranging.constraints[0].estimands) == 2


def test_own_measures_may_be_named_and_must_be_measures():
    cost = RowMeasure("Cost", lambda y, decided, _: y != decided, range=(0, 1))
    specification, _ = bound("Cost | [M] <= 0.5", measures=[cost])
    assert [mean.label for mean in specification.constraints[0].estimands] == ["Cost | [M]"]
    with pytest.raises(ConstraintNameError, match="Cost"):
        bound("Cost | [M] <= 0.5")
    with pytest.raises(TypeError, match="measures must be a list of RowMeasure objects"):
        bound("Cost | [M] <= 0.5", measures=cost)


def test_numbers_have_no_rates_and_labels_no_squares():
    assert len(bound("MSE <= 0.5", targets=NUMBERS)[0].constraints) == 1
    assert len(bound("TPR <= 0.5", targets=LABELS)[0].constraints) == 1
    for text, targets in (("TPR <= 0.5", NUMBERS), ("MSE <= 0.5", LABELS)):
        with pytest.raises(ConstraintNameError):
            bound(text, targets=targets)


@pytest.mark.parametrize(
    ("text", "both", "are_exclusive"),
    [
        ("PR | [M] - PR | [F] <= 0.1", False, True),
        ("PR | [M] - PR | [F] <= 0.1", True, False),
        ("PR | [M] - PR | [not F] <= 0.1", False, False),  # a bare column and its complement
        ("PR | [M] <= 0.1", False, False),  # one alone
    ],
)
def test_columns_exclude_each_other_where_no_row_has_both(text, both, are_exclusive):
    columns = {**COLUMNS, "F": np.where(COLUMNS["M"] == 1, int(both), COLUMNS["F"])}
    specification, _ = bound(text, columns=columns)
    expected = {frozenset({"M", "F"})} if are_exclusive else frozenset()
    assert specification.mutually_exclusive_columns == expected


def rows_of(cells, constraint):
    """Whether each row is counted by the only mean of a constraint."""
    (mean,) = constraint.estimands
    codes, stratification = cells
    family = stratification.family_of(mean.conditions)
    first = stratification.spans[family].start
    inside = stratification.inside(mean.conditions, family)
    return inside[stratification.cell_of_code[codes, family] - first].tolist()


TEXTS = ["PR | [M] <= 0.5", "PR | [not M, race == 'A'] <= 0.5", "PR <= 0.5"]


def test_rows_are_in_the_cells_of_their_conditions():
    specification, cells = bound(*TEXTS)
    assert [rows_of(cells, each) for each in specification.constraints] == [
        [True, True, False, False, False, False],
        [False, False, True, True, False, False],
        [True] * 6,
    ]


def test_cells_of_other_rows_are_by_the_same_conditions():
    specification, _ = bound(*TEXTS)
    others = {"M": np.array([0, 1, 0]), "race": np.array(["A", "A", "Z"])}
    cells = specification.cells(others, 3)
    assert [rows_of(cells, each) for each in specification.constraints] == [
        [False, True, False],
        [True, False, False],
        [True] * 3,
    ]

"""The problem of training: constraints with the meaning that candidate rows give them."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure
from tests.learners._problems import MASK, TARGETS, means_of, problem_and_split, rows_of


def test_a_problem_has_the_parts_it_was_made_of(rows):
    problem, _ = problem_and_split(["ACC >= 0.5", "PR <= 0.5"], rows, MASK, power=0.75, delta=0.1)
    assert (problem.targets, problem.n_safety, problem.power) == (TARGETS, 3, 0.75)
    parts = [(str(c.source), delta) for c, delta in problem.specification.parts]
    assert parts == [("ACC >= 0.5", 0.1), ("PR <= 0.5", 0.1)]


def test_a_quantifier_ranges_over_the_levels_of_candidate_rows(rows):
    problem, _ = problem_and_split("max(PR, by=group) <= 0.5", rows, MASK)
    assert means_of(problem) == ['PR | [group == "A"]', 'PR | [group == "B"]']
    other, _ = problem_and_split("max(PR, by=group) <= 0.5", rows, ~MASK)
    assert means_of(other) == ['PR | [group == "A"]', 'PR | [group == "C"]']


@pytest.mark.parametrize("level", ["A", "B", "C"])
def test_a_level_of_any_row_may_be_named(rows, level):
    problem, _ = problem_and_split(f'PR | [group == "{level}"] <= 0.5', rows, MASK)
    assert means_of(problem) == [f'PR | [group == "{level}"]']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('PR | [group == "D"] <= 0.5', "Column 'group' never equals 'D' in these rows"),
        ('PR | [grup == "A"] <= 0.5', "Unknown column 'grup'; did you mean 'group'?"),
        ("Cost <= 0.5", "Unknown measure 'Cost'"),
        ("MSE <= 0.5", "'MSE' is a measure of regression"),
    ],
)
def test_a_name_without_a_meaning_is_refused(rows, text, message):
    with pytest.raises(ConstraintNameError, match=f"^{message}".replace("?", r"\?")):
        problem_and_split(text, rows, MASK)


def test_measures_of_the_user_may_be_named(rows):
    cost = RowMeasure("Cost", lambda y, prediction, probabilities: y, range=(0, 5))
    problem, _ = problem_and_split("Cost <= 0.5", rows, MASK, measures=[cost])
    assert means_of(problem) == ["Cost"]


# -- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 5), (5, 1)])
def test_training_does_not_learn_how_large_the_tested_groups_are(sizes):
    """Four groups of two rows train. Two groups of any size are tested."""
    groups = np.repeat(np.arange(6), [2, 2, 2, 2, *sizes])
    given = rows_of(np.random.default_rng(0).normal(size=(14, 2)), np.repeat("A", 14))
    given = replace(given, sampling=units_of(groups, None, 14))
    problem, split = problem_and_split("ACC >= 0.5", given, groups >= 4)
    assert len(split.safety.y) == 6
    assert problem.n_safety == 4


def test_training_has_what_is_tested_without_a_shift(rows):
    problem, _ = problem_and_split("PR <= 0.5", rows, MASK)
    assert problem.for_training() is problem

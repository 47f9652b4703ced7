"""The constraints that training uses if shares of levels shift."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import estimate, parse_all
from sklearn_seldonian.data._shift import shift_of
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.learners._training_specification import training_specification_of
from tests.learners._problems import GROUPS, MASK, TARGETS, means_of, problem_and_split, rows_of


def test_training_aims_at_the_corners_of_a_shift(rows):
    shift = shift_of({"group": {"A": (0.2, 0.6), "B": (0.4, 0.8), "C": 0.0}})
    units = units_of(None, None, 8, shift=(shift, GROUPS))
    problem, _ = problem_and_split("PR <= 0.5", replace(rows, sampling=units), MASK)
    assert means_of(problem) == ["PR"]
    assert means_of(problem.for_training()) == ['PR | [group == "A"]', 'PR | [group == "B"]']
    (constraint,) = problem.for_training().specification.constraints
    within = dict(zip(constraint.estimands, (0.1, 0.4), strict=True))
    assert estimate(constraint.g, within) == pytest.approx(0.2 * 0.1 + 0.8 * 0.4 - 0.5)


# Eight rows: three of A, of which one is positive, and five of B, of which three are.
LEVELS = np.array(["A", "A", "A", "B", "B", "B", "B", "B"])
SIGNS = np.array([1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
SHIFT = {"group": {"A": (0.2, 0.6), "B": (0.4, 0.8)}}


def specifications(text, shift=SHIFT, **columns):
    """The specification of the test, and the one for training."""
    rows = rows_of(SIGNS[:, None], LEVELS)
    rows = replace(rows, columns={**rows.columns, **columns})
    if shift is not None:
        rows = replace(rows, sampling=units_of(None, None, 8, shift=(shift_of(shift), LEVELS)))
    asked = Specification(parse_all(text), (0.05,), "auto")
    bound, cells = asked.bound_to(rows.columns, 8, TARGETS, (), named=rows.columns)
    return bound, training_specification_of(bound, cells, rows)


@pytest.mark.parametrize("shift", [None, SHIFT])
def test_only_a_shift_changes_what_training_uses(shift):
    tested, used = specifications("PR <= 0.5", shift)
    assert (used is tested) is (shift is None)
    assert used.source is tested.source


@pytest.mark.parametrize(
    ("text", "rates", "expected"),
    [
        # among all rows, the levels have the shares of the population: .2 of A or .6 of A
        ("PR <= 0", (0.1, 0.4), max(0.2 * 0.1 + 0.8 * 0.4, 0.6 * 0.1 + 0.4 * 0.4)),
        ("PR >= 0", (0.1, 0.4), -min(0.2 * 0.1 + 0.8 * 0.4, 0.6 * 0.1 + 0.4 * 0.4)),
        # among positive rows, A has a third of its share, and B has three fifths
        (
            "TPR <= 0",
            (0.1, 0.4),
            max(
                (0.2 / 3 * 0.1 + 0.8 * 0.6 * 0.4) / (0.2 / 3 + 0.8 * 0.6),
                (0.6 / 3 * 0.1 + 0.4 * 0.6 * 0.4) / (0.6 / 3 + 0.4 * 0.6),
            ),
        ),
    ],
)
def test_a_mean_is_the_worst_mixture_of_its_means_within_levels(text, rates, expected):
    (constraint,) = specifications(text)[1].constraints
    given = dict(zip(["A", "B"], rates, strict=True))
    means = {}
    for mean in constraint.estimands:
        (condition,) = mean.conditions
        means[mean] = given[condition.literal]
    assert estimate(constraint.g, means) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("text", ["PR | [group == 'A'] <= 0.5", "max(PR, by=group) <= 0.5"])
def test_a_mean_within_one_level_is_the_same_in_all_populations(text):
    tested, used = specifications(text)
    assert used.constraints == tested.constraints


def test_a_mean_over_rows_of_a_level_without_a_share_stays_as_it_is():
    shift = {"group": {"A": 0.0, "B": 1.0}}
    tested, used = specifications("PR | [old] <= 0.5", shift, old=(LEVELS == "A") * 1)
    assert used.constraints == tested.constraints
    _, used = specifications("PR | [old] <= 0.5", shift, old=np.ones(8))
    assert [len(mean.conditions) for mean in used.constraints[0].estimands] == [2]

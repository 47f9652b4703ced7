"""Constraints on means that are mixtures over levels, in several populations."""

import pytest

from sklearn_seldonian.constraints import Comparison, Schema, atoms_of, bind, estimate, parse
from sklearn_seldonian.constraints._mixture import in_populations

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"race": ("A", "B")})
A, B = (Comparison("race", "==", level) for level in "AB")
MIXTURES = [{A: 0.25, B: 0.75}, {A: 0.5, B: 0.5}]


def moved(text):
    constraint = bind(parse(text), SCHEMA)
    return in_populations(constraint, lambda mean: None if mean.conditions else MIXTURES)


def value(constraint, **rates):
    known = {f'PR | [race == "{level}"]': rate for level, rate in rates.items()}
    return estimate(constraint.g, {mean: known[str(mean)] for mean in constraint.estimands})


def test_a_constraint_holds_in_each_population():
    constraint = moved("PR <= 0.5")
    assert value(constraint, A=0.0, B=1.0) == pytest.approx(0.25)
    assert value(constraint, A=1.0, B=0.0) == pytest.approx(0.0)
    assert len(list(atoms_of(constraint.tree))) == 2


def test_the_other_direction_has_another_worst_population():
    constraint = moved("PR >= 0.5")
    assert value(constraint, A=0.0, B=1.0) == pytest.approx(0.0)
    assert value(constraint, A=1.0, B=0.0) == pytest.approx(0.25)


def test_means_within_a_level_stay():
    constraint = bind(parse("PR | [race == 'A'] <= 0.5"), SCHEMA)
    assert moved("PR | [race == 'A'] <= 0.5") == constraint
    beside = moved("PR - PR | [race == 'A'] <= 0.1")
    assert value(beside, A=0.2, B=0.6) == pytest.approx(0.25 * 0.2 + 0.75 * 0.6 - 0.2 - 0.1)


def test_levels_without_a_share_are_left_out():
    constraint = bind(parse("PR <= 0.5"), SCHEMA)
    alone = in_populations(constraint, lambda _: [{A: 1.0, B: 0.0}])
    assert [str(mean) for mean in alone.estimands] == ['PR | [race == "A"]']

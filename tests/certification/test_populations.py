"""Evidence about populations in which levels have other shares."""

import numpy as np
import pytest

from sklearn_seldonian.certification import summarise
from sklearn_seldonian.constraints import Schema, assign_cells, bind, parse
from sklearn_seldonian.data._shift import shift_of
from sklearn_seldonian.data._units import units_of

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"race": ("A", "B")})
SHIFT = shift_of({"race": {"A": (0.2, 0.6), "B": (0.4, 0.8)}})


def evidence_of(text, n_rows=400, seed=0):
    """The evidence of rows decided positive with probability .2 in A and .6 in B, and the means of
    a text.
    """
    rng = np.random.default_rng(seed)
    race = rng.choice(["A", "B"], n_rows, p=[0.7, 0.3])
    decided = (rng.random(n_rows) < np.where(race == "A", 0.2, 0.6)).astype(int)
    labels = rng.integers(0, 2, n_rows)
    constraint = bind(parse(text), SCHEMA)
    cells = assign_cells({"race": race}, [constraint.conditions], n_rows)
    units = units_of(None, None, n_rows, shift=(SHIFT, race))
    seen = summarise(
        cells.codes, labels, np.eye(2)[decided], cells.stratification, units=units
    ).in_drawn_order(0)
    return seen.evidence(constraint.estimands), constraint.estimands, race, decided, labels


def test_means_are_mixtures_of_those_within_levels():
    evidence, (mean,), race, decided, _ = evidence_of("PR <= 0.5")
    within = [decided[race == level].mean() for level in "AB"]
    found = [each.estimates([mean])[mean] for each in evidence.populations]
    assert sorted(found) == pytest.approx(sorted((SHIFT.corners @ within).tolist()))
    assert evidence.shifted == {mean}


def test_a_mean_over_some_rows_is_a_ratio_of_mixtures():
    evidence, (mean,), race, decided, labels = evidence_of("TPR >= 0.1")
    parts = [[((race == r) & (labels == 1) & (decided >= d)).sum() for d in (1, 0)] for r in "AB"]
    hits, positives = (np.array(parts) / [[(race == r).sum()] for r in "AB"]).T
    found = sorted(each.estimates([mean])[mean] for each in evidence.populations)
    assert found == pytest.approx(sorted((SHIFT.corners @ hits) / (SHIFT.corners @ positives)))


def test_units_are_blocks_of_all_levels():
    evidence, (mean,), race, *_ = evidence_of("PR <= 0.5")
    for population in evidence.populations:
        (totals,) = population.totals_of([mean])
        assert len(totals.denominators) == min((race == level).sum() for level in "AB")
        assert totals.denominators == pytest.approx(1.0)  # PR counts each row
        estimate = np.mean(totals.numerators)
        assert estimate == pytest.approx(population.estimates([mean])[mean], abs=0.02)


def test_a_mean_within_a_level_is_not_shifted():
    evidence, means, *_ = evidence_of("PR - PR | [race == 'A'] <= 0.9")
    inside = [mean for mean in means if mean.conditions]
    assert evidence.shifted == set(means) - set(inside)
    assert not evidence.of(inside).populations
    assert evidence.of(means).populations
    found = {population.estimates(inside)[inside[0]] for population in evidence.populations}
    assert len({round(value, 12) for value in found}) == 1


def test_the_variance_is_that_of_many_samples():
    found, expected = [], []
    for seed in range(300):
        evidence, (mean,), *_ = evidence_of("PR <= 0.5", 200, seed)
        population = evidence.populations[0]
        found.append(population.estimates([mean])[mean])
        expected.append(population.influence_variance([mean], [1.0]) / population.n_rows)
    assert np.mean(expected) == pytest.approx(np.var(found), rel=0.25)

"""The benchmark of thresholds: evaluation of decisions, and both sides of its claims."""

import numpy as np
import pandas as pd
import pytest
from thresholds import (
    METHODS,
    OURS,
    RISKS,
    by_certify,
    chosen_on_half,
    claims,
    draw,
    population,
    run,
    summary,
)


@pytest.fixture(scope="module")
def people():
    return population()._replace(thresholds=np.array([0.8, 0.6, 0.55, 0.1]))


def test_thresholds_are_between_the_deciles():
    thresholds = population().thresholds
    assert len(thresholds) == 100
    assert (np.diff(thresholds) < 0).all()
    assert 0.2 < thresholds[-1] < thresholds[0] < 0.8


@pytest.mark.parametrize("constraint", RISKS)
def test_decisions_are_evaluated_on_the_population(people, constraint):
    everyone, nobody = np.ones(len(people.y), dtype=bool), np.zeros(len(people.y), dtype=bool)
    assert people.evaluate(everyone, constraint) == (1.0, True)
    assert people.evaluate(nobody, constraint) == (0.0, False)
    assert people.evaluate(people.y == 1, constraint) == (1.0, False)


def test_all_methods_have_the_same_rows(people):
    one, same = (draw(people, "FPR <= 0.25", 50, 3) for _ in range(2))
    assert (one.X == same.X).all()
    assert (one.X != draw(people, "FPR <= 0.25", 50, 4).X).any()


@pytest.mark.parametrize("multiple", ["holm", "fixed-sequence"])
def test_the_lowest_certified_threshold_is_taken(people, multiple):
    positive = by_certify(draw(people, "FPR <= 0.25", 2000, 0), multiple)
    assert (positive == (people.probability >= 0.55)).all()


def test_no_threshold_is_certified_on_a_handful_of_rows(people):
    assert by_certify(draw(people, "FPR <= 0.25", 20, 0), "holm") is None


def test_the_estimator_that_chooses_has_decisions_of_one_threshold(people):
    positive = chosen_on_half(draw(people, "FPR <= 0.25", 2000, 0))
    assert people.probability[positive].min() >= people.probability[~positive].max()


def test_trials_and_summary(people):
    trials = run(people, [400], 2, ["certify, fixed sequence"])
    assert len(trials) == 2 * len(RISKS)
    row = summary(trials).iloc[0]
    tpr = trials.loc[trials["constraint"] == row["constraint"], "tpr"]
    assert row["tpr"] == pytest.approx(tpr.mean())


def trials_of(method, tpr, violations, n=20):
    violates = np.arange(n) < violations
    return pd.DataFrame(
        {"constraint": "c", "m": 1, "method": method, "tpr": tpr, "violates": violates}
    )


@pytest.mark.parametrize(("violations", "holds"), [(1, True), (8, False)])
@pytest.mark.parametrize("method", OURS)
def test_claim_about_violations(method, violations, holds):
    assert list(claims(trials_of(method, 0.5, violations)).values()) == [holds]


@pytest.mark.parametrize(("tpr", "holds"), [(0.5, True), (0.48, False)])
def test_claim_about_mapie(tpr, holds):
    trials = [
        trials_of("certify, fixed sequence", tpr, 0),
        trials_of("MAPIE, fixed sequence", 0.5, 0),
    ]
    assert list(claims(pd.concat(trials)).values())[-1] == holds


@pytest.mark.parametrize("method", ["MAPIE, Holm", "MAPIE, fixed sequence"])
def test_mapie_takes_the_lowest_threshold(people, method):
    pytest.importorskip("mapie", reason="MAPIE is not a dependency")
    positive = METHODS[method](draw(people, "FPR <= 0.25", 2000, 0))
    assert (positive == (people.probability >= 0.55)).all()

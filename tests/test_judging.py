"""The benchmark of predictions: its rows, one fit of each kind, and its summaries."""

import argparse
from itertools import product

import judging
import numpy as np
import pandas as pd
import pytest
from judging import (
    CASES,
    CONSTRAINTS,
    Case,
    Trial,
    chance,
    per_feature,
    rows_of,
    run,
    run_trial,
    table,
)

SMALL = Case("linear", "parity", 0.5, 10, 1000)


@pytest.mark.parametrize("positives", [0.5, 0.1])
def test_rows_have_the_share_of_positives_and_of_groups(positives):
    X, y, groups = rows_of(SMALL._replace(positives=positives, m=50_000), 0)
    assert X.shape == (50_000, 10)
    assert y.mean() == pytest.approx(positives, abs=0.01)
    assert groups["F"].mean() == pytest.approx(judging.SHARE_F, abs=0.01)
    assert (groups.sum(axis=1) == 1).all()


def test_models_and_constraints_of_a_trial_have_the_same_rows():
    X, y, _ = rows_of(SMALL, 3)
    for other in ({"model": "trees"}, {"constraint": "precision"}):
        same = rows_of(SMALL._replace(**other), 3)
        assert np.array_equal(same[0], X)
        assert np.array_equal(same[1], y)
    assert not np.array_equal(rows_of(SMALL, 4)[0], X)


@pytest.mark.parametrize(
    ("constraint", "expected"), [("parity", 15.0), ("rates", 25.0), ("precision", 25.0)]
)
def test_rows_of_the_smallest_group_per_feature(constraint, expected):
    assert per_feature(SMALL._replace(constraint=constraint)) == pytest.approx(expected)


@pytest.mark.parametrize("model", judging.MODELS)
def test_a_fit_predicts_and_is_tested(model):
    row = run_trial(SMALL._replace(model=model, positives=0.1), 1)
    assert row.predicted > 0.9
    assert row.passed


def a_case(predicted, passed):
    rows = [{**SMALL._asdict(), "trial": i, "predicted": p} for i, p in enumerate(predicted)]
    return pd.DataFrame(rows).assign(passed=[i < passed for i in range(len(rows))])


@pytest.mark.parametrize("passed", range(4))
def test_chance_by_enumeration(passed):
    predicted = np.array([0.3, 0.5, 0.95])
    sign = 1 if passed > predicted.sum() else -1
    right = np.clip(predicted + sign * judging.EACH, 0, 1)
    expected = sum(
        np.prod(np.where(found, right, 1 - right))
        for found in product((False, True), repeat=3)
        if (sum(found) - passed) * sign >= 0
    )
    assert chance(a_case(predicted, passed)) == pytest.approx(expected)


def test_the_table_has_a_row_per_case():
    (found,) = table(a_case([0.9] * 10, 8)).itertuples()
    assert found.Index == tuple(SMALL)
    assert (found.n, found.predicted, found.passed) == (10, pytest.approx(0.9), 0.8)
    assert found.chance > 0.5


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "CASES", [SMALL])
    ran = []

    def fit(case, trial):
        ran.append(trial)
        return Trial(*case, trial, 0.9, True)

    monkeypatch.setattr(judging, "run_trial", fit)
    options = {"results": tmp_path, "models": ["linear"], "n_jobs": 1}
    assert len(run(argparse.Namespace(trials=2, **options))) == 2
    assert len(run(argparse.Namespace(trials=3, **options))) == 3
    assert ran == [0, 1, 2]


def test_each_constraint_is_fitted_in_all_cases():
    assert len(CASES) == len(set(CASES)) == len(CONSTRAINTS) * 12

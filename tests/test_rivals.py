"""The benchmark of rivals: a small run of its protocol, and its summaries of trials."""

import argparse
import math

import numpy as np
import pandas as pd
import pytest
import torch
from _population import Config, draw, population
from _rival_methods import (
    KNOWN,
    OURS,
    RIVALS,
    case_of,
    constrained,
    enters,
    excesses,
    mixture,
    predicted_passing,
    rehearsed,
)
from _table import append
from rivals import (
    ENTRIES,
    Entry,
    Trial,
    check_violations,
    differences,
    jobs,
    read_trials,
    report,
    run_trial,
    summary,
)

EASY = Config("synthetic", "DP", 0.5)
DATA = "nowhere"  # the synthetic population is not read from a file


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=[pytest.mark.slow] * name.endswith(", rehearsed"))
        for name in ["ours, linear", *RIVALS, *KNOWN]
    ],
)
@pytest.mark.thinned(3)
def test_a_trial_is_evaluated_on_the_population_and_repeats(method):
    one, same = (run_trial(Entry(EASY, 400), 3, method, DATA) for _ in range(2))
    assert one._replace(seconds=0.0, passing=0.0) == same._replace(seconds=0.0, passing=0.0)
    assert one.solved
    assert 0.6 < one.accuracy < 0.8
    assert one.g < 0
    assert one.g_upper <= 0
    assert math.isnan(one.passing) == (method not in OURS)


def test_a_refused_model_is_not_evaluated():
    trial = run_trial(Entry(EASY._replace(limit=0.001), 200), 0, "fairlearn", DATA)
    assert not trial.solved
    assert trial.g_upper > 0
    assert math.isnan(trial.accuracy)
    assert math.isnan(trial.g)


def test_all_methods_have_the_same_rows_and_halves():
    one, same = (case_of(EASY, 301, 2, DATA) for _ in range(2))
    rows, X = draw("synthetic", 301, 2).rows, population("synthetic").X
    assert np.array_equal(np.concatenate([one.candidate.X, one.safety.X]), X[rows])
    assert np.array_equal(one.candidate.X, same.candidate.X)
    assert one.seed == same.seed
    assert [len(part.y) for part in (one.candidate, one.safety)] == [150, 151]


def test_the_first_option_that_passes_or_the_one_with_the_lowest_bound():
    case = case_of(EASY, 400, 0, DATA)
    male = case.candidate.groups["M"].to_numpy(dtype=float)
    decisions = {"bad": male, "none": 0 * male, "all": 0 * male + 1}
    assert rehearsed(["bad", "all", "none"], decisions.get, case) == "all"
    impossible = case._replace(config=EASY._replace(limit=1e-6))
    half = np.where(np.arange(len(male)) % 2, male, 0.0)
    assert rehearsed([male, half], lambda option: option, impossible) is half


@pytest.mark.parametrize("train", [mixture, constrained])
def test_a_model_keeps_nearer_to_parity_with_a_tighter_bound(train):
    people = population("synthetic")
    case, strict = case_of(EASY, 2000, 0, DATA), EASY._replace(limit=0.1)
    male = people.groups["M"].to_numpy() == 1
    loose, tight = (train(case.candidate, strict, share)(people.X) for share in (1.0, 0.2))
    gaps = [abs(p[male].mean() - p[~male].mean()) for p in (loose, tight)]
    assert gaps[1] < gaps[0] - 0.05
    assert tight.min() >= 0
    assert tight.max() <= 1


@pytest.mark.parametrize(
    ("family", "limit", "share", "expected"),
    [
        ("DP", 0.1, 1.0, [0.4, -0.6]),  # rates .75 and .25
        ("DP", 0.1, 0.5, [0.45, -0.55]),
        ("DI", 0.8, 1.0, [0.35, -0.55]),
        ("DI", 0.8, 0.5, [0.425, -0.525]),
        ("PPV", 0.75, 1.0, [0.0, 0.0]),  # three of four
        ("PPV", 0.75, 0.4, [0.075, 0.075]),
    ],
)
def test_excesses_over_a_share_of_the_limit(family, limit, share, expected):
    positive = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    y = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    config = Config("synthetic", family, limit)
    found = excesses(positive, y, torch.arange(8) < 4, config, share)
    assert found.tolist() == pytest.approx(expected)


def test_fairlearn_stays_out_where_it_has_no_constraint():
    entered = {name: enters("fairlearn", entry.config) for name, entry in ENTRIES.items()}
    assert [name for name, can in entered.items() if not can] == ["adult_PPV_0.75@1000"]
    assert all(enters("logistic", entry.config) for entry in ENTRIES.values())


def test_predicted_passing_is_of_all_constraints_at_the_epoch_kept():
    history = pd.DataFrame(
        {"kept": [True, True, False], "passing_0": [0.1, 0.9, 1.0], "passing_1": [0.1, 0.8, 1.0]}
    )
    assert predicted_passing(history) == pytest.approx(0.7)
    assert predicted_passing(history[:1]) == 0.0
    assert math.isnan(predicted_passing(history[2:]))
    assert math.isnan(predicted_passing(None))


# -- summaries of the trials --------------------------------------------------------------------


def a_trial(trial, method, accuracy=math.nan, g=-0.1):
    solved = not math.isnan(accuracy)
    judged = (accuracy, g if solved else math.nan, -0.1 if solved else 0.1)
    return Trial("gpa_DP_0.1@1000", trial, method, solved, *judged, 0.9, 2.0, "00000000")


def test_a_run_goes_on_where_it_stopped(tmp_path):
    options = argparse.Namespace(
        results=tmp_path, trials=2, entries=["gpa_DP_0.1@1000"], methods=["ours, linear", "trees"]
    )
    assert len(jobs(options)) == 4
    append(tmp_path / "rivals.csv", a_trial(0, "trees"))
    append(tmp_path / "rivals.csv", a_trial(1, "ours, linear", 0.6))
    assert [tuple(job)[1:] for job in jobs(options)] == [(0, "ours, linear"), (1, "trees")]
    assert read_trials(tmp_path)["solved"].tolist() == [False, True]


def test_the_summary_evaluates_the_solved():
    trials = [a_trial(0, "trees", 0.6, 0.01), a_trial(1, "trees", 0.7), a_trial(2, "trees")]
    (row,) = summary(pd.DataFrame(trials)).itertuples()
    assert (row.n, row.solved, row.violating) == (3, pytest.approx(2 / 3), 0.5)
    assert (row.accuracy, row.error) == (pytest.approx(0.65), pytest.approx(0.05))
    assert (row.predicted, row.seconds) == (pytest.approx(0.9), 2.0)


def test_differences_are_of_draws_that_both_solved():
    """Our linear model is more accurate, but solves one draw of the three."""
    trials = [a_trial(i, "ours, default", a) for i, a in enumerate((0.6, 0.7, 0.8))]
    trials += [a_trial(i, "ours, linear", a) for i, a in enumerate((0.9, math.nan, math.nan))]
    trials += [a_trial(i, "trees", a) for i, a in enumerate((0.5, 0.4, math.nan))]
    trials += [a_trial(i, "logistic") for i in range(3)]
    (found,) = differences(pd.DataFrame(trials))
    assert (found.ours, found.rival, found.draws) == ("ours, default", "trees", 2)
    assert (found.difference, found.error) == (pytest.approx(0.2), pytest.approx(0.1))
    assert list(differences(pd.DataFrame(trials[6:]))) == []


@pytest.mark.parametrize(("n_violating", "significant"), [(0, False), (3, False), (5, True)])
def test_our_violations_are_held_against_delta(n_violating, significant, capsys):
    trials = [a_trial(i, "ours, linear", 0.6, 0.01 if i < n_violating else -0.1) for i in range(20)]
    rivals = [a_trial(i, "trees", 0.6, 0.01) for i in range(20)]
    table = pd.DataFrame(trials + rivals)
    if significant:
        with pytest.raises(AssertionError, match="linear: 5 of 20 solutions violate, in 20 fits"):
            check_violations(table)
    else:
        report(table)
        assert f"{n_violating} of 20 solutions violate" in capsys.readouterr().out

"""The benchmark of solution rates: a small run of its protocol, and both sides of its claims."""

import math
from itertools import product
from pathlib import Path

import default_module
import holdout
import numpy as np
import pandas as pd
import pytest
import rows as rows_benchmark
from _frontier import Rows, _agreeing_losses, best_rule
from _population import CONFIGS, Config, Truth, best_shifted_accuracy, draw, population, truth
from _rate_summary import Finding, claims, report, summarise
from _table import append
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from solution_rate import SETTINGS, Job, Trial, read_engine, read_trials, run_trial

SHARED = Path(__file__).parent.parent.parent / "shared"
DATA = str(SHARED / "data")
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
DATASETS = ["synthetic", *(pytest.param(name, marks=needs_shared) for name in ("gpa", "german"))]
POPULATIONS = [*DATASETS, pytest.param("adult", marks=needs_shared)]


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setitem(SETTINGS, "max_epochs", 2)


def first(dataset):
    return next(config for config in CONFIGS.values() if config.dataset == dataset)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.thinned(2)
def test_a_trial_is_scored_on_the_population_and_repeats(dataset, few_steps):
    config = first(dataset)._replace(limit=0.9 if dataset != "german" else 0.1)
    one, same = (run_trial(config, "argmax", 500, 4, DATA) for _ in range(2))
    assert one.passed
    assert one._replace(seconds=0.0) == same._replace(seconds=0.0)
    assert one.config == config.name
    assert 0.4 < one.accuracy < 0.9
    assert one.g_hard < 0


@needs_shared
def test_adult_features_are_numbers_that_leave_out_the_sex():
    people = population("adult", DATA)
    assert people.X.shape == (48_842, 6 + 100)
    assert np.isfinite(people.X).all()
    assert people.groups["M"].mean() == pytest.approx(0.668, abs=0.001)
    copies = [column for column in people.X.T if (column == people.groups["M"]).all()]
    assert copies == []
    assert people.y[people.groups["F"] == 1].mean() == pytest.approx(0.109, abs=0.001)


@pytest.mark.parametrize("dataset", POPULATIONS)
def test_draws_are_shared_by_constraints_and_differ_by_trial(dataset):
    people = population(dataset, DATA)
    a, b, c = (draw(dataset, 300, trial, DATA) for trial in (0, 0, 1))
    assert (a.rows == b.rows).all()
    assert a.seed == b.seed != c.seed
    assert (a.rows != c.rows).any()
    assert a.rows.max() < len(people.y)
    assert (people.groups.sum(axis=1) == 1).all()


def test_a_model_refused_has_no_scores(few_steps):
    trial = run_trial(Config("synthetic", "DP", 0.001), "argmax", 300, 0, DATA)
    assert not trial.passed
    assert trial.reason
    assert math.isnan(trial.accuracy)
    assert math.isnan(trial.g_hard)


@pytest.mark.parametrize(
    ("family", "limit", "expected"),
    [
        ("DP", 0.1, 0.5 - 0.1),
        ("DI", 0.8, 0.8 * 0.75 - 0.25),
        ("PE", 0.1, 1.0 - 0.1),
        ("EOpp", 0.1, 0.0 - 0.1),
        ("EO", 0.1, 1.0 - 0.1),
        ("PPV", 0.75, (4 * 0.75 - 2) / 8),
        ("PPV", 0.5, 0.0),
    ],
)
def test_truth_by_hand(family, limit, expected, monkeypatch):
    """One man of four and three women of four are positive; false positive rates are 0 and 1."""
    people = population("synthetic")._replace(
        name="hand",
        y=np.array([1, 1, 0, 0, 1, 1, 0, 0]),
        groups=pd.DataFrame({"M": [1, 1, 1, 1, 0, 0, 0, 0], "F": [0, 0, 0, 0, 1, 1, 1, 1]}),
    )
    monkeypatch.setattr("_population.population", lambda *_: people)
    limits = truth.__wrapped__(Config("hand", family, limit))
    assert limits.g([1, 0, 0, 0, 1, 0, 1, 1]) == pytest.approx(expected)
    assert limits.g(np.zeros(8)) <= 0


def test_the_best_shift_keeps_to_the_limits():
    scores, y = np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 1, 0, 0])
    forms = np.array([[0.5, -0.5, 0.5, -0.5]])
    assert best_shifted_accuracy(scores, y, Truth(forms, 0.5)) == 1.0
    assert best_shifted_accuracy(scores, y, Truth(np.ones((1, 4)), 1.0)) == 0.75
    assert best_shifted_accuracy(np.zeros(4), y, Truth(forms, 0.5)) == 0.5


@pytest.mark.parametrize("known", [True, False])
def test_passing_on_the_frontier_is_as_often_as_drawn_rows_pass(known):
    rng, safety, candidate = np.random.default_rng(0), np.array([900, 700]), np.array([500, 600])
    rows, limit, rates = Rows(safety, None if known else candidate), 0.1, np.array([0.3, 0.33])
    gap = np.full(100_000, rates[0] - rates[1])
    if not known:  # it differs from that of the candidate rows by their error
        gap += rng.normal(scale=np.sqrt((rates * (1 - rates) / candidate).sum()), size=len(gap))
    shifted = np.stack([rates[1] + gap, np.full(len(gap), rates[1])], axis=1)
    seen = rng.binomial(safety, shifted) / safety
    room = 1.645 * np.sqrt((seen * (1 - seen) / safety).sum(axis=1))
    passed = np.abs(seen[:, 0] - seen[:, 1]) <= limit - room
    assert rows.passing(rates, limit) == pytest.approx(passed.mean(), abs=0.02)


def test_losses_of_probabilities_that_agree_with_the_decisions():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=400)
    y = (rng.random(400) < expit(2 * scores - 1)).astype(int)
    order = np.argsort(-scores)
    losses = _agreeing_losses(scores, y, order)
    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(scores[:, None], y)
    p = fit.predict_proba(scores[:, None])[:, 1]
    for n in (1, 40, 200, 400):
        chosen = np.zeros(400, bool)
        chosen[order[:n]] = True
        q = np.where(chosen, np.maximum(p, 0.5), np.minimum(p, 0.5))
        assert losses[n - 1] == pytest.approx(log_loss(y, q), abs=1e-5)


@pytest.mark.slow
def test_the_best_rule_is_worse_where_less_is_known(monkeypatch):
    monkeypatch.setattr("_frontier.STEPS_EACH", 40)
    config = CONFIGS["synthetic_DP_0.1"]
    known, seen = (best_rule(config, 4000, 0.9, known=known) for known in (True, False))
    free = 0.732
    assert 0.6 < seen.accuracy < known.accuracy < free
    assert math.isnan(best_rule(config._replace(limit=1e-6), 4000, 0.9, known=True).accuracy)


def a_trial(**changes):
    given = dict.fromkeys(Trial._fields, 0.5) | {
        "dataset": "gpa",
        "config": "gpa_DP_0.1",
        "decision": "argmax",
        "m": 1000,
        "trial": 0,
        "passed": True,
        "reason": "",
        "code": "00000000",
    }
    return Trial(**given | changes)


def test_the_table_reads_as_it_was_written(tmp_path):
    trials = [a_trial(), a_trial(trial=1, passed=False, reason="a, b", g_soft=math.nan)]
    for trial in trials:
        append(tmp_path / "trials.csv", trial)
    read = read_trials(tmp_path)
    assert read["passed"].tolist() == [True, False]
    assert read["reason"].fillna("").tolist() == ["", "a, b"]
    assert math.isnan(read["g_soft"][1])
    jobs = read[list(Job._fields)].itertuples(index=False, name=None)
    assert Job("gpa_DP_0.1", "argmax", 1000, 1) in set(jobs)


@needs_shared
def test_summary_counts_and_has_the_engines_results():
    trials = [a_trial(trial=i, g_hard=0.1 if i < 2 else -0.1, g_soft=-0.1) for i in range(6)]
    trials += [a_trial(trial=i, passed=False, g_hard=math.nan) for i in range(6, 8)]
    engine = read_engine(SHARED / "benchmarks" / "engine_baseline.csv")
    (row,) = summarise(pd.DataFrame(trials), engine, {}, {}).itertuples()
    assert (row.trials, row.rate) == (8, 0.75)
    assert row.low < 0.75 < row.high
    assert (row.soft_violations, row.hard_violations) == (0, 2)
    assert (row.engine_trials, row.engine_rate) == (20, 0.95)


POINT = {
    "config": "gpa_DP_0.1",
    "decision": "argmax",
    "m": 32000,
    "trials": 200,
    "rate": 0.95,
    "soft_violations": 0,
    "hard_violations": 10,
    "accuracy": 0.64,
    "log_loss": 0.64,
    "engine_trials": 20.0,
    "engine_rate": 1.0,
    "engine_log_loss": 0.634,
    "best_accuracy": 0.644,
    "best_log_loss": 0.633,
}
SAMPLE = POINT | {"decision": "sample", "m": 500}


@pytest.mark.parametrize(
    ("good", "bad", "n_claims"),
    [
        (POINT, {"hard_violations": 19}, 4),
        (POINT, {"rate": 0.89}, 4),
        (POINT, {"accuracy": 0.6389}, 4),
        (POINT, {"log_loss": 0.6431}, 4),
        (POINT, {"log_loss": math.nan}, 4),
        (POINT | {"m": 4000}, {"accuracy": 0.629}, 3),
        (POINT | {"config": "german_DI_0.8", "m": 1000, "rate": 0.8}, {"rate": 0.79}, 2),
        (SAMPLE, {"rate": 0.94}, 2),
        (SAMPLE, {"log_loss": 0.65}, 2),
        (
            SAMPLE | {"config": "gpa_DP_0.02", "engine_trials": math.nan, "soft_violations": 10},
            {"soft_violations": 19},
            1,
        ),
    ],
)
def test_each_claim_is_met_missed_or_undecided(good, bad, n_claims):
    met, missed, few = (
        list(claims(pd.DataFrame([row]))) for row in (good, good | bad, good | bad | {"trials": 19})
    )
    assert [finding.holds for finding in met] == [True] * n_claims
    assert [finding.holds for finding in missed].count(False) == 1
    assert [finding.holds for finding in few] == [None] * n_claims


def test_a_missed_claim_fails_the_benchmark(capsys):
    missed = [Finding("a", "1", True), Finding("b", "2", False), Finding("c", "3", None)]
    with pytest.raises(AssertionError, match="b"):
        report(missed, no_assert=False)
    report(missed, no_assert=True)
    report([missed[0], missed[2]], no_assert=False)
    assert "1 claims hold, 1 are not met, 1 have too few trials" in capsys.readouterr().out


def test_the_margin_decides_which_default_is_kept():
    asked = ("linear model", "network", "2"), ("line", "bends")
    rows = [default_module.run_trial(name, 1000, 0, choice) for choice, name in product(*asked)]
    kept = [[name for name in default_module.ALONE if row[name]] for row in rows]
    expected = ["linear model"] * 2 + ["network"] * 2 + ["linear model", "additive model"]
    assert kept == [[name] for name in expected]
    found = default_module.table(pd.DataFrame(rows))
    assert found.loc[("line", 1000, "linear model"), "gain"] == 0
    gain = rows[2]["accuracy"] - rows[0]["accuracy"]
    assert found.loc[("line", 1000, "network"), "gain"] == pytest.approx(gain)


def test_rows_that_evaluate_a_linear_model_are_those_that_were_asked_for():
    trials = [
        holdout.run_trial("linear", "synthetic_DP_0.1", rows, 600, 0)
        for rows in ("none", "half", "copies")
    ]
    assert len({trial["predicted"] for trial in trials}) == 3
    again = holdout.run_trial("linear", "synthetic_DP_0.1", "copies", 600, 0)
    assert again["optimism"] == trials[-1]["optimism"]


def test_dependent_rows_cost_more_than_independent_ones():
    found = rows_benchmark.costs(400, 2)
    assert found["independent"] == 1.0
    assert found["fives, independent"] < found["fives, all rows alike"]
    assert found["shares as drawn"] < found["all shares"]
